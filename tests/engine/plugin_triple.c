/* plugin_triple.c - a plugin as its owner would write one: the operator Triple of the ONNX domain "org.example". */
#include <errno.h>

#include "engine/operator.h"

static const struct engine_plugin *engine;

static int infer(struct engine_call *call)
{
	*call->outputs[0] = *call->inputs[0];
	call->outputs[0]->data = NULL;
	return call->inputs[0]->type == ENGINE_F32 && call->inputs[0]->rank == 1 ? 0 : -EINVAL;
}

static int run(struct engine_call *call)
{
	const float *x = call->inputs[0]->data;
	float *y = call->outputs[0]->data, plus = (float)engine->number(call->attributes, "plus", 0);

	for (int i = 0; i < call->inputs[0]->dims[0]; i++)
		y[i] = 3 * x[i] + plus;
	return 0;
}

__attribute__((visibility("default"))) int inferd_operators(const struct engine_plugin *plugin);

int inferd_operators(const struct engine_plugin *plugin)
{
	static const struct engine_operator triple = {
		.name = "org.example.Triple",
		.min_inputs = 1,
		.max_inputs = 1,
		.max_outputs = 1,
		.infer = infer,
		.run = run,
	};

	if (plugin->version != ENGINE_OPERATOR_VERSION)
		return -ENOTSUP;
	engine = plugin;
	return plugin->register_operator(&triple);
}
