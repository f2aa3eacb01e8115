/* level_fp16.c - what arithmetic on halves adds, which ARMv8.2 may have: what plans use that allow it. */
#include <trim.h>

#include "levels.h"

void kernels_fp16(struct kernels *table)
{
	if (WITH_TYPE_float32)
		kernels_igemm_f16_fp16(table);
}
