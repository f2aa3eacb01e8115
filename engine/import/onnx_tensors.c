/*
 * onnx_tensors.c - the tensors of an ONNX file: constants, and values in the order of the file or as images.
 *
 * What there is in one order is made in the other by transposition when somebody asks for it.
 */
#include "onnx.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../operators/operators.h"

/* ---- tensors ----------------------------------------------------------------------------------- */

struct tensor *onnx_input_of(struct onnx *o, int i)
{
	return i < o->n_inputs && o->inputs[i] >= 0 ? &o->tensors[o->inputs[i]] : NULL;
}

bool onnx_has_input(const struct onnx *o, int i)
{
	return i < o->n_inputs && o->inputs[i] >= 0;
}

int onnx_add_floats(struct onnx *o, int rank, const int32_t *dims, float **ret_data)
{
	size_t count;
	int value = graph_elements(rank, dims, &count) < 0 ? -EFBIG : onnx_add_value(o, ENGINE_F32, rank, dims);

	if (value < 0)
		return value;
	*ret_data = graph_alloc_data(o->graph, value, count * sizeof(**ret_data));
	return *ret_data ? value : -ENOMEM;
}

/* A constant that was computed, not read. */
static bool is_folded(const struct onnx *o, const struct tensor *t)
{
	return t->is_constant && !t->constant.message.data && t->file >= 0 && o->graph->values[t->file].data;
}

static void read_folded(const struct onnx *o, const struct tensor *t, float *data)
{
	const struct graph_value *value = &o->graph->values[t->file];
	const struct engine_tensor tensor = {.type = value->type, .data = (void *)(uintptr_t)value->data};

	for (size_t i = 0; i < t->constant.count; i++)
		data[i] = (float)tensor_real(&tensor, i);
}

static int read_dequantised(struct onnx *o, const struct tensor *t, float *data);

float *onnx_read_floats(struct onnx *o, const struct tensor *t)
{
	size_t count = t->constant.count ? t->constant.count : 1;
	float *data = t->constant.external ? NULL : malloc(count * sizeof(*data));
	int r = t->constant.external ? -ENOTSUP : data ? 0 : -ENOMEM;

	if (r == 0 && t->is_dequantised)
		r = read_dequantised(o, t, data);
	else if (r == 0 && is_folded(o, t))
		read_folded(o, t, data);
	else if (r == 0)
		r = onnx_copy_floats(&t->constant, data);
	if (r == 0)
		return data;
	free(data);
	onnx_refuse(o, r,
		    r == -ENOTSUP ? "has a constant of a type or place that is not read" : "has a malformed constant");
	return NULL;
}

/* ---- quantised tensors -------------------------------------------------------------------------- */

/* A constant's integers, which the caller frees; NULL: out of memory, or they are malformed. */
static int64_t *read_integers(const struct onnx *o, const struct tensor *t)
{
	int64_t *data = malloc(t->constant.count * sizeof(*data) + 1);
	struct engine_tensor tensor;

	if (data && is_folded(o, t)) {
		tensor = (struct engine_tensor){.type = o->graph->values[t->file].type,
						.data = (void *)(uintptr_t)o->graph->values[t->file].data};
		for (size_t i = 0; i < t->constant.count; i++)
			data[i] = tensor_integer(&tensor, i);
	} else if (data && onnx_copy_integers(&t->constant, data) < 0) {
		free(data);
		data = NULL;
	}
	return data;
}

int onnx_read_scales(struct onnx *o, const struct tensor *scale, const struct tensor *zero, size_t n,
		     float **ret_scales, int64_t **ret_zeros)
{
	float *scales;
	int64_t *zeros;

	if (!scale || !scale->is_constant || scale->constant.count != n || !onnx_is_real(scale->constant.type) ||
	    (zero && (!zero->is_constant || zero->constant.count != n || onnx_is_real(zero->constant.type))))
		return -ENOTSUP;
	scales = onnx_read_floats(o, scale);
	if (!scales)
		return -EINVAL;
	zeros = zero ? read_integers(o, zero) : calloc(n + 1, sizeof(*zeros));
	if (!zeros) {
		free(scales);
		return onnx_refuse(o, -EINVAL, "has a malformed constant");
	}
	*ret_scales = scales;
	*ret_zeros = zeros;
	return 0;
}

