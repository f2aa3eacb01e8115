/* test_learned.c - what was learned comes back to the same rungs on the same device, and to no others. */
#include "daemon/learned.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/record.h"
#include "support/test.h"

TEST_SUITE(learned);

#define PERIOD_US 1000000

struct rig {
	char dir[64];
	struct learned learned;
	struct ladder ladder;
	struct model model;
	struct models models;
};

/* Waits until it is open. */
static void open_store(struct rig *rig)
{
	uint8_t byte;
	size_t size;

	cr_assert_eq(store_create(rig->dir, 4 << 20, &record_schema, &rig->learned.store), 0);
	cr_assert_eq(store_get(rig->learned.store, "none", 0, 1, &byte, sizeof(byte), &size), -ENOENT);
}

/* As after a restart: the store is read anew, and the ladder knows nothing. */
static void start(struct rig *rig)
{
	struct ladder *ladder = &rig->ladder;

	open_store(rig);
	memset(ladder, 0, sizeof(*ladder));
	ladder->n_rungs = 2;
	ladder->digest = 7;
	ladder->rungs[0] = (struct policy_rung){.width = 32, .height = 32, .channels = 3, .accuracy = 0.7f};
	ladder->rungs[1] = (struct policy_rung){.width = 16, .height = 16, .channels = 3, .accuracy = 0.5f};
	snprintf(ladder->details[0].name, sizeof(ladder->details[0].name), "a@32x32");
	snprintf(ladder->details[1].name, sizeof(ladder->details[1].name), "a@16x16");
	ladder->details[0].warm_us = 3000;
	ladder->details[1].warm_us = 1000;
	policy_latency_init(&ladder->latency, ladder->rungs, 2);
}

static void init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/inferd-learned-XXXXXX");
	cr_assert_not_null(mkdtemp(rig->dir));
	rig->learned.device = 99;
	rig->learned.period_us = PERIOD_US;
	snprintf(rig->model.name, sizeof(rig->model.name), "tiny");
	rig->model.ladder = &rig->ladder;
	rig->models = (struct models){.n = 1, .model = {&rig->model}};
	start(rig);
	ladder_settle(&rig->ladder);
}

static void stop(struct rig *rig)
{
	store_destroy(rig->learned.store);
	rig->learned.store = NULL;
}

static void finish(struct rig *rig)
{
	char command[96];

	stop(rig);
	snprintf(command, sizeof(command), "rm -rf %s", rig->dir);
	cr_assert_eq(system(command), 0);
}

/* Twice as slow as the warm-up said. */
static void learn(struct rig *rig)
{
	struct policy_params params;

	policy_params_init(&params);
	for (int i = 0; i < 200; i++)
		policy_latency_observe(&rig->ladder.latency, &params, rig->ladder.rungs, i % 2,
				       2 * rig->ladder.rungs[i % 2].prior_us, NAN, 1000000 + i * 10000);
}

static float typical_us(const struct rig *rig, int rung)
{
	return policy_latency_typical_us(&rig->ladder.latency, rig->ladder.rungs, rung);
}

static void recall(struct rig *rig)
{
	learned_recall(&rig->learned, &rig->model);
	ladder_settle(&rig->ladder);
}

Test(learned, comes_back_after_a_restart)
{
	struct rig rig;
	float before[2];

	init(&rig);
	learn(&rig);
	before[0] = typical_us(&rig, 0);
	before[1] = typical_us(&rig, 1);
	cr_assert_float_eq(before[0], 6000, 300);
	learned_save(&rig.learned, &rig.models, 5);
	stop(&rig);
	start(&rig);
	/* This warm-up met a busy machine.  What was learned is relative to the one before. */
	rig.ladder.details[0].warm_us = 9000;
	recall(&rig);
	cr_assert_float_eq(rig.ladder.rungs[0].prior_us, 3000, 1);
	cr_assert_float_eq(typical_us(&rig, 0), before[0], 300);
	cr_assert_float_eq(typical_us(&rig, 1), before[1], 100);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, INT64_MAX / 2), -1, "nothing new");
	finish(&rig);
}

static void change_device(struct rig *rig)
{
	rig->learned.device++;
}

static void change_digest(struct rig *rig)
{
	rig->ladder.digest++;
}

static void change_profile(struct rig *rig)
{
	rig->ladder.profile = 5;
}

static void change_rungs(struct rig *rig)
{
	rig->ladder.n_rungs = 1;
	policy_latency_init(&rig->ladder.latency, rig->ladder.rungs, 1);
}

static void change_name(struct rig *rig)
{
	snprintf(rig->model.name, sizeof(rig->model.name), "other");
}

Test(learned, is_not_used_for_anything_else)
{
	void (*const changes[])(struct rig *) = {change_device, change_digest, change_profile, change_rungs,
						 change_name};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct rig rig;

		init(&rig);
		learn(&rig);
		learned_save(&rig.learned, &rig.models, 5);
		stop(&rig);
		start(&rig);
		changes[i](&rig);
		recall(&rig);
		cr_assert_eq(rig.ladder.latency.n_runs, 0u, "change %zu", i);
		cr_assert_float_eq(rig.ladder.rungs[0].prior_us, 3000, 1, "change %zu", i);
		finish(&rig);
	}
}

