/*
 * limits.h - the ranges of what is learned, for the learning and for whoever reads it back.  Private to the policy.
 */
#ifndef INFERD_POLICY_LIMITS_H
#define INFERD_POLICY_LIMITS_H

#include "latency.h"

#define NOISE_MIN      0.0004f /* variances of logarithms */
#define NOISE_MAX      0.25f
#define DRIFT_START    0.0005f
#define DRIFT_MIN      0.0001f
#define DRIFT_MAX      0.01f
#define SWING_START    0.05f
#define HISTOGRAM_KEEP 0.996f /* share of the histogram's weight that a run leaves */
#define BOUND_MIN      1.0f   /* standard deviations */
#define BOUND_MAX      6.0f
#define SWITCH_MAX     0.7f /* logarithm of a factor of two */
#define SLOWDOWN_MAX   7.0f /* a factor of 1000 either way */
#define BIAS_MAX       2.0f
#define VARIANCE_MAX   50.0f /* of anything learned */
#define OUTLIERS_KEPT  30.0f /* seen, of one kind, before older ones fade */

/* Brings `below` up to date with the histogram's weights. */
void policy_latency_add_up(struct policy_latency *latency);

#endif
