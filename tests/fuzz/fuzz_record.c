/*
 * fuzz_record.c - any bytes as a sketch, and as a field record: what is taken for a sketch has one spelling and adds
 * up; a record is read and drawn, or refused with a sentence.
 */
#include <assert.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client-lib/inferctl/field.h"
#include "client-lib/inferctl/report_page.h"
#include "policy/sketch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_sketch(const uint8_t *data, size_t size)
{
	static uint8_t again[SKETCH_BYTES_MAX];
	static struct sketch sketch, twice;
	uint64_t before = 0;

	if (sketch_decode(data, size, &sketch) < 0)
		return;
	assert(sketch_encode(&sketch, again) == size && !memcmp(again, data, size));
	for (int i = 0; i <= 20; i++) {
		uint64_t value = sketch_quantile(&sketch, i / 20.0);

		assert(value >= before && value >= sketch.min && value <= sketch.max);
		before = value;
	}
	twice = sketch;
	sketch_merge(&twice, &sketch);
	assert(twice.min == sketch.min && twice.max == sketch.max && twice.count >= sketch.count);
	sketch_reset(&twice);
	assert(!twice.count && !twice.max);
}

static void try_record(const uint8_t *data, size_t size)
{
	int fd = memfd_create("record", MFD_CLOEXEC);
	struct field_error error = {""};
	struct field *field = field_create();
	FILE *out = fopen("/dev/null", "w");
	char path[64];

	assert(fd >= 0 && field && out);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, data, size) == (ssize_t)size) {
		if (field_read(field, path, &error) == 0)
			report_page(field, out);
		else
			assert(error.text[0]);
	}
	field_destroy(field);
	fclose(out);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 16 && !memcmp(data, "SQLite format 3", 16))
		try_record(data, size);
	else
		try_sketch(data, size);
	return 0;
}
