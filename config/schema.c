/*
 * schema.c - the one table of keys, and the walk over a tree that follows it.
 *
 * A path in the table spells the nesting: "access.mode" is mode in the group access, "lanes[].cpus" is cpus in each
 * entry of the list lanes.  Offsets count from the innermost entry's struct, or from struct config.  Defaults are
 * written as in a file and read by the same functions.
 */
#include "schema.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipelines.h"
#include "value.h"

enum type {
	TYPE_INT,
	TYPE_FLOAT,
	TYPE_BOOL,
	TYPE_WORD,
	TYPE_MODE,
	TYPE_NAME,
	TYPE_NAME_OR_NONE, /* may be '' */
	TYPE_PATH,
	TYPE_PATH_OR_NONE,
	TYPE_PATH_OR_SWITCH, /* 'off', 'on', or a path */
	TYPE_FLOAT3,	     /* one number stands for three */
	TYPE_BYTE3,
	TYPE_CPUS,
	TYPE_INPUTS,
	TYPE_PEERS,
	TYPE_PLUGINS,
	TYPE_LANES,
	TYPE_MODELS,
	TYPE_VARIANTS,
	TYPE_STAGES
};

struct key {
	const char *path;
	enum type type;
	bool required; /* in an entry of a list */
	struct value_range range;
	size_t offset;
	const char *preset; /* the default as one would write it; NULL: zero, or schema_complete() knows */
	const char *const *words;
};

static const char *const task_words[] = {
	[CONFIG_CLASSIFY] = "classify", [CONFIG_DETECT] = "detect", [CONFIG_LANDMARKS] = "landmarks",
	[CONFIG_SEGMENT] = "segment",	[CONFIG_EMBED] = "embed",   [CONFIG_RAW] = "raw",
	[CONFIG_RAW + 1] = NULL};
static const char *const fit_words[] = {[CONFIG_FIT_STRETCH] = "stretch",
					[CONFIG_FIT_CROP] = "crop",
					[CONFIG_FIT_LETTERBOX] = "letterbox",
					[CONFIG_FIT_LETTERBOX + 1] = NULL};
static const char *const sampling_words[] = {
	[CONFIG_SAMPLING_AREA] = "area", [CONFIG_SAMPLING_POINT] = "point", [CONFIG_SAMPLING_POINT + 1] = NULL};
static const char *const detector_words[] = {[CONFIG_DETECTOR_NONE] = "none",
					     [CONFIG_BLAZEFACE] = "blazeface",
					     [CONFIG_PALM] = "palm",
					     [CONFIG_POSE_DETECTOR] = "pose",
					     [CONFIG_RFB] = "rfb",
					     [CONFIG_CORNERS] = "corners",
					     [CONFIG_NANODET] = "nanodet",
					     [CONFIG_SSD] = "ssd",
					     [CONFIG_SSD_ANCHORS] = "ssd-anchors",
					     [CONFIG_SSD_ANCHORS + 1] = NULL};
static const char *const landmarks_words[] = {[CONFIG_LANDMARKS_NONE] = "none",
					      [CONFIG_HAND] = "hand",
					      [CONFIG_FACE] = "face",
					      [CONFIG_POSE] = "pose",
					      [CONFIG_POSE + 1] = NULL};
static const char *const priority_words[] = {
	[CONFIG_LOW] = "low", [CONFIG_NORMAL] = "normal", [CONFIG_HIGH] = "high", [CONFIG_HIGH + 1] = NULL};
static const char *const uclamp_words[] = {"off", "auto", NULL}; /* read as bool uclamp */
static const char *const order_words[] = {"rgb", "bgr", NULL};	 /* read as bool bgr */

/* Readers of megabytes shift them left by 20 in a size_t. */
#define MB_MAX ((SIZE_MAX >> 20) < 65536 ? 4095 : 65536)

#define AT(type, member) offsetof(struct type, member)
#define ANY                                                                                                            \
	{                                                                                                              \
		0, 0, false                                                                                            \
	}

