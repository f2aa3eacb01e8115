/* dwconv_f32_neon.c - dwconv_f32.inc for NEON. */
#include <arm_neon.h>

#define KERNEL(name) name##_neon
#define LANES	     4
#define VECTORS	     2
#define ROWS	     1

typedef float32x4_t vector;

static inline vector load(const float *from)
{
	return vld1q_f32(from);
}

/* Loads into a register: compilers would load what is used two or three times as often. */
static inline vector load_once(const float *from)
{
	vector values = load(from);

	__asm__("" : "+w"(values));
	return values;
}

static inline void store(float *to, vector values)
{
	vst1q_f32(to, values);
}

static inline vector multiply_add(vector a, vector b, vector sum)
{
	return vfmaq_f32(sum, a, b);
}

static inline vector clamp(vector values, float lo, float hi)
{
	return vminq_f32(vmaxq_f32(values, vdupq_n_f32(lo)), vdupq_n_f32(hi));
}

#include "dwconv_f32.inc"

void kernels_dwconv_f32_neon(struct kernels *table)
{
	table->dwconv_f32 = dwconv_f32_neon;
	table->dwconv_f32_rows = ROWS;
}
