/*
 * quantize.c - inferd-model quantize: a float network in int8, its ranges taken from photographs.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"
#include "tool.h"

static const char usage[] =
	"usage: inferd-model quantize FILE OUT --images DIR [--test DIR] [--range minmax|percentile|kl]\n"
	"                             [--percentile P] [--mean A[,B,C]] [--scale A[,B,C]] [--bgr]\n"
	"                             [--fit stretch|crop|letterbox] [--size WxH] [--threads N] [--json]\n"
	"\n"
	"Writes a float network as one that computes in int8 (inferd's own file, for any machine): weights with a scale for\n"
	"each channel, and ranges of the tensors between from the photographs of a folder, some tens to hundreds of the\n"
	"kind it will see.  Inputs and outputs stay float, so that it takes the place of the original.  Prints how far the\n"
	"layers are off, and how often the largest output is the same as the float network's.\n"
	"\n"
	"  --images DIR        photographs (.jpg, .png) to take ranges from\n"
	"  --test DIR          other photographs to compare on; without it, the same\n"
	"  --range METHOD      minmax: all that was seen; percentile (default): all but outliers; kl: where least\n"
	"                      information is lost\n"
	"  --percentile P      share of the numbers within the range (99.999)\n"
	"  --mean, --scale     input = (pixel - mean) * scale, of 0..255; one number or one for each channel (0, 1/255)\n"
	"  --bgr               the input's channels are blue, green, red\n"
	"  --fit HOW           how a photograph fills the input: stretch (default), crop of its middle, letterbox\n";

struct job {
	const struct tool_args *args;
	struct engine_quantizer *quantizer;
	struct engine_team *team;
	struct engine_context *real, *int8;
	int tested, agreed;
};

/* Fills an input from a photograph and runs the plan. */
static bool run_picture(struct engine_context *context, const struct engine_plan *plan, const struct tool_args *args,
			const struct picture *picture)
{
	struct engine_preprocess *preprocess = NULL;
	struct engine_error error = {""};
	int err = engine_context_reserve(context, plan);

	if (err == 0)
		err = engine_preprocess_create(&picture->image, &args->normalize, plan, &error, &preprocess);
	if (err == 0)
		err = engine_preprocess_run(preprocess, &picture->image, engine_context_input(context, plan, 0));
	if (err == 0)
		err = engine_run(context, plan, 0);
	engine_preprocess_destroy(preprocess);
	if (err < 0)
		tool_error("%s: %s", args->file, error.text[0] ? error.text : strerror(-err));
	return err == 0;
}

typedef bool use_picture(struct job *job, const struct picture *picture);

static bool for_each_picture(struct job *job, const char *folder, const char *what, use_picture *use)
{
	char **paths;
	bool good = true;
	int n;

	if (!picture_list(folder, &paths, &n))
		return false;
	for (int i = 0; i < n && good; i++) {
		struct picture picture = {0};

		tool_progress(what, i + 1, n);
		good = picture_read(paths[i], &picture) && use(job, &picture);
		picture_finish(&picture);
	}
	tool_progress("", 0, 0);
	picture_list_finish(paths, n);
	return good;
}

static bool observe(struct job *job, const struct picture *picture)
{
	if (!run_picture(job->real, engine_quantizer_plan(job->quantizer), job->args, picture))
		return false;
	engine_quantizer_observe(job->quantizer, job->real);
	return true;
}

/* The index of the largest number of output 0. */
static size_t largest(struct engine_context *context, const struct engine_plan *plan)
{
	const float *numbers = engine_context_output(context, plan, 0);
	struct engine_io io;
	size_t best = 0;

	engine_plan_output(plan, 0, &io);
	for (size_t i = 1; i < io.bytes / sizeof(float); i++)
		if (numbers[i] > numbers[best])
			best = i;
	return best;
}

