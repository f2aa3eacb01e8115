/* step_rows.c - see rows.h. */
#include "rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "step.h"

/* Below this what lies between two steps stays in the cache anyway. */
#define BETWEEN_BYTES (512u << 10)
/* Rows that are made together at most, so that they are whole blocks of the GEMM's. */
#define GROUP_MAX 4
/* Output rows of a tile for each input row that the next tile makes once more. */
#define ROWS_FOR_ONE 7
#define TILES	     8
#define TILES_FEW    4
/* Of the second-level cache. */
#define CACHE_BYTES (384u << 10)

/* What is in a ring of rows, for the thread that goes on with the next tile; lies in front of it. */
struct ring_state {
	_Alignas(64) size_t first; /* row that it began with */
	size_t made;		   /* row that comes next */
};

/* The parts of a step, NULL where it lacks one. */
struct parts {
	const struct step *expand, *depthwise, *project;
};

static struct parts parts_of(const struct step *step)
{
	bool expands = !step->parts[0].gemm.weights->depthwise;
	int last = step->n_parts - 1;

	return (struct parts){
		.expand = expands ? &step->parts[0] : NULL,
		.depthwise = &step->parts[expands],
		.project = last > expands ? &step->parts[last] : NULL,
	};
}

/* What step_panel() needs, in front of the ring. */
static size_t panel_bytes(struct parts parts)
{
	size_t expand = parts.expand ? parts.expand->own_bytes : 0;
	size_t project = parts.project ? parts.project->own_bytes : 0;

	return ((expand > project ? expand : project) + 63) / 64 * 64;
}

/* ---- what is merged ---------------------------------------------------------------------------- */

/* A type that is left out of the build has no steps to ask for. */
static bool is_conv(const struct step *step)
{
	return ((WITH_TYPE_float32 && step->run == step_conv_f32) || (WITH_TYPE_int8 && step->run == step_conv_s8)) &&
	       step->node->op == GRAPH_CONV && step->gemm.groups == 1;
}

static bool is_pointwise(const struct step *step)
{
	return is_conv(step) && step->gemm.pointwise;
}

static bool is_depthwise(const struct step *step)
{
	return (WITH_TYPE_float32 && step->run == step_depthwise_f32) ||
	       (WITH_TYPE_int8 && step->run == step_depthwise_s8);
}

/* Whether a tensor is memory of its own, which nobody but the step `reader` reads. */
static bool is_between(const struct engine_plan *plan, int tensor, const struct step *reader)
{
	const struct plan_tensor *t = plan->tensors;
	const struct graph *graph = plan->graph;

	if (t[tensor].root != tensor || t[tensor].data || t[tensor].stride != (size_t)t[tensor].dims[3] ||
	    t[tensor].bytes < BETWEEN_BYTES)
		return false;
	for (int i = 0; i < graph->n_values; i++)
		if (i != tensor && t[i].root == tensor)
			return false;
	for (int i = 0; i < graph->n_outputs; i++)
		if (graph->outputs[i] == tensor)
			return false;
	for (int i = 0; i < plan->n_steps; i++) {
		const struct step *step = &plan->steps[i];

		if (step->residual == tensor)
			return false;
		for (int k = 0; k < step->n_in; k++)
			if (step->in[k] == tensor && (step != reader || k > 0))
				return false;
	}
	return reader->in[0] == tensor;
}

/* Behind a depthwise convolution, one that makes more channels of fewer hides the memory's slowness anyway. */
static bool follows(const struct engine_plan *plan, int index)
{
	const struct step *first = &plan->steps[index], *second = first + 1;

	return index + 1 < plan->n_steps && is_between(plan, first->out, second) &&
	       ((is_conv(first) && first->residual < 0 && is_depthwise(second)) ||
		(is_depthwise(first) && is_pointwise(second) && second->window.out_c <= second->window.in_c));
}

/* Input rows that a row of outputs reaches over. */
static size_t reach(const struct plan_window *w)
{
	return (size_t)(w->kh - 1) * (size_t)w->dilation_h + 1;
}

