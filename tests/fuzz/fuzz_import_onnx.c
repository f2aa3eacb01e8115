/* fuzz_import_onnx.c - any bytes as an ONNX file: loaded, planned and, when small, run; or refused with a text. */
#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	fuzz_import(data, size, NULL, 0);
	return 0;
}
