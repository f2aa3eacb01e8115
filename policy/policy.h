/*
 * policy.h - which rung runs a frame.
 *
 * Pure functions: no clock, no I/O, no malloc, no globals, no randomness.  Time and sensors come in as
 * numbers; the same inputs give the same decision on every machine, so that a recorded day can be
 * replayed.  All structs are plain values, copied by assignment; the caller owns them and calls from one
 * thread at a time per struct.  Nothing here fails: inputs out of range are clamped, unknown
 * sensors are NAN or negative as said beside each.
 *
 * The constants of the decision are in params.h, what is learned of the rungs' times in latency.h.
 */
#ifndef INFERD_POLICY_H
#define INFERD_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "latency.h"
#include "params.h"

#define POLICY_REASON_BYTES 128

/* What the device and the queue look like now. */
struct policy_sample {
	int64_t now_us;	     /* monotonic */
	int64_t deadline_us; /* of this frame, counted from its arrival; 0 none */
	int64_t queued_us;   /* this frame has waited so far */
	int queue_depth;     /* frames waiting behind this one: of its stream, and one of every other */
	int phase;	     /* only rungs of this phase can run it */
	float work;	     /* how many times it does a rung's work; 0 once */
	float share_us;	     /* lane time that it may take for its stream to keep its rate; 0 no limit */
	int n_lanes;
	float lane_wait_us[POLICY_LANES_MAX]; /* until the lane is free; 0 now */
	float freq_cap[POLICY_LANES_MAX];     /* 0..1 of the highest clock; NAN unknown */
	float temp_c;			      /* hottest plausible zone; NAN unknown */
	float temp_limit_c;		      /* lowest trip point of a zone that throttles; NAN unknown */
	float cpu_pressure;		      /* share of time some task waited for a CPU, 0..1; NAN unknown */
	float cpu_load;			      /* share of CPU time used by others, 0..1; NAN unknown */
	float battery;			      /* 0..1 while discharging; NAN on mains or unknown */
	float motion;			      /* difference from the frame that ran last, 0..1; NAN unknown */
	float blur;			      /* of this frame, 0 sharp .. 1; NAN unknown */
	float memory_pressure;		      /* share of time some task waited for memory, 0..1; NAN unknown */
	float cooling; /* strongest state of what slows the processor, 0..1 of its range; NAN unknown */
};

/* What one stream remembers between frames. */
struct policy_state {
	int rung;	       /* held for sharp frames; -1 before the first */
	int phase;	       /* of the frame before; `rung` is of it */
	int other_rung;	       /* held for frames of the other phase; -1 none */
	int64_t changed_us;    /* when it last went up; 0 never */
	int64_t calm_since_us; /* since when a better rung would have fitted; 0 not */
	int64_t last_run_us;   /* when a frame was last run; 0 never */
	int64_t backoff_us;    /* dwell asked of the next step up; grows when it is forced down soon */
	int64_t counted_us;    /* when `changes` was last brought up to date */
	float changes;	       /* changes of rung of late, each fading over a minute */
	float last_accuracy;   /* expected, of the frame that ran last */
	float felt_c;	       /* temperature that heat is judged by: falls later than the device's; -273 none */
	float run_s;	       /* predicted time of the frame that ran last */
	float busy_s;	       /* time that frames ran of late, until the next arrived */
	float met;	       /* frames that arrived of late while one ran */
	uint32_t frames;       /* decisions since something was explored */
};
void policy_state_init(struct policy_state *state);

enum policy_cause {
	POLICY_BEST,	  /* the best rung fits */
	POLICY_DEADLINE,  /* a better one would miss the deadline */
	POLICY_HOT,	  /* temperature over temp_high_c */
	POLICY_CRITICAL,  /* temperature over temp_critical_c */
	POLICY_THROTTLED, /* the kernel caps the clock */
	POLICY_BUSY,	  /* CPU pressure or load, or frames are waiting */
	POLICY_SETTLING,  /* a better one fits, but not for long enough yet */
	POLICY_BATTERY,	  /* a better one is not worth its energy at this charge */
	POLICY_BLURRED,	  /* a better one is wasted on a blurred frame */
	POLICY_EXPLORE,	  /* tried, because little is known of it */
	POLICY_SKIP,	  /* not run: hot and the rate is above min_fps */
	POLICY_STILL,	  /* not run: the scene has not changed, and energy is short */
	POLICY_HOPELESS	  /* not run: not even the fastest rung can meet the deadline */
};
const char *policy_cause_name(enum policy_cause cause); /* "best", "deadline", ... */

struct policy_decision {
	int rung; /* index, or -1: do not run this frame */
	enum policy_cause cause;
	float predicted_us;		  /* of the rung chosen, the median */
	float bound_us;			  /* that all but params' bound_share of frames stay within; 0 unknown */
	float chance;			  /* that it meets the deadline, 0..1 */
	char reason[POLICY_REASON_BYTES]; /* a sentence for people, with the figures that decided */
};

/*
 * Marks the rungs that another rung of the same lane and phase beats: at most its cost (prior_us) and at least its
 * accuracy; of equals the lower index stays.  Lanes are kept apart, for one may be free while another is busy.  At
 * least one rung of each stays.  Returns how many are left.
 */
int policy_prune(struct policy_rung *rungs, int n_rungs);

/*
 * Chooses the rung for one frame: of those that meet the deadline as surely as params ask, the one of the greatest
 * expected accuracy less what its energy and the change to it are worth.  Steps down at once, and up when a better
 * rung has fitted for a dwell, which doubles when the last step up had to be taken back soon.  n_rungs
 * 1..POLICY_RUNGS_MAX, latency of the same rungs, of which the sample's phase has some.
 */
void policy_decide(const struct policy_params *params, const struct policy_rung *rungs, int n_rungs,
		   const struct policy_latency *latency, const struct policy_sample *sample, struct policy_state *state,
		   struct policy_decision *ret_decision);

/*
 * Expected accuracy when a classifier runs at another input side than its own (ratio: side / own side) or in gray,
 * without having been trained for it; used until it is measured.  The loss by size has the shape that Touvron et al.
 * found ("Fixing the train-test resolution discrepancy", 2019), small down to three quarters of the side and steep
 * below a half, and the height that docs/accuracy.md measured for eight networks; a larger picture is taken to gain
 * nothing. Gray is taken to cost a fifth.  Within 0..native_accuracy, rising with the ratio.
 */
float policy_accuracy(float native_accuracy, float size_ratio, bool gray);

#endif
