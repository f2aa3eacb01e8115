/*
 * requant_avx512.h - 32-bit sums to int8, sixteen channels at a time, to the bit as the contract in kernels.h has it.
 */
#ifndef INFERD_REQUANT_AVX512_H
#define INFERD_REQUANT_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

/* How sums are scaled, the quickest way that is exact for all channels of a step. */
enum requant_avx512_mode {
	REQUANT_FLOAT,
	REQUANT_FLOAT_CLAMPED, /* factors so large that a product may not fit 32 bits: clamped before */
	REQUANT_POSITIVE,      /* what is below zero is clamped away: how it is rounded does not matter */
	REQUANT_FIXED
};

/* Of sixteen channels, what the mode needs of it: the same for every pixel of them. */
struct requant_avx512 {
	__m512i multiplier,
		odd_multiplier; /* the latter: of channels 1, 3, ... moved down; the former with float scales */
	__m512i half, odd_half; /* 64 bits each: of both roundings */
	__m512i right; /* REQUANT_POSITIVE: what is left of it, and of bits 31..62, behind the upper half of a product
			*/
	__m512i left, rounding;
	__mmask16 rounds; /* where right is not 0 */
};

/* Of all channels. */
struct requant_range_avx512 {
	__m512i zero, lo, hi; /* 16 bits; 8 bits, 8 bits */
	__m512 lo_f, hi_f;    /* less the zero point */
};

/* The mode for n channels, a multiple of sixteen. */
static inline enum requant_avx512_mode requant_mode_avx512(const int32_t *multiplier, const int32_t *shift, size_t n,
							   bool clamps_negative, bool float_scales)
{
	bool exact = true;

	for (size_t i = 0; i < n && float_scales; i += 16) {
		const __m512 factor = _mm512_abs_ps(_mm512_castsi512_ps(_mm512_loadu_si512(multiplier + i)));

		exact &= _mm512_cmp_ps_mask(factor, _mm512_set1_ps(1), _CMP_LT_OQ) == 0xffff;
	}
	if (float_scales)
		return exact ? REQUANT_FLOAT : REQUANT_FLOAT_CLAMPED;
	for (size_t i = 0; i < n && clamps_negative; i += 16) {
		const __m512i factor = _mm512_loadu_si512(multiplier + i);
		const __mmask16 used = _mm512_test_epi32_mask(factor, factor);

		exact &= !_mm512_mask_cmplt_epi32_mask(used, _mm512_loadu_si512(shift + i), _mm512_set1_epi32(1));
	}
	return clamps_negative && exact ? REQUANT_POSITIVE : REQUANT_FIXED;
}

static inline void requant_range_avx512(int32_t zero_point, int32_t lo, int32_t hi,
					struct requant_range_avx512 *ret_range)
{
	ret_range->zero = _mm512_set1_epi16((int16_t)zero_point);
	ret_range->lo = _mm512_set1_epi8((int8_t)lo);
	ret_range->hi = _mm512_set1_epi8((int8_t)hi);
	ret_range->lo_f = _mm512_set1_ps((float)(lo - zero_point));
	ret_range->hi_f = _mm512_set1_ps((float)(hi - zero_point));
}

static inline void requant_load_avx512(enum requant_avx512_mode mode, const int32_t *multiplier, const int32_t *shift,
				       struct requant_avx512 *ret_requant)
{
	const __m512i none = _mm512_setzero_si512(), half = _mm512_set1_epi64(1 << 30);
	const __m512i shifts = _mm512_loadu_si512(shift), right = _mm512_max_epi32(shifts, none);

	ret_requant->multiplier = _mm512_loadu_si512(multiplier);
	if (mode <= REQUANT_FLOAT_CLAMPED)
		return;
	ret_requant->odd_multiplier = _mm512_srli_epi64(ret_requant->multiplier, 32);
	ret_requant->right = right;
	if (mode == REQUANT_POSITIVE) {
		const __m512i even_right = _mm512_and_si512(right, _mm512_set1_epi64(63));

		ret_requant->half = _mm512_add_epi64(half, _mm512_sllv_epi64(half, even_right));
		ret_requant->odd_half = _mm512_add_epi64(half, _mm512_sllv_epi64(half, _mm512_srli_epi64(right, 32)));
		ret_requant->right = _mm512_sub_epi32(right, _mm512_set1_epi32(1));
		return;
	}
	ret_requant->left = _mm512_max_epi32(_mm512_sub_epi32(none, shifts), none);
	ret_requant->rounding = _mm512_srli_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), right), 1);
	ret_requant->rounds = _mm512_test_epi32_mask(right, right);
}

