/* session.c - see session.h. */
#include "session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TIME_MAX ((int64_t)1 << 52)

int session_find_rung(const struct session *session, const char *name)
{
	for (int i = 0; i < session->n_rungs; i++)
		if (strcmp(session->names[i], name) == 0)
			return i;
	return -1;
}

/* Variants are named or numbered; a name is counted by its first rung. */
static bool read_variant(struct session *session, const struct tool_lines *lines, int node, int index,
			 char variants[][SESSION_NAME_BYTES])
{
	const struct json *json = &lines->json;
	double number;
	int same = 0;

	if (node < 0 || json_is(json, node, JSON_NULL))
		snprintf(variants[index], SESSION_NAME_BYTES, "%s", "");
	else if (json_number(json, node, &number))
		snprintf(variants[index], SESSION_NAME_BYTES, "%.17g", number);
	else if (!json_string(json, node, variants[index], SESSION_NAME_BYTES))
		return tool_lines_fail(lines, "rung %d: \"variant\" is no name of less than %d bytes", index + 1,
				       SESSION_NAME_BYTES);
	while (strcmp(variants[same], variants[index]) != 0)
		same++;
	session->rungs[index].variant = (uint16_t)same;
	return true;
}

/* What the rungs are made of by name, while they are read. */
struct names {
	char variants[POLICY_RUNGS_MAX][SESSION_NAME_BYTES]; /* of each rung */
	char lanes[POLICY_LANES_MAX][SESSION_NAME_BYTES];
	int n_lanes;
};

/* Lanes are numbered or named; names count in the order in which they first come. */
static bool read_lane(const struct session *session, const struct tool_lines *lines, int rung, struct names *names,
		      int64_t *ret_lane)
{
	char name[SESSION_NAME_BYTES];
	int node = json_member(&lines->json, rung, "lane");

	if (!json_is(&lines->json, node, JSON_STRING))
		return tool_read_int64(lines, rung, "lane", 0, session->n_lanes - 1, ret_lane);
	if (!json_string(&lines->json, node, name, sizeof(name)))
		return tool_lines_fail(lines, "a \"lane\" has no name of less than %d bytes", SESSION_NAME_BYTES);
	for (*ret_lane = 0; *ret_lane < names->n_lanes; ++*ret_lane)
		if (!strcmp(names->lanes[*ret_lane], name))
			return true;
	if (names->n_lanes == session->n_lanes)
		return tool_lines_fail(lines, "lane \"%s\" is one more than \"lanes\" says", name);
	memcpy(names->lanes[names->n_lanes++], name, sizeof(name));
	return true;
}

static bool read_rung(struct session *session, const struct tool_lines *lines, int node, int index, struct names *names)
{
	struct policy_rung *rung = &session->rungs[index];
	int64_t width = 0, height = 0, channels = 3, lane = 0, threads = 1, phase = 0;

	*rung = (struct policy_rung){.accuracy = 0.5f};
	if (!json_is(&lines->json, node, JSON_OBJECT))
		return tool_lines_fail(lines, "rung %d is no object", index + 1);
	if (!json_string(&lines->json, json_member(&lines->json, node, "name"), session->names[index],
			 SESSION_NAME_BYTES))
		return tool_lines_fail(lines, "rung %d has no \"name\" of less than %d bytes", index + 1,
				       SESSION_NAME_BYTES);
	if (session_find_rung(session, session->names[index]) >= 0)
		return tool_lines_fail(lines, "two rungs are named \"%s\"", session->names[index]);
	if (!tool_read_int64(lines, node, "width", 0, UINT16_MAX, &width) ||
	    !tool_read_int64(lines, node, "height", 0, UINT16_MAX, &height) ||
	    !tool_read_int64(lines, node, "channels", 1, 4, &channels) ||
	    !read_lane(session, lines, node, names, &lane) ||
	    !tool_read_int64(lines, node, "threads", 0, UINT8_MAX, &threads) ||
	    !tool_read_int64(lines, node, "phase", 0, POLICY_PHASES - 1, &phase) ||
	    !tool_read_float(lines, node, "accuracy", 0, 1, &rung->accuracy) ||
	    !tool_read_float(lines, node, "prior_us", 0, 1e9f, &rung->prior_us) ||
	    !tool_read_float(lines, node, "power_w", 0, 1e6f, &rung->power_w))
		return false;
	if (!(rung->prior_us > 0))
		return tool_lines_fail(lines, "rung \"%s\" has no \"prior_us\" above 0", session->names[index]);
	rung->dominated = json_is_true(&lines->json, json_member(&lines->json, node, "dominated"));
	rung->width = (uint16_t)width;
	rung->height = (uint16_t)height;
	rung->channels = (uint8_t)channels;
	rung->lane = (uint8_t)lane;
	rung->threads = (uint8_t)threads;
	rung->phase = (uint8_t)phase;
	return read_variant(session, lines, json_member(&lines->json, node, "variant"), index, names->variants);
}

