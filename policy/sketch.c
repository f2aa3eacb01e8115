/* sketch.c - see sketch.h. */
#include "sketch.h"

#include <errno.h>
#include <string.h>

/* Below this a value is its own bucket; it is also where the first octave of 32 begins. */
#define EXACT 64

static int bucket_of(uint64_t value)
{
	int octave;

	if (value < EXACT)
		return (int)value;
	octave = 63 - __builtin_clzll(value);
	/* The five bits behind the highest one choose within the octave. */
	return EXACT + (octave - 6) * 32 + (int)((value >> (octave - 5)) & 31);
}

static uint64_t lowest_of(int bucket)
{
	int octave = (bucket - EXACT) / 32 + 6;

	return bucket < EXACT ? (uint64_t)bucket : (uint64_t)(32 + (bucket - EXACT) % 32) << (octave - 5);
}

/* Sums that stay at their highest are still the same in any order. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
	uint64_t product;

	return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

void sketch_add(struct sketch *sketch, uint64_t value)
{
	uint64_t *bucket;

	if (value > SKETCH_VALUE_MAX)
		value = SKETCH_VALUE_MAX;
	if (!sketch->count || value < sketch->min)
		sketch->min = value;
	if (value > sketch->max)
		sketch->max = value;
	bucket = &sketch->buckets[bucket_of(value)];
	*bucket = add(*bucket, 1);
	sketch->count = add(sketch->count, 1);
	sketch->sum = add(sketch->sum, value);
}

void sketch_merge(struct sketch *sketch, const struct sketch *other)
{
	if (!other->count)
		return;
	if (!sketch->count || other->min < sketch->min)
		sketch->min = other->min;
	if (other->max > sketch->max)
		sketch->max = other->max;
	for (int i = bucket_of(other->min); i <= bucket_of(other->max); i++)
		sketch->buckets[i] = add(sketch->buckets[i], other->buckets[i]);
	sketch->count = add(sketch->count, other->count);
	sketch->sum = add(sketch->sum, other->sum);
}

void sketch_reset(struct sketch *sketch)
{
	int first = bucket_of(sketch->min), last = bucket_of(sketch->max);

	if (!sketch->count)
		return;
	memset(&sketch->buckets[first], 0, (size_t)(last - first + 1) * sizeof(sketch->buckets[0]));
	memset(sketch, 0, offsetof(struct sketch, buckets));
}

bool sketch_next(const struct sketch *sketch, struct sketch_step *step)
{
	int bucket = step->next;

	if (!sketch->count)
		return false;
	if (!bucket)
		bucket = bucket_of(sketch->min);
	while (bucket <= bucket_of(sketch->max) && !sketch->buckets[bucket])
		bucket++;
	if (bucket > bucket_of(sketch->max))
		return false;
	step->low = lowest_of(bucket);
	step->high = lowest_of(bucket + 1) - 1;
	step->count = sketch->buckets[bucket];
	step->upto = add(step->upto, step->count);
	step->next = bucket + 1;
	return true;
}

/* What a bucket stands for: its middle, which the extremes may narrow. */
static uint64_t value_of(const struct sketch *sketch, const struct sketch_step *step)
{
	uint64_t low = step->low > sketch->min ? step->low : sketch->min,
		 high = step->high < sketch->max ? step->high : sketch->max;

	return low + (high - low) / 2;
}

uint64_t sketch_quantile(const struct sketch *sketch, double share)
{
	struct sketch_step step = {0};
	double rank = share * (double)sketch->count;

	if (!sketch->count)
		return 0;
	if (share <= 0 || share >= 1)
		return share <= 0 ? sketch->min : sketch->max;
	while (sketch_next(sketch, &step))
		if ((double)step.upto >= rank)
			return value_of(sketch, &step);
	return sketch->max;
}

double sketch_share_upto(const struct sketch *sketch, uint64_t value)
{
	struct sketch_step step = {0};
	uint64_t upto = 0;

	if (!sketch->count)
		return 0;
	while (sketch_next(sketch, &step) && value_of(sketch, &step) <= value)
		upto = step.upto;
	return (double)upto / (double)sketch->count;
}

double sketch_mean(const struct sketch *sketch)
{
	return sketch->count ? (double)sketch->sum / (double)sketch->count : 0;
}

/* ---- bytes ---------------------------------------------------------------------------------------- */

static uint8_t *put_number(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

size_t sketch_encode(const struct sketch *sketch, uint8_t ret_bytes[SKETCH_BYTES_MAX])
{
	struct sketch_step step = {0};
	uint64_t n = 0;
	uint8_t *to = ret_bytes;
	int before = 0;

	while (sketch_next(sketch, &step))
		n++;
	*to++ = SKETCH_VERSION;
	to = put_number(to, sketch->min);
	to = put_number(to, sketch->max);
	to = put_number(to, sketch->sum);
	to = put_number(to, n);
	step = (struct sketch_step){0};
	while (sketch_next(sketch, &step)) {
		to = put_number(to, (uint64_t)(step.next - 1 - before));
		to = put_number(to, step.count);
		before = step.next;
	}
	return (size_t)(to - ret_bytes);
}

struct reader {
	const uint8_t *at, *end;
	bool bad;
};

/* Only the shortest spelling of a number is good, so that equal sketches have equal bytes. */
static uint64_t get_number(struct reader *reader)
{
	uint64_t value = 0;

	for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
		uint8_t byte = *reader->at++;

		if ((shift == 63 && byte > 1) || (shift && !byte))
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	reader->bad = true;
	return 0;
}

/* Fills in the buckets and their total. */
static void get_buckets(struct reader *reader, struct sketch *sketch)
{
	uint64_t n = get_number(reader), next = 0;

	if (n > SKETCH_BUCKETS)
		reader->bad = true;
	for (uint64_t i = 0; i < n && !reader->bad; i++) {
		uint64_t gap = get_number(reader), count = get_number(reader);

		/* Both below the number of buckets, so that their sum cannot overflow. */
		if (!count || gap >= SKETCH_BUCKETS || next + gap >= SKETCH_BUCKETS) {
			reader->bad = true;
			return;
		}
		next += gap;
		sketch->buckets[next++] = count;
		sketch->count = add(sketch->count, count);
	}
}

/* Whether the figures beside the buckets can belong to them. */
static bool is_sound(const struct sketch *sketch)
{
	int first = 0, last = SKETCH_BUCKETS - 1;

	if (!sketch->count)
		return !sketch->min && !sketch->max && !sketch->sum;
	if (sketch->min > sketch->max || sketch->max > SKETCH_VALUE_MAX)
		return false;
	while (!sketch->buckets[first])
		first++;
	while (!sketch->buckets[last])
		last--;
	return bucket_of(sketch->min) == first && bucket_of(sketch->max) == last &&
	       sketch->sum >= multiply(sketch->count, sketch->min) &&
	       sketch->sum <= multiply(sketch->count, sketch->max);
}

int sketch_decode(const void *bytes, size_t size, struct sketch *ret)
{
	struct reader reader = {bytes, (const uint8_t *)bytes + size, false};
	struct sketch sketch = {0};

	if (!size || *reader.at++ != SKETCH_VERSION)
		return -EBADMSG;
	sketch.min = get_number(&reader);
	sketch.max = get_number(&reader);
	sketch.sum = get_number(&reader);
	get_buckets(&reader, &sketch);
	if (reader.bad || reader.at != reader.end || !is_sound(&sketch))
		return -EBADMSG;
	*ret = sketch;
	return 0;
}
