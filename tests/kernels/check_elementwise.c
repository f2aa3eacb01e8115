/*
 * check_elementwise.c - the elementwise entries of every level against the C library's functions in double precision
 * and integer arithmetic written out.
 */
#include <math.h>

#include "every_level.h"
#include "guarded.h"

TEST_SUITE(elementwise);

#define N_MAX 200

static double exact(enum kernel_unary op, double a, double b, double x)
{
	switch (op) {
	case KERNEL_RELU:
		return x > 0 ? x : 0;
	case KERNEL_CLIP:
		return x < a ? a : x > b ? b : x;
	case KERNEL_LEAKY:
		return x >= 0 ? x : a * x;
	case KERNEL_SIGMOID:
		return 1 / (1 + exp(-x));
	case KERNEL_TANH:
		return tanh(x);
	case KERNEL_SILU:
		return x / (1 + exp(-x));
	case KERNEL_MISH:
		return x * tanh(log1p(exp(x)));
	case KERNEL_ELU:
		return x >= 0 ? x : a * expm1(x);
	case KERNEL_GELU:
		return 0.5 * x * (1 + erf(x / sqrt(2)));
	case KERNEL_EXP:
		return exp(x);
	case KERNEL_ABS:
		return fabs(x);
	case KERNEL_NEG:
		return -x;
	case KERNEL_SQUARE:
		return x * x;
	case KERNEL_LOG:
		return log(x);
	case KERNEL_SQRT:
		return sqrt(x);
	case KERNEL_RSQRT:
		return 1 / sqrt(x);
	default:
		return x;
	}
}

static void check_unary(const struct kernels *table, enum kernel_unary op)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	struct guarded in = guarded_create(n * sizeof(float), KERNEL_SLACK), out = guarded_create(n * sizeof(float), 0);
	float *x = in.data, *y = out.data;
	bool positive = op == KERNEL_LOG || op == KERNEL_SQRT || op == KERNEL_RSQRT;
	float a = op == KERNEL_CLIP ? -1.5f : 0.3f, b = 2.5f;

	for (size_t i = 0; i < n; i++)
		x[i] = positive ? 0.01f + 20 * fabsf(test_random_float()) : 12 * test_random_float();
	table->unary_f32(op, a, b, n, x, y);
	for (size_t i = 0; i < n; i++) {
		double want = exact(op, (double)a, (double)b, (double)x[i]);

		cr_assert_float_eq((double)y[i], want, 2e-6 * (1 + fabs(want)), "%s: function %d of %g is %g, not %g",
				   table->level, (int)op, (double)x[i], (double)y[i], want);
	}
	guarded_check(&out);
	guarded_destroy(&in);
	guarded_destroy(&out);
}

static void check_softmax(const struct kernels *table)
{
	bool is_short = test_random() & 1;
	size_t n = (size_t)test_random_range(1, is_short ? 9 : N_MAX),
	       rows = (size_t)test_random_range(1, is_short ? 150 : 3);
	struct guarded in = guarded_create(rows * n * sizeof(float), KERNEL_SLACK);
	struct guarded out = guarded_create(rows * n * sizeof(float), 0);
	float *x = in.data, *y = out.data;

	for (size_t i = 0; i < rows * n; i++)
		x[i] = 30 * test_random_float();
	table->softmax_f32(rows, n, 0.5f, x, y);
	for (size_t r = 0; r < rows; r++, x += n, y += n) {
		double sum = 0;

		for (size_t i = 0; i < n; i++)
			sum += exp(0.5 * (double)x[i]);
		for (size_t i = 0; i < n; i++)
			cr_assert_float_eq((double)y[i], exp(0.5 * (double)x[i]) / sum, 1e-6,
					   "%s: row %zu of %zu, %zu of %zu", table->level, r, rows, i, n);
	}
	guarded_check(&out);
	guarded_destroy(&in);
	guarded_destroy(&out);
}

static void check_quantisation(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	struct guarded in = guarded_create(n * sizeof(float), KERNEL_SLACK), out = guarded_create(n, 0);
	int32_t zero = (int32_t)test_random_range(-128, 127);
	float *x = in.data;
	int8_t *y = out.data;
	float back[N_MAX];

	for (size_t i = 0; i < n; i++)
		x[i] = (float)test_random_range(-400, 400) / 2; /* halves: the tie goes to even */
	table->quantize_s8(n, 1, zero, x, y);
	table->dequantize_s8(n, 0.5f, zero, y, back);
	for (size_t i = 0; i < n; i++) {
		double want = rint((double)x[i]) + zero;

		want = want < -128 ? -128 : want > 127 ? 127 : want;
		cr_assert_eq(y[i], (int)want, "%s: %g gives %d", table->level, (double)x[i], y[i]);
		cr_assert_eq(back[i], 0.5f * (float)(y[i] - zero));
	}
	guarded_check(&out);
	guarded_destroy(&in);
	guarded_destroy(&out);
}

