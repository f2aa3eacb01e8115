/* fuzz_import_caffe.c - a text, a zero byte, and any bytes as its weights: a network, or refused with a text. */
#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size ? memchr(data, 0, size) : NULL;
	size_t text = end ? (size_t)(end - data) : size;

	fuzz_import(data, text, end ? end + 1 : NULL, end ? size - text - 1 : 0);
	return 0;
}