bool session_read_rungs(struct session *session, const struct tool_lines *lines)
{
	const struct json *json = &lines->json;
	int list = json_member(json, 0, "rungs"), at = json_first(json, list), n;
	struct names *names;
	int64_t lanes = POLICY_LANES_MAX;
	bool ok = true;

	if (!json_is(json, list, JSON_ARRAY))
		return tool_lines_fail(lines, "the first line has no list \"rungs\"");
	n = json->nodes[list].children;
	if (n < 1 || n > POLICY_RUNGS_MAX)
		return tool_lines_fail(lines, "%d rungs, where 1 to %d are possible", n, POLICY_RUNGS_MAX);
	if (!tool_read_int64(lines, 0, "lanes", 1, POLICY_LANES_MAX, &lanes))
		return false;
	names = calloc(1, sizeof(*names));
	if (!names) {
		tool_error("out of memory");
		return false;
	}
	session->n_lanes = (int)lanes;
	for (int i = 0; i < n && ok; i++, at = json_after(json, at)) {
		ok = read_rung(session, lines, at, i, names);
		session->n_rungs = ok ? i + 1 : session->n_rungs;
	}
	free(names);
	if (!ok)
		return false;
	policy_latency_init(&session->latency, session->rungs, session->n_rungs);
	return true;
}

bool session_read_sample(const struct session *session, const struct tool_lines *lines, int64_t start_us,
			 struct policy_sample *s)
{
	int64_t depth = 0, now = 0, phase = 0;

	*s = (struct policy_sample){.n_lanes = session->n_lanes,
				    .temp_c = NAN,
				    .temp_limit_c = NAN,
				    .cpu_pressure = NAN,
				    .cpu_load = NAN,
				    .battery = NAN,
				    .motion = NAN,
				    .blur = NAN,
				    .memory_pressure = NAN,
				    .cooling = NAN};
	for (int i = 0; i < POLICY_LANES_MAX; i++)
		s->freq_cap[i] = NAN;
	if (json_member(&lines->json, 0, "t_us") < 0)
		return tool_lines_fail(lines, "neither a frame with \"t_us\" nor \"observed\"");
	if (!tool_read_int64(lines, 0, "t_us", -TIME_MAX, TIME_MAX, &now) ||
	    !tool_read_int64(lines, 0, "deadline_us", -TIME_MAX, TIME_MAX, &s->deadline_us) ||
	    !tool_read_int64(lines, 0, "queue_us", -TIME_MAX, TIME_MAX, &s->queued_us) ||
	    !tool_read_int64(lines, 0, "queue_depth", 0, 1000000, &depth) ||
	    !tool_read_int64(lines, 0, "phase", 0, POLICY_PHASES - 1, &phase) ||
	    !tool_read_float(lines, 0, "work", 0, 1000, &s->work) ||
	    !tool_read_float(lines, 0, "temp_c", -1e6f, 1e6f, &s->temp_c) ||
	    !tool_read_float(lines, 0, "temp_limit_c", -1e6f, 1e6f, &s->temp_limit_c) ||
	    !tool_read_float(lines, 0, "cpu_pressure", 0, 1, &s->cpu_pressure) ||
	    !tool_read_float(lines, 0, "cpu_load", 0, 1, &s->cpu_load) ||
	    !tool_read_float(lines, 0, "battery", 0, 1, &s->battery) ||
	    !tool_read_float(lines, 0, "motion", 0, 1, &s->motion) ||
	    !tool_read_float(lines, 0, "blur", 0, 1, &s->blur) ||
	    !tool_read_float(lines, 0, "memory_pressure", 0, 1, &s->memory_pressure) ||
	    !tool_read_float(lines, 0, "cooling", 0, 1, &s->cooling) ||
	    !tool_read_float(lines, 0, "share_us", 0, 1e12f, &s->share_us) ||
	    !tool_read_floats(lines, json_member(&lines->json, 0, "freq_cap"), "freq_cap", 0, 1e6f, s->freq_cap,
			      session->n_lanes) ||
	    !tool_read_floats(lines, json_member(&lines->json, 0, "lane_wait_us"), "lane_wait_us", 0, 1e12f,
			      s->lane_wait_us, session->n_lanes))
		return false;
	s->now_us = now + start_us;
	s->queue_depth = (int)depth;
	s->phase = (int)phase;
	return true;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool session_read_latency(struct session *session, const struct tool_lines *lines, int node)
{
	char text[2 * POLICY_LATENCY_BYTES_MAX + 1];
	uint8_t bytes[POLICY_LATENCY_BYTES_MAX];
	enum policy_load verdict;
	size_t n;

	if (!json_string(&lines->json, node, text, sizeof(text)) || strlen(text) % 2)
		return tool_lines_fail(lines, "\"latency\" is no text of hexadecimal digits");
	n = strlen(text) / 2;
	for (size_t i = 0; i < n; i++) {
		if (digit(text[2 * i]) < 0 || digit(text[2 * i + 1]) < 0)
			return tool_lines_fail(lines, "\"latency\" is no text of hexadecimal digits");
		bytes[i] = (uint8_t)(digit(text[2 * i]) << 4 | digit(text[2 * i + 1]));
	}
	verdict = policy_latency_restore(&session->latency, 0, bytes, n);
	return verdict == POLICY_LOADED || tool_lines_fail(lines, "\"latency\": %s", policy_load_text(verdict));
}
