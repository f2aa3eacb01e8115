/*
 * names.h - a hash table from names, borrowed bytes, to whole numbers.  Its size is fixed when it is made.
 */
#ifndef INFERD_NAMES_H
#define INFERD_NAMES_H

#include <stddef.h>
#include <stdint.h>

struct names_entry {
	const void *data;
	size_t size;
	int number;
};

struct names {
	struct names_entry *entries; /* number -1: free */
	size_t n_slots;		     /* a power of two */
};

/* For up to `count` names.  0 or -ENOMEM. */
int names_init(struct names *names, size_t count);
void names_finish(struct names *names);

/* The entry of this name, or the free one where it belongs: set all of its fields to add it. */
struct names_entry *names_find(const struct names *names, const void *data, size_t size);

#endif
