/* caffe_layers.c - the table of Caffe's layers. */
#include "caffe.h"

#include <string.h>

/* ---- shapes and places ------------------------------------------------------------------------- */

static int on_silence(struct caffe *c)
{
	(void)c;
	return 0;
}

/* ---- the table --------------------------------------------------------------------------------- */

static const struct caffe_layer_type layers[] = {
	{"AbsVal", "ABSVAL", 1, caffe_on_function},
	{"ArgMax", "ARGMAX", 1, caffe_on_argmax},
	{"BNLL", "BNLL", 1, caffe_on_function},
	{"BatchNorm", NULL, 1, caffe_on_batch_norm},
	{"Bias", NULL, 1, caffe_on_bias},
	{"Clip", NULL, 1, caffe_on_clip},
	{"Concat", "CONCAT", 1, caffe_on_concat},
	{"Convolution", "CONVOLUTION", 1, caffe_on_conv},
	{"ConvolutionDepthwise", NULL, 1, caffe_on_conv},
	{"Crop", NULL, 2, caffe_on_crop},
	{"Deconvolution", "DECONVOLUTION", 1, caffe_on_conv},
	{"DepthwiseConvolution", NULL, 1, caffe_on_conv},
	{"Dropout", "DROPOUT", 1, caffe_on_function},
	{"ELU", NULL, 1, caffe_on_elu},
	{"Eltwise", "ELTWISE", 2, caffe_on_eltwise},
	{"Exp", "EXP", 1, caffe_on_exp_log},
	{"Flatten", "FLATTEN", 1, caffe_on_flatten},
	{"InnerProduct", "INNER_PRODUCT", 1, caffe_on_inner_product},
	{"Interp", NULL, 1, caffe_on_resize},
	{"LRN", "LRN", 1, caffe_on_lrn},
	{"Log", NULL, 1, caffe_on_exp_log},
	{"Mish", NULL, 1, caffe_on_function},
	{"Noop", NULL, 1, caffe_on_function},
	{"Normalize", NULL, 1, caffe_on_normalize},
	{"PReLU", NULL, 1, caffe_on_prelu},
	{"Permute", NULL, 1, caffe_on_permute},
	{"Pooling", "POOLING", 1, caffe_on_pooling},
	{"Power", "POWER", 1, caffe_on_power},
	{"ReLU", "RELU", 1, caffe_on_relu},
	{"ReLU6", NULL, 1, caffe_on_clip},
	{"Reshape", NULL, 1, caffe_on_reshape},
	{"Scale", NULL, 1, caffe_on_scale},
	{"ShuffleChannel", NULL, 1, caffe_on_shuffle},
	{"Sigmoid", "SIGMOID", 1, caffe_on_function},
	{"Silence", "SILENCE", 0, on_silence},
	{"Slice", "SLICE", 1, caffe_on_slice},
	{"Softmax", "SOFTMAX", 1, caffe_on_softmax},
	{"Split", "SPLIT", 1, caffe_on_function},
	{"Swish", NULL, 1, caffe_on_swish},
	{"TanH", "TANH", 1, caffe_on_function},
	{"Upsample", NULL, 1, caffe_on_resize},
};

/* They become ONNX's operators, and are as fast as those. */
const char *caffe_layer_at(int i, bool *ret_fast)
{
	static const char *const slow[] = {"ArgMax", "BNLL", "Deconvolution", "LRN", "Normalize", "Power"};

	*ret_fast = i < (int)(sizeof(layers) / sizeof(*layers));
	for (size_t k = 0; *ret_fast && k < sizeof(slow) / sizeof(*slow); k++)
		if (!strcmp(layers[i].type, slow[k])) {
			*ret_fast = false;
			break;
		}
	return i < (int)(sizeof(layers) / sizeof(*layers)) ? layers[i].type : NULL;
}

const struct caffe_layer_type *caffe_find_layer(const char *type)
{
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers); i++)
		if (!strcmp(layers[i].type, type) || (layers[i].v1 && !strcmp(layers[i].v1, type)))
			return &layers[i];
	return NULL;
}
