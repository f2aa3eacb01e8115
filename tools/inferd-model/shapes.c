/*
 * shapes.c - the shapes a network is planned for where its file leaves some open: those of the command line, or stated
 * defaults.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

/* What an open axis is taken as when nobody says. */
#define DEFAULT_SIDE	 224 /* of an image */
#define DEFAULT_CHANNELS 3
#define DEFAULT_LENGTH	 16 /* of any other axis but the first, which is 1 */

bool tool_engine_shape(const struct engine_io *io, int rank, const int32_t *dims, struct engine_shape *ret_shape)
{
	struct engine_shape shape = {.rank = io->rank};
	int missing;

	for (; rank > io->rank && *dims == 1; dims++)
		rank--;
	missing = io->rank - rank;
	if (missing < 0 || missing > io->rank - io->file_rank + 1) /* the file may have no batch */
		return false;
	for (int i = 0; i < io->rank; i++)
		shape.dims[i] = i < missing ? 1 : dims[i - missing];
	if (io->channels_first && io->rank == 4) {
		int32_t channels = shape.dims[1];

		shape.dims[1] = shape.dims[2];
		shape.dims[2] = shape.dims[3];
		shape.dims[3] = channels;
	}
	*ret_shape = shape;
	return true;
}

bool tool_has_open_size(const struct engine_model *model)
{
	for (int i = 0; i < engine_model_input_count(model); i++) {
		struct engine_io io;

		engine_model_input(model, i, &io);
		for (int k = 0; k < io.rank; k++)
			if (io.dims[k] < 0)
				return true;
	}
	return false;
}

int tool_find_input(const struct engine_model *model, const char *argument, const char **ret_rest)
{
	int count = engine_model_input_count(model);

	for (int i = 0; i < count; i++) {
		struct engine_io io;
		size_t length;

		engine_model_input(model, i, &io);
		length = strlen(io.name);
		if (length > 0 && strncmp(argument, io.name, length) == 0 && argument[length] == '=') {
			*ret_rest = argument + length + 1;
			return i;
		}
	}
	if (count != 1)
		return -1;
	*ret_rest = argument;
	return 0;
}

/* "1x3x224x224"; the rank, or -1. */
static int parse_dims(const char *text, int32_t dims[ENGINE_RANK_MAX])
{
	for (int n = 0; n < ENGINE_RANK_MAX; n++) {
		char *end;
		long side;

		errno = 0;
		side = strtol(text, &end, 10);
		if (errno || end == text || side < 1 || side > INT32_MAX)
			return -1;
		dims[n] = (int32_t)side;
		if (!*end)
			return n + 1;
		if (*end != 'x')
			return -1;
		text = end + 1;
	}
	return -1;
}

static bool take_argument(const struct engine_model *model, const char *argument, struct engine_shape *shapes)
{
	const char *text = NULL;
	int index = tool_find_input(model, argument, &text), rank;
	int32_t dims[ENGINE_RANK_MAX];
	struct engine_io io;

	if (index < 0) {
		tool_error("'%s' names no input of the network; see inferd-model inspect", argument);
		return false;
	}
	engine_model_input(model, index, &io);
	rank = parse_dims(text, dims);
	if (rank >= 0 && tool_engine_shape(&io, rank, dims, &shapes[index]))
		return true;
	tool_error("'%s' is no shape of input '%s', which has %d axes", text, io.name, io.file_rank);
	return false;
}

static void take_defaults(const struct engine_io *io, const struct tool_args *args, struct engine_shape *ret_shape)
{
	bool is_image = io->rank == 4 && io->type == ENGINE_F32;
	char text[TOOL_SHAPE_MAX];
	bool open = false;

	ret_shape->rank = io->rank;
	for (int k = 0; k < io->rank; k++) {
		open |= io->dims[k] < 0;
		ret_shape->dims[k] = io->dims[k] >= 0	? io->dims[k]
				     : k == 0		? 1
				     : !is_image	? DEFAULT_LENGTH
				     : k == 3		? DEFAULT_CHANNELS
				     : args->width == 0 ? DEFAULT_SIDE
				     : k == 1		? args->height
							: args->width;
	}
	if (open)
		fprintf(stderr, "input '%s' has open sizes: %s is taken, --input gives others\n", io->name,
			tool_shape(ret_shape->rank, ret_shape->dims, text));
}

bool tool_network_plan_shapes(struct tool_network *network, const struct tool_args *args)
{
	struct engine_shape shapes[ENGINE_IO_MAX] = {0};
	int n = engine_model_input_count(network->model);

	if (args->half_arithmetic) {
		tool_error("%s: --half-arithmetic goes with --size and not with --input", network->path);
		return false;
	}
	for (int i = 0; i < args->n_inputs; i++)
		if (!take_argument(network->model, args->inputs[i], shapes))
			return false;
	for (int i = 0; i < n; i++) {
		struct engine_io io;

		engine_model_input(network->model, i, &io);
		if (!shapes[i].rank)
			take_defaults(&io, args, &shapes[i]);
	}
	return tool_network_plan_at(network, shapes, n);
}

bool tool_network_plan_at(struct tool_network *network, const struct engine_shape *shapes, int n)
{
	struct engine_error error = {""};
	int err = engine_model_plan_shapes(network->model, shapes, n, &error, &network->plan);

	if (err < 0 && strstr(error.text, basename(network->path)))
		tool_error("%s", error.text);
	else if (err < 0)
		tool_error("%s: %s", network->path, error.text[0] ? error.text : strerror(-err));
	return err == 0;
}
