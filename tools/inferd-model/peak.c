/*
 * peak.c - how many float operations a second the cores can do at the kernel level in use: multiply-adds on registers
 * alone.  Knows nothing of networks.
 */
#include "peak.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#define THREADS_MAX 64
/* Enough independent sums to fill the pipelines: latency 4 to 5 cycles times two units, and some. */
#define SUMS 12
/* A batch is short against a time slice, so that the best of them ran undisturbed. */
#define ROUNDS	50000
#define BATCHES 40

/* Runs SUMS * ROUNDS multiply-adds; the sums go towards 1, away from denormals.  The result keeps the loop alive. */
typedef float (*peak_loop)(void);

static float loop_scalar(void)
{
	float sums[SUMS], total = 0;
	volatile float start = 0.5f;
	float keep = 0.999f, add = 0.001f;

	for (int i = 0; i < SUMS; i++)
		sums[i] = start + (float)i;
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < SUMS; i++)
			sums[i] = sums[i] * keep + add;
	for (int i = 0; i < SUMS; i++)
		total += sums[i];
	return total;
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static float loop_avx2(void)
{
	__m256 sums[SUMS], keep = _mm256_set1_ps(0.999f), add = _mm256_set1_ps(0.001f);
	volatile float start = 0.5f;

	for (int i = 0; i < SUMS; i++)
		sums[i] = _mm256_set1_ps(start + (float)i);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < SUMS; i++)
			sums[i] = _mm256_fmadd_ps(sums[i], keep, add);
	for (int i = 1; i < SUMS; i++)
		sums[0] = _mm256_add_ps(sums[0], sums[i]);
	return _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f"))) static float loop_avx512(void)
{
	__m512 sums[SUMS], keep = _mm512_set1_ps(0.999f), add = _mm512_set1_ps(0.001f);
	volatile float start = 0.5f;

	for (int i = 0; i < SUMS; i++)
		sums[i] = _mm512_set1_ps(start + (float)i);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < SUMS; i++)
			sums[i] = _mm512_fmadd_ps(sums[i], keep, add);
	for (int i = 1; i < SUMS; i++)
		sums[0] = _mm512_add_ps(sums[0], sums[i]);
	return _mm512_cvtss_f32(sums[0]);
}
#elif defined(__aarch64__)
static float loop_neon(void)
{
	float32x4_t sums[SUMS], keep = vdupq_n_f32(0.999f), add = vdupq_n_f32(0.001f);
	volatile float start = 0.5f;

	for (int i = 0; i < SUMS; i++)
		sums[i] = vdupq_n_f32(start + (float)i);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < SUMS; i++)
			sums[i] = vfmaq_f32(add, sums[i], keep);
	for (int i = 1; i < SUMS; i++)
		sums[0] = vaddq_f32(sums[0], sums[i]);
	return vgetq_lane_f32(sums[0], 0);
}
#endif

static peak_loop choose_loop(const char *level, int *ret_lanes)
{
#if defined(__x86_64__)
	if (strncmp(level, "avx512", strlen("avx512")) == 0) {
		*ret_lanes = 16;
		return loop_avx512;
	}
	if (strncmp(level, "avx", strlen("avx")) == 0) {
		*ret_lanes = 8;
		return loop_avx2;
	}
#elif defined(__aarch64__)
	if (strcmp(level, "neon") == 0) {
		*ret_lanes = 4;
		return loop_neon;
	}
#else
	(void)level;
#endif
	*ret_lanes = 1;
	return loop_scalar;
}

struct worker {
	pthread_t thread;
	peak_loop loop;
	double seconds; /* of the best batch */
	volatile float sink;
};

static double now_seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void *measure(void *argument)
{
	struct worker *worker = argument;

	worker->seconds = 1e9;
	for (int i = 0; i < BATCHES; i++) {
		double start = now_seconds(), took;

		worker->sink = worker->loop();
		took = now_seconds() - start;
		if (took < worker->seconds)
			worker->seconds = took;
	}
	return NULL;
}

double peak_gflops(const char *level, int n_threads)
{
	struct worker workers[THREADS_MAX];
	double total = 0;
	int lanes, started;
	peak_loop loop = choose_loop(level, &lanes);

	if (n_threads > THREADS_MAX)
		n_threads = THREADS_MAX;
	for (started = 0; started < n_threads; started++) {
		workers[started].loop = loop;
		if (pthread_create(&workers[started].thread, NULL, measure, &workers[started]) != 0)
			break;
	}
	for (int i = 0; i < started; i++) {
		pthread_join(workers[i].thread, NULL);
		total += 2.0 * ROUNDS * SUMS * lanes / workers[i].seconds * 1e-9;
	}
	return total;
}
