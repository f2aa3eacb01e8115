/*
 * preprocess_format.c - where the samples of each pixel format lie, and which line each feeds.
 */
#include "preprocess.h"

static const struct pixels_layout layouts[ENGINE_PIXELS_COUNT] = {
	[ENGINE_NV12] = {true, 2, 1, {{0, 1, {0, -1, -1, -1}, false, false}, {1, 2, {1, 2, -1, -1}, true, true}}},
	[ENGINE_NV21] = {true, 2, 1, {{0, 1, {0, -1, -1, -1}, false, false}, {1, 2, {2, 1, -1, -1}, true, true}}},
	[ENGINE_I420] = {true,
			 3,
			 1,
			 {{0, 1, {0, -1, -1, -1}, false, false},
			  {1, 1, {1, -1, -1, -1}, true, true},
			  {2, 1, {2, -1, -1, -1}, true, true}}},
	/* Y U Y V: luma is the even byte of pairs, chroma the odd ones of groups of four. */
	[ENGINE_YUYV] = {true, 2, 4, {{0, 2, {0, -1, -1, -1}, false, false}, {0, 4, {-1, 1, -1, 2}, true, false}}},
	[ENGINE_RGB] = {false, 1, 1, {{0, 3, {0, 1, 2, -1}, false, false}}},
	[ENGINE_BGR] = {false, 1, 1, {{0, 3, {2, 1, 0, -1}, false, false}}},
	[ENGINE_RGBA] = {false, 1, 1, {{0, 4, {0, 1, 2, -1}, false, false}}},
	[ENGINE_BGRA] = {false, 1, 1, {{0, 4, {2, 1, 0, -1}, false, false}}},
	[ENGINE_GRAY8] = {false, 1, 1, {{0, 1, {0, -1, -1, -1}, false, false}}},
};

const struct pixels_layout *preprocess_layout(enum engine_pixels format)
{
	return &layouts[format];
}
