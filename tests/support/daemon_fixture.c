#include "daemon_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tiny_network.h"

/* Only a daemon that hangs takes as long, sanitizers and a busy machine included. */
#define LIMIT_MS 60000

const char fixture_models[] = "  - name: tiny\n"
			      "    task: classify\n"
			      "    labels: labels.txt\n"
			      "    top_k: 2\n"
			      "    deadline_ms: 60000\n"
			      "    variants: [{name: t, file: tiny.param, accuracy: 0.7}]\n"
			      "    inputs: [16]\n"
			      "    gray: true\n"
			      "  - name: slow\n"
			      "    task: classify\n"
			      "    deadline_ms: 60000\n"
			      "    variants: [{name: s, file: slow.param, accuracy: 0.7}]\n";

/* ---- the daemon ----------------------------------------------------------------------------------- */

void fixture_write(struct fixture *fixture, const char *name, const char *format, ...)
{
	char path[512];
	va_list arguments;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "w");
	cr_assert_not_null(file, "cannot write %s", path);
	va_start(arguments, format);
	vfprintf(file, format, arguments);
	va_end(arguments);
	fclose(file);
}

void fixture_configure(struct fixture *fixture, const char *models)
{
	fixture_write(fixture, "inferd.yaml",
		      "socket: %s\naccess: {mode: 0600}\nlanes: [{name: main, cpus: 0, threads: 1}]\nmodels:\n%s",
		      fixture->socket, models);
}

void fixture_init(struct fixture *fixture)
{
	char stem[512];

	memset(fixture, 0, sizeof(*fixture));
	fixture->log_fd = -1;
	snprintf(fixture->dir, sizeof(fixture->dir), "/tmp/inferd-test-XXXXXX");
	cr_assert_not_null(mkdtemp(fixture->dir));
	snprintf(fixture->socket, sizeof(fixture->socket), "%s/inferd.sock", fixture->dir);
	snprintf(stem, sizeof(stem), "%s/tiny", fixture->dir);
	tiny_network_write(stem, 32, 4);
	snprintf(stem, sizeof(stem), "%s/slow", fixture->dir);
	tiny_network_write(stem, 512, 4);
	fixture_write(fixture, "labels.txt", "black\ndark\nlight\nwhite\n");
	/* An empty root: no sensor of this machine has a say in a test. */
	fixture_write(fixture, "empty", "%s", "");
}

/* As sd_listen_fds(3) has it. */
static void hand_over(int fd)
{
	char pid[16];

	dup2(fd, 3);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
}

