/*
 * test_goldens.c - whole networks against what their own runtimes answer for the middle of two photographs.
 *
 * goldens/<network>.txt was written by tools/compare/networks.py --goldens: for each photograph a line with its name
 * and the number of outputs, then the outputs.  Tolerances are those of that script.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "imported.h"
#include "support/test.h"

TEST_SUITE(goldens);

#define PHOTOGRAPHS 2
#define OUTPUTS_MAX 1001

struct network {
	const char *model, *weights; /* below the test data */
	const char *golden;
	int side;
	bool quantised;
	float mean[3]; /* of float networks, which read BGR; their scale is 1 */
};

struct golden {
	char photograph[128];
	int n;
	float values[OUTPUTS_MAX];
};

static void read_golden(FILE *file, struct golden *golden)
{
	cr_assert_eq(fscanf(file, "%127s %d", golden->photograph, &golden->n), 2);
	cr_assert(golden->n > 0 && golden->n <= OUTPUTS_MAX);
	for (int i = 0; i < golden->n; i++)
		cr_assert_eq(fscanf(file, "%f", &golden->values[i]), 1);
}

/* The middle of a photograph as side x side RGB; the caller frees. */
static uint8_t *middle_of(const char *name, int side)
{
	tjhandle handle = tjInitDecompress();
	const uint8_t *jpeg;
	uint8_t *whole, *middle = malloc((size_t)side * (size_t)side * 3);
	size_t size;
	int width, height, subsampling, colorspace;
	char path[256];

	snprintf(path, sizeof(path), "images/imagenet/%s", name);
	imported_map(path, &jpeg, &size);
	cr_assert_eq(tjDecompressHeader3(handle, jpeg, (unsigned long)size, &width, &height, &subsampling, &colorspace),
		     0);
	cr_assert(width >= side && height >= side);
	whole = malloc((size_t)width * (size_t)height * 3);
	cr_assert_eq(
		tjDecompress2(handle, jpeg, (unsigned long)size, whole, width, 0, height, TJPF_RGB, TJFLAG_ACCURATEDCT),
		0);
	for (int y = 0; y < side; y++) {
		size_t from = (size_t)((height - side) / 2 + y) * (size_t)width + (size_t)((width - side) / 2);

		memcpy(middle + (size_t)y * (size_t)side * 3, whole + from * 3, (size_t)side * 3);
	}
	free(whole);
	tjDestroy(handle);
	return middle;
}

static void run_network(const struct network *network, const struct file *file, const struct golden *golden,
			float *ret_values)
{
	size_t n = (size_t)network->side * (size_t)network->side * 3;
	uint8_t *pixels = middle_of(golden->photograph, network->side);

	if (network->quantised) {
		static uint8_t output[OUTPUTS_MAX];

		imported_run(file, pixels, n, output, (size_t)golden->n);
		for (int i = 0; i < golden->n; i++)
			ret_values[i] = output[i];
	} else {
		float *input = malloc(n * sizeof(*input));

		for (size_t i = 0; i < n; i++)
			input[i] = (float)pixels[i - i % 3 + 2 - i % 3] - network->mean[i % 3];
		imported_run(file, input, n * sizeof(*input), ret_values, (size_t)golden->n * sizeof(*ret_values));
		free(input);
	}
	free(pixels);
}

static int first_of(const float *values, int n)
{
	int first = 0;

	for (int i = 1; i < n; i++)
		if (values[i] > values[first])
			first = i;
	return first;
}

static float largest_difference(const float *a, const float *b, int n)
{
	float largest = 0;

	for (int i = 0; i < n; i++)
		largest = fmaxf(largest, fabsf(a[i] - b[i]));
	return largest;
}

