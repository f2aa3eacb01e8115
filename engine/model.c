/*
 * model.c - loading a file, and what a model and its plans tell about themselves.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "mapping.h"
#include "model.h"
#include "packed.h"
#include "passes.h"
#include "plan.h"
#include "reading.h"

struct engine_model {
	struct graph graph;
	enum passes_purpose purpose;
	struct graph_shape *shapes; /* at the file's own size; NULL where it leaves a side open */
	struct mapping file, weights_file;
	struct mapping_beside beside;
	struct import_source source; /* to read it again */
	char *name;		     /* source.name */
	void *copy;		     /* of a packed file in memory that is not aligned */
	pthread_mutex_t lock;	     /* of all below */
	struct weights_pool pool;
	struct weights weights;
	struct engine_plan *plans; /* the one used last first */
	int n_plans;
};

/* ---- loading ----------------------------------------------------------------------------------- */

/* Shapes at the file's own size: checks the file as a whole, and some passes depend on them. */
static int infer_own_size(struct engine_model *model, struct engine_error *error)
{
	bool open = false;

	if (model->graph.unread)
		return 0;
	for (int i = 0; i < model->graph.n_inputs; i++) {
		struct graph_value *input = &model->graph.values[model->graph.inputs[i]];

		for (int k = 0; k < input->rank; k++)
			if (input->dims[k] == GRAPH_DIM_UNKNOWN)
				input->open_axes |= 1u << k;
		for (int k = 0; k < input->rank; k++)
			open |= input->dims[k] == GRAPH_DIM_UNKNOWN;
	}
	if (open)
		return graph_check(&model->graph, error);
	model->shapes = calloc((size_t)model->graph.n_values + 1, sizeof(*model->shapes));
	if (!model->shapes)
		return graph_error(error, -ENOMEM, "out of memory");
	return graph_infer(&model->graph, model->shapes, error);
}

static int load_packed(struct engine_model *model, const struct import_source *source, struct engine_error *error)
{
	const uint8_t *data = source->data;

	if ((uintptr_t)data % 64) {
		model->copy = aligned_alloc(64, (source->size + 63) / 64 * 64);
		if (!model->copy)
			return graph_error(error, -ENOMEM, "out of memory");
		data = memcpy(model->copy, data, source->size);
	}
	return packed_read(data, source->size, &model->graph, &model->weights, error);
}

static int load(struct engine_model *model, const struct import_source *source, struct engine_error *error)
{
	bool packed = packed_is(source->data, source->size);
	int r;

	model->source = *source;
	model->source.name = model->name = strdup(source->name);
	if (!model->name)
		return graph_error(error, -ENOMEM, "out of memory");
	model->beside.path = source->find_beside ? model->name : NULL;
	r = packed ? load_packed(model, source, error) : reading_import(&model->source, &model->graph, error);
	if (r == 0)
		r = infer_own_size(model, error);
	if (r == 0 && !packed && !model->graph.unread)
		r = passes_run(&model->graph, model->shapes, model->purpose, error);
	if (r < 0)
		reading_name_error(error, source->name);
	return r;
}

static struct engine_model *model_new(void)
{
	struct engine_model *model = calloc(1, sizeof(*model));

	if (!model)
		return NULL;
	graph_init(&model->graph);
	weights_init(&model->weights, kernels_get(), &model->pool);
	model->pool.winograd_max = ENGINE_WINOGRAD_BYTES;
	pthread_mutex_init(&model->lock, NULL);
	return model;
}

int engine_model_load_memory(const char *name, const void *data, size_t size, const void *weights, size_t weights_size,
			     struct engine_error *ret_error, struct engine_model **ret_model)
{
	struct import_source source = {
		.name = name, .data = data, .size = size, .weights = weights, .weights_size = weights_size};
	struct engine_model *model = model_new();
	int r;

	if (!model)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	r = load(model, &source, ret_error);
	if (r < 0) {
		engine_model_destroy(model);
		return r;
	}
	*ret_model = model;
	return 0;
}

