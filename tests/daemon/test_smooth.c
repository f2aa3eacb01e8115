/* The points of bodies that are followed: calm where they rest, quick where they move, and never worse than they came.
 */
#include "daemon/smooth.h"

#include <math.h>

#include "support/test.h"

TEST_SUITE(smooth);

#define FRAME_US 33333
#define NOW	 50000000

struct sight {
	float points[SMOOTH_POINTS][IPC_POINT_FLOATS];
	float aims[SMOOTH_AIMS][2];
};

/* A body of size 200 (twice the distance of the aims), with all of it at x. */
static struct sight seen_at(float x)
{
	struct sight sight = {.aims = {{x, 200}, {x, 100}}};

	for (int i = 0; i < SMOOTH_POINTS; i++) {
		sight.points[i][0] = x;
		sight.points[i][1] = sight.points[i][2] = 50;
		sight.points[i][3] = 0.5f;
	}
	return sight;
}

static struct smooth *start(void)
{
	struct smooth *smooth;

	cr_assert_eq(smooth_create(&smooth), 0);
	return smooth;
}

static void look(struct smooth *smooth, uint32_t body, int64_t at_us, struct sight *sight)
{
	smooth_body(smooth, body, at_us, sight->points, sight->aims);
}

/*
 * The filter in its own words (Casiez et al., 2012): alpha = 1 / (1 + tau / te), tau = 1 / (2 pi cutoff), the speed
 * filtered with a cutoff of 1 Hz, and the value with min_cutoff + beta |speed|.
 */
static double expected(const double *values, int n, double te, double min_cutoff, double beta, double size)
{
	const double pi = 3.14159265358979;
	double raw = values[0], calm = values[0], speed = 0;

	for (int i = 1; i < n; i++) {
		double speed_alpha = 1 / (1 + 1 / (2 * pi) / te), cutoff, alpha;

		speed = speed_alpha * (values[i] - raw) / te / size + (1 - speed_alpha) * speed;
		cutoff = min_cutoff + beta * fabs(speed);
		alpha = 1 / (1 + 1 / (2 * pi * cutoff) / te);
		calm = alpha * values[i] + (1 - alpha) * calm;
		raw = values[i];
	}
	return calm;
}

Test(smooth, is_the_one_euro_filter_with_mediapipes_constants)
{
	static const double xs[] = {100, 101, 99, 103, 120, 150, 149};
	struct smooth *smooth = start();
	uint32_t body = smooth_new(smooth);

	for (int i = 0; i < 7; i++) {
		struct sight sight = seen_at((float)xs[i]);

		look(smooth, body, NOW + i * FRAME_US, &sight);
		cr_assert_float_eq(sight.points[7][0], expected(xs, i + 1, FRAME_US * 1e-6, 0.05, 80, 200), 1e-3,
				   "frame %d", i);
		cr_assert_float_eq(sight.aims[0][0], expected(xs, i + 1, FRAME_US * 1e-6, 0.01, 10, 200), 1e-3,
				   "frame %d", i);
		cr_assert_float_eq(sight.points[7][1], 50, 1e-4);
	}
	smooth_destroy(smooth);
}

Test(smooth, visibility_counts_the_newest_by_a_tenth)
{
	struct smooth *smooth = start();
	uint32_t body = smooth_new(smooth);
	struct sight sight = seen_at(100);

	look(smooth, body, NOW, &sight);
	cr_assert_float_eq(sight.points[0][3], 0.5, 1e-6);
	sight.points[0][3] = 1;
	look(smooth, body, NOW + FRAME_US, &sight);
	cr_assert_float_eq(sight.points[0][3], 0.55, 1e-6);
	smooth_destroy(smooth);
}

Test(smooth, bodies_are_apart_and_a_new_one_starts_with_what_is_seen)
{
	struct smooth *smooth = start();
	uint32_t one = smooth_new(smooth), other = smooth_new(smooth);
	struct sight a = seen_at(100), b = seen_at(300);

	cr_assert(one && other && one != other);
	look(smooth, one, NOW, &a);
	look(smooth, other, NOW, &b);
	cr_assert_float_eq(b.points[0][0], 300, 1e-4);
	a = seen_at(110);
	look(smooth, one, NOW + FRAME_US, &a);
	cr_assert(a.points[0][0] > 100 && a.points[0][0] < 110);
	/* Many more are found than are kept: the filters of one that is gone are another's, from its first frame on. */
	for (int i = 0; i < 100; i++) {
		struct sight sight = seen_at((float)(1000 + 10 * i));

		look(smooth, smooth_new(smooth), NOW + (2 + i) * FRAME_US, &sight);
		cr_assert_float_eq(sight.points[0][0], 1000 + 10 * i, 1e-3);
		a = seen_at(110);
		look(smooth, one, NOW + (2 + i) * FRAME_US, &a);
		cr_assert(a.points[0][0] < 110, "forgotten after %d", i);
	}
	smooth_destroy(smooth);
}

Test(smooth, aims_alone_leave_the_points)
{
	struct smooth *smooth = start();
	uint32_t body = smooth_new(smooth);
	struct sight sight = seen_at(100);

	smooth_body(smooth, body, NOW, NULL, sight.aims);
	sight = seen_at(110);
	smooth_body(smooth, body, NOW + FRAME_US, NULL, sight.aims);
	cr_assert(sight.aims[1][0] > 100 && sight.aims[1][0] < 110);
	cr_assert_float_eq(sight.points[0][0], 110, 1e-6);
	smooth_destroy(smooth);
}

/* A client's clock may be anything. */
Test(smooth, time_that_does_not_go_on_starts_anew)
{
	static const int64_t times[] = {NOW, NOW, NOW - 1, 0, INT64_MAX - 1, 1};
	struct smooth *smooth = start();
	uint32_t body = smooth_new(smooth);

	for (int i = 0; i < 6; i++) {
		struct sight sight = seen_at(100 + 10 * (float)i);

		look(smooth, body, times[i], &sight);
		cr_assert_float_eq(sight.points[3][0], 100 + 10 * i, 1e-3, "step %d", i);
	}
	smooth_destroy(smooth);
}

Test(smooth, what_is_no_number_stays_none_and_spoils_nothing)
{
	struct smooth *smooth = start();
	uint32_t body = smooth_new(smooth);
	struct sight sight = seen_at(100);

	look(smooth, body, NOW, &sight);
	sight = seen_at(100);
	sight.points[5][0] = NAN;
	sight.points[6][0] = 3e38f;
	sight.points[5][3] = NAN;
	look(smooth, body, NOW + FRAME_US, &sight);
	cr_assert(isnan(sight.points[5][0]) && isnan(sight.points[5][3]));
	sight = seen_at(120);
	sight.points[6][0] = -3e38f;
	look(smooth, body, NOW + 2 * FRAME_US, &sight);
	cr_assert_float_eq(sight.points[5][0], 120, 1e-4);
	cr_assert_float_eq(sight.points[5][3], 0.5, 1e-6);
	cr_assert(isfinite(sight.points[6][0]));
	/* Without a size there is no speed: the points stay as they are. */
	sight = seen_at(150);
	sight.aims[1][0] = NAN;
	look(smooth, body, NOW + 3 * FRAME_US, &sight);
	cr_assert_float_eq(sight.points[5][0], 150, 1e-4);
	smooth_destroy(smooth);
}
