/* imported.h - model files in memory: run as they are, and survived when they are cut or damaged. */
#ifndef INFERD_TESTS_IMPORTED_H
#define INFERD_TESTS_IMPORTED_H

#include "engine/engine.h"

struct file {
	const uint8_t *data;
	size_t size;
	const uint8_t *weights; /* ncnn */
	size_t weights_size;
};

/* Of the last call below. */
extern struct engine_error imported_error;

/* What imported_run() plans with; zeros at first. */
extern struct engine_plan_options imported_options;

/* Loads, plans and runs the file; its first input and output have these sizes in bytes. */
void imported_run(const struct file *file, const void *input, size_t input_bytes, void *output, size_t output_bytes);
/* Loads the file in vain; the error must say this. */
void imported_refuse(const struct file *file, int rc, const char *part_of_text);

/*
 * Loads the file cut to i/parts of its length, for every i; and with n random bytes changed, one at a time (the seed is
 * printed).  Each is loaded and planned, or refused with a sentence.
 */
void imported_survive_cuts(const struct file *file, int parts);
/* Only the whole data is a network; no file of weights. */
void imported_refuse_cuts(const struct file *file);
void imported_survive_damage(const struct file *file, int n);

/* Maps a file of the test data; skips the calling test where it is absent. */
void imported_map(const char *relative, const uint8_t **ret_data, size_t *ret_size);

#endif
