/*
 * observe.h - from frames and sensors to those who watch: the field record, the trace and the live view.
 *
 * Translates between the daemon's objects and their plain values.  On the loop.
 */
#ifndef INFERD_OBSERVE_H
#define INFERD_OBSERVE_H

#include "config/config.h"
#include "governor.h"
#include "live.h"
#include "record.h"
#include "topology.h"

struct observe {
	const char *state_dir; /* NULL: nothing is kept */
	const struct topology_lane *lanes;
	struct governor *governor;	    /* borrowed; the trace that it writes begins and ends here */
	struct store *store;		    /* NULL: nothing can be kept */
	struct record *record;		    /* NULL until something is to be recorded */
	char trace_path[CONFIG_PATH_BYTES]; /* of the trace, or "" */
	char params[RECORD_NAME_BYTES];	    /* names the policy's parameters of the day */
	struct live live;
};

/*
 * Opens the store in state_dir; before anything else.  It is there whether a record is kept or not, for what the policy
 * learns.  That it cannot be opened is said in the log, and no error.
 */
void observe_open(struct observe *observe, const struct config *config);
/* Takes what the configuration says; again after a reload.  What cannot be kept is said in the log, and no error. */
void observe_configure(struct observe *observe, const struct config *config, int64_t now_us);
/* Waits until all is on disk. */
void observe_finish(struct observe *observe, int64_t now_us);

void observe_frame(struct observe *observe, const struct job *job, const struct model *model, int64_t now_us);
/* Nobody streams any more. */
void observe_rest(struct observe *observe, int64_t now_us);
/* After every poll of the sensors. */
void observe_sensors(struct observe *observe, const struct sensors *sensors, int n_lanes, int64_t now_us);

#endif
