/*
 * schema.h - the table of keys applied to a tree.
 *
 * Reads files one after the other into the same struct config, and remembers which line gave what can only be
 * checked at the end.  Reads no file itself.  Private to config/.
 */
#ifndef INFERD_CONFIG_SCHEMA_H
#define INFERD_CONFIG_SCHEMA_H

#include "config.h"
#include "tree.h"

struct place {
	const char *file; /* borrowed from the loader for as long as it reads; NULL: nobody gave it */
	int line;
};

/* Where things were given, by index in struct config; an entry's lines are of the entry's file. */
struct places {
	struct place temps; /* the last of policy's two temperatures */
	struct place lanes[CONFIG_LANES_MAX];
	struct place models[CONFIG_MODELS_MAX];
	int label_lines[CONFIG_MODELS_MAX];
	int file_lines[CONFIG_MODELS_MAX][CONFIG_VARIANTS_MAX];
};

/* Fills in the defaults of all keys outside lists. */
void schema_init(struct config *config);

/*
 * Puts what the tree says over what config holds; dir (absolute) resolves relative paths.  0, -EINVAL, -ENOMEM.
 * On failure config is incomplete but may be destroyed.
 */
int schema_apply(const struct tree *tree, const char *dir, struct config *config, struct places *places,
		 struct config_error *error);

/* Fills in what other keys are the default of, and checks keys against each other, once all files are applied. */
int schema_complete(struct config *config, const struct places *places, struct config_error *error);

#endif
