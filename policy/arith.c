/* arith.c - see arith.h. */
#include "arith.h"

#include <stdint.h>
#include <string.h>

#define LN2_HIGH 0.693145752f /* its product with a small whole number is exact */
#define LN2_LOW	 1.42860677e-6f
#define SQRT2	 1.41421356f

static float from_bits(uint32_t bits)
{
	float value;

	memcpy(&value, &bits, sizeof(value));
	return value;
}

static uint32_t to_bits(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* value = 2^e * m with m about 1, and ln m by the series of atanh, whose first missing term is below 1e-9. */
float policy_ln(float value)
{
	uint32_t bits = to_bits(policy_clamp(value, 1e-30f, 1e30f));
	int exponent = (int)(bits >> 23) - 127;
	float m = from_bits((bits & 0x7fffff) | 0x3f800000), s, s2;

	if (m > SQRT2) {
		m *= 0.5f;
		exponent++;
	}
	s = (m - 1) / (m + 1);
	s2 = s * s;
	s = 2 * s * (1 + s2 * (1 / 3.0f + s2 * (0.2f + s2 * (1 / 7.0f + s2 * (1 / 9.0f)))));
	return (float)exponent * LN2_HIGH + ((float)exponent * LN2_LOW + s);
}

float policy_exp(float value)
{
	float x, r;
	int k;

	if (!(value == value))
		return 0;
	x = policy_clamp(value, -60, 60);
	k = (int)(x * 1.44269504f + (x < 0 ? -0.5f : 0.5f));
	r = x - (float)k * LN2_HIGH - (float)k * LN2_LOW;
	r = 1 + r * (1 + r * (1 / 2.0f + r * (1 / 6.0f + r * (1 / 24.0f + r * (1 / 120.0f + r * (1 / 720.0f))))));
	return r * from_bits((uint32_t)(k + 127) << 23);
}

/* Abramowitz and Stegun, "Handbook of Mathematical Functions", 26.2.17. */
float policy_normal(float z)
{
	float x = z < 0 ? -z : z, t = 1 / (1 + 0.2316419f * x), tail;

	tail = t * (0.319381530f + t * (-0.356563782f + t * (1.781477937f + t * (-1.821255978f + t * 1.330274429f))));
	tail *= 0.39894228f * policy_exp(-x * x / 2);
	return z < 0 ? tail : 1 - tail;
}
