/*
 * step_winograd.c - convolutions of 3x3 at stride 1 as Winograd's F(2x2, 3x3) or F(4x4, 3x3), see kernels/kernels.h.
 *
 * A tile is a run of blocks of outputs.  Their inputs are transformed once, then for each panel the products and the
 * transform back, while all of it is in the second-level cache.
 */
#include "step.h"

#include <math.h>

/* Blocks and panels of a tile. */
struct tile {
	size_t first, count;
	size_t panel, panels_end;
};

/* What one thread works in; values of a place lie together, then of a block. */
struct work {
	float *v; /* [place][block][group_c] */
	float *m; /* [place][block][nr] */
	const float *a[WINOGRAD_PLACES_MAX * STEP_ROWS];
};

static struct tile tile_of(const struct step *step, size_t blocks, size_t index, size_t mr)
{
	const struct plan_gemm *g = &step->gemm;
	size_t row = index / g->panel_tiles, panel = index % g->panel_tiles, rows = ceil_div(blocks, mr), end;
	struct tile tile = {
		.first = step_cut(rows, row, g->row_tiles) * mr,
		.panel = step_cut((size_t)g->panels, panel, g->panel_tiles),
		.panels_end = step_cut((size_t)g->panels, panel + 1, g->panel_tiles),
	};

	end = step_cut(rows, row + 1, g->row_tiles) * mr;
	tile.count = (end < blocks ? end : blocks) - tile.first;
	return tile;
}

static const struct winograd *winograd_of(const struct step *step)
{
	return step->gemm.weights->winograd;
}

static size_t blocks_across(const struct step *step)
{
	size_t out = winograd_of(step)->out;

	return ((size_t)step->window.out_w + out - 1) / out;
}

static size_t blocks_down(const struct step *step)
{
	size_t out = winograd_of(step)->out;

	return ((size_t)step->window.out_h + out - 1) / out;
}

/* The pixels under block `index`; those outside are zeros. */
static void find_pixels(const struct step *step, const float *x, size_t index,
			const float *ret_pixels[WINOGRAD_PLACES_MAX])
{
	const struct plan_window *w = &step->window;
	int in = winograd_of(step)->in, out = winograd_of(step)->out;
	int top = (int)(index / blocks_across(step)) * out - w->top;
	int left = (int)(index % blocks_across(step)) * out - w->left;

	for (int y = 0; y < in; y++) {
		bool inside = (unsigned)(top + y) < (unsigned)w->in_h;
		const float *row = inside ? x + (size_t)(top + y) * (size_t)w->in_w * w->in_stride : NULL;

		for (int i = 0; i < in; i++)
			*ret_pixels++ = inside && (unsigned)(left + i) < (unsigned)w->in_w
						? row + (size_t)(left + i) * w->in_stride
						: step->gemm.weights->padding;
	}
}

static void transform_inputs(const struct step *step, const struct exec *exec, const struct tile *tile, float *v)
{
	const float *x = plan_pointer(exec, step->in[0]), *pixels[WINOGRAD_PLACES_MAX];
	size_t channels = (size_t)step->gemm.group_c;

	for (size_t i = 0; i < tile->count; i++) {
		find_pixels(step, x, tile->first + i, pixels);
		winograd_of(step)->input(channels, pixels, step->gemm.rows * channels, v + i * channels);
	}
}

/* The rows of the products, each a block's values in a place; rows past the tile's last repeat it. */
static void point_at_rows(const struct step *step, const struct tile *tile, const float *v, const float **a)
{
	size_t channels = (size_t)step->gemm.group_c, rows = step->gemm.rows,
	       places = winograd_places(winograd_of(step));

	for (size_t place = 0; place < places; place++)
		for (size_t i = 0; i < rows; i++)
			*a++ = v + (place * rows + (i < tile->count ? i : tile->count - 1)) * channels;
}

static void multiply(const struct step *step, const struct exec *exec, const struct tile *tile, size_t panel,
		     struct work *work)
{
	const struct plan_gemm *g = &step->gemm;
	const struct igemm_f32 *kernel = &exec->kernels->igemm_f32;
	size_t places = winograd_places(winograd_of(step)), place_bytes = g->weights->panel_bytes / places;
	const uint8_t *w = g->weights->packed + panel * g->weights->panel_bytes;
	struct igemm_f32_args args = {.m = tile->count,
				      .n = kernel->nr,
				      .taps = 1,
				      .kc = (size_t)g->group_c,
				      .c_stride = kernel->nr,
				      .lo = -INFINITY,
				      .hi = INFINITY};

