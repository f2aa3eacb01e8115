/* How a real daemon starts, or says why not. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/daemon_fixture.h"

TEST_SUITE(start);

static void expect_refusal(const char *models, const char *why)
{
	struct fixture fixture;

	fixture_init(&fixture);
	fixture_configure(&fixture, models);
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, why);
	fixture_wait_end(&fixture, 1);
}

Test(start, typo_is_named_with_file_line_and_key)
{
	expect_refusal("  - name: tiny\n    task: classify\n    top_kk: 1\n", "inferd.yaml:7: models[tiny].top_kk");
}

Test(start, wrong_type_is_named_with_file_line_and_key)
{
	expect_refusal("  - name: tiny\n    task: classify\n    top_k: lots\n",
		       "inferd.yaml:7: models[tiny].top_k: 'lots' is not a whole number");
}

Test(start, missing_file_is_named_with_file_line_and_key)
{
	expect_refusal("  - name: tiny\n    task: classify\n    variants:\n      - {name: t, file: gone.param}\n",
		       "inferd.yaml:8: models[tiny].variants[t].file: ");
}

Test(start, network_that_is_cut_is_refused)
{
	struct fixture fixture;
	char path[512];

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	snprintf(path, sizeof(path), "%s/tiny.bin", fixture.dir);
	cr_assert_eq(truncate(path, 100), 0);
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "models[tiny]: t: ");
	fixture_wait_log(&fixture, "the .bin ends before its weights do");
	fixture_wait_end(&fixture, 1);
}

Test(start, budget_that_is_too_small_is_refused)
{
	struct fixture fixture;

	fixture_init(&fixture);
	fixture_write(&fixture, "inferd.yaml",
		      "socket: %s\nmemory_budget_mb: 1\nlanes: [{name: main, cpus: 0, threads: 1}]\nmodels:\n%s",
		      fixture.socket, fixture_models);
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "memory_budget_mb is 1");
	fixture_wait_end(&fixture, 1);
}

Test(start, second_daemon_leaves_the_first_alone)
{
	struct fixture first, second;
	struct client client;

	fixture_init(&first);
	fixture_configure(&first, fixture_models);
	fixture_start(&first);
	fixture_init(&second);
	snprintf(second.socket, sizeof(second.socket), "%s", first.socket);
	fixture_configure(&second, fixture_models);
	fixture_spawn(&second);
	fixture_wait_log(&second, "another process listens there");
	fixture_wait_end(&second, 1);
	client_connect(&client, &first);
	client_close(&client);
	fixture_stop(&first);
}

Test(start, socket_is_private_from_the_start_and_removed_at_the_end)
{
	struct fixture fixture;
	struct stat status;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	/* Left behind by a daemon that was killed: bound, and nobody listens. */
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture.socket);
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd);
	fixture_start(&fixture);
	cr_assert_eq(stat(fixture.socket, &status), 0);
	cr_assert(S_ISSOCK(status.st_mode));
	cr_assert_eq((int)(status.st_mode & 0777), 0600);
	fixture_stop(&fixture);
	cr_assert(!fixture.socket_left);
}

Test(start, file_in_the_way_stays)
{
	struct fixture fixture;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_write(&fixture, "inferd.sock", "precious");
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "is there and no socket");
	cr_assert_eq(access(fixture.socket, F_OK), 0);
	fixture_wait_end(&fixture, 1);
}

static int run(const char *option, const char *argument)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		cr_assert_not_null(freopen("/dev/null", "w", stdout));
		cr_assert_not_null(freopen("/dev/null", "w", stderr));
		execl(INFERD_BINARY, "inferd", option, argument, (char *)NULL);
		_exit(127);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

Test(start, exit_status_tells_wrong_calls_from_failures)
{
	struct fixture fixture;
	char path[512];

	cr_assert_eq(run("--version", NULL), 0);
	cr_assert_eq(run("--help", NULL), 0);
	cr_assert_eq(run("--no-such-option", NULL), 2);
	cr_assert_eq(run("argument", NULL), 2);
	cr_assert_eq(run("--config", "/nonexistent/inferd.yaml"), 1);
	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	snprintf(path, sizeof(path), "--config=%s/inferd.yaml", fixture.dir);
	cr_assert_eq(run("--check-config", path), 0);
	fixture_start(&fixture);
	fixture_stop(&fixture);
}
