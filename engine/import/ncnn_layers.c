/* ncnn_layers.c - the table of ncnn's layers, and those that have no inputs. */
#include "ncnn.h"

#include <errno.h>
#include <string.h>

static int on_memory(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int w = ncnn_int(l, 0, 0), h = ncnn_int(l, 1, 0), d = ncnn_int(l, 11, 0), c = ncnn_int(l, 2, 0), value, r;
	int rank = d ? 4 : c ? 3 : h ? 2 : 1;
	int64_t count = w;

	if (w < 1 || h < 0 || c < 0 || d < 0 || w > NCNN_CHANNEL_MAX || h > NCNN_CHANNEL_MAX || c > NCNN_CHANNEL_MAX ||
	    d > NCNN_CHANNEL_MAX || (c && !h) || (d && !c))
		return ncnn_refuse(n, -EINVAL, "has an impossible shape");
	count *= h ? h : 1;
	count *= count <= INT32_MAX && d ? d : 1;
	count *= count <= INT32_MAX && c ? c : 1;
	value = ncnn_read_floats(n, count, ncnn_int(l, 21, 1) == 0);
	if (value < 0)
		return value;
	if (rank > 1)
		value = ncnn_add_reshape(n, value, ncnn_file_axes(rank),
					 rank == 2   ? (int32_t[]){h, w}
					 : rank == 3 ? (int32_t[]){1, c, h, w}
						     : (int32_t[]){1, c, d, h, w});
	r = ncnn_set_output(n, 0, value, rank, false);
	if (r == 0 && rank != 2)
		ncnn_out_blob(n, 0)->channels = rank == 1 ? w : c;
	return r;
}

static int side(int value)
{
	return value > 0 && value <= ENGINE_SIDE_MAX ? value : GRAPH_DIM_UNKNOWN;
}

static int on_input(struct ncnn *n)
{
	const struct ncnn_layer *l = &n->layer;
	int w = side(ncnn_int(l, 0, 0)), h = side(ncnn_int(l, 1, 0)), c = side(ncnn_int(l, 2, 0)), value, r;
	int d = side(ncnn_int(l, 11, 0)), rank = d > 0 ? 4 : c > 0 || h < 0 ? (w > 0 && h < 0 && c < 0 ? 1 : 3) : 2;

	if (n->graph->n_inputs == ENGINE_IO_MAX)
		return ncnn_refuse(n, -ENOTSUP, "is one input too many");
	value = graph_add_value(n->graph, NULL, 0, ENGINE_F32, ncnn_file_axes(rank),
				rank == 4   ? (int32_t[]){1, c, d, h, w}
				: rank == 3 ? (int32_t[]){1, h, w, c}
				: rank == 2 ? (int32_t[]){h, w}
					    : (int32_t[]){w});
	if (value >= 0 && n->asked)
		memcpy(n->graph->values[value].dims, n->asked[n->graph->n_inputs].dims,
		       sizeof(n->graph->values[value].dims));
	if (value >= 0 && n->asked && rank != 2)
		*(rank == 1 ? &w : &c) = n->graph->values[value].dims[rank == 3 ? 3 : rank == 4 ? 1 : 0];
	if (value >= 0)
		n->graph->inputs[n->graph->n_inputs++] = value;
	r = ncnn_set_output(n, 0, value, rank, rank == 3);
	if (r == 0 && rank != 2)
		ncnn_out_blob(n, 0)->channels = rank == 1 ? w : c;
	return r;
}