	for (size_t place = 0; place < places; place++) {
		args.w = (const float *)(const void *)(w + place * place_bytes);
		args.ahead = args.w + place_bytes / sizeof(*args.w);
		args.a = work->a + place * g->rows;
		args.c = work->m + place * g->rows * kernel->nr;
		kernel->run(&args);
	}
}

/* Columns from `n` on of the tile's blocks. */
static void transform_outputs(const struct step *step, const struct exec *exec, const struct tile *tile, size_t n,
			      const float *m)
{
	const struct plan_window *w = &step->window;
	const float *residual = step->residual >= 0 ? plan_pointer(exec, step->residual) : NULL;
	size_t nr = exec->kernels->igemm_f32.nr, width = (size_t)w->out_w, side = winograd_of(step)->out;
	size_t residual_stride = residual ? exec->plan->tensors[step->residual].stride : 0;
	struct winograd_output_args args = {
		.stride = step->gemm.rows * nr,
		.n = least(nr, (size_t)step->gemm.group_n - n),
		.out_row = width * w->out_stride,
		.out_pixel = w->out_stride,
		.residual_row = width * residual_stride,
		.residual_pixel = residual_stride,
		.lo = step->lo,
		.hi = step->hi,
	};

	for (size_t i = 0; i < tile->count; i++) {
		size_t y = (tile->first + i) / blocks_across(step) * side;
		size_t x = (tile->first + i) % blocks_across(step) * side, pixel = y * width + x;

		args.m = m + i * nr;
		args.rows = least(side, (size_t)w->out_h - y);
		args.columns = least(side, width - x);
		args.out = (float *)plan_pointer(exec, step->out) + pixel * w->out_stride + n;
		args.residual = residual ? residual + pixel * residual_stride + n : NULL;
		args.slope = step->slope ? step->slope + n : NULL;
		winograd_of(step)->output(&args);
	}
}

/* What the clamp does not cover, for the tile's columns of each of its output pixels. */
static void finish_blocks(const struct step *step, const struct exec *exec, const struct tile *tile)
{
	const struct plan_window *w = &step->window;
	size_t nr = exec->kernels->igemm_f32.nr, from = tile->panel * nr, side = winograd_of(step)->out;
	size_t n = least(tile->panels_end * nr, (size_t)step->gemm.group_n) - from;
	float *out = (float *)plan_pointer(exec, step->out) + from;

	if (step->act.kind == GRAPH_ACT_NONE)
		return;
	for (size_t i = tile->first; i < tile->first + tile->count; i++) {
		size_t y = i / blocks_across(step) * side, x = i % blocks_across(step) * side;
		size_t bottom = least(y + side, (size_t)w->out_h), right = least(x + side, (size_t)w->out_w);

		for (size_t row = y; row < bottom; row++)
			for (size_t column = x; column < right; column++)
				step_finish(step, exec, n, out + (row * (size_t)w->out_w + column) * w->out_stride);
	}
}

void step_winograd_f32(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	const struct plan_gemm *g = &step->gemm;
	size_t nr = exec->kernels->igemm_f32.nr, blocks = blocks_across(step) * blocks_down(step);
	size_t transformed = SIZE_MAX; /* the block that the inputs in `work` begin with */
	struct work work = {.m = (float *)(void *)exec->own};

	work.v = work.m + winograd_places(g->weights->winograd) * g->rows * nr;
	for (size_t t = from; t < to; t++) {
		struct tile tile = tile_of(step, blocks, t, exec->kernels->igemm_f32.mr);

		if (transformed != tile.first) {
			transform_inputs(step, exec, &tile, work.v);
			point_at_rows(step, &tile, work.v, work.a);
			transformed = tile.first;
		}
		for (size_t p = tile.panel; p < tile.panels_end; p++) {
			multiply(step, exec, &tile, p, &work);
			transform_outputs(step, exec, &tile, p * nr, work.m);
		}
		finish_blocks(step, exec, &tile);
	}
}
