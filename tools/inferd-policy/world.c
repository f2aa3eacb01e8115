/*
 * world.c - see world.h.
 *
 * Heat is two capacities behind two resistances (die and case); the kernel caps clocks in proportion to how far the
 * die is from its target, as its power allocator does.  Figures in docs/policy.md.
 */
#include "world.h"

#include <math.h>
#include <string.h>

#define DIE_J_PER_K   1.0
#define CASE_J_PER_K  40.0
#define DIE_K_PER_W   8.0
#define CASE_K_PER_W  9.0
#define IDLE_W	      0.25
#define POWER_OF_F    2.7
#define STEP_S	      0.1
#define SPIKE_SHARE   0.015
#define SPIKE_LOW     1.5
#define SPIKE_HIGH    3.0
#define SWITCH_MODEL  1.12
#define SWITCH_INPUT  1.04
#define SWITCH_LANE_S 0.008

/* Streams of random numbers. */
enum { RANDOM_DEVICE = 1, RANDOM_RUNG, RANDOM_ARRIVAL, RANDOM_JITTER, RANDOM_SPIKE, RANDOM_SENSOR, RANDOM_LANE };

/* SplitMix64 (Steele, Lea, Flood, 2014). */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

double world_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
	return ((double)(mix(mix(mix(seed) ^ stream) ^ index) >> 11) + 0.5) / 9007199254740992.0;
}

/* Box and Muller. */
static double normal(uint64_t seed, uint64_t stream, uint64_t index)
{
	double u = world_uniform(seed, stream, 2 * index), v = world_uniform(seed, stream, 2 * index + 1);

	return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}

static double between(double lo, double hi, double share)
{
	return lo + (hi - lo) * share;
}

/* ---- making ------------------------------------------------------------------------------------ */

static void make_device(struct world *w)
{
	static const double watts[] = {2.6, 3.4, 5.0}, sustained[] = {1.6, 2.0, 3.2}, trip[] = {52, 58, 62};
	int kind = (int)(world_uniform(w->seed, RANDOM_DEVICE, 0) * 3);

	w->watts[0] = watts[kind];
	w->watts[1] = watts[kind] * 0.35;
	w->sustained_w = sustained[kind];
	w->trip_c = trip[kind];
	w->target_c = trip[kind] + 12;
	w->memory_share = between(0.2, 0.45, world_uniform(w->seed, RANDOM_DEVICE, 1));
}

/*
 * Variants whose times are spread over a factor of about 12, each at sizes from its own down; the dearest takes about
 * the deadline at the device's nominal speed, which is the device's own within a factor of two.
 */
static void make_rungs(struct world *w)
{
	static const int sides[] = {256, 224, 192, 160};
	int n_variants = 3 + (int)(world_uniform(w->seed, RANDOM_DEVICE, 2) * 3);
	int n_sizes = 2 + (int)(world_uniform(w->seed, RANDOM_DEVICE, 3) * 3);
	double device = exp(0.35 * normal(w->seed, RANDOM_DEVICE, 4));
	double dearest_s = w->setting->deadline_s * between(0.6, 1.4, world_uniform(w->seed, RANDOM_DEVICE, 5));

	for (int v = 0; v < n_variants; v++) {
		double q = (double)v / (n_variants - 1), variant = exp(0.15 * normal(w->seed, RANDOM_RUNG, 1000 + v));
		double best = 0.80 - 0.22 * pow(q, 1.4) + 0.01 * normal(w->seed, RANDOM_RUNG, 2000 + v);

		for (int s = 0; s < n_sizes; s++) {
			double side = sides[s] / 256.0, gap = 1 - side;
			double accuracy = best * (1 - 0.1 * gap - 0.9 * gap * gap) +
					  0.004 * normal(w->seed, RANDOM_RUNG, 3000 + v * 8 + s);

			for (int lane = 0; lane < w->n_lanes; lane++) {
				int j = w->n_rungs++;
				double prior_s =
					dearest_s * exp(-2.5 * q) * (0.1 + 0.9 * side * side) * (lane ? 2.6 : 1);

				w->rungs[j] = (struct policy_rung){.variant = (uint16_t)v,
								   .width = (uint16_t)sides[s],
								   .height = (uint16_t)sides[s],
								   .channels = 3,
								   .lane = (uint8_t)lane,
								   .threads = 4,
								   .accuracy = (float)accuracy,
								   .prior_us = (float)(prior_s * 1e6),
								   .power_w = (float)w->watts[lane]};
				w->true_s[j] = prior_s * device * variant *
					       exp(0.08 * normal(w->seed, RANDOM_RUNG, 4000 + (uint64_t)j));
			}
		}
	}
}

/* A Markov chain of three states each for processor and memory. */
static void make_neighbours(struct world *w, int lane)
{
	static const double cpu[] = {1, 1.4, 2.2}, memory[] = {1, 1.1, 1.5}, dwell_s[] = {60, 30, 15};
	double next[2] = {0, 0}, at = 0;
	int state[2] = {0, 0}, n = 0;
	uint64_t stream = RANDOM_LANE + (uint64_t)lane, draws = 0;

	w->events[lane][n++] = (struct world_event){0, 1, 1};
	for (int c = 0; c < 2; c++)
		next[c] = -dwell_s[0] * log(world_uniform(w->seed, stream, draws++));
	while (n < WORLD_EVENTS) {
		int c = next[0] < next[1] ? 0 : 1;
		bool up = world_uniform(w->seed, stream, draws++) < 0.6;

		at = next[c];
		state[c] = state[c] == 0 ? (up ? 1 : 2) : state[c] == 1 ? (up ? 0 : 2) : (up ? 0 : 1);
		next[c] = at - dwell_s[state[c]] * log(world_uniform(w->seed, stream, draws++));
		w->events[lane][n++] = (struct world_event){at, cpu[state[0]], memory[state[1]]};
	}
	w->n_events[lane] = n;
}

