/* onnx_file.c - see onnx_file.h. */
#include "onnx_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../kernels/kernels.h"

/* Fields of the messages. */
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_EXTERNAL = 13, TENSOR_LOCATION = 14 };
enum { TENSOR_FLOATS = 4, TENSOR_INT32S = 5, TENSOR_INT64S = 7, TENSOR_DOUBLES = 10, TENSOR_UINT64S = 11 };
enum {
	ATTR_NAME = 1,
	ATTR_F = 2,
	ATTR_I = 3,
	ATTR_S = 4,
	ATTR_T = 5,
	ATTR_FLOATS = 7,
	ATTR_INTS = 8,
	ATTR_STRINGS = 9
};
enum { NODE_ATTRIBUTE = 5 };
enum { INFO_NAME = 1, INFO_TYPE = 2, TYPE_TENSOR = 1, TENSOR_TYPE_ELEMENT = 1, TENSOR_TYPE_SHAPE = 2, SHAPE_DIM = 1 };
enum { DIM_VALUE = 1 };

bool onnx_is(struct protobuf_bytes bytes, const char *text)
{
	return bytes.size == strlen(text) && memcmp(bytes.data, text, bytes.size) == 0;
}

/* ---- tensors ----------------------------------------------------------------------------------- */

static int read_dims(struct protobuf *reader, const struct protobuf_field *field, struct onnx_tensor *tensor,
		     struct engine_error *error)
{
	uint64_t value;
	size_t at = 0;

	while (protobuf_number(reader, field, PROTOBUF_VARINT, &at, &value)) {
		if (tensor->rank == ENGINE_RANK_MAX)
			return graph_error(error, -ENOTSUP, "a tensor has more than %d axes", ENGINE_RANK_MAX);
		if (value > INT32_MAX)
			return graph_error(error, -EINVAL, "a tensor has an impossible side");
		tensor->dims[tensor->rank++] = (int32_t)value;
	}
	return 0;
}

/* A decimal number; what is none is larger than any file. */
static uint64_t decimal(struct protobuf_bytes text)
{
	uint64_t number = 0;

	for (size_t i = 0; i < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9' || number > UINT64_MAX / 20)
			return UINT64_MAX;
		number = 10 * number + (text.data[i] - '0');
	}
	return number;
}

/* One of the texts that say where the data is. */
static void read_external(const struct protobuf_field *entry, struct onnx_tensor *tensor)
{
	struct protobuf reader = protobuf_open(entry->bytes);
	struct protobuf_bytes key = {0}, value = {0};
	struct protobuf_field field;

	tensor->external = true;
	if (entry->wire != PROTOBUF_BYTES)
		return;
	while (protobuf_next(&reader, &field))
		if (field.wire == PROTOBUF_BYTES && field.number <= 2)
			*(field.number == 1 ? &key : &value) = field.bytes;
	if (onnx_is(key, "location"))
		tensor->location = value;
	else if (onnx_is(key, "offset"))
		tensor->offset = decimal(value);
	else if (onnx_is(key, "length"))
		tensor->length = decimal(value);
}

int onnx_read_tensor(struct protobuf_bytes message, struct onnx_tensor *ret, struct engine_error *ret_error)
{
	struct onnx_tensor tensor = {.message = message};
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	int r = 0;

	while (r == 0 && protobuf_next(&reader, &field)) {
		if (field.number == TENSOR_DIMS)
			r = read_dims(&reader, &field, &tensor, ret_error);
		else if (field.number == TENSOR_TYPE)
			tensor.type = (int64_t)field.value;
		else if (field.number == TENSOR_NAME)
			tensor.name = field.bytes;
		else if (field.number == TENSOR_RAW)
			tensor.raw = field.bytes;
		else if (field.number == TENSOR_LOCATION)
			tensor.external = field.value == 1;
		else if (field.number == TENSOR_EXTERNAL)
			read_external(&field, &tensor);
	}
	if (r < 0)
		return r;
	if (reader.malformed)
		return graph_error(ret_error, -EINVAL, "a tensor's message is malformed");
	if (graph_elements(tensor.rank, tensor.dims, &tensor.count) < 0)
		return graph_error(ret_error, -EFBIG, "tensor '%.*s' is too large",
				   (int)(tensor.name.size < 60 ? tensor.name.size : 60),
				   (const char *)tensor.name.data);
	/* Every element takes a byte at least: nothing is allocated for a shape that the file does not fill. */
	if (!tensor.external && tensor.count > message.size)
		return graph_error(ret_error, -EINVAL, "tensor '%.*s' has less data than its shape wants",
				   (int)(tensor.name.size < 60 ? tensor.name.size : 60),
				   (const char *)tensor.name.data);
	*ret = tensor;
	return 0;
}

