/*
 * igemm_s8_amx.c - 16 rows x 64 columns in four tiles of sums: each tile of 16 rows x 64 channels meets four of
 * weights.
 *
 * tdpbsud multiplies signed by unsigned bytes: weights are the unsigned side, above the least of their channel, as in
 * igemm_s8_avx512vnni.c.  A tile's rows have to be a constant way apart, which rows of an indirect product are not, so
 * they are copied together.
 *
 * A thread's tiles have shapes that the kernel's enter() sets for the channels of one step and leave() gives back.
 */
#include <immintrin.h>

#include "levels.h"
#include "requant_avx512.h"
#include "sum_rows_avx512vnni.h"

#define MR     16
#define NR     64
#define KR     4
#define LANES  16
#define CHUNK  64 /* channels of one tile of inputs */
#define CHUNKS 8  /* copied before the first is loaded */

/* Tiles: sums of four times sixteen columns, inputs and weights, and those of the last channels of a tap. */
#define SUMS0	     0
#define SUMS1	     1
#define SUMS2	     2
#define SUMS3	     3
#define INPUTS	     4
#define WEIGHTS	     5
#define LAST_INPUTS  6
#define LAST_WEIGHTS 7

/* As ldtilecfg reads it (Intel's Software Developer's Manual, volume 1, chapter 18). */
struct tile_config {
	uint8_t palette, start_row, reserved[14];
	uint16_t row_bytes[16];
	uint8_t rows[16];
};

/* Channels of a tap's last tile, in fours as the panels have them. */
static size_t last_of(size_t kc)
{
	return ((kc - 1) % CHUNK + KR) / KR * KR;
}

static void enter(size_t kc)
{
	size_t last = last_of(kc);
	struct tile_config config = {.palette = 1};

	for (int i = SUMS0; i <= WEIGHTS; i++) {
		config.row_bytes[i] = CHUNK;
		config.rows[i] = MR;
	}
	config.row_bytes[LAST_INPUTS] = (uint16_t)last;
	config.rows[LAST_INPUTS] = MR;
	config.row_bytes[LAST_WEIGHTS] = CHUNK;
	config.rows[LAST_WEIGHTS] = (uint8_t)(last / KR);
	_tile_loadconfig(&config);
}

static void leave(void)
{
	_tile_release();
}

/* A walk over the tiles of inputs: taps, and channels within them. */
struct walk {
	const struct igemm_s8_args *args;
	size_t tap, k;
};

/* Copies the sixteen rows of the next tile. */
static inline void copy_chunk(struct walk *walk, int8_t *to)
{
	const struct igemm_s8_args *args = walk->args;
	const int8_t *const *a = args->a + walk->tap * MR;
	const size_t k = walk->k, left = args->kc - k;
	const __mmask64 mask = left < CHUNK ? ~0ull >> (CHUNK - left) : ~0ull;

	for (size_t r = 0; r < MR; r++)
		_mm512_store_si512(to + r * CHUNK, _mm512_maskz_loadu_epi8(mask, a[r] + k));
	walk->k += CHUNK;
	if (walk->k >= args->kc) {
		walk->k = 0;
		walk->tap++;
	}
}

/* The weights of `vectors` times sixteen columns; a row of their tiles is four channels of all of the panel. */
#define MULTIPLY(inputs, weights)                                                                                      \
	do {                                                                                                           \
		_tile_loadd(inputs, from, CHUNK);                                                                      \
		_tile_loadd(weights, w, NR *KR);                                                                       \
		_tile_dpbsud(SUMS0, inputs, weights);                                                                  \
		if (vectors > 1) {                                                                                     \
			_tile_loadd(weights, w + 64, NR * KR);                                                         \
			_tile_dpbsud(SUMS1, inputs, weights);                                                          \
		}                                                                                                      \
		if (vectors > 2) {                                                                                     \
			_tile_loadd(weights, w + 128, NR * KR);                                                        \
			_tile_dpbsud(SUMS2, inputs, weights);                                                          \
		}                                                                                                      \
		if (vectors > 3) {                                                                                     \
			_tile_loadd(weights, w + 192, NR * KR);                                                        \
			_tile_dpbsud(SUMS3, inputs, weights);                                                          \
		}                                                                                                      \
	} while (0)

