/*
 * persist.c - what was learned, as bytes and back; see latency.h.
 *
 * All numbers are 32 bits, little-endian on every machine: a header, what is learned, and a checksum.  One walk over
 * the fields serves both directions, so that they cannot part.
 */
#include <string.h>

#include "limits.h"

#define MAGIC	      0x4c504e49u /* "INPL" */
#define FORMAT	      2u
#define HEADER_BYTES  24 /* magic, format, hash, rungs, length of all */
#define LANE_WORDS    (12 + POLICY_PARTS * (POLICY_PARTS + 1) / 2)
#define RUNG_WORDS    12
#define VARIANT_WORDS (POLICY_LANES_MAX / 4)
#define FIXED_WORDS   (7 + POLICY_BINS + 2 * POLICY_OUTLIERS + LANE_WORDS * POLICY_LANES_MAX)

/* A walk over the words of a buffer, which either fills them or reads them. */
struct walk {
	uint8_t *out;
	const uint8_t *in;
	bool ok; /* all that was read is within its range */
};

static void put_u32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

static uint32_t get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void word(struct walk *w, uint32_t *value)
{
	if (w->out) {
		put_u32(w->out, *value);
		w->out += 4;
	} else {
		*value = get_u32(w->in);
		w->in += 4;
	}
}

static void number(struct walk *w, float *value, float lo, float hi)
{
	uint32_t bits;

	memcpy(&bits, value, sizeof(bits));
	word(w, &bits);
	memcpy(value, &bits, sizeof(bits));
	w->ok = w->ok && *value >= lo && *value <= hi;
}

static void index_of_rung(struct walk *w, int16_t *value, int n_rungs)
{
	uint32_t bits = (uint32_t)(*value + 1);

	word(w, &bits);
	*value = (int16_t)(bits <= (uint32_t)n_rungs ? (int)bits - 1 : -1);
	w->ok = w->ok && bits <= (uint32_t)n_rungs;
}

/* A symmetric matrix: one of its triangles. */
static void walk_joint(struct walk *w, float joint[POLICY_PARTS][POLICY_PARTS])
{
	for (int i = 0; i < POLICY_PARTS; i++)
		for (int k = 0; k <= i; k++) {
			number(w, &joint[i][k], i == k ? 0 : -100, 100);
			joint[k][i] = joint[i][k];
		}
}

static void walk_lane(struct walk *w, struct policy_latency_lane *lane, int n_rungs)
{
	uint32_t low = (uint32_t)lane->seen_us, high = (uint32_t)((uint64_t)lane->seen_us >> 32);

	number(w, &lane->usual, -SLOWDOWN_MAX, SLOWDOWN_MAX);
	number(w, &lane->swing, 0, 100);
	number(w, &lane->slowdown, -SLOWDOWN_MAX, SLOWDOWN_MAX);
	walk_joint(w, lane->joint);
	number(w, &lane->drift, DRIFT_MIN, DRIFT_MAX);
	number(w, &lane->last_z, -1e6f, 1e6f);
	number(w, &lane->suspect, 0, 100);
	number(w, &lane->suspect_z, -1e6f, 1e6f);
	index_of_rung(w, &lane->suspect_rung, n_rungs);
	index_of_rung(w, &lane->last_rung, n_rungs);
	word(w, &lane->count);
	word(w, &low);
	word(w, &high);
	lane->seen_us = (int64_t)((uint64_t)high << 32 | low);
}

static void walk_bias(struct walk *w, struct policy_bias *bias)
{
	number(w, &bias->value, -BIAS_MAX, BIAS_MAX);
	number(w, &bias->variance, 0, 100);
	word(w, &bias->count);
	word(w, &bias->seen);
}

static void walk_runs(struct walk *w, uint8_t runs[POLICY_LANES_MAX])
{
	for (int i = 0; i < POLICY_LANES_MAX; i += 4) {
		uint32_t four = get_u32(runs + i);

		word(w, &four);
		put_u32(runs + i, four);
	}
}

static void walk_all(struct walk *w, struct policy_latency *l)
{
	number(w, &l->noise, NOISE_MIN, NOISE_MAX);
	number(w, &l->bound, BOUND_MIN, BOUND_MAX);
	number(w, &l->switch_variant, 0, SWITCH_MAX);
	number(w, &l->switch_other, 0, SWITCH_MAX);
	word(w, &l->n_runs);
	word(w, &l->bound_runs);
	word(w, &l->bound_saturated);
	for (int i = 0; i < POLICY_BINS; i++)
		number(w, &l->weight[i], 0, 1 / (1 - HISTOGRAM_KEEP) + 1);
	for (int i = 0; i < POLICY_OUTLIERS; i++) {
		number(w, &l->outlier[i].jumps, 0.001f, OUTLIERS_KEPT + 1);
		number(w, &l->outlier[i].spikes, 0.001f, OUTLIERS_KEPT + 1);
	}
	for (int i = 0; i < POLICY_LANES_MAX; i++)
		walk_lane(w, &l->lane[i], l->n_rungs);
	for (int i = 0; i < l->n_rungs; i++) {
		walk_bias(w, &l->variant[i]);
		walk_bias(w, &l->size[i]);
		walk_bias(w, &l->rung[i]);
		walk_runs(w, l->runs[i]);
	}
}

