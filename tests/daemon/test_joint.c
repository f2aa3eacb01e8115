/* The rungs of a pipeline, made of those of two small networks on two lanes. */
#include "daemon/joint.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "support/test.h"
#include "support/tiny_network.h"
#include "test_root.h"

TEST_SUITE(joint);

static const struct topology_lane lanes[] = {{.name = "big", .threads = 2}, {.name = "little", .threads = 1}};

struct made {
	struct test_root root;
	struct config *config;
	struct ladder *ladder;
	struct config_error error;
};

/* The variants of each stage. */
static int make(struct made *made, const char *detector_variants, const char *landmark_variants)
{
	char text[8192], stem[512];
	const struct config_model *stages[CONFIG_STAGES];
	int rc;

	memset(made, 0, sizeof(*made));
	test_root_init(&made->root);
	snprintf(stem, sizeof(stem), "%s/d", made->root.path);
	tiny_detector_write(stem, 32);
	snprintf(stem, sizeof(stem), "%s/m", made->root.path);
	tiny_mesh_write(stem, 32);
	snprintf(text, sizeof(text),
		 "models:\n"
		 "  - {name: finder, task: detect, detector: corners, variants: [%s]}\n"
		 "  - {name: mesh, task: landmarks, landmarks: face, variants: [%s]}\n"
		 "  - {name: faces, pipeline: [finder, mesh]}\n",
		 detector_variants, landmark_variants);
	rc = config_load_text("c.yaml", made->root.path, text, strlen(text), &made->error, &made->config);
	cr_assert_eq(rc, 0, "%s", made->error.text);
	for (int i = 0; i < CONFIG_STAGES; i++)
		stages[i] = &made->config->models[i];
	return ladder_create_pipeline(stages, lanes, 2, &made->error, &made->ladder);
}

static void finish(struct made *made)
{
	ladder_unref(made->ladder);
	config_destroy(made->config);
	test_root_finish(&made->root);
}

Test(joint, a_rung_is_one_of_each_stage_on_the_same_lane_or_of_the_second_alone)
{
	static const char *const names[] = {"d@32x32+m@32x32/big", "d@32x32+m@32x32/little", "tracked+m@32x32/big",
					    "tracked+m@32x32/little"};
	struct made made;

	cr_assert_eq(make(&made, "{name: d, file: d.param, accuracy: 0.8}", "{name: m, file: m.param, accuracy: 0.5}"),
		     0, "%s", made.error.text);
	cr_assert_eq(made.ladder->n_rungs, 4);
	for (int i = 0; i < 4; i++) {
		const struct policy_rung *rung = &made.ladder->rungs[i];

		cr_assert_str_eq(made.ladder->details[i].name, names[i]);
		cr_assert_eq(rung->lane, i % 2);
		cr_assert_eq(rung->phase, i < 2 ? LADDER_FULL : LADDER_TRACKED);
		cr_assert_float_eq(rung->accuracy, 0.4f, 1e-6);
		cr_assert_eq(made.ladder->details[i].twin, (i + 2) % 4);
	}
	cr_assert_eq(ladder_find(made.ladder, "tracked+m@32x32/little"), 3);
	finish(&made);
}

Test(joint, times_are_the_sum_of_the_stages)
{
	struct made made;
	struct ladder *ladder;

	cr_assert_eq(make(&made, "{name: d, file: d.param}", "{name: m, file: m.param}"), 0, "%s", made.error.text);
	ladder = made.ladder;
	for (int i = 0; i < 2; i++) {
		ladder->stage[LADDER_DETECTOR]->details[i].warm_us = 3000;
		ladder->stage[LADDER_LANDMARKS]->details[i].warm_us = 1000;
	}
	ladder_settle(ladder);
	for (int i = 0; i < 4; i++) {
		cr_assert_float_eq(ladder->rungs[i].prior_us, i < 2 ? 4000 : 1000, 1e-2);
		cr_assert(!ladder->rungs[i].dominated);
	}
	cr_assert_eq(ladder->rungs[ladder->best[LADDER_TRACKED]].phase, LADDER_TRACKED);
	cr_assert_eq(ladder->rungs[ladder->quickest[LADDER_FULL]].phase, LADDER_FULL);
	finish(&made);
}