static double exact_binary(enum kernel_binary op, double x, double y)
{
	switch (op) {
	case KERNEL_ADD:
		return x + y;
	case KERNEL_SUB:
		return x - y;
	case KERNEL_MUL:
		return x * y;
	case KERNEL_DIV:
		return x / y;
	case KERNEL_MIN:
		return x < y ? x : y;
	default:
		return x > y ? x : y;
	}
}

/* In a third of the cases each the output is the first operand, the second, or neither. */
static void check_binary(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	enum kernel_binary op = (enum kernel_binary)test_random_range(0, KERNEL_BINARY_COUNT - 1);
	bool a_scalar = test_random_range(0, 3) == 0, b_scalar = test_random_range(0, 3) == 0;
	int place = (int)test_random_range(0, 2);
	struct guarded a = guarded_create(n * sizeof(float), KERNEL_SLACK);
	struct guarded b = guarded_create(n * sizeof(float), KERNEL_SLACK);
	struct guarded c = guarded_create(n * sizeof(float), 0);
	struct guarded *out = place == 0 && !a_scalar ? &a : place == 1 && !b_scalar ? &b : &c;
	float x[N_MAX], y[N_MAX], *got = out->data;

	for (size_t i = 0; i < n; i++) {
		x[i] = ((float *)a.data)[i] = test_random_float();
		y[i] = ((float *)b.data)[i] = 2 + test_random_float();
	}
	table->binary_f32(op, n, a.data, a_scalar, b.data, b_scalar, -1.5f, 2.5f, got);
	for (size_t i = 0; i < n; i++) {
		double want = exact_binary(op, (double)x[a_scalar ? 0 : i], (double)y[b_scalar ? 0 : i]);

		want = want < -1.5 ? -1.5 : want > 2.5 ? 2.5 : want;
		cr_assert_float_eq((double)got[i], want, 1e-6, "%s: operation %d, element %zu of %zu, place %d",
				   table->level, (int)op, i, n, place);
	}
	guarded_check(out);
	guarded_destroy(&a);
	guarded_destroy(&b);
	guarded_destroy(&c);
}

static void check_binary_s8(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	struct binary_s8_args args = {.a_scale = 0.5f,
				      .b_scale = 0.25f,
				      .out_scale = 0.375f,
				      .a_zero = (int32_t)test_random_range(-128, 127),
				      .b_zero = (int32_t)test_random_range(-128, 127),
				      .out_zero = (int32_t)test_random_range(-128, 127),
				      .lo = (int8_t)test_random_range(-128, 0),
				      .hi = (int8_t)test_random_range(1, 127),
				      .a_scalar = test_random_range(0, 3) == 0,
				      .b_scalar = test_random_range(0, 3) == 0};
	struct guarded a = guarded_create(n, KERNEL_SLACK), b = guarded_create(n, KERNEL_SLACK);
	int8_t x[N_MAX], y[N_MAX], *out = args.a_scalar ? b.data : a.data;

	args.b_scalar = args.b_scalar && !args.a_scalar;
	for (size_t i = 0; i < n; i++) {
		x[i] = ((int8_t *)a.data)[i] = (int8_t)test_random_range(-128, 127);
		y[i] = ((int8_t *)b.data)[i] = (int8_t)test_random_range(-128, 127);
	}
	table->binary_s8(KERNEL_ADD, n, a.data, b.data, &args, out);
	for (size_t i = 0; i < n; i++) {
		float real = 0.5f * (float)(x[args.a_scalar ? 0 : i] - args.a_zero) +
			     0.25f * (float)(y[args.b_scalar ? 0 : i] - args.b_zero);
		int want = (int)rintf(real * (1.0f / 0.375f)) + args.out_zero;

		want = want < args.lo ? args.lo : want > args.hi ? args.hi : want;
		cr_assert_eq(out[i], want, "%s: element %zu of %zu is %d and not %d", table->level, i, n, out[i], want);
	}
	guarded_destroy(&a);
	guarded_destroy(&b);
}

/*
 * Sums and products that lie at a half, or where float32 cannot tell: ONNX Runtime adds the zero point before it
 * rounds. The first is what its QLinearAdd gives for 111 and 132 with these scales; in exact arithmetic it is
 * 123.499998.
 */
