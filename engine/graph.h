/*
 * graph.h - the network as a graph in static single assignment: values and the nodes that make them.
 *
 * Importers fill it, passes.c simplifies it, plan.c turns it into steps.  Conventions whatever the file:
 *
 *   images           NHWC, rank 4, N = 1
 *   conv weights     [O][KH][KW][I / groups]        constant value, F32 | F16 | S8 | U8
 *   fc weights       [O][I]
 *   biases           [O]  F32, or S32 with scale = input scale * weight scale
 *   axes             counted from 0 in the tensor as it stands here (importers translate NCHW axes)
 *
 * The graph owns its arrays, names and the constants marked `owned`; other constants point into the
 * mapped file, which outlives it.  Not thread-safe while being changed.
 */
#ifndef INFERD_GRAPH_H
#define INFERD_GRAPH_H

#include "attributes.h"
#include "engine.h"

#define GRAPH_NODES_MAX	  16384
#define GRAPH_VALUES_MAX  65536
#define GRAPH_GENERAL_MAX 256 /* that are told of */
#define GRAPH_DIM_UNKNOWN (-1)
#define GRAPH_WINDOW_MAX  32768 /* stride, dilation and padding of a window; a slice's step */
#define GRAPH_TAPS_MAX	  16384 /* positions of a convolution's kernel */

enum graph_op {
	GRAPH_CONV,    /* in: x, weights, [bias], [slope, see GRAPH_FOLDED_SLOPE]; struct graph_conv */
	GRAPH_FC,      /* in: x [..][I], weights, [bias]; keeps leading axes unless flatten */
	GRAPH_MAXPOOL, /* struct graph_pool */
	GRAPH_AVGPOOL,
	GRAPH_MEAN,  /* over axes; struct graph_reduce */
	GRAPH_UNARY, /* struct graph_act: activations and functions of one argument */
	GRAPH_PRELU, /* in: x, slope [C] or [1] */
	GRAPH_ADD,
	GRAPH_SUB,
	GRAPH_MUL,
	GRAPH_DIV,
	GRAPH_MIN,
	GRAPH_MAX,	 /* broadcast as NumPy */
	GRAPH_CONCAT,	 /* axis */
	GRAPH_SLICE,	 /* struct graph_slice, one output */
	GRAPH_PAD,	 /* struct graph_pad */
	GRAPH_RESHAPE,	 /* struct graph_shape: 0 copies, -1 infers */
	GRAPH_TRANSPOSE, /* struct graph_shape: the permutation */
	GRAPH_SOFTMAX,	 /* axis, beta */
	GRAPH_RESIZE,	 /* struct graph_resize */
	GRAPH_BATCHNORM, /* in: x, scale [C], shift [C]: x * scale + shift on the last axis */
	GRAPH_CAST, /* quantise, dequantise, requantise, float16 <-> float32: types and quants of the values say which
		     */
	GRAPH_IDENTITY,
	GRAPH_GENERAL, /* an operator of operators/ or a registered one, in the order of the file; struct graph_general
			*/
	GRAPH_OP_COUNT
};
const char *graph_op_name(enum graph_op op); /* "conv", "fc", ... */
bool graph_op_is_binary(enum graph_op op);   /* GRAPH_ADD .. GRAPH_MAX */

enum graph_act_kind {
	GRAPH_ACT_NONE,
	GRAPH_ACT_RELU,
	GRAPH_ACT_CLIP,	 /* lo, hi; relu6 and relu_n1_to_1 are clips */
	GRAPH_ACT_LEAKY, /* a: slope */
	GRAPH_ACT_SIGMOID,
	GRAPH_ACT_TANH,
	GRAPH_ACT_HARDSWISH,   /* a, b: x * clip(a x + b, 0, 1) */
	GRAPH_ACT_HARDSIGMOID, /* clip(a x + b, 0, 1) */
	GRAPH_ACT_SILU,
	GRAPH_ACT_MISH,
	GRAPH_ACT_ELU,
	GRAPH_ACT_GELU,
	GRAPH_ACT_EXP,
	GRAPH_ACT_LOG,
	GRAPH_ACT_SQRT,
	GRAPH_ACT_RSQRT,
	GRAPH_ACT_ABS,
	GRAPH_ACT_NEG,
	GRAPH_ACT_SQUARE,
	GRAPH_ACT_COUNT
};
struct graph_act {
	enum graph_act_kind kind;
	float a, b; /* CLIP: lo, hi */
};
const char *graph_act_name(const struct graph_act *act); /* "relu", "relu6", "clip", ... */
/* True where act only bounds its argument, to lo..hi (NONE: the infinities). */
bool graph_act_range(const struct graph_act *act, float *ret_lo, float *ret_hi);

/* Padding: explicit, or computed from the input size so that output = ceil(input / stride). */
enum graph_pad_mode { GRAPH_PAD_EXPLICIT, GRAPH_PAD_SAME_UPPER, GRAPH_PAD_SAME_LOWER, GRAPH_PAD_VALID };

