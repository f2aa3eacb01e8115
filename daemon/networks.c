/* networks.c - see networks.h. */
#include "networks.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "identity.h"
#include "log.h"

struct network {
	struct network *next;
	struct network_ids ids;
	uint64_t digest;
	struct engine_model *model;
	int references;
};

/* Held while a file is loaded, so that none is loaded twice; taken before the other. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;
/* Guarded by it: where networks are kept converted. */
static char kept_in[CONFIG_PATH_BYTES + 16];
static uint64_t kept_bytes;
static size_t winograd_bytes = ENGINE_WINOGRAD_BYTES;
/* Guards the list and the counts, and is held for moments only: the loop asks how much there is. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct network *networks;

static struct network_id identify(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return (struct network_id){0};
	return (struct network_id){
		.device = status.st_dev, .inode = status.st_ino, .size = status.st_size, .changed = status.st_mtim};
}

/* Where a format of two files has its weights. */
static void find_weights(const char *path, char ret_weights[CONFIG_PATH_BYTES + 8])
{
	const char *suffix = strrchr(path, '.');

	snprintf(ret_weights, CONFIG_PATH_BYTES + 8, "%.*s.bin", (int)(suffix ? suffix - path : (long)strlen(path)),
		 path);
}

struct network_ids network_identify(const char *path)
{
	char weights[CONFIG_PATH_BYTES + 8];

	find_weights(path, weights);
	return (struct network_ids){identify(path), identify(weights)};
}

static bool same(const struct network_id *a, const struct network_id *b)
{
	return a->device == b->device && a->inode == b->inode && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

bool network_same(const struct network_ids *a, const struct network_ids *b)
{
	return same(&a->file, &b->file) && same(&a->weights, &b->weights);
}

static uint64_t digest(const char *path)
{
	char weights[CONFIG_PATH_BYTES + 8];

	find_weights(path, weights);
	return identity_add_file(identity_add_file(IDENTITY_START, path), weights);
}

void networks_keep(const char *folder, uint64_t max_bytes)
{
	bool fits = folder && strlen(folder) < sizeof(kept_in);

	pthread_mutex_lock(&loading);
	snprintf(kept_in, sizeof(kept_in), "%s", fits ? folder : "");
	kept_bytes = fits ? max_bytes : 0;
	pthread_mutex_unlock(&loading);
}

void networks_limit_winograd(size_t bytes)
{
	pthread_mutex_lock(&loading);
	winograd_bytes = bytes;
	pthread_mutex_unlock(&loading);
}

static int load_model(const char *path, struct engine_error *error, struct engine_model **ret_model)
{
	struct engine_error note = {""};
	int rc;

	if (!kept_bytes) {
		rc = engine_model_load(path, error, ret_model);
		if (rc == 0)
			engine_model_limit_winograd(*ret_model, winograd_bytes);
		return rc;
	}
	rc = engine_model_load_cached(path, kept_in, kept_bytes, winograd_bytes, error, &note, ret_model);
	if (note.text[0])
		log_warning("%s: %s", path, note.text);
	return rc;
}

static int load(const char *path, struct engine_error *error, struct network **ret_network)
{
	struct network *network = calloc(1, sizeof(*network));
	int rc;

	if (!network)
		return -ENOMEM;
	/* Looked at before it is read: what changes meanwhile is at worst loaded once more. */
	network->ids = network_identify(path);
	network->references = 1;
	rc = load_model(path, error, &network->model);
	if (rc < 0) {
		free(network);
		return rc;
	}
	network->digest = digest(path);
	pthread_mutex_lock(&lock);
	network->next = networks;
	networks = network;
	pthread_mutex_unlock(&lock);
	*ret_network = network;
	return 0;
}

/* One that is in memory, with a reference for the caller; or NULL. */
static struct network *find(const struct network_ids *ids)
{
	struct network *network;

	pthread_mutex_lock(&lock);
	network = networks;
	while (network && !(ids->file.inode && network_same(&network->ids, ids)))
		network = network->next;
	if (network)
		network->references++;
	pthread_mutex_unlock(&lock);
	return network;
}

int network_get(const char *path, struct engine_error *ret_error, struct network **ret_network)
{
	struct network_ids ids = network_identify(path);
	struct network *network;
	int rc = 0;

	pthread_mutex_lock(&loading);
	network = find(&ids);
	if (!network)
		rc = load(path, ret_error, &network);
	pthread_mutex_unlock(&loading);
	if (rc == 0)
		*ret_network = network;
	return rc;
}

void network_put(struct network *network)
{
	struct network **link = &networks;
	bool last;

	if (!network)
		return;
	pthread_mutex_lock(&lock);
	last = --network->references == 0;
	while (last && *link != network)
		link = &(*link)->next;
	if (last)
		*link = network->next;
	pthread_mutex_unlock(&lock);
	if (!last)
		return;
	engine_model_destroy(network->model);
	free(network);
}

struct engine_model *network_model(const struct network *network)
{
	return network->model;
}

uint64_t network_digest(const struct network *network)
{
	return network->digest;
}

size_t networks_bytes(void)
{
	size_t bytes = 0;

	pthread_mutex_lock(&lock);
	for (const struct network *network = networks; network; network = network->next)
		bytes += engine_model_bytes(network->model);
	pthread_mutex_unlock(&lock);
	return bytes;
}
