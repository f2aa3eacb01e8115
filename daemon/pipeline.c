/* pipeline.c - see pipeline.h. */
#include "pipeline.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>

#include "clock.h"
#include "regions.h"
#include "smooth.h"
#include "stream.h"

/* Boxes that the detector may find of what is followed already come on top of those that are new. */
#define BOXES_WANTED (2 * CONFIG_PLACES_MAX)

/* What is the same for all that is done with one frame. */
struct run {
	struct job *job;
	const struct ladder *ladder;
	struct picture *picture;
	struct answer *answer;
	struct engine_context *context;
	int width, height;	   /* of the submitted picture */
	struct engine_image image; /* of which this is what was decoded */
	int64_t prepare_us, infer_us;
	int limit;	       /* of places */
	struct smooth *smooth; /* NULL: this frame has nothing to do with those before it, or nothing is smoothed */
};

static int fail(struct run *run, int rc, const char *why)
{
	snprintf(run->job->text, sizeof(run->job->text), "%s", why);
	return rc;
}

static float zoom_x(const struct run *run)
{
	return (float)run->width / (float)run->image.width;
}

static float zoom_y(const struct run *run)
{
	return (float)run->height / (float)run->image.height;
}

/* Runs a stage on a region of the submitted picture, or on all of it (NULL), and says where its input lies. */
static int run_stage(struct run *run, enum ladder_stage which, const struct engine_region *region,
		     struct engine_region *ret_roi)
{
	const struct ladder *stage = run->ladder->stage[which];
	int part = run->ladder->details[run->job->rung].part[which], rc;
	const struct policy_rung *rung = &stage->rungs[part];
	const struct engine_plan *plan = stage->details[part].plan;
	struct engine_placement placement;
	struct engine_region scaled;
	int64_t start = clock_us(), prepared;

	if (region) {
		scaled = *region;
		scaled.x /= zoom_x(run);
		scaled.y /= zoom_y(run);
		scaled.width /= zoom_x(run);
		scaled.height /= zoom_y(run);
	}
	if (engine_context_reserve(run->context, plan) < 0)
		return fail(run, -ENOMEM, "out of memory for the network");
	rc = picture_prepare(run->picture, run->job, stage, part, &run->image, region ? &scaled : NULL, run->context,
			     &placement);
	prepared = clock_us();
	run->prepare_us += prepared - start;
	if (rc < 0)
		return rc;
	*ret_roi = region ? *region : roi_of_placement(placement, rung->width, rung->height, zoom_x(run), zoom_y(run));
	rc = engine_run(run->context, plan, rung->threads);
	run->infer_us += clock_us() - prepared;
	return rc < 0 ? fail(run, rc, "the network could not be run") : 0;
}

/* ---- pixels --------------------------------------------------------------------------------------- */

/* Makes a reduced decode keep as many pixels of a region as the network's input has. */
static void want_region(const struct run *run, const struct policy_rung *input, const struct engine_region *region,
			struct jpeg_options *options)
{
	int side = (int)fminf(region->width, (float)run->width), wanted, wanted_down;
	double scale;

	side = side > 1 ? side : 1;
	jpeg_wanted_size(side, side, input->width, input->height, ENGINE_FIT_STRETCH, 1, &wanted, &wanted_down);
	scale = (double)(wanted > wanted_down ? wanted : wanted_down) / side;
	options->min_width = (int)fmax(options->min_width, ceil(run->width * scale));
	options->min_height = (int)fmax(options->min_height, ceil(run->height * scale));
}

static bool is_gray(const struct run *run)
{
	const struct ladder_rung *detail = &run->ladder->details[run->job->rung];

	for (int i = 0; i < CONFIG_STAGES; i++)
		if (detail->part[i] >= 0 && run->ladder->stage[i]->rungs[detail->part[i]].channels != 1)
			return false;
	return true;
}

/* Once for all places; how small those are that a detector will find, nobody knows. */
static int decode(struct run *run)
{
	const struct ladder_rung *detail = &run->ladder->details[run->job->rung];
	const struct policy_rung *input = &run->ladder->stage[LADDER_LANDMARKS]->rungs[detail->part[LADDER_LANDMARKS]];
	struct jpeg_options options = {.gray = is_gray(run), .exact = run->job->stream->asked.full};
	int64_t start = clock_us();
	int rc;

	if (detail->part[LADDER_DETECTOR] >= 0) {
		options.min_width = run->width;
		options.min_height = run->height;
	}
	for (int i = 0; i < run->job->track.n; i++)
		want_region(run, input, &run->job->track.regions[i], &options);
	rc = picture_decode(run->picture, run->job, &options, &run->image);
	run->prepare_us += clock_us() - start;
	return rc;
}

/* ---- stages --------------------------------------------------------------------------------------- */

/* A detector's hit in pixels of the picture, as the region to look at. */
static bool place(const struct run *run, const struct engine_region *roi, const struct boxes_hit *hit,
		  struct engine_region *ret_region)
{
	float points[BOXES_POINTS_MAX][2];
	struct box box;

	roi_to_picture(roi, hit->box.x0, hit->box.y0, &box.x0, &box.y0);
	roi_to_picture(roi, hit->box.x1, hit->box.y1, &box.x1, &box.y1);
	for (int i = 0; i < hit->n_points; i++)
		roi_to_picture(roi, hit->points[i][0], hit->points[i][1], &points[i][0], &points[i][1]);
	return region_of_detection(run->ladder->decode.landmarks, &box, points, hit->n_points, ret_region);
}

