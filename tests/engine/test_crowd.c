/* test_crowd.c - what makes a team run on one thread, on which, and for how long. */
#include "engine/crowd.h"
#include "support/test.h"

TEST_SUITE(crowd);

#define MS INT64_C(1000000)

static void note(struct crowd *crowd, int64_t ended_ns, int64_t took_ns, int64_t ran_ns, int64_t waited_ns)
{
	crowd_note(crowd, &(struct crowd_run){ended_ns, took_ns, ran_ns, waited_ns});
}

static void note_thrice(struct crowd *crowd, int64_t ended_ns, int64_t took_ns, int64_t ran_ns, int64_t waited_ns)
{
	for (int i = 0; i < 3; i++)
		note(crowd, ended_ns, took_ns, ran_ns, waited_ns);
}

Test(crowd, all_threads_run_where_none_is_held_up)
{
	struct crowd crowd = {0};

	cr_assert(!crowd_prefers_one(&crowd, 0));
	note(&crowd, 10 * MS, 10 * MS, 9 * MS, MS);
	cr_assert(!crowd_prefers_one(&crowd, 10 * MS));
	/* A short run waits for a large part of itself, and yet not for another program. */
	note(&crowd, 11 * MS, MS / 2, MS / 10, 4 * MS / 10);
	cr_assert(!crowd_prefers_one(&crowd, 11 * MS));
}

Test(crowd, a_run_now_and_then_proves_nothing)
{
	struct crowd crowd = {0};

	for (int i = 0; i < 20; i++) {
		note(&crowd, 10 * MS, 6 * MS, 2 * MS, 4 * MS);
		cr_assert(!crowd_prefers_one(&crowd, 10 * MS));
		note(&crowd, 10 * MS, 6 * MS, 6 * MS, 0);
		note(&crowd, 10 * MS, 6 * MS, 6 * MS, 0);
	}
}

Test(crowd, every_second_run_is_enough)
{
	struct crowd crowd = {0};

	for (int i = 0; i < 4; i++) {
		cr_assert(!crowd_prefers_one(&crowd, 10 * MS));
		note(&crowd, 10 * MS, 6 * MS, 6 * MS, 0);
		note(&crowd, 10 * MS, 6 * MS, 2 * MS, 4 * MS);
	}
	cr_assert(crowd_prefers_one(&crowd, 10 * MS));
}

Test(crowd, the_first_goes_on_alone_when_it_waited_for_another)
{
	struct crowd crowd = {0};

	note_thrice(&crowd, 10 * MS, 6 * MS, 2 * MS, 4 * MS);
	cr_assert(crowd_prefers_one(&crowd, 10 * MS));
	cr_assert_eq(crowd.thread, 0);
	cr_assert(crowd_prefers_one(&crowd, 59 * MS));
	cr_assert(!crowd_prefers_one(&crowd, 60 * MS));
}

Test(crowd, the_core_of_the_next_is_taken_when_the_first_lost_its_own)
{
	struct crowd crowd = {0};

	note_thrice(&crowd, 10 * MS, 6 * MS, 2 * MS, 0);
	cr_assert(crowd_prefers_one(&crowd, 10 * MS));
	cr_assert_eq(crowd.thread, 1);
}

Test(crowd, it_asks_less_and_less_often_until_the_core_is_free)
{
	struct crowd crowd = {0};
	int64_t now_ns = 0, before_ns = 0;

	for (int i = 0; i < 20; i++) {
		note_thrice(&crowd, now_ns, 6 * MS, 2 * MS, 4 * MS);
		cr_assert_geq(crowd.hold_ns, before_ns);
		cr_assert_leq(crowd.hold_ns, 2000 * MS);
		before_ns = crowd.hold_ns;
		now_ns = crowd.alone_until_ns;
	}
	cr_assert_eq(before_ns, 2000 * MS);
	for (int i = 0; i < 4; i++)
		note(&crowd, now_ns, 2 * MS, 2 * MS, 0);
	cr_assert(!crowd_prefers_one(&crowd, now_ns));
	note_thrice(&crowd, now_ns, 6 * MS, 2 * MS, 4 * MS);
	cr_assert_eq(crowd.hold_ns, 50 * MS, "what was forgotten begins anew");
}
