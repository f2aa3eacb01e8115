/* scene.c - see scene.h. */
#include "scene.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Fine detail is what lies this share of the width apart: about a pixel of the inputs that networks have. */
#define DETAIL_SHARE 200
/* Levels of contrast, of neighbouring cells in both directions: what noise may add, and what is nothing but noise. */
#define CONTRAST_FLOOR 4.0f
#define CONTRAST_LEAST 3.0f
/* Mean difference of two pictures that have nothing in common, in their deviations, and the most of one sample. */
#define UNRELATED 1.41f
#define OUTLIER	  2.0f
/*
 * Sharpness over the reference, which is 1 at its upper quartile: still frames of different content are rarely below
 * the first, and noise keeps blurred ones above the second.
 */
#define SHARP_SHARE   0.85f
#define BLURRED_SHARE 0.35f
/* History is noted no more often, and says nothing before it has some length. */
#define NOTE_US	     100000
#define NOTED_LEAST  5
#define BLUR_KEPT_US 1000000

/* ---- samples -------------------------------------------------------------------------------------- */

/* How a row is read: bytes from pixel to pixel, and whether a pixel has three colours to be weighed. */
struct sampler {
	size_t step;
	bool colour;
	/* Offsets in a row of each column's left, middle and right sample. */
	size_t at[3][SCENE_COLUMNS];
};

static size_t pixel_step(enum engine_pixels format)
{
	switch (format) {
	case ENGINE_YUYV:
		return 2;
	case ENGINE_RGB:
	case ENGINE_BGR:
		return 3;
	case ENGINE_RGBA:
	case ENGINE_BGRA:
		return 4;
	default:
		return 1; /* a plane of luma comes first */
	}
}

static int clamp(int value, int least, int most)
{
	return value < least ? least : value > most ? most : value;
}

/* The middle of cell `index` of `cells` along a side, moved by `by` pixels and kept inside. */
static size_t position(int index, int cells, int side, int by)
{
	int middle = (int)(((int64_t)2 * index + 1) * side / (2 * cells));

	return (size_t)clamp(middle + by, 0, side - 1);
}

static void sampler_init(struct sampler *sampler, const struct engine_image *image, int apart)
{
	sampler->step = pixel_step(image->format);
	sampler->colour = sampler->step > 2;
	for (int x = 0; x < SCENE_COLUMNS; x++)
		for (int i = 0; i < 3; i++)
			sampler->at[i][x] = sampler->step * position(x, SCENE_COLUMNS, image->width, (i - 1) * apart);
}

/* Red and blue, which change places between formats, weigh the same. */
static void read_row(const struct sampler *sampler, const uint8_t *row, int which, int ret_luma[SCENE_COLUMNS])
{
	const size_t *at = sampler->at[which];

	for (int x = 0; x < SCENE_COLUMNS; x++) {
		const uint8_t *pixel = row + at[x];

		ret_luma[x] = sampler->colour ? (pixel[0] + 2 * pixel[1] + pixel[2]) >> 2 : pixel[0];
	}
}

/* Sums over a view. */
struct sums {
	int luma, contrast;
	int across, down; /* detail in either direction */
};

static void view_row(const struct engine_image *image, const struct sampler *sampler, int y, int apart, uint8_t *luma,
		     struct sums *sums)
{
	int left[SCENE_COLUMNS], middle[SCENE_COLUMNS], right[SCENE_COLUMNS], up[SCENE_COLUMNS], down[SCENE_COLUMNS];
	const uint8_t *rows[3];

	for (int i = 0; i < 3; i++)
		rows[i] = image->plane[0] + image->stride[0] * position(y, SCENE_ROWS, image->height, (i - 1) * apart);
	read_row(sampler, rows[0], 1, up);
	read_row(sampler, rows[1], 0, left);
	read_row(sampler, rows[1], 1, middle);
	read_row(sampler, rows[1], 2, right);
	read_row(sampler, rows[2], 1, down);
	for (int x = 0; x < SCENE_COLUMNS; x++) {
		sums->across += abs(2 * middle[x] - left[x] - right[x]);
		sums->down += abs(2 * middle[x] - up[x] - down[x]);
		luma[x] = (uint8_t)((2 * middle[x] + left[x] + right[x] + up[x] + down[x]) / 6);
		sums->luma += luma[x];
	}
	for (int x = 1; x < SCENE_COLUMNS; x++)
		sums->contrast += abs(luma[x] - luma[x - 1]);
	for (int x = 0; x < SCENE_COLUMNS && y > 0; x++)
		sums->contrast += abs(luma[x] - luma[x - SCENE_COLUMNS]);
}

void scene_view(const struct engine_image *image, struct scene_view *ret_view)
{
	const int n = SCENE_ROWS * SCENE_COLUMNS;
	int apart = image->width / DETAIL_SHARE > 1 ? image->width / DETAIL_SHARE : 1;
	struct sampler sampler;
	struct sums sums = {0};
	float spread = 0, contrast;
	int detail;

	sampler_init(&sampler, image, apart);
	for (int y = 0; y < SCENE_ROWS; y++)
		view_row(image, &sampler, y, apart, ret_view->luma + y * SCENE_COLUMNS, &sums);
	detail = sums.across < sums.down ? sums.across : sums.down;
	ret_view->mean = (float)sums.luma / (float)n;
	for (int i = 0; i < n; i++)
		spread += fabsf((float)ret_view->luma[i] - ret_view->mean);
	ret_view->spread = spread / (float)n;
	contrast = (float)sums.contrast / (float)n;
	ret_view->sharpness = contrast < CONTRAST_LEAST ? NAN : (float)detail / (float)n / (contrast + CONTRAST_FLOOR);
}

