/*
 * bench_preprocess.c - preprocessing as a flat library for tools/bench/preprocess.py, which times it beside OpenCV.
 *
 * The caller owns pixels and tensors.  Pixels are one array: the planes of the format one behind the other, without
 * gaps.
 */
#include <stdint.h>

#include "engine/preprocess.h"

#define EXPORT __attribute__((visibility("default")))

/* As tools/bench/preprocess.py declares it. */
struct bench_request {
	int format, full_range, width, height;
	int input_width, input_height, channels, type;
	float quant_scale;
	int quant_zero;
	int fit, sampling;
	float mean[3], scale[3];
};

EXPORT const char *bench_level(void);
EXPORT struct engine_preprocess *bench_create(const struct bench_request *request);
EXPORT void bench_destroy(struct engine_preprocess *preprocess);
EXPORT int bench_run(struct engine_preprocess *preprocess, const struct bench_request *request, const uint8_t *pixels,
		     void *tensor);
EXPORT int bench_run_region(struct engine_preprocess *preprocess, const struct bench_request *request,
			    const uint8_t *pixels, const struct engine_region *region, void *tensor);

static struct engine_image image_of(const struct bench_request *request, const uint8_t *pixels)
{
	size_t width = (size_t)request->width, height = (size_t)request->height;
	size_t half_width = (width + 1) / 2, half_height = (height + 1) / 2;
	struct engine_image image = {.format = (enum engine_pixels)request->format,
				     .full_range = request->full_range,
				     .width = request->width,
				     .height = request->height,
				     .plane = {pixels},
				     .stride = {width}};

	switch (image.format) {
	case ENGINE_NV12:
	case ENGINE_NV21:
		image.plane[1] = pixels + width * height;
		image.stride[1] = 2 * half_width;
		break;
	case ENGINE_I420:
		image.plane[1] = pixels + width * height;
		image.plane[2] = image.plane[1] + half_width * half_height;
		image.stride[1] = image.stride[2] = half_width;
		break;
	case ENGINE_YUYV:
		image.stride[0] = 4 * half_width;
		break;
	case ENGINE_GRAY8:
		break;
	default:
		image.stride[0] = width * (image.format == ENGINE_RGB || image.format == ENGINE_BGR ? 3 : 4);
		break;
	}
	return image;
}

const char *bench_level(void)
{
	return engine_cpu_level();
}

struct engine_preprocess *bench_create(const struct bench_request *request)
{
	struct engine_image image = image_of(request, NULL);
	struct engine_normalize normalize = {.fit = (enum engine_fit)request->fit,
					     .crop = 1,
					     .sampling = (enum engine_sampling)request->sampling,
					     .given = true};
	struct preprocess_target target = {request->input_width,
					   request->input_height,
					   request->channels,
					   (enum engine_type)request->type,
					   {request->quant_scale, request->quant_zero}};
	struct engine_preprocess *preprocess = NULL;

	for (int c = 0; c < 3; c++) {
		normalize.mean[c] = request->mean[c];
		normalize.scale[c] = request->scale[c];
	}
	if (preprocess_create(&image, &normalize, &target, kernels_get(), NULL, &preprocess))
		return NULL;
	return preprocess;
}

void bench_destroy(struct engine_preprocess *preprocess)
{
	engine_preprocess_destroy(preprocess);
}

int bench_run(struct engine_preprocess *preprocess, const struct bench_request *request, const uint8_t *pixels,
	      void *tensor)
{
	struct engine_image image = image_of(request, pixels);

	return engine_preprocess_run(preprocess, &image, tensor);
}

int bench_run_region(struct engine_preprocess *preprocess, const struct bench_request *request, const uint8_t *pixels,
		     const struct engine_region *region, void *tensor)
{
	struct engine_image image = image_of(request, pixels);

	return engine_preprocess_run_region(preprocess, &image, region, tensor);
}
