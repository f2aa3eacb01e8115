/* test_cache.c - networks kept in a folder: found again, and nothing that is wrong with the folder keeps one from
 * loading. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "protobuf_builder.h"
#include "support/test.h"

#define DIMS(...) ((const int64_t[]){__VA_ARGS__})
#define SIDE	  4
#define CHANNELS  3
#define NUMBERS	  (CHANNELS * SIDE * SIDE)
#define PLENTY	  (1u << 20)
#define WRITERS	  4

static char root[40], folder[64], model[64];
static struct message graph, whole;
static float pixels[NUMBERS], expected[NUMBERS];

static const char *below(const char *of, const char *name)
{
	static char path[320];

	snprintf(path, sizeof(path), "%s/%s", of, name);
	return path;
}

static void write_file(const char *path, const void *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	cr_assert_not_null(file);
	cr_assert_eq(fwrite(data, 1, size, file), size);
	cr_assert_eq(fclose(file), 0);
}

/* A convolution whose weights are other ones for each seed. */
static void write_model(const char *path, float seed)
{
	float weights[CHANNELS * CHANNELS];

	for (size_t i = 0; i < sizeof(weights) / sizeof(*weights); i++)
		weights[i] = seed + (float)i;
	graph.size = 0;
	onnx_input(&graph, "x", 4, DIMS(1, CHANNELS, SIDE, SIDE));
	onnx_floats(&graph, "w", 4, DIMS(CHANNELS, CHANNELS, 1, 1), weights);
	onnx_node(&graph, "Conv", "x w", "y");
	onnx_output(&graph, "y");
	onnx_file(&whole, &graph, 13);
	write_file(path, whole.data, whole.size);
}

static void run(struct engine_model *loaded, float answers[NUMBERS])
{
	const struct engine_plan_options options = {0};
	const struct engine_plan *plan;
	struct engine_context *context;
	struct engine_team *team;

	cr_assert_eq(engine_model_plan(loaded, &options, NULL, &plan), 0);
	cr_assert_eq(engine_team_create(NULL, 0, 1, &team), 0);
	cr_assert_eq(engine_context_create(team, &context), 0);
	cr_assert_eq(engine_context_reserve(context, plan), 0);
	memcpy(engine_context_input(context, plan, 0), pixels, sizeof(pixels));
	cr_assert_eq(engine_run(context, plan, 1), 0);
	memcpy(answers, engine_context_output(context, plan, 0), NUMBERS * sizeof(*answers));
	engine_context_destroy(context);
	engine_team_destroy(team);
}

/* Loads the model, which has to answer as ever, and returns the note. */
static const char *load(uint64_t max_bytes)
{
	static struct engine_error note;
	struct engine_error error = {""};
	struct engine_model *loaded;
	float answers[NUMBERS];

	cr_assert_eq(engine_model_load_cached(model, folder, max_bytes, ENGINE_WINOGRAD_BYTES, &error, &note, &loaded),
		     0, "%s", error.text);
	run(loaded, answers);
	engine_model_destroy(loaded);
	cr_assert_arr_eq(answers, expected, sizeof(answers));
	return note.text;
}

/* How many files there are, and the path of one. */
static int count(char *ret_path, size_t size)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' || entry->d_name[1] == 'n') {
			n++;
			if (ret_path)
				snprintf(ret_path, size, "%s/%s", folder, entry->d_name);
		}
	if (dir)
		closedir(dir);
	return n;
}

static struct stat status_of(const char *path)
{
	struct stat st = {0};

	cr_assert_eq(stat(path, &st), 0, "%s", path);
	return st;
}

static void set_up(void)
{
	struct engine_model *loaded;

	strcpy(root, "/tmp/test-cache-XXXXXX");
	cr_assert_not_null(mkdtemp(root));
	snprintf(folder, sizeof(folder), "%s/kept", root);
	snprintf(model, sizeof(model), "%s/model.onnx", root);
	for (size_t i = 0; i < NUMBERS; i++)
		pixels[i] = (float)i / NUMBERS;
	write_model(model, 1.0f);
	cr_assert_eq(engine_model_load(model, NULL, &loaded), 0);
	run(loaded, expected);
	engine_model_destroy(loaded);
}

