/* tflite_general.c - the table of TFLite's operators that general ones do, and custom operators.  See tflite_general.h.
 */
#include "tflite_general.h"

#include <errno.h>
#include <string.h>
#include <trim.h>

#include "flexbuffer.h"

/* ---- custom operators -------------------------------------------------------------------------- */

/* An operator of this name, with the options of its map as attributes. */
static int on_custom(struct tflite *t, const char *name)
{
	int inputs[ENGINE_OPERATOR_IO_MAX], values[ENGINE_OPERATOR_IO_MAX], r;
	struct tflite_attributes a = tflite_no_attributes();

	r = t->n_inputs > ENGINE_OPERATOR_IO_MAX || t->n_outputs > ENGINE_OPERATOR_IO_MAX || t->n_outputs < 1
		    ? tflite_refuse(t, -ENOTSUP, "has too many inputs or outputs")
		    : tflite_operands(t, t->n_inputs, inputs);
	if (r == 0 && a.list)
		r = flexbuffer_attributes(t->fb.data + t->custom_options.at, t->custom_options.count, a.list);
	if (r < 0) {
		attributes_free(a.list);
		return r == -EBADMSG ? tflite_refuse(t, -EINVAL, "has malformed options") : r;
	}
	r = tflite_add_generals(t, name, inputs, t->n_inputs, a, values, t->n_outputs);
	for (int i = 0; i < t->n_outputs && r == 0; i++)
		r = tflite_finish_output(t, i, values[i]);
	return r;
}

/* ---- the table --------------------------------------------------------------------------------- */

