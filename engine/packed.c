/* packed.c - see packed.h. */
#include "packed.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <trim.h>

#include "checksum.h"
#include "import/ncnn_operators.h"
#include "operators/operators.h"
#include "reading.h"

#define ALIGNMENT    64
#define BYTE_ORDER_1 0x01020304u
#define LEVEL_BYTES  16
#define NAME_MAX_    4096
#define NONE	     UINT64_MAX /* an offset: there is nothing */

static const char magic[8] = {'i', 'n', 'f', 'e', 'r', 'd', 'n', 'n'};

struct header {
	char magic[8];
	uint32_t version, byte_order;
	uint64_t bytes, checksum, graph_offset, graph_bytes;
	char level[LEVEL_BYTES];
};
_Static_assert(sizeof(struct header) == 64, "as the file has it");

/* ---- the codec --------------------------------------------------------------------------------- */

/* Writes fields to the end of a buffer, or reads them: the same calls in the same order, so that both agree. */
struct codec {
	bool reading;
	int r; /* the first failure; afterwards nothing happens and zeros are read */
	uint8_t *data;
	size_t size, at;  /* writing: capacity and bytes written */
	char missing[64]; /* the operator that -ENOENT is for */
};

static bool grow(struct codec *c, size_t bytes)
{
	size_t wanted = 2 * (c->at + bytes);
	uint8_t *data;

	if (c->at + bytes <= c->size)
		return true;
	data = realloc(c->data, wanted);
	if (!data) {
		c->r = -ENOMEM;
		return false;
	}
	c->data = data;
	c->size = wanted;
	return true;
}

static void code_bytes(struct codec *c, void *bytes, size_t n)
{
	if (!n)
		return;
	if (c->r == 0 && c->reading && n > c->size - c->at)
		c->r = -EINVAL;
	if (c->r < 0 || (!c->reading && !grow(c, n))) {
		memset(bytes, 0, c->reading ? n : 0);
		return;
	}
	memcpy(c->reading ? bytes : c->data + c->at, c->reading ? c->data + c->at : bytes, n);
	c->at += n;
}

static void code_u64(struct codec *c, uint64_t *value)
{
	code_bytes(c, value, sizeof(*value));
}

static void code_int(struct codec *c, int *value)
{
	int32_t stored = *value;

	code_bytes(c, &stored, sizeof(stored));
	if (c->reading)
		*value = stored;
}

static void code_bool(struct codec *c, bool *value)
{
	uint8_t stored = *value;

	code_bytes(c, &stored, 1);
	if (c->reading)
		*value = stored != 0;
}

static void code_float(struct codec *c, float *value)
{
	code_bytes(c, value, sizeof(*value));
}

static void code_ints(struct codec *c, int32_t *values, int n)
{
	code_bytes(c, values, (size_t)n * sizeof(*values));
}

/* A number below `limit`: enums and counts.  What is read and is not, is an error. */
static int code_below(struct codec *c, int value, int limit)
{
	code_int(c, &value);
	if (c->reading && (value < 0 || value >= limit)) {
		c->r = c->r < 0 ? c->r : -EINVAL;
		return 0;
	}
	return value;
}

/* Text of its own allocation; *text may be NULL. */
static void code_text(struct codec *c, char **text)
{
	size_t length = *text ? strnlen(*text, NAME_MAX_ - 1) : 0;
	int n = code_below(c, c->reading ? 0 : (int)length, NAME_MAX_);

	if (!c->reading) {
		code_bytes(c, *text, length);
		return;
	}
	*text = c->r < 0 ? NULL : calloc((size_t)n + 1, 1);
	if (!*text)
		c->r = c->r < 0 ? c->r : -ENOMEM;
	else
		code_bytes(c, *text, (size_t)n);
}

