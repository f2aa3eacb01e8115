/*
 * dwconv_s8_avx512vnni.c - depthwise convolution of bytes, 64 channels at a time.
 *
 * The bytes of up to four rows are interleaved, so that vpdpbusd adds what a column of the window gives to sixteen
 * channels; interleaved columns serve all output pixels whose windows they are in.  Inputs are the unsigned side: 128
 * more than they are, or 127 less them, of which the weights are the negative ones; the bias makes up for either.
 * Weights that no byte holds are the sum of two.
 *
 * Weights are in blocks of 64 channels.  Of fewer channels, where 64 is a multiple of them, a block is several pixels.
 *
 *   int32 sets of weights, 1 or 2; 15 more that are zero
 *   uint8 flip[64] of the inputs
 *   int32 bias[64], multiplier[64], shift[64]
 *   int8 [set][kw][ceil(kh / 4)][64][4]
 *
 * Interleaving leaves the channels of a block in four vectors, of which each has four channels of every quarter: words
 * and weights are in that order.
 *
 * Inputs are over-read by less than 64 bytes; outputs are written exactly.
 */
#include <immintrin.h>
#include <string.h>

#include "dwconv_row.h"
#include "levels.h"
#include "requant_avx512.h"

#define BLOCK	64
#define VECTORS 4 /* of sixteen channels */
#define ROWS	4 /* interleaved */
#define PIXELS	4 /* that share columns */
#define SETS	2

struct block {
	int32_t sets, unused[15];
	uint8_t flip[BLOCK];
	int32_t bias[BLOCK], multiplier[BLOCK], shift[BLOCK];
	int8_t weights[];
};

/* ---- weights ----------------------------------------------------------------------------------- */

static size_t rows_of(size_t kh)
{
	return (kh + ROWS - 1) / ROWS;
}

/* Of one column of all rows. */
static size_t column_bytes(size_t kh)
{
	return rows_of(kh) * BLOCK * ROWS;
}

static size_t block_bytes(size_t kh, size_t kw)
{
	return sizeof(struct block) + SETS * kw * column_bytes(kh);
}

static size_t blocks_of(size_t channels)
{
	return (channels + BLOCK - 1) / BLOCK;
}

static size_t packed_bytes(size_t channels, size_t kh, size_t kw)
{
	return blocks_of(channels) * block_bytes(kh, kw);
}

/* Where the order of the vectors has a channel of its block. */
static size_t place_of(size_t lane)
{
	return lane % 16 / 4 * 16 + lane / 16 * 4 + lane % 4;
}

/* The weights of one channel are less than 256 apart; w points to the first, the others are `channels` apart. */
static void pack_lane(size_t channels, size_t kh, size_t kw, const int16_t *w, size_t lane, struct block *block)
{
	const size_t place = place_of(lane), set_bytes = kw * column_bytes(kh);
	bool negative = false;
	uint32_t sum = 0;

	for (size_t t = 0; t < kh * kw; t++) {
		negative |= w[t * channels] > 127;
		sum += (uint32_t)w[t * channels];
	}
	block->flip[lane] = negative ? 0x7f : 0x80;
	block->bias[place] = (int32_t)((uint32_t)block->bias[place] + (negative ? 127 * sum : -128 * sum));
	for (size_t t = 0; t < kh * kw; t++) {
		const size_t ky = t / kw, kx = t % kw;
		int8_t *to = block->weights + kx * column_bytes(kh) + (ky / ROWS * BLOCK + place) * ROWS + ky % ROWS;
		const int value = negative ? -w[t * channels] : w[t * channels];
		const int first = value < -128 ? -128 : value > 127 ? 127 : value;

		to[0] = (int8_t)first;
		if (first != value) {
			to[set_bytes] = (int8_t)(value - first);
			block->sets = SETS;
		}
	}
}

