/* answer.c - see answer.h. */
#include "answer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "detect.h"
#include "gesture.h"
#include "landmarks.h"
#include "mask.h"
#include "raw.h"
#include "stream.h"
#include "task.h"

#define POINT_NUMBERS IPC_POINT_FLOATS

struct answer {
	/* Copies of quantised outputs, grown to the largest network. */
	float *values;
	size_t n_values;
	struct task_hit hits[TASK_TOP_MAX];
	struct ipc_result_item items[TASK_TOP_MAX];
	struct boxes boxes;
	float corners[BOXES_MAX][4];
	float points[BOXES_MAX * BOXES_POINTS_MAX][POINT_NUMBERS];
	struct landmark landmarks[LANDMARKS_MAX];
	struct ipc_tensor tensors[IPC_TENSORS_MAX];
};

_Static_assert(CONFIG_PLACES_MAX *LANDMARKS_MAX <= BOXES_MAX * BOXES_POINTS_MAX,
	       "landmarks go where the points of boxes do");
_Static_assert(BOXES_MAX <= TASK_TOP_MAX, "each box is an item");

int answer_create(struct answer **ret_answer)
{
	struct answer *answer = calloc(1, sizeof(*answer));

	if (!answer)
		return -ENOMEM;
	*ret_answer = answer;
	return 0;
}

void answer_destroy(struct answer *answer)
{
	if (!answer)
		return;
	free(answer->values);
	free(answer);
}

/* ---- what is possible ----------------------------------------------------------------------------- */

int answer_check(const struct config_model *config, const struct engine_plan *plan, int width, int height,
		 size_t *ret_slot_bytes, char ret_why[OUTPUTS_WHY_BYTES])
{
	struct outputs outputs;
	struct detect_layout boxes;
	struct landmarks_layout landmarks;
	struct mask_layout mask;
	int rc;

	*ret_slot_bytes = 0;
	if (config->task == CONFIG_RAW)
		return raw_check(plan, ret_slot_bytes, ret_why);
	rc = outputs_read(plan, &outputs, ret_why);
	if (rc < 0)
		return rc;
	if (config->task == CONFIG_DETECT)
		return detect_layout(config->decode.detector, &outputs, width, height, &boxes, ret_why);
	if (config->task == CONFIG_LANDMARKS)
		return landmarks_layout(config->decode.landmarks, &outputs, width, height, &landmarks, ret_why);
	rc = mask_layout(plan, &outputs, &mask, ret_why);
	if (rc == 0)
		*ret_slot_bytes = (size_t)mask.width * (size_t)mask.height;
	return rc;
}

/* ---- classes and vectors -------------------------------------------------------------------------- */

