/*
 * step_conv.c - convolutions and fully connected steps as indirect GEMMs over tiles, and depthwise rows.
 */
#include "step.h"

#include <string.h>
#include <trim.h>

/* One tile: rows of one group times a range of its panels. */
struct tile {
	size_t group, first, count; /* output pixels */
	size_t panel, panels_end;
};

static struct tile tile_of(const struct step *step, size_t index, size_t mr)
{
	const struct plan_gemm *g = &step->gemm;
	size_t pixels = (size_t)step->window.out_h * (size_t)step->window.out_w, blocks = ceil_div(pixels, mr), end;
	size_t of_group = index % (g->row_tiles * g->panel_tiles);
	size_t row = g->by_panels ? of_group % g->row_tiles : of_group / g->panel_tiles;
	size_t panel = g->by_panels ? of_group / g->row_tiles : of_group % g->panel_tiles;
	struct tile tile = {
		.group = index / (g->row_tiles * g->panel_tiles),
		.first = step_cut(blocks, row, g->row_tiles) * mr,
		.panel = step_cut((size_t)g->panels, panel, g->panel_tiles),
		.panels_end = step_cut((size_t)g->panels, panel + 1, g->panel_tiles),
	};

	end = step_cut(blocks, row + 1, g->row_tiles) * mr;
	tile.count = (end < pixels ? end : pixels) - tile.first;
	return tile;
}

/*
 * Where a walk over the output pixels of a tile is.  Divisions for each pixel would cost as much as the multiply-adds
 * of a network's first layer.
 */
struct walk {
	const uint8_t **to; /* of the pixel's first tap; its others are mr apart */
	size_t row;	    /* of the tile */
	size_t lane, mr;    /* row of a block, and how many it has */
	int y0, x0;	    /* where the pixel's window begins in the input */
	int x;		    /* of the output */
};

static struct walk walk_begin(const struct plan_window *w, size_t first, size_t mr, const uint8_t **a)
{
	int x = (int)(first % (size_t)w->out_w), y = (int)(first / (size_t)w->out_w);

	return (struct walk){a, 0, 0, mr, y * w->stride_h - w->top, x * w->stride_w - w->left, x};
}

/* To the next row of `count` pixels; rows past the last repeat it. */
static void walk_next(const struct plan_window *w, size_t taps, size_t count, struct walk *walk)
{
	walk->to++;
	if (++walk->lane == walk->mr) {
		walk->lane = 0;
		walk->to += (taps - 1) * walk->mr;
	}
	if (++walk->row >= count)
		return;
	walk->x0 += w->stride_w;
	if (++walk->x == w->out_w) {
		walk->x = 0;
		walk->x0 = -w->left;
		walk->y0 += w->stride_h;
	}
}

static size_t round_up(size_t n, size_t multiple)
{
	return ceil_div(n, multiple) * multiple;
}

static void gather_pointwise(const uint8_t *x, size_t pixel, const struct tile *tile, size_t mr, const uint8_t **a)
{
	size_t rows = round_up(tile->count, mr);

	for (size_t r = 0; r < rows; r++)
		a[r] = x + (tile->first + (r < tile->count ? r : tile->count - 1)) * pixel;
}

/* One row of a window, of which some pixels lie in the padding or none beside the next, made into one tap. */
static void copy_row(const struct step *step, const uint8_t *row, int x0, size_t size, uint8_t *to)
{
	const struct plan_window *w = &step->window;
	size_t bytes = (size_t)w->in_c * size;

	for (int ix = x0; ix < x0 + w->kw; ix++, to += bytes)
		memcpy(to,
		       (unsigned)ix < (unsigned)w->in_w ? row + (size_t)ix * w->in_stride * size
							: step->gemm.weights->padding,
		       bytes);
}

/*
 * How many output pixels from the walk's on, in its row, have windows that lie wholly between the sides of the input:
 * up to the tile's last but one, since rows past that repeat it.
 */
static size_t run_inside(const struct plan_window *w, const struct walk *walk, size_t count)
{
	int inside, row = w->out_w - walk->x, reach = (w->kw - 1) * w->dilation_w + 1;
	size_t left = walk->row < count ? count - 1 - walk->row : 0;

	if (walk->x0 < 0 || walk->x0 + reach > w->in_w)
		return 0;
	inside = (w->in_w - reach - walk->x0) / w->stride_w + 1;
	inside = inside < row ? inside : row;
	return (size_t)inside < left ? (size_t)inside : left;
}

/* One tap of n pixels, `step` bytes apart. */
static void point_run(const struct walk *walk, size_t taps, size_t index, const uint8_t *tap, size_t step, size_t n)
{
	size_t lane = walk->lane;
	const uint8_t **to = walk->to - lane + index * walk->mr;

	for (size_t i = 0; i < n; i++, tap += step) {
		to[lane] = tap;
		if (++lane == walk->mr) {
			lane = 0;
			to += taps * walk->mr;
		}
	}
}

