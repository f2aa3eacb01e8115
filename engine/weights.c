/*
 * weights.c - see weights.h.  Constants of a file need not be aligned: they are read by memcpy.
 */
#include "weights.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "fixed.h"
#include "trial.h"

/* Of a file, which are given back together. */
#define RELEASE_BYTES (512u << 10)

static size_t round_up(size_t bytes)
{
	return (bytes + 63) / 64 * 64;
}

enum entry_kind { ENTRY_CONV, ENTRY_OPERAND, ENTRY_FLOATS };

struct weights_entry {
	struct weights_entry *next;
	enum entry_kind kind;
	int index; /* of the node or value */
	size_t n;  /* ENTRY_FLOATS: how many */
	struct weights_gray gray;
	struct weights_conv conv;
	void *data; /* owned, or the blob's */
	struct weights_blob *blob;
	void *padding;
};

struct weights_blob {
	struct weights_blob *next;
	uint8_t *data;
	size_t bytes;
	uint64_t sum;
	int n_entries; /* that use it */
	/* Of a convolution: the file's weights that it was made of, NULL unless they stay where they are; and how. */
	const void *source;
	const struct winograd *winograd;
	size_t winograd_bytes; /* that it takes more for it */
};

void weights_init(struct weights *weights, const struct kernels *kernels, struct weights_pool *pool)
{
	*weights = (struct weights){
		.kernels = kernels, .trials = WITH_TYPE_float32 ? trials_shared() : NULL, .pool = pool};
}

/* ---- what sets have in common ------------------------------------------------------------------ */

/* FNV's steps on words, without the last bytes: what has equal sums is compared byte for byte. */
static uint64_t sum_of(const uint8_t *data, size_t bytes)
{
	uint64_t sum = 14695981039346656037u, word;

	for (size_t i = 0; i + sizeof(word) <= bytes; i += sizeof(word)) {
		memcpy(&word, data + i, sizeof(word));
		sum = (sum ^ word) * 1099511628211u;
		sum ^= sum >> 32;
	}
	return sum;
}

/* The entry's data, which is not written any more, becomes that of an equal one if there is any. */
static int share(struct weights *weights, struct weights_entry *entry, size_t bytes)
{
	uint64_t sum = sum_of(entry->data, bytes);
	struct weights_blob *blob = weights->pool->first;

	while (blob && (blob->sum != sum || blob->bytes != bytes || memcmp(blob->data, entry->data, bytes) != 0))
		blob = blob->next;
	if (blob) {
		free(entry->data);
	} else {
		blob = calloc(1, sizeof(*blob));
		if (!blob)
			return -ENOMEM;
		*blob = (struct weights_blob){
			.next = weights->pool->first, .data = entry->data, .bytes = bytes, .sum = sum};
		weights->pool->first = blob;
		atomic_fetch_add(&weights->pool->bytes, round_up(bytes));
	}
	atomic_fetch_sub(&weights->bytes, round_up(bytes));
	blob->n_entries++;
	entry->blob = blob;
	entry->data = blob->data;
	return 0;
}

static void leave(struct weights_pool *pool, struct weights_blob *blob)
{
	struct weights_blob **link = &pool->first;

	if (--blob->n_entries > 0)
		return;
	while (*link != blob)
		link = &(*link)->next;
	*link = blob->next;
	atomic_fetch_sub(&pool->bytes, round_up(blob->bytes));
	pool->winograd_bytes -= blob->winograd_bytes;
	free(blob->data);
	free(blob);
}

void weights_finish(struct weights *weights)
{
	while (weights->first) {
		struct weights_entry *entry = weights->first;

		weights->first = entry->next;
		if (entry->blob)
			leave(weights->pool, entry->blob);
		else
			free(entry->data);
		free(entry->padding);
		free(entry);
	}
}

/* 64-byte aligned and zeroed. */
static void *allocate(struct weights *weights, size_t bytes)
{
	size_t rounded = round_up(bytes);
	void *data = rounded >= bytes ? aligned_alloc(64, rounded ? rounded : 64) : NULL;

	if (data) {
		memset(data, 0, rounded);
		atomic_fetch_add(&weights->bytes, rounded);
	}
	return data;
}

static struct weights_entry *find(const struct weights *weights, enum entry_kind kind, int index,
				  const struct weights_gray *gray, bool half)
{
	for (struct weights_entry *entry = weights->first; entry; entry = entry->next)
		if (entry->kind == kind && entry->index == index && entry->conv.half == half &&
		    (!gray || memcmp(&entry->gray, gray, sizeof(*gray)) == 0))
			return entry;
	return NULL;
}

