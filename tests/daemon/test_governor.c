/* test_governor.c - what a frame's picture and its hint tell the policy, and when the picture is looked at. */
#include "daemon/governor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/stream.h"
#include "support/test.h"
#include "test_tiny.h"

TEST_SUITE(governor);

#define SIDE 64

struct rig {
	struct test_tiny tiny;
	struct stream *stream;
	uint8_t *pool;
	uint64_t seq;
};

static void rig_init(struct rig *rig, const char *policy, const char *rung)
{
	struct ipc_stream_open open = {.model = "tiny", .n_slots = 2, .slot_bytes = SIDE * SIDE};
	const char *reason = "";
	char settings[128];

	memset(rig, 0, sizeof(*rig));
	snprintf(settings, sizeof(settings), "policy: {%s}", policy);
	test_tiny_init(&rig->tiny, settings, "");
	snprintf(open.rung, sizeof(open.rung), "%s", rung);
	cr_assert_eq(stream_create(&open, 1, rig->tiny.models->model[0], NULL, 1, NULL, 0, &reason, &rig->stream), 0,
		     "%s", reason);
	rig->pool = mmap(NULL, rig->stream->pool.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, rig->stream->pool.fd, 0);
	cr_assert_neq((void *)rig->pool, MAP_FAILED);
	pool_settle(&rig->stream->pool);
}

static void rig_finish(struct rig *rig)
{
	munmap(rig->pool, rig->stream->pool.bytes);
	stream_destroy(rig->stream);
	test_tiny_finish(&rig->tiny);
}

/* Stripes of this width. */
static void draw(struct rig *rig, int width)
{
	for (int i = 0; i < SIDE * SIDE; i++)
		rig->pool[i] = i % SIDE / width % 2 ? 200 : 50;
}

/* A job for a frame of slot 0. */
static struct job *take_job(struct rig *rig, struct ipc_frame frame, int64_t now_us)
{
	const char *reason = "";
	struct job *job;

	frame.stream = 1;
	frame.seq = ++rig->seq;
	frame.width = frame.height = SIDE;
	frame.stride[0] = SIDE;
	frame.bytes = SIDE;
	cr_assert_eq(stream_take_job(rig->stream, &frame, 1, now_us, &reason, &job), 0, "%s", reason);
	return job;
}

/* The same, decided about; the job is free again. */
static struct job *decide(struct rig *rig, struct ipc_frame frame, int64_t now_us)
{
	struct governor_queue queue = {.depth = 0};
	struct job *job = take_job(rig, frame, now_us);
	struct policy_decision decision;

	governor_decide(&rig->tiny.governor, job, &queue, now_us, &rig->stream->policy, &decision);
	cr_assert_eq(decision.rung, 0);
	return job;
}

Test(governor, raw_pixels_are_looked_at_once_and_before)
{
	struct rig rig;
	struct job *job;

	rig_init(&rig, "", "");
	draw(&rig, 8);
	job = decide(&rig, (struct ipc_frame){.format = IPC_GRAY8}, 1000000);
	cr_assert_eq((int)job->look, (int)JOB_LOOK_BEFORE);
	cr_assert(isnan(rig.stream->scene.motion), "nothing was run yet");
	scene_keep(&rig.stream->scene);
	decide(&rig, (struct ipc_frame){.format = IPC_GRAY8}, 1100000);
	cr_assert_eq(rig.stream->scene.motion, 0);
	draw(&rig, 16);
	job = decide(&rig, (struct ipc_frame){.format = IPC_GRAY8}, 1200000);
	cr_assert_gt(rig.stream->scene.motion, 0.3f);
	/* Asked about again: what was seen stays. */
	draw(&rig, 8);
	governor_decide(&rig.tiny.governor, job, &(struct governor_queue){.depth = 0}, 1300000, &rig.stream->policy,
			&job->decision);
	cr_assert_gt(rig.stream->scene.motion, 0.3f);
	rig_finish(&rig);
}

