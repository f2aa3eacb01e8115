/* caffe_nodes.c - nodes and constants of the ONNX network, their names, and the parameters that they are made of. */
#include "caffe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------- */

struct caffe_version *caffe_blob_of(struct caffe *c, const char *name, size_t bytes)
{
	struct names_entry *entry = names_find(&c->blob_names, name, bytes);

	if (entry->number < 0) {
		if (c->n_blobs == c->cap_blobs)
			return NULL;
		*entry = (struct names_entry){name, bytes, c->n_blobs};
		c->blobs[c->n_blobs++] = (struct caffe_version){.read_at = -1, .made_at = -1};
	}
	return &c->blobs[entry->number];
}

void caffe_tensor_name(const struct caffe_version *blob, int k, const char *name, size_t bytes,
		       char out[CAFFE_NAME_BYTES])
{
	int length = bytes > 200 ? 200 : (int)bytes;

	if (k == blob->writers)
		snprintf(out, CAFFE_NAME_BYTES, "%.*s", length, name);
	else
		snprintf(out, CAFFE_NAME_BYTES, "%.*s@%d", length, name, k);
}

void caffe_inner_name(struct caffe *c, char out[CAFFE_NAME_BYTES])
{
	snprintf(out, CAFFE_NAME_BYTES, "%.200s#%d.%d", c->name, c->index, c->n_made++);
}

/* ---- writing ----------------------------------------------------------------------------------- */

void caffe_open_node(struct caffe *c, const char *op, const char *const *inputs, int n, const char *output)
{
	onnx_open_node(&c->out, c->name, op, NULL);
	for (int i = 0; i < n; i++)
		onnx_node_input(&c->out, inputs[i]);
	onnx_node_output(&c->out, output);
}

void caffe_add_node(struct caffe *c, const char *op, const char *a, const char *b, const char *output)
{
	const char *inputs[] = {a, b};

	caffe_open_node(c, op, inputs, b ? 2 : 1, output);
	onnx_close_node(&c->out);
}

void caffe_add_floats(struct caffe *c, int rank, const int64_t *dims, const void *values, size_t count,
		      char name[CAFFE_NAME_BYTES])
{
	caffe_inner_name(c, name);
	onnx_write_floats(&c->out, name, rank, dims, values, count);
}

void caffe_add_scalar(struct caffe *c, double value, char name[CAFFE_NAME_BYTES])
{
	float narrow = (float)value;

	caffe_add_floats(c, 0, NULL, &narrow, 1, name);
}

void caffe_add_integers(struct caffe *c, int n, const int64_t *values, char name[CAFFE_NAME_BYTES])
{
	caffe_inner_name(c, name);
	onnx_write_integers(&c->out, name, n, values);
}

int caffe_add_weights(struct caffe *c, int i, int rank, const int64_t *dims, char name[CAFFE_NAME_BYTES])
{
	size_t count = 1;

	if (i >= c->n_w)
		return caffe_refuse(c, -EINVAL, "has no weights in the .caffemodel");
	for (int k = 0; k < rank; k++)
		count *= (size_t)dims[k];
	if (count != c->w[i].count)
		return caffe_refuse(c, -EINVAL, "has weights of another size than it says");
	caffe_add_floats(c, rank, dims, c->w[i].data, count, name);
	return 0;
}

float caffe_weight_at(const struct caffe_blob *blob, size_t i)
{
	float value;

	memcpy(&value, blob->data + i * sizeof(value), sizeof(value));
	return value;
}

int caffe_parameters(const struct caffe *c, const char *name)
{
	return caffe_field(&c->text, c->layer, name, -1);
}

const char *caffe_bottom(const struct caffe *c)
{
	return c->bottoms[0];
}

const char *caffe_top(const struct caffe *c)
{
	return c->tops[0];
}

int64_t caffe_bounded(double number)
{
	return number >= -2147483648.0 && number <= 2147483647.0 ? (int64_t)number : -1;
}

int64_t caffe_whole(const struct caffe *c, int at, const char *name, int64_t otherwise)
{
	return caffe_bounded(caffe_number(&c->text, at, name, (double)otherwise));
}

void caffe_pair(const struct caffe *c, int at, const char *both, const char *h, const char *w, int64_t otherwise,
		int64_t ret[2])
{
	double numbers[2];
	int n = caffe_numbers(&c->text, at, both, 2, numbers);

	ret[0] = ret[1] = otherwise;
	for (int i = 0; i < 2 && n; i++) {
		double number = numbers[n == 2 ? i : 0];

		ret[i] = number >= 0 && number < GRAPH_WINDOW_MAX ? (int64_t)number : -1;
	}
	ret[0] = caffe_whole(c, at, h, ret[0]);
	ret[1] = caffe_whole(c, at, w, ret[1]);
}
