/*
 * attributes.h - what a file says about a node of a general operator: a list of names and values.  See operator.h.
 *
 * Filled by the importers, read by operators.  Owned by the node.
 */
#ifndef INFERD_ATTRIBUTES_H
#define INFERD_ATTRIBUTES_H

#include "operator.h"

#define ATTRIBUTES_MAX 64

struct engine_attributes *attributes_new(void); /* NULL: no memory */
struct engine_attributes *attributes_copy(const struct engine_attributes *attributes);
void attributes_free(struct engine_attributes *attributes);

/*
 * Add one; everything is copied.  0, -ENOMEM, -EFBIG over ATTRIBUTES_MAX.  A name that is there already keeps its
 * first value.
 */
int attributes_add_integers(struct engine_attributes *attributes, const char *name, size_t name_bytes,
			    const int64_t *values, int n);
int attributes_add_numbers(struct engine_attributes *attributes, const char *name, size_t name_bytes,
			   const double *values, int n);
int attributes_add_text(struct engine_attributes *attributes, const char *name, size_t name_bytes, const char *text,
			size_t text_bytes);

/* What there is, for those who store it: exactly one of integers, numbers (n of them) and text is not NULL.  Borrowed.
 */
struct attributes_entry {
	const char *name;
	int n;
	const int64_t *integers;
	const double *numbers;
	const char *text;
};
int attributes_count(const struct engine_attributes *attributes);
void attributes_at(const struct engine_attributes *attributes, int i, struct attributes_entry *ret_entry);

#endif
