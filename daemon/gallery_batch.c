/* gallery_batch.c - see gallery_batch.h. */
#include "gallery_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gallery.h"
#include "ladder.h"

/* Without moments, and with them. */
static const char magic[8] = "INFVECS1", magic_2[8] = "INFVECS2";

#define HEAD_BYTES    16 /* magic, number of variants, number of pictures */
#define VARIANT_BYTES 16 /* space, length, 0 */
#define MOMENT_BYTES  16 /* source, from, to, 0 */

__attribute__((format(printf, 3, 4))) static int fail(struct config_error *error, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

static uint32_t le32(const uint8_t *bytes)
{
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Only what lies in memory is read: anything else could keep the store's thread waiting. */
static int read_memory(int fd, struct config_error *error, uint8_t **ret_bytes, size_t *ret_size)
{
	struct stat status;
	uint8_t *bytes;
	size_t size, n = 0;

	if (fcntl(fd, F_GET_SEALS) < 0 || fstat(fd, &status) < 0)
		return fail(error, -EINVAL, "the vectors did not come in a memfd");
	if (status.st_size < HEAD_BYTES || status.st_size > (off_t)GALLERY_BATCH_BYTES_MAX)
		return fail(error, -EMSGSIZE, "%lld bytes of vectors; %d to %u are taken at a time",
			    (long long)status.st_size, HEAD_BYTES, GALLERY_BATCH_BYTES_MAX);
	size = (size_t)status.st_size;
	bytes = malloc(size);
	if (!bytes)
		return fail(error, -ENOMEM, "out of memory for the vectors");
	while (n < size) {
		ssize_t got = pread(fd, bytes + n, size - n, (off_t)n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			free(bytes);
			return fail(error, -EINVAL, "the vectors end while they are read");
		}
		n += (size_t)got;
	}
	*ret_bytes = bytes;
	*ret_size = size;
	return 0;
}

/* The counts and lengths, which must add up to the size, and where the vectors begin. */
static int read_head(const uint8_t *bytes, size_t size, struct config_error *error, struct gallery_batch *batch,
		     size_t *ret_head)
{
	uint32_t n_variants = le32(bytes + 8), n_pictures = le32(bytes + 12);
	bool has_moments = memcmp(bytes, magic_2, sizeof(magic_2)) == 0;
	uint64_t due = HEAD_BYTES + (uint64_t)n_variants * VARIANT_BYTES;

	if (!has_moments && memcmp(bytes, magic, sizeof(magic)) != 0)
		return fail(error, -EINVAL, "what came does not begin with INFVECS1 or INFVECS2");
	if (n_variants < 1 || n_variants > CONFIG_VARIANTS_MAX || n_pictures < 1 ||
	    n_pictures > GALLERY_BATCH_PICTURES_MAX)
		return fail(error, -EINVAL, "%u variants and %u pictures; 1 to %d and 1 to %d are due", n_variants,
			    n_pictures, CONFIG_VARIANTS_MAX, GALLERY_BATCH_PICTURES_MAX);
	if (due > size)
		return fail(error, -EINVAL, "the vectors end within their head");
	*ret_head = due + (has_moments ? (uint64_t)n_pictures * MOMENT_BYTES : 0);
	due = *ret_head;
	for (uint32_t i = 0; i < n_variants; i++) {
		const uint8_t *at = bytes + HEAD_BYTES + (size_t)i * VARIANT_BYTES;
		uint32_t length = le32(at + 8);

		if (length < 1 || length > LADDER_OUTPUTS_MAX)
			return fail(error, -EINVAL, "vectors of %u numbers; 1 to %d are due", length,
				    LADDER_OUTPUTS_MAX);
		batch->variants[i].space = le32(at) | (uint64_t)le32(at + 4) << 32;
		batch->variants[i].length = (int)length;
		due += (uint64_t)n_pictures * length * sizeof(float);
	}
	if (due != size)
		return fail(error, -EINVAL, "%zu bytes of vectors where %llu are due", size, (unsigned long long)due);
	batch->n_variants = (int)n_variants;
	batch->n_pictures = (int)n_pictures;
	return 0;
}

static int check_vector(const float *vector, int length, struct config_error *error)
{
	double sum = 0;

	for (int i = 0; i < length; i++) {
		if (!isfinite(vector[i]))
			return fail(error, -EINVAL, "a vector has a number that is not finite");
		sum += (double)vector[i] * (double)vector[i];
	}
	if (fabs(sqrt(sum) - 1) > GALLERY_LENGTH_TOLERANCE)
		return fail(error, -EINVAL, "a vector has the length %g and not 1", sqrt(sum));
	return 0;
}

/* What is between the variants and the vectors: nothing, or a moment of each picture. */
static int read_moments(const uint8_t *bytes, size_t head, struct config_error *error, struct gallery_batch *batch)
{
	size_t at = HEAD_BYTES + (size_t)batch->n_variants * VARIANT_BYTES;

	for (int i = 0; at < head; i++, at += MOMENT_BYTES) {
		struct gallery_batch_moment moment = {le32(bytes + at), le32(bytes + at + 4), le32(bytes + at + 8)};

		if (moment.source > GALLERY_SOURCE_MAX)
			return fail(error, -EINVAL, "a picture's source is %u; 0 to %d are due", moment.source,
				    GALLERY_SOURCE_MAX);
		if (moment.from_ms > moment.to_ms || moment.to_ms > GALLERY_TIME_MAX ||
		    (!moment.source && moment.to_ms))
			return fail(error, -EINVAL, "a picture is of the source %u from %u to %u ms, which is no time",
				    moment.source, moment.from_ms, moment.to_ms);
		batch->moments[i] = moment;
	}
	return 0;
}

static int read_vectors(const uint8_t *bytes, size_t head, size_t size, struct config_error *error,
			struct gallery_batch *batch)
{
	size_t n = (size - head) / sizeof(float);
	float *next = malloc(n * sizeof(*next));

	if (!next)
		return fail(error, -ENOMEM, "out of memory for the vectors");
	batch->memory = next;
	for (size_t i = 0; i < n; i++) {
		uint32_t bits = le32(bytes + head + 4 * i);

		memcpy(&next[i], &bits, sizeof(bits));
	}
	for (int i = 0; i < batch->n_variants; i++) {
		batch->variants[i].vectors = next;
		for (int j = 0; j < batch->n_pictures; j++, next += batch->variants[i].length) {
			int rc = check_vector(next, batch->variants[i].length, error);

			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

int gallery_batch_read(int fd, struct config_error *ret_error, struct gallery_batch *ret_batch)
{
	struct gallery_batch batch = {0};
	uint8_t *bytes = NULL;
	size_t size = 0, head = 0;
	int rc = read_memory(fd, ret_error, &bytes, &size);

	if (rc == 0)
		rc = read_head(bytes, size, ret_error, &batch, &head);
	if (rc == 0)
		rc = read_moments(bytes, head, ret_error, &batch);
	if (rc == 0)
		rc = read_vectors(bytes, head, size, ret_error, &batch);
	free(bytes);
	if (rc < 0) {
		gallery_batch_finish(&batch);
		return rc;
	}
	*ret_batch = batch;
	return 0;
}

void gallery_batch_finish(struct gallery_batch *batch)
{
	free(batch->memory);
	batch->memory = NULL;
}
