/* test_packed.c - converted files: the same answers, and what is damaged, foreign or hostile is refused. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/packed.h"
#include "engine/trial.h"
#include "imported.h"
#include "protobuf_builder.h"
#include "support/halves.h"
#include "support/test.h"

TEST_SUITE(packed);

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})

#define SIDE	5
#define ANSWERS (4 * SIDE * SIDE)
#define WIDE	48 /* channels */

static struct message graph, whole;
static float pixels[3 * SIDE * SIDE];

/* Weights as float32, or as float16 that a Cast widens. */
static void add_weights(const char *name, const int64_t dims[4], const float *values, bool half)
{
	static uint16_t halves[WIDE * WIDE];
	size_t n = (size_t)(dims[0] * dims[1] * dims[2] * dims[3]);
	char narrow[8];

	if (!half) {
		onnx_floats(&graph, name, 4, dims, values);
		return;
	}
	snprintf(narrow, sizeof(narrow), "%s16", name);
	kernels_get()->f32_to_f16(n, values, halves);
	onnx_raw(&graph, narrow, 10, 4, dims, halves, n * sizeof(*halves));
	onnx_attribute_integer(onnx_node(&graph, "Cast", narrow, name), "to", 1);
}

/*
 * Two convolutions, the second grouped and with a residual and slopes, a function with attributes, and a node of each
 * kind.
 */
static void make_original(bool half)
{
	static float first[4 * 3 * 9], second[4 * 2], bias[4], slopes[4];
	struct message *node;

	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		first[i] = test_random_float();
	for (size_t i = 0; i < 8; i++)
		second[i] = test_random_float();
	for (size_t i = 0; i < 4; i++)
		bias[i] = slopes[i] = test_random_float();
	for (size_t i = 0; i < sizeof(pixels) / sizeof(*pixels); i++)
		pixels[i] = test_random_float();
	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(1, 3, SIDE, SIDE));
	add_weights("w", DIMS(4, 3, 3, 3), first, half);
	onnx_floats(&graph, "b", 1, DIMS(4), bias);
	add_weights("v", DIMS(4, 2, 1, 1), second, half);
	onnx_floats(&graph, "a", 3, DIMS(4, 1, 1), slopes);
	node = onnx_node(&graph, "Conv", "x w b", "c");
	onnx_attribute_integers(node, "pads", 4, DIMS(1, 1, 1, 1));
	onnx_node(&graph, "Relu", "c", "r");
	onnx_attribute_integer(onnx_node(&graph, "Conv", "r v b", "d"), "group", 2);
	onnx_node(&graph, "Add", "d r", "s");
	onnx_node(&graph, "PRelu", "s a", "p");
	onnx_attribute_float(onnx_node(&graph, "Celu", "p", "e"), "alpha", 0.5f);
	onnx_attribute_text(onnx_node(&graph, "Gelu", "e", "y"), "approximate", "tanh");
	onnx_output(&graph, "y");
	onnx_file(&whole, &graph, 20);
}

static void pack(enum engine_pack kind, uint8_t **ret_data, size_t *ret_size)
{
	struct engine_plan_options options = {0};
	struct engine_error error = {""};
	const struct engine_plan *plan;
	struct engine_model *model;

	cr_assert_eq(engine_model_load_memory("original", whole.data, whole.size, NULL, 0, &error, &model), 0, "%s",
		     error.text);
	cr_assert_eq(engine_model_plan(model, &options, &error, &plan), 0, "%s", error.text);
	cr_assert_eq(engine_model_pack(model, kind, &error, ret_data, ret_size), 0, "%s", error.text);
	engine_model_destroy(model);
}

static void run(const uint8_t *data, size_t size, float answers[ANSWERS])
{
	struct file file = {data, size, NULL, 0};

	imported_run(&file, pixels, sizeof(pixels), answers, ANSWERS * sizeof(*answers));
}

Test(packed, answers_are_those_of_the_original)
{
	static const enum engine_pack kinds[] = {ENGINE_PACK_PANELS, ENGINE_PACK_PORTABLE};
	float expected[ANSWERS], answers[ANSWERS];

	for (size_t i = 0; i < 2 * sizeof(kinds) / sizeof(*kinds); i++) {
		uint8_t *data;
		size_t size;

		make_original(i % 2);
		run(whole.data, whole.size, expected);
		pack(kinds[i / 2], &data, &size);
		run(data, size, answers);
		cr_assert_arr_eq(answers, expected, sizeof(answers), "kind %zu", i);
		free(data);
	}
}

