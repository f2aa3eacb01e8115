/*
 * run.c - contexts and the walk over a plan's steps.  The arena of a context serves every plan reserved in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plan.h"
#include "team.h"

struct engine_context {
	struct engine_team *team;
	uint8_t *arena;
	size_t arena_bytes;
	uint64_t *profile;
};

struct run {
	struct exec exec;
	uint64_t *profile;
};

int engine_context_create(struct engine_team *team, struct engine_context **ret_context)
{
	struct engine_context *context = calloc(1, sizeof(*context));

	if (!context)
		return -ENOMEM;
	context->team = team;
	*ret_context = context;
	return 0;
}

void engine_context_destroy(struct engine_context *context)
{
	if (!context)
		return;
	free(context->arena);
	free(context);
}

/* The plan's arena, and behind it what each thread has of its own. */
static size_t own_offset(const struct engine_plan *plan)
{
	return (plan->arena_bytes + KERNEL_SLACK + 63) / 64 * 64;
}

static size_t bytes_needed(const struct engine_context *context, const struct engine_plan *plan)
{
	return own_offset(plan) + (size_t)team_threads(context->team) * plan->own_bytes;
}

int engine_context_reserve(struct engine_context *context, const struct engine_plan *plan)
{
	/* A multiple of its alignment, and never empty. */
	size_t bytes = bytes_needed(context, plan);
	uint8_t *arena;

	if (context->arena && bytes <= context->arena_bytes)
		return 0;
	arena = aligned_alloc(64, bytes);
	if (!arena)
		return -ENOMEM;
	/* Touches the pages now, and gives over-reads defined bytes. */
	memset(arena, 0, bytes);
	free(context->arena);
	context->arena = arena;
	context->arena_bytes = bytes;
	return 0;
}

void engine_context_release(struct engine_context *context)
{
	free(context->arena);
	context->arena = NULL;
	context->arena_bytes = 0;
}

static void *io_pointer(struct engine_context *context, const struct engine_plan *plan, int tensor)
{
	struct exec exec = {.plan = plan, .arena = context->arena};

	return plan_pointer(&exec, tensor);
}

void *engine_context_input(struct engine_context *context, const struct engine_plan *plan, int index)
{
	return io_pointer(context, plan, plan->graph->inputs[index]);
}

const void *engine_context_output(struct engine_context *context, const struct engine_plan *plan, int index)
{
	return io_pointer(context, plan, plan->graph->outputs[index]);
}

int engine_context_output_dims(struct engine_context *context, const struct engine_plan *plan, int index,
			       int32_t dims[ENGINE_RANK_MAX])
{
	int value = plan->graph->outputs[index];
	const struct graph_shape *shapes =
		(const struct graph_shape *)(const void *)(context->arena + plan->shapes_offset);

	if (plan->graph->values[value].variable) {
		memcpy(dims, shapes[value].dims, sizeof(shapes[value].dims));
		return shapes[value].rank;
	}
	memcpy(dims, plan->tensors[value].dims, sizeof(plan->tensors[value].dims));
	return plan->tensors[value].rank;
}

const void *run_tensor(struct engine_context *context, const struct engine_plan *plan, int tensor)
{
	return io_pointer(context, plan, tensor);
}

void engine_context_profile(struct engine_context *context, uint64_t *ns)
{
	context->profile = ns;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void share_step(const struct step *step, struct exec *exec, struct team_sync *sync, int thread)
{
	size_t next = SIZE_MAX;
	unsigned tile;

	while (team_sync_take(sync, thread, &tile)) {
		exec->goes_on = tile == next;
		next = (size_t)tile + 1;
		step->run(step, exec, tile, next);
	}
	exec->goes_on = false;
}

/*
 * One thread's share of the run; the barrier behind a step makes its outputs visible to all.  None is between steps
 * that thread 0 does alone: the others wait once for all of these, and sleep sooner.
 */
static void walk(void *argument, struct team_sync *sync, int thread, int n_threads)
{
	const struct run *run = argument;
	const struct engine_plan *plan = run->exec.plan;
	struct exec exec = run->exec;
	uint64_t start = run->profile && thread == 0 ? now_ns() : 0;

	exec.own = exec.arena + own_offset(plan) + (size_t)thread * plan->own_bytes;
	for (int i = 0; i < plan->n_steps; i++) {
		const struct step *step = &plan->steps[i];

		if (n_threads == 1 || step->serial) {
			if (thread == 0)
				step->run(step, &exec, 0, step->tiles);
		} else {
			share_step(step, &exec, sync, thread);
		}
		if (n_threads > 1 && i + 1 < plan->n_steps && !(step->serial && plan->steps[i + 1].serial))
			team_sync_barrier(sync, n_threads, (unsigned)plan->steps[i + 1].tiles);
		if (run->profile && thread == 0) {
			uint64_t end = now_ns();

			run->profile[i] = end - start;
			start = end;
		}
	}
}

/* uint8 tensors of the caller and int8 tensors of the engine differ in the top bit. */
static void flip(const struct exec *exec, int from, int end)
{
	for (int i = from; i < end; i++) {
		uint8_t *data = plan_pointer(exec, exec->plan->flips[i]);

		exec->kernels->flip(exec->plan->tensors[exec->plan->flips[i]].bytes, data, data);
	}
}

int engine_run(struct engine_context *context, const struct engine_plan *plan, int n_threads)
{
	int team = team_threads(context->team), status = 0;
	struct run run = {
		.exec = {.plan = plan, .kernels = kernels_get(), .arena = context->arena, .status = &status},
		.profile = context->profile,
	};

	if (!context->arena || context->arena_bytes < bytes_needed(context, plan))
		return -EINVAL;
	flip(&run.exec, 0, plan->n_flip_inputs);
	team_run(context->team, n_threads < 1 || n_threads > team ? team : n_threads,
		 plan->n_steps ? (unsigned)plan->steps[0].tiles : 0, walk, &run);
	flip(&run.exec, plan->n_flip_inputs, plan->n_flips);
	return status;
}