/* clang-format off: one row a key reads as a table */
static const struct key keys[] = {
	{"socket", TYPE_PATH, false, ANY, AT(config, socket), "/run/inferd/inferd.sock", NULL},
	{"access.group", TYPE_NAME_OR_NONE, false, ANY, AT(config, group), "", NULL},
	{"access.mode", TYPE_MODE, false, ANY, AT(config, mode), "0660", NULL},
	{"lanes", TYPE_LANES, false, ANY, 0, NULL, NULL},
	{"lanes[].name", TYPE_NAME, true, ANY, AT(config_lane, name), NULL, NULL},
	{"lanes[].cpus", TYPE_CPUS, true, ANY, 0, NULL, NULL},
	{"lanes[].threads", TYPE_INT, false, {1, 64, false}, AT(config_lane, threads), NULL, NULL},
	{"memory_budget_mb", TYPE_INT, false, {1, MB_MAX, false}, AT(config, memory_budget_mb), "256", NULL},
	{"converted_mb", TYPE_INT, false, {0, MB_MAX, false}, AT(config, converted_mb), "0", NULL},
	{"limits.streams_per_client",
	 TYPE_INT,
	 false,
	 {1, 1024, false},
	 AT(config, limits.streams_per_client),
	 "8",
	 NULL},
	{"limits.pool_mb_per_client",
	 TYPE_INT,
	 false,
	 {1, MB_MAX, false},
	 AT(config, limits.pool_mb_per_client),
	 "64",
	 NULL},
	{"limits.clients_per_user", TYPE_INT, false, {1, 1024, false}, AT(config, limits.clients_per_user), "16", NULL},
	{"limits.connections_per_second",
	 TYPE_INT,
	 false,
	 {1, 100000, false},
	 AT(config, limits.connections_per_second),
	 "50",
	 NULL},
	{"limits.messages_per_second",
	 TYPE_INT,
	 false,
	 {1, 1000000, false},
	 AT(config, limits.messages_per_second),
	 "4000",
	 NULL},
	{"limits.gallery_mb", TYPE_INT, false, {1, MB_MAX, false}, AT(config, limits.gallery_mb), "512", NULL},
	{"limits.unread_seconds", TYPE_INT, false, {1, 3600, false}, AT(config, limits.unread_seconds), "10", NULL},
	{"plugins", TYPE_PLUGINS, false, ANY, 0, NULL, NULL},
	{"models", TYPE_MODELS, false, ANY, 0, NULL, NULL},
	{"models[].name", TYPE_NAME, true, ANY, AT(config_model, name), NULL, NULL},
	{"models[].pipeline", TYPE_STAGES, false, ANY, AT(config_model, stages), NULL, NULL},
	{"models[].smooth", TYPE_BOOL, false, ANY, AT(config_model, smooth), "true", NULL},
	{"models[].task", TYPE_WORD, true, ANY, AT(config_model, task), NULL, task_words},
	{"models[].labels", TYPE_PATH_OR_NONE, false, ANY, AT(config_model, labels), "", NULL},
	{"models[].top_k", TYPE_INT, false, {1, 1000, false}, AT(config_model, top_k), "5", NULL},
	{"models[].deadline_ms", TYPE_INT, false, {1, 60000, false}, AT(config_model, deadline_ms), "200", NULL},
	{"models[].weight", TYPE_FLOAT, false, {0, 1000, true}, AT(config_model, weight), "1", NULL},
	{"models[].min_fps", TYPE_FLOAT, false, {0, 1000, false}, AT(config_model, min_fps), NULL, NULL},
	{"models[].priority", TYPE_WORD, false, ANY, AT(config_model, priority), "normal", priority_words},
	{"models[].users", TYPE_PEERS, false, ANY, AT(config_model, users), NULL, NULL},
	{"models[].groups", TYPE_PEERS, false, ANY, AT(config_model, groups), NULL, NULL},
	{"models[].detector", TYPE_WORD, false, ANY, AT(config_model, decode.detector), "none", detector_words},
	{"models[].landmarks", TYPE_WORD, false, ANY, AT(config_model, decode.landmarks), "none", landmarks_words},
	{"models[].gestures", TYPE_BOOL, false, ANY, AT(config_model, decode.gestures), "false", NULL},
	{"models[].score_min", TYPE_FLOAT, false, {0, 1, false}, AT(config_model, decode.score_min), NULL, NULL},
	{"models[].iou_max", TYPE_FLOAT, false, {0, 1, false}, AT(config_model, decode.iou_max), NULL, NULL},
	{"models[].max_results", TYPE_INT, false, {1, 512, false}, AT(config_model, decode.max_results), "100", NULL},
	{"models[].variants", TYPE_VARIANTS, true, ANY, 0, NULL, NULL},
	{"models[].variants[].name", TYPE_NAME, true, ANY, AT(config_variant, name), NULL, NULL},
	{"models[].variants[].file", TYPE_PATH, true, ANY, AT(config_variant, file), NULL, NULL},
	{"models[].variants[].accuracy", TYPE_FLOAT, false, {0, 1, false}, AT(config_variant, accuracy), "0.5", NULL},
	{"models[].variants[].half_arithmetic", TYPE_BOOL, false, ANY, AT(config_variant, half_arithmetic), "false",
	 NULL},
	{"models[].variants[].sure", TYPE_FLOAT, false, {0, 1, true}, AT(config_variant, sure), NULL, NULL},
	{"models[].variants[].maybe", TYPE_FLOAT, false, {0, 1, true}, AT(config_variant, maybe), NULL, NULL},
	{"models[].gallery.sure", TYPE_FLOAT, false, {0, 1, true}, AT(config_model, gallery.sure), "0.85", NULL},
	{"models[].gallery.maybe", TYPE_FLOAT, false, {0, 1, true}, AT(config_model, gallery.maybe), "0.75", NULL},
	{"models[].gallery.maybe_lead",
	 TYPE_FLOAT,
	 false,
	 {0, 3, false},
	 AT(config_model, gallery.maybe_lead),
	 "0.25",
	 NULL},
	{"models[].gallery.lead", TYPE_FLOAT, false, {0, 10, false}, AT(config_model, gallery.lead), "0.25", NULL},
	{"models[].gallery.window_s", TYPE_FLOAT, false, {0, 60, true}, AT(config_model, gallery.window_s), "2", NULL},
	{"models[].preprocess.fit", TYPE_WORD, false, ANY, AT(config_model, preprocess.fit), "stretch", fit_words},
	{"models[].preprocess.sampling", TYPE_WORD, false, ANY, AT(config_model, preprocess.sampling), "area",
	 sampling_words},
	{"models[].preprocess.crop", TYPE_FLOAT, false, {0, 1, true}, AT(config_model, preprocess.crop), "1", NULL},
	{"models[].preprocess.order", TYPE_WORD, false, ANY, AT(config_model, preprocess.bgr), "rgb", order_words},
	{"models[].preprocess.mean",
	 TYPE_FLOAT3,
	 false,
	 {-1e6, 1e6, false},
	 AT(config_model, preprocess.mean),
	 "0",
	 NULL},
	{"models[].preprocess.scale",
	 TYPE_FLOAT3,
	 false,
	 {-1e6, 1e6, false},
	 AT(config_model, preprocess.scale),
	 "1",
	 NULL},
	{"models[].preprocess.pad", TYPE_BYTE3, false, {0, 255, false}, AT(config_model, preprocess.pad), "0", NULL},
	{"models[].inputs", TYPE_INPUTS, false, {16, 4096, false}, AT(config_model, inputs), NULL, NULL},
	{"models[].gray", TYPE_BOOL, false, ANY, AT(config_model, gray), "false", NULL},
	{"record.enabled", TYPE_BOOL, false, ANY, AT(config, record.enabled), "false", NULL},
	{"record.limit_mb", TYPE_INT, false, {1, MB_MAX, false}, AT(config, record.limit_mb), "64", NULL},
	{"record.flush_s", TYPE_INT, false, {1, 3600, false}, AT(config, record.flush_s), "60", NULL},
	{"record.trace", TYPE_PATH_OR_SWITCH, false, ANY, AT(config, record.trace), "off", NULL},
	{"policy.temp_high_c", TYPE_FLOAT, false, {0, 150, false}, AT(config, policy.temp_high_c), "75", NULL},
	{"policy.temp_critical_c", TYPE_FLOAT, false, {0, 150, false}, AT(config, policy.temp_critical_c), "90", NULL},
	{"policy.min_fps", TYPE_FLOAT, false, {0, 1000, false}, AT(config, policy.min_fps), "2", NULL},
	{"policy.version", TYPE_NAME, false, ANY, AT(config, policy.version), "default", NULL},
	{"policy.miss_target",
	 TYPE_FLOAT,
	 false,
	 {0.0009765625, 0.5, false},
	 AT(config, policy.miss_target),
	 "0.2",
	 NULL},
	{"policy.miss_price", TYPE_FLOAT, false, {0, 10, false}, AT(config, policy.miss_price), "0", NULL},
	{"policy.bound_share",
	 TYPE_FLOAT,
	 false,
	 {0.0009765625, 0.5, false},
	 AT(config, policy.bound_share),
	 "0.05",
	 NULL},
	{"policy.stay_gain", TYPE_FLOAT, false, {0, 0.5, false}, AT(config, policy.stay_gain), "0.007", NULL},
	{"policy.horizon_frames", TYPE_FLOAT, false, {1, 1000, false}, AT(config, policy.horizon_frames), "20", NULL},
	{"policy.up_dwell_s", TYPE_FLOAT, false, {0, 60, false}, AT(config, policy.up_dwell_s), "0", NULL},
	{"policy.up_dwell_max_s", TYPE_FLOAT, false, {0, 600, false}, AT(config, policy.up_dwell_max_s), "8", NULL},
	{"policy.changes_per_min",
	 TYPE_FLOAT,
	 false,
	 {0.125, 1000, false},
	 AT(config, policy.changes_per_min),
	 "6",
	 NULL},
	{"policy.switch_price", TYPE_FLOAT, false, {0, 1, false}, AT(config, policy.switch_price), "0.002", NULL},
	{"policy.explore_frames",
	 TYPE_FLOAT,
	 false,
	 {0, 1000000, false},
	 AT(config, policy.explore_frames),
	 "256",
	 NULL},
	{"policy.energy_price", TYPE_FLOAT, false, {0, 1, false}, AT(config, policy.energy_price), "0.0005", NULL},
	{"policy.heat_price", TYPE_FLOAT, false, {0, 10, false}, AT(config, policy.heat_price), "0.3", NULL},
	{"policy.battery_low", TYPE_FLOAT, false, {0, 1, false}, AT(config, policy.battery_low), "0.2", NULL},
	{"policy.battery_price", TYPE_FLOAT, false, {0, 1, false}, AT(config, policy.battery_price), "0.1", NULL},
	{"policy.blur_price", TYPE_FLOAT, false, {0, 1, false}, AT(config, policy.blur_price), "0.2", NULL},
	{"policy.still_motion", TYPE_FLOAT, false, {0, 1, false}, AT(config, policy.still_motion), "0.02", NULL},
	{"policy.cap_share", TYPE_FLOAT, false, {0, 1, false}, AT(config, policy.cap_share), "0.7", NULL},
	{"policy.prior_spread", TYPE_FLOAT, false, {0.0625, 2, false}, AT(config, policy.prior_spread), "0.7", NULL},
	{"policy.rung_spread", TYPE_FLOAT, false, {0.0078125, 1, false}, AT(config, policy.rung_spread), "0.08", NULL},
	{"policy.scene", TYPE_BOOL, false, ANY, AT(config, policy.scene), "true", NULL},
	{"policy.uclamp", TYPE_WORD, false, ANY, AT(config, policy.uclamp), "off", uclamp_words},
};
/* clang-format on */
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* Of a key as the user sees it: "models[NAME].variants[NAME].file". */
#define WHERE_BYTES 256
#define PATH_BYTES  64