size_t onnx_element_size(int64_t type)
{
	switch (type) {
	case ONNX_UINT8:
	case ONNX_INT8:
	case ONNX_BOOL:
		return 1;
	case ONNX_UINT16:
	case ONNX_INT16:
	case ONNX_FLOAT16:
		return 2;
	case ONNX_FLOAT:
	case ONNX_INT32:
	case ONNX_UINT32:
		return 4;
	case ONNX_INT64:
	case ONNX_UINT64:
	case ONNX_DOUBLE:
		return 8;
	default:
		return 0;
	}
}

/* An element's bits, sign-extended for signed integers. */
static uint64_t widen(int64_t type, uint64_t bits)
{
	switch (type) {
	case ONNX_INT8:
		return (uint64_t)(int64_t)(int8_t)bits;
	case ONNX_INT16:
		return (uint64_t)(int64_t)(int16_t)bits;
	case ONNX_INT32:
		return (uint64_t)(int64_t)(int32_t)bits;
	default:
		return bits;
	}
}

struct elements {
	const struct onnx_tensor *tensor;
	void (*put)(void *out, size_t index, int64_t type, uint64_t bits);
	void *out;
	size_t n;
};

static int take_raw(struct elements *elements)
{
	const struct onnx_tensor *tensor = elements->tensor;
	size_t size = onnx_element_size(tensor->type);

	if (!size || tensor->raw.size / size != tensor->count || tensor->raw.size % size)
		return -EINVAL;
	for (; elements->n < tensor->count; elements->n++) {
		uint64_t bits = 0;

		for (size_t i = 0; i < size; i++)
			bits |= (uint64_t)tensor->raw.data[elements->n * size + i] << (8 * i);
		elements->put(elements->out, elements->n, tensor->type, widen(tensor->type, bits));
	}
	return 0;
}

/* Where elements of a type lie that are not raw. */
static uint32_t list_of(int64_t type, enum protobuf_wire *ret_wire)
{
	*ret_wire = type == ONNX_FLOAT ? PROTOBUF_FIXED32 : type == ONNX_DOUBLE ? PROTOBUF_FIXED64 : PROTOBUF_VARINT;
	return type == ONNX_FLOAT			    ? TENSOR_FLOATS
	       : type == ONNX_DOUBLE			    ? TENSOR_DOUBLES
	       : type == ONNX_INT64			    ? TENSOR_INT64S
	       : type == ONNX_UINT32 || type == ONNX_UINT64 ? TENSOR_UINT64S
							    : TENSOR_INT32S;
}

static int take_elements(struct elements *elements)
{
	const struct onnx_tensor *tensor = elements->tensor;
	struct protobuf reader = protobuf_open(tensor->message);
	enum protobuf_wire wire;
	uint32_t list = list_of(tensor->type, &wire);
	struct protobuf_field field;

	if (tensor->external || !onnx_element_size(tensor->type))
		return -ENOTSUP;
	if (tensor->raw.data)
		return take_raw(elements);
	while (protobuf_next(&reader, &field)) {
		uint64_t bits;
		size_t at = 0;

		if (field.number != list)
			continue;
		while (protobuf_number(&reader, &field, wire, &at, &bits)) {
			if (elements->n == tensor->count)
				return -EINVAL;
			elements->put(elements->out, elements->n++, tensor->type, widen(tensor->type, bits));
		}
	}
	return reader.malformed || elements->n != tensor->count ? -EINVAL : 0;
}

static float to_float(int64_t type, uint64_t bits)
{
	uint16_t half = (uint16_t)bits;
	double wide;
	float value;

	switch (type) {
	case ONNX_FLOAT:
		return protobuf_float(bits);
	case ONNX_FLOAT16:
		kernels_get()->f16_to_f32(1, &half, &value);
		return value;
	case ONNX_DOUBLE:
		memcpy(&wide, &bits, sizeof(wide));
		return (float)wide;
	default:
		return (float)(int64_t)bits;
	}
}

static void put_float(void *out, size_t index, int64_t type, uint64_t bits)
{
	((float *)out)[index] = to_float(type, bits);
}

static void put_integer(void *out, size_t index, int64_t type, uint64_t bits)
{
	(void)type;
	((int64_t *)out)[index] = (int64_t)bits;
}

int onnx_copy_floats(const struct onnx_tensor *tensor, float *out)
{
	return take_elements(&(struct elements){tensor, put_float, out, 0});
}

