/* ncnn_param.c - see ncnn_param.h. */
#include "ncnn_param.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAG_F16	 0x01306b47u
#define TAG_S8	 0x000d4b38u
#define TAG_F32	 0x0002c056u
#define CODEBOOK 256

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

bool ncnn_word(struct ncnn_text *text, char ret_word[NCNN_WORD_BYTES])
{
	size_t n = 0;

	while (text->at < text->end && is_blank(*text->at))
		text->at++;
	while (text->at < text->end && !is_blank(*text->at) && *text->at != '\n' && *text->at) {
		if (n + 1 < NCNN_WORD_BYTES)
			ret_word[n++] = *text->at;
		text->at++;
	}
	ret_word[n] = '\0';
	return n > 0;
}

bool ncnn_next_line(struct ncnn_text *text)
{
	while (text->at < text->end && *text->at != '\n')
		text->at++;
	while (text->at < text->end && (*text->at == '\n' || is_blank(*text->at))) {
		text->line += *text->at == '\n';
		text->at++;
	}
	return text->at < text->end && *text->at;
}

bool ncnn_number(struct ncnn_text *text, int lo, int hi, int *ret_number)
{
	char word[NCNN_WORD_BYTES], *end;
	long number;

	if (!ncnn_word(text, word))
		return false;
	number = strtol(word, &end, 10);
	if (*end || number < lo || number > hi)
		return false;
	*ret_number = (int)number;
	return true;
}

/* "1,2.5,3" into the pool; the count that comes first has to be true. */
static bool read_array(struct ncnn_layer *layer, const char *values, int *ret_first, int *ret_count)
{
	char *end;
	long count = strtol(values, &end, 10);

	if (end == values || count < 0 || count > NCNN_ARRAY_POOL - layer->n_pool)
		return false;
	*ret_first = layer->n_pool;
	*ret_count = (int)count;
	for (long i = 0; i < count; i++) {
		if (*end != ',')
			return false;
		values = end + 1;
		layer->pool[layer->n_pool++] = strtof(values, &end);
		if (end == values)
			return false;
	}
	return *end == '\0';
}

static bool read_key(struct ncnn_layer *layer, const char *word)
{
	char *end;
	long key = strtol(word, &end, 10);
	bool array = key <= -23300;
	const char *value = end + 1;

	if (end == word || *end != '=')
		return false;
	if (array)
		key = -key - 23300;
	if (key < 0 || key >= NCNN_KEYS)
		return false;
	layer->key[key].given = true;
	layer->key[key].count = 0;
	if (array)
		return read_array(layer, value, &layer->key[key].first, &layer->key[key].count);
	layer->key[key].value = strtof(value, &end);
	return end != value && *end == '\0' && isfinite(layer->key[key].value);
}

int ncnn_read_keys(struct ncnn_text *text, struct ncnn_layer *layer)
{
	/* An array may be longer than a word may be. */
	char pair[16384];

	for (;;) {
		size_t n = 0;

		while (text->at < text->end && is_blank(*text->at))
			text->at++;
		while (text->at < text->end && !is_blank(*text->at) && *text->at != '\n' && *text->at) {
			if (n + 1 == sizeof(pair))
				return graph_error(layer->error, -EINVAL, "line %d: a parameter is too long",
						   text->line);
			pair[n++] = *text->at++;
		}
		pair[n] = '\0';
		if (!n)
			return 0;
		if (!read_key(layer, pair))
			return graph_error(layer->error, -EINVAL, "line %d: '%.60s' is not key=value", text->line,
					   pair);
	}
}

static int to_int(float value)
{
	if (!(value > (float)INT_MIN))
		return INT_MIN;
	return value >= 2147483648.0f ? INT_MAX : (int)value;
}

int ncnn_int(const struct ncnn_layer *layer, int key, int fallback)
{
	return layer->key[key].given && !layer->key[key].count ? to_int(layer->key[key].value) : fallback;
}

float ncnn_float(const struct ncnn_layer *layer, int key, float fallback)
{
	return layer->key[key].given && !layer->key[key].count ? layer->key[key].value : fallback;
}

float ncnn_element(const struct ncnn_layer *layer, int key, int i, float fallback)
{
	return i < layer->key[key].count ? layer->pool[layer->key[key].first + i] : fallback;
}

int ncnn_count(const struct ncnn_layer *layer, int key)
{
	return layer->key[key].count;
}

/* bytes of the file, and what pads them to 4; only the last array may lack its padding. */
static const uint8_t *take(struct ncnn_bin *bin, size_t bytes)
{
	const uint8_t *data = bin->data + bin->at;

	if (!bin->data || bytes > bin->size - bin->at)
		return NULL;
	bin->at += (bytes + 3) / 4 * 4;
	if (bin->at > bin->size)
		bin->at = bin->size;
	return data;
}

const uint8_t *ncnn_raw(struct ncnn_bin *bin, size_t n)
{
	return n > SIZE_MAX / 4 ? NULL : take(bin, n * 4);
}

bool ncnn_tagged(struct ncnn_bin *bin, size_t n, struct ncnn_tagged *ret_tagged)
{
	const uint8_t *head = take(bin, 4);
	struct ncnn_tagged tagged = {.type = ENGINE_F32};
	uint32_t tag;

	if (!head || n > SIZE_MAX / 4)
		return false;
	memcpy(&tag, head, sizeof(tag));
	if (tag == TAG_F16) {
		tagged.type = ENGINE_F16;
		tagged.data = take(bin, n * 2);
	} else if (tag == TAG_S8) {
		tagged.type = ENGINE_S8;
		tagged.data = take(bin, n);
	} else if (tag == 0 || tag == TAG_F32) {
		tagged.data = take(bin, n * 4);
	} else {
		tagged.codebook = take(bin, CODEBOOK * sizeof(float));
		tagged.indexes = tagged.codebook ? take(bin, n) : NULL;
	}
	if (!tagged.data && !tagged.indexes)
		return false;
	*ret_tagged = tagged;
	return true;
}
