/*
 * labels.h - photographs whose class is known, for measuring how often a network is right.
 *
 * A folder says the class of its pictures in one of two ways:
 *
 *     classes.txt, in the folder or beside it, with lines "INDEX FILE": the class, from 0, and the picture's name;
 *     or one sub-folder for each class, named by its index or by its label, with the pictures in it.
 *
 * Labels are compared without regard to case, with '_' for spaces, as a whole or up to their first comma.
 */
#ifndef INFERCTL_LABELS_H
#define INFERCTL_LABELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LABELS_PHOTOS_MAX 1000000

struct label_photo {
	char *path;
	int64_t index; /* of its class; -1: it is named by its label */
	char *label;   /* or NULL */
};

struct labels {
	struct label_photo *photos; /* in order of their paths */
	size_t n_photos, capacity;
};

struct labels_error {
	char text[512];
};

/* 0, or negative errno with a sentence that names the file and, in classes.txt, the line. */
int labels_read(const char *folder, struct labels_error *ret_error, struct labels *ret_labels);
void labels_finish(struct labels *labels);

/* Leaves at most this many, evenly spread. */
void labels_thin_out(struct labels *labels, size_t n_most);

/* Whether an answer is the photograph's class.  shift: the network's class for index 0 of the photographs. */
bool labels_is_right(const struct label_photo *photo, uint32_t index, const char *label, uint32_t shift);

#endif
