/* level_amx.c - what tiles of bytes improve. */
#include "levels.h"

void kernels_amx(struct kernels *table)
{
	kernels_igemm_s8_amx(table);
}
