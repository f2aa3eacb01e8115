/* report.c - see report.h. */
#include "report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

static void put_text(struct ipc_writer *writer, const char *key, const char *value)
{
	ipc_put_text(writer, key);
	ipc_put_text(writer, value);
}

static void put_uint(struct ipc_writer *writer, const char *key, uint64_t value)
{
	ipc_put_text(writer, key);
	ipc_put_uint(writer, value);
}

/* To four decimals: what lies behind is noise to a reader. */
static double rounded(double value)
{
	return round(value * 1e4) / 1e4;
}

static void put_float(struct ipc_writer *writer, const char *key, double value)
{
	ipc_put_text(writer, key);
	ipc_put_float(writer, rounded(value));
}

static void put_bool(struct ipc_writer *writer, const char *key, bool value)
{
	ipc_put_text(writer, key);
	ipc_put_bool(writer, value);
}

/* ---- status --------------------------------------------------------------------------------------- */

/* "0-3,6" */
static void cpus_text(const struct topology_lane *lane, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (int i = 0; i < lane->n_cpus && used < size; i++) {
		int first = lane->cpus[i];

		while (i + 1 < lane->n_cpus && lane->cpus[i + 1] == lane->cpus[i] + 1)
			i++;
		used += (size_t)snprintf(text + used, size - used, used ? ",%d" : "%d", first);
		if (lane->cpus[i] != first && used < size)
			used += (size_t)snprintf(text + used, size - used, "-%d", lane->cpus[i]);
	}
}

static void put_lanes(const struct daemon *daemon, struct ipc_writer *writer)
{
	ipc_put_text(writer, "lanes");
	ipc_put_array(writer, (uint32_t)daemon->n_lanes);
	for (int i = 0; i < daemon->n_lanes; i++) {
		char cpus[128];

		cpus_text(&daemon->lanes[i], cpus, sizeof(cpus));
		ipc_put_map(writer, 4);
		put_text(writer, "name", daemon->lanes[i].name);
		put_text(writer, "cpus", cpus);
		put_uint(writer, "threads", (uint64_t)daemon->lanes[i].threads);
		put_bool(writer, "busy", !worker_idle(daemon->dispatch.lanes[i].worker));
	}
}

static void put_sensors(const struct daemon *daemon, struct ipc_writer *writer)
{
	struct policy_sample sample = {0};

	sensors_fill(daemon->sensors, &sample);
	ipc_put_text(writer, "sensors");
	ipc_put_map(writer, 8);
	put_float(writer, "temp_c", (double)sample.temp_c);
	put_float(writer, "temp_limit_c", (double)sample.temp_limit_c);
	put_float(writer, "cpu_pressure", (double)sample.cpu_pressure);
	put_float(writer, "cooling", (double)sample.cooling);
	put_float(writer, "memory_pressure", (double)sample.memory_pressure);
	put_float(writer, "cpu_load", (double)sample.cpu_load);
	put_float(writer, "battery", (double)sample.battery);
	ipc_put_text(writer, "freq_cap");
	ipc_put_array(writer, (uint32_t)daemon->n_lanes);
	for (int i = 0; i < daemon->n_lanes; i++)
		ipc_put_float(writer, rounded((double)sample.freq_cap[i]));
}

static double megabytes(size_t bytes)
{
	return (double)bytes / (1 << 20);
}

/* Of this process, as the kernel counts it; 0 where it does not say. */
static double resident_mb(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = 0;

	if (file && fscanf(file, "%*d %ld", &pages) != 1)
		pages = 0;
	if (file)
		fclose(file);
	return megabytes((size_t)pages * (size_t)sysconf(_SC_PAGESIZE));
}

