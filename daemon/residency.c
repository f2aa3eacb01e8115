/* residency.c - see residency.h. */
#include "residency.h"

#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* What was just loaded has its turn before it can be unloaded again, unless nobody uses it for this long. */
#define TURN_US 2000000
/* After a failure to load, frames fail at once for this long. */
#define RETRY_US 1000000
/* Arenas are given back for no less than this. */
#define ARENA_STEP (256u << 10)

/* ---- what is there -------------------------------------------------------------------------------- */

/* The ladders of the generation that serves and of the one that is being loaded, one after the other. */
static struct ladder *ladder_at(const struct residency *residency, int index)
{
	int n_serving = residency->serving ? residency->serving->n : 0;

	if (index < n_serving)
		return residency->serving->model[index]->ladder;
	index -= n_serving;
	if (residency->loading && index < residency->loading->n)
		return residency->loading->model[index]->ladder;
	return NULL;
}

size_t residency_used(const struct residency *residency)
{
	return networks_bytes() + residency->arena_bytes * (size_t)residency->dispatch->n_lanes +
	       *residency->pool_bytes + galleries_bytes(residency->galleries);
}

/* What a ladder takes while it is the only one. */
static size_t alone(const struct residency *residency, const struct ladder *ladder)
{
	return ladder->bytes + ladder->arena_bytes * (size_t)residency->dispatch->n_lanes;
}

size_t residency_left_for_galleries(const struct residency *residency)
{
	size_t taken = 0;

	for (int i = 0; residency->serving && i < residency->serving->n; i++) {
		size_t bytes = alone(residency, residency->serving->model[i]->ladder);

		taken = bytes > taken ? bytes : taken;
	}
	taken += *residency->pool_bytes;
	return residency->budget > taken ? residency->budget - taken : 0;
}

static bool may_go(const struct ladder *ladder, int64_t now_us)
{
	bool has_had_its_turn = ladder->used_us >= ladder->loaded_us || now_us - ladder->loaded_us > TURN_US;

	return ladder->resident && !ladder->pins && has_had_its_turn;
}

static struct ladder *used_longest_ago(const struct residency *residency, const struct ladder *keep)
{
	struct ladder *ladder, *oldest = NULL;
	int64_t now = clock_us();

	for (int i = 0; (ladder = ladder_at(residency, i)); i++)
		if (ladder != keep && may_go(ladder, now) && (!oldest || ladder->used_us < oldest->used_us))
			oldest = ladder;
	return oldest;
}

/* ---- giving back ---------------------------------------------------------------------------------- */

static bool release_arena(struct worker_task *task, struct worker *worker)
{
	(void)task;
	engine_context_release(worker_context(worker));
	return false;
}

static void on_released(struct dispatch_chore *chore)
{
	struct residency *residency =
		(struct residency *)(void *)((char *)(chore - chore->lane) - offsetof(struct residency, chores));

	residency->chore_waits[chore->lane] = false;
}

/* Lanes keep their tensors' memory from frame to frame; it shrinks when the networks that needed it are gone. */
static void shrink_arenas(struct residency *residency)
{
	const struct ladder *ladder;
	size_t needed = 0;

	for (int i = 0; (ladder = ladder_at(residency, i)); i++)
		if (ladder->resident && ladder->arena_bytes > needed)
			needed = ladder->arena_bytes;
	if (needed + ARENA_STEP > residency->arena_bytes)
		return;
	residency->arena_bytes = needed;
	for (int lane = 0; lane < residency->dispatch->n_lanes; lane++) {
		if (residency->chore_waits[lane])
			continue;
		residency->chore_waits[lane] = true;
		residency->chores[lane] =
			(struct dispatch_chore){.task.run = release_arena, .done = on_released, .lane = lane};
		dispatch_add_chore(residency->dispatch, &residency->chores[lane]);
	}
}

/* Done on the loop: lanes answer by themselves, and nothing else can begin before this has ended anyway. */
static void unload(struct residency *residency, struct ladder *ladder)
{
	struct network *networks[LADDER_NETWORKS_MAX];

	residency->n_unloads++;
	ladder_unload(ladder, networks);
	for (int i = 0; i < LADDER_NETWORKS_MAX; i++)
		network_put(networks[i]);
	shrink_arenas(residency);
}

bool residency_make_room(struct residency *residency, size_t bytes, const struct ladder *keep)
{
	struct ladder *ladder;
	bool any = false;

	while (residency_used(residency) + bytes > residency->budget && (ladder = used_longest_ago(residency, keep))) {
		unload(residency, ladder);
		any = true;
	}
	if (any)
		malloc_trim(0);
	return residency_used(residency) + bytes <= residency->budget;
}

/* ---- loading -------------------------------------------------------------------------------------- */

void residency_admit(struct residency *residency, struct ladder *ladder)
{
	ladder->loaded_us = clock_us();
	if (ladder->arena_bytes > residency->arena_bytes)
		residency->arena_bytes = ladder->arena_bytes;
	residency_make_room(residency, 0, ladder);
}

static void on_work(uv_work_t *work)
{
	struct residency *residency = work->data;

	residency->rc = ladder_create_again(residency->ladder, &residency->error, &residency->fresh);
}

static void on_worked(uv_work_t *work, int status)
{
	struct residency *residency = work->data;
	struct ladder *ladder = residency->ladder, *fresh = residency->fresh;
	int rc = status < 0 ? status : residency->rc;

	if (rc == 0) {
		rc = ladder_adopt(ladder, fresh);
		if (rc < 0)
			snprintf(residency->error.text, sizeof(residency->error.text),
				 "the files have changed; a reload takes them");
		ladder_unref(fresh);
	}
	residency->busy = false;
	residency->ladder = residency->fresh = NULL;
	if (rc == 0) {
		residency->n_loads++;
		residency_admit(residency, ladder);
	} else {
		log_error("a model's networks cannot be loaded again: %s", residency->error.text);
		ladder->failed_us = clock_us();
	}
	ladder_unref(ladder);
	dispatch_wake(residency->dispatch);
}

int residency_want(struct residency *residency, struct ladder *ladder)
{
	int64_t now = clock_us();

	ladder->used_us = now;
	if (ladder->failed_us && now - ladder->failed_us < RETRY_US)
		return -EIO;
	if (alone(residency, ladder) + *residency->pool_bytes + galleries_bytes(residency->galleries) >
	    residency->budget)
		return -ENOMEM;
	/* When there is no room now, the end of a frame that runs is a reason to ask again. */
	if (residency->busy || !residency_make_room(residency, ladder->bytes, ladder))
		return 0;
	/* Giving arenas back makes the dispatch look at its queue, and a frame there may have asked already. */
	if (residency->busy)
		return 0;
	residency->busy = true;
	residency->ladder = ladder_ref(ladder);
	residency->fresh = NULL;
	residency->error.text[0] = '\0';
	residency->work.data = residency;
	if (uv_queue_work(residency->loop, &residency->work, on_work, on_worked) < 0) {
		residency->busy = false;
		ladder_unref(ladder);
		return -EAGAIN;
	}
	return 0;
}
