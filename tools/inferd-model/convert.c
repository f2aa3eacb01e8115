/*
 * convert.c - inferd-model convert: a network as a file of the engine's own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const char usage[] =
	"usage: inferd-model convert FILE OUT [--portable | --half] [--size WxH]\n"
	"\n"
	"Writes a network as inferd's own file, which is mapped and run without parsing; processes share its pages.\n"
	"It holds the weights packed for this machine's kernels, and other machines refuse it.  Such a file is gray only\n"
	"where its first layer is a convolution.  inferd and inferd-model take it wherever they take the original.\n"
	"\n"
	"  --portable  weights as they are, for any machine, packed when the network is first used\n"
	"  --half      portable, and weights of float32 stored as float16: half the size\n"
	"  --size WxH  of a network that leaves its input size open (any size will do)\n";

static bool plan(struct tool_network *network, const struct tool_args *args)
{
	struct engine_plan_options wanted = {.width = args->width, .height = args->height};

	return args->portable || args->half || tool_network_plan(network, &wanted);
}

static int convert(const struct tool_args *args)
{
	enum engine_pack kind = args->half	 ? ENGINE_PACK_HALF
				: args->portable ? ENGINE_PACK_PORTABLE
						 : ENGINE_PACK_PANELS;
	struct tool_network network = {0};
	struct engine_error error = {""};
	int status = TOOL_FAILED;
	uint8_t *data = NULL;
	size_t size = 0;

	if (tool_network_load(&network, args->file, NULL) && plan(&network, args)) {
		int err = engine_model_pack(network.model, kind, &error, &data, &size);

		if (err < 0)
			tool_error("%s: %s", args->file, error.text[0] ? error.text : strerror(-err));
		else if (tool_write_file(args->out_file, data, size))
			status = TOOL_DONE;
	}
	free(data);
	tool_network_finish(&network);
	return status;
}

const struct tool_command tool_convert = {"convert", "OsPH", usage, convert};
