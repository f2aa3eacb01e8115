/* infer.c - see infer.h. */
#include "infer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "picture.h"
#include "pipeline.h"
#include "recognise.h"
#include "reply.h"
#include "stream.h"

struct infer {
	struct picture *picture;
	struct answer *answer;
	struct recogniser *recogniser;
	struct ipc_writer writer;
};

int infer_create(size_t decode_bytes_max, struct infer **ret_infer)
{
	struct infer *infer = calloc(1, sizeof(*infer));
	int rc;

	if (!infer)
		return -ENOMEM;
	rc = picture_create(decode_bytes_max, &infer->picture);
	if (rc == 0)
		rc = answer_create(&infer->answer);
	if (rc == 0)
		rc = recogniser_create(&infer->recogniser);
	if (rc < 0) {
		answer_destroy(infer->answer);
		picture_destroy(infer->picture);
		free(infer);
		return rc;
	}
	ipc_writer_init(&infer->writer);
	*ret_infer = infer;
	return 0;
}

void infer_destroy(struct infer *infer)
{
	if (!infer)
		return;
	picture_destroy(infer->picture);
	answer_destroy(infer->answer);
	recogniser_destroy(infer->recogniser);
	ipc_writer_finish(&infer->writer);
	free(infer);
}

static int fail(struct job *job, int rc, const char *what)
{
	snprintf(job->text, sizeof(job->text), "%s", what[0] ? what : strerror(-rc));
	return rc;
}

static uint32_t span(int64_t from_us, int64_t to_us)
{
	return to_us > from_us ? (uint32_t)(to_us - from_us) : 0;
}

/* ---- one network ----------------------------------------------------------------------------------- */

static int prepare(struct infer *infer, struct job *job, const struct ladder *ladder, struct engine_context *context,
		   struct engine_region *ret_roi)
{
	const struct policy_rung *rung = &ladder->rungs[job->rung];
	struct jpeg_options options = {.gray = rung->channels == 1, .exact = job->stream->asked.full};
	struct engine_placement placement;
	struct engine_image image;
	int rc = engine_context_reserve(context, ladder->details[job->rung].plan), width, height;

	if (rc < 0)
		return fail(job, rc, "out of memory for the network");
	rc = picture_begin(infer->picture, job, &width, &height);
	if (rc == 0) {
		jpeg_wanted_size(width, height, rung->width, rung->height, ladder->normalize.fit,
				 ladder->normalize.crop, &options.min_width, &options.min_height);
		rc = picture_decode(infer->picture, job, &options, &image);
	}
	if (rc == 0)
		rc = picture_prepare(infer->picture, job, ladder, job->rung, &image, NULL, context, &placement);
	if (rc == 0)
		*ret_roi = roi_of_placement(placement, rung->width, rung->height, (float)width / (float)image.width,
					    (float)height / (float)image.height);
	picture_end(infer->picture, job);
	return rc;
}

static int read_answer(struct infer *infer, struct job *job, const struct model *model, struct engine_context *context,
		       const struct engine_region *roi, struct reply_answer *ret_answer)
{
	struct recognition *recognition = job->stream->recognition;
	const char *why = "";
	int rc = answer_read(infer->answer, job, model, context, roi, &why, ret_answer);

	if (rc < 0)
		return fail(job, rc, why);
	if (!recognition)
		return 0;
	return recognise(infer->recogniser, recognition, model, model->ladder->rungs[job->rung].variant,
			 job_taken_us(job), job->top_k, job->text, ret_answer);
}

static int run_network(struct infer *infer, struct job *job, struct engine_context *context,
		       struct reply_answer *ret_answer)
{
	const struct model *model = job->model;
	int64_t start = clock_us(), prepared;
	struct engine_region roi;
	int rc = prepare(infer, job, model->ladder, context, &roi);

	prepared = clock_us();
	job->preprocess_us = span(start, prepared);
	if (rc < 0)
		return rc;
	rc = engine_run(context, model->ladder->details[job->rung].plan, model->ladder->rungs[job->rung].threads);
	if (rc < 0)
		fail(job, rc, "the network could not be run");
	else
		rc = read_answer(infer, job, model, context, &roi, ret_answer);
	job->inference_us = span(prepared, clock_us());
	return rc;
}

/* ---- the end of a run ------------------------------------------------------------------------------ */

static void release(void *worker)
{
	worker_release(worker);
}

/*
 * The lane is free before the answer goes out: a client that has it may submit at once and run before this thread
 * does again.  The job is not touched after that.  The rest of an answer, and a client that is gone, are the loop's.
 */
static bool send_reply(struct infer *infer, const struct job *job, struct worker *worker)
{
	struct wire *wire = wire_ref(job->stream->wire);
	bool loop_is_needed;

	wire_send_after(wire, IPC_RESULT, job->serial, &infer->writer, release, worker);
	loop_is_needed = wire_pending(wire) || wire_failure(wire);
	wire_unref(wire);
	return loop_is_needed;
}

bool infer_run(struct worker_task *task, struct worker *worker)
{
	struct job *job = (struct job *)task;
	struct infer *infer = worker_kit(worker);
	const struct model *model = job->model;
	struct engine_context *context = worker_context(worker);
	struct reply_answer answer = {0};
	int64_t start = clock_us();
	int rc;

	if (ladder_is_pipeline(model->ladder))
		rc = pipeline_run(job, infer->picture, infer->answer, context, &answer);
	else
		rc = run_network(infer, job, context, &answer);
	if (rc < 0)
		answer = (struct reply_answer){0};
	job->status = rc < 0 ? IPC_FAILED : IPC_OK;
	job->queue_us = span(job->arrived_us, start);
	job->wait_us = job->waited ? span(job->arrived_us, job->started_us) : 0;
	reply_put(job, model, worker_lane(worker)->name, &answer, clock_us(), &infer->writer);
	return send_reply(infer, job, worker);
}
