/*
 * requant_avx512.h - 32-bit sums of 32 channels to int8, to the bit as the contract in kernels.h has it.
 */
#ifndef INFERD_REQUANT_AVX512_H
#define INFERD_REQUANT_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

/* Of sixteen channels: what every pixel of them has in common. */
struct requant_avx512 {
	__m512i multiplier, odd_multiplier; /* the latter: of channels 1, 3, ... moved down */
	__m512i left, right, rounding;
	__mmask16 rounds;	   /* where right is not 0 */
	bool shifts_left;	   /* any channel does */
	__m512i zero, lo, hi;	   /* 16 bits each; lo and hi less the zero point */
	__m512 factor, lo_f, hi_f; /* with float scales */
	bool float_scales;
	bool in_reach; /* no sum times its factor is too large for 32 bits */
};

static inline struct requant_avx512 requant_avx512_of(__m512i multiplier, __m512i shift, int32_t zero_point, int32_t lo,
						      int32_t hi, bool float_scales)
{
	const __m512i none = _mm512_setzero_si512();
	struct requant_avx512 r = {.multiplier = multiplier, .float_scales = float_scales};

	r.odd_multiplier = _mm512_srli_epi64(multiplier, 32);
	r.right = _mm512_max_epi32(shift, none);
	r.left = _mm512_max_epi32(_mm512_sub_epi32(none, shift), none);
	r.rounding = _mm512_srli_epi32(_mm512_sllv_epi32(_mm512_set1_epi32(1), r.right), 1);
	r.shifts_left = _mm512_test_epi32_mask(r.left, r.left) != 0;
	r.rounds = _mm512_test_epi32_mask(r.right, r.right);
	r.zero = _mm512_set1_epi16((int16_t)zero_point);
	r.lo = _mm512_set1_epi16((int16_t)(lo - zero_point));
	r.hi = _mm512_set1_epi16((int16_t)(hi - zero_point));
	r.factor = _mm512_castsi512_ps(r.multiplier);
	r.in_reach = _mm512_cmp_ps_mask(_mm512_abs_ps(r.factor), _mm512_set1_ps(1), _CMP_LT_OQ) == 0xffff;
	r.lo_f = _mm512_set1_ps((float)(lo - zero_point));
	r.hi_f = _mm512_set1_ps((float)(hi - zero_point));
	return r;
}

static inline __m512i requant_scale_avx512(const struct requant_avx512 *r, __m512i sum)
{
	const __m512i half = _mm512_set1_epi64(1 << 30);
	__m512i even, odd, value;

	if (r->shifts_left)
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

/* Not yet clamped but where it has to be to become an integer: a sum too large for one would be the smallest. */
static inline __m512i requant_sum_avx512(const struct requant_avx512 *r, __m512i sum)
{
	if (r->float_scales) {
		const __m512 value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), r->factor);

		if (r->in_reach)
			return _mm512_cvtps_epi32(value);
		return _mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(value, r->lo_f), r->hi_f));
	}
	return requant_scale_avx512(r, sum);
}

/*
 * Two times sixteen sums, as 16 bits clamped and with the zero point; packing has saturated them.  It works within
 * quarters of a register: four of sums0, four of sums1, and so on.
 */
static inline __m512i requant_avx512(const struct requant_avx512 *r0, const struct requant_avx512 *r1, __m512i sums0,
				     __m512i sums1)
{
	__m512i words = _mm512_packs_epi32(requant_sum_avx512(r0, sums0), requant_sum_avx512(r1, sums1));

	words = _mm512_min_epi16(_mm512_max_epi16(words, r0->lo), r0->hi);
	return _mm512_add_epi16(words, r0->zero);
}

#endif
