/* trial.c - see trial.h. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "step.h"

/* Pixels of an output from which on blocks of 4x4 win by far, of as many channels as TRIAL_CHANNELS or more. */
#define PIXELS_PLAIN   400
#define CHANNELS_PLAIN 32
/* And below which no block is worth it: of any layer, and of one whose weights are read for few pixels. */
#define PIXELS_MIN	 16
#define PIXELS_MIN_LARGE 64
/* By the rule alone, blocks of 2x2 for large weights from here on. */
#define PIXELS_RULE_2X2 100
/* Input times output channels up to which weights are small. */
#define WEIGHTS_SMALL (128 * 256)

/* More memory has to be worth a tenth of the time; blocks of 4x4, which take four times as much more, a fifth. */
#define GAIN	   0.9
#define GAIN_LARGE 0.8

/* Multiply-adds of a run, pixels of its picture, rounds, the made-up weights' memory. */
#define RUN_MACS     4000000
#define RUN_PIXELS   784
#define ROUNDS	     3
#define WEIGHT_BYTES (4u << 20)
/* What a trial and all trials of a plan may take before they are cut short. */
#define TRIAL_NS 4e6
#define PLAN_NS	 20e6

/* Bytes of weights and inputs: as numbers 0.01, whose sums are ordinary ones. */
#define FILLING 0x3c

/* ---- modes ------------------------------------------------------------------------------------- */

static const char *const mode_names[TRIAL_MODES] = {
	[TRIAL_MEASURE] = "trial", [TRIAL_RULE] = "rule", [TRIAL_DIRECT] = "off", [TRIAL_2X2] = "2", [TRIAL_4X4] = "4",
};

/* Of the thread's own time: a machine that is busy with other work decides nothing. */
static double measure(void *context, const struct step *step, const struct exec *exec)
{
	struct timespec before, after;

	(void)context;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	step->run(step, exec, 0, step->tiles);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	return (double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec);
}

void trials_init(struct trials *trials, enum trial_mode mode)
{
	*trials = (struct trials){.mode = mode, .measure = measure};
	pthread_mutex_init(&trials->lock, NULL);
}

void trials_finish(struct trials *trials)
{
	pthread_mutex_destroy(&trials->lock);
}

static struct trials shared;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_shared(void)
{
	const char *name = getenv("INFERD_WINOGRAD");
	enum trial_mode mode = TRIAL_MEASURE;

	for (int i = 0; name && i < TRIAL_MODES; i++)
		if (strcmp(name, mode_names[i]) == 0)
			mode = (enum trial_mode)i;
	trials_init(&shared, mode);
}

struct trials *trials_shared(void)
{
	pthread_once(&once, init_shared);
	return &shared;
}

const char *trials_mode_name(const struct trials *trials)
{
	return mode_names[trials->mode];
}

/* ---- the rule ---------------------------------------------------------------------------------- */

static size_t pixels_of(const struct trial_shape *shape)
{
	return (size_t)shape->h * (size_t)shape->w;
}

static bool has_small_weights(const struct trial_shape *shape)
{
	return (size_t)shape->channels * (size_t)shape->outputs <= WEIGHTS_SMALL;
}

static bool is_plain(const struct trial_shape *shape)
{
	size_t pixels = pixels_of(shape);

	if (pixels < PIXELS_MIN || (pixels < PIXELS_MIN_LARGE && !has_small_weights(shape)))
		return true;
	return pixels >= PIXELS_PLAIN && shape->channels >= CHANNELS_PLAIN && shape->outputs >= CHANNELS_PLAIN;
}

/* 0 direct, otherwise one more than the index of the blocks. */
static int by_rule(const struct trial_shape *shape)
{
	size_t pixels = pixels_of(shape);

	if (pixels < PIXELS_MIN)
		return 0;
	if (pixels >= PIXELS_PLAIN || has_small_weights(shape))
		return 1 + WINOGRAD_4X4;
	return pixels >= PIXELS_RULE_2X2 ? 1 + WINOGRAD_2X2 : 0;
}

static int by_outcome(const struct trial_outcome *outcome, const bool fits[WINOGRAD_SIZES])
{
	const double *ns = outcome->ns;
	bool small = fits[WINOGRAD_2X2] && ns[1 + WINOGRAD_2X2] < GAIN * ns[0];
	double most = small ? GAIN_LARGE * ns[1 + WINOGRAD_2X2] : GAIN * ns[0];

	if (fits[WINOGRAD_4X4] && ns[1 + WINOGRAD_4X4] < most)
		return 1 + WINOGRAD_4X4;
	return small ? 1 + WINOGRAD_2X2 : 0;
}

