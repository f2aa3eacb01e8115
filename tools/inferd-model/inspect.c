/*
 * inspect.c - inferd-model inspect: what a network takes, gives, does and needs.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

#define OPERATORS_MAX 512 /* names that --ops knows; the engine has fewer */

static const char usage[] =
	"usage: inferd-model inspect FILE [--size WxH | --input [NAME=]SHAPE...] [--passes] [--half-arithmetic] [--json]\n"
	"       inferd-model inspect --ops FILE...\n"
	"\n"
	"Prints the inputs and outputs of a network (images as NHWC), the steps it is run in, and what they cost.\n"
	"\n"
	"  --size WxH             plan for this input size instead of the file's own\n"
	"  --input [NAME=]SHAPE   lengths of an input, such as 1x3x320x320 in the file's order, where the file leaves\n"
	"                         them open; may be repeated.  Open ones not given: 1 first, sides of an image 224, else 16\n"
	"  --passes               also what the nodes of the file were simplified by, and what is no step at this size\n"
	"  --half-arithmetic      the steps of a plan that may multiply in float16, where the processor has arithmetic on it\n"
	"  --json                 one object on one line\n"
	"  --ops                  the operators that a build of the engine needs for all these networks, one a line: a file\n"
	"                         for CMake's option INFERD_OPERATORS\n";

static uint64_t total_params(const struct engine_plan *plan)
{
	struct engine_step_info step;
	uint64_t sum = 0;

	for (int i = 0; i < engine_plan_step_count(plan); i++) {
		engine_plan_step(plan, i, &step);
		sum += step.params;
	}
	return sum;
}

static void print_io(const char *role, const struct engine_io *io)
{
	char shape[TOOL_SHAPE_MAX], label[TOOL_LABEL_MAX];

	printf("%-7s %-40s %-8s %s", role, tool_label(io->name, 40, label), engine_type_name(io->type),
	       tool_shape(io->rank, io->dims, shape));
	if (io->quant.scale != 0)
		printf("  real = %.8g * (stored - %d)", (double)io->quant.scale, io->quant.zero_point);
	if (io->channels_first)
		printf("  (channels first in the file)");
	putchar('\n');
}

static void print_steps(const struct engine_plan *plan)
{
	char shape[TOOL_SHAPE_MAX], label[TOOL_LABEL_MAX];
	struct engine_step_info step;

	printf("\n%-4s %-32s %-12s %-20s %-16s %-18s %12s %10s\n", "step", "name", "op", "kernel", "fused", "shape",
	       "macs", "params");
	for (int i = 0; i < engine_plan_step_count(plan); i++) {
		engine_plan_step(plan, i, &step);
		printf("%-4d %-32s %-12s %-20s %-16s %-18s %12" PRIu64 " %10" PRIu64 "\n", i,
		       tool_label(step.name, 32, label), step.op, step.kernel[0] ? step.kernel : "-",
		       step.fused[0] ? step.fused : "-", tool_shape(step.rank, step.dims, shape), step.macs,
		       step.params);
	}
}

static void print_passes(const struct tool_network *network)
{
	const char *what;
	int n;

	puts("\npasses:");
	for (int i = 0; (what = engine_model_pass(network->model, i, &n)); i++)
		if (n)
			printf("%6d %s\n", n, what);
	for (int i = 0; (what = engine_plan_pass(network->plan, i, &n)); i++)
		if (n)
			printf("%6d %s\n", n, what);
}

static void print_text(const struct tool_network *network)
{
	const struct engine_plan *plan = network->plan;
	struct engine_io io;

	for (int i = 0; i < engine_plan_input_count(plan); i++) {
		engine_plan_input(plan, i, &io);
		print_io("input", &io);
	}
	for (int i = 0; i < engine_plan_output_count(plan); i++) {
		engine_plan_output(plan, i, &io);
		print_io("output", &io);
	}
	print_steps(plan);
	printf("\ntotal: %d steps, %" PRIu64 " macs, %" PRIu64
	       " params; arena %zu bytes, model %zu bytes; kernels %s\n",
	       engine_plan_step_count(plan), engine_plan_macs(plan), total_params(plan), engine_plan_arena_bytes(plan),
	       engine_model_bytes(network->model), engine_cpu_level());
}

