/* test_arena.c - placing buffers by lifetime. */
#include "engine/arena.h"
#include "support/test.h"

TEST_SUITE(arena);

static void fill_random(struct arena_buffer *buffers, int n)
{
	for (int i = 0; i < n; i++) {
		buffers[i].bytes = (size_t)test_random_range(0, 5000);
		buffers[i].first = (int)test_random_range(-1, 30);
		buffers[i].last = buffers[i].first + (int)test_random_range(0, 6);
	}
}

Test(arena, buffers_alive_together_never_overlap)
{
	struct arena_buffer buffers[40];

	for (int round = 0; round < 200; round++) {
		size_t bytes;

		fill_random(buffers, 40);
		cr_assert_eq(arena_place(buffers, 40, &bytes), 0);
		for (int i = 0; i < 40; i++) {
			cr_assert_eq(buffers[i].offset % ARENA_ALIGN, 0);
			cr_assert_leq(buffers[i].offset + buffers[i].bytes, bytes);
			for (int k = 0; k < i; k++) {
				const struct arena_buffer *a = &buffers[i], *b = &buffers[k];
				bool alive = a->first <= b->last && b->first <= a->last;
				bool apart = a->offset + a->bytes <= b->offset || b->offset + b->bytes <= a->offset;

				cr_assert(!alive || apart || !a->bytes || !b->bytes, "buffers %d and %d", i, k);
			}
		}
	}
}

Test(arena, a_chain_needs_two_buffers)
{
	struct arena_buffer buffers[10];
	size_t bytes;

	for (int i = 0; i < 10; i++)
		buffers[i] = (struct arena_buffer){.bytes = 6400, .first = i, .last = i + 1};
	cr_assert_eq(arena_place(buffers, 10, &bytes), 0);
	cr_assert_eq(bytes, 12800);
}

/* Largest first puts the second behind the place of the first, where it parts what is free beside the third. */
Test(arena, an_order_that_leaves_a_gap_is_not_the_last)
{
	struct arena_buffer buffers[] = {
		{.bytes = 320, .first = 1, .last = 1},
		{.bytes = 128, .first = 1, .last = 3},
		{.bytes = 256, .first = 3, .last = 3},
		{.bytes = 128, .first = 3, .last = 4},
	};
	size_t bytes;

	cr_assert_eq(arena_place(buffers, 4, &bytes), 0);
	cr_assert_eq(bytes, 512, "%zu bytes", bytes);
}

Test(arena, sizes_beyond_memory_are_refused)
{
	struct arena_buffer buffers[4];
	size_t bytes;

	for (int i = 0; i < 4; i++)
		buffers[i] = (struct arena_buffer){.bytes = SIZE_MAX / 5, .first = 0, .last = 1};
	cr_assert_neq(arena_place(buffers, 4, &bytes), 0);
}
