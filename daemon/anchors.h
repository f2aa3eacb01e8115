/*
 * anchors.h - where a detector's outputs look: the centres and sizes its boxes are told relative to.
 *
 * A network has some layers of cells, and some anchors in each cell, which lie in the order layer, row, column, anchor.
 * They are computed from their number when a box is decoded, so that no table of them is kept.  All in parts of the
 * input's width and height, 0..1.
 */
#ifndef INFERD_ANCHORS_H
#define INFERD_ANCHORS_H

#define ANCHORS_LAYERS_MAX 6
#define ANCHORS_CELL_MAX   6

struct anchor {
	float x, y; /* centre */
	float width, height;
};

struct anchors_layer {
	int columns, rows, n;	       /* n: anchors of a cell */
	float cell_width, cell_height; /* a cell's part of the input; 1 / columns where the cells cover it exactly */
	float width[ANCHORS_CELL_MAX], height[ANCHORS_CELL_MAX];
};

struct anchors {
	int n, n_layers; /* n: anchors of all layers */
	struct anchors_layer layers[ANCHORS_LAYERS_MAX];
};

/*
 * The anchors of MediaPipe's BlazeFace (short range: strides 8 and 16 with 2 and 6 in a cell; full range: stride 4, one
 * in a cell), palm and pose detectors, as SsdAnchorsCalculator makes them with fixed_anchor_size: all have the size of
 * the input.  strides: of the network's layers, `n` of them; layers of the same stride in a row share their cells and
 * bring two anchors each, or one where `single`.
 */
void anchors_mediapipe(const int *strides, int n, int single, int side, struct anchors *ret_anchors);

/*
 * The priors of Ultra-Light-Fast-Generic-Face-Detector-1MB for any input: strides 8, 16, 32 and 64, whose cells hold
 * squares of 10, 16, 24 | 32, 48 | 64, 96 | 128, 192, 256 pixels.
 */
void anchors_rfb(int width, int height, struct anchors *ret_anchors);

/*
 * The anchors of SSD on a MobileNet for any input, as TensorFlow's detectors have them: six layers of strides 16 to 512
 * with scales from 0.2 to 0.95; widths are 1, 2, 1/2, 3 and 1/3 times the heights, and one square lies between the
 * scales of two layers.  The first layer has three anchors in a cell, the others six.
 */
void anchors_ssd(int width, int height, struct anchors *ret_anchors);

/* The anchor of this number, 0 <= index < anchors->n. */
struct anchor anchors_at(const struct anchors *anchors, int index);

#endif
