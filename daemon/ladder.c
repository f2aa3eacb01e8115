/* ladder.c - see ladder.h. */
#include "ladder.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "answer.h"
#include "clock.h"
#include "identity.h"
#include "joint.h"
#include "task.h"

/* A common camera picture, so that prior times contain the preprocessing that observed ones do. */
#define WARM_WIDTH  640
#define WARM_HEIGHT 480
/* A rung slower than this when cold is not run again to be measured warm. */
#define WARM_SLOW_US 200000

struct ladder_key {
	struct config_model model; /* without its variants pointer */
	struct config_variant variants[CONFIG_VARIANTS_MAX];
	struct network_ids files[CONFIG_VARIANTS_MAX];
};

/* Private members behind the public ones; a ladder is always made here. */
struct ladder_box {
	struct ladder ladder;
	atomic_int references;
	struct ladder_key key;
	const struct topology_lane *lanes; /* the daemon's, for good */
};

static struct ladder_box *box_of(const struct ladder *ladder)
{
	return (struct ladder_box *)(uintptr_t)ladder;
}

__attribute__((format(printf, 2, 3))) static void fail(struct config_error *error, const char *format, ...)
{
	va_list arguments;

	if (!error)
		return;
	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
}

/* ---- identity ------------------------------------------------------------------------------------- */

static void key_fill(struct ladder_key *key, const struct config_model *config)
{
	key->model = *config;
	key->model.variants = NULL;
	for (int i = 0; i < config->n_variants; i++) {
		key->variants[i] = config->variants[i];
		key->files[i] = network_identify(config->variants[i].file);
	}
}

static bool same_preprocess(const struct config_preprocess *a, const struct config_preprocess *b)
{
	return a->fit == b->fit && a->sampling == b->sampling && a->crop == b->crop && a->bgr == b->bgr &&
	       a->given == b->given && !memcmp(a->mean, b->mean, sizeof(a->mean)) &&
	       !memcmp(a->scale, b->scale, sizeof(a->scale)) && !memcmp(a->pad, b->pad, sizeof(a->pad));
}

static bool same_decode(const struct config_decode *a, const struct config_decode *b)
{
	return a->detector == b->detector && a->landmarks == b->landmarks && a->gestures == b->gestures &&
	       a->score_min == b->score_min && a->iou_max == b->iou_max && a->max_results == b->max_results;
}

static bool same_key(const struct ladder_key *a, const struct ladder_key *b)
{
	if (a->model.task != b->model.task || a->model.n_variants != b->model.n_variants ||
	    a->model.gray != b->model.gray || a->model.n_inputs != b->model.n_inputs ||
	    !same_decode(&a->model.decode, &b->model.decode) ||
	    !same_preprocess(&a->model.preprocess, &b->model.preprocess) ||
	    memcmp(a->model.inputs, b->model.inputs, (size_t)a->model.n_inputs * sizeof(int)))
		return false;
	for (int i = 0; i < a->model.n_variants; i++)
		if (strcmp(a->variants[i].name, b->variants[i].name) ||
		    strcmp(a->variants[i].file, b->variants[i].file) ||
		    a->variants[i].accuracy != b->variants[i].accuracy || !network_same(&a->files[i], &b->files[i]))
			return false;
	return true;
}

bool ladder_serves(const struct ladder *ladder, const struct config_model *config)
{
	struct ladder_key *key = malloc(sizeof(*key));
	bool same;

	if (!key)
		return false;
	key_fill(key, config);
	same = same_key(&box_of(ladder)->key, key);
	free(key);
	return same;
}

bool ladder_serves_pipeline(const struct ladder *ladder, const struct config_model *const stages[CONFIG_STAGES])
{
	bool same = ladder_is_pipeline(ladder);

	for (int i = 0; i < CONFIG_STAGES && same; i++)
		same = ladder_serves(ladder->stage[i], stages[i]);
	return same;
}

/* ---- loading -------------------------------------------------------------------------------------- */

const char *ladder_task_name(enum config_task task)
{
	static const char *const names[] = {"classify", "detect", "landmarks", "segment", "embed", "raw"};

	return names[task];
}

