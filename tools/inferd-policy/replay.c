#include "tool.h"
int tool_replay(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}
