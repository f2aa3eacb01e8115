/*
 * preprocess_store.c - levels 0..255 to the numbers of a tensor: normalisation, quantisation, letterbox colour.
 */
#include <math.h>
#include <string.h>
#include <trim.h>

#include "preprocess.h"

void engine_gray_options(const struct engine_normalize *normalize, struct engine_plan_options *options)
{
	for (int c = 0; c < 3; c++) {
		options->gray_gain[c] = 1;
		options->gray_bias[c] = 0;
		/* A scale of 0 has no inverse; such a normalisation is refused on creation. */
		if (!normalize->given || normalize->scale[0] == 0)
			continue;
		options->gray_gain[c] = normalize->scale[c] / normalize->scale[0];
		options->gray_bias[c] = (normalize->mean[0] - normalize->mean[c]) * normalize->scale[c];
	}
}

size_t preprocess_pixel_bytes(const struct preprocess_target *target)
{
	return (size_t)target->channels * engine_type_size(target->type);
}

/* The first n pixels of these levels, by channel, to dst. */
static void store(const struct engine_preprocess *p, const float *const level[3], size_t channels, size_t n, void *dst)
{
	struct resample_store args = {.n = n, .channels = channels, .low = p->low, .high = p->high};

	for (int c = 0; c < 3; c++) {
		args.level[c] = level[c];
		args.gain[c] = p->gain[c];
		args.shift[c] = p->shift[c];
	}
	if (WITH_TYPE_float32 && p->target.type == ENGINE_F32)
		p->kernels->store_f32(&args, dst);
	else
		p->kernels->store_8(&args, dst);
}

/* The one of a two-channel input's second channel, as it is stored. */
static void set_constant(struct engine_preprocess *p, float value)
{
	if (p->target.type == ENGINE_F32) {
		memcpy(p->constant, &value, sizeof(value));
		return;
	}
	value = value > p->low ? value : p->low;
	value = value < p->high ? value : p->high;
	p->constant[0] = (uint8_t)((int32_t)(value - p->low + 0.5f) + (int32_t)p->low);
}

bool preprocess_set_numbers(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	const struct preprocess_target *target = &p->target;
	const bool quantised = target->type != ENGINE_F32, scaled = quantised && target->quant.scale != 0;
	const double step = scaled ? (double)target->quant.scale : 1, zero = scaled ? target->quant.zero_point : 0;

	p->low = target->type == ENGINE_S8 ? -128 : 0;
	p->high = target->type == ENGINE_S8 ? 127 : 255;
	for (int c = 0; c < 3; c++) {
		const double mean = (double)normalize->mean[c], scale = (double)normalize->scale[c];

		if (!normalize->given) {
			p->gain[c] = quantised ? 1.0f : 1.0f / 255;
			p->shift[c] = quantised ? p->low : 0;
			continue;
		}
		p->gain[c] = (float)(scale / step);
		p->shift[c] = (float)(zero - mean * scale / step);
		if (scale == 0 || !isfinite(p->gain[c]) || !isfinite(p->shift[c]))
			return false;
	}
	set_constant(p, (float)(1 / step + zero));
	return true;
}

/* As levels of the picture's format, where single samples beyond the picture find it. */
static void set_pad(struct engine_preprocess *p, const uint8_t pad[3])
{
	const float r = pad[0], g = pad[1], b = pad[2], y = 0.299f * r + 0.587f * g + 0.114f * b;
	const float span = p->full_range ? 1 : 219.0f / 255, chroma_span = p->full_range ? 1 : 224.0f / 255;

	if (!p->layout->yuv) {
		p->pad[0] = p->format == ENGINE_GRAY8 ? y : r;
		p->pad[1] = g;
		p->pad[2] = b;
		return;
	}
	p->pad[0] = y * span + (p->full_range ? 0 : 16);
	p->pad[1] = (b - y) / 1.772f * chroma_span + 128;
	p->pad[2] = (r - y) / 1.402f * chroma_span + 128;
}

void preprocess_set_border(struct engine_preprocess *p, const struct engine_normalize *normalize)
{
	const uint8_t *pad = normalize->pad;
	const float luma = (float)((299 * pad[0] + 587 * pad[1] + 114 * pad[2]) / 1000.0);
	const size_t channels = p->target.channels == 3 ? 3 : 1;
	float level[3];

	for (int c = 0; c < 3; c++)
		level[c] = channels == 3 ? (float)pad[p->bgr ? 2 - c : c] : luma;
	store(p, (const float *const[3]){&level[0], &level[1], &level[2]}, channels, 1, p->border.bytes);
	if (p->target.channels == 2)
		memcpy(p->border.bytes + engine_type_size(p->target.type), p->constant,
		       engine_type_size(p->target.type));
	p->padded = normalize->fit == ENGINE_FIT_LETTERBOX;
	set_pad(p, pad);
}

/* Gray, and one behind each. */
static void store_with_constant(struct engine_preprocess *p, size_t n, uint8_t *dst)
{
	const size_t size = engine_type_size(p->target.type);
	/* Gray has no use for the other lines. */
	uint8_t *gray = (uint8_t *)p->line[1];

	store(p, (const float *const[3]){p->line[0], NULL, NULL}, 1, n, gray);
	for (size_t i = 0; i < n; i++, dst += 2 * size) {
		memcpy(dst, gray + i * size, size);
		memcpy(dst + size, p->constant, size);
	}
}

void preprocess_store_row(struct engine_preprocess *p, size_t n, uint8_t *dst)
{
	const bool gray = p->format == ENGINE_GRAY8;
	const float *level[3];

	if (p->target.channels == 2) {
		store_with_constant(p, n, dst);
		return;
	}
	for (int c = 0; c < 3; c++)
		level[c] = p->line[gray ? 0 : p->bgr && p->target.channels == 3 ? 2 - c : c];
	store(p, level, (size_t)p->target.channels, n, dst);
}

void preprocess_store_border(const struct engine_preprocess *p, size_t n, uint8_t *dst)
{
	const size_t bytes = preprocess_pixel_bytes(&p->target);

	if (!n)
		return;
	memcpy(dst, p->border.bytes, bytes);
	for (size_t done = 1; done < n; done *= 2)
		memcpy(dst + done * bytes, dst, (done < n - done ? done : n - done) * bytes);
}