static enum engine_fit fit_of(enum config_fit fit)
{
	return fit == CONFIG_FIT_CROP	     ? ENGINE_FIT_CROP
	       : fit == CONFIG_FIT_LETTERBOX ? ENGINE_FIT_LETTERBOX
					     : ENGINE_FIT_STRETCH;
}

static void normalize_fill(struct engine_normalize *normalize, const struct config_preprocess *config)
{
	*normalize = (struct engine_normalize){
		.fit = fit_of(config->fit),
		.sampling = config->sampling == CONFIG_SAMPLING_POINT ? ENGINE_SAMPLING_POINT : ENGINE_SAMPLING_AREA,
		.crop = config->crop,
		.bgr = config->bgr,
		.given = config->given};
	memcpy(normalize->mean, config->mean, sizeof(normalize->mean));
	memcpy(normalize->scale, config->scale, sizeof(normalize->scale));
	memcpy(normalize->pad, config->pad, sizeof(normalize->pad));
}

/* What is the same for all rungs of a variant while its table is built. */
struct builder {
	struct ladder *ladder;
	const struct config_model *config;
	const struct topology_lane *lanes;
	int variant;
	int own_width, own_height, own_channels;
	struct config_error *error;
};

static long elements(const struct engine_io *io)
{
	long count = 1;

	for (int i = 0; i < io->rank; i++) {
		if (io->dims[i] <= 0 || count > LADDER_OUTPUTS_MAX)
			return -1;
		count *= io->dims[i];
	}
	return count <= LADDER_OUTPUTS_MAX ? count : -1;
}

/* The plan's answer must be one that the task can read, and the same for every rung. */
static int check_output(struct builder *b, const struct engine_plan *plan)
{
	const char *variant = b->config->variants[b->variant].name;
	struct engine_io io;
	long count;

	engine_plan_output(plan, 0, &io);
	count = elements(&io);
	if (count < 1) {
		fail(b->error, "%s: the output has no elements or more than %d", variant, LADDER_OUTPUTS_MAX);
		return -ENOTSUP;
	}
	if (io.type != ENGINE_F32 && io.type != ENGINE_U8 && io.type != ENGINE_S8) {
		fail(b->error, "%s: the output is %s, which task %s does not read", variant, engine_type_name(io.type),
		     ladder_task_name(b->config->task));
		return -ENOTSUP;
	}
	if (b->ladder->n_outputs && b->ladder->n_outputs != count) {
		fail(b->error, "%s has %ld outputs, and another variant or size has %d", variant, count,
		     b->ladder->n_outputs);
		return -EINVAL;
	}
	b->ladder->n_outputs = (int)count;
	return 0;
}

/* The same for tasks that read several outputs, or that find places in the picture. */
static int check_outputs(struct builder *b, const struct engine_plan *plan, int width, int height)
{
	char why[OUTPUTS_WHY_BYTES] = "";
	size_t slot_bytes;
	int rc = answer_check(b->config, plan, width, height, &slot_bytes, why);

	if (rc < 0) {
		fail(b->error, "%s at %dx%d: %s", b->config->variants[b->variant].name, width, height, why);
		return rc;
	}
	b->ladder->n_outputs = 1;
	if (slot_bytes > b->ladder->slot_bytes)
		b->ladder->slot_bytes = slot_bytes;
	return 0;
}

/* Only these look at one output, and at its numbers as one list. */
static bool reads_single(enum config_task task)
{
	return task == CONFIG_CLASSIFY || task == CONFIG_EMBED;
}