static int dequantised_scales(struct onnx *o, const struct tensor *t, float **ret_scales, int64_t **ret_zeros)
{
	const struct tensor *scale = &o->tensors[t->scale];

	return onnx_read_scales(o, scale, t->zero < 0 ? NULL : &o->tensors[t->zero], scale->constant.count, ret_scales,
				ret_zeros);
}

static int read_dequantised(struct onnx *o, const struct tensor *t, float *data)
{
	int64_t *stored = read_integers(o, &o->tensors[t->stored]), *zeros = NULL;
	size_t n = o->tensors[t->scale].constant.count, inner = 1;
	float *scales = NULL;
	int r = stored ? dequantised_scales(o, t, &scales, &zeros) : -EINVAL;

	for (int i = t->axis + 1; n > 1 && i < t->constant.rank; i++)
		inner *= (size_t)t->constant.dims[i];
	for (size_t i = 0; r == 0 && i < t->constant.count; i++) {
		size_t channel = n > 1 ? i / inner % n : 0;

		data[i] = (float)(stored[i] - zeros[channel]) * scales[channel];
	}
	free(stored);
	free(scales);
	free(zeros);
	return r;
}

int onnx_note_quant(struct onnx *o, const struct tensor *t, int value, int axis)
{
	float *scales;
	int64_t *zeros;
	size_t n;
	int r;

	if (value < 0 || !t->is_dequantised)
		return value;
	n = o->tensors[t->scale].constant.count;
	if (n > 1 && t->axis != axis)
		return value;
	r = dequantised_scales(o, t, &scales, &zeros);
	if (r < 0)
		return r;
	r = graph_set_quant(o->graph, value, (int)n, scales, zeros, 0);
	free(scales);
	free(zeros);
	/* Scales that are no scales are only not remembered. */
	return r == -ENOMEM ? r : value;
}

/* ---- weights that stay in the file -------------------------------------------------------------- */

/* The floats that weights are in the file, or the integers that they stand for; NULL where those are not raw. */
static const struct onnx_tensor *raw_weights(const struct onnx *o, const struct tensor *t)
{
	const struct onnx_tensor *raw = t->is_dequantised ? &o->tensors[t->stored].constant : &t->constant;
	bool fits = t->is_dequantised ? raw->type == ONNX_INT8 || raw->type == ONNX_UINT8
				      : raw->type == ONNX_FLOAT || raw->type == ONNX_FLOAT16;

	return fits && !raw->external && raw->raw.data && raw->count &&
			       raw->raw.size == raw->count * onnx_element_size(raw->type)
		       ? raw
		       : NULL;
}

/* What integers are scaled by, one number or one for each output; false where the numbers are no scales. */
static bool scale_weights(struct onnx *o, const struct tensor *t, int value)
{
	size_t n = o->tensors[t->scale].constant.count;
	int64_t *zeros;
	float *scales;
	bool good;

	if ((n != 1 && t->axis != 0) || dequantised_scales(o, t, &scales, &zeros) < 0)
		return false;
	good = graph_set_quant(o->graph, value, (int)n, scales, zeros, 0) == 0;
	free(scales);
	free(zeros);
	return good;
}

bool onnx_borrow_weights(struct onnx *o, const struct tensor *t, int rank, const int32_t *dims, int *ret_value)
{
	const struct onnx_tensor *raw = o->source->copies ? NULL : raw_weights(o, t);
	enum engine_type type;
	int value;

	if (!raw)
		return false;
	type = raw->type == ONNX_FLOAT16 ? ENGINE_F16 : (enum engine_type)onnx_engine_type(raw->type);
	value = onnx_add_value(o, type, rank, dims);
	if (value < 0 || graph_set_data(o->graph, value, raw->raw.data, raw->raw.size) < 0 ||
	    (t->is_dequantised && !scale_weights(o, t, value)))
		return false;
	o->graph->values[value].filed = true;
	*ret_value = value;
	return true;
}