static struct weights_entry *add(struct weights *weights, enum entry_kind kind, int index, size_t bytes)
{
	struct weights_entry *entry = calloc(1, sizeof(*entry));

	if (!entry)
		return NULL;
	entry->kind = kind;
	entry->index = index;
	entry->data = allocate(weights, bytes);
	if (!entry->data) {
		free(entry);
		return NULL;
	}
	entry->next = weights->first;
	weights->first = entry;
	return entry;
}

/* Element i of a constant as it is stored, and as a real number. */
static int32_t stored(const struct graph_value *value, size_t i)
{
	int16_t s16;
	int32_t s32;

	switch (value->type) {
	case ENGINE_S8:
		return ((const int8_t *)value->data)[i];
	case ENGINE_U8:
		return ((const uint8_t *)value->data)[i];
	case ENGINE_S16:
		memcpy(&s16, (const uint8_t *)value->data + i * sizeof(s16), sizeof(s16));
		return s16;
	case ENGINE_S32:
		memcpy(&s32, (const uint8_t *)value->data + i * sizeof(s32), sizeof(s32));
		return s32;
	default:
		return 0;
	}
}

static int channel_of(const struct graph_quant *quant, size_t channel)
{
	return quant->n_scales > 1 ? (int)channel : 0;
}

/* channel: the index along the axis that the scales follow. */
static float real(const struct weights *weights, const struct graph_value *value, size_t i, size_t channel)
{
	const struct graph_quant *quant = &value->quant;
	uint16_t half;
	float number;

	if (value->type == ENGINE_F32) {
		memcpy(&number, (const uint8_t *)value->data + i * sizeof(number), sizeof(number));
		return number;
	}
	if (value->type == ENGINE_F16) {
		memcpy(&half, (const uint8_t *)value->data + i * sizeof(half), sizeof(half));
		weights->kernels->f16_to_f32(1, &half, &number);
		return number;
	}
	if (!quant->n_scales)
		return (float)stored(value, i);
	return quant->scales[channel_of(quant, channel)] *
	       (float)((int64_t)stored(value, i) - quant->zero_points[channel_of(quant, channel)]);
}

const void *weights_operand(struct weights *weights, const struct graph *graph, int value)
{
	const struct graph_value *v = &graph->values[value];
	struct weights_entry *entry = find(weights, ENTRY_OPERAND, value, NULL, false);

	if (v->aligned)
		return v->data;
	if (!entry) {
		entry = add(weights, ENTRY_OPERAND, value, v->data_bytes + KERNEL_SLACK);
		if (!entry)
			return NULL;
		memcpy(entry->data, v->data, v->data_bytes);
		if (share(weights, entry, v->data_bytes + KERNEL_SLACK) < 0)
			return NULL;
	}
	return entry->data;
}

const float *weights_floats(struct weights *weights, const struct graph *graph, int value, size_t n)
{
	const struct graph_value *v = &graph->values[value];
	size_t count = v->data_bytes / engine_type_size(v->type);
	struct weights_entry *entry = weights->first;

	while (entry && (entry->kind != ENTRY_FLOATS || entry->index != value || entry->n != n))
		entry = entry->next;
	if (!entry) {
		float *floats;

		entry = add(weights, ENTRY_FLOATS, value, n * sizeof(float) + KERNEL_SLACK);
		if (!entry)
			return NULL;
		entry->n = n;
		floats = entry->data;
		for (size_t i = 0; i < n; i++)
			floats[i] = real(weights, v, count > 1 ? i : 0, i);
		if (share(weights, entry, n * sizeof(float) + KERNEL_SLACK) < 0)
			return NULL;
	}
	return entry->data;
}

/* ---- convolutions ------------------------------------------------------------------------------ */

/* What the packing of one node works on. */
struct packing {
	struct weights *weights;
	const struct graph_node *node;
	const struct graph_value *x, *w, *bias, *out;
	const struct weights_gray *gray;
	size_t channels, group_n, groups, taps, kc; /* output channels, of one group; kc as packed */
	size_t kw;
	size_t file_kc; /* as in the file */
	float *reals;	/* of one channel: [taps][file_kc] */
	const struct weights_conv
		*panels; /* of float32, all that a converted file has of the weights; NULL: w has them */
	/* of one panel's channels, dense, for the packers */
	float *w_f32, *bias_f32, *turned, *wide;
	int16_t *w_s16;
	int32_t *bias_s32, *multiplier, *shift;
	size_t released; /* bytes of w->data, from its beginning */
};

