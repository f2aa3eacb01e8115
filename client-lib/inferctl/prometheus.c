/* prometheus.c - see prometheus.h. */
#include "prometheus.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void heading(const char *name, const char *type, const char *help)
{
	printf("# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: the format escapes these three. */
static void print_label(const char *key, const char *value)
{
	printf("%s=\"", key);
	for (const char *c = value; *c; c++) {
		if (*c == '\n')
			fputs("\\n", stdout);
		else if (*c == '"' || *c == '\\')
			printf("\\%c", *c);
		else
			putchar(*c);
	}
	putchar('"');
}

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *value = json_find(object, key);

	return value && value->text ? value->text : "";
}

static bool is_number(const struct json *value)
{
	return value && value->kind == JSON_NUMBER;
}

/* One line for each row of a list: NAME{label="row's name"[,extra]} value * factor. */
static void print_rows(const struct json *rows, const char *name, const char *label, const char *extra, const char *key,
		       double factor)
{
	for (const struct json *row = rows ? rows->first : NULL; row; row = row->next) {
		const struct json *value = json_find(row, key);

		if (!is_number(value))
			continue;
		printf("%s{", name);
		print_label(label, text_of(row, "name"));
		printf("%s%s} %.15g\n", *extra ? "," : "", extra, strtod(value->text, NULL) * factor);
	}
}

/* NAME value; nothing where the device does not say. */
static void print_gauge(const struct json *object, const char *key, const char *name, const char *help, double factor)
{
	const struct json *value = json_find(object, key);

	if (!is_number(value))
		return;
	heading(name, "gauge", help);
	printf("%s %.15g\n", name, strtod(value->text, NULL) * factor);
}

static void print_frames(const struct json *models)
{
	static const char *const outcomes[] = {"answered", "deadline", "replaced", "cancelled",
					       "skipped",  "closed",   "failed"};

	heading("inferd_frames_total", "counter", "Frames by what became of them.");
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		char extra[40];

		snprintf(extra, sizeof(extra), "outcome=\"%s\"", outcomes[i]);
		print_rows(models, "inferd_frames_total", "model", extra, outcomes[i], 1);
	}
}

static void print_latency(const struct json *models)
{
	heading("inferd_latency_seconds", "summary", "From arrival to answer, since the start.");
	print_rows(models, "inferd_latency_seconds", "model", "quantile=\"0.5\"", "p50_us", 1e-6);
	print_rows(models, "inferd_latency_seconds", "model", "quantile=\"0.9\"", "p90_us", 1e-6);
	print_rows(models, "inferd_latency_seconds", "model", "quantile=\"0.99\"", "p99_us", 1e-6);
	print_rows(models, "inferd_latency_seconds_sum", "model", "", "latency_ms", 1e-3);
	print_rows(models, "inferd_latency_seconds_count", "model", "", "answered", 1);
}

void prometheus_print(const struct json *status, const struct json *stats)
{
	const struct json *models = json_find(stats, "models"), *sensors = json_find(status, "sensors"),
			  *memory = json_find(status, "memory");

	print_frames(models);
	print_latency(models);
	heading("inferd_frames_per_second", "gauge", "Frames answered a second, of late.");
	print_rows(models, "inferd_frames_per_second", "model", "", "fps", 1);
	heading("inferd_busy_seconds_total", "counter", "Time that lanes spent on frames of a model.");
	print_rows(models, "inferd_busy_seconds_total", "model", "", "busy_ms", 1e-3);
	heading("inferd_lane_busy_seconds_total", "counter", "Time that a lane spent on frames.");
	print_rows(json_find(stats, "lanes"), "inferd_lane_busy_seconds_total", "lane", "", "busy_ms", 1e-3);
	print_gauge(status, "clients", "inferd_clients", "Connected clients.", 1);
	print_gauge(status, "streams", "inferd_streams", "Open streams.", 1);
	print_gauge(status, "waiting", "inferd_waiting_frames", "Frames that wait for a lane.", 1);
	print_gauge(status, "models", "inferd_models", "Models served.", 1);
	print_gauge(memory, "networks_mb", "inferd_networks_bytes", "Networks in memory.", 1 << 20);
	print_gauge(memory, "tensors_mb", "inferd_tensors_bytes", "What lanes compute in.", 1 << 20);
	print_gauge(memory, "pools_mb", "inferd_pools_bytes", "Frames of all clients.", 1 << 20);
	print_gauge(memory, "galleries_mb", "inferd_galleries_bytes", "Vectors and names of galleries.", 1 << 20);
	print_gauge(memory, "budget_mb", "inferd_memory_budget_bytes", "For networks, tensors and pools.", 1 << 20);
	print_gauge(memory, "process_mb", "inferd_resident_bytes", "Resident memory of the process.", 1 << 20);
	print_gauge(status, "uptime_s", "inferd_uptime_seconds", "Since the daemon started.", 1);
	print_gauge(sensors, "temp_c", "inferd_temperature_celsius", "The hottest zone that counts.", 1);
	print_gauge(sensors, "cpu_pressure", "inferd_cpu_pressure_ratio",
		    "Share of time in which tasks waited for a CPU.", 1);
}
