/*
 * preprocess_place.c - which part of a picture goes to which part of a network's input.
 */
#include "preprocess.h"

static int round_side(double side, int limit)
{
	int rounded = (int)(side + 0.5);

	return rounded < 1 ? 1 : rounded > limit ? limit : rounded;
}

static void place_crop(struct preprocess_box *box, double in_w, double in_h, double crop)
{
	const double width = box->width, height = box->height;

	/* In cross products, so that equal aspects leave exactly the whole side. */
	if (width * in_h > height * in_w)
		box->width = height * in_w / in_h;
	else
		box->height = width * in_h / in_w;
	box->width *= crop;
	box->height *= crop;
	/* Pillow's boxes are of single precision, and so are their sides. */
	box->x = (double)(float)((width - box->width) / 2);
	box->y = (double)(float)((height - box->height) / 2);
	box->width = (double)((float)((width + box->width) / 2) - (float)box->x);
	box->height = (double)((float)((height + box->height) / 2) - (float)box->y);
}

struct preprocess_box preprocess_place(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	double width = p->width, height = p->height, in_w = p->target.width, in_h = p->target.height;
	struct preprocess_box box = {0, 0, width, height, 0, 0};

	p->picture_width = p->target.width;
	p->picture_height = p->target.height;
	if (normalize->fit == ENGINE_FIT_CROP) {
		place_crop(&box, in_w, in_h, (double)normalize->crop);
	} else if (normalize->fit == ENGINE_FIT_LETTERBOX) {
		double scale = in_w * height < in_h * width ? in_w / width : in_h / height;

		p->picture_width = round_side(width * scale, p->target.width);
		p->picture_height = round_side(height * scale, p->target.height);
		p->left = (p->target.width - p->picture_width) / 2;
		p->top = (p->target.height - p->picture_height) / 2;
	}
	p->placement.scale_x = (float)(p->picture_width / box.width);
	p->placement.scale_y = (float)(p->picture_height / box.height);
	p->placement.offset_x = (float)(p->left - box.x * p->picture_width / box.width);
	p->placement.offset_y = (float)(p->top - box.y * p->picture_height / box.height);
	box.out_width = p->picture_width;
	box.out_height = p->picture_height;
	return box;
}

/* Unlike preprocess_place(), it is not rounded to whole pixels of the input. */
void preprocess_place_region(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	struct preprocess_box box = preprocess_place(p, normalize);
	double width = p->width, height = p->height, in_w = p->target.width, in_h = p->target.height;

	if (normalize->fit == ENGINE_FIT_LETTERBOX) {
		double scale = in_w * height < in_h * width ? in_w / width : in_h / height;

		box.x = (width - in_w / scale) / 2;
		box.y = (height - in_h / scale) / 2;
		box.width = in_w / scale;
		box.height = in_h / scale;
	}
	p->left = p->top = 0;
	p->picture_width = p->target.width;
	p->picture_height = p->target.height;
	p->region = (struct engine_region){.x = (float)(box.x + box.width / 2),
					   .y = (float)(box.y + box.height / 2),
					   .width = (float)box.width,
					   .height = (float)box.height};
	p->placement.scale_x = (float)(in_w / box.width);
	p->placement.scale_y = (float)(in_h / box.height);
	p->placement.offset_x = (float)(-box.x * in_w / box.width);
	p->placement.offset_y = (float)(-box.y * in_h / box.height);
}

struct engine_placement engine_preprocess_placement(const struct engine_preprocess *preprocess)
{
	return preprocess->placement;
}