/* Compilers know it where a build has one type only; plans refuse nodes of the others. */
static bool is_integer(enum engine_type type)
{
	return !WITH_TYPE_float32 || (WITH_TYPE_int8 && type == ENGINE_S8);
}

static bool is_fc(const struct graph_node *node)
{
	return node->op == GRAPH_FC;
}

static void packing_init(struct packing *p, struct weights *weights, const struct graph *graph, int index,
			 const struct weights_gray *gray)
{
	const struct graph_node *node = &graph->nodes[index];
	const struct graph_value *w = &graph->values[node->inputs[1]];

	*p = (struct packing){.weights = weights, .node = node, .gray = gray, .w = w};
	p->x = &graph->values[node->inputs[0]];
	p->out = &graph->values[node->outputs[0]];
	p->bias = node->n_inputs > 2 && node->inputs[2] >= 0 ? &graph->values[node->inputs[2]] : NULL;
	p->channels = (size_t)w->dims[0];
	p->groups = is_fc(node) ? 1 : (size_t)node->conv.groups;
	p->group_n = p->channels / p->groups;
	p->kw = is_fc(node) ? 1 : (size_t)w->dims[2];
	p->taps = is_fc(node) ? 1 : (size_t)w->dims[1] * p->kw;
	p->file_kc = (size_t)w->dims[w->rank - 1];
	p->kc = gray->channels ? (size_t)gray->channels : p->file_kc;
}

static int packing_allocate(struct packing *p, const struct weights_conv *conv, bool quantised)
{
	size_t channels = p->group_n < KERNEL_NR_MAX ? p->group_n : KERNEL_NR_MAX, n = channels * p->taps * p->kc;

	p->reals = malloc((p->taps * p->file_kc + 1) * sizeof(*p->reals));
	if (quantised) {
		p->w_s16 = malloc((n + 1) * sizeof(*p->w_s16));
		p->bias_s32 = malloc(channels * sizeof(*p->bias_s32));
		p->multiplier = malloc(channels * sizeof(*p->multiplier));
		p->shift = malloc(channels * sizeof(*p->shift));
		return p->reals && p->w_s16 && p->bias_s32 && p->multiplier && p->shift ? 0 : -ENOMEM;
	}
	p->w_f32 = malloc((n + 1) * sizeof(*p->w_f32));
	p->bias_f32 = malloc(channels * sizeof(*p->bias_f32));
	p->turned = malloc((conv->winograd ? WINOGRAD_TURNED : 1) * sizeof(*p->turned));
	p->wide = malloc(conv->wide_bytes + 1);
	return p->reals && p->w_f32 && p->bias_f32 && p->turned && p->wide ? 0 : -ENOMEM;
}

static void packing_finish(struct packing *p)
{
	free(p->reals);
	free(p->w_f32);
	free(p->bias_f32);
	free(p->turned);
	free(p->wide);
	free(p->w_s16);
	free(p->bias_s32);
	free(p->multiplier);
	free(p->shift);
}

/* Where weight c of tap t of an output channel is among the channel's. */
static size_t place_of(const struct packing *p, size_t t, size_t c)
{
	return p->w->filed ? c * p->taps + t : t * p->file_kc + c;
}

/* The same from panels of float32, in which all is folded already. */
static void channel_of_panels(struct packing *p, size_t channel, float *w, float *bias)
{
	const struct kernels *k = p->weights->kernels;
	size_t nr = k->igemm_f32.nr, panels = (p->group_n + nr - 1) / nr, each = p->taps * p->kc;
	size_t panel = channel / p->group_n * panels + channel % p->group_n / nr, column = channel % p->group_n % nr;
	const uint8_t *from = p->panels->packed + panel * p->panels->panel_bytes;

	memcpy(bias, from + column * sizeof(*bias), sizeof(*bias));
	from += nr * sizeof(float);
	for (size_t i = 0; i < each; i++) {
		size_t place = i * nr + column;

		if (p->panels->wide_bytes)
			k->f16_to_f32(1, (const uint16_t *)(const void *)from + place, &w[i]);
		else
			w[i] = ((const float *)(const void *)from)[place];
	}
}

