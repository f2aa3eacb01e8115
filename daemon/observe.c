/* observe.c - see observe.h. */
#include "observe.h"

#include <stdio.h>
#include <string.h>

#include "log.h"
#include "stream.h"

/* A trace is as long as the rest; what the limit allows is shared. */
static uint64_t half_limit(const struct config *config)
{
	uint64_t limit = (uint64_t)config->record.limit_mb << 20;

	return config->record.trace[0] ? limit / 2 : limit;
}

void observe_open(struct observe *observe, const struct config *config)
{
	int rc = observe->state_dir
			 ? store_create(observe->state_dir, half_limit(config), &record_schema, &observe->store)
			 : 0;

	if (rc < 0)
		log_error("nothing is kept in %s: %s", observe->state_dir, strerror(-rc));
}

static void configure_record(struct observe *observe, const struct config *config, int64_t now_us)
{
	if (config->record.enabled && !observe->state_dir)
		log_warning("record.enabled: without --state-dir there is nowhere to keep a record");
	if (!observe->store)
		return;
	store_set_limit(observe->store, half_limit(config));
	if (!observe->record && config->record.enabled) {
		int rc = record_create(observe->store, now_us, &observe->record);

		if (rc < 0)
			log_error("nothing is recorded: %s", strerror(-rc));
	}
	if (!observe->record)
		return;
	record_configure(observe->record, config->record.enabled, (int64_t)config->record.flush_s * 1000000,
			 observe->params, now_us);
}

/* Where the trace of this configuration goes; "" nowhere. */
static void find_trace(const struct observe *observe, const struct config *config, char ret_path[CONFIG_PATH_BYTES])
{
	const char *trace = config->record.enabled ? config->record.trace : "";
	int n;

	if (strcmp(trace, "on") != 0)
		n = snprintf(ret_path, CONFIG_PATH_BYTES, "%s", trace);
	else if (observe->state_dir)
		n = snprintf(ret_path, CONFIG_PATH_BYTES, "%s/trace.jsonl", observe->state_dir);
	else
		n = -1;
	if (n < 0 || n >= CONFIG_PATH_BYTES)
		ret_path[0] = '\0';
}

static void configure_trace(struct observe *observe, const struct config *config)
{
	struct tracer *tracer = &observe->governor->trace;
	struct trace_file *file = NULL;
	char path[CONFIG_PATH_BYTES];
	int rc;

	find_trace(observe, config, path);
	tracer_restart(tracer);
	if (!strcmp(path, observe->trace_path))
		return;
	tracer_finish(tracer);
	memcpy(observe->trace_path, path, sizeof(observe->trace_path));
	if (!path[0])
		return;
	rc = trace_file_create(path, half_limit(config), &file);
	if (rc < 0)
		log_error("record.trace: %s cannot be written: %s", path, strerror(-rc));
	tracer_init(tracer, file, &observe->governor->params);
}

void observe_configure(struct observe *observe, const struct config *config, int64_t now_us)
{
	snprintf(observe->params, sizeof(observe->params), "%s", observe->governor->params.version);
	configure_record(observe, config, now_us);
	configure_trace(observe, config);
}

void observe_finish(struct observe *observe, int64_t now_us)
{
	tracer_finish(&observe->governor->trace);
	if (observe->record)
		record_end(observe->record, now_us);
	store_destroy(observe->store);
	record_destroy(observe->record);
	observe->record = NULL;
	observe->store = NULL;
}

static struct record_frame describe(const struct observe *observe, const struct job *job, const struct model *model)
{
	struct record_frame frame = {
		.model = model->name,
		.rung = "",
		.lane = "",
		.reason = job->decision.reason,
		.cause = job->decision.cause,
		.status = job->status,
		.deadline_us = job->wait.deadline_us == SCHED_NO_DEADLINE ? 0 : job->wait.deadline_us - job->arrived_us,
		.queue_us = job->queue_us,
		.preprocess_us = job->preprocess_us,
		.inference_us = job->inference_us,
		.total_us = job->total_us,
	};

	if (job->rung >= 0) {
		const struct policy_rung *rung = &model->ladder->rungs[job->rung];

		frame.rung = model->ladder->details[job->rung].name;
		frame.lane = observe->lanes[rung->lane].name;
		frame.accuracy = rung->accuracy;
		frame.predicted_us = job->decision.predicted_us;
		frame.bound_us = job->decision.bound_us;
	}
	return frame;
}

void observe_frame(struct observe *observe, const struct job *job, const struct model *model, int64_t now_us)
{
	struct record_frame frame = describe(observe, job, model);

	live_frame(&observe->live, &frame, now_us);
	if (observe->record)
		record_frame(observe->record, &frame, now_us);
	tracer_ended(&observe->governor->trace, job, model);
}

void observe_rest(struct observe *observe, int64_t now_us)
{
	if (observe->record)
		record_rest(observe->record, now_us);
	tracer_flush(&observe->governor->trace);
}

void observe_sensors(struct observe *observe, const struct sensors *sensors, int n_lanes, int64_t now_us)
{
	struct policy_sample sample = {.now_us = now_us, .n_lanes = n_lanes};

	sensors_fill(sensors, &sample);
	if (observe->record)
		record_sense(observe->record, &sample, now_us);
	tracer_flush(&observe->governor->trace);
}
