/*
 * peak.h - the float speed of the processor, to hold a network's speed against.
 */
#ifndef INFERD_PEAK_H
#define INFERD_PEAK_H

/*
 * 10^9 float operations a second (a multiply-add counts two) of n_threads threads together, with the instructions of
 * this kernel level.  Takes some hundredths of a second.  More threads than CPUs would count the CPUs twice.
 */
double peak_gflops(const char *level, int n_threads);

#endif
