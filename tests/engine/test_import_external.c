/* test_import_external.c - ONNX files whose tensors are in other files: read, and kept from reading elsewhere. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "imported.h"
#include "protobuf_builder.h"
#include "support/test.h"

/* A folder with a model, and what it names: "in/data" (8 floats), a link to it, a pipe and an empty file. */
struct folder {
	char path[32];
	char model[64];
};
static struct folder folder;
static struct message graph, whole;
static const float numbers[8] = {1, 2, 3, 4, 5, 6, 7, 8};
static const char *const made[] = {"outside/data", "model/model.onnx", "model/in/data", "model/link", "model/pipe",
				   "model/empty",  "model/out",	       "model/in",	"model",      "outside"};

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder.path, name);
	return path;
}

static void write_file(const char *name, const void *data, size_t size)
{
	FILE *file = fopen(in_folder(name), "wb");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(data, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

static void make_folder(void)
{
	strcpy(folder.path, "/tmp/test-external-XXXXXX");
	cr_assert_not_null(mkdtemp(folder.path));
	snprintf(folder.model, sizeof(folder.model), "%s/model/model.onnx", folder.path);
	cr_assert_eq(mkdir(in_folder("outside"), 0700), 0);
	cr_assert_eq(mkdir(in_folder("model"), 0700), 0);
	cr_assert_eq(mkdir(in_folder("model/in"), 0700), 0);
	write_file("outside/data", numbers, sizeof(numbers));
	write_file("model/in/data", numbers, sizeof(numbers));
	write_file("model/empty", "", 0);
	cr_assert_eq(symlink("in/data", in_folder("model/link")), 0);
	cr_assert_eq(symlink("../outside", in_folder("model/out")), 0);
	cr_assert_eq(mkfifo(in_folder("model/pipe"), 0600), 0);
	graph.size = 0;
}

static void remove_folder(void)
{
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++)
		remove(in_folder(made[i]));
	rmdir(folder.path);
}

TEST_SUITE(import_external);

static int load(struct engine_model **ret_model)
{
	onnx_file(&whole, &graph, 13);
	write_file("model/model.onnx", whole.data, whole.size);
	imported_error.text[0] = '\0';
	return engine_model_load(folder.model, &imported_error, ret_model);
}

/* y = x + w, of two numbers. */
static void begin_sum(void)
{
	const int64_t two = 2;

	graph.size = 0;
	onnx_input(&graph, "x", 1, &two);
	onnx_node(&graph, "Add", "x w", "y");
	onnx_output(&graph, "y");
}

static void expect_sum(struct engine_model *model, float first, float second)
{
	const struct engine_plan_options options = {0};
	const struct engine_plan *plan;
	struct engine_context *context;
	struct engine_team *team;
	const float *output;

	cr_assert_eq(engine_model_plan(model, &options, &imported_error, &plan), 0, "%s", imported_error.text);
	cr_assert_eq(engine_team_create(NULL, 0, 1, &team), 0);
	cr_assert_eq(engine_context_create(team, &context), 0);
	cr_assert_eq(engine_context_reserve(context, plan), 0);
	memcpy(engine_context_input(context, plan, 0), (const float[]){10, 20}, 2 * sizeof(float));
	cr_assert_eq(engine_run(context, plan, 0), 0);
	output = engine_context_output(context, plan, 0);
	cr_assert_float_eq(output[0], first, 1e-6);
	cr_assert_float_eq(output[1], second, 1e-6);
	engine_context_destroy(context);
	engine_team_destroy(team);
}

static int mappings_of(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char line[512];
	int n = 0;

	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, in_folder(name)) != NULL;
	fclose(maps);
	return n;
}

Test(import_external, tensors_of_one_file_map_it_once_until_the_model_goes, .init = make_folder, .fini = remove_folder)
{
	struct engine_model *model;

	begin_sum();
	onnx_external(&graph, "w", 2, "in/data", "8", "8");
	onnx_external(&graph, "v", 2, "in/data", "24", NULL);
	onnx_node(&graph, "Mul", "y v", "z");
	onnx_output(&graph, "z");
	cr_assert_eq(load(&model), 0, "%s", imported_error.text);
	cr_expect_eq(mappings_of("model/in/data"), 1);
	expect_sum(model, 13, 24);
	engine_model_destroy(model);
	cr_expect_eq(mappings_of("model/in/data"), 0);
}

