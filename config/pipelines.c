/* pipelines.c - see pipelines.h. */
#include "pipelines.h"

#include <stdio.h>

const char *const pipelines_foreign_keys[] = {"task",	 "variants",   "detector", "landmarks", "gestures", "score_min",
					      "iou_max", "preprocess", "inputs",   "gray",	NULL};

/* Whether the places that this detector finds are those that the landmark network was trained to be shown. */
static bool match(enum config_detector detector, enum config_landmarks landmarks)
{
	switch (landmarks) {
	case CONFIG_HAND:
		return detector == CONFIG_PALM;
	case CONFIG_POSE:
		return detector == CONFIG_POSE_DETECTOR;
	case CONFIG_FACE:
		return detector != CONFIG_PALM && detector != CONFIG_POSE_DETECTOR;
	case CONFIG_LANDMARKS_NONE:
		break;
	}
	return false;
}

static const char *wanted(enum config_landmarks landmarks)
{
	return landmarks == CONFIG_HAND	  ? "hands need detector: palm"
	       : landmarks == CONFIG_POSE ? "bodies need detector: pose"
					  : "faces need a detector of faces";
}

static int check_one(const struct config *config, const struct config_model *model, const struct place *place,
		     struct config_error *error)
{
	static const enum config_task tasks[] = {CONFIG_DETECT, CONFIG_LANDMARKS};
	static const char *const names[] = {"detect", "landmarks"};
	const struct config_model *stages[CONFIG_STAGES];
	char where[2 * CONFIG_NAME_BYTES];

	snprintf(where, sizeof(where), "models[%s].pipeline", model->name);
	for (int i = 0; i < CONFIG_STAGES; i++) {
		stages[i] = config_find_model(config, model->stages[i]);
		if (!stages[i])
			return tree_fail(error, place->file, place->line, where,
					 "stage %d is '%s', and there is no model of this name", i + 1,
					 model->stages[i]);
		if (stages[i]->task != tasks[i] || config_is_pipeline(stages[i]))
			return tree_fail(error, place->file, place->line, where,
					 "stage %d has to be a model with task: %s, which '%s' is not", i + 1, names[i],
					 model->stages[i]);
	}
	if (!match(stages[0]->decode.detector, stages[1]->decode.landmarks))
		return tree_fail(error, place->file, place->line, where, "'%s' does not find what '%s' looks at: %s",
				 model->stages[0], model->stages[1], wanted(stages[1]->decode.landmarks));
	return 0;
}

int pipelines_check(const struct config *config, const struct places *places, struct config_error *error)
{
	const struct place nowhere = {"the models", 0};
	int rc = 0;

	for (int i = 0; i < config->n_models && rc == 0; i++)
		if (config_is_pipeline(&config->models[i]))
			rc = check_one(config, &config->models[i], places ? &places->models[i] : &nowhere, error);
	return rc;
}
