/* dispatch.c - see dispatch.h. */
#include "dispatch.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "reply.h"

static struct job *job_of(struct sched_job *wait)
{
	return (struct job *)(void *)((char *)wait - offsetof(struct job, wait));
}

/* ---- endings -------------------------------------------------------------------------------------- */

/* model: the one that ran it, or NULL: that of its stream today. */
static void job_home(struct dispatch *dispatch, struct job *job, struct model *model, int64_t now_us)
{
	struct stream *stream = job->stream;
	uint32_t busy_us = job->preprocess_us + job->inference_us;

	if (stream->model)
		stats_count(&stream->model->stats, job->status, job->total_us, busy_us, now_us);
	stats_count(&stream->stats, job->status, job->total_us, busy_us, now_us);
	if (!model)
		model = stream->model;
	if (model && dispatch->on_frame)
		dispatch->on_frame(dispatch, job, model, now_us);
	job->home_us = now_us;
	share_answered(&stream->share, job->arrived_us + job->total_us);
	atomic_store(&job->state, JOB_FREE);
	dispatch->on_home(job);
}

/* Answers a job that is in no queue and on no lane. */
static void job_drop(struct dispatch *dispatch, struct job *job, enum ipc_status status, const char *text,
		     int64_t now_us)
{
	static const struct reply_answer none = {0};

	job->status = status;
	if (text)
		snprintf(job->text, sizeof(job->text), "%s", text);
	job->queue_us = job->wait_us = (uint32_t)(now_us - job->arrived_us);
	reply_put(job, job->stream->model, NULL, &none, now_us, &dispatch->writer);
	wire_send(job->stream->wire, IPC_RESULT, job->serial, &dispatch->writer, -1);
	job_home(dispatch, job, NULL, now_us);
}

void dispatch_drop(struct dispatch *dispatch, struct job *job, enum ipc_status status, const char *text)
{
	sched_remove(&dispatch->sched, &job->wait);
	job_drop(dispatch, job, status, text, clock_us());
}

void dispatch_drop_stream(struct dispatch *dispatch, struct stream *stream, uint64_t seq, enum ipc_status status,
			  const char *text)
{
	for (int i = 0; i < stream->n_jobs; i++) {
		struct job *job = &stream->jobs[i];

		if (atomic_load(&job->state) == JOB_WAITING && (!seq || job->frame.seq == seq))
			dispatch_drop(dispatch, job, status, text);
	}
}

/* ---- starting ------------------------------------------------------------------------------------- */

static void start_job(struct dispatch *dispatch, struct job *job, const struct policy_decision *decision,
		      int64_t now_us)
{
	struct model *model = job->stream->model;
	struct dispatch_lane *lane = &dispatch->lanes[model->ladder->rungs[decision->rung].lane];

	job->charged_us = (int64_t)decision->predicted_us;
	sched_start(&dispatch->sched, &job->wait, job->charged_us);
	job->task.run = infer_run;
	job->decision = *decision;
	job->rung = decision->rung;
	job->model = model_ref(model);
	if (ladder_is_pipeline(model->ladder))
		job->twin_us = governor_twin_us(model->ladder, job->rung);
	job->top_k = (int)stream_top_k(job->stream);
	job->started_us = now_us;
	share_run(&dispatch->governor->shares, &job->stream->share, decision->predicted_us);
	job->stream->running++;
	if (job->look == JOB_LOOK_BEFORE)
		scene_keep(&job->stream->scene);
	model->ladder->pins++;
	model->ladder->used_us = now_us;
	lane->job = job;
	lane->since_us = now_us;
	lane->free_at_us = now_us + (int64_t)decision->predicted_us;
	lane->chore_is_due = true;
	atomic_store(&job->state, JOB_RUNNING);
	worker_start(lane->worker, &job->task);
}

static struct governor_queue look_at_queue(const struct dispatch *dispatch, const struct stream *stream, int64_t now_us)
{
	struct governor_queue queue = {.depth = stream->queue.length - 1 + dispatch->sched.n_queues - 1};

	for (int i = 0; i < dispatch->n_lanes; i++) {
		const struct dispatch_lane *lane = &dispatch->lanes[i];

		/* A lane that is late is still not free: at least a little. */
		if (!worker_idle(lane->worker))
			queue.lane_wait_us[i] = lane->free_at_us > now_us ? (float)(lane->free_at_us - now_us) : 100.0f;
	}
	return queue;
}

/* A frame whose networks are not in memory waits for them, or fails. */
static void await_networks(struct dispatch *dispatch, struct job *job)
{
	int rc = dispatch->on_absent(dispatch, job->stream->model->ladder);

	if (rc == -ENOMEM)
		dispatch_drop(dispatch, job, IPC_FAILED,
			      "memory_budget_mb has no room for the model beside galleries and the streams' pools");
	else if (rc < 0)
		dispatch_drop(dispatch, job, IPC_FAILED, "the model cannot be loaded again; the daemon's log says why");
	else
		sched_defer(&dispatch->sched, &job->wait);
}

