/* actions.c - see chaos.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chaos.h"
#include "support/tiny_network.h"

#define ALL_SEALS  (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define LIMIT_S	   5
#define QUERY_MS   60000
#define POOL_BYTES (1u << 20)

static double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* splitmix64 (Steele, Lea, Flood, 2014): one of n. */
static uint32_t pick(uint64_t *state, uint32_t n)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((z ^ z >> 31) % n);
}

/* ---- hostile clients ------------------------------------------------------------------------------ */

/* -1: it was not let in. */
static int dial(const struct chaos *chaos)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", chaos->fixture.socket);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* As much as the daemon takes at once. */
static bool post(int fd, const void *bytes, size_t size)
{
	return fd >= 0 && send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)size;
}

static void hang_up(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* Leaves the connection open and unread, instead of another one. */
static void linger(struct chaos *chaos, int fd, uint64_t *random)
{
	int *place = &chaos->lingering[pick(random, CHAOS_LINGERING)];

	hang_up(*place);
	*place = fd;
}

static void add(struct client_batch *batch, enum ipc_type type, struct ipc_writer *writer)
{
	client_batch(batch, type, 1, writer);
	ipc_writer_reset(writer);
}

static struct ipc_stream_open draw_stream(uint64_t *random)
{
	static const char *const models[] = {"tiny", "slow", "tiny", "extra", "nobody", ""};
	struct ipc_stream_open open = {.n_slots = pick(random, 18), .slot_bytes = 4096u << pick(random, 9)};

	if (pick(random, 16) == 0)
		open.slot_bytes = UINT32_MAX;
	snprintf(open.model, sizeof(open.model), "%s", models[pick(random, 6)]);
	open.mode = (enum ipc_mode)pick(random, 2);
	open.weight = (float)pick(random, 30) / 10;
	open.min_fps = (float)pick(random, 5);
	open.priority = (enum ipc_priority)pick(random, 4);
	open.deadline_us = pick(random, 3) * 20000;
	return open;
}

static struct ipc_frame draw_frame(uint64_t *random)
{
	static const uint32_t sides[] = {1, 8, 16, 64, 333, 16384};
	struct ipc_frame frame = {.stream = 1 + pick(random, 4),
				  .seq = 1 + pick(random, 1000),
				  .slot = pick(random, 18),
				  .format = (enum ipc_format)pick(random, IPC_JPEG + 1),
				  .width = sides[pick(random, 6)],
				  .height = sides[pick(random, 6)],
				  .bytes = pick(random, 5000)};

	if (frame.format == IPC_JPEG || !ipc_frame_pack(&frame))
		frame.stride[0] = pick(random, 100);
	return frame;
}

/* Requests of every kind that make sense one by one, more or less. */
static void draw_session(uint64_t *random, struct client_batch *batch)
{
	static const char *const queries[] = {"status", "models", "stats", "reload-dry-run", "nonsense"};
	uint32_t n_streams = pick(random, 4), n_requests = pick(random, 40);
	struct ipc_stream_open open;
	struct ipc_writer writer;
	struct ipc_frame frame;

	batch->size = 0;
	ipc_writer_init(&writer);
	ipc_put_hello(&writer, &(struct ipc_hello){.version = IPC_VERSION, .client = "hostile"});
	add(batch, IPC_HELLO, &writer);
	for (uint32_t i = 0; i < n_streams; i++) {
		open = draw_stream(random);
		ipc_put_stream_open(&writer, &open);
		add(batch, IPC_STREAM_OPEN, &writer);
	}
	for (uint32_t i = 0; i < n_requests; i++) {
		switch (pick(random, 8)) {
		case 0:
			ipc_put_cancel(&writer, 1 + pick(random, 4), pick(random, 100));
			add(batch, IPC_CANCEL, &writer);
			break;
		case 1:
			ipc_put_stream_close(&writer, 1 + pick(random, 4));
			add(batch, IPC_STREAM_CLOSE, &writer);
			break;
		case 2:
			ipc_put_query(&writer, queries[pick(random, 5)]);
			add(batch, IPC_QUERY, &writer);
			break;
		default:
			frame = draw_frame(random);
			ipc_put_frame(&writer, &frame);
			add(batch, IPC_FRAME, &writer);
		}
	}
	ipc_writer_finish(&writer);
}

static struct client_batch batch; /* of the action that runs */

static void noise(struct chaos *chaos, uint64_t argument)
{
	size_t size = 1 + pick(&argument, 4096);
	int fd = dial(chaos);

	for (size_t i = 0; i < size; i++)
		batch.bytes[i] = (uint8_t)pick(&argument, 256);
	post(fd, batch.bytes, size);
	hang_up(fd);
}

static void session_and_gone(struct chaos *chaos, uint64_t argument)
{
	int fd = dial(chaos);

	draw_session(&argument, &batch);
	post(fd, batch.bytes, batch.size);
	hang_up(fd);
}

static void mutated_session(struct chaos *chaos, uint64_t argument)
{
	int fd = dial(chaos);

	draw_session(&argument, &batch);
	for (uint32_t i = pick(&argument, 8) + 1; i > 0; i--)
		batch.bytes[pick(&argument, (uint32_t)batch.size)] ^= (uint8_t)(1 + pick(&argument, 255));
	post(fd, batch.bytes, batch.size);
	linger(chaos, fd, &argument);
}

static void half_a_session(struct chaos *chaos, uint64_t argument)
{
	int fd = dial(chaos);

	draw_session(&argument, &batch);
	post(fd, batch.bytes, pick(&argument, (uint32_t)batch.size));
	if (pick(&argument, 2))
		linger(chaos, fd, &argument);
	else
		hang_up(fd);
}

/* One that never reads. */
static void flood(struct chaos *chaos, uint64_t argument)
{
	uint32_t rounds = pick(&argument, 500);
	int fd = dial(chaos);

	draw_session(&argument, &batch);
	while (rounds-- > 0 && post(fd, batch.bytes, batch.size))
		;
	linger(chaos, fd, &argument);
}

static void bombs(struct chaos *chaos, uint64_t argument)
{
	static const uint8_t bodies[][16] = {
		{0xdd, 0xff, 0xff, 0xff, 0xff},					 /* an array of 2^32 - 1 */
		{0xdf, 0xff, 0xff, 0xff, 0xff},					 /* a map */
		{0x81, 1, 0xdb, 0xff, 0xff, 0xff, 0xff},			 /* a text */
		{0x81, 1, 0xc6, 0x7f, 0xff, 0xff, 0xff},			 /* bytes */
		{0x81, 1, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91}, /* depth */
		{0x8f, 1, 0x9f, 1, 0x9f, 1, 0x9f, 1, 0x9f, 1, 0x9f, 1, 0x9f},	 /* counts */
		{0x81, 1, 0xc7, 0xff, 0x01, 0, 0, 0},				 /* an extension */
	};
	uint32_t header[4] = {IPC_MAGIC, 1 + pick(&argument, 14), 16, 1};
	int fd = dial(chaos);

	if (pick(&argument, 4) == 0)
		header[2] = UINT32_MAX >> pick(&argument, 16);
	if (pick(&argument, 4) == 0)
		header[1] |= pick(&argument, 65536) << 16;
	memcpy(batch.bytes, header, sizeof(header));
	memcpy(batch.bytes + 16, bodies[pick(&argument, 7)], 16);
	post(fd, batch.bytes, 32);
	linger(chaos, fd, &argument);
}

static int own_memory(int seals)
{
	int fd = memfd_create("own", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	cr_assert_eq(ftruncate(fd, POOL_BYTES), 0);
	fcntl(fd, F_ADD_SEALS, seals);
	return fd;
}

static void post_with_fds(int fd, const int *fds, uint32_t n_fds)
{
	struct iovec part = {batch.bytes, batch.size};
	union {
		char bytes[CMSG_SPACE(64 * sizeof(int))];
		struct cmsghdr align;
	} control = {{0}};
	struct msghdr header = {.msg_iov = &part,
				.msg_iovlen = 1,
				.msg_control = &control,
				.msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n_fds * sizeof(int));
	if (fd >= 0)
		sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void put_message(enum ipc_type type, uint32_t n_fds, struct ipc_writer *writer)
{
	size_t at = batch.size;

	add(&batch, type, writer);
	batch.bytes[at + 6] = (uint8_t)n_fds;
}

/* Pools that are none, with right and wrong counts of descriptors. */
static void descriptors(struct chaos *chaos, uint64_t argument)
{
	static const int seals[] = {0, F_SEAL_GROW, ALL_SEALS, ALL_SEALS | F_SEAL_WRITE};
	uint32_t n_sent = pick(&argument, 4) ? 1 : 1 + pick(&argument, 40);
	uint32_t n_announced = pick(&argument, 4) ? n_sent : pick(&argument, 8);
	struct ipc_stream_open request = draw_stream(&argument);
	struct ipc_writer writer;
	int fds[41], fd = dial(chaos);

	for (uint32_t i = 0; i < n_sent; i++) {
		uint32_t kind = pick(&argument, 6);

		fds[i] = kind < 4    ? own_memory(seals[kind])
			 : kind == 4 ? open("/dev/zero", O_RDWR | O_CLOEXEC)
				     : open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	ipc_writer_init(&writer);
	batch.size = 0;
	ipc_put_hello(&writer, &(struct ipc_hello){.version = IPC_VERSION, .client = "hostile"});
	put_message(IPC_HELLO, 0, &writer);
	post(fd, batch.bytes, batch.size);
	batch.size = 0;
	ipc_put_stream_open(&writer, &request);
	put_message(IPC_STREAM_OPEN, n_announced, &writer);
	post_with_fds(fd, fds, n_sent);
	ipc_writer_finish(&writer);
	for (uint32_t i = 0; i < n_sent; i++)
		close(fds[i]);
	linger(chaos, fd, &argument);
}

/* Memory of the client's own, from which pages vanish while its frames are run. */
static void holes(struct chaos *chaos, uint64_t argument)
{
	struct ipc_stream_open open = {.model = "slow", .n_slots = 4, .slot_bytes = POOL_BYTES / 4};
	int memory = own_memory(ALL_SEALS), fd = dial(chaos);
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	batch.size = 0;
	ipc_put_hello(&writer, &(struct ipc_hello){.version = IPC_VERSION, .client = "holes"});
	put_message(IPC_HELLO, 0, &writer);
	post(fd, batch.bytes, batch.size);
	batch.size = 0;
	ipc_put_stream_open(&writer, &open);
	put_message(IPC_STREAM_OPEN, 1, &writer);
	post_with_fds(fd, &memory, 1);
	for (uint32_t i = 0; i < 12; i++) {
		struct ipc_frame frame = {
			.stream = 1, .seq = i + 1, .slot = i % 4, .format = IPC_RGB, .width = 256, .height = 256};

		batch.size = 0;
		ipc_frame_pack(&frame);
		ipc_put_frame(&writer, &frame);
		put_message(IPC_FRAME, 0, &writer);
		post(fd, batch.bytes, batch.size);
		fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, pick(&argument, 200) * 4096, 262144);
	}
	ipc_writer_finish(&writer);
	close(memory);
	linger(chaos, fd, &argument);
}

/* ---- apps that are stopped and killed ------------------------------------------------------------- */

static void kill_victim(pid_t *victim)
{
	if (!*victim)
		return;
	kill(*victim, SIGKILL);
	cr_assert_eq(waitpid(*victim, NULL, 0), *victim);
	*victim = 0;
}

static void start_victim(struct chaos *chaos, uint64_t argument)
{
	pid_t *victim = &chaos->victims[pick(&argument, CHAOS_VICTIMS)];
	const char *socket = chaos->fixture.socket;
	const char *model = pick(&argument, 2) ? "tiny" : "slow";
	const char *fps = pick(&argument, 2) ? "100" : "5000";

	kill_victim(victim);
	*victim = fork();
	if (*victim)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(chaos->fixture.stderr_fd, STDOUT_FILENO);
	dup2(chaos->fixture.stderr_fd, STDERR_FILENO);
	execl(INFERCTL_BINARY, "inferctl", "--socket", socket, "bench", model, "--clients", "2", "--streams", "2",
	      "--latest", "--seconds", "3600", "--fps", fps, "--size", "64x64", (char *)NULL);
	_exit(127);
}

static void signal_victim(struct chaos *chaos, uint64_t argument)
{
	pid_t *victim = &chaos->victims[pick(&argument, CHAOS_VICTIMS)];
	uint32_t what = pick(&argument, 3);

	if (what == 0)
		kill_victim(victim);
	else if (*victim)
		kill(*victim, what == 1 ? SIGSTOP : SIGCONT);
}

/* ---- configuration and models --------------------------------------------------------------------- */

void chaos_configure(struct chaos *chaos)
{
	fixture_write(&chaos->fixture, "inferd.yaml",
		      "socket: %s\naccess: {mode: 0600}\nlanes: [{name: main, cpus: 0, threads: 1}]\n"
		      "limits: {clients_per_user: 64, unread_seconds: 2, messages_per_second: 100000}\nmodels:\n%s",
		      chaos->fixture.socket, fixture_models);
}

static struct inferd *observe(const struct chaos *chaos)
{
	struct inferd *client = NULL;
	int r = inferd_connect(chaos->fixture.socket, "observer", &client);

	cr_assert_eq(r, 0, "the observer cannot connect: %s", strerror(-r));
	return client;
}

/* Whether what was asked for was done. */
static bool ask(struct inferd *client, const char *what)
{
	char *json = NULL;
	int r = inferd_query(client, what, QUERY_MS, &json);

	cr_assert_neq(r, -ETIMEDOUT, "no answer to %s", what);
	inferd_text_free(json);
	return r == 0;
}

static void reload(struct chaos *chaos, bool expected)
{
	struct inferd *client = observe(chaos);
	bool done = ask(client, "reload");

	cr_assert_eq(done, expected, "reload: %s", inferd_error(client));
	inferd_close(client);
}

/* Other limits and other shares; another network in the place of the one in use; one model more. */
static void good_reload(struct chaos *chaos, uint64_t argument)
{
	struct fixture *fixture = &chaos->fixture;
	bool again = pick(&argument, 3) == 0;

	if (!again)
		fixture_write(fixture, "inferd.yaml",
			      "socket: %s\naccess: {mode: 0600}\nlanes: [{name: main, cpus: 0, threads: 1}]\n"
			      "limits: {clients_per_user: 64, unread_seconds: %u, messages_per_second: %u}\n"
			      "models:\n"
			      "  - name: tiny\n    task: classify\n    labels: labels.txt\n    weight: %u\n"
			      "    deadline_ms: 60000\n    inputs: [16]\n    gray: true\n"
			      "    variants: [{name: t, file: %s.param, accuracy: 0.%u}]\n"
			      "  - name: slow\n    task: classify\n    deadline_ms: 60000\n    min_fps: %u\n"
			      "    variants: [{name: s, file: slow.param, accuracy: 0.7}]\n"
			      "%s",
			      fixture->socket, 1 + pick(&argument, 3), 100000 + pick(&argument, 5000),
			      1 + pick(&argument, 4), pick(&argument, 2) ? "tiny" : "other", 5 + pick(&argument, 4),
			      1 + pick(&argument, 3),
			      pick(&argument, 2) ? "  - {name: extra, task: classify, variants: [{name: e, file: "
						   "other.param, accuracy: 0.5}]}\n"
						 : "");
	reload(chaos, true);
}

static void bad_reload(struct chaos *chaos, uint64_t argument)
{
	static const char *const texts[] = {
		"  - {name: tiny, task: dance}\n",
		"  - {name: tiny, task: classify, variants: [{name: t, file: gone.param}]}\n",
		"  - {name: tiny, task: classify, variants: [{name: t, file: broken.param, accuracy: 0.5}]}\n",
		"  - [[[[[[[[[[[[[[[[[[[[\n",
		"  - {name: a, name: b}\n",
		"\x01\x02\xff\xfe\n",
		"  - &a [*a, *a]\n",
		"  - {name: tiny, task: classify, variants: [{name: t, file: half.param, accuracy: 0.5}]}\n",
	};
	struct fixture *fixture = &chaos->fixture;
	char path[128];

	fixture_write(fixture, "broken.param", "7767517\n%u 3\nInput data 0 1 data\n", pick(&argument, 1000000));
	/* The weights end somewhere. */
	snprintf(path, sizeof(path), "%s/half", fixture->dir);
	tiny_network_write(path, 32, 4);
	snprintf(path, sizeof(path), "%s/half.bin", fixture->dir);
	cr_assert_eq(truncate(path, pick(&argument, 40)), 0);
	fixture_configure(fixture, texts[pick(&argument, sizeof(texts) / sizeof(texts[0]))]);
	reload(chaos, false);
	chaos_configure(chaos);
}

static void change_models(struct chaos *chaos, uint64_t argument)
{
	static const char *const hows[] = {"add", "replace", "replace", "remove"};
	const char *how = hows[pick(&argument, 4)];
	struct inferd *client = observe(chaos);
	char path[128], *json = NULL;
	int r;

	snprintf(path, sizeof(path), "%s/extra.yaml", chaos->fixture.dir);
	fixture_write(&chaos->fixture, "extra.yaml",
		      "models:\n  - {name: extra, task: classify, variants: [{name: e, file: %s, accuracy: 0.%u}]}\n",
		      pick(&argument, 4) ? "other.param" : "labels.txt", 5 + pick(&argument, 4));
	r = inferd_change_models(client, how, !strcmp(how, "remove") ? "extra" : path, QUERY_MS, &json);
	cr_assert(r != -ETIMEDOUT && r != -ECONNRESET, "models %s: %s", how, strerror(-r));
	inferd_text_free(json);
	inferd_close(client);
}

static void hangup_signals(struct chaos *chaos, uint64_t argument)
{
	for (uint32_t i = pick(&argument, 10); i > 0; i--)
		fixture_signal(&chaos->fixture, SIGHUP);
}

/* ---- the device ----------------------------------------------------------------------------------- */

static void make_folders(const struct chaos *chaos, const char *path)
{
	char whole[256];

	snprintf(whole, sizeof(whole), "%s/%s", chaos->fixture.dir, path);
	for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(whole, 0700);
		*slash = '/';
	}
}

/* Zones that heat up, speak nonsense, vanish and come back. */
static void sensors(struct chaos *chaos, uint64_t argument)
{
	static const char *const files[] = {"sys/class/thermal/thermal_zone0/type",
					    "sys/class/thermal/thermal_zone0/temp",
					    "sys/class/thermal/thermal_zone1/temp",
					    "sys/class/power_supply/battery/capacity",
					    "proc/pressure/cpu",
					    "proc/stat",
					    "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq"};
	static const char *const values[] = {"cpu-thermal\n",
					     "45000\n",
					     "72000\n",
					     "99999999999999999999\n",
					     "-1\n",
					     "",
					     "nonsense\n",
					     "some avg10=99.00 avg60=5 avg300=1 total=18446744073709551615\n",
					     "cpu 1 2 3 4 5 6 7 8\n",
					     "\xff\xfe"};
	const char *file = files[pick(&argument, 7)];
	char path[256];

	make_folders(chaos, file);
	snprintf(path, sizeof(path), "%s/%s", chaos->fixture.dir, file);
	if (pick(&argument, 3) == 0) {
		if (unlink(path) < 0)
			rmdir(path);
		return;
	}
	if (pick(&argument, 10) == 0) {
		unlink(path);
		mkdir(path, 0700);
		return;
	}
	rmdir(path);
	fixture_write(&chaos->fixture, file, "%s", values[pick(&argument, 10)]);
}

/* None are left for a while. */
static void no_descriptors(struct chaos *chaos, uint64_t argument)
{
	struct rlimit before, none;

	cr_assert_eq(prlimit(chaos->fixture.pid, RLIMIT_NOFILE, NULL, &before), 0);
	none = before;
	none.rlim_cur = 4;
	cr_assert_eq(prlimit(chaos->fixture.pid, RLIMIT_NOFILE, &none, NULL), 0);
	session_and_gone(chaos, argument);
	holes(chaos, argument);
	crowd_wait(&chaos->crowd, 5);
	cr_assert_eq(prlimit(chaos->fixture.pid, RLIMIT_NOFILE, &before, NULL), 0);
}

static void stop_the_daemon(struct chaos *chaos, uint64_t argument)
{
	fixture_signal(&chaos->fixture, SIGSTOP);
	flood(chaos, argument);
	session_and_gone(chaos, argument);
	fixture_signal(&chaos->fixture, SIGCONT);
}

/* ---- restarts ------------------------------------------------------------------------------------- */

static void start_daemon(struct chaos *chaos)
{
	chaos_configure(chaos);
	fixture_spawn(&chaos->fixture);
	fixture_wait_socket(&chaos->fixture);
}

static void kill_daemon(struct chaos *chaos, uint64_t argument)
{
	session_and_gone(chaos, argument);
	fixture_signal(&chaos->fixture, SIGKILL);
	cr_assert_eq(waitpid(chaos->fixture.pid, NULL, 0), chaos->fixture.pid);
	close(chaos->fixture.log_fd);
	chaos->n_restarts++;
	start_daemon(chaos);
}

static void terminate_daemon(struct chaos *chaos, uint64_t argument)
{
	session_and_gone(chaos, argument);
	fixture_end_daemon(&chaos->fixture);
	chaos->n_restarts++;
	start_daemon(chaos);
}

/* ---- quiet ---------------------------------------------------------------------------------------- */

void chaos_expect_status(struct chaos *chaos)
{
	double start = now_s(), took;
	struct inferd *client = observe(chaos);

	cr_assert(ask(client, "status"), "%s", inferd_error(client));
	inferd_close(client);
	took = now_s() - start;
	if (took > chaos->status_max_s)
		chaos->status_max_s = took;
	cr_assert_lt(took, LIMIT_S, "the status took %.1f s", took);
}

static void release_all(struct chaos *chaos)
{
	for (int i = 0; i < CHAOS_LINGERING; i++) {
		hang_up(chaos->lingering[i]);
		chaos->lingering[i] = -1;
	}
	for (int i = 0; i < CHAOS_VICTIMS; i++)
		kill_victim(&chaos->victims[i]);
}

static long resident_kb(const struct chaos *chaos)
{
	char path[64], line[256];
	long kb = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)chaos->fixture.pid);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file) && sscanf(line, "VmRSS: %ld", &kb) != 1)
		;
	fclose(file);
	return kb;
}

