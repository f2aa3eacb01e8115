/* smooth.c - see smooth.h. */
#include "smooth.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "config/config.h"

#define TURN	      6.2831853f
#define SPACE_NUMBERS 3 /* of a point; behind them its visibility */
/* A body smaller than this has no size that speeds could be measured by. */
#define SIZE_MIN 1e-6f

struct euro {
	float cutoff_hz, gain; /* of a number that rests, and how much more for each size a second that it moves */
};

static const struct euro of_points = {0.05f, 80}, of_aims = {0.01f, 10};
#define SPEED_CUTOFF_HZ	 1.0f
#define VISIBILITY_SHARE 0.1f /* of the newest */

struct number {
	float raw, calm, speed; /* raw: NAN before the first one */
};

struct body {
	uint32_t id;
	uint64_t used; /* the use of the filters that was its last */
	int64_t taken_us;
	struct number points[SMOOTH_POINTS][SPACE_NUMBERS];
	struct number aims[SMOOTH_AIMS][2];
	float visibility[SMOOTH_POINTS]; /* NAN before the first one */
};

struct smooth {
	uint32_t last_id;
	uint64_t uses;
	struct body bodies[CONFIG_PLACES_MAX];
};

int smooth_create(struct smooth **ret_smooth)
{
	struct smooth *smooth = calloc(1, sizeof(*smooth));

	if (!smooth)
		return -ENOMEM;
	*ret_smooth = smooth;
	return 0;
}

void smooth_destroy(struct smooth *smooth)
{
	free(smooth);
}

uint32_t smooth_new(struct smooth *smooth)
{
	if (++smooth->last_id == 0)
		smooth->last_id = 1;
	return smooth->last_id;
}

static void forget(struct body *body)
{
	const struct number nothing = {.raw = NAN};

	for (int i = 0; i < SMOOTH_POINTS; i++) {
		body->visibility[i] = NAN;
		for (int axis = 0; axis < SPACE_NUMBERS; axis++)
			body->points[i][axis] = nothing;
	}
	for (int i = 0; i < SMOOTH_AIMS; i++)
		body->aims[i][0] = body->aims[i][1] = nothing;
}

/* The body's own filters, or new ones in place of those used longest ago: there are as many as can be followed. */
static struct body *find(struct smooth *smooth, uint32_t id)
{
	struct body *oldest = &smooth->bodies[0];

	for (int i = 0; i < CONFIG_PLACES_MAX; i++) {
		struct body *body = &smooth->bodies[i];

		if (body->id == id)
			return body;
		if (body->used < oldest->used)
			oldest = body;
	}
	*oldest = (struct body){.id = id};
	forget(oldest);
	return oldest;
}

/* Of a low-pass filter with this cutoff, what the newest value counts for after `elapsed_s`. */
static float share(float cutoff_hz, float elapsed_s)
{
	float radians = TURN * cutoff_hz * elapsed_s;

	return radians / (radians + 1);
}

static float step(struct number *number, const struct euro *euro, float value, float size, float elapsed_s)
{
	float speed, weight;

	if (!isfinite(value)) {
		number->raw = NAN;
		return value;
	}
	if (isnan(number->raw)) {
		*number = (struct number){.raw = value, .calm = value};
		return value;
	}
	speed = (value - number->raw) / size / elapsed_s;
	number->speed += (speed - number->speed) * share(SPEED_CUTOFF_HZ, elapsed_s);
	weight = share(euro->cutoff_hz + euro->gain * fabsf(number->speed), elapsed_s);
	number->raw = value;
	number->calm += (value - number->calm) * weight;
	/* Numbers near the largest leave no difference. */
	if (!isfinite(number->calm) || !isfinite(number->speed))
		*number = (struct number){.raw = value, .calm = value};
	return number->calm;
}

static float step_visibility(float *last, float value)
{
	*last = isfinite(value) && !isnan(*last) ? *last + (value - *last) * VISIBILITY_SHARE : value;
	return *last;
}

void smooth_body(struct smooth *smooth, uint32_t id, int64_t taken_us, float (*points)[IPC_POINT_FLOATS],
		 float (*aims)[2])
{
	struct body *body = find(smooth, id);
	float elapsed_s = (float)(taken_us - body->taken_us) * 1e-6f;
	float size = 2 * hypotf(aims[1][0] - aims[0][0], aims[1][1] - aims[0][1]);

	body->used = ++smooth->uses;
	if (!(elapsed_s > 0) || !(size >= SIZE_MIN))
		forget(body);
	body->taken_us = taken_us;
	for (int i = 0; i < SMOOTH_AIMS; i++)
		for (int axis = 0; axis < 2; axis++)
			aims[i][axis] = step(&body->aims[i][axis], &of_aims, aims[i][axis], size, elapsed_s);
	for (int i = 0; points && i < SMOOTH_POINTS; i++) {
		for (int axis = 0; axis < SPACE_NUMBERS; axis++)
			points[i][axis] = step(&body->points[i][axis], &of_points, points[i][axis], size, elapsed_s);
		points[i][SPACE_NUMBERS] = step_visibility(&body->visibility[i], points[i][SPACE_NUMBERS]);
	}
}