/* n numbers of `size` bytes of their own allocation; NULL for none.  When reading, as many as there are bytes for. */
static void code_array(struct codec *c, void **array, size_t n, size_t size)
{
	bool there = *array != NULL;

	code_bool(c, &there);
	if (!there || c->r < 0)
		return;
	if (c->reading) {
		if (n > (c->size - c->at) / size) {
			c->r = -EINVAL;
			return;
		}
		*array = malloc(n * size + 1);
		if (!*array) {
			c->r = -ENOMEM;
			return;
		}
	}
	code_bytes(c, *array, n * size);
}

/* ---- parts of nodes ---------------------------------------------------------------------------- */

static void code_act(struct codec *c, struct graph_act *act)
{
	act->kind = (enum graph_act_kind)code_below(c, (int)act->kind, GRAPH_ACT_COUNT);
	code_float(c, &act->a);
	code_float(c, &act->b);
}

static void code_window(struct codec *c, struct graph_window *w)
{
	int *const fields[] = {&w->kernel_h,   &w->kernel_w, &w->stride_h, &w->stride_w, &w->dilation_h,
			       &w->dilation_w, &w->top,	     &w->left,	   &w->bottom,	 &w->right};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		code_int(c, fields[i]);
	w->pad_mode = (enum graph_pad_mode)code_below(c, (int)w->pad_mode, GRAPH_PAD_VALID + 1);
}

static void code_shape(struct codec *c, struct graph_shape *shape)
{
	shape->rank = code_below(c, shape->rank, ENGINE_RANK_MAX + 1);
	code_ints(c, shape->dims, ENGINE_RANK_MAX);
}

static void code_attribute(struct codec *c, struct engine_attributes *attributes, int i)
{
	struct attributes_entry entry = {0};
	char *name = NULL, *text = NULL;
	void *integers = NULL, *numbers = NULL;

	if (!c->reading) {
		attributes_at(attributes, i, &entry);
		name = (char *)(uintptr_t)entry.name;
		text = (char *)(uintptr_t)entry.text;
		integers = (void *)(uintptr_t)entry.integers;
		numbers = (void *)(uintptr_t)entry.numbers;
	}
	code_text(c, &name);
	entry.n = code_below(c, entry.n, 1 << 20);
	code_array(c, &integers, (size_t)entry.n, sizeof(*entry.integers));
	code_array(c, &numbers, (size_t)entry.n, sizeof(*entry.numbers));
	code_text(c, &text);
	if (!c->reading)
		return;
	if (c->r == 0 && integers)
		c->r = attributes_add_integers(attributes, name, strlen(name), integers, entry.n);
	else if (c->r == 0 && numbers)
		c->r = attributes_add_numbers(attributes, name, strlen(name), numbers, entry.n);
	else if (c->r == 0)
		c->r = attributes_add_text(attributes, name, strlen(name), text, strlen(text));
	free(name);
	free(text);
	free(integers);
	free(numbers);
}

/* Operators with ncnn's definitions have names of their own in the file. */
static const char ncnn[] = "ncnn.";

static const struct engine_operator *ncnn_named(const char *name)
{
	return WITH_FORMAT_ncnn ? ncnn_operator(name) : NULL;
}

static const struct engine_operator *find_operator(const char *name)
{
	bool registered;

	return strncmp(name, ncnn, strlen(ncnn)) ? operators_find(name, strlen(name), &registered)
						 : ncnn_named(name + strlen(ncnn));
}

static void code_general(struct codec *c, struct graph_general *general)
{
	char text[128] = "", *name = c->reading ? NULL : text;
	int n = c->reading ? 0 : attributes_count(general->attributes);

	if (!c->reading)
		snprintf(text, sizeof(text), "%s%s", ncnn_named(general->op->name) == general->op ? ncnn : "",
			 general->op->name);
	code_text(c, &name);
	code_int(c, &general->version);
	n = code_below(c, n, ATTRIBUTES_MAX + 1);
	if (c->reading) {
		general->op = c->r < 0 ? NULL : find_operator(name);
		general->attributes = attributes_new();
		if (c->r == 0 && !general->op) {
			c->r = -ENOENT;
			snprintf(c->missing, sizeof(c->missing), "%s", name);
		} else if (!general->attributes)
			c->r = -ENOMEM;
		free(name);
	}
	for (int i = 0; i < n && c->r == 0; i++)
		code_attribute(c, general->attributes, i);
}