/* Adds what the detector finds to what is followed. */
static int find(struct run *run)
{
	struct job *job = run->job;
	const struct boxes *boxes;
	const char *why;
	struct engine_region roi;
	int rc = run_stage(run, LADDER_DETECTOR, NULL, &roi), n_followed = job->track.n;
	int64_t start = clock_us();

	if (rc < 0)
		return rc;
	rc = answer_find(run->answer, run->ladder->stage[LADDER_DETECTOR],
			 run->ladder->details[job->rung].part[LADDER_DETECTOR], run->context, BOXES_WANTED, &why,
			 &boxes);
	if (rc < 0)
		return fail(run, rc, why);
	for (int i = 0; i < boxes->n; i++) {
		struct engine_region region;

		if (place(run, &roi, &boxes->hits[i], &region))
			track_add(&job->track, &region, run->smooth ? smooth_new(run->smooth) : 0, n_followed,
				  run->limit);
	}
	job->track.looked_us = job->arrived_us;
	run->infer_us += clock_us() - start;
	return 0;
}

/*
 * Where the landmarks of item `at` say that the next frame should be looked at.  Of a body that is followed, they are
 * smoothed first.
 */
static bool next_region(struct run *run, int at, uint32_t body, const struct landmark *landmarks,
			const struct engine_region *region, struct engine_region *ret_next)
{
	enum config_landmarks kind = run->ladder->decode.landmarks;
	float points[LANDMARKS_MAX][2];

	for (int i = 0; i < regions_points(kind); i++)
		roi_to_picture(region, landmarks[i].x, landmarks[i].y, &points[i][0], &points[i][1]);
	if (run->smooth && run->job->model->smooth) {
		smooth_body(run->smooth, body, job_taken_us(run->job), answer_points(run->answer, at),
			    points + SMOOTH_POINTS);
		answer_surround(run->answer, at);
	} else if (run->smooth) {
		smooth_body(run->smooth, body, job_taken_us(run->job), NULL, points + SMOOTH_POINTS);
	}
	return region_of_landmarks(kind, points, ret_next);
}

/* Looks at every place; what is recognised becomes an item and is followed.  The number of items. */
static int look(struct run *run)
{
	struct job *job = run->job;
	struct track before = job->track;
	int n = 0;

	job->track.n = 0;
	for (int i = 0; i < before.n; i++) {
		const struct landmark *landmarks;
		const char *why;
		struct engine_region region, next;
		int64_t start;
		int rc = run_stage(run, LADDER_LANDMARKS, &before.regions[i], &region);

		start = clock_us();
		if (rc < 0)
			return rc;
		rc = answer_look(run->answer, run->ladder->stage[LADDER_LANDMARKS],
				 run->ladder->details[job->rung].part[LADDER_LANDMARKS], job->model, run->context,
				 &region, n, &why, &landmarks);
		if (rc < 0)
			return fail(run, rc, why);
		if (rc > 0 && next_region(run, n, before.bodies[i], landmarks, &region, &next))
			track_add(&job->track, &next, before.bodies[i], 0, run->limit);
		n += rc;
		run->infer_us += clock_us() - start;
	}
	return n;
}

static int run_rung(struct run *run)
{
	int rc = decode(run);

	if (rc == 0 && run->ladder->rungs[run->job->rung].phase == LADDER_FULL)
		rc = find(run);
	return rc < 0 ? rc : look(run);
}

/* ---- a frame -------------------------------------------------------------------------------------- */

/* The loop does not know the size of a JPEG: what is followed in pictures of another size does not count. */
static void settle_size(struct run *run)
{
	struct job *job = run->job;

	if (job->track.n && (job->track.width != run->width || job->track.height != run->height)) {
		job->track.n = 0;
		if (run->ladder->rungs[job->rung].phase == LADDER_TRACKED)
			job->rung = run->ladder->details[job->rung].twin;
	}
	job->track.width = run->width;
	job->track.height = run->height;
}

/* Whether the detector can still look at a frame in which all was lost. */
static bool may_look_again(const struct run *run)
{
	const struct job *job = run->job;

	return run->ladder->rungs[job->rung].phase == LADDER_TRACKED &&
	       (job->wait.deadline_us == SCHED_NO_DEADLINE ||
		clock_us() + (int64_t)job->twin_us <= job->wait.deadline_us);
}

/* The filters of a stream that follows bodies; they are made with its first frame. */
static int find_smooth(struct run *run)
{
	struct stream *stream = run->job->stream;

	if (run->ladder->decode.landmarks != CONFIG_POSE || run->job->track.alone)
		return 0;
	if (!stream->smooth && smooth_create(&stream->smooth) < 0)
		return fail(run, -ENOMEM, "out of memory for what is followed");
	run->smooth = stream->smooth;
	return 0;
}

int pipeline_run(struct job *job, struct picture *picture, struct answer *answer, struct engine_context *context,
		 struct reply_answer *ret_reply)
{
	struct run run = {.job = job,
			  .ladder = job->model->ladder,
			  .picture = picture,
			  .answer = answer,
			  .context = context,
			  .limit = job->top_k < CONFIG_PLACES_MAX ? job->top_k : CONFIG_PLACES_MAX};
	int64_t start = clock_us();
	int n = picture_begin(picture, job, &run.width, &run.height);

	run.prepare_us = clock_us() - start;
	if (n == 0)
		n = find_smooth(&run);
	if (n == 0) {
		settle_size(&run);
		n = run_rung(&run);
	}
	if (n == 0 && may_look_again(&run)) {
		job->rung = run.ladder->details[job->rung].twin;
		job->run_twice = true;
		n = run_rung(&run);
	}
	picture_end(picture, job);
	job->preprocess_us = (uint32_t)run.prepare_us;
	job->inference_us = (uint32_t)run.infer_us;
	if (n < 0)
		return n;
	*ret_reply = answer_items(answer, n);
	return 0;
}
