/* detect.c - boxes: which of them to keep, and looking at what is in them. */
#include <math.h>
#include <string.h>

#include "operators.h"

/* ---- NonMaxSuppression: boxes [batch][n][4], scores [batch][classes][n] -> [kept][batch, class, box] ---- */

struct box {
	double x0, y0, x1, y1;
};

static struct box box_at(const struct engine_tensor *boxes, size_t i, bool center)
{
	double v[4];

	for (size_t k = 0; k < 4; k++)
		v[k] = tensor_real(boxes, i * 4 + k);
	if (center)
		return (struct box){v[0] - v[2] / 2, v[1] - v[3] / 2, v[0] + v[2] / 2, v[1] + v[3] / 2};
	return (struct box){fmin(v[1], v[3]), fmin(v[0], v[2]), fmax(v[1], v[3]), fmax(v[0], v[2])};
}

/* Intersection over union. */
static double overlap(const struct box *a, const struct box *b)
{
	double w = fmin(a->x1, b->x1) - fmax(a->x0, b->x0), h = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
	double area = (a->x1 - a->x0) * (a->y1 - a->y0) + (b->x1 - b->x0) * (b->y1 - b->y0);

	return w > 0 && h > 0 ? w * h / (area - w * h) : 0;
}

static double number_or(const struct engine_call *call, int i, double otherwise)
{
	const struct engine_tensor *t = call_input(call, i);

	return t && tensor_count(t) ? tensor_real(t, 0) : otherwise;
}

static int infer_nms(struct engine_call *call)
{
	const struct engine_tensor *boxes = call->inputs[0], *scores = call->inputs[1], *most = call_input(call, 2);
	int64_t each;

	if (boxes->rank != 3 || scores->rank != 3 || boxes->dims[2] != 4 || boxes->dims[0] != scores->dims[0] ||
	    boxes->dims[1] != scores->dims[2])
		return call_fail(call, -EINVAL, "has boxes and scores that do not fit");
	each = most && most->data && tensor_count(most) ? tensor_integer(most, 0) : boxes->dims[1];
	each = each < 0 ? 0 : each > boxes->dims[1] ? boxes->dims[1] : each;
	each *= (int64_t)scores->dims[0] * scores->dims[1];
	if (each > INT32_MAX)
		return call_fail(call, -EFBIG, "may keep too many boxes");
	call->scratch_bytes = (size_t)boxes->dims[1];
	call->macs = (uint64_t)each * (uint64_t)boxes->dims[1];
	return call_set(call, 0, ENGINE_S64, 2, (int32_t[]){(int32_t)each, 3});
}

/* One class of one image: the best that is left, again and again; it takes out those that it covers. */
static size_t suppress(struct engine_call *call, size_t image, size_t class, size_t most, size_t kept)
{
	const struct engine_tensor *boxes = call->inputs[0], *scores = call->inputs[1];
	bool center = engine_attribute_integer(call->attributes, "center_point_box", 0) != 0;
	double most_overlap = number_or(call, 3, 0), least = number_or(call, 4, -INFINITY);
	size_t n = (size_t)boxes->dims[1], row = (image * (size_t)scores->dims[1] + class) * n;
	uint8_t *gone = call->scratch;

	memset(gone, 0, n);
	for (size_t taken = 0; taken < most; taken++) {
		size_t best = n;
		struct box box;

		for (size_t i = 0; i < n; i++)
			if (!gone[i] && tensor_real(scores, row + i) > least &&
			    (best == n || tensor_real(scores, row + i) > tensor_real(scores, row + best)))
				best = i;
		if (best == n)
			break;
		box = box_at(boxes, image * n + best, center);
		for (size_t i = 0; i < n; i++) {
			struct box other = box_at(boxes, image * n + i, center);

			gone[i] |= i == best || overlap(&box, &other) > most_overlap;
		}
		tensor_put_integer(call->outputs[0], kept * 3, (int64_t)image);
		tensor_put_integer(call->outputs[0], kept * 3 + 1, (int64_t) class);
		tensor_put_integer(call->outputs[0], kept * 3 + 2, (int64_t)best);
		kept++;
	}
	return kept;
}

static int run_nms(struct engine_call *call)
{
	const struct engine_tensor *scores = call->inputs[1];
	double most = number_or(call, 2, 0);
	size_t kept = 0, n = (size_t)scores->dims[2], each = most < 0 ? 0 : most > (double)n ? n : (size_t)most;

	for (size_t image = 0; image < (size_t)scores->dims[0]; image++)
		for (size_t class = 0; class < (size_t)scores->dims[1]; class ++)
			kept = suppress(call, image, class, each, kept);
	call->outputs[0]->dims[0] = (int32_t)kept;
	return 0;
}

/* ---- RoiAlign: x [batch][c][h][w], rois [n][4], batch indices [n] -> [n][c][out_h][out_w] ----------- */

