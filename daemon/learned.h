/*
 * learned.h - what is known of the models' rungs, kept across restarts in the store: what the policy learned while
 * serving, and the profiles of calibrations.
 *
 * Each value carries a hash of the device, the networks and the rungs that it is about.  What does not match is left
 * where it is and not used, with a line in the log; the next thing that is learned takes its place.  Nothing here fails
 * in a way that serving depends on.
 */
#ifndef INFERD_LEARNED_H
#define INFERD_LEARNED_H

#include "models.h"
#include "profile.h"
#include "store.h"

struct learned {
	struct store *store; /* borrowed; NULL: nothing is kept */
	uint64_t device;     /* as of identity_device() */
	int64_t period_us;   /* between two times that a model is kept */
};

/* Of device, networks and rungs together: what a profile has to be of. */
uint64_t learned_identity(const struct learned *learned, const struct ladder *ladder);

/*
 * Gives a model's ladder, which is not settled, what is known of it.  Waits for the disk: off the loop.
 */
void learned_recall(const struct learned *learned, const struct model *model);

/* Hands what has changed to the store, which writes it in its own time. */
void learned_save(const struct learned *learned, const struct models *models, int64_t now_us);
/*
 * The same of one model, if one is due: putting it together takes a tenth of a millisecond, and frames are waiting.
 * Returns after how many microseconds to call again, -1: nothing has changed.
 */
int64_t learned_tick(const struct learned *learned, const struct models *models, int64_t now_us);

/*
 * Takes a profile from a client's file: checks it, uses it and keeps it.  0, or a negative errno with a sentence and
 * nothing changed: -EINVAL, -ESTALE as of profile_apply(), or of reading.  *ret_kept: it will outlive the daemon.
 */
int learned_take_profile(const struct learned *learned, const struct model *model, int fd,
			 struct config_error *ret_error, int64_t now_us, bool *ret_kept);

#endif
