/*
 * halves.h - arithmetic on float16 in portable C, rounded as a processor rounds it: what igemm_f16 has to answer to the
 * bit, and what stands for it where tests run on a processor without.
 */
#ifndef INFERD_TESTS_HALVES_H
#define INFERD_TESTS_HALVES_H

#include "engine/kernels/kernels.h"

double halves_value(uint16_t half);
/* a + b * c of halves, rounded once, half to even. */
double halves_fma(double a, double b, double c);

/* Of a tile like that of igemm_f16_8x16_fp16. */
extern const struct igemm_f16 halves_igemm;

/* Gives the tables of all levels that have no igemm_f16 this one.  Before anything is planned. */
void halves_install(void);

#endif
