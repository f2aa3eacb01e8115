/*
 * operator.h - an operator as the engine sees it from outside: the interface of the general operators under operators/
 * and of those that a program or plugin registers.
 *
 * A general operator knows its tensors in the order of the model's file (images N x C x H x W in ONNX and Caffe,
 * N x H x W x C in TFLite), of any type, rank and batch.  Included by engine.h.
 */
#ifndef INFERD_OPERATOR_H
#define INFERD_OPERATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENGINE_RANK_MAX		6
#define ENGINE_OPERATOR_IO_MAX	64 /* inputs or outputs of one node */
#define ENGINE_OPERATOR_VERSION 1  /* of this interface; grows when a structure here changes */

struct engine_error {
	char text[256]; /* one sentence, no newline, names the node or field; "" when there is none */
};

enum engine_type {
	ENGINE_F32,
	ENGINE_F16,
	ENGINE_S8,
	ENGINE_U8,
	ENGINE_S16,
	ENGINE_S32,
	ENGINE_S64,
	ENGINE_BOOL,
	ENGINE_U16,
	ENGINE_U32,
	ENGINE_U64,
	ENGINE_TYPE_COUNT
};

/* Bytes of one element; name as in NumPy ("float32", "uint8", ...). */
size_t engine_type_size(enum engine_type type);
const char *engine_type_name(enum engine_type type);

/* Dense, row-major.  data is NULL while it is not known: before a run, of all but constants. */
struct engine_tensor {
	enum engine_type type;
	int rank;
	int32_t dims[ENGINE_RANK_MAX];
	void *data;
};

/* What the file says about a node besides its tensors: named integers, numbers, texts, lists and tensors. */
struct engine_attributes;
int64_t engine_attribute_integer(const struct engine_attributes *attributes, const char *name, int64_t otherwise);
double engine_attribute_number(const struct engine_attributes *attributes, const char *name, double otherwise);
/* Borrowed; otherwise where there is none of this name and kind. */
const char *engine_attribute_text(const struct engine_attributes *attributes, const char *name, const char *otherwise);
/* Borrowed; NULL and *ret_n 0 where there is none.  A single integer or number is a list of one. */
const int64_t *engine_attribute_integers(const struct engine_attributes *attributes, const char *name, int *ret_n);
const double *engine_attribute_numbers(const struct engine_attributes *attributes, const char *name, int *ret_n);

/* One node, at one size. */
struct engine_call {
	const struct engine_attributes *attributes;
	int version; /* of the operator set the file was made for (ONNX opset); 0: the format has none */
	int n_inputs, n_outputs;
	const struct engine_tensor *inputs[ENGINE_OPERATOR_IO_MAX]; /* NULL: left out */
	struct engine_tensor *outputs[ENGINE_OPERATOR_IO_MAX];
	uint64_t macs;		    /* set by infer: multiply-adds of one run, where they are what it costs */
	size_t scratch_bytes;	    /* set by infer: memory that run needs for itself */
	void *scratch;		    /* in run: that memory, 64-byte aligned, not cleared */
	void *state;		    /* what prepare made; NULL without prepare */
	struct engine_error *error; /* a sentence goes here on failure; never NULL */
};

/*
 * Functions return 0 or a negative errno and write a sentence.  They are called from any thread, for several calls at
 * once, and keep nothing but what prepare makes.  Files are hostile: infer checks number, type and shape of all inputs
 * and every attribute, and run checks every index it takes from data.
 */
struct engine_operator {
	const char *name; /* as in the file; of another ONNX domain "domain.Name" */
	int min_inputs, max_inputs, max_outputs;
	/*
	 * Fills type, rank and dims of the outputs.  -EAGAIN: their shape depends on an input's data, which is NULL
	 * (the types are set even so): it is called again before each run.
	 */
	int (*infer)(struct engine_call *call);
	/* Optional, after infer, once for each plan: tables that run reads.  *ret_state is given to release. */
	int (*prepare)(const struct engine_call *call, void **ret_state);
	void (*release)(void *state);
	/* Computes the outputs.  Allocates nothing.  May lower dims of the outputs if `shrinks` is set. */
	int (*run)(struct engine_call *call);
	bool shrinks; /* what infer says is an upper bound */
};

/*
 * Makes an operator known to all models loaded afterwards, instead of a built-in one of the same name.  Borrows it for
 * the life of the process.  -EEXIST where the name was registered before, -EINVAL for an incomplete one, -ENOSPC.
 */
int engine_register_operator(const struct engine_operator *op);

/* What a plugin may call: it links nothing of the engine. */
struct engine_plugin {
	int version; /* ENGINE_OPERATOR_VERSION of the engine */
	int (*register_operator)(const struct engine_operator *op);
	int64_t (*integer)(const struct engine_attributes *attributes, const char *name, int64_t otherwise);
	double (*number)(const struct engine_attributes *attributes, const char *name, double otherwise);
	const char *(*text)(const struct engine_attributes *attributes, const char *name, const char *otherwise);
	const int64_t *(*integers)(const struct engine_attributes *attributes, const char *name, int *ret_n);
	const double *(*numbers)(const struct engine_attributes *attributes, const char *name, int *ret_n);
};

/*
 * Loads a shared object and calls its function `int inferd_operators(const struct engine_plugin *engine)`, which
 * refuses a version that it was not made for, registers its operators and returns 0.  The object stays loaded, and what
 * it was given stays valid.  Its code runs with the rights of the process: name only files that its owner wrote.
 */
int engine_load_plugin(const char *path, struct engine_error *ret_error);

#endif