static void pack(size_t channels, size_t kh, size_t kw, const int16_t *w, const struct kernel_requant *requant,
		 void *packed)
{
	const bool repeats = BLOCK % channels == 0;

	memset(packed, 0, packed_bytes(channels, kh, kw));
	for (size_t b = 0; b < blocks_of(channels); b++) {
		struct block *block = (struct block *)(void *)((uint8_t *)packed + b * block_bytes(kh, kw));

		block->sets = 1;
		for (size_t lane = 0; lane < BLOCK; lane++) {
			const size_t c = repeats ? lane % channels : b * BLOCK + lane, place = place_of(lane);

			if (c >= channels)
				break;
			block->bias[place] = requant->bias[c];
			block->multiplier[place] = requant->multiplier[c];
			block->shift[place] = requant->shift[c];
			pack_lane(channels, kh, kw, w + c, lane, block);
		}
	}
}

/* ---- a run ------------------------------------------------------------------------------------- */

/* What the pixels of a row have in common in one block. */
struct work {
	const struct dwconv_args *args;
	const struct block *block;
	const int8_t *padding; /* 2 * BLOCK of it */
	struct requant_range_avx512 range;
	struct requant_avx512 requant[VECTORS];
	enum requant_avx512_mode mode;
	__m512i flip;
	__mmask64 mask;	     /* of the outputs */
	size_t c;	     /* the block's first channel */
	size_t column_bytes; /* of the weights */
};

/* Four rows of a column, of which those in the padding do not move with the column. */
struct column {
	const int8_t *rows[ROWS];
	size_t step[ROWS]; /* bytes to the next */
};

/* Rows y.. at input column x; what is not there has weights of zero. */
static inline __attribute__((always_inline)) void column_at(const struct work *work, size_t kh, size_t y, size_t x,
							    struct column *ret_column)
{
	const struct dwconv_args *args = work->args;

#pragma GCC unroll 4
	for (size_t i = 0; i < ROWS; i++) {
		const size_t row = y + i < kh ? y + i : kh - 1;
		const int8_t *in = x < args->in_w ? args->rows[row] : NULL;

		ret_column->rows[i] = in ? in + x * args->in_stride + work->c : work->padding;
		ret_column->step[i] = in ? args->in_stride : 0;
	}
}

/* Of the bytes from `at` on those of every other pixel, where pixels of 8, 16 or 32 channels are dense. */
static inline __m512i load_apart(const struct work *work, const int8_t *at)
{
	const __m512i index = _mm512_setr_epi64(0, 1, 2, 3, 4, 5, 6, 7);
	const __m512i within = _mm512_set1_epi64((long long)(work->args->channels / 8 - 1));
	/* Of each eight bytes: those before in its pixel, and twice what is in front of the pixel. */
	const __m512i from = _mm512_add_epi64(index, _mm512_andnot_si512(within, index));

	return _mm512_permutex2var_epi64(_mm512_loadu_si512(at), from, _mm512_loadu_si512(at + BLOCK));
}

static inline __attribute__((always_inline)) __m512i load_row(const struct work *work, const int8_t *at, bool apart)
{
	return _mm512_xor_si512(apart ? load_apart(work, at) : _mm512_loadu_si512(at), work->flip);
}

static inline __attribute__((always_inline)) void interleave(__m512i row0, __m512i row1, __m512i row2, __m512i row3,
							     __m512i ret_vectors[VECTORS])
{
	const __m512i low01 = _mm512_unpacklo_epi8(row0, row1), high01 = _mm512_unpackhi_epi8(row0, row1);
	const __m512i low23 = _mm512_unpacklo_epi8(row2, row3), high23 = _mm512_unpackhi_epi8(row2, row3);

	ret_vectors[0] = _mm512_unpacklo_epi16(low01, low23);
	ret_vectors[1] = _mm512_unpackhi_epi16(low01, low23);
	ret_vectors[2] = _mm512_unpacklo_epi16(high01, high23);
	ret_vectors[3] = _mm512_unpackhi_epi16(high01, high23);
}

static inline __attribute__((always_inline)) void multiply(const __m512i column[VECTORS], const int8_t *weights,
							   __m512i sums[VECTORS])
{
#pragma GCC unroll 4
	for (int v = 0; v < VECTORS; v++)
		sums[v] = _mm512_dpbusd_epi32(sums[v], column[v], _mm512_load_si512(weights + v * 64));
}