static void put_memory(const struct daemon *daemon, struct ipc_writer *writer)
{
	const struct residency *residency = &daemon->residency;

	ipc_put_text(writer, "memory");
	ipc_put_map(writer, 9);
	put_float(writer, "budget_mb", megabytes(residency->budget));
	put_float(writer, "used_mb", megabytes(residency_used(residency)));
	put_float(writer, "networks_mb", megabytes(networks_bytes()));
	put_float(writer, "tensors_mb", megabytes(residency->arena_bytes * (size_t)daemon->n_lanes));
	put_float(writer, "pools_mb", megabytes(*residency->pool_bytes));
	put_float(writer, "galleries_mb", megabytes(galleries_bytes(residency->galleries)));
	put_float(writer, "process_mb", resident_mb());
	put_uint(writer, "loads_on_demand", residency->n_loads);
	put_uint(writer, "unloads", residency->n_unloads);
}

static void put_record(const struct daemon *daemon, struct ipc_writer *writer)
{
	const struct observe *observe = &daemon->observe;
	struct record_info record = {false, 0, 0, 0};
	struct store_info store = {.path = ""};

	if (observe->record) {
		record = record_describe(observe->record);
		store = store_describe(observe->store);
	}
	ipc_put_text(writer, "record");
	ipc_put_map(writer, 8);
	put_bool(writer, "enabled", record.enabled);
	put_text(writer, "file", store.path);
	put_bool(writer, "open", store.open);
	put_float(writer, "mb", megabytes(store.bytes));
	put_uint(writer, "frames", record.frames);
	put_uint(writer, "lost", record.lost);
	put_text(writer, "trace", observe->trace_path);
	put_uint(writer, "trace_lost", tracer_lost(&observe->governor->trace));
}

void report_status(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer)
{
	(void)asker;
	ipc_put_map(writer, 15);
	put_text(writer, "version", INFERD_VERSION);
	put_uint(writer, "pid", (uint64_t)getpid());
	put_uint(writer, "uptime_s", (uint64_t)((clock_us() - daemon->started_us) / 1000000));
	put_text(writer, "socket", daemon->options.socket_path ? daemon->options.socket_path : daemon->config->socket);
	put_text(writer, "config", daemon->options.config_path);
	put_text(writer, "cpu_level", engine_cpu_level());
	put_lanes(daemon, writer);
	put_sensors(daemon, writer);
	put_uint(writer, "models", (uint64_t)daemon->models->n);
	put_memory(daemon, writer);
	put_uint(writer, "clients", (uint64_t)daemon->host.n_sessions);
	put_uint(writer, "streams", (uint64_t)daemon->host.n_streams);
	put_uint(writer, "waiting", (uint64_t)daemon->dispatch.sched.waiting);
	put_bool(writer, "loading", daemon->loader.busy);
	put_record(daemon, writer);
}

/* ---- models --------------------------------------------------------------------------------------- */

static void put_rungs(const struct daemon *daemon, const struct ladder *ladder, struct ipc_writer *writer)
{
	ipc_put_text(writer, "rungs");
	ipc_put_array(writer, (uint32_t)ladder->n_rungs);
	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct policy_rung *rung = &ladder->rungs[i];

		ipc_put_map(writer, 13);
		put_text(writer, "name", ladder->details[i].name);
		put_text(writer, "variant", ladder->variants[rung->variant].name);
		put_uint(writer, "width", rung->width);
		put_uint(writer, "height", rung->height);
		put_uint(writer, "channels", rung->channels);
		put_text(writer, "lane", daemon->lanes[rung->lane].name);
		put_uint(writer, "threads", rung->threads);
		put_float(writer, "accuracy", (double)rung->accuracy);
		put_float(writer, "estimated", (double)ladder->details[i].estimated);
		put_uint(writer, "prior_us", (uint64_t)lrintf(rung->prior_us));
		/* Rounded up: 0 is for a rung of which nothing is known. */
		put_uint(writer, "learned_us",
			 (uint64_t)ceilf(policy_latency_typical_us(&ladder->latency, ladder->rungs, i)));
		put_bool(writer, "dominated", rung->dominated);
		put_bool(writer, "own_size", ladder->details[i].own_size);
	}
}

