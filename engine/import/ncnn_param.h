/*
 * ncnn_param.h - private to the ncnn importer: a .param, layer by layer, in either of its forms, and the arrays of a
 * .bin.
 *
 * As text a layer is one line: type, name, counts of inputs and outputs, their blob names, then key=value pairs; a key
 * of -23300 - k holds an array for parameter k, as does a value with commas.  The binary form has the same as 32-bit
 * integers: the type as its number, blobs as numbers, pairs up to a key of -233.  Arrays in the .bin follow each other
 * in the order in which the layers load them, each padded to 4 bytes.
 */
#ifndef INFERD_NCNN_PARAM_H
#define INFERD_NCNN_PARAM_H

#include "import.h"

#define NCNN_MAGIC	7767517
#define NCNN_KEYS	64
#define NCNN_ARRAY_POOL 1024 /* array elements of one layer */
#define NCNN_WORD_BYTES 256  /* type, name or blob, with the final zero */
#define NCNN_DEFAULT	(-233)
#define NCNN_SAME_UPPER (-233)
#define NCNN_SAME_LOWER (-234)

struct ncnn_file {
	const char *at, *end;
	bool binary;
	int line; /* of the text; of the binary form the number of the layer */
};

/* 32 bits as the file has them: with a point or exponent in the text they are a float, otherwise an integer. */
struct ncnn_number {
	bool is_float;
	uint32_t bits;
};

struct ncnn_layer {
	char type[NCNN_WORD_BYTES], name[NCNN_WORD_BYTES];
	int n_inputs, n_outputs;
	struct {
		bool given, array;
		int first, count; /* in pool */
	} key[NCNN_KEYS];
	struct ncnn_number pool[NCNN_KEYS + NCNN_ARRAY_POOL];
	int n_pool;
	bool has_text; /* a parameter is a text, which no layer that is known here understands */
	struct engine_error *error;
};

bool ncnn_is_param(const uint8_t *data, size_t size, bool *ret_binary);

/* Behind the magic number: the counts of layers and blobs, each from 1 to its limit. */
bool ncnn_read_counts(struct ncnn_file *file, int layers_max, int blobs_max, int *ret_layers, int *ret_blobs);
/* Type, name and counts up to `max` of the next layer.  -ENODATA at the end of the file, -EINVAL with a sentence. */
int ncnn_read_head(struct ncnn_file *file, int max, struct ncnn_layer *layer);
/* The name of the next blob, cut to what fits; false where there is none. */
bool ncnn_read_blob(struct ncnn_file *file, char ret_word[NCNN_WORD_BYTES]);
/* Reads the rest of a layer.  0 or -EINVAL with a sentence. */
int ncnn_read_keys(struct ncnn_file *file, struct ncnn_layer *layer);

/*
 * Parameters; the fallback where the layer does not give them.  Floats beyond int become its limits.  An integer is
 * asked for as a float in two ways, and which it is follows from its size: bits of a float, or a number.
 */
int ncnn_int(const struct ncnn_layer *layer, int key, int fallback);
float ncnn_float(const struct ncnn_layer *layer, int key, float fallback);
/* Element i of an array, of which a single value is one, too; fallback where there is none. */
float ncnn_element(const struct ncnn_layer *layer, int key, int i, float fallback);
int ncnn_integer_at(const struct ncnn_layer *layer, int key, int i, int fallback);
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