/* The next smaller blocks that memory allows. */
static int within_memory(int way, const bool fits[WINOGRAD_SIZES])
{
	while (way && !fits[way - 1])
		way--;
	return way;
}

/* ---- the trial --------------------------------------------------------------------------------- */

/* A convolution of the shape, or of some of its rows and panels, and what it works on. */
struct bench {
	const struct trials *trials;
	struct trial_shape shape;
	size_t panels, sampled; /* of all outputs, and of those in a run */
	uint8_t *weights, *input, *output, *own, *padding;
	size_t weight_bytes, next;
	struct step step;
	struct weights_conv conv;
	struct plan_tensor tensors[2];
	struct engine_plan plan;
	struct exec exec;
};

static uint8_t *fill(size_t bytes, int with)
{
	size_t rounded = ceil_div(bytes + KERNEL_SLACK, 64) * 64;
	uint8_t *data = aligned_alloc(64, rounded);

	return data ? memset(data, with, rounded) : NULL;
}

/* A picture that is cut has whole blocks and no fewer than four rows of them: its time is in proportion. */
static void cut_picture(struct trial_shape *shape)
{
	shape->w = shape->w < RUN_PIXELS / 16 ? shape->w : RUN_PIXELS / 16 / 4 * 4;
	if (shape->h * shape->w > RUN_PIXELS)
		shape->h = RUN_PIXELS / shape->w / 4 * 4;
}

static size_t panel_bytes(const struct bench *b, const struct winograd *winograd)
{
	const struct igemm_f32 *kernel = &b->exec.kernels->igemm_f32;
	size_t kc = (size_t)b->shape.channels;

	return winograd ? pack_winograd_panel_bytes(winograd, kernel, kc) : pack_f32_panel_bytes(kernel, 9, kc);
}

static const int inputs[] = {0};

static void set_step(struct bench *b, const struct winograd *winograd)
{
	const struct trial_shape *s = &b->shape;
	int outputs = (int)least(b->sampled * b->exec.kernels->igemm_f32.nr, (size_t)s->outputs);

	b->conv = (struct weights_conv){
		.panel_bytes = panel_bytes(b, winograd),
		.winograd = winograd,
		.flat = !winograd && 9 * s->channels <= WEIGHTS_FLAT_MAX,
		.padding = b->padding,
	};
	b->step = (struct step){
		.in = inputs,
		.out = 1,
		.residual = -1,
		.lo = 0,
		.hi = INFINITY,
		.gemm = {.weights = &b->conv, .groups = 1, .group_c = s->channels, .group_n = outputs},
		.window = {.in_h = s->h,
			   .in_w = s->w,
			   .in_c = s->channels,
			   .out_h = s->h,
			   .out_w = s->w,
			   .out_c = outputs,
			   .kh = 3,
			   .kw = 3,
			   .stride_h = 1,
			   .stride_w = 1,
			   .dilation_h = 1,
			   .dilation_w = 1,
			   .top = 1,
			   .left = 1,
			   .in_stride = (size_t)s->channels,
			   .out_stride = (size_t)outputs},
	};
	plan_tile_conv(&b->step, b->exec.kernels);
}

/* Other weights than those of the run before: as in a network, the nearest cache does not hold them. */
static double run(struct bench *b)
{
	size_t bytes = b->sampled * b->conv.panel_bytes;

	if (bytes > b->weight_bytes - b->next)
		b->next = 0;
	b->conv.packed = b->weights + b->next;
	b->next += bytes;
	return b->trials->measure(b->trials->context, &b->step, &b->exec);
}

/* The whole layer from its part; the inputs' transform is the same for any number of panels. */
static double run_way(struct bench *b, const struct winograd *winograd, double *spent)
{
	double some, none = 0;

	set_step(b, winograd);
	some = run(b);
	if (winograd) {
		b->step.gemm.panels = 0;
		b->step.gemm.panel_tiles = 1;
		b->step.tiles = b->step.gemm.row_tiles;
		none = b->trials->measure(b->trials->context, &b->step, &b->exec);
	}
	*spent += some + none;
	return none + fmax(some - none, 0) * (double)b->panels / (double)b->sampled;
}

