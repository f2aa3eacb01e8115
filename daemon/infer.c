/* infer.c - see infer.h. */
#include "infer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "jpeg.h"
#include "reply.h"
#include "stream.h"
#include "task.h"

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
	float values[LADDER_OUTPUTS_MAX];
	struct task_hit hits[TASK_TOP_MAX];
	struct ipc_result_item items[TASK_TOP_MAX];
};

int infer_create(size_t decode_bytes_max, struct infer **ret_infer)
{
	struct infer *infer = calloc(1, sizeof(*infer));
	int rc;

	if (!infer)
		return -ENOMEM;
	rc = jpeg_decoder_create(decode_bytes_max, &infer->decoder);
	if (rc < 0) {
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
		       struct engine_image *ret_image)
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
	return 0;
}

static int find_pixels(struct infer *infer, struct job *job, const struct ladder *ladder,
		       struct engine_image *ret_image)
{
	if (job->frame.format == IPC_JPEG)
		return decode_jpeg(infer, job, ladder, ret_image);
	*ret_image = stream_picture(job->stream, &job->frame);
	return 0;
}

/* What the loop could not look at before the frame was decided about, for the next one. */
static void see_late(struct job *job, const struct engine_image *image)
{
	struct scene_view view;

	if (job->look != JOB_LOOK_LATER)
		return;
	scene_view(image, &view);
	job->sharpness = view.sharpness;
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

static int prepare(struct infer *infer, struct job *job, struct ladder *ladder, struct engine_context *context)
{
	const struct ladder_rung *detail = &ladder->details[job->rung];
	struct engine_preprocess *preprocess = NULL;
	struct engine_image image;
	int rc = engine_context_reserve(context, detail->plan);

	if (rc < 0)
		return fail(job, rc, "out of memory for the network");
	pool_begin_read(&job->stream->pool);
	rc = find_pixels(infer, job, ladder, &image);
	if (rc == 0)
		rc = find_pass(infer, job, ladder, &image, &preprocess);
	if (rc == 0) {
		see_late(job, &image);
		rc = engine_preprocess_run(preprocess, &image, engine_context_input(context, detail->plan, 0));
		if (rc < 0)
			fail(job, rc, "the picture could not be prepared");
	}
	pool_end_read(&job->stream->pool);
	return rc;
}

/* ---- the answer ----------------------------------------------------------------------------------- */

static int read_answer(struct infer *infer, struct job *job, const struct model *model, struct engine_context *context,
		       struct reply_answer *ret_answer)
{
	const struct ladder *ladder = model->ladder;
	const struct engine_plan *plan = ladder->details[job->rung].plan;
	int n = ladder->n_outputs, n_hits, rc;
	struct engine_io io;

	engine_plan_output(plan, 0, &io);
	rc = task_read(engine_context_output(context, plan, 0), io.type, io.quant, n, infer->values);
	if (rc < 0)
		return fail(job, rc, "the network's output has a type that cannot be read");
	if (ladder->task == CONFIG_EMBED) {
		task_normalize(infer->values, n);
		*ret_answer = (struct reply_answer){.embedding = infer->values, .n_embedding = (uint32_t)n};
		return 0;
	}
	n_hits = task_top(infer->values, n, job->top_k, infer->hits);
	if (!ladder->variants[ladder->rungs[job->rung].variant].distribution)
		task_softmax(infer->values, n, infer->hits, n_hits);
	for (int i = 0; i < n_hits; i++) {
		infer->items[i].index = (uint32_t)infer->hits[i].index;
		infer->items[i].score = infer->hits[i].score;
		infer->items[i].label = model_label(model, infer->hits[i].index);
	}
	*ret_answer = (struct reply_answer){.items = infer->items, .n_items = (uint32_t)n_hits};
	return 0;
}

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

bool infer_run(struct worker_task *task, struct worker *worker)
{
	struct job *job = (struct job *)task;
	struct infer *infer = worker_kit(worker);
	const struct model *model = job->model;
	struct engine_context *context = worker_context(worker);
	struct reply_answer answer = {0};
	int64_t start = clock_us(), prepared, finished;
	int rc = prepare(infer, job, model->ladder, context);

	prepared = clock_us();
	if (rc == 0) {
		const struct policy_rung *rung = &model->ladder->rungs[job->rung];

		rc = engine_run(context, model->ladder->details[job->rung].plan, rung->threads);
		if (rc < 0)
			fail(job, rc, "the network could not be run");
		else
			rc = read_answer(infer, job, model, context, &answer);
	}
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
