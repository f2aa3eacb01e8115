#include "daemon/task.h"

#include <errno.h>
#include <math.h>

#include "support/test.h"

TEST_SUITE(task);

Test(task, quantised_output_becomes_real)
{
	static const uint8_t u8[3] = {0, 128, 255};
	static const int8_t s8[3] = {-128, 0, 127};
	static const float f32[3] = {-1, 0, 2};
	struct engine_quant half = {.scale = 0.5f, .zero_point = 128}, none = {0};
	float values[3];

	cr_assert_eq(task_read(u8, ENGINE_U8, half, 3, values), 0);
	cr_assert_float_eq(values[0], -64, 0);
	cr_assert_float_eq(values[2], 63.5f, 0);
	half.zero_point = 0;
	cr_assert_eq(task_read(s8, ENGINE_S8, half, 3, values), 0);
	cr_assert_float_eq(values[0], -64, 0);
	cr_assert_eq(task_read(f32, ENGINE_F32, none, 3, values), 0);
	cr_assert_float_eq(values[2], 2, 0);
	cr_assert_eq(task_read(f32, ENGINE_S64, none, 1, values), -ENOTSUP);
}

Test(task, distribution_is_recognised)
{
	static const float good[4] = {0.1f, 0.2f, 0.3f, 0.4f}, logits[4] = {-1, 0, 1, 1},
			   large[4] = {0.5f, 0.5f, 0.5f, 0.5f};
	struct engine_quant none = {0};

	cr_assert(task_is_distribution(ENGINE_F32, none, good, 4));
	cr_assert(!task_is_distribution(ENGINE_F32, none, logits, 4));
	cr_assert(!task_is_distribution(ENGINE_F32, none, large, 4));
	/* A flat answer of 1000 classes rounds to zeros: only the range that can be expressed tells. */
	cr_assert(task_is_distribution(ENGINE_U8, (struct engine_quant){1.0f / 256, 0}, logits, 4));
	cr_assert(task_is_distribution(ENGINE_S8, (struct engine_quant){1.0f / 256, -128}, logits, 4));
	cr_assert(!task_is_distribution(ENGINE_U8, (struct engine_quant){0.1f, 60}, good, 4));
	cr_assert(!task_is_distribution(ENGINE_U8, (struct engine_quant){0.1f, 0}, good, 4));
}

Test(task, top_matches_a_full_sort)
{
	enum { MAX = 200 };
	float values[MAX];
	struct task_hit hits[MAX];

	for (int round = 0; round < 300; round++) {
		int n = (int)test_random_range(1, MAX), k = (int)test_random_range(1, MAX);
		bool taken[MAX] = {false};
		int count;

		/* Few different values, so that ties are common. */
		for (int i = 0; i < n; i++)
			values[i] = (float)test_random_range(-5, 5);
		count = task_top(values, n, k, hits);
		cr_assert_eq(count, k < n ? k : n);
		for (int i = 0; i < count; i++) {
			int best = -1;

			for (int j = 0; j < n; j++)
				if (!taken[j] && (best < 0 || values[j] > values[best]))
					best = j;
			taken[best] = true;
			cr_assert_eq(hits[i].index, best);
			cr_assert_float_eq(hits[i].score, values[best], 0);
		}
	}
}

Test(task, nan_is_never_the_best)
{
	float values[4] = {NAN, 1, NAN, 0};
	struct task_hit hits[4];

	cr_assert_eq(task_top(values, 4, 4, hits), 4);
	cr_assert_eq(hits[0].index, 1);
	cr_assert_eq(hits[1].index, 3);
	task_softmax(values, 4, hits, 4);
	cr_assert_float_eq(hits[0].score + hits[1].score, 1, 1e-6f);
	cr_assert_float_eq(hits[2].score, 0, 0);
}

Test(task, softmax_gives_probabilities)
{
	float values[3] = {1000, 1001, 999};
	struct task_hit hits[3];

	task_top(values, 3, 3, hits);
	task_softmax(values, 3, hits, 3);
	cr_assert_eq(hits[0].index, 1);
	cr_assert_float_eq(hits[0].score, 0.665241f, 1e-5f);
	cr_assert_float_eq(hits[0].score + hits[1].score + hits[2].score, 1, 1e-5f);
}

Test(task, vector_gets_length_one_and_zero_stays)
{
	float values[2] = {3, -4}, zeros[2] = {0, 0};

	task_normalize(values, 2);
	cr_assert_float_eq(values[0], 0.6f, 1e-6f);
	cr_assert_float_eq(values[1], -0.8f, 1e-6f);
	task_normalize(zeros, 2);
	cr_assert_float_eq(zeros[0], 0, 0);
}
