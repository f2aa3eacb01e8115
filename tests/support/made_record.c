/* made_record.c - see made_record.h. */
#include "made_record.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/record.h"
#include "store_wait.h"

#define SECOND INT64_C(1000000)
#define FPS    15
/* The hour shown, since the clock of the machine that makes it up has nothing to do with it. */
#define BEGAN 1764079200

static const struct {
	const char *name;
	float accuracy, us, heat; /* heat: degrees at which it holds the device */
} rungs[] = {
	{"v2-224@224x224", 0.71f, 74000, 95},
	{"v1-192@192x192", 0.65f, 47000, 84},
	{"v1-160@160x160", 0.59f, 29000, 70},
	{"v1-128@128x128", 0.40f, 9000, 52},
};
#define N_RUNGS (int)(sizeof(rungs) / sizeof(rungs[0]))

struct world {
	struct record *record;
	struct store *store;
	const char *model;
	uint64_t noise;
	int64_t now_us;
	double temp_c, cap, pressure;
	int rung;
	int64_t calm_us;
};

static double uniform(struct world *world)
{
	world->noise ^= world->noise << 13;
	world->noise ^= world->noise >> 7;
	world->noise ^= world->noise << 17;
	return (double)(world->noise >> 11) / (double)(UINT64_C(1) << 53);
}

/* Roughly normal: the sum of twelve uniform ones. */
static double normal(struct world *world)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += uniform(world);
	return sum;
}

static void sense(struct world *world)
{
	struct policy_sample sample = {
		.n_lanes = 1,
		.temp_c = (float)world->temp_c,
		.temp_limit_c = 78,
		.cpu_pressure = (float)world->pressure,
		.cpu_load = NAN,
		.battery = NAN,
		.freq_cap = {(float)world->cap},
	};

	record_sense(world->record, &sample, world->now_us);
}

static void choose(struct world *world, char *reason, size_t size, enum policy_cause *ret_cause)
{
	int hot = world->temp_c > 79 ? 2 : world->temp_c > 75 ? 1 : 0, due = world->pressure > 0.3 ? hot + 1 : hot;

	*ret_cause = world->pressure > 0.3 ? POLICY_BUSY : world->temp_c > 75 ? POLICY_HOT : POLICY_BEST;
	if (due > world->rung) {
		world->rung = due;
		world->calm_us = world->now_us;
	} else if (due < world->rung) {
		if (world->now_us - world->calm_us > 60 * SECOND) {
			world->rung--;
			world->calm_us = world->now_us;
		}
		*ret_cause = POLICY_SETTLING;
	}
	snprintf(reason, size, "%s at %.0f C: %.0f ms expected of 120 ms", policy_cause_name(*ret_cause), world->temp_c,
		 (double)rungs[world->rung].us / 1000 / world->cap);
}

static void frame(struct world *world)
{
	char reason[POLICY_REASON_BYTES];
	struct record_frame frame = {.model = world->model, .lane = "big", .reason = reason, .deadline_us = 120000};
	double slow, predicted, jitter = exp(0.06 * normal(world));

	choose(world, reason, sizeof(reason), &frame.cause);
	slow = (1 + 0.6 * world->pressure) / (0.35 + 0.65 * world->cap);
	predicted = (double)rungs[world->rung].us * (0.9 + 0.1 * slow);
	if (uniform(world) < 0.015)
		jitter *= 1.4 + uniform(world);
	frame.queue_us = (uint32_t)(150 + 900 * uniform(world) * uniform(world) +
				    (uniform(world) < world->pressure / 4 ? 50000 * uniform(world) : 0));
	if (uniform(world) < world->pressure / 60) {
		frame.status = IPC_DROPPED_DEADLINE;
		frame.rung = frame.lane = frame.reason = "";
	} else {
		frame.rung = rungs[world->rung].name;
		frame.accuracy = rungs[world->rung].accuracy;
		frame.predicted_us = (float)predicted;
		frame.bound_us = (float)(predicted * 1.15);
		frame.preprocess_us =
			(uint32_t)(1200 + 2000 * rungs[world->rung].accuracy * (0.9 + 0.2 * uniform(world)));
		frame.inference_us = (uint32_t)((double)rungs[world->rung].us * slow * jitter);
		frame.total_us = frame.queue_us + frame.preprocess_us + frame.inference_us + 90;
	}
	record_frame(world->record, &frame, world->now_us);
}

static void move(struct world *world, double seconds, double at_s, double whole_s)
{
	double ambient = at_s / whole_s > 0.75 ? -22 : 0, target = (double)rungs[world->rung].heat + ambient;

	world->temp_c += (target - world->temp_c) * seconds / 240 + 0.05 * normal(world);
	world->cap = world->temp_c > 79 ? 0.72 : world->temp_c > 77.5 ? 0.86 : 1;
	world->pressure = fabs(0.02 + 0.012 * normal(world));
	/* The neighbour. */
	if (at_s > 0.35 * whole_s && at_s < 0.5 * whole_s)
		world->pressure = 0.42 + 0.06 * normal(world);
}

/* What the clock of the device would have shown. */
static void set_clock(const char *dir)
{
	char path[256], sql[400];
	sqlite3 *db = NULL;

	snprintf(path, sizeof(path), "%s/record.db", dir);
	snprintf(
		sql, sizeof(sql),
		"UPDATE slice SET ended = %d + ended_us / 1000000; UPDATE epoch SET began = %d + 3600 * number, ended = "
		"(SELECT max(ended) FROM slice WHERE epoch = epoch.id); UPDATE run SET device = 'made up', machine = 'aarch64'",
		BEGAN, BEGAN);
	if (sqlite3_open(path, &db) != SQLITE_OK || sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		abort();
	sqlite3_close(db);
}

void made_record_write(const char *dir, const char *model, int minutes, uint64_t seed)
{
	struct world world = {.model = model, .noise = seed ? seed : 1, .now_us = SECOND, .temp_c = 45, .cap = 1};
	double whole_s = 60.0 * minutes;

	if (store_create(dir, 64 << 20, &record_schema, &world.store) < 0 ||
	    record_create(world.store, world.now_us, &world.record) < 0)
		abort();
	record_configure(world.record, true, 60 * SECOND, "shipped-1", world.now_us);
	for (int64_t i = 0; i < (int64_t)minutes * 60 * FPS; i++) {
		double at_s = (double)i / FPS;

		world.now_us += SECOND / FPS;
		if (i % (FPS / 2) == 0) {
			move(&world, 0.5, at_s, whole_s);
			sense(&world);
		}
		frame(&world);
		/* Here time runs faster than any disk. */
		if (i % (FPS * 30) == 0)
			store_wait(world.store);
	}
	record_end(world.record, world.now_us);
	store_destroy(world.store);
	record_destroy(world.record);
	set_clock(dir);
}