static inline __attribute__((always_inline)) void begin(const struct block *block, __m512i ret_sums[VECTORS])
{
#pragma GCC unroll 4
	for (int v = 0; v < VECTORS; v++)
		ret_sums[v] = _mm512_load_si512(block->bias + 16 * v);
}

/* Pixels, or blocks of several, that begin out_step bytes apart. */
static inline __attribute__((always_inline)) void store_in(enum requant_avx512_mode mode, const struct work *work,
							   int pixels, const __m512i (*sums)[VECTORS], int8_t *out,
							   size_t out_step)
{
	const struct requant_avx512 *const requant[VECTORS] = {&work->requant[0], &work->requant[1], &work->requant[2],
							       &work->requant[3]};
	const __mmask64 mask = work->mask;
	__m512i bytes[PIXELS];

	/* None is stored before all are made: stores of bytes may be to anything, so that all would be loaded again. */
#pragma GCC unroll 4
	for (int p = 0; p < pixels; p++)
		bytes[p] = requant_bytes_avx512(mode, &work->range, requant, sums[p]);
#pragma GCC unroll 4
	for (int p = 0; p < pixels; p++)
		_mm512_mask_storeu_epi8(out + (size_t)p * out_step, mask, bytes[p]);
}

/* What may be negative has no activation behind it, which depthwise convolutions seldom lack: once for all windows. */
static __attribute__((noinline)) void store_fixed(const struct work *work, int pixels, const __m512i (*sums)[VECTORS],
						  int8_t *out, size_t out_step)
{
	for (int p = 0; p < pixels; p++)
		store_in(REQUANT_FIXED, work, 1, sums + p, out + (size_t)p * out_step, 0);
}

static inline __attribute__((always_inline)) void store(const struct work *work, int pixels,
							const __m512i (*sums)[VECTORS], int8_t *out, size_t out_step)
{
	switch (work->mode) {
	case REQUANT_FLOAT:
		store_in(REQUANT_FLOAT, work, pixels, sums, out, out_step);
		break;
	case REQUANT_FLOAT_CLAMPED:
		store_in(REQUANT_FLOAT_CLAMPED, work, pixels, sums, out, out_step);
		break;
	case REQUANT_POSITIVE:
		store_in(REQUANT_POSITIVE, work, pixels, sums, out, out_step);
		break;
	case REQUANT_FIXED: {
		__m512i copies[PIXELS][VECTORS]; /* so that the sums can stay in registers otherwise */

#pragma GCC unroll 4
		for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
			for (int v = 0; v < VECTORS; v++)
				copies[p][v] = sums[p][v];
		store_fixed(work, pixels, (const __m512i(*)[VECTORS])copies, out, out_step);
		break;
	}
	}
}

/* One pixel of any window, or what a block has of pixels beside each other; it reads columns from x on. */
static inline __attribute__((always_inline)) void any_pixel(const struct work *work, size_t kh, size_t kw, ptrdiff_t x,
							    bool apart, int8_t *out)
{
	const struct dwconv_args *args = work->args;
	const int8_t *weights = work->block->weights;
	__m512i sums[1][VECTORS];

	begin(work->block, sums[0]);
#pragma GCC unroll 3
	for (size_t kx = 0; kx < kw; kx++)
		for (size_t y = 0; y < kh; y += ROWS, weights += BLOCK * ROWS) {
			struct column column;
			__m512i loaded[VECTORS];

			column_at(work, kh, y, (size_t)x + kx * args->dilation_w, &column);
			interleave(load_row(work, column.rows[0], apart), load_row(work, column.rows[1], apart),
				   load_row(work, column.rows[2], apart), load_row(work, column.rows[3], apart),
				   loaded);
			multiply(loaded, weights, sums[0]);
			if (work->block->sets > 1)
				multiply(loaded, weights + kw * work->column_bytes, sums[0]);
		}
	store(work, 1, (const __m512i(*)[VECTORS])sums, out, 0);
}

