/* list.c - what the readers know, for those who tell users about it. */
#include <string.h>
#include <trim.h>

#include "../operators/operators.h"
#include "import.h"

/* What is left out of an operator's definition. */
struct limit {
	const char *name, *without;
};
static const struct limit of_onnx[] = {
	{"BatchNormalization", "training"},
	{"Cast", "strings, bfloat16, float8"},
	{"Dropout", "training"},
	{"Einsum", "more than 26 labels, repeated operands over 8"},
	{"GRU", "activations of its own, clip"},
	{"LSTM", "activations of its own, clip, coupled gates"},
	{"QLinearMatMul", "scales by row"},
	{"RNN", "activations of its own, clip"},
	{"Range", "an end that only a run knows, unless the file says how long it is at most"},
};
static const struct limit of_tflite[] = {
	{"BATCH_TO_SPACE_ND", "axes besides height and width"},
	{"FULLY_CONNECTED", "shuffled weights"},
	{"QUANTIZE", "int16"},
	{"SPACE_TO_BATCH_ND", "axes besides height and width"},
	{"STRIDED_SLICE", "ellipsis and new axes; bounds that are not constant"},
};
static const struct limit of_caffe[] = {
	{"ArgMax", "top_k over 1, out_max_val, all axes at once"},
	{"Flatten", "some axes only"},
	{"Interp", "zoom and shrink factors"},
	{"LRN", "WITHIN_CHANNEL"},
	{"Normalize", "across_spatial"},
	{"Pooling", "STOCHASTIC, a second output"},
	{"Reshape", "axis and num_axes"},
	{"Scale", "axes besides the channels"},
};

const char *import_limit(const char *format, const char *name)
{
	static const struct {
		const char *format;
		const struct limit *limits;
		size_t n;
	} formats[] = {
		{"ONNX", WITH_FORMAT_onnx ? of_onnx : NULL, sizeof(of_onnx) / sizeof(*of_onnx)},
		{"TFLite", WITH_FORMAT_tflite ? of_tflite : NULL, sizeof(of_tflite) / sizeof(*of_tflite)},
		{"Caffe", WITH_FORMAT_caffe ? of_caffe : NULL, sizeof(of_caffe) / sizeof(*of_caffe)},
	};

	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++)
		for (size_t i = 0; formats[f].limits && i < formats[f].n; i++)
			if (!strcmp(formats[f].format, format) && !strcmp(formats[f].limits[i].name, name))
				return formats[f].limits[i].without;
	return "";
}

bool engine_operator_at(int index, struct engine_operator_info *ret_info)
{
	static const struct {
		const char *format;
		const char *(*name)(int i, bool *ret_fast);
	} formats[] = {{"ONNX", WITH_FORMAT_onnx ? onnx_operator_at : NULL},
		       {"TFLite", WITH_FORMAT_tflite ? tflite_operator_at : NULL},
		       {"ncnn", WITH_FORMAT_ncnn ? ncnn_layer_at : NULL},
		       {"Caffe", WITH_FORMAT_caffe ? caffe_layer_at : NULL}};

	for (size_t f = 0; f < sizeof(formats) / sizeof(*formats); f++) {
		const char *name;
		bool fast = false;

		for (int i = 0; formats[f].name && (name = formats[f].name(i, &fast)); i++)
			if (index-- == 0) {
				*ret_info = (struct engine_operator_info){formats[f].format, name, fast,
									  import_limit(formats[f].format, name)};
				return true;
			}
	}
	return false;
}
