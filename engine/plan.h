/*
 * plan.h - a model at one input size: tensors with places in the arena, steps with chosen kernels and packed weights.
 *
 * Made by plan.c, walked by run.c, immutable after.  Borrows the model's graph and its packed weights, which outlive
 * it.  Tensors have the indexes of the graph's values.
 */
#ifndef INFERD_PLAN_H
#define INFERD_PLAN_H

#include "graph.h"
#include "kernels/kernels.h"
#include "weights.h"

struct plan_tensor {
	enum engine_type type; /* as stored: uint8 of the file is int8 here */
	int rank;
	int32_t dims[ENGINE_RANK_MAX];
	size_t count, bytes;
	float scale; /* 0: not quantised */
	int32_t zero_point;
	bool was_u8;
	bool passing;	  /* from one part of a step to the next, see rows.h: without memory */
	const void *data; /* constant; NULL: at offset in the arena */
	size_t offset;
	int root;      /* the tensor whose memory this is a view of; itself otherwise */
	size_t start;  /* element of the root's memory at which it begins */
	size_t stride; /* elements from one row of the last axis, as a pixel's channels, to the next; dense: its size */
	int first, last; /* of a root: steps that write it first and read it last; -1 is before the first step */
};

static inline size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t ceil_div(size_t a, size_t b)
{
	return (a + b - 1) / b;
}

/* Geometry of a window over an image; what convolutions and pools share. */
struct plan_window {
	int in_h, in_w, in_c, out_h, out_w, out_c;
	int kh, kw, stride_h, stride_w, dilation_h, dilation_w, top, left;
	size_t in_stride, out_stride; /* elements from one pixel to the next */
};

/* How a convolution or fully connected step is cut into tiles: row blocks x ranges of panels, group after group. */
struct plan_gemm {
	const struct weights_conv *weights;
	/* Output pixels of a tile at most, a multiple of the kernel's mr; Winograd: blocks; of other steps: rows. */
	size_t rows;
	size_t row_tiles;    /* of one group */
	size_t panel_tiles;  /* of one row tile */
	bool by_panels;	     /* neighbouring tiles are of the same panels; otherwise of the same rows */
	int groups, group_c; /* input channels of one group */
	int panels, group_n; /* panels and output channels of one group */
	bool pointwise;	     /* every output pixel reads the input pixel of the same index */
};

struct reading;

/* What made steps unnecessary at this size, for inspection. */
enum plan_pass {
	PLAN_PASS_CONCAT,
	PLAN_PASS_SLICE,
	PLAN_PASS_RESHAPE,
	PLAN_PASS_SQUEEZE,
	PLAN_PASS_ROWS,
	PLAN_PASS_COUNT
};

struct exec {
	const struct engine_plan *plan;
	const struct kernels *kernels;
	uint8_t *arena;
	uint8_t *own; /* plan->own_bytes of the thread's own, which steps work in */
	bool goes_on; /* the tile before this one was this thread's last, and `own` is as it left it */
	int *status;  /* of the run: what a general operator refused; thread 0 writes */
};

struct step {
	const struct graph_node *node;
	const int *in; /* the node's inputs, as tensors */
	int n_in, out, residual;
	void (*run)(const struct step *step, const struct exec *exec, size_t from, size_t to);
	size_t tiles;	      /* they touch disjoint outputs, so any thread may take any of them */
	bool serial;	      /* too small to share */
	bool strided;	      /* an elementwise step of tensors that are not dense, see step_span() */
	float lo, hi;	      /* clamp of a float result */
	int8_t lo8, hi8;      /* of a quantised one */
	struct graph_act act; /* what the clamp does not cover; applied to each finished tile */
	struct plan_window window;
	struct plan_gemm gemm;
	struct binary_s8_args binary;
	/* Per channel, of PRELU and BATCHNORM and of a CONV with a slope; borrowed from the weights. */
	const float *slope, *shift;
	int8_t *table;	    /* of an int8 function of one argument; owned */
	void *state;	    /* of a general operator; released with the plan */
	struct step *parts; /* of a step that stands for several; owned */
	int n_parts;
	size_t scratch; /* offset in the arena, of scratch_bytes */
	size_t scratch_bytes;
	size_t own_bytes; /* that each thread needs to work in */
	const char *kernel;
	char fused[64];
	uint64_t macs, params;
};

struct engine_plan {
	struct engine_plan_options options;
	const struct graph *graph;
	struct plan_tensor *tensors;
	struct step *steps;
	int n_steps;
	size_t arena_bytes;
	size_t own_bytes;     /* the most that a step needs of each thread's own; a multiple of 64 */
	size_t shapes_offset; /* in the arena: shapes of this run, one for each tensor; only with variable ones */
	uint64_t macs, work;
	int passes[PLAN_PASS_COUNT];
	int flips[2 * ENGINE_IO_MAX]; /* roots of uint8 inputs, then of uint8 outputs */
	int n_flip_inputs, n_flips;
	/* the model's: */
	struct reading *reading; /* what the graph and the weights are in, where the file was read for this plan */
	int n_holds;		 /* of those who asked for its shapes */
	bool lasting;		 /* for as long as the model */
	struct engine_plan *next;
};

/*
 * Builds the plan of a graph that passes.c went through.  weights is the model's cache, filled as needed; the caller
 * holds its lock.  Returns as engine_model_plan().
 */
int plan_create(const struct graph *graph, struct weights *weights, const struct engine_plan_options *options,
		struct engine_error *ret_error, struct engine_plan **ret_plan);
void plan_destroy(struct engine_plan *plan); /* accepts NULL */

/* Cuts a float convolution that is not depthwise, with weights and window set, into tiles; sets own_bytes. */
void plan_tile_conv(struct step *step, const struct kernels *kernels);

/* Whether a GRAPH_MEAN of these tensors is over height and width of an image, as a pool's. */
bool plan_mean_is_pool(const struct plan_tensor *tensors, const struct graph_node *node);

/* What each pass of the plan did, in words for a count in front of it. */
extern const char *const plan_pass_names[PLAN_PASS_COUNT];

/* What the context's last run left of a tensor; of a plan that keeps tensors, all of them. */
const void *run_tensor(struct engine_context *context, const struct engine_plan *plan, int tensor);

static inline void *plan_pointer(const struct exec *exec, int tensor)
{
	const struct plan_tensor *t = &exec->plan->tensors[tensor];

	return t->data ? (void *)(uintptr_t)t->data : exec->arena + t->offset;
}

#endif
