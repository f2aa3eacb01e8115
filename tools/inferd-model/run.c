/*
 * run.c - inferd-model run: one inference from .npy files to .npy files, in the network file's own axis order.
 *
 * The engine keeps images as NHWC; a file that orders them channels first, with or without a batch axis, gets its own
 * order back here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "measure.h"
#include "npy.h"
#include "tool.h"

static const char usage[] =
	"usage: inferd-model run FILE -i [NAME=]X.npy... -o DIR [--gray] [--half-arithmetic] [--threads N] [--runs R]\n"
	"                             [--cache DIR]\n"
	"\n"
	"Runs a network once.  Each input comes from an .npy file of the network's own type and axis order, with or\n"
	"without the leading axis of 1; where the network's file leaves lengths open, those of the arrays are taken, and\n"
	"the first input's size says which size a network of images is run at.\n"
	"Each output goes to DIR/NAME.npy, where characters of NAME other than A-Z a-z 0-9 . _ - become '_', as does a\n"
	"leading '.'.  When two names then are the same, the later gets _ and its number behind it.\n"
	"\n"
	"  -i, --input NAME=X.npy  input NAME (a network of one input needs no NAME=); may be repeated\n"
	"  -o, --out DIR           where outputs go; made when it is absent\n"
	"  --gray                  run a network of three channels on one: an input of one channel\n"
	"  --half-arithmetic       multiply in float16 where the processor has arithmetic on it\n"
	"  --threads N             threads to use (all CPUs)\n"
	"  --cache DIR             keep the network converted in this folder, and load it from there\n"
	"  --runs R                run R times, after a few that are not counted, and print one object on a line instead\n"
	"                          of the names of files: the ms of each run, cpu_ms of a run, load_ms, and resident\n"
	"                          memory since before the network was loaded, at rest and at most\n";

#define FILE_NAME_MAX 200

struct shape {
	int rank;
	int32_t dims[ENGINE_RANK_MAX];
};

struct job {
	struct tool_network network;
	struct npy arrays[ENGINE_IO_MAX];
	char names[ENGINE_IO_MAX][FILE_NAME_MAX + 16]; /* of output files, without .npy */
	struct measure measure;
};

static bool is_transposed(const struct engine_io *io)
{
	return io->channels_first && io->rank == 4;
}

/* The tensor's shape as the network's file has it. */
static struct shape file_shape(const struct engine_io *io)
{
	struct shape shape = {.rank = io->rank};

	memcpy(shape.dims, io->dims, sizeof(shape.dims));
	if (is_transposed(io)) {
		shape.dims[1] = io->dims[3];
		shape.dims[2] = io->dims[1];
		shape.dims[3] = io->dims[2];
	}
	while (shape.rank > io->file_rank && shape.rank > 0 && shape.dims[0] == 1) {
		shape.rank--;
		memmove(shape.dims, shape.dims + 1, (size_t)shape.rank * sizeof(shape.dims[0]));
	}
	return shape;
}

/* Equal but for leading axes of 1. */
static bool same_shape(const struct shape *a, const struct npy *b)
{
	int i = 0, j = 0;

	while (i < a->rank && a->dims[i] == 1)
		i++;
	while (j < b->rank && b->dims[j] == 1)
		j++;
	if (a->rank - i != b->rank - j)
		return false;
	return memcmp(a->dims + i, b->dims + j, (size_t)(a->rank - i) * sizeof(a->dims[0])) == 0;
}

/* Between [h * w][c] and [c][h * w] of one picture; rows and columns are those of src. */
static void transpose(const uint8_t *src, size_t rows, size_t columns, size_t size, uint8_t *dst)
{
	for (size_t row = 0; row < rows; row++)
		for (size_t column = 0; column < columns; column++)
			memcpy(dst + (column * rows + row) * size, src + (row * columns + column) * size, size);
}

/* Pictures of the file's order to the engine's (to_engine) or back. */
static void reorder(const struct engine_io *io, bool to_engine, const void *src, void *dst)
{
	size_t pixels, channels, picture, size = engine_type_size(io->type);

	if (!is_transposed(io)) {
		memcpy(dst, src, io->bytes);
		return;
	}
	pixels = (size_t)io->dims[1] * (size_t)io->dims[2];
	channels = (size_t)io->dims[3];
	picture = pixels * channels * size;
	for (int n = 0; n < io->dims[0]; n++) {
		const uint8_t *from = (const uint8_t *)src + (size_t)n * picture;
		uint8_t *to = (uint8_t *)dst + (size_t)n * picture;

		if (to_engine)
			transpose(from, channels, pixels, size, to);
		else
			transpose(from, pixels, channels, size, to);
	}
}

/* ---- inputs ------------------------------------------------------------------------------------ */