static void one_pixel(const struct work *work, ptrdiff_t x, int8_t *out)
{
	const struct dwconv_args *args = work->args;

	if (args->kh == 3 && args->kw == 3)
		any_pixel(work, 3, 3, x, false, out);
	else
		any_pixel(work, args->kh, args->kw, x, false, out);
}

static void pixels_apart(const struct work *work, ptrdiff_t x, int8_t *out)
{
	any_pixel(work, work->args->kh, work->args->kw, x, true, out);
}

/* What windows of three rows and columns beside each other read and write. */
struct run {
	struct column column; /* the first of the first window */
	size_t n;	      /* windows */
	int stride;	      /* columns between them */
	bool apart;	      /* see load_apart() */
	int8_t *out;
	size_t out_step;
};

/*
 * Windows that share their columns.  The compiler is to see anew each time where the rows and the weights are: it
 * would keep all addresses, and the weights instead of the sums.
 */
static inline __attribute__((always_inline)) void three(const struct work *work, const struct run *run, size_t first,
							int pixels, int stride, bool apart, int sets)
{
	const size_t skip = first * (size_t)run->stride, step0 = run->column.step[0], step1 = run->column.step[1],
		     step2 = run->column.step[2];
	const int8_t *row0 = run->column.rows[0] + skip * step0, *row1 = run->column.rows[1] + skip * step1,
		     *row2 = run->column.rows[2] + skip * step2, *weights = work->block->weights;
	__m512i sums[PIXELS][VECTORS];

#pragma GCC unroll 4
	for (int p = 0; p < pixels; p++)
		begin(work->block, sums[p]);
#pragma GCC unroll 9
	for (int x = 0; x < (pixels - 1) * stride + 3; x++) {
		const __m512i last = load_row(work, row2, apart);
		__m512i loaded[VECTORS];

		interleave(load_row(work, row0, apart), load_row(work, row1, apart), last, last, loaded);
#pragma GCC unroll 4
		for (int p = 0; p < pixels; p++) {
			const int kx = x - p * stride;

			if (kx < 0 || kx >= 3)
				continue;
#pragma GCC unroll 2
			for (int set = 0; set < sets; set++)
				multiply(loaded, weights + (set * 3 + kx) * BLOCK * ROWS, sums[p]);
		}
		row0 += step0;
		row1 += step1;
		row2 += step2;
		__asm__("" : "+r"(row0), "+r"(row1), "+r"(row2), "+r"(weights));
	}
	store(work, pixels, (const __m512i(*)[VECTORS])sums, run->out + first * run->out_step, run->out_step);
}

/* As many windows as go together; how many that were. */
static inline __attribute__((always_inline)) size_t threes(const struct work *work, const struct run *run, int stride,
							   int sets)
{
	size_t i = 0;

	for (; i + PIXELS <= run->n; i += PIXELS)
		three(work, run, i, PIXELS, stride, false, sets);
	return i;
}

/* Windows from `first` on that have no columns in common, or are too few. */
static inline __attribute__((always_inline)) void ones(const struct work *work, const struct run *run, size_t first,
						       bool apart)
{
	for (size_t i = first; i < run->n; i++)
		three(work, run, i, 1, 1, apart, work->block->sets);
}

static void run_windows(const struct work *work, ptrdiff_t x, struct run *run)
{
	size_t done = 0;

	column_at(work, 3, 0, (size_t)x, &run->column);
	if (run->apart) {
		ones(work, run, 0, true);
		return;
	}
	if (run->stride == 1)
		done = work->block->sets > 1 ? threes(work, run, 1, 2) : threes(work, run, 1, 1);
	else if (run->stride == 2)
		done = work->block->sets > 1 ? threes(work, run, 2, 2) : threes(work, run, 2, 1);
	ones(work, run, done, false);
}

static bool is_three(const struct dwconv_args *args)
{
	return args->kw == 3 && args->kh == 3 && args->dilation_w == 1;
}

