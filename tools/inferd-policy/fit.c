/*
 * fit.c - inferd-policy fit: parameters for the next configuration, from what devices in the field have recorded.
 *
 * Proposes only what data speaks for: a value with an interval, and against the present one a difference that chance
 * does not explain.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fit.h"

static const char usage[] =
	"usage: inferd-policy fit [RECORD.db...] [--trace TRACE]... [--out FILE] [--version NAME]\n"
	"\n"
	"Proposes parameters of the policy from field records and traces of one or more devices, and shows what they\n"
	"would have changed.  Nothing is proposed that the data does not support.\n"
	"\n"
	"  --trace TRACE   a trace (record.trace); may be given many times\n"
	"  --out FILE      the proposal as YAML, for conf.d; not written where nothing is proposed\n"
	"  --version NAME  of the proposal, which every decision on record will name; fit-1 by default\n"
	"\n"
	"Intervals hold 95% and come from a bootstrap over minutes of the traces.  A frame's time on a rung that did not\n"
	"run is estimated: the time measured, times what is usual for that rung over what is usual for the one that ran.\n"
	"How far off that is, measured where a rung was changed, is printed.  Waits are taken to be those on record.\n";

#define RESAMPLES      400
#define BLOCKS_ENOUGH  5    /* minutes, for an interval */
#define CAPPED_ENOUGH  100  /* runs under a capped clock */
#define SLICES_ENOUGH  30   /* of ten seconds, capped and not */
#define BOUNDED_ENOUGH 1000 /* frames with a bound */
#define GROUPS_ENOUGH  3    /* models on devices, for the spread of priors */
#define RUNGS_ENOUGH   4    /* of one model, for the spread of its rungs */
#define CAPPED	       0.95f
#define CAP_SHARE_STEP 0.05

struct interval {
	double value, low, high;
};

struct proposal {
	const struct policy_param *param;
	float now, value;
	char evidence[160];
	bool changed;
};

struct fit {
	struct fit_traces traces;
	struct fit_record record;
	struct policy_params proposed;
	struct proposal rows[32];
	int n_rows;
	const char *out, *version;
	int n_traces;
};

/* ---- intervals ------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The same numbers on every machine and every day, so that a proposal can be had again. */
static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

/*
 * Sum of over[i] / sum of under[i], with the interval that a bootstrap over i gives; share: what it holds.  A block
 * without anything in `under` tells nothing.
 */
static struct interval ratio(const double *over, const double *under, int n, double share)
{
	double sums[RESAMPLES], a = 0, b = 0;
	uint64_t state = 1;
	int tail = (int)((1 - share) / 2 * RESAMPLES);

	for (int i = 0; i < n; i++) {
		a += over[i];
		b += under[i];
	}
	for (int k = 0; k < RESAMPLES; k++) {
		double x = 0, y = 0;

		for (int i = 0; i < n; i++) {
			int pick = (int)(next_random(&state) % (uint32_t)n);

			x += over[pick];
			y += under[pick];
		}
		sums[k] = y > 0 ? x / y : a / b;
	}
	qsort(sums, RESAMPLES, sizeof(sums[0]), compare);
	return (struct interval){a / b, sums[tail], sums[RESAMPLES - 1 - tail]};
}

/* ---- proposals ------------------------------------------------------------------------------------ */

static const struct policy_param *find_param(const char *name)
{
	const struct policy_param *row = policy_param_table;

	while (strcmp(row->name, name) != 0)
		row++;
	return row;
}

static struct proposal *add_row(struct fit *fit, const char *name)
{
	struct proposal *row = &fit->rows[fit->n_rows++];

	row->param = find_param(name);
	row->now = row->value = policy_params_get(&fit->traces.params, row->param);
	return row;
}

/* Into the range of the parameter, with three digits, which is more than data tells. */
static void propose(struct fit *fit, struct proposal *row, double value)
{
	char text[32];
	float rounded;

	value = fmin(fmax(value, (double)row->param->min), (double)row->param->max);
	snprintf(text, sizeof(text), "%.3g", value);
	rounded = strtof(text, NULL);
	if (policy_params_set(&fit->proposed, row->param->name, rounded) && rounded != row->now) {
		row->value = rounded;
		row->changed = true;
	}
}