void world_init(struct world *w, const struct world_setting *setting, uint64_t seed)
{
	memset(w, 0, sizeof(*w));
	w->setting = setting;
	w->seed = seed;
	w->n_lanes = setting->lanes;
	make_device(w);
	make_rungs(w);
	for (int lane = 0; lane < w->n_lanes; lane++) {
		make_neighbours(w, lane);
		w->clock[lane] = 1;
		w->last_on[lane] = -1;
	}
	w->last_rung = -1;
	w->die_c = w->skin_c = setting->ambient_c + 3;
}

double world_gap(const struct world *w, int frame)
{
	if (w->setting->arrivals == WORLD_PERIODIC)
		return 1 / w->setting->fps;
	return -log(world_uniform(w->seed, RANDOM_ARRIVAL, (uint64_t)frame)) / w->setting->fps;
}

/* ---- passing time ------------------------------------------------------------------------------ */

static void throttle(struct world *w)
{
	double gain = 2 * w->sustained_w / (w->target_c - w->trip_c);

	for (int lane = 0; lane < w->n_lanes; lane++) {
		double allowed_w = w->sustained_w + gain * (w->target_c - w->die_c) * 0.5, clock;

		clock = pow(allowed_w > 0.05 ? allowed_w / w->watts[lane] : 0.05 / w->watts[lane], 1 / POWER_OF_F);
		clock = clock > 1 || w->die_c < w->trip_c ? 1 : clock < 0.35 ? 0.35 : clock;
		w->clock[lane] = floor(clock * 20 + 0.5) / 20;
	}
}

void world_advance(struct world *w, double until_s, int busy_lane)
{
	while (w->now_s < until_s) {
		double dt = until_s - w->now_s < STEP_S ? until_s - w->now_s : STEP_S, watts = IDLE_W, flow;

		if (busy_lane >= 0)
			watts += w->watts[busy_lane] * pow(w->clock[busy_lane], POWER_OF_F);
		flow = (w->die_c - w->skin_c) / DIE_K_PER_W;
		w->die_c += dt * (watts - flow) / DIE_J_PER_K;
		w->skin_c += dt * (flow - (w->skin_c - w->setting->ambient_c) / CASE_K_PER_W) / CASE_J_PER_K;
		w->joules += watts * dt;
		w->throttled_s += w->clock[0] < 1 ? dt : 0;
		w->now_s += dt;
		throttle(w);
	}
	for (int lane = 0; lane < w->n_lanes; lane++)
		while (w->at_event[lane] + 1 < w->n_events[lane] &&
		       w->events[lane][w->at_event[lane] + 1].at_s <= w->now_s)
			w->at_event[lane]++;
}

double world_time(const struct world *w, int rung)
{
	const struct policy_rung *r = &w->rungs[rung];
	const struct world_event *e = &w->events[r->lane][w->at_event[r->lane]];
	double time =
		w->true_s[rung] * (w->memory_share * e->memory + (1 - w->memory_share) * e->cpu / w->clock[r->lane]);
	int last = w->last_on[r->lane];

	if (!w->setting->switch_costs)
		return time;
	if (last >= 0 && w->rungs[last].variant != r->variant)
		time *= SWITCH_MODEL;
	else if (last >= 0 && last != rung)
		time *= SWITCH_INPUT;
	if (w->last_rung >= 0 && w->rungs[w->last_rung].lane != r->lane)
		time += SWITCH_LANE_S;
	return time;
}

double world_jitter(const struct world *w, int frame)
{
	double jitter = exp(w->setting->mean_jitter * normal(w->seed, RANDOM_JITTER, (uint64_t)frame));

	if (world_uniform(w->seed, RANDOM_SPIKE, 2 * (uint64_t)frame) < SPIKE_SHARE)
		jitter *= between(SPIKE_LOW, SPIKE_HIGH, world_uniform(w->seed, RANDOM_SPIKE, 2 * (uint64_t)frame + 1));
	return jitter;
}

static double below(double z)
{
	return 0.5 * erfc(-z / 1.4142135623730951);
}

double world_jitter_below(const struct world *w, double factor)
{
	double sigma = w->setting->mean_jitter, plain, spiked = 0;

	if (!(factor > 0))
		return 0;
	plain = below(log(factor) / sigma);
	for (int i = 0; i < 6; i++)
		spiked += below(log(factor / between(SPIKE_LOW, SPIKE_HIGH, (i + 0.5) / 6)) / sigma) / 6;
	return (1 - SPIKE_SHARE) * plain + SPIKE_SHARE * spiked;
}

void world_sense(const struct world *w, int frame, struct policy_sample *s)
{
	memset(s, 0, sizeof(*s));
	s->n_lanes = w->n_lanes;
	s->now_us = (int64_t)(w->now_s * 1e6) + 1000000;
	s->deadline_us = (int64_t)(w->setting->deadline_s * 1e6);
	for (int lane = 0; lane < POLICY_LANES_MAX; lane++)
		s->freq_cap[lane] = lane < w->n_lanes ? (float)w->clock[lane] : NAN;
	s->temp_c = (float)(w->die_c + 0.4 * normal(w->seed, RANDOM_SENSOR, (uint64_t)frame));
	s->temp_limit_c = s->cpu_pressure = s->cpu_load = s->battery = s->motion = s->blur = NAN;
}
