/*
 * models.h - what clients name: one generation of models, made from one configuration.
 *
 * A registry is built off the loop, warmed up on the lanes, and then swapped in whole.  A model outlives its
 * registry for as long as a stream or a running frame refers to it.  References are counted on the loop.
 */
#ifndef INFERD_MODELS_H
#define INFERD_MODELS_H

#include "config/config.h"
#include "ladder.h"
#include "peer.h"
#include "stats.h"
#include "vote.h"

struct model {
	char name[CONFIG_NAME_BYTES];
	struct ladder *ladder;
	char *labels_text;
	const char **labels; /* n_labels of them, each at most IPC_TEXT_MAX bytes */
	int n_labels;
	int top_k, deadline_ms;
	float weight, min_fps;
	enum config_priority priority;
	struct peer_list allowed;
	/* how frames are told from a gallery; the scales are of the ladder's variants */
	struct vote_rules vote_rules;
	struct vote_scale vote_scales[CONFIG_VARIANTS_MAX];
	struct stats stats;
	int references;
};

struct models {
	int n;
	struct model *model[CONFIG_MODELS_MAX];
};

/*
 * Builds the next model of a configuration, the one at models->n; a ladder of `before` (may be NULL) that serves is
 * shared.  May run on any thread while nobody swaps `before` away and nobody looks at models.  0, or negative errno
 * with a sentence that names the model.
 */
int models_add(struct models *models, const struct config *config, const struct models *before,
	       const struct topology_lane *lanes, int n_lanes, struct config_error *ret_error);
/* All of them. */
int models_create(const struct config *config, const struct topology_lane *lanes, int n_lanes,
		  struct config_error *ret_error, struct models **ret_models);
void models_destroy(struct models *models); /* drops its references; accepts NULL */

/* Takes over the counts of models of the same name, and what was learned where it is still true. */
void models_inherit(struct models *models, const struct models *before);

struct model *models_find(const struct models *models, const char *name); /* NULL: none */
struct model *model_ref(struct model *model);
void model_unref(struct model *model); /* accepts NULL */

/* The label of an output, or "". */
const char *model_label(const struct model *model, int index);

#endif