static const struct ncnn_layer_type layers[] = {
	{"Input", 0, on_input},
	{"MemoryData", 0, on_memory},
	{"Convolution", 1, ncnn_on_convolution},
	{"Convolution1D", 1, ncnn_on_convolution},
	{"ConvolutionDepthWise", 1, ncnn_on_depthwise},
	{"ConvolutionDepthWise1D", 1, ncnn_on_depthwise},
	{"Deconvolution", 1, ncnn_on_deconvolution},
	{"DeconvolutionDepthWise", 1, ncnn_on_deconvolution},
	{"InnerProduct", 1, ncnn_on_inner_product},
	{"Pooling", 1, ncnn_on_pooling},
	{"AbsVal", 1, ncnn_on_activation},
	{"Clip", 1, ncnn_on_activation},
	{"ELU", 1, ncnn_on_activation},
	{"HardSigmoid", 1, ncnn_on_activation},
	{"HardSwish", 1, ncnn_on_activation},
	{"Mish", 1, ncnn_on_activation},
	{"ReLU", 1, ncnn_on_activation},
	{"Sigmoid", 1, ncnn_on_activation},
	{"Swish", 1, ncnn_on_activation},
	{"TanH", 1, ncnn_on_activation},
	{"GELU", 1, ncnn_on_gelu},
	{"BNLL", 1, ncnn_on_function},
	{"CELU", 1, ncnn_on_function},
	{"Erf", 1, ncnn_on_function},
	{"Exp", 1, ncnn_on_function},
	{"Log", 1, ncnn_on_function},
	{"Power", 1, ncnn_on_function},
	{"SELU", 1, ncnn_on_function},
	{"Shrink", 1, ncnn_on_function},
	{"Softplus", 1, ncnn_on_function},
	{"Threshold", 1, ncnn_on_function},
	{"UnaryOp", 1, ncnn_on_unary},
	{"BinaryOp", 1, ncnn_on_binary},
	{"Eltwise", 1, ncnn_on_eltwise},
	{"BatchNorm", 1, ncnn_on_batchnorm},
	{"Bias", 1, ncnn_on_scale},
	{"PReLU", 1, ncnn_on_prelu},
	{"Scale", 1, ncnn_on_scale},
	{"Quantize", 1, ncnn_on_quantize},
	{"Dequantize", 1, ncnn_on_quantize},
	{"Requantize", 1, ncnn_on_requantize},
	{"Concat", 1, ncnn_on_concat},
	{"CopyTo", 2, ncnn_on_copy_to},
	{"Crop", 1, ncnn_on_crop},
	{"Padding", 1, ncnn_on_padding},
	{"Slice", 1, ncnn_on_slice},
	{"Tile", 1, ncnn_on_tile},
	{"Cast", 1, ncnn_on_same},
	{"DeepCopy", 1, ncnn_on_same},
	{"Noop", 1, ncnn_on_same},
	{"Packing", 1, ncnn_on_same},
	{"Split", 1, ncnn_on_same},
	{"Dropout", 1, ncnn_on_dropout},
	{"ExpandDims", 1, ncnn_on_expand},
	{"Flatten", 1, ncnn_on_flatten},
	{"Permute", 1, ncnn_on_permute},
	{"Reshape", 1, ncnn_on_reshape},
	{"ShuffleChannel", 1, ncnn_on_shuffle},
	{"Squeeze", 1, ncnn_on_squeeze},
	{"GroupNorm", 1, ncnn_on_norm},
	{"InstanceNorm", 1, ncnn_on_norm},
	{"LayerNorm", 1, ncnn_on_norm},
	{"MVN", 1, ncnn_on_norm},
	{"RMSNorm", 1, ncnn_on_norm},
	{"Normalize", 1, ncnn_on_normalize},
	{"Reduction", 1, ncnn_on_reduction},
	{"Softmax", 1, ncnn_on_softmax},
	{"Interp", 1, ncnn_on_interp},
	{"LRN", 1, ncnn_on_image_layer},
	{"PixelShuffle", 1, ncnn_on_image_layer},
	{"Reorg", 1, ncnn_on_image_layer},
	{"ArgMax", 1, ncnn_on_argmax},
	{"GLU", 1, ncnn_on_glu},
	{"GridSample", 2, ncnn_on_grid_sample},
	{"YoloDetectionOutput", 1, ncnn_on_yolo},
	{"Yolov3DetectionOutput", 1, ncnn_on_yolo},
	{"Embed", 1, ncnn_on_embed},
	{"Gemm", 0, ncnn_on_gemm},
	{"MatMul", 2, ncnn_on_matmul},
	{"GRU", 1, ncnn_on_recurrent},
	{"LSTM", 1, ncnn_on_recurrent},
	{"RNN", 1, ncnn_on_recurrent},
};

const struct ncnn_layer_type *ncnn_find_layer(const char *type)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		if (strcmp(layers[i].type, type) == 0)
			return &layers[i];
	return NULL;
}

/* Which of them are fast depends on their parameters: the table does not say. */
const char *ncnn_layer_at(int i, bool *ret_fast)
{
	*ret_fast = i < (int)(sizeof(layers) / sizeof(*layers)) && !ncnn_operator(layers[i].type);
	return i < (int)(sizeof(layers) / sizeof(*layers)) ? layers[i].type : NULL;
}