/* One file on its way into the configuration. */
struct reading {
	const struct tree *tree;
	const char *dir;
	struct config *config;
	struct places *places;
	struct config_error *error;
};

/* A group of keys or an entry of a list: the place in the table, the name for errors, and the struct to fill. */
struct scope {
	const char *path; /* ends with '.', or "" */
	const char *where;
	void *base;
};

static int walk(struct reading *reading, const yaml_node_t *map, const struct scope *scope);

static int fail(struct reading *reading, const yaml_node_t *node, const char *where, const char *cause)
{
	return tree_fail(reading->error, reading->tree->file, tree_line(node), where, "%s", cause);
}

static int fail_kind(struct reading *reading, const yaml_node_t *node, const char *where, const char *wanted)
{
	return tree_fail(reading->error, reading->tree->file, tree_line(node), where, "%s where %s is due",
			 tree_kind(node), wanted);
}

static int fail_memory(struct reading *reading, const yaml_node_t *node, const char *where)
{
	fail(reading, node, where, "out of memory");
	return -ENOMEM;
}

/* ---- values ------------------------------------------------------------------------------------------ */

static bool is_word(const struct value *value, const char *word)
{
	return value->length == strlen(word) && !strncmp(value->text, word, value->length);
}

/* Kept as the path, "on", or "" for off. */
static int set_path_or_switch(const struct value *value, const char *dir, struct cause *cause, char *field)
{
	if (is_word(value, "off") || is_word(value, "on")) {
		memset(field, 0, CONFIG_PATH_BYTES);
		if (is_word(value, "on"))
			memcpy(field, "on", 2);
		return 0;
	}
	return value_path(value, dir, cause, field);
}

