/* names.c - see names.h. */
#include "names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int names_init(struct names *names, size_t count)
{
	names->n_slots = 64;
	while (names->n_slots < 2 * count)
		names->n_slots *= 2;
	names->entries = malloc(names->n_slots * sizeof(*names->entries));
	if (!names->entries)
		return -ENOMEM;
	for (size_t i = 0; i < names->n_slots; i++)
		names->entries[i].number = -1;
	return 0;
}

void names_finish(struct names *names)
{
	free(names->entries);
	*names = (struct names){0};
}

/* FNV-1a (Fowler, Noll, Vo). */
static uint32_t hash(const uint8_t *data, size_t size)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < size; i++)
		h = (h ^ data[i]) * 16777619u;
	return h;
}

struct names_entry *names_find(const struct names *names, const void *data, size_t size)
{
	size_t at = hash(data, size) & (names->n_slots - 1);

	for (;; at = (at + 1) & (names->n_slots - 1)) {
		struct names_entry *entry = &names->entries[at];

		/* Nothing may be at NULL, which memcmp() does not take. */
		if (entry->number < 0 || (entry->size == size && (!size || memcmp(entry->data, data, size) == 0)))
			return entry;
	}
}
