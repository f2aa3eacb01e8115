/*
 * tracer.h - from jobs and ladders to the trace: what a replay needs, in the order in which it happened.
 *
 * A replay has to know what the policy knew, so the first decision about a model or a stream in a segment
 * (trace_file.h) is preceded by what was learned of the model or what the stream remembers: copies of bounded size.
 * Where an entry was lost, what follows would not replay; it is left out until a new segment can begin.
 *
 * On the loop.  Every function does nothing where there is no file.
 */
#ifndef INFERD_TRACER_H
#define INFERD_TRACER_H

#include "config/config.h"
#include "job.h"
#include "trace_file.h"

/* Streams that were told of in one segment; those beyond begin a new one, so that a replay has to keep no more. */
#define TRACER_STREAMS_MAX 512

struct tracer {
	struct trace_file *file;	    /* owned; NULL: nothing is traced */
	const struct policy_params *params; /* borrowed */
	bool begun;			    /* a segment, of which nothing was lost yet */
	uint32_t segment;		    /* number of the one under way */
	uint64_t lost, told_lost;	    /* entries left out by the loop; by anybody, as the last segment said */
	uint64_t last_stream;		    /* number given to a stream */
	int n_models, n_streams;	    /* that were told of */
	struct tracer_model {
		uint64_t ladder; /* its uid */
		char name[CONFIG_NAME_BYTES];
	} models[CONFIG_MODELS_MAX];
};

/* Consumes the file, which may be NULL; borrows the parameters, which may change when tracer_restart() follows. */
void tracer_init(struct tracer *tracer, struct trace_file *file, const struct policy_params *params);
void tracer_finish(struct tracer *tracer); /* writes what waits */

/* Parameters or models have changed: what comes next begins a segment. */
void tracer_restart(struct tracer *tracer);

/* The policy's decision about a job is acted on; its stream's memory is still as the policy found it. */
void tracer_decided(struct tracer *tracer, const struct job *job, const struct policy_decision *decision);
/* policy_latency_observe() is called. */
void tracer_observed(struct tracer *tracer, const struct ladder *ladder, int rung, float us, float freq_cap,
		     int64_t now_us);
void tracer_ended(struct tracer *tracer, const struct job *job, const struct model *model);

/* What waits is to be written now. */
void tracer_flush(struct tracer *tracer);
uint64_t tracer_lost(const struct tracer *tracer);

#endif