static int add_rungs(struct builder *b, const struct engine_plan *plan, int width, int height, int channels)
{
	const struct config_variant *variant = &b->config->variants[b->variant];
	struct ladder *ladder = b->ladder;
	bool gray = channels == 1 && b->own_channels == 3;
	double ratio = (double)(width < height ? width : height) /
		       (b->own_width < b->own_height ? b->own_width : b->own_height);
	int rc = reads_single(b->config->task) ? check_output(b, plan) : check_outputs(b, plan, width, height);

	if (rc < 0)
		return rc;
	if (engine_plan_arena_bytes(plan) > ladder->arena_bytes)
		ladder->arena_bytes = engine_plan_arena_bytes(plan);
	for (int lane = 0; lane < ladder->n_lanes; lane++) {
		struct ladder_rung *detail = &ladder->details[ladder->n_rungs];
		bool several = ladder->n_lanes > 1;
		char name[256];

		if (ladder->n_rungs >= POLICY_RUNGS_MAX) {
			fail(b->error, "variants, inputs, gray and lanes make more than %d rungs", POLICY_RUNGS_MAX);
			return -E2BIG;
		}
		snprintf(name, sizeof(name), "%s@%dx%d%s%s%s", variant->name, width, height, gray ? "-gray" : "",
			 several ? "/" : "", several ? b->lanes[lane].name : "");
		if (strlen(name) > IPC_NAME_MAX) {
			fail(b->error, "the rung's name %s is longer than %d bytes; shorten the variant's", name,
			     IPC_NAME_MAX);
			return -ENAMETOOLONG;
		}
		memcpy(detail->name, name, strlen(name) + 1);
		detail->plan = plan;
		detail->estimated = policy_accuracy(variant->accuracy, (float)ratio, gray);
		detail->own_size = width == b->own_width && height == b->own_height && channels == b->own_channels;
		ladder->rungs[ladder->n_rungs++] = (struct policy_rung){
			.variant = (uint16_t)b->variant,
			.width = (uint16_t)width,
			.height = (uint16_t)height,
			.channels = (uint8_t)channels,
			.lane = (uint8_t)lane,
			.threads = (uint8_t)b->lanes[lane].threads,
			.accuracy = detail->estimated,
		};
	}
	return 0;
}

/* Plans one size.  A size or gray that the network does not allow leaves the rung out, unless it is its own. */
static int add_size(struct builder *b, int width, int height, int channels)
{
	struct engine_plan_options options = {.width = width, .height = height, .channels = channels};
	const struct config_variant *variant = &b->config->variants[b->variant];
	bool own = width == b->own_width && height == b->own_height && channels == b->own_channels;
	struct engine_error why = {""};
	const struct engine_plan *plan;
	int rc;

	options.half_arithmetic = variant->half_arithmetic;
	if (channels == 1 && b->own_channels == 3)
		engine_gray_options(&b->ladder->normalize, &options);
	rc = engine_model_plan(network_model(b->ladder->variants[b->variant].network), &options, &why, &plan);
	if (rc == -ENOTSUP && !own)
		return 0;
	if (rc < 0) {
		fail(b->error, "%s at %dx%d: %s", variant->name, width, height, why.text);
		return rc;
	}
	return add_rungs(b, plan, width, height, channels);
}

static int add_channels(struct builder *b, int width, int height)
{
	int rc = add_size(b, width, height, b->own_channels);

	if (rc == 0 && b->config->gray && b->own_channels == 3)
		rc = add_size(b, width, height, 1);
	return rc;
}

/* Finds out what the network takes.  A size that the file leaves open is the first of `inputs`. */
static int read_input(struct builder *b)
{
	const struct engine_model *network = network_model(b->ladder->variants[b->variant].network);
	const char *name = b->config->variants[b->variant].name;
	struct engine_io io;

	if (engine_model_input_count(network) != 1 || engine_model_output_count(network) < 1) {
		fail(b->error, "%s has %d inputs and %d outputs; one input and one output are needed", name,
		     engine_model_input_count(network), engine_model_output_count(network));
		return -ENOTSUP;
	}
	engine_model_input(network, 0, &io);
	if (io.rank != 4 || (io.dims[3] != 3 && io.dims[3] != 1)) {
		fail(b->error, "%s: the input is not an image of 3 channels or 1", name);
		return -ENOTSUP;
	}
	b->own_height = io.dims[1];
	b->own_width = io.dims[2];
	b->own_channels = io.dims[3];
	if (b->own_width <= 0 || b->own_height <= 0) {
		if (!b->config->n_inputs) {
			fail(b->error, "%s leaves its input size open; name sizes in `inputs`", name);
			return -EINVAL;
		}
		b->own_width = b->own_height = b->config->inputs[0];
	}
	return 0;
}

