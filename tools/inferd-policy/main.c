/*
 * main.c - inferd-policy: exercises the policy without the service.
 */
#include <signal.h>
#include <string.h>

#include "tool.h"

static const char usage[] =
	"usage: inferd-policy COMMAND ...\n"
	"\n"
	"  simulate       worlds of heat, neighbours and jitter: this policy beside others\n"
	"  replay TRACE   a recorded day again, with the same parameters or others\n"
	"  drive          decides over a pipe for another simulator\n"
	"  fit RECORD...  parameters for the next configuration, from records and traces of devices\n"
	"\n"
	"inferd-policy COMMAND --help tells more.  Exit status: 0, 1 when it failed, 2 when it was called wrongly.\n";

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} commands[] = {{"simulate", tool_simulate}, {"replay", tool_replay}, {"drive", tool_drive}, {"fit", tool_fit}};

	if (argc < 2) {
		fputs(usage, stderr);
		return TOOL_MISUSED;
	}
	/* A reader that goes away is a failed write, not a silent end. */
	signal(SIGPIPE, SIG_IGN);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(usage, stdout);
		return TOOL_DONE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	tool_error("no command '%s'; see --help", argv[1]);
	return TOOL_MISUSED;
}
