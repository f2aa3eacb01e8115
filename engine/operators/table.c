/* table.c - finding an operator by its name; those that others register.  See operators.h. */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "../graph.h"
#include "operators.h"

#define REGISTERED_MAX 256

static const struct engine_operator *const tables[] = {
	operators_elementwise,	    operators_binary, operators_reduce,	   operators_shape,  operators_move,
	operators_gather,	    operators_window, operators_matrix,	   operators_norm,   operators_quant,
	operators_resize,	    operators_sort,   operators_recurrent, operators_detect, operators_tflite_detection,
	operators_tflite_landmarks, operators_yolo,
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct engine_operator *registered[REGISTERED_MAX];
static int n_registered;

static bool is(const struct engine_operator *op, const char *name, size_t bytes)
{
	return strlen(op->name) == bytes && memcmp(op->name, name, bytes) == 0;
}

static const struct engine_operator *find_registered(const char *name, size_t bytes)
{
	for (int i = 0; i < n_registered; i++)
		if (is(registered[i], name, bytes))
			return registered[i];
	return NULL;
}

const struct engine_operator *operators_at(int i)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct engine_operator *op = tables[t]; op->name; op++)
			if (i-- == 0)
				return op;
	return NULL;
}

const struct engine_operator *operators_find(const char *name, size_t bytes, bool *ret_registered)
{
	const struct engine_operator *op;

	pthread_mutex_lock(&lock);
	op = find_registered(name, bytes);
	pthread_mutex_unlock(&lock);
	*ret_registered = op != NULL;
	for (size_t t = 0; !op && t < sizeof(tables) / sizeof(*tables); t++)
		for (const struct engine_operator *entry = tables[t]; entry->name && !op; entry++)
			if (is(entry, name, bytes))
				op = entry;
	return op;
}

int engine_register_operator(const struct engine_operator *op)
{
	int r = 0;

	if (!op->name || !op->infer || !op->run || op->min_inputs < 0 || op->max_inputs > ENGINE_OPERATOR_IO_MAX ||
	    op->max_outputs < 1 || op->max_outputs > ENGINE_OPERATOR_IO_MAX || (op->prepare && !op->release))
		return -EINVAL;
	pthread_mutex_lock(&lock);
	if (find_registered(op->name, strlen(op->name)))
		r = -EEXIST;
	else if (n_registered == REGISTERED_MAX)
		r = -ENOSPC;
	else
		registered[n_registered++] = op;
	pthread_mutex_unlock(&lock);
	return r;
}

int engine_load_plugin(const char *path, struct engine_error *ret_error)
{
	static const struct engine_plugin engine = {
		.version = ENGINE_OPERATOR_VERSION,
		.register_operator = engine_register_operator,
		.integer = engine_attribute_integer,
		.number = engine_attribute_number,
		.text = engine_attribute_text,
		.integers = engine_attribute_integers,
		.numbers = engine_attribute_numbers,
	};
	int (*operators)(const struct engine_plugin *plugin);
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL), *symbol;
	int r;

	if (!object)
		return graph_error(ret_error, -EINVAL, "%.200s", dlerror());
	symbol = dlsym(object, "inferd_operators");
	if (!symbol) {
		dlclose(object);
		return graph_error(ret_error, -EINVAL, "%.160s: has no function inferd_operators", path);
	}
	memcpy(&operators, &symbol, sizeof(operators));
	r = operators(&engine);
	/* It may have registered some: the object stays. */
	return r == 0 ? 0
		      : graph_error(ret_error, r < 0 ? r : -EINVAL, "%.160s: its operators cannot be registered (%d)",
				    path, r);
}
