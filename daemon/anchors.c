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
