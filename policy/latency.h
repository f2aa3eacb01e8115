/*
 * latency.h - what is learned of the rungs' times on this device, while serving.
 *
 * In logarithms, the time of a rung is its prior, plus how slow its lane is of late (a Kalman filter per lane), plus
 * what was learned of its variant, its size and itself, plus chance.  Chance is kept as a distribution: its variance, a
 * histogram of standardised residuals, and a bound that moves so that a given share of frames exceeds it, whatever the
 * distribution is.
 *
 * Plain values, copied by assignment; one thread at a time.  Pure functions: time is given.  Nothing fails; nonsense
 * is clamped or left out.
 */
#ifndef INFERD_POLICY_LATENCY_H
#define INFERD_POLICY_LATENCY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "params.h"

#define POLICY_RUNGS_MAX 128
#define POLICY_LANES_MAX 8
#define POLICY_BINS	 34
#define POLICY_OUTLIERS	 3
#define POLICY_PHASES	 2 /* kinds of frames of one stream, with rungs of their own */

/* What a time is made of, beside its prior and chance. */
enum policy_part { POLICY_PART_LANE, POLICY_PART_VARIANT, POLICY_PART_SIZE, POLICY_PART_RUNG, POLICY_PARTS };

/* One way to run a frame. */
struct policy_rung {
	uint16_t variant; /* index; the caller knows the names */
	uint16_t width, height;
	uint8_t channels; /* 3, or 1 for gray */
	uint8_t lane;
	uint8_t threads;
	uint8_t phase;	/* of the frames that it can run, as of struct policy_sample; 0 where all are alike */
	float accuracy; /* expected, 0..1, measured or estimated */
	float prior_us; /* preprocessing and inference, before anything was observed on this device */
	float power_w;	/* while running; 0 unknown */
	bool dominated; /* set by policy_prune(): another rung is as fast and more accurate */
};

/* What sets one variant, size or rung apart from its prior, in logarithms. */
struct policy_bias {
	float value, variance;
	uint32_t count; /* runs that it was learned from */
	uint32_t seen;	/* number of the last of them among all runs */
};

struct policy_latency_lane {
	float slowdown; /* logarithm of measured over predicted, of late */
	/* Covariance of that estimate and of the biases of the rung that ran last, which it was learned together with.
	 */
	float joint[POLICY_PARTS][POLICY_PARTS];
	float drift;	 /* variance that a frame adds to it */
	float last_z;	 /* residual of the last run in standard deviations */
	float usual;	 /* slow mean of the slowdown; what persists */
	float swing;	 /* variance about it */
	float suspect;	 /* residual of the last run where it was beyond doubt: chance, or a jump? 0 it was not */
	float suspect_z; /* the same in standard deviations */
	int16_t suspect_rung;
	uint32_t count;	   /* runs */
	int64_t seen_us;   /* when one ended last; 0 never */
	int16_t last_rung; /* that ran here; -1 none yet */
};

struct policy_latency {
	int n_rungs;
	struct policy_latency_lane lane[POLICY_LANES_MAX];
	/* First rung of the same variant, and of the same size and channels: where their biases are kept. */
	uint8_t variant_of[POLICY_RUNGS_MAX], size_of[POLICY_RUNGS_MAX];
	struct policy_bias variant[POLICY_RUNGS_MAX], size[POLICY_RUNGS_MAX], rung[POLICY_RUNGS_MAX];
	uint8_t runs[POLICY_RUNGS_MAX][POLICY_LANES_MAX]; /* of a variant on a lane since the start, up to 255 */
	uint32_t n_runs;				  /* of all rungs */
	float noise;					  /* variance of chance */
	float weight[POLICY_BINS];			  /* of the histogram */
	float below[POLICY_BINS];			  /* share of chance below each bin's upper edge */
	float bound;					  /* standard deviations that bound_share of frames exceed */
	uint32_t bound_runs, bound_saturated;		  /* runs that moved it, and those that met its limits */
	struct {
		float jumps, spikes;
	} outlier[POLICY_OUTLIERS];	    /* what those of one size turned out to be */
	float switch_variant, switch_other; /* logarithm of what a change of variant, or of anything else, costs */
};

