/*
 * record.h - what was measured while serving: distributions, outcomes, reasons and a timeline.
 *
 * Frames are counted on the loop into groups by (model, rung, temperature band, pressure band, parameters); a full
 * batch goes to the store's thread while the next one fills, so that a frame is never kept waiting for a disk.  While
 * the disk is slower than that, the batch in hand goes on filling: sketches lose nothing, and the timeline gets
 * coarser.  Memory is bounded: groups beyond RECORD_GROUPS_MAX are counted in one that is called "other".
 *
 * Knows no jobs, models or clock: it is told.  All calls come from the loop, but for what the store's thread does.
 */
#ifndef INFERD_RECORD_H
#define INFERD_RECORD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "ipc/ipc.h"
#include "policy/policy.h"
#include "policy/sketch.h"
#include "store.h"

#define RECORD_GROUPS_MAX 64
#define RECORD_CAUSES_MAX 24 /* values of enum policy_cause that are told apart */
#define RECORD_SLICES_MAX 64
#define RECORD_RUNGS_MAX  16 /* of one slice; those beyond are "other" */
#define RECORD_SLICE_US	  10000000
#define RECORD_EPOCH_US	  INT64_C(3600000000)
#define RECORD_NAME_BYTES (IPC_NAME_MAX + 1)
#define RECORD_UNKNOWN	  (-1) /* band of what no sensor tells */

/* What became of a frame, and why. */
enum record_outcome {
	RECORD_ON_TIME,		/* answered within its deadline, or without one */
	RECORD_LATE_QUEUED,	/* answered late, because it had waited */
	RECORD_LATE_SLOW,	/* answered late, because it took longer than the bound of its prediction */
	RECORD_LATE_INFEASIBLE, /* answered late, as predicted: no time was ever enough */
	RECORD_EXPIRED,		/* dropped: the deadline passed while it waited */
	RECORD_HOPELESS,	/* dropped: the policy saw that no rung could meet the deadline */
	RECORD_SKIPPED,		/* not run: the policy saved it */
	RECORD_REPLACED,	/* a newer frame took its place, as a latest-only stream asks for */
	RECORD_CANCELLED,
	RECORD_CLOSED,
	RECORD_FAILED,
	RECORD_OUTCOMES
};
const char *record_outcome_name(enum record_outcome outcome); /* "on_time", "late_queued", ... */

/* A frame that is over.  Texts are borrowed for the call. */
struct record_frame {
	const char *model;
	const char *rung; /* "": it was not run */
	const char *lane;
	const char *reason; /* of the decision; "" none was taken */
	enum policy_cause cause;
	enum ipc_status status;
	float accuracy;		      /* expected, of the rung */
	float predicted_us, bound_us; /* of preprocessing and inference; 0 unknown */
	int64_t deadline_us;	      /* from arrival; 0 none */
	uint32_t queue_us, preprocess_us, inference_us, total_us;
};

enum record_outcome record_judge(const struct record_frame *frame);
bool record_is_miss(enum record_outcome outcome); /* late, dropped for its deadline, or failed */

/* Lower ends, in degrees and in percent: below 40, then 40, 50, ... 100; 0, 5, 20, 50. */
int record_temp_band(float temp_c);
int record_pressure_band(float cpu_pressure);

/* ---- one batch: what goes to the store together --------------------------------------------------- */

enum record_measure {
	RECORD_QUEUE, /* us */
	RECORD_PREPROCESS,
	RECORD_INFERENCE,
	RECORD_TOTAL,
	RECORD_OF_DEADLINE,  /* total / deadline, in parts of SKETCH_RATIO_ONE */
	RECORD_OF_PREDICTED, /* (preprocessing + inference) / predicted, likewise */
	RECORD_MEASURES
};

struct record_group {
	char model[RECORD_NAME_BYTES], rung[RECORD_NAME_BYTES], lane[RECORD_NAME_BYTES], params[RECORD_NAME_BYTES];
	int temp_band, pressure_band;
	float accuracy;
	uint64_t outcomes[RECORD_OUTCOMES];
	uint64_t bounded, covered; /* frames with a bound, and those within it */
	struct {
		uint64_t frames;
		char example[POLICY_REASON_BYTES]; /* the latest sentence */
	} causes[RECORD_CAUSES_MAX];
	struct sketch measures[RECORD_MEASURES]; /* of frames that were answered */
};

struct record_slice_rung {
	char model[RECORD_NAME_BYTES], rung[RECORD_NAME_BYTES];
	uint32_t frames, on_time, missed;
};

/* Some seconds of the timeline: means over the sensors' readings, NAN where none could be had. */
struct record_slice {
	int64_t began_us, ended_us; /* on the clock of the run */
	float temp_c, temp_limit_c, cpu_pressure, cpu_load, battery;
	float freq_cap; /* of the lane that is capped most */
	int n_rungs;
	struct record_slice_rung rungs[RECORD_RUNGS_MAX];
};

struct record_batch {
	struct store_task task; /* first */
	struct record *record;
	atomic_bool busy; /* the store's thread has it */
	const char *run, *device, *machine;
	int64_t epoch;	    /* hours since the run began */
	int64_t flushed_us; /* when it was handed over, on the clock of the run */
	uint64_t lost;	    /* frames of batches that could not be written, before this one */
	int n_groups, n_slices;
	uint8_t index[2 * RECORD_GROUPS_MAX];		   /* hash of a group's key -> its number + 1; 0 none */
	struct record_group groups[RECORD_GROUPS_MAX + 1]; /* the last one is "other" */
	struct record_slice slices[RECORD_SLICES_MAX];
};

/* ---- the record ----------------------------------------------------------------------------------- */

struct record;

/* Begins a run at now_us.  Borrows the store.  0 or -ENOMEM. */
int record_create(struct store *store, int64_t now_us, struct record **ret_record);
/* Hands over what is left, which store_destroy() waits for and which must come before record_destroy(). */
void record_end(struct record *record, int64_t now_us);
void record_destroy(struct record *record); /* accepts NULL */

/* Off: nothing more is counted, and what is in hand is handed over. */
void record_configure(struct record *record, bool enabled, int64_t flush_us, const char *params, int64_t now_us);

/* What the sensors say, twice a second; hands the batch over when that is due. */
void record_sense(struct record *record, const struct policy_sample *sample, int64_t now_us);
/* Nobody streams, so that nothing more may come for long: hands the batch over. */
void record_rest(struct record *record, int64_t now_us);
void record_frame(struct record *record, const struct record_frame *frame, int64_t now_us);

struct record_info {
	bool enabled;
	uint64_t frames; /* counted since the start */
	uint64_t lost;	 /* of them, those in batches that could not be written */
	uint64_t other;	 /* of them, those for which there was no group of their own */
};
struct record_info record_describe(const struct record *record);

/* The tables, and a batch into them: adds to what is there.  As store_task.run. */
extern const struct store_schema record_schema;
int record_write(struct sqlite3 *db, const struct record_batch *batch);

#endif