/* Fills in a key that one value stands for.  The text comes from a file or from the key's default. */
static int set_text(const struct key *key, const struct value *value, const char *dir, void *base, struct cause *cause)
{
	void *field = (char *)base + key->offset;
	int rc = 0, index = 0;

	switch (key->type) {
	case TYPE_INT:
		return value_int(value, &key->range, cause, field);
	case TYPE_FLOAT:
		return value_float(value, &key->range, cause, field);
	case TYPE_BOOL:
		return value_bool(value, cause, field);
	case TYPE_MODE:
		return value_mode(value, cause, field);
	case TYPE_NAME:
		return value_name(value, cause, field);
	case TYPE_PATH:
		return value_path(value, dir, cause, field);
	case TYPE_NAME_OR_NONE:
		if (value->length)
			return value_name(value, cause, field);
		memset(field, 0, CONFIG_NAME_BYTES);
		return 0;
	case TYPE_PATH_OR_NONE:
		if (value->length)
			return value_path(value, dir, cause, field);
		memset(field, 0, CONFIG_PATH_BYTES);
		return 0;
	case TYPE_PATH_OR_SWITCH:
		return set_path_or_switch(value, dir, cause, field);
	case TYPE_FLOAT3:
	case TYPE_BYTE3: {
		float number = 0;

		rc = key->type == TYPE_FLOAT3 ? value_float(value, &key->range, cause, &number)
					      : value_int(value, &key->range, cause, &index);
		for (int i = 0; i < 3 && !rc; i++) {
			if (key->type == TYPE_FLOAT3)
				((float *)field)[i] = number;
			else
				((uint8_t *)field)[i] = (uint8_t)index;
		}
		return rc;
	}
	case TYPE_WORD:
		rc = value_word(value, key->words, cause, &index);
		if (rc < 0)
			return rc;
		if (key->words == order_words || key->words == uclamp_words)
			*(bool *)field = index == 1;
		else if (key->words == fit_words)
			*(enum config_fit *)field = (enum config_fit)index;
		else if (key->words == sampling_words)
			*(enum config_sampling *)field = (enum config_sampling)index;
		else if (key->words == detector_words)
			*(enum config_detector *)field = (enum config_detector)index;
		else if (key->words == landmarks_words)
			*(enum config_landmarks *)field = (enum config_landmarks)index;
		else if (key->words == priority_words)
			*(enum config_priority *)field = (enum config_priority)index;
		else
			*(enum config_task *)field = (enum config_task)index;
		return 0;
	default:
		assert(!"a type without a text");
		return -EINVAL;
	}
}

/* The text of a scalar node; -EINVAL for a list, a group or nothing at all. */
static int get_value(struct reading *reading, const yaml_node_t *node, const char *where, struct value *ret_value)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type != YAML_SCALAR_NODE || tree_is_null(node))
		return fail_kind(reading, node, where, "a single value");
	if (strlen(text) != node->data.scalar.length)
		return fail(reading, node, where, "the text holds a zero byte");
	*ret_value = (struct value){text, node->data.scalar.length, node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE};
	return 0;
}

static int set_scalar(struct reading *reading, const struct key *key, const yaml_node_t *node, const char *where,
		      void *base)
{
	struct value value;
	struct cause cause;
	int rc = get_value(reading, node, where, &value);

	if (rc < 0)
		return rc;
	rc = set_text(key, &value, reading->dir, base, &cause);
	return rc < 0 ? fail(reading, node, where, cause.text) : 0;
}

/* "[1, 2, 3]", or one number for all three. */
static int set_three(struct reading *reading, const struct key *key, const yaml_node_t *node, const char *where,
		     void *base)
{
	/* Each number is read as if it stood for all three, then one of them is kept. */
	struct key one = *key;
	union {
		float floats[3];
		uint8_t bytes[3];
	} read, three;
	size_t size = key->type == TYPE_FLOAT3 ? sizeof(float) : sizeof(uint8_t);

	if (node->type != YAML_SEQUENCE_NODE)
		return set_scalar(reading, key, node, where, base);
	if (tree_length(node) != 3)
		return fail(reading, node, where, "one number or three are due");
	one.offset = 0;
	for (int i = 0; i < 3; i++) {
		const yaml_node_t *item = tree_node(reading->tree, node->data.sequence.items.start[i]);
		int rc = set_scalar(reading, &one, item, where, &read);

		if (rc < 0)
			return rc;
		memcpy((char *)&three + (size_t)i * size, (char *)&read + (size_t)i * size, size);
	}
	memcpy((char *)base + key->offset, &three, 3 * size);
	return 0;
}

static int set_cpus(struct reading *reading, const yaml_node_t *node, const char *where, struct config_lane *lane)
{
	bool list = node->type == YAML_SEQUENCE_NODE;
	int n = list ? tree_length(node) : 1;

	for (int i = 0; i < n; i++) {
		const yaml_node_t *item = list ? tree_node(reading->tree, node->data.sequence.items.start[i]) : node;
		struct value value;
		struct cause cause;
		int rc = get_value(reading, item, where, &value);

		if (rc < 0)
			return rc;
		if (value_cpus(&value, &cause, lane->cpus, &lane->n_cpus) < 0)
			return fail(reading, item, where, cause.text);
	}
	return n ? 0 : fail(reading, node, where, "at least one core is due");
}

/* The items of a list of at most `max`; -EINVAL for what is no list.  Nothing at all is an empty list. */
static int get_list(struct reading *reading, const yaml_node_t *node, const char *where, int max, int *ret_n)
{
	if (tree_is_null(node)) {
		*ret_n = 0;
		return 0;
	}
	if (node->type != YAML_SEQUENCE_NODE)
		return fail_kind(reading, node, where, "a list");
	if (tree_length(node) > max)
		return tree_fail(reading->error, reading->tree->file, tree_line(node), where,
				 "%d entries, at most %d are possible", tree_length(node), max);
	*ret_n = tree_length(node);
	return 0;
}

