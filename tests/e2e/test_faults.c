/* What goes wrong around a daemon: descriptors, memory, files and logs that are not what they should be. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/daemon_fixture.h"

TEST_SUITE(faults);

static void run(struct client *client, uint64_t seq)
{
	struct ipc_frame frame = client_frame(client, seq, 0);

	client_submit(client, &frame);
	client_expect_result(client, seq, IPC_OK);
}

/* A new client is served. */
static void expect_service(struct fixture *fixture)
{
	struct client client;

	client_connect(&client, fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	run(&client, 1);
	client_close(&client);
}

/* Until the daemon has closed what a client left: every query is a round of its loop. */
static void expect_fds(struct fixture *fixture, int expected)
{
	struct client client;
	int fds = -1;

	client_connect(&client, fixture);
	for (int i = 0; i < 3000 && fds != expected; i++) {
		free(client_query(&client, "status"));
		fds = fixture_count_fds(fixture) - 1;
	}
	client_close(&client);
	cr_assert_eq(fds, expected, "%d descriptors, and %d before", fds, expected);
}

/* Of a daemon that nobody has used yet: a lane may hold a connection for a moment after its last answer. */
static int idle_fds(struct fixture *fixture)
{
	struct client client;
	int fds;

	client_connect(&client, fixture);
	free(client_query(&client, "status"));
	fds = fixture_count_fds(fixture) - 1;
	client_close(&client);
	return fds;
}

static int own_memory(int seals)
{
	int fd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, 1 << 20), 0);
	cr_assert_eq(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

/* A message with as many descriptors as asked for, whatever its header says. */
static void send_fds(struct client *client, uint16_t type, uint16_t announced, const int *fds, int n_fds)
{
	uint8_t message[1 << 10];
	struct iovec part = {message, 16 + client->writer.size};
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
	uint32_t words[4] = {IPC_MAGIC, (uint32_t)type | (uint32_t)announced << 16, (uint32_t)client->writer.size, 7};

	memcpy(message, words, sizeof(words));
	memcpy(message + 16, client->writer.data, client->writer.size);
	ipc_writer_reset(&client->writer);
	if (n_fds) {
		struct cmsghdr *cmsg;

		memset(&control, 0, sizeof(control));
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, (size_t)n_fds * sizeof(int));
	}
	cr_assert_eq(sendmsg(ipc_conn_fd(client->conn), &header, MSG_NOSIGNAL), (ssize_t)part.iov_len);
}

static void put_open(struct client *client)
{
	ipc_put_stream_open(&client->writer,
			    &(struct ipc_stream_open){.model = "tiny", .n_slots = 4, .slot_bytes = 256 << 10});
}

Test(faults, pools_can_not_be_truncated_and_holes_in_them_are_black)
{
	struct fixture fixture;
	struct client client;
	const int all = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	int fd = own_memory(all);

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	client_fill(&client, 0, 255);
	run(&client, 1);
	cr_assert_eq((int)client.result.items[0].index, 3);
	cr_assert_eq(madvise(client.pool, 4 * (256 << 10), MADV_REMOVE), 0);
	run(&client, 2);
	cr_assert_eq((int)client.result.items[0].index, 0);
	/* Memory of its own, punched while frames of it are on their way. */
	put_open(&client);
	send_fds(&client, IPC_STREAM_OPEN, 1, &fd, 1);
	client_expect(&client, IPC_STREAM_OPENED);
	client.stream.stream = 2;
	for (uint64_t round = 0; round < 50; round++) {
		for (uint32_t slot = 0; slot < 4; slot++) {
			struct ipc_frame frame = client_frame(&client, 10 + round * 4 + slot, slot);

			client_submit(&client, &frame);
			cr_assert_eq(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1 << 20), 0);
		}
		cr_assert_eq(ftruncate(fd, 0), -1);
		for (uint32_t slot = 0; slot < 4; slot++)
			client_next_result(&client);
	}
	close(fd);
	fixture_end(&fixture, &client);
}

