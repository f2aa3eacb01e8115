/*
 * tflite_landmarks.c - what MediaPipe's face mesh with attention looks closer with: a matrix that turns and sizes a
 * region by landmarks of its rim, the region of an image that a matrix names, and points taken back by that matrix.
 *
 * Matrices are [1][4][4], of which the first two rows count: from pixels of the region to pixels of the image.
 */
#include <math.h>
#include <string.h>

#include "operators.h"

#define MATRIX	 16
#define SIDE_MAX 16384

static bool is_matrix(const struct engine_tensor *t)
{
	return t->type == ENGINE_F32 && t->rank >= 2 && tensor_count(t) == MATRIX && t->dims[t->rank - 1] == 4;
}

/* ---- Landmarks2TransformMatrix ----------------------------------------------------------------- */

struct region {
	const int64_t *rim; /* landmarks that it has to hold */
	int n_rim;
	int64_t left, right; /* landmarks that lie level in it */
	float turn, scale[2], side[2];
};

static int read_region(struct engine_call *call, struct region *region)
{
	const struct engine_attributes *a = call->attributes;
	const struct engine_tensor *x = call->inputs[0];
	int64_t n = x->rank == 3 ? x->dims[1] : 0;

	*region = (struct region){
		.left = engine_attribute_integer(a, "left_rotation_idx", -1),
		.right = engine_attribute_integer(a, "right_rotation_idx", -1),
		.turn = (float)engine_attribute_number(a, "target_rotation_radians", 0),
		.scale = {(float)engine_attribute_number(a, "scale_x", 1),
			  (float)engine_attribute_number(a, "scale_y", 1)},
		.side = {(float)engine_attribute_integer(a, "output_width", 0),
			 (float)engine_attribute_integer(a, "output_height", 0)},
	};
	region->rim = engine_attribute_integers(a, "subset_idxs", &region->n_rim);
	if (x->type != ENGINE_F32 || x->rank != 3 || x->dims[0] != 1 || x->dims[2] < 2)
		return call_fail(call, -EINVAL, "has landmarks of another type or shape");
	if (!region->rim || region->n_rim < 1 || region->left < 0 || region->left >= n || region->right < 0 ||
	    region->right >= n || !(region->side[0] >= 1) || !(region->side[1] >= 1))
		return call_fail(call, -EINVAL, "has impossible options");
	for (int i = 0; i < region->n_rim; i++)
		if (region->rim[i] < 0 || region->rim[i] >= n)
			return call_fail(call, -EINVAL, "names landmark %lld of %lld", (long long)region->rim[i],
					 (long long)n);
	return 0;
}

static int infer_matrix(struct engine_call *call)
{
	struct region region;
	int r = read_region(call, &region);

	return r < 0 ? r : call_set(call, 0, ENGINE_F32, 3, (const int32_t[]){1, 4, 4});
}

/* The smallest box around the rim once all is turned; *ret_turn is by how much. */
static void bounds(const struct engine_tensor *x, const struct region *region, float low[2], float high[2],
		   float *ret_turn)
{
	const float *at = x->data, *l = at + region->left * x->dims[2], *r = at + region->right * x->dims[2];
	float turn = region->turn - atan2f(r[1] - l[1], r[0] - l[0]), cosine = cosf(turn), sine = sinf(turn);

	low[0] = low[1] = INFINITY;
	high[0] = high[1] = -INFINITY;
	for (int i = 0; i < region->n_rim; i++) {
		const float *p = at + region->rim[i] * x->dims[2];
		float turned[2] = {cosine * p[0] - sine * p[1], sine * p[0] + cosine * p[1]};

		for (int axis = 0; axis < 2; axis++) {
			low[axis] = fminf(low[axis], turned[axis]);
			high[axis] = fmaxf(high[axis], turned[axis]);
		}
	}
	*ret_turn = turn;
}

