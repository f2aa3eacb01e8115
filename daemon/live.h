/*
 * live.h - the last seconds, for `inferctl top`: rates and latencies by model and rung, and the latest reasons.
 *
 * Two windows take turns, so that what is shown is at least one and at most two windows old.  A fixed number of
 * entries; the one that was used longest ago makes place.  On the loop; knows no clock.
 */
#ifndef INFERD_LIVE_H
#define INFERD_LIVE_H

#include "record.h"

#define LIVE_WINDOW_US	 10000000
#define LIVE_RUNGS_MAX	 32
#define LIVE_MODELS_MAX	 16
#define LIVE_CHANGES_MAX 8

struct live_window {
	uint64_t outcomes[RECORD_OUTCOMES];
	struct sketch total; /* us, of frames that were answered */
};

struct live_entry {
	char model[RECORD_NAME_BYTES];
	char rung[RECORD_NAME_BYTES], lane[RECORD_NAME_BYTES]; /* "" of a model as a whole; of frames not run */
	int64_t used_us, window; /* when it last counted, and the number of the window that counts */
	struct live_window windows[2];
};

/* A rung that took over from another. */
struct live_change {
	int64_t at_us; /* 0: this place is empty */
	char model[RECORD_NAME_BYTES], rung[RECORD_NAME_BYTES], reason[POLICY_REASON_BYTES];
};

/* All zeros is one that has seen nothing. */
struct live {
	struct live_entry models[LIVE_MODELS_MAX], rungs[LIVE_RUNGS_MAX];
	struct {
		char rung[RECORD_NAME_BYTES], reason[POLICY_REASON_BYTES];
	} last[LIVE_MODELS_MAX];		      /* of the model at the same place */
	struct live_change changes[LIVE_CHANGES_MAX]; /* a ring; the latest before next_change */
	int next_change;
};

void live_frame(struct live *live, const struct record_frame *frame, int64_t now_us);

/* Whether anything was counted in its windows that is not too old to be shown. */
bool live_is_used(const struct live_entry *entry, int64_t now_us);
/* Both windows of an entry that is used together; returns how many seconds they cover. */
double live_sum(const struct live_entry *entry, int64_t now_us, struct live_window *ret_sum);

#endif