/* Input rows that neighbouring tiles both read. */
static size_t overlap(const struct plan_window *w)
{
	return reach(w) > (size_t)w->stride_h ? reach(w) - (size_t)w->stride_h : 0;
}

/* As few rows of w pixels as waste least of blocks of mr pixels. */
static size_t group_of(size_t w, size_t mr)
{
	size_t best = 1, best_waste = SIZE_MAX;

	for (size_t rows = 1; rows <= GROUP_MAX; rows++) {
		size_t waste = (mr - rows * w % mr) % mr * (12 / rows);

		if (waste < best_waste) {
			best = rows;
			best_waste = waste;
		}
	}
	return best;
}

/* Rows that are expanded together. */
static size_t expanded_of(struct parts parts, const struct kernels *kernels)
{
	return group_of((size_t)parts.depthwise->window.in_w, step_mr(parts.expand, kernels));
}

/* Rows that the ring of expanded ones has: a multiple of the group, so that none is cut in two. */
static size_t ring_of(struct parts parts, const struct kernels *kernels)
{
	const struct plan_window *w = &parts.depthwise->window;
	size_t group = expanded_of(parts, kernels);
	size_t rows = reach(w) + (step_depthwise_rows(parts.depthwise, kernels) - 1) * (size_t)w->stride_h;

	return (rows + group - 1 + group - 1) / group * group;
}

/* Output rows that the last part takes together: as many as waste least, of as many as are made at once. */
static size_t waiting_of(struct parts parts, const struct kernels *kernels)
{
	size_t group = group_of((size_t)parts.depthwise->window.out_w, step_mr(parts.project, kernels));
	size_t once = step_depthwise_rows(parts.depthwise, kernels);

	return group % once ? group * once : group;
}

static size_t size_of(const struct step *depthwise)
{
	return depthwise->run == step_depthwise_s8 ? 1 : sizeof(float);
}

static size_t ring_bytes(const struct step *depthwise, size_t ring_rows)
{
	const struct plan_window *w = &depthwise->window;

	return sizeof(struct ring_state) +
	       (ring_rows * (size_t)w->in_w * (size_t)w->in_c * size_of(depthwise) + KERNEL_SLACK + 63) / 64 * 64;
}

/* Output rows that wait for the last part. */
static size_t waiting_bytes(const struct step *depthwise, size_t group)
{
	const struct plan_window *w = &depthwise->window;

	return group * (size_t)w->out_w * (size_t)w->out_c * size_of(depthwise) + KERNEL_SLACK;
}

/* As float32, even where they are float16: what becomes of a network does not depend on that. */
static size_t weights_bytes(const struct step *pointwise)
{
	const struct weights_conv *weights = pointwise ? pointwise->gemm.weights : NULL;

	if (!weights)
		return 0;
	return (size_t)pointwise->gemm.panels * (weights->wide_bytes ? weights->wide_bytes : weights->panel_bytes);
}

/* Sets the tiles, and own_bytes but for those of panels. */
static void tile(struct step *whole, const struct kernels *kernels)
{
	struct parts parts = parts_of(whole);
	const struct plan_window *w = &parts.depthwise->window;
	size_t rows = ceil_div((size_t)w->out_h, TILES), once, group = step_depthwise_rows(parts.depthwise, kernels);

	whole->own_bytes = 0;
	if (parts.expand) {
		once = ROWS_FOR_ONE * overlap(w) / (size_t)w->stride_h;
		rows = rows > once ? rows : once;
		whole->own_bytes = ring_bytes(parts.depthwise, ring_of(parts, kernels));
	}
	if (parts.project) {
		group = waiting_of(parts, kernels);
		whole->own_bytes += waiting_bytes(parts.depthwise, group);
	}
	whole->gemm.rows = group;
	whole->tiles = step_even_tiles(ceil_div((size_t)w->out_h, group), ceil_div(rows, group));
	whole->serial = whole->tiles < 2;
}

/*
 * Whether what a thread works in stays in its cache beside the weights, which go by again and again, and several
 * threads find enough to do.
 */
static bool pays(const struct step *whole)
{
	struct parts parts = parts_of(whole);

	return (!parts.expand || whole->tiles >= TILES_FEW) &&
	       whole->own_bytes + weights_bytes(parts.expand) + weights_bytes(parts.project) <= CACHE_BYTES;
}