static void walk_run(const struct plan_window *w, size_t taps, size_t n, struct walk *walk)
{
	size_t lanes = walk->lane + n, blocks = lanes / walk->mr;

	walk->to += blocks * (taps - 1) * walk->mr + n;
	walk->lane = lanes - blocks * walk->mr;
	walk->row += n;
	walk->x += (int)n;
	walk->x0 += (int)n * w->stride_w;
	if (walk->x == w->out_w) {
		walk->x = 0;
		walk->x0 = -w->left;
		walk->y0 += w->stride_h;
	}
}

/* As many pixels as the walk's next ones whose windows lie between the sides of the input; otherwise one. */
static size_t gather_run(const struct step *step, const uint8_t *x, size_t pixel, size_t count, struct walk *walk)
{
	const struct plan_window *w = &step->window;
	size_t run = run_inside(w, walk, count), n = run ? run : 1, taps = (size_t)w->kh * (size_t)w->kw, tap = 0;

	for (int ky = 0; ky < w->kh; ky++) {
		int iy = walk->y0 + ky * w->dilation_h;
		bool inside = (unsigned)iy < (unsigned)w->in_h;
		const uint8_t *row = inside ? x + (size_t)iy * (size_t)w->in_w * pixel : NULL;

		for (int kx = 0; kx < w->kw; kx++, tap++) {
			int ix = walk->x0 + kx * w->dilation_w;

			if (inside && (unsigned)ix < (unsigned)w->in_w)
				point_run(walk, taps, tap, row + (size_t)ix * pixel, (size_t)w->stride_w * pixel, n);
			else
				point_run(walk, taps, tap, step->gemm.weights->padding, 0, n);
		}
	}
	return run;
}

/*
 * Fills a[block][tap][mr] with the input pixels under every tap of the tile's output pixels; rows past the tile's last
 * repeat it.
 */
static void gather_pixels(const struct step *step, const uint8_t *x, size_t size, const struct tile *tile, size_t mr,
			  const uint8_t **a)
{
	const struct plan_window *w = &step->window;
	size_t pixel = w->in_stride * size, taps = (size_t)w->kh * (size_t)w->kw, rows = round_up(tile->count, mr);
	struct walk walk = walk_begin(w, tile->first, mr, a);

	x += tile->group * (size_t)step->gemm.group_c * size;
	if (step->gemm.pointwise) {
		gather_pointwise(x, pixel, tile, mr, a);
		return;
	}
	while (walk.row < rows) {
		size_t run = gather_run(step, x, pixel, tile->count, &walk);

		if (run)
			walk_run(w, taps, run, &walk);
		else
			walk_next(w, taps, tile->count, &walk);
	}
}

/* As gather_pixels(), where a row of the window is one tap: it lies in the input as it is, or is copied to `copies`. */
static void gather_flat(const struct step *step, const uint8_t *x, size_t size, const struct tile *tile, size_t mr,
			const uint8_t **a, uint8_t *copies)
{
	const struct plan_window *w = &step->window;
	size_t pixel = w->in_stride * size, taps = (size_t)w->kh, bytes = (size_t)(w->kw * w->in_c) * size;
	size_t rows = round_up(tile->count, mr);
	bool dense = w->in_stride == (size_t)w->in_c;
	struct walk walk = walk_begin(w, tile->first, mr, a);

	while (walk.row < rows) {
		size_t run = dense ? run_inside(w, &walk, tile->count) : 0, n = run ? run : 1;
		bool direct = dense && walk.x0 >= 0 && walk.x0 + w->kw <= w->in_w;

		for (int ky = 0; ky < w->kh; ky++) {
			int iy = walk.y0 + ky * w->dilation_h;
			bool inside = (unsigned)iy < (unsigned)w->in_h;
			const uint8_t *row = inside ? x + (size_t)iy * (size_t)w->in_w * pixel : NULL;

			if (!inside) {
				point_run(&walk, taps, (size_t)ky, step->gemm.weights->padding, 0, n);
			} else if (direct) {
				point_run(&walk, taps, (size_t)ky, row + (size_t)walk.x0 * pixel,
					  (size_t)w->stride_w * pixel, n);
			} else {
				copy_row(step, row, walk.x0, size, copies);
				point_run(&walk, taps, (size_t)ky, copies, 0, 1);
				copies += bytes;
			}
		}
		if (run)
			walk_run(w, taps, run, &walk);
		else
			walk_next(w, taps, tile->count, &walk);
	}
}

