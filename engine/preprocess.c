/*
 * preprocess.c - pixels to input tensor, an output row after the other.
 *
 * Planes are resampled each from its own resolution (preprocess_layer.c), or sampled (preprocess_sample.c); colour is
 * then computed for the few output pixels only, and stored normalised and quantised (preprocess_store.c).  Chroma is
 * taken to lie in the middle of its luma samples, as in JPEG.
 *
 * One thread.  Owns no pixels and knows no plan beyond the shape of its input.
 */
#include "preprocess.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <trim.h>

static int fail(struct engine_error *ret_error, int error, const char *text)
{
	if (ret_error)
		snprintf(ret_error->text, sizeof(ret_error->text), "preprocess: %s", text);
	return error;
}

/* ---- making it --------------------------------------------------------------------------------- */

static int check_request(const struct engine_image *image, const struct engine_normalize *normalize,
			 const struct preprocess_target *target, struct engine_error *ret_error)
{
	if ((unsigned)image->format >= ENGINE_PIXELS_COUNT)
		return fail(ret_error, -EINVAL, "unknown pixel format");
	if (image->width < 1 || image->height < 1 || image->width > ENGINE_SIDE_MAX || image->height > ENGINE_SIDE_MAX)
		return fail(ret_error, -EINVAL, "the image's sides must be 1..16384");
	if (target->width < 1 || target->height < 1 || target->width > ENGINE_SIDE_MAX ||
	    target->height > ENGINE_SIDE_MAX)
		return fail(ret_error, -ENOTSUP, "the network's input is not an image of 1..16384 pixels a side");
	if (target->channels < 1 || target->channels > 3)
		return fail(ret_error, -ENOTSUP, "the network's input must have 1, 2 or 3 channels");
	if ((target->type != ENGINE_F32 || !WITH_TYPE_float32) && target->type != ENGINE_U8 &&
	    target->type != ENGINE_S8)
		return fail(ret_error, -ENOTSUP, "the network's input must be float32, uint8 or int8");
	if ((unsigned)normalize->fit > ENGINE_FIT_LETTERBOX)
		return fail(ret_error, -EINVAL, "unknown fit");
	if (!WITH_REGIONS && normalize->sampling == ENGINE_SAMPLING_POINT)
		return fail(ret_error, -ENOTSUP, "sampling of points is left out of this build (INFERD_REGIONS)");
	if (normalize->fit == ENGINE_FIT_CROP && !(normalize->crop > 0 && normalize->crop <= 1))
		return fail(ret_error, -EINVAL, "crop must be above 0 and at most 1");
	return 0;
}

static int set_layers(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	const struct preprocess_box box = preprocess_place(p, normalize);
	const bool colour = p->target.channels == 3;

	p->n_layers = colour || !p->layout->yuv ? p->layout->n_layers : 1;
	return preprocess_layers_init(p->layers, p->n_layers, p->layout, p->width, p->height, &box, !colour,
				      p->kernels);
}

static int set_samples(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	preprocess_place_region(p, normalize);
	return preprocess_samples_init(&p->samples, p->target.width);
}

/* Everything that needs memory. */
static int set_up(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	int ret;

	p->point = WITH_REGIONS && normalize->sampling == ENGINE_SAMPLING_POINT;
	ret = p->point ? set_samples(p, normalize) : set_layers(p, normalize);
	for (int i = 0; !ret && i < PREPROCESS_LINES_MAX; i++) {
		p->line[i] = calloc((size_t)p->picture_width, sizeof(*p->line[i]));
		if (!p->line[i])
			ret = -ENOMEM;
	}
	return ret;
}

int preprocess_create(const struct engine_image *image, const struct engine_normalize *normalize,
		      const struct preprocess_target *target, const struct kernels *kernels,
		      struct engine_error *ret_error, struct engine_preprocess **ret_preprocess)
{
	struct engine_preprocess *p;
	int ret;

	ret = check_request(image, normalize, target, ret_error);
	if (ret)
		return ret;
	p = calloc(1, sizeof(*p));
	if (!p)
		return fail(ret_error, -ENOMEM, "out of memory");
	p->format = image->format;
	p->layout = preprocess_layout(image->format);
	p->full_range = image->full_range;
	p->width = image->width;
	p->height = image->height;
	p->target = *target;
	p->kernels = &kernels->resample;
	p->bgr = normalize->bgr;
	if (!preprocess_set_numbers(p, normalize)) {
		ret = fail(ret_error, -EINVAL, "mean and scale must be finite numbers, and scale not 0");
		goto out;
	}
	preprocess_set_border(p, normalize);
	ret = set_up(p, normalize);
	if (ret)
		fail(ret_error, ret, "out of memory");
out:
	if (ret)
		engine_preprocess_destroy(p);
	else
		*ret_preprocess = p;
	return ret;
}

