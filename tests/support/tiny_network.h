/*
 * tiny_network.h - small networks with fixed weights, written as ncnn files by the tests that need one.
 *
 * The network averages over the picture after one convolution that passes brightness through, and has four
 * classes: the darker the picture the lower the class.  A larger side makes it slower.
 */
#ifndef INFERD_TINY_NETWORK_H
#define INFERD_TINY_NETWORK_H

/* Writes STEM.param and STEM.bin for pictures of side x side. */
void tiny_network_write(const char *stem, int side, int n_classes);

/*
 * A detector as of `detector: corners`, two boxes and one class: the upper left quarter of the picture when it is
 * bright, and another that never is.  And a segmenter: bright pixels.
 */
void tiny_detector_write(const char *stem, int side);
void tiny_segmenter_write(const char *stem, int side);
/*
 * A landmark network as of `landmarks: face`, which sees a level face in the middle half of every picture that is not
 * dark.
 */
void tiny_mesh_write(const char *stem, int side);
/*
 * A detector as of `detector: pose`, which sees a body in the middle of every picture that is bright, with a circle a
 * fifth of the picture about it.  And a landmark network as of `landmarks: pose`: the points lie above each other,
 * from a quarter of the width in a dark picture to three quarters in a bright one, and the circle about the body is
 * such that the next frame is looked at in the same place.
 */
void tiny_body_detector_write(const char *stem);
void tiny_body_write(const char *stem, int side);

#endif