/* Of the daemon, but for the sensors that it has found: those come and go. */
static int count_fds(const struct chaos *chaos)
{
	char path[300], target[256], folder[128];
	struct dirent *entry;
	int count = 0;
	DIR *fds;

	snprintf(folder, sizeof(folder), "/proc/%d/fd", (int)chaos->fixture.pid);
	fds = opendir(folder);
	cr_assert_not_null(fds);
	while ((entry = readdir(fds))) {
		ssize_t length;

		snprintf(path, sizeof(path), "%s/%.100s", folder, entry->d_name);
		length = readlink(path, target, sizeof(target) - 1);
		target[length > 0 ? length : 0] = '\0';
		if (length > 0 && strncmp(target, chaos->fixture.dir, strlen(chaos->fixture.dir)) != 0)
			count++;
	}
	closedir(fds);
	return count;
}

/* Until the daemon has only the crowd and this observer, and as many descriptors as at the start. */
static void wait_for_the_rest(struct chaos *chaos)
{
	struct inferd *observer = observe(chaos);
	char expected[32], *json = NULL;
	double start = now_s();
	bool alone = false;
	int fds = 0;

	snprintf(expected, sizeof(expected), "\"clients\":%d,", CROWD_SIZE + 1);
	while (!alone) {
		cr_assert_eq(inferd_query(observer, "status", QUERY_MS, &json), 0);
		fds = count_fds(chaos);
		alone = strstr(json, expected) && (!chaos->quiet_fds || fds == chaos->quiet_fds);
		cr_assert(alone || now_s() - start < LIMIT_S, "%d descriptors, and %d before: %s", fds,
			  chaos->quiet_fds, json);
		inferd_text_free(json);
	}
	chaos->quiet_fds = fds;
	inferd_close(observer);
}