Test(import_external, the_tensor_of_a_constant_node, .init = make_folder, .fini = remove_folder)
{
	struct engine_model *model;

	onnx_input(&graph, "x", 1, (const int64_t[]){2});
	onnx_attribute_external(onnx_node(&graph, "Constant", "", "w"), "value", 2, "in/data");
	onnx_node(&graph, "Add", "x w", "y");
	onnx_output(&graph, "y");
	cr_assert_eq(load(&model), 0, "%s", imported_error.text);
	expect_sum(model, 11, 22);
	engine_model_destroy(model);
}

Test(import_external, a_model_does_not_reach_out_of_its_folder, .init = make_folder, .fini = remove_folder)
{
	char absolute[128];
	const struct {
		const char *location, *offset, *length;
		int rc;
		const char *text;
	} refused[] = {
		{"../outside/data", NULL, NULL, -EPERM, "tensor 'w' has its data in '../outside/data'"},
		{"in/../../outside/data", NULL, NULL, -EPERM, "not followed"},
		{"in/..", NULL, NULL, -EPERM, "not followed"},
		{absolute, NULL, NULL, -EPERM, "not followed"},
		{"out/data", NULL, NULL, -ENOTDIR, "not followed"},
		{"link", NULL, NULL, -ELOOP, "not followed"},
		{"", NULL, NULL, -EPERM, "tensor 'w'"},
		{"in", NULL, NULL, -EINVAL, "not a regular file"},
		{"pipe", NULL, NULL, -EINVAL, "not a regular file"},
		{"empty", NULL, NULL, -EINVAL, "empty"},
		{"none", NULL, NULL, -ENOENT, "tensor 'w' has its data in 'none'"},
		{"in/data", "28", NULL, -EINVAL, "ends before"},
		{"in/data", "18446744073709551612", NULL, -EINVAL, "ends before"},
		{"in/data", "-4", NULL, -EINVAL, "ends before"},
		{"in/data", "0", "12", -EINVAL, "length"},
	};

	snprintf(absolute, sizeof(absolute), "%s", in_folder("outside/data"));
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct engine_model *model = NULL;

		begin_sum();
		onnx_external(&graph, "w", 2, refused[i].location, refused[i].offset, refused[i].length);
		cr_expect_eq(load(&model), refused[i].rc, "%s: %s", refused[i].location, imported_error.text);
		cr_assert(strstr(imported_error.text, refused[i].text), "'%s' does not say '%s'", imported_error.text,
			  refused[i].text);
		engine_model_destroy(model);
	}
}

Test(import_external, a_model_names_few_files, .init = make_folder, .fini = remove_folder)
{
	struct engine_model *model = NULL;

	begin_sum();
	onnx_external(&graph, "w", 2, "in/data", NULL, NULL);
	for (int i = 0; i < 16; i++) {
		char name[8], location[64] = "in/data";

		for (int k = 0; k <= i; k++) { /* other names of the same file */
			memmove(location + 2, location, strlen(location) + 1);
			memcpy(location, "./", 2);
		}
		snprintf(name, sizeof(name), "v%d", i);
		onnx_external(&graph, name, 2, location, NULL, NULL);
	}
	cr_expect_eq(load(&model), -EMFILE, "%s", imported_error.text);
	cr_assert(strstr(imported_error.text, "too many files"), "%s", imported_error.text);
	engine_model_destroy(model);
}

Test(import_external, a_model_in_memory_has_no_folder, .init = make_folder, .fini = remove_folder)
{
	struct file file;

	begin_sum();
	onnx_external(&graph, "w", 2, "in/data", NULL, NULL);
	onnx_file(&whole, &graph, 13);
	file = (struct file){whole.data, whole.size, NULL, 0};
	imported_refuse(&file, -ENOTSUP, "tensor 'w' has its data in 'in/data': a model in memory has no folder");
}
