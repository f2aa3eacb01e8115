/* reply.c - see reply.h. */
#include "reply.h"

#include <math.h>

#include "stream.h"

static uint32_t to_u32(int64_t us)
{
	return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

/* No frame has longer sides. */
#define SIDE_MAX 16384

static uint32_t to_side(double pixels)
{
	return pixels < SIDE_MAX ? (uint32_t)ceil(pixels) : SIDE_MAX;
}

void reply_advise(const struct ladder *ladder, int rung, uint32_t width, uint32_t height, uint32_t *ret_width,
		  uint32_t *ret_height)
{
	const struct policy_rung *to = &ladder->rungs[rung];
	double own_width = width && height ? width : to->width, own_height = width && height ? height : to->height;
	double across = to->width / own_width, down = to->height / own_height;

	/* Of a pipeline's frame parts are looked at, and how large those are in it nobody knows before. */
	if (ladder_is_pipeline(ladder)) {
		*ret_width = *ret_height = 0;
		return;
	}
	if (ladder->normalize.fit == ENGINE_FIT_CROP)
		across = down = fmax(across, down) / (double)ladder->normalize.crop;
	else if (ladder->normalize.fit == ENGINE_FIT_LETTERBOX)
		across = down = fmin(across, down);
	*ret_width = to_side(own_width * across);
	*ret_height = to_side(own_height * down);
}

void reply_put(struct job *job, const struct model *model, const char *lane, const struct reply_answer *answer,
	       int64_t now_us, struct ipc_writer *writer)
{
	const struct ladder *ladder = model ? model->ladder : NULL;
	struct stream *stream = job->stream;
	struct ipc_result result = {
		.stream = stream->id,
		.seq = job->frame.seq,
		.status = job->status,
		.text = job->text,
		.items = answer->items,
		.n_items = answer->n_items,
		.embedding = answer->embedding,
		.n_embedding = answer->n_embedding,
		.space = answer->space,
		.verdict = answer->verdict,
		.name = answer->name,
		.mask_width = answer->mask_width,
		.mask_height = answer->mask_height,
		.mask_offset = answer->mask_offset,
		.tensors = answer->tensors,
		.n_tensors = answer->n_tensors,
		.reason = job->decision.reason,
	};

	job->total_us = to_u32(now_us - job->arrived_us);
	result.queue_us = job->queue_us;
	result.wait_us = job->wait_us;
	result.preprocess_us = job->preprocess_us;
	result.inference_us = job->inference_us;
	result.total_us = job->total_us;
	if (ladder && job->rung >= 0) {
		const struct policy_rung *rung = &ladder->rungs[job->rung];

		bool sized = job->frame.format != IPC_JPEG;

		reply_advise(ladder, job->rung, sized ? job->frame.width : 0, sized ? job->frame.height : 0,
			     &result.advice_width, &result.advice_height);
		result.advice_channels = result.advice_width ? rung->channels : 0;
		if (lane) {
			result.rung.name = ladder->details[job->rung].name;
			result.rung.variant = ladder->variants[rung->variant].name;
			result.rung.lane = lane;
			result.rung.width = rung->width;
			result.rung.height = rung->height;
			result.rung.channels = rung->channels;
			result.rung.threads = rung->threads;
		}
	}
	ipc_writer_reset(writer);
	ipc_put_result(writer, &result);
	atomic_store(&job->state, JOB_ANSWERED);
}