/* The weights of "x.param" and "x.param.bin" are in "x.bin", those of "x.prototxt" in "x.caffemodel". */
static int map_weights(const char *path, const char *suffix, struct engine_error *error, struct mapping *ret_weights)
{
	static const char *const endings[] = {".param.bin", ".param", ".prototxt"};
	size_t n = strlen(path), size = n + strlen(suffix) + 1;
	char *beside = malloc(size);
	int r;

	if (!beside)
		return graph_error(error, -ENOMEM, "out of memory");
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		size_t ending = strlen(endings[i]);

		if (n > ending && strcmp(path + n - ending, endings[i]) == 0) {
			n -= ending;
			break;
		}
	}
	memcpy(beside, path, n);
	memcpy(beside + n, suffix, strlen(suffix) + 1);
	r = mapping_open(beside, error, ret_weights);
	free(beside);
	return r;
}

int model_map(const char *path, struct engine_error *ret_error, struct mapping *ret_file, struct mapping *ret_weights)
{
	struct mapping file = {0}, weights = {0};
	int r = mapping_open(path, ret_error, &file);

	if (r == 0 && import_is_ncnn(file.data, file.size))
		r = map_weights(path, ".bin", ret_error, &weights);
	else if (r == 0 && import_is_caffe(file.data, file.size))
		r = map_weights(path, ".caffemodel", ret_error, &weights);
	if (r < 0) {
		mapping_close(&file);
		return r;
	}
	*ret_file = file;
	*ret_weights = weights;
	return 0;
}

/* For import_source.find_beside. */
static int find_beside(void *context, const char *location, const uint8_t **ret_data, size_t *ret_size)
{
	struct mapping mapping;
	int r = mapping_beside(context, location, &mapping);

	if (r < 0)
		return r;
	*ret_data = mapping.data;
	*ret_size = mapping.size;
	return 0;
}

/* For weights_pool.release: of files that were mapped, not of bytes that a caller gave. */
static void release_pages(void *context, const void *data, size_t bytes)
{
	const struct engine_model *model = context;

	mapping_release(&model->file, data, bytes);
	mapping_release(&model->weights_file, data, bytes);
	if (WITH_FORMAT_onnx)
		mapping_beside_release(&model->beside, data, bytes);
}

/*
 * A plan has copies of what its steps read; what an operator kept a pointer to is found in the file again.  Only a
 * converted file is run from where it lies.
 */
static void release_files(const struct engine_model *model)
{
	if (model->file.data && packed_is(model->file.data, model->file.size))
		return;
	mapping_release(&model->file, model->file.data, model->file.size);
	mapping_release(&model->weights_file, model->weights_file.data, model->weights_file.size);
	for (int i = 0; WITH_FORMAT_onnx && i < model->beside.n_files; i++) {
		const struct mapping *mapping = &model->beside.files[i].mapping;

		mapping_release(mapping, mapping->data, mapping->size);
	}
}

int engine_model_load(const char *path, struct engine_error *ret_error, struct engine_model **ret_model)
{
	return model_load(path, PASSES_ALL, ret_error, ret_model);
}

const struct graph *model_graph(const struct engine_model *model)
{
	return &model->graph;
}

int model_load_mapped(const char *path, enum passes_purpose purpose, struct mapping *file, struct mapping *weights,
		      struct engine_error *ret_error, struct engine_model **ret_model)
{
	struct engine_model *model = model_new();
	struct import_source source = {
		.name = path,
		.data = file->data,
		.size = file->size,
		.weights = weights->data,
		.weights_size = weights->size,
		.find_beside = WITH_FORMAT_onnx ? find_beside : NULL,
		.copies = purpose == PASSES_TO_QUANTIZE,
	};
	int r;

	if (!model)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	model->purpose = purpose;
	model->pool.release = release_pages;
	model->pool.context = model;
	model->file = *file;
	model->weights_file = *weights;
	source.context = &model->beside;
	r = load(model, &source, ret_error);
	if (r < 0) {
		model->file = model->weights_file = (struct mapping){0};
		engine_model_destroy(model);
		return r;
	}
	*file = *weights = (struct mapping){0};
	*ret_model = model;
	return 0;
}