/* One output channel in float: weights, bias and the factors folded into the node. */
static void channel_f32(struct packing *p, size_t channel, float *w, float *bias)
{
	float scale = p->node->fold_scale ? p->node->fold_scale[channel] : 1.0f;
	float shift = p->node->fold_scale ? p->node->fold_shift[channel] : 0.0f;
	size_t n = p->taps * p->file_kc;

	*bias = (p->bias ? real(p->weights, p->bias, channel, channel) : 0.0f) * scale + shift;
	for (size_t t = 0; t < p->taps; t++)
		for (size_t c = 0; c < p->file_kc; c++)
			p->reals[t * p->file_kc + c] =
				real(p->weights, p->w, channel * n + place_of(p, t, c), channel) * scale;
	if (!p->gray->channels) {
		memcpy(w, p->reals, n * sizeof(*w));
		return;
	}
	for (size_t t = 0; t < p->taps; t++) {
		float sums[2] = {0};

		for (size_t c = 0; c < p->file_kc; c++) {
			sums[0] += p->reals[t * p->file_kc + c] * p->gray->gain[c];
			sums[1] += p->reals[t * p->file_kc + c] * p->gray->bias[c];
		}
		memcpy(w + t * p->kc, sums, p->kc * sizeof(*w));
	}
}

/*
 * One output channel in integers.  The bias takes in what the input's zero point adds to every sum; it is kept so far
 * from the limits that no partial sum can overflow 32 bits.
 */
static int channel_s8(struct packing *p, size_t channel, int16_t *w, int32_t *bias)
{
	const struct graph_quant *quant = &p->w->quant;
	size_t n = p->taps * p->file_kc;
	int32_t zero = quant->zero_points[channel_of(quant, channel)];
	int64_t sum = 0, reach = 0, folded = p->bias ? stored(p->bias, channel) : 0;

	for (size_t t = 0; t < p->taps; t++) {
		int64_t gray = 0;

		for (size_t c = 0; c < p->file_kc; c++) {
			int32_t value = stored(p->w, channel * n + place_of(p, t, c)) - zero;

			gray += value;
			sum += value;
			reach += llabs(value) * 128;
			if (!p->gray->channels)
				w[t * p->kc + c] = (int16_t)value;
		}
		if (p->gray->channels)
			w[t] = (int16_t)gray;
	}
	if (reach > INT32_MAX)
		return -EOVERFLOW;
	folded -= sum * p->x->quant.zero_points[0];
	if (folded > INT32_MAX - reach)
		folded = INT32_MAX - reach;
	if (folded < -INT32_MAX + reach)
		folded = -INT32_MAX + reach;
	*bias = (int32_t)folded;
	return 0;
}

/*
 * What a sum is scaled by.  TFLite multiplies the scales of inputs and weights in float where there is one of each, and
 * in double by channel; its answers are met to the bit only that way.
 */
static double scale_of(const struct packing *p, size_t channel)
{
	const struct graph_quant *quant = &p->w->quant;
	float x = p->x->quant.scales[0], w = quant->scales[channel_of(quant, channel)];
	bool single = p->x->was_u8 || (is_fc(p->node) && quant->n_scales == 1);

	return (single ? (double)(x * w) : (double)x * (double)w) / (double)p->out->quant.scales[0];
}

/* What a sum becomes an output's quanta by: in float32, as ONNX's runtimes compute it, its bits for a multiplier. */
static int32_t float_scale(const struct packing *p, size_t channel)
{
	float w = p->w->quant.scales[channel_of(&p->w->quant, channel)];
	float scale = p->x->quant.scales[0] * w / p->out->quant.scales[0];
	int32_t bits;

	memcpy(&bits, &scale, sizeof(bits));
	return bits;
}

static void set_scale(struct packing *p, size_t channel, int32_t *ret_multiplier, int32_t *ret_shift)
{
	if (p->node->folded & GRAPH_FOLDED_QUANT) {
		*ret_multiplier = float_scale(p, channel);
		*ret_shift = 0;
	} else {
		fixed_multiplier(scale_of(p, channel), ret_multiplier, ret_shift);
	}
}

/* `count` output channels from `first`, of one panel or fewer. */
static int fill_channels(struct packing *p, size_t first, size_t count, bool quantised)
{
	size_t each = p->taps * p->kc;

	for (size_t n = 0; n < count; n++) {
		size_t channel = first + n;

		if (WITH_TYPE_float32 && p->panels)
			channel_of_panels(p, channel, p->w_f32 + n * each, &p->bias_f32[n]);
		else if (!quantised)
			channel_f32(p, channel, p->w_f32 + n * each, &p->bias_f32[n]);
		else if (channel_s8(p, channel, p->w_s16 + n * each, &p->bias_s32[n]) < 0)
			return -EOVERFLOW;
		if (quantised)
			set_scale(p, channel, &p->multiplier[n], &p->shift[n]);
	}
	return 0;
}

static size_t panel_channels(const struct packing *p, const struct weights_conv *conv)
{
	if (WITH_TYPE_float32 && conv->half)
		return p->weights->kernels->igemm_f16.nr;
	return conv->igemm_s8 ? conv->igemm_s8->nr : p->weights->kernels->igemm_f32.nr;
}

