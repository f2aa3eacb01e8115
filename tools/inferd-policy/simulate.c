/*
 * simulate.c - inferd-policy simulate: this policy beside others in worlds of heat, neighbours and jitter.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "contender.h"
#include "tool.h"

/* Constants were tuned on seeds 1 to 90; what is shown comes from seeds that were not looked at before. */
#define SEED_FIRST 2001
#define SEED_LAST  2200

static const char usage[] =
	"usage: inferd-policy simulate [--setting NAME] [--seeds A-B] [--params FILE] [--json]\n"
	"\n"
	"Compares this policy with others in generated worlds: devices of different speed and cooling, throttling,\n"
	"neighbours that come and go, jitter, spikes and the cost of switching.  All meet the same worlds.\n"
	"\n"
	"  --setting NAME  one setting only; 'list' names them\n"
	"  --seeds A-B     worlds to visit (2001-2200; constants were tuned on 1-90)\n"
	"  --params FILE   parameters other than the shipped ones, as JSON\n"
	"  --json          one object for each setting and policy\n";

static const struct world_setting settings[] = {
	{"250ms", 0.250, 25, WORLD_PERIODIC, 4, true, 1, 3000, 0.06, "a photograph three times a second"},
	{"250ms-hot", 0.250, 40, WORLD_CLOSED, 0, true, 1, 3000, 0.06, "back to back at 40 C"},
	{"250ms-free", 0.250, 25, WORLD_CLOSED, 0, false, 1, 3000, 0.06, "back to back, switching costs nothing"},
	{"200ms-poisson", 0.200, 25, WORLD_POISSON, 1, true, 1, 3000, 0.06, "as people press a button"},
	{"200ms-lanes", 0.200, 25, WORLD_PERIODIC, 4, true, 2, 3000, 0.06, "big and little cores"},
	{"120ms", 0.120, 25, WORLD_PERIODIC, 5, true, 1, 3000, 0.06, "five a second"},
	{"120ms-hot", 0.120, 40, WORLD_CLOSED, 0, true, 1, 3000, 0.06, "back to back at 40 C"},
	{"80ms-free", 0.080, 25, WORLD_PERIODIC, 5, false, 1, 3000, 0.06, "tight, switching costs nothing"},
};
#define N_SETTINGS ((int)(sizeof(settings) / sizeof(settings[0])))

static const struct contender_kind *const kinds[] = {&contender_inferd,	    &contender_static, &contender_average,
						     &contender_ratio,	    &contender_alert,  &contender_blind,
						     &contender_clairvoyant};
#define N_KINDS ((int)(sizeof(kinds) / sizeof(kinds[0])))
enum { KIND_INFERD, KIND_STATIC, KIND_BLIND = 5 };

/* Of one episode, or summed over several. */
struct score {
	double accuracy, misses, avoidable, dropped, early_misses, switches_per_min, joules, throttled;
};

struct options {
	const char *setting;
	long first, last;
	bool json, progress;
	struct policy_params params;
};

/* ---- one episode ------------------------------------------------------------------------------- */

struct episode {
	struct world world;
	struct contender contender;
	double free_s, arrival_s;
	int frames, early, changes, late, avoidable, dropped, early_late;
	double accuracy;
};

static bool some_rung_fits(const struct world *w, double left_s, double jitter)
{
	for (int j = 0; j < w->n_rungs; j++)
		if (world_time(w, j) * jitter <= left_s)
			return true;
	return false;
}

static void run_frame(struct episode *e, int frame)
{
	struct world *w = &e->world;
	double jitter = world_jitter(w, frame), start_s, left_s, time_s = 0;
	bool late, fits;
	int rung;

	e->arrival_s = w->setting->arrivals == WORLD_CLOSED ? e->free_s : e->arrival_s + world_gap(w, frame);
	start_s = e->arrival_s > e->free_s ? e->arrival_s : e->free_s;
	world_advance(w, start_s, -1);
	left_s = w->setting->deadline_s - (start_s - e->arrival_s);
	world_sense(w, frame, &e->contender.sample);
	/* Whose deadline has passed is dropped by the queue, whatever the policy. */
	rung = left_s > 0 ? e->contender.kind->choose(&e->contender, left_s, jitter) : -1;
	if (rung >= 0)
		time_s = world_time(w, rung) * jitter;
	late = rung < 0 || time_s > left_s;
	fits = late && some_rung_fits(w, left_s, jitter);
	e->late += late;
	e->avoidable += fits;
	e->dropped += rung < 0;
	if (start_s < 60) {
		e->early++;
		e->early_late += late;
	}
	e->frames++;
	/* A dropped frame in a closed loop is followed by the next picture of a camera. */
	e->free_s = start_s + (rung < 0 && w->setting->arrivals == WORLD_CLOSED ? 0.033 : time_s);
	if (rung < 0)
		return;
	e->accuracy += late ? 0 : (double)w->rungs[rung].accuracy;
	world_advance(w, e->free_s, w->rungs[rung].lane);
	e->changes += w->last_rung >= 0 && w->last_rung != rung;
	w->last_rung = w->last_on[w->rungs[rung].lane] = rung;
	if (e->contender.kind->observe)
		e->contender.kind->observe(&e->contender, rung, time_s);
}

