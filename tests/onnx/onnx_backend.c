/*
 * onnx_backend.c - runs ONNX's own backend tests (model.onnx, test_data_set_N/input_N.pb, output_N.pb): what passes,
 * fails and is not supported, by operator.
 *
 *   onnx_backend [--verbose] [--at-least N] FOLDER...     each FOLDER holds one folder for each test
 *
 * The exit status is 0 when nothing failed and at least N passed, and 77 where a folder is absent.  Tolerances are
 * those of the tests' own runner: a thousandth of the value and 1e-7.
 */
#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/import/onnx_file.h"
#include "engine/operators/operators.h"

#define OPERATORS_MAX 512
#define TESTS_MAX     4096
#define FILE_MAX      (256 << 20)

enum verdict { PASSED, FAILED, UNSUPPORTED, VERDICTS };

struct operator_row {
	char name[64];
	int counts[VERDICTS];
};

/* What these expect is not what their operator's definition says; onnxruntime fails them, too. */
static const struct {
	const char *test, *why;
} wrong[] = {
	{"test_averagepool_3d_dilations_large_count_include_pad_is_1_ceil_mode_is_True",
	 "counts elements behind the padding; gone from later releases"},
	{"test_qlinearmatmul_2D_int8_float16", "its sums wrap around instead of stopping at the bounds of int8"},
	{"test_qlinearmatmul_2D_int8_float32", "its sums wrap around instead of stopping at the bounds of int8"},
	{"test_qlinearmatmul_3D_int8_float16", "its sums wrap around instead of stopping at the bounds of int8"},
	{"test_qlinearmatmul_3D_int8_float32", "its sums wrap around instead of stopping at the bounds of int8"},
};

static struct operator_row rows[OPERATORS_MAX];
static int n_rows, totals[VERDICTS];
static bool verbose;

/* ---- files ------------------------------------------------------------------------------------- */

struct bytes {
	uint8_t *data;
	size_t size;
};

static bool read_file(const char *path, struct bytes *ret)
{
	FILE *file = fopen(path, "rb");
	long size;

	ret->data = NULL;
	if (!file)
		return false;
	if (fseek(file, 0, SEEK_END) == 0 && (size = ftell(file)) >= 0 && size < FILE_MAX) {
		rewind(file);
		ret->data = malloc((size_t)size + 1);
		ret->size = ret->data ? fread(ret->data, 1, (size_t)size, file) : 0;
	}
	fclose(file);
	return ret->data != NULL;
}

/* ---- tensors ----------------------------------------------------------------------------------- */

/* A tensor of the tests in the type that the engine has for it; data is the caller's to free. */
static bool read_tensor(const char *path, struct engine_tensor *ret)
{
	struct engine_error error;
	struct onnx_tensor tensor;
	struct bytes file;
	float *reals = NULL;
	int64_t *integers = NULL;
	bool done = false;
	int type;

	ret->data = NULL;
	if (!read_file(path, &file))
		return false;
	if (onnx_read_tensor((struct protobuf_bytes){file.data, file.size}, &tensor, &error) == 0) {
		type = onnx_engine_type(tensor.type);
		*ret = (struct engine_tensor){.type = (enum engine_type)type, .rank = tensor.rank};
		memcpy(ret->dims, tensor.dims, sizeof(ret->dims));
		ret->data = malloc(tensor.count * sizeof(double) + 1);
		reals = malloc(tensor.count * sizeof(*reals) + 1);
		integers = malloc(tensor.count * sizeof(*integers) + 1);
		done = type >= 0 && ret->data && reals && integers &&
		       (onnx_is_real(tensor.type) ? onnx_copy_floats(&tensor, reals)
						  : onnx_copy_integers(&tensor, integers)) == 0;
	}
	for (size_t i = 0; done && i < tensor.count; i++) {
		if (onnx_is_real(tensor.type))
			tensor_put_real(ret, i, (double)reals[i]);
		else
			tensor_put_integer(ret, i, integers[i]);
	}
	free(reals);
	free(integers);
	free(file.data);
	return done;
}

static bool is_image(const struct engine_io *io)
{
	return io->channels_first && io->rank == 4;
}

/* Where element i of a tensor of the file, N x C x H x W, is in the engine's, N x H x W x C. */
static size_t image_index(const int32_t *dims, size_t i)
{
	size_t c = (size_t)dims[1], plane = (size_t)dims[2] * (size_t)dims[3];

	return (i / plane / c * plane + i % plane) * c + i / plane % c;
}