/*
 * The first n output channels are packed: what the file holds of them need not stay in memory.  In pieces that are
 * worth a system call.
 */
static void release_channels(struct packing *p, size_t n)
{
	const struct weights_pool *pool = p->weights->pool;
	size_t end = p->w->data_bytes / p->channels * n;

	if (!pool->release || p->w->owned || p->panels || (end - p->released < RELEASE_BYTES && n < p->channels))
		return;
	pool->release(pool->context, (const uint8_t *)p->w->data + p->released, end - p->released);
	p->released = end;
}

/* The weights are the file's own float16 ones, so that nothing is lost. */
static void pack_half_panel(struct packing *p, const struct weights_conv *conv, size_t n, size_t taps, size_t kc,
			    uint8_t *to)
{
	const struct kernels *k = p->weights->kernels;
	size_t nr = k->igemm_f32.nr;

	pack_f32_panel(&k->igemm_f32, n, taps, kc, p->w_f32, p->bias_f32, p->wide);
	memcpy(to, p->wide, nr * sizeof(*p->wide));
	k->f32_to_f16(conv->wide_bytes / sizeof(*p->wide) - nr, p->wide + nr,
		      (uint16_t *)(void *)(to + nr * sizeof(*p->wide)));
}

static int pack_panels(struct packing *p, struct weights_conv *conv, uint8_t *to, bool quantised)
{
	const struct kernels *k = p->weights->kernels;
	size_t nr = panel_channels(p, conv), each = p->taps * p->kc;
	size_t taps = conv->flat ? p->taps / p->kw : p->taps, kc = each / taps;

	for (size_t group = 0; group < p->groups; group++)
		for (size_t n = 0; n < p->group_n; n += nr, to += conv->panel_bytes) {
			size_t count = p->group_n - n < nr ? p->group_n - n : nr;
			int r = fill_channels(p, group * p->group_n + n, count, quantised);

			if (r < 0)
				return r;
			if (quantised)
				pack_s8_panel(conv->igemm_s8, count, taps, kc, p->w_s16,
					      &(struct kernel_requant){p->bias_s32, p->multiplier, p->shift}, to);
			else if (WITH_TYPE_float32 && conv->winograd)
				pack_winograd_panel(conv->winograd, &k->igemm_f32, count, kc, p->w_f32, p->bias_f32,
						    p->turned, to);
			else if (WITH_TYPE_float32 && conv->half)
				pack_f16_panel(k, count, each, p->w_f32, p->bias_f32, to);
			else if (WITH_TYPE_float32 && conv->wide_bytes)
				pack_half_panel(p, conv, count, taps, kc, to);
			else
				pack_f32_panel(&k->igemm_f32, count, taps, kc, p->w_f32, p->bias_f32, to);
			release_channels(p, group * p->group_n + n + count);
		}
	return 0;
}

/* The packers of depthwise tables want [taps][channels]; the file has [channels][taps], a channel to a group. */
static int pack_depthwise(struct packing *p, uint8_t *to, bool quantised)
{
	size_t channels = p->channels, size = quantised ? sizeof(int16_t) : sizeof(float);
	uint8_t *turned = malloc(channels * p->taps * size);
	int32_t *words = malloc(3 * channels * sizeof(*words));
	float *bias = malloc(channels * sizeof(*bias));
	int r = turned && words && bias ? 0 : -ENOMEM;

	for (size_t c = 0; c < channels && r == 0; c++) {
		r = fill_channels(p, c, 1, quantised);
		for (size_t t = 0; t < p->taps && r == 0; t++)
			memcpy(turned + (t * channels + c) * size,
			       quantised ? (const void *)(p->w_s16 + t) : (const void *)(p->w_f32 + t), size);
		if (r == 0 && quantised) {
			words[c] = p->bias_s32[0];
			words[channels + c] = p->multiplier[0];
			words[2 * channels + c] = p->shift[0];
		} else if (r == 0) {
			bias[c] = p->bias_f32[0];
		}
	}
	if (r == 0 && quantised)
		p->weights->kernels->pack_dwconv_s8(
			channels, p->taps / p->kw, p->kw, (const int16_t *)(const void *)turned,
			&(struct kernel_requant){words, words + channels, words + 2 * channels}, to);
	else if (r == 0)
		pack_dwconv_f32(channels, p->taps, (const float *)(const void *)turned, bias, to);
	if (r == 0)
		release_channels(p, channels);
	free(turned);
	free(words);
	free(bias);
	return r;
}

