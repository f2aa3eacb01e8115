/*
 * test_tiny.h - what it takes to decide about frames: one small network as the model "tiny", on one lane without
 * sensors.
 */
#ifndef INFERD_TEST_TINY_H
#define INFERD_TEST_TINY_H

#include "daemon/governor.h"
#include "daemon/models.h"
#include "test_root.h"

struct test_tiny {
	struct test_root root;
	struct config *config;
	struct models *models; /* one, settled */
	struct sensors *sensors;
	struct governor governor;
};

extern const struct topology_lane test_tiny_lane;

/* settings: YAML above the models; keys: of the model, indented by four, or "". */
void test_tiny_init(struct test_tiny *tiny, const char *settings, const char *keys);
void test_tiny_finish(struct test_tiny *tiny);

#endif
