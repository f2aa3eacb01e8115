/* tensor.c - see tensor.h. */
#include "tensor.h"

#include <errno.h>
#include <float.h>
#include <string.h>

#include "writer.h"

#define TENSOR_PARTS 6
#define OFFSET_ALIGN 64 /* of data in a slot */

static const uint8_t type_bytes[IPC_TENSOR_TYPE_COUNT] = {
	[IPC_F32] = 4, [IPC_F16] = 2, [IPC_S8] = 1,  [IPC_U8] = 1,  [IPC_S16] = 2, [IPC_U16] = 2,
	[IPC_S32] = 4, [IPC_U32] = 4, [IPC_S64] = 8, [IPC_U64] = 8, [IPC_BOOL] = 1};

uint64_t ipc_tensor_bytes(enum ipc_tensor_type type, const uint32_t *dims, uint32_t rank)
{
	uint64_t bytes = type_bytes[type];

	for (uint32_t i = 0; i < rank; i++)
		if (dims[i] == 0)
			return 0;
	for (uint32_t i = 0; i < rank; i++) {
		if (dims[i] > IPC_SLOT_BYTES_MAX / bytes)
			return UINT64_MAX;
		bytes *= dims[i];
	}
	return bytes;
}

/* ---- encoding ------------------------------------------------------------------------------------ */

static void put(struct ipc_writer *writer, const struct ipc_tensor *tensor)
{
	ipc_put_array(writer, TENSOR_PARTS);
	writer_put_text(writer, tensor->name, strnlen(tensor->name, IPC_TEXT_MAX));
	ipc_put_uint(writer, tensor->type);
	ipc_put_array(writer, tensor->rank);
	for (uint32_t i = 0; i < tensor->rank; i++)
		ipc_put_uint(writer, tensor->dims[i]);
	writer_put_single(writer, tensor->scale);
	ipc_put_int(writer, tensor->zero_point);
	if (tensor->data)
		writer_put_bytes(writer, tensor->data, tensor->bytes);
	else
		ipc_put_uint(writer, tensor->offset);
}

void tensor_put_all(struct ipc_writer *writer, const struct ipc_tensor *tensors, uint32_t n_tensors)
{
	if (n_tensors > IPC_TENSORS_MAX) {
		writer->error = writer->error ? writer->error : -EMSGSIZE;
		return;
	}
	ipc_put_array(writer, n_tensors);
	for (uint32_t i = 0; i < n_tensors; i++)
		put(writer, &tensors[i]);
}

/* ---- decoding ------------------------------------------------------------------------------------ */

static const char *get_dims(struct body_cursor *cursor, const struct body_value *list, struct ipc_tensor *tensor)
{
	if (list->kind != BODY_ARRAY || list->count > IPC_TENSOR_RANK_MAX)
		return "a tensor's shape is not an array of at most six numbers";
	for (uint32_t i = 0; i < list->count; i++) {
		struct body_value dim;
		const char *reason = body_next(cursor, &dim);

		if (reason || dim.kind != BODY_UINT || dim.as.u > UINT32_MAX)
			return "a tensor's shape is not of unsigned numbers";
		tensor->dims[i] = (uint32_t)dim.as.u;
	}
	tensor->rank = list->count;
	return NULL;
}

static const char *get_quantisation(const struct body_value *value, uint32_t part, struct ipc_tensor *tensor)
{
	int64_t zero_point = value->kind == BODY_INT ? value->as.i : (int64_t)value->as.u;

	if (part == 3) {
		if (value->kind != BODY_FLOAT || !(value->as.f >= 0 && value->as.f <= (double)FLT_MAX))
			return "a tensor's scale is not a number from 0 up";
		tensor->scale = (float)value->as.f;
		return NULL;
	}
	if ((value->kind != BODY_INT && (value->kind != BODY_UINT || value->as.u > INT32_MAX)) ||
	    zero_point < INT32_MIN)
		return "a tensor's zero point is out of its range";
	tensor->zero_point = (int32_t)zero_point;
	return NULL;
}

/* Whether it lies in the slot is for those to check who have one. */
static const char *get_data(struct storage *storage, const struct body_value *value, struct ipc_tensor *tensor)
{
	uint64_t bytes = ipc_tensor_bytes(tensor->type, tensor->dims, tensor->rank);
	void *data;

	if (bytes > IPC_SLOT_BYTES_MAX)
		return "a tensor is larger than a slot can be";
	tensor->bytes = (uint32_t)bytes;
	if (value->kind == BODY_UINT) {
		if (value->as.u > IPC_SLOT_BYTES_MAX || value->as.u % OFFSET_ALIGN)
			return "a tensor's offset is out of its range";
		tensor->offset = (uint32_t)value->as.u;
		return NULL;
	}
	if (value->kind != BODY_BYTES || value->count != bytes)
		return "a tensor's data is not of its shape and type";
	data = storage_take(storage, bytes, alignof(max_align_t));
	if (!data)
		return storage_reason;
	memcpy(data, value->bytes, bytes);
	tensor->data = data;
	return NULL;
}

static const char *get_part(struct body_cursor *cursor, struct storage *storage, uint32_t part,
			    struct ipc_tensor *tensor)
{
	struct body_value value;
	const char *reason = body_next(cursor, &value);

	if (reason)
		return reason;
	switch (part) {
	case 0:
		return storage_text(storage, &value, &tensor->name);
	case 1:
		if (value.kind != BODY_UINT || value.as.u >= IPC_TENSOR_TYPE_COUNT)
			return "a tensor's type is not known";
		tensor->type = (enum ipc_tensor_type)value.as.u;
		return NULL;
	case 2:
		return get_dims(cursor, &value, tensor);
	case 3:
	case 4:
		return get_quantisation(&value, part, tensor);
	default:
		return get_data(storage, &value, tensor);
	}
}

/* What comes behind the data is of a later version and passed over. */
static const char *get(struct body_cursor *cursor, struct storage *storage, struct ipc_tensor *tensor)
{
	struct body_value value;
	const char *reason = body_next(cursor, &value);
	uint32_t n_parts = value.count;

	if (reason || value.kind != BODY_ARRAY || n_parts < TENSOR_PARTS)
		return "a tensor is not an array of name, type, shape, scale, zero point and data";
	*tensor = (struct ipc_tensor){.name = ""};
	for (uint32_t part = 0; part < TENSOR_PARTS && !reason; part++)
		reason = get_part(cursor, storage, part, tensor);
	for (uint32_t part = TENSOR_PARTS; part < n_parts && !reason; part++)
		body_skip(cursor);
	return reason;
}

const char *tensor_get_all(struct body_cursor *cursor, struct storage *storage, const struct body_value *list,
			   const struct ipc_tensor **ret_tensors, uint32_t *ret_count)
{
	struct ipc_tensor *taken;

	if (list->kind != BODY_ARRAY || list->count > IPC_TENSORS_MAX)
		return "the tensors are not an array of at most 64";
	taken = storage_take(storage, list->count * sizeof(*taken), alignof(struct ipc_tensor));
	if (!taken)
		return storage_reason;
	for (uint32_t i = 0; i < list->count; i++) {
		const char *reason = get(cursor, storage, &taken[i]);

		if (reason)
			return reason;
	}
	*ret_tensors = taken;
	*ret_count = list->count;
	return NULL;
}