static void gather(const struct step *step, const uint8_t *x, size_t size, const struct tile *tile, size_t mr,
		   const uint8_t **a, uint8_t *copies)
{
	if (step->gemm.weights->flat)
		gather_flat(step, x, size, tile, mr, a, copies);
	else
		gather_pixels(step, x, size, tile, mr, a);
}

/* As the panels have them. */
static size_t taps_of(const struct step *step)
{
	size_t rows = (size_t)step->window.kh;

	return step->gemm.weights->flat ? rows : rows * (size_t)step->window.kw;
}

static size_t channels_of(const struct step *step)
{
	size_t channels = (size_t)step->gemm.group_c;

	return step->gemm.weights->flat ? channels * (size_t)step->window.kw : channels;
}

void step_finish(const struct step *step, const struct exec *exec, size_t n, void *values)
{
	if (step->table)
		exec->kernels->lut_s8(step->table, n, values, values);
	else if (step->act.kind != GRAPH_ACT_NONE)
		exec->kernels->unary_f32((enum kernel_unary)step->act.kind, step->act.a, step->act.b, n, values,
					 values);
}

void step_finish_pixels(const struct step *step, const struct exec *exec, size_t n, size_t channels, size_t pixel,
			uint8_t *out)
{
	size_t size = step->table ? 1 : sizeof(float);

	/* Products of matrices have bent theirs. */
	for (size_t i = 0; step->slope && step->gemm.weights->depthwise && i < n; i++) {
		float *values = (float *)(void *)(out + i * pixel);

		exec->kernels->prelu_f32(channels, step->slope, values, values);
	}
	if (!step->table && step->act.kind == GRAPH_ACT_NONE)
		return;
	if (pixel == channels * size)
		step_finish(step, exec, n * channels, out);
	else
		for (size_t i = 0; i < n; i++)
			step_finish(step, exec, channels, out + i * pixel);
}

/* Columns of a tile are contiguous in each output pixel. */
static void finish_tile(const struct step *step, const struct exec *exec, const struct tile *tile, size_t size,
			uint8_t *c)
{
	size_t nr = step_nr(step, exec->kernels), from = tile->panel * nr, end = tile->panels_end * nr;

	if (end > (size_t)step->gemm.group_n)
		end = (size_t)step->gemm.group_n;
	step_finish_pixels(step, exec, tile->count, end - from, step->window.out_stride * size, c + from * size);
}

static void conv(const struct step *step, const struct exec *exec, size_t from, size_t to, size_t size)
{
	const struct plan_gemm *g = &step->gemm;
	const uint8_t *a[STEP_POINTERS];
	_Alignas(64) uint8_t copies[STEP_ROWS * WEIGHTS_FLAT_MAX * sizeof(float) + KERNEL_SLACK];
	const float *residual = step->residual >= 0 ? plan_pointer(exec, step->residual) : NULL;
	size_t stride = step->window.out_stride, mr = step_mr(step, exec->kernels);
	struct step_product product = {
		.a = a,
		.taps = taps_of(step),
		.kc = channels_of(step),
		.c_stride = stride,
		.residual_stride = residual ? exec->plan->tensors[step->residual].stride : 0,
	};

	step_multiply_begin(step, product.kc);
	for (size_t t = from; t < to; t++) {
		struct tile tile = tile_of(step, t, mr);
		size_t first_n = tile.group * (size_t)g->group_n;
		uint8_t *c = (uint8_t *)plan_pointer(exec, step->out) + (tile.first * stride + first_n) * size;

		gather(step, plan_pointer(exec, step->in[0]), size, &tile, mr, a, copies);
		product.m = tile.count;
		product.panels = g->weights->packed + tile.group * (size_t)g->panels * g->weights->panel_bytes;
		product.panel = tile.panel;
		product.panels_end = tile.panels_end;
		product.c = c;
		product.residual = residual ? residual + tile.first * product.residual_stride + first_n : NULL;
		product.slope = step->slope ? step->slope + first_n : NULL;
		step_multiply(step, exec, &product);
		finish_tile(step, exec, &tile, size, c);
	}
	step_multiply_end(step);
}