static int add_variant(struct builder *b)
{
	const struct config_variant *config = &b->config->variants[b->variant];
	struct ladder_variant *variant = &b->ladder->variants[b->variant];
	struct engine_error why = {""};
	int rc = network_get(config->file, &why, &variant->network);

	if (rc < 0) {
		fail(b->error, "%s: %s: %s", config->name, config->file, why.text[0] ? why.text : strerror(-rc));
		return rc;
	}
	memcpy(variant->name, config->name, sizeof(variant->name));
	variant->half_arithmetic = config->half_arithmetic;
	b->ladder->n_variants = b->variant + 1;
	rc = read_input(b);
	if (rc < 0)
		return rc;
	rc = add_channels(b, b->own_width, b->own_height);
	for (int i = 0; rc == 0 && i < b->config->n_inputs; i++) {
		int side = b->config->inputs[i];
		bool seen = side == b->own_width && side == b->own_height;

		for (int j = 0; j < i; j++)
			seen |= b->config->inputs[j] == side;
		if (!seen)
			rc = add_channels(b, side, side);
	}
	b->ladder->bytes += engine_model_bytes(network_model(variant->network));
	return rc;
}

static uint64_t add_normalize(uint64_t hash, const struct engine_normalize *normalize)
{
	hash = identity_add_number(hash, normalize->fit);
	hash = identity_add_number(hash, normalize->sampling);
	hash = identity_add(hash, &normalize->crop, sizeof(normalize->crop));
	hash = identity_add_number(hash, normalize->bgr | normalize->given << 1);
	hash = identity_add(hash, normalize->mean, sizeof(normalize->mean));
	hash = identity_add(hash, normalize->scale, sizeof(normalize->scale));
	return identity_add(hash, normalize->pad, sizeof(normalize->pad));
}

/* Its vectors can be compared with those of the same network, prepared alike; of whatever size the input was. */
static uint64_t space_of(const struct ladder *ladder, const struct ladder_variant *variant)
{
	uint64_t hash = identity_add_number(IDENTITY_START, (int64_t)network_digest(variant->network));

	hash = add_normalize(hash, &ladder->normalize);
	hash = identity_add_number(hash, ladder->n_outputs);
	if (variant->half_arithmetic)
		hash = identity_add_text(hash, "half arithmetic");
	return hash ? hash : 1;
}

/* What decides how long rungs take and how right they are, but for the device. */
static uint64_t digest(const struct ladder *ladder)
{
	uint64_t hash = identity_add_number(IDENTITY_START, ladder->n_rungs);

	hash = identity_add_number(hash, ladder->task);
	hash = add_normalize(hash, &ladder->normalize);
	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct policy_rung *rung = &ladder->rungs[i];

		hash = identity_add_text(hash, ladder->details[i].name);
		hash = identity_add_number(hash, (int64_t)network_digest(ladder->variants[rung->variant].network));
		if (ladder->variants[rung->variant].half_arithmetic)
			hash = identity_add_text(hash, "half arithmetic");
		hash = identity_add_number(hash, rung->width);
		hash = identity_add_number(hash, rung->height);
		hash = identity_add_number(hash, rung->channels);
		hash = identity_add_number(hash, rung->lane);
		hash = identity_add_number(hash, rung->threads);
	}
	return hash;
}

static struct ladder_box *box_create(const struct topology_lane *lanes, int n_lanes, struct config_error *error)
{
	static atomic_uint_fast64_t uids;
	struct ladder_box *box = calloc(1, sizeof(*box));

	if (!box) {
		fail(error, "out of memory");
		return NULL;
	}
	atomic_init(&box->references, 1);
	box->ladder.uid = atomic_fetch_add(&uids, 1) + 1;
	box->ladder.n_lanes = n_lanes;
	box->lanes = lanes;
	return box;
}

int ladder_create(const struct config_model *config, const struct topology_lane *lanes, int n_lanes,
		  struct config_error *ret_error, struct ladder **ret_ladder)
{
	struct ladder_box *box;
	struct builder builder;
	int rc = 0;