static void image_dims(const struct onnx_tensor *constant, int32_t file[4], int32_t image[4])
{
	for (int i = 0; i < 4; i++)
		file[i] = i < 4 - constant->rank ? 1 : constant->dims[i - (4 - constant->rank)];
	memcpy(image, (int32_t[]){file[0], file[2], file[3], file[1]}, 4 * sizeof(*image));
}

/* A constant of integers as a value of its type. */
static int add_integers(struct onnx *o, const struct tensor *t)
{
	int type = onnx_engine_type(t->constant.type), value, r;
	struct engine_tensor tensor = {.type = ENGINE_S64};
	int64_t *from;

	if (type < 0 || t->constant.external)
		return onnx_refuse(o, -ENOTSUP, "has a constant of a type or place that is not read");
	value = onnx_add_value(o, (enum engine_type)type, t->constant.rank, t->constant.dims);
	if (value < 0)
		return onnx_result(o, value);
	from = malloc(t->constant.count * sizeof(*from) + 1);
	tensor.type = (enum engine_type)type;
	tensor.data = graph_alloc_data(o->graph, value, t->constant.count * engine_type_size(tensor.type));
	r = from && tensor.data ? onnx_copy_integers(&t->constant, from) : -ENOMEM;
	for (size_t i = 0; r == 0 && i < t->constant.count; i++)
		tensor_put_integer(&tensor, i, from[i]);
	free(from);
	return r == -EINVAL ? onnx_refuse(o, r, "has a malformed constant") : r < 0 ? onnx_result(o, r) : value;
}

int onnx_add_constant(struct onnx *o, const struct tensor *t, bool as_image)
{
	int32_t file[4], image[4];
	float *from, *to = NULL;
	int value;

	if (as_image && t->constant.rank > 4)
		return onnx_refuse(o, -ENOTSUP, "mixes an image with a constant of more than four axes");
	if (as_image)
		image_dims(&t->constant, file, image);
	else if (!onnx_is_real(t->constant.type))
		return add_integers(o, t);
	from = onnx_read_floats(o, t);
	if (!from)
		return -EINVAL;
	value = as_image ? onnx_add_floats(o, 4, image, &to)
			 : onnx_add_floats(o, t->constant.rank, t->constant.dims, &to);
	if (value >= 0 && !as_image)
		memcpy(to, from, t->constant.count * sizeof(*to));
	for (int32_t n = 0; value >= 0 && as_image && n < file[0]; n++)
		for (int32_t h = 0; h < file[2]; h++)
			for (int32_t w = 0; w < file[3]; w++)
				for (int32_t c = 0; c < file[1]; c++)
					*to++ = from[(((int64_t)n * file[1] + c) * file[2] + h) * file[3] + w];
	free(from);
	return onnx_result(o, onnx_note_quant(o, t, value, -1));
}

int onnx_as_file(struct onnx *o, struct tensor *t)
{
	if (!t)
		return onnx_refuse(o, -EINVAL, "lacks an input");
	if (t->file < 0 && t->is_constant)
		t->file = onnx_add_constant(o, t, false);
	else if (t->file < 0)
		t->file = onnx_add_transpose(o, t->image, (int32_t[]){0, 3, 1, 2});
	return t->file;
}

int onnx_as_image(struct onnx *o, struct tensor *t)
{
	if (!t)
		return onnx_refuse(o, -EINVAL, "lacks an input");
	if (t->image < 0 && t->is_constant)
		t->image = onnx_add_constant(o, t, true);
	else if (t->image < 0 && o->shapes[t->file].rank != 4)
		return onnx_refuse(o, -ENOTSUP, "reads no image of four axes");
	else if (t->image < 0)
		t->image = onnx_add_transpose(o, t->file, (int32_t[]){0, 2, 3, 1});
	return t->image;
}