/* Fills one input from its file; false where the engine takes something else. */
static bool fill(const char *path, const struct engine_io *io, void *data)
{
	struct engine_tensor tensor, to = {.type = io->type, .data = data};
	bool done = read_tensor(path, &tensor) && tensor.type == io->type &&
		    tensor_count(&tensor) * engine_type_size(tensor.type) == io->bytes;

	for (size_t i = 0; done && i < tensor_count(&tensor); i++)
		tensor_copy(&to, is_image(io) ? image_index(tensor.dims, i) : i, &tensor, i);
	free(tensor.data);
	return done;
}

static bool is_near(double got, double wanted)
{
	if (isnan(wanted) || isinf(wanted))
		return isnan(wanted) ? isnan(got) : got == wanted;
	return fabs(got - wanted) <= 1e-7 + 1e-3 * fabs(wanted);
}

static bool matches(const char *path, const struct engine_io *io, int rank, const int32_t *dims, const void *data,
		    char *why, size_t size)
{
	struct engine_tensor wanted, got = {.type = io->type, .rank = rank, .data = (void *)(uintptr_t)data};
	bool same = read_tensor(path, &wanted) && wanted.type == io->type && wanted.rank == rank;
	int32_t file_dims[ENGINE_RANK_MAX];

	memcpy(file_dims, dims, sizeof(file_dims));
	if (is_image(io))
		memcpy(file_dims, (int32_t[]){dims[0], dims[3], dims[1], dims[2]}, 4 * sizeof(*dims));
	for (int i = 0; same && i < rank; i++)
		same = wanted.dims[i] == file_dims[i];
	snprintf(why, size, "an output of another type or shape");
	for (size_t i = 0; same && i < tensor_count(&wanted); i++) {
		size_t at = is_image(io) ? image_index(file_dims, i) : i;
		bool real = type_is_real(wanted.type);

		same = real ? is_near(tensor_real(&got, at), tensor_real(&wanted, i))
			    : tensor_integer(&got, at) == tensor_integer(&wanted, i);
		if (!same)
			snprintf(why, size, "element %zu is %g and not %g", i, tensor_real(&got, at),
				 tensor_real(&wanted, i));
	}
	free(wanted.data);
	return same;
}

/* ---- tests ------------------------------------------------------------------------------------- */

/* The operator of a model's last node, which is the one that most tests are about. */
static void name_operator(struct bytes model, char *name, size_t size)
{
	struct protobuf reader = protobuf_open((struct protobuf_bytes){model.data, model.size}), graph, node;
	struct protobuf_field field, inner, part;

	snprintf(name, size, "?");
	while (protobuf_next(&reader, &field)) {
		if (field.number != 7 || field.wire != PROTOBUF_BYTES)
			continue;
		graph = protobuf_open(field.bytes);
		while (protobuf_next(&graph, &inner)) {
			if (inner.number != 1 || inner.wire != PROTOBUF_BYTES)
				continue;
			node = protobuf_open(inner.bytes);
			while (protobuf_next(&node, &part))
				if (part.number == 4 && part.wire == PROTOBUF_BYTES)
					snprintf(name, size, "%.*s", (int)part.bytes.size,
						 (const char *)part.bytes.data);
		}
	}
}

static enum verdict run_data(const char *test, struct engine_context *context, const struct engine_plan *plan,
			     char *why, size_t size)
{
	char path[4096];
	int r;

	if (engine_context_reserve(context, plan) < 0) {
		snprintf(why, size, "no memory");
		return FAILED;
	}
	for (int i = 0; i < engine_plan_input_count(plan); i++) {
		struct engine_io io;

		engine_plan_input(plan, i, &io);
		snprintf(path, sizeof(path), "%s/test_data_set_0/input_%d.pb", test, i);
		if (!fill(path, &io, engine_context_input(context, plan, i))) {
			snprintf(why, size, "input %d is of another type or size", i);
			return UNSUPPORTED;
		}
	}
	r = engine_run(context, plan, 1);
	if (r < 0) {
		snprintf(why, size, "it does not run: %s", strerror(-r));
		return r == -ENOTSUP ? UNSUPPORTED : FAILED;
	}
	for (int i = 0; i < engine_plan_output_count(plan); i++) {
		int32_t dims[ENGINE_RANK_MAX];
		struct engine_io io;
		int rank = engine_context_output_dims(context, plan, i, dims);

		engine_plan_output(plan, i, &io);
		snprintf(path, sizeof(path), "%s/test_data_set_0/output_%d.pb", test, i);
		if (!matches(path, &io, rank, dims, engine_context_output(context, plan, i), why, size))
			return FAILED;
	}
	return PASSED;
}

