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

#define OPERATORS_MAX 512
#define TESTS_MAX     4096
#define FILE_MAX      (256 << 20)

enum verdict { PASSED, FAILED, UNSUPPORTED, VERDICTS };

struct operator_row {
	char name[64];
	int counts[VERDICTS];
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

/* From the order of the file to the engine's, or back; of an image of four axes. */
static void reorder(const struct engine_io *io, const float *from, float *to, bool to_engine)
{
	size_t images = (size_t)io->dims[0], side = (size_t)io->dims[1] * (size_t)io->dims[2], c = (size_t)io->dims[3];

	for (size_t n = 0; n < images; n++)
		for (size_t at = 0; at < side; at++)
			for (size_t k = 0; k < c; k++) {
				size_t pixel = (n * side + at) * c + k, plane = (n * c + k) * side + at;

				to[to_engine ? pixel : plane] = from[to_engine ? plane : pixel];
			}
}

static bool is_image(const struct engine_io *io)
{
	return io->channels_first && io->rank == 4;
}

/* Fills one input from its file; false where the engine takes something else. */
static bool fill(const char *path, const struct engine_io *io, float *data)
{
	struct engine_error error;
	struct onnx_tensor tensor;
	struct bytes file;
	float *values;
	bool done = false;

	if (!read_file(path, &file))
		return false;
	values = malloc(io->bytes + 1);
	if (values && io->type == ENGINE_F32 &&
	    onnx_read_tensor((struct protobuf_bytes){file.data, file.size}, &tensor, &error) == 0 &&
	    tensor.count * sizeof(float) == io->bytes && onnx_copy_floats(&tensor, values) == 0) {
		if (is_image(io))
			reorder(io, values, data, true);
		else
			memcpy(data, values, io->bytes);
		done = true;
	}
	free(values);
	free(file.data);
	return done;
}

static bool is_near(float got, float wanted)
{
	if (isnan(wanted) || isinf(wanted))
		return isnan(wanted) ? isnan(got) : got == wanted;
	return fabsf(got - wanted) <= 1e-7f + 1e-3f * fabsf(wanted);
}

static bool matches(const char *path, const struct engine_io *io, const float *data, char *why, size_t size)
{
	struct engine_error error;
	struct onnx_tensor tensor;
	struct bytes file;
	float *wanted = malloc(io->bytes + 1), *got = malloc(io->bytes + 1);
	bool same = true;

	snprintf(why, size, "an output of another type or size");
	if (!wanted || !got || !read_file(path, &file)) {
		free(wanted);
		free(got);
		return false;
	}
	if (onnx_read_tensor((struct protobuf_bytes){file.data, file.size}, &tensor, &error) < 0 ||
	    tensor.count * sizeof(float) != io->bytes || onnx_copy_floats(&tensor, wanted) < 0) {
		same = false;
	} else if (is_image(io)) {
		reorder(io, data, got, false);
	} else {
		memcpy(got, data, io->bytes);
	}
	for (size_t i = 0; same && i < tensor.count; i++) {
		if (is_near(got[i], wanted[i]))
			continue;
		snprintf(why, size, "element %zu is %g and not %g", i, (double)got[i], (double)wanted[i]);
		same = false;
	}
	free(file.data);
	free(wanted);
	free(got);
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
	if (engine_run(context, plan, 1) < 0) {
		snprintf(why, size, "it does not run");
		return FAILED;
	}
	for (int i = 0; i < engine_plan_output_count(plan); i++) {
		struct engine_io io;

		engine_plan_output(plan, i, &io);
		snprintf(path, sizeof(path), "%s/test_data_set_0/output_%d.pb", test, i);
		if (!matches(path, &io, engine_context_output(context, plan, i), why, size))
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