int model_load(const char *path, enum passes_purpose purpose, struct engine_error *ret_error,
	       struct engine_model **ret_model)
{
	struct mapping file, weights;
	int r = model_map(path, ret_error, &file, &weights);

	if (r < 0)
		return r;
	r = model_load_mapped(path, purpose, &file, &weights, ret_error, ret_model);
	mapping_close(&file);
	mapping_close(&weights);
	return r;
}

bool model_is_packable(const struct engine_model *model)
{
	return model->shapes && !model->graph.unread && !model->beside.n_files &&
	       !packed_is(model->source.data, model->source.size);
}

void engine_model_limit_winograd(struct engine_model *model, size_t bytes)
{
	pthread_mutex_lock(&model->lock);
	model->pool.winograd_max = bytes;
	pthread_mutex_unlock(&model->lock);
}

/* With the reading it was made of. */
static void destroy_plan(struct engine_plan *plan)
{
	struct reading *reading = plan->reading;

	plan_destroy(plan);
	reading_destroy(reading);
}

void engine_model_destroy(struct engine_model *model)
{
	if (!model)
		return;
	while (model->plans) {
		struct engine_plan *plan = model->plans;

		model->plans = plan->next;
		destroy_plan(plan);
	}
	weights_finish(&model->weights);
	graph_finish(&model->graph);
	free(model->shapes);
	free(model->copy);
	free(model->name);
	mapping_close(&model->file);
	mapping_close(&model->weights_file);
	if (WITH_FORMAT_onnx)
		mapping_beside_finish(&model->beside);
	pthread_mutex_destroy(&model->lock);
	free(model);
}

int engine_model_pack(struct engine_model *model, enum engine_pack kind, struct engine_error *ret_error,
		      uint8_t **ret_data, size_t *ret_size)
{
	int r;

	if (!WITH_FORMAT_converted)
		return reading_left_out("converted", ret_error);
	pthread_mutex_lock(&model->lock);
	if (model->graph.unread)
		r = graph_error(ret_error, -ENOTSUP, "a converted network has one size, which the file leaves open");
	else if (kind == ENGINE_PACK_PANELS && !model->plans)
		r = graph_error(ret_error, -EINVAL, "nothing is planned for yet");
	else
		r = packed_write(&model->graph, kind == ENGINE_PACK_PANELS ? &model->weights : NULL,
				 kind == ENGINE_PACK_HALF, ret_error, ret_data, ret_size);
	pthread_mutex_unlock(&model->lock);
	return r;
}

/* ---- what it tells ----------------------------------------------------------------------------- */

static void fill_io(const struct graph_value *value, int rank, const int32_t *dims, struct engine_io *ret_io)
{
	size_t elements;

	*ret_io = (struct engine_io){
		.name = value->name ? value->name : "",
		.type = value->was_u8 ? ENGINE_U8 : value->type,
		.rank = rank,
		.channels_first = value->channels_first,
		.file_rank = value->file_rank,
	};
	memcpy(ret_io->dims, dims, sizeof(ret_io->dims));
	if (value->quant.n_scales == 1) {
		ret_io->quant.scale = value->quant.scales[0];
		ret_io->quant.zero_point = value->quant.zero_points[0] + (value->was_u8 ? 128 : 0);
	}
	if (graph_elements(rank, dims, &elements) == 0)
		ret_io->bytes = elements * engine_type_size(ret_io->type);
}

static void model_io(const struct engine_model *model, int value, struct engine_io *ret_io)
{
	const struct graph_value *v = &model->graph.values[value];

	if (model->shapes)
		fill_io(v, model->shapes[value].rank, model->shapes[value].dims, ret_io);
	else
		fill_io(v, v->rank, v->dims, ret_io);
}

int engine_model_input_count(const struct engine_model *model)
{
	return model->graph.n_inputs;
}

int engine_model_output_count(const struct engine_model *model)
{
	return model->graph.n_outputs;
}