/* ---- motion --------------------------------------------------------------------------------------- */

float scene_change(const struct scene_view *before, const struct scene_view *now)
{
	float scale_before = 1 / fmaxf(before->spread, CONTRAST_FLOOR);
	float scale_now = 1 / fmaxf(now->spread, CONTRAST_FLOOR);
	float sum = 0;

	for (int i = 0; i < SCENE_ROWS * SCENE_COLUMNS; i++) {
		float difference = ((float)now->luma[i] - now->mean) * scale_now -
				   ((float)before->luma[i] - before->mean) * scale_before;

		sum += fminf(fabsf(difference), OUTLIER);
	}
	return fminf(sum / (SCENE_ROWS * SCENE_COLUMNS) / UNRELATED, 1);
}

/* Levels of brightness, and how much of the picture has to have another one. */
#define LEVELS	  16
#define CUT_SHARE 0.22f

/*
 * Which place is how bright changes with any movement, but how much of the picture is how bright changes little.  Of
 * 100 photographs, 95 differ from the next by more than 0.24 of it, and from themselves, moved by up to an eighth and
 * smeared over up to a sixteenth of the width, by less than 0.18.
 */
bool scene_is_cut(const struct scene_view *before, const struct scene_view *now)
{
	int count[LEVELS] = {0}, apart = 0;

	for (int i = 0; i < SCENE_ROWS * SCENE_COLUMNS; i++) {
		count[before->luma[i] * LEVELS / 256]++;
		count[now->luma[i] * LEVELS / 256]--;
	}
	for (int i = 0; i < LEVELS; i++)
		apart += abs(count[i]);
	return (float)apart / 2 > CUT_SHARE * SCENE_ROWS * SCENE_COLUMNS;
}

/* ---- blur ----------------------------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
	float a = *(const float *)left, b = *(const float *)right;

	return (a > b) - (a < b);
}

static void note_sharpness(struct scene *scene, float sharpness, int64_t now_us)
{
	float sorted[SCENE_HISTORY];
	int n;

	/* A clock that went backwards notes at once. */
	if (scene->n_noted && now_us >= scene->noted_us && now_us - scene->noted_us < NOTE_US)
		return;
	scene->noted_us = now_us;
	scene->sharpness[scene->n_noted++ % SCENE_HISTORY] = sharpness;
	/* The count stays small, and tells a full history from one that begins. */
	if (scene->n_noted == 2 * SCENE_HISTORY)
		scene->n_noted = SCENE_HISTORY;
	n = scene->n_noted < SCENE_HISTORY ? scene->n_noted : SCENE_HISTORY;
	memcpy(sorted, scene->sharpness, (size_t)n * sizeof(sorted[0]));
	qsort(sorted, (size_t)n, sizeof(sorted[0]), by_value);
	scene->reference = sorted[n * 3 / 4];
}

static void find_blur(struct scene *scene, float sharpness, int64_t now_us)
{
	float share;

	scene->blur = NAN;
	scene->blur_us = now_us;
	if (isnan(sharpness))
		return;
	note_sharpness(scene, sharpness, now_us);
	if (scene->n_noted < NOTED_LEAST || !(scene->reference > 0))
		return;
	share = sharpness / scene->reference;
	scene->blur = fminf(fmaxf((SHARP_SHARE - share) / (SHARP_SHARE - BLURRED_SHARE), 0), 1);
}

void scene_init(struct scene *scene)
{
	memset(scene, 0, sizeof(*scene));
	scene->motion = scene->blur = NAN;
}

void scene_see(struct scene *scene, const struct engine_image *image, int64_t now_us)
{
	scene_view(image, &scene->seen);
	scene->motion = scene->has_run ? scene_change(&scene->run, &scene->seen) : NAN;
	scene->has_later = false;
	find_blur(scene, scene->seen.sharpness, now_us);
}

void scene_keep(struct scene *scene)
{
	scene->run = scene->seen;
	scene->has_run = true;
}

void scene_see_later(struct scene *scene, const struct scene_view *view, int64_t now_us)
{
	bool cut = scene->has_later && scene_is_cut(&scene->seen, view);

	scene->motion = NAN;
	scene->has_run = false;
	scene->has_later = true;
	scene->seen = *view;
	/* What was sharp of other things says nothing of this one. */
	if (cut)
		scene->n_noted = 0;
	find_blur(scene, view->sharpness, now_us);
}

float scene_hint_blur(float angular_speed, uint32_t exposure_us)
{
	/* How far a point of the picture moves, in 256ths of its width. */
	float extent = angular_speed * (float)exposure_us * 1e-6f * 0.75f * 256;
	float steep = extent * sqrtf(extent);

	/* Fitted to the blur that find_blur() sees in photographs smeared over 1, 2, 4, 8 and 16 of them. */
	return isfinite(steep) ? steep / (steep + 1.8f) : 1;
}

float scene_blur(const struct scene *scene, float hint_blur, int64_t now_us)
{
	bool fresh = now_us >= scene->blur_us && now_us - scene->blur_us <= BLUR_KEPT_US;

	/* Of a number and NAN, fmaxf() takes the number. */
	return fmaxf(fresh ? scene->blur : NAN, hint_blur);
}