/* What the operator adds to a node. */
static void code_operator(struct codec *c, struct graph_node *node)
{
	switch (node->op) {
	case GRAPH_CONV:
		code_window(c, &node->conv.window);
		code_int(c, &node->conv.groups);
		break;
	case GRAPH_FC:
		code_bool(c, &node->fc.flatten);
		break;
	case GRAPH_MAXPOOL:
	case GRAPH_AVGPOOL:
		code_window(c, &node->pool.window);
		code_bool(c, &node->pool.global);
		code_bool(c, &node->pool.ceil_mode);
		code_bool(c, &node->pool.count_pad);
		break;
	case GRAPH_MEAN:
		node->reduce.n_axes = code_below(c, node->reduce.n_axes, ENGINE_RANK_MAX + 1);
		code_ints(c, node->reduce.axes, ENGINE_RANK_MAX);
		code_bool(c, &node->reduce.keep_dims);
		break;
	case GRAPH_UNARY:
		code_act(c, &node->unary);
		break;
	case GRAPH_CAST:
		code_bool(c, &node->cast.half_away);
		break;
	case GRAPH_CONCAT:
	case GRAPH_SOFTMAX:
		code_int(c, &node->axis.axis);
		code_float(c, &node->axis.beta);
		break;
	case GRAPH_SLICE:
		code_ints(c, node->slice.begin, ENGINE_RANK_MAX);
		code_ints(c, node->slice.size, ENGINE_RANK_MAX);
		code_ints(c, node->slice.step, ENGINE_RANK_MAX);
		break;
	case GRAPH_PAD:
		code_ints(c, node->pad.before, ENGINE_RANK_MAX);
		code_ints(c, node->pad.after, ENGINE_RANK_MAX);
		code_float(c, &node->pad.value);
		break;
	case GRAPH_RESHAPE:
	case GRAPH_TRANSPOSE:
		code_shape(c, &node->shape);
		break;
	case GRAPH_RESIZE:
		code_bool(c, &node->resize.bilinear);
		code_bool(c, &node->resize.align_corners);
		code_bool(c, &node->resize.half_pixel);
		code_float(c, &node->resize.scale_h);
		code_float(c, &node->resize.scale_w);
		code_int(c, &node->resize.out_h);
		code_int(c, &node->resize.out_w);
		break;
	case GRAPH_GENERAL:
		code_general(c, &node->general);
		break;
	default:
		break;
	}
}

/* ---- values ------------------------------------------------------------------------------------ */

/* Where the constants go when writing, and where they come from. */
struct pack {
	struct codec c;
	struct graph *graph;
	uint64_t *panels;	       /* of each node: where its panels are, or NONE */
	int *blocks;		       /* of each node's panels: 1 + the index of Winograd's blocks, 0 none */
	const struct weights *weights; /* writing: NULL for a portable file */
	bool half;
	bool *dropped;		/* of each value: only packed convolutions read it */
	bool *narrow;		/* of each value: stored as float16 */
	struct codec constants; /* writing: the bytes behind the header */
	const uint8_t *file;	/* reading */
	size_t file_bytes;
};

/* Appends a constant; returns its offset in the file. */
static uint64_t put_constant(struct pack *p, const void *data, size_t bytes)
{
	static const uint8_t zeros[ALIGNMENT + KERNEL_SLACK];
	uint64_t offset = sizeof(struct header) + p->constants.at;
	size_t end = bytes + KERNEL_SLACK;

	code_bytes(&p->constants, (void *)(uintptr_t)data, bytes);
	code_bytes(&p->constants, (void *)(uintptr_t)zeros, (ALIGNMENT - end % ALIGNMENT) % ALIGNMENT + KERNEL_SLACK);
	return offset;
}

