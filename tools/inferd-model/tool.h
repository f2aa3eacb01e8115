/*
 * tool.h - what the commands of inferd-model share: the command line, messages, JSON, and a network made ready.
 */
#ifndef INFERD_MODEL_TOOL_H
#define INFERD_MODEL_TOOL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "engine/engine.h"

/* inferd-model operators, which takes no file. */
int tool_operators(int argc, char **argv); /* argv[0]: its name */

/* Exit statuses. */
enum { TOOL_DONE = 0, TOOL_FAILED = 1, TOOL_MISUSED = 2 };

struct tool_args {
	const char *file, *out_dir, *out_file;
	char *const *more_files; /* of --ops, behind the first */
	int n_more_files;
	const char *inputs[ENGINE_IO_MAX]; /* [NAME=]FILE or [NAME=]SHAPE, as given */
	int n_inputs;
	int width, height; /* 0: the file's own */
	int threads, runs; /* 0: not given */
	bool gray, json, profile, portable, half, half_arithmetic, passes, ops;
	const char *images, *test, *cache; /* folders */
	enum engine_range range;
	double percentile;
	struct engine_normalize normalize;
};

/* One command: allowed lists the options it takes, by the letters of the table in tool.c; O: a second file. */
struct tool_command {
	const char *name, *allowed, *usage;
	int (*run)(const struct tool_args *args);
};
extern const struct tool_command tool_inspect, tool_run, tool_bench, tool_convert, tool_quantize;

/* Reads the command's arguments (argv[0] is its name) and runs it.  Returns the exit status. */
int tool_main(const struct tool_command *command, int argc, char **argv);

/* "inferd-model: ..." on stderr. */
void tool_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line on stderr that the next one replaces, at most a few a second and only on a terminal; total 0 clears it. */
void tool_progress(const char *what, int done, int total);

/* Writes a file whole or not at all: beside it first, then renamed.  Reports its failures and returns false. */
bool tool_write_file(const char *path, const void *data, size_t size);

/* A JSON string with its quotes.  Bytes that are not UTF-8 become U+FFFD. */
void tool_json_string(const char *text);
void tool_json_dims(int rank, const int32_t *dims);

/* "1x224x224x3", "?" for an open dimension. */
#define TOOL_SHAPE_MAX 96
const char *tool_shape(int rank, const int32_t *dims, char text[TOOL_SHAPE_MAX]);
/* The last `width` characters of a name, without control characters. */
#define TOOL_LABEL_MAX 64
const char *tool_label(const char *name, int width, char text[TOOL_LABEL_MAX]);

/* CPUs this process may use, at most ENGINE_THREADS_MAX. */
int tool_cpus(void);
/* A team of so many threads, 0: one for each of these CPUs; several are pinned to them.  As engine_team_create(). */
int tool_team(int threads, struct engine_team **ret_team);

/* A network with all that one run of it needs.  Functions report their failures and return false. */
struct tool_network {
	const char *path;
	struct engine_model *model;
	const struct engine_plan *plan;
	struct engine_team *team;
	struct engine_context *context;
};
/* cache: a folder where networks are kept converted, or NULL. */
bool tool_network_load(struct tool_network *network, const char *path, const char *cache);
bool tool_network_plan(struct tool_network *network, const struct engine_plan_options *options);
/*
 * Where the file leaves sizes open, or --input gives them: at the shapes of --input, --size, and for what is still open
 * at defaults that it tells.
 */
bool tool_network_plan_shapes(struct tool_network *network, const struct tool_args *args);
/* At these shapes, as engine_model_plan_shapes(). */
bool tool_network_plan_at(struct tool_network *network, const struct engine_shape *shapes, int n);
/* threads 0: one for each CPU.  Reserves the plan's memory. */
bool tool_network_prepare(struct tool_network *network, int threads);
void tool_network_finish(struct tool_network *network); /* accepts a zeroed or half-built one */

bool tool_has_open_size(const struct engine_model *model);

/* The input that "NAME=REST" is for, or "REST" of a network of one input; -1: none. */
int tool_find_input(const struct engine_model *model, const char *argument, const char **ret_rest);

/* A shape in the file's axis order, with or without the leading axis of 1, in the engine's; false: of another rank. */
bool tool_engine_shape(const struct engine_io *io, int rank, const int32_t *dims, struct engine_shape *ret_shape);

#endif
