/* attention.c - see attention.h. */
#include "attention.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define IRIS_POINTS 5
#define RIM_POINTS  16 /* the first of an eye's */

static const uint16_t lips[] = {61,  146, 91,  181, 84,	 17,  314, 405, 321, 375, 291, 185, 40,	 39,  37,  0,
				267, 269, 270, 409, 78,	 95,  88,  178, 87,  14,  317, 402, 318, 324, 308, 191,
				80,  81,  82,  13,  312, 311, 310, 415, 76,  77,  90,  180, 85,	 16,  315, 404,
				320, 307, 306, 184, 74,	 73,  72,  11,	302, 303, 304, 408, 62,	 96,  89,  179,
				86,  15,  316, 403, 319, 325, 292, 183, 42,  41,  38,  12,  268, 271, 272, 407};
static const uint16_t left_eye[] = {33,	 7,   163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157,
				    173, 130, 25,  110, 24,  23,  22,  26,  112, 243, 247, 30,	29,  27,  28,
				    56,	 190, 226, 31,	228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223,
				    222, 221, 189, 35,	124, 46,  53,  52,  65,	 143, 111, 117, 118, 119, 120,
				    121, 128, 245, 156, 70,  63,  105, 66,  107, 55,  193};
static const uint16_t right_eye[] = {263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384,
				     398, 359, 255, 339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258,
				     286, 414, 446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443,
				     442, 441, 413, 265, 353, 276, 283, 282, 295, 372, 340, 346, 347, 348, 349,
				     350, 357, 465, 383, 300, 293, 334, 296, 336, 285, 417};
static const uint16_t left_iris[] = {468, 469, 470, 471, 472};
static const uint16_t right_iris[] = {473, 474, 475, 476, 477};

/* Left and right look alike; they come in this order. */
static const struct {
	const uint16_t *points;
	int n;
	int same_as; /* the part before that has the same shape, -1 none */
} parts_of_face[ATTENTION_PARTS] = {
	{lips, sizeof(lips) / sizeof(lips[0]), -1},
	{left_eye, sizeof(left_eye) / sizeof(left_eye[0]), -1},
	{right_eye, sizeof(right_eye) / sizeof(right_eye[0]), 1},
	{left_iris, IRIS_POINTS, -1},
	{right_iris, IRIS_POINTS, 3},
};

bool attention_layout(const struct outputs *outputs, int ret_parts[ATTENTION_PARTS])
{
	for (int i = 0; i < ATTENTION_PARTS; i++) {
		int after = parts_of_face[i].same_as < 0 ? -1 : ret_parts[parts_of_face[i].same_as];

		ret_parts[i] = outputs_find(outputs, after + 1, 1, 2 * parts_of_face[i].n);
		if (ret_parts[i] < 0)
			return false;
	}
	return true;
}

static float mean_depth(const uint16_t *rim, const struct landmark *points)
{
	float sum = 0;

	for (int i = 0; i < RIM_POINTS; i++)
		sum += points[rim[i]].z;
	return sum / RIM_POINTS;
}

void attention_refine(const int parts[ATTENTION_PARTS], const float *const *values, int width, int height,
		      struct landmark points[LANDMARKS_MAX])
{
	float left = mean_depth(left_eye, points), right = mean_depth(right_eye, points);

	for (int i = 0; i < IRIS_POINTS; i++) {
		points[left_iris[i]] = (struct landmark){.z = left, .visibility = NAN};
		points[right_iris[i]] = (struct landmark){.z = right, .visibility = NAN};
	}
	for (int part = 0; part < ATTENTION_PARTS; part++) {
		for (int i = 0; i < parts_of_face[part].n; i++) {
			struct landmark *point = &points[parts_of_face[part].points[i]];

			point->x = landmarks_finite(values[parts[part]][2 * i] / (float)width);
			point->y = landmarks_finite(values[parts[part]][2 * i + 1] / (float)height);
		}
	}
}
