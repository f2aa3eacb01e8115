/*
 * regions.h - the square of a picture that a landmark network is shown: where a detector found something, or where the
 * landmarks of the frame before were.
 *
 * Plain arithmetic; owns nothing.  All of it is in pixels of the picture, angles as of struct engine_region.  Where
 * the facts come from: MediaPipe's graphs palm_detection_detection_to_roi, hand_landmark_landmarks_to_roi,
 * face_detection_front_detection_to_roi, face_landmark_landmarks_to_roi, pose_detection_to_roi and
 * pose_landmarks_to_roi, which say what is turned upright, how far the square is moved and how much larger it is than
 * what it is about, and its calculators RectTransformation and HandLandmarksToRect; docs/pipelines.md has them as a
 * table.
 */
#ifndef INFERD_REGIONS_H
#define INFERD_REGIONS_H

#include <stdbool.h>

#include "boxes.h"
#include "config/config.h"
#include "engine/engine.h"

/*
 * About a detector's box.  points: n_points of the detector's, which say how it is turned; with none it is upright, and
 * a pose, which is about its points alone, has no region.  False where a number is not finite or there is no area.
 */
bool region_of_detection(enum config_landmarks kind, const struct box *box, const float (*points)[2], int n_points,
			 struct engine_region *ret_region);

/* About landmarks, of which it looks at the first regions_points(kind).  False as above. */
bool region_of_landmarks(enum config_landmarks kind, const float (*points)[2], struct engine_region *ret_region);

/* That many. */
int regions_points(enum config_landmarks kind);

/* Area of both by area of either, 0..1, of the squares as if they were upright: whether they are of the same thing. */
float regions_overlap(const struct engine_region *a, const struct engine_region *b);

#endif