static bool read_input(struct job *job, const char *argument)
{
	struct npy_error error = {""};
	const char *path = NULL;
	int index = tool_find_input(job->network.model, argument, &path);

	if (index < 0) {
		tool_error("'%s' names no input of the network; see inferd-model inspect", argument);
		return false;
	}
	if (job->arrays[index].data) {
		tool_error("'%s' is a second file for the same input", argument);
		return false;
	}
	if (npy_read(path, &error, &job->arrays[index]) < 0) {
		tool_error("%s: %s", path, error.text);
		return false;
	}
	return true;
}

static bool read_inputs(struct job *job, const struct tool_args *args)
{
	struct engine_io io;

	for (int i = 0; i < args->n_inputs; i++)
		if (!read_input(job, args->inputs[i]))
			return false;
	for (int i = 0; i < engine_model_input_count(job->network.model); i++) {
		if (job->arrays[i].data)
			continue;
		engine_model_input(job->network.model, i, &io);
		tool_error("input '%s' is missing", io.name);
		return false;
	}
	return true;
}

/* What to plan for: where the first input's picture differs from the file's own, the size and channels of the array. */
static struct engine_plan_options options_for(const struct job *job, bool gray)
{
	const struct npy *array = &job->arrays[0];
	struct engine_plan_options wanted = {.channels = gray ? 1 : 0};
	const int32_t *dims = array->dims + (array->rank == 4);
	int32_t width, height, channels;
	struct engine_io io;

	if (engine_model_input_count(job->network.model) == 0)
		return wanted;
	engine_model_input(job->network.model, 0, &io);
	if (io.rank != 4 || (array->rank != 3 && array->rank != 4))
		return wanted;
	channels = dims[io.channels_first ? 0 : 2];
	height = dims[io.channels_first ? 1 : 0];
	width = dims[io.channels_first ? 2 : 1];
	/* An array in another axis order is better told by its shape than by the size it seems to have. */
	if (channels != 1 && channels != io.dims[3])
		return wanted;
	if (height != io.dims[1] || width != io.dims[2]) {
		wanted.height = height;
		wanted.width = width;
	}
	if (channels != io.dims[3] && !gray)
		wanted.channels = channels;
	return wanted;
}

/* The shapes of all arrays, where the file leaves some length open and they say it; false: they say nothing new. */
static bool open_shapes(const struct job *job, struct engine_shape shapes[ENGINE_IO_MAX])
{
	bool open = tool_has_open_size(job->network.model);

	for (int i = 0; i < engine_model_input_count(job->network.model); i++) {
		const struct npy *array = &job->arrays[i];
		struct engine_io io;

		engine_model_input(job->network.model, i, &io);
		if (!tool_engine_shape(&io, array->rank, array->dims, &shapes[i]))
			return false;
		/* Whether a batch is open, which is planned for as 1, the engine knows. */
		open |= io.rank > 0 && shapes[i].dims[0] != io.dims[0];
	}
	return open;
}

static bool plan_job(struct job *job, const struct tool_args *args)
{
	struct engine_shape shapes[ENGINE_IO_MAX];
	struct engine_plan_options wanted;

	if (!args->gray && !args->half_arithmetic && open_shapes(job, shapes))
		return tool_network_plan_at(&job->network, shapes, engine_model_input_count(job->network.model));
	wanted = options_for(job, args->gray);
	wanted.half_arithmetic = args->half_arithmetic;
	return tool_network_plan(&job->network, &wanted);
}

static void describe_mismatch(const struct engine_io *io, const struct shape *shape, const struct npy *array)
{
	char wanted[TOOL_SHAPE_MAX], given[TOOL_SHAPE_MAX];

	tool_error("input '%s' is %s %s, the .npy file holds %s %s", io->name, engine_type_name(io->type),
		   tool_shape(shape->rank, shape->dims, wanted), array->type,
		   tool_shape(array->rank, array->dims, given));
}

static bool fill_inputs(struct job *job)
{
	for (int i = 0; i < engine_plan_input_count(job->network.plan); i++) {
		const struct npy *array = &job->arrays[i];
		struct engine_io io;
		struct shape shape;

		engine_plan_input(job->network.plan, i, &io);
		shape = file_shape(&io);
		if (strcmp(array->type, engine_type_name(io.type)) != 0 || !same_shape(&shape, array) ||
		    array->bytes != io.bytes) {
			describe_mismatch(&io, &shape, array);
			return false;
		}
		reorder(&io, true, array->data, engine_context_input(job->network.context, job->network.plan, i));
	}
	return true;
}

/* ---- outputs ----------------------------------------------------------------------------------- */

static bool is_taken(const struct job *job, int index)
{
	for (int i = 0; i < index; i++)
		if (strcmp(job->names[i], job->names[index]) == 0)
			return true;
	return false;
}