static const yaml_node_t *item_of(struct reading *reading, const yaml_node_t *list, int i)
{
	return tree_node(reading->tree, list->data.sequence.items.start[i]);
}

static int set_inputs(struct reading *reading, const struct key *key, const yaml_node_t *node, const char *where,
		      struct config_model *model)
{
	int n, rc = get_list(reading, node, where, CONFIG_INPUTS_MAX, &n);
	struct value value;
	struct cause cause;

	for (int i = 0; i < n && !rc; i++) {
		const yaml_node_t *item = item_of(reading, node, i);

		rc = get_value(reading, item, where, &value);
		if (!rc && value_int(&value, &key->range, &cause, &model->inputs[i]) < 0)
			return fail(reading, item, where, cause.text);
		for (int j = 0; j < i && !rc; j++)
			if (model->inputs[j] == model->inputs[i])
				return tree_fail(reading->error, reading->tree->file, tree_line(item), where,
						 "%d is given twice", model->inputs[i]);
	}
	if (!rc)
		model->n_inputs = n;
	return rc;
}

static int set_peers(struct reading *reading, const yaml_node_t *node, const char *where, bool users,
		     struct config_model *model)
{
	char(*names)[CONFIG_NAME_BYTES] = users ? model->users : model->groups;
	int n, rc = get_list(reading, node, where, CONFIG_PEERS_MAX, &n);
	struct value value;
	struct cause cause;

	for (int i = 0; i < n && !rc; i++) {
		const yaml_node_t *item = item_of(reading, node, i);

		rc = get_value(reading, item, where, &value);
		if (!rc && value_name(&value, &cause, names[i]) < 0)
			return fail(reading, item, where, cause.text);
	}
	if (!rc)
		*(users ? &model->n_users : &model->n_groups) = n;
	return rc;
}

static int set_stages(struct reading *reading, const yaml_node_t *node, const char *where, struct config_model *model)
{
	int n, rc = get_list(reading, node, where, CONFIG_STAGES, &n);
	struct value value;
	struct cause cause;

	if (rc == 0 && n != CONFIG_STAGES)
		return fail(reading, node, where, "two stages are due: a detector and a landmarks model");
	for (int i = 0; i < n && rc == 0; i++) {
		const yaml_node_t *item = item_of(reading, node, i);

		rc = get_value(reading, item, where, &value);
		if (rc == 0 && value_name(&value, &cause, model->stages[i]) < 0)
			return fail(reading, item, where, cause.text);
	}
	return rc;
}

static int set_plugins(struct reading *reading, const yaml_node_t *node, const char *where, struct config *config)
{
	int n, rc = get_list(reading, node, where, CONFIG_PLUGINS_MAX, &n);
	struct value value;
	struct cause cause;

	for (int i = 0; i < n && !rc; i++) {
		const yaml_node_t *item = item_of(reading, node, i);

		rc = get_value(reading, item, where, &value);
		if (!rc && value_path(&value, reading->dir, &cause, config->plugins[i]) < 0)
			return fail(reading, item, where, cause.text);
	}
	if (!rc)
		config->n_plugins = n;
	return rc;
}

/* ---- entries of lists -------------------------------------------------------------------------------- */

static void set_presets(const char *path, void *base)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < N_KEYS; i++) {
		const struct key *key = &keys[i];
		struct value value = {key->preset, key->preset ? strlen(key->preset) : 0, false};
		struct cause cause;
		int rc;

		if (!key->preset || strncmp(key->path, path, length) != 0 || strchr(key->path + length, '['))
			continue;
		rc = set_text(key, &value, "/", base, &cause);
		assert(rc == 0);
		(void)rc;
	}
}

static int check_required(struct reading *reading, const yaml_node_t *map, const struct scope *scope)
{
	size_t length = strlen(scope->path);

	for (size_t i = 0; i < N_KEYS; i++) {
		const char *rest = keys[i].path + length;

		if (!keys[i].required || strncmp(keys[i].path, scope->path, length) != 0 || strpbrk(rest, ".["))
			continue;
		/* A pipeline takes all but its name from its stages. */
		if (keys[i].type != TYPE_NAME && tree_get(reading->tree, map, "pipeline"))
			continue;
		if (!tree_get(reading->tree, map, rest))
			return tree_fail(reading->error, reading->tree->file, tree_line(map), scope->where,
					 "the key '%s' is missing", rest);
	}
	return 0;
}

/* One entry: its name for errors ("models[tiny]", by number when it has no usable name), defaults, then its keys. */
static int read_entry(struct reading *reading, const yaml_node_t *map, int index, const char *path, const char *list,
		      void *base, char ret_where[WHERE_BYTES])
{
	const yaml_node_t *name = tree_get(reading->tree, map, "name");
	struct scope scope = {path, ret_where, base};
	char text[CONFIG_NAME_BYTES];
	struct value value;
	struct cause cause;
	int rc;

	snprintf(text, sizeof(text), "%d", index);
	if (name && name->type == YAML_SCALAR_NODE) {
		value = (struct value){(const char *)name->data.scalar.value, name->data.scalar.length, false};
		value_name(&value, &cause, text);
	}
	snprintf(ret_where, WHERE_BYTES, "%.*s[%s]", WHERE_BYTES - CONFIG_NAME_BYTES - 2, list, text);
	if (map->type != YAML_MAPPING_NODE)
		return fail_kind(reading, map, ret_where, "a group of keys");
	set_presets(path, base);
	rc = walk(reading, map, &scope);
	return rc < 0 ? rc : check_required(reading, map, &scope);
}

/*
 * Where an entry of this name goes: over one of an earlier file, or after the last.  places_of_list has one place for
 * each of the n entries there are.
 */
