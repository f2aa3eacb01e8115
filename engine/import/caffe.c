/* caffe.c - a Caffe network as an ONNX one: its layers one by one, and what it reads and makes.  See caffe.h. */
#include "caffe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPSET 17

int caffe_refuse(const struct caffe *c, int code, const char *why)
{
	return graph_error(c->error, code, "layer '%.60s' (%.40s): %s", c->name, c->type, why);
}

/* Layers that belong to training or testing are not the network; "layers" are those of older files. */
static bool is_deployed(const struct caffe *c, int layer)
{
	int include = caffe_field(&c->text, layer, "include", -1);

	return include < 0 ||
	       !(caffe_is(&c->text, include, "phase", "TRAIN") || caffe_is(&c->text, include, "phase", "0"));
}

static int next_layer(const struct caffe *c, int after)
{
	int i = after < 0 ? c->text.fields[0].first : c->text.fields[after].next;

	for (; i >= 0; i = c->text.fields[i].next) {
		const struct caffe_field *f = &c->text.fields[i];
		bool layer = (f->name_bytes == 5 && !memcmp(f->name, "layer", 5)) ||
			     (f->name_bytes == 6 && !memcmp(f->name, "layers", 6));

		if (layer && f->is_message && is_deployed(c, i))
			return i;
	}
	return -1;
}

static void copy_value(const struct caffe *c, int layer, const char *name, char *out, size_t room)
{
	int field = caffe_field(&c->text, layer, name, -1);
	size_t n = field < 0 || !c->text.fields[field].value ? 0 : c->text.fields[field].value_bytes;

	n = n < room ? n : room - 1;
	if (n)
		memcpy(out, c->text.fields[field].value, n);
	out[n] = '\0';
}

/* Counts who writes and reads each blob, and when. */
static int survey(struct caffe *c)
{
	int number = 0;

	for (int layer = next_layer(c, -1); layer >= 0; layer = next_layer(c, layer), number++) {
		static const char *const roles[] = {"bottom", "top"};

		if (number == CAFFE_LAYERS_MAX)
			return graph_error(c->error, -EFBIG, "the network has over %d layers", CAFFE_LAYERS_MAX);
		for (int role = 0; role < 2; role++)
			for (int i = caffe_field(&c->text, layer, roles[role], -1); i >= 0;
			     i = caffe_field(&c->text, layer, roles[role], i)) {
				const struct caffe_field *f = &c->text.fields[i];
				struct caffe_version *blob =
					f->value ? caffe_blob_of(c, f->value, f->value_bytes) : NULL;

				if (!blob)
					return graph_error(c->error, -EINVAL,
							   "the network names too many blobs, or one without a name");
				blob->writers += role == 1;
				*(role ? &blob->made_at : &blob->read_at) = number;
			}
	}
	return 0;
}

/* An input of the network: "input" and "input_dim" or "input_shape", or a layer of type Input. */
static int add_input(struct caffe *c, const char *name, size_t bytes, const double *dims, int n)
{
	struct caffe_version *blob = caffe_blob_of(c, name, bytes);
	int64_t wide[ENGINE_RANK_MAX];
	char tensor[CAFFE_NAME_BYTES];

	if (!blob || n < 1)
		return graph_error(c->error, -EINVAL, "input '%.*s' has no shape", bytes > 60 ? 60 : (int)bytes, name);
	for (int i = 0; i < n; i++) {
		wide[i] = dims[i] >= 1 ? caffe_bounded(dims[i]) : 0;
		if (wide[i] < 1)
			return graph_error(c->error, -EINVAL, "input '%.*s' has an impossible shape",
					   bytes > 60 ? 60 : (int)bytes, name);
	}
	blob->written++;
	caffe_tensor_name(blob, blob->written, name, bytes, tensor);
	onnx_write_input(&c->out, tensor, n, wide);
	return 0;
}