static int run_matrix(struct engine_call *call)
{
	float low[2], high[2], turn, cosine, sine, size[2], middle[2], step[2];
	float *m = call->outputs[0]->data;
	struct region region;
	int r = read_region(call, &region);

	if (r < 0)
		return r;
	bounds(call->inputs[0], &region, low, high, &turn);
	cosine = cosf(turn);
	sine = sinf(turn);
	for (int axis = 0; axis < 2; axis++) {
		size[axis] = (high[axis] - low[axis]) * region.scale[axis];
		middle[axis] = (high[axis] + low[axis]) / 2;
		step[axis] = size[axis] / region.side[axis];
	}
	/* Turned back: a region's pixel, from its middle, and the middle itself. */
	memset(m, 0, MATRIX * sizeof(*m));
	m[0] = cosine * step[0];
	m[1] = sine * step[1];
	m[3] = cosine * (middle[0] - size[0] / 2) + sine * (middle[1] - size[1] / 2);
	m[4] = -sine * step[0];
	m[5] = cosine * step[1];
	m[7] = -sine * (middle[0] - size[0] / 2) + cosine * (middle[1] - size[1] / 2);
	m[10] = m[15] = 1;
	return 0;
}

/* ---- TransformTensorBilinear ------------------------------------------------------------------- */

static int infer_crop(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	int64_t h = engine_attribute_integer(call->attributes, "output_height", 0);
	int64_t w = engine_attribute_integer(call->attributes, "output_width", 0);

	if (x->type != ENGINE_F32 || x->rank != 4 || x->dims[0] != 1 || !is_matrix(call->inputs[1]))
		return call_fail(call, -EINVAL, "has an image or a matrix of another type or shape");
	if (h < 1 || w < 1 || h > SIDE_MAX || w > SIDE_MAX)
		return call_fail(call, -EINVAL, "has impossible options");
	return call_set(call, 0, ENGINE_F32, 4, (const int32_t[]){1, (int32_t)h, (int32_t)w, x->dims[3]});
}

/* The pixel at (x, y), between four of the image; zeros outside of it, and where a matrix is no number. */
static void sample(const struct engine_tensor *image, float x, float y, float *to)
{
	size_t h = (size_t)image->dims[1], w = (size_t)image->dims[2], channels = (size_t)image->dims[3];
	const float *from;
	size_t left, top, right, down;

	if (!(x >= 0 && y >= 0 && x <= (float)(w - 1) && y <= (float)(h - 1))) {
		memset(to, 0, channels * sizeof(*to));
		return;
	}
	left = (size_t)x;
	top = (size_t)y;
	right = left + 1 < w ? channels : 0;
	down = top + 1 < h ? w * channels : 0;
	x -= (float)left;
	y -= (float)top;
	from = (const float *)image->data + (top * w + left) * channels;
	for (size_t c = 0; c < channels; c++, from++)
		to[c] = (1 - y) * ((1 - x) * from[0] + x * from[right]) +
			y * ((1 - x) * from[down] + x * from[down + right]);
}

/* The matrix is of pixels as areas, whose middles lie at a half. */
static int run_crop(struct engine_call *call)
{
	const struct engine_tensor *image = call->inputs[0];
	const float *m = call->inputs[1]->data;
	struct engine_tensor *out = call->outputs[0];
	float *to = out->data;

	for (int32_t row = 0; row < out->dims[1]; row++)
		for (int32_t column = 0; column < out->dims[2]; column++, to += out->dims[3]) {
			float x = (float)column + 0.5f, y = (float)row + 0.5f;

			sample(image, m[0] * x + m[1] * y + m[3] - 0.5f, m[4] * x + m[5] * y + m[7] - 0.5f, to);
		}
	return 0;
}

/* ---- TransformLandmarks ------------------------------------------------------------------------ */

static int infer_points(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];

	if (x->type != ENGINE_F32 || x->rank < 1 || x->dims[x->rank - 1] < 2 || !is_matrix(call->inputs[1]))
		return call_fail(call, -EINVAL, "has points or a matrix of another type or shape");
	return call_set_like(call, 0, x);
}

static int run_points(struct engine_call *call)
{
	const struct engine_tensor *x = call->inputs[0];
	const float *m = call->inputs[1]->data, *from = x->data;
	size_t columns = (size_t)x->dims[x->rank - 1], n = tensor_count(x);
	float *to = call->outputs[0]->data;

	memcpy(to, from, n * sizeof(*to));
	for (size_t i = 0; i < n; i += columns) {
		to[i] = m[0] * from[i] + m[1] * from[i + 1] + m[3];
		to[i + 1] = m[4] * from[i] + m[5] * from[i + 1] + m[7];
	}
	return 0;
}

OPERATOR(Landmarks2TransformMatrix, 1, 1, 1, infer_matrix, .run = run_matrix);
OPERATOR(TransformLandmarks, 2, 2, 1, infer_points, .run = run_points);
OPERATOR(TransformTensorBilinear, 2, 2, 1, infer_crop, .run = run_crop);