static void name_output(struct job *job, int index, const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	char *text = job->names[index];
	size_t length;

	snprintf(text, FILE_NAME_MAX, "%s", name[0] ? name : "output");
	for (size_t i = 0; text[i]; i++)
		if (!strchr(plain, text[i]) || (i == 0 && text[i] == '.'))
			text[i] = '_';
	length = strlen(text);
	for (int number = index; is_taken(job, index); number++)
		snprintf(text + length, sizeof(job->names[0]) - length, "_%d", number);
}

static bool write_output(struct job *job, int index, const char *dir, bool tell)
{
	struct npy_error error = {""};
	struct npy array = {0};
	struct engine_io io;
	struct shape shape;
	char path[4096];
	bool good;

	engine_plan_output(job->network.plan, index, &io);
	io.rank = engine_context_output_dims(job->network.context, job->network.plan, index, io.dims);
	io.bytes = engine_type_size(io.type);
	for (int i = 0; i < io.rank; i++)
		io.bytes *= (size_t)io.dims[i];
	name_output(job, index, io.name);
	if ((size_t)snprintf(path, sizeof(path), "%s/%s.npy", dir, job->names[index]) >= sizeof(path)) {
		tool_error("%s: the path is too long", dir);
		return false;
	}
	shape = file_shape(&io);
	array.type = engine_type_name(io.type);
	array.rank = shape.rank;
	memcpy(array.dims, shape.dims, sizeof(shape.dims));
	array.bytes = io.bytes;
	array.data = malloc(io.bytes ? io.bytes : 1);
	if (!array.data) {
		tool_error("out of memory");
		return false;
	}
	reorder(&io, false, engine_context_output(job->network.context, job->network.plan, index), array.data);
	good = npy_write(path, &array, &error) == 0;
	if (!good)
		tool_error("%s: %s", path, error.text);
	else if (tell)
		puts(path);
	npy_finish(&array);
	return good;
}

static bool write_outputs(struct job *job, const char *dir, bool tell)
{
	if (mkdir(dir, 0777) < 0 && errno != EEXIST) {
		tool_error("%s: %s", dir, strerror(errno));
		return false;
	}
	for (int i = 0; i < engine_plan_output_count(job->network.plan); i++)
		if (!write_output(job, i, dir, tell))
			return false;
	return true;
}

/* ---- runs -------------------------------------------------------------------------------------- */

static bool run_once(struct job *job)
{
	int err = engine_run(job->network.context, job->network.plan, 0);

	if (err < 0)
		tool_error("%s: the run failed: %s", job->network.path, strerror(-err));
	return err == 0;
}

/* A run consumes its inputs. */
static bool run_many(struct job *job)
{
	size_t own_bytes = 0;

	measure_loaded(&job->measure);
	for (int i = 0; i < MEASURE_WARM_UP_RUNS + job->measure.runs; i++) {
		bool good;

		if (!fill_inputs(job))
			return false;
		measure_run_begin(&job->measure);
		good = run_once(job);
		measure_run_end(&job->measure);
		if (!good)
			return false;
	}
	for (int i = 0; i < ENGINE_IO_MAX; i++)
		own_bytes += job->arrays[i].bytes;
	return measure_end(&job->measure, own_bytes);
}

static bool run_job(struct job *job, const struct tool_args *args)
{
	struct tool_network *network = &job->network;

	if (args->runs && !measure_begin(&job->measure, args->runs)) {
		tool_error("cannot measure: %s", strerror(errno));
		return false;
	}
	if (!tool_network_load(network, args->file, args->cache) || !read_inputs(job, args))
		return false;
	if (!plan_job(job, args) || !tool_network_prepare(network, args->threads) || !fill_inputs(job))
		return false;
	if (!(args->runs ? run_many(job) : run_once(job)) || !write_outputs(job, args->out_dir, !args->runs))
		return false;
	if (args->runs)
		measure_print(&job->measure);
	return true;
}

static int run(const struct tool_args *args)
{
	struct job *job;
	bool good;

	if (!args->out_dir || args->n_inputs == 0) {
		tool_error("run: needs -i and -o; see inferd-model run --help");
		return TOOL_MISUSED;
	}
	job = calloc(1, sizeof(*job));
	if (!job) {
		tool_error("out of memory");
		return TOOL_FAILED;
	}
	good = run_job(job, args);
	tool_network_finish(&job->network);
	for (int i = 0; i < ENGINE_IO_MAX; i++)
		npy_finish(&job->arrays[i]);
	measure_finish(&job->measure);
	free(job);
	return good ? TOOL_DONE : TOOL_FAILED;
}

const struct tool_command tool_run = {"run", "iogtrKa", usage, run};