/* Decides about one job: starts it, drops it, or puts it aside until its lane is free. */
static void consider(struct dispatch *dispatch, struct job *job, int64_t now_us)
{
	struct stream *stream = job->stream;
	struct governor_queue queue = look_at_queue(dispatch, stream, now_us);
	struct policy_state state = stream->policy;
	struct policy_decision decision;

	/* The next frame of a pipeline is looked at where this one's landmarks are. */
	if (ladder_is_pipeline(stream->model->ladder) && stream->running > 0) {
		sched_defer(&dispatch->sched, &job->wait);
		return;
	}
	if (!stream->model->ladder->resident) {
		await_networks(dispatch, job);
		return;
	}
	governor_decide(dispatch->governor, job, &queue, now_us, &state, &decision);
	if (decision.rung < 0) {
		governor_act(dispatch->governor, job, &decision, &state);
		job->decision = decision;
		dispatch_drop(dispatch, job,
			      decision.cause == POLICY_HOPELESS ? IPC_DROPPED_DEADLINE : IPC_DROPPED_SKIPPED, NULL);
	} else if (worker_idle(dispatch->lanes[stream->model->ladder->rungs[decision.rung].lane].worker)) {
		governor_act(dispatch->governor, job, &decision, &state);
		start_job(dispatch, job, &decision, now_us);
	} else {
		sched_defer(&dispatch->sched, &job->wait);
	}
}

static bool any_idle(const struct dispatch *dispatch)
{
	for (int i = 0; i < dispatch->n_lanes; i++)
		if (worker_idle(dispatch->lanes[i].worker))
			return true;
	return false;
}

static void start_chores(struct dispatch *dispatch, bool even_without_turn)
{
	for (int i = 0; i < dispatch->n_lanes; i++) {
		struct dispatch_lane *lane = &dispatch->lanes[i];
		struct dispatch_chore *chore = lane->chores;

		if (!chore || !worker_idle(lane->worker) || (!lane->chore_is_due && !even_without_turn))
			continue;
		lane->chores = chore->next;
		lane->chore = chore;
		lane->chore_is_due = false;
		lane->free_at_us = 0;
		lane->since_us = clock_us();
		worker_start(lane->worker, &chore->task);
	}
}

/* Gives idle lanes work.  Chores take turns with frames, so that neither keeps the other waiting for ever. */
static void start_work(struct dispatch *dispatch)
{
	int64_t now = clock_us();
	struct sched_job *wait;

	while ((wait = sched_take_expired(&dispatch->sched, now)))
		job_drop(dispatch, job_of(wait), IPC_DROPPED_DEADLINE, "the deadline passed while it waited", now);
	start_chores(dispatch, false);
	sched_begin(&dispatch->sched, now);
	while (any_idle(dispatch) && (wait = sched_peek(&dispatch->sched)))
		consider(dispatch, job_of(wait), now);
	start_chores(dispatch, true);
}

static bool nothing_runs(const struct dispatch *dispatch)
{
	for (int i = 0; i < dispatch->n_lanes; i++)
		if (!worker_idle(dispatch->lanes[i].worker))
			return false;
	return true;
}

static bool something_waits(const struct dispatch *dispatch)
{
	if (dispatch->sched.waiting)
		return true;
	for (int i = 0; i < dispatch->n_lanes; i++)
		if (dispatch->lanes[i].chores)
			return true;
	return false;
}

static bool take_home(struct dispatch *dispatch);

static void kick(struct dispatch *dispatch)
{
	bool matters;

	do {
		start_work(dispatch);
		dispatch->eager = dispatch->eager && !nothing_runs(dispatch);
		/* Does the end of a frame lead to anything but counting? */
		matters = dispatch->eager || something_waits(dispatch);
		/* What finished before the lanes were told to call did so silently. */
	} while (atomic_exchange(&dispatch->home.watched, matters) < matters && take_home(dispatch));
}

void dispatch_submit(struct dispatch *dispatch, struct job *job)
{
	struct sched_job *replaced;
	int rc;

	if (!job->stream->model) {
		job_drop(dispatch, job, IPC_DROPPED_CLOSED, stream_gone, clock_us());
		return;
	}
	share_arrived(&dispatch->governor->shares, &job->stream->share, job->arrived_us);
	atomic_store(&job->state, JOB_WAITING);
	rc = sched_submit(&dispatch->sched, &job->stream->queue, &job->wait, &replaced);
	assert(rc == 0); /* a queue is as long as its stream has slots */
	(void)rc;
	if (replaced)
		job_drop(dispatch, job_of(replaced), IPC_DROPPED_REPLACED, NULL, job->arrived_us);
	kick(dispatch);
	if (atomic_load(&job->state) == JOB_WAITING)
		job->waited = true;
}

void dispatch_add_chore(struct dispatch *dispatch, struct dispatch_chore *chore)
{
	struct dispatch_chore **end = &dispatch->lanes[chore->lane].chores;

	while (*end)
		end = &(*end)->next;
	chore->next = NULL;
	*end = chore;
	kick(dispatch);
}