/* The constant of this offset and size, with its slack; NULL where the file does not hold it. */
static const uint8_t *get_constant(const struct pack *p, uint64_t offset, uint64_t bytes)
{
	if (offset % ALIGNMENT || offset < sizeof(struct header) || offset > p->file_bytes ||
	    bytes > p->file_bytes - offset || p->file_bytes - offset - bytes < KERNEL_SLACK)
		return NULL;
	return p->file + offset;
}

static uint64_t put_half(struct pack *p, const void *floats, size_t n)
{
	uint16_t *halves = malloc(n * sizeof(*halves) + 1);
	uint64_t offset;

	if (!halves) {
		p->constants.r = -ENOMEM;
		return NONE;
	}
	kernels_get()->f32_to_f16(n, floats, halves);
	offset = put_constant(p, halves, n * sizeof(*halves));
	free(halves);
	return offset;
}

static uint64_t put_value(struct pack *p, int index)
{
	const struct graph_value *value = &p->graph->values[index];
	const void *data = value->data;
	void *settled = NULL;
	uint64_t offset;

	if (!value->data || p->dropped[index])
		return NONE;
	if (value->filed)
		data = settled = graph_settled(value);
	if (!data) {
		p->constants.r = -ENOMEM;
		return NONE;
	}
	offset = p->narrow[index] ? put_half(p, data, value->data_bytes / sizeof(float))
				  : put_constant(p, data, value->data_bytes);
	free(settled);
	return offset;
}

/* Zero points are left out where all are 0, as those of weights are. */
static void code_quant(struct codec *c, struct graph_quant *quant)
{
	void *scales = quant->scales, *zeros = NULL;

	quant->n_scales = code_below(c, quant->n_scales, 1 << 24);
	code_int(c, &quant->axis);
	if (!quant->n_scales)
		return;
	for (int i = 0; !c->reading && i < quant->n_scales; i++)
		if (quant->zero_points[i])
			zeros = quant->zero_points;
	code_array(c, &scales, (size_t)quant->n_scales, sizeof(*quant->scales));
	code_array(c, &zeros, (size_t)quant->n_scales, sizeof(*quant->zero_points));
	if (!c->reading)
		return;
	/* Before room is made for as many zero points. */
	if (c->r == 0 && !scales)
		c->r = -EINVAL;
	if (c->r == 0 && !zeros)
		zeros = calloc((size_t)quant->n_scales, sizeof(*quant->zero_points));
	quant->scales = scales;
	quant->zero_points = zeros;
	if (c->r == 0 && !zeros)
		c->r = -ENOMEM;
	for (int i = 0; c->r == 0 && i < quant->n_scales; i++)
		if (!isfinite(quant->scales[i]) || quant->scales[i] <= 0.0f)
			c->r = -EINVAL;
}

static void code_value(struct pack *p, struct graph_value *value, int index)
{
	struct codec *c = &p->c;
	int type = p->narrow && p->narrow[index] ? (int)ENGINE_F16 : (int)value->type;
	uint64_t offset = c->reading ? NONE : put_value(p, index), bytes;
	size_t elements;

	code_text(c, &value->name);
	value->type = (enum engine_type)code_below(c, type, ENGINE_TYPE_COUNT);
	value->rank = code_below(c, value->rank, ENGINE_RANK_MAX + 1);
	code_ints(c, value->dims, ENGINE_RANK_MAX);
	code_quant(c, &value->quant);
	code_bool(c, &value->channels_first);
	code_int(c, &value->file_rank);
	code_bool(c, &value->variable);
	code_bool(c, &value->was_u8);
	value->packed = !c->reading && p->dropped[index];
	code_bool(c, &value->packed);
	code_u64(c, &offset);
	if (!c->reading || c->r < 0 || (offset == NONE && !value->packed))
		return;
	if (graph_elements(value->rank, value->dims, &elements) < 0) {
		c->r = -EINVAL;
		return;
	}
	bytes = elements * engine_type_size(value->type);
	if (value->packed)
		return;
	value->data = get_constant(p, offset, bytes);
	value->data_bytes = (size_t)bytes;
	value->aligned = true;
	if (!value->data)
		c->r = -EINVAL;
}

