/*
 * kernels.h - the innermost loops, one table of function pointers for each level of the CPU.
 *
 * Kernels know tensors as pointers and strides, nothing of graphs, threads or memory.  Every entry has a
 * portable C version (<op>_scalar.c); kernels.c copies that table and overwrites entries level by level
 * (AVX2+FMA, AVX-VNNI, AVX-512, AVX-512 VNNI; NEON, FP16, dot products, I8MM), so that a level fills in only what it
 * does better.
 *
 * Contracts shared by all:
 *   - no alignment is required of tensors beyond their element; packed weights are 64-byte aligned
 *   - inputs may be over-read, never over-written, by up to KERNEL_SLACK bytes past the last element of a
 *     row given; the arena keeps that much behind every tensor.  Outputs are written exactly.
 *   - s8 tensors are signed; uint8 files are flipped by 0x80 at the network's borders
 *   - requantisation of 32-bit sums is in fixed point, as gemmlowp and TFLite's reference kernels have it, so that
 * their answers are met to the bit (two roundings; a float32 multiply differs in one sum of several hundred, and deep
 *     networks amplify that): sum << -shift where shift < 0; times multiplier over 2^31, rounded half up; over
 *     2^shift where shift > 0, rounded half away from zero; clamped to lo - zero_point .. hi - zero_point, plus
 *     zero_point.  32-bit arithmetic wraps.  With float_scales the multipliers are bits of float32 factors instead, as
 *     ONNX's runtimes have it: the sum as float32 times the factor, clamped, rounded half to even, plus zero_point.
 *     Elsewhere: float32, rounded half to even
 *   - registers that have to be set up are set up between enter() and leave() of the same thread, see struct igemm_s8
 *   - NaN in gives unspecified numbers out, never a crash
 */
#ifndef INFERD_KERNELS_H
#define INFERD_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "resample.h"

#define KERNEL_SLACK  64
#define KERNEL_MR_MAX 16
#define KERNEL_NR_MAX 64

/*
 * Indirect GEMM: C[m][n] = clamp(bias[n] + sum over taps t, k of A[t][m][k] * W[t][k][n] (+ residual)); what is below
 * zero is times slope[n] before the clamp.
 * One call makes at most nr columns; igemm_s8 at most mr rows of them.  A row of a tap that lies in the padding points
 * to a row of zeros (s8: of the input's zero point).
 */
struct igemm_f32_args {
	size_t m, n;	       /* rows 1.. and columns 1..nr */
	size_t taps, kc;       /* kernel positions, input channels of one */
	const float *const *a; /* a[(row / mr * taps + t) * mr + row % mr] -> kc values; whole blocks, all readable */
	const float *w;	       /* one panel, see pack_f32_panel() */
	const float *ahead;    /* the panel that is wanted next, to be prefetched and not read; NULL none */
	float *c;
	size_t c_stride;       /* elements between rows of c */
	const float *residual; /* added before the clamp, NULL none; same columns as c */
	size_t residual_stride;
	const float *slope; /* of the n columns, NULL none */
	float lo, hi;	    /* -INFINITY and INFINITY for none */
};
struct igemm_s8_args {
	size_t m, n, taps, kc;
	const int8_t *const *a;
	const void *w;	   /* one panel, see pack_s8_panel() */
	const void *ahead; /* the panel that is wanted next, to be prefetched and not read; NULL none */
	int8_t *c;
	size_t c_stride;
	int32_t zero_point; /* of the output */
	int8_t lo, hi;
	bool float_scales;
	const int32_t *row_sums; /* of a kernel that has sum_rows: what that made of these rows */
};

struct igemm_f32 {
	const char *name; /* "igemm_f32_6x16_avx2" */
	uint8_t mr, nr;
	void (*run)(const struct igemm_f32_args *args);
};

