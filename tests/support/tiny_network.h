/*
 * tiny_network.h - small networks with fixed weights, written as ncnn files by the tests that need one.
 *
 * The network averages over the picture after one convolution that passes brightness through, and has four
 * classes: the darker the picture the lower the class.  A larger side makes it slower.
 */
#ifndef INFERD_TINY_NETWORK_H
#define INFERD_TINY_NETWORK_H

/* Writes STEM.param and STEM.bin for pictures of side x side. */
void tiny_network_write(const char *stem, int side, int n_classes);

#endif
