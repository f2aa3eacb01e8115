/* anchors.c - see anchors.h. */
#include "anchors.h"

#include <math.h>
#include <string.h>

static int cells(int side, int stride)
{
	return (side + stride - 1) / stride;
}

static struct anchors_layer *add_layer(struct anchors *anchors, int columns, int rows, int n)
{
	struct anchors_layer *layer = &anchors->layers[anchors->n_layers++];

	*layer = (struct anchors_layer){.columns = columns,
					.rows = rows,
					.n = n,
					.cell_width = 1.0f / (float)columns,
					.cell_height = 1.0f / (float)rows};
	anchors->n += columns * rows * n;
	return layer;
}

void anchors_mediapipe(const int *strides, int n, int single, int side, struct anchors *ret_anchors)
{
	memset(ret_anchors, 0, sizeof(*ret_anchors));
	for (int first = 0, last; first < n; first = last) {
		int across = cells(side, strides[first]);
		struct anchors_layer *layer;

		last = first;
		while (last < n && strides[last] == strides[first])
			last++;
		layer = add_layer(ret_anchors, across, across, (last - first) * (single ? 1 : 2));
		for (int i = 0; i < layer->n; i++)
			layer->width[i] = layer->height[i] = 1;
	}
}

void anchors_rfb(int width, int height, struct anchors *ret_anchors)
{
	static const struct {
		int stride, n;
		float sides[3];
	} layers[] = {{8, 3, {10, 16, 24}}, {16, 2, {32, 48}}, {32, 2, {64, 96}}, {64, 3, {128, 192, 256}}};

	memset(ret_anchors, 0, sizeof(*ret_anchors));
	for (unsigned i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		int stride = layers[i].stride;
		struct anchors_layer *layer =
			add_layer(ret_anchors, cells(width, stride), cells(height, stride), layers[i].n);

		for (int side = 0; side < layers[i].n; side++) {
			/* Priors are not larger than the input. */
			layer->width[side] = fminf(layers[i].sides[side] / (float)width, 1);
			layer->height[side] = fminf(layers[i].sides[side] / (float)height, 1);
		}
	}
}

static void set_size(struct anchors_layer *layer, int which, float scale, float aspect)
{
	layer->width[which] = scale * sqrtf(aspect);
	layer->height[which] = scale / sqrtf(aspect);
}

void anchors_ssd(int width, int height, struct anchors *ret_anchors)
{
	static const float aspects[] = {1, 2, 0.5f, 3, 0.3333f}, first_scale = 0.2f, last_scale = 0.95f;
	enum { N_LAYERS = 6, N_ASPECTS = 5, FIRST_STRIDE = 16 };

	memset(ret_anchors, 0, sizeof(*ret_anchors));
	for (int i = 0; i < N_LAYERS; i++) {
		float step = (last_scale - first_scale) / (N_LAYERS - 1), scale = first_scale + step * (float)i;
		float next = i + 1 < N_LAYERS ? scale + step : 1;
		int stride = FIRST_STRIDE << i, n = i ? N_ASPECTS + 1 : 3;
		struct anchors_layer *layer = add_layer(ret_anchors, cells(width, stride), cells(height, stride), n);

		for (int which = 0; which < N_ASPECTS && which < n; which++)
			set_size(layer, which, scale, aspects[which]);
		if (i)
			set_size(layer, N_ASPECTS, sqrtf(scale * next), 1);
		else
			set_size(layer, 0, first_scale / 2, 1);
	}
}

struct anchor anchors_at(const struct anchors *anchors, int index)
{
	const struct anchors_layer *layer = anchors->layers;
	int cell, which;

	while (index >= layer->columns * layer->rows * layer->n) {
		index -= layer->columns * layer->rows * layer->n;
		layer++;
	}
	cell = index / layer->n;
	which = index % layer->n;
	return (struct anchor){
		.x = fminf(((float)(cell % layer->columns) + 0.5f) * layer->cell_width, 1),
		.y = fminf(((float)(cell / layer->columns) + 0.5f) * layer->cell_height, 1),
		.width = layer->width[which],
		.height = layer->height[which],
	};
}