/* ---- nodes ------------------------------------------------------------------------------------- */

static void code_indexes(struct codec *c, int **list, int *n)
{
	void *array = *list;

	*n = code_below(c, *n, GRAPH_NODES_MAX);
	code_array(c, &array, (size_t)*n, sizeof(**list));
	*list = array;
	if (c->reading && c->r == 0 && !array)
		c->r = *n ? -EINVAL : 0;
}

/* Where the panels of a node's convolution are in the file, and which blocks they are for. */
static uint64_t put_panels(struct pack *p, int index, int *ret_blocks)
{
	const struct graph_node *node = &p->graph->nodes[index];
	const struct winograd *winograd = NULL;
	const void *panels = NULL;
	size_t bytes = 0;

	if (p->weights && (node->op == GRAPH_CONV || node->op == GRAPH_FC) && p->dropped[node->inputs[1]])
		panels = weights_panels(p->weights, p->graph, index, &bytes, &winograd);
	*ret_blocks = winograd ? 1 + (int)(winograd - p->weights->kernels->winograd) : 0;
	return panels ? put_constant(p, panels, bytes) : NONE;
}

/* Factors of the output channels: as many as the weights have. */
static void code_factors(struct pack *p, struct graph_node *node)
{
	void *scale = node->fold_scale, *shift = node->fold_shift;
	bool there = scale != NULL;
	int weights;

	code_bool(&p->c, &there);
	if (!there || p->c.r < 0)
		return;
	weights = (node->op == GRAPH_CONV || node->op == GRAPH_FC) && node->n_inputs > 1 ? node->inputs[1] : -1;
	if (weights < 0 || weights >= p->graph->n_values || p->graph->values[weights].rank < 1 ||
	    p->graph->values[weights].dims[0] < 1) {
		p->c.r = -EINVAL;
		return;
	}
	code_array(&p->c, &scale, (size_t)p->graph->values[weights].dims[0], sizeof(float));
	code_array(&p->c, &shift, (size_t)p->graph->values[weights].dims[0], sizeof(float));
	node->fold_scale = scale;
	node->fold_shift = shift;
	if (p->c.r == 0 && (!scale || !shift))
		p->c.r = -EINVAL;
}

static void code_node(struct pack *p, struct graph_node *node)
{
	struct codec *c = &p->c;
	int folded = (int)node->folded;

	node->op = (enum graph_op)code_below(c, (int)node->op, GRAPH_OP_COUNT);
	code_text(c, &node->name);
	code_indexes(c, &node->inputs, &node->n_inputs);
	code_indexes(c, &node->outputs, &node->n_outputs);
	code_act(c, &node->act);
	code_int(c, &node->residual);
	code_int(c, &folded);
	node->folded = (unsigned)folded;
	code_operator(c, node);
	code_factors(p, node);
}

static void code_io(struct codec *c, int *list, int *n)
{
	*n = code_below(c, *n, ENGINE_IO_MAX + 1);
	code_ints(c, list, *n);
}

/* ---- writing ----------------------------------------------------------------------------------- */

static bool reads_image_of_file(const struct graph *graph, const struct graph_node *node)
{
	for (int i = 0; i < graph->n_inputs; i++)
		if (graph->inputs[i] == node->inputs[0])
			return true;
	return false;
}

/*
 * Constants that only convolutions read as weights or bias: with panels those are not needed beside them, but by the
 * first layer, whose weights are summed for gray; halves can be stored of the weights alone.
 */
