/*
 * check_resample.c - every level's resampling and storing of pictures against the portable kernels, to the bit: lengths
 * around the vectors', all numbers of samples, weights at the end of their range, inputs that end at a page.
 */
#include "engine/preprocess.h"

#include "every_level.h"
#include "guarded.h"

TEST_SUITE(resample);

#define TIMES 400

static const struct resample_kernels *portable(void)
{
	return &kernels_level("scalar")->resample;
}

static size_t random_length(void)
{
	return (size_t)test_random_range(1, test_random() & 1 ? 70 : 300);
}

/* Bytes of any level, among them many of the least and the largest. */
static struct guarded random_bytes(size_t n)
{
	struct guarded bytes = guarded_create(n, 0);

	for (size_t i = 0; i < n; i++) {
		const int64_t kind = test_random_range(0, 3);

		((uint8_t *)bytes.data)[i] = (uint8_t)(kind == 0 ? 0 : kind == 1 ? 255 : test_random_range(0, 255));
	}
	return bytes;
}

static struct guarded random_words(size_t n, int64_t lo, int64_t hi)
{
	struct guarded words = guarded_create(n * sizeof(int16_t), 0);

	for (size_t i = 0; i < n; i++)
		((int16_t *)words.data)[i] = (int16_t)(test_random() & 3 ? test_random_range(lo, hi) : hi);
	return words;
}

static struct guarded random_integers(size_t n, int64_t lo, int64_t hi)
{
	struct guarded integers = guarded_create(n * sizeof(int32_t), 0);

	for (size_t i = 0; i < n; i++)
		((int32_t *)integers.data)[i] = (int32_t)test_random_range(lo, hi);
	return integers;
}

static struct guarded random_levels(size_t n, float lo, float hi)
{
	struct guarded levels = guarded_create(n * sizeof(float), 0);

	for (size_t i = 0; i < n; i++)
		((float *)levels.data)[i] = lo + (hi - lo) * 0.5f * (test_random_float() + 1);
	return levels;
}

static struct guarded copy_of(const struct guarded *from)
{
	struct guarded copy = guarded_create(from->size, 0);

	memcpy(copy.data, from->data, from->size);
	return copy;
}

/* Both are as long, equal, and nothing around them was written; frees them. */
static void expect_equal(struct guarded *got, struct guarded *want, const char *level, const char *what)
{
	guarded_check(got);
	cr_assert_eq(memcmp(got->data, want->data, want->size), 0, "%s, %s, %zu bytes", level, what, want->size);
	guarded_destroy(got);
	guarded_destroy(want);
}

/* ---- down -------------------------------------------------------------------------------------- */

/* Weights that add up to 1 << bits, as far as 16 bits hold them; a zero behind an odd number. */
static void random_weights(size_t count, int bits, int16_t *high, int16_t *low)
{
	int64_t left = (int64_t)1 << bits;

	memset(high, 0, (count + 1) / 2 * 2 * sizeof(*high));
	for (size_t i = 0; i < count; i++) {
		int64_t weight = i + 1 < count ? test_random_range(0, left) : left;

		left -= weight;
		if (!low) {
			high[i] = (int16_t)(weight < INT16_MAX ? weight : INT16_MAX);
			continue;
		}
		high[i] = (int16_t)(weight >> RESAMPLE_LOW_BITS < INT16_MAX ? weight >> RESAMPLE_LOW_BITS : INT16_MAX);
		low[i] = (int16_t)(weight - high[i] * (1 << RESAMPLE_LOW_BITS));
	}
}

static void check_down(const struct kernels *table)
{
	const bool exact = test_random() & 1;
	const int bits = exact ? 22 : (int)test_random_range(7, 15);
	const size_t count = (size_t)test_random_range(1, 40), even = (count + 1) / 2 * 2, n = random_length();
	const size_t stride = n + (size_t)test_random_range(0, 9);
	struct guarded rows = random_bytes(stride * (count - 1) + n);
	struct guarded high = guarded_create(even * sizeof(int16_t), 0),
		       low = guarded_create(even * sizeof(int16_t), 0);
	struct guarded got = guarded_create(n * sizeof(int16_t), 0), want = guarded_create(n * sizeof(int16_t), 0);
	struct resample_down args = {.rows = rows.data,
				     .stride = stride,
				     .count = count,
				     .n = n,
				     .high = high.data,
				     .low = exact ? low.data : NULL,
				     .shift = exact ? bits : bits - 6};

	memset(low.data, 0, low.size);
	random_weights(count, bits, high.data, exact ? low.data : NULL);
	args.out = want.data;
	portable()->down(&args);
	args.out = got.data;
	table->resample.down(&args);
	expect_equal(&got, &want, table->level, exact ? "down, exact" : "down");
	guarded_destroy(&rows);
	guarded_destroy(&high);
	guarded_destroy(&low);
}