void fixture_spawn(struct fixture *fixture)
{
	char config[512], root[512];
	int ends[2];

	snprintf(config, sizeof(config), "%s/inferd.yaml", fixture->dir);
	snprintf(root, sizeof(root), "%s", fixture->dir);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	fixture->pid = fork();
	cr_assert_geq(fixture->pid, 0);
	if (!fixture->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(fixture->stderr_fd ? fixture->stderr_fd : ends[1], STDERR_FILENO);
		if (fixture->listen_fd)
			hand_over(fixture->listen_fd);
		execl(INFERD_BINARY, "inferd", "--config", config, "--sysroot", root, "--state-dir",
		      fixture->state_dir ? fixture->state_dir : root, (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	fixture->log_fd = ends[0];
	fixture->log_size = 0;
	fixture->log[0] = '\0';
}

/* Reads on; false at the end of the log. */
static bool read_log(struct fixture *fixture)
{
	struct pollfd poller = {.fd = fixture->log_fd, .events = POLLIN};
	ssize_t n;

	cr_assert_eq(poll(&poller, 1, LIMIT_MS), 1, "the daemon is silent; its log so far:\n%s", fixture->log);
	cr_assert_lt(fixture->log_size, sizeof(fixture->log) - 1, "the log is too long");
	n = read(fixture->log_fd, fixture->log + fixture->log_size, sizeof(fixture->log) - 1 - fixture->log_size);
	if (n <= 0)
		return false;
	fixture->log_size += (size_t)n;
	fixture->log[fixture->log_size] = '\0';
	return true;
}

void fixture_wait_log(struct fixture *fixture, const char *text)
{
	while (!strstr(fixture->log, text))
		cr_assert(read_log(fixture), "the daemon ended without saying '%s':\n%s", text, fixture->log);
}

void fixture_discard_log(struct fixture *fixture)
{
	char buffer[4096];
	int size = 0;

	while (ioctl(fixture->log_fd, FIONREAD, &size) == 0 && size > 0 &&
	       read(fixture->log_fd, buffer, sizeof(buffer)) > 0)
		;
}

void fixture_wait_socket(struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int rc;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture->socket);
	do {
		int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		rc = connect(fd, (struct sockaddr *)&address, sizeof(address));
		close(fd);
		sched_yield();
	} while (rc < 0 && waitpid(fixture->pid, NULL, WNOHANG) == 0);
	cr_assert_eq(rc, 0, "the daemon has ended");
}

void fixture_start(struct fixture *fixture)
{
	fixture_spawn(fixture);
	fixture_wait_log(fixture, "ready: ");
}

void fixture_signal(struct fixture *fixture, int number)
{
	cr_assert_eq(kill(fixture->pid, number), 0);
}

static void remove_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;

	while (folder && (entry = readdir(folder))) {
		char inner[512];

		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		snprintf(inner, sizeof(inner), "%.200s/%.200s", path, entry->d_name);
		if (unlink(inner) < 0)
			remove_folder(inner);
	}
	if (folder)
		closedir(folder);
	rmdir(path);
}

/* Reads the rest of the log and waits for the end; how it was, as of waitpid(). */
static int wait_end(struct fixture *fixture)
{
	int how = 0;

	while (read_log(fixture))
		;
	close(fixture->log_fd);
	cr_assert_eq(waitpid(fixture->pid, &how, 0), fixture->pid);
	return how;
}

/* Expects an end by itself, with this status. */
static void collect(struct fixture *fixture, int status)
{
	int how = wait_end(fixture);

	cr_assert(WIFEXITED(how), "the daemon was ended by signal %d:\n%s", WTERMSIG(how), fixture->log);
	cr_assert_eq(WEXITSTATUS(how), status, "exit status %d:\n%s", WEXITSTATUS(how), fixture->log);
	cr_assert(!strstr(fixture->log, "Sanitizer") && !strstr(fixture->log, "runtime error"), "%s", fixture->log);
	fixture->socket_left = access(fixture->socket, F_OK) == 0;
}

bool fixture_try_start(struct fixture *fixture)
{
	int how;

	fixture_spawn(fixture);
	while (!strstr(fixture->log, "ready: ")) {
		if (read_log(fixture))
			continue;
		how = wait_end(fixture);
		cr_assert((WIFEXITED(how) && WEXITSTATUS(how) == 1) || (WIFSIGNALED(how) && WTERMSIG(how) == SIGABRT),
			  "wait status %d:\n%s", how, fixture->log);
		return false;
	}
	return true;
}

void fixture_end_daemon(struct fixture *fixture)
{
	fixture_signal(fixture, SIGTERM);
	collect(fixture, 0);
}

void fixture_wait_end(struct fixture *fixture, int status)
{
	collect(fixture, status);
	remove_folder(fixture->dir);
}

void fixture_stop(struct fixture *fixture)
{
	fixture_signal(fixture, SIGTERM);
	fixture_wait_end(fixture, 0);
}

int fixture_count_fds(const struct fixture *fixture)
{
	char path[64];
	DIR *folder;
	int count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)fixture->pid);
	folder = opendir(path);
	cr_assert_not_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

/* ---- clients -------------------------------------------------------------------------------------- */

void client_connect_raw(struct client *client, struct fixture *fixture)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(client, 0, sizeof(*client));
	ipc_writer_init(&client->writer);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", fixture->socket);
	cr_assert_eq(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0, "connect: %s", strerror(errno));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	cr_assert_eq(ipc_conn_create(fd, IPC_BODY_MAX, &client->conn), 0);
}