static enum verdict run_model(const char *test, struct bytes file, char *why, size_t size)
{
	const struct engine_plan_options options = {0};
	struct engine_context *context = NULL;
	struct engine_model *model = NULL;
	struct engine_team *team = NULL;
	const struct engine_plan *plan;
	struct engine_error error = {""};
	enum verdict verdict;
	int r = engine_model_load_memory("model.onnx", file.data, file.size, NULL, 0, &error, &model);

	if (r == 0)
		r = engine_model_plan(model, &options, &error, &plan);
	if (r == 0)
		r = engine_team_create(NULL, 0, 1, &team);
	if (r == 0)
		r = engine_context_create(team, &context);
	if (r == 0) {
		verdict = run_data(test, context, plan, why, size);
	} else {
		snprintf(why, size, "%s", error.text);
		verdict = r == -ENOTSUP ? UNSUPPORTED : FAILED;
	}
	engine_context_destroy(context);
	engine_team_destroy(team);
	engine_model_destroy(model);
	return verdict;
}

static struct operator_row *row_of(const char *name)
{
	for (int i = 0; i < n_rows; i++)
		if (!strcmp(rows[i].name, name))
			return &rows[i];
	if (n_rows == OPERATORS_MAX)
		return &rows[OPERATORS_MAX - 1];
	snprintf(rows[n_rows].name, sizeof(rows[n_rows].name), "%s", name);
	return &rows[n_rows++];
}

static void run_test(const char *folder, const char *name)
{
	static const char *const words[] = {"passed", "FAILED", "unsupported"};
	char test[2048], path[2100], op[64], why[300] = "";
	enum verdict verdict;
	struct bytes file;

	snprintf(test, sizeof(test), "%s/%s", folder, name);
	snprintf(path, sizeof(path), "%s/model.onnx", test);
	if (!read_file(path, &file))
		return;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		if (!strcmp(name, wrong[i].test)) {
			printf("%s: not counted: %s\n", name, wrong[i].why);
			free(file.data);
			return;
		}
	name_operator(file, op, sizeof(op));
	verdict = run_model(test, file, why, sizeof(why));
	row_of(op)->counts[verdict]++;
	totals[verdict]++;
	if (verbose || verdict == FAILED)
		printf("%s: %s%s%s\n", name, words[verdict], why[0] ? ": " : "", verdict == PASSED ? "" : why);
	fflush(stdout);
	free(file.data);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_rows(const void *a, const void *b)
{
	return strcmp(((const struct operator_row *)a)->name, ((const struct operator_row *)b)->name);
}

static void run_folder(const char *folder)
{
	static char *names[TESTS_MAX];
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t n = 0;

	if (!dir) {
		printf("[SKIP] onnx_backend: %s: %s\n", folder, strerror(errno));
		exit(77);
	}
	while (n < TESTS_MAX && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			names[n++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 0; i < n; i++) {
		run_test(folder, names[i]);
		free(names[i]);
	}
}

int main(int argc, char **argv)
{
	int least = 0, first = 1;

	for (; first < argc && !strncmp(argv[first], "--", 2); first++) {
		if (!strcmp(argv[first], "--verbose"))
			verbose = true;
		else if (!strcmp(argv[first], "--at-least") && first + 1 < argc)
			least = atoi(argv[++first]);
	}
	if (first == argc) {
		fprintf(stderr, "usage: onnx_backend [--verbose] [--at-least N] FOLDER...\n");
		return 2;
	}
	for (int i = first; i < argc; i++)
		run_folder(argv[i]);
	qsort(rows, (size_t)n_rows, sizeof(*rows), compare_rows);
	printf("\n%-32s passed  failed  unsupported\n", "operator");
	for (int i = 0; i < n_rows; i++)
		printf("%-32s %6d  %6d  %6d\n", rows[i].name, rows[i].counts[PASSED], rows[i].counts[FAILED],
		       rows[i].counts[UNSUPPORTED]);
	printf("%-32s %6d  %6d  %6d\n", "all", totals[PASSED], totals[FAILED], totals[UNSUPPORTED]);
	return totals[FAILED] > 0 || totals[PASSED] < least;
}