/* Batches are run one by one: the file's is of no interest. */
static int net_inputs(struct caffe *c)
{
	double dims[64];
	int n = caffe_numbers(&c->text, 0, "input_dim", 64, dims), k = 0, r = 0;
	int shape = caffe_field(&c->text, 0, "input_shape", -1);

	for (int i = caffe_field(&c->text, 0, "input", -1); i >= 0 && r == 0;
	     i = caffe_field(&c->text, 0, "input", i), k++) {
		const struct caffe_field *f = &c->text.fields[i];
		double own[ENGINE_RANK_MAX];
		int rank = shape >= 0	      ? caffe_numbers(&c->text, shape, "dim", ENGINE_RANK_MAX, own)
			   : 4 * (k + 1) <= n ? 4
					      : 0;

		if (shape < 0 && rank)
			memcpy(own, dims + (size_t)(4 * k), 4 * sizeof(*own));
		if (rank)
			own[0] = 1;
		if (!f->value)
			return graph_error(c->error, -EINVAL, "an input has no name");
		caffe_blob_of(c, f->value, f->value_bytes)->writers++;
		r = add_input(c, f->value, f->value_bytes, own, rank);
		shape = shape >= 0 ? caffe_field(&c->text, 0, "input_shape", shape) : -1;
	}
	return r;
}

static int layer_input(struct caffe *c)
{
	int shape = caffe_field(&c->text, caffe_parameters(c, "input_param"), "shape", -1), r = 0;

	for (int i = caffe_field(&c->text, c->layer, "top", -1); i >= 0 && r == 0;
	     i = caffe_field(&c->text, c->layer, "top", i)) {
		double own[ENGINE_RANK_MAX];
		int rank = caffe_numbers(&c->text, shape, "dim", ENGINE_RANK_MAX, own), more;

		if (rank)
			own[0] = 1;
		r = add_input(c, c->text.fields[i].value, c->text.fields[i].value_bytes, own, rank);
		/* One shape may be meant for all. */
		more = shape >= 0 ? caffe_field(&c->text, caffe_parameters(c, "input_param"), "shape", shape) : -1;
		shape = more >= 0 ? more : shape;
	}
	return r;
}

static int name_blobs(struct caffe *c)
{
	c->n_bottoms = c->n_tops = 0;
	for (int i = caffe_field(&c->text, c->layer, "bottom", -1); i >= 0;
	     i = caffe_field(&c->text, c->layer, "bottom", i)) {
		const struct caffe_field *f = &c->text.fields[i];
		const struct caffe_version *blob = caffe_blob_of(c, f->value, f->value_bytes);

		if (c->n_bottoms == CAFFE_IO_MAX)
			return caffe_refuse(c, -EFBIG, "has too many inputs");
		if (!blob->written)
			return caffe_refuse(c, -EINVAL, "reads what nothing before it makes");
		caffe_tensor_name(blob, blob->written, f->value, f->value_bytes, c->bottoms[c->n_bottoms++]);
	}
	for (int i = caffe_field(&c->text, c->layer, "top", -1); i >= 0;
	     i = caffe_field(&c->text, c->layer, "top", i)) {
		const struct caffe_field *f = &c->text.fields[i];
		struct caffe_version *blob = caffe_blob_of(c, f->value, f->value_bytes);

		if (c->n_tops == CAFFE_IO_MAX)
			return caffe_refuse(c, -EFBIG, "has too many outputs");
		blob->written++;
		caffe_tensor_name(blob, blob->written, f->value, f->value_bytes, c->tops[c->n_tops++]);
	}
	return 0;
}

static int add_layer(struct caffe *c)
{
	const struct caffe_layer_type *layer;
	int r;

	copy_value(c, c->layer, "name", c->name, sizeof(c->name));
	copy_value(c, c->layer, "type", c->type, sizeof(c->type));
	c->n_made = 0;
	if (!strcmp(c->type, "Input") || !strcmp(c->type, "DummyData"))
		return layer_input(c);
	layer = caffe_find_layer(c->type);
	if (!layer)
		return caffe_refuse(c, -ENOTSUP, "is an unknown layer");
	snprintf(c->type, sizeof(c->type), "%s", layer->type);
	r = name_blobs(c);
	if (r == 0 && (c->n_bottoms < layer->n_bottoms || (c->n_tops < 1 && layer->n_bottoms)))
		return caffe_refuse(c, -EINVAL, "has too few inputs or outputs");
	if (r == 0)
		r = caffe_read_weights(c);
	return r < 0 ? r : layer->add(c);
}