static int reserve_values(struct answer *answer, size_t n)
{
	float *grown;

	if (n <= answer->n_values)
		return 0;
	grown = malloc(n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	free(answer->values);
	answer->values = grown;
	answer->n_values = n;
	return 0;
}

static int read_single(struct answer *answer, const struct job *job, const struct model *model,
		       struct engine_context *context, const char **ret_why, struct reply_answer *ret_reply)
{
	const struct ladder *ladder = model->ladder;
	const struct engine_plan *plan = ladder->details[job->rung].plan;
	int n = ladder->n_outputs, n_hits, rc;
	struct engine_io io;

	engine_plan_output(plan, 0, &io);
	*ret_why = "the network's output has a type that cannot be read, or is too large";
	rc = reserve_values(answer, (size_t)n);
	if (rc == 0)
		rc = task_read(engine_context_output(context, plan, 0), io.type, io.quant, n, answer->values);
	if (rc < 0)
		return rc;
	if (ladder->task == CONFIG_EMBED) {
		task_normalize(answer->values, n);
		*ret_reply = (struct reply_answer){
			.embedding = answer->values,
			.n_embedding = (uint32_t)n,
			.space = ladder->variants[ladder->rungs[job->rung].variant].space,
		};
		return 0;
	}
	n_hits = task_top(answer->values, n, job->top_k, answer->hits);
	if (!ladder->variants[ladder->rungs[job->rung].variant].distribution)
		task_softmax(answer->values, n, answer->hits, n_hits);
	for (int i = 0; i < n_hits; i++)
		answer->items[i] = (struct ipc_result_item){
			.index = (uint32_t)answer->hits[i].index,
			.score = answer->hits[i].score,
			.label = model_label(model, answer->hits[i].index),
		};
	*ret_reply = (struct reply_answer){.items = answer->items, .n_items = (uint32_t)n_hits};
	return 0;
}

/* ---- places --------------------------------------------------------------------------------------- */

/* Numbers of all outputs: where they lie, or as copies where they are quantised. */
static int find_values(struct answer *answer, const struct engine_plan *plan, const struct outputs *outputs,
		       struct engine_context *context, const float *ret_values[OUTPUTS_MAX])
{
	size_t quantised = 0, used = 0;
	struct engine_io io;

	for (int i = 0; i < outputs->n; i++) {
		engine_plan_output(plan, i, &io);
		if (io.type != ENGINE_F32)
			quantised += (size_t)outputs->output[i].rows * (size_t)outputs->output[i].columns;
	}
	if (reserve_values(answer, quantised) < 0)
		return -ENOMEM;
	for (int i = 0; i < outputs->n; i++) {
		const void *data = engine_context_output(context, plan, i);
		int n = outputs->output[i].rows * outputs->output[i].columns;

		engine_plan_output(plan, i, &io);
		ret_values[i] = io.type == ENGINE_F32 ? data : answer->values + used;
		if (io.type == ENGINE_F32)
			continue;
		task_read(data, io.type, io.quant, n, answer->values + used);
		used += (size_t)n;
	}
	return 0;
}

/* The upright rectangle in the picture about a rectangle of the input, which may be turned there. */
static void place_box(const struct engine_region *roi, const struct box *box, float ret_corners[4])
{
	for (int i = 0; i < 4; i++) {
		float x, y;

		roi_to_picture(roi, i & 1 ? box->x1 : box->x0, i & 2 ? box->y1 : box->y0, &x, &y);
		ret_corners[0] = i ? fminf(ret_corners[0], x) : x;
		ret_corners[1] = i ? fminf(ret_corners[1], y) : y;
		ret_corners[2] = i ? fmaxf(ret_corners[2], x) : x;
		ret_corners[3] = i ? fmaxf(ret_corners[3], y) : y;
	}
}

static void place_hit(struct answer *answer, int at, const struct model *model, const struct engine_region *roi)
{
	const struct boxes_hit *hit = &answer->boxes.hits[at];
	float(*points)[POINT_NUMBERS] = answer->points + (size_t)at * BOXES_POINTS_MAX;

	place_box(roi, &hit->box, answer->corners[at]);
	for (int i = 0; i < hit->n_points; i++) {
		roi_to_picture(roi, hit->points[i][0], hit->points[i][1], &points[i][0], &points[i][1]);
		points[i][2] = points[i][3] = NAN;
	}
	answer->items[at] = (struct ipc_result_item){
		.index = (uint32_t)hit->index,
		.score = hit->score,
		.label = model_label(model, hit->index),
		.box = answer->corners[at],
		.points = points[0],
		.n_points = (uint32_t)hit->n_points,
	};
}

static void find_boxes(struct answer *answer, const struct ladder *ladder, const struct detect_layout *layout,
		       const float *const *values, int limit)
{
	const struct config_decode *decode = &ladder->decode;

	detect_decode(layout, values, decode->score_min, &answer->boxes);
	detect_suppress(layout, decode->iou_max, limit < BOXES_MAX ? limit : BOXES_MAX, &answer->boxes);
}

/* They start where none of another item reaches. */
float (*answer_points(struct answer *answer, int at))[POINT_NUMBERS]
{
	return answer->points + (size_t)at * LANDMARKS_MAX;
}

/* The rectangle about all points of an item. */
void answer_surround(struct answer *answer, int at)
{
	float(*points)[POINT_NUMBERS] = answer_points(answer, at), *corners = answer->corners[at];

	corners[0] = corners[1] = INFINITY;
	corners[2] = corners[3] = -INFINITY;
	for (int i = 0; i < (int)answer->items[at].n_points; i++) {
		corners[0] = fminf(corners[0], points[i][0]);
		corners[1] = fminf(corners[1], points[i][1]);
		corners[2] = fmaxf(corners[2], points[i][0]);
		corners[3] = fmaxf(corners[3], points[i][1]);
	}
}

/* One item, or none where there is no hand, face or body. */
static int read_landmarks(struct answer *answer, int at, const struct ladder *ladder, const struct model *labels,
			  const struct landmarks_layout *layout, const float *const *values,
			  const struct engine_region *roi)
{
	float presence = landmarks_presence(layout, values), (*points)[POINT_NUMBERS] = answer_points(answer, at);
	int index = landmarks_is_right(layout, values);

	if (presence < ladder->decode.score_min)
		return 0;
	landmarks_decode(layout, values, answer->landmarks);
	for (int i = 0; i < layout->n; i++) {
		const struct landmark *landmark = &answer->landmarks[i];

		roi_to_picture(roi, landmark->x, landmark->y, &points[i][0], &points[i][1]);
		points[i][2] = landmark->z * roi->width;
		points[i][3] = landmark->visibility;
	}
	answer->items[at] = (struct ipc_result_item){
		.index = (uint32_t)index,
		.score = presence,
		.label = layout->kind == CONFIG_HAND ? index ? "right" : "left" : model_label(labels, 0),
		.box = answer->corners[at],
		.points = points[0],
		.n_points = (uint32_t)layout->n,
	};
	answer_surround(answer, at);
	if (ladder->decode.gestures) {
		enum gesture gesture = gesture_tell(points, &answer->items[at].gesture_score);

		answer->items[at].gesture = gesture_name(gesture);
	}
	return 1;
}

/* All of it held when the model was loaded; laying out again costs next to nothing and keeps no state. */
static int lay_out(struct answer *answer, const struct ladder *ladder, int rung, struct engine_context *context,
		   struct outputs *ret_outputs, const float *ret_values[OUTPUTS_MAX])
{
	const struct engine_plan *plan = ladder->details[rung].plan;
	char why[OUTPUTS_WHY_BYTES];
	int rc = outputs_read(plan, ret_outputs, why);

	return rc < 0 ? rc : find_values(answer, plan, ret_outputs, context, ret_values);
}

int answer_find(struct answer *answer, const struct ladder *detector, int rung, struct engine_context *context,
		int limit, const char **ret_why, const struct boxes **ret_boxes)
{
	const struct policy_rung *size = &detector->rungs[rung];
	const float *values[OUTPUTS_MAX];
	struct detect_layout layout;
	char why[OUTPUTS_WHY_BYTES];
	struct outputs outputs;
	int rc = lay_out(answer, detector, rung, context, &outputs, values);

	*ret_why = "the detector's outputs cannot be read";
	if (rc == 0)
		rc = detect_layout(detector->decode.detector, &outputs, size->width, size->height, &layout, why);
	if (rc < 0)
		return rc;
	find_boxes(answer, detector, &layout, values, limit);
	*ret_boxes = &answer->boxes;
	return 0;
}

int answer_look(struct answer *answer, const struct ladder *network, int rung, const struct model *labels,
		struct engine_context *context, const struct engine_region *region, int at, const char **ret_why,
		const struct landmark **ret_landmarks)
{
	const struct policy_rung *size = &network->rungs[rung];
	const float *values[OUTPUTS_MAX];
	struct landmarks_layout layout;
	char why[OUTPUTS_WHY_BYTES];
	struct outputs outputs;
	int rc = lay_out(answer, network, rung, context, &outputs, values);

	*ret_why = "the landmark network's outputs cannot be read";
	if (rc == 0)
		rc = landmarks_layout(network->decode.landmarks, &outputs, size->width, size->height, &layout, why);
	if (rc < 0)
		return rc;
	*ret_landmarks = answer->landmarks;
	return read_landmarks(answer, at, network, labels, &layout, values, region);
}

struct reply_answer answer_items(const struct answer *answer, int n)
{
	return (struct reply_answer){.items = answer->items, .n_items = (uint32_t)n};
}

/* Behind the pixels, at the end of the frame's slot; NULL: it has no room. */
static uint8_t *room_in_slot(const struct job *job, size_t bytes, uint32_t *ret_offset)
{
	const struct pool *pool = &job->stream->pool;
	uint8_t *slot = pool_slot_for_writing(pool, job->frame.slot);

	if (!slot || bytes > pool->slot_bytes)
		return NULL;
	*ret_offset = pool->slot_bytes - (uint32_t)bytes;
	return slot + *ret_offset;
}

static int read_mask(const struct job *job, const struct mask_layout *layout, const float *const *values,
		     const char **ret_why, struct reply_answer *ret_reply)
{
	uint32_t offset;
	uint8_t *mask = room_in_slot(job, (size_t)layout->width * (size_t)layout->height, &offset);

	if (!mask) {
		*ret_why = "the stream's memory has no room for the mask";
		return -ENOSPC;
	}
	mask_fill(layout, values[layout->output], mask);
	*ret_reply = (struct reply_answer){
		.mask_width = (uint32_t)layout->width,
		.mask_height = (uint32_t)layout->height,
		.mask_offset = offset,
	};
	return 0;
}

static int read_raw(struct answer *answer, const struct job *job, const struct model *model,
		    struct engine_context *context, const char **ret_why, struct reply_answer *ret_reply)
{
	const struct engine_plan *plan = model->ladder->details[job->rung].plan;
	size_t bytes = raw_slot_bytes(plan);

	if (bytes) {
		uint32_t offset;
		uint8_t *room = room_in_slot(job, bytes, &offset);

		if (!room) {
			*ret_why = "the stream's memory has no room for the tensors";
			return -ENOSPC;
		}
		raw_copy(context, plan, room, offset, answer->tensors);
	} else {
		raw_refer(context, plan, answer->tensors);
	}
	*ret_reply = (struct reply_answer){
		.tensors = answer->tensors,
		.n_tensors = (uint32_t)engine_plan_output_count(plan),
	};
	return 0;
}

static int read_boxes(struct answer *answer, const struct job *job, const struct model *model,
		      struct engine_context *context, const struct engine_region *roi, const char **ret_why,
		      struct reply_answer *ret_reply)
{
	const struct boxes *boxes;
	int rc = answer_find(answer, model->ladder, job->rung, context, job->top_k, ret_why, &boxes);

	if (rc < 0)
		return rc;
	for (int i = 0; i < boxes->n; i++)
		place_hit(answer, i, model, roi);
	*ret_reply = answer_items(answer, boxes->n);
	return 0;
}

static int read_points(struct answer *answer, const struct job *job, const struct model *model,
		       struct engine_context *context, const struct engine_region *roi, const char **ret_why,
		       struct reply_answer *ret_reply)
{
	const struct landmark *landmarks;
	int n = answer_look(answer, model->ladder, job->rung, model, context, roi, 0, ret_why, &landmarks);

	if (n < 0)
		return n;
	*ret_reply = answer_items(answer, n);
	return 0;
}

static int read_segments(struct answer *answer, const struct job *job, const struct model *model,
			 struct engine_context *context, const char **ret_why, struct reply_answer *ret_reply)
{
	const float *values[OUTPUTS_MAX];
	struct mask_layout layout;
	char why[OUTPUTS_WHY_BYTES];
	struct outputs outputs;
	int rc = lay_out(answer, model->ladder, job->rung, context, &outputs, values);

	*ret_why = "the network's outputs cannot be read";
	if (rc == 0)
		rc = mask_layout(model->ladder->details[job->rung].plan, &outputs, &layout, why);
	return rc < 0 ? rc : read_mask(job, &layout, values, ret_why, ret_reply);
}

int answer_read(struct answer *answer, const struct job *job, const struct model *model, struct engine_context *context,
		const struct engine_region *roi, const char **ret_why, struct reply_answer *ret_reply)
{
	switch (model->ladder->task) {
	case CONFIG_DETECT:
		return read_boxes(answer, job, model, context, roi, ret_why, ret_reply);
	case CONFIG_LANDMARKS:
		return read_points(answer, job, model, context, roi, ret_why, ret_reply);
	case CONFIG_SEGMENT:
		return read_segments(answer, job, model, context, ret_why, ret_reply);
	case CONFIG_RAW:
		return read_raw(answer, job, model, context, ret_why, ret_reply);
	default:
		return read_single(answer, job, model, context, ret_why, ret_reply);
	}
}