static bool compare(struct job *job, const struct picture *picture)
{
	const struct engine_plan *real = engine_quantizer_plan(job->quantizer);
	const struct engine_plan *int8 = engine_quantizer_int8_plan(job->quantizer);

	if (!run_picture(job->real, real, job->args, picture) || !run_picture(job->int8, int8, job->args, picture))
		return false;
	engine_quantizer_compare(job->quantizer, job->real, job->int8);
	job->tested++;
	job->agreed += largest(job->real, real) == largest(job->int8, int8);
	return true;
}

static bool prepare(struct job *job)
{
	struct engine_error error = {""};
	const struct tool_args *args = job->args;
	int err = engine_quantizer_create(args->file, args->width, args->height, &error, &job->quantizer);

	if (err == 0)
		err = tool_team(args->threads, &job->team);
	if (err == 0)
		err = engine_context_create(job->team, &job->real);
	if (err == 0)
		err = engine_context_create(job->team, &job->int8);
	if (err < 0)
		tool_error("%s", error.text[0] ? error.text : strerror(-err));
	return err == 0;
}

static bool quantize(struct job *job, size_t *ret_size)
{
	struct engine_error error = {""};
	uint8_t *data;
	bool good;
	int err = engine_quantizer_finish(job->quantizer, job->args->range, job->args->percentile, &error, &data,
					  ret_size);

	if (err < 0) {
		tool_error("%s: %s", job->args->file, error.text[0] ? error.text : strerror(-err));
		return false;
	}
	good = tool_write_file(job->args->out_file, data, *ret_size);
	free(data);
	return good;
}

static void print_text(const struct job *job, size_t size)
{
	char label[TOOL_LABEL_MAX];

	printf("%-44s %-10s %12s %12s %9s\n", "layer", "op", "from", "to", "dB");
	for (int i = 0; i < engine_quantizer_layer_count(job->quantizer); i++) {
		struct engine_layer_error layer;

		engine_quantizer_layer(job->quantizer, i, &layer);
		printf("%-44s %-10s %12.4g %12.4g %9.1f\n", tool_label(layer.name, 44, label), layer.op,
		       (double)layer.lo, (double)layer.hi, layer.decibels);
	}
	printf("\n%s: %zu bytes; the largest output is the float network's on %d of %d photographs (%.1f%%)\n",
	       job->args->out_file, size, job->agreed, job->tested, 100.0 * job->agreed / job->tested);
}

static void print_json(const struct job *job, size_t size)
{
	printf("{\"file\":");
	tool_json_string(job->args->out_file);
	printf(",\"bytes\":%zu,\"tested\":%d,\"agreed\":%d,\"layers\":[", size, job->tested, job->agreed);
	for (int i = 0; i < engine_quantizer_layer_count(job->quantizer); i++) {
		struct engine_layer_error layer;

		engine_quantizer_layer(job->quantizer, i, &layer);
		printf("%s{\"name\":", i ? "," : "");
		tool_json_string(layer.name);
		printf(",\"op\":\"%s\",\"from\":%.6g,\"to\":%.6g,\"db\":", layer.op, (double)layer.lo,
		       (double)layer.hi);
		if (isfinite(layer.decibels))
			printf("%.2f}", layer.decibels);
		else
			printf("null}");
	}
	puts("]}");
}

static int run(const struct tool_args *args)
{
	struct job job = {.args = args};
	int status = TOOL_FAILED;
	size_t size;

	if (!args->images) {
		tool_error("quantize: --images DIR is needed; see inferd-model quantize --help");
		return TOOL_MISUSED;
	}
	if (prepare(&job) && for_each_picture(&job, args->images, "photograph", observe) && quantize(&job, &size) &&
	    for_each_picture(&job, args->test ? args->test : args->images, "comparison", compare)) {
		if (args->json)
			print_json(&job, size);
		else
			print_text(&job, size);
		status = TOOL_DONE;
	}
	engine_context_destroy(job.real);
	engine_context_destroy(job.int8);
	engine_team_destroy(job.team);
	engine_quantizer_destroy(job.quantizer);
	return status;
}

const struct tool_command tool_quantize = {"quantize", "OstjITRQMCBF", usage, run};