void step_conv_pixels(const struct step *step, const struct exec *exec, struct step_pixels pixels, size_t size)
{
	const struct plan_gemm *g = &step->gemm;
	const uint8_t *a[STEP_POINTERS];
	_Alignas(64) uint8_t copies[STEP_ROWS * WEIGHTS_FLAT_MAX * sizeof(float) + KERNEL_SLACK];
	size_t mr = step_mr(step, exec->kernels), tiles = ceil_div(ceil_div(pixels.n, mr), g->rows / mr);
	struct tile tile = {.first = pixels.first};
	struct step_product product = {
		.a = a,
		.taps = taps_of(step),
		.kc = channels_of(step),
		.panels = g->weights->packed,
		.panels_end = (size_t)g->panels,
		.c = pixels.out,
		.c_stride = pixels.out_stride,
		.residual = pixels.residual,
		.residual_stride = pixels.residual_stride,
		.slope = step->slope,
	};

	step_multiply_begin(step, product.kc);
	/* About as many each time, or a few at the end would have all weights loaded for them alone. */
	for (size_t t = 0; t < tiles; t++, tile.first += tile.count) {
		size_t end = step_cut(ceil_div(pixels.n, mr), t + 1, tiles) * mr;

		tile.count = pixels.first + (end < pixels.n ? end : pixels.n) - tile.first;
		gather(step, pixels.in, size, &tile, mr, a, copies);
		product.m = tile.count;
		step_multiply(step, exec, &product);
		step_finish_pixels(step, exec, product.m, (size_t)g->group_n, pixels.out_stride * size, product.c);
		product.c = (uint8_t *)product.c + product.m * pixels.out_stride * size;
		if (product.residual)
			product.residual += product.m * product.residual_stride;
	}
	step_multiply_end(step);
}

void step_conv_f32(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	conv(step, exec, from, to, sizeof(float));
}

void step_conv_s8(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	conv(step, exec, from, to, 1);
}

struct dwconv_args step_dwconv_args(const struct step *step, const struct exec *exec, const void **rows)
{
	const struct plan_window *w = &step->window;

	return (struct dwconv_args){
		.rows = rows,
		.in_w = (size_t)w->in_w,
		.in_stride = w->in_stride,
		.out_w = (size_t)w->out_w,
		.out_stride = w->out_stride,
		.out_rows = 1,
		.out_row = (size_t)w->out_w * w->out_stride,
		.channels = (size_t)w->in_c,
		.kh = (size_t)w->kh,
		.kw = (size_t)w->kw,
		.stride_h = (size_t)w->stride_h,
		.stride_w = (size_t)w->stride_w,
		.dilation_w = (size_t)w->dilation_w,
		.pad_left = (size_t)w->left,
		.w = step->gemm.weights->packed,
		.lo = step->lo,
		.hi = step->hi,
		.zero_point = exec->plan->tensors[step->out].zero_point,
		.pad = (int8_t)exec->plan->tensors[step->in[0]].zero_point,
		.lo8 = step->lo8,
		.hi8 = step->hi8,
		.float_scales = step->node->folded & GRAPH_FOLDED_QUANT,
	};
}

size_t step_depthwise_rows(const struct step *step, const struct kernels *kernels)
{
	const struct plan_window *w = &step->window;
	size_t rows = kernels->dwconv_f32_rows;

	if (step->run == step_depthwise_s8 || w->dilation_h > 1)
		return 1;
	return (rows - 1) * (size_t)w->stride_h + (size_t)w->kh <= STEP_TAPS_MAX ? rows : 1;
}

void step_depthwise(const struct step *step, const struct exec *exec, const struct dwconv_args *args)
{
	bool s8 = step->run == step_depthwise_s8;

	if (s8)
		exec->kernels->dwconv_s8(args);
	else if (WITH_TYPE_float32)
		exec->kernels->dwconv_f32(args);
	step_finish_pixels(step, exec, args->out_rows * args->out_w, args->channels,
			   args->out_stride * (s8 ? 1 : sizeof(float)), args->out);
}

static void depthwise(const struct step *step, const struct exec *exec, size_t from, size_t to, size_t size)
{
	const struct plan_window *w = &step->window;
	const uint8_t *x = plan_pointer(exec, step->in[0]);
	size_t in_row = (size_t)w->in_w * w->in_stride, most = step_depthwise_rows(step, exec->kernels);
	size_t end = step_cut((size_t)w->out_h, to, step->tiles);
	const void *rows[STEP_TAPS_MAX];
	struct dwconv_args args = step_dwconv_args(step, exec, rows);

	for (size_t oy = step_cut((size_t)w->out_h, from, step->tiles); oy < end; oy += args.out_rows) {
		args.out_rows = end - oy < most ? end - oy : most;
		for (size_t ky = 0; ky < (args.out_rows - 1) * args.stride_h + args.kh; ky++) {
			int iy = (int)oy * w->stride_h - w->top + (int)ky * w->dilation_h;

			rows[ky] = (unsigned)iy < (unsigned)w->in_h ? x + (size_t)iy * in_row * size : NULL;
		}
		args.out = (uint8_t *)plan_pointer(exec, step->out) + oy * args.out_row * size;
		step_depthwise(step, exec, &args);
	}
}

void step_depthwise_f32(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	depthwise(step, exec, from, to, sizeof(float));
}

void step_depthwise_s8(const struct step *step, const struct exec *exec, size_t from, size_t to)
{
	depthwise(step, exec, from, to, 1);
}
