/* learned.c - see learned.h. */
#include "learned.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "log.h"

/* Of the values in the store; another one is not read. */
#define VERSION 1
/* The store could keep values of several devices; one moves to another with its disk only by accident. */
#define ANY_DEVICE 0

/* What is learned is relative to the rungs' prior times: their number and they go before it. */
#define PRIORS_BYTES(n_rungs) (sizeof(uint32_t) + (size_t)(n_rungs) * sizeof(float))
#define LATENCY_BYTES_MAX     (PRIORS_BYTES(POLICY_RUNGS_MAX) + POLICY_LATENCY_BYTES_MAX)

static void make_key(char key[CONFIG_NAME_BYTES + 16], const char *kind, const struct model *model)
{
	snprintf(key, CONFIG_NAME_BYTES + 16, "%s/%s", kind, model->name);
}

uint64_t learned_identity(const struct learned *learned, const struct ladder *ladder)
{
	return identity_add_number(identity_add_number(IDENTITY_START, (int64_t)learned->device),
				   (int64_t)ladder->digest);
}

/* Of all that the learned figures depend on, their priors included. */
static uint64_t latency_hash(const struct learned *learned, const struct ladder *ladder, const float *priors)
{
	uint64_t hash = identity_add_number(learned_identity(learned, ladder), (int64_t)ladder->profile);

	return identity_add(hash, priors, (size_t)ladder->n_rungs * sizeof(*priors));
}

/* ---- from the store ------------------------------------------------------------------------------- */

static int get(const struct learned *learned, const char *kind, const struct model *model, void *ret_bytes,
	       size_t capacity, size_t *ret_size)
{
	char key[CONFIG_NAME_BYTES + 16];
	int rc;

	make_key(key, kind, model);
	rc = store_get(learned->store, key, ANY_DEVICE, VERSION, ret_bytes, capacity, ret_size);
	if (rc < 0 && rc != -ENOENT)
		log_warning("model %s: its %s cannot be read: %s", model->name, kind, strerror(-rc));
	return rc;
}

static void recall_profile(const struct learned *learned, const struct model *model)
{
	char *text = malloc(PROFILE_BYTES_MAX);
	struct profile *profile = malloc(sizeof(*profile));
	struct config_error why = {""};
	size_t size;
	int rc = text && profile ? get(learned, "profile", model, text, PROFILE_BYTES_MAX, &size) : -ENOENT;

	if (rc == 0) {
		rc = profile_parse(text, size, &why, profile);
		if (rc == 0)
			rc = profile_apply(profile, learned_identity(learned, model->ladder), model->ladder, &why);
		if (rc < 0)
			log_warning("model %s: its profile is not used: %s", model->name, why.text);
		else
			log_info("model %s: the costs of its %d rungs are those of its profile", model->name,
				 profile->n_rungs);
	}
	free(profile);
	free(text);
}

static enum policy_load load_latency(const struct learned *learned, struct ladder *ladder, const uint8_t *bytes,
				     size_t size)
{
	size_t priors_bytes = PRIORS_BYTES(ladder->n_rungs);
	float priors[POLICY_RUNGS_MAX];
	enum policy_load verdict;
	uint32_t n_rungs = 0;

	if (size < sizeof(n_rungs))
		return POLICY_LOAD_TRUNCATED;
	memcpy(&n_rungs, bytes, sizeof(n_rungs));
	if (n_rungs != (uint32_t)ladder->n_rungs)
		return POLICY_LOAD_RUNGS;
	if (size <= priors_bytes)
		return POLICY_LOAD_TRUNCATED;
	memcpy(priors, bytes + sizeof(n_rungs), priors_bytes - sizeof(n_rungs));
	verdict = policy_latency_load(&ladder->latency, latency_hash(learned, ladder, priors), bytes + priors_bytes,
				      size - priors_bytes);
	if (verdict != POLICY_LOADED)
		return verdict;
	for (int i = 0; i < ladder->n_rungs; i++)
		ladder->details[i].known_us = priors[i];
	ladder->saved_runs = ladder->latency.n_runs;
	return POLICY_LOADED;
}

static void recall_latency(const struct learned *learned, const struct model *model)
{
	uint8_t *bytes = malloc(LATENCY_BYTES_MAX);
	size_t size;

	if (bytes && get(learned, "latency", model, bytes, LATENCY_BYTES_MAX, &size) == 0) {
		enum policy_load verdict = load_latency(learned, model->ladder, bytes, size);

		if (verdict == POLICY_LOADED && model->ladder->latency.n_runs)
			log_info("model %s: %s, from %u runs", model->name, policy_load_text(verdict),
				 model->ladder->latency.n_runs);
		else if (verdict != POLICY_LOADED)
			log_warning("model %s: what was learned before is not used: %s", model->name,
				    policy_load_text(verdict));
	}
	free(bytes);
}