/* ---- coming home ---------------------------------------------------------------------------------- */

static void job_finished(struct dispatch *dispatch, struct dispatch_lane *lane)
{
	struct job *job = lane->job;
	uint32_t busy_us = job->preprocess_us + job->inference_us;
	struct model *model = job->model;
	int64_t now = clock_us();

	lane->job = NULL;
	sched_charge(&job->stream->queue, busy_us - job->charged_us);
	stats_count(&lane->stats, job->status, job->total_us, busy_us, now);
	if (job->status == IPC_OK)
		governor_observe(dispatch->governor, job->model->ladder, job, now);
	/* Of a frame that failed nobody knows what is left to follow. */
	if (ladder_is_pipeline(job->model->ladder))
		job->stream->track = job->status == IPC_OK ? job->track : (struct track){.n = 0};
	job->model->ladder->pins--;
	job->stream->running--;
	job->model = NULL;
	job_home(dispatch, job, model, now);
	model_unref(model);
}

static void lane_finished(struct dispatch *dispatch, struct dispatch_lane *lane)
{
	struct dispatch_chore *chore = lane->chore;

	lane->chore = NULL;
	if (lane->job)
		job_finished(dispatch, lane);
	else if (chore)
		chore->done(chore);
}

static bool take_home(struct dispatch *dispatch)
{
	bool any = false;

	for (int i = 0; i < dispatch->n_lanes; i++) {
		struct dispatch_lane *lane = &dispatch->lanes[i];

		if (worker_collect(lane->worker)) {
			any = true;
			lane_finished(dispatch, lane);
		}
	}
	return any;
}

void dispatch_collect(struct dispatch *dispatch)
{
	if (take_home(dispatch))
		kick(dispatch);
}

void dispatch_wake(struct dispatch *dispatch)
{
	kick(dispatch);
}

void dispatch_hurry(struct dispatch *dispatch)
{
	dispatch->eager = true;
	kick(dispatch);
}

static void on_call(uv_poll_t *handle, int status, int events)
{
	struct dispatch *dispatch = handle->data;
	uint64_t calls;

	(void)status;
	(void)events;
	/* Empty when two calls came together. */
	if (read(dispatch->home.fd, &calls, sizeof(calls)) < 0 && errno != EAGAIN)
		log_error("the lanes' calls cannot be read: %s", strerror(errno));
	dispatch_collect(dispatch);
}

int dispatch_stuck(const struct dispatch *dispatch, int64_t now_us, int64_t longest_us)
{
	for (int i = 0; i < dispatch->n_lanes; i++) {
		const struct dispatch_lane *lane = &dispatch->lanes[i];

		if ((lane->job || lane->chore) && !worker_finished(lane->worker) &&
		    now_us - lane->since_us > longest_us)
			return i;
	}
	return -1;
}

bool dispatch_idle(const struct dispatch *dispatch)
{
	return nothing_runs(dispatch) && !something_waits(dispatch);
}

/* ---- life ----------------------------------------------------------------------------------------- */

int dispatch_init(struct dispatch *dispatch, uv_loop_t *loop, struct governor *governor,
		  const struct topology_lane *lanes, int n_lanes, size_t decode_bytes_max)
{
	int rc;

	*dispatch = (struct dispatch){.governor = governor};
	sched_init(&dispatch->sched);
	ipc_writer_init(&dispatch->writer);
	dispatch->home.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (dispatch->home.fd < 0)
		return -errno;
	rc = uv_poll_init(loop, &dispatch->calls, dispatch->home.fd);
	if (rc < 0) {
		close(dispatch->home.fd);
		return rc;
	}
	dispatch->calls.data = dispatch;
	uv_poll_start(&dispatch->calls, UV_READABLE, on_call);
	for (int i = 0; i < n_lanes; i++) {
		struct dispatch_lane *lane = &dispatch->lanes[i];

		rc = infer_create(decode_bytes_max, &lane->infer);
		if (rc == 0)
			rc = worker_create(&dispatch->home, &lanes[i], &lane->worker);
		if (rc < 0) {
			infer_destroy(lane->infer);
			dispatch_finish(dispatch);
			return rc;
		}
		worker_set_kit(lane->worker, lane->infer);
		dispatch->n_lanes = i + 1;
	}
	return 0;
}

void dispatch_finish(struct dispatch *dispatch)
{
	for (int i = 0; i < dispatch->n_lanes; i++) {
		struct dispatch_lane *lane = &dispatch->lanes[i];

		worker_destroy(lane->worker);
		lane_finished(dispatch, lane);
		while (lane->chores) {
			struct dispatch_chore *chore = lane->chores;

			lane->chores = chore->next;
			chore->done(chore);
		}
		infer_destroy(lane->infer);
	}
	dispatch->n_lanes = 0;
	ipc_writer_finish(&dispatch->writer);
	uv_close((uv_handle_t *)&dispatch->calls, NULL);
	close(dispatch->home.fd);
}