static struct score run_episode(struct episode *e, const struct world_setting *setting, uint64_t seed,
				const struct contender_kind *kind, int fixed, const struct policy_params *params)
{
	double n = setting->frames;

	memset(e, 0, sizeof(*e));
	world_init(&e->world, setting, seed);
	contender_init(&e->contender, kind, &e->world, params);
	e->contender.fixed = fixed;
	for (int frame = 0; frame < setting->frames; frame++)
		run_frame(e, frame);
	return (struct score){.accuracy = e->accuracy / n,
			      .misses = e->late / n,
			      .avoidable = e->avoidable / n,
			      .dropped = e->dropped / n,
			      .early_misses = e->early ? (double)e->early_late / e->early : 0,
			      .switches_per_min = e->changes / (e->world.now_s / 60),
			      .joules = e->world.joules / n,
			      .throttled = e->world.throttled_s / e->world.now_s};
}

/* The best rung of the episode, found by trying all of them. */
static struct score run_static(struct episode *e, const struct world_setting *setting, uint64_t seed,
			       const struct policy_params *params)
{
	struct score best = {.accuracy = -1};
	int n;

	world_init(&e->world, setting, seed);
	n = e->world.n_rungs;
	for (int j = 0; j < n; j++) {
		struct score score = run_episode(e, setting, seed, &contender_static, j, params);

		if (score.accuracy > best.accuracy)
			best = score;
	}
	return best;
}

/* ---- many --------------------------------------------------------------------------------------- */

static void progress(const struct options *o, const char *setting, long done, long total)
{
	if (o->progress)
		fprintf(stderr, "\r%s: %ld of %ld worlds \033[K", setting, done, total);
	if (o->progress && done == total)
		fputs("\r\033[K", stderr);
}

static void add(struct score *sum, const struct score *score, double share)
{
	sum->accuracy += score->accuracy * share;
	sum->misses += score->misses * share;
	sum->avoidable += score->avoidable * share;
	sum->dropped += score->dropped * share;
	sum->early_misses += score->early_misses * share;
	sum->switches_per_min += score->switches_per_min * share;
	sum->joules += score->joules * share;
	sum->throttled += score->throttled * share;
}

/* Mean and half the width of the 95% interval of a paired difference. */
static double interval(double sum, double squares, double n, double *ret_half)
{
	double mean = sum / n, variance = n > 1 ? (squares - n * mean * mean) / (n - 1) : 0;

	*ret_half = 1.96 * sqrt((variance > 0 ? variance : 0) / n);
	return mean;
}

static void print_row(const struct options *o, const struct world_setting *setting, int kind, const struct score *mean,
		      const struct score *blind, double behind, double half, long seeds)
{
	double extra = (1 - mean->accuracy) / (1 - blind->accuracy) - 1;

	if (o->json)
		printf("{\"setting\":\"%s\",\"policy\":\"%s\",\"seeds\":%ld,\"accuracy\":%.5f,\"extra_error\":%.5f,"
		       "\"misses\":%.5f,\"avoidable_misses\":%.5f,\"switches_per_min\":%.3f,\"joules_per_frame\":%.5f,"
		       "\"dropped\":%.5f,\"first_minute_misses\":%.5f,\"throttled\":%.4f,\"behind_inferd\":%.5f,"
		       "\"behind_inferd_interval\":%.5f}\n",
		       setting->name, kinds[kind]->name, seeds, mean->accuracy, extra, mean->misses, mean->avoidable,
		       mean->switches_per_min, mean->joules, mean->dropped, mean->early_misses, mean->throttled, behind,
		       half);
	else
		printf("%-14s %-17s %8.4f %+7.2f%% %7.2f%% %8.2f%% %7.2f%% %8.2f %8.3f  %+.4f +- %.4f\n", setting->name,
		       kinds[kind]->name, mean->accuracy, 100 * extra, 100 * mean->misses, 100 * mean->avoidable,
		       100 * mean->early_misses, mean->switches_per_min, mean->joules, behind, half);
}

