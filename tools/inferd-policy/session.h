/*
 * session.h - the rungs of one model and what is learned of them, as drive and replay read them from lines.
 */
#ifndef INFERD_POLICY_SESSION_H
#define INFERD_POLICY_SESSION_H

#include "tool.h"

#define SESSION_NAME_BYTES 128

struct session {
	int n_rungs, n_lanes; /* 0 rungs: none read yet */
	char names[POLICY_RUNGS_MAX][SESSION_NAME_BYTES];
	struct policy_rung rungs[POLICY_RUNGS_MAX];
	struct policy_latency latency;
};

/* The functions that return false have said why, with the line. */

/* {"rungs":[..],"lanes":N} of the line. */
bool session_read_rungs(struct session *session, const struct tool_lines *lines);
/* A frame's sensors; its "t_us" counts from start_us. */
bool session_read_sample(const struct session *session, const struct tool_lines *lines, int64_t start_us,
			 struct policy_sample *s);
/* What was learned of its rungs: the text of hexadecimal digits at this node. */
bool session_read_latency(struct session *session, const struct tool_lines *lines, int node);
/* Index by name, or -1. */
int session_find_rung(const struct session *session, const char *name);

#endif