void report_models(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer)
{
	(void)asker;
	ipc_put_map(writer, 1);
	ipc_put_text(writer, "models");
	ipc_put_array(writer, (uint32_t)daemon->models->n);
	for (int i = 0; i < daemon->models->n; i++) {
		const struct model *model = daemon->models->model[i];
		const struct ladder *ladder = model->ladder;

		char identity[17];

		snprintf(identity, sizeof(identity), "%016llx",
			 (unsigned long long)learned_identity(&daemon->learned, ladder));
		ipc_put_map(writer, 12);
		put_text(writer, "name", model->name);
		put_text(writer, "identity", identity);
		put_text(writer, "costs", ladder->profile ? "profile" : "warm-up");
		put_uint(writer, "runs", ladder->latency.n_runs);
		put_text(writer, "task", ladder_is_pipeline(ladder) ? "pipeline" : ladder_task_name(ladder->task));
		put_text(writer, "state", ladder->resident ? "ready" : "unloaded");
		put_uint(writer, "top_k", (uint64_t)model->top_k);
		put_uint(writer, "deadline_ms", (uint64_t)model->deadline_ms);
		put_uint(writer, "labels", (uint64_t)model->n_labels);
		put_float(writer, "weights_mb", (double)ladder->bytes / (1 << 20));
		ipc_put_text(writer, "variants");
		ipc_put_array(writer, (uint32_t)ladder->n_variants);
		for (int j = 0; j < ladder->n_variants; j++)
			ipc_put_text(writer, ladder->variants[j].name);
		put_rungs(daemon, ladder, writer);
	}
}

/* ---- stats ---------------------------------------------------------------------------------------- */

#define COUNT_FIELDS (STATS_STATUSES + 6)
/* So that a report of everything fits a message; what is left out is counted. */
#define STREAMS_MAX 250

static void put_counts(const struct stats *stats, int64_t now_us, struct ipc_writer *writer)
{
	for (int status = 0; status < STATS_STATUSES; status++)
		put_uint(writer, stats_status_name((enum ipc_status)status), stats->by_status[status]);
	put_float(writer, "fps", stats_rate(stats, now_us));
	put_uint(writer, "p50_us", stats_quantile(stats, 0.5));
	put_uint(writer, "p90_us", stats_quantile(stats, 0.9));
	put_uint(writer, "p99_us", stats_quantile(stats, 0.99));
	put_uint(writer, "latency_ms", stats->latency_us / 1000);
	put_uint(writer, "busy_ms", stats->busy_us / 1000);
}

/* Everybody sees itself; an owner sees all. */
static bool is_shown(const struct session *session, const struct session *asker)
{
	return session == asker || peer_is_owner(session_describe(asker).peer);
}

static void put_clients(const struct daemon *daemon, const struct session *asker, int64_t now_us,
			struct ipc_writer *writer)
{
	uint32_t n = 0;

	for (const struct session *session = session_first(&daemon->host); session; session = session_next(session))
		n += is_shown(session, asker);
	ipc_put_text(writer, "clients");
	ipc_put_array(writer, n);
	for (const struct session *session = session_first(&daemon->host); session; session = session_next(session)) {
		struct session_info info = session_describe(session);

		if (!is_shown(session, asker))
			continue;
		ipc_put_map(writer, 6 + COUNT_FIELDS);
		put_uint(writer, "id", info.id);
		put_text(writer, "name", info.client);
		put_uint(writer, "pid", (uint64_t)info.peer->pid);
		put_uint(writer, "uid", (uint64_t)info.peer->uid);
		put_uint(writer, "streams", (uint64_t)info.n_streams);
		put_float(writer, "pool_mb", (double)info.pool_bytes / (1 << 20));
		put_counts(info.stats, now_us, writer);
	}
}

static void put_stream(const struct stream *stream, const struct session_info *client, int64_t now_us,
		       struct ipc_writer *writer)
{
	static const char *const classes[] = {"low", "normal", "high"};