static int find_slot(struct reading *reading, const yaml_node_t *map, const char *where, const char *name,
		     const char *names, size_t stride, struct place *places_of_list, int n, int max)
{
	int slot = 0;

	while (slot < n && strcmp(names + (size_t)slot * stride, name) != 0)
		slot++;
	if (slot < n && places_of_list[slot].file == reading->tree->file)
		return tree_fail(reading->error, reading->tree->file, tree_line(map), where,
				 "the name is given twice, first in line %d", places_of_list[slot].line);
	if (slot == max)
		return tree_fail(reading->error, reading->tree->file, tree_line(map), where,
				 "one entry more than the %d that are possible", max);
	places_of_list[slot] = (struct place){reading->tree->file, tree_line(map)};
	return slot;
}

static int set_lanes(struct reading *reading, const yaml_node_t *node, const char *where)
{
	struct config *config = reading->config;
	int n, rc = get_list(reading, node, where, CONFIG_LANES_MAX, &n);
	char entry_where[WHERE_BYTES];

	if (rc < 0)
		return rc;
	if (!config->lanes && n)
		config->lanes = calloc(CONFIG_LANES_MAX, sizeof(*config->lanes));
	if (!config->lanes && n)
		return fail_memory(reading, node, where);
	for (int i = 0; i < n; i++) {
		const yaml_node_t *map = item_of(reading, node, i);
		struct config_lane lane;
		int slot;

		memset(&lane, 0, sizeof(lane));
		rc = read_entry(reading, map, i, "lanes[].", where, &lane, entry_where);
		if (rc < 0)
			return rc;
		slot = find_slot(reading, map, entry_where, lane.name, config->lanes->name, sizeof(lane),
				 reading->places->lanes, config->n_lanes, CONFIG_LANES_MAX);
		if (slot < 0)
			return slot;
		if (!lane.threads)
			lane.threads = lane.n_cpus;
		config->lanes[slot] = lane;
		config->n_lanes += slot == config->n_lanes;
	}
	return 0;
}

static int set_variants(struct reading *reading, const yaml_node_t *node, const char *where, struct config_model *model)
{
	int n, rc = get_list(reading, node, where, CONFIG_VARIANTS_MAX, &n);
	char entry_where[WHERE_BYTES];

	if (rc < 0)
		return rc;
	if (!n)
		return fail(reading, node, where, "at least one variant is due");
	model->variants = calloc((size_t)n, sizeof(*model->variants));
	if (!model->variants)
		return fail_memory(reading, node, where);
	for (int i = 0; i < n; i++) {
		const yaml_node_t *map = item_of(reading, node, i);
		struct config_variant *variant = &model->variants[i];

		rc = read_entry(reading, map, i, "models[].variants[].", where, variant, entry_where);
		if (rc < 0)
			return rc;
		for (int j = 0; j < i; j++)
			if (!strcmp(variant->name, model->variants[j].name))
				return fail(reading, map, entry_where, "the name is given twice");
		model->n_variants = i + 1;
	}
	return 0;
}

/* Keys that only make sense with others. */
static int check_preprocess(struct reading *reading, const yaml_node_t *map, const char *where,
			    struct config_model *model)
{
	static const struct {
		const char *key, *why;
		enum config_fit fit;
	} only[] = {{"crop", "has a meaning only with fit: crop", CONFIG_FIT_CROP},
		    {"pad", "has a meaning only with fit: letterbox", CONFIG_FIT_LETTERBOX}};
	const yaml_node_t *group = tree_get(reading->tree, map, "preprocess");
	char key_where[WHERE_BYTES];

	model->preprocess.given = tree_get(reading->tree, group, "mean") || tree_get(reading->tree, group, "scale");
	for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++) {
		const yaml_node_t *node = tree_get(reading->tree, group, only[i].key);

		if (!node || model->preprocess.fit == only[i].fit)
			continue;
		snprintf(key_where, sizeof(key_where), "%.*s.preprocess.%s", WHERE_BYTES - 32, where, only[i].key);
		return fail(reading, node, key_where, only[i].why);
	}
	return 0;
}

/* A task that reads several outputs is told which network's they are; defaults follow from that. */
static int check_decode(struct reading *reading, const yaml_node_t *map, const char *where, struct config_model *model)
{
	struct config_decode *decode = &model->decode;
	bool nanodet = decode->detector == CONFIG_NANODET;
	bool rfb = decode->detector == CONFIG_RFB || decode->detector == CONFIG_CORNERS;

	if ((model->task == CONFIG_DETECT) != (decode->detector != CONFIG_DETECTOR_NONE))
		return fail(reading, map, where,
			    "the key 'detector' (blazeface, palm, pose, rfb, corners, nanodet, ssd or ssd-anchors) "
			    "belongs to task: detect, which needs it");
	if ((model->task == CONFIG_LANDMARKS) != (decode->landmarks != CONFIG_LANDMARKS_NONE))
		return fail(reading, map, where,
			    "the key 'landmarks' (hand, face or pose) belongs to task: landmarks, which needs it");
	if (decode->gestures && decode->landmarks != CONFIG_HAND)
		return fail(reading, map, where, "gestures are told from the landmarks of a hand: landmarks: hand");
	if (tree_get(reading->tree, map, "smooth"))
		return fail(reading, map, where, "the key 'smooth' belongs to a pipeline");
	if (model->task == CONFIG_SEGMENT && model->preprocess.fit != CONFIG_FIT_STRETCH)
		return fail(reading, map, where,
			    "task: segment needs fit: stretch, so that the mask covers the picture");
	if (!tree_get(reading->tree, map, "score_min"))
		decode->score_min = nanodet ? 0.4f : rfb ? 0.7f : 0.5f;
	if (!tree_get(reading->tree, map, "iou_max"))
		decode->iou_max = nanodet || decode->detector == CONFIG_SSD_ANCHORS ? 0.5f : 0.3f;
	return 0;
}

