/* test_dispatch.c - lanes seen from the loop: a task that does not end. */
#include "daemon/dispatch.h"

#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "support/test.h"

TEST_SUITE(dispatch);

struct blocker {
	struct dispatch_chore chore; /* first */
	sem_t begun, go_on;
	bool done;
};

static bool block(struct worker_task *task, struct worker *worker)
{
	struct blocker *blocker = (struct blocker *)task;

	(void)worker;
	sem_post(&blocker->begun);
	while (sem_wait(&blocker->go_on) < 0 && errno == EINTR)
		;
	return true;
}

static void on_done(struct dispatch_chore *chore)
{
	((struct blocker *)chore)->done = true;
}

/* What the kernel says of the lane's thread. */
struct question {
	struct dispatch_chore chore; /* first */
	uint32_t attributes[14];     /* struct sched_attr, whose last two are the clamps */
	long rc;
	bool done;
};

static bool ask(struct worker_task *task, struct worker *worker)
{
	struct question *question = (struct question *)task;

	(void)worker;
	question->rc = syscall(SYS_sched_getattr, 0, question->attributes, sizeof(question->attributes), 0);
	return true;
}

static void on_answer(struct dispatch_chore *chore)
{
	((struct question *)chore)->done = true;
}

Test(dispatch, utilisation_is_clamped_where_the_kernel_can)
{
	const struct topology_lane lane = {.name = "main", .threads = 1, .util_min = 820};
	struct question question = {.chore = {.task.run = ask, .done = on_answer}};
	struct governor governor = {0};
	struct dispatch dispatch;
	uv_loop_t loop;

	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(dispatch_init(&dispatch, &loop, &governor, &lane, 1, 1 << 20), 0);
	dispatch_add_chore(&dispatch, &question.chore);
	dispatch_hurry(&dispatch);
	while (!question.done)
		uv_run(&loop, UV_RUN_ONCE);
	dispatch_finish(&dispatch);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	cr_assert_eq(question.rc, 0);
	cr_assert_eq(question.attributes[1], SCHED_OTHER, "the policy is left alone");
	/* A kernel with clamps answers with their highest value, 1024, where nobody asked for less. */
	if (question.attributes[13] != 1024)
		cr_skip_test("this kernel clamps no utilisation; the lane runs without");
	cr_assert_eq(question.attributes[12], 820);
}

Test(dispatch, task_that_does_not_end_is_noticed)
{
	const struct topology_lane lane = {.name = "main", .threads = 1};
	struct blocker blocker = {.chore = {.task.run = block, .done = on_done}};
	struct governor governor = {0};
	struct dispatch dispatch;
	uv_loop_t loop;

	sem_init(&blocker.begun, 0, 0);
	sem_init(&blocker.go_on, 0, 0);
	cr_assert_eq(uv_loop_init(&loop), 0);
	cr_assert_eq(dispatch_init(&dispatch, &loop, &governor, &lane, 1, 1 << 20), 0);
	cr_assert_lt(dispatch_stuck(&dispatch, clock_us() + 1000000000, 1000), 0, "nothing runs");
	dispatch_add_chore(&dispatch, &blocker.chore);
	sem_wait(&blocker.begun);
	cr_assert_lt(dispatch_stuck(&dispatch, clock_us(), 60000000), 0, "not for long yet");
	cr_assert_eq(dispatch_stuck(&dispatch, clock_us() + 60000001, 60000000), 0);
	sem_post(&blocker.go_on);
	while (!blocker.done)
		uv_run(&loop, UV_RUN_ONCE);
	cr_assert_lt(dispatch_stuck(&dispatch, clock_us() + 1000000000, 1000), 0, "it came home");
	dispatch_finish(&dispatch);
	uv_run(&loop, UV_RUN_DEFAULT);
	cr_assert_eq(uv_loop_close(&loop), 0);
	sem_destroy(&blocker.begun);
	sem_destroy(&blocker.go_on);
}