static void check_ties(const struct kernels *table)
{
	struct binary_s8_args sum = {.a_scale = 0.08761086314916611f,
				     .a_zero = 116 - 128,
				     .b_scale = 0.04346216097474098f,
				     .b_zero = 123 - 128,
				     .out_scale = 0.09378937631845474f,
				     .out_zero = 124 - 128,
				     .lo = -128,
				     .hi = 127,
				     .zero_before_rounding = true,
				     .above = 128};
	struct binary_s8_args product = {.a_scale = 1,
					 .b_scale = 1,
					 .out_scale = 2,
					 .out_zero = 5,
					 .lo = -128,
					 .hi = 127,
					 .zero_before_rounding = true};
	int8_t a[N_MAX], b[N_MAX], out[N_MAX];
	size_t n = (size_t)test_random_range(1, N_MAX);

	memset(a, 111 - 128, n);
	memset(b, 132 - 128, n);
	table->binary_s8(KERNEL_ADD, n, a, b, &sum, out);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(out[i] + 128, 124, "%s: %d", table->level, out[i] + 128);
	memset(a, 1, n);
	table->binary_s8(KERNEL_MUL, n, a, a, &product, out);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(out[i], 6, "%s: %d", table->level, out[i]);
}

/* Any sum and product is the exact one to half a quantum, but for what float32 loses. */
static void check_linear(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	bool product = test_random() & 1;
	struct binary_s8_args args = {.a_scale = (float)test_random_range(1, 100) / 1000,
				      .a_zero = (int32_t)test_random_range(-128, 127),
				      .b_scale = (float)test_random_range(1, 100) / 1000,
				      .b_zero = (int32_t)test_random_range(-128, 127),
				      .out_scale = (float)test_random_range(1, 100) / 100,
				      .out_zero = (int32_t)test_random_range(-128, 127),
				      .lo = -128,
				      .hi = (int8_t)test_random_range(0, 127),
				      .b_scalar = test_random() & 1,
				      .zero_before_rounding = true,
				      .above = test_random() & 1 ? 128 : 0};
	struct guarded out = guarded_create(n, 0);
	int8_t a[N_MAX], b[N_MAX], *y = out.data;

	for (size_t i = 0; i < n; i++) {
		a[i] = (int8_t)test_random_range(-128, 127);
		b[i] = (int8_t)test_random_range(-128, 127);
	}
	table->binary_s8(product ? KERNEL_MUL : KERNEL_ADD, n, a, b, &args, y);
	for (size_t i = 0; i < n; i++) {
		double p = (double)args.a_scale * (a[i] - args.a_zero);
		double q = (double)args.b_scale * (b[args.b_scalar ? 0 : i] - args.b_zero);
		double want = (product ? p * q : p + q) / (double)args.out_scale + args.out_zero;

		want = want < args.lo ? args.lo : want > args.hi ? args.hi : want;
		cr_assert(fabs(y[i] - want) < 0.501, "%s: %d, not %g", table->level, y[i], want);
	}
	guarded_check(&out);
	guarded_destroy(&out);
}

/* Whatever a file's scales are, every level rounds as the portable one does; in place, too. */
static void check_linear_bits(const struct kernels *table)
{
	size_t n = (size_t)test_random_range(1, N_MAX);
	struct binary_s8_args args = {.a_scale = expf(12 * test_random_float()),
				      .a_zero = (int32_t)test_random_range(-128, 127),
				      .b_scale = expf(12 * test_random_float()),
				      .b_zero = (int32_t)test_random_range(-128, 127),
				      .out_scale = expf(12 * test_random_float()),
				      .out_zero = (int32_t)test_random_range(-128, 127),
				      .lo = (int8_t)test_random_range(-128, 0),
				      .hi = (int8_t)test_random_range(0, 127),
				      .a_scalar = test_random_range(0, 7) == 0,
				      .zero_before_rounding = true,
				      .above = test_random() & 1 ? 128 : 0};
	struct guarded b = guarded_create(n, KERNEL_SLACK);
	int8_t a[N_MAX], want[N_MAX], *y = b.data;

	for (size_t i = 0; i < n; i++) {
		a[i] = (int8_t)test_random_range(-128, 127);
		y[i] = (int8_t)test_random_range(-128, 127);
	}
	kernels_level("scalar")->binary_s8(KERNEL_ADD, n, a, y, &args, want);
	table->binary_s8(KERNEL_ADD, n, a, y, &args, y);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(y[i], want[i], "%s: %d, not %d, at %zu of %zu", table->level, y[i], want[i], i, n);
	guarded_check(&b);
	guarded_destroy(&b);
}

static void check_maxpool(const struct kernels *table)
{
	enum { PIXELS = 10, CHANNELS = 200 };
	static int8_t values[PIXELS][CHANNELS];
	const int8_t *pixels[PIXELS];
	size_t n = (size_t)test_random_range(1, PIXELS), channels = (size_t)test_random_range(1, CHANNELS);
	int8_t lo = (int8_t)test_random_range(-128, 0), hi = (int8_t)test_random_range(0, 127);
	struct guarded out = guarded_create(channels, 0);

	for (size_t i = 0; i < PIXELS; i++) {
		pixels[i] = values[i];
		for (size_t c = 0; c < CHANNELS; c++)
			values[i][c] = (int8_t)test_random_range(-128, 127);
	}
	table->maxpool_s8(pixels, n, channels, lo, hi, out.data);
	for (size_t c = 0; c < channels; c++) {
		int8_t want = -128;

		for (size_t i = 0; i < n; i++)
			want = values[i][c] > want ? values[i][c] : want;
		want = want < lo ? lo : want > hi ? hi : want;
		cr_assert_eq(((int8_t *)out.data)[c], want, "%s: of %zu pixels", table->level, n);
	}
	guarded_check(&out);
	guarded_destroy(&out);
}

