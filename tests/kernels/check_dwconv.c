/*
 * check_dwconv.c - every level's depthwise convolution of a row, or of as many as it makes together, against the
 * portable one: channels around the vector's width, windows that reach over both ends, rows in the padding, dilation
 * and stride.
 */
#include <math.h>

#include "every_level.h"
#include "guarded.h"

TEST_SUITE(dwconv);

struct layer {
	struct dwconv_args args;
	const void *rows[16];
	struct guarded in;
	void *packed;
	size_t size; /* of an element */
};

/* Of up to rows_max output rows. */
static void layer_init(struct layer *layer, size_t size, size_t rows_max)
{
	struct dwconv_args *args = &layer->args;
	size_t reach, rows;

	memset(layer, 0, sizeof(*layer));
	layer->size = size;
	args->kh = test_random() & 1 ? 3 : (size_t)test_random_range(1, 5);
	args->kw = test_random() & 1 ? 3 : (size_t)test_random_range(1, 5);
	args->stride_h = (size_t)test_random_range(1, 3);
	args->stride_w = test_random() & 1 ? args->stride_h : (size_t)test_random_range(1, 3);
	args->dilation_w = test_random_range(0, 3) ? 1 : 2;
	args->channels = (size_t)test_random_range(1, test_random() & 1 ? 16 : 70);
	args->in_w = (size_t)test_random_range(1, 24);
	reach = (args->kw - 1) * args->dilation_w;
	args->pad_left = (size_t)test_random_range(0, (int64_t)reach);
	args->out_w = (args->in_w + args->pad_left + (size_t)test_random_range(0, (int64_t)reach)) / args->stride_w + 1;
	/* Dense pixels of as many channels as fill a vector may be taken together, and the window of most networks. */
	if (test_random() & 1) {
		args->channels = (size_t)1 << test_random_range(0, 7);
		args->in_stride = args->out_stride = args->channels;
	} else {
		args->in_stride = args->channels + (size_t)test_random_range(0, 3);
		args->out_stride = args->channels + (size_t)test_random_range(0, 3);
	}
	args->out_rows = (size_t)test_random_range(1, (int64_t)rows_max);
	args->out_row = (args->out_w - 1) * args->out_stride + args->channels + (size_t)test_random_range(0, 3);
	rows = (args->out_rows - 1) * args->stride_h + args->kh;
	cr_assert_leq(rows, sizeof(layer->rows) / sizeof(layer->rows[0]));
	layer->in = guarded_create(rows * args->in_w * args->in_stride * size, KERNEL_SLACK);
	for (size_t y = 0; y < rows; y++)
		layer->rows[y] = test_random_range(0, 3) == 0
					 ? NULL
					 : (uint8_t *)layer->in.data + y * args->in_w * args->in_stride * size;
	args->rows = layer->rows;
}

static void layer_finish(struct layer *layer)
{
	guarded_destroy(&layer->in);
	free(layer->packed);
}

/* The rows by this kernel, `once` at a time; the caller frees. */
static uint8_t *run(void (*kernel)(const struct dwconv_args *args), size_t once, const struct layer *layer)
{
	const struct dwconv_args *from = &layer->args;
	size_t row = ((from->out_w - 1) * from->out_stride + from->channels) * layer->size;
	struct guarded out = guarded_create((from->out_rows - 1) * from->out_row * layer->size + row, 0);
	struct dwconv_args args = *from;
	uint8_t *copy = malloc(out.size);

	for (size_t y = 0; y < from->out_rows; y += once) {
		args.out_rows = once;
		args.rows = from->rows + y * from->stride_h;
		args.out = (uint8_t *)out.data + y * from->out_row * layer->size;
		kernel(&args);
	}
	guarded_check(&out);
	memcpy(copy, out.data, out.size);
	guarded_destroy(&out);
	return copy;
}

static void describe(const struct layer *layer, char text[200])
{
	const struct dwconv_args *a = &layer->args;

	snprintf(text, 200, "channels %zu, %zux%zu, stride %zux%zu, dilation %zu, pad %zu, in %zu, out %zu, rows %zu",
		 a->channels, a->kh, a->kw, a->stride_h, a->stride_w, a->dilation_w, a->pad_left, a->in_w, a->out_w,
		 a->out_rows);
}

