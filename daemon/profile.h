/*
 * profile.h - what was measured of every rung of a model on this device, as text and as the ladder's costs.
 *
 * The text comes from a client or from the disk, and neither is trusted: every number is checked against its range, and
 * it must name every rung of the ladder once.  Lines, each ended by a newline:
 *
 *     inferd-profile 1
 *     identity HEX                            of device and model, as the "models" report has it
 *     rung C50 C90 C99 P50 P90 P99 B50 B90 B99 ACCURACY PHOTOGRAPHS NAME
 *
 * C are microseconds of preprocessing and inference after the lane had rested, P at the rate of a stream, B back to
 * back: their median, 90th and 99th percentile.  ACCURACY, 0..1, is "-" where no photographs were labelled.
 */
#ifndef INFERD_PROFILE_H
#define INFERD_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "ladder.h"

#define PROFILE_BYTES_MAX  (32 << 10)
#define PROFILE_US_MAX	   600e6f
#define PROFILE_PHOTOS_MAX 100000000

struct profile_times {
	float p50_us, p90_us, p99_us;
};

struct profile_rung {
	char name[IPC_NAME_MAX + 1];
	struct profile_times cold, paced, busy;
	float accuracy; /* NAN: not measured */
	uint32_t photographs;
};

struct profile {
	uint64_t identity;
	uint64_t digest; /* of the text */
	int n_rungs;
	struct profile_rung rungs[POLICY_RUNGS_MAX];
};

/* 0; -EINVAL with a sentence that names the line.  length bytes, of which any may be anything. */
int profile_parse(const char *text, size_t length, struct config_error *ret_error, struct profile *ret_profile);

/*
 * Gives the ladder these costs, as known ones before it is settled and as priors after, and forgets what was learned
 * about others.  0; -ESTALE it is of another device or of other networks; -EINVAL its rungs are others: with a
 * sentence, and nothing changed.
 */
int profile_apply(const struct profile *profile, uint64_t identity, struct ladder *ladder,
		  struct config_error *ret_error);

#endif
