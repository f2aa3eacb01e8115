/*
 * ncnn_param.h - private to the ncnn importer: the text of a .param, line by line, and the arrays of a .bin.
 *
 * A layer is one line: type, name, counts of inputs and outputs, their blob names, then key=value pairs; a key of
 * -23300 - k holds an array for parameter k.  Arrays in the .bin follow each other in the order in which the layers
 * load them, each padded to 4 bytes.
 */
#ifndef INFERD_NCNN_PARAM_H
#define INFERD_NCNN_PARAM_H

#include "import.h"

#define NCNN_KEYS	64
#define NCNN_ARRAY_POOL 1024 /* array elements of one layer */
#define NCNN_WORD_BYTES 256  /* type, name or blob, with the final zero */
#define NCNN_DEFAULT	(-233)
#define NCNN_SAME_UPPER (-233)
#define NCNN_SAME_LOWER (-234)

struct ncnn_text {
	const char *at, *end;
	int line;
};

struct ncnn_layer {
	char type[NCNN_WORD_BYTES], name[NCNN_WORD_BYTES];
	int n_inputs, n_outputs;
	struct {
		bool given;
		float value;
		int first, count; /* of an array, in pool; count 0: a single value */
	} key[NCNN_KEYS];
	float pool[NCNN_ARRAY_POOL];
	int n_pool;
	struct engine_error *error;
};

/* The next word of the current line, cut to what fits ret_word; false at the end of the line. */
bool ncnn_word(struct ncnn_text *text, char ret_word[NCNN_WORD_BYTES]);
/* Skips to the beginning of the next line that is not empty; false at the end. */
bool ncnn_next_line(struct ncnn_text *text);
/* A word that is a whole number within lo..hi. */
bool ncnn_number(struct ncnn_text *text, int lo, int hi, int *ret_number);

/* Reads the rest of a layer's line as key=value pairs.  0 or -EINVAL with a sentence. */
int ncnn_read_keys(struct ncnn_text *text, struct ncnn_layer *layer);

/* Parameters; the fallback where the line does not give them.  Values beyond int become its limits. */
int ncnn_int(const struct ncnn_layer *layer, int key, int fallback);
float ncnn_float(const struct ncnn_layer *layer, int key, float fallback);
/* Element i of an array; fallback where there is none. */
float ncnn_element(const struct ncnn_layer *layer, int key, int i, float fallback);
int ncnn_count(const struct ncnn_layer *layer, int key);

struct ncnn_bin {
	const uint8_t *data;
	size_t size, at;
};

/* n numbers of 4 bytes as they are; NULL when the file ends before.  Not aligned. */
const uint8_t *ncnn_raw(struct ncnn_bin *bin, size_t n);

/* An array behind a tag. */
struct ncnn_tagged {
	enum engine_type type; /* F32, F16, S8 */
	const uint8_t *data;   /* NULL: codebook and indexes */
	const uint8_t *codebook, *indexes;
};
bool ncnn_tagged(struct ncnn_bin *bin, size_t n, struct ncnn_tagged *ret_tagged);

#endif