/* How many steps from `index` on are to be one. */
static int count_parts(const struct engine_plan *plan, const struct kernels *kernels, int index)
{
	struct step whole = {.parts = &plan->steps[index]};

	if (!follows(plan, index))
		return 1;
	whole.n_parts = is_conv(whole.parts) && follows(plan, index + 1) ? 3 : 2;
	for (; whole.n_parts > 1; whole.n_parts--) {
		tile(&whole, kernels);
		if (pays(&whole))
			break;
	}
	return whole.n_parts;
}

/* The whole is shown as its last part. */
static int merge(struct engine_plan *plan, const struct kernels *kernels, int index, int n, struct step *ret_whole)
{
	struct step *last = &plan->steps[index + n - 1], *parts = malloc((size_t)n * sizeof(*parts));

	if (!parts)
		return -ENOMEM;
	memcpy(parts, &plan->steps[index], (size_t)n * sizeof(*parts));
	*ret_whole = (struct step){
		.node = last->node,
		.in = parts->in,
		.n_in = parts->n_in,
		.out = last->out,
		.residual = last->residual,
		.run = step_rows,
		.gemm.weights = last->gemm.weights,
		.parts = parts,
		.n_parts = n,
		.kernel = last->kernel,
	};
	for (int i = 0; i < n; i++) {
		ret_whole->macs += parts[i].macs;
		ret_whole->params += parts[i].params;
		if (i + 1 < n)
			plan->tensors[parts[i].out].passing = true;
	}
	snprintf(ret_whole->fused, sizeof(ret_whole->fused), "%s%s%s%.30s",
		 is_depthwise(parts)   ? "depthwise"
		 : is_pointwise(parts) ? "pointwise"
				       : "convolution",
		 n > 2 ? ",depthwise" : "", last->fused[0] ? "," : "", last->fused);
	tile(ret_whole, kernels);
	ret_whole->own_bytes += panel_bytes(parts_of(ret_whole));
	return 0;
}

int rows_merge(struct engine_plan *plan)
{
	const struct kernels *kernels = kernels_get();
	struct step *steps = calloc((size_t)plan->n_steps + 1, sizeof(*steps));
	int kept = 0, merged = 0, r = 0;

	if (!steps)
		return -ENOMEM;
	for (int i = 0; i < plan->n_steps; kept++) {
		int n = count_parts(plan, kernels, i);

		if (r == 0 && n > 1) {
			r = merge(plan, kernels, i, n, &steps[kept]);
			merged += r == 0;
		}
		if (r < 0 || n == 1) {
			n = 1;
			steps[kept] = plan->steps[i];
		}
		i += n;
	}
	free(plan->steps);
	plan->steps = steps;
	plan->n_steps = kept;
	return r < 0 ? r : merged;
}

/* ---- a run ------------------------------------------------------------------------------------- */

/* Where a thread is on its way down the image. */
struct way {
	struct parts parts;
	const struct exec *exec;
	size_t size;		     /* of an element */
	uint8_t *ring, *waiting;     /* rows of the first part; pixels for the last one */
	size_t group, ring_rows;     /* of the ring */
	struct ring_state *rows;     /* that are in the ring */
	size_t n_waiting, projected; /* pixels; of the output */
};

/* Makes input rows of the depthwise convolution until there are `until`. */
static void expand(struct way *way, size_t until)
{
	const struct step *step = way->parts.expand;
	const struct plan_window *w = &step->window;
	size_t width = (size_t)w->out_w, channels = (size_t)w->out_c;

	while (way->rows->made < until) {
		size_t made = way->rows->made, left = (size_t)w->out_h - made;
		size_t rows = left < way->group ? left : way->group, at = (made - way->rows->first) % way->ring_rows;

		step_conv_pixels(step, way->exec,
				 (struct step_pixels){.in = plan_pointer(way->exec, step->in[0]),
						      .first = made * width,
						      .n = rows * width,
						      .out = way->ring + at * width * channels * way->size,
						      .out_stride = channels},
				 way->size);
		way->rows->made += rows;
	}
}

