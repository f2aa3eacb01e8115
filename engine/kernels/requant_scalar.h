/*
 * requant_scalar.h - a 32-bit sum to int8, as the contract in kernels.h has it.
 */
#ifndef INFERD_REQUANT_SCALAR_H
#define INFERD_REQUANT_SCALAR_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline float clamp_f32(float value, float lo, float hi)
{
	/* NaN becomes lo. */
	return value > lo ? (value < hi ? value : hi) : lo;
}

/* Of one output channel; see the contract in kernels.h. */
struct requant {
	int32_t multiplier, shift, zero_point, lo, hi;
	bool float_scales;
};

static inline int8_t requantise_in_float(const struct requant *r, int32_t sum)
{
	float factor;

	memcpy(&factor, &r->multiplier, sizeof(factor));
	return (int8_t)((int32_t)rintf(clamp_f32((float)sum * factor, (float)(r->lo - r->zero_point),
						 (float)(r->hi - r->zero_point))) +
			r->zero_point);
}

static inline int8_t requantise(const struct requant *r, int32_t sum)
{
	int32_t multiplier = r->multiplier, shift = r->shift, lo = r->lo - r->zero_point, hi = r->hi - r->zero_point;
	uint32_t left = shift < 0 ? (uint32_t)-shift : 0, right = shift > 0 ? (uint32_t)shift : 0;
	int64_t product = (int64_t)(int32_t)((uint32_t)sum << left) * multiplier;
	int32_t value = (int32_t)((product + (1 << 30)) >> 31);

	/* Half away from zero: of a negative value, a little less than half is added. */
	value = (int32_t)((uint32_t)value + ((1u << right) >> 1) - (value < 0 && right)) >> right;
	value = value < lo ? lo : value > hi ? hi : value;
	return (int8_t)(value + r->zero_point);
}

#endif
