#include "tiny_network.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define CHANNELS 8

static FILE *create(const char *stem, const char *suffix)
{
	char path[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s%s", stem, suffix);
	file = fopen(path, "wb");
	if (!file) {
		perror(path);
		abort();
	}
	return file;
}

static void put_floats(FILE *file, int n, float (*value)(int index, int n_classes), int n_classes)
{
	for (int i = 0; i < n; i++) {
		float number = value(i, n_classes);

		fwrite(&number, sizeof(number), 1, file);
	}
}

static void put_tag(FILE *file)
{
	uint32_t raw_floats = 0;

	fwrite(&raw_floats, sizeof(raw_floats), 1, file);
}

/* Every output channel is the mean of the three colours at the centre tap. */
static float conv_weight(int index, int n_classes)
{
	(void)n_classes;
	return index % 9 == 4 ? 1.0f / 3 : 0;
}

static float zero(int index, int n_classes)
{
	(void)index;
	(void)n_classes;
	return 0;
}

/* Logit of class c at brightness b: 40 (b m - m m / 2) with m = c / (classes - 1), highest where m is nearest b. */
static float fc_weight(int index, int n_classes)
{
	float m = (float)(index / CHANNELS) / (float)(n_classes - 1);

	return 40 * m / CHANNELS;
}

static float fc_bias(int index, int n_classes)
{
	float m = (float)index / (float)(n_classes - 1);

	return -20 * m * m;
}

static void finish(const char *stem, FILE *param, FILE *bin)
{
	if (fclose(param) != 0 || fclose(bin) != 0) {
		perror(stem);
		abort();
	}
}

void tiny_network_write(const char *stem, int side, int n_classes)
{
	FILE *param = create(stem, ".param"), *bin = create(stem, ".bin");

	fprintf(param,
		"7767517\n5 5\n"
		"Input data 0 1 data 0=%d 1=%d 2=3\n"
		"Convolution conv 1 1 data conv 0=%d 1=3 4=1 5=1 6=%d 9=1\n"
		"Pooling pool 1 1 conv pool 0=1 4=1\n"
		"InnerProduct fc 1 1 pool fc 0=%d 1=1 2=%d\n"
		"Softmax prob 1 1 fc prob 0=0\n",
		side, side, CHANNELS, CHANNELS * 27, n_classes, CHANNELS * n_classes);
	put_tag(bin);
	put_floats(bin, CHANNELS * 27, conv_weight, n_classes);
	put_floats(bin, CHANNELS, zero, n_classes);
	put_tag(bin);
	put_floats(bin, CHANNELS * n_classes, fc_weight, n_classes);
	put_floats(bin, n_classes, fc_bias, n_classes);
	finish(stem, param, bin);
}

static float box_corner(int index, int n_classes)
{
	static const float corners[] = {0, 0, 0.5f, 0.5f, 0.5f, 0.5f, 1, 1};

	(void)n_classes;
	return corners[index];
}

/* Background and class of two rows; only the first row's class looks at the picture. */
static float score_weight(int index, int n_classes)
{
	(void)n_classes;
	return index / CHANNELS == 1 ? 40.0f / CHANNELS : 0;
}

static float score_bias(int index, int n_classes)
{
	(void)index;
	(void)n_classes;
	return -20;
}

void tiny_detector_write(const char *stem, int side)
{
	FILE *param = create(stem, ".param"), *bin = create(stem, ".bin");

	fprintf(param,
		"7767517\n9 10\n"
		"Input data 0 1 data 0=%d 1=%d 2=3\n"
		"Convolution conv 1 1 data conv 0=%d 1=3 4=1 5=1 6=%d 9=1\n"
		"Pooling pool 1 1 conv pool 0=1 4=1\n"
		"Split split 1 2 pool pool_a pool_b\n"
		"InnerProduct corners 1 1 pool_a corners 0=8 1=1 2=%d\n"
		"Reshape boxes 1 1 corners boxes 0=4 1=2\n"
		"InnerProduct logits 1 1 pool_b logits 0=4 1=1 2=%d\n"
		"Sigmoid shares 1 1 logits shares\n"
		"Reshape scores 1 1 shares scores 0=2 1=2\n",
		side, side, CHANNELS, CHANNELS * 27, CHANNELS * 8, CHANNELS * 4);
	put_tag(bin);
	put_floats(bin, CHANNELS * 27, conv_weight, 0);
	put_floats(bin, CHANNELS, zero, 0);
	put_tag(bin);
	put_floats(bin, CHANNELS * 8, zero, 0);
	put_floats(bin, 8, box_corner, 0);
	put_tag(bin);
	put_floats(bin, CHANNELS * 4, score_weight, 0);
	put_floats(bin, 4, score_bias, 0);
	finish(stem, param, bin);
}

/* The mean of the colours at the centre tap, steep about one half. */
static float mask_weight(int index, int n_classes)
{
	return 40 * conv_weight(index, n_classes);
}

void tiny_segmenter_write(const char *stem, int side)
{
	FILE *param = create(stem, ".param"), *bin = create(stem, ".bin");

	fprintf(param,
		"7767517\n3 3\n"
		"Input data 0 1 data 0=%d 1=%d 2=3\n"
		"Convolution conv 1 1 data conv 0=1 1=3 4=1 5=1 6=27\n"
		"Sigmoid mask 1 1 conv mask\n",
		side, side);
	put_tag(bin);
	put_floats(bin, 27, mask_weight, 0);
	put_floats(bin, 1, score_bias, 0);
	finish(stem, param, bin);
}

#define MESH_NUMBERS 1404 /* x, y and z of 468 points */

/* Parts of the side: corners of the middle half, but for the eyes, which are level. */
static float mesh_point(int index, int side)
{
	int point = index / 3, axis = index % 3;
	bool eye = point == 33 || point == 263;

	if (axis == 2)
		return 0;
	if (eye)
		return (axis == 1 ? 0.5f : point == 33 ? 0.375f : 0.625f) * (float)side;
	return ((point >> axis) % 2 ? 0.75f : 0.25f) * (float)side;
}

static float presence_weight(int index, int n_classes)
{
	(void)index;
	(void)n_classes;
	return 40.0f / CHANNELS;
}

static float presence_bias(int index, int n_classes)
{
	(void)index;
	(void)n_classes;
	return -10;
}

void tiny_mesh_write(const char *stem, int side)
{
	FILE *param = create(stem, ".param"), *bin = create(stem, ".bin");

	fprintf(param,
		"7767517\n6 7\n"
		"Input data 0 1 data 0=%d 1=%d 2=3\n"
		"Convolution conv 1 1 data conv 0=%d 1=3 4=1 5=1 6=%d 9=1\n"
		"Pooling pool 1 1 conv pool 0=1 4=1\n"
		"Split split 1 2 pool pool_a pool_b\n"
		"InnerProduct points 1 1 pool_a points 0=%d 1=1 2=%d\n"
		"InnerProduct presence 1 1 pool_b presence 0=1 1=1 2=%d\n",
		side, side, CHANNELS, CHANNELS * 27, MESH_NUMBERS, CHANNELS * MESH_NUMBERS, CHANNELS);
	put_tag(bin);
	put_floats(bin, CHANNELS * 27, conv_weight, 0);
	put_floats(bin, CHANNELS, zero, 0);
	put_tag(bin);
	put_floats(bin, CHANNELS * MESH_NUMBERS, zero, 0);
	put_floats(bin, MESH_NUMBERS, mesh_point, side);
	put_tag(bin);
	put_floats(bin, CHANNELS, presence_weight, 0);
	put_floats(bin, 1, presence_bias, 0);
	finish(stem, param, bin);
}

#define BODY_SIDE    224 /* MediaPipe's anchors are of this one */
#define BODY_ANCHORS 2254
#define BODY_NUMBERS 12
#define BODY_POINTS  39 /* of five numbers */

/* The first anchor's centre is at 4, 4; its row is of a body about the middle, whose circle reaches up to 0.3. */
static float body_row(int index, int n_classes)
{
	float at = index == 7 ? 0.3f : 0.5f;

	(void)n_classes;
	if (index >= BODY_NUMBERS)
		return 0;
	return index == 2 || index == 3 ? 0.2f * BODY_SIDE : at * BODY_SIDE - 4;
}

static float body_score_weight(int index, int n_classes)
{
	return index < CHANNELS ? presence_weight(index, n_classes) : 0;
}

static float body_score_bias(int index, int n_classes)
{
	return index ? -20 : presence_bias(index, n_classes);
}

void tiny_body_detector_write(const char *stem)
{
	FILE *param = create(stem, ".param"), *bin = create(stem, ".bin");
	int numbers = BODY_ANCHORS * BODY_NUMBERS;

	fprintf(param,
		"7767517\n8 9\n"
		"Input data 0 1 data 0=%d 1=%d 2=3\n"
		"Convolution conv 1 1 data conv 0=%d 1=3 4=1 5=1 6=%d 9=1\n"
		"Pooling pool 1 1 conv pool 0=1 4=1\n"
		"Split split 1 2 pool pool_a pool_b\n"
		"InnerProduct rows 1 1 pool_a rows 0=%d 1=1 2=%d\n"
		"Reshape boxes 1 1 rows boxes 0=%d 1=%d\n"
		"InnerProduct logits 1 1 pool_b logits 0=%d 1=1 2=%d\n"
		"Reshape scores 1 1 logits scores 0=1 1=%d\n",
		BODY_SIDE, BODY_SIDE, CHANNELS, CHANNELS * 27, numbers, CHANNELS * numbers, BODY_NUMBERS, BODY_ANCHORS,
		BODY_ANCHORS, CHANNELS * BODY_ANCHORS, BODY_ANCHORS);
	put_tag(bin);
	put_floats(bin, CHANNELS * 27, conv_weight, 0);
	put_floats(bin, CHANNELS, zero, 0);
	put_tag(bin);
	put_floats(bin, CHANNELS * numbers, zero, 0);
	put_floats(bin, numbers, body_row, 0);
	put_tag(bin);
	put_floats(bin, CHANNELS * BODY_ANCHORS, body_score_weight, 0);
	put_floats(bin, BODY_ANCHORS, body_score_bias, 0);
	finish(stem, param, bin);
}

/* Only x of the body's own points moves with brightness, over the middle half. */
static float body_point_weight(int index, int side)
{
	int row = index / CHANNELS;

	return row % 5 == 0 && row / 5 < 33 ? 0.5f * (float)side / CHANNELS : 0;
}

static float body_point(int index, int side)
{
	int point = index / 5, number = index % 5;

	if (number > 1)
		return number == 3 ? 2 : 0;
	if (point < 33)
		return (number ? 0.5f : 0.25f) * (float)side;
	return (point == 34 && number ? 0.1f : 0.5f) * (float)side;
}

static float body_presence_weight(int index, int n_classes)
{
	return presence_weight(index, n_classes) / 10;
}

static float nowhere(int index, int n_classes)
{
	(void)index;
	(void)n_classes;
	return -60;
}

void tiny_body_write(const char *stem, int side)
{
	FILE *param = create(stem, ".param"), *bin = create(stem, ".bin");

	fprintf(param,
		"7767517\n9 11\n"
		"Input data 0 1 data 0=%d 1=%d 2=3\n"
		"Convolution conv 1 1 data conv 0=%d 1=3 4=1 5=1 6=%d 9=1\n"
		"Split halves 1 2 conv conv_a conv_b\n"
		"Pooling pool 1 1 conv_a pool 0=1 4=1\n"
		"Split split 1 2 pool pool_a pool_b\n"
		"InnerProduct points 1 1 pool_a points 0=%d 1=1 2=%d\n"
		"InnerProduct presence 1 1 pool_b presence 0=1 1=1 2=%d\n"
		"Pooling quarters 1 1 conv_b quarters 0=1 1=%d 2=%d\n"
		"Convolution heat 1 1 quarters heat 0=%d 1=1 5=1 6=%d\n",
		side, side, CHANNELS, CHANNELS * 27, BODY_POINTS * 5, CHANNELS * BODY_POINTS * 5, CHANNELS, side / 2,
		side / 2, BODY_POINTS, BODY_POINTS * CHANNELS);
	put_tag(bin);
	put_floats(bin, CHANNELS * 27, conv_weight, 0);
	put_floats(bin, CHANNELS, zero, 0);
	put_tag(bin);
	put_floats(bin, CHANNELS * BODY_POINTS * 5, body_point_weight, side);
	put_floats(bin, BODY_POINTS * 5, body_point, side);
	put_tag(bin);
	put_floats(bin, CHANNELS, body_presence_weight, 0);
	put_floats(bin, 1, zero, 0);
	put_tag(bin);
	put_floats(bin, BODY_POINTS * CHANNELS, zero, 0);
	put_floats(bin, BODY_POINTS, nowhere, 0);
	finish(stem, param, bin);
}