/*
 * GEMM in float16, of levels that multiply halves; none is portable.  C[m][n] as igemm_f32's, of rows that are packed:
 * each holds the inputs of all taps, kc of them.  They are multiplied and added up one after the other, rounded once
 * each, over KERNEL_F16_RUN of them; those sums are added up in float32.
 *
 * So that no sum overflows and few underflow, the weights of a column are times a power of two that makes the largest
 * of them 1/2..1, and the inputs of a row times one that makes theirs KERNEL_F16_LEAST..KERNEL_F16_MOST, whose product
 * with a run is below 65504 even as it is rounded.  An output is then off by at most (1 + 2^-11)^(KERNEL_F16_RUN + 2) -
 * 1 times the sum of |input * weight|, and 2^-17 * kc times the row's largest input times the column's largest weight.
 * That is the worst case; networks see a twentieth of it.
 */
#define KERNEL_F16_RUN	 64
#define KERNEL_F16_LEAST 0x2400 /* 2^-6 as a half, in bits */
#define KERNEL_F16_MOST	 0x6000 /* 2^9 */
#define KERNEL_F16_KR	 8	/* channels come in multiples of it, filled up with zeros */

struct igemm_f16_args {
	size_t m, n;	     /* rows 1.. and columns 1..nr */
	size_t kc;	     /* a multiple of KERNEL_F16_KR */
	const uint16_t *a;   /* kc halves a row; whole blocks of mr readable */
	const float *scales; /* of each row, whole blocks: what its sums are times */
	const void *w;	     /* one panel, see pack_f16_panel() */
	const void *ahead;   /* as of igemm_f32 */
	float *c;
	size_t c_stride;
	const float *residual;
	size_t residual_stride;
	const float *slope;
	float lo, hi;
};
struct igemm_f16 {
	const char *name; /* NULL: the level has none, nor any of those before it */
	uint8_t mr, nr;
	void (*run)(const struct igemm_f16_args *args);
	/* out[i] = in[i] * scale as halves.  Bits of the largest without its sign; those of NaN are above infinity's.
	 */
	uint16_t (*narrow)(size_t n, float scale, const float *in, uint16_t *out);
};

/* What weights are in the panels, see pack_s8_panel(). */
enum kernel_panel { KERNEL_WORDS, KERNEL_BYTES, KERNEL_SIGNED_BYTES, KERNEL_PAIRS };

struct igemm_s8 {
	const char *name;
	uint8_t mr, nr, kr; /* kr: input channels taken together; kc is padded to it in the panel */
	void (*run)(const struct igemm_s8_args *args);
	enum kernel_panel panel;
	/*
	 * The sums of all inputs of each row of a tile, which its panels have in common; NULL where none are needed. Of
	 * args m, taps, kc and a are read.  KERNEL_MR_MAX sums may be written.
	 */
	void (*sum_rows)(const struct igemm_s8_args *args, int32_t *ret_sums);
	/* NULL, or what a thread calls before it makes tiles of kc channels, and after the last of them. */
	void (*enter)(size_t kc);
	void (*leave)(void);
};

/*
 * Panels hold the weights of nr output channels; a matrix has ceil(n / nr) of them, the last padded with
 * zeros.  f32: bias[nr], then [taps][kc][nr].  s8: bias, multiplier and shift, int32[nr] each, then int16
 * [taps][ceil(kc / kr)][nr][kr] of weight minus its zero point (nine bits, hence 16: an asymmetric uint8
 * weight and a gray stem's summed taps fit without correction terms).  bias already holds
 * -input zero point * sum of the weights.
 *
 * Kernels that multiply bytes have, behind the shift, int32[nr] of the least weight of each channel, and
 * uint8 [taps][ceil(kc / kr)][nr][kr] of what the weights are above it: the least times the sum of the row's inputs
 * makes up for the rest.  Where all channels of a panel fit above the same number, that is the least of each.  Any 256
 * neighbouring numbers fit, so all weights of a file that has bytes itself.  Signed bytes are what the weights are
 * above 0 where all of a channel fit so, as symmetric ones do, which then need no sum of inputs; otherwise above 128
 * more than the least.
 *
 * Kernels that multiply pairs of bytes have what pairs.h says.
 */
