/* loader.c - see loader.h. */
#include "loader.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "plugins.h"

/* Of memory_budget_mb, for what Winograd's method takes of a network: of its default, the engine's own. */
#define WINOGRAD_SHARE 16

static bool same_lanes(const struct config *a, const struct config *b)
{
	if (a->n_lanes != b->n_lanes)
		return false;
	for (int i = 0; i < a->n_lanes; i++) {
		const struct config_lane *x = &a->lanes[i], *y = &b->lanes[i];

		if (strcmp(x->name, y->name) || x->threads != y->threads || x->n_cpus != y->n_cpus ||
		    memcmp(x->cpus, y->cpus, (size_t)x->n_cpus * sizeof(int)))
			return false;
	}
	return true;
}

const char *loader_needs_restart(const struct config *running, const struct config *next)
{
	if (strcmp(running->socket, next->socket))
		return "socket";
	if (strcmp(running->group, next->group) || running->mode != next->mode)
		return "access";
	if (!same_lanes(running, next))
		return "lanes";
	if (running->policy.uclamp != next->policy.uclamp)
		return "policy.uclamp";
	return NULL;
}

static struct ladder *last_ladder(const struct loader *loader)
{
	return loader->models->model[loader->models->n - 1]->ladder;
}

/* ---- off the loop --------------------------------------------------------------------------------- */

/* Before any network is loaded. */
static void keep_converted(const struct loader *loader)
{
	char folder[CONFIG_PATH_BYTES + 16] = "";

	if (loader->state_dir)
		snprintf(folder, sizeof(folder), "%s/converted", loader->state_dir);
	networks_keep(folder, folder[0] ? (uint64_t)loader->config->converted_mb << 20 : 0);
}

static int load_config(struct loader *loader)
{
	const char *key;
	int rc;

	if (!loader->config) {
		rc = config_load(loader->path, &loader->error, &loader->config);
		if (rc < 0)
			return rc;
	}
	keep_converted(loader);
	networks_limit_winograd(((size_t)loader->config->memory_budget_mb << 20) / WINOGRAD_SHARE);
	rc = plugins_load(loader->config, &loader->error);
	if (rc < 0)
		return rc;
	key = loader->running ? loader_needs_restart(loader->running, loader->config) : NULL;
	if (!key)
		return 0;
	snprintf(loader->error.text, sizeof(loader->error.text),
		 "%s: `%s` differs from what runs, which needs a restart; nothing was changed", loader->path, key);
	return -EBUSY;
}

static void on_config_work(uv_work_t *work)
{
	struct loader *loader = work->data;

	loader->rc = load_config(loader);
}

static void on_model_work(uv_work_t *work)
{
	struct loader *loader = work->data;

	loader->rc = models_add(loader->models, loader->config, loader->before, loader->lanes, loader->n_lanes,
				&loader->error);
	/* A ladder that serves already knows better. */
	if (loader->rc == 0 && !loader->dry_run && !last_ladder(loader)->settled)
		learned_recall(loader->learned, loader->models->model[loader->models->n - 1]);
}

/* ---- on the loop ---------------------------------------------------------------------------------- */

static void finish(struct loader *loader, int rc)
{
	loader->residency->loading = NULL;
	if (rc < 0) {
		models_destroy(loader->models);
		config_destroy(loader->config);
		loader->models = NULL;
		loader->config = NULL;
	}
	loader->busy = false;
	loader->done(loader, rc);
}

static void queue_work(struct loader *loader, uv_work_cb work, uv_after_work_cb after)
{
	if (uv_queue_work(loader->loop, &loader->work, work, after) == 0)
		return;
	snprintf(loader->error.text, sizeof(loader->error.text), "no thread to load with");
	finish(loader, -EAGAIN);
}

static void on_model_worked(uv_work_t *work, int status);

static void load_next(struct loader *loader)
{
	/* Unloading decides among the models there are; the one that is being made is not among them yet. */
	loader->residency->loading = NULL;
	if (loader->cancelled)
		finish(loader, -ECANCELED);
	else if (loader->models->n < loader->config->n_models)
		queue_work(loader, on_model_work, on_model_worked);
	else
		finish(loader, 0);
}

