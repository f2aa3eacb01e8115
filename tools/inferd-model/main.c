/*
 * main.c - inferd-model: looks into networks, runs and measures them, without the service.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static const char usage[] =
	"usage: inferd-model COMMAND ...\n"
	"\n"
	"  inspect FILE       inputs, outputs, layers and memory of a network\n"
	"  run FILE           one inference from .npy files to .npy files\n"
	"  bench FILE         how long an inference takes\n"
	"  convert FILE OUT   a network as inferd's own file, which loads at once\n"
	"  quantize FILE OUT  a float network in int8, its ranges taken from photographs\n"
	"  operators          what can be read of each format, as a table\n"
	"\n"
	"FILE is a .tflite or .onnx network, an ncnn .param with its .bin beside it, a Caffe\n"
	".prototxt with its .caffemodel beside it, or a converted file.\n"
	"inferd-model COMMAND --help tells more.  Exit status: 0, 1 when it failed, 2 when it was called wrongly.\n";

int main(int argc, char **argv)
{
	static const struct tool_command *const commands[] = {
		&tool_inspect,	&tool_run, &tool_bench, &tool_convert,
#ifdef INFERD_PICTURES
		&tool_quantize,
#endif
	};

	engine_calm_threads(argv);
	if (argc < 2) {
		fputs(usage, stderr);
		return TOOL_MISUSED;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage, stdout);
		return TOOL_DONE;
	}
	if (strcmp(argv[1], "operators") == 0)
		return tool_operators(argc - 1, argv + 1);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i]->name) == 0)
			return tool_main(commands[i], argc - 1, argv + 1);
	tool_error("no command '%s'; see --help", argv[1]);
	return TOOL_MISUSED;
}