struct kernel_requant {
	const int32_t *bias, *multiplier, *shift; /* of each output channel */
};
size_t pack_f32_panel_bytes(const struct igemm_f32 *kernel, size_t taps, size_t kc);
size_t pack_s8_panel_bytes(const struct igemm_s8 *kernel, size_t taps, size_t kc);
/* w is [n][taps][kc] dense; bias NULL for zeros; packs n <= nr channels into panel.  For a kernel of bytes the weights
 * of one channel are less than 256 apart. */
void pack_f32_panel(const struct igemm_f32 *kernel, size_t n, size_t taps, size_t kc, const float *w, const float *bias,
		    void *panel);
void pack_s8_panel(const struct igemm_s8 *kernel, size_t n, size_t taps, size_t kc, const int16_t *w,
		   const struct kernel_requant *requant, void *panel);

/*
 * A panel of float16: bias[nr] and the power of two that sums are times [nr] in float32, then [kc][nr] halves, kc
 * filled up with zeros.  w is [n][kc] dense; bias NULL for zeros.
 */
struct kernels;
size_t pack_f16_panel_bytes(const struct igemm_f16 *kernel, size_t kc);
void pack_f16_panel(const struct kernels *kernels, size_t n, size_t kc, const float *w, const float *bias, void *panel);

/*
 * Depthwise, one output row, or in float up to kernels.dwconv_f32_rows of them.  rows[y] is the start of an input row
 * (kh of them, dilation already applied), NULL when it lies in the padding; those of the next output row are stride_h
 * further, so that there are (out_rows - 1) * stride_h + kh in all.  Columns outside 0..in_w-1 are padding too: zeros
 * (s8: pad).
 */
struct dwconv_args {
	const void *const *rows;
	size_t in_w, in_stride; /* elements between pixels */
	size_t out_w, out_stride;
	size_t out_rows, out_row; /* how many at once, and elements from one to the next; f32 */
	size_t channels, kh, kw, stride_h, stride_w, dilation_w, pad_left;
	const void *w; /* f32: bias[c], then [kh][kw][c].  s8: what the level's pack_dwconv_s8() makes; the portable one
			  int32 bias[c], multiplier[c], shift[c], then int16 [kh][kw][c], each padded to 64 bytes */
	void *out;
	float lo, hi;	      /* f32 */
	int32_t zero_point;   /* s8: of the output */
	int8_t pad, lo8, hi8; /* s8: input zero point, output range */
	bool float_scales;    /* s8 */
};
size_t dwconv_f32_bytes(size_t channels, size_t taps);
/* w is [taps][channels] dense; bias NULL for zeros. */
void pack_dwconv_f32(size_t channels, size_t taps, const float *w, const float *bias, void *packed);
/* For the portable kernel, and those of levels that take the same. */
size_t dwconv_s8_bytes(size_t channels, size_t kh, size_t kw);
void pack_dwconv_s8(size_t channels, size_t kh, size_t kw, const int16_t *w, const struct kernel_requant *requant,
		    void *packed);

/*
 * Winograd's F(2x2, 3x3) and F(4x4, 3x3): a convolution of 3x3 at stride 1 as 16 or 36 small matrix products, one for
 * each place in blocks of 4x4 or 6x6 inputs that make 2x2 or 4x4 outputs, with 4/9 or a quarter of the multiplications
 * and 16/9 or four times the weights.  input() transforms the pixels of a block, igemm_f32 multiplies, output()
 * transforms back.  Errors of the larger are some ten times those of the plain sum, of the smaller about twice.
 *
 * A panel is that of igemm_f32 with one tap for each place, one behind the other, of transformed weights.  The bias is
 * in the place of the point 1 in both directions, which every output gets once.
 */
#define WINOGRAD_IN_MAX	    6
#define WINOGRAD_OUT_MAX    4
#define WINOGRAD_PLACES_MAX (WINOGRAD_IN_MAX * WINOGRAD_IN_MAX)
#define WINOGRAD_CHANNELS   16 /* input channels come in multiples of it */

