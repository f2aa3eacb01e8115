/*
 * storage.h - memory of one decoded message: sized once from the body's length, then only handed out.
 *
 * Private to ipc/.
 */
#ifndef INFERD_IPC_STORAGE_H
#define INFERD_IPC_STORAGE_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "body.h"

struct storage {
	size_t capacity, used;
	alignas(max_align_t) uint8_t data[];
};

/* Makes or grows it for what an honest body of this length may need, and empties it.  0 or -ENOMEM. */
int storage_reserve(struct storage **storage, size_t length);

/* NULL when the body promised more than storage_reserve() made room for; the reason is storage_reason. */
void *storage_take(struct storage *storage, size_t bytes, size_t align);
extern const char storage_reason[];

/* A copy that ends with NUL.  NULL, or a constant sentence. */
const char *storage_text(struct storage *storage, const struct body_value *value, const char **ret_text);

#endif