static void quiet(struct chaos *chaos, uint64_t argument)
{
	(void)argument;
	release_all(chaos);
	chaos_configure(chaos);
	reload(chaos, true);
	wait_for_the_rest(chaos);
	chaos->quiet_kb = resident_kb(chaos);
}

/* ---- the table ------------------------------------------------------------------------------------ */

const struct chaos_action chaos_quiet = {.name = "quiet", .run = quiet};

const struct chaos_action chaos_actions[] = {
	{"noise", 4, false, noise},
	{"session and gone", 8, false, session_and_gone},
	{"mutated session", 10, false, mutated_session},
	{"half a session", 8, false, half_a_session},
	{"flood", 4, false, flood},
	{"bombs", 6, false, bombs},
	{"descriptors", 8, false, descriptors},
	{"holes", 6, false, holes},
	{"start a victim", 3, false, start_victim},
	{"signal a victim", 10, false, signal_victim},
	{"good reload", 6, false, good_reload},
	{"bad reload", 6, false, bad_reload},
	{"change models", 5, false, change_models},
	{"hangup signals", 2, false, hangup_signals},
	{"sensors", 10, false, sensors},
	{"no descriptors", 2, false, no_descriptors},
	{"stop the daemon", 2, false, stop_the_daemon},
	{"kill the daemon", 2, true, kill_daemon},
	{"terminate the daemon", 2, true, terminate_daemon},
};
const int chaos_n_actions = sizeof(chaos_actions) / sizeof(chaos_actions[0]);