static bool outside(const struct interval *i, double value)
{
	return value < i->low || value > i->high;
}

/*
 * A run that took 1 - c + c / cap times what is usual for its rung: of all such runs together, by blocks.  Least
 * squares through the origin: the times over usual, less one, on 1 / cap - 1.
 */
static void fit_cap_share(struct fit *fit)
{
	const struct fit_traces *traces = &fit->traces;
	struct proposal *row = add_row(fit, "cap_share");
	double *over = calloc(2 * (size_t)traces->n_blocks + 2, sizeof(*over)), *under = over + traces->n_blocks + 1;
	struct interval share;
	int n = 0, blocks = 0;

	for (long i = 0; over && i < traces->n_runs; i++) {
		const struct fit_run *run = &traces->runs[i];
		const struct fit_model *model = traces->models[run->model];
		double x, y;

		if (!(run->freq_cap > 0.05f && run->freq_cap <= CAPPED) || model->times[run->rung].n < 20)
			continue;
		x = 1 / (double)run->freq_cap - 1;
		y = (double)run->us / fit_usual_us(model, run->rung) - 1;
		/* A spike says nothing of the clock. */
		if (y > 2 * x + 1)
			continue;
		blocks += under[run->block] == 0;
		over[run->block] += x * y;
		under[run->block] += x * x;
		n++;
	}
	if (n < CAPPED_ENOUGH || blocks < BLOCKS_ENOUGH) {
		snprintf(row->evidence, sizeof(row->evidence),
			 "no proposal: %d runs in %d minutes under a capped clock", n, blocks);
	} else {
		share = ratio(over, under, traces->n_blocks, 0.95);
		snprintf(row->evidence, sizeof(row->evidence), "%d runs under a capped clock: %.3f (%.3f to %.3f)", n,
			 share.value, share.low, share.high);
		/* What is sure may still be too little to matter. */
		if (outside(&share, (double)row->now) && fabs(share.value - (double)row->now) > CAP_SHARE_STEP)
			propose(fit, row, share.value);
	}
	free(over);
}

/* Each model of each segment is off by its offset, and each of its rungs by the rest. */
static void fit_spreads(struct fit *fit)
{
	const struct fit_traces *traces = &fit->traces;
	struct proposal *prior = add_row(fit, "prior_spread"), *rung = add_row(fit, "rung_spread");
	double offsets = 0, rests = 0;
	int groups = 0, rungs = 0, free_rungs = 0;

	for (int i = 0; i < traces->n_models; i++) {
		const struct fit_model *model = traces->models[i];

		if (!model->n_measured)
			continue;
		groups++;
		offsets += model->offset * model->offset;
		for (int j = 0; j < model->session.n_rungs; j++) {
			double rest;

			if (model->times[j].n < 20)
				continue;
			rest = model->times[j].ln_sum / (double)model->times[j].n -
			       log((double)model->session.rungs[j].prior_us) - model->offset;
			rests += rest * rest;
			rungs++;
		}
		free_rungs += model->n_measured - 1;
	}
	snprintf(prior->evidence, sizeof(prior->evidence), "%smodels of segments with measured rungs: %d",
		 groups < GROUPS_ENOUGH ? "no proposal: " : "", groups);
	/* An error of the spread of about 1 / sqrt(2 n): less than a factor of 1.5 is no difference here. */
	if (groups >= GROUPS_ENOUGH && fabs(log(sqrt(offsets / groups) / (double)prior->now)) > 0.4)
		propose(fit, prior, sqrt(offsets / groups));
	snprintf(rung->evidence, sizeof(rung->evidence), "%srungs measured beside others of their model: %d",
		 free_rungs < RUNGS_ENOUGH ? "no proposal: " : "", rungs);
	if (free_rungs >= RUNGS_ENOUGH && fabs(log(sqrt(rests / free_rungs) / (double)rung->now)) > 0.4)
		propose(fit, rung, sqrt(rests / free_rungs));
}

