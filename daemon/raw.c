/* raw.c - see raw.h. */
#include "raw.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ALIGN 64

_Static_assert(ENGINE_RANK_MAX <= IPC_TENSOR_RANK_MAX, "every output has a shape on the wire");
_Static_assert(ENGINE_IO_MAX <= IPC_TENSORS_MAX, "every output has a place in a reply");

static enum ipc_tensor_type type_of(enum engine_type type)
{
	static const enum ipc_tensor_type types[ENGINE_TYPE_COUNT] = {
		[ENGINE_F32] = IPC_F32, [ENGINE_F16] = IPC_F16, [ENGINE_S8] = IPC_S8,	[ENGINE_U8] = IPC_U8,
		[ENGINE_S16] = IPC_S16, [ENGINE_S32] = IPC_S32, [ENGINE_S64] = IPC_S64, [ENGINE_BOOL] = IPC_BOOL,
		[ENGINE_U16] = IPC_U16, [ENGINE_U32] = IPC_U32, [ENGINE_U64] = IPC_U64};

	return types[type];
}

static size_t aligned(size_t bytes)
{
	return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Room for the largest that each output can be. */
static size_t total_bytes(const struct engine_plan *plan)
{
	size_t total = 0;

	for (int i = 0; i < engine_plan_output_count(plan); i++) {
		struct engine_io io;

		engine_plan_output(plan, i, &io);
		total += aligned(io.bytes);
	}
	return total;
}

size_t raw_slot_bytes(const struct engine_plan *plan)
{
	size_t total = total_bytes(plan);

	return total > IPC_TENSORS_INLINE_MAX ? total : 0;
}

int raw_check(const struct engine_plan *plan, size_t *ret_slot_bytes, char ret_why[OUTPUTS_WHY_BYTES])
{
	size_t total = total_bytes(plan);

	if (total > IPC_SLOT_BYTES_MAX / 2) {
		snprintf(ret_why, OUTPUTS_WHY_BYTES, "the outputs have %zu bytes together, at most %u are sent", total,
			 IPC_SLOT_BYTES_MAX / 2);
		return -ENOTSUP;
	}
	*ret_slot_bytes = raw_slot_bytes(plan);
	return 0;
}

/* All but where the data is. */
static void describe(struct engine_context *context, const struct engine_plan *plan, int index,
		     struct ipc_tensor *ret_tensor)
{
	int32_t dims[ENGINE_RANK_MAX];
	struct engine_io io;
	int rank;

	engine_plan_output(plan, index, &io);
	rank = engine_context_output_dims(context, plan, index, dims);
	*ret_tensor = (struct ipc_tensor){
		.name = io.name ? io.name : "",
		.type = type_of(io.type),
		.rank = (uint32_t)rank,
		.scale = io.quant.scale,
		.zero_point = io.quant.zero_point,
	};
	for (int i = 0; i < rank; i++)
		ret_tensor->dims[i] = (uint32_t)dims[i];
	ret_tensor->bytes = (uint32_t)ipc_tensor_bytes(ret_tensor->type, ret_tensor->dims, ret_tensor->rank);
}

void raw_refer(struct engine_context *context, const struct engine_plan *plan, struct ipc_tensor *ret_tensors)
{
	for (int i = 0; i < engine_plan_output_count(plan); i++) {
		describe(context, plan, i, &ret_tensors[i]);
		ret_tensors[i].data = engine_context_output(context, plan, i);
	}
}

void raw_copy(struct engine_context *context, const struct engine_plan *plan, uint8_t *room, uint32_t offset,
	      struct ipc_tensor *ret_tensors)
{
	size_t used = 0;

	for (int i = 0; i < engine_plan_output_count(plan); i++) {
		struct ipc_tensor *tensor = &ret_tensors[i];
		struct engine_io io;

		describe(context, plan, i, tensor);
		engine_plan_output(plan, i, &io);
		memcpy(room + used, engine_context_output(context, plan, i), tensor->bytes);
		tensor->offset = offset + (uint32_t)used;
		used += aligned(io.bytes);
	}
}
