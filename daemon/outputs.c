/* outputs.c - see outputs.h. */
#include "outputs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void describe(const struct engine_io *io, struct output *ret_output)
{
	size_t used = 0;
	long rows = 1;

	snprintf(ret_output->name, sizeof(ret_output->name), "%s", io->name ? io->name : "");
	ret_output->shape[0] = '\0';
	for (int i = 0; i < io->rank && used < sizeof(ret_output->shape); i++)
		used += (size_t)snprintf(ret_output->shape + used, sizeof(ret_output->shape) - used, "%s%d",
					 i ? "x" : "", io->dims[i]);
	for (int i = 0; i + 1 < io->rank; i++)
		rows = rows > OUTPUTS_VALUES_MAX ? rows : rows * (io->dims[i] > 0 ? io->dims[i] : 0);
	ret_output->rows = rows > OUTPUTS_VALUES_MAX ? OUTPUTS_VALUES_MAX + 1 : (int)rows;
	ret_output->columns = io->rank ? io->dims[io->rank - 1] : 1;
}

int outputs_read(const struct engine_plan *plan, struct outputs *ret_outputs, char ret_why[OUTPUTS_WHY_BYTES])
{
	int n = engine_plan_output_count(plan);
	long total = 0;

	if (n > OUTPUTS_MAX) {
		snprintf(ret_why, OUTPUTS_WHY_BYTES, "%d outputs, at most %d are read", n, OUTPUTS_MAX);
		return -ENOTSUP;
	}
	ret_outputs->n = n;
	for (int i = 0; i < n; i++) {
		struct output *output = &ret_outputs->output[i];
		struct engine_io io;

		engine_plan_output(plan, i, &io);
		describe(&io, output);
		if (io.type != ENGINE_F32 && io.type != ENGINE_U8 && io.type != ENGINE_S8) {
			snprintf(ret_why, OUTPUTS_WHY_BYTES, "the output '%s' is %s, which is not read", output->name,
				 engine_type_name(io.type));
			return -ENOTSUP;
		}
		total += (long)output->rows * output->columns;
		if (output->rows < 1 || output->columns < 1 || total > OUTPUTS_VALUES_MAX) {
			snprintf(ret_why, OUTPUTS_WHY_BYTES,
				 "the output '%s' of %s is empty, or more than %d numbers with the others",
				 output->name, output->shape, OUTPUTS_VALUES_MAX);
			return -ENOTSUP;
		}
	}
	return 0;
}

int outputs_find(const struct outputs *outputs, int from, int rows, int columns)
{
	for (int i = from; i < outputs->n; i++)
		if (outputs->output[i].rows == rows && outputs->output[i].columns == columns)
			return i;
	return -1;
}

int outputs_refuse(const struct outputs *outputs, const char *who, const char *wanted, char ret_why[OUTPUTS_WHY_BYTES])
{
	size_t used = (size_t)snprintf(ret_why, OUTPUTS_WHY_BYTES, "%s takes %s; the network has", who, wanted);

	for (int i = 0; i < outputs->n && used < OUTPUTS_WHY_BYTES; i++)
		used += (size_t)snprintf(ret_why + used, OUTPUTS_WHY_BYTES - used, "%s '%s' of %s", i ? "," : "",
					 outputs->output[i].name, outputs->output[i].shape);
	return -EINVAL;
}