void chaos_init(struct chaos *chaos)
{
	static const char *const models[CROWD_SIZE] = {"tiny", "slow", "tiny"};
	char path[128];

	memset(chaos, 0, sizeof(*chaos));
	memset(chaos->lingering, -1, sizeof(chaos->lingering));
	/*
	 * What was freed must show in the size of the process.  Leaks show there, too; the leak checker itself falls
	 * over the storage of a thread that has just ended, at one exit in some hundreds.
	 */
	setenv("ASAN_OPTIONS", "quarantine_size_mb=4:thread_local_quarantine_size_kb=64:detect_leaks=0", 0);
	fixture_init(&chaos->fixture);
	snprintf(path, sizeof(path), "%s/other", chaos->fixture.dir);
	tiny_network_write(path, 48, 4);
	/* Slower than the other, but not so slow that a sanitizer makes it a minute's work to share a lane. */
	snprintf(path, sizeof(path), "%s/slow", chaos->fixture.dir);
	tiny_network_write(path, 128, 4);
	snprintf(path, sizeof(path), "%s/log", chaos->fixture.dir);
	chaos->fixture.stderr_fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	cr_assert_geq(chaos->fixture.stderr_fd, 0);
	start_daemon(chaos);
	crowd_start(&chaos->crowd, chaos->fixture.socket, models);
	cr_assert(crowd_wait(&chaos->crowd, 1));
	chaos_quiet.run(chaos, 0);
}

/* What a sanitizer said in any of the daemons. */
static void check_log(const struct chaos *chaos)
{
	char path[128], line[1024];
	FILE *file;

	snprintf(path, sizeof(path), "%s/log", chaos->fixture.dir);
	file = fopen(path, "re");
	cr_assert_not_null(file);
	while (fgets(line, sizeof(line), file))
		cr_assert(!strstr(line, "Sanitizer") && !strstr(line, "runtime error"), "%s", line);
	fclose(file);
}

void chaos_finish(struct chaos *chaos)
{
	const char *error;

	release_all(chaos);
	error = crowd_stop(&chaos->crowd);
	cr_assert(!error[0], "%s", error);
	check_log(chaos);
	close(chaos->fixture.stderr_fd);
	fixture_stop(&chaos->fixture);
}