struct winograd_output_args {
	const float *m; /* sums of place p from m + p * stride on; n rounded up to the columns of igemm_f32 readable */
	size_t stride, n;
	size_t rows, columns; /* 1..out of the block that lie in the picture */
	float *out;
	size_t out_row, out_pixel; /* elements from one to the next */
	const float *residual;	   /* added before the clamp, NULL none */
	size_t residual_row, residual_pixel;
	const float *slope; /* of the n channels, as of igemm_f32; NULL none */
	float lo, hi;
};
struct winograd {
	uint8_t in, out; /* sides of a block */
	/* pixels: in x in of a block, row by row, each `channels` values; v[place * stride + channel]. */
	void (*input)(size_t channels, const float *const *pixels, size_t stride, float *v);
	void (*output)(const struct winograd_output_args *args);
	/* WINOGRAD_CHANNELS weights of each of the nine taps, `tap` apart; transformed[place * stride + channel]. */
	void (*weights)(const float *w, size_t tap, size_t stride, float *transformed);
};
enum { WINOGRAD_2X2, WINOGRAD_4X4, WINOGRAD_SIZES };
static inline size_t winograd_places(const struct winograd *winograd)
{
	return (size_t)winograd->in * winograd->in;
}
size_t pack_winograd_panel_bytes(const struct winograd *winograd, const struct igemm_f32 *kernel, size_t kc);
/* w is [n][3][3][kc] dense; bias NULL for zeros; turned: WINOGRAD_TURNED floats to work in. */
#define WINOGRAD_TURNED (WINOGRAD_PLACES_MAX * KERNEL_NR_MAX * WINOGRAD_CHANNELS)
void pack_winograd_panel(const struct winograd *winograd, const struct igemm_f32 *kernel, size_t n, size_t kc,
			 const float *w, const float *bias, float *turned, void *panel);

enum kernel_binary { KERNEL_ADD, KERNEL_SUB, KERNEL_MUL, KERNEL_DIV, KERNEL_MIN, KERNEL_MAX, KERNEL_BINARY_COUNT };

/* s8: real = scale * (q - zero); out is requantised to out_scale, out_zero. */
struct binary_s8_args {
	float a_scale, b_scale, out_scale;
	int32_t a_zero, b_zero, out_zero;
	int8_t lo, hi;
	bool a_scalar, b_scalar; /* that operand is one value */
	/*
	 * Rounded in the order of ONNX Runtime's QLinearAdd and QLinearMul, which add the zero point before they round:
	 * where the sum is half a quantum that decides.  above: what the file's numbers are more than these, 0 or 128.
	 */
	bool zero_before_rounding;
	int32_t above;
	int32_t multiplier, shift; /* of products, otherwise: their scale, as for requantisation */
};

/* Functions of one argument; numbers as enum graph_act_kind gives them (plan.c asserts the match). */
enum kernel_unary {
	KERNEL_NONE,
	KERNEL_RELU,
	KERNEL_CLIP,
	KERNEL_LEAKY,
	KERNEL_SIGMOID,
	KERNEL_TANH,
	KERNEL_HARDSWISH,
	KERNEL_HARDSIGMOID,
	KERNEL_SILU,
	KERNEL_MISH,
	KERNEL_ELU,
	KERNEL_GELU,
	KERNEL_EXP,
	KERNEL_LOG,
	KERNEL_SQRT,
	KERNEL_RSQRT,
	KERNEL_ABS,
	KERNEL_NEG,
	KERNEL_SQUARE,
	KERNEL_UNARY_COUNT
};

