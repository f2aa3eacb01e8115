/*
 * weights.h - constants of a model in the form the kernels want, made once and shared by all its plans.
 *
 * A convolution's weights are packed into panels (or depthwise tables) with bias, batch norm factors, input zero point
 * and output scale folded in; operands of other steps are copied, aligned, with KERNEL_SLACK bytes behind them.
 * Entries stay where they are until weights_finish().  Not thread-safe: the model's lock is held around it.
 */
#ifndef INFERD_WEIGHTS_H
#define INFERD_WEIGHTS_H

#include <stdatomic.h>

#include "graph.h"
#include "kernels/kernels.h"

/* Weights of an output channel up to which a row of the window is one tap: few channels a pixel, as in stems. */
#define WEIGHTS_FLAT_MAX 256

#define WEIGHTS_WINOGRAD_MIN 16 /* channels, input or output, for Winograd's method */

/*
 * What a layer has to have for its products to be of halves: less, and narrowing the inputs costs more than is gained.
 */
#define WEIGHTS_HALF_CHANNELS_MIN 32 /* output channels of a group */
#define WEIGHTS_HALF_LENGTH_MIN	  16 /* weights of one */

/* The gray first layer of engine_plan_options: 0 input channels: colour, as the file has it. */
struct weights_gray {
	int channels; /* 0, 1 or 2 */
	float gain[3], bias[3];
};

struct weights_conv {
	const uint8_t *packed; /* panels of panel_bytes, group after group; or one depthwise table */
	size_t panel_bytes;
	/*
	 * Panels of a file's float16 weights keep them so behind a bias of float32: of one once it is widened, as the
	 * kernels read it, see step_panel(); 0 where panels are read as they are.
	 */
	size_t wide_bytes;
	bool depthwise;
	bool flat; /* a row of the window is one tap of as many channels as it has in all pixels; not depthwise */
	const struct winograd
		*winograd; /* the panels are pack_winograd_panel()'s for these blocks; NULL: they are not */
	bool half;	   /* they are pack_f16_panel()'s: inputs become halves too */
	const struct igemm_s8 *igemm_s8; /* the kernel that the panels are for, NULL where they are not int8 */
	const void *padding;		 /* a tap of the input's zero, with slack behind it */
	uint64_t params;
};

/* Packed data that several sets of weights have in common, because one network was read at several shapes. */
struct weights_blob;
struct weights_pool {
	struct weights_blob *first;
	atomic_size_t bytes;
	/* Told of bytes of borrowed weights that are packed: their pages need not stay in memory.  NULL: nobody is. */
	void (*release)(void *context, const void *data, size_t bytes);
	void *context;
	/* What panels for Winograd's method may take more than others, and what they do; under the model's lock. */
	size_t winograd_max, winograd_bytes;
};

struct weights_entry;
struct trials;
struct weights {
	const struct kernels *kernels;
	struct trials *trials;	   /* borrowed: for the plans that choose a method */
	struct weights_pool *pool; /* borrowed; outlives the weights */
	struct weights_entry *first;
	atomic_size_t bytes; /* besides the pool's; may be read without the model's lock, which is held while weights
				are packed */
};

void weights_init(struct weights *weights, const struct kernels *kernels, struct weights_pool *pool);
void weights_finish(struct weights *weights);

/*
 * Whether there is a choice of Winograd's blocks for node `index`: it suits them, and its weights are not packed yet,
 * for another size of the network or another node.  ret_fits: those for which there is memory.
 */
bool weights_winograd_open(const struct weights *weights, const struct graph *graph, int index,
			   const struct weights_gray *gray, bool ret_fits[WINOGRAD_SIZES]);

/*
 * The packed weights of convolution or fully connected node `index`.  winograd: the blocks chosen where there is a
 * choice, NULL for none; half: for igemm_f16, where there is one, the layer suits it and is not done by blocks.  0,
 * -ENOMEM, or -ENOTSUP where 32-bit sums could overflow; ret_error names the node.
 */
int weights_conv(struct weights *weights, const struct graph *graph, int index, const struct weights_gray *gray,
		 const struct winograd *winograd, bool half, struct engine_error *ret_error,
		 const struct weights_conv **ret_conv);

/*
 * For a file of the engine's own.  The panels of node `index` in colour, their size and the blocks they are for, NULL
 * for none; NULL where no plan has made them.  The size they have to have, 0 where the node has none or none for these
 * blocks.  adopt: from now on they are these, which are as large as that and outlive the weights; -EINVAL, -ENOMEM.
 */
const void *weights_panels(const struct weights *weights, const struct graph *graph, int index, size_t *ret_bytes,
			   const struct winograd **ret_winograd);
size_t weights_panels_bytes(struct weights *weights, const struct graph *graph, int index,
			    const struct winograd *winograd);
int weights_adopt(struct weights *weights, const struct graph *graph, int index, const struct winograd *winograd,
		  const void *panels);

/* A constant as an operand: same type and values.  NULL when memory is short. */
const void *weights_operand(struct weights *weights, const struct graph *graph, int value);

/* A constant of any number type as n floats (a single value repeated), for PRELU and BATCHNORM.  NULL: no memory. */
const float *weights_floats(struct weights *weights, const struct graph *graph, int value, size_t n);

#endif
