/* level_amx.c - what tiles of bytes improve. */
#include <trim.h>

#include "levels.h"

void kernels_amx(struct kernels *table)
{
	if (WITH_TYPE_int8)
		kernels_igemm_s8_amx(table);
}
