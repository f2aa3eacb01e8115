/*
 * params.h - the constants of the decision: bounded, named, and with a version.
 *
 * A management process tunes them from field records and drops them into the configuration; every decision on record
 * names the version that it was made under.  The table of names, ranges and defaults is here alone; whoever reads them
 * from a file goes by it.
 */
#ifndef INFERD_POLICY_PARAMS_H
#define INFERD_POLICY_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#define POLICY_VERSION_BYTES 32

struct policy_params {
	char version[POLICY_VERSION_BYTES]; /* who set them; for the record only */
	float temp_high_c;		    /* from here on cheaper rungs, more so towards critical */
	float temp_critical_c;		    /* from here on the cheapest rung at min_fps */
	float min_fps;			    /* floor under which frames are not skipped */
	float miss_target;		    /* share of frames that may be predicted to be late */
	float miss_price;		    /* accuracy that a late frame costs beyond its own */
	float bound_share;		    /* share of frames that may exceed the learned bound */
	float stay_gain;		    /* accuracy that a change of rung must promise */
	float horizon_frames;		    /* over which the cost of a change upwards is spread */
	float up_dwell_s; /* calm time before a step up; doubles up to up_dwell_max_s when taken back */
	float up_dwell_max_s;
	float changes_per_min; /* of rung, that are fine */
	float switch_price;    /* accuracy that a change must promise more at that rate; less below, much more above */
	float explore_frames;  /* every how many frames a rung is tried of which little is known; 0 never */
	float energy_price;    /* accuracy given for the energy of the dearest rung */
	float heat_price;  /* the same, halfway between temp_high_c and critical; none at high, no end at critical */
	float battery_low; /* charge from which on energy_price rises to battery_price at none */
	float battery_price;
	float blur_price;   /* as energy_price, for a wholly blurred frame */
	float still_motion; /* frames that differ by less from the last that ran may reuse its answer */
	float cap_share;    /* share of the time that goes with the clock where it is capped; the rest is memory */
	float prior_spread; /* how far off priors are, as the standard deviation of the logarithm */
	float rung_spread;  /* the same for one rung against the others */
};

struct policy_param {
	const char *name;
	size_t offset; /* of a float in struct policy_params */
	float min, max, preset;
};

/* The table; ends with a name of NULL. */
extern const struct policy_param policy_param_table[];

void policy_params_init(struct policy_params *params); /* the shipped defaults, version "default" */

/* Sets one by name.  False and nothing changed where there is none of that name or the value is out of range. */
bool policy_params_set(struct policy_params *params, const char *name, float value);
/* The value of a row of the table. */
float policy_params_get(const struct policy_params *params, const struct policy_param *param);

/* Letters, digits and .+_- only, 1..POLICY_VERSION_BYTES-1 of them; false where it is something else. */
bool policy_params_set_version(struct policy_params *params, const char *version);

/* Brings every value into its range; what is no number becomes the default. */
void policy_params_clamp(struct policy_params *params);

#endif