static void run_setting(const struct options *o, const struct world_setting *setting, struct episode *e)
{
	struct score mean[N_KINDS] = {{0}};
	double sum[N_KINDS] = {0}, squares[N_KINDS] = {0}, half;
	long n = o->last - o->first + 1;

	for (long seed = o->first; seed <= o->last; seed++) {
		double own = 0;

		for (int k = 0; k < N_KINDS; k++) {
			struct score score = k == KIND_STATIC
						     ? run_static(e, setting, (uint64_t)seed, &o->params)
						     : run_episode(e, setting, (uint64_t)seed, kinds[k], 0, &o->params);

			own = k == KIND_INFERD ? score.accuracy : own;
			sum[k] += own - score.accuracy;
			squares[k] += (own - score.accuracy) * (own - score.accuracy);
			add(&mean[k], &score, 1 / (double)n);
		}
		progress(o, setting->name, seed - o->first + 1, n);
	}
	for (int k = 0; k < N_KINDS; k++) {
		double behind = interval(sum[k], squares[k], (double)n, &half);

		print_row(o, setting, k, &mean[k], &mean[KIND_BLIND], behind, half, n);
	}
	fflush(stdout);
}

static bool read_seeds(const char *text, struct options *o)
{
	char *end;

	errno = 0;
	o->first = o->last = strtol(text, &end, 10);
	if (end != text && *end == '-') {
		text = end + 1;
		o->last = strtol(text, &end, 10);
	}
	return end != text && !*end && !errno && o->first >= 0 && o->last >= o->first && o->last - o->first < 1000000;
}

static void list_settings(void)
{
	for (int i = 0; i < N_SETTINGS; i++)
		printf("%-14s %3.0f ms, %2.0f C, %s\n", settings[i].name, settings[i].deadline_s * 1000,
		       settings[i].ambient_c, settings[i].about);
}

static bool known_setting(const char *name)
{
	for (int i = 0; i < N_SETTINGS; i++)
		if (strcmp(settings[i].name, name) == 0)
			return true;
	return false;
}

/* Exit status, or -1 to go on. */
static int read_options(int argc, char **argv, struct options *o)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--json") == 0) {
			o->json = true;
			continue;
		}
		i++;
		if (value && strcmp(argv[i - 1], "--setting") == 0) {
			o->setting = value;
		} else if (value && strcmp(argv[i - 1], "--seeds") == 0) {
			if (read_seeds(value, o))
				continue;
			tool_error("--seeds is A-B, not '%s'", value);
			return TOOL_MISUSED;
		} else if (value && strcmp(argv[i - 1], "--params") == 0) {
			if (!tool_read_params(value, &o->params))
				return TOOL_FAILED;
		} else {
			fputs(usage, stderr);
			return TOOL_MISUSED;
		}
	}
	if (o->setting && strcmp(o->setting, "list") == 0) {
		list_settings();
		return TOOL_DONE;
	}
	if (o->setting && !known_setting(o->setting)) {
		tool_error("no setting '%s'; --setting list names them", o->setting);
		return TOOL_MISUSED;
	}
	return -1;
}

int tool_simulate(int argc, char **argv)
{
	struct options o = {.first = SEED_FIRST, .last = SEED_LAST, .progress = isatty(STDERR_FILENO)};
	struct episode *e;
	int status;

	if (tool_helps(argc, argv, usage))
		return TOOL_DONE;
	policy_params_init(&o.params);
	status = read_options(argc, argv, &o);
	if (status >= 0)
		return status;
	e = malloc(sizeof(*e));
	if (!e) {
		tool_error("out of memory");
		return TOOL_FAILED;
	}
	if (!o.json)
		printf("%-14s %-17s %8s %8s %8s %9s %8s %8s %8s  %s\n", "setting", "policy", "accuracy", "extra",
		       "misses", "avoidable", "minute1", "sw/min", "J/frame", "behind inferd");
	for (int i = 0; i < N_SETTINGS; i++)
		if (!o.setting || strcmp(o.setting, settings[i].name) == 0)
			run_setting(&o, &settings[i], e);
	free(e);
	if (fflush(stdout) == 0)
		return TOOL_DONE;
	tool_error("stdout: %s", strerror(errno));
	return TOOL_FAILED;
}
