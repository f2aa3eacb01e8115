/*
 * daemon_fixture.h - a real inferd in a folder of its own, and raw clients that speak to it.
 *
 * The daemon dies with the test.  fixture_stop() fails the test when the daemon ended otherwise than expected or a
 * sanitizer had something to say.  Waits are for events, with a limit that only a hanging daemon reaches.
 */
#ifndef INFERD_DAEMON_FIXTURE_H
#define INFERD_DAEMON_FIXTURE_H

#include <sys/types.h>

#include "ipc/ipc.h"
#include "test.h"

struct fixture {
	char dir[64];
	char socket[108]; /* what an address holds */
	pid_t pid;
	int stderr_fd;	       /* of the daemon, instead of a pipe to here; 0: the pipe */
	int listen_fd;	       /* handed to the daemon as a service manager would; 0: none */
	const char *state_dir; /* NULL: the folder */
	int log_fd;
	bool socket_left; /* the socket's file was still there when the daemon had ended */
	char log[1 << 16];
	size_t log_size;
};

/* Makes the folder, with networks tiny.param (32x32) and slow.param (512x512) of four classes, and labels.txt. */
void fixture_init(struct fixture *fixture);
/* Writes a file into the folder. */
void fixture_write(struct fixture *fixture, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* inferd.yaml: the socket, one lane of one thread, `models:` and then these lines. */
void fixture_configure(struct fixture *fixture, const char *models);

void fixture_start(struct fixture *fixture); /* until it listens */
void fixture_spawn(struct fixture *fixture); /* without waiting */
/* Until something listens at the socket. */
void fixture_wait_socket(struct fixture *fixture);
/* Reads what has piled up in the log, more than is kept, and forgets it. */
void fixture_discard_log(struct fixture *fixture);
/* Reads the log until it contains text. */
void fixture_wait_log(struct fixture *fixture, const char *text);
void fixture_signal(struct fixture *fixture, int number);
/*
 * The same, or false when it ended with status 1 instead, or by abort(3), which is how libuv gives up when it has no
 * memory for its signal handling or its threads.
 */
bool fixture_try_start(struct fixture *fixture);
/* SIGTERM and exit status 0, after which it may be started again. */
void fixture_end_daemon(struct fixture *fixture);
/* Waits for the end and expects this exit status. */
void fixture_wait_end(struct fixture *fixture, int status);
/* SIGTERM and exit status 0; the folder is removed. */
void fixture_stop(struct fixture *fixture);
int fixture_count_fds(const struct fixture *fixture); /* of the daemon */

/* One model of each network: `tiny` and `slow`. */
extern const char fixture_models[];

struct client {
	struct ipc_conn *conn;
	struct ipc_writer writer;
	uint32_t serial;
	/* of the last client_open_stream() */
	struct ipc_stream_opened stream;
	uint8_t *pool;
	/* of the last client_next_result() */
	struct ipc_result result;
	void *storage;
	/* Results that were read while another message was waited for: lanes answer beside the daemon's loop. */
	struct {
		struct ipc_result result;
		void *storage;
	} early[16];
	int n_early;
};

void client_connect_raw(struct client *client, struct fixture *fixture); /* without HELLO */
void client_connect(struct client *client, struct fixture *fixture);
void client_close(struct client *client);
/* Sends what is in client->writer under a new serial. */
void client_send(struct client *client, enum ipc_type type);
/* The next message, whatever it is; -ECONNRESET when the daemon hung up. */
int client_read(struct client *client, struct ipc_message *ret_message);
/* The next message that is no result must be this one. */
void client_expect(struct client *client, enum ipc_type type);
void client_expect_error(struct client *client, const char *part_of_text);
void client_expect_closed(struct client *client); /* skips what comes before */

/* A daemon with fixture_models and a client of it; and the end of both. */
void fixture_serve(struct fixture *fixture, struct client *client);
void fixture_end(struct fixture *fixture, struct client *client);

/* Opens a stream and maps its pool; zeros in `open` but for the model get 4 slots of 256 kB. */
void client_open_stream(struct client *client, struct ipc_stream_open open);
/* A gray picture of one brightness, 64x64, in this slot. */
void client_fill(struct client *client, uint32_t slot, uint8_t brightness);
struct ipc_frame client_frame(const struct client *client, uint64_t seq, uint32_t slot);
void client_submit(struct client *client, const struct ipc_frame *frame);
/* Puts a message into raw bytes that wait to be sent together by client_write(). */
struct client_batch {
	uint8_t bytes[1 << 16];
	size_t size;
};
void client_batch(struct client_batch *batch, enum ipc_type type, uint32_t serial, const struct ipc_writer *writer);
void client_write(struct client *client, const void *bytes, size_t size);
void client_expect_result(struct client *client, uint64_t seq, enum ipc_status status);
/* The next result goes to client->result, whatever it says. */
void client_next_result(struct client *client);
/* The results of frames 1..n in any order. */
void client_expect_answers(struct client *client, const enum ipc_status *statuses, int n);
/* A report as JSON; freed by the caller. */
char *client_query(struct client *client, const char *what);

#endif
