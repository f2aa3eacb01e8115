/*
 * bench.c - inferd-model bench: how long an inference takes, what it costs, and where the time goes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "peak.h"
#include "tool.h"

static const char usage[] =
	"usage: inferd-model bench FILE [--threads N] [--runs R] [--profile] [--size WxH] [--gray] [--json]\n"
	"                               [--input [NAME=]SHAPE...] [--half-arithmetic] [--cache DIR]\n"
	"\n"
	"Runs a network on random input and prints the least, median and 90th percentile time of a run; the speed at the\n"
	"median (two operations a multiply-add) beside what float multiply-adds alone reach on as many cores; the CPU\n"
	"time of a run over all threads; how long it takes from opening the file until the network can be run, from the\n"
	"page cache; and the most memory the process held.\n"
	"\n"
	"  --threads N  threads to use (all CPUs)\n"
	"  --runs R     measured runs (50), after a few that are not counted\n"
	"  --profile    time of each step, mean of as many runs again, its share of the whole and of the peak; with\n"
	"               --json under \"steps\"\n"
	"  --size WxH   input size instead of the file's own\n"
	"  --input [NAME=]SHAPE  as of inspect\n"
	"  --gray       run a network of three channels on one\n"
	"  --half-arithmetic  multiply in float16 where the processor has arithmetic on it\n"
	"  --cache DIR  keep the network converted in this folder, and load it from there\n"
	"  --json       one object on one line\n";

#define RUNS_DEFAULT 50
#define WARM_UP_RUNS 3
#define LOADS	     11

struct bench {
	struct tool_network network;
	void *inputs[ENGINE_IO_MAX]; /* a run consumes its input: what to fill in before each */
	int threads, runs;
	double *ms; /* of each run, sorted at the end */
	uint64_t *step_ns, *step_sum;
	double cpu_ms, peak_gflops, load_ms;
	/* Resident memory at most: before the file was loaded, and until all runs were done. */
	long before_kb, peak_rss_kb;
};

