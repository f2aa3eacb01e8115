/*
 * fuzz_vectors.c - any bytes as the vectors that a client wants to add to a gallery: refused with a sentence, or as
 * many as its counts say, each of them of length 1, and with times that make sense.
 */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/gallery_batch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void check(const struct gallery_batch *batch, bool timed, size_t size)
{
	size_t due = 16 + 16 * (size_t)batch->n_variants + (timed ? 16 * (size_t)batch->n_pictures : 0);

	require(batch->n_variants >= 1 && batch->n_variants <= CONFIG_VARIANTS_MAX);
	require(batch->n_pictures >= 1 && batch->n_pictures <= GALLERY_BATCH_PICTURES_MAX);
	for (int i = 0; i < batch->n_pictures; i++) {
		struct gallery_batch_moment moment = batch->moments[i];

		require(moment.source <= INT32_MAX && moment.from_ms <= moment.to_ms && moment.to_ms <= INT32_MAX);
		require((timed && moment.source) || !moment.to_ms);
	}
	for (int i = 0; i < batch->n_variants; i++) {
		int length = batch->variants[i].length;

		due += (size_t)batch->n_pictures * (size_t)length * sizeof(float);
		for (int j = 0; j < batch->n_pictures; j++) {
			double sum = 0;

			for (int k = 0; k < length; k++) {
				double number = batch->variants[i].vectors[(size_t)j * (size_t)length + (size_t)k];

				sum += number * number;
			}
			require(fabs(sqrt(sum) - 1) <= GALLERY_LENGTH_TOLERANCE);
		}
	}
	require(due == size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_error error = {""};
	struct gallery_batch batch = {0};
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	if (gallery_batch_read(fd, &error, &batch) < 0)
		require(error.text[0] != '\0');
	else
		check(&batch, data[7] == '2', size);
	gallery_batch_finish(&batch);
	close(fd);
	return 0;
}