static void expect_golden(const struct network *network)
{
	struct golden goldens[PHOTOGRAPHS];
	struct file file = {0};
	float tolerance = 1;
	char path[4096];
	FILE *text;

	snprintf(path, sizeof(path), "%s/%s.txt", GOLDENS, network->golden);
	text = fopen(path, "r");
	cr_assert_not_null(text, "%s", path);
	imported_map(network->model, &file.data, &file.size);
	if (network->weights)
		imported_map(network->weights, &file.weights, &file.weights_size);
	for (int p = 0; p < PHOTOGRAPHS; p++) {
		const struct golden *golden = &goldens[p];
		static float values[OUTPUTS_MAX];
		int within = 0, first;

		read_golden(text, &goldens[p]);
		run_network(network, &file, golden, values);
		first = first_of(golden->values, golden->n);
		if (!network->quantised)
			tolerance = 1e-3f * golden->values[first];
		for (int i = 0; i < golden->n; i++)
			within += fabsf(values[i] - golden->values[i]) <= tolerance;
		cr_assert_geq(within, network->quantised ? golden->n * 99 / 100 : golden->n, "%s: %d of %d within",
			      golden->photograph, within, golden->n);
		cr_assert_leq(golden->values[first] - golden->values[first_of(values, golden->n)],
			      network->quantised ? 1.0f : 0.0f, "%s: another class is first", golden->photograph);
	}
	/* Or the tolerance would let anything pass. */
	cr_assert_geq(largest_difference(goldens[0].values, goldens[1].values, goldens[0].n), 10 * tolerance);
	fclose(text);
}

#define LADDER(name, pixels)                                                                                           \
	{                                                                                                              \
		.model = "models/imagenet-ladder/" name ".tflite", .golden = name, .side = pixels, .quantised = true   \
	}

Test(goldens, ladder)
{
	static const struct network networks[] = {
		LADDER("mobilenet_v1_0.25_128_quant", 128),
		LADDER("mobilenet_v1_0.5_160_quant", 160),
		LADDER("mobilenet_v1_0.75_192_quant", 192),
		LADDER("mobilenet_v2_1.0_224_quant", 224),
	};

	for (size_t i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		expect_golden(&networks[i]);
}

Test(goldens, squeezenet)
{
	expect_golden(&(struct network){.model = "models/ncnn/squeezenet_v1.1.param",
					.weights = "models/ncnn/squeezenet_v1.1.bin",
					.golden = "squeezenet_v1.1",
					.side = 227,
					.mean = {104, 117, 123}});
}

/* Where the processor multiplies halves: near what float32 answers, and the same class first. */
Test(goldens, squeezenet_in_half_arithmetic)
{
	static const char *const photographs[] = {"n01440764_tench.JPEG", "n02391049_zebra.JPEG",
						  "n03642806_laptop.JPEG"};
	static const float mean[] = {104, 117, 123};
	static float input[227 * 227 * 3], full[1000], half[1000];
	struct file file = {0};

	imported_map("models/ncnn/squeezenet_v1.1.param", &file.data, &file.size);
	imported_map("models/ncnn/squeezenet_v1.1.bin", &file.weights, &file.weights_size);
	if (!engine_cpu_half_arithmetic())
		cr_skip_test("this processor has no arithmetic on float16");
	for (size_t p = 0; p < sizeof(photographs) / sizeof(*photographs); p++) {
		uint8_t *pixels = middle_of(photographs[p], 227);
		int first;

		for (size_t i = 0; i < sizeof(input) / sizeof(*input); i++)
			input[i] = (float)pixels[i - i % 3 + 2 - i % 3] - mean[i % 3];
		imported_options.half_arithmetic = 0;
		imported_run(&file, input, sizeof(input), full, sizeof(full));
		imported_options.half_arithmetic = 1;
		imported_run(&file, input, sizeof(input), half, sizeof(half));
		first = first_of(full, 1000);
		cr_assert_eq(first_of(half, 1000), first, "%s: another class is first", photographs[p]);
		cr_assert_leq(largest_difference(full, half, 1000), 0.02f * full[first], "%s", photographs[p]);
		cr_assert_gt(largest_difference(full, half, 1000), 0);
		free(pixels);
	}
}