static void choose_storage(struct pack *p)
{
	const struct graph *graph = p->graph;

	for (int i = 0; i < graph->n_values; i++) {
		const struct graph_value *v = &graph->values[i];

		p->dropped[i] = p->weights && v->data;
		p->narrow[i] = p->half && v->data && v->type == ENGINE_F32 && v->rank > 1;
	}
	for (int i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = &graph->nodes[i];
		bool conv = node->op == GRAPH_CONV || node->op == GRAPH_FC;
		const struct winograd *winograd;
		size_t bytes;
		bool panels = conv && p->weights && !reads_image_of_file(graph, node) &&
			      weights_panels(p->weights, graph, i, &bytes, &winograd);

		for (int k = 0; k < node->n_inputs; k++) {
			if (node->inputs[k] < 0)
				continue;
			p->dropped[node->inputs[k]] &= panels && (k == 1 || k == 2);
			p->narrow[node->inputs[k]] &= conv && k == 1;
		}
		if (node->residual >= 0)
			p->dropped[node->residual] = p->narrow[node->residual] = false;
	}
	for (int i = 0; i < graph->n_outputs; i++)
		p->dropped[graph->outputs[i]] = p->narrow[graph->outputs[i]] = false;
}

static void write_graph(struct pack *p)
{
	struct graph graph = *p->graph;
	int n_values = graph.n_values, n_nodes = graph.n_nodes;

	code_int(&p->c, &n_values);
	code_int(&p->c, &n_nodes);
	code_io(&p->c, graph.inputs, &graph.n_inputs);
	code_io(&p->c, graph.outputs, &graph.n_outputs);
	for (int i = 0; i < n_values; i++) {
		struct graph_value value = graph.values[i];

		code_value(p, &value, i);
	}
	for (int i = 0; i < n_nodes; i++) {
		struct graph_node node = graph.nodes[i];
		uint64_t panels;
		int blocks;

		code_node(p, &node);
		panels = put_panels(p, i, &blocks);
		code_u64(&p->c, &panels);
		code_below(&p->c, blocks, 1 + WINOGRAD_SIZES);
	}
}

void packed_seal(uint8_t *data, size_t size)
{
	struct header header;

	memcpy(&header, data, sizeof(header));
	header.bytes = size;
	header.checksum = checksum(data + sizeof(header), size - sizeof(header), 0);
	memcpy(data, &header, sizeof(header));
}

static int join(struct pack *p, uint8_t **ret_data, size_t *ret_size)
{
	struct header header = {.version = PACKED_VERSION, .byte_order = BYTE_ORDER_1};
	size_t size = sizeof(header) + p->constants.at + p->c.at;
	uint8_t *data = size > ENGINE_FILE_BYTES_MAX ? NULL : malloc(size);

	if (!data)
		return size > ENGINE_FILE_BYTES_MAX ? -EFBIG : -ENOMEM;
	memcpy(header.magic, magic, sizeof(magic));
	header.graph_offset = sizeof(header) + p->constants.at;
	header.graph_bytes = p->c.at;
	if (p->weights)
		memcpy(header.level, p->weights->kernels->level, strnlen(p->weights->kernels->level, LEVEL_BYTES - 1));
	if (p->constants.at)
		memcpy(data + sizeof(header), p->constants.data, p->constants.at);
	memcpy(data + header.graph_offset, p->c.data, p->c.at);
	memcpy(data, &header, sizeof(header));
	packed_seal(data, size);
	*ret_data = data;
	*ret_size = size;
	return 0;
}

