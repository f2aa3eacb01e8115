/*
 * fuzz_import_ncnn.c - a .param and its .bin: loaded, planned and, when small, run; or refused with a text.
 *
 * A text ends at the first zero byte, and the rest is the .bin.  The binary form has zeros itself: there the last two
 * bytes say how much of what comes before them is the .param.
 */
#include <string.h>

#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t magic[] = {0x9d, 0x86, 0x76, 0x00};
	const uint8_t *zero = memchr(data, 0, size);
	size_t param = zero ? (size_t)(zero - data) : size, bin = zero ? param + 1 : size;

	if (size > sizeof(magic) + 2 && memcmp(data, magic, sizeof(magic)) == 0) {
		size -= 2;
		param = data[size] | (size_t)data[size + 1] << 8;
		param = param < sizeof(magic) + 1 ? sizeof(magic) + 1 : param > size ? size : param;
		bin = param;
	}
	fuzz_import(data, param, data + bin, size - bin);
	return 0;
}
