/*
 * levels.h - what each level of the CPU adds to the table of kernels; private to kernels/.
 */
#ifndef INFERD_KERNELS_LEVELS_H
#define INFERD_KERNELS_LEVELS_H

#include <trim.h>

#include "kernels.h"

/* What rounds as ONNX's runtimes do, see float_scales: networks of that pass, and files that keep them. */
#define WITH_FLOAT_SCALES (WITH_PASS_quant || WITH_FORMAT_converted)

void kernels_scalar(struct kernels *table);
void kernels_elementwise_scalar(struct kernels *table);
void kernels_winograd_scalar(struct kernels *table);
void kernels_dots_s8_scalar(struct kernels *table);
void kernels_resample_scalar(struct kernels *table);
void kernels_pixels_scalar(struct kernels *table);

void kernels_avx2(struct kernels *table);
void kernels_elementwise_avx2(struct kernels *table);
void kernels_winograd_avx2(struct kernels *table);
void kernels_igemm_f32_avx2(struct kernels *table);
void kernels_igemm_s8_avx2(struct kernels *table);
void kernels_dwconv_f32_avx2(struct kernels *table);
void kernels_dwconv_s8_avx2(struct kernels *table);
void kernels_dots_s8_avx2(struct kernels *table);
void kernels_resample_avx2(struct kernels *table);
void kernels_pixels_avx2(struct kernels *table);

void kernels_avxvnni(struct kernels *table);
void kernels_igemm_s8_avxvnni(struct kernels *table);
void kernels_dots_s8_avxvnni(struct kernels *table);

void kernels_avx512(struct kernels *table);
void kernels_elementwise_avx512(struct kernels *table);
void kernels_winograd_avx512(struct kernels *table);
void kernels_igemm_f32_avx512(struct kernels *table);
void kernels_dwconv_f32_avx512(struct kernels *table);
void kernels_resample_avx512(struct kernels *table);
void kernels_pixels_avx512(struct kernels *table);

void kernels_avx512vnni(struct kernels *table);
void kernels_igemm_s8_avx512vnni(struct kernels *table);
void kernels_dwconv_s8_avx512vnni(struct kernels *table);
void kernels_dots_s8_avx512vnni(struct kernels *table);

void kernels_amx(struct kernels *table);
void kernels_igemm_s8_amx(struct kernels *table);

void kernels_neon(struct kernels *table);
void kernels_elementwise_neon(struct kernels *table);
void kernels_lut_neon(struct kernels *table);
void kernels_half_neon(struct kernels *table);
void kernels_winograd_neon(struct kernels *table);
void kernels_igemm_f32_neon(struct kernels *table);
void kernels_igemm_s8_neon(struct kernels *table);
void kernels_igemm_s8_wide_neon(struct kernels *table);
void kernels_dwconv_f32_neon(struct kernels *table);
void kernels_dwconv_s8_neon(struct kernels *table);
void kernels_dots_s8_neon(struct kernels *table);
void kernels_resample_neon(struct kernels *table);
void kernels_pixels_neon(struct kernels *table);

void kernels_fp16(struct kernels *table);
void kernels_igemm_f16_fp16(struct kernels *table);
uint16_t kernels_narrow_fp16(size_t n, float scale, const float *in, uint16_t *out);

void kernels_dotprod(struct kernels *table);
void kernels_igemm_s8_dotprod(struct kernels *table);
void kernels_dots_s8_dotprod(struct kernels *table);

void kernels_i8mm(struct kernels *table);
void kernels_igemm_s8_i8mm(struct kernels *table);

#endif
