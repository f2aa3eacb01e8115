/*
 * fixed.c - real factors as integers, and what is computed with 16 bits of them.
 */
#include "fixed.h"

#include <math.h>

void fixed_multiplier(double scale, int32_t *ret_multiplier, int32_t *ret_shift)
{
	int exponent;
	int64_t fixed = llround(frexp(scale, &exponent) * 2147483648.0);

	if (fixed == 1ll << 31) {
		fixed /= 2;
		exponent++;
	}
	if (exponent < -31) {
		exponent = 0;
		fixed = 0;
	} else if (exponent > 30) {
		exponent = 30;
		fixed = INT32_MAX;
	}
	*ret_multiplier = (int32_t)fixed;
	*ret_shift = -exponent;
}

/* ---- 16 bits ------------------------------------------------------------------------------------- */

static int32_t saturate(int32_t value)
{
	return value < INT16_MIN ? INT16_MIN : value > INT16_MAX ? INT16_MAX : value;
}

/* Twice the product's upper half; rounding: to the nearest, a half upwards. */
static int32_t high_product(int32_t a, int32_t b, bool rounding)
{
	int32_t product = a * b;

	if (rounding)
		product += product >= 0 ? 1 << 14 : 1 - (1 << 14);
	return saturate(product / (1 << 15));
}

/* Over 2^bits, to the nearest, a half away from zero. */
static int32_t divide_by_power(int32_t value, int bits)
{
	int32_t half = bits ? 1 << (bits - 1) : 0;

	return value >= 0 ? (value + half) >> bits : -((half - value) >> bits);
}

/* A positive factor as 16 bits: factor = multiplier / 2^15 / 2^shift. */
static int32_t multiplier_of_16_bits(double factor, int32_t *ret_shift)
{
	int32_t multiplier;

	fixed_multiplier(factor, &multiplier, ret_shift);
	return multiplier >= INT32_MAX - (1 << 15) ? INT16_MAX : (multiplier + (1 << 15)) >> 16;
}

/* The gate from -1 to 1, which is 3 each way of x, in 2^15ths; x with seven bits behind the point. */
static int32_t gate_of(int32_t x, int32_t multiplier, int32_t shift)
{
	int32_t gate = x;

	/* Saturation at the last doubling is what bounds the gate. */
	if (shift < 0)
		for (int32_t i = 1; i < -shift && gate > INT16_MIN && gate < INT16_MAX; i++)
			gate = saturate(gate * 2);
	gate = high_product(gate, multiplier, true);
	if (shift < 0)
		return saturate(gate * 2);
	return divide_by_power(gate, shift > 30 ? 30 : shift);
}

bool fixed_hardswish(float in_scale, int32_t in_zero, float out_scale, int32_t out_zero, int8_t ret_table[256])
{
	float fine = in_scale * (1.0f / 128.0f);
	int32_t out_shift, gate_shift;
	int32_t out_multiplier = multiplier_of_16_bits((double)(fine / out_scale), &out_shift);
	int32_t gate_multiplier = multiplier_of_16_bits((double)(fine / (3.0f / 32768.0f)), &gate_shift);

	if (out_shift < 0 || out_shift > 15)
		return false;
	for (int32_t q = -128; q < 128; q++) {
		int32_t x = saturate((q - in_zero) * 128);
		int32_t gate = (gate_of(x, gate_multiplier, gate_shift) + (1 << 15)) >> 1;
		int32_t product = high_product(gate, high_product(x, out_multiplier, true), false);
		int32_t y = divide_by_power(product, out_shift) + out_zero;

		ret_table[(uint8_t)q] = (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
	}
	return true;
}
