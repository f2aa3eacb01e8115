/* onnx_external.c - tensors of an ONNX file whose data is in other files. */
#include "onnx.h"

#include <errno.h>
#include <string.h>

#define LOCATION_BYTES 256 /* of the path of a file with data */

static int refuse_external(const struct onnx *o, const struct onnx_tensor *tensor, int code, const char *why)
{
	return graph_error(o->error, code, "tensor '%.*s' has its data in '%.*s': %s", onnx_clip_length(tensor->name),
			   (const char *)tensor->name.data, onnx_clip_length(tensor->location),
			   (const char *)tensor->location.data, why);
}

static const char *why_not_found(int r)
{
	switch (r) {
	case -EPERM:
	case -ELOOP:
	case -ENOTDIR:
		return "a path out of the model's folder, or through a link, is not followed";
	case -EINVAL:
		return "empty, or not a regular file";
	case -EMFILE:
		return "the model names too many files";
	default:
		return strerror(-r);
	}
}

/* Data in another file becomes raw data as if it were here. */
static int bring_in(struct onnx *o, struct onnx_tensor *tensor)
{
	size_t element = onnx_element_size(tensor->type), bytes = tensor->count * element, size = 0;
	const uint8_t *data = NULL;
	char location[LOCATION_BYTES];
	int r;

	if (!element)
		return refuse_external(o, tensor, -ENOTSUP, "of a type that is not read");
	if (!o->source->find_beside)
		return refuse_external(o, tensor, -ENOTSUP, "a model in memory has no folder");
	if (tensor->location.size >= sizeof(location) || memchr(tensor->location.data, '\0', tensor->location.size))
		return refuse_external(o, tensor, -EINVAL, "that is no path");
	memcpy(location, tensor->location.data, tensor->location.size);
	location[tensor->location.size] = '\0';
	r = o->source->find_beside(o->source->context, location, &data, &size);
	if (r < 0)
		return refuse_external(o, tensor, r, why_not_found(r));
	if (tensor->length && tensor->length != bytes)
		return refuse_external(o, tensor, -EINVAL, "its length is not that of its shape");
	if (tensor->offset > size || bytes > size - tensor->offset)
		return refuse_external(o, tensor, -EINVAL, "the file ends before the data does");
	tensor->raw = (struct protobuf_bytes){data + tensor->offset, bytes};
	tensor->external = false;
	return 0;
}

int onnx_bring_tensor(struct onnx *o, struct protobuf_bytes message, struct onnx_tensor *ret)
{
	struct onnx_tensor tensor;
	int r = onnx_read_tensor(message, &tensor, o->error);

	if (r == 0 && tensor.external)
		r = bring_in(o, &tensor);
	if (r == 0)
		*ret = tensor;
	return r;
}
