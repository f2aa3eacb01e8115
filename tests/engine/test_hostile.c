/*
 * test_hostile.c - damaged copies of real and of small networks in every format: each is loaded and planned, or refused
 * with a sentence; nothing stays allocated, and memory keeps below what docs/networks.md says.
 *
 * What is damaged, and how, follows from the seed, which is printed.  INFERD_TEST_LONG makes a hundred times as many.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "counted_alloc.h"
#include "engine/packed.h"
#include "imported.h"
#include "support/test.h"

TEST_SUITE(hostile);

#define EDGE_BYTES  16384 /* of the ends of a file, where formats keep what is not weights */
#define LONG_FACTOR 100

#define PACKED_HEADER_BYTES 64

/*
 * Beside the file itself: what is made of constants, and weights once they are packed, of which a file has at most one
 * in a byte; and tables, whose lengths a file may announce before it has the layers.
 */
#define CONSTANTS_FACTOR 4
#define CONSTANTS_BYTES	 (1u << 20)
#define WEIGHT_BYTES	 4
#define TABLES_BYTES	 (1u << 20)

static int copies(int n)
{
	return getenv("INFERD_TEST_LONG") ? n * LONG_FACTOR : n;
}

/* ---- loading ------------------------------------------------------------------------------------- */

static void load_and_plan(const struct file *file, const char *what)
{
	struct engine_plan_options options = {0};
	struct engine_error error = {""};
	const struct engine_plan *plan;
	struct engine_model *model;
	struct engine_io io = {0};
	int rc = engine_model_load_memory("hostile", file->data, file->size, file->weights, file->weights_size, &error,
					  &model);

	if (rc == 0) {
		if (engine_model_input_count(model))
			engine_model_input(model, 0, &io);
		if (io.rank == 4 && (io.dims[1] < 0 || io.dims[2] < 0))
			options.width = options.height = 64;
		rc = engine_model_plan(model, &options, &error, &plan);
		engine_model_destroy(model);
	}
	cr_assert(rc <= 0, "%s: %d", what, rc);
	cr_assert(rc == 0 || error.text[0], "%s: no text for %d", what, rc);
	cr_assert_null(strchr(error.text, '\n'), "%s: '%s'", what, error.text);
}

static void survive(const struct file *file, const char *what)
{
	size_t before = counted_bytes(), bytes = file->size + file->weights_size, most;

	counted_restart();
	load_and_plan(file, what);
	most = (CONSTANTS_FACTOR + WEIGHT_BYTES) * bytes + CONSTANTS_BYTES + TABLES_BYTES;
	cr_assert_leq(counted_peak_bytes() - before, most, "%s: %zu bytes for a file of %zu", what,
		      counted_peak_bytes() - before, bytes);
	cr_assert_eq(counted_bytes(), before, "%s: %zu bytes stay", what, counted_bytes() - before);
}

/* ---- damage -------------------------------------------------------------------------------------- */

static size_t random_below(size_t n)
{
	return n ? (size_t)test_random_range(0, (int64_t)n - 1) : 0;
}

/* A third each near the beginning, near the end and anywhere. */
static size_t random_place(size_t size)
{
	size_t edge = size < EDGE_BYTES ? size : EDGE_BYTES;

	switch (test_random() % 3) {
	case 0:
		return random_below(edge);
	case 1:
		return size - edge + random_below(edge);
	default:
		return random_below(size);
	}
}

static void flip_bytes(uint8_t *data, size_t size)
{
	for (uint64_t n = test_random() % 8 + 1; n; n--)
		data[random_place(size)] = (uint8_t)test_random();
}

/* What lengths, offsets and counts are worst at, in place of one. */
static void set_extreme(uint8_t *data, size_t size)
{
	const uint64_t extremes[] = {0,		 1,	    INT32_MAX,	    (uint64_t)INT32_MAX + 1,
				     UINT32_MAX, INT64_MAX, UINT64_MAX,	    size,
				     size - 1,	 size + 1,  UINT32_MAX / 4, UINT32_MAX / 4 + 1};
	uint64_t number = extremes[random_below(sizeof(extremes) / sizeof(*extremes))];
	size_t at = random_place(size), bytes = test_random() & 1 ? 8 : 4;

	at -= test_random() & 1 ? at % 4 : 0;
	memcpy(data + at, &number, bytes < size - at ? bytes : size - at);
}