Test(governor, jpeg_is_looked_at_by_its_lane_for_the_next_frame)
{
	struct rig rig;
	struct job *job;

	rig_init(&rig, "", "");
	for (int i = 0; i < 10; i++) {
		job = decide(&rig, (struct ipc_frame){.format = IPC_JPEG}, 1000000 + i * 100000);
		cr_assert_eq((int)job->look, (int)JOB_LOOK_LATER);
		cr_assert(isnan(rig.stream->scene.motion));
		job->rung = 0;
		job->viewed = true;
		job->view = (struct scene_view){.sharpness = i < 9 ? 1 : 0.3f};
		governor_observe(&rig.tiny.governor, rig.tiny.models->model[0]->ladder, job, 1000000 + i * 100000);
		cr_assert(i < 4 ? isnan(rig.stream->scene.blur) : rig.stream->scene.blur == (i < 9 ? 0 : 1));
	}
	rig_finish(&rig);
}

Test(governor, nothing_is_looked_at_where_nobody_asks)
{
	struct rig rig;

	rig_init(&rig, "scene: false", "");
	cr_assert_eq((int)decide(&rig, (struct ipc_frame){.format = IPC_GRAY8}, 1000000)->look, (int)JOB_LOOK_NOT);
	rig_finish(&rig);
	rig_init(&rig, "", "t@32x32");
	cr_assert_eq((int)decide(&rig, (struct ipc_frame){.format = IPC_JPEG}, 1000000)->look, (int)JOB_LOOK_NOT);
	rig_finish(&rig);
}

/* ---- the trace of it ------------------------------------------------------------------------------ */

/* Decides about a frame, acts on it and learns from its run. */
static void serve(struct rig *rig, int64_t now_us)
{
	struct governor_queue queue = {.depth = 0};
	struct policy_state state = rig->stream->policy;
	struct job *job = take_job(rig, (struct ipc_frame){.format = IPC_GRAY8}, now_us);

	governor_decide(&rig->tiny.governor, job, &queue, now_us, &state, &job->decision);
	governor_act(&rig->tiny.governor, job, &job->decision, &state);
	job->rung = job->decision.rung;
	job->inference_us = (uint32_t)test_random_range(20, 2000);
	governor_observe(&rig->tiny.governor, rig->stream->model->ladder, job, now_us + job->inference_us);
	tracer_ended(&rig->tiny.governor.trace, job, rig->stream->model);
}

static void expect_replay(const char *path)
{
	char command[512];

	snprintf(command, sizeof(command), "'%s' replay '%s' >&2", INFERD_POLICY_BINARY, path);
	cr_assert_eq(system(command), 0, "%s", path);
}

/* More is traced at once than the ring and the file hold: what is there replays, and the trace says what is not. */
Test(governor, trace_with_gaps_replays)
{
	struct rig rig;
	struct trace_file *file;
	char path[128], before[136], line[256] = "";
	FILE *text;

	rig_init(&rig, "", "");
	snprintf(path, sizeof(path), "%s/trace.jsonl", rig.tiny.root.path);
	snprintf(before, sizeof(before), "%s.1", path);
	cr_assert_eq(trace_file_create(path, 100000, &file), 0);
	tracer_init(&rig.tiny.governor.trace, file, &rig.tiny.governor.params);
	for (int i = 1; i <= 3000; i++)
		serve(&rig, (int64_t)i * 100000);
	cr_assert_gt(tracer_lost(&rig.tiny.governor.trace), 0);
	tracer_finish(&rig.tiny.governor.trace);
	/* A start goes on behind it. */
	cr_assert_eq(trace_file_create(path, 100000, &file), 0);
	tracer_init(&rig.tiny.governor.trace, file, &rig.tiny.governor.params);
	for (int i = 3001; i <= 3010; i++)
		serve(&rig, (int64_t)i * 100000);
	tracer_finish(&rig.tiny.governor.trace);
	expect_replay(path);
	if (access(before, F_OK) == 0)
		expect_replay(before);
	text = fopen(path, "r");
	cr_assert(text && fgets(line, sizeof(line), text));
	fclose(text);
	cr_assert_eq(strncmp(line, "{\"segment\":{\"lost\":", 19), 0, "%s", line);
	rig_finish(&rig);
}
