/*
 * calibrate.h - what the files of inferctl calibrate share: a model's rungs and what was measured of them.
 */
#ifndef INFERCTL_CALIBRATE_H
#define INFERCTL_CALIBRATE_H

#include "cli.h"
#include "labels.h"
#include "load.h"

#define CALIBRATE_RUNGS_MAX 128
#define CALIBRATE_NAME_MAX  63
/*
 * All rungs are measured in turn, several times, so that what disturbs the device for a minute falls on all of them:
 * what counts is how they compare.
 */
#define CALIBRATE_ROUNDS 3

/* Microseconds of preprocessing and inference. */
struct calibrate_times {
	double p50_us, p90_us, p99_us;
	uint32_t runs;
};

struct calibrate_rung {
	char name[CALIBRATE_NAME_MAX + 1], variant[CALIBRATE_NAME_MAX + 1], lane[CALIBRATE_NAME_MAX + 1];
	uint32_t width, height, channels, threads;
	double estimated;				/* accuracy, before anything was measured */
	uint32_t photographs, right;			/* 0: not measured */
	struct load_samples cold_us, paced_us, busy_us; /* of all rounds */
	struct calibrate_times cold, paced, busy;	/* what they come to */
	int64_t energy_uj;    /* of the processors while it ran back to back, idle parts included */
	uint32_t energy_runs; /* frames meanwhile; 0: there is no meter */
	uint32_t waited;      /* frames that others were run before */
	bool dominated;	      /* another rung of the lane is as fast and at least as accurate */
};

struct calibrate {
	/* What is asked for. */
	struct cli *cli;
	const char *model;
	double fps;	/* 0: the model's deadline says */
	double seconds; /* for each rung's times */
	uint32_t shift; /* of classes: labels.h */
	bool force, dry_run;
	struct labels labels; /* none: accuracy is not measured */

	struct inferd *client;
	char identity[17];
	int n_rungs;
	struct calibrate_rung rungs[CALIBRATE_RUNGS_MAX];
	/* What was seen of others meanwhile. */
	uint32_t other_streams;
	double cpu_load;
	int round, at; /* the rung that is measured */
};

/*
 * The accuracy that a rung is judged by: the share of photographs that it got right, with the estimate counting as
 * CALIBRATE_ESTIMATE_PHOTOS more.  A hundred photographs tell two good networks apart no better than a coin; where they
 * do not, the estimate, which comes of tens of thousands, decides.
 */
#define CALIBRATE_ESTIMATE_PHOTOS 20
double calibrate_accuracy(const struct calibrate_rung *rung);
/* Millijoules of a frame; NAN: unknown. */
double calibrate_energy_mj(const struct calibrate_rung *rung);

/* ---- calibrate_measure.c -------------------------------------------------------------------------- */

/* From now on SIGINT and SIGTERM end the measuring, and calibrate_was_interrupted() says so. */
void calibrate_watch_signals(void);
bool calibrate_was_interrupted(void);

/* Shows what is being measured, on a terminal only; NULL clears the line. */
void calibrate_progress(const struct calibrate *calibrate, const char *what);

/* One round of a rung's times.  Complains when it fails, unless it was interrupted; so does the next. */
int calibrate_times(struct calibrate *calibrate, struct calibrate_rung *rung);
void calibrate_sum_up(struct calibrate *calibrate); /* after the last round */
void calibrate_forget(struct calibrate *calibrate); /* frees samples */
int calibrate_photographs(struct calibrate *calibrate, struct calibrate_rung *rung);

/* ---- calibrate_view.c ----------------------------------------------------------------------------- */

/* Marks the rungs that the policy will not choose. */
void calibrate_find_front(struct calibrate *calibrate);
void calibrate_print(const struct calibrate *calibrate);
/* The profile as the daemon takes it; freed by the caller, NULL when memory is short. */
char *calibrate_profile(const struct calibrate *calibrate);

#endif
