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
static inline __attribute__((always_inline)) void
finish_in(enum requant_avx512_mode mode, const struct igemm_s8_args *args, size_t first, const int32_t (*sums)[LANES])
{
	const int32_t *head = (const int32_t *)args->w + first;
	const __m512i bias = _mm512_load_si512(head), least = _mm512_load_si512(head + 3 * NR);
	const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
	const size_t n = args->n - first < LANES ? args->n - first : LANES;
	const __mmask16 columns = (__mmask16)(n < LANES ? (1u << n) - 1 : 0xffff);
	struct requant_avx512 requant;
	const struct requant_avx512 *const alike[4] = {&requant, &requant, &requant, &requant};
	struct requant_range_avx512 range;

	requant_range_avx512(args->zero_point, args->lo, args->hi, &range);
	requant_load_avx512(mode, head + NR, head + 2 * NR, &requant);
	for (size_t r = 0; r < args->m; r += 4) {
		_Alignas(64) int8_t rows[4][LANES];
		__m512i four[4];

		for (size_t i = 0; i < 4; i++) {
			const size_t row = r + i < args->m ? r + i : args->m - 1;
			const __m512i below = _mm512_mullo_epi32(least, _mm512_set1_epi32(args->row_sums[row]));

			four[i] = _mm512_add_epi32(_mm512_load_si512(sums[row]), _mm512_add_epi32(bias, below));
		}
		_mm512_store_si512(rows,
				   _mm512_permutexvar_epi32(order, requant_bytes_avx512(mode, &range, alike, four)));
		for (size_t i = 0; i < 4 && r + i < args->m; i++)
			_mm_mask_storeu_epi8(args->c + (r + i) * args->c_stride + first, columns,
					     _mm_load_si128((const __m128i *)(const void *)rows[i]));
	}
}

static inline void finish(const struct igemm_s8_args *args, size_t first, const int32_t (*sums)[LANES])
{
	const int32_t *head = (const int32_t *)args->w + first;

	REQUANT_BY_MODE(
		requant_mode_avx512(head + NR, head + 2 * NR, LANES, args->lo >= args->zero_point, args->float_scales),
		finish_in, args, first, sums)
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