static inline __m512i requant_fixed_avx512(const struct requant_avx512 *r, __m512i sum)
{
	const __m512i half = _mm512_set1_epi64(1 << 30);
	__m512i even, odd, value;

	sum = _mm512_sllv_epi32(sum, r->left);
	/* Bits 31..62 of the 64-bit products: of even lanes moved down, of odd ones up by one. */
	even = _mm512_add_epi64(_mm512_mul_epi32(sum, r->multiplier), half);
	odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(sum, 32), r->odd_multiplier), half);
	value = _mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 31), _mm512_slli_epi64(odd, 1));
	/* Half away from zero: of a negative value, a little less than half is added. */
	value = _mm512_mask_add_epi32(value, r->rounds, value, _mm512_srai_epi32(value, 31));
	value = _mm512_add_epi32(value, r->rounding);
	return _mm512_srav_epi32(value, r->right);
}

/*
 * Two roundings half up, one behind the other, are one with both halves added before; of a sum below zero the result
 * is not above it, which is all that is asked of it.
 */
static inline __m512i requant_positive_avx512(const struct requant_avx512 *r, __m512i sum)
{
	const __m512i even = _mm512_add_epi64(_mm512_mul_epi32(sum, r->multiplier), r->half);
	const __m512i odd =
		_mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64(sum, 32), r->odd_multiplier), r->odd_half);
	const __m512i high = _mm512_mask_shuffle_epi32(odd, 0x5555, even, _MM_PERM_DDBB);

	return _mm512_srav_epi32(high, r->right);
}

/* Not yet clamped but where it has to be to become an integer: a sum too large for one would be the smallest. */
static inline __attribute__((always_inline)) __m512i requant_sum_avx512(enum requant_avx512_mode mode,
									const struct requant_range_avx512 *range,
									const struct requant_avx512 *r, __m512i sum)
{
	__m512 value;

	if (mode == REQUANT_POSITIVE)
		return requant_positive_avx512(r, sum);
	if (mode == REQUANT_FIXED)
		return requant_fixed_avx512(r, sum);
	value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_castsi512_ps(r->multiplier));
	if (mode == REQUANT_FLOAT_CLAMPED)
		value = _mm512_min_ps(_mm512_max_ps(value, range->lo_f), range->hi_f);
	return _mm512_cvtps_epi32(value);
}

/*
 * Four times sixteen sums as bytes, clamped and with the zero point: packing and adding saturate.  It works within
 * quarters of a register: four of sums[0], four of sums[1], and so on.
 */
static inline __attribute__((always_inline)) __m512i requant_bytes_avx512(enum requant_avx512_mode mode,
									  const struct requant_range_avx512 *range,
									  const struct requant_avx512 *const r[4],
									  const __m512i sums[4])
{
	const __m512i low = _mm512_packs_epi32(requant_sum_avx512(mode, range, r[0], sums[0]),
					       requant_sum_avx512(mode, range, r[1], sums[1]));
	const __m512i high = _mm512_packs_epi32(requant_sum_avx512(mode, range, r[2], sums[2]),
						requant_sum_avx512(mode, range, r[3], sums[3]));
	const __m512i bytes =
		_mm512_packs_epi16(_mm512_adds_epi16(low, range->zero), _mm512_adds_epi16(high, range->zero));

	return _mm512_min_epi8(_mm512_max_epi8(bytes, range->lo), range->hi);
}

/* Calls function(mode, ...), to be inlined, with the mode as a constant. */
#define REQUANT_BY_MODE(mode, function, ...)                                                                           \
	switch (mode) {                                                                                                \
	case REQUANT_FLOAT:                                                                                            \
		function(REQUANT_FLOAT, __VA_ARGS__);                                                                  \
		break;                                                                                                 \
	case REQUANT_FLOAT_CLAMPED:                                                                                    \
		function(REQUANT_FLOAT_CLAMPED, __VA_ARGS__);                                                          \
		break;                                                                                                 \
	case REQUANT_POSITIVE:                                                                                         \
		function(REQUANT_POSITIVE, __VA_ARGS__);                                                               \
		break;                                                                                                 \
	case REQUANT_FIXED:                                                                                            \
		function(REQUANT_FIXED, __VA_ARGS__);                                                                  \
		break;                                                                                                 \
	}

#endif
