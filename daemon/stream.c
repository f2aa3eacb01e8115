/* stream.c - see stream.h. */
#include "stream.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char stream_gone[] = "the model or rung was removed by a reload";

_Static_assert((int)IPC_PRIORITY_LOW - 1 == CONFIG_LOW && (int)IPC_PRIORITY_HIGH - 1 == CONFIG_HIGH,
	       "classes are ordered alike on the wire and in the configuration");

static int find_pinned(const struct ipc_stream_open *asked, const struct model *model)
{
	if (asked->rung[0])
		return ladder_find(model->ladder, asked->rung);
	return asked->full ? model->ladder->best[LADDER_FULL] : -1;
}

static bool wants_pinned(const struct ipc_stream_open *asked)
{
	return asked->rung[0] || asked->full;
}

void stream_make_room(struct ipc_stream_open *open, const struct model *model)
{
	size_t answer_bytes = model->ladder->slot_bytes;

	/* What is over the limit is refused as it is. */
	if (open->slot_bytes <= IPC_SLOT_BYTES_MAX && answer_bytes <= IPC_SLOT_BYTES_MAX - open->slot_bytes)
		open->slot_bytes += (uint32_t)answer_bytes;
}

int stream_create(const struct ipc_stream_open *open, uint32_t id, struct model *model, struct galleries *galleries,
		  int n_lanes, const int *fds, uint32_t n_fds, const char **ret_reason, struct stream **ret_stream)
{
	bool written = model->ladder->slot_bytes > 0;
	struct stream *stream;
	int rc;

	if (open->n_slots < 1 || open->n_slots > IPC_SLOTS_MAX) {
		*ret_reason = "the number of slots is not within 1..16";
		return -EINVAL;
	}
	if (open->slot_bytes < 1 || open->slot_bytes > IPC_SLOT_BYTES_MAX) {
		*ret_reason = "the size of a slot is not within 1..64 MiB";
		return -EINVAL;
	}
	if (open->top_k > IPC_RESULTS_MAX) {
		*ret_reason = "top_k is over 1000";
		return -EINVAL;
	}
	if (wants_pinned(open) && find_pinned(open, model) < 0) {
		*ret_reason = "the model has no rung of this name";
		return -ENOENT;
	}
	stream = calloc(1, sizeof(*stream));
	if (!stream) {
		*ret_reason = "out of memory";
		return -ENOMEM;
	}
	if (open->gallery[0] && recognition_create(galleries, open->gallery, &stream->recognition) < 0) {
		*ret_reason = "out of memory";
		free(stream);
		return -ENOMEM;
	}
	*ret_reason = "the pool could not be made";
	if (n_fds)
		rc = pool_import(fds, n_fds, open->n_slots, open->slot_bytes, written, ret_reason, &stream->pool);
	else
		rc = pool_create(open->n_slots, open->slot_bytes, written, &stream->pool);
	if (rc < 0) {
		recognition_destroy(stream->recognition);
		free(stream);
		return rc;
	}
	stream->id = id;
	stream->asked = *open;
	stream->n_jobs = (int)open->n_slots + n_lanes;
	stream->pinned = -1;
	for (int i = 0; i < stream->n_jobs; i++)
		stream->jobs[i].stream = stream;
	scene_init(&stream->scene);
	sched_queue_init(&stream->queue, open->mode == IPC_LATEST, (int)open->n_slots, 1);
	stream->share.queue = &stream->queue;
	stream_set_model(stream, model);
	*ret_stream = stream;
	return 0;
}

void stream_destroy(struct stream *stream)
{
	if (!stream)
		return;
	model_unref(stream->model);
	pool_finish(&stream->pool);
	recognition_destroy(stream->recognition);
	smooth_destroy(stream->smooth);
	free(stream);
}

void stream_set_model(struct stream *stream, struct model *model)
{
	bool same_rungs = model && stream->model && model->ladder == stream->model->ladder;
	int pinned = model ? find_pinned(&stream->asked, model) : -1;

	if (wants_pinned(&stream->asked) && pinned < 0)
		model = NULL;
	if (model)
		model_ref(model);
	model_unref(stream->model);
	stream->model = model;
	stream->pinned = pinned;
	/* What the policy remembers speaks of the rungs it saw. */
	if (!same_rungs)
		policy_state_init(&stream->policy);
}

static bool in_flight(struct job *job)
{
	int state = atomic_load(&job->state);

	return state == JOB_WAITING || state == JOB_RUNNING;
}

/*
 * A client that pinned the rung wants an answer rather than a fast one: only a deadline of its own counts,
 * not the model's.
 */
uint32_t stream_deadline_us(const struct stream *stream)
{
	if (stream->asked.deadline_us || !stream->model || wants_pinned(&stream->asked))
		return stream->asked.deadline_us;
	return (uint32_t)stream->model->deadline_ms * 1000;
}