	box = box_create(lanes, n_lanes, ret_error);
	if (!box)
		return -ENOMEM;
	key_fill(&box->key, config);
	box->ladder.task = config->task;
	box->ladder.decode = config->decode;
	normalize_fill(&box->ladder.normalize, &config->preprocess);
	builder = (struct builder){.ladder = &box->ladder, .config = config, .lanes = lanes, .error = ret_error};
	for (int i = 0; i < config->n_variants; i++) {
		builder.variant = i;
		rc = add_variant(&builder);
		if (rc < 0) {
			ladder_unref(&box->ladder);
			return rc;
		}
	}
	policy_latency_init(&box->ladder.latency, box->ladder.rungs, box->ladder.n_rungs);
	box->ladder.digest = digest(&box->ladder);
	for (int i = 0; i < config->n_variants; i++)
		box->ladder.variants[i].space = space_of(&box->ladder, &box->ladder.variants[i]);
	box->ladder.resident = true;
	*ret_ladder = &box->ladder;
	return 0;
}

int ladder_create_pipeline(const struct config_model *const stages[CONFIG_STAGES], const struct topology_lane *lanes,
			   int n_lanes, struct config_error *ret_error, struct ladder **ret_ladder)
{
	struct ladder_box *box = box_create(lanes, n_lanes, ret_error);
	struct config_error why = {""};
	int rc = box ? 0 : -ENOMEM;

	for (int i = 0; i < CONFIG_STAGES && rc == 0; i++) {
		rc = ladder_create(stages[i], lanes, n_lanes, &why, &box->ladder.stage[i]);
		if (rc < 0)
			fail(ret_error, "stage %s: %.400s", stages[i]->name, why.text);
	}
	if (rc == 0) {
		rc = joint_fill(&box->ladder, &why);
		if (rc < 0)
			fail(ret_error, "%s", why.text);
	}
	if (rc < 0) {
		ladder_unref(box ? &box->ladder : NULL);
		return rc;
	}
	policy_latency_init(&box->ladder.latency, box->ladder.rungs, box->ladder.n_rungs);
	box->ladder.resident = true;
	*ret_ladder = &box->ladder;
	return 0;
}

/* What it was made of, as it lies in its box. */
static struct config_model source_of(const struct ladder *ladder)
{
	struct ladder_box *box = box_of(ladder);
	struct config_model config = box->key.model;

	config.variants = box->key.variants;
	return config;
}

int ladder_create_again(const struct ladder *ladder, struct config_error *ret_error, struct ladder **ret_fresh)
{
	const struct topology_lane *lanes = box_of(ladder)->lanes;
	struct config_model sources[CONFIG_STAGES];

	if (!ladder_is_pipeline(ladder)) {
		sources[0] = source_of(ladder);
		return ladder_create(&sources[0], lanes, ladder->n_lanes, ret_error, ret_fresh);
	}
	for (int i = 0; i < CONFIG_STAGES; i++)
		sources[i] = source_of(ladder->stage[i]);
	return ladder_create_pipeline((const struct config_model *const[]){&sources[0], &sources[1]}, lanes,
				      ladder->n_lanes, ret_error, ret_fresh);
}

int ladder_adopt(struct ladder *ladder, struct ladder *fresh)
{
	/* Names of rungs are part of it. */
	if (ladder->digest != fresh->digest || ladder->n_rungs != fresh->n_rungs)
		return -EINVAL;
	for (int i = 0; i < CONFIG_STAGES && ladder_is_pipeline(ladder); i++)
		ladder_adopt(ladder->stage[i], fresh->stage[i]);
	for (int i = 0; i < ladder->n_rungs; i++)
		ladder->details[i].plan = fresh->details[i].plan;
	for (int i = 0; i < ladder->n_variants; i++)
		ladder->variants[i].network = fresh->variants[i].network;
	memset(fresh->variants, 0, sizeof(fresh->variants));
	ladder->bytes = fresh->bytes;
	ladder->resident = true;
	return 0;
}

