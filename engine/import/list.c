/* list.c - what the readers know, for those who tell users about it. */
#include <string.h>
#include <trim.h>

#include "../operators/operators.h"
#include "import.h"

/* What is left out of an operator's definition. */
static const struct {
	const char *format, *name, *without;
} limits[] = {
	{"ONNX", "BatchNormalization", "training"},
	{"ONNX", "Cast", "strings, bfloat16, float8"},
	{"ONNX", "Dropout", "training"},
	{"ONNX", "Einsum", "more than 26 labels, repeated operands over 8"},
	{"ONNX", "GRU", "activations of its own, clip"},
	{"ONNX", "LSTM", "activations of its own, clip, coupled gates"},
	{"ONNX", "QLinearMatMul", "scales by row"},
	{"ONNX", "RNN", "activations of its own, clip"},
	{"ONNX", "Range", "an end that only a run knows, unless the file says how long it is at most"},
	{"TFLite", "BATCH_TO_SPACE_ND", "axes besides height and width"},
	{"TFLite", "FULLY_CONNECTED", "shuffled weights"},
	{"TFLite", "QUANTIZE", "int16"},
	{"TFLite", "SPACE_TO_BATCH_ND", "axes besides height and width"},
	{"TFLite", "STRIDED_SLICE", "ellipsis and new axes; bounds that are not constant"},
	{"Caffe", "ArgMax", "top_k over 1, out_max_val, all axes at once"},
	{"Caffe", "Flatten", "some axes only"},
	{"Caffe", "Interp", "zoom and shrink factors"},
	{"Caffe", "LRN", "WITHIN_CHANNEL"},
	{"Caffe", "Normalize", "across_spatial"},
	{"Caffe", "Pooling", "STOCHASTIC, a second output"},
	{"Caffe", "Reshape", "axis and num_axes"},
	{"Caffe", "Scale", "axes besides the channels"},
};

const char *import_limit(const char *format, const char *name)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		if (!strcmp(limits[i].format, format) && !strcmp(limits[i].name, name))
			return limits[i].without;
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
