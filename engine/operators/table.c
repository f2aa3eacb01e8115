/* table.c - finding an operator by its name; those that others register.  See operators.h. */
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#include "../graph.h"
#include "operators.h"

#define REGISTERED_MAX 256

/* The generated list has OPERATOR(Name) for what is part of this build, and LEFT_OUT(Name) for the others. */
#undef OPERATOR
#define OPERATOR(NAME) extern const struct engine_operator operator_##NAME;
#define LEFT_OUT(NAME)
#include <engine_operators.inc>

#undef OPERATOR
#define OPERATOR(NAME) &operator_##NAME,
static const struct engine_operator *const builtin[] = {
#include <engine_operators.inc>
	NULL,
};

#undef OPERATOR
#undef LEFT_OUT
#define OPERATOR(NAME)
#define LEFT_OUT(NAME) #NAME "\0"
/* One after the other; an empty one ends them. */
static const char left_out[] =
#include <engine_operators.inc>
	"";

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
	return i < (int)(sizeof(builtin) / sizeof(*builtin)) ? builtin[i] : NULL;
}

bool operators_left_out(const char *name, size_t bytes)
{
	for (const char *at = left_out; *at; at += strlen(at) + 1)
		if (strlen(at) == bytes && memcmp(at, name, bytes) == 0)
			return true;
	return false;
}

const struct engine_operator *operators_find(const char *name, size_t bytes, bool *ret_registered)
{
	const struct engine_operator *op;

	pthread_mutex_lock(&lock);
	op = find_registered(name, bytes);
	pthread_mutex_unlock(&lock);
	*ret_registered = op != NULL;
	for (int i = 0; !op && builtin[i]; i++)
		if (is(builtin[i], name, bytes))
			op = builtin[i];
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
