/* What a service manager hears from a real daemon. */
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/daemon_fixture.h"

TEST_SUITE(notify);

/* Stands for the manager; each test is a process of its own, so its environment is the daemon's only. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	size_t length = strlen(name);

	memcpy(address.sun_path, name, length);
	if (name[0] == '@')
		address.sun_path[0] = '\0';
	cr_assert_eq(bind(fd, (struct sockaddr *)&address,
			  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (name[0] == '/'))),
		     0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static void expect_message(int fd, const char *text)
{
	struct pollfd poller = {.fd = fd, .events = POLLIN};
	char message[600];
	ssize_t n;

	cr_assert_eq(poll(&poller, 1, 60000), 1, "silence instead of '%s'", text);
	n = recv(fd, message, sizeof(message) - 1, 0);
	cr_assert_gt(n, 0);
	message[n] = '\0';
	cr_assert(strncmp(message, text, strlen(text)) == 0, "'%s' does not begin with '%s'", message, text);
}

Test(notify, ready_reloading_stopping)
{
	struct fixture fixture;
	char name[128];
	int fd;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	snprintf(name, sizeof(name), "%s/notify", fixture.dir);
	fd = listen_at(name);
	fixture_start(&fixture);
	expect_message(fd, "READY=1\nSTATUS=Serving 2 models");
	fixture_signal(&fixture, SIGHUP);
	expect_message(fd, "RELOADING=1\nMONOTONIC_USEC=");
	expect_message(fd, "READY=1\n");
	/* Also when the new configuration is not taken: what ran goes on. */
	fixture_configure(&fixture, "  - {name: broken}\n");
	fixture_signal(&fixture, SIGHUP);
	expect_message(fd, "RELOADING=1\n");
	expect_message(fd, "READY=1\nSTATUS=Serving 2 models");
	fixture_stop(&fixture);
	expect_message(fd, "STOPPING=1");
	close(fd);
}

Test(notify, watchdog_is_fed_from_the_start)
{
	struct fixture fixture;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "@inferd-test-%d", (int)getpid());
	fd = listen_at(name);
	setenv("WATCHDOG_USEC", "30000", 1);
	fixture_init(&fixture);
	fixture_configure(&fixture, "  []\n");
	fixture_start(&fixture);
	expect_message(fd, "WATCHDOG=1");
	expect_message(fd, "READY=1\n");
	expect_message(fd, "WATCHDOG=1");
	expect_message(fd, "WATCHDOG=1");
	fixture_stop(&fixture);
	close(fd);
}

Test(notify, what_is_meant_for_others_is_left_alone)
{
	struct fixture fixture;

	setenv("NOTIFY_SOCKET", "relative", 1);
	setenv("WATCHDOG_USEC", "1000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	fixture_init(&fixture);
	fixture_configure(&fixture, "  []\n");
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "NOTIFY_SOCKET is no address: 'relative'");
	fixture_wait_log(&fixture, "ready: ");
	fixture_stop(&fixture);
}

Test(notify, socket_handed_over_is_listened_at_and_left)
{
	struct fixture fixture;
	struct client client;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture.listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture.socket);
	cr_assert_eq(bind(fixture.listen_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fixture.listen_fd, 8), 0);
	/* Who comes before the daemon is there waits and is served. */
	client_connect_raw(&client, &fixture);
	ipc_put_hello(&client.writer, &(struct ipc_hello){.version = IPC_VERSION, .client = "early"});
	client_send(&client, IPC_HELLO);
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "listening at the socket handed over");
	client_expect(&client, IPC_WELCOME);
	client_close(&client);
	fixture_stop(&fixture);
	cr_assert(fixture.socket_left, "it is the manager's");
	close(fixture.listen_fd);
}

Test(notify, descriptor_that_is_no_socket_is_refused)
{
	struct fixture fixture;
	int ends[2];

	cr_assert_eq(pipe(ends), 0);
	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture.listen_fd = ends[0];
	fixture_spawn(&fixture);
	fixture_wait_log(&fixture, "is not one Unix stream socket that listens");
	fixture_wait_end(&fixture, 1);
}

/* The lane's thread of the daemon, by its name. */
static pid_t find_lane(const struct fixture *fixture)
{
	char path[128], name[32] = "";
	struct dirent *entry;
	pid_t found = 0;
	DIR *tasks;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)fixture->pid);
	tasks = opendir(path);
	cr_assert_not_null(tasks);
	while (!found && (entry = readdir(tasks))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/%d/task/%.20s/comm", (int)fixture->pid, entry->d_name);
		file = fopen(path, "re");
		if (file && fgets(name, sizeof(name), file) && !strcmp(name, "lane main\n"))
			found = atoi(entry->d_name);
		if (file)
			fclose(file);
	}
	closedir(tasks);
	cr_assert_gt(found, 0);
	return found;
}

/* A kernel that hangs: the one thread of the lane stands still with a frame, while the loop goes on. */
Test(notify, watchdog_is_not_fed_while_a_lane_is_wedged)
{
	struct fixture fixture;
	struct client client;
	struct ipc_frame frame;
	struct pollfd poller;
	char name[64], message[600];
	int n_late = 0;
	pid_t lane;

	snprintf(name, sizeof(name), "@inferd-test-%d", (int)getpid());
	poller = (struct pollfd){.fd = listen_at(name), .events = POLLIN};
	setenv("WATCHDOG_USEC", "100000", 1);
	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	lane = find_lane(&fixture);
	cr_assert_eq(ptrace(PTRACE_SEIZE, lane, NULL, NULL), 0, "ptrace: %s", strerror(errno));
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, lane, NULL, NULL), 0);
	cr_assert_eq(waitpid(lane, NULL, __WALL), lane);
	frame = client_frame(&client, 1, 0);
	client_submit(&client, &frame);
	free(client_query(&client, "status"));
	/* Silence is as long as several times when it was due. */
	while (poll(&poller, 1, 500) == 1 && n_late++ < 20)
		cr_assert_gt(recv(poller.fd, message, sizeof(message), 0), 0);
	cr_assert_lt(n_late, 20, "the watchdog is fed");
	fixture_wait_log(&fixture, "lane 'main' does not get on with its task: the watchdog is not fed");
	free(client_query(&client, "status"));
	cr_assert_eq(ptrace(PTRACE_DETACH, lane, NULL, NULL), 0);
	client_expect_result(&client, 1, IPC_OK);
	expect_message(poller.fd, "WATCHDOG=1");
	close(poller.fd);
	fixture_end(&fixture, &client);
}