/* Thresholds are in order, those of a variant included, and belong to models whose answers are vectors. */
static int check_gallery(struct reading *reading, const yaml_node_t *map, const char *where, struct config_model *model)
{
	const struct config_gallery *gallery = &model->gallery;
	bool given = tree_get(reading->tree, map, "gallery") != NULL;

	for (int i = 0; i < model->n_variants; i++) {
		const struct config_variant *variant = &model->variants[i];
		float sure = variant->sure > 0 ? variant->sure : gallery->sure;
		float maybe = variant->maybe > 0 ? variant->maybe : gallery->maybe;

		given |= variant->sure > 0 || variant->maybe > 0;
		if (!(maybe < sure))
			return fail(reading, map, where, "'maybe' must be below 'sure', for every variant");
	}
	if (given && model->task != CONFIG_EMBED)
		return fail(reading, map, where, "'gallery', 'sure' and 'maybe' belong to task: embed");
	return 0;
}

/* What a pipeline is, and what it has in place of the keys of its stages. */
static int complete_pipeline(struct reading *reading, const yaml_node_t *map, const char *where,
			     struct config_model *model)
{
	char key_where[WHERE_BYTES];

	for (const char *const *key = pipelines_foreign_keys; *key; key++) {
		const yaml_node_t *node = tree_get(reading->tree, map, *key);

		snprintf(key_where, sizeof(key_where), "%.*s.%s", WHERE_BYTES - 32, where, *key);
		if (node)
			return fail(reading, node, key_where, "belongs to the stages of a pipeline");
	}
	model->task = CONFIG_LANDMARKS;
	if (!tree_get(reading->tree, map, "max_results"))
		model->decode.max_results = 1;
	if (model->decode.max_results > CONFIG_PLACES_MAX)
		return fail(reading, tree_get(reading->tree, map, "max_results"), where,
			    "a pipeline looks at 6 places in a frame at most: max_results is too large");
	return 0;
}

/* Remembers which lines named files; that these can be read is checked once the last file has had its say. */
static void note_lines(struct reading *reading, const yaml_node_t *map, int slot)
{
	struct places *places = reading->places;
	const yaml_node_t *labels = tree_get(reading->tree, map, "labels");
	const yaml_node_t *variants = tree_get(reading->tree, map, "variants");

	places->label_lines[slot] = labels ? tree_line(labels) : 0;
	for (int i = 0; variants && i < tree_length(variants); i++)
		places->file_lines[slot][i] = tree_line(tree_get(reading->tree, item_of(reading, variants, i), "file"));
}

static int read_model(struct reading *reading, const yaml_node_t *map, int index, const char *list,
		      struct config_model *ret_model, int *ret_slot)
{
	struct config *config = reading->config;
	char where[WHERE_BYTES];
	int rc = read_entry(reading, map, index, "models[].", list, ret_model, where);

	if (!rc && config_is_pipeline(ret_model))
		rc = complete_pipeline(reading, map, where, ret_model);
	else if (!rc)
		rc = check_preprocess(reading, map, where, ret_model);
	if (!rc && !config_is_pipeline(ret_model))
		rc = check_decode(reading, map, where, ret_model);
	if (!rc)
		rc = check_gallery(reading, map, where, ret_model);
	if (rc < 0)
		return rc;
	if (!tree_get(reading->tree, map, "min_fps"))
		ret_model->min_fps = -1; /* policy.min_fps, which a later file may change */
	rc = find_slot(reading, map, where, ret_model->name, config->models->name, sizeof(*ret_model),
		       reading->places->models, config->n_models, CONFIG_MODELS_MAX);
	if (rc < 0)
		return rc;
	*ret_slot = rc;
	return 0;
}

static int set_models(struct reading *reading, const yaml_node_t *node, const char *where)
{
	struct config *config = reading->config;
	int n, rc = get_list(reading, node, where, CONFIG_MODELS_MAX, &n);

	if (rc < 0)
		return rc;
	if (!config->models && n)
		config->models = calloc(CONFIG_MODELS_MAX, sizeof(*config->models));
	if (!config->models && n)
		return fail_memory(reading, node, where);
	for (int i = 0; i < n; i++) {
		const yaml_node_t *map = item_of(reading, node, i);
		struct config_model model;
		int slot;

		memset(&model, 0, sizeof(model));
		rc = read_model(reading, map, i, where, &model, &slot);
		if (rc < 0) {
			free(model.variants);
			return rc;
		}
		note_lines(reading, map, slot);
		free(config->models[slot].variants);
		/* Models are compared as bytes on a reload, padding included. */
		memcpy(&config->models[slot], &model, sizeof(model));
		config->n_models += slot == config->n_models;
	}
	return 0;
}

/* ---- the walk ---------------------------------------------------------------------------------------- */

static int set_key(struct reading *reading, const struct key *key, const yaml_node_t *node, const char *where,
		   void *base)
{
	switch (key->type) {
	case TYPE_FLOAT3:
	case TYPE_BYTE3:
		return set_three(reading, key, node, where, base);
	case TYPE_CPUS:
		return set_cpus(reading, node, where, base);
	case TYPE_INPUTS:
		return set_inputs(reading, key, node, where, base);
	case TYPE_PEERS:
		return set_peers(reading, node, where, key->offset == AT(config_model, users), base);
	case TYPE_PLUGINS:
		return set_plugins(reading, node, where, base);
	case TYPE_LANES:
		return set_lanes(reading, node, where);
	case TYPE_MODELS:
		return set_models(reading, node, where);
	case TYPE_VARIANTS:
		return set_variants(reading, node, where, base);
	case TYPE_STAGES:
		return set_stages(reading, node, where, base);
	default:
		return set_scalar(reading, key, node, where, base);
	}
}

/* The row of a path, or the first below it when it names a group ("limits"). */
static const struct key *find_key(const char *path, bool *ret_group)
{
	size_t length = strlen(path);

	for (size_t i = 0; i < N_KEYS; i++) {
		if (strncmp(keys[i].path, path, length) != 0)
			continue;
		if (!keys[i].path[length] || keys[i].path[length] == '.') {
			*ret_group = keys[i].path[length] == '.';
			return &keys[i];
		}
	}
	return NULL;
}

