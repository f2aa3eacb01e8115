/* test_tiny.c - see test_tiny.h. */
#include "test_tiny.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"
#include "support/tiny_network.h"

const struct topology_lane test_tiny_lane = {.name = "main", .threads = 1};

void test_tiny_init(struct test_tiny *tiny, const char *settings, const char *keys)
{
	char stem[128], text[512];
	struct config_error error;

	memset(tiny, 0, sizeof(*tiny));
	test_root_init(&tiny->root);
	snprintf(stem, sizeof(stem), "%s/tiny", tiny->root.path);
	tiny_network_write(stem, 32, 4);
	snprintf(text, sizeof(text),
		 "%s\nmodels:\n  - name: tiny\n    task: classify\n%s"
		 "    variants: [{name: t, file: tiny.param, accuracy: 0.7}]\n",
		 settings, keys);
	cr_assert_eq(config_load_text("test", tiny->root.path, text, strlen(text), &error, &tiny->config), 0, "%s",
		     error.text);
	cr_assert_eq(models_create(tiny->config, &test_tiny_lane, 1, &error, &tiny->models), 0, "%s", error.text);
	ladder_settle(tiny->models->model[0]->ladder);
	cr_assert_eq(sensors_create(tiny->root.fd, &test_tiny_lane, 1, &tiny->sensors), 0);
	tiny->governor.sensors = tiny->sensors;
	tiny->governor.n_lanes = 1;
	governor_configure(&tiny->governor, tiny->config);
}

void test_tiny_finish(struct test_tiny *tiny)
{
	models_destroy(tiny->models);
	sensors_destroy(tiny->sensors);
	config_destroy(tiny->config);
	test_root_finish(&tiny->root);
}