static void tear_down(void)
{
	char path[320];

	chmod(folder, 0700);
	while (count(path, sizeof(path)))
		cr_assert_eq(unlink(path), 0);
	rmdir(folder);
	unlink(folder);
	unlink(model);
	unlink(below(root, "other.onnx"));
	unlink(below(root, "target"));
	rmdir(root);
	test_fail_on_leak();
}

TEST_SUITE(cache);

Test(cache, what_was_kept_is_loaded_again, .init = set_up, .fini = tear_down)
{
	char path[320];
	struct stat first, again;

	cr_assert_str_eq(load(PLENTY), "");
	cr_assert_eq(count(path, sizeof(path)), 1);
	first = status_of(path);
	cr_assert_eq(first.st_mode & 0777, 0600);
	cr_assert_eq(status_of(folder).st_mode & 0777, 0700);
	cr_assert_str_eq(load(PLENTY), "");
	cr_assert_eq(count(path, sizeof(path)), 1);
	again = status_of(path);
	cr_assert_eq(first.st_ino, again.st_ino, "it was written again");
}

Test(cache, a_model_that_changed_is_another_one, .init = set_up, .fini = tear_down)
{
	const char *path = below(root, "other.onnx");
	struct engine_model *loaded;
	float answers[NUMBERS];

	load(PLENTY);
	write_model(path, 2.0f);
	cr_assert_eq(rename(path, model), 0);
	cr_assert_eq(engine_model_load_cached(model, folder, PLENTY, ENGINE_WINOGRAD_BYTES, NULL, NULL, &loaded), 0);
	run(loaded, answers);
	engine_model_destroy(loaded);
	cr_assert(memcmp(answers, expected, sizeof(answers)) != 0);
	cr_assert_eq(count(NULL, 0), 2);
}

Test(cache, a_converted_network_leaves_the_folder_alone, .init = set_up, .fini = tear_down)
{
	const struct engine_plan_options options = {0};
	const struct engine_plan *plan;
	struct engine_model *original;
	uint8_t *data;
	size_t size;

	cr_assert_eq(engine_model_load(model, NULL, &original), 0);
	cr_assert_eq(engine_model_plan(original, &options, NULL, &plan), 0);
	cr_assert_eq(engine_model_pack(original, ENGINE_PACK_PANELS, NULL, &data, &size), 0);
	engine_model_destroy(original);
	write_file(model, data, size);
	free(data);
	cr_assert_str_eq(load(PLENTY), "");
	cr_assert_neq(access(folder, F_OK), 0);
}

/* Through a mapping of all pages, which the name is made of piece by piece. */
Test(cache, every_piece_of_a_model_has_part_in_its_name, .init = set_up, .fini = tear_down)
{
	static uint8_t filler[900000];
	struct engine_model *loaded;
	size_t size = whole.size;
	uint8_t *bytes = malloc(size + 5 + sizeof(filler));

	/* doc_string of the model, which nobody reads: field 6. */
	cr_assert_not_null(bytes);
	memcpy(bytes, whole.data, size);
	memcpy(bytes + size, "\x32\xa0\xf7\x36", 4);
	for (size_t i = 0; i < 4; i++) {
		memset(bytes + size + 4, ' ', sizeof(filler));
		if (i)
			bytes[size + 4 + i * sizeof(filler) / 4] = '!';
		write_file(model, bytes, size + 4 + sizeof(filler));
		for (int again = 0; again < 2; again++) {
			cr_assert_str_eq(load(PLENTY), "");
			cr_assert_eq(count(NULL, 0), (int)i + 1);
		}
	}
	cr_assert_eq(engine_model_load_cached(below(root, "missing.onnx"), folder, PLENTY, ENGINE_WINOGRAD_BYTES, NULL,
					      NULL, &loaded),
		     -ENOENT);
	free(bytes);
}

Test(cache, damage_of_any_byte_is_found_and_mended, .init = set_up, .fini = tear_down)
{
	static uint8_t good[16384];
	char path[320];
	FILE *file;
	size_t size;

	load(PLENTY);
	count(path, sizeof(path));
	file = fopen(path, "rb");
	cr_assert_not_null(file);
	size = fread(good, 1, sizeof(good), file);
	fclose(file);
	cr_assert_lt(size, sizeof(good));
	for (size_t i = 0; i < size; i++) {
		good[i] ^= 0x40;
		write_file(path, good, size);
		good[i] ^= 0x40;
		cr_assert_not_null(strstr(load(PLENTY), "is made anew"), "byte %zu", i);
	}
	for (size_t cut = 0; cut < size; cut += size / 7 + 1) {
		write_file(path, good, cut);
		cr_assert_not_null(strstr(load(PLENTY), "is made anew"), "cut to %zu", cut);
	}
	cr_assert_str_eq(load(PLENTY), "");
	cr_assert_eq(count(NULL, 0), 1);
}

