/* test_memory.c - what loading a network takes of memory: its weights as they are run, and little more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counted_alloc.h"
#include "engine/engine.h"
#include "engine/import/onnx_writer.h"
#include "support/test.h"

#define LAYERS	      4
#define CHANNELS      256
#define TAPS	      9
#define WEIGHTS	      (CHANNELS * CHANNELS * TAPS) /* of a layer */
#define NETWORK_BYTES (LAYERS * WEIGHTS * sizeof(float))
#define SIDE	      4
/* Beside the weights: the channels that are being packed, the graph, the plan. */
#define BESIDE_BYTES (NETWORK_BYTES / 8)
/* Of a file's pages when all of it is packed. */
#define RESIDENT_BYTES (64u << 10)

/* A folder with one network of convolutions in two formats: net.onnx, net.param and net.bin. */
static char folder[32], path[64];
static float values[LAYERS][WEIGHTS];

static const char *in_folder(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static FILE *create(const char *name)
{
	FILE *file = fopen(in_folder(name), "wb");

	cr_assert_not_null(file);
	return file;
}

static void write_onnx(void)
{
	struct onnx_writer writer;
	char from[8], to[8], weights[8];
	FILE *file = create("net.onnx");

	onnx_writer_init(&writer, 13);
	onnx_write_input(&writer, "x0", 4, (int64_t[]){1, CHANNELS, SIDE, SIDE});
	for (int i = 0; i < LAYERS; i++) {
		snprintf(from, sizeof(from), "x%d", i);
		snprintf(to, sizeof(to), "x%d", i + 1);
		snprintf(weights, sizeof(weights), "w%d", i);
		onnx_write_floats(&writer, weights, 4, (int64_t[]){CHANNELS, CHANNELS, 3, 3}, values[i], WEIGHTS);
		onnx_open_node(&writer, to, "Conv", "");
		onnx_node_input(&writer, from);
		onnx_node_input(&writer, weights);
		onnx_node_output(&writer, to);
		onnx_node_integers(&writer, "pads", 4, (int64_t[]){1, 1, 1, 1});
		onnx_close_node(&writer);
	}
	onnx_write_output(&writer, to);
	cr_assert_eq(onnx_writer_close(&writer), 0);
	cr_assert_eq(fwrite(writer.file.data, 1, writer.file.size, file), writer.file.size);
	cr_assert_eq(fclose(file), 0);
	onnx_writer_finish(&writer);
}

static void write_ncnn(void)
{
	static const uint32_t tag;
	FILE *file = create("net.param");

	fprintf(file, "7767517\n%d %d\nInput x0 0 1 x0 0=%d 1=%d 2=%d\n", LAYERS + 1, LAYERS + 1, SIDE, SIDE, CHANNELS);
	for (int i = 0; i < LAYERS; i++)
		fprintf(file, "Convolution c%d 1 1 x%d x%d 0=%d 1=3 4=1 5=0 6=%d\n", i, i, i + 1, CHANNELS, WEIGHTS);
	cr_assert_eq(fclose(file), 0);
	file = create("net.bin");
	for (int i = 0; i < LAYERS; i++) {
		cr_assert_eq(fwrite(&tag, sizeof(tag), 1, file), 1);
		cr_assert_eq(fwrite(values[i], sizeof(*values[i]), WEIGHTS, file), WEIGHTS);
	}
	cr_assert_eq(fclose(file), 0);
}

static void make_folder(void)
{
	strcpy(folder, "/tmp/test-memory-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
	for (int i = 0; i < LAYERS; i++)
		for (int k = 0; k < WEIGHTS; k++)
			values[i][k] = test_random_float() / 64;
	write_onnx();
	write_ncnn();
}

static void remove_folder(void)
{
	static const char *const made[] = {"net.onnx", "net.param", "net.bin"};

	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		remove(in_folder(made[i]));
	rmdir(folder);
}

TEST_SUITE(memory);

static const struct engine_plan *load_and_plan(const char *name, struct engine_model **ret_model)
{
	struct engine_plan_options options = {0};
	struct engine_error error = {""};
	const struct engine_plan *plan;

	cr_assert_eq(engine_model_load(in_folder(name), &error, ret_model), 0, "%s", error.text);
	cr_assert_eq(engine_model_plan(*ret_model, &options, &error, &plan), 0, "%s", error.text);
	return plan;
}

static void run(const struct engine_plan *plan, float output[CHANNELS * SIDE * SIDE])
{
	const size_t n = CHANNELS * SIDE * SIDE;
	struct engine_team *team;
	struct engine_context *context;
	float *input;

	cr_assert_eq(engine_team_create(NULL, 0, 1, &team), 0);
	cr_assert_eq(engine_context_create(team, &context), 0);
	cr_assert_eq(engine_context_reserve(context, plan), 0);
	input = engine_context_input(context, plan, 0);
	for (size_t i = 0; i < n; i++)
		input[i] = (float)(i % 17) / 17;
	cr_assert_eq(engine_run(context, plan, 1), 0);
	memcpy(output, engine_context_output(context, plan, 0), n * sizeof(*output));
	engine_context_destroy(context);
	engine_team_destroy(team);
}

/* Resident memory of the mappings of a file. */
static size_t resident_bytes(const char *name)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	char line[512];
	bool is_it = false;
	size_t sum = 0, kb;

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (strchr(line, '/'))
			is_it = strstr(line, in_folder(name)) != NULL;
		else if (is_it && sscanf(line, "Rss: %zu kB", &kb) == 1)
			sum += kb << 10;
		else if (line[0] >= '0' && line[0] <= '9')
			is_it = false;
	}
	fclose(maps);
	return sum;
}