static int64_t deadline_of(const struct stream *stream, const struct ipc_frame *frame, int64_t now_us)
{
	uint32_t us = frame->deadline_us ? frame->deadline_us : stream_deadline_us(stream);

	return us ? now_us + us : SCHED_NO_DEADLINE;
}

int stream_take_job(struct stream *stream, const struct ipc_frame *frame, uint32_t serial, int64_t now_us,
		    const char **ret_reason, struct job **ret_job)
{
	struct job *job = NULL;

	if (frame->slot >= stream->pool.n_slots) {
		*ret_reason = "the stream has no slot of this number";
		return -EINVAL;
	}
	if (ipc_frame_check(frame, stream->pool.slot_bytes, ret_reason) < 0)
		return -ERANGE;
	for (int i = 0; i < stream->n_jobs; i++) {
		struct job *other = &stream->jobs[i];

		if (in_flight(other) && other->frame.slot == frame->slot) {
			*ret_reason = "the slot is in flight";
			return -EBUSY;
		}
		if (in_flight(other) && other->frame.seq == frame->seq) {
			*ret_reason = "a frame of this seq is in flight";
			return -EEXIST;
		}
		if (!job && atomic_load(&other->state) == JOB_FREE)
			job = other;
	}
	/* Slots in flight and jobs that are coming home from a lane leave at least one. */
	if (!job) {
		*ret_reason = "too many frames in flight";
		return -EBUSY;
	}
	job->wait.deadline_us = deadline_of(stream, frame, now_us);
	job->serial = serial;
	job->frame = *frame;
	job->arrived_us = now_us;
	job->waited = false;
	job->rung = -1;
	job->look = JOB_LOOK_NOT;
	job->viewed = job->run_twice = false;
	job->decision.reason[0] = '\0';
	job->status = IPC_OK;
	job->text[0] = '\0';
	job->queue_us = job->wait_us = job->preprocess_us = job->inference_us = job->total_us = 0;
	*ret_job = job;
	return 0;
}

struct engine_image stream_picture(const struct stream *stream, const struct ipc_frame *frame)
{
	const uint8_t *slot = pool_slot(&stream->pool, frame->slot);
	struct engine_image image = {
		.format = (enum engine_pixels)frame->format,
		.full_range = frame->full_range,
		.width = (int)frame->width,
		.height = (int)frame->height,
	};

	for (int i = 0; i < 3; i++) {
		image.plane[i] = slot + frame->offset[i];
		image.stride[i] = frame->stride[i];
	}
	return image;
}

/* A stream that is pinned to a rung of both stages wants both in every frame. */
static bool always_looks(const struct stream *stream)
{
	return stream->pinned >= 0 && stream->model->ladder->rungs[stream->pinned].phase == LADDER_FULL;
}

struct track stream_recall(const struct stream *stream, const struct ipc_frame *frame, int64_t now_us)
{
	bool sized = frame->format != IPC_JPEG, alone = always_looks(stream);
	struct track track =
		track_recall(&stream->track, stream->model->ladder->uid, sized ? (int)frame->width : 0,
			     sized ? (int)frame->height : 0, alone ? 0 : (int)stream_top_k(stream), now_us);

	track.alone = alone;
	return track;
}

bool stream_needs_look(const struct stream *stream, const struct track *track, int64_t now_us)
{
	return track_needs_look(track, (int)stream_top_k(stream), now_us);
}

uint32_t stream_top_k(const struct stream *stream)
{
	return stream->asked.top_k ? stream->asked.top_k : (uint32_t)stream->model->top_k;
}

/* Outside these a client could take everything, or starve itself by a slip of the pen. */
#define WEIGHT_LOWEST  0.01f
#define WEIGHT_HIGHEST 10.0f
/* A rate below this is none. */
#define MIN_FPS_LOWEST 0.001f

static float weight_of(const struct stream *stream)
{
	float own = stream->model->weight, weight = stream->asked.weight;

	/* Not a number is nothing asked for. */
	if (!(weight > 0))
		return own;
	if (weight < own * WEIGHT_LOWEST)
		return own * WEIGHT_LOWEST;
	return weight > own * WEIGHT_HIGHEST ? own * WEIGHT_HIGHEST : weight;
}

void stream_share(struct stream *stream, int n_sharing)
{
	const struct model *model = stream->model;
	float min_fps = stream->asked.min_fps;

	if (!model)
		return;
	stream->queue.weight = weight_of(stream) / (float)n_sharing;
	stream->queue.class = (int)model->priority;
	if (stream->asked.priority && (int)stream->asked.priority - 1 < stream->queue.class)
		stream->queue.class = (int)stream->asked.priority - 1;
	if (!(min_fps > 0) || min_fps > model->min_fps)
		min_fps = model->min_fps;
	stream->queue.period_us = min_fps >= MIN_FPS_LOWEST ? (int64_t)(1e6f / min_fps) : 0;
}

float stream_min_fps(const struct stream *stream)
{
	return stream->asked.min_fps > 0 ? stream->asked.min_fps : stream->model->min_fps;
}