const char *engine_model_pass(const struct engine_model *model, int index, int *ret_count)
{
	if (index < 0 || index >= GRAPH_PASS_COUNT)
		return NULL;
	*ret_count = model->graph.passes[index];
	return passes_names[index];
}

void engine_model_input(const struct engine_model *model, int index, struct engine_io *ret_io)
{
	model_io(model, model->graph.inputs[index], ret_io);
}

void engine_model_output(const struct engine_model *model, int index, struct engine_io *ret_io)
{
	model_io(model, model->graph.outputs[index], ret_io);
}

size_t engine_model_bytes(const struct engine_model *model)
{
	const struct graph *graph = &model->graph;
	size_t bytes = sizeof(*model) + (size_t)graph->cap_nodes * sizeof(*graph->nodes) +
		       (size_t)graph->cap_values * sizeof(*graph->values);

	for (int i = 0; i < graph->n_values; i++)
		if (graph->values[i].owned)
			bytes += graph->values[i].data_bytes;
	return bytes + atomic_load(&model->weights.bytes) + atomic_load(&model->pool.bytes);
}

/* ---- plans ------------------------------------------------------------------------------------- */

/* Where the plans of a model end that has no more room, one that nobody holds goes: the one not asked for longest. */
static int make_room(struct engine_model *model, struct engine_error *error)
{
	struct engine_plan **link = &model->plans, **oldest = NULL, *plan;

	if (model->n_plans < ENGINE_PLANS_MAX)
		return 0;
	for (; *link; link = &(*link)->next)
		if (!(*link)->lasting && (*link)->n_holds == 0)
			oldest = link;
	if (!oldest)
		return graph_error(error, -ENOSPC, "over %d sizes are planned for", ENGINE_PLANS_MAX);
	plan = *oldest;
	*oldest = plan->next;
	model->n_plans--;
	destroy_plan(plan);
	return 0;
}

static bool is_at(const struct engine_plan *plan, const struct graph_shape *shapes)
{
	for (int i = 0; shapes && i < plan->graph->n_inputs; i++) {
		const struct plan_tensor *t = &plan->tensors[plan->graph->inputs[i]];

		if (memcmp(t->dims, shapes[i].dims, (size_t)t->rank * sizeof(*t->dims)) != 0)
			return false;
	}
	return !shapes == !plan->reading;
}

static struct engine_plan *find_plan(struct engine_model *model, const struct engine_plan_options *options,
				     const struct graph_shape *shapes)
{
	for (struct engine_plan **link = &model->plans; *link; link = &(*link)->next) {
		struct engine_plan *plan = *link;

		if (memcmp(&plan->options, options, sizeof(*options)) != 0 || !is_at(plan, shapes))
			continue;
		*link = plan->next;
		plan->next = model->plans;
		return model->plans = plan;
	}
	return NULL;
}

/* A plan of the model's graph, or, with shapes, of a reading of its own. */
static int make_plan(struct engine_model *model, const struct engine_plan_options *options,
		     const struct graph_shape *shapes, struct engine_error *error, struct engine_plan **ret_plan)
{
	struct import_source source = model->source;
	struct reading *reading = NULL;
	int r = make_room(model, error);

	source.shapes = shapes;
	if (r == 0 && shapes)
		r = reading_create(&source, model->purpose, &model->pool, error, &reading);
	if (r == 0)
		r = plan_create(reading ? &reading->graph : &model->graph,
				reading ? &reading->weights : &model->weights, options, error, ret_plan);
	if (r < 0) {
		reading_destroy(reading);
		/* Shapes that do not fit each other are no fault of the file. */
		return shapes && r == -EINVAL ? -ENOTSUP : r;
	}
	if (reading)
		reading_trim(reading);
	release_files(model);
	(*ret_plan)->reading = reading;
	(*ret_plan)->next = model->plans;
	model->plans = *ret_plan;
	model->n_plans++;
	return 0;
}

/* The model's lock is held. */
static int get_plan(struct engine_model *model, const struct engine_plan_options *options,
		    const struct graph_shape *shapes, struct engine_error *error, struct engine_plan **ret_plan)
{
	*ret_plan = find_plan(model, options, shapes);
	return *ret_plan ? 0 : make_plan(model, options, shapes, error, ret_plan);
}