/* CRC-32 as of IEEE 802.3. */
static uint32_t checksum(const uint8_t *bytes, size_t size)
{
	uint32_t crc = 0xffffffffu;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (0xedb88320u & (0u - (crc & 1)));
	}
	return ~crc;
}

static size_t saved_bytes(int n_rungs)
{
	return HEADER_BYTES + 4 * (FIXED_WORDS + (size_t)n_rungs * (RUNG_WORDS + VARIANT_WORDS)) + 4;
}

size_t policy_latency_save(const struct policy_latency *latency, uint64_t hash, void *bytes, size_t size)
{
	size_t total = saved_bytes(latency->n_rungs);
	struct policy_latency copy = *latency;
	uint8_t *start = bytes;
	struct walk w = {.out = start + HEADER_BYTES};

	_Static_assert(HEADER_BYTES + 4 * (FIXED_WORDS + POLICY_RUNGS_MAX * (RUNG_WORDS + VARIANT_WORDS)) + 4 <=
			       POLICY_LATENCY_BYTES_MAX,
		       "the largest fits");
	if (size < total)
		return 0;
	put_u32(start, MAGIC);
	put_u32(start + 4, FORMAT);
	put_u32(start + 8, (uint32_t)hash);
	put_u32(start + 12, (uint32_t)(hash >> 32));
	put_u32(start + 16, (uint32_t)latency->n_rungs);
	put_u32(start + 20, (uint32_t)total);
	walk_all(&w, &copy);
	put_u32(w.out, checksum(start, total - 4));
	return total;
}

static enum policy_load check_header(const struct policy_latency *latency, uint64_t hash, const uint8_t *bytes,
				     size_t size)
{
	if (size < HEADER_BYTES + 4)
		return POLICY_LOAD_TRUNCATED;
	if (get_u32(bytes) != MAGIC || get_u32(bytes + 4) != FORMAT)
		return POLICY_LOAD_VERSION;
	if (get_u32(bytes + 20) != size)
		return POLICY_LOAD_TRUNCATED;
	if (get_u32(bytes + size - 4) != checksum(bytes, size - 4))
		return POLICY_LOAD_CHECKSUM;
	if (get_u32(bytes + 8) != (uint32_t)hash || get_u32(bytes + 12) != (uint32_t)(hash >> 32))
		return POLICY_LOAD_HASH;
	if (get_u32(bytes + 16) != (uint32_t)latency->n_rungs || size != saved_bytes(latency->n_rungs))
		return POLICY_LOAD_RUNGS;
	return POLICY_LOADED;
}

enum policy_load policy_latency_restore(struct policy_latency *latency, uint64_t hash, const void *bytes, size_t size)
{
	enum policy_load verdict = check_header(latency, hash, bytes, size);
	struct policy_latency fresh = *latency;
	struct walk w = {.in = (const uint8_t *)bytes + HEADER_BYTES, .ok = true};
	float all = 0;

	if (verdict != POLICY_LOADED)
		return verdict;
	walk_all(&w, &fresh);
	for (int i = 0; i < POLICY_BINS; i++)
		all += fresh.weight[i];
	if (!w.ok || !(all > 1))
		return POLICY_LOAD_NUMBERS;
	policy_latency_add_up(&fresh);
	*latency = fresh;
	return POLICY_LOADED;
}

enum policy_load policy_latency_load(struct policy_latency *latency, uint64_t hash, const void *bytes, size_t size)
{
	enum policy_load verdict = policy_latency_restore(latency, hash, bytes, size);

	if (verdict != POLICY_LOADED)
		return verdict;
	/* How slow a lane was at that moment says nothing now; how slow it usually is does. */
	for (int i = 0; i < POLICY_LANES_MAX; i++)
		latency->lane[i] = (struct policy_latency_lane){.slowdown = latency->lane[i].usual,
								.usual = latency->lane[i].usual,
								.swing = latency->lane[i].swing,
								.drift = DRIFT_START,
								.count = latency->lane[i].count,
								.last_rung = -1};
	memset(latency->runs, 0, sizeof(latency->runs));
	return POLICY_LOADED;
}

const char *policy_load_text(enum policy_load load)
{
	switch (load) {
	case POLICY_LOADED:
		return "what was learned before is used";
	case POLICY_LOAD_TRUNCATED:
		return "its length is not what it says";
	case POLICY_LOAD_VERSION:
		return "another version wrote it";
	case POLICY_LOAD_CHECKSUM:
		return "its checksum is wrong";
	case POLICY_LOAD_HASH:
		return "it was learned on another device or of other models";
	case POLICY_LOAD_RUNGS:
		return "it was learned of another number of rungs";
	case POLICY_LOAD_NUMBERS:
		return "a value is out of its range";
	}
	return "unknown";
}