/* A layer of as many channels as multiply in float16, behind it one of few. */
static void make_wide(bool half)
{
	static float first[WIDE * 3 * 9], second[4 * WIDE];

	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		first[i] = test_random_float();
	for (size_t i = 0; i < sizeof(second) / sizeof(*second); i++)
		second[i] = test_random_float();
	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(1, 3, SIDE, SIDE));
	onnx_node(&graph, "Sqrt", "x", "a");
	add_weights("w", DIMS(WIDE, 3, 3, 3), first, half);
	onnx_attribute_integers(onnx_node(&graph, "Conv", "a w", "c"), "pads", 4, DIMS(1, 1, 1, 1));
	onnx_node(&graph, "Relu", "c", "r");
	add_weights("v", DIMS(4, WIDE, 1, 1), second, half);
	onnx_node(&graph, "Conv", "r v", "y");
	onnx_output(&graph, "y");
	onnx_file(&whole, &graph, 20);
	for (size_t i = 0; i < sizeof(pixels) / sizeof(*pixels); i++)
		pixels[i] = fabsf(test_random_float());
}

/* Of a file of panels they are made from those, since it has no other weights. */
Test(packed, converted_networks_multiply_in_float16)
{
	static const enum engine_pack kinds[] = {ENGINE_PACK_PANELS, ENGINE_PACK_PORTABLE};
	float full[ANSWERS], expected[ANSWERS], answers[ANSWERS];

	halves_install();
	for (size_t i = 0; i < 4; i++) {
		uint8_t *data;
		size_t size;

		make_wide(i % 2);
		pack(kinds[i / 2], &data, &size);
		imported_options.half_arithmetic = 0;
		run(whole.data, whole.size, full);
		imported_options.half_arithmetic = 1;
		run(whole.data, whole.size, expected);
		run(data, size, answers);
		cr_assert_arr_eq(answers, expected, sizeof(answers), "kind %zu", i);
		cr_assert(memcmp(full, expected, sizeof(full)) != 0, "the option did nothing");
		free(data);
	}
}

/* Plans with and without the option are two, where the processor makes a difference. */
Test(packed, half_arithmetic_is_a_plan_of_its_own)
{
	struct engine_plan_options options = {0};
	const struct engine_plan *plan, *same, *half;
	struct engine_error error = {""};
	struct engine_model *model;
	struct engine_step_info step;

	make_wide(false);
	for (int installed = 0; installed < 2; installed++) {
		if (installed)
			halves_install();
		cr_assert_eq(engine_model_load_memory("x", whole.data, whole.size, NULL, 0, &error, &model), 0);
		options.half_arithmetic = 0;
		cr_assert_eq(engine_model_plan(model, &options, &error, &plan), 0);
		options.half_arithmetic = 1;
		cr_assert_eq(engine_model_plan(model, &options, &error, &half), 0);
		cr_assert_eq(engine_model_plan(model, &options, &error, &same), 0);
		cr_assert_eq(same, half);
		cr_assert_eq(half != plan, engine_cpu_half_arithmetic());
		engine_plan_step(half, 1, &step);
		cr_assert_eq(strncmp(step.kernel, "igemm_f16", 9) == 0, engine_cpu_half_arithmetic(), "%s",
			     step.kernel);
		engine_model_destroy(model);
	}
}

Test(packed, halves_are_near_and_smaller)
{
	float expected[ANSWERS], answers[ANSWERS];
	uint8_t *data, *portable;
	size_t size, whole_size;

	make_original(false);
	run(whole.data, whole.size, expected);
	pack(ENGINE_PACK_PORTABLE, &portable, &whole_size);
	pack(ENGINE_PACK_HALF, &data, &size);
	cr_assert_lt(size, whole_size);
	run(data, size, answers);
	for (int i = 0; i < ANSWERS; i++)
		cr_assert_float_eq(answers[i], expected[i], 0.02f, "%d: %g, not %g", i, (double)answers[i],
				   (double)expected[i]);
	free(data);
	free(portable);
}

/* The panels of a converted file keep float16 weights so.  Those of the first layer are stored as they are, too. */
Test(packed, panels_of_halves_are_smaller)
{
	static float first[WIDE * 3], second[WIDE * WIDE];
	size_t sizes[2];

	for (int half = 0; half < 2; half++) {
		uint8_t *data;

		graph.size = 0;
		onnx_input(&graph, "x", 4, DIMS(1, 3, SIDE, SIDE));
		add_weights("w", DIMS(WIDE, 3, 1, 1), first, half);
		add_weights("v", DIMS(WIDE, WIDE, 1, 1), second, half);
		onnx_node(&graph, "Conv", "x w", "c");
		onnx_node(&graph, "Conv", "c v", "y");
		onnx_output(&graph, "y");
		onnx_file(&whole, &graph, 20);
		pack(ENGINE_PACK_PANELS, &data, &sizes[half]);
		free(data);
	}
	cr_assert_gt(sizes[0] - sizes[1], sizeof(second) / 2, "%zu and %zu", sizes[0], sizes[1]);
}