static double clock_ms(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

/* Not getrusage()'s, which counts what the process was before it became this program.  0: the kernel does not say. */
static long peak_rss_kb(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[128];
	long kb = 0;

	while (status && fgets(line, sizeof(line), status))
		if (sscanf(line, "VmHWM: %ld", &kb) == 1)
			break;
	if (status)
		fclose(status);
	return kb;
}

/* ---- input ------------------------------------------------------------------------------------- */

/* Random pixels or numbers of 0..1; other types may be indices, for which 0 is always good. */
static void *make_input(const struct engine_io *io)
{
	uint32_t state = 2463534242u;
	uint8_t *bytes = calloc(1, io->bytes ? io->bytes : 1);

	if (!bytes)
		return NULL;
	if (io->type == ENGINE_F32) {
		for (size_t i = 0; i < io->bytes / sizeof(float); i++) {
			state = state * 1664525u + 1013904223u;
			((float *)(void *)bytes)[i] = (float)(state >> 8) / 16777216.0f;
		}
	} else if (io->type == ENGINE_U8 || io->type == ENGINE_S8) {
		for (size_t i = 0; i < io->bytes; i++) {
			state = state * 1664525u + 1013904223u;
			bytes[i] = (uint8_t)(state >> 24);
		}
	}
	return bytes;
}

static bool allocate(struct bench *bench)
{
	size_t steps = (size_t)engine_plan_step_count(bench->network.plan);

	bench->ms = calloc((size_t)bench->runs, sizeof(*bench->ms));
	bench->step_ns = calloc(steps + 1, sizeof(*bench->step_ns));
	bench->step_sum = calloc(steps + 1, sizeof(*bench->step_sum));
	if (!bench->ms || !bench->step_ns || !bench->step_sum)
		return false;
	for (int i = 0; i < engine_plan_input_count(bench->network.plan); i++) {
		struct engine_io io;

		engine_plan_input(bench->network.plan, i, &io);
		bench->inputs[i] = make_input(&io);
		if (!bench->inputs[i])
			return false;
	}
	return true;
}

static void fill_inputs(struct bench *bench)
{
	for (int i = 0; i < engine_plan_input_count(bench->network.plan); i++) {
		struct engine_io io;

		engine_plan_input(bench->network.plan, i, &io);
		memcpy(engine_context_input(bench->network.context, bench->network.plan, i), bench->inputs[i],
		       io.bytes);
	}
}

/* ---- runs -------------------------------------------------------------------------------------- */

static bool run_once(struct bench *bench)
{
	int err;

	err = engine_run(bench->network.context, bench->network.plan, 0);
	if (err < 0)
		tool_error("%s: the run failed: %s", bench->network.path, strerror(-err));
	return err == 0;
}

static int compare_ms(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static bool measure_runs(struct bench *bench)
{
	double cpu = 0;

	for (int i = -WARM_UP_RUNS; i < bench->runs; i++) {
		double start, start_cpu;

		if (i >= 0)
			tool_progress("run", i, bench->runs);
		fill_inputs(bench);
		start_cpu = clock_ms(CLOCK_PROCESS_CPUTIME_ID);
		start = clock_ms(CLOCK_MONOTONIC);
		if (!run_once(bench))
			return false;
		if (i < 0)
			continue;
		bench->ms[i] = clock_ms(CLOCK_MONOTONIC) - start;
		cpu += clock_ms(CLOCK_PROCESS_CPUTIME_ID) - start_cpu;
	}
	bench->cpu_ms = cpu / bench->runs;
	qsort(bench->ms, (size_t)bench->runs, sizeof(*bench->ms), compare_ms);
	return true;
}

static bool plan(struct tool_network *network, const struct tool_args *args)
{
	struct engine_plan_options wanted = {.width = args->width,
					     .height = args->height,
					     .channels = args->gray ? 1 : 0,
					     .half_arithmetic = args->half_arithmetic};

	if (!args->gray && (args->n_inputs || (!args->half_arithmetic && tool_has_open_size(network->model))))
		return tool_network_plan_shapes(network, args);
	return tool_network_plan(network, &wanted);
}

/* Loads the file anew: open, parse or map, pack, plan.  The median, of the machine at rest as of all else here. */
static bool measure_load(struct bench *bench, const struct tool_args *args)
{
	double ms[LOADS];

	for (int i = 0; i < LOADS; i++) {
		struct tool_network network = {0};
		double start = clock_ms(CLOCK_MONOTONIC);
		bool good = tool_network_load(&network, bench->network.path, args->cache) && plan(&network, args);

		ms[i] = clock_ms(CLOCK_MONOTONIC) - start;
		tool_network_finish(&network);
		if (!good)
			return false;
		tool_progress("load", i + 1, LOADS);
	}
	qsort(ms, LOADS, sizeof(*ms), compare_ms);
	bench->load_ms = ms[LOADS / 2];
	return true;
}

static bool measure_steps(struct bench *bench)
{
	bool good = true;

	engine_context_profile(bench->network.context, bench->step_ns);
	for (int i = 0; i < bench->runs && good; i++) {
		tool_progress("profiled run", i, bench->runs);
		fill_inputs(bench);
		good = run_once(bench);
		for (int s = 0; s < engine_plan_step_count(bench->network.plan); s++)
			bench->step_sum[s] += bench->step_ns[s];
	}
	engine_context_profile(bench->network.context, NULL);
	return good;
}

static bool measure(struct bench *bench, const struct tool_args *args)
{
	int cpus = tool_cpus();
	bool good = measure_runs(bench) && (!args->profile || measure_steps(bench));

	/* Before the network is loaded again and again beside this one. */
	bench->peak_rss_kb = peak_rss_kb();
	good = good && measure_load(bench, args);
	tool_progress("", 0, 0);
	if (!good)
		return false;
	bench->peak_gflops = peak_gflops(engine_cpu_level(), bench->threads < cpus ? bench->threads : cpus);
	return true;
}

/* ---- report ------------------------------------------------------------------------------------ */

/* The value that a share of the runs is not over, by nearest rank. */
static double quantile(const struct bench *bench, int percent)
{
	return bench->ms[((size_t)bench->runs * (size_t)percent + 99) / 100 - 1];
}

static double gflops(const struct bench *bench)
{
	double median = quantile(bench, 50);

	return median > 0 ? 2.0 * (double)engine_plan_macs(bench->network.plan) / median * 1e-6 : 0;
}

static double step_ms(const struct bench *bench, int step)
{
	return (double)bench->step_sum[step] / bench->runs * 1e-6;
}

static void print_steps(const struct bench *bench)
{
	const struct engine_plan *plan = bench->network.plan;
	char shape[TOOL_SHAPE_MAX], label[TOOL_LABEL_MAX];
	struct engine_step_info step;
	double total = 0;

	for (int i = 0; i < engine_plan_step_count(plan); i++)
		total += step_ms(bench, i);
	printf("\n%-4s %-32s %-12s %-20s %-18s %9s %6s %8s %6s\n", "step", "name", "op", "kernel", "shape", "ms",
	       "share", "gflops", "peak");
	for (int i = 0; i < engine_plan_step_count(plan); i++) {
		double ms = step_ms(bench, i), speed;

		engine_plan_step(plan, i, &step);
		speed = ms > 0 ? 2.0 * (double)step.macs / ms * 1e-6 : 0;
		printf("%-4d %-32s %-12s %-20s %-18s %9.4f %5.1f%% %8.2f %5.1f%%\n", i,
		       tool_label(step.name, 32, label), step.op, step.kernel[0] ? step.kernel : "-",
		       tool_shape(step.rank, step.dims, shape), ms, total > 0 ? 100 * ms / total : 0, speed,
		       bench->peak_gflops > 0 ? 100 * speed / bench->peak_gflops : 0);
	}
	printf("%-90s %9.4f\n", "all steps", total);
}

static void print_text(const struct bench *bench, bool profile)
{
	printf("%s: %d thread%s, %d run%s, kernels %s\n", bench->network.path, bench->threads,
	       bench->threads == 1 ? "" : "s", bench->runs, bench->runs == 1 ? "" : "s", engine_cpu_level());
	printf("time    min %.3f ms, median %.3f ms, p90 %.3f ms\n", bench->ms[0], quantile(bench, 50),
	       quantile(bench, 90));
	printf("speed   %.2f gflops; float multiply-adds alone reach %.2f\n", gflops(bench), bench->peak_gflops);
	printf("cpu     %.3f ms per run\n", bench->cpu_ms);
	printf("load    %.3f ms\n", bench->load_ms);
	printf("memory  %ld kB at most, %ld kB of them since before the file was loaded\n", bench->peak_rss_kb,
	       bench->peak_rss_kb - bench->before_kb);
	if (profile)
		print_steps(bench);
}

static void json_steps(const struct bench *bench)
{
	struct engine_step_info step;

	printf(",\"steps\":[");
	for (int i = 0; i < engine_plan_step_count(bench->network.plan); i++) {
		engine_plan_step(bench->network.plan, i, &step);
		printf("%s{\"name\":", i ? "," : "");
		tool_json_string(step.name);
		printf(",\"op\":\"%s\",\"kernel\":\"%s\",\"shape\":", step.op, step.kernel);
		tool_json_dims(step.rank, step.dims);
		printf(",\"macs\":%" PRIu64 ",\"ms\":%.6f}", step.macs, step_ms(bench, i));
	}
	putchar(']');
}

static void print_json(const struct bench *bench, bool profile)
{
	printf("{\"file\":");
	tool_json_string(bench->network.path);
	printf(",\"threads\":%d,\"runs\":%d,\"ms\":{\"min\":%.6f,\"median\":%.6f,\"p90\":%.6f}", bench->threads,
	       bench->runs, bench->ms[0], quantile(bench, 50), quantile(bench, 90));
	printf(",\"gflops\":%.4f,\"peak_gflops\":%.4f,\"cpu_ms\":%.6f,\"peak_rss_kb\":%ld", gflops(bench),
	       bench->peak_gflops, bench->cpu_ms, bench->peak_rss_kb);
	printf(",\"rss_growth_kb\":%ld,\"load_ms\":%.6f", bench->peak_rss_kb - bench->before_kb, bench->load_ms);
	if (profile)
		json_steps(bench);
	puts("}");
}

static void bench_finish(struct bench *bench)
{
	tool_network_finish(&bench->network);
	for (int i = 0; i < ENGINE_IO_MAX; i++)
		free(bench->inputs[i]);
	free(bench->ms);
	free(bench->step_ns);
	free(bench->step_sum);
}

static int bench_run(const struct tool_args *args)
{
	struct bench bench = {.threads = args->threads ? args->threads : tool_cpus(),
			      .runs = args->runs ? args->runs : RUNS_DEFAULT,
			      .before_kb = peak_rss_kb()};
	int status = TOOL_FAILED;

	if (!tool_network_load(&bench.network, args->file, args->cache) || !plan(&bench.network, args) ||
	    !tool_network_prepare(&bench.network, bench.threads))
		goto out;
	if (!allocate(&bench)) {
		tool_error("out of memory");
		goto out;
	}
	if (!measure(&bench, args))
		goto out;
	if (args->json)
		print_json(&bench, args->profile);
	else
		print_text(&bench, args->profile);
	status = TOOL_DONE;
out:
	bench_finish(&bench);
	return status;
}

const struct tool_command tool_bench = {"bench", "trpsgjiKa", usage, bench_run};
