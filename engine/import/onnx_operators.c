/* onnx_operators.c - the table of ONNX operators that are the graph's own, and those of the quantised form. */
#include "onnx.h"

#include <errno.h>
#include <string.h>

#include "../operators/operators.h"

static const struct {
	const char *op;
	int (*add)(struct onnx *o);
} operators[] = {
	{"Abs", onnx_on_function},
	{"Add", onnx_on_add},
	{"AveragePool", onnx_on_average_pool},
	{"BatchNormalization", onnx_on_batch_norm},
	{"Cast", onnx_on_cast},
	{"Clip", onnx_on_clip},
	{"Concat", onnx_on_concat},
	{"Constant", onnx_on_constant},
	{"Conv", onnx_on_conv},
	{"DequantizeLinear", onnx_on_dequantize},
	{"Div", onnx_on_div},
	{"Dropout", onnx_on_dropout},
	{"Elu", onnx_on_elu},
	{"Exp", onnx_on_function},
	{"Flatten", onnx_on_flatten},
	{"Gemm", onnx_on_gemm},
	{"GlobalAveragePool", onnx_on_global_average_pool},
	{"GlobalMaxPool", onnx_on_global_max_pool},
	{"HardSigmoid", onnx_on_hard_sigmoid},
	{"HardSwish", onnx_on_hard_swish},
	{"Identity", onnx_on_identity},
	{"LeakyRelu", onnx_on_leaky_relu},
	{"Log", onnx_on_function},
	{"MatMul", onnx_on_matmul},
	{"Max", onnx_on_max},
	{"MaxPool", onnx_on_max_pool},
	{"Min", onnx_on_min},
	{"Mish", onnx_on_function},
	{"Mul", onnx_on_mul},
	{"Neg", onnx_on_function},
	{"PRelu", onnx_on_prelu},
	{"Pad", onnx_on_pad},
	{"QuantizeLinear", onnx_on_quantize},
	{"ReduceMean", onnx_on_reduce_mean},
	{"Relu", onnx_on_function},
	{"Reshape", onnx_on_reshape},
	{"Resize", onnx_on_resize},
	{"Sigmoid", onnx_on_function},
	{"Slice", onnx_on_slice},
	{"Softmax", onnx_on_softmax},
	{"Split", onnx_on_split},
	{"Sqrt", onnx_on_function},
	{"Squeeze", onnx_on_squeeze},
	{"Sub", onnx_on_sub},
	{"Sum", onnx_on_sum},
	{"Tanh", onnx_on_function},
	{"Transpose", onnx_on_transpose},
	{"Unsqueeze", onnx_on_unsqueeze},
	{"Upsample", onnx_on_resize},
};

bool onnx_known_operator(const struct onnx *o)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (onnx_is(o->op, operators[i].op))
			return true;
	return false;
}

int onnx_on_fast(struct onnx *o)
{
	for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++)
		if (onnx_is(o->op, operators[i].op))
			return operators[i].add(o);
	return -ENOTSUP;
}

static const struct qlinear qlinears[] = {
	{"QLinearConv", "Conv", 2, false, true},
	{"QLinearMatMul", "MatMul", 2, false, false},
	{"QGemm", "Gemm", 2, true, true},
	{"QLinearAdd", "Add", 2, true, false},
	{"QLinearMul", "Mul", 2, true, false},
	{"QLinearLeakyRelu", "LeakyRelu", 1, true, false},
	{"QLinearSigmoid", "Sigmoid", 1, true, false},
	{"QLinearSoftmax", "Softmax", 1, true, false},
	{"QLinearAveragePool", "AveragePool", 1, true, false},
	{"QLinearGlobalAveragePool", "GlobalAveragePool", 1, true, false},
	{"QLinearConcat", "Concat", -1, true, false},
};

/* The fast ones first, then those of the quantised form, then those that are general only. */
const char *onnx_operator_at(int i, bool *ret_fast)
{
	const int n = (int)(sizeof(operators) / sizeof(*operators)), n_q = (int)(sizeof(qlinears) / sizeof(*qlinears));
	const struct engine_operator *op;

	*ret_fast = i < n + n_q;
	if (i < n + n_q)
		return i < n ? operators[i].op : qlinears[i - n].op;
	i -= n + n_q;
	for (int k = 0; (op = operators_at(k)); k++) {
		bool known = false;

		for (int f = 0; f < n; f++)
			known |= !strcmp(op->name, operators[f].op);
		for (int f = 0; f < n_q; f++)
			known |= !strcmp(op->name, qlinears[f].op);
		if (!known && i-- == 0)
			return op->name;
	}
	return NULL;
}

const struct qlinear *onnx_qlinear_of(const struct onnx *o)
{
	bool microsoft = onnx_is(o->domain, "com.microsoft");

	for (size_t i = 0; i < sizeof(qlinears) / sizeof(*qlinears); i++)
		if (onnx_is(o->op, qlinears[i].op) && (qlinears[i].microsoft ? microsoft : onnx_is_standard(o)))
			return &qlinears[i];
	return NULL;
}