void client_connect(struct client *client, struct fixture *fixture)
{
	client_connect_raw(client, fixture);
	ipc_put_hello(&client->writer, &(struct ipc_hello){.version = IPC_VERSION, .client = "test"});
	client_send(client, IPC_HELLO);
	client_expect(client, IPC_WELCOME);
}

static void unmap(struct client *client)
{
	if (client->pool)
		munmap(client->pool, (size_t)client->stream.n_slots * client->stream.slot_bytes);
	client->pool = NULL;
}

void client_close(struct client *client)
{
	unmap(client);
	ipc_storage_free(client->storage);
	while (client->n_early)
		ipc_storage_free(client->early[--client->n_early].storage);
	ipc_conn_destroy(client->conn);
	ipc_writer_finish(&client->writer);
}

void client_send(struct client *client, enum ipc_type type)
{
	cr_assert_eq(ipc_conn_send(client->conn, (uint16_t)type, ++client->serial, client->writer.data,
				   client->writer.size, -1),
		     0);
	ipc_writer_reset(&client->writer);
}

int client_read(struct client *client, struct ipc_message *ret_message)
{
	for (;;) {
		struct pollfd poller = {.fd = ipc_conn_fd(client->conn), .events = POLLIN};
		int rc = ipc_conn_next(client->conn, ret_message, NULL);

		if (rc != -EAGAIN)
			return rc;
		cr_assert_eq(poll(&poller, 1, LIMIT_MS), 1, "the daemon does not answer");
		rc = ipc_conn_recv(client->conn);
		if (rc < 0 && rc != -EAGAIN)
			return rc;
	}
}

static void get_result(const struct ipc_message *message, struct ipc_result *ret_result, void **ret_storage)
{
	cr_assert_eq((int)message->header.type, (int)IPC_RESULT, "type %d and no result", message->header.type);
	cr_assert_eq(ipc_get_result(message->body, message->header.length, ret_result, ret_storage, NULL), 0);
}

static void read_past_results(struct client *client, struct ipc_message *ret_message)
{
	cr_assert_eq(client_read(client, ret_message), 0);
	while (ret_message->header.type == IPC_RESULT) {
		cr_assert_lt((size_t)client->n_early, sizeof(client->early) / sizeof(client->early[0]));
		get_result(ret_message, &client->early[client->n_early].result,
			   &client->early[client->n_early].storage);
		client->n_early++;
		cr_assert_eq(client_read(client, ret_message), 0);
	}
}

void client_expect(struct client *client, enum ipc_type type)
{
	struct ipc_message message;

	read_past_results(client, &message);
	cr_assert_eq((int)message.header.type, (int)type, "type %d and not %d: %.*s", message.header.type, (int)type,
		     (int)message.header.length, message.body);
}

void client_expect_error(struct client *client, const char *part_of_text)
{
	struct ipc_message message;
	struct ipc_error error;
	void *storage = NULL;

	read_past_results(client, &message);
	cr_assert_eq((int)message.header.type, (int)IPC_ERROR, "type %d and no error", message.header.type);
	cr_assert_eq(ipc_get_error(message.body, message.header.length, &error, &storage, NULL), 0);
	cr_assert(strstr(error.text, part_of_text), "'%s' does not say '%s'", error.text, part_of_text);
	ipc_storage_free(storage);
}

void client_expect_closed(struct client *client)
{
	struct ipc_message message;
	int rc;

	while ((rc = client_read(client, &message)) == 0)
		;
	cr_assert_neq(rc, -EPROTO);
}

void client_open_stream(struct client *client, struct ipc_stream_open open)
{
	struct ipc_message message;

	open.n_slots = open.n_slots ? open.n_slots : 4;
	open.slot_bytes = open.slot_bytes ? open.slot_bytes : 256 << 10;
	ipc_put_stream_open(&client->writer, &open);
	client_send(client, IPC_STREAM_OPEN);
	cr_assert_eq(client_read(client, &message), 0);
	cr_assert_eq((int)message.header.type, (int)IPC_STREAM_OPENED, "type %d", message.header.type);
	cr_assert_eq((int)message.header.n_fds, 1);
	unmap(client);
	cr_assert_eq(ipc_get_stream_opened(message.body, message.header.length, &client->stream, NULL), 0);
	client->pool = mmap(NULL, (size_t)client->stream.n_slots * client->stream.slot_bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED, message.fds[0], 0);
	cr_assert_neq((void *)client->pool, MAP_FAILED);
	close(message.fds[0]);
}