/* A byte that the disk made up, anywhere in it. */
Test(learned, damaged_values_are_not_used)
{
	static uint8_t bytes[PROFILE_BYTES_MAX];
	struct rig rig;
	size_t size = 0;

	init(&rig);
	learn(&rig);
	learned_save(&rig.learned, &rig.models, 5);
	stop(&rig);
	open_store(&rig);
	cr_assert_eq(store_get(rig.learned.store, "latency/tiny", 0, 1, bytes, sizeof(bytes), &size), 0);
	stop(&rig);
	for (size_t at = 0; at < size; at += size / 23) {
		bytes[at] ^= 0x40;
		open_store(&rig);
		cr_assert_eq(store_put(rig.learned.store, "latency/tiny", 0, 1, bytes, size), 0);
		stop(&rig);
		bytes[at] ^= 0x40;
		start(&rig);
		recall(&rig);
		cr_assert_eq(rig.ladder.latency.n_runs, 0u, "byte %zu", at);
		stop(&rig);
	}
	finish(&rig);
}

Test(learned, is_kept_when_it_is_due)
{
	struct rig rig;

	init(&rig);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 10 * PERIOD_US), -1);
	learn(&rig);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 10 * PERIOD_US), -1, "all is kept");
	learn(&rig);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 10 * PERIOD_US + 300), PERIOD_US - 300);
	cr_assert_eq(rig.ladder.saved_runs, 200u);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 11 * PERIOD_US), -1);
	cr_assert_eq(rig.ladder.saved_runs, 400u);
	finish(&rig);
}

/* However many there are, no frame waits for more than one. */
Test(learned, is_kept_one_model_at_a_time)
{
	struct ladder ladders[2];
	struct model models[2];
	struct rig rig;

	init(&rig);
	learn(&rig);
	for (int i = 0; i < 2; i++) {
		ladders[i] = rig.ladder;
		ladders[i].saved_us = i;
		models[i] = rig.model;
		models[i].ladder = &ladders[i];
		snprintf(models[i].name, sizeof(models[i].name), "more%d", i);
		rig.models.model[rig.models.n++] = &models[i];
	}
	rig.ladder.saved_us = PERIOD_US;
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 2 * PERIOD_US), 0, "another is due");
	cr_assert_eq(ladders[0].saved_runs, 200u);
	cr_assert_eq(ladders[1].saved_runs, 0u);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 2 * PERIOD_US), 0);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 2 * PERIOD_US), -1);
	cr_assert_eq(rig.ladder.saved_runs, 200u);
	finish(&rig);
}

Test(learned, works_without_a_store)
{
	struct rig rig;

	init(&rig);
	stop(&rig);
	learn(&rig);
	learned_save(&rig.learned, &rig.models, 5);
	cr_assert_eq(learned_tick(&rig.learned, &rig.models, 10 * PERIOD_US), -1);
	learned_recall(&rig.learned, &rig.model);
	finish(&rig);
}

static int give_profile(struct rig *rig, uint64_t identity, struct config_error *error, bool *kept)
{
	char text[512];
	int fd = memfd_create("profile", MFD_CLOEXEC), rc;
	int n = snprintf(text, sizeof(text),
			 "inferd-profile 1\nidentity %016llx\n"
			 "rung 9 9 9 500 600 700 4 4 4 0.4 100 a@32x32\nrung 9 9 9 400 600 700 4 4 4 0.6 100 a@16x16\n",
			 (unsigned long long)identity);

	cr_assert_eq(write(fd, text, (size_t)n), n);
	rc = learned_take_profile(&rig->learned, &rig->model, fd, error, 7, kept);
	close(fd);
	return rc;
}

Test(learned, profile_outlives_the_daemon)
{
	struct config_error error = {""};
	struct rig rig;
	bool kept = false;

	init(&rig);
	learn(&rig);
	learned_save(&rig.learned, &rig.models, 5);
	cr_assert_eq(give_profile(&rig, learned_identity(&rig.learned, &rig.ladder), &error, &kept), 0, "%s",
		     error.text);
	cr_assert(kept);
	cr_assert_float_eq(rig.ladder.rungs[0].prior_us, 500, 1);
	/* What was learned of the costs before the profile must not be used with it. */
	stop(&rig);
	start(&rig);
	recall(&rig);
	cr_assert_float_eq(rig.ladder.rungs[0].prior_us, 500, 1);
	cr_assert_float_eq(rig.ladder.rungs[1].accuracy, 0.6, 1e-6);
	cr_assert(rig.ladder.rungs[0].dominated);
	cr_assert_eq(rig.ladder.latency.n_runs, 0u);
	/* What is learned from then on comes back with it. */
	learn(&rig);
	learned_save(&rig.learned, &rig.models, 5);
	stop(&rig);
	start(&rig);
	recall(&rig);
	cr_assert_eq(rig.ladder.latency.n_runs, 200u);
	cr_assert(rig.ladder.rungs[0].dominated);
	/* Another network: neither. */
	stop(&rig);
	start(&rig);
	rig.ladder.digest++;
	recall(&rig);
	cr_assert_eq(rig.ladder.latency.n_runs, 0u);
	cr_assert_float_eq(rig.ladder.rungs[0].prior_us, 3000, 1);
	finish(&rig);
}

Test(learned, profile_that_is_refused_changes_nothing)
{
	struct config_error error = {""};
	struct rig rig;
	bool kept = false;
	int ends[2];

	init(&rig);
	learn(&rig);
	cr_assert_eq(give_profile(&rig, 1, &error, &kept), -ESTALE);
	cr_assert_eq(pipe(ends), 0);
	cr_assert_eq(learned_take_profile(&rig.learned, &rig.model, ends[0], &error, 7, &kept), -EINVAL,
		     "a pipe could keep the loop waiting");
	close(ends[0]);
	close(ends[1]);
	cr_assert_eq(rig.ladder.latency.n_runs, 200u);
	cr_assert_eq(rig.ladder.profile, 0u);
	cr_assert(!kept);
	finish(&rig);
}
