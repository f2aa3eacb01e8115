/*
 * fit.h - what inferd-policy fit shares: traces in memory, what other parameters would have done, field records.
 */
#ifndef INFERD_POLICY_FIT_H
#define INFERD_POLICY_FIT_H

#include "session.h"

#define FIT_MODELS_MAX	256
#define FIT_STREAMS_MAX 4096
#define FIT_BLOCK_US	INT64_C(60000000) /* frames of a minute hang together: the unit that intervals are made from */

/* A model as one segment of a trace tells of it. */
struct fit_model {
	char name[SESSION_NAME_BYTES];
	struct session session;
	struct {
		double ln_sum; /* of its runs while the clock was not capped */
		long n;
	} times[POLICY_RUNGS_MAX];
	double offset; /* mean logarithm of measured over prior */
	int n_measured;
};

struct fit_stream {
	int model;
	int64_t id;
};

struct fit_frame {
	int model, stream, block;
	int rung; /* on record; -1 not run */
	float us; /* that it took; NAN unknown */
	float min_fps;
	struct policy_sample sample;
};

struct fit_run {
	int model, rung, block;
	float us, freq_cap;
};

struct fit_traces {
	struct policy_params params; /* the last on record */
	struct fit_model *models[FIT_MODELS_MAX];
	struct fit_stream streams[FIT_STREAMS_MAX];
	struct fit_frame *frames;
	struct fit_run *runs;
	long n_frames, n_runs;
	int n_models, n_streams, n_blocks;
};

/* Adds a trace.  False, and said why: it cannot be read, or there is more than memory is given to. */
bool fit_traces_read(struct fit_traces *traces, const char *path);
/* After the last one: what is known of each rung's time. */
void fit_traces_settle(struct fit_traces *traces);
void fit_traces_free(struct fit_traces *traces);

/* A rung's time on an idle device as measured, or, where it hardly ran, as its prior and the others make likely. */
double fit_usual_us(const struct fit_model *model, int rung);

/* What came of the frames of a block. */
struct fit_block {
	double accuracy; /* sum; a late frame, or one that was not run, counts 0 */
	double frames, missed, changes;
};

/*
 * All decisions under these parameters.  A frame's time on another rung than the one that ran is taken to be the time
 * measured, times what is usual for that rung over what is usual for the one that ran; where none ran, the last that
 * did tells how slow the device was.  Waits are those on record.  blocks: n_blocks zeros.  False: out of memory.
 */
bool fit_replay(const struct fit_traces *traces, const struct policy_params *params, struct fit_block *blocks);

/* What field records say that traces do not. */
struct fit_record {
	int devices;
	double bounded, covered; /* frames with a bound, and those within it */
	double *capped_c;	 /* temperature of slices in which a clock was capped */
	long n_capped, n_free;	 /* slices with a temperature and a clock */
};
/* Adds a database, which may hold anything.  False, and said why. */
bool fit_record_read(struct fit_record *record, const char *path);

#endif
