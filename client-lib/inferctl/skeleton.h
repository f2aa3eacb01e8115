/*
 * skeleton.h - which landmarks are joined by lines: of a hand, a body, a face.
 */
#ifndef INFERCTL_SKELETON_H
#define INFERCTL_SKELETON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line through landmarks, by their numbers in the network's order. */
struct skeleton_line {
	uint8_t colour; /* lines of one part of the body have the same, counted from 0 */
	uint8_t n_points;
	const uint16_t *points;
};

struct skeleton {
	size_t n_lines;
	const struct skeleton_line *lines;
	bool mesh; /* landmarks lie so close that dots must be small */
};

/* The skeleton of what has this many landmarks; NULL: it has none. */
const struct skeleton *skeleton_of(size_t n_points);

#endif