static size_t packed_bytes(const struct packing *p, const struct weights_conv *conv, bool quantised)
{
	size_t nr = panel_channels(p, conv);

	if (conv->depthwise)
		return quantised ? p->weights->kernels->dwconv_s8_bytes(p->channels, p->taps / p->kw, p->kw)
				 : dwconv_f32_bytes(p->channels, p->taps);
	return conv->panel_bytes * ((p->group_n + nr - 1) / nr) * p->groups;
}

/*
 * Bytes of a file are less than 256 apart, whatever their zero point.  The summed taps of a gray stem are not.  The
 * choice rests on what a converted file tells too, where only the panels are left of the weights.
 */
static const struct igemm_s8 *choose_igemm_s8(const struct packing *p)
{
	const struct kernels *k = p->weights->kernels;
	bool bytes = (p->w->type == ENGINE_S8 || p->w->type == ENGINE_U8) && !p->gray->channels;

	return bytes ? &k->igemm_s8 : &k->igemm_s8_wide;
}

static bool suits_winograd(const struct packing *p, bool quantised)
{
	const struct graph_window *window = &p->node->conv.window;

	return !quantised && !is_fc(p->node) && p->groups == 1 && window->kernel_h == 3 && window->kernel_w == 3 &&
	       window->stride_h == 1 && window->stride_w == 1 && window->dilation_h == 1 && window->dilation_w == 1 &&
	       !p->gray->channels && p->kc % WINOGRAD_CHANNELS == 0 && p->kc >= WEIGHTS_WINOGRAD_MIN &&
	       p->channels >= WEIGHTS_WINOGRAD_MIN;
}

/*
 * Whether the panels' weights are the file's float16 ones and nothing else.  A single panel would take more than as
 * float32, together with the memory that it is widened into.
 */
static bool suits_half(const struct packing *p, const struct weights_conv *conv, bool quantised)
{
	const float *scale = p->node->fold_scale;
	size_t nr = panel_channels(p, conv);

	if (quantised || p->w->type != ENGINE_F16 || conv->winograd || conv->depthwise || p->gray->channels)
		return false;
	if (p->groups == 1 && p->channels <= nr)
		return false;
	for (size_t channel = 0; scale && channel < p->channels; channel++)
		if (scale[channel] != 1.0f)
			return false;
	return true;
}

static bool suits_f16(const struct packing *p, const struct weights_conv *conv, bool quantised)
{
	return p->weights->kernels->igemm_f16.name && !quantised && !conv->winograd && !conv->depthwise &&
	       p->group_n >= WEIGHTS_HALF_CHANNELS_MIN && p->taps * p->kc >= WEIGHTS_HALF_LENGTH_MIN;
}

/* What the layout of the panels is; p is of a node whose shapes were checked, and that suits the blocks if any. */
static void choose_layout(const struct packing *p, bool quantised, const struct winograd *winograd,
			  struct weights_conv *ret_conv)
{
	const struct kernels *k = p->weights->kernels;
	size_t taps = p->taps, kc = p->kc;

	*ret_conv = (struct weights_conv){
		.depthwise = p->groups > 1 && p->group_n == 1 && p->file_kc == 1,
		.igemm_s8 = quantised ? choose_igemm_s8(p) : NULL,
		.params = (uint64_t)p->channels * p->taps * p->kc + (p->bias ? p->channels : 0),
	};
	ret_conv->winograd = WITH_TYPE_float32 ? winograd : NULL;
	ret_conv->flat = !ret_conv->winograd && p->groups == 1 && p->kw > 1 && p->node->conv.window.dilation_w == 1 &&
			 p->taps * p->kc <= WEIGHTS_FLAT_MAX;
	if (ret_conv->flat) {
		taps /= p->kw;
		kc *= p->kw;
	}
	if (ret_conv->winograd)
		ret_conv->panel_bytes = pack_winograd_panel_bytes(ret_conv->winograd, &k->igemm_f32, kc);
	else if (!ret_conv->depthwise)
		ret_conv->panel_bytes = quantised ? pack_s8_panel_bytes(ret_conv->igemm_s8, taps, kc)
						  : pack_f32_panel_bytes(&k->igemm_f32, taps, kc);
	if (WITH_TYPE_float32 && suits_half(p, ret_conv, quantised)) {
		size_t bias_bytes = k->igemm_f32.nr * sizeof(float);

		ret_conv->wide_bytes = ret_conv->panel_bytes;
		ret_conv->panel_bytes = round_up(bias_bytes + (ret_conv->wide_bytes - bias_bytes) / 2);
	}
}