int engine_preprocess_create(const struct engine_image *image, const struct engine_normalize *normalize,
			     const struct engine_plan *plan, struct engine_error *ret_error,
			     struct engine_preprocess **ret_preprocess)
{
	struct preprocess_target target;
	struct engine_io io;

	engine_plan_input(plan, 0, &io);
	if (io.rank != 4 || io.dims[0] != 1)
		return fail(ret_error, -ENOTSUP, "the network's input is not one image");
	target = (struct preprocess_target){io.dims[2], io.dims[1], io.dims[3], io.type, io.quant};
	return preprocess_create(image, normalize, &target, kernels_get(), ret_error, ret_preprocess);
}

void engine_preprocess_destroy(struct engine_preprocess *preprocess)
{
	if (!preprocess)
		return;
	for (int i = 0; i < preprocess->n_layers; i++)
		preprocess_layer_finish(&preprocess->layers[i]);
	preprocess_samples_finish(&preprocess->samples);
	for (int i = 0; i < PREPROCESS_LINES_MAX; i++)
		free(preprocess->line[i]);
	free(preprocess);
}

/* ---- running it -------------------------------------------------------------------------------- */

static bool is_prepared_for(const struct engine_preprocess *p, const struct engine_image *image)
{
	return image->format == p->format && image->width == p->width && image->height == p->height &&
	       (!p->layout->yuv || image->full_range == p->full_range);
}

/* The finished lines of an output row become R, G and B, or luma. */
static void row_colour(struct engine_preprocess *p)
{
	const size_t n = (size_t)p->picture_width;

	if (!p->layout->yuv)
		return;
	if (p->target.channels == 3)
		p->kernels->yuv_to_rgb(n, p->full_range, p->line[0], p->line[1], p->line[2]);
	else if (!p->full_range)
		p->kernels->luma_to_full(n, p->line[0]);
}

static void merge_luma(struct engine_preprocess *p)
{
	for (int x = 0; x < p->target.width; x++)
		p->line[0][x] = 0.299f * p->line[0][x] + 0.587f * p->line[1][x] + 0.114f * p->line[2][x];
}

int engine_preprocess_run_region(struct engine_preprocess *preprocess, const struct engine_image *image,
				 const struct engine_region *region, void *dst)
{
	struct engine_preprocess *p = preprocess;
	const size_t row_bytes = (size_t)p->target.width * preprocess_pixel_bytes(&p->target);
	const bool to_gray = p->target.channels != 3 && !p->layout->yuv && p->format != ENGINE_GRAY8;
	struct resample_line line;

	if (!WITH_REGIONS || !p->point || !is_prepared_for(p, image) || !isfinite(region->x) || !isfinite(region->y) ||
	    !isfinite(region->width) || !isfinite(region->height) || !isfinite(region->angle))
		return -EINVAL;
	line = preprocess_sample_line(p, region);
	for (int y = 0; y < p->target.height; y++) {
		line.down = ((float)y / (float)p->target.height - 0.5f) * region->height;
		preprocess_sample_row(p, image, &line);
		if (to_gray)
			merge_luma(p);
		row_colour(p);
		preprocess_store_row(p, (size_t)p->target.width, (uint8_t *)dst + (size_t)y * row_bytes);
	}
	return 0;
}

int engine_preprocess_run(struct engine_preprocess *preprocess, const struct engine_image *image, void *dst)
{
	struct engine_preprocess *p = preprocess;
	const size_t bytes = preprocess_pixel_bytes(&p->target), input_width = (size_t)p->target.width;
	const size_t left = (size_t)p->left, width = (size_t)p->picture_width, right = input_width - left - width;
	const size_t bottom = (size_t)(p->target.height - p->top - p->picture_height);
	uint8_t *row = (uint8_t *)dst + (size_t)p->top * input_width * bytes;

	if (p->point)
		return engine_preprocess_run_region(p, image, &p->region, dst);
	if (!is_prepared_for(p, image))
		return -EINVAL;
	preprocess_store_border(p, (size_t)p->top * input_width, dst);
	for (int i = 0; i < p->n_layers; i++)
		preprocess_layer_begin(&p->layers[i], image);
	for (int y = 0; y < p->picture_height; y++, row += input_width * bytes) {
		for (int i = 0; i < p->n_layers; i++)
			preprocess_layer_row(&p->layers[i], y, p->line);
		row_colour(p);
		preprocess_store_border(p, left, row);
		preprocess_store_row(p, width, row + left * bytes);
		preprocess_store_border(p, right, row + (left + width) * bytes);
	}
	preprocess_store_border(p, bottom * input_width, row);
	return 0;
}
