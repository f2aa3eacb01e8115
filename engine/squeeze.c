/* squeeze.c - see squeeze.h. */
#include "squeeze.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "step.h"

#define PARTS 3 /* the mean and two layers */

static bool reads(const struct engine_plan *plan, const struct step *step, int input, int tensor)
{
	return input < step->n_in && step->in[input] >= 0 &&
	       plan->tensors[step->in[input]].root == plan->tensors[tensor].root;
}

/* A layer of one pixel that continues from the step before it. */
static bool is_layer(const struct engine_plan *plan, const struct step *step)
{
	return (step->run == step_conv_f32 || step->run == step_conv_s8) && step->serial && step->residual < 0 &&
	       step->window.out_h * step->window.out_w == 1 && reads(plan, step, 0, step[-1].out);
}

static bool is_block(const struct engine_plan *plan, int index)
{
	const struct step *pool = &plan->steps[index], *gate;

	if (index + PARTS >= plan->n_steps || pool->run != step_pool || pool->node->op == GRAPH_MAXPOOL ||
	    pool->window.out_h * pool->window.out_w != 1 || !is_layer(plan, pool + 1) || !is_layer(plan, pool + 2))
		return false;
	gate = pool + PARTS;
	return gate->node->op == GRAPH_MUL &&
	       ((reads(plan, gate, 0, pool->in[0]) && reads(plan, gate, 1, gate[-1].out)) ||
		(reads(plan, gate, 1, pool->in[0]) && reads(plan, gate, 0, gate[-1].out)));
}

/* The whole is shown as its last layer. */
static int merge(struct step *first, struct step *ret_whole)
{
	struct step *last = first + PARTS - 1, *parts = malloc(PARTS * sizeof(*parts));

	if (!parts)
		return -ENOMEM;
	memcpy(parts, first, PARTS * sizeof(*parts));
	*ret_whole = (struct step){
		.node = last->node,
		.in = last->in,
		.n_in = last->n_in,
		.out = last->out,
		.residual = -1,
		.run = step_parts,
		.tiles = 1,
		.serial = true,
		.parts = parts,
		.n_parts = PARTS,
		.scratch_bytes = first->scratch_bytes,
		.kernel = last->kernel,
	};
	for (int i = 0; i < PARTS; i++) {
		ret_whole->macs += parts[i].macs;
		ret_whole->params += parts[i].params;
		if (parts[i].own_bytes > ret_whole->own_bytes)
			ret_whole->own_bytes = parts[i].own_bytes;
	}
	snprintf(ret_whole->fused, sizeof(ret_whole->fused), "squeeze%s%.50s", last->fused[0] ? "," : "", last->fused);
	return 0;
}

int squeeze_merge(struct engine_plan *plan)
{
	int kept = 0, blocks = 0, r = 0;

	for (int i = 0; i < plan->n_steps; i++) {
		struct step whole;

		if (r == 0 && is_block(plan, i)) {
			r = merge(&plan->steps[i], &whole);
			if (r == 0) {
				plan->steps[kept++] = whole;
				i += PARTS - 1;
				blocks++;
				continue;
			}
		}
		plan->steps[kept++] = plan->steps[i];
	}
	plan->n_steps = kept;
	return r < 0 ? r : blocks;
}

void step_parts(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	(void)from;
	(void)to;
	for (int i = 0; i < step->n_parts; i++)
		step->parts[i].run(&step->parts[i], exec, 0, step->parts[i].tiles);
}
