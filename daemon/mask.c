/* mask.c - see mask.h. */
#include "mask.h"

#include <math.h>

int mask_layout(const struct engine_plan *plan, const struct outputs *outputs, struct mask_layout *ret_layout,
		char ret_why[OUTPUTS_WHY_BYTES])
{
	struct mask_layout layout = {.output = -1};

	for (int i = 0; i < outputs->n; i++) {
		struct engine_io io;

		engine_plan_output(plan, i, &io);
		if (io.rank != 4 || io.dims[1] < 2 || io.dims[2] < 2 || io.dims[3] > 256)
			continue;
		if (layout.output >= 0 && layout.width * layout.height >= io.dims[1] * io.dims[2])
			continue;
		layout = (struct mask_layout){
			.width = io.dims[2], .height = io.dims[1], .n_classes = io.dims[3], .output = i};
	}
	if (layout.output < 0)
		return outputs_refuse(outputs, "task segment", "a picture of at most 256 classes", ret_why);
	*ret_layout = layout;
	return 0;
}

static uint8_t highest(const float *scores, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (scores[i] > scores[best] || isnan(scores[best]))
			best = i;
	return (uint8_t)best;
}

void mask_fill(const struct mask_layout *layout, const float *values, uint8_t *ret_mask)
{
	size_t n = (size_t)layout->width * (size_t)layout->height;

	for (size_t i = 0; i < n; i++) {
		if (layout->n_classes > 1)
			ret_mask[i] = highest(values + i * (size_t)layout->n_classes, layout->n_classes);
		else
			ret_mask[i] = values[i] > 0 ? (uint8_t)(fminf(values[i], 1) * 255 + 0.5f) : 0;
	}
}