/* A tap of padding: the longest over-read of it is kr channels beyond the last, or a vector. */
static int add_padding(struct weights *weights, const struct packing *p, bool quantised, bool flat,
		       struct weights_entry *entry)
{
	size_t n = p->kc * p->groups * (flat ? p->kw : 1);

	entry->padding = allocate(weights, n * (quantised ? 1 : sizeof(float)) + KERNEL_SLACK);
	if (!entry->padding)
		return -ENOMEM;
	if (quantised)
		memset(entry->padding, p->x->quant.zero_points[0], n + KERNEL_SLACK);
	return 0;
}

static size_t bytes_with(const struct packing *p, const struct winograd *winograd)
{
	struct weights_conv conv;

	choose_layout(p, false, winograd, &conv);
	return packed_bytes(p, &conv, false);
}

/* What became of a file's weights that were packed before: readings and nodes that share them share the panels too. */
static const struct weights_blob *find_source(const struct weights_pool *pool, const struct graph_value *w)
{
	const struct weights_blob *blob = pool->first;

	while (blob && (w->owned || !w->data || blob->source != w->data))
		blob = blob->next;
	return blob;
}

bool weights_winograd_open(const struct weights *weights, const struct graph *graph, int index,
			   const struct weights_gray *gray, bool ret_fits[WINOGRAD_SIZES])
{
	const struct weights_pool *pool = weights->pool;
	size_t left = pool->winograd_max - least(pool->winograd_max, pool->winograd_bytes), plain;
	struct packing p;

	if (!WITH_TYPE_float32 || find(weights, ENTRY_CONV, index, gray, false))
		return false;
	packing_init(&p, (struct weights *)(uintptr_t)weights, graph, index, gray);
	if (!suits_winograd(&p, is_integer(p.x->type)) || find_source(pool, p.w))
		return false;
	plain = bytes_with(&p, NULL);
	for (int i = 0; i < WINOGRAD_SIZES; i++)
		ret_fits[i] = bytes_with(&p, &weights->kernels->winograd[i]) - plain <= left;
	return true;
}

/* The blocks for a node whose weights are to be packed. */
static const struct winograd *settle_winograd(const struct packing *p, bool quantised, const struct winograd *chosen)
{
	const struct weights_blob *same;

	if (!WITH_TYPE_float32 || !suits_winograd(p, quantised))
		return NULL;
	same = find_source(p->weights->pool, p->w);
	return same ? same->winograd : chosen;
}

/* The entry's data is shared: how it was made, for those who make the same. */
static void note_source(const struct packing *p, const struct weights_conv *conv, struct weights_entry *entry)
{
	struct weights_blob *blob = entry->blob;

	if (blob->n_entries > 1 || conv->half)
		return;
	blob->source = p->w->owned || p->gray->channels ? NULL : p->w->data;
	blob->winograd = conv->winograd;
	if (WITH_TYPE_float32 && conv->winograd)
		blob->winograd_bytes = blob->bytes - least(blob->bytes, bytes_with(p, NULL));
	p->weights->pool->winograd_bytes += blob->winograd_bytes;
}

/* For igemm_f16, in place of the panels of float32 that conv is of. */
static void choose_f16_layout(const struct packing *p, struct weights_conv *conv)
{
	conv->half = true;
	conv->wide_bytes = 0;
	conv->panel_bytes = pack_f16_panel_bytes(&p->weights->kernels->igemm_f16, p->taps * p->kc);
}

/* Of a converted file, which has panels in place of weights. */
static bool is_packed(const struct packing *p)
{
	return p->w->packed || (p->bias && p->bias->packed);
}

