/*
 * quantize.h - a float graph to one that computes in int8, given the ranges of its tensors.
 *
 * Convolutions and fully connected layers get weights of int8 with one scale for each output channel, symmetric, and a
 * bias of 32 bits; activations int8 with one scale and zero point for each tensor.  What int8 cannot do well stays
 * float (softmax, general operators, the layer that makes an output), with casts between.  Scheme: Jacob et al.,
 * "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference", CVPR 2018.  The bias
 * of a layer takes back what rounding its weights adds to the mean of its sums: Nagel et al., "Data-Free Quantization
 * Through Weight Equalization and Bias Correction", ICCV 2019.
 */
#ifndef INFERD_QUANTIZE_H
#define INFERD_QUANTIZE_H

#include "graph.h"

struct quantize_range {
	float lo, hi;	     /* lo <= 0 <= hi; both 0: nothing was seen */
	const double *means; /* of each index of the last axis, borrowed; NULL: not known */
	int n_means;
};

/*
 * from: after the passes for quantising (passes.h).  ranges: of each of its values.  `to` is an empty graph; ret_values
 * (as many as from has values) says which value of it is each old one: int8, or the float one where there is no other,
 * -1 where neither is.  0, -ENOMEM, -ENOTSUP where there is nothing to quantise.
 */
int quantize_graph(const struct graph *from, const struct quantize_range *ranges, struct graph *to, int *ret_values,
		   struct engine_error *ret_error);

#endif