static int infer_roi_align(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *rois = call->inputs[1];
	int64_t h = engine_attribute_integer(call->attributes, "output_height", 1);
	int64_t w = engine_attribute_integer(call->attributes, "output_width", 1);
	int64_t ratio = engine_attribute_integer(call->attributes, "sampling_ratio", 0);
	int r;

	if (x->rank != 4 || rois->rank != 2 || rois->dims[1] != 4 ||
	    tensor_count(call->inputs[2]) != (size_t)rois->dims[0] || x->dims[2] < 1 || x->dims[3] < 1)
		return call_fail(call, -EINVAL, "has no image or no regions");
	if (h < 1 || w < 1 || h > 4096 || w > 4096 || ratio > 256)
		return call_fail(call, -EINVAL, "makes pictures of %lldx%lld", (long long)w, (long long)h);
	r = call_set(call, 0, x->type, 4, (int32_t[]){rois->dims[0], x->dims[1], (int32_t)h, (int32_t)w});
	/* Without a ratio the regions say how much is read, which only a run knows. */
	call->macs =
		r < 0 ? 0 : 4 * (uint64_t)tensor_count(call->outputs[0]) * (uint64_t)(ratio > 0 ? ratio * ratio : 1);
	return r;
}

/* The four weighted pixels around a place; ret[] is each pixel's share of its value. */
static int around(const struct engine_tensor *x, double at_y, double at_x, size_t index[4], double weight[4])
{
	int32_t h = x->dims[2], w = x->dims[3], y0, x0, y1, x1;
	double dy, dx;

	if (at_y < -1 || at_y > h || at_x < -1 || at_x > w)
		return 0;
	at_y = fmax(at_y, 0);
	at_x = fmax(at_x, 0);
	y0 = (int32_t)at_y >= h - 1 ? h - 1 : (int32_t)at_y;
	x0 = (int32_t)at_x >= w - 1 ? w - 1 : (int32_t)at_x;
	y1 = y0 < h - 1 ? y0 + 1 : y0;
	x1 = x0 < w - 1 ? x0 + 1 : x0;
	dy = y0 < h - 1 ? at_y - y0 : 0;
	dx = x0 < w - 1 ? at_x - x0 : 0;
	index[0] = (size_t)y0 * (size_t)w + (size_t)x0;
	index[1] = (size_t)y0 * (size_t)w + (size_t)x1;
	index[2] = (size_t)y1 * (size_t)w + (size_t)x0;
	index[3] = (size_t)y1 * (size_t)w + (size_t)x1;
	weight[0] = (1 - dy) * (1 - dx);
	weight[1] = (1 - dy) * dx;
	weight[2] = dy * (1 - dx);
	weight[3] = dy * dx;
	return 4;
}

struct region {
	double y, x, bin_h, bin_w;
	int steps_h, steps_w;
	bool max;
};

static double look(const struct engine_tensor *x, size_t plane, const struct region *r, int bin_y, int bin_x)
{
	double sum = 0, most = -INFINITY;

	for (int i = 0; i < r->steps_h; i++)
		for (int k = 0; k < r->steps_w; k++) {
			size_t index[4];
			double weight[4];
			int n = around(x, r->y + (bin_y + (i + 0.5) / r->steps_h) * r->bin_h,
				       r->x + (bin_x + (k + 0.5) / r->steps_w) * r->bin_w, index, weight);

			for (int t = 0; t < n; t++) {
				double value = weight[t] * tensor_real(x, plane + index[t]);

				sum += value;
				most = fmax(most, value);
			}
		}
	if (r->max)
		return isfinite(most) ? most : 0;
	return sum / (r->steps_h * r->steps_w);
}

static int run_roi_align(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0], *rois = call->inputs[1];
	struct engine_tensor *y = call->outputs[0];
	double scale = engine_attribute_number(call->attributes, "spatial_scale", 1);
	int64_t ratio = engine_attribute_integer(call->attributes, "sampling_ratio", 0);
	const char *mode = engine_attribute_text(call->attributes, "coordinate_transformation_mode",
						 call->version < 16 ? "output_half_pixel" : "half_pixel");
	bool half = !strcmp(mode, "half_pixel");
	size_t plane = tensor_span(x, 2, 4), each = tensor_span(y, 2, 4), channels = (size_t)y->dims[1];

	for (size_t n = 0; n < (size_t)y->dims[0]; n++) {
		double v[4], w, h;
		int64_t image = tensor_integer(call->inputs[2], n);
		struct region region = {.max = !strcmp(engine_attribute_text(call->attributes, "mode", "avg"), "max")};

		if (image < 0 || image >= x->dims[0])
			return call_fail(call, -EDOM, "has a region in image %lld", (long long)image);
		for (size_t k = 0; k < 4; k++) {
			v[k] = tensor_real(rois, n * 4 + k) * scale - (half ? 0.5 : 0);
			if (!(fabs(v[k]) < 1e6))
				return call_fail(call, -EDOM, "has a region that is too large");
		}
		w = half ? v[2] - v[0] : fmax(v[2] - v[0], 1);
		h = half ? v[3] - v[1] : fmax(v[3] - v[1], 1);
		region.x = v[0];
		region.y = v[1];
		region.bin_h = h / y->dims[2];
		region.bin_w = w / y->dims[3];
		region.steps_h = ratio > 0 ? (int)ratio : (int)fmin(fmax(ceil(region.bin_h), 1), 256);
		region.steps_w = ratio > 0 ? (int)ratio : (int)fmin(fmax(ceil(region.bin_w), 1), 256);
		for (size_t i = 0; i < channels * each; i++)
			tensor_put_real(y, n * channels * each + i,
					look(x, ((size_t)image * channels + i / each) * plane, &region,
					     (int)(i % each / (size_t)y->dims[3]),
					     (int)(i % each % (size_t)y->dims[3])));
	}
	return 0;
}

OPERATOR(NonMaxSuppression, 2, 5, 1, infer_nms, .run = run_nms, .shrinks = true);
OPERATOR(RoiAlign, 3, 3, 1, infer_roi_align, .run = run_roi_align);
