/* infer.c - see infer.h. */
#include "infer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "clock.h"
#include "jpeg.h"
#include "recognise.h"
#include "reply.h"
#include "stream.h"

/* Prepared passes a lane keeps: a few streams, each moving between neighbouring rungs. */
#define PASSES_MAX 16
/* A larger copy of a JPEG is given back after its frame. */
#define JPEG_KEPT_BYTES (4u << 20)

_Static_assert((int)ENGINE_NV12 == IPC_NV12 && (int)ENGINE_NV21 == IPC_NV21 && (int)ENGINE_I420 == IPC_I420 &&
		       (int)ENGINE_YUYV == IPC_YUYV && (int)ENGINE_RGB == IPC_RGB && (int)ENGINE_BGR == IPC_BGR &&
		       (int)ENGINE_RGBA == IPC_RGBA && (int)ENGINE_BGRA == IPC_BGRA && (int)ENGINE_GRAY8 == IPC_GRAY8 &&
		       (int)IPC_JPEG == ENGINE_PIXELS_COUNT,
	       "pixel formats of the wire and of the engine are numbered alike");

/* What a prepared pass was made for. */
struct pass_key {
	uint64_t ladder;
	int rung, width, height;
	enum engine_pixels format;
	bool full_range;
};

struct pass {
	struct pass_key key;
	uint64_t used;
	struct engine_preprocess *preprocess; /* NULL: free */
};

struct infer {
	struct jpeg_decoder *decoder;
	uint8_t *jpeg;
	size_t jpeg_capacity;
	struct pass passes[PASSES_MAX];
	uint64_t uses;
	struct ipc_writer writer;
	struct answer *answer;
	struct recogniser *recogniser;
};

