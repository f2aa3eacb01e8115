/*
 * arith.h - logarithm and exponential from IEEE + - * / alone, the same to the bit on every machine.
 *
 * The C library's differ from one machine to the next in the last bit, and one bit can turn a decision.  Relative
 * error below 1e-6; no errors, no traps: what is out of range is clamped.
 */
#ifndef INFERD_POLICY_ARITH_H
#define INFERD_POLICY_ARITH_H

/* Of values from 1e-30 to 1e30; less (and what is no number) is taken for 1e-30, more for 1e30. */
float policy_ln(float value);
/* Of values from -60 to 60, clamped; 0 for what is no number. */
float policy_exp(float value);
/* Share of the standard normal distribution below z; off by at most 1e-6. */
float policy_normal(float z);

/* lo <= value <= hi; lo for what is no number. */
static inline float policy_clamp(float value, float lo, float hi)
{
	return value > lo ? (value < hi ? value : hi) : lo;
}

#endif
