#include "imported.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/test.h"

struct engine_error imported_error;
struct engine_plan_options imported_options;

static int load(const struct file *file, struct engine_model **ret_model)
{
	imported_error.text[0] = '\0';
	return engine_model_load_memory("file", file->data, file->size, file->weights, file->weights_size,
					&imported_error, ret_model);
}

/*
 * Where INFERD_KEEP_NETWORKS names a folder, networks that tests run are kept in it, as inputs of the fuzz target of
 * their format: tests/fuzz/README.md says what for.
 */
static void keep(const struct file *file)
{
	const char *folder = getenv("INFERD_KEEP_NETWORKS");
	uint8_t ends[2] = {(uint8_t)file->size, (uint8_t)(file->size >> 8)};
	bool is_text = file->weights && file->data[0] < 0x80;
	uint64_t name = 0xcbf29ce484222325u; /* FNV-1a of both files */
	char path[4096];
	FILE *to;

	if (!folder)
		return;
	for (size_t i = 0; i < file->size + file->weights_size; i++)
		name = (name ^ (i < file->size ? file->data[i] : file->weights[i - file->size])) * 0x100000001b3u;
	snprintf(path, sizeof(path), "%s/%016llx", folder, (unsigned long long)name);
	to = fopen(path, "w");
	cr_assert_not_null(to, "%s", path);
	fwrite(file->data, 1, file->size, to);
	if (is_text)
		fputc(0, to);
	fwrite(file->weights, 1, file->weights_size, to);
	if (file->weights && !is_text)
		fwrite(ends, 1, sizeof(ends), to);
	fclose(to);
}

void imported_run(const struct file *file, const void *input, size_t input_bytes, void *output, size_t output_bytes)
{
	const struct engine_plan *plan;
	struct engine_model *model;
	struct engine_team *team;
	struct engine_context *context;
	struct engine_io io;

	keep(file);
	cr_assert_eq(load(file, &model), 0, "%s", imported_error.text);
	cr_assert_eq(engine_model_plan(model, &imported_options, &imported_error, &plan), 0, "%s", imported_error.text);
	engine_plan_input(plan, 0, &io);
	cr_assert_eq(io.bytes, input_bytes);
	engine_plan_output(plan, 0, &io);
	cr_assert_eq(io.bytes, output_bytes);
	cr_assert_eq(engine_team_create(NULL, 0, 1, &team), 0);
	cr_assert_eq(engine_context_create(team, &context), 0);
	cr_assert_eq(engine_context_reserve(context, plan), 0);
	memcpy(engine_context_input(context, plan, 0), input, input_bytes);
	cr_assert_eq(engine_run(context, plan, 0), 0);
	memcpy(output, engine_context_output(context, plan, 0), output_bytes);
	engine_context_destroy(context);
	engine_team_destroy(team);
	engine_model_destroy(model);
}

void imported_refuse(const struct file *file, int rc, const char *part_of_text)
{
	struct engine_model *model = NULL;

	cr_assert_eq(load(file, &model), rc, "%s", imported_error.text);
	cr_assert_null(model);
	cr_assert(strstr(imported_error.text, part_of_text), "'%s' does not say '%s'", imported_error.text,
		  part_of_text);
}

/* ---- survival ------------------------------------------------------------------------------------ */

/* A copy of just that size, so that a sanitizer sees reads behind it. */
static uint8_t *copy_of(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	cr_assert_not_null(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

static void survive(const struct file *file, const char *what, size_t at)
{
	struct engine_plan_options options = {0};
	const struct engine_plan *plan;
	struct engine_model *model;
	struct engine_io io;
	int rc = load(file, &model);

	if (rc == 0) {
		engine_model_input(model, 0, &io);
		if (io.rank == 4 && (io.dims[1] < 0 || io.dims[2] < 0))
			options.width = options.height = 64;
		rc = engine_model_plan(model, &options, &imported_error, &plan);
		engine_model_destroy(model);
	}
	cr_assert(rc <= 0, "%s at %zu: %d", what, at, rc);
	cr_assert(rc == 0 || imported_error.text[0], "%s at %zu: no text for %d", what, at, rc);
	cr_assert_null(strchr(imported_error.text, '\n'));
}

void imported_survive_cuts(const struct file *file, int parts)
{
	for (int i = 0; i < parts; i++) {
		size_t size = file->size * (size_t)i / (size_t)parts;
		struct file cut = {copy_of(file->data, size), size, file->weights, file->weights_size};

		survive(&cut, "cut", size);
		free((void *)(uintptr_t)cut.data);
	}
	for (int i = 0; file->weights && i < parts; i++) {
		size_t size = file->weights_size * (size_t)i / (size_t)parts;
		struct file cut = {file->data, file->size, copy_of(file->weights, size), size};

		survive(&cut, "weights cut", size);
		free((void *)(uintptr_t)cut.weights);
	}
}

void imported_refuse_cuts(const struct file *file)
{
	for (size_t size = 0; size < file->size; size++) {
		struct file cut = {copy_of(file->data, size), size, NULL, 0};
		struct engine_model *model;

		cr_assert_lt(load(&cut, &model), 0, "loaded, cut to %zu of %zu bytes", size, file->size);
		cr_assert(imported_error.text[0], "cut to %zu: no text", size);
		free((void *)(uintptr_t)cut.data);
	}
}

static void survive_damage_of(const struct file *file, uint8_t *bytes, size_t size, int n)
{
	for (int i = 0; i < n && size; i++) {
		size_t at = (size_t)test_random_range(0, (int64_t)size - 1);
		uint8_t before = bytes[at];
		static const uint8_t extremes[] = {0, 0x7f, 0x80, 0xff};

		bytes[at] = test_random() & 1 ? (uint8_t)test_random() : extremes[test_random() & 3];
		survive(file, "damage", at);
		bytes[at] = before;
	}
}

void imported_survive_damage(const struct file *file, int n)
{
	uint8_t *data = copy_of(file->data, file->size);
	uint8_t *weights = file->weights ? copy_of(file->weights, file->weights_size) : NULL;
	struct file copy = {data, file->size, weights, file->weights_size};

	survive_damage_of(&copy, data, file->size, n);
	if (weights)
		survive_damage_of(&copy, weights, file->weights_size, n / 4);
	free(data);
	free(weights);
}

void imported_map(const char *relative, const uint8_t **ret_data, size_t *ret_size)
{
	const char *path = test_data(relative);
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(fstat(fd, &status), 0);
	*ret_size = (size_t)status.st_size;
	*ret_data = mmap(NULL, *ret_size, PROT_READ, MAP_PRIVATE, fd, 0);
	cr_assert_neq((const void *)*ret_data, MAP_FAILED);
	close(fd);
}
