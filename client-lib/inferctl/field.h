/*
 * field.h - reads field records (docs/record.md) and merges them: exact for the sketches, counts added.
 *
 * Databases may come from anywhere: nothing in them is trusted, what makes no sense is an error that names the file,
 * and memory is bounded whatever they hold.  They are opened read-only, also while a daemon writes to them.
 */
#ifndef INFERCTL_FIELD_H
#define INFERCTL_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/sketch.h"

#define FIELD_NAME_BYTES  64
#define FIELD_TEXT_BYTES  128
#define FIELD_RUNGS_MAX	  64  /* the last one stands for those beyond */
#define FIELD_REASONS_MAX 256 /* likewise */
#define FIELD_BINS	  160 /* of a timeline */
#define FIELD_DEVICES_MAX 256
#define FIELD_TEMP_BANDS  12 /* unknown, below 40, 40, 50, ... 100 */

enum field_measure {
	FIELD_QUEUE, /* us */
	FIELD_PREPROCESS,
	FIELD_INFERENCE,
	FIELD_TOTAL,
	FIELD_OF_DEADLINE, /* in parts of SKETCH_RATIO_ONE */
	FIELD_OF_PREDICTED,
	FIELD_MEASURES
};

enum field_outcome {
	FIELD_ON_TIME,
	FIELD_LATE_QUEUED,
	FIELD_LATE_SLOW,
	FIELD_LATE_INFEASIBLE,
	FIELD_EXPIRED,
	FIELD_HOPELESS,
	FIELD_FAILED,
	FIELD_SKIPPED,
	FIELD_REPLACED,
	FIELD_CANCELLED,
	FIELD_CLOSED,
	FIELD_UNKNOWN, /* of a later version */
	FIELD_OUTCOMES
};
const char *field_outcome_text(enum field_outcome outcome); /* for people */
bool field_outcome_is_miss(enum field_outcome outcome);	    /* late, dropped for its deadline, or failed */
bool field_outcome_was_asked(enum field_outcome outcome);   /* replaced, cancelled or closed by the client itself */

/* One rung of one model, over everything that was read. */
struct field_rung {
	char model[FIELD_NAME_BYTES], rung[FIELD_NAME_BYTES], lane[FIELD_NAME_BYTES]; /* rung "": frames not run */
	double accuracy_sum;							      /* of frames answered */
	uint64_t bounded, covered;
	uint64_t outcomes[FIELD_OUTCOMES];
	struct sketch measures[FIELD_MEASURES];
	struct sketch *by_temp[FIELD_TEMP_BANDS]; /* inference; NULL: no frame */
};

struct field_reason {
	char model[FIELD_NAME_BYTES], rung[FIELD_NAME_BYTES], cause[FIELD_NAME_BYTES], params[FIELD_NAME_BYTES];
	char example[FIELD_TEXT_BYTES];
	uint64_t frames;
};

/* Part of a timeline, in which time that was not recorded is left out.  Readings are NAN where there were none. */
struct field_bin {
	int64_t ended; /* seconds since 1970 by the device's clock; 0: nothing was recorded */
	double seconds;
	double temp_c, temp_max_c, temp_limit_c, freq_cap, cpu_pressure;
	bool after_gap;			  /* more than a minute was left out before it */
	uint64_t frames[FIELD_RUNGS_MAX]; /* by rung */
	uint64_t on_time, missed;
};

struct field_device {
	char file[256], name[FIELD_NAME_BYTES], machine[FIELD_NAME_BYTES], version[FIELD_NAME_BYTES];
	int64_t began, ended; /* seconds since 1970; 0 unknown */
	double seconds;	      /* recorded */
	uint64_t lost;	      /* frames that could not be written */
	int n_runs;
	int n_bins; /* at most FIELD_BINS */
	struct field_bin *bins;
};

struct field {
	int n_devices, n_rungs, n_reasons;
	struct field_device devices[FIELD_DEVICES_MAX];
	struct field_rung *rungs[FIELD_RUNGS_MAX];
	struct field_reason reasons[FIELD_REASONS_MAX];
	/* private to field.c */
	char (*runs)[FIELD_NAME_BYTES]; /* that were read, so that none is read twice */
	int n_all_runs;
};

struct field_error {
	char text[512];
};

struct field *field_create(void);	 /* NULL: out of memory */
void field_destroy(struct field *field); /* accepts NULL */
/* Adds a database.  0; negative errno with a sentence, after which the field is only good for being destroyed. */
int field_read(struct field *field, const char *path, struct field_error *ret_error);

/* Sums over outcomes of one rung. */
uint64_t field_frames(const struct field_rung *rung);
uint64_t field_missed(const struct field_rung *rung);

#endif
