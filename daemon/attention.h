/*
 * attention.h - the face mesh with attention: five more outputs that know lips, eyes and irises better than the mesh.
 *
 * Plain arithmetic on arrays; owns nothing and allocates nothing.  The network is MediaPipe's
 * face_landmark_with_attention ("Attention Mesh", Grishchenko et al., 2020).  Which points of the mesh an output's
 * are, and that the irises take their depth from the rim of their eye, was found by comparing the network's outputs
 * with the points that MediaPipe makes of them.
 */
#ifndef INFERD_ATTENTION_H
#define INFERD_ATTENTION_H

#include "landmarks.h"

#define ATTENTION_PARTS LANDMARKS_PARTS /* lips, left eye, right eye, left iris, right iris */

/* Finds the five outputs; false when this is a network without them. */
bool attention_layout(const struct outputs *outputs, int ret_parts[ATTENTION_PARTS]);

/*
 * Moves the points of lips and eyes of a mesh of LANDMARKS_MESH, and appends 5 for each iris.  values: of each output;
 * pixels of the input of width x height.
 */
void attention_refine(const int parts[ATTENTION_PARTS], const float *const *values, int width, int height,
		      struct landmark points[LANDMARKS_MAX]);

#endif
