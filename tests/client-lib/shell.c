/* shell.c - see shell.h. */
#include "shell.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

int shell_run(const struct fixture *fixture, const char *commands, char out[SHELL_TEXT_MAX])
{
	char command[8192]; /* the build folder may lie deep */
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command),
		 "cd '%s' && export INFERD_SOCKET='%s' && inferctl() { '%s' \"$@\"; } && { %s; } 2>&1", fixture->dir,
		 fixture->socket, INFERCTL_BINARY, commands);
	pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	n = fread(out, 1, SHELL_TEXT_MAX - 1, pipe);
	out[n] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

void shell_expect(const struct fixture *fixture, const char *commands, int status, const char *const *texts)
{
	char out[SHELL_TEXT_MAX];
	const char *from = out;

	cr_assert_eq(shell_run(fixture, commands, out), status, "%s:\n%s", commands, out);
	for (; *texts; texts++) {
		from = strstr(from, *texts);
		cr_assert_not_null(from, "%s: no \"%s\", or not in its place, in\n%s", commands, *texts, out);
		from += strlen(*texts);
	}
}