static void load_leanly(const char *name)
{
	size_t before = counted_bytes();
	struct engine_model *model;

	counted_restart();
	load_and_plan(name, &model);
	cr_assert_leq(counted_peak_bytes() - before, NETWORK_BYTES + BESIDE_BYTES, "%s: %zu bytes for %zu of weights",
		      name, counted_peak_bytes() - before, NETWORK_BYTES);
	engine_model_destroy(model);
	cr_assert_eq(counted_bytes(), before);
}

Test(memory, weights_are_there_once, .init = make_folder, .fini = remove_folder)
{
	load_leanly("net.onnx");
	load_leanly("net.param");
}

Test(memory, pages_of_packed_weights_are_given_back, .init = make_folder, .fini = remove_folder)
{
	struct engine_model *model;

	load_and_plan("net.onnx", &model);
	cr_assert_leq(resident_bytes("net.onnx"), RESIDENT_BYTES, "%zu bytes", resident_bytes("net.onnx"));
	engine_model_destroy(model);
	load_and_plan("net.param", &model);
	cr_assert_leq(resident_bytes("net.bin"), RESIDENT_BYTES, "%zu bytes", resident_bytes("net.bin"));
	engine_model_destroy(model);
}

/* The converted file is written from pages that were given back, in the order of the graph. */
Test(memory, weights_that_stayed_in_the_file_are_converted, .init = make_folder, .fini = remove_folder)
{
	static float expected[CHANNELS * SIDE * SIDE], got[CHANNELS * SIDE * SIDE];
	static const char *const names[] = {"net.onnx", "net.param"};

	for (int i = 0; i < 2; i++) {
		struct engine_plan_options options = {0};
		struct engine_model *model, *converted;
		const struct engine_plan *plan;
		uint8_t *data;
		size_t size;

		run(load_and_plan(names[i], &model), i ? got : expected);
		cr_assert_arr_eq(i ? got : expected, expected, sizeof(expected));
		cr_assert_eq(engine_model_pack(model, ENGINE_PACK_PORTABLE, NULL, &data, &size), 0);
		engine_model_destroy(model);
		cr_assert_eq(engine_model_load_memory("converted", data, size, NULL, 0, NULL, &converted), 0);
		cr_assert_eq(engine_model_plan(converted, &options, NULL, &plan), 0);
		run(plan, got);
		cr_assert_arr_eq(got, expected, sizeof(expected));
		engine_model_destroy(converted);
		free(data);
	}
}
