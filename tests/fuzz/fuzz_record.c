/*
 * fuzz_record.c - any bytes as a sketch, and as a field record: what is taken for a sketch has one spelling and adds
 * up; a record is read and drawn, or refused with a sentence.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* SQLite opens files by their names, and may leave some beside them. */
static char record_path[] = "/tmp/inferd-fuzz-record-XXXXXX";

static void remove_beside(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s-wal", record_path);
	unlink(path);
	snprintf(path, sizeof(path), "%s-shm", record_path);
	unlink(path);
}

static void remove_all(void)
{
	remove_beside();
	unlink(record_path);
}

static const char *write_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0) {
		fd = mkstemp(record_path);
		atexit(remove_all);
	}
	remove_beside();
	assert(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	return record_path;
}

static void try_record(const uint8_t *data, size_t size)
{
	struct field_error error = {""};
	struct field *field = field_create();
	FILE *out = fopen("/dev/null", "w");

	assert(field && out);
	if (field_read(field, write_file(data, size), &error) == 0)
		report_page(field, out);
	else
		assert(error.text[0]);
	field_destroy(field);
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= 16 && !memcmp(data, "SQLite format 3", 16))
		try_record(data, size);
	else
		try_sketch(data, size);
	return 0;
}