int packed_write(const struct graph *graph, const struct weights *weights, bool half, struct engine_error *ret_error,
		 uint8_t **ret_data, size_t *ret_size)
{
	struct graph view = *graph; /* the codec takes what it could also fill */
	struct pack p = {.graph = &view, .weights = weights, .half = half};
	int r;

	if (!WITH_FORMAT_converted)
		return reading_left_out("converted", ret_error);
	p.dropped = calloc((size_t)graph->n_values + 1, sizeof(*p.dropped));
	p.narrow = calloc((size_t)graph->n_values + 1, sizeof(*p.narrow));
	r = p.dropped && p.narrow ? 0 : -ENOMEM;
	if (r == 0) {
		choose_storage(&p);
		write_graph(&p);
		r = p.c.r < 0 ? p.c.r : p.constants.r;
	}
	if (r == 0)
		r = join(&p, ret_data, ret_size);
	free(p.dropped);
	free(p.narrow);
	free(p.c.data);
	free(p.constants.data);
	return r == 0 ? 0 : graph_error(ret_error, r, r == -EFBIG ? "the file would be too large" : "out of memory");
}

/* ---- reading ----------------------------------------------------------------------------------- */

bool packed_is(const uint8_t *data, size_t size)
{
	return size >= sizeof(struct header) && memcmp(data, magic, sizeof(magic)) == 0;
}

static int check_header(const struct header *header, const uint8_t *data, size_t size, struct engine_error *error)
{
	static const char zeros[LEVEL_BYTES];
	const char *level = kernels_get()->level;
	size_t length = strnlen(header->level, LEVEL_BYTES);

	if (header->byte_order != BYTE_ORDER_1 || header->version != PACKED_VERSION)
		return graph_error(error, -ENOTSUP,
				   "converted for another version of inferd (%u, not %d): convert it again",
				   header->version, PACKED_VERSION);
	if (header->bytes != size || header->graph_offset < sizeof(*header) || header->graph_offset > size ||
	    header->graph_bytes != size - header->graph_offset)
		return graph_error(error, -EINVAL, "cut off, or not whole");
	if (header->checksum != checksum(data + sizeof(*header), size - sizeof(*header), 0))
		return graph_error(error, -EINVAL, "damaged: its checksum is wrong");
	if (length == LEVEL_BYTES || memcmp(header->level + length, zeros, LEVEL_BYTES - length))
		return graph_error(error, -EINVAL, "names no level");
	if (header->level[0] && strcmp(header->level, level))
		return graph_error(error, -ENOTSUP,
				   "converted for %s, and this machine has %s: convert it again here, or with "
				   "--portable",
				   header->level, level);
	return 0;
}

static int read_values(struct pack *p, int n)
{
	static const int32_t nothing[ENGINE_RANK_MAX];

	for (int i = 0; i < n && p->c.r == 0; i++) {
		int value = graph_add_value(p->graph, NULL, 0, ENGINE_F32, 0, nothing);

		if (value < 0)
			return value;
		code_value(p, &p->graph->values[value], i);
	}
	return p->c.r;
}

/* Nodes are read into one of their own, and added with all checks of indexes. */
static int read_node(struct pack *p, int i)
{
	struct graph_node node = {.residual = -1}, *added;
	int r, index = -1;

	code_node(p, &node);
	code_u64(&p->c, &p->panels[i]);
	p->blocks[i] = code_below(&p->c, 0, 1 + WINOGRAD_SIZES);
	r = p->c.r;
	if (r == 0 && (node.residual < -1 || node.residual >= p->graph->n_values))
		r = -EINVAL;
	if (r == 0) {
		index = graph_add_node(p->graph, node.op, node.name, strlen(node.name), node.inputs, node.n_inputs,
				       node.outputs, node.n_outputs);
		r = index < 0 ? index : 0;
	}
	if (r < 0) {
		graph_node_finish(&node);
		return r;
	}
	/* The lists and the name are there twice now. */
	added = &p->graph->nodes[index];
	free(node.name);
	free(node.inputs);
	free(node.outputs);
	node.name = added->name;
	node.inputs = added->inputs;
	node.outputs = added->outputs;
	*added = node;
	return 0;
}

