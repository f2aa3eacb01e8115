/* crowd.c - see crowd.h. */
#include "crowd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SIDE	 64
#define LIMIT_S	 60
#define ANSWERED (1u << INFERD_OK | 1u << INFERD_LOST | 1u << INFERD_DROPPED_SKIPPED | 1u << INFERD_DROPPED_CLOSED)

static void fail(struct crowd_member *member, const char *what, const char *detail)
{
	struct crowd *crowd = member->crowd;

	pthread_mutex_lock(&crowd->mutex);
	if (!member->error[0])
		snprintf(member->error, sizeof(member->error), "%s: %s %s", member->model, what, detail);
	crowd->failed = true;
	pthread_cond_broadcast(&crowd->changed);
	pthread_mutex_unlock(&crowd->mutex);
}

static void count_answer(struct crowd_member *member)
{
	struct crowd *crowd = member->crowd;

	pthread_mutex_lock(&crowd->mutex);
	crowd->answered[member - crowd->member]++;
	pthread_cond_broadcast(&crowd->changed);
	pthread_mutex_unlock(&crowd->mutex);
}

static void on_result(struct inferd_stream *stream, const struct inferd_result *result, void *user)
{
	struct crowd_member *member = user;
	struct crowd_frame *frame = result->user;

	(void)stream;
	if (!frame->in_flight) {
		fail(member, "a second answer:", inferd_status_name(result->status));
		return;
	}
	frame->in_flight = false;
	member->by_status[result->status]++;
	if (!(ANSWERED >> result->status & 1))
		fail(member, inferd_status_name(result->status), result->text);
	if (result->status != INFERD_OK)
		return;
	if (!result->n_items || result->items[0].index != frame->class)
		fail(member, "a wrong answer", "");
	count_answer(member);
}

/* 0 or a negative errno. */
static int submit(struct crowd_member *member, struct crowd_frame *frame)
{
	struct inferd_frame picture = {.format = INFERD_GRAY8, .width = SIDE, .height = SIDE, .user = frame};
	struct inferd_buffer buffer;
	int r = inferd_acquire(member->stream, &buffer);

	if (r < 0)
		return r;
	member->random = member->random * 6364136223846793005u + 1442695040888963407u;
	frame->class = (uint32_t)(member->random >> 62);
	memset(buffer.data, (int)frame->class * 85, SIDE * SIDE);
	frame->in_flight = true;
	r = inferd_submit(member->stream, &buffer, &picture, NULL);
	if (r < 0) {
		frame->in_flight = false;
		inferd_release(member->stream, &buffer);
		return r;
	}
	member->submitted++;
	return 0;
}

static void *run(void *argument)
{
	struct crowd_member *member = argument;
	uint64_t sum = 0;

	while (!atomic_load(&member->crowd->stop) && !member->error[0]) {
		for (int i = 0; i < CROWD_IN_FLIGHT; i++) {
			int r = member->frames[i].in_flight ? 0 : submit(member, &member->frames[i]);

			if (r < 0 && r != -ENOTCONN && r != -EAGAIN)
				fail(member, "submit:", strerror(-r));
		}
		if (inferd_dispatch(member->client, 20) < 0)
			fail(member, "dispatch:", inferd_error(member->client));
	}
	if (inferd_stream_close(member->stream) < 0)
		fail(member, "close:", inferd_error(member->client));
	for (int status = 0; status <= INFERD_LOST; status++)
		sum += member->by_status[status];
	if (sum != member->submitted)
		fail(member, "some frames were not answered", "");
	inferd_close(member->client);
	return NULL;
}

static bool connect_member(struct crowd_member *member, const char *socket)
{
	struct inferd_stream_options options = {.model = member->model,
						.buffer_bytes = SIDE * SIDE,
						.n_buffers = CROWD_IN_FLIGHT,
						.on_result = on_result,
						.user = member};

	if (inferd_connect(socket, "crowd", &member->client) < 0) {
		fail(member, "connect", "");
		return false;
	}
	if (inferd_stream_open(member->client, &options, &member->stream) == 0)
		return true;
	fail(member, "open:", inferd_error(member->client));
	inferd_close(member->client);
	return false;
}

void crowd_start(struct crowd *crowd, const char *socket, const char *const models[CROWD_SIZE])
{
	pthread_condattr_t clock;

	memset(crowd, 0, sizeof(*crowd));
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&crowd->changed, &clock);
	pthread_condattr_destroy(&clock);
	pthread_mutex_init(&crowd->mutex, NULL);
	for (int i = 0; i < CROWD_SIZE; i++) {
		struct crowd_member *member = &crowd->member[i];

		*member = (struct crowd_member){.crowd = crowd, .model = models[i], .random = (uint64_t)i + 1};
		if (!connect_member(member, socket))
			member->client = NULL;
	}
	for (int i = 0; i < CROWD_SIZE; i++)
		if (crowd->member[i].client)
			pthread_create(&crowd->member[i].thread, NULL, run, &crowd->member[i]);
}

static bool all_reached(const struct crowd *crowd, const uint64_t goal[CROWD_SIZE])
{
	for (int i = 0; i < CROWD_SIZE; i++)
		if (crowd->answered[i] < goal[i])
			return false;
	return true;
}

bool crowd_wait(struct crowd *crowd, uint64_t n_answers)
{
	uint64_t goal[CROWD_SIZE];
	struct timespec limit;
	int rc = 0;
	bool reached;

	clock_gettime(CLOCK_MONOTONIC, &limit);
	limit.tv_sec += LIMIT_S;
	pthread_mutex_lock(&crowd->mutex);
	for (int i = 0; i < CROWD_SIZE; i++)
		goal[i] = crowd->answered[i] + n_answers;
	while (rc == 0 && !crowd->failed && !all_reached(crowd, goal))
		rc = pthread_cond_timedwait(&crowd->changed, &crowd->mutex, &limit);
	reached = !crowd->failed && all_reached(crowd, goal);
	pthread_mutex_unlock(&crowd->mutex);
	return reached;
}

const char *crowd_stop(struct crowd *crowd)
{
	const char *error = "";

	atomic_store(&crowd->stop, true);
	for (int i = 0; i < CROWD_SIZE; i++) {
		if (crowd->member[i].client)
			pthread_join(crowd->member[i].thread, NULL);
		if (!error[0])
			error = crowd->member[i].error;
	}
	pthread_cond_destroy(&crowd->changed);
	pthread_mutex_destroy(&crowd->mutex);
	return error;
}
