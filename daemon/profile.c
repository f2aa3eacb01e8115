/* profile.c - see profile.h. */
#include "profile.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"

#define FIRST_LINE "inferd-profile 1"
/* A rung's numbers, each of them at most this long. */
#define LINE_BYTES (11 * 24 + IPC_NAME_MAX + 8)

__attribute__((format(printf, 3, 4))) static int fail(struct config_error *error, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

/* ---- reading -------------------------------------------------------------------------------------- */

/* Moves the cursor behind a number within low..high and the space after it.  False when there is none. */
static bool take_number(const char **cursor, double low, double high, double *ret_number)
{
	char *end;
	double number;

	/* strtod() would skip spaces and take words. */
	if (!strchr("0123456789", **cursor) || !**cursor)
		return false;
	number = strtod(*cursor, &end);
	if (*end != ' ' || !(number >= low && number <= high))
		return false;
	*cursor = end + 1;
	*ret_number = number;
	return true;
}

static bool take_times(const char **cursor, struct profile_times *ret_times)
{
	double p50, p90, p99;

	if (!take_number(cursor, 1, (double)PROFILE_US_MAX, &p50) ||
	    !take_number(cursor, p50, (double)PROFILE_US_MAX, &p90) ||
	    !take_number(cursor, p90, (double)PROFILE_US_MAX, &p99))
		return false;
	*ret_times = (struct profile_times){(float)p50, (float)p90, (float)p99};
	return true;
}

static bool take_accuracy(const char **cursor, float *ret_accuracy)
{
	double accuracy = NAN;

	if (!strncmp(*cursor, "- ", 2))
		*cursor += 2;
	else if (!take_number(cursor, 0, 1, &accuracy))
		return false;
	*ret_accuracy = (float)accuracy;
	return true;
}

static bool take_rung(const char *cursor, struct profile_rung *ret_rung)
{
	struct profile_rung rung = {.name = ""};
	double photographs;

	if (!take_times(&cursor, &rung.cold) || !take_times(&cursor, &rung.paced) || !take_times(&cursor, &rung.busy) ||
	    !take_accuracy(&cursor, &rung.accuracy) || !take_number(&cursor, 0, PROFILE_PHOTOS_MAX, &photographs))
		return false;
	if (!*cursor || strlen(cursor) > IPC_NAME_MAX)
		return false;
	rung.photographs = (uint32_t)photographs;
	memcpy(rung.name, cursor, strlen(cursor) + 1);
	*ret_rung = rung;
	return true;
}

static bool take_identity(const char *line, uint64_t *ret_identity)
{
	static const char key[] = "identity ";
	const char *digits = line + sizeof(key) - 1;

	if (strncmp(line, key, sizeof(key) - 1) != 0 || strlen(digits) != 16 ||
	    strspn(digits, "0123456789abcdef") != 16)
		return false;
	*ret_identity = strtoull(digits, NULL, 16);
	return true;
}

static bool take_line(struct profile *profile, int number, const char *line)
{
	static const char key[] = "rung ";

	if (number == 1)
		return !strcmp(line, FIRST_LINE);
	if (number == 2)
		return take_identity(line, &profile->identity);
	return !strncmp(line, key, sizeof(key) - 1) && profile->n_rungs < POLICY_RUNGS_MAX &&
	       take_rung(line + sizeof(key) - 1, &profile->rungs[profile->n_rungs++]);
}

int profile_parse(const char *text, size_t length, struct config_error *ret_error, struct profile *ret_profile)
{
	const char *end = text + length;
	int number = 0;

	memset(ret_profile, 0, sizeof(*ret_profile));
	if (length > PROFILE_BYTES_MAX)
		return fail(ret_error, -EINVAL, "the profile is longer than %d bytes", PROFILE_BYTES_MAX);
	for (const char *start = text, *newline; start < end; start = newline + 1) {
		char line[LINE_BYTES];

		number++;
		newline = memchr(start, '\n', (size_t)(end - start));
		if (!newline || newline - start >= LINE_BYTES || memchr(start, '\0', (size_t)(newline - start)))
			return fail(ret_error, -EINVAL, "line %d of the profile does not end in time", number);
		memcpy(line, start, (size_t)(newline - start));
		line[newline - start] = '\0';
		if (!take_line(ret_profile, number, line))
			return fail(ret_error, -EINVAL, "line %d of the profile is not what it should be: %.80s",
				    number, line);
	}
	if (!ret_profile->n_rungs)
		return fail(ret_error, -EINVAL, "the profile has no rungs");
	ret_profile->digest = identity_add(IDENTITY_START, text, length);
	return 0;
}

/* ---- using ---------------------------------------------------------------------------------------- */

static const struct profile_rung *find(const struct profile *profile, const char *name)
{
	for (int i = 0; i < profile->n_rungs; i++)
		if (!strcmp(profile->rungs[i].name, name))
			return &profile->rungs[i];
	return NULL;
}

static int check(const struct profile *profile, uint64_t identity, const struct ladder *ladder,
		 struct config_error *error)
{
	if (ladder_is_pipeline(ladder))
		return fail(error, -EINVAL, "a pipeline has no profile: what it costs depends on what is found");
	if (profile->identity != identity)
		return fail(error, -ESTALE, "it was measured on another device or of other networks");
	if (profile->n_rungs != ladder->n_rungs)
		return fail(error, -EINVAL, "it is of %d rungs, and there are %d", profile->n_rungs, ladder->n_rungs);
	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct profile_rung *rung = find(profile, ladder->details[i].name);

		if (!rung)
			return fail(error, -EINVAL, "it lacks the rung %s", ladder->details[i].name);
		/* Estimates beside measurements would be compared with what they cannot be compared with. */
		if (isnan(rung->accuracy) != isnan(profile->rungs[0].accuracy))
			return fail(error, -EINVAL, "it has the accuracy of some rungs, but not of all");
	}
	return 0;
}

int profile_apply(const struct profile *profile, uint64_t identity, struct ladder *ladder,
		  struct config_error *ret_error)
{
	int rc = check(profile, identity, ladder, ret_error);

	if (rc < 0)
		return rc;
	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct profile_rung *rung = find(profile, ladder->details[i].name);

		ladder->details[i].known_us = rung->paced.p50_us;
		ladder->rungs[i].accuracy = isnan(rung->accuracy) ? ladder->details[i].estimated : rung->accuracy;
		if (ladder->settled)
			ladder->rungs[i].prior_us = rung->paced.p50_us;
	}
	ladder->profile = profile->digest;
	policy_latency_init(&ladder->latency, ladder->rungs, ladder->n_rungs);
	ladder->saved_runs = 0;
	if (ladder->settled)
		ladder_rank(ladder);
	return 0;
}
