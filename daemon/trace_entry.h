/*
 * trace_entry.h - one thing that happened, as it waits to be written to the trace, and as lines of policy/trace.h.
 *
 * Plain values that are copied as bytes.  Each begins with a head that says how long it is; one of a model ends after
 * its last rung.  Pure.
 */
#ifndef INFERD_TRACE_ENTRY_H
#define INFERD_TRACE_ENTRY_H

#include <stddef.h>

#include "ipc/ipc.h"
#include "policy/policy.h"

enum trace_kind {
	TRACE_PAD,	/* nothing: the end of the ring */
	TRACE_SEGMENT,	/* what comes replays without what was before */
	TRACE_MODEL,	/* its rungs, and what was learned of them */
	TRACE_STATE,	/* what a stream remembers */
	TRACE_DECISION, /* that was acted on */
	TRACE_OBSERVED, /* a run that was learned from */
	TRACE_ENDED	/* what became of a frame */
};

struct trace_head {
	uint32_t kind; /* enum trace_kind */
	uint32_t size; /* of the whole entry, in bytes */
};

struct trace_segment {
	struct trace_head head;
	uint64_t lost; /* entries that are missing before it */
	struct policy_params params;
};

struct trace_model {
	struct trace_head head;
	char name[IPC_NAME_MAX + 1];
	int n_rungs, n_lanes;
	struct policy_latency latency;
	struct trace_rung {
		struct policy_rung rung;
		char name[IPC_NAME_MAX + 1];
	} rungs[POLICY_RUNGS_MAX];
};

struct trace_state {
	struct trace_head head;
	char model[IPC_NAME_MAX + 1];
	uint64_t stream;
	struct policy_state state;
};

struct trace_decision {
	struct trace_head head;
	char model[IPC_NAME_MAX + 1], rung[IPC_NAME_MAX + 1], version[POLICY_VERSION_BYTES];
	uint64_t stream, seq;
	float min_fps;
	struct policy_sample sample;
	struct policy_decision decision;
};

struct trace_observed {
	struct trace_head head;
	char model[IPC_NAME_MAX + 1], rung[IPC_NAME_MAX + 1];
	float us, freq_cap;
	int64_t now_us;
};

struct trace_ended {
	struct trace_head head;
	char model[IPC_NAME_MAX + 1], rung[IPC_NAME_MAX + 1];
	uint64_t stream, seq;
	enum ipc_status status;
	int64_t deadline_us; /* from arrival; 0 none */
	uint32_t queue_us, preprocess_us, inference_us, total_us;
};

/* Of one entry; a model takes two lines. */
#define TRACE_TEXT_BYTES (2 * 65536)

/* The entry's lines with their newlines.  Returns their length; 0 where they would not fit. */
size_t trace_entry_encode(const struct trace_head *entry, char ret_text[TRACE_TEXT_BYTES]);

#endif