int weights_conv(struct weights *weights, const struct graph *graph, int index, const struct weights_gray *gray,
		 const struct winograd *winograd, bool half, struct engine_error *ret_error,
		 const struct weights_conv **ret_conv)
{
	struct weights_entry *entry = find(weights, ENTRY_CONV, index, gray, false);
	struct packing p;
	struct weights_conv conv;
	bool quantised;
	int r;

	packing_init(&p, weights, graph, index, gray);
	quantised = is_integer(p.x->type);
	if (entry)
		conv = entry->conv;
	else
		choose_layout(&p, quantised, settle_winograd(&p, quantised, winograd), &conv);
	if (WITH_TYPE_float32 && half && suits_f16(&p, &conv, quantised)) {
		p.panels = entry && is_packed(&p) ? &entry->conv : NULL;
		choose_f16_layout(&p, &conv);
		entry = find(weights, ENTRY_CONV, index, gray, true);
	}
	if (entry) {
		*ret_conv = &entry->conv;
		return 0;
	}
	if (is_packed(&p) && !p.panels)
		return graph_error(ret_error, -ENOTSUP,
				   "'%.60s' was converted for colour, and for one level of kernels only", p.node->name);
	r = packing_allocate(&p, &conv, quantised);
	if (r == 0) {
		entry = add(weights, ENTRY_CONV, -1, packed_bytes(&p, &conv, quantised));
		r = entry ? 0 : -ENOMEM;
	}
	if (r == 0)
		r = add_padding(weights, &p, quantised, conv.flat, entry);
	if (r == 0)
		r = conv.depthwise ? pack_depthwise(&p, entry->data, quantised)
				   : pack_panels(&p, &conv, entry->data, quantised);
	if (r == 0)
		r = share(weights, entry, packed_bytes(&p, &conv, quantised));
	if (r == 0) {
		note_source(&p, &conv, entry);
		conv.packed = entry->data;
		conv.padding = entry->padding;
		entry->conv = conv;
		entry->index = index;
		entry->gray = *gray;
		*ret_conv = &entry->conv;
	} else if (r == -EOVERFLOW) {
		r = graph_error(ret_error, -ENOTSUP, "%s '%.60s' has sums that may overflow 32 bits",
				graph_op_name(p.node->op), p.node->name);
	} else {
		graph_error(ret_error, r, "out of memory for the weights of '%.60s'", p.node->name);
	}
	packing_finish(&p);
	return r;
}

/* ---- panels of a file -------------------------------------------------------------------------- */

const void *weights_panels(const struct weights *weights, const struct graph *graph, int index, size_t *ret_bytes,
			   const struct winograd **ret_winograd)
{
	const struct weights_gray colour = {0};
	const struct weights_entry *entry = find(weights, ENTRY_CONV, index, &colour, false);
	struct packing p;

	if (!entry)
		return NULL;
	packing_init(&p, (struct weights *)(uintptr_t)weights, graph, index, &colour);
	*ret_bytes = packed_bytes(&p, &entry->conv, is_integer(p.x->type));
	*ret_winograd = entry->conv.winograd;
	return entry->conv.packed;
}

/* Weights of [O][KH][KW][I] that fit their groups, as graph_check() and the passes leave them. */
static bool has_layout(const struct graph *graph, const struct graph_node *node)
{
	const struct graph_value *w, *x;
	int groups = node->op == GRAPH_CONV ? node->conv.groups : 1;
	size_t elements;

	if ((node->op != GRAPH_CONV && node->op != GRAPH_FC) || node->n_inputs < 2)
		return false;
	x = &graph->values[node->inputs[0]];
	w = &graph->values[node->inputs[1]];
	if (w->rank != (node->op == GRAPH_CONV ? 4 : 2) || graph_elements(w->rank, w->dims, &elements) < 0 ||
	    !elements || elements > ENGINE_TENSOR_BYTES_MAX / sizeof(float) || groups < 1 || w->dims[0] % groups)
		return false;
	if (node->op == GRAPH_CONV &&
	    (w->dims[1] != node->conv.window.kernel_h || w->dims[2] != node->conv.window.kernel_w))
		return false;
	return is_integer(x->type) ? x->type == ENGINE_S8 && x->quant.n_scales == 1 : x->type == ENGINE_F32;
}

size_t weights_panels_bytes(struct weights *weights, const struct graph *graph, int index,
			    const struct winograd *winograd)
{
	const struct weights_gray colour = {0};
	struct weights_conv conv;
	struct packing p;
	bool quantised;

	if (!has_layout(graph, &graph->nodes[index]))
		return 0;
	packing_init(&p, weights, graph, index, &colour);
	quantised = is_integer(p.x->type);
	if (winograd && !suits_winograd(&p, quantised))
		return 0;
	choose_layout(&p, quantised, winograd, &conv);
	return packed_bytes(&p, &conv, quantised);
}

int weights_adopt(struct weights *weights, const struct graph *graph, int index, const struct winograd *winograd,
		  const void *panels)
{
	const struct weights_gray colour = {0};
	struct weights_entry *entry = calloc(1, sizeof(*entry));
	struct packing p;
	bool quantised;
	int r;

	if (!entry)
		return -ENOMEM;
	packing_init(&p, weights, graph, index, &colour);
	quantised = is_integer(p.x->type);
	choose_layout(&p, quantised, winograd, &entry->conv);
	r = add_padding(weights, &p, quantised, entry->conv.flat, entry);
	if (r < 0) {
		free(entry);
		return r;
	}
	entry->kind = ENTRY_CONV;
	entry->index = index;
	entry->conv.packed = panels;
	entry->conv.padding = entry->padding;
	entry->next = weights->first;
	weights->first = entry;
	return 0;
}
