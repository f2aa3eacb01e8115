/*
 * fixed.h - real factors as integers, in the way of gemmlowp and TFLite's reference kernels, whose answers are met to
 * the bit.
 *
 * Pure; nothing fails.
 */
#ifndef INFERD_FIXED_H
#define INFERD_FIXED_H

#include <stdbool.h>
#include <stdint.h>

/* scale = multiplier / 2^31 / 2^shift, multiplier within 2^30..2^31-1. */
void fixed_multiplier(double scale, int32_t *ret_multiplier, int32_t *ret_shift);

/*
 * x * min(max(x / 6 + 1/2, 0), 1) of all 256 quantised x, in 16-bit arithmetic: ret_table[(uint8_t)x].  False where an
 * output step is so much finer than an input's that TFLite has no such arithmetic for it; the table is untouched then.
 */
bool fixed_hardswish(float in_scale, int32_t in_zero, float out_scale, int32_t out_zero, int8_t ret_table[256]);

#endif
