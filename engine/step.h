/*
 * step.h - what a step of each kind does to a range of its tiles.
 */
#ifndef INFERD_STEP_H
#define INFERD_STEP_H

#include "plan.h"

typedef void step_run(const struct step *step, const struct exec *exec, size_t from, size_t to);

#define STEP_CHUNK    4096  /* elements of one tile of an elementwise step */
#define STEP_TAPS_MAX 1024  /* positions of a convolution's kernel */
#define STEP_POINTERS 16384 /* pixel pointers of one tile, on the stack */
/* Output pixels of one GEMM tile: their inputs stay in the second-level cache while the panels go by. */
#define STEP_ROWS 56

step_run step_conv_f32, step_conv_s8, step_depthwise_f32, step_depthwise_s8;		    /* step_conv.c */
step_run step_winograd_f32;								    /* step_winograd.c */
step_run step_pool, step_mean;								    /* step_pool.c */
step_run step_binary, step_binary_rows, step_unary, step_channels, step_cast, step_softmax; /* step_math.c */
step_run step_parts;									    /* squeeze.c */
step_run step_rows;									    /* step_rows.c */
step_run step_general;									    /* step_general.c */
step_run step_concat, step_slice, step_pad, step_copy, step_transpose, step_resize;	    /* step_move.c */

/*
 * A panel of float32 weights, as the kernels read it.  One of float16 is widened into the thread's own memory, of which
 * steps that need more have theirs behind it, and stays there until the next.
 */
const float *step_panel(const struct weights_conv *weights, const struct exec *exec, const uint8_t *panel);

/*
 * A product of matrices: rows of inputs, as float32 or int8 as the step's weights are, times panels of one group of its
 * weights.
 */
struct step_product {
	const uint8_t *const *a; /* whole blocks of step_mr() rows, as the kernels have them */
	size_t m, taps, kc;	 /* at most STEP_ROWS rows; see kernels.h */
	const uint8_t *panels;	 /* the group's */
	size_t panel, panels_end;
	void *c;	 /* these four: of the first row, from the group's first channel on */
	size_t c_stride; /* elements between rows */
	const float *residual;
	size_t residual_stride;
	const float *slope;
};

/* Rows and columns of outputs that the step's kernel makes at once. */
size_t step_mr(const struct step *step, const struct kernels *kernels);
size_t step_nr(const struct step *step, const struct kernels *kernels);

/* Around a thread's products of one step. */
void step_multiply_begin(const struct step *step, size_t kc);
void step_multiply(const struct step *step, const struct exec *exec, const struct step_product *product);
void step_multiply_end(const struct step *step);

/* The same by igemm_f16, in step_half.c.  Halves of a row of inputs there: its taps', and zeros behind them. */
void step_half_multiply(const struct step *step, const struct exec *exec, const struct step_product *product);
size_t step_half_length(const struct step *step);

/* Applies what the clamp of a kernel does not cover to n finished values. */
void step_finish(const struct step *step, const struct exec *exec, size_t n, void *values);
/* The same of n pixels, which begin `pixel` bytes apart. */
void step_finish_pixels(const struct step *step, const struct exec *exec, size_t n, size_t channels, size_t pixel,
			uint8_t *out);

/* Some pixels of a convolution of one group: where its input begins, and where they go, elements from one another. */
struct step_pixels {
	const uint8_t *in;
	size_t first, n; /* of the output */
	uint8_t *out;
	size_t out_stride;
	const float *residual; /* of the first of them, NULL none */
	size_t residual_stride;
};

/* Makes them, and what comes behind the convolution. */
void step_conv_pixels(const struct step *step, const struct exec *exec, struct step_pixels pixels, size_t size);

/*
 * A depthwise convolution whose input rows the caller points to, in all that `rows` has room for, and whose output and
 * out_rows it sets: output rows lie one behind the other, at most step_depthwise_rows() at once.
 */
struct dwconv_args step_dwconv_args(const struct step *step, const struct exec *exec, const void **rows);
size_t step_depthwise_rows(const struct step *step, const struct kernels *kernels);
/* Makes these rows, and what comes behind the convolution. */
void step_depthwise(const struct step *step, const struct exec *exec, const struct dwconv_args *args);

/* Where tile `tile` begins, and the one before it ends, if n things are cut into tiles that differ by one at most. */
static inline size_t step_cut(size_t n, size_t tile, size_t tiles)
{
	return n * tile / tiles;
}

/* An even number of tiles of at most `most` of n things each, where that is possible: most teams are of two or four. */
static inline size_t step_even_tiles(size_t n, size_t most)
{
	size_t tiles = ceil_div(n, most);

	return tiles % 2 && tiles > 1 && tiles < n ? tiles + 1 : tiles;
}

/* Elements of tile `tile` of an elementwise step begin at tile * STEP_CHUNK; how many there are. */
static inline size_t step_chunk(const struct plan_tensor *out, size_t tile)
{
	size_t left = out->count - tile * STEP_CHUNK;

	return left < STEP_CHUNK ? left : STEP_CHUNK;
}

/*
 * A stretch of an elementwise step: n elements from these on in its input and output.  Dense tensors are cut into
 * chunks, a tile each; strided ones into rows of the last axis, of which a tile has step->gemm.rows.
 */
struct step_span {
	size_t n, in, out;
};

static inline struct step_span step_span(const struct step *step, const struct plan_tensor *in,
					 const struct plan_tensor *out, size_t index)
{
	if (!step->strided)
		return (struct step_span){step_chunk(out, index), index * STEP_CHUNK, index * STEP_CHUNK};
	return (struct step_span){(size_t)out->dims[out->rank - 1], index * in->stride, index * out->stride};
}

/* Stretches before tile `to`. */
static inline size_t step_spans(const struct step *step, const struct plan_tensor *out, size_t to)
{
	size_t rows;

	if (!step->strided)
		return to;
	rows = out->count / (size_t)out->dims[out->rank - 1];
	return to * step->gemm.rows < rows ? to * step->gemm.rows : rows;
}

#endif
