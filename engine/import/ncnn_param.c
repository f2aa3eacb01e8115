/* ncnn_param.c - see ncnn_param.h. */
#include "ncnn_param.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TAG_F16	   0x01306b47u
#define TAG_S8	   0x000d4b38u
#define TAG_F32	   0x0002c056u
#define CODEBOOK   256
#define KEY_ARRAY  (-23300)
#define KEY_STRING (-23400)
#define KEY_END	   (-233)
#define STRING_MAX 4096
#define PAIR_BYTES 16384     /* of a text: an array may be longer than a word may be */
#define FLOAT_BITS 0x800000u /* bits below are no normal float */

/* The types in the order in which ncnn counts them, which it only ever adds to. */
static const char *const types[] = {
	"AbsVal",
	"ArgMax",
	"BatchNorm",
	"Bias",
	"BNLL",
	"Concat",
	"Convolution",
	"Crop",
	"Deconvolution",
	"Dropout",
	"Eltwise",
	"ELU",
	"Embed",
	"Exp",
	"Flatten",
	"InnerProduct",
	"Input",
	"Log",
	"LRN",
	"MemoryData",
	"MVN",
	"Pooling",
	"Power",
	"PReLU",
	"Proposal",
	"Reduction",
	"ReLU",
	"Reshape",
	"ROIPooling",
	"Scale",
	"Sigmoid",
	"Slice",
	"Softmax",
	"Split",
	"SPP",
	"TanH",
	"Threshold",
	"Tile",
	"RNN",
	"LSTM",
	"BinaryOp",
	"UnaryOp",
	"ConvolutionDepthWise",
	"Padding",
	"Squeeze",
	"ExpandDims",
	"Normalize",
	"Permute",
	"PriorBox",
	"DetectionOutput",
	"Interp",
	"DeconvolutionDepthWise",
	"ShuffleChannel",
	"InstanceNorm",
	"Clip",
	"Reorg",
	"YoloDetectionOutput",
	"Quantize",
	"Dequantize",
	"Yolov3DetectionOutput",
	"PSROIPooling",
	"ROIAlign",
	"Packing",
	"Requantize",
	"Cast",
	"HardSigmoid",
	"SELU",
	"HardSwish",
	"Noop",
	"PixelShuffle",
	"DeepCopy",
	"Mish",
	"StatisticsPooling",
	"Swish",
	"Gemm",
	"GroupNorm",
	"LayerNorm",
	"Softplus",
	"GRU",
	"MultiHeadAttention",
	"GELU",
	"Convolution1D",
	"Pooling1D",
	"ConvolutionDepthWise1D",
	"Convolution3D",
	"ConvolutionDepthWise3D",
	"Pooling3D",
	"MatMul",
	"Deconvolution1D",
	"DeconvolutionDepthWise1D",
	"Deconvolution3D",
	"DeconvolutionDepthWise3D",
	"Einsum",
	"DeformableConv2D",
	"GLU",
	"Fold",
	"Unfold",
	"GridSample",
	"CumulativeSum",
	"CopyTo",
	"Erf",
	"Diag",
	"CELU",
	"Shrink",
	"RMSNorm",
	"Spectrogram",
	"InverseSpectrogram",
	"Flip",
	"SDPA",
	"RotaryEmbed",
};

/* ---- text -------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of the current line, cut to what fits; false at the end of the line. */
static bool read_word(struct ncnn_file *file, char ret_word[NCNN_WORD_BYTES])
{
	size_t n = 0;

	while (file->at < file->end && is_blank(*file->at))
		file->at++;
	while (file->at < file->end && !is_blank(*file->at) && *file->at != '\n' && *file->at) {
		if (n + 1 < NCNN_WORD_BYTES)
			ret_word[n++] = *file->at;
		file->at++;
	}
	ret_word[n] = '\0';
	return n > 0;
}

