/*
 * value.h - scalars of a configuration: text to checked values.
 *
 * Each reader returns 0 or -EINVAL and says why in `cause`; it knows nothing of files and keys.  Private to config/.
 */
#ifndef INFERD_CONFIG_VALUE_H
#define INFERD_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include "config.h"

/* What was read: text with a final zero, its length, and whether it was quoted (then it is no number). */
struct value {
	const char *text;
	size_t length;
	bool quoted;
};

struct value_range {
	double lo, hi;
	bool above; /* lo itself is out */
};

struct cause {
	char text[256];
};

int value_fail(struct cause *cause, const char *format, ...) __attribute__((format(printf, 2, 3)));

int value_int(const struct value *value, const struct value_range *range, struct cause *cause, int *ret_number);
int value_float(const struct value *value, const struct value_range *range, struct cause *cause, float *ret_number);
int value_bool(const struct value *value, struct cause *cause, bool *ret_bool);
/* The place of the word in a list that ends with NULL. */
int value_word(const struct value *value, const char *const *words, struct cause *cause, int *ret_index);
/* An octal file mode, 0..0777; quotes and a leading 0 or 0o are accepted. */
int value_mode(const struct value *value, struct cause *cause, mode_t *ret_mode);
/* [A-Za-z0-9._-]+ */
int value_name(const struct value *value, struct cause *cause, char ret_name[CONFIG_NAME_BYTES]);
/* dir is put before a relative path. */
int value_path(const struct value *value, const char *dir, struct cause *cause, char ret_path[CONFIG_PATH_BYTES]);
/* Adds "4-7", "0,2-3" or "5" to the n_cpus cores there are already. */
int value_cpus(const struct value *value, struct cause *cause, int cpus[CONFIG_CPUS_MAX], int *n_cpus);

/* The word nearest to a mistyped one, or NULL when none is near.  best starts at NULL and is passed on. */
const char *value_nearest(const char *typed, const char *candidate, const char *best);

/* Text from outside for an error: in quotes, without control characters, cut to a sane length. */
struct shown {
	char text[64];
};
struct shown value_shown(const char *text, size_t length);

#endif