/* A picture's size for the first input, and 1 for a batch. */
static int fill_open(const struct engine_model *model, const struct engine_plan_options *options,
		     struct graph_shape *shapes, struct engine_error *error)
{
	for (int i = 0; i < model->graph.n_inputs; i++) {
		const struct graph_value *input = &model->graph.values[model->graph.inputs[i]];
		bool picture = i == 0 && input->rank == 4;

		shapes[i].rank = input->rank;
		memcpy(shapes[i].dims, input->dims, sizeof(input->dims));
		for (int k = 0; k < input->rank; k++) {
			int32_t *side = &shapes[i].dims[k];

			if (picture && (k == 1 || k == 2) && options->width)
				*side = k == 1 ? options->height : options->width;
			else if (picture && k == 3 && *side == GRAPH_DIM_UNKNOWN && options->channels)
				*side = options->channels;
			if (*side == GRAPH_DIM_UNKNOWN)
				return graph_error(error, -EINVAL, "input '%.60s' has no fixed size",
						   input->name ? input->name : "");
			if (*side != input->dims[k] && !(input->open_axes >> k & 1))
				return graph_error(error, -ENOTSUP, "input '%.60s' is %d long on axis %d, not %d",
						   input->name ? input->name : "", input->dims[k], k, *side);
		}
	}
	return 0;
}

static int check_shapes(const struct engine_model *model, const struct engine_shape *shapes, int n_shapes,
			struct engine_error *error)
{
	if (n_shapes != model->graph.n_inputs)
		return graph_error(error, -EINVAL, "shapes of %d inputs for a network of %d", n_shapes,
				   model->graph.n_inputs);
	for (int i = 0; i < n_shapes; i++) {
		const struct graph_value *input = &model->graph.values[model->graph.inputs[i]];
		const char *name = input->name ? input->name : "";
		size_t elements;

		if (shapes[i].rank != input->rank)
			return graph_error(error, -EINVAL, "input '%.60s' has %d axes, not %d", name, input->rank,
					   shapes[i].rank);
		if (graph_elements(shapes[i].rank, shapes[i].dims, &elements) < 0 || !elements ||
		    elements > ENGINE_TENSOR_BYTES_MAX / engine_type_size(input->type))
			return graph_error(error, -EINVAL, "input '%.60s' is to be empty, or too large", name);
		for (int k = 0; k < input->rank; k++)
			if (!(input->open_axes >> k & 1) && shapes[i].dims[k] != input->dims[k])
				return graph_error(error, -ENOTSUP, "input '%.60s' is %d long on axis %d, not %d", name,
						   input->dims[k], k, shapes[i].dims[k]);
	}
	return 0;
}

/* Those the file is made for: its own graph does, which may be planned for already. */
static bool are_own(const struct engine_model *model, const struct engine_shape *shapes)
{
	if (!model->shapes)
		return false;
	for (int i = 0; i < model->graph.n_inputs; i++) {
		const struct graph_shape *own = &model->shapes[model->graph.inputs[i]];

		if (memcmp(own->dims, shapes[i].dims, (size_t)own->rank * sizeof(*own->dims)) != 0)
			return false;
	}
	return true;
}

int engine_model_plan(struct engine_model *model, const struct engine_plan_options *options,
		      struct engine_error *ret_error, const struct engine_plan **ret_plan)
{
	struct graph_shape shapes[ENGINE_IO_MAX] = {0};
	struct engine_plan_options wanted = *options;
	struct engine_plan *plan;
	int r = model->graph.unread ? fill_open(model, options, shapes, ret_error) : 0;

	/* Or the same plan would be made twice. */
	wanted.half_arithmetic = options->half_arithmetic && engine_cpu_half_arithmetic();

	if (r < 0)
		return r;
	pthread_mutex_lock(&model->lock);
	r = get_plan(model, &wanted, model->graph.unread ? shapes : NULL, ret_error, &plan);
	if (r == 0)
		plan->lasting = true;
	pthread_mutex_unlock(&model->lock);
	if (r == 0)
		*ret_plan = plan;
	return r;
}