struct kernels {
	const char *level; /* highest level that filled in an entry */
	struct igemm_f32 igemm_f32;
	struct igemm_f16 igemm_f16;
	struct igemm_s8 igemm_s8;
	struct igemm_s8 igemm_s8_wide; /* for weights of any 16 bits */
	void (*dwconv_f32)(const struct dwconv_args *args);
	uint8_t dwconv_f32_rows; /* output rows that it makes together, at no more cost than one by one */
	void (*dwconv_s8)(const struct dwconv_args *args);
	/* Its weights: w is [kh][kw][channels] dense, those of a channel and 0 less than 256 apart. */
	size_t (*dwconv_s8_bytes)(size_t channels, size_t kh, size_t kw);
	void (*pack_dwconv_s8)(size_t channels, size_t kh, size_t kw, const int16_t *w,
			       const struct kernel_requant *requant, void *packed);
	struct winograd winograd[WINOGRAD_SIZES];

	/* One output pixel from the n pixels of its window, each `channels` values.  n >= 1. */
	void (*maxpool_f32)(const float *const *pixels, size_t n, size_t channels, float lo, float hi, float *out);
	void (*maxpool_s8)(const int8_t *const *pixels, size_t n, size_t channels, int8_t lo, int8_t hi, int8_t *out);
	void (*avgpool_f32)(const float *const *pixels, size_t n, size_t channels, float factor, float lo, float hi,
			    float *out);
	/* Same scale in and out.  Rounds half away from zero, of the unsigned value where was_u8 (as TFLite's
	 * reference kernels do for the two types); divides by divisor. */
	void (*avgpool_s8)(const int8_t *const *pixels, size_t n, size_t channels, size_t divisor, bool was_u8,
			   int8_t lo, int8_t hi, int8_t *out);

	/* n elements; in-place allowed. *_scalar: that operand is one value. */
	void (*binary_f32)(enum kernel_binary op, size_t n, const float *a, bool a_scalar, const float *b,
			   bool b_scalar, float lo, float hi, float *out);
	void (*binary_s8)(enum kernel_binary op, size_t n, const int8_t *a, const int8_t *b,
			  const struct binary_s8_args *args, int8_t *out);
	void (*unary_f32)(enum kernel_unary op, float a, float b, size_t n, const float *in, float *out);
	void (*lut_s8)(const int8_t table[256], size_t n, const int8_t *in, int8_t *out);    /* table[(uint8_t)in] */
	void (*prelu_f32)(size_t channels, const float *slope, const float *in, float *out); /* one pixel */
	void (*scale_f32)(size_t channels, const float *scale, const float *shift, float lo, float hi, const float *in,
			  float *out);
	/* Of each of the rows, dense; in-place allowed. */
	void (*softmax_f32)(size_t rows, size_t n, float beta, const float *in, float *out);

	void (*quantize_s8)(size_t n, float scale, int32_t zero_point, const float *in, int8_t *out);
	void (*dequantize_s8)(size_t n, float scale, int32_t zero_point, const int8_t *in, float *out);
	void (*requantize_s8)(size_t n, float multiplier, int32_t in_zero, int32_t out_zero, const int8_t *in,
			      int8_t *out);
	/*
	 * out[i] = sum over j of rows[i * stride + j] * query[j], for n rows.  stride is a multiple of 64, numbers are
	 * within -127..127, and at most 65536 of a row are not zero, so that 32 bits hold the sum.
	 */
	void (*dots_s8)(size_t n, size_t stride, const int8_t *rows, const int8_t *query, int32_t *out);
	void (*flip)(size_t n, const uint8_t *in, uint8_t *out); /* xor 0x80 */
	void (*f16_to_f32)(size_t n, const uint16_t *in, float *out);
	void (*f32_to_f16)(size_t n, const float *in, uint16_t *out); /* round half to even */

	struct resample_kernels resample;
};

/* The table for this CPU (and INFERD_CPU_MASK); made on first use, thread-safe, constant after. */
const struct kernels *kernels_get(void);

/* The table of one level by its name in kernels.c, NULL when this CPU or build lacks it. For tests. */
const struct kernels *kernels_level(const char *level);
/* Names of all levels of this build, lowest first; NULL ends the list. */
const char *const *kernels_levels(void);

#endif