Test(cache, what_others_could_have_written_is_not_read, .init = set_up, .fini = tear_down)
{
	char path[320], target[64];

	load(PLENTY);
	count(path, sizeof(path));
	cr_assert_eq(chmod(path, 0620), 0);
	cr_assert_not_null(strstr(load(PLENTY), "others may have written it"));
	cr_assert_eq(status_of(path).st_mode & 0777, 0600);
	/* A link to a file that is all right is none. */
	snprintf(target, sizeof(target), "%s/target", root);
	cr_assert_eq(rename(path, target), 0);
	cr_assert_eq(symlink(target, path), 0);
	cr_assert_not_null(strstr(load(PLENTY), "is made anew"));
	cr_assert_eq(link(path, below(root, "other.onnx")), 0);
	cr_assert_not_null(strstr(load(PLENTY), "others may have written it"));
	cr_assert_eq(chmod(folder, 0770), 0);
	cr_assert_not_null(strstr(load(PLENTY), "others may write to it"));
}

Test(cache, a_folder_that_cannot_be_is_done_without, .init = set_up, .fini = tear_down)
{
	write_file(folder, "", 0);
	cr_assert(*load(PLENTY));
	cr_assert_eq(unlink(folder), 0);
	cr_assert_eq(symlink(root, folder), 0);
	cr_assert(*load(PLENTY));
}

Test(cache, the_limit_removes_what_was_not_used_for_longest, .init = set_up, .fini = tear_down)
{
	const struct timespec past[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	const char *path = below(root, "other.onnx");
	struct engine_model *loaded;
	char first[320];
	off_t size;

	load(PLENTY);
	count(first, sizeof(first));
	size = status_of(first).st_size;
	cr_assert_eq(utimensat(AT_FDCWD, first, past, 0), 0);
	write_model(path, 3.0f);
	cr_assert_eq(engine_model_load_cached(path, folder, (uint64_t)size * 3 / 2, ENGINE_WINOGRAD_BYTES, NULL, NULL,
					      &loaded),
		     0);
	engine_model_destroy(loaded);
	cr_assert_eq(count(NULL, 0), 1);
	cr_assert_neq(access(first, F_OK), 0);
	cr_assert_not_null(strstr(load((uint64_t)size - 1), "too large"));
	cr_assert_eq(count(NULL, 0), 1);
}

/* Which methods the memory allows decides what the panels are. */
Test(cache, a_network_is_kept_for_each_limit_of_memory, .init = set_up, .fini = tear_down)
{
	struct engine_model *loaded;

	load(PLENTY);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(engine_model_load_cached(model, folder, PLENTY, 0, NULL, NULL, &loaded), 0);
		engine_model_destroy(loaded);
		cr_assert_eq(count(NULL, 0), 2);
	}
}

/* Written to the end or not at all: a limit of the process stands for a disk that is full. */
Test(cache, a_full_disk_leaves_nothing_behind, .init = set_up, .fini = tear_down)
{
	struct rlimit limit = {256, 256};

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_not_null(strstr(load(PLENTY), "is not kept"));
	cr_assert_eq(count(NULL, 0), 0);
}

static void *load_often(void *argument)
{
	(void)argument;
	for (int i = 0; i < 25; i++) {
		struct engine_model *loaded;
		char path[320];

		/* Now and then it is gone for all of them. */
		if (i % 8 == 7 && count(path, sizeof(path)))
			unlink(path);
		if (engine_model_load_cached(model, folder, PLENTY, ENGINE_WINOGRAD_BYTES, NULL, NULL, &loaded) < 0)
			return folder;
		engine_model_destroy(loaded);
	}
	return NULL;
}

Test(cache, writers_do_not_disturb_each_other, .init = set_up, .fini = tear_down)
{
	pthread_t threads[WRITERS];

	for (int i = 0; i < WRITERS; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, load_often, NULL), 0);
	for (int i = 0; i < WRITERS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		cr_assert_null(failed);
	}
	load(PLENTY);
	cr_assert_str_eq(load(PLENTY), "");
	cr_assert_eq(count(NULL, 0), 1);
}
