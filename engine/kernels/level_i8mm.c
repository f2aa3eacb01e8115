/* level_i8mm.c - what the products of small matrices of bytes improve, which ARMv8.6 has. */
#include "levels.h"

void kernels_i8mm(struct kernels *table)
{
	kernels_igemm_s8_i8mm(table);
}