static int fail_unknown(struct reading *reading, const yaml_node_t *key, const struct scope *scope)
{
	const char *typed = (const char *)key->data.scalar.value, *best = NULL;
	char candidates[N_KEYS][PATH_BYTES], hint[PATH_BYTES + 32] = "";
	struct shown shown = value_shown(typed, key->data.scalar.length);
	char where[WHERE_BYTES + sizeof(shown.text)];
	size_t length = strlen(scope->path);

	for (size_t i = 0; i < N_KEYS; i++) {
		const char *rest = keys[i].path + length;

		if (strncmp(keys[i].path, scope->path, length) != 0)
			continue;
		snprintf(candidates[i], sizeof(candidates[i]), "%.*s", (int)strcspn(rest, ".["), rest);
		best = value_nearest(typed, candidates[i], best);
	}
	if (best)
		snprintf(hint, sizeof(hint), ", did you mean '%s'?", best);
	snprintf(where, sizeof(where), "%s%s%.*s", scope->where, *scope->where ? "." : "", (int)strlen(shown.text) - 2,
		 shown.text + 1); /* without the quotes */
	return tree_fail(reading->error, reading->tree->file, tree_line(key), where, "unknown key%s", hint);
}

/* The path in the table of a key as typed; false when no key can be spelt like that. */
static bool join_path(const struct scope *scope, const yaml_node_t *key, char ret_path[PATH_BYTES])
{
	const char *typed = (const char *)key->data.scalar.value;

	if (!*typed || strspn(typed, "abcdefghijklmnopqrstuvwxyz0123456789_") != key->data.scalar.length)
		return false;
	return snprintf(ret_path, PATH_BYTES, "%s%s", scope->path, typed) < PATH_BYTES;
}

static int walk_key(struct reading *reading, const yaml_node_t *name, const yaml_node_t *value,
		    const struct scope *scope)
{
	char path[PATH_BYTES], group_path[PATH_BYTES + 1], where[WHERE_BYTES];
	struct scope inner = {group_path, where, scope->base};
	const struct key *key;
	bool group;

	if (name->type != YAML_SCALAR_NODE)
		return fail_kind(reading, name, scope->where, "the name of a key");
	key = join_path(scope, name, path) ? find_key(path, &group) : NULL;
	if (!key)
		return fail_unknown(reading, name, scope);
	snprintf(where, sizeof(where), "%.*s%s%s", WHERE_BYTES - PATH_BYTES - 2, scope->where, *scope->where ? "." : "",
		 (const char *)name->data.scalar.value);
	if (!group)
		return set_key(reading, key, value, where, scope->base);
	snprintf(group_path, sizeof(group_path), "%s.", path);
	return walk(reading, value, &inner);
}

static const yaml_node_t *find_earlier(struct reading *reading, const yaml_node_t *map, const yaml_node_pair_t *until)
{
	const yaml_node_t *key = tree_node(reading->tree, until->key);

	for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < until; pair++) {
		const yaml_node_t *other = tree_node(reading->tree, pair->key);

		if (other->type == YAML_SCALAR_NODE && key->type == YAML_SCALAR_NODE &&
		    other->data.scalar.length == key->data.scalar.length &&
		    !memcmp(other->data.scalar.value, key->data.scalar.value, key->data.scalar.length))
			return other;
	}
	return NULL;
}

/* Nothing at all is an empty group, so that all keys of a group may be commented out. */
static int walk(struct reading *reading, const yaml_node_t *map, const struct scope *scope)
{
	if (tree_is_null(map))
		return 0;
	if (map->type != YAML_MAPPING_NODE)
		return fail_kind(reading, map, scope->where, "a group of keys");
	/* Unknown keys end the walk, so that few keys are ever compared with each other. */
	for (const yaml_node_pair_t *pair = map->data.mapping.pairs.start; pair < map->data.mapping.pairs.top; pair++) {
		const yaml_node_t *name = tree_node(reading->tree, pair->key);
		const yaml_node_t *earlier = find_earlier(reading, map, pair);
		int rc;

		if (earlier)
			return tree_fail(
				reading->error, reading->tree->file, tree_line(name), scope->where,
				"the key %s is given twice, first in line %d",
				value_shown((const char *)name->data.scalar.value, name->data.scalar.length).text,
				tree_line(earlier));
		rc = walk_key(reading, name, tree_node(reading->tree, pair->value), scope);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- outside ----------------------------------------------------------------------------------------- */

void schema_init(struct config *config)
{
	set_presets("", config);
}

int schema_apply(const struct tree *tree, const char *dir, struct config *config, struct places *places,
		 struct config_error *error)
{
	struct reading reading = {tree, dir, config, places, error};
	struct scope scope = {"", "", config};
	const yaml_node_t *root = tree_root(tree), *policy, *high, *critical;
	int rc;

	if (!root)
		return 0;
	rc = walk(&reading, root, &scope);
	if (rc < 0)
		return rc;
	policy = tree_get(tree, root, "policy");
	high = tree_get(tree, policy, "temp_high_c");
	critical = tree_get(tree, policy, "temp_critical_c");
	if (high || critical)
		places->temps = (struct place){tree->file, tree_line(high ? high : critical)};
	return 0;
}

int schema_complete(struct config *config, const struct places *places, struct config_error *error)
{
	const struct config_policy *policy = &config->policy;

	if (policy->temp_high_c >= policy->temp_critical_c)
		return tree_fail(error, places->temps.file, places->temps.line, "policy.temp_high_c",
				 "%g is not below temp_critical_c, which is %g", (double)policy->temp_high_c,
				 (double)policy->temp_critical_c);
	for (int i = 0; i < config->n_models; i++)
		if (config->models[i].min_fps < 0)
			config->models[i].min_fps = policy->min_fps;
	return 0;
}
