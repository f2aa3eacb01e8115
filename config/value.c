/*
 * value.c - what a number, a name, a path, a set of cores looks like.
 *
 * Stricter than YAML, which would read 010 as 8, 1_000 as 1000, "no" as false and .inf as a number.  Numbers are read
 * with strtod() and strtoll(), which the service never gives another locale.
 */
#include "value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The kernel numbers cores from 0; no board has as many, and cpu_set_t ends here. */
#define CPU_MAX 1023

int value_fail(struct cause *cause, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cause->text, sizeof(cause->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}

struct shown value_shown(const char *text, size_t length)
{
	struct shown shown;
	size_t keep = length, n = 0;

	if (keep > sizeof(shown.text) - 8) {
		keep = sizeof(shown.text) - 8;
		while (keep && ((unsigned char)text[keep] & 0xc0) == 0x80) /* not within a character */
			keep--;
	}
	shown.text[n++] = '\'';
	for (size_t i = 0; i < keep; i++)
		shown.text[n++] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	snprintf(shown.text + n, sizeof(shown.text) - n, "%s'", keep < length ? "..." : "");
	return shown;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *skip_digits(const char *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

static int fail_range(const struct value *value, const struct value_range *range, struct cause *cause)
{
	struct shown shown = value_shown(value->text, value->length);
	int width = (int)strlen(shown.text) - 2; /* a number needs no quotes */

	if (range->above)
		return value_fail(cause, "%.*s is not above %.9g and at most %.9g", width, shown.text + 1, range->lo,
				  range->hi);
	return value_fail(cause, "%.*s is not within %.9g..%.9g", width, shown.text + 1, range->lo, range->hi);
}

static bool in_range(double number, const struct value_range *range)
{
	return number <= range->hi && (range->above ? number > range->lo : number >= range->lo);
}

/* -?(0|[1-9][0-9]*) */
static bool looks_whole(const struct value *value)
{
	const char *first = value->text + (*value->text == '-');

	if (value->quoted || !is_digit(*first) || (*first == '0' && is_digit(first[1])))
		return false;
	return skip_digits(first) == value->text + value->length;
}

int value_int(const struct value *value, const struct value_range *range, struct cause *cause, int *ret_number)
{
	long long number;

	if (!looks_whole(value))
		return value_fail(cause, "%s is not a whole number", value_shown(value->text, value->length).text);
	/* Too many digits end at the limits of long long, which no range includes. */
	number = strtoll(value->text, NULL, 10);
	if (!in_range((double)number, range))
		return fail_range(value, range, cause);
	*ret_number = (int)number;
	return 0;
}

/* [+-]?[0-9]+(.[0-9]*)?([eE][+-]?[0-9]+)? or without digits before the point */
static bool looks_real(const struct value *value)
{
	const char *p = value->text, *digits;
	long n_digits;

	p += *p == '-' || *p == '+';
	digits = p;
	p = skip_digits(p);
	n_digits = p - digits;
	if (*p == '.') {
		digits = ++p;
		p = skip_digits(p);
		n_digits += p - digits;
	}
	if (value->quoted || !n_digits)
		return false;
	if (*p == 'e' || *p == 'E') {
		p++;
		p += *p == '-' || *p == '+';
		digits = p;
		p = skip_digits(p);
		if (p == digits)
			return false;
	}
	return p == value->text + value->length;
}

int value_float(const struct value *value, const struct value_range *range, struct cause *cause, float *ret_number)
{
	double number;

	if (!looks_real(value))
		return value_fail(cause, "%s is not a number", value_shown(value->text, value->length).text);
	number = strtod(value->text, NULL);
	/* As a float, what was above a limit may be on it. */
	if (!in_range(number, range) || !in_range((double)(float)number, range))
		return fail_range(value, range, cause);
	*ret_number = (float)number;
	return 0;
}

int value_bool(const struct value *value, struct cause *cause, bool *ret_bool)
{
	bool yes = !strcmp(value->text, "true");

	if (value->quoted || (!yes && strcmp(value->text, "false") != 0))
		return value_fail(cause, "%s is not true or false", value_shown(value->text, value->length).text);
	*ret_bool = yes;
	return 0;
}

int value_word(const struct value *value, const char *const *words, struct cause *cause, int *ret_index)
{
	char list[160] = "";
	size_t n = 0;

	for (int i = 0; words[i]; i++) {
		if (!strcmp(value->text, words[i])) {
			*ret_index = i;
			return 0;
		}
		if (n < sizeof(list))
			n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s",
					      !i	     ? ""
					      : words[i + 1] ? ", "
							     : " or ",
					      words[i]);
	}
	return value_fail(cause, "%s is not %s", value_shown(value->text, value->length).text, list);
}

int value_mode(const struct value *value, struct cause *cause, mode_t *ret_mode)
{
	const char *p = value->text;
	mode_t mode = 0;
	int n = 0;

	if (*p == '0')
		p += p[1] == 'o' ? 2 : 1;
	for (; *p >= '0' && *p <= '7' && n < 3; p++, n++)
		mode = mode << 3 | (mode_t)(*p - '0');
	if (n < 3 || p != value->text + value->length)
		return value_fail(cause, "%s is not an octal file mode such as 0660",
				  value_shown(value->text, value->length).text);
	*ret_mode = mode;
	return 0;
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '.' || c == '_' || c == '-';
}

int value_name(const struct value *value, struct cause *cause, char ret_name[CONFIG_NAME_BYTES])
{
	bool good = value->length > 0;

	for (size_t i = 0; i < value->length; i++)
		good &= is_name_char(value->text[i]);
	if (!good)
		return value_fail(cause, "%s is not a name of letters, digits, '.', '_' and '-'",
				  value_shown(value->text, value->length).text);
	if (value->length >= CONFIG_NAME_BYTES)
		return value_fail(cause, "%s has over %d bytes", value_shown(value->text, value->length).text,
				  CONFIG_NAME_BYTES - 1);
	memset(ret_name, 0, CONFIG_NAME_BYTES);
	memcpy(ret_name, value->text, value->length);
	return 0;
}

int value_path(const struct value *value, const char *dir, struct cause *cause, char ret_path[CONFIG_PATH_BYTES])
{
	bool relative = value->text[0] != '/';
	const char *slash = dir[strlen(dir) - 1] == '/' ? "" : "/";

	if (!value->length)
		return value_fail(cause, "an empty path");
	for (size_t i = 0; i < value->length; i++)
		if ((unsigned char)value->text[i] < 0x20 || value->text[i] == 0x7f)
			return value_fail(cause, "%s holds a control character",
					  value_shown(value->text, value->length).text);
	if ((relative ? strlen(dir) + strlen(slash) : 0) + value->length >= CONFIG_PATH_BYTES)
		return value_fail(cause, "the path has over %d bytes", CONFIG_PATH_BYTES - 1);
	memset(ret_path, 0, CONFIG_PATH_BYTES);
	snprintf(ret_path, CONFIG_PATH_BYTES, "%s%s%s", relative ? dir : "", relative ? slash : "", value->text);
	return 0;
}

/* Reads one number of a set of cores; NULL when there is none or it is too large. */
static const char *read_cpu(const char *p, int *ret_cpu)
{
	int cpu = 0;

	if (!is_digit(*p))
		return NULL;
	for (; is_digit(*p); p++) {
		cpu = cpu * 10 + (*p - '0');
		if (cpu > CPU_MAX)
			return NULL;
	}
	*ret_cpu = cpu;
	return p;
}

static int add_cpu(int cpu, struct cause *cause, int cpus[CONFIG_CPUS_MAX], int *n_cpus)
{
	for (int i = 0; i < *n_cpus; i++)
		if (cpus[i] == cpu)
			return value_fail(cause, "core %d is given twice", cpu);
	if (*n_cpus == CONFIG_CPUS_MAX)
		return value_fail(cause, "more than %d cores", CONFIG_CPUS_MAX);
	cpus[(*n_cpus)++] = cpu;
	return 0;
}

int value_cpus(const struct value *value, struct cause *cause, int cpus[CONFIG_CPUS_MAX], int *n_cpus)
{
	const char *p = value->text;
	int first, last, rc;

	for (;;) {
		p = read_cpu(p, &first);
		last = first;
		if (p && *p == '-')
			p = read_cpu(p + 1, &last);
		if (!p || last < first || (*p && *p != ','))
			return value_fail(cause, "%s is not a set of cores such as 4-7 or 0,2-3 (the highest is %d)",
					  value_shown(value->text, value->length).text, CPU_MAX);
		for (int cpu = first; cpu <= last; cpu++) {
			rc = add_cpu(cpu, cause, cpus, n_cpus);
			if (rc < 0)
				return rc;
		}
		if (!*p)
			return 0;
		p++;
	}
}

/* How many letters must be changed, added, left out or swapped with a neighbour. */
static int distance(const char *a, const char *b)
{
	enum { LONGEST = 40 };
	int rows[3][LONGEST + 1];
	int n_a = (int)strlen(a), n_b = (int)strlen(b);

	if (n_a > LONGEST || n_b > LONGEST)
		return LONGEST;
	for (int j = 0; j <= n_b; j++)
		rows[0][j] = j;
	for (int i = 1; i <= n_a; i++) {
		int *row = rows[i % 3];
		const int *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];

		row[0] = i;
		for (int j = 1; j <= n_b; j++) {
			int best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = above[j] + 1 < best ? above[j] + 1 : best;
			best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best)
				best = above2[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[n_a % 3][n_b];
}

const char *value_nearest(const char *typed, const char *candidate, const char *best)
{
	int cost = distance(typed, candidate);

	/* One letter in three may be wrong, or the guess would be wilder than the mistake. */
	if (cost * 3 > (int)strlen(candidate))
		return best;
	return !best || cost < distance(typed, best) ? candidate : best;
}