	ipc_put_map(writer, 8 + COUNT_FIELDS);
	put_uint(writer, "client", client->id);
	put_uint(writer, "id", stream->id);
	put_text(writer, "model", stream->asked.model);
	put_text(writer, "mode", stream->asked.mode == IPC_LATEST ? "latest" : "every");
	put_text(writer, "priority", classes[stream->queue.class]);
	put_float(writer, "share", (double)stream->queue.weight);
	put_float(writer, "pool_mb", (double)stream->pool.bytes / (1 << 20));
	put_uint(writer, "waiting", (uint64_t)stream->queue.length);
	put_counts(&stream->stats, now_us, writer);
}

static void put_streams(const struct daemon *daemon, const struct session *asker, int64_t now_us,
			struct ipc_writer *writer)
{
	uint32_t all = 0, n;

	for (const struct session *session = session_first(&daemon->host); session; session = session_next(session))
		all += is_shown(session, asker) ? (uint32_t)session_describe(session).n_streams : 0;
	n = all < STREAMS_MAX ? all : STREAMS_MAX;
	put_uint(writer, "streams_left_out", all - n);
	ipc_put_text(writer, "streams");
	ipc_put_array(writer, n);
	for (const struct session *session = session_first(&daemon->host); session; session = session_next(session)) {
		struct session_info info = session_describe(session);

		if (!is_shown(session, asker))
			continue;
		for (const struct stream *stream = info.streams; stream && n > 0; stream = stream->next, n--)
			put_stream(stream, &info, now_us, writer);
	}
}

void report_stats(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer)
{
	int64_t now = clock_us();

	ipc_put_map(writer, 5);
	ipc_put_text(writer, "models");
	ipc_put_array(writer, (uint32_t)daemon->models->n);
	for (int i = 0; i < daemon->models->n; i++) {
		ipc_put_map(writer, 1 + COUNT_FIELDS);
		put_text(writer, "name", daemon->models->model[i]->name);
		put_counts(&daemon->models->model[i]->stats, now, writer);
	}
	ipc_put_text(writer, "lanes");
	ipc_put_array(writer, (uint32_t)daemon->n_lanes);
	for (int i = 0; i < daemon->n_lanes; i++) {
		ipc_put_map(writer, 1 + COUNT_FIELDS);
		put_text(writer, "name", daemon->lanes[i].name);
		put_counts(&daemon->dispatch.lanes[i].stats, now, writer);
	}
	put_clients(daemon, asker, now, writer);
	put_streams(daemon, asker, now, writer);
}

/* ---- top ------------------------------------------------------------------------------------------ */

#define ENTRY_FIELDS 8

/* What both windows say of a model or a rung. */
static void put_entry(const struct live_entry *entry, int64_t now_us, struct ipc_writer *writer)
{
	struct live_window sum;
	double seconds;
	uint64_t answered = 0, frames = 0, missed = 0;

	seconds = live_sum(entry, now_us, &sum);
	for (int i = 0; i < RECORD_OUTCOMES; i++) {
		frames += sum.outcomes[i];
		answered += i <= RECORD_LATE_INFEASIBLE ? sum.outcomes[i] : 0;
		missed += record_is_miss((enum record_outcome)i) ? sum.outcomes[i] : 0;
	}
	put_uint(writer, "frames", frames);
	put_float(writer, "fps", (double)answered / seconds);
	put_uint(writer, "on_time", sum.outcomes[RECORD_ON_TIME]);
	put_uint(writer, "missed", missed);
	put_uint(writer, "skipped", sum.outcomes[RECORD_SKIPPED]);
	put_uint(writer, "p50_us", sketch_quantile(&sum.total, 0.5));
	put_uint(writer, "p95_us", sketch_quantile(&sum.total, 0.95));
	put_uint(writer, "p99_us", sketch_quantile(&sum.total, 0.99));
}