static inline void multiply(const struct igemm_s8_args *args, int vectors)
{
	_Alignas(64) int8_t copies[2][CHUNKS][MR * CHUNK];
	const size_t per_tap = (args->kc + CHUNK - 1) / CHUNK, last = last_of(args->kc);
	const uint8_t *w = (const uint8_t *)args->w + 4 * NR * sizeof(int32_t);
	struct walk walk = {args, 0, 0};
	size_t left = args->taps * per_tap, in_tap = 0;

	for (int turn = 0; left > 0; turn = !turn) {
		const size_t n = left < CHUNKS ? left : CHUNKS;

		for (size_t i = 0; i < n; i++)
			copy_chunk(&walk, copies[turn][i]);
		for (size_t i = 0; i < n; i++) {
			const int8_t *from = copies[turn][i];

			if (++in_tap < per_tap) {
				MULTIPLY(INPUTS, WEIGHTS);
				w += NR * CHUNK;
			} else {
				MULTIPLY(LAST_INPUTS, LAST_WEIGHTS);
				w += NR * last;
				in_tap = 0;
			}
		}
		left -= n;
	}
}

/* Sixteen rows of sixteen columns from `first` on: adds bias and what is below the weights, requantises and writes. */
static inline void finish(const struct igemm_s8_args *args, size_t first, const int32_t (*sums)[LANES])
{
	const int32_t *head = (const int32_t *)args->w + first;
	const struct requant_avx512 requant =
		requant_avx512_of(_mm512_load_si512(head + NR), _mm512_load_si512(head + 2 * NR), args->zero_point,
				  args->lo, args->hi, args->float_scales);
	const __m512i bias = _mm512_load_si512(head), least = _mm512_load_si512(head + 3 * NR);
	const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7); /* of what packing leaves */
	const size_t n = args->n - first < LANES ? args->n - first : LANES;
	const uint32_t columns = n < LANES ? (1u << n) - 1 : 0xffff;

	for (size_t r = 0; r < args->m; r += 2) {
		const size_t second = r + 1 < args->m ? r + 1 : r;
		const __m512i below0 =
			_mm512_add_epi32(bias, _mm512_mullo_epi32(least, _mm512_set1_epi32(args->row_sums[r])));
		const __m512i below1 =
			_mm512_add_epi32(bias, _mm512_mullo_epi32(least, _mm512_set1_epi32(args->row_sums[second])));
		const __m512i words =
			requant_avx512(&requant, &requant, _mm512_add_epi32(_mm512_load_si512(sums[r]), below0),
				       _mm512_add_epi32(_mm512_load_si512(sums[second]), below1));
		const __m256i bytes = _mm512_cvtepi16_epi8(_mm512_permutexvar_epi64(order, words));
		int8_t *c = args->c + r * args->c_stride + first;

		_mm256_mask_storeu_epi8(c, columns, bytes);
		if (second != r)
			_mm256_mask_storeu_epi8(c + args->c_stride, columns, _mm256_permute4x64_epi64(bytes, 0x0e));
	}
}

static void sum_rows(const struct igemm_s8_args *args, int32_t *ret_sums)
{
	sum_rows_avx512vnni(args, MR, ret_sums);
}

static void igemm_s8_16x64_amx(const struct igemm_s8_args *args)
{
	const int vectors = (int)((args->n - 1) / LANES) + 1;
	_Alignas(64) int32_t sums[NR / LANES][MR][LANES];

	_tile_zero(SUMS0);
	_tile_zero(SUMS1);
	_tile_zero(SUMS2);
	_tile_zero(SUMS3);
	multiply(args, vectors);
	_tile_stored(SUMS0, sums[0], sizeof(**sums));
	_tile_stored(SUMS1, sums[1], sizeof(**sums));
	_tile_stored(SUMS2, sums[2], sizeof(**sums));
	_tile_stored(SUMS3, sums[3], sizeof(**sums));
	for (size_t v = 0; v < (size_t)vectors; v++)
		finish(args, v * LANES, (const int32_t(*)[LANES])sums[v]);
}

void kernels_igemm_s8_amx(struct kernels *table)
{
	table->igemm_s8 = (struct igemm_s8){"igemm_s8_16x64_amx",
					    MR,
					    NR,
					    KR,
					    igemm_s8_16x64_amx,
					    .panel = KERNEL_BYTES,
					    .sum_rows = sum_rows,
					    .enter = enter,
					    .leave = leave};
}
