/*
 * mask.h - a segmentation network's tensor to one byte a pixel.
 *
 * Plain arithmetic on arrays; owns nothing and allocates nothing.
 */
#ifndef INFERD_MASK_H
#define INFERD_MASK_H

#include <stdint.h>

#include "outputs.h"

struct mask_layout {
	int width, height, n_classes;
	int output;
};

/*
 * Reads the largest output as rows x columns of classes, one or several.  0; -EINVAL with a sentence when no output is
 * a picture.
 */
int mask_layout(const struct engine_plan *plan, const struct outputs *outputs, struct mask_layout *ret_layout,
		char ret_why[OUTPUTS_WHY_BYTES]);

/*
 * One class: its probability, 0..1, as 0..255; what is not a number is 0.  Several: the index of the highest, at most
 * 255.  ret_mask: width x height bytes.
 */
void mask_fill(const struct mask_layout *layout, const float *values, uint8_t *ret_mask);

#endif
