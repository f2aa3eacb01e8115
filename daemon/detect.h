/*
 * detect.h - a detector's tensors to boxes.
 *
 * Plain arithmetic on arrays; owns nothing and allocates nothing.  Numbers that are not finite are passed over.  Boxes
 * and points are in parts of the input's width and height; where the input lies in the picture is roi.h's.
 *
 * Where the arithmetic comes from:
 *   blazeface, palm, pose   MediaPipe's TensorsToDetectionsCalculator and the options in its graphs face_detection_*,
 *                           palm_detection_cpu and pose_detection_cpu: x, y, width, height, then points, in pixels of
 *                           the input, relative to the anchor's centre; the score is a logit, clipped to +-100
 *   rfb                     the priors and variances (0.1, 0.2) of Ultra-Light-Fast-Generic-Face-Detector-1MB, as in
 *                           "SSD: Single Shot MultiBox Detector", Liu et al., 2016; scores behind softmax
 *   corners                 the same with the decoding in the network: x0, y0, x1, y1 in 0..1
 *   nanodet                 "Generalized Focal Loss", Li et al., 2020: the distance from the cell's centre to each side
 *                           is the mean of a distribution over 0..7 strides; scores behind sigmoid
 *   ssd                     TFLite_Detection_PostProcess: boxes (y0, x0, y1, x1), classes, scores and their number
 *   ssd-anchors             the network of ssd without that operator, boxes y, x, height, width and a logit for each
 *                           class behind that of the background; "Speed/accuracy trade-offs for modern convolutional
 *                           object detectors", Huang et al., 2017, has the coder's scales (10, 5)
 */
#ifndef INFERD_DETECT_H
#define INFERD_DETECT_H

#include "anchors.h"
#include "boxes.h"
#include "config/config.h"
#include "outputs.h"

#define DETECT_LAYERS_MAX 4

/* How the outputs of one plan are read. */
struct detect_layout {
	enum config_detector kind;
	int width, height; /* of the input */
	int n_points, n_classes;
	int n_layers;
	int boxes[DETECT_LAYERS_MAX], scores[DETECT_LAYERS_MAX]; /* outputs */
	struct anchors anchors;					 /* of all layers; kinds that have any */
};

/* "blazeface", ... */
const char *detect_kind_name(enum config_detector kind);

/* 0; -EINVAL with a sentence when the outputs are not what this kind has at an input of this size. */
int detect_layout(enum config_detector kind, const struct outputs *outputs, int width, int height,
		  struct detect_layout *ret_layout, char ret_why[OUTPUTS_WHY_BYTES]);

/* Takes what scores at least score_min into boxes.  values: of each output, as many as it was laid out for. */
void detect_decode(const struct detect_layout *layout, const float *const *values, float score_min,
		   struct boxes *boxes);

/* Leaves one box for each thing, best first, by the manner of suppression that belongs to the kind. */
void detect_suppress(const struct detect_layout *layout, float iou_max, int limit, struct boxes *boxes);

#endif