Test(resample, down_of_every_level)
{
	for_every_level(TIMES, check_down);
}

/* ---- splitting --------------------------------------------------------------------------------- */

struct lines {
	struct guarded memory[4];
	int16_t *out[4];
};

static struct lines lines_new(int samples, size_t n, unsigned wanted)
{
	struct lines lines = {.out = {NULL}};

	for (int c = 0; c < samples; c++) {
		lines.memory[c] = guarded_create(n * sizeof(int16_t), 0);
		if (wanted & 1u << c)
			lines.out[c] = lines.memory[c].data;
	}
	return lines;
}

static void check_split(const struct kernels *table)
{
	const int samples = (int)test_random_range(1, 4);
	/* Of one sample there is one line, which is wanted. */
	const unsigned wanted = samples == 1 ? 1 : (unsigned)test_random_range(1, (1 << samples) - 1);
	const size_t n = random_length();
	struct guarded bytes = random_bytes(n * (size_t)samples);
	struct guarded words = random_words(n * (size_t)samples, INT16_MIN, INT16_MAX);

	for (int wide = 0; wide < 2; wide++) {
		struct lines got = lines_new(samples, n, wanted), want = lines_new(samples, n, wanted);

		if (wide) {
			portable()->split_s16(words.data, samples, n, want.out);
			table->resample.split_s16(words.data, samples, n, got.out);
		} else {
			portable()->split_u8(bytes.data, samples, n, want.out);
			table->resample.split_u8(bytes.data, samples, n, got.out);
		}
		for (int c = 0; c < samples; c++)
			expect_equal(&got.memory[c], &want.memory[c], table->level,
				     wide ? "split words" : "split bytes");
	}
	guarded_destroy(&bytes);
	guarded_destroy(&words);
}

Test(resample, splitting_of_every_level)
{
	for_every_level(TIMES, check_split);
}

/* ---- across ------------------------------------------------------------------------------------ */

static void check_across(const struct kernels *table)
{
	const bool exact = test_random() & 1;
	const int source = (int)test_random_range(1, test_random() & 1 ? 60 : 900), n = (int)test_random_range(1, 60);
	const double span = (double)test_random_range(1, 1000) / 1000 * source, from = (source - span) / 2;
	struct guarded line, got, want;
	struct resample_taps taps;

	cr_assert_eq(
		preprocess_taps_init(&taps, source, from, span, n, table->resample.across_step, exact ? 22 : 16, exact),
		0);
	line = random_words((size_t)preprocess_taps_reach(&taps), 0, exact ? 255 : 255 << 6);
	got = guarded_create((size_t)taps.n_padded * sizeof(int32_t), 0);
	want = guarded_create((size_t)taps.n_padded * sizeof(int32_t), 0);
	portable()->across(line.data, &taps, exact ? taps.bits : 0, want.data);
	table->resample.across(line.data, &taps, exact ? taps.bits : 0, got.data);
	expect_equal(&got, &want, table->level, exact ? "across, exact" : "across");
	guarded_destroy(&line);
	preprocess_taps_finish(&taps);
}

Test(resample, across_of_every_level)
{
	for_every_level(TIMES, check_across);
}

/* ---- levels ------------------------------------------------------------------------------------ */

static void check_sums(const struct kernels *table)
{
	const size_t n = random_length();
	const int shift = (int)test_random_range(0, 22);
	struct guarded line = random_integers(n, 0, 255), sums = random_integers(n, 0, INT32_MAX / 2);
	struct guarded got[3] = {copy_of(&sums), copy_of(&sums), copy_of(&sums)};
	struct guarded want[3] = {copy_of(&sums), copy_of(&sums), copy_of(&sums)};
	struct guarded red = random_words(n, 0, 255 << 6), green = random_words(n, 0, 255 << 6);
	struct guarded blue = random_words(n, 0, 255 << 6), luma = copy_of(&red);

	portable()->spread(n, line.data, 1 << 21, want[0].data, 12345, want[1].data);
	table->resample.spread(n, line.data, 1 << 21, got[0].data, 12345, got[1].data);
	portable()->levels(n, sums.data, shift, 0.25f, want[2].data);
	table->resample.levels(n, sums.data, shift, 0.25f, got[2].data);
	for (int i = 0; i < 3; i++)
		expect_equal(&got[i], &want[i], table->level, i < 2 ? "spread" : "levels");
	portable()->luma_s16(n, red.data, green.data, blue.data, luma.data);
	table->resample.luma_s16(n, red.data, green.data, blue.data, red.data);
	expect_equal(&red, &luma, table->level, "luma");
	guarded_destroy(&line);
	guarded_destroy(&sums);
	guarded_destroy(&green);
	guarded_destroy(&blue);
}