/* What the passes leave: no tensor between the graph's own operators is unsigned, and only float is added to. */
static int check_passed(const struct graph *graph)
{
	for (int i = 0; i < graph->n_values; i++) {
		const struct graph_value *v = &graph->values[i];

		if (v->type == ENGINE_U8 && v->quant.n_scales && !graph_is_constant(v))
			return -EINVAL;
		if (v->was_u8 && (v->type != ENGINE_S8 || v->quant.n_scales != 1 || graph_is_constant(v)))
			return -EINVAL;
	}
	for (int i = 0; i < graph->n_nodes; i++) {
		const struct graph_node *node = &graph->nodes[i];

		if (node->residual >= 0 &&
		    (node->op != GRAPH_CONV || graph->values[node->residual].type != ENGINE_F32 ||
		     graph->values[node->outputs[0]].type != ENGINE_F32))
			return -EINVAL;
	}
	return 0;
}

static int refuse_missing(const char *name, struct engine_error *error)
{
	const char *why = "is not registered";

	if (!WITH_FORMAT_ncnn && !strncmp(name, ncnn, strlen(ncnn)))
		why = "is left out of this build (INFERD_FORMATS)";
	else if (operators_left_out(name, strlen(name)))
		why = OPERATORS_LEFT_OUT;
	return graph_error(error, -ENOTSUP, "needs the operator %.60s, which %s", name, why);
}

static int read_graph(struct pack *p, struct engine_error *error)
{
	struct graph *graph = p->graph;
	int n_values, n_nodes, r;

	n_values = code_below(&p->c, 0, GRAPH_VALUES_MAX + 1);
	n_nodes = code_below(&p->c, 0, GRAPH_NODES_MAX + 1);
	code_io(&p->c, graph->inputs, &graph->n_inputs);
	code_io(&p->c, graph->outputs, &graph->n_outputs);
	r = p->c.r < 0 ? p->c.r : read_values(p, n_values);
	p->panels = calloc((size_t)n_nodes + 1, sizeof(*p->panels));
	p->blocks = calloc((size_t)n_nodes + 1, sizeof(*p->blocks));
	if (!p->panels || !p->blocks)
		r = -ENOMEM;
	/* Indexes of nodes are looked at by graph_add_node(), those of panels here. */
	for (int i = 0; i < n_nodes && r == 0; i++)
		r = read_node(p, i);
	if (r == 0 && (p->c.at != p->c.size || check_passed(graph) < 0))
		r = -EINVAL;
	if (r == -ENOENT)
		return refuse_missing(p->c.missing, error);
	if (r < 0)
		return graph_error(error, r, r == -ENOMEM ? "out of memory" : "malformed in its graph");
	return graph_check(graph, error);
}

int packed_read(const uint8_t *data, size_t size, struct graph *graph, struct weights *weights,
		struct engine_error *ret_error)
{
	struct pack p = {.graph = graph, .file = data, .file_bytes = size};
	struct header header;
	int r;

	if (!WITH_FORMAT_converted)
		return reading_left_out("converted", ret_error);
	memcpy(&header, data, sizeof(header));
	r = check_header(&header, data, size, ret_error);
	if (r < 0)
		return r;
	p.file_bytes = (size_t)header.graph_offset;
	p.c = (struct codec){.reading = true,
			     .data = (uint8_t *)(uintptr_t)data + header.graph_offset,
			     .size = (size_t)header.graph_bytes};
	r = read_graph(&p, ret_error);
	for (int i = 0; i < graph->n_nodes && r == 0; i++) {
		const struct winograd *winograd = p.blocks[i] ? &weights->kernels->winograd[p.blocks[i] - 1] : NULL;
		const uint8_t *panels;
		size_t bytes;

		if (p.panels[i] == NONE)
			continue;
		bytes = weights_panels_bytes(weights, graph, i, winograd);
		panels = bytes ? get_constant(&p, p.panels[i], bytes) : NULL;
		r = panels ? weights_adopt(weights, graph, i, winograd, panels) : -EINVAL;
		if (r < 0)
			graph_error(ret_error, r, "malformed in the weights of '%.60s'", graph->nodes[i].name);
	}
	free(p.panels);
	free(p.blocks);
	return r;
}