/* What is made and not read is what the network is for. */
static int add_outputs(struct caffe *c)
{
	for (int layer = next_layer(c, -1), number = 0; layer >= 0; layer = next_layer(c, layer), number++)
		for (int i = caffe_field(&c->text, layer, "top", -1); i >= 0;
		     i = caffe_field(&c->text, layer, "top", i)) {
			const struct caffe_field *f = &c->text.fields[i];
			const struct caffe_version *blob = caffe_blob_of(c, f->value, f->value_bytes);
			char tensor[CAFFE_NAME_BYTES];

			if (blob->made_at != number || blob->read_at > number)
				continue;
			caffe_tensor_name(blob, blob->writers, f->value, f->value_bytes, tensor);
			onnx_write_output(&c->out, tensor);
		}
	return 0;
}

static int read_network(struct caffe *c)
{
	int r = caffe_index_weights(c);

	c->cap_blobs = c->text.n;
	c->blobs = calloc((size_t)c->cap_blobs + 1, sizeof(*c->blobs));
	if (r == 0 && (!c->blobs || names_init(&c->blob_names, (size_t)c->cap_blobs + 1) < 0))
		r = graph_error(c->error, -ENOMEM, "out of memory");
	if (r == 0)
		r = survey(c);
	onnx_writer_init(&c->out, OPSET);
	if (r == 0)
		r = net_inputs(c);
	for (c->layer = next_layer(c, -1); c->layer >= 0 && r == 0; c->layer = next_layer(c, c->layer), c->index++) {
		r = add_layer(c);
		caffe_finish_weights(c);
	}
	if (r == 0)
		r = add_outputs(c);
	if (r == 0 && onnx_writer_close(&c->out) < 0)
		r = graph_error(c->error, -ENOMEM, "out of memory");
	return r;
}

/* Where the first word of a text begins, behind white space and comments. */
static size_t first_word(const uint8_t *data, size_t size)
{
	bool comment = false;
	size_t i = 0;

	for (; i < size; i++) {
		if (data[i] == '#')
			comment = true;
		else if (data[i] == '\n')
			comment = false;
		else if (!comment && data[i] != ' ' && data[i] != '\t' && data[i] != '\r')
			break;
	}
	return i;
}

/* Text whose first field is one of a network's. */
bool import_is_caffe(const uint8_t *data, size_t size)
{
	static const char *const fields[] = {"name", "layer", "layers", "input", "input_dim", "input_shape"};
	size_t at = first_word(data, size), length = 0;

	while (at + length < size &&
	       ((data[at + length] >= 'a' && data[at + length] <= 'z') || data[at + length] == '_'))
		length++;
	for (size_t k = 0; k < sizeof(fields) / sizeof(*fields); k++)
		if (length == strlen(fields[k]) && !memcmp(data + at, fields[k], length))
			return true;
	return false;
}

int import_caffe(const struct import_source *source, struct graph *graph, struct engine_error *ret_error)
{
	struct caffe *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return graph_error(ret_error, -ENOMEM, "out of memory");
	c->error = ret_error;
	c->weights = (struct protobuf_bytes){source->weights, source->weights_size};
	r = caffe_text_parse(source->data, source->size, &c->text, ret_error);
	if (r == 0)
		r = read_network(c);
	if (r == 0) {
		struct import_source onnx = {
			.name = source->name, .data = c->out.file.data, .size = c->out.file.size, .copies = true};

		r = import_onnx(&onnx, graph, ret_error);
	}
	caffe_text_finish(&c->text);
	onnx_writer_finish(&c->out);
	caffe_finish_weights(c);
	names_finish(&c->weight_names);
	names_finish(&c->blob_names);
	free(c->messages);
	free(c->v1);
	free(c->blobs);
	free(c);
	return r;
}