static const struct general {
	int code;
	const char *name;
	int (*add)(struct tflite *t);
	const char *onnx; /* what tflite_general_on_same() and others of several operators make */
	int n_inputs;	  /* at least */
} generals[] = {
	{0, "ADD", tflite_general_on_fused, "Add", 2},
	{1, "AVERAGE_POOL_2D", tflite_general_on_pool, "AveragePool", 1},
	{2, "CONCATENATION", tflite_general_on_concat, NULL, 1},
	{3, "CONV_2D", tflite_general_on_conv, NULL, 2},
	{4, "DEPTHWISE_CONV_2D", tflite_general_on_conv, NULL, 2},
	{5, "DEPTH_TO_SPACE", tflite_general_on_depth_space, "DepthToSpace", 1},
	{7, "EMBEDDING_LOOKUP", tflite_general_on_embedding, NULL, 2},
	{8, "FLOOR", tflite_general_on_same, "Floor", 1},
	{9, "FULLY_CONNECTED", tflite_general_on_fully_connected, NULL, 2},
	{11, "L2_NORMALIZATION", tflite_general_on_l2_norm, NULL, 1},
	{13, "LOCAL_RESPONSE_NORMALIZATION", tflite_general_on_lrn, NULL, 1},
	{14, "LOGISTIC", tflite_general_on_same, "Sigmoid", 1},
	{17, "MAX_POOL_2D", tflite_general_on_pool, "MaxPool", 1},
	{18, "MUL", tflite_general_on_fused, "Mul", 2},
	{19, "RELU", tflite_general_on_same, "Relu", 1},
	{20, "RELU_N1_TO_1", tflite_general_on_function, "Clip", 1},
	{21, "RELU6", tflite_general_on_function, "Clip", 1},
	{22, "RESHAPE", tflite_general_on_reshape, NULL, 1},
	{23, "RESIZE_BILINEAR", tflite_general_on_resize, NULL, 2},
	{25, "SOFTMAX", tflite_general_on_softmax, "Softmax", 1},
	{26, "SPACE_TO_DEPTH", tflite_general_on_depth_space, "SpaceToDepth", 1},
	{28, "TANH", tflite_general_on_same, "Tanh", 1},
	{34, "PAD", tflite_general_on_pad, NULL, 2},
	{36, "GATHER", tflite_general_on_gather, NULL, 2},
	{37, "BATCH_TO_SPACE_ND", tflite_general_on_batch_to_space, NULL, 3},
	{39, "TRANSPOSE", tflite_general_on_transpose, NULL, 2},
	{40, "MEAN", tflite_general_on_reduce, "ReduceMean", 2},
	{41, "SUB", tflite_general_on_fused, "Sub", 2},
	{42, "DIV", tflite_general_on_fused, "Div", 2},
	{43, "SQUEEZE", tflite_general_on_squeeze, NULL, 1},
	{45, "STRIDED_SLICE", tflite_general_on_strided_slice, NULL, 4},
	{47, "EXP", tflite_general_on_same, "Exp", 1},
	{48, "TOPK_V2", tflite_general_on_topk, NULL, 2},
	{49, "SPLIT", tflite_general_on_split, NULL, 2},
	{50, "LOG_SOFTMAX", tflite_general_on_softmax, "LogSoftmax", 1},
	{53, "CAST", tflite_general_on_cast, NULL, 1},
	{54, "PRELU", tflite_general_on_same, "PRelu", 2},
	{55, "MAXIMUM", tflite_general_on_same, "Max", 2},
	{56, "ARG_MAX", tflite_general_on_arg, "ArgMax", 2},
	{57, "MINIMUM", tflite_general_on_same, "Min", 2},
	{58, "LESS", tflite_general_on_same, "Less", 2},
	{59, "NEG", tflite_general_on_same, "Neg", 1},
	{60, "PADV2", tflite_general_on_pad, NULL, 3},
	{61, "GREATER", tflite_general_on_same, "Greater", 2},
	{62, "GREATER_EQUAL", tflite_general_on_same, "GreaterOrEqual", 2},
	{63, "LESS_EQUAL", tflite_general_on_same, "LessOrEqual", 2},
	{64, "SELECT", tflite_general_on_same, "Where", 3},
	{65, "SLICE", tflite_general_on_slice, NULL, 3},
	{66, "SIN", tflite_general_on_same, "Sin", 1},
	{67, "TRANSPOSE_CONV", tflite_general_on_transpose_conv, NULL, 3},
	{69, "TILE", tflite_general_on_expand, "Tile", 2},
	{70, "EXPAND_DIMS", tflite_general_on_squeeze, NULL, 1},
	{71, "EQUAL", tflite_general_on_same, "Equal", 2},
	{72, "NOT_EQUAL", tflite_general_on_not_equal, NULL, 2},
	{73, "LOG", tflite_general_on_same, "Log", 1},
	{74, "SUM", tflite_general_on_reduce, "ReduceSum", 2},
	{75, "SQRT", tflite_general_on_same, "Sqrt", 1},
	{76, "RSQRT", tflite_general_on_rsqrt, NULL, 1},
	{77, "SHAPE", tflite_general_on_shape, NULL, 1},
	{78, "POW", tflite_general_on_same, "Pow", 2},
	{79, "ARG_MIN", tflite_general_on_arg, "ArgMin", 2},
	{81, "REDUCE_PROD", tflite_general_on_reduce, "ReduceProd", 2},
	{82, "REDUCE_MAX", tflite_general_on_reduce, "ReduceMax", 2},
	{83, "PACK", tflite_general_on_pack, NULL, 1},
	{84, "LOGICAL_OR", tflite_general_on_same, "Or", 2},
	{85, "ONE_HOT", tflite_general_on_one_hot, NULL, 4},
	{86, "LOGICAL_AND", tflite_general_on_same, "And", 2},
	{87, "LOGICAL_NOT", tflite_general_on_same, "Not", 1},
	{88, "UNPACK", tflite_general_on_unpack, NULL, 1},
	{89, "REDUCE_MIN", tflite_general_on_reduce, "ReduceMin", 2},
	{90, "FLOOR_DIV", tflite_general_on_floor_div, NULL, 2},
	{91, "REDUCE_ANY", tflite_general_on_reduce, "ReduceMax", 2},
	{92, "SQUARE", tflite_general_on_square, NULL, 1},
	{94, "FILL", tflite_general_on_fill, NULL, 2},
	{95, "FLOOR_MOD", tflite_general_on_same, "Mod", 2},
	{96, "RANGE", tflite_general_on_same, "Range", 3},
	{97, "RESIZE_NEAREST_NEIGHBOR", tflite_general_on_resize, NULL, 2},
	{98, "LEAKY_RELU", tflite_general_on_function, "LeakyRelu", 1},
	{99, "SQUARED_DIFFERENCE", tflite_general_on_squared_difference, NULL, 2},
	{100, "MIRROR_PAD", tflite_general_on_pad, NULL, 2},
	{101, "ABS", tflite_general_on_same, "Abs", 1},
	{102, "SPLIT_V", tflite_general_on_split, NULL, 3},
	{104, "CEIL", tflite_general_on_same, "Ceil", 1},
	{105, "REVERSE_V2", tflite_general_on_reverse, NULL, 2},
	{106, "ADD_N", tflite_general_on_same, "Sum", 1},
	{107, "GATHER_ND", tflite_general_on_same, "GatherND", 2},
	{108, "COS", tflite_general_on_same, "Cos", 1},
	{109, "WHERE", tflite_general_on_where, NULL, 1},
	{110, "RANK", tflite_general_on_rank, NULL, 1},
	{111, "ELU", tflite_general_on_same, "Elu", 1},
	{112, "REVERSE_SEQUENCE", tflite_general_on_reverse_sequence, NULL, 2},
	{116, "ROUND", tflite_general_on_same, "Round", 1},
	{117, "HARD_SWISH", tflite_general_on_same, "HardSwish", 1},
	{122, "SCATTER_ND", tflite_general_on_scatter_nd, NULL, 3},
	{123, "SELECT_V2", tflite_general_on_same, "Where", 3},
	{126, "BATCH_MATMUL", tflite_general_on_batch_matmul, NULL, 2},
	{128, "CUMSUM", tflite_general_on_cumsum, NULL, 2},
	{130, "BROADCAST_TO", tflite_general_on_expand, "Expand", 2},
	{150, "GELU", tflite_general_on_function, "Gelu", 1},
	{158, "SIGN", tflite_general_on_same, "Sign", 1},
};