static void check_avgpool(const struct kernels *table)
{
	enum { PIXELS = 9, CHANNELS = 200 };
	static int8_t values[PIXELS][CHANNELS];
	const int8_t *pixels[PIXELS];
	size_t n = (size_t)test_random_range(1, PIXELS), channels = (size_t)test_random_range(1, CHANNELS);
	struct guarded out = guarded_create(channels, 0);
	bool was_u8 = test_random() & 1;

	for (size_t i = 0; i < PIXELS; i++) {
		pixels[i] = values[i];
		for (size_t c = 0; c < CHANNELS; c++)
			values[i][c] = (int8_t)test_random_range(-128, 127);
	}
	table->avgpool_s8(pixels, n, channels, n, was_u8, -128, 127, out.data);
	for (size_t c = 0; c < channels; c++) {
		int sum = 0, want;

		for (size_t i = 0; i < n; i++)
			sum += values[i][c] + (was_u8 ? 128 : 0);
		want = (int)round((double)sum / (double)n) - (was_u8 ? 128 : 0);
		cr_assert_eq(((int8_t *)out.data)[c], want, "%s", table->level);
	}
	guarded_check(&out);
	guarded_destroy(&out);
}

static void check_functions(const struct kernels *table)
{
	for (int op = 0; op < KERNEL_UNARY_COUNT; op++)
		if (op != KERNEL_HARDSWISH && op != KERNEL_HARDSIGMOID)
			check_unary(table, (enum kernel_unary)op);
}

Test(elementwise, functions_of_one_argument)
{
	for_every_level(100, check_functions);
}

/* Where the exponential would overflow, or leave nothing. */
static void check_far_sigmoids(const struct kernels *table)
{
	static const float x[] = {-INFINITY, -1e30f, -200, -88, -87, -20, 0, 20, 87, 88, 200, 1e30f, INFINITY};
	float y[sizeof(x) / sizeof(*x)];
	size_t n = sizeof(x) / sizeof(*x);

	table->unary_f32(KERNEL_SIGMOID, 0, 0, n, x, y);
	for (size_t i = 0; i < n; i++)
		cr_assert_float_eq((double)y[i], exact(KERNEL_SIGMOID, 0, 0, (double)x[i]), 1e-6, "%s: of %g is %g",
				   table->level, (double)x[i], (double)y[i]);
}

Test(elementwise, sigmoids_of_far_values)
{
	for_every_level(1, check_far_sigmoids);
}

Test(elementwise, softmax)
{
	for_every_level(100, check_softmax);
}

Test(elementwise, quantisation)
{
	for_every_level(100, check_quantisation);
}

Test(elementwise, pools_of_bytes)
{
	for_every_level(100, check_avgpool);
	for_every_level(100, check_maxpool);
}

Test(elementwise, quantised_sums_and_products_as_onnx_runtime_rounds_them)
{
	for_every_level(20, check_ties);
	for_every_level(200, check_linear);
	for_every_level(200, check_linear_bits);
}

/* Every half there is becomes a float and the same half again. */
Test(elementwise, halves_go_there_and_back)
{
	static uint16_t halves[65536], again[65536];
	static float floats[65536];

	for (uint32_t i = 0; i < 65536; i++)
		halves[i] = (uint16_t)i;
	for (const char *const *level = kernels_levels(); *level; level++) {
		const struct kernels *table = kernels_level(*level);

		if (!table)
			continue;
		table->f16_to_f32(65536, halves, floats);
		table->f32_to_f16(65536, floats, again);
		cr_assert_eq(floats[0x3c00], 1.0f);
		cr_assert_eq(floats[0xc000], -2.0f);
		cr_assert_eq(floats[0x0001], 0x1p-24f);
		cr_assert_eq(floats[0x7bff], 65504.0f);
		for (uint32_t i = 0; i < 65536; i++) {
			bool nan = (i & 0x7c00) == 0x7c00 && i & 0x3ff;

			cr_assert(nan ? isnan(floats[i]) && (again[i] & 0x7c00) == 0x7c00 : again[i] == i, "%s: %04x",
				  table->level, i);
		}
	}
}

Test(elementwise, two_arguments_in_place_and_not)
{
	for_every_level(300, check_binary);
	for_every_level(300, check_binary_s8);
}
