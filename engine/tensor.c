/*
 * tensor.c - element types and sizes of shapes.  Owns nothing.
 */
#include "graph.h"

#include <errno.h>

static const struct {
	size_t size;
	const char *name;
} types[ENGINE_TYPE_COUNT] = {
	[ENGINE_F32] = {4, "float32"}, [ENGINE_F16] = {2, "float16"}, [ENGINE_S8] = {1, "int8"},
	[ENGINE_U8] = {1, "uint8"},    [ENGINE_S16] = {2, "int16"},   [ENGINE_S32] = {4, "int32"},
	[ENGINE_S64] = {8, "int64"},   [ENGINE_BOOL] = {1, "bool"},   [ENGINE_U16] = {2, "uint16"},
	[ENGINE_U32] = {4, "uint32"},  [ENGINE_U64] = {8, "uint64"},
};

size_t engine_type_size(enum engine_type type)
{
	return (unsigned)type < ENGINE_TYPE_COUNT ? types[type].size : 0;
}

const char *engine_type_name(enum engine_type type)
{
	return (unsigned)type < ENGINE_TYPE_COUNT ? types[type].name : "unknown";
}

int graph_elements(int rank, const int32_t *dims, size_t *ret_elements)
{
	uint64_t elements = 1;
	bool empty = false;

	if (rank < 0 || rank > ENGINE_RANK_MAX)
		return -EINVAL;
	for (int i = 0; i < rank; i++) {
		if (dims[i] < 0)
			return -EINVAL;
		empty |= dims[i] == 0;
	}
	/* What is empty has other sides that loops run over all the same. */
	for (int i = 0; i < rank; i++) {
		elements *= dims[i] ? (uint64_t)dims[i] : 1;
		if (elements > ENGINE_TENSOR_BYTES_MAX)
			return -EOVERFLOW;
	}
	*ret_elements = empty ? 0 : (size_t)elements;
	return 0;
}
