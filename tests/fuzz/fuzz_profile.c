/*
 * fuzz_profile.c - any bytes as a profile: refused with a sentence and nothing changed, or every number that a ladder
 * then goes by is within its range.
 */
#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_ladder(struct ladder *ladder)
{
	memset(ladder, 0, sizeof(*ladder));
	ladder->n_rungs = 2;
	for (int i = 0; i < 2; i++) {
		snprintf(ladder->details[i].name, sizeof(ladder->details[i].name), "%s", i ? "b" : "a");
		ladder->details[i].warm_us = 100;
	}
	policy_latency_init(&ladder->latency, ladder->rungs, 2);
	ladder_settle(ladder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ladder ladder, before;
	static struct profile profile;
	struct config_error error = {""};

	make_ladder(&ladder);
	before = ladder;
	if (profile_parse((const char *)data, size, &error, &profile) < 0 ||
	    profile_apply(&profile, UINT64_C(0x0123456789abcdef), &ladder, &error) < 0) {
		assert(error.text[0]);
		assert(!memcmp(&ladder, &before, sizeof(ladder)));
		return 0;
	}
	for (int i = 0; i < ladder.n_rungs; i++) {
		assert(ladder.rungs[i].prior_us >= 1 && ladder.rungs[i].prior_us <= PROFILE_US_MAX);
		assert(ladder.rungs[i].accuracy >= 0 && ladder.rungs[i].accuracy <= 1);
	}
	assert(!ladder.rungs[ladder.best[LADDER_FULL]].dominated);
	return 0;
}