/* Skips to the beginning of the next line that is not empty; false at the end. */
static bool next_line(struct ncnn_file *file)
{
	while (file->at < file->end && *file->at != '\n')
		file->at++;
	while (file->at < file->end && (*file->at == '\n' || is_blank(*file->at))) {
		file->line += *file->at == '\n';
		file->at++;
	}
	return file->at < file->end && *file->at;
}

/* A word that is a whole number within lo..hi. */
static bool read_count(struct ncnn_file *file, int lo, int hi, int *ret_number)
{
	char word[NCNN_WORD_BYTES], *end;
	long number;

	if (!read_word(file, word))
		return false;
	number = strtol(word, &end, 10);
	if (*end || number < lo || number > hi)
		return false;
	*ret_number = (int)number;
	return true;
}

static uint32_t bits_of(float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

static bool read_number(const char *text, char **ret_end, struct ncnn_number *ret_number)
{
	size_t length = strcspn(text, ",");
	bool is_float = memchr(text, '.', length) || memchr(text, 'e', length) || memchr(text, 'E', length);
	float value = is_float ? strtof(text, ret_end) : 0.0f;
	long long integer = is_float ? 0 : strtoll(text, ret_end, 10);

	if (*ret_end == text || !isfinite(value) || integer < INT_MIN || integer > UINT32_MAX)
		return false;
	*ret_number = (struct ncnn_number){is_float, is_float ? bits_of(value) : (uint32_t)integer};
	return true;
}

static bool add_number(struct ncnn_layer *layer, int key, struct ncnn_number number)
{
	if (layer->n_pool == (int)(sizeof(layer->pool) / sizeof(*layer->pool)))
		return false;
	layer->pool[layer->n_pool++] = number;
	layer->key[key].count++;
	return true;
}

/* "1,2.5,3"; the last comma of an array of one may have nothing behind it. */
static bool read_list(struct ncnn_layer *layer, int key, const char *values)
{
	struct ncnn_number number;
	char *end;

	layer->key[key].first = layer->n_pool;
	layer->key[key].count = 0;
	for (;;) {
		if (!read_number(values, &end, &number) || !add_number(layer, key, number))
			return false;
		layer->key[key].array |= *end == ',';
		if (*end == '\0' || (*end == ',' && end[1] == '\0'))
			return true;
		if (*end != ',')
			return false;
		values = end + 1;
	}
}

/* "3,1,2.5,3": the count that comes first has to be true. */
static bool read_counted(struct ncnn_layer *layer, int key, const char *values)
{
	char *end;
	long count = strtol(values, &end, 10);

	layer->key[key].first = layer->n_pool;
	layer->key[key].count = 0;
	if (end == values || count < 0 || count > NCNN_ARRAY_POOL)
		return false;
	if (count == 0)
		return *end == '\0';
	return *end == ',' && read_list(layer, key, end + 1) && layer->key[key].count == count;
}

static bool read_pair(struct ncnn_layer *layer, const char *word)
{
	char *end;
	long key = strtol(word, &end, 10);
	bool array = key <= KEY_ARRAY;

	if (end == word || *end != '=')
		return false;
	if (array)
		key = KEY_ARRAY - key;
	if (key < 0 || key >= NCNN_KEYS)
		return false;
	if (!array && end[1] == '"') {
		layer->has_text = true;
		return true;
	}
	layer->key[key].given = true;
	layer->key[key].array = array;
	return array ? read_counted(layer, (int)key, end + 1) : read_list(layer, (int)key, end + 1);
}

static int read_text_keys(struct ncnn_file *file, struct ncnn_layer *layer)
{
	char pair[PAIR_BYTES];

	for (;;) {
		size_t n = 0;

		while (file->at < file->end && is_blank(*file->at))
			file->at++;
		while (file->at < file->end && !is_blank(*file->at) && *file->at != '\n' && *file->at) {
			if (n + 1 == sizeof(pair))
				return graph_error(layer->error, -EINVAL, "line %d: a parameter is too long",
						   file->line);
			pair[n++] = *file->at++;
		}
		pair[n] = '\0';
		if (!n)
			return 0;
		if (!read_pair(layer, pair))
			return graph_error(layer->error, -EINVAL, "line %d: '%.60s' is not key=value", file->line,
					   pair);
	}
}

/* ---- binary ------------------------------------------------------------------------------------ */

static bool read_bits(struct ncnn_file *file, uint32_t *ret_bits)
{
	if (file->end - file->at < (ptrdiff_t)sizeof(*ret_bits))
		return false;
	memcpy(ret_bits, file->at, sizeof(*ret_bits));
	file->at += sizeof(*ret_bits);
	return true;
}

static bool read_integer(struct ncnn_file *file, int lo, int hi, int *ret_integer)
{
	uint32_t bits;

	if (!read_bits(file, &bits) || (int32_t)bits < lo || (int32_t)bits > hi)
		return false;
	*ret_integer = (int32_t)bits;
	return true;
}

static bool read_binary_values(struct ncnn_file *file, struct ncnn_layer *layer, int key, int count)
{
	uint32_t bits;

	layer->key[key].given = true;
	layer->key[key].first = layer->n_pool;
	layer->key[key].count = 0;
	for (int i = 0; i < count; i++)
		if (!read_bits(file, &bits) || !add_number(layer, key, (struct ncnn_number){false, bits}))
			return false;
	return true;
}

static bool read_binary_pair(struct ncnn_file *file, struct ncnn_layer *layer, int key)
{
	bool string = key <= KEY_STRING, array = !string && key <= KEY_ARRAY;
	int count = 1;

	key = string ? KEY_STRING - key : array ? KEY_ARRAY - key : key;
	if (key < 0 || key >= NCNN_KEYS)
		return false;
	if ((string || array) && !read_integer(file, 0, string ? STRING_MAX : NCNN_ARRAY_POOL, &count))
		return false;
	if (string && file->end - file->at < count)
		return false;
	file->at += string ? count : 0;
	layer->has_text |= string;
	layer->key[key].array = array;
	return string || read_binary_values(file, layer, key, count);
}

static int read_binary_keys(struct ncnn_file *file, struct ncnn_layer *layer)
{
	for (;;) {
		int key;

		if (!read_integer(file, INT_MIN, INT_MAX, &key))
			return graph_error(layer->error, -EINVAL, "the file ends among the parameters of layer %d",
					   file->line);
		if (key == KEY_END)
			return 0;
		if (!read_binary_pair(file, layer, key))
			return graph_error(layer->error, -EINVAL, "layer %d (%.40s): its parameter %d is malformed",
					   file->line, layer->type, key);
	}
}

static int read_binary_head(struct ncnn_file *file, int max, struct ncnn_layer *layer)
{
	int type;

	file->line++;
	if (file->at == file->end)
		return -ENODATA;
	if (!read_integer(file, INT_MIN, INT_MAX, &type) || !read_integer(file, 0, max, &layer->n_inputs) ||
	    !read_integer(file, 0, max, &layer->n_outputs))
		return graph_error(layer->error, -EINVAL, "layer %d: its counts are missing or impossible", file->line);
	snprintf(layer->name, sizeof(layer->name), "%d", file->line);
	if (type >= 0 && type < (int)(sizeof(types) / sizeof(*types)))
		snprintf(layer->type, sizeof(layer->type), "%s", types[type]);
	else
		snprintf(layer->type, sizeof(layer->type), "type %d", type);
	return 0;
}

/* ---- either ------------------------------------------------------------------------------------ */

bool ncnn_is_param(const uint8_t *data, size_t size, bool *ret_binary)
{
	static const uint8_t magic[4] = {NCNN_MAGIC & 255, NCNN_MAGIC >> 8 & 255, NCNN_MAGIC >> 16 & 255,
					 NCNN_MAGIC >> 24};

	*ret_binary = size > 4 && memcmp(data, magic, 4) == 0;
	return *ret_binary ||
	       (size > 7 && memcmp(data, "7767517", 7) == 0 && (data[7] == '\n' || data[7] == '\r' || data[7] == ' '));
}

bool ncnn_read_counts(struct ncnn_file *file, int layers_max, int blobs_max, int *ret_layers, int *ret_blobs)
{
	if (file->binary) {
		file->at += sizeof(uint32_t);
		file->line = -1;
		return read_integer(file, 1, layers_max, ret_layers) && read_integer(file, 1, blobs_max, ret_blobs);
	}
	next_line(file);
	return read_count(file, 1, layers_max, ret_layers) && read_count(file, 1, blobs_max, ret_blobs);
}

int ncnn_read_head(struct ncnn_file *file, int max, struct ncnn_layer *layer)
{
	if (file->binary)
		return read_binary_head(file, max, layer);
	if (!next_line(file))
		return -ENODATA;
	if (!read_word(file, layer->type) || !read_word(file, layer->name) ||
	    !read_count(file, 0, max, &layer->n_inputs) || !read_count(file, 0, max, &layer->n_outputs))
		return graph_error(layer->error, -EINVAL, "line %d: not a layer", file->line);
	return 0;
}

bool ncnn_read_blob(struct ncnn_file *file, char ret_word[NCNN_WORD_BYTES])
{
	int number;

	if (!file->binary)
		return read_word(file, ret_word);
	if (!read_integer(file, 0, INT_MAX, &number))
		return false;
	snprintf(ret_word, NCNN_WORD_BYTES, "%d", number);
	return true;
}

int ncnn_read_keys(struct ncnn_file *file, struct ncnn_layer *layer)
{
	return file->binary ? read_binary_keys(file, layer) : read_text_keys(file, layer);
}

static float float_of(struct ncnn_number number)
{
	int32_t integer = (int32_t)number.bits;
	float value;

	memcpy(&value, &number.bits, sizeof(value));
	if (number.is_float || isnan(value))
		return number.is_float ? value : (float)integer;
	/* Small integers are meant as numbers: as floats they would be next to nothing. */
	return integer < (int32_t)FLOAT_BITS && integer > -(int32_t)FLOAT_BITS ? (float)integer : value;
}

static int integer_of(struct ncnn_number number)
{
	float value;

	if (!number.is_float)
		return (int32_t)number.bits;
	memcpy(&value, &number.bits, sizeof(value));
	if (!(value > (float)INT_MIN))
		return INT_MIN;
	return value >= 2147483648.0f ? INT_MAX : (int)value;
}

static bool is_single(const struct ncnn_layer *layer, int key)
{
	return layer->key[key].given && !layer->key[key].array && layer->key[key].count == 1;
}

int ncnn_int(const struct ncnn_layer *layer, int key, int fallback)
{
	return is_single(layer, key) ? integer_of(layer->pool[layer->key[key].first]) : fallback;
}

float ncnn_float(const struct ncnn_layer *layer, int key, float fallback)
{
	return is_single(layer, key) ? float_of(layer->pool[layer->key[key].first]) : fallback;
}

float ncnn_element(const struct ncnn_layer *layer, int key, int i, float fallback)
{
	return i < layer->key[key].count ? float_of(layer->pool[layer->key[key].first + i]) : fallback;
}

int ncnn_integer_at(const struct ncnn_layer *layer, int key, int i, int fallback)
{
	return i < layer->key[key].count ? integer_of(layer->pool[layer->key[key].first + i]) : fallback;
}

int ncnn_count(const struct ncnn_layer *layer, int key)
{
	return layer->key[key].count;
}

/* ---- .bin -------------------------------------------------------------------------------------- */

/* bytes of the file, and what pads them to 4; only the last array may lack its padding. */
static const uint8_t *take(struct ncnn_bin *bin, size_t bytes)
{
	const uint8_t *data;

	if (!bin->data || bytes > bin->size - bin->at)
		return NULL;
	data = bin->data + bin->at;
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