static void take_networks(struct ladder *ladder, struct network *ret_networks[CONFIG_VARIANTS_MAX])
{
	for (int i = 0; i < ladder->n_rungs; i++)
		ladder->details[i].plan = NULL;
	for (int i = 0; i < CONFIG_VARIANTS_MAX; i++) {
		ret_networks[i] = ladder->variants[i].network;
		ladder->variants[i].network = NULL;
	}
	ladder->resident = false;
}

void ladder_unload(struct ladder *ladder, struct network *ret_networks[LADDER_NETWORKS_MAX])
{
	memset(ret_networks, 0, LADDER_NETWORKS_MAX * sizeof(*ret_networks));
	for (int i = 0; i < CONFIG_STAGES && ladder_is_pipeline(ladder); i++)
		take_networks(ladder->stage[i], ret_networks + (size_t)i * CONFIG_VARIANTS_MAX);
	if (ladder_is_pipeline(ladder))
		ladder->resident = false;
	else
		take_networks(ladder, ret_networks);
}

struct ladder *ladder_ref(struct ladder *ladder)
{
	atomic_fetch_add(&box_of(ladder)->references, 1);
	return ladder;
}

void ladder_unref(struct ladder *ladder)
{
	if (!ladder || atomic_fetch_sub(&box_of(ladder)->references, 1) != 1)
		return;
	for (int i = 0; i < CONFIG_VARIANTS_MAX; i++)
		network_put(ladder->variants[i].network);
	for (int i = 0; i < CONFIG_STAGES; i++)
		ladder_unref(ladder->stage[i]);
	free(box_of(ladder));
}

/* ---- measuring ------------------------------------------------------------------------------------ */

static void look_at_answer(struct ladder *ladder, int rung, struct engine_context *context, float *values)
{
	const struct engine_plan *plan = ladder->details[rung].plan;
	struct engine_io io;

	engine_plan_output(plan, 0, &io);
	if (task_read(engine_context_output(context, plan, 0), io.type, io.quant, ladder->n_outputs, values) == 0)
		ladder->variants[ladder->rungs[rung].variant].distribution =
			task_is_distribution(io.type, io.quant, values, ladder->n_outputs);
}

static int run_once(struct engine_context *context, const struct engine_plan *plan, int threads,
		    struct engine_preprocess *preprocess, const struct engine_image *image, float *ret_us)
{
	int64_t start = clock_us();
	int rc = engine_preprocess_run(preprocess, image, engine_context_input(context, plan, 0));

	if (rc == 0)
		rc = engine_run(context, plan, threads);
	*ret_us = (float)(clock_us() - start);
	return rc;
}

static int measure(struct ladder *ladder, int rung, struct worker *worker)
{
	struct engine_context *context = worker_context(worker);
	struct ladder_rung *detail = &ladder->details[rung];
	int threads = ladder->rungs[rung].threads;
	size_t luma = WARM_WIDTH * WARM_HEIGHT;
	uint8_t *pixels = malloc(luma * 3 / 2);
	float *values = malloc((size_t)ladder->n_outputs * sizeof(float));
	struct engine_preprocess *preprocess = NULL;
	struct engine_image image = {
		.format = ENGINE_NV12,
		.width = WARM_WIDTH,
		.height = WARM_HEIGHT,
		.plane = {pixels, pixels ? pixels + luma : NULL},
		.stride = {WARM_WIDTH, WARM_WIDTH},
	};
	float cold_us, us = 0;
	int rc = -ENOMEM;

	if (!pixels || !values)
		goto out;
	memset(pixels, 128, luma * 3 / 2);
	rc = engine_context_reserve(context, detail->plan);
	if (rc < 0)
		goto out;
	rc = engine_preprocess_create(&image, &ladder->normalize, detail->plan, NULL, &preprocess);
	if (rc < 0)
		goto out;
	rc = run_once(context, detail->plan, threads, preprocess, &image, &cold_us);
	if (rc < 0)
		goto out;
	if (detail->own_size && reads_single(ladder->task))
		look_at_answer(ladder, rung, context, values);
	detail->warm_us = cold_us;
	for (int i = 0; rc == 0 && i < 2 && cold_us < WARM_SLOW_US; i++) {
		rc = run_once(context, detail->plan, threads, preprocess, &image, &us);
		if (rc == 0 && us < detail->warm_us)
			detail->warm_us = us;
	}
out:
	engine_preprocess_destroy(preprocess);
	free(values);
	free(pixels);
	return rc;
}

