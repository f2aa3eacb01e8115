/*
 * networks.h - network files in memory, each of them once, whatever the number of models that name it.
 *
 * Loading and freeing may take long and are done off the loop; any thread may call.
 */
#ifndef INFERD_NETWORKS_H
#define INFERD_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "engine/engine.h"

/* A file's identity: enough to notice that it was replaced. */
struct network_id {
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed;
};

/* The network's own file and, for formats of two, its weights'. */
struct network_ids {
	struct network_id file, weights;
};

struct network_ids network_identify(const char *path);
bool network_same(const struct network_ids *a, const struct network_ids *b);

struct network;

/*
 * Networks loaded from now on are kept converted in this folder, of at most so many bytes, and come from there when
 * they are loaded again (engine_model_load_cached()); NULL or 0: they are not.  A longer path is none.
 */
void networks_keep(const char *folder, uint64_t max_bytes);

/* As engine_model_limit_winograd(), of networks loaded from now on. */
void networks_limit_winograd(size_t bytes);

/* Loads the file, or finds it loaded already.  As engine_model_load(). */
int network_get(const char *path, struct engine_error *ret_error, struct network **ret_network);
void network_put(struct network *network); /* the last one frees it; accepts NULL */
struct engine_model *network_model(const struct network *network);
/* A hash of what the files held when they were loaded, as of identity.h.  Files that they refer to are not in it. */
uint64_t network_digest(const struct network *network);

/* Bytes of all networks in memory. */
size_t networks_bytes(void);

#endif