void client_fill(struct client *client, uint32_t slot, uint8_t brightness)
{
	memset(client->pool + (size_t)slot * client->stream.slot_bytes, brightness, 64 * 64);
}

struct ipc_frame client_frame(const struct client *client, uint64_t seq, uint32_t slot)
{
	return (struct ipc_frame){.stream = client->stream.stream,
				  .seq = seq,
				  .slot = slot,
				  .format = IPC_GRAY8,
				  .width = 64,
				  .height = 64,
				  .stride = {64}};
}

void client_submit(struct client *client, const struct ipc_frame *frame)
{
	ipc_put_frame(&client->writer, frame);
	client_send(client, IPC_FRAME);
}

void client_batch(struct client_batch *batch, enum ipc_type type, uint32_t serial, const struct ipc_writer *writer)
{
	uint32_t header[4] = {IPC_MAGIC, (uint32_t)type, (uint32_t)writer->size, serial};

	cr_assert_leq(batch->size + sizeof(header) + writer->size, sizeof(batch->bytes));
	memcpy(batch->bytes + batch->size, header, sizeof(header));
	memcpy(batch->bytes + batch->size + sizeof(header), writer->data, writer->size);
	batch->size += sizeof(header) + writer->size;
}

void client_write(struct client *client, const void *bytes, size_t size)
{
	cr_assert_eq(send(ipc_conn_fd(client->conn), bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

void client_next_result(struct client *client)
{
	struct ipc_message message;

	ipc_storage_free(client->storage);
	client->storage = NULL;
	if (client->n_early) {
		client->result = client->early[0].result;
		client->storage = client->early[0].storage;
		client->n_early--;
		memmove(&client->early[0], &client->early[1], (size_t)client->n_early * sizeof(client->early[0]));
		return;
	}
	cr_assert_eq(client_read(client, &message), 0);
	get_result(&message, &client->result, &client->storage);
}

void client_expect_result(struct client *client, uint64_t seq, enum ipc_status status)
{
	client_next_result(client);
	cr_assert_eq(client->result.seq, seq, "seq %llu and not %llu", (unsigned long long)client->result.seq,
		     (unsigned long long)seq);
	cr_assert_eq((int)client->result.status, (int)status, "status %d: %s", (int)client->result.status,
		     client->result.text);
}

void client_expect_answers(struct client *client, const enum ipc_status *statuses, int n)
{
	bool seen[64] = {false};

	for (int i = 0; i < n; i++) {
		unsigned seq;

		client_next_result(client);
		seq = (unsigned)client->result.seq;
		cr_assert(seq >= 1 && seq <= (unsigned)n && !seen[seq], "seq %u is unknown or came twice", seq);
		seen[seq] = true;
		cr_assert_eq((int)client->result.status, (int)statuses[seq - 1], "frame %u: status %d: %s", seq,
			     (int)client->result.status, client->result.text);
	}
}

char *client_query(struct client *client, const char *what)
{
	struct ipc_message message;
	char *text = NULL;

	ipc_put_query(&client->writer, what);
	client_send(client, IPC_QUERY);
	read_past_results(client, &message);
	cr_assert_eq((int)message.header.type, (int)IPC_REPORT, "type %d and no report", message.header.type);
	cr_assert_eq(ipc_report_json(message.body, message.header.length, &text), 0);
	return text;
}

void fixture_serve(struct fixture *fixture, struct client *client)
{
	fixture_init(fixture);
	fixture_configure(fixture, fixture_models);
	fixture_start(fixture);
	client_connect(client, fixture);
}

void fixture_end(struct fixture *fixture, struct client *client)
{
	client_close(client);
	fixture_stop(fixture);
}