/* n variants of one file, the first of which is the most accurate. */
static const char *variants(char *text, size_t size, char name, int n)
{
	text[0] = '\0';
	for (int i = 0; i < n; i++)
		snprintf(text + strlen(text), size - strlen(text), "%s{name: %c%d, file: %c.param, accuracy: 0.%d}",
			 i ? ", " : "", name, i, name, 90 - i);
	return text;
}

Test(joint, what_another_beats_in_its_stage_is_left_out_where_there_are_too_many)
{
	char detectors[2048], meshes[2048];
	struct made made;

	/* 8 times 8 on two lanes, and 8 more on each, are over 128. */
	cr_assert_eq(
		make(&made, variants(detectors, sizeof(detectors), 'd', 8), variants(meshes, sizeof(meshes), 'm', 8)),
		0, "%s", made.error.text);
	cr_assert_eq(made.ladder->n_rungs, 4);
	cr_assert_str_eq(made.ladder->details[0].name, "d0@32x32+m0@32x32/big");
	finish(&made);
	/* 7 times 7 and 7 more are not. */
	cr_assert_eq(
		make(&made, variants(detectors, sizeof(detectors), 'd', 7), variants(meshes, sizeof(meshes), 'm', 7)),
		0, "%s", made.error.text);
	cr_assert_eq(made.ladder->n_rungs, 2 * (49 + 7));
	finish(&made);
}

Test(joint, a_name_that_is_too_long_is_refused_by_name)
{
	struct made made;

	cr_assert_lt(make(&made, "{name: a-detector-with-a-name-that-is-long, file: d.param}",
			  "{name: and-a-landmark-network-too, file: m.param}"),
		     0);
	cr_assert(strstr(made.error.text, "is longer than 63 bytes"), "%s", made.error.text);
	finish(&made);
}

Test(joint, networks_leave_and_come_back_by_stage)
{
	struct network *networks[LADDER_NETWORKS_MAX];
	struct ladder *fresh = NULL;
	struct made made;
	int n = 0;

	cr_assert_eq(make(&made, "{name: d, file: d.param}", "{name: m, file: m.param}"), 0, "%s", made.error.text);
	ladder_unload(made.ladder, networks);
	for (int i = 0; i < LADDER_NETWORKS_MAX; i++) {
		n += networks[i] != NULL;
		network_put(networks[i]);
	}
	cr_assert_eq(n, 2);
	cr_assert(!made.ladder->resident && !made.ladder->stage[LADDER_DETECTOR]->details[0].plan);
	cr_assert_eq(ladder_create_again(made.ladder, &made.error, &fresh), 0, "%s", made.error.text);
	cr_assert_eq(ladder_adopt(made.ladder, fresh), 0);
	ladder_unref(fresh);
	cr_assert(made.ladder->resident);
	for (int i = 0; i < CONFIG_STAGES; i++)
		cr_assert_not_null(made.ladder->stage[i]->details[0].plan);
	finish(&made);
}

/* What it runs on differs, so what was measured of the one is not the other's; it stays so when networks come back. */
Test(joint, a_variant_that_multiplies_in_float16_is_another)
{
	static const char *const variants[] = {"{name: m, file: m.param}",
					       "{name: m, file: m.param, half_arithmetic: true}"};
	uint64_t digests[2];

	for (int i = 0; i < 2; i++) {
		struct network *networks[LADDER_NETWORKS_MAX];
		struct ladder *fresh = NULL;
		struct made made;

		cr_assert_eq(make(&made, "{name: d, file: d.param}", variants[i]), 0, "%s", made.error.text);
		digests[i] = made.ladder->stage[LADDER_LANDMARKS]->digest;
		ladder_unload(made.ladder, networks);
		for (int k = 0; k < LADDER_NETWORKS_MAX; k++)
			network_put(networks[k]);
		cr_assert_eq(ladder_create_again(made.ladder, &made.error, &fresh), 0, "%s", made.error.text);
		cr_assert_eq(fresh->stage[LADDER_LANDMARKS]->variants[0].half_arithmetic, i);
		cr_assert_eq(ladder_adopt(made.ladder, fresh), 0);
		ladder_unref(fresh);
		finish(&made);
	}
	cr_assert_neq(digests[0], digests[1]);
}