Test(resample, sums_of_every_level)
{
	for_every_level(TIMES, check_sums);
}

static void check_colour(const struct kernels *table)
{
	const size_t n = random_length();
	const bool full_range = test_random() & 1;
	struct guarded got[3], want[3];

	for (int c = 0; c < 3; c++) {
		got[c] = random_levels(n, 0, 255);
		want[c] = copy_of(&got[c]);
	}
	portable()->yuv_to_rgb(n, full_range, want[0].data, want[1].data, want[2].data);
	table->resample.yuv_to_rgb(n, full_range, got[0].data, got[1].data, got[2].data);
	portable()->luma_to_full(n, want[0].data);
	table->resample.luma_to_full(n, got[0].data);
	for (int c = 0; c < 3; c++)
		expect_equal(&got[c], &want[c], table->level, "colour");
}

Test(resample, colour_of_every_level)
{
	for_every_level(TIMES, check_colour);
}

static void check_store(const struct kernels *table)
{
	const size_t n = random_length(), channels = test_random() & 1 ? 1 : 3;
	struct guarded levels[3], got = guarded_create(n * channels * sizeof(float), 0);
	struct guarded want = guarded_create(n * channels * sizeof(float), 0);
	struct guarded got_8 = guarded_create(n * channels, 0), want_8 = guarded_create(n * channels, 0);
	struct resample_store args = {.n = n, .channels = channels, .low = test_random() & 1 ? 0 : -128};

	args.high = args.low + 255;
	for (int c = 0; c < 3; c++) {
		levels[c] = random_levels(n, 0, 255);
		args.level[c] = levels[c].data;
		/* Much is clamped at either end. */
		args.gain[c] = test_random_float() * 3;
		args.shift[c] = test_random_float() * 200;
	}
	portable()->store_f32(&args, want.data);
	table->resample.store_f32(&args, got.data);
	expect_equal(&got, &want, table->level, "store, float32");
	portable()->store_8(&args, want_8.data);
	table->resample.store_8(&args, got_8.data);
	expect_equal(&got_8, &want_8, table->level, "store, 8 bits");
	for (int c = 0; c < 3; c++)
		guarded_destroy(&levels[c]);
}

Test(resample, storing_of_every_level)
{
	for_every_level(TIMES, check_store);
}

/* ---- single samples ---------------------------------------------------------------------------- */

static void check_positions(const struct kernels *table)
{
	const float wild = test_random() & 1 ? 1 : 1e30f;
	const struct resample_line line = {.x = test_random_float() * 500 * wild,
					   .y = test_random_float() * 500,
					   .width = test_random_float() * 500 * wild,
					   .down = test_random_float() * 500,
					   .cosine = test_random_float(),
					   .sine = test_random_float(),
					   .least = -2,
					   .most = 2 * ENGINE_SIDE_MAX,
					   .n = random_length()};
	struct guarded got[4], want[4];

	for (int i = 0; i < 4; i++) {
		got[i] = guarded_create(line.n * sizeof(float), 0);
		want[i] = guarded_create(line.n * sizeof(float), 0);
	}
	portable()->positions(&line, want[0].data, want[1].data, want[2].data, want[3].data);
	table->resample.positions(&line, got[0].data, got[1].data, got[2].data, got[3].data);
	for (int i = 0; i < 4; i++)
		expect_equal(&got[i], &want[i], table->level, "positions");
}

Test(resample, positions_of_every_level)
{
	for_every_level(TIMES, check_positions);
}

static void check_mix(const struct kernels *table)
{
	const size_t n = random_length();
	const int byte = (int)test_random_range(0, 3);
	struct guarded u = random_levels(n, 0, 1), v = random_levels(n, 0, 1), corner[4];
	struct guarded got = guarded_create(n * sizeof(float), 0), want = guarded_create(n * sizeof(float), 0);
	const uint32_t *corners[4];

	for (int i = 0; i < 4; i++) {
		corner[i] = random_integers(n, INT32_MIN, INT32_MAX);
		corners[i] = corner[i].data;
	}
	portable()->mix(n, byte, corners, u.data, v.data, want.data);
	table->resample.mix(n, byte, corners, u.data, v.data, got.data);
	expect_equal(&got, &want, table->level, "mix");
	for (int i = 0; i < 4; i++)
		guarded_destroy(&corner[i]);
	guarded_destroy(&u);
	guarded_destroy(&v);
}

Test(resample, mixing_of_every_level)
{
	for_every_level(TIMES, check_mix);
}
