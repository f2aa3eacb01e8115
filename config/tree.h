/*
 * tree.h - the text of one configuration file as a checked tree of nodes.
 *
 * The tree knows YAML and the limits on it; what the keys mean is schema.c's.  Private to config/.
 */
#ifndef INFERD_CONFIG_TREE_H
#define INFERD_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <yaml.h>

#include "config.h"

struct tree {
	const char *file; /* for errors; borrowed */
	yaml_document_t document;
};

/* -EINVAL with ret_error filled for what is no YAML or over a limit, -ENOMEM.  Borrows file and, meanwhile, text. */
int tree_init(struct tree *tree, const char *file, const char *text, size_t size, struct config_error *error);
void tree_finish(struct tree *tree);

/* NULL for a file without content. */
const yaml_node_t *tree_root(const struct tree *tree);
const yaml_node_t *tree_node(const struct tree *tree, int index);
/* The value of a key of a mapping; NULL when it is absent or map is no mapping (NULL included). */
const yaml_node_t *tree_get(const struct tree *tree, const yaml_node_t *map, const char *key);
/* Nothing was written where a value could be: empty, ~ or null. */
bool tree_is_null(const yaml_node_t *node);
int tree_length(const yaml_node_t *sequence);
int tree_line(const yaml_node_t *node);
/* "a list", "a value", ... for errors */
const char *tree_kind(const yaml_node_t *node);

/* Writes "FILE:LINE: WHERE: cause"; line 0 and an empty where are left out.  Returns -EINVAL.  error may be NULL. */
int tree_fail(struct config_error *error, const char *file, int line, const char *where, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

#endif
