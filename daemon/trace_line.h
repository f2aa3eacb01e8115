/*
 * trace_line.h - everything that a decision saw, what it was and what came of it, as one line of JSON.
 *
 * Numbers are written with as many digits as bring the same float back, so that a replay sees the same bits.  What is
 * not known (NAN) is null.  Pure.
 */
#ifndef INFERD_TRACE_LINE_H
#define INFERD_TRACE_LINE_H

#include <stddef.h>

#include "ipc/ipc.h"
#include "policy/policy.h"

struct trace_frame {
	uint64_t stream, seq;
	uint64_t rungs; /* hash of the model's rungs, so that a replay knows whether it has the same */
	float min_fps;	/* of the stream */
	char model[IPC_NAME_MAX + 1], rung[IPC_NAME_MAX + 1], params[IPC_NAME_MAX + 1];
	enum ipc_status status;
	bool decided; /* sample and decision hold */
	struct policy_sample sample;
	struct policy_decision decision;
	uint32_t queue_us, preprocess_us, inference_us, total_us;
};

#define TRACE_LINE_BYTES 4096

/* With a newline at the end.  Returns its length; 0 where it would not fit. */
size_t trace_line_encode(const struct trace_frame *frame, char ret_line[TRACE_LINE_BYTES]);

#endif
