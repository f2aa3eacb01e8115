/* tensors.c - the tensors of a result: from the wire's structs, or in the frame's buffer, to the public ones. */
#include <string.h>

#include "client.h"

#define DATA_ALIGN 8 /* of the largest type */

_Static_assert(INFERD_RANK_MAX == IPC_TENSOR_RANK_MAX, "shapes are copied whole");
_Static_assert((int)INFERD_F16 == IPC_F16 && (int)INFERD_S64 == IPC_S64 && (int)INFERD_BOOL == IPC_BOOL,
	       "types have the protocol's numbers");

const char *inferd_type_name(enum inferd_type type)
{
	static const char *const names[] = {"f32", "f16", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "bool"};

	return (unsigned)type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

/* NULL: it would not lie in the slot, or not as its type has to. */
static const void *find_data(const struct ipc_tensor *tensor, const struct inferd_stream *stream, size_t index)
{
	const uint8_t *slot = memory_slot(&stream->memory, index);

	if (tensor->data)
		return tensor->data;
	if (tensor->offset > stream->slot_bytes || tensor->bytes > stream->slot_bytes - tensor->offset ||
	    (uintptr_t)(slot + tensor->offset) % DATA_ALIGN)
		return NULL;
	return slot + tensor->offset;
}

void tensors_fill(struct result_store *store, const struct ipc_result *from, const struct inferd_stream *stream,
		  size_t index)
{
	for (uint32_t i = 0; i < from->n_tensors; i++) {
		const struct ipc_tensor *tensor = &from->tensors[i];
		const void *data = find_data(tensor, stream, index);

		if (!data)
			return;
		store->tensors[i] = (struct inferd_tensor){
			.name = tensor->name,
			.type = (enum inferd_type)tensor->type,
			.rank = tensor->rank,
			.scale = tensor->scale,
			.zero_point = tensor->zero_point,
			.data = data,
			.bytes = tensor->bytes,
		};
		memcpy(store->tensors[i].dims, tensor->dims, sizeof(tensor->dims));
	}
	store->result.tensors = from->n_tensors ? store->tensors : NULL;
	store->result.n_tensors = from->n_tensors;
}