static void put_live_rungs(const struct live *live, const char *model, int64_t now_us, struct ipc_writer *writer)
{
	uint32_t n = 0;

	for (int i = 0; i < LIVE_RUNGS_MAX; i++)
		n += live_is_used(&live->rungs[i], now_us) && !strcmp(live->rungs[i].model, model);
	ipc_put_text(writer, "rungs");
	ipc_put_array(writer, n);
	for (int i = 0; i < LIVE_RUNGS_MAX; i++) {
		const struct live_entry *entry = &live->rungs[i];

		if (!live_is_used(entry, now_us) || strcmp(entry->model, model) != 0)
			continue;
		ipc_put_map(writer, 2 + ENTRY_FIELDS);
		put_text(writer, "name", entry->rung);
		put_text(writer, "lane", entry->lane);
		put_entry(entry, now_us, writer);
	}
}

static void put_live_models(const struct live *live, int64_t now_us, struct ipc_writer *writer)
{
	uint32_t n = 0;

	for (int i = 0; i < LIVE_MODELS_MAX; i++)
		n += live_is_used(&live->models[i], now_us);
	ipc_put_text(writer, "models");
	ipc_put_array(writer, n);
	for (int i = 0; i < LIVE_MODELS_MAX; i++) {
		if (!live_is_used(&live->models[i], now_us))
			continue;
		ipc_put_map(writer, 4 + ENTRY_FIELDS);
		put_text(writer, "name", live->models[i].model);
		put_text(writer, "rung", live->last[i].rung);
		put_text(writer, "reason", live->last[i].reason);
		put_entry(&live->models[i], now_us, writer);
		put_live_rungs(live, live->models[i].model, now_us, writer);
	}
}

/* The latest first. */
static void put_changes(const struct live *live, int64_t now_us, struct ipc_writer *writer)
{
	uint32_t n = 0;

	while (n < LIVE_CHANGES_MAX &&
	       live->changes[(live->next_change + LIVE_CHANGES_MAX - 1 - (int)n) % LIVE_CHANGES_MAX].at_us)
		n++;
	ipc_put_text(writer, "changes");
	ipc_put_array(writer, n);
	for (int i = 0; i < (int)n; i++) {
		const struct live_change *change =
			&live->changes[(live->next_change + LIVE_CHANGES_MAX - 1 - i) % LIVE_CHANGES_MAX];

		ipc_put_map(writer, 4);
		put_float(writer, "ago_s", (double)(now_us - change->at_us) / 1e6);
		put_text(writer, "model", change->model);
		put_text(writer, "rung", change->rung);
		put_text(writer, "reason", change->reason);
	}
}

static void put_live_lanes(const struct daemon *daemon, int64_t now_us, struct ipc_writer *writer)
{
	struct policy_sample sample = {0};

	sensors_fill(daemon->sensors, &sample);
	ipc_put_text(writer, "lanes");
	ipc_put_array(writer, (uint32_t)daemon->n_lanes);
	for (int i = 0; i < daemon->n_lanes; i++) {
		const struct stats *stats = &daemon->dispatch.lanes[i].stats;

		ipc_put_map(writer, 5);
		put_text(writer, "name", daemon->lanes[i].name);
		put_bool(writer, "busy", !worker_idle(daemon->dispatch.lanes[i].worker));
		put_float(writer, "fps", stats_rate(stats, now_us));
		put_uint(writer, "busy_ms", stats->busy_us / 1000);
		put_float(writer, "freq_cap", (double)sample.freq_cap[i]);
	}
}

void report_top(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer)
{
	int64_t now = clock_us();

	(void)asker;
	ipc_put_map(writer, 8);
	put_float(writer, "uptime_s", (double)(now - daemon->started_us) / 1e6);
	put_uint(writer, "clients", (uint64_t)daemon->host.n_sessions);
	put_uint(writer, "streams", (uint64_t)daemon->host.n_streams);
	put_uint(writer, "waiting", (uint64_t)daemon->dispatch.sched.waiting);
	put_sensors(daemon, writer);
	put_live_lanes(daemon, now, writer);
	put_live_models(&daemon->observe.live, now, writer);
	put_changes(&daemon->observe.live, now, writer);
}
