/*
 * loader.h - a new generation: configuration and models, loaded off the loop and warmed up on the lanes, one model
 * after the other, so that no more of them are in memory than the budget allows.
 *
 * One load at a time.  It changes nothing that serves: the result is handed to the owner, who swaps it in or not.
 */
#ifndef INFERD_LOADER_H
#define INFERD_LOADER_H

#include <uv.h>

#include "dispatch.h"
#include "learned.h"
#include "models.h"
#include "residency.h"

/* Warm-ups of one model take about this long at most; rungs left over are estimated. */
#define LOADER_WARM_US 2000000

struct loader {
	/* Set by the owner; all borrowed. */
	uv_loop_t *loop;
	struct dispatch *dispatch;
	struct residency *residency;
	const struct learned *learned;
	const struct topology_lane *lanes;
	int n_lanes;
	const char *state_dir;			     /* NULL: networks are not kept converted */
	void (*done)(struct loader *loader, int rc); /* on the loop; the result below is the owner's then */

	bool busy, dry_run, cancelled;
	/* The result, or why there is none. */
	struct config *config;
	struct models *models;
	struct config_error error;
	int n_loaded; /* models whose networks were loaded; the others kept theirs */

	/* private to loader.c */
	const char *path;
	const struct config *running;
	const struct models *before;
	uv_work_t work;
	int rc;
	struct dispatch_chore chore;
	int rung; /* of the warm-up under way, of the last model */
	int step; /* through its rungs, which are walked twice */
	int64_t warm_until_us;
};

/*
 * Starts a load.  From a file, path, or, when config is not NULL, of that configuration (consumed).  running and
 * before (both may be NULL) stay what they are until done was called.
 */
void loader_start(struct loader *loader, const char *path, struct config *config, const struct config *running,
		  const struct models *before, bool dry_run);

/* What differs between two configurations and cannot change while running, or NULL. */
const char *loader_needs_restart(const struct config *running, const struct config *next);

#endif
