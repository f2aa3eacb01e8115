/* fuzz_packed.c - any bytes as a converted file whose checksum is right: loaded, planned and, when small, run; or
 * refused with a text. */
#include "engine/packed.h"
#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *file;

	if (!packed_is(data, size))
		return 0;
	file = aligned_alloc(64, (size + 63) / 64 * 64);
	if (!file)
		return 0;
	memcpy(file, data, size);
	packed_seal(file, size);
	fuzz_import(file, size, NULL, 0);
	free(file);
	return 0;
}