int engine_model_plan_shapes(struct engine_model *model, const struct engine_shape *shapes, int n_shapes,
			     struct engine_error *ret_error, const struct engine_plan **ret_plan)
{
	const struct engine_plan_options options = {0};
	struct graph_shape wanted[ENGINE_IO_MAX] = {0};
	struct engine_plan *plan;
	int r = check_shapes(model, shapes, n_shapes, ret_error);

	if (r < 0)
		return r;
	for (int i = 0; i < n_shapes; i++) {
		wanted[i].rank = shapes[i].rank;
		memcpy(wanted[i].dims, shapes[i].dims, (size_t)shapes[i].rank * sizeof(*shapes[i].dims));
	}
	pthread_mutex_lock(&model->lock);
	r = get_plan(model, &options, are_own(model, shapes) ? NULL : wanted, ret_error, &plan);
	if (r == 0)
		plan->n_holds++;
	pthread_mutex_unlock(&model->lock);
	if (r == 0)
		*ret_plan = plan;
	return r;
}

void engine_model_release_plan(struct engine_model *model, const struct engine_plan *plan)
{
	pthread_mutex_lock(&model->lock);
	for (struct engine_plan *own = model->plans; own; own = own->next)
		if (own == plan && own->n_holds > 0)
			own->n_holds--;
	pthread_mutex_unlock(&model->lock);
}

int engine_plan_input_count(const struct engine_plan *plan)
{
	return plan->graph->n_inputs;
}

int engine_plan_output_count(const struct engine_plan *plan)
{
	return plan->graph->n_outputs;
}

static void plan_io(const struct engine_plan *plan, int value, struct engine_io *ret_io)
{
	fill_io(&plan->graph->values[value], plan->tensors[value].rank, plan->tensors[value].dims, ret_io);
}

void engine_plan_input(const struct engine_plan *plan, int index, struct engine_io *ret_io)
{
	plan_io(plan, plan->graph->inputs[index], ret_io);
}

void engine_plan_output(const struct engine_plan *plan, int index, struct engine_io *ret_io)
{
	plan_io(plan, plan->graph->outputs[index], ret_io);
}

size_t engine_plan_arena_bytes(const struct engine_plan *plan)
{
	return plan->arena_bytes + plan->own_bytes;
}

uint64_t engine_plan_macs(const struct engine_plan *plan)
{
	return plan->macs;
}

uint64_t engine_plan_work(const struct engine_plan *plan)
{
	return plan->work;
}

const char *engine_plan_pass(const struct engine_plan *plan, int index, int *ret_count)
{
	if (index < 0 || index >= PLAN_PASS_COUNT)
		return NULL;
	*ret_count = plan->passes[index];
	return plan_pass_names[index];
}

int engine_plan_step_count(const struct engine_plan *plan)
{
	return plan->n_steps;
}

void engine_plan_step(const struct engine_plan *plan, int index, struct engine_step_info *ret_info)
{
	const struct step *step = &plan->steps[index];
	const struct plan_tensor *out = &plan->tensors[step->out];
	bool depthwise = step->gemm.weights && step->gemm.weights->depthwise;

	*ret_info = (struct engine_step_info){
		.name = step->node->name,
		.op = depthwise ? "dwconv" : graph_op_name(step->node->op),
		.kernel = step->kernel,
		.fused = step->fused,
		.type = out->was_u8 ? ENGINE_U8 : out->type,
		.rank = out->rank,
		.macs = step->macs,
		.params = step->params,
	};
	if (step->node->op == GRAPH_UNARY)
		ret_info->op = graph_act_name(&step->node->unary);
	memcpy(ret_info->dims, out->dims, sizeof(ret_info->dims));
}

const char *engine_cpu_level(void)
{
	return kernels_get()->level;
}

bool engine_cpu_half_arithmetic(void)
{
	return WITH_TYPE_float32 && kernels_get()->igemm_f16.name;
}
