/* caffe_weights.c - layers of a .caffemodel, found by name, and the numbers in them. */
#include "caffe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Fields of the binary messages. */
enum { NET_LAYERS_V1 = 2, NET_LAYER = 100 };
enum { LAYER_NAME = 1, LAYER_BLOBS = 7, V1_NAME = 4, V1_BLOBS = 6 };
enum { BLOB_SHAPE = 7, BLOB_DATA = 5, BLOB_DOUBLE = 8, SHAPE_DIM = 1 };

static bool is_layer(const struct protobuf_field *field)
{
	return (field->number == NET_LAYER || field->number == NET_LAYERS_V1) && field->wire == PROTOBUF_BYTES;
}

int caffe_index_weights(struct caffe *c)
{
	struct protobuf reader = protobuf_open(c->weights);
	struct protobuf_field field, inner;
	int count = 0;

	while (protobuf_next(&reader, &field))
		count += is_layer(&field);
	if (reader.malformed)
		return graph_error(c->error, -EINVAL, "the .caffemodel is malformed or cut off");
	if (count > CAFFE_LAYERS_MAX)
		return graph_error(c->error, -EFBIG, "the .caffemodel has %d layers", count);
	c->messages = calloc((size_t)count + 1, sizeof(*c->messages));
	c->v1 = calloc((size_t)count + 1, sizeof(*c->v1));
	if (!c->messages || !c->v1 || names_init(&c->weight_names, (size_t)count + 1) < 0)
		return graph_error(c->error, -ENOMEM, "out of memory");
	reader = protobuf_open(c->weights);
	while (protobuf_next(&reader, &field)) {
		struct protobuf layer;
		struct names_entry *entry;

		if (!is_layer(&field))
			continue;
		layer = protobuf_open(field.bytes);
		while (protobuf_next(&layer, &inner))
			if (inner.wire == PROTOBUF_BYTES &&
			    inner.number == (field.number == NET_LAYER ? LAYER_NAME : V1_NAME))
				break;
		if (layer.malformed || inner.wire != PROTOBUF_BYTES)
			continue;
		entry = names_find(&c->weight_names, inner.bytes.data, inner.bytes.size);
		if (entry->number >= 0)
			continue;
		*entry = (struct names_entry){inner.bytes.data, inner.bytes.size, c->n_messages};
		c->v1[c->n_messages] = field.number == NET_LAYERS_V1;
		c->messages[c->n_messages++] = field.bytes;
	}
	return 0;
}

static int read_shape(struct protobuf_bytes message, struct caffe_blob *blob)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;

	blob->rank = 0;
	while (protobuf_next(&reader, &field)) {
		size_t at = 0;
		uint64_t dim;

		while (field.number == SHAPE_DIM && protobuf_number(&reader, &field, PROTOBUF_VARINT, &at, &dim)) {
			if (blob->rank == ENGINE_RANK_MAX || dim > INT32_MAX)
				return -EINVAL;
			blob->dims[blob->rank++] = (int64_t)dim;
		}
	}
	return reader.malformed ? -EINVAL : 0;
}

/* Numbers in pieces, or doubles, are copied; the first walk counts them. */
static int copy_numbers(struct protobuf_bytes message, uint32_t number, bool wide, struct caffe_blob *blob)
{
	enum protobuf_wire wire = wide ? PROTOBUF_FIXED64 : PROTOBUF_FIXED32;

	for (int pass = 0; pass < 2; pass++) {
		struct protobuf reader = protobuf_open(message);
		struct protobuf_field field;
		size_t n = 0;

		while (protobuf_next(&reader, &field)) {
			size_t at = 0;
			uint64_t bits;
			double value;

			while (field.number == number && protobuf_number(&reader, &field, wire, &at, &bits)) {
				memcpy(&value, &bits, sizeof(value));
				if (pass)
					blob->own[n] = wide ? (float)value : protobuf_float(bits);
				n++;
			}
		}
		if (reader.malformed)
			return -EINVAL;
		blob->count = n;
		if (!pass)
			blob->own = malloc(n * sizeof(*blob->own) + 1);
		if (!blob->own)
			return -ENOMEM;
	}
	blob->data = (const uint8_t *)blob->own;
	return 0;
}

static int read_blob(struct protobuf_bytes message, struct caffe_blob *blob)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	bool shaped = false, wide = false;
	int pieces = 0, r = 0;
	size_t count = 1;

	*blob = (struct caffe_blob){.rank = 4, .dims = {1, 1, 1, 1}};
	while (r == 0 && protobuf_next(&reader, &field)) {
		if (field.number == BLOB_SHAPE && field.wire == PROTOBUF_BYTES) {
			r = read_shape(field.bytes, blob);
			shaped = true;
		} else if (!shaped && field.number >= 1 && field.number <= 4 && field.wire == PROTOBUF_VARINT) {
			if (field.value > INT32_MAX)
				return -EINVAL;
			blob->dims[field.number - 1] = (int64_t)field.value;
		} else if (field.number == BLOB_DATA) {
			pieces += field.wire == PROTOBUF_BYTES ? 1 : 2;
			blob->data = field.bytes.data;
			blob->count = field.bytes.size / sizeof(float);
		}
		wide |= field.number == BLOB_DOUBLE;
	}
	if (r < 0 || reader.malformed)
		return -EINVAL;
	if (pieces != 1) {
		r = copy_numbers(message, wide && !pieces ? BLOB_DOUBLE : BLOB_DATA, wide && !pieces, blob);
		if (r < 0)
			return r;
	}
	for (int i = 0; i < blob->rank; i++) {
		if (blob->dims[i] && count > ENGINE_TENSOR_BYTES_MAX / (size_t)blob->dims[i])
			return -EFBIG;
		count *= (size_t)blob->dims[i];
	}
	return count == blob->count ? 0 : -EINVAL;
}

void caffe_finish_weights(struct caffe *c)
{
	for (int i = 0; i < CAFFE_BLOBS_MAX; i++)
		free(c->w[i].own);
	memset(c->w, 0, sizeof(c->w));
	c->n_w = 0;
}

int caffe_read_weights(struct caffe *c)
{
	const struct names_entry *entry = names_find(&c->weight_names, c->name, strlen(c->name));
	struct protobuf_field field;
	struct protobuf reader;
	int r = 0;

	caffe_finish_weights(c);
	if (entry->number < 0)
		return 0;
	reader = protobuf_open(c->messages[entry->number]);
	while (r == 0 && protobuf_next(&reader, &field)) {
		if (field.wire != PROTOBUF_BYTES || field.number != (c->v1[entry->number] ? V1_BLOBS : LAYER_BLOBS))
			continue;
		if (c->n_w == CAFFE_BLOBS_MAX)
			return caffe_refuse(c, -EFBIG, "has too many blobs of weights");
		r = read_blob(field.bytes, &c->w[c->n_w++]);
	}
	return r < 0 || reader.malformed ? caffe_refuse(c, r < 0 ? r : -EINVAL, "has malformed weights") : 0;
}
