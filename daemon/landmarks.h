/*
 * landmarks.h - a landmark network's tensors to points.
 *
 * Plain arithmetic on arrays; owns nothing and allocates nothing.  The outputs and what they mean are those of
 * MediaPipe's graphs hand_landmark_cpu, face_landmark_cpu and pose_landmark_by_roi_cpu (TensorsToLandmarksCalculator,
 * RefineLandmarksFromHeatmapCalculator):
 *
 *   hand   21 points x, y, z in pixels of the input; presence and handedness, both behind a sigmoid
 *   face   468 points x, y, z in pixels of the input; presence as a logit.  The variant with attention has five more
 *          outputs, see attention.h, and 478 points
 *   pose   39 points x, y, z, visibility, presence, the last two as logits, of which the first 33 are of the body;
 *          the person's presence behind a sigmoid; 39 heat maps that x and y are corrected by
 */
#ifndef INFERD_LANDMARKS_H
#define INFERD_LANDMARKS_H

#include "config/config.h"
#include "outputs.h"

#define LANDMARKS_MESH	468 /* of a face */
#define LANDMARKS_MAX	478 /* and of its irises */
#define LANDMARKS_PARTS 5   /* of the face mesh with attention */

struct landmark {
	float x, y;	  /* parts of the input's width and height; NAN where the network gave no number */
	float z;	  /* in the unit of x, towards the camera negative */
	float visibility; /* 0..1; NAN where the network does not tell */
};

struct landmarks_layout {
	enum config_landmarks kind;
	int width, height;			/* of the input */
	int n;					/* points that are returned */
	int points, presence, handedness, heat; /* outputs; -1: none */
	int heat_side;
	bool attention;
	int parts[LANDMARKS_PARTS]; /* outputs of the variant with attention */
};

/* "hand", ... */
const char *landmarks_kind_name(enum config_landmarks kind);

/* 0; -EINVAL with a sentence when the outputs are not what this kind has. */
int landmarks_layout(enum config_landmarks kind, const struct outputs *outputs, int width, int height,
		     struct landmarks_layout *ret_layout, char ret_why[OUTPUTS_WHY_BYTES]);

/* layout->n points; of a pose two more, which say where to look next, and four that mean nothing.  values: of each
 * output, as many as it was laid out for. */
void landmarks_decode(const struct landmarks_layout *layout, const float *const *values,
		      struct landmark ret_points[LANDMARKS_MAX]);

/* The number, or NAN where it is not finite. */
float landmarks_finite(float value);

/* How likely it is that there is one at all, 0..1; 0 where the network gave no number. */
float landmarks_presence(const struct landmarks_layout *layout, const float *const *values);

/*
 * Whether a hand is the right one of whoever sees a mirror image, as MediaPipe tells it (of a picture that is not
 * mirrored it is the other); false for other kinds.
 */
bool landmarks_is_right(const struct landmarks_layout *layout, const float *const *values);

#endif