int onnx_copy_integers(const struct onnx_tensor *tensor, int64_t *out)
{
	if (tensor->type == ONNX_FLOAT || tensor->type == ONNX_FLOAT16 || tensor->type == ONNX_DOUBLE)
		return -EINVAL;
	return take_elements(&(struct elements){tensor, put_integer, out, 0});
}

/* ---- inputs and outputs ------------------------------------------------------------------------ */

static int read_shape(struct protobuf_bytes message, struct onnx_value_info *info)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field, inner;

	info->rank = 0;
	while (protobuf_next(&reader, &field)) {
		struct protobuf dim = protobuf_open(field.bytes);

		if (field.number != SHAPE_DIM || field.wire != PROTOBUF_BYTES)
			continue;
		if (info->rank == ENGINE_RANK_MAX)
			return -ENOTSUP;
		info->dims[info->rank] = GRAPH_DIM_UNKNOWN;
		while (protobuf_next(&dim, &inner))
			if (inner.number == DIM_VALUE && inner.value <= INT32_MAX)
				info->dims[info->rank] = (int32_t)inner.value;
		if (dim.malformed)
			return -EINVAL;
		info->rank++;
	}
	return reader.malformed ? -EINVAL : 0;
}

static int read_tensor_type(struct protobuf_bytes message, struct onnx_value_info *info)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	int r = 0;

	while (r == 0 && protobuf_next(&reader, &field)) {
		if (field.number == TENSOR_TYPE_ELEMENT)
			info->type = (int64_t)field.value;
		else if (field.number == TENSOR_TYPE_SHAPE && field.wire == PROTOBUF_BYTES)
			r = read_shape(field.bytes, info);
	}
	return r < 0 ? r : reader.malformed ? -EINVAL : 0;
}

int onnx_read_value_info(struct protobuf_bytes message, struct onnx_value_info *ret, struct engine_error *ret_error)
{
	struct onnx_value_info info = {.rank = -1};
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field, type;
	int r = 0;

	while (r == 0 && protobuf_next(&reader, &field)) {
		struct protobuf inner = protobuf_open(field.bytes);

		if (field.number == INFO_NAME)
			info.name = field.bytes;
		if (field.number != INFO_TYPE || field.wire != PROTOBUF_BYTES)
			continue;
		while (r == 0 && protobuf_next(&inner, &type))
			if (type.number == TYPE_TENSOR && type.wire == PROTOBUF_BYTES)
				r = read_tensor_type(type.bytes, &info);
		reader.malformed |= inner.malformed;
	}
	if (r < 0 || reader.malformed)
		return graph_error(ret_error, r < 0 ? r : -EINVAL, "an input's or output's type cannot be read");
	*ret = info;
	return 0;
}

/* ---- attributes -------------------------------------------------------------------------------- */

static bool read_numbers(struct protobuf *reader, const struct protobuf_field *field, struct onnx_attribute *attribute)
{
	bool floats = field->number == ATTR_FLOATS;
	uint64_t bits;
	size_t at = 0;

	while (protobuf_number(reader, field, floats ? PROTOBUF_FIXED32 : PROTOBUF_VARINT, &at, &bits)) {
		int *n = floats ? &attribute->n_floats : &attribute->n_integers;

		if (*n == ONNX_LIST_MAX)
			return false;
		if (floats)
			attribute->floats[(*n)++] = protobuf_float(bits);
		else
			attribute->integers[(*n)++] = (int64_t)bits;
	}
	return !reader->malformed;
}

static bool read_attribute(struct protobuf_bytes message, const char *name, struct onnx_attribute *attribute,
			   bool *ret_malformed)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	bool found = false;

	memset(attribute, 0, sizeof(*attribute));
	while (protobuf_next(&reader, &field)) {
		if (field.number == ATTR_NAME)
			found = onnx_is(field.bytes, name);
		else if (field.number == ATTR_F)
			attribute->number = protobuf_float(field.value);
		else if (field.number == ATTR_I)
			attribute->integer = (int64_t)field.value;
		else if (field.number == ATTR_S)
			attribute->text = field.bytes;
		else if (field.number == ATTR_T)
			attribute->tensor = field.bytes;
		else if ((field.number == ATTR_FLOATS || field.number == ATTR_INTS) &&
			 !read_numbers(&reader, &field, attribute))
			reader.malformed = true;
	}
	if (found && reader.malformed)
		*ret_malformed = true;
	return found && !reader.malformed;
}