/* Takes the pixels that wait. */
static void project(struct way *way)
{
	const struct step *step = way->parts.project;
	const struct exec *exec = way->exec;
	struct step_pixels pixels = {.in = way->waiting, .n = way->n_waiting, .out_stride = step->window.out_stride};

	pixels.out = (uint8_t *)plan_pointer(exec, step->out) + way->projected * pixels.out_stride * way->size;
	if (step->residual >= 0) {
		pixels.residual_stride = exec->plan->tensors[step->residual].stride;
		pixels.residual =
			(const float *)plan_pointer(exec, step->residual) + way->projected * pixels.residual_stride;
	}
	step_conv_pixels(step, exec, pixels, way->size);
	way->projected += way->n_waiting;
	way->n_waiting = 0;
}

/* The output rows from oy on, args->out_rows of them. */
static void some_rows(struct way *way, struct dwconv_args *args, const void **rows, size_t oy)
{
	const struct step *step = way->parts.depthwise;
	const struct plan_window *w = &step->window;
	const uint8_t *x = way->parts.expand ? way->ring : plan_pointer(way->exec, step->in[0]);
	size_t in_row = args->in_w * args->in_stride * way->size, out_pixel = args->out_stride * way->size;

	for (size_t ky = 0; ky < (args->out_rows - 1) * args->stride_h + args->kh; ky++) {
		int iy = (int)oy * w->stride_h - w->top + (int)ky * w->dilation_h;
		size_t at = (size_t)iy;

		if ((unsigned)iy >= (unsigned)w->in_h) {
			rows[ky] = NULL;
			continue;
		}
		if (way->parts.expand) {
			expand(way, at + 1);
			at = (at - way->rows->first) % way->ring_rows;
		}
		rows[ky] = x + at * in_row;
	}
	if (way->parts.project)
		args->out = way->waiting + way->n_waiting * out_pixel;
	else
		args->out = (uint8_t *)plan_pointer(way->exec, step->out) + oy * args->out_row * way->size;
	step_depthwise(step, way->exec, args);
	way->n_waiting += args->out_rows * args->out_w;
}

/* An input row of the depthwise convolution that lies in the image. */
static size_t clip_row(const struct plan_window *w, long long row)
{
	return row < 0 ? 0 : row > w->in_h ? (size_t)w->in_h : (size_t)row;
}

void step_rows(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	struct way way = {.parts = parts_of(step), .exec = exec, .size = size_of(parts_of(step).depthwise)};
	const struct step *depthwise = way.parts.depthwise, *last = way.parts.project;
	const struct plan_window *w = &depthwise->window;
	size_t group = step->gemm.rows, groups = ceil_div((size_t)w->out_h, group);
	size_t y = step_cut(groups, from, step->tiles) * group, end = step_cut(groups, to, step->tiles) * group;
	size_t most = last ? waiting_of(way.parts, exec->kernels) * (size_t)w->out_w : 0;
	size_t once = step_depthwise_rows(depthwise, exec->kernels);
	const void *rows[STEP_TAPS_MAX];
	struct dwconv_args args = step_dwconv_args(depthwise, exec, rows);

	end = end < (size_t)w->out_h ? end : (size_t)w->out_h;
	way.waiting = exec->own + panel_bytes(way.parts);
	if (way.parts.expand) {
		way.group = expanded_of(way.parts, exec->kernels);
		way.ring_rows = ring_of(way.parts, exec->kernels);
		way.rows = (struct ring_state *)(void *)way.waiting;
		way.ring = way.waiting + sizeof(*way.rows);
		way.waiting += ring_bytes(depthwise, way.ring_rows);
		if (!exec->goes_on)
			way.rows->first = way.rows->made = clip_row(w, (long long)y * w->stride_h - w->top);
	}
	way.projected = y * (size_t)w->out_w;
	for (; y < end; y += args.out_rows) {
		args.out_rows = end - y < once ? end - y : once;
		some_rows(&way, &args, rows, y);
		if (last && (way.n_waiting == most || y + args.out_rows == end))
			project(&way);
	}
}