Test(faults, descriptors_that_are_no_pool_are_refused_and_closed)
{
	struct fixture fixture;
	int ends[2], fds, bad[5];

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	fds = idle_fds(&fixture);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	bad[0] = ends[0];
	bad[1] = open("/dev/zero", O_RDWR | O_CLOEXEC);
	bad[2] = open(fixture.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bad[3] = own_memory(F_SEAL_GROW);
	bad[4] = own_memory(F_SEAL_SHRINK | F_SEAL_GROW);
	for (int i = 0; i < 5; i++) {
		struct client client;

		client_connect(&client, &fixture);
		put_open(&client);
		send_fds(&client, IPC_STREAM_OPEN, 1, &bad[i], 1);
		client_expect_error(&client, i < 3 ? "neither a memfd" : "must be sealed");
		/* The connection goes on. */
		client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
		run(&client, 1);
		client_close(&client);
	}
	expect_fds(&fixture, fds);
	fixture_stop(&fixture);
}

/* For each of four slots one, but for what is wrong with them. */
Test(faults, descriptors_for_each_slot_are_all_right_or_all_refused)
{
	struct fixture fixture;
	int own[5], ends[2], fds;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	fds = idle_fds(&fixture);
	cr_assert_eq(pipe2(ends, O_CLOEXEC), 0);
	for (int i = 0; i < 5; i++)
		own[i] = own_memory(F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
	for (int i = 0; i < 6; i++) {
		static const char *const texts[] = {"one for each",    "one for each",	  "one for each",
						    "the same memory", "neither a memfd", NULL};
		struct client client;
		int some[5];

		memcpy(some, own, sizeof(some));
		if (i == 3)
			some[3] = some[1];
		if (i == 4)
			some[3] = ends[1];
		client_connect(&client, &fixture);
		put_open(&client);
		send_fds(&client, IPC_STREAM_OPEN,
			 i == 0	  ? 2
			 : i == 1 ? 3
			 : i == 2 ? 5
				  : 4,
			 some,
			 i == 0	  ? 2
			 : i == 1 ? 3
			 : i == 2 ? 5
				  : 4);
		if (texts[i])
			client_expect_error(&client, texts[i]);
		else
			client_expect(&client, IPC_STREAM_OPENED);
		/* The connection goes on. */
		client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
		run(&client, 1);
		client_close(&client);
	}
	expect_fds(&fixture, fds);
	for (int i = 0; i < 5; i++)
		close(own[i]);
	close(ends[0]);
	close(ends[1]);
	fixture_stop(&fixture);
}

/* More than announced, fewer, more than fit the daemon's buffer (MSG_CTRUNC), and with a message that takes none. */
Test(faults, descriptors_that_do_not_match_end_the_connection)
{
	static const struct {
		uint16_t type, announced;
		int sent;
	} cases[] = {{IPC_STREAM_OPEN, 0, 1},	{IPC_STREAM_OPEN, 1, 0},  {IPC_STREAM_OPEN, 1, 2},
		     {IPC_STREAM_OPEN, 17, 17}, {IPC_CHANGE, 2, 2},	  {IPC_QUERY, 1, 1},
		     {IPC_QUERY, 4, 4},		{IPC_STREAM_OPEN, 1, 40}, {IPC_STREAM_OPEN, 40, 40},
		     {IPC_QUERY, 65535, 1}};
	struct fixture fixture;
	int memory = own_memory(F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL), many[40], fds;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	fds = idle_fds(&fixture);
	for (int i = 0; i < 40; i++)
		many[i] = memory;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client client;

		client_connect(&client, &fixture);
		if (cases[i].type == IPC_QUERY)
			ipc_put_query(&client.writer, "status");
		else if (cases[i].type == IPC_CHANGE)
			ipc_put_change(&client.writer, &(struct ipc_change){.what = "add"});
		else
			put_open(&client);
		send_fds(&client, cases[i].type, cases[i].announced, many, cases[i].sent);
		client_expect_closed(&client);
		client_close(&client);
	}
	fixture_wait_log(&fixture, "is disconnected");
	expect_fds(&fixture, fds);
	close(memory);
	fixture_stop(&fixture);
}

Test(faults, a_message_may_end_at_every_byte)
{
	static struct client_batch batch;
	struct ipc_writer writer;
	struct fixture fixture;
	struct client slow;
	int fds;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	fds = idle_fds(&fixture);
	ipc_writer_init(&writer);
	ipc_put_hello(&writer, &(struct ipc_hello){.version = IPC_VERSION, .client = "half"});
	client_batch(&batch, IPC_HELLO, 1, &writer);
	ipc_writer_reset(&writer);
	ipc_put_stream_open(&writer, &(struct ipc_stream_open){.model = "tiny", .n_slots = 1, .slot_bytes = 4096});
	client_batch(&batch, IPC_STREAM_OPEN, 2, &writer);
	ipc_writer_reset(&writer);
	ipc_put_frame(&writer,
		      &(struct ipc_frame){
			      .stream = 1, .seq = 1, .format = IPC_GRAY8, .width = 8, .height = 8, .stride = {8}});
	client_batch(&batch, IPC_FRAME, 3, &writer);
	ipc_writer_finish(&writer);
	for (size_t length = 0; length <= batch.size; length++) {
		struct client client;

		client_connect_raw(&client, &fixture);
		if (length)
			client_write(&client, batch.bytes, length);
		client_close(&client);
		if (length % 8 == 0) /* a user may have 16 */
			expect_fds(&fixture, fds);
	}
	/* And may come byte by byte. */
	client_connect_raw(&slow, &fixture);
	for (size_t i = 0; i < batch.size; i++)
		client_write(&slow, batch.bytes + i, 1);
	client_expect(&slow, IPC_WELCOME);
	client_expect(&slow, IPC_STREAM_OPENED);
	client_expect_result(&slow, 1, IPC_OK);
	client_close(&slow);
	fixture_stop(&fixture);
}

/* Lets the daemon have no more descriptors than it has; the limit before that. */
static struct rlimit take_descriptors(struct fixture *fixture)
{
	struct rlimit before, none;

	cr_assert_eq(prlimit(fixture->pid, RLIMIT_NOFILE, NULL, &before), 0);
	none = before;
	none.rlim_cur = 4;
	cr_assert_eq(prlimit(fixture->pid, RLIMIT_NOFILE, &none, NULL), 0);
	return before;
}

Test(faults, without_free_descriptors_requests_fail_and_others_go_on)
{
	struct fixture fixture;
	struct client client, waiting;
	struct rlimit before;
	int fds;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	fds = idle_fds(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	run(&client, 1);
	before = take_descriptors(&fixture);
	/* Not even the one kept for this is of use: it waits until there are some. */
	client_connect_raw(&waiting, &fixture);
	fixture_wait_log(&fixture, "no file descriptors are left");
	put_open(&client);
	client_send(&client, IPC_STREAM_OPEN);
	client_expect_error(&client, "the pool could not be made");
	run(&client, 2);
	cr_assert_eq(prlimit(fixture.pid, RLIMIT_NOFILE, &before, NULL), 0);
	ipc_put_hello(&waiting.writer, &(struct ipc_hello){.version = IPC_VERSION});
	client_send(&waiting, IPC_HELLO);
	client_expect(&waiting, IPC_WELCOME);
	client_close(&waiting);
	expect_service(&fixture);
	client_close(&client);
	/* The one kept for this among them. */
	expect_fds(&fixture, fds);
	fixture_stop(&fixture);
}

/* With no room for it the kernel drops a descriptor on the way, and says so by MSG_CTRUNC. */
Test(faults, a_descriptor_that_is_lost_on_the_way_ends_the_connection)
{
	struct fixture fixture;
	struct client client;
	struct rlimit before;
	int fd = own_memory(F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);

	fixture_serve(&fixture, &client);
	before = take_descriptors(&fixture);
	put_open(&client);
	send_fds(&client, IPC_STREAM_OPEN, 1, &fd, 1);
	client_expect_closed(&client);
	cr_assert_eq(prlimit(fixture.pid, RLIMIT_NOFILE, &before, NULL), 0);
	expect_service(&fixture);
	close(fd);
	fixture_end(&fixture, &client);
}

Test(faults, a_log_that_nobody_reads_holds_up_nobody)
{
	struct fixture fixture;
	struct client client;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	fixture_configure(&fixture, "  - {nonsense: 1}\n");
	client_connect(&client, &fixture);
	/* Each leaves a line of over 100 bytes; a pipe takes 64 kB. */
	for (int i = 0; i < 1500; i++) {
		ipc_put_query(&client.writer, "reload");
		client_send(&client, IPC_QUERY);
		client_expect_error(&client, "nonsense");
	}
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	run(&client, 1);
	client_close(&client);
	fixture_signal(&fixture, SIGTERM);
	/* What it had to say at the end is lost, too. */
	fixture_discard_log(&fixture);
	fixture_wait_end(&fixture, 0);
}

Test(faults, a_full_disk_behind_the_log_holds_up_nobody)
{
	struct fixture fixture;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture.stderr_fd = full;
	fixture_spawn(&fixture);
	fixture_wait_socket(&fixture);
	for (int i = 0; i < 10; i++) {
		fixture_signal(&fixture, SIGHUP);
		expect_service(&fixture);
	}
	close(full);
	fixture_stop(&fixture);
}

/* A network that was cut leaves the one that serves, and one that is whole again replaces it. */
Test(faults, corrupt_networks_at_a_reload_leave_the_old_ones)
{
	static const char garbage[] = "7767517\n5 5\nInput data 0 1 data 0=99999999 1=99999999 2=3\n";
	struct fixture fixture;
	struct client client;
	char from[128], to[128];

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	for (int size = 0; size < (int)sizeof(garbage); size += 7) {
		fixture_write(&fixture, "new", "%.*s", size, garbage);
		snprintf(from, sizeof(from), "%s/new", fixture.dir);
		snprintf(to, sizeof(to), "%s/tiny.param", fixture.dir);
		cr_assert_eq(rename(from, to), 0);
		ipc_put_query(&client.writer, "reload");
		client_send(&client, IPC_QUERY);
		client_expect_error(&client, "models[tiny]");
		run(&client, (uint64_t)size + 1);
	}
	fixture_end(&fixture, &client);
}

/* Clients that die or stop anywhere cost nobody anything; what they held is given back. */
Test(faults, clients_are_killed_and_stopped_anywhere)
{
	struct fixture fixture;
	struct client polite;
	int fds;

	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	fds = idle_fds(&fixture);
	client_connect(&polite, &fixture);
	client_open_stream(&polite, (struct ipc_stream_open){.model = "tiny"});
	for (uint64_t i = 0; i < 40; i++) {
		struct client client;
		struct ipc_stream_open open = {.n_slots = 4};
		int state, stop = test_random() % 2, steps = (int)test_random_range(0, 40);
		pid_t pid;

		client_connect(&client, &fixture);
		strcpy(open.model, i % 2 ? "tiny" : "slow");
		client_open_stream(&client, open);
		pid = fork();
		if (pid == 0) {
			for (uint32_t n = 0; (int)n < steps; n++) {
				struct ipc_frame frame = client_frame(&client, n + 1, n % 4);

				client_submit(&client, &frame);
			}
			if (stop)
				raise(SIGSTOP);
			raise(SIGKILL);
		}
		client_close(&client); /* the child has it now */
		if (stop) {
			cr_assert_eq(waitpid(pid, &state, WUNTRACED), pid);
			run(&polite, i + 1);
			kill(pid, SIGKILL);
		}
		cr_assert_eq(waitpid(pid, &state, 0), pid);
		run(&polite, 1000 + i);
	}
	client_close(&polite);
	expect_fds(&fixture, fds);
	fixture_stop(&fixture);
}

/* The wall clock is set by a day and back with every look at it; nothing here may depend on it. */
Test(faults, a_clock_that_jumps_moves_nothing)
{
	struct fixture fixture;
	struct client client;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(INFERD_SANITIZED)
	cr_skip_test("a sanitizer has to be the first library");
#endif
	setenv("LD_PRELOAD", JUMPING_CLOCK_LIBRARY, 1);
	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny", .deadline_us = 10000000});
	for (uint64_t i = 1; i <= 200; i++)
		run(&client, i);
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "reloaded: ");
	run(&client, 201);
	fixture_end(&fixture, &client);
}