/* n pixels that lie within the row, which read columns from x on. */
static void pixels_inside(const struct work *work, ptrdiff_t x, size_t n, int8_t *out)
{
	const struct dwconv_args *args = work->args;
	struct run run = {.n = n, .stride = (int)args->stride_w, .out = out, .out_step = args->out_stride};

	if (is_three(args))
		run_windows(work, x, &run);
	else
		for (size_t i = 0; i < n; i++)
			one_pixel(work, x + (ptrdiff_t)(i * args->stride_w), out + i * args->out_stride);
}

/* The same in blocks of `per` pixels; the last block may make some again. */
static void blocks_inside(struct work *work, ptrdiff_t x, size_t n, size_t per, int8_t *out)
{
	const struct dwconv_args *args = work->args;
	const __mmask64 mask = work->mask;
	const bool apart = args->stride_w > 1;
	struct run run = {.n = n / per, .stride = (int)(per * args->stride_w), .apart = apart, .out_step = BLOCK};

	work->mask = ~0ull;
	for (size_t i = 0; i < n; i += is_three(args) && run.n ? run.n * per : per) {
		const size_t first = i + per <= n ? i : n - per;
		const ptrdiff_t at = x + (ptrdiff_t)(first * args->stride_w);

		run.out = out + first * args->out_stride;
		if (i > 0)
			run.n = 1;
		if (is_three(args))
			run_windows(work, at, &run);
		else
			(apart ? pixels_apart : one_pixel)(work, at, run.out);
	}
	work->mask = mask;
}

/* How many pixels a block is where they are dense enough. */
static size_t pixels_of_block(const struct dwconv_args *args)
{
	const bool dense = args->in_stride == args->channels && args->out_stride == args->channels;

	if (!dense || args->channels >= BLOCK || BLOCK % args->channels ||
	    (args->stride_w > 1 && (args->stride_w > 2 || args->channels < 8)))
		return 1;
	return BLOCK / args->channels;
}

static void row_of_block(struct work *work)
{
	const struct dwconv_args *args = work->args;
	const size_t per = pixels_of_block(args);
	int8_t *out = (int8_t *)args->out + work->c;
	size_t from, end, n;

	dwconv_interior(args, &from, &end);
	n = end - from;
	for (size_t x = 0; x < args->out_w;) {
		const ptrdiff_t at = (ptrdiff_t)(x * args->stride_w) - (ptrdiff_t)args->pad_left;
		int8_t *to = out + x * args->out_stride;

		if (x != from || n == 0)
			one_pixel(work, at, to);
		else if (per > 1 && n >= per)
			blocks_inside(work, at, n, per, to);
		else
			pixels_inside(work, at, n, to);
		x += x == from && n > 0 ? n : 1;
	}
}

static void block_begin(struct work *work, const struct block *block)
{
	const struct dwconv_args *args = work->args;
	const size_t rest = args->channels - work->c;

	work->block = block;
	work->mask = rest < BLOCK ? (1ull << rest) - 1 : ~0ull;
	work->flip = _mm512_load_si512(block->flip);
	work->mode = requant_mode_avx512(block->multiplier, block->shift, BLOCK, args->lo8 >= args->zero_point,
					 args->float_scales);
	for (size_t v = 0; v < VECTORS; v++)
		requant_load_avx512(work->mode, block->multiplier + 16 * v, block->shift + 16 * v, &work->requant[v]);
}

static void dwconv_s8_avx512vnni(const struct dwconv_args *args)
{
	const uint8_t *packed = args->w;
	int8_t padding[2 * BLOCK];
	struct work work;

	work.args = args;
	work.padding = padding;
	work.column_bytes = column_bytes(args->kh);
	memset(padding, args->pad, sizeof(padding));
	requant_range_avx512(args->zero_point, args->lo8, args->hi8, &work.range);
	for (work.c = 0; work.c < args->channels; work.c += BLOCK) {
		block_begin(&work, (const struct block *)(const void *)packed);
		row_of_block(&work);
		packed += block_bytes(args->kh, args->kw);
	}
}

void kernels_dwconv_s8_avx512vnni(struct kernels *table)
{
	table->dwconv_s8 = dwconv_s8_avx512vnni;
	table->dwconv_s8_bytes = packed_bytes;
	table->pack_dwconv_s8 = pack;
}