struct graph_window {
	int kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
	enum graph_pad_mode pad_mode;
	int top, bottom, left, right; /* GRAPH_PAD_EXPLICIT */
};
struct graph_conv {
	struct graph_window window;
	int groups;
	bool fc_like; /* reserved for passes: 1x1 on 1x1 */
};
struct graph_pool {
	struct graph_window window;
	bool global; /* window is the whole image at any size */
	bool ceil_mode;
	bool count_pad; /* average: padding counts in the divisor */
};
struct graph_reduce {
	int n_axes;
	int axes[ENGINE_RANK_MAX];
	bool keep_dims;
};
struct graph_shape {
	int rank;
	int32_t dims[ENGINE_RANK_MAX];
};
/*
 * Along each axis: the elements begin, begin + step, begin + 2 step, ...; size of them, or with -1 as many as the
 * input has.  A negative begin counts from the end; a negative step runs towards the front.
 */
struct graph_slice {
	int32_t begin[ENGINE_RANK_MAX], size[ENGINE_RANK_MAX], step[ENGINE_RANK_MAX];
};
struct graph_pad {
	int32_t before[ENGINE_RANK_MAX], after[ENGINE_RANK_MAX];
	float value;
};
struct graph_resize {
	bool bilinear; /* else nearest */
	bool align_corners, half_pixel;
	float scale_h, scale_w; /* used when out_h is 0 */
	int out_h, out_w;
};

struct graph_general {
	const struct engine_operator *op;
	struct engine_attributes *attributes; /* owned */
	int version;			      /* of the operator set */
};

/* What passes folded into a node besides its act and residual; bits of graph_node.folded. */
#define GRAPH_FOLDED_PAD   1u
#define GRAPH_FOLDED_SCALE 2u
#define GRAPH_FOLDED_QUANT 4u /* the float of a file around it; CONV, FC: sums are scaled in float, as ONNX has it */
#define GRAPH_FOLDED_SLOPE 8u /* CONV in float: a PRELU behind it and its residual, whose slope is input 3; no act */

struct graph_node {
	enum graph_op op;
	char *name;	       /* as in the file, or made from op and index; owned */
	int *inputs, *outputs; /* value indexes; -1: optional input absent; owned */
	int n_inputs, n_outputs;
	struct graph_act act; /* fused behind the op (TFLite and ncnn store it there; passes add more) */
	int residual;	      /* value added before act; -1 none; set by passes */
	unsigned folded;      /* GRAPH_FOLDED_*, for inspection */
	/* CONV, FC in float: output channel o becomes scale[o] * conv + shift[o], before residual and act; applied to
	 * the weights when they are packed.  Both or neither; owned; set by passes. */
	float *fold_scale, *fold_shift;
	union {
		struct graph_conv conv;
		struct graph_pool pool;
		struct graph_reduce reduce;
		struct graph_act unary;
		struct graph_shape shape;
		struct graph_slice slice;
		struct graph_pad pad;
		struct graph_resize resize;
		struct graph_general general;
		struct {
			int axis;
			float beta;
		} axis; /* CONCAT, SOFTMAX */
		struct {
			bool half_away; /* what is half between two quanta goes away from zero, not to the even one */
		} cast;
		struct {
			bool flatten;
		} fc; /* x is flattened to one row first */
	};
};

/* Quantisation of a value: n_scales 0 none, 1 per tensor, else one per index of `axis`. */
struct graph_quant {
	float *scales;	      /* owned */
	int32_t *zero_points; /* owned; same count */
	int n_scales, axis;
};

struct graph_value {
	char *name; /* owned; may be NULL */
	enum engine_type type;
	int rank;
	int32_t dims[ENGINE_RANK_MAX]; /* GRAPH_DIM_UNKNOWN until inferred */
	struct graph_quant quant;
	int producer;	  /* node, or -1 for inputs and constants */
	const void *data; /* constant content, dense; NULL otherwise */
	size_t data_bytes;
	bool owned;	     /* data is the graph's, made with malloc */
	bool aligned;	     /* data is aligned and has slack behind it, as the kernels want it */
	bool filed;	     /* data is as the file has it, see graph_settled(); only weights of CONV and FC */
	bool packed;	     /* a constant that is there only as panels of convolutions; data is NULL */
	bool channels_first; /* the file orders it (N)CHW; for inputs and outputs */
	int file_rank;
	unsigned open_axes; /* bit k: the file leaves axis k of this input to whoever runs it */
	bool used;	    /* some node reads it */
	bool variable;	    /* only a run knows its shape; dims are the most it may be */
	bool was_u8;	    /* the file holds it as uint8; set by passes, whose tensors are int8 */
};

static inline bool graph_is_constant(const struct graph_value *value)
{
	return value->data || value->packed;
}