/* A plan makes the panels; without one there is nothing to store. */
/* 1x1 to 16 channels, then 3x3. */
static void make_winograd(void)
{
	static float first[16 * 3], second[16 * 16 * 9];

	for (size_t i = 0; i < sizeof(first) / sizeof(*first); i++)
		first[i] = test_random_float();
	for (size_t i = 0; i < sizeof(second) / sizeof(*second); i++)
		second[i] = test_random_float();
	for (size_t i = 0; i < sizeof(pixels) / sizeof(*pixels); i++)
		pixels[i] = test_random_float();
	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(1, 3, SIDE, SIDE));
	onnx_floats(&graph, "w", 4, DIMS(16, 3, 1, 1), first);
	onnx_floats(&graph, "v", 4, DIMS(16, 16, 3, 3), second);
	onnx_node(&graph, "Conv", "x w", "c");
	onnx_attribute_integers(onnx_node(&graph, "Conv", "c v", "y"), "pads", 4, DIMS(1, 1, 1, 1));
	onnx_output(&graph, "y");
	onnx_file(&whole, &graph, 20);
}

/* Panels are read as they were packed, whatever would be chosen now. */
Test(packed, panels_keep_the_method_they_are_for)
{
	static const enum trial_mode modes[] = {TRIAL_DIRECT, TRIAL_2X2, TRIAL_4X4};
	float expected[16 * SIDE * SIDE], answers[16 * SIDE * SIDE];
	size_t sizes[3];

	make_winograd();
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		struct file file = {whole.data, whole.size, NULL, 0};
		uint8_t *data;

		trials_shared()->mode = modes[i];
		imported_run(&file, pixels, sizeof(pixels), expected, sizeof(expected));
		pack(ENGINE_PACK_PANELS, &data, &sizes[i]);
		trials_shared()->mode = modes[(i + 1) % 3];
		file = (struct file){data, sizes[i], NULL, 0};
		imported_run(&file, pixels, sizeof(pixels), answers, sizeof(answers));
		cr_assert_arr_eq(answers, expected, sizeof(answers), "mode %zu", i);
		free(data);
	}
	cr_assert_lt(sizes[0], sizes[1]);
	cr_assert_lt(sizes[1], sizes[2]);
}

Test(packed, panels_want_a_plan)
{
	struct engine_error error = {""};
	struct engine_model *model;
	uint8_t *data;
	size_t size;

	make_original(false);
	cr_assert_eq(engine_model_load_memory("original", whole.data, whole.size, NULL, 0, &error, &model), 0);
	cr_assert_eq(engine_model_pack(model, ENGINE_PACK_PANELS, &error, &data, &size), -EINVAL);
	cr_assert(strstr(error.text, "planned"), "%s", error.text);
	engine_model_destroy(model);
}

Test(packed, every_changed_byte_is_noticed)
{
	uint8_t *data;
	size_t size;

	make_original(false);
	pack(ENGINE_PACK_PANELS, &data, &size);
	for (size_t i = 0; i < size; i++) {
		struct file file = {data, size, NULL, 0};

		data[i] ^= (uint8_t)(1 << (i & 7));
		if (i >= 8 && i < 12)
			imported_refuse(&file, -ENOTSUP, "convert it again");
		else if (i >= 64)
			imported_refuse(&file, -EINVAL, "its checksum is wrong");
		else if (i < 48) {
			struct engine_model *model;

			cr_assert_lt(engine_model_load_memory("file", data, size, NULL, 0, NULL, &model), 0, "byte %zu",
				     i);
		}
		data[i] ^= (uint8_t)(1 << (i & 7));
	}
	imported_refuse_cuts(&(struct file){data, size, NULL, 0});
	free(data);
}

Test(packed, panels_of_another_machine_are_refused)
{
	static const char other[16] = "abacus";
	uint8_t *data;
	size_t size;

	make_original(false);
	pack(ENGINE_PACK_PANELS, &data, &size);
	memcpy(data + 48, other, sizeof(other));
	imported_refuse(&(struct file){data, size, NULL, 0}, -ENOTSUP, "converted for abacus, and this machine has");
	free(data);
}

/* With the right checksum, too: whoever writes the file can compute it. */
Test(packed, hostile_files_are_survived)
{
	static const enum engine_pack kinds[] = {ENGINE_PACK_PANELS, ENGINE_PACK_PORTABLE};

	for (size_t k = 0; k < 2 * sizeof(kinds) / sizeof(*kinds); k++) {
		uint8_t *data;
		size_t size;

		make_original(k % 2);
		pack(kinds[k / 2], &data, &size);
		for (int i = 0; i < 3000; i++) {
			size_t at = (size_t)test_random_range(0, (int64_t)size - 1);
			uint8_t before = data[at];
			struct engine_plan_options options = {0};
			struct engine_error error = {""};
			const struct engine_plan *plan;
			struct engine_model *model;
			int rc;

			data[at] = (uint8_t)test_random();
			packed_seal(data, size);
			rc = engine_model_load_memory("hostile", data, size, NULL, 0, &error, &model);
			if (rc == 0) {
				rc = engine_model_plan(model, &options, &error, &plan);
				engine_model_destroy(model);
			}
			cr_assert(rc == 0 || error.text[0], "byte %zu: no text for %d", at, rc);
			data[at] = before;
		}
		free(data);
	}
}