int ladder_warm_up(struct ladder *ladder, int rung, struct worker *worker)
{
	return ladder_is_pipeline(ladder) ? joint_warm_up(ladder, rung, worker) : measure(ladder, rung, worker);
}

/* The measured rung most like this one: the same variant and lane before the same variant before any. */
static int nearest_measured(const struct ladder *ladder, int rung)
{
	int best = -1, best_likeness = -1;

	for (int i = 0; i < ladder->n_rungs; i++) {
		int likeness = 2 * (ladder->rungs[i].variant == ladder->rungs[rung].variant) +
			       (ladder->rungs[i].lane == ladder->rungs[rung].lane);

		if (ladder->details[i].warm_us > 0 && likeness > best_likeness) {
			best = i;
			best_likeness = likeness;
		}
	}
	return best;
}

static float scaled_us(const struct ladder *ladder, int rung)
{
	int like = nearest_measured(ladder, rung);
	double macs = (double)engine_plan_macs(ladder->details[rung].plan);

	/* With nothing measured at all, a slow core's rate keeps the order of the rungs right. */
	if (like < 0)
		return (float)(macs / 1000 + 1);
	return ladder->details[like].warm_us *
	       (float)(macs / ((double)engine_plan_macs(ladder->details[like].plan) + 1));
}

void ladder_settle(struct ladder *ladder)
{
	if (ladder_is_pipeline(ladder))
		joint_estimate(ladder);
	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct ladder_rung *detail = &ladder->details[i];
		float us = detail->known_us > 0	 ? detail->known_us
			   : detail->warm_us > 0 ? detail->warm_us
						 : scaled_us(ladder, i);

		ladder->rungs[i].prior_us = us > 1 ? us : 1;
	}
	ladder_rank(ladder);
	ladder->settled = true;
}

/* -1: no rung is of this phase. */
static int find_best(const struct ladder *ladder, int phase)
{
	int found = -1;

	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct policy_rung *rung = &ladder->rungs[i], *best = found < 0 ? NULL : &ladder->rungs[found];

		if (rung->phase == phase && (!best || rung->accuracy > best->accuracy ||
					     (rung->accuracy == best->accuracy && rung->prior_us < best->prior_us)))
			found = i;
	}
	return found;
}

void ladder_rank(struct ladder *ladder)
{
	policy_prune(ladder->rungs, ladder->n_rungs);
	for (int phase = 0; phase < POLICY_PHASES; phase++)
		ladder->best[phase] = ladder->quickest[phase] = find_best(ladder, phase);
	for (int i = 0; i < ladder->n_rungs; i++) {
		const struct policy_rung *rung = &ladder->rungs[i];
		int *quickest = &ladder->quickest[rung->phase];

		if (!rung->dominated && rung->prior_us < ladder->rungs[*quickest].prior_us)
			*quickest = i;
	}
}

void ladder_inherit(struct ladder *ladder, const struct ladder *before)
{
	if (ladder == before || ladder->digest != before->digest || ladder->profile != before->profile)
		return;
	for (int i = 0; i < ladder->n_rungs; i++)
		ladder->rungs[i].prior_us = before->rungs[i].prior_us;
	ladder->latency = before->latency;
	ladder->saved_runs = before->saved_runs;
	ladder->saved_us = before->saved_us;
	ladder_rank(ladder);
}

int ladder_find(const struct ladder *ladder, const char *name)
{
	size_t length = strlen(name);
	int found = -1;

	for (int i = 0; i < ladder->n_rungs; i++) {
		const char *own = ladder->details[i].name;

		if (!strcmp(own, name))
			return i;
		if (!strncmp(own, name, length) && own[length] == '/' &&
		    (found < 0 || ladder->rungs[i].prior_us < ladder->rungs[found].prior_us))
			found = i;
	}
	return found;
}