static void json_io(const struct engine_io *io)
{
	printf("{\"name\":");
	tool_json_string(io->name);
	printf(",\"type\":\"%s\",\"shape\":", engine_type_name(io->type));
	tool_json_dims(io->rank, io->dims);
	if (io->quant.scale != 0)
		printf(",\"scale\":%.9g,\"zero_point\":%d", (double)io->quant.scale, io->quant.zero_point);
	printf(",\"channels_first\":%s}", io->channels_first ? "true" : "false");
}

static void json_steps(const struct engine_plan *plan)
{
	struct engine_step_info step;

	for (int i = 0; i < engine_plan_step_count(plan); i++) {
		engine_plan_step(plan, i, &step);
		printf("%s{\"name\":", i ? "," : "");
		tool_json_string(step.name);
		printf(",\"op\":\"%s\",\"kernel\":\"%s\",\"fused\":\"%s\",\"type\":\"%s\",\"shape\":", step.op,
		       step.kernel, step.fused, engine_type_name(step.type));
		tool_json_dims(step.rank, step.dims);
		printf(",\"macs\":%" PRIu64 ",\"params\":%" PRIu64 "}", step.macs, step.params);
	}
}

static void print_json(const struct tool_network *network)
{
	const struct engine_plan *plan = network->plan;
	struct engine_io io;

	printf("{\"file\":");
	tool_json_string(network->path);
	printf(",\"inputs\":[");
	for (int i = 0; i < engine_plan_input_count(plan); i++) {
		engine_plan_input(plan, i, &io);
		fputs(i ? "," : "", stdout);
		json_io(&io);
	}
	printf("],\"outputs\":[");
	for (int i = 0; i < engine_plan_output_count(plan); i++) {
		engine_plan_output(plan, i, &io);
		fputs(i ? "," : "", stdout);
		json_io(&io);
	}
	printf("],\"steps\":[");
	json_steps(plan);
	printf("],\"macs\":%" PRIu64 ",\"params\":%" PRIu64
	       ",\"arena_bytes\":%zu,\"model_bytes\":%zu,\"level\":\"%s\"}\n",
	       engine_plan_macs(plan), total_params(plan), engine_plan_arena_bytes(plan),
	       engine_model_bytes(network->model), engine_cpu_level());
}

static bool plan(struct tool_network *network, const struct tool_args *args)
{
	struct engine_plan_options wanted = {
		.width = args->width, .height = args->height, .half_arithmetic = args->half_arithmetic};

	if (args->n_inputs || (!args->half_arithmetic && tool_has_open_size(network->model)))
		return tool_network_plan_shapes(network, args);
	return tool_network_plan(network, &wanted);
}

/* ---- operators --------------------------------------------------------------------------------- */

struct names {
	const char *name[OPERATORS_MAX]; /* the engine's, which last */
	size_t n;
};

static void add_name(struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++)
		if (strcmp(names->name[i], name) == 0)
			return;
	if (names->n < OPERATORS_MAX)
		names->name[names->n++] = name;
}

static bool add_operators(const char *file, const struct tool_args *args, struct names *names)
{
	struct tool_network network = {0};
	const char *name;
	bool done = tool_network_load(&network, file, NULL) && plan(&network, args);

	for (int i = 0; done && (name = engine_plan_operator(network.plan, i)); i++)
		add_name(names, name);
	tool_network_finish(&network);
	return done;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int inspect_operators(const struct tool_args *args)
{
	struct names names = {.n = 0};

	if (!add_operators(args->file, args, &names))
		return TOOL_FAILED;
	for (int i = 0; i < args->n_more_files; i++)
		if (!add_operators(args->more_files[i], args, &names))
			return TOOL_FAILED;
	qsort(names.name, names.n, sizeof(names.name[0]), compare_names);
	for (size_t i = 0; i < names.n; i++)
		puts(names.name[i]);
	return TOOL_DONE;
}

static int inspect(const struct tool_args *args)
{
	struct tool_network network = {0};
	int status = TOOL_FAILED;

	if (args->ops)
		return inspect_operators(args);
	if (tool_network_load(&network, args->file, NULL) && plan(&network, args)) {
		if (args->json)
			print_json(&network);
		else
			print_text(&network);
		if (!args->json && args->passes)
			print_passes(&network);
		status = TOOL_DONE;
	}
	tool_network_finish(&network);
	return status;
}

const struct tool_command tool_inspect = {"inspect", "sijALa", usage, inspect};