int infer_create(size_t decode_bytes_max, struct infer **ret_infer)
{
	struct infer *infer = calloc(1, sizeof(*infer));
	int rc;

	if (!infer)
		return -ENOMEM;
	rc = jpeg_decoder_create(decode_bytes_max, &infer->decoder);
	if (rc == 0)
		rc = answer_create(&infer->answer);
	if (rc == 0)
		rc = recogniser_create(&infer->recogniser);
	if (rc < 0) {
		answer_destroy(infer->answer);
		jpeg_decoder_destroy(infer->decoder);
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
	for (int i = 0; i < PASSES_MAX; i++)
		engine_preprocess_destroy(infer->passes[i].preprocess);
	jpeg_decoder_destroy(infer->decoder);
	answer_destroy(infer->answer);
	recogniser_destroy(infer->recogniser);
	ipc_writer_finish(&infer->writer);
	free(infer->jpeg);
	free(infer);
}

static int fail(struct job *job, int rc, const char *what)
{
	snprintf(job->text, sizeof(job->text), "%s", what[0] ? what : strerror(-rc));
	return rc;
}

/* ---- pixels --------------------------------------------------------------------------------------- */

/* The bytes are parsed, so they must not change under the parser: they leave the shared pool first. */
static int copy_jpeg(struct infer *infer, struct job *job)
{
	size_t bytes = job->frame.bytes;

	if (bytes > infer->jpeg_capacity) {
		uint8_t *grown = malloc(bytes);

		if (!grown)
			return fail(job, -ENOMEM, "out of memory for the JPEG");
		free(infer->jpeg);
		infer->jpeg = grown;
		infer->jpeg_capacity = bytes;
	}
	memcpy(infer->jpeg, pool_slot(&job->stream->pool, job->frame.slot) + job->frame.offset[0], bytes);
	return 0;
}

static int decode_jpeg(struct infer *infer, struct job *job, const struct ladder *ladder,
		       struct engine_image *ret_image, int *ret_width, int *ret_height)
{
	const struct policy_rung *rung = &ladder->rungs[job->rung];
	struct jpeg_options options = {.gray = rung->channels == 1, .exact = job->stream->asked.full};
	int rc = copy_jpeg(infer, job), width, height;

	if (rc < 0)
		return rc;
	rc = jpeg_header(infer->decoder, infer->jpeg, job->frame.bytes, &width, &height);
	if (rc == 0) {
		jpeg_wanted_size(width, height, rung->width, rung->height, ladder->normalize.fit,
				 ladder->normalize.crop, &options.min_width, &options.min_height);
		rc = jpeg_decode(infer->decoder, infer->jpeg, job->frame.bytes, &options, ret_image);
	}
	if (rc < 0)
		return fail(job, rc, jpeg_decoder_error(infer->decoder));
	*ret_width = width;
	*ret_height = height;
	return 0;
}

/* The picture to prepare, and the size of the one that was submitted: a JPEG may be decoded smaller. */
static int find_pixels(struct infer *infer, struct job *job, const struct ladder *ladder,
		       struct engine_image *ret_image, int *ret_width, int *ret_height)
{
	if (job->frame.format == IPC_JPEG)
		return decode_jpeg(infer, job, ladder, ret_image, ret_width, ret_height);
	*ret_image = stream_picture(job->stream, &job->frame);
	*ret_width = ret_image->width;
	*ret_height = ret_image->height;
	return 0;
}

/* What the loop could not look at before the frame was decided about, for the next one. */
static void see_late(struct job *job, const struct engine_image *image)
{
	if (job->look != JOB_LOOK_LATER)
		return;
	scene_view(image, &job->view);
	job->viewed = true;
}

static bool same_pass(const struct pass_key *a, const struct pass_key *b)
{
	return a->ladder == b->ladder && a->rung == b->rung && a->width == b->width && a->height == b->height &&
	       a->format == b->format && a->full_range == b->full_range;
}

/* The prepared pass for this picture and rung; the one used longest ago makes room for a new one. */
static int find_pass(struct infer *infer, struct job *job, const struct ladder *ladder,
		     const struct engine_image *image, struct engine_preprocess **ret_preprocess)
{
	struct pass_key key = {.ladder = ladder->uid,
			       .rung = job->rung,
			       .width = image->width,
			       .height = image->height,
			       .format = image->format,
			       .full_range = image->full_range};
	struct pass *oldest = &infer->passes[0];
	struct engine_error why = {""};
	struct engine_preprocess *made;
	int rc;

	for (int i = 0; i < PASSES_MAX; i++) {
		struct pass *pass = &infer->passes[i];

		if (pass->preprocess && same_pass(&pass->key, &key)) {
			pass->used = ++infer->uses;
			*ret_preprocess = pass->preprocess;
			return 0;
		}
		if (pass->used < oldest->used)
			oldest = pass;
	}
	rc = engine_preprocess_create(image, &ladder->normalize, ladder->details[job->rung].plan, &why, &made);
	if (rc < 0)
		return fail(job, rc, why.text);
	engine_preprocess_destroy(oldest->preprocess);
	*oldest = (struct pass){.key = key, .used = ++infer->uses, .preprocess = made};
	*ret_preprocess = made;
	return 0;
}

static int prepare(struct infer *infer, struct job *job, struct ladder *ladder, struct engine_context *context,
		   struct engine_region *ret_roi)
{
	const struct ladder_rung *detail = &ladder->details[job->rung];
	struct engine_preprocess *preprocess = NULL;
	const struct policy_rung *rung = &ladder->rungs[job->rung];
	struct engine_image image;
	int rc = engine_context_reserve(context, detail->plan), width = 0, height = 0;

	if (rc < 0)
		return fail(job, rc, "out of memory for the network");
	pool_begin_read(&job->stream->pool);
	rc = find_pixels(infer, job, ladder, &image, &width, &height);
	if (rc == 0)
		rc = find_pass(infer, job, ladder, &image, &preprocess);
	if (rc == 0) {
		see_late(job, &image);
		rc = engine_preprocess_run(preprocess, &image, engine_context_input(context, detail->plan, 0));
		if (rc < 0)
			fail(job, rc, "the picture could not be prepared");
		*ret_roi = roi_of_placement(engine_preprocess_placement(preprocess), rung->width, rung->height,
					    (float)width / (float)image.width, (float)height / (float)image.height);
	}
	pool_end_read(&job->stream->pool);
	return rc;
}

/* ---- the end of a run ------------------------------------------------------------------------------ */

static uint32_t span(int64_t from_us, int64_t to_us)
{
	return to_us > from_us ? (uint32_t)(to_us - from_us) : 0;
}

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

/* When a picture was taken: what the client says counts from a clock of its own, which may be anything. */
static int64_t taken_us(const struct job *job)
{
	uint64_t captured_us = job->frame.captured_us;

	return captured_us && captured_us < INT64_MAX ? (int64_t)captured_us : job->arrived_us;
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
	return recognise(infer->recogniser, recognition, model, model->ladder->rungs[job->rung].variant, taken_us(job),
			 job->top_k, job->text, ret_answer);
}

bool infer_run(struct worker_task *task, struct worker *worker)
{
	struct job *job = (struct job *)task;
	struct infer *infer = worker_kit(worker);
	const struct model *model = job->model;
	struct engine_context *context = worker_context(worker);
	struct reply_answer answer = {0};
	int64_t start = clock_us(), prepared, finished;
	struct engine_region roi;
	int rc = prepare(infer, job, model->ladder, context, &roi);

	prepared = clock_us();
	if (rc == 0) {
		const struct policy_rung *rung = &model->ladder->rungs[job->rung];

		rc = engine_run(context, model->ladder->details[job->rung].plan, rung->threads);
		if (rc < 0)
			fail(job, rc, "the network could not be run");
		else
			rc = read_answer(infer, job, model, context, &roi, &answer);
	}
	if (rc < 0)
		answer = (struct reply_answer){0};
	finished = clock_us();
	job->status = rc < 0 ? IPC_FAILED : IPC_OK;
	job->queue_us = span(job->arrived_us, start);
	job->wait_us = job->waited ? span(job->arrived_us, job->started_us) : 0;
	job->preprocess_us = span(start, prepared);
	job->inference_us = span(prepared, finished);
	reply_put(job, model, worker_lane(worker)->name, &answer, finished, &infer->writer);
	if (infer->jpeg_capacity > JPEG_KEPT_BYTES) {
		free(infer->jpeg);
		infer->jpeg = NULL;
		infer->jpeg_capacity = 0;
	}
	return send_reply(infer, job, worker);
}
