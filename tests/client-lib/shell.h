/*
 * shell.h - inferctl as people call it: shell commands in the fixture's folder, and what they say.
 */
#ifndef INFERD_SHELL_H
#define INFERD_SHELL_H

#include "support/daemon_fixture.h"

#define SHELL_TEXT_MAX 16384

/* Runs commands that call inferctl; their exit status, and what was said on both outputs. */
int shell_run(const struct fixture *fixture, const char *commands, char out[SHELL_TEXT_MAX]);
/* They end with this status, having said these texts in this order; NULL ends them. */
void shell_expect(const struct fixture *fixture, const char *commands, int status, const char *const *texts);

#define EXPECT(fixture, commands, status, ...)                                                                         \
	shell_expect(fixture, commands, status, (const char *const[]){__VA_ARGS__, NULL})

#endif