/* What one part of the file says, in the place of another. */
static void copy_part(uint8_t *data, size_t size)
{
	size_t from = random_place(size), to = random_place(size), bytes = random_below(64) + 1;

	bytes = bytes < size - from ? bytes : size - from;
	bytes = bytes < size - to ? bytes : size - to;
	memmove(data + to, data + from, bytes);
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* Digits of a number of a text become others, as many; where there are none nearby, nothing changes. */
static void set_digits(uint8_t *data, size_t size)
{
	size_t at = random_place(size);
	static const char digits[] = "0199999999-e.";

	while (at < size && !is_digit(data[at]))
		at++;
	for (; at < size && is_digit(data[at]); at++)
		data[at] = (uint8_t)digits[random_below(sizeof(digits) - 1)];
}

static void damage(uint8_t *data, size_t size)
{
	static void (*const ways[])(uint8_t * data, size_t size) = {flip_bytes, set_extreme, copy_part, set_digits};

	if (size)
		ways[random_below(sizeof(ways) / sizeof(*ways))](data, size);
}

/* ---- copies -------------------------------------------------------------------------------------- */

/* A copy that ends where its memory does, so that a sanitizer sees reads behind it, `shift` bytes into it. */
static uint8_t *copy_of(const uint8_t *data, size_t size, size_t shift)
{
	uint8_t *copy = malloc(shift + size ? shift + size : 1);

	cr_assert_not_null(copy);
	if (size)
		memcpy(copy + shift, data, size);
	return copy;
}

/* One damaged copy of the network or of its weights: cut off, or bytes changed. */
static void survive_one(const struct file *file, const char *name, int i)
{
	bool of_weights = file->weights && test_random() % 4 == 0, cut = test_random() % 4 == 0;
	const uint8_t *data = of_weights ? file->weights : file->data;
	size_t size = of_weights ? file->weights_size : file->size, kept = cut ? random_place(size) : size;
	size_t shift = (size_t)i % 4; /* nothing says that memory is aligned */
	uint8_t *memory = copy_of(data, kept, shift), *copy = memory + shift;
	struct file damaged = *file;
	char what[256];

	if (!cut)
		damage(copy, kept);
	/* Whoever writes a converted file can compute its checksum. */
	if (kept >= PACKED_HEADER_BYTES && packed_is(copy, kept))
		packed_seal(copy, kept);
	*(of_weights ? &damaged.weights : &damaged.data) = copy;
	*(of_weights ? &damaged.weights_size : &damaged.size) = kept;
	snprintf(what, sizeof(what), "%.200s, copy %d%s", name, i, cut ? ", cut" : "");
	survive(&damaged, what);
	free(memory);
}

static void survive_copies(const struct file *file, const char *name, int n)
{
	survive(file, name);
	for (int i = 0; i < copies(n); i++)
		survive_one(file, name, i);
}

/* ---- real networks ------------------------------------------------------------------------------- */

static void survive_real(const char *model, const char *weights, int n)
{
	struct file file = {0};

	imported_map(model, &file.data, &file.size);
	if (weights)
		imported_map(weights, &file.weights, &file.weights_size);
	survive_copies(&file, model, n);
}

Test(hostile, onnx)
{
	survive_real("models/rfb320/rfb320.onnx", NULL, 60);
}

Test(hostile, tflite)
{
	survive_real("models/rfb320/rfb320_without_postprocessing.tflite", NULL, 60);
	survive_real("models/imagenet-ladder/mobilenet_v1_0.25_128_quant.tflite", NULL, 60);
}

Test(hostile, ncnn)
{
	survive_real("models/rfb320/rfb320.param", "models/rfb320/rfb320.bin", 60);
}

Test(hostile, caffe)
{
	survive_real("models/rfb320/rfb320.prototxt", "models/rfb320/rfb320.caffemodel", 60);
}

Test(hostile, converted)
{
	static const enum engine_pack kinds[] = {ENGINE_PACK_PANELS, ENGINE_PACK_PORTABLE};
	const struct engine_plan_options options = {0};
	struct engine_error error = {""};
	const struct engine_plan *plan;
	struct engine_model *model;
	struct file from = {0};

	imported_map("models/rfb320/rfb320.onnx", &from.data, &from.size);
	for (size_t k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		struct file file = {0};
		uint8_t *data;

		cr_assert_eq(engine_model_load_memory("original", from.data, from.size, NULL, 0, &error, &model), 0,
			     "%s", error.text);
		cr_assert_eq(engine_model_plan(model, &options, &error, &plan), 0, "%s", error.text);
		cr_assert_eq(engine_model_pack(model, kinds[k], &error, &data, &file.size), 0, "%s", error.text);
		engine_model_destroy(model);
		file.data = data;
		survive_copies(&file, "converted", 60);
		free(data);
	}
}

/* ---- small networks ------------------------------------------------------------------------------ */

static uint8_t *read_whole(const char *path, size_t *ret_size)
{
	struct stat status;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *data;

	cr_assert_geq(fd, 0, "%s", path);
	cr_assert_eq(fstat(fd, &status), 0);
	*ret_size = (size_t)status.st_size;
	data = malloc(*ret_size + 1);
	cr_assert_not_null(data);
	cr_assert_eq(read(fd, data, *ret_size), status.st_size, "%s", path);
	close(fd);
	return data;
}

/* A network of the corpus; texts have their weights behind the first zero byte. */
static void survive_entry(const char *path, bool is_text, int n)
{
	size_t size;
	uint8_t *data = read_whole(path, &size);
	const uint8_t *end = is_text && size && data[0] < 0x80 ? memchr(data, 0, size) : NULL;
	struct file file = {data, size, NULL, 0};

	if (end) {
		file.size = (size_t)(end - data);
		file.weights = end + 1;
		file.weights_size = size - file.size - 1;
	}
	survive_copies(&file, path, n);
	free(data);
}

/* Networks of all kinds of operators, and what fuzzing has found, are in the folder of a fuzz target. */
static void survive_corpus(const char *target, bool is_text)
{
	char path[4096];
	struct dirent *entry;
	int entries = 0;
	DIR *folder;

	snprintf(path, sizeof(path), "%s/%s", CORPUS, target);
	folder = opendir(path);
	cr_assert_not_null(folder, "%s", path);
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s/%s", CORPUS, target, entry->d_name);
		survive_entry(path, is_text, 8);
		entries++;
	}
	closedir(folder);
	cr_assert_gt(entries, 0, "no file in %s/%s", CORPUS, target);
}

Test(hostile, small_onnx)
{
	survive_corpus("import_onnx", false);
}

Test(hostile, small_tflite)
{
	survive_corpus("import_tflite", false);
}

Test(hostile, small_ncnn)
{
	survive_corpus("import_ncnn", true);
}

Test(hostile, small_caffe)
{
	survive_corpus("import_caffe", true);
}

Test(hostile, small_converted)
{
	survive_corpus("packed", false);
}
