/*
 * fuzz_import_ncnn.c - a .param up to the first zero byte, and the rest as its .bin: loaded, planned and, when small,
 * run; or refused with a text.
 */
#include <string.h>

#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = memchr(data, 0, size);
	size_t param = zero ? (size_t)(zero - data) : size, bin = zero ? param + 1 : size;

	fuzz_import(data, param, data + bin, size - bin);
	return 0;
}