static const struct general *find(int code)
{
	for (size_t i = 0; i < sizeof(generals) / sizeof(*generals); i++)
		if (generals[i].code == code)
			return &generals[i];
	return NULL;
}

const char *tflite_onnx_name(int code)
{
	return find(code)->onnx;
}

const char *tflite_general_name(int code)
{
	const struct general *general = WITH_general ? find(code) : NULL;

	return general ? general->name : NULL;
}

static int general_custom(struct tflite *t, const char *custom, size_t bytes)
{
	bool registered;
	const struct engine_operator *op = operators_find(custom, bytes, &registered);

	if (op)
		return on_custom(t, op->name);
	if (bytes == strlen("Convolution2DTransposeBias") && !memcmp(custom, "Convolution2DTransposeBias", bytes))
		return tflite_general_on_transpose_conv_bias(t);
	return graph_error(t->error, -ENOTSUP, "operator %d is the custom '%.*s', which %s", t->index,
			   bytes > 60 ? 60 : (int)bytes, custom,
			   operators_left_out(custom, bytes) ? OPERATORS_LEFT_OUT : "is not known");
}

/* Of a build without any: the table above is not part of it, so that codes have no names. */
static int refuse_general(struct tflite *t, const char *custom, size_t bytes)
{
	if (bytes)
		return graph_error(t->error, -ENOTSUP, "operator %d: the custom '%.*s' " OPERATORS_LEFT_OUT, t->index,
				   bytes > 60 ? 60 : (int)bytes, custom);
	return graph_error(t->error, -ENOTSUP,
			   "operator %d (%s, code %d): needs the operator general, which " OPERATORS_LEFT_OUT, t->index,
			   tflite_operator(t->code) ? tflite_operator(t->code)->name : "-", t->code);
}

int tflite_general(struct tflite *t, const char *custom, size_t custom_bytes)
{
	const struct general *general;

	t->graph->is_general = true;
	if (!WITH_general)
		return refuse_general(t, custom, custom_bytes);
	general = find(t->code);
	if (custom_bytes)
		return general_custom(t, custom, custom_bytes);
	if (!general)
		return graph_error(t->error, -ENOTSUP, "operator %d has code %d, which is not known", t->index,
				   t->code);
	t->op = general->name;
	if (t->n_inputs < general->n_inputs || t->n_outputs < 1)
		return tflite_refuse(t, -EINVAL, "has too few inputs or outputs");
	for (int i = 0; i < general->n_inputs; i++)
		if (!tflite_has_input(t, i))
			return tflite_refuse(t, -EINVAL, "lacks an input");
	if (general->n_inputs > 1 && tflite_input(t, 0)->type == ENGINE_S16 && tflite_input(t, 1)->type == ENGINE_S8)
		return tflite_refuse(t, -ENOTSUP, "has 16-bit activations over 8-bit weights");
	return general->add(t);
}