/* What simplified a graph, for inspection. */
enum graph_pass {
	GRAPH_PASS_CONSTANT, /* the importers' */
	GRAPH_PASS_UNREAD,
	GRAPH_PASS_CAST,
	GRAPH_PASS_IDENTITY,
	GRAPH_PASS_PAD,
	GRAPH_PASS_SCALE,
	GRAPH_PASS_GATE,
	GRAPH_PASS_ACTIVATION,
	GRAPH_PASS_RESIDUAL,
	GRAPH_PASS_QUANT,
	GRAPH_PASS_COUNT
};

struct graph {
	struct graph_value *values;
	int n_values, cap_values;
	struct graph_node *nodes; /* in an order that can be run */
	int n_nodes, cap_nodes;
	int inputs[ENGINE_IO_MAX], outputs[ENGINE_IO_MAX];
	int n_inputs, n_outputs;
	int passes[GRAPH_PASS_COUNT]; /* nodes that each of them took out */
	/* General operators that reading the file took, each once, also those whose results were constants. */
	const struct engine_operator *generals[GRAPH_GENERAL_MAX];
	int n_generals;
	bool ops[GRAPH_OP_COUNT]; /* of all nodes that were added, whatever became of them */
	bool is_general;	  /* an operator of a TFLite file took the way to them, whatever became of it */
	bool unread; /* the nodes depend on shapes the file leaves open: there are only inputs and outputs */
};

void graph_init(struct graph *graph);
void graph_finish(struct graph *graph);
void graph_node_finish(struct graph_node *node);

/*
 * Add a value or a node.  Return its index, or -ENOMEM, -EFBIG over the limits above.  Strings are copied
 * (name may be NULL, name_bytes its length).  Pointers into graph->values and graph->nodes are valid until
 * the next add.  graph_add_node copies the index lists and checks them: -EINVAL for an index that does not exist, an
 * input not made yet (a forward reference or a cycle), or an output that already has a producer.
 */
int graph_add_value(struct graph *graph, const char *name, size_t name_bytes, enum engine_type type, int rank,
		    const int32_t *dims);
int graph_add_node(struct graph *graph, enum graph_op op, const char *name, size_t name_bytes, const int *inputs,
		   int n_inputs, const int *outputs, int n_outputs);
/* Makes a node of GRAPH_GENERAL one of this operator. */
void graph_set_general(struct graph *graph, int node, const struct graph_general *general);
/* Takes the node that was added last out again; its outputs have no producer then. */
void graph_drop_last_node(struct graph *graph);
/* Copies n scales and zero points (NULL: zeros); rejects scales that are not finite and positive. */
int graph_set_quant(struct graph *graph, int value, int n, const float *scales, const int64_t *zero_points, int axis);
int graph_set_data(struct graph *graph, int value, const void *data, size_t bytes); /* borrows; checks the size */
/* Allocates bytes of owned constant data, zeroed, for the caller to fill; NULL when memory or the size is refused. */
void *graph_alloc_data(struct graph *graph, int value, size_t bytes);

/*
 * Weights of a file are not copied to be put in order: borrowed data of a `filed` value is at any alignment, and that
 * of a convolution [O][I / groups][KH][KW] while its dims are as ever.  Packing reads it so; who else wants to read it
 * asks for a copy in the order of the dims, to free(); NULL when memory is short.
 */
void *graph_settled(const struct graph_value *value);

/* Elements of a shape; -EOVERFLOW past ENGINE_TENSOR_BYTES_MAX, -EINVAL for a negative dimension. */
int graph_elements(int rank, const int32_t *dims, size_t *ret_elements);

/* Output side and padding before for one axis of a window; 0 or -EINVAL for a window larger than its input. */
int graph_window_axis(const struct graph_window *window, bool vertical, bool ceil_mode, int in, int *ret_out,
		      int *ret_before, int *ret_after);

/*
 * Checks what does not depend on the size of the inputs: arity, order, types, quantisation, attribute ranges,
 * constants.  graph_infer includes it.  On failure ret_error names the node.
 */
int graph_check(const struct graph *graph, struct engine_error *ret_error);

/*
 * Checks every node (arity, types, attribute ranges, weight shapes) and computes all shapes from the dims of the
 * graph's input values into `shapes` (n_values entries), leaving the graph as it is, so that one graph serves
 * many sizes.  On failure ret_error names the node.
 */
int graph_infer(const struct graph *graph, struct graph_shape *shapes, struct engine_error *ret_error);

/* The same for one node whose inputs' shapes are known: for importers whose files say less than they have to know. */
int graph_infer_node(const struct graph *graph, int node, struct graph_shape *shapes, struct engine_error *ret_error);

/* Formats into ret_error (may be NULL) and returns code, so that callers write `return graph_error(...)`. */
int graph_error(struct engine_error *ret_error, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
