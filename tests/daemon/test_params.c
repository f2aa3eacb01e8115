/* test_params.c - the configuration's table of parameters is the policy's. */
#include <stdio.h>
#include <string.h>

#include "daemon/governor.h"
#include "support/test.h"

TEST_SUITE(params);

/* Configures a governor from these lines; false and the error's text where they are refused. */
static bool configure(const char *text, struct governor *governor, struct config_error *error)
{
	struct config *config = NULL;
	int rc = config_load_text("test.yaml", ".", text, strlen(text), error, &config);

	if (rc == 0)
		governor_configure(governor, config);
	config_destroy(config);
	return rc == 0;
}

Test(params, defaults_are_those_of_the_policy)
{
	struct governor governor = {0};
	struct policy_params shipped;
	struct config_error error;

	cr_assert(configure("", &governor, &error), "%s", error.text);
	policy_params_init(&shipped);
	cr_assert_str_eq(governor.params.version, shipped.version);
	for (const struct policy_param *row = policy_param_table; row->name; row++)
		cr_assert_eq(policy_params_get(&governor.params, row), row->preset, "policy.%s", row->name);
}

Test(params, every_parameter_is_a_key_with_the_same_range)
{
	for (const struct policy_param *row = policy_param_table; row->name; row++) {
		struct governor governor = {0};
		struct config_error error;
		char text[256];

		/* The two temperatures must not cross, which is a check of its own. */
		if (!strncmp(row->name, "temp_", 5))
			continue;
		for (int end = 0; end < 2; end++) {
			snprintf(text, sizeof(text), "policy: {version: v-7, %s: %.9g}\n", row->name,
				 (double)(end ? row->max : row->min));
			cr_assert(configure(text, &governor, &error), "%s", error.text);
			cr_assert_eq(policy_params_get(&governor.params, row), end ? row->max : row->min, "%s", text);
			cr_assert_str_eq(governor.params.version, "v-7");
		}
		snprintf(text, sizeof(text), "policy: {%s: %.9g}\n", row->name, (double)row->max * 1.01 + 1);
		cr_assert(!configure(text, &governor, &error), "%s", text);
		cr_assert_not_null(strstr(error.text, "is not within"), "%s", error.text);
	}
}