void learned_recall(const struct learned *learned, const struct model *model)
{
	if (!learned->store)
		return;
	recall_profile(learned, model);
	recall_latency(learned, model);
}

/* ---- to the store --------------------------------------------------------------------------------- */

static bool has_changed(const struct ladder *ladder)
{
	return ladder->settled && ladder->latency.n_runs != ladder->saved_runs;
}

static void save_latency(const struct learned *learned, const struct model *model, int64_t now_us)
{
	struct ladder *ladder = model->ladder;
	size_t priors_bytes = PRIORS_BYTES(ladder->n_rungs), size;
	uint32_t n_rungs = (uint32_t)ladder->n_rungs;
	uint8_t bytes[LATENCY_BYTES_MAX];
	float priors[POLICY_RUNGS_MAX];
	char key[CONFIG_NAME_BYTES + 16];

	for (int i = 0; i < ladder->n_rungs; i++)
		priors[i] = ladder->rungs[i].prior_us;
	memcpy(bytes, &n_rungs, sizeof(n_rungs));
	memcpy(bytes + sizeof(n_rungs), priors, priors_bytes - sizeof(n_rungs));
	size = policy_latency_save(&ladder->latency, latency_hash(learned, ladder, priors), bytes + priors_bytes,
				   sizeof(bytes) - priors_bytes);
	make_key(key, "latency", model);
	ladder->saved_us = now_us;
	/* What does not fit the queue now is handed over the next time. */
	if (store_put(learned->store, key, ANY_DEVICE, VERSION, bytes, priors_bytes + size) == 0)
		ladder->saved_runs = ladder->latency.n_runs;
}

void learned_save(const struct learned *learned, const struct models *models, int64_t now_us)
{
	for (int i = 0; learned->store && models && i < models->n; i++)
		if (has_changed(models->model[i]->ladder))
			save_latency(learned, models->model[i], now_us);
}

/* The model that was kept longest ago, and has changed since; NULL none. */
static const struct model *most_due(const struct models *models)
{
	const struct model *found = NULL;

	for (int i = 0; i < models->n; i++) {
		const struct model *model = models->model[i];

		if (has_changed(model->ladder) && (!found || model->ladder->saved_us < found->ladder->saved_us))
			found = model;
	}
	return found;
}

int64_t learned_tick(const struct learned *learned, const struct models *models, int64_t now_us)
{
	const struct model *model = learned->store && models ? most_due(models) : NULL;
	int64_t left_us;

	if (model && model->ladder->saved_us + learned->period_us <= now_us) {
		save_latency(learned, model, now_us);
		model = most_due(models);
	}
	if (!model)
		return -1;
	left_us = model->ladder->saved_us + learned->period_us - now_us;
	return left_us > 0 ? left_us : 0;
}

/* ---- profiles ------------------------------------------------------------------------------------- */

static int read_file(int fd, char *text, size_t capacity, size_t *ret_size, struct config_error *error)
{
	struct stat status;
	ssize_t n;

	/* Anything else could keep the loop waiting. */
	if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > (off_t)capacity) {
		snprintf(error->text, sizeof(error->text), "what came is no file of at most %zu bytes", capacity);
		return -EINVAL;
	}
	n = pread(fd, text, capacity, 0);
	if (n < 0) {
		int rc = -errno;

		snprintf(error->text, sizeof(error->text), "the profile cannot be read: %s", strerror(-rc));
		return rc;
	}
	*ret_size = (size_t)n;
	return 0;
}

int learned_take_profile(const struct learned *learned, const struct model *model, int fd,
			 struct config_error *ret_error, int64_t now_us, bool *ret_kept)
{
	char text[PROFILE_BYTES_MAX], key[CONFIG_NAME_BYTES + 16];
	struct profile *profile = malloc(sizeof(*profile));
	size_t size = 0;
	int rc;

	if (!profile) {
		snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
		return -ENOMEM;
	}
	rc = read_file(fd, text, sizeof(text), &size, ret_error);
	if (rc == 0)
		rc = profile_parse(text, size, ret_error, profile);
	if (rc == 0)
		rc = profile_apply(profile, learned_identity(learned, model->ladder), model->ladder, ret_error);
	free(profile);
	if (rc < 0)
		return rc;
	make_key(key, "profile", model);
	*ret_kept = learned->store && store_describe(learned->store).open &&
		    store_put(learned->store, key, ANY_DEVICE, VERSION, text, size) == 0;
	/* In the place of what was learned of other costs. */
	if (*ret_kept)
		save_latency(learned, model, now_us);
	return 0;
}