static void check_f32(const struct kernels *table)
{
	const struct kernels *scalar = kernels_level("scalar");
	struct layer layer;
	size_t taps;
	float *w, *bias, *got, *want;
	char text[200];

	layer_init(&layer, sizeof(float), table->dwconv_f32_rows);
	taps = layer.args.kh * layer.args.kw;
	w = malloc(taps * layer.args.channels * sizeof(*w));
	bias = malloc(layer.args.channels * sizeof(*bias));
	layer.packed = aligned_alloc(64, dwconv_f32_bytes(layer.args.channels, taps));
	for (size_t i = 0; i < taps * layer.args.channels; i++)
		w[i] = test_random_float();
	for (size_t i = 0; i < layer.args.channels; i++)
		bias[i] = test_random_float();
	for (size_t i = 0; i < layer.in.size / sizeof(float); i++)
		((float *)layer.in.data)[i] = test_random_float();
	pack_dwconv_f32(layer.args.channels, taps, w, bias, layer.packed);
	layer.args.w = layer.packed;
	layer.args.lo = test_random() & 1 ? 0 : -INFINITY;
	layer.args.hi = test_random() & 1 ? 1 : INFINITY;
	got = (float *)(void *)run(table->dwconv_f32, layer.args.out_rows, &layer);
	want = (float *)(void *)run(scalar->dwconv_f32, 1, &layer);
	describe(&layer, text);
	for (size_t i = 0; i < layer.args.out_rows * layer.args.out_w * layer.args.channels; i++) {
		size_t c = i % layer.args.channels, x = i / layer.args.channels % layer.args.out_w;
		size_t y = i / layer.args.channels / layer.args.out_w;
		size_t at = y * layer.args.out_row + x * layer.args.out_stride + c;

		cr_assert_float_eq(got[at], want[at], 1e-5, "%s: row %zu, %s", table->level, y, text);
	}
	free(got);
	free(want);
	free(w);
	free(bias);
	layer_finish(&layer);
}

static void check_s8(const struct kernels *table)
{
	const struct kernels *scalar = kernels_level("scalar");
	struct layer layer;
	size_t taps, n;
	int64_t least_shift;
	int16_t *w;
	int32_t *head;
	uint8_t *got, *want;
	void *portable;
	char text[200];

	layer_init(&layer, 1, 1);
	n = layer.args.channels;
	taps = layer.args.kh * layer.args.kw;
	least_shift = test_random() & 1 ? 1 : -2;
	layer.args.float_scales = test_random_range(0, 2) == 0;
	w = malloc(taps * n * sizeof(*w));
	head = malloc(3 * n * sizeof(*head));
	layer.packed = aligned_alloc(64, table->dwconv_s8_bytes(n, layer.args.kh, layer.args.kw));
	for (size_t i = 0; i < n; i++) {
		const int64_t least = test_random_range(-255, 0);

		for (size_t t = 0; t < taps; t++)
			w[t * n + i] = (int16_t)test_random_range(least, least + 255);
	}
	for (size_t i = 0; i < n; i++) {
		head[i] = (int32_t)test_random_range(-100000, 100000);
		head[n + i] = (int32_t)test_random_range(1 << 30, INT32_MAX);
		head[2 * n + i] = (int32_t)test_random_range(least_shift, 14);
		if (layer.args.float_scales) {
			const float factor = 0.001f * (1.1f + test_random_float());

			memcpy(&head[n + i], &factor, sizeof(factor));
		}
	}
	for (size_t i = 0; i < layer.in.size; i++)
		((int8_t *)layer.in.data)[i] = (int8_t)test_random_range(-128, 127);
	table->pack_dwconv_s8(n, layer.args.kh, layer.args.kw, w,
			      &(struct kernel_requant){head, head + n, head + 2 * n}, layer.packed);
	portable = aligned_alloc(64, scalar->dwconv_s8_bytes(n, layer.args.kh, layer.args.kw));
	scalar->pack_dwconv_s8(n, layer.args.kh, layer.args.kw, w,
			       &(struct kernel_requant){head, head + n, head + 2 * n}, portable);
	layer.args.zero_point = (int32_t)test_random_range(-128, 127);
	layer.args.pad = (int8_t)test_random_range(-128, 127);
	layer.args.hi8 = (int8_t)test_random_range(0, 127);
	/* As a ReLU has it, or none. */
	layer.args.lo8 =
		test_random() & 1 && layer.args.zero_point <= layer.args.hi8 ? (int8_t)layer.args.zero_point : -128;
	layer.args.w = layer.packed;
	got = run(table->dwconv_s8, 1, &layer);
	layer.args.w = portable;
	want = run(scalar->dwconv_s8, 1, &layer);
	describe(&layer, text);
	for (size_t x = 0; x < layer.args.out_w; x++)
		cr_assert_eq(memcmp(got + x * layer.args.out_stride, want + x * layer.args.out_stride, n), 0,
			     "%s, pixel %zu: %s", table->level, x, text);
	free(got);
	free(want);
	free(w);
	free(head);
	free(portable);
	layer_finish(&layer);
}

Test(dwconv, f32_of_every_level)
{
	for_every_level(1000, check_f32);
}

Test(dwconv, s8_of_every_level_to_the_bit)
{
	for_every_level(1000, check_s8);
}