bool onnx_attribute(struct protobuf_bytes node, const char *name, struct onnx_attribute *ret, bool *ret_malformed)
{
	struct protobuf reader = protobuf_open(node);
	struct protobuf_field field;

	while (protobuf_next(&reader, &field))
		if (field.number == NODE_ATTRIBUTE && field.wire == PROTOBUF_BYTES &&
		    read_attribute(field.bytes, name, ret, ret_malformed))
			return true;
	return false;
}

/* ---- attributes of general operators ----------------------------------------------------------- */

/* The values of a list, or of one number that comes alone. */
static int count_numbers(struct protobuf_bytes message, uint32_t number, enum protobuf_wire wire)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	uint64_t bits;
	int n = 0;

	while (protobuf_next(&reader, &field)) {
		size_t at = 0;

		while (field.number == number && n < INT32_MAX - 1 &&
		       protobuf_number(&reader, &field, wire, &at, &bits))
			n++;
	}
	return reader.malformed ? -EINVAL : n;
}

/* Copies list `number` as what `add` takes: doubles for floats, 64-bit integers otherwise. */
static int copy_numbers(struct protobuf_bytes message, struct protobuf_bytes name, uint32_t number, bool floats,
			struct engine_attributes *attributes)
{
	enum protobuf_wire wire = floats ? PROTOBUF_FIXED32 : PROTOBUF_VARINT;
	int n = count_numbers(message, number, wire), i = 0, r;
	struct protobuf reader = protobuf_open(message);
	struct protobuf_field field;
	double *numbers;
	int64_t *integers;
	uint64_t bits;

	if (n < 1)
		return n;
	integers = malloc((size_t)n * sizeof(*integers));
	numbers = malloc((size_t)n * sizeof(*numbers));
	while (integers && numbers && protobuf_next(&reader, &field)) {
		size_t at = 0;

		while (field.number == number && i < n && protobuf_number(&reader, &field, wire, &at, &bits)) {
			integers[i] = (int64_t)bits;
			numbers[i++] = (double)protobuf_float(bits);
		}
	}
	if (!integers || !numbers)
		r = -ENOMEM;
	else if (floats)
		r = attributes_add_numbers(attributes, (const char *)name.data, name.size, numbers, n);
	else
		r = attributes_add_integers(attributes, (const char *)name.data, name.size, integers, n);
	free(integers);
	free(numbers);
	return r;
}

static int copy_attribute(struct protobuf_bytes message, struct engine_attributes *attributes)
{
	struct protobuf reader = protobuf_open(message);
	struct protobuf_bytes name = {0}, text = {0};
	struct protobuf_field field;
	uint32_t number = 0;

	while (protobuf_next(&reader, &field)) {
		if (field.number == ATTR_NAME)
			name = field.bytes;
		else if (field.number == ATTR_S || field.number == ATTR_STRINGS)
			text = field.bytes;
		else if (field.number == ATTR_F || field.number == ATTR_I || field.number == ATTR_FLOATS ||
			 field.number == ATTR_INTS)
			number = field.number;
	}
	if (reader.malformed || !name.data)
		return -EINVAL;
	if (number)
		return copy_numbers(message, name, number, number == ATTR_F || number == ATTR_FLOATS, attributes);
	if (text.data)
		return attributes_add_text(attributes, (const char *)name.data, name.size, (const char *)text.data,
					   text.size);
	return 0;
}

int onnx_copy_attributes(struct protobuf_bytes node, struct engine_attributes *attributes)
{
	struct protobuf reader = protobuf_open(node);
	struct protobuf_field field;
	int r = 0;

	while (r == 0 && protobuf_next(&reader, &field))
		if (field.number == NODE_ATTRIBUTE && field.wire == PROTOBUF_BYTES)
			r = copy_attribute(field.bytes, attributes);
	return r;
}

bool onnx_is_real(int64_t type)
{
	return type == ONNX_FLOAT || type == ONNX_FLOAT16 || type == ONNX_DOUBLE;
}

int onnx_engine_type(int64_t type)
{
	switch (type) {
	case ONNX_FLOAT:
	case ONNX_FLOAT16:
	case ONNX_DOUBLE:
		return ENGINE_F32;
	case ONNX_UINT8:
		return ENGINE_U8;
	case ONNX_INT8:
		return ENGINE_S8;
	case ONNX_UINT16:
		return ENGINE_U16;
	case ONNX_INT16:
		return ENGINE_S16;
	case ONNX_INT32:
		return ENGINE_S32;
	case ONNX_INT64:
		return ENGINE_S64;
	case ONNX_BOOL:
		return ENGINE_BOOL;
	case ONNX_UINT32:
		return ENGINE_U32;
	case ONNX_UINT64:
		return ENGINE_U64;
	default:
		return -1;
	}
}