/* As if nothing was known but the rungs' priors, which may still change.  n_rungs 1..POLICY_RUNGS_MAX. */
void policy_latency_init(struct policy_latency *latency, const struct policy_rung *rungs, int n_rungs);

/* A rung's time as a distribution: logarithms of microseconds. */
struct policy_forecast {
	float mean_ln, spread_ln;
	float change_ln;	    /* what changing to it costs once; not part of mean_ln */
	float doubt_ln;		    /* the part of spread_ln that comes from knowing little of this rung */
	float jump_ln, jump_chance; /* the lane may have become slower by this */
};

/*
 * What is known of a lane now.  Between runs it drifts; one that has not run for long is more and more likely as slow
 * as it usually is, within how far it usually swings.
 */
struct policy_lane_now {
	float slowdown, variance;
	float unseen;		    /* the part of the variance that comes from not having run for long */
	float keep;		    /* share of what it was of late that still holds */
	float level;		    /* variance of the level at which its last rung runs */
	float capped_ln;	    /* what a capped clock adds */
	float jump_ln, jump_chance; /* as of struct policy_forecast */
};

/* freq_cap: 0..1, NAN unknown.  The same for all rungs of the lane: asked once where many are asked about. */
struct policy_lane_now policy_latency_lane_now(const struct policy_latency *latency, const struct policy_params *params,
					       int lane, float freq_cap, int64_t now_us);
/* lane: of that rung. */
struct policy_forecast policy_latency_forecast_on(const struct policy_latency *latency,
						  const struct policy_params *params, const struct policy_rung *rungs,
						  int rung, const struct policy_lane_now *lane);
/* Both in one. */
struct policy_forecast policy_latency_forecast(const struct policy_latency *latency, const struct policy_params *params,
					       const struct policy_rung *rungs, int rung, float freq_cap,
					       int64_t now_us);
/* What was learned of its time, for people: the median of late; 0 before anything ran on its lane. */
float policy_latency_typical_us(const struct policy_latency *latency, const struct policy_rung *rungs, int rung);
/* Chance that it takes no longer than this. */
float policy_latency_chance(const struct policy_latency *latency, const struct policy_forecast *forecast,
			    float budget_ln);

/* Learns from a run that took us microseconds and ended at now_us. */
void policy_latency_observe(struct policy_latency *latency, const struct policy_params *params,
			    const struct policy_rung *rungs, int rung, float us, float freq_cap, int64_t now_us);

/*
 * All of it as bytes, with a version, a checksum and a hash that the caller makes of everything it depends on (device,
 * models).
 */
#define POLICY_LATENCY_BYTES_MAX 8192

/* Bytes written, or 0 where size is too small. */
size_t policy_latency_save(const struct policy_latency *latency, uint64_t hash, void *bytes, size_t size);

enum policy_load {
	POLICY_LOADED,
	POLICY_LOAD_TRUNCATED, /* shorter or longer than what it says it is */
	POLICY_LOAD_VERSION,   /* written by another version, or something else */
	POLICY_LOAD_CHECKSUM,
	POLICY_LOAD_HASH,   /* of another device or other models */
	POLICY_LOAD_RUNGS,  /* of another number of rungs */
	POLICY_LOAD_NUMBERS /* some value is out of its range */
};
const char *policy_load_text(enum policy_load load); /* a sentence */

/*
 * Into one that policy_latency_init() made for the same rungs; where it is rejected nothing changes.  Load, after a
 * restart, leaves out what was of the moment: how slow the lanes were just then.  Restore takes all, for a replay.
 */
enum policy_load policy_latency_restore(struct policy_latency *latency, uint64_t hash, const void *bytes, size_t size);
enum policy_load policy_latency_load(struct policy_latency *latency, uint64_t hash, const void *bytes, size_t size);

#endif