/*
 * Moves to the next rung to warm up: first the networks' own sizes, from which the others can be estimated when time
 * runs out.  False when all are done.
 */
static bool next_rung(struct loader *loader)
{
	struct ladder *ladder = last_ladder(loader);

	while (loader->step < 2 * ladder->n_rungs && clock_us() <= loader->warm_until_us) {
		bool own_sizes = loader->step < ladder->n_rungs;

		loader->rung = loader->step++ % ladder->n_rungs;
		if (ladder->details[loader->rung].own_size == own_sizes)
			return true;
	}
	return false;
}

static void warm_up_next(struct loader *loader)
{
	struct ladder *ladder = last_ladder(loader);

	if (!loader->cancelled && next_rung(loader)) {
		loader->chore.lane = ladder->rungs[loader->rung].lane;
		dispatch_add_chore(loader->dispatch, &loader->chore);
		return;
	}
	ladder->pins--;
	/* Nobody waits for it: it may go when there is no room. */
	ladder->used_us = clock_us();
	ladder_settle(ladder);
	load_next(loader);
}

static struct loader *loader_of(struct dispatch_chore *chore)
{
	return (struct loader *)(void *)((char *)chore - offsetof(struct loader, chore));
}

static bool run_chore(struct worker_task *task, struct worker *worker)
{
	struct loader *loader = loader_of((struct dispatch_chore *)task);

	loader->rc = ladder_warm_up(last_ladder(loader), loader->rung, worker);
	return true; /* the next one waits for this */
}

static void on_chore_done(struct dispatch_chore *chore)
{
	struct loader *loader = loader_of(chore);
	const struct model *model = loader->models->model[loader->models->n - 1];

	if (loader->rc == 0) {
		warm_up_next(loader);
		return;
	}
	model->ladder->pins--;
	snprintf(loader->error.text, sizeof(loader->error.text), "models[%s]: %s cannot be run: %s", model->name,
		 model->ladder->details[loader->rung].name, strerror(-loader->rc));
	finish(loader, loader->rc);
}

static void on_model_worked(uv_work_t *work, int status)
{
	struct loader *loader = work->data;
	struct ladder *ladder;

	if (status < 0 || loader->rc < 0) {
		finish(loader, status < 0 ? status : loader->rc);
		return;
	}
	ladder = last_ladder(loader);
	if (ladder->settled) { /* shared with the generation that runs */
		load_next(loader);
		return;
	}
	loader->n_loaded++;
	loader->residency->loading = loader->models;
	residency_admit(loader->residency, ladder);
	if (loader->dry_run) {
		load_next(loader);
		return;
	}
	ladder->pins++;
	loader->step = 0;
	loader->warm_until_us = clock_us() + LOADER_WARM_US;
	loader->chore.task.run = run_chore;
	loader->chore.done = on_chore_done;
	warm_up_next(loader);
}

static void on_config_worked(uv_work_t *work, int status)
{
	struct loader *loader = work->data;
	int rc = status < 0 ? status : loader->rc;

	if (rc == 0) {
		/* Until a budget holds, that of the first generation does. */
		if (!loader->running)
			loader->residency->budget = (size_t)loader->config->memory_budget_mb << 20;
		loader->models = calloc(1, sizeof(*loader->models));
		if (!loader->models) {
			snprintf(loader->error.text, sizeof(loader->error.text), "out of memory");
			rc = -ENOMEM;
		}
	}
	if (rc < 0)
		finish(loader, rc);
	else
		load_next(loader);
}

void loader_start(struct loader *loader, const char *path, struct config *config, const struct config *running,
		  const struct models *before, bool dry_run)
{
	loader->busy = true;
	loader->dry_run = dry_run;
	loader->path = path;
	loader->config = config;
	loader->models = NULL;
	loader->running = running;
	loader->before = before;
	loader->error.text[0] = '\0';
	loader->work.data = loader;
	loader->n_loaded = 0;
	queue_work(loader, on_config_work, on_config_worked);
}