static bool bench_init(struct bench *b, const struct trials *trials, const struct kernels *kernels,
		       const struct trial_shape *shape)
{
	size_t nr = kernels->igemm_f32.nr, largest, macs;
	size_t own_bytes = 0;

	*b = (struct bench){.trials = trials, .shape = *shape, .exec = {.plan = &b->plan, .kernels = kernels}};
	cut_picture(&b->shape);
	largest = panel_bytes(b, &kernels->winograd[WINOGRAD_4X4]);
	macs = pixels_of(&b->shape) * 9 * (size_t)shape->channels * nr;
	b->panels = ceil_div((size_t)shape->outputs, nr);
	b->sampled = least(least(b->panels, WEIGHT_BYTES / largest), RUN_MACS / macs ? RUN_MACS / macs : 1);
	if (!b->sampled)
		return false;
	b->weight_bytes = least(WEIGHT_BYTES, ROUNDS * b->sampled * largest);
	for (int i = 0; i < WINOGRAD_SIZES; i++) {
		set_step(b, &kernels->winograd[i]);
		own_bytes = own_bytes > b->step.own_bytes ? own_bytes : b->step.own_bytes;
	}
	b->weights = fill(b->weight_bytes, FILLING);
	b->input = fill(pixels_of(&b->shape) * (size_t)shape->channels * sizeof(float), FILLING);
	b->output = fill(pixels_of(&b->shape) * b->sampled * nr * sizeof(float), 0);
	b->own = fill(own_bytes, 0);
	b->padding = fill(3 * (size_t)shape->channels * sizeof(float), 0);
	b->tensors[0].data = b->input;
	b->tensors[1].data = b->output;
	b->plan.tensors = b->tensors;
	b->exec.own = b->own;
	return b->weights && b->input && b->output && b->own && b->padding;
}

static void bench_finish(struct bench *b)
{
	free(b->weights);
	free(b->input);
	free(b->output);
	free(b->own);
	free(b->padding);
}

/* The least of several rounds, in which the ways take turns. */
static bool try_all(const struct trials *trials, const struct kernels *kernels, struct trial_outcome *outcome,
		    double *spent_ns)
{
	struct bench bench;
	bool ready = bench_init(&bench, trials, kernels, &outcome->shape);
	double spent = 0;

	for (int round = 0; ready && round < ROUNDS && spent < TRIAL_NS; round++)
		for (int way = 0; way <= WINOGRAD_SIZES; way++) {
			double ns = run_way(&bench, way ? &kernels->winograd[way - 1] : NULL, &spent);

			outcome->ns[way] = round ? fmin(outcome->ns[way], ns) : ns;
		}
	bench_finish(&bench);
	*spent_ns += spent;
	return ready;
}

/* What is remembered of the shape, tried now where that is nothing; NULL where it cannot be. */
static const struct trial_outcome *find_outcome(struct trials *trials, const struct kernels *kernels,
						const struct trial_shape *shape, double *spent_ns)
{
	struct trial_outcome *outcome = trials->outcomes;
	struct trial_outcome *end = outcome + trials->n;

	while (outcome < end &&
	       (strcmp(outcome->level, kernels->level) != 0 || memcmp(&outcome->shape, shape, sizeof(*shape)) != 0))
		outcome++;
	if (outcome < end)
		return outcome;
	if (trials->n == TRIAL_OUTCOMES_MAX || *spent_ns > PLAN_NS)
		return NULL;
	*outcome = (struct trial_outcome){.level = kernels->level, .shape = *shape};
	if (!try_all(trials, kernels, outcome, spent_ns))
		return NULL;
	trials->n++;
	return outcome;
}

const struct winograd *trial_choose(struct trials *trials, const struct kernels *kernels,
				    const struct trial_shape *shape, const bool fits[WINOGRAD_SIZES], double *spent_ns)
{
	const struct trial_outcome *outcome = NULL;
	bool any = fits[WINOGRAD_2X2] || fits[WINOGRAD_4X4];
	int way;

	pthread_mutex_lock(&trials->lock);
	if (any && trials->mode == TRIAL_MEASURE && !is_plain(shape))
		outcome = find_outcome(trials, kernels, shape, spent_ns);
	if (trials->mode == TRIAL_MEASURE || trials->mode == TRIAL_RULE)
		way = outcome ? by_outcome(outcome, fits) : by_rule(shape);
	else
		way = (int)trials->mode - TRIAL_DIRECT;
	pthread_mutex_unlock(&trials->lock);
	way = within_memory(way, fits);
	return way ? &kernels->winograd[way - 1] : NULL;
}