/* Two degrees below where the coolest twentieth of the capped slices was: before the kernel caps the clock. */
static void fit_temp_high(struct fit *fit)
{
	const struct fit_record *record = &fit->record;
	struct proposal *row = add_row(fit, "temp_high_c");
	double low_c;

	if (record->n_capped < SLICES_ENOUGH || record->n_free < SLICES_ENOUGH) {
		snprintf(row->evidence, sizeof(row->evidence),
			 "no proposal: %ld slices with a capped clock, %ld without", record->n_capped, record->n_free);
		return;
	}
	qsort(record->capped_c, (size_t)record->n_capped, sizeof(record->capped_c[0]), compare);
	low_c = record->capped_c[record->n_capped / 20];
	snprintf(row->evidence, sizeof(row->evidence), "clocks were capped from %.1f C on, in %ld slices", low_c,
		 record->n_capped);
	/* Where the clock is capped later than heat counts, heat may count for other reasons: a case, a battery. */
	if (low_c - 2 < (double)row->now)
		propose(fit, row, floor(low_c - 2));
}

/* The bound follows its share by itself; far off means that the share cannot be had. */
static void tell_coverage(struct fit *fit)
{
	const struct fit_record *record = &fit->record;
	struct proposal *row = add_row(fit, "bound_share");
	double exceeded = record->bounded > 0 ? 1 - record->covered / record->bounded : 0;

	if (record->bounded < BOUNDED_ENOUGH)
		snprintf(row->evidence, sizeof(row->evidence), "no proposal: %.0f frames with a bound",
			 record->bounded);
	else
		snprintf(row->evidence, sizeof(row->evidence),
			 "no proposal: the bound is learned; %.2f%% of %.0f frames exceeded it", 100 * exceeded,
			 record->bounded);
}

/* ---- candidates by replay ------------------------------------------------------------------------- */

static void say_progress(int done, int of)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\rreplaying: %d of %d%s", done, of, done == of ? "\n" : "");
}

struct change {
	struct interval accuracy, missed, changes;
};

/* Of b against a, a frame; share: what the intervals hold. */
static bool compare_blocks(const struct fit_block *a, const struct fit_block *b, int n, double share,
			   struct change *ret)
{
	double *all = calloc(4 * (size_t)n + 4, sizeof(*all));

	if (!all) {
		tool_error("out of memory");
		return false;
	}
	for (int i = 0; i < n; i++) {
		all[i] = b[i].accuracy - a[i].accuracy;
		all[n + i] = b[i].missed - a[i].missed;
		all[2 * n + i] = b[i].changes - a[i].changes;
		all[3 * n + i] = a[i].frames;
	}
	ret->accuracy = ratio(all, all + 3 * n, n, share);
	ret->missed = ratio(all + n, all + 3 * n, n, share);
	ret->changes = ratio(all + 2 * n, all + 3 * n, n, share);
	free(all);
	return true;
}

static const char *const tried[] = {"miss_target", "stay_gain", "horizon_frames", "changes_per_min", "switch_price"};
static const double factors[] = {0.5, 2};
#define N_TRIED	     (int)(sizeof(tried) / sizeof(tried[0]))
#define N_CANDIDATES (2 * N_TRIED)

/* Ten are tried: the interval of each is so wide that one in twenty such sets misleads. */
#define SHARE_OF_EACH (1 - 0.05 / N_CANDIDATES)

