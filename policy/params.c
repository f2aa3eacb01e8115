/* params.c - see params.h. */
#include "params.h"

#include <string.h>

#define ROW(member, min, max, preset)                                                                                  \
	{                                                                                                              \
#member, offsetof(struct policy_params, member), min, max, preset                                      \
	}

const struct policy_param policy_param_table[] = {
	ROW(temp_high_c, 0, 150, 75),
	ROW(temp_critical_c, 0, 150, 90),
	ROW(min_fps, 0, 1000, 2),
	ROW(miss_target, 0.0009765625f, 0.5f, 0.2f),
	ROW(miss_price, 0, 10, 0),
	ROW(bound_share, 0.0009765625f, 0.5f, 0.05f),
	ROW(stay_gain, 0, 0.5f, 0.007f),
	ROW(horizon_frames, 1, 1000, 20),
	ROW(up_dwell_s, 0, 60, 0),
	ROW(up_dwell_max_s, 0, 600, 8),
	ROW(changes_per_min, 0.125f, 1000, 6),
	ROW(switch_price, 0, 1, 0.002f),
	ROW(explore_frames, 0, 1000000, 256),
	ROW(energy_price, 0, 1, 0.0005f),
	ROW(heat_price, 0, 10, 0.3f),
	ROW(battery_low, 0, 1, 0.2f),
	ROW(battery_price, 0, 1, 0.1f),
	ROW(blur_price, 0, 1, 0.2f),
	ROW(still_motion, 0, 1, 0.02f),
	ROW(cap_share, 0, 1, 0.7f),
	ROW(prior_spread, 0.0625f, 2, 0.7f),
	ROW(rung_spread, 0.0078125f, 1, 0.08f),
	{NULL, 0, 0, 0, 0},
};

static float *at(struct policy_params *params, const struct policy_param *param)
{
	return (float *)(void *)((char *)params + param->offset);
}

float policy_params_get(const struct policy_params *params, const struct policy_param *param)
{
	return *(const float *)(const void *)((const char *)params + param->offset);
}

void policy_params_init(struct policy_params *params)
{
	memset(params, 0, sizeof(*params));
	policy_params_set_version(params, "default");
	for (const struct policy_param *row = policy_param_table; row->name; row++)
		*at(params, row) = row->preset;
}

bool policy_params_set(struct policy_params *params, const char *name, float value)
{
	for (const struct policy_param *row = policy_param_table; row->name; row++) {
		if (strcmp(row->name, name) != 0)
			continue;
		if (!(value >= row->min && value <= row->max))
			return false;
		*at(params, row) = value;
		return true;
	}
	return false;
}

bool policy_params_set_version(struct policy_params *params, const char *version)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+_-";
	size_t length = strlen(version);

	if (!length || length >= sizeof(params->version) || strspn(version, allowed) != length)
		return false;
	memset(params->version, 0, sizeof(params->version));
	memcpy(params->version, version, length);
	return true;
}

void policy_params_clamp(struct policy_params *params)
{
	for (const struct policy_param *row = policy_param_table; row->name; row++) {
		float *value = at(params, row);

		if (!(*value == *value))
			*value = row->preset;
		else if (*value < row->min)
			*value = row->min;
		else if (*value > row->max)
			*value = row->max;
	}
}
