/* dots_s8_avx512vnni.c - dot products of bytes in 512 bits. */
#include <immintrin.h>

#include "levels.h"

/* The instruction multiplies bytes without a sign by bytes with one: the row's numbers are taken 128 higher. */
static __m512i add_products(__m512i sums, const int8_t *row, const int8_t *query)
{
	__m512i raised = _mm512_xor_si512(_mm512_loadu_si512(row), _mm512_set1_epi8((char)0x80));

	return _mm512_dpbusd_epi32(sums, raised, _mm512_loadu_si512(query));
}

static void dots_s8(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out)
{
	size_t whole = stride / 256 * 256;
	int32_t surplus = 0;

	for (size_t j = 0; j < stride; j++)
		surplus += 128 * query[j];
	for (size_t i = 0; i < n; i++, rows += stride) {
		__m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
		size_t j = 0;

		for (; j < whole; j += 256) {
			a = add_products(a, rows + j, query + j);
			b = add_products(b, rows + j + 64, query + j + 64);
			c = add_products(c, rows + j + 128, query + j + 128);
			d = add_products(d, rows + j + 192, query + j + 192);
		}
		for (; j < stride; j += 64)
			a = add_products(a, rows + j, query + j);
		a = _mm512_add_epi32(_mm512_add_epi32(a, b), _mm512_add_epi32(c, d));
		out[i] = _mm512_reduce_add_epi32(a) - surplus;
	}
}

void kernels_dots_s8_avx512vnni(struct kernels *table)
{
	table->dots_s8 = dots_s8;
}