int onnx_as_any(struct onnx *o, struct tensor *t, bool *ret_image)
{
	*ret_image = t && t->image >= 0;
	return *ret_image ? t->image : onnx_as_file(o, t);
}

/* ---- known integers ---------------------------------------------------------------------------- */

/* The integers of a tensor, if they are known; their count or -1. */
static int known_integers(const struct onnx *o, const struct tensor *t, int64_t integers[ONNX_INTEGERS_MAX])
{
	struct engine_tensor tensor;

	if (!t || !t->is_constant || t->constant.count > ONNX_INTEGERS_MAX || t->constant.rank > 1 ||
	    onnx_is_real(t->constant.type))
		return -1;
	if (!is_folded(o, t))
		return onnx_copy_integers(&t->constant, integers) == 0 ? (int)t->constant.count : -1;
	tensor = (struct engine_tensor){.type = o->graph->values[t->file].type,
					.data = (void *)(uintptr_t)o->graph->values[t->file].data};
	for (size_t i = 0; i < t->constant.count; i++)
		integers[i] = tensor_integer(&tensor, i);
	return (int)t->constant.count;
}

int onnx_list_of(struct onnx *o, const char *attribute, int i, int max, int64_t *ret)
{
	int64_t integers[ONNX_INTEGERS_MAX];
	struct tensor *t = onnx_input_of(o, i);
	int n;

	if (!t)
		return onnx_integers_of(o, attribute, max, ret);
	n = known_integers(o, t, integers);
	if (n > max)
		return onnx_refuse(o, -ENOTSUP, "has a list that is too long");
	if (n < 0)
		return onnx_refuse(o, -ENOTSUP, "depends on integers that are not known before it runs");
	memcpy(ret, integers, (size_t)n * sizeof(*ret));
	return n;
}

int onnx_make_constant(struct onnx *o, struct tensor *t, enum engine_type type, int rank, const int32_t *dims,
		       struct engine_tensor *ret_tensor)
{
	static const int64_t types[ENGINE_TYPE_COUNT] = {
		[ENGINE_F32] = ONNX_FLOAT,  [ENGINE_F16] = ONNX_FLOAT16, [ENGINE_S8] = ONNX_INT8,
		[ENGINE_U8] = ONNX_UINT8,   [ENGINE_S16] = ONNX_INT16,	 [ENGINE_S32] = ONNX_INT32,
		[ENGINE_S64] = ONNX_INT64,  [ENGINE_BOOL] = ONNX_BOOL,	 [ENGINE_U16] = ONNX_UINT16,
		[ENGINE_U32] = ONNX_UINT32, [ENGINE_U64] = ONNX_UINT64,
	};
	struct engine_tensor tensor = {.type = type, .rank = rank};
	int value = onnx_add_value(o, type, rank, dims);

	if (value < 0)
		return onnx_result(o, value);
	memcpy(tensor.dims, dims, (size_t)rank * sizeof(*dims));
	tensor.data = graph_alloc_data(o->graph, value, tensor_count(&tensor) * engine_type_size(type));
	if (!tensor.data)
		return onnx_result(o, -ENOMEM);
	if (t) {
		t->is_constant = true;
		t->file = value;
		t->image = -1;
		t->constant = (struct onnx_tensor){.type = types[type], .rank = rank, .count = tensor_count(&tensor)};
		memcpy(t->constant.dims, tensor.dims, sizeof(tensor.dims));
	}
	*ret_tensor = tensor;
	return value;
}

int onnx_set_constant(struct onnx *o, int i, enum engine_type type, int rank, const int32_t *dims,
		      struct engine_tensor *ret_tensor)
{
	return onnx_make_constant(o, i < o->n_outputs && o->outputs[i] >= 0 ? &o->tensors[o->outputs[i]] : NULL, type,
				  rank, dims, ret_tensor);
}