/* Half and double of each; the best of those of which chance does not explain that they are better. */
static bool fit_by_replay(struct fit *fit, const struct fit_block *before, struct fit_block *after)
{
	int n = fit->traces.n_blocks, best = -1;
	struct change changes[N_CANDIDATES];

	for (int i = 0; i < N_CANDIDATES; i++) {
		struct policy_params params = fit->proposed;
		const struct policy_param *param = find_param(tried[i / 2]);
		double value = (double)policy_params_get(&params, param) * factors[i % 2];

		value = fmin(fmax(value, (double)param->min), (double)param->max);
		policy_params_set(&params, param->name, (float)value);
		memset(after, 0, (size_t)n * sizeof(*after));
		if (!fit_replay(&fit->traces, &params, after) ||
		    !compare_blocks(before, after, n, SHARE_OF_EACH, &changes[i]))
			return false;
		if (changes[i].accuracy.low > 0 &&
		    (best < 0 || changes[i].accuracy.value > changes[best].accuracy.value))
			best = i;
		say_progress(i + 1, N_CANDIDATES);
	}
	for (int i = 0; i < N_TRIED; i++) {
		struct proposal *row = add_row(fit, tried[i]);
		const struct interval *half = &changes[2 * i].accuracy, *twice = &changes[2 * i + 1].accuracy;

		snprintf(row->evidence, sizeof(row->evidence),
			 "%saccuracy at half %+.4f (%+.4f to %+.4f), at twice %+.4f (%+.4f to %+.4f)",
			 best / 2 == i && best >= 0 ? "" : "no proposal: ", half->value, half->low, half->high,
			 twice->value, twice->low, twice->high);
		if (best >= 0 && best / 2 == i)
			propose(fit, row, (double)row->now * factors[best % 2]);
	}
	return true;
}

/* ---- what is told --------------------------------------------------------------------------------- */

/* How far off an estimate is that goes from one rung to another: from frame to next frame, where they differ. */
static void print_error_of_estimate(const struct fit_traces *traces)
{
	double squares = 0, sum = 0;
	long n = 0;

	for (long i = 1; i < traces->n_frames; i++) {
		const struct fit_frame *a = &traces->frames[i - 1], *b = &traces->frames[i];
		const struct fit_model *model = traces->models[b->model];
		double error;

		if (a->stream != b->stream || a->rung == b->rung || a->rung < 0 || b->rung < 0 || isnan(a->us) ||
		    isnan(b->us))
			continue;
		error = log((double)b->us / (double)a->us * fit_usual_us(model, a->rung) /
			    fit_usual_us(model, b->rung));
		sum += error;
		squares += error * error;
		n++;
	}
	if (n > 1)
		printf("\nEstimated times of rungs that did not run were off by %.0f%% on average and %.0f%% (s) around it,\n"
		       "measured at %ld changes of rung from one frame to the next.\n",
		       100 * (exp(sum / (double)n) - 1),
		       100 * sqrt(fmax(0, squares / (double)n - sum * sum / (double)n / (double)n)), n);
	else
		printf("\nNo rung was changed from one frame to the next: how far off estimated times are is not known.\n");
}

static void print_table(const struct fit *fit)
{
	printf("%-16s %10s %10s  %s\n", "parameter", "now", "proposed", "evidence");
	for (int i = 0; i < fit->n_rows; i++) {
		const struct proposal *row = &fit->rows[i];
		char value[32] = "-";

		if (row->changed)
			snprintf(value, sizeof(value), "%g", (double)row->value);
		printf("%-16s %10g %10s  %s\n", row->param->name, (double)row->now, value, row->evidence);
	}
}

static bool print_change(const struct fit *fit, const struct fit_block *before, struct fit_block *after)
{
	int n = fit->traces.n_blocks;
	struct change change;

	memset(after, 0, (size_t)n * sizeof(*after));
	if (!fit_replay(&fit->traces, &fit->proposed, after) || !compare_blocks(before, after, n, 0.95, &change))
		return false;
	printf("\nExpected of the proposal, over %ld frames in %d minutes (95%%):\n"
	       "  accuracy       %+.4f (%+.4f to %+.4f)\n"
	       "  missed         %+.2f%% (%+.2f%% to %+.2f%%)\n"
	       "  changes of rung %+.2f (%+.2f to %+.2f) a hundred frames\n",
	       fit->traces.n_frames, n, change.accuracy.value, change.accuracy.low, change.accuracy.high,
	       100 * change.missed.value, 100 * change.missed.low, 100 * change.missed.high, 100 * change.changes.value,
	       100 * change.changes.low, 100 * change.changes.high);
	return true;
}

static int count_changed(const struct fit *fit)
{
	int n = 0;

	for (int i = 0; i < fit->n_rows; i++)
		n += fit->rows[i].changed;
	return n;
}

/* Every parameter that differs from the shipped ones, since a file of conf.d may replace an earlier proposal. */
static bool write_proposal(const struct fit *fit)
{
	FILE *file = fopen(fit->out, "we");
	struct policy_params shipped;
	bool ok;

	if (!file) {
		tool_error("%s: %s", fit->out, strerror(errno));
		return false;
	}
	policy_params_init(&shipped);
	fprintf(file, "# Proposed by inferd-policy fit.\npolicy:\n  version: %s\n", fit->proposed.version);
	for (const struct policy_param *row = policy_param_table; row->name; row++)
		if (policy_params_get(&fit->proposed, row) != policy_params_get(&shipped, row))
			fprintf(file, "  %s: %.9g\n", row->name, (double)policy_params_get(&fit->proposed, row));
	ok = !ferror(file);
	ok = fclose(file) == 0 && ok;
	if (!ok)
		tool_error("%s: %s", fit->out, strerror(errno));
	return ok;
}

static bool replay_all(struct fit *fit)
{
	int n = fit->traces.n_blocks;
	struct fit_block *before = calloc(2 * (size_t)n + 2, sizeof(*before)), *after = before + n;
	bool ok = before;

	if (!ok)
		tool_error("out of memory");
	if (ok && n >= BLOCKS_ENOUGH)
		ok = fit_replay(&fit->traces, &fit->traces.params, before) && fit_by_replay(fit, before, after);
	if (ok)
		print_table(fit);
	if (ok && n < BLOCKS_ENOUGH)
		printf("\n%d minutes of traces are too few to say what other parameters would have done.\n", n);
	if (ok && n >= BLOCKS_ENOUGH) {
		print_error_of_estimate(&fit->traces);
		ok = !count_changed(fit) || print_change(fit, before, after);
	}
	free(before);
	return ok;
}

static bool propose_all(struct fit *fit)
{
	fit_traces_settle(&fit->traces);
	fit->proposed = fit->traces.params;
	fit_cap_share(fit);
	fit_spreads(fit);
	fit_temp_high(fit);
	tell_coverage(fit);
	if (!replay_all(fit))
		return false;
	if (!count_changed(fit)) {
		printf("\nNothing is proposed.\n");
		return true;
	}
	policy_params_set_version(&fit->proposed, fit->version);
	return !fit->out || write_proposal(fit);
}

/* Exit status, or -1 to go on. */
static int read_options(int argc, char **argv, struct fit *fit)
{
	struct policy_params scratch;

	for (int i = 1; i < argc; i++) {
		bool has_value = i + 1 < argc;

		if (has_value && strcmp(argv[i], "--trace") == 0) {
			if (!fit_traces_read(&fit->traces, argv[++i]))
				return TOOL_FAILED;
			fit->n_traces++;
		} else if (has_value && strcmp(argv[i], "--out") == 0) {
			fit->out = argv[++i];
		} else if (has_value && strcmp(argv[i], "--version") == 0) {
			fit->version = argv[++i];
		} else if (argv[i][0] == '-') {
			fputs(usage, stderr);
			return TOOL_MISUSED;
		} else if (!fit_record_read(&fit->record, argv[i])) {
			return TOOL_FAILED;
		}
	}
	if (!policy_params_set_version(&scratch, fit->version)) {
		tool_error("--version: 1 to %d letters, digits and .+_-", POLICY_VERSION_BYTES - 1);
		return TOOL_MISUSED;
	}
	if (fit->n_traces || fit->record.devices)
		return -1;
	fputs(usage, stderr);
	return TOOL_MISUSED;
}

int tool_fit(int argc, char **argv)
{
	struct fit *fit;
	int status;

	if (tool_helps(argc, argv, usage))
		return TOOL_DONE;
	fit = calloc(1, sizeof(*fit));
	if (!fit) {
		tool_error("out of memory");
		return TOOL_FAILED;
	}
	policy_params_init(&fit->traces.params);
	fit->version = "fit-1";
	status = read_options(argc, argv, fit);
	if (status < 0)
		status = propose_all(fit) && fflush(stdout) == 0 ? TOOL_DONE : TOOL_FAILED;
	fit_traces_free(&fit->traces);
	free(fit->record.capped_c);
	free(fit);
	return status;
}
