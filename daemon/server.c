/* server.c - see server.h. */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "wire.h"

#define BACKLOG	     64
#define SESSIONS_MAX 512
/* Connections taken at one go, so that a storm of them does not starve those who are in. */
#define ACCEPTS_AT_ONCE 16
/* How long connections wait where there is no descriptor even to refuse them. */
#define REST_MS 100
/* How long they wait when some had to be refused for their number: that is work, too. */
#define STORM_MS 10
/* Users whose connections are counted at a time. */
#define VISITORS_MAX 32

/* A user that has connected of late. */
struct visitor {
	uid_t uid;
	int64_t due_us; /* when its next connection would be on time, at the rate that is allowed */
};

struct server {
	uv_poll_t poll;
	uv_timer_t rest; /* runs while connections have to wait for descriptors */
	int handles;	 /* that are not closed yet */
	struct session_host *host;
	int fd;
	struct visitor visitors[VISITORS_MAX];
	int spare_fd; /* given up to refuse a connection when descriptors have run out */
	char path[CONFIG_PATH_BYTES];
	dev_t device;
	ino_t inode;
};

static int fail(struct config_error *error, int rc, const char *path, const char *what)
{
	if (error)
		snprintf(error->text, sizeof(error->text), "%.300s: %s%s%s", path, what, rc ? ": " : "",
			 rc ? strerror(-rc) : "");
	return rc;
}

/* ---- the path ------------------------------------------------------------------------------------- */

/* Makes room for our socket: removes one that nobody listens at any more. */
static int clear_path(const struct sockaddr_un *address, struct config_error *error)
{
	const char *path = address->sun_path;
	struct stat status;
	int fd, rc;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : fail(error, -errno, path, "cannot be looked at");
	if (!S_ISSOCK(status.st_mode))
		return fail(error, -EEXIST, path, "is there and no socket");
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return fail(error, -errno, path, "no socket to be had");
	rc = connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	close(fd);
	if (rc != -ECONNREFUSED && rc != -ENOENT)
		return fail(error, -EADDRINUSE, path, "another process listens there");
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(error, -errno, path, "the old socket cannot be removed");
	return 0;
}

/* The folder is made when only its last part is missing, as /run/inferd is after a start by hand. */
static void make_folder(const char *path)
{
	char folder[CONFIG_PATH_BYTES];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return;
	*slash = '\0';
	mkdir(folder, 0755); /* if it fails, bind() says so */
}

/* Owner and mode are right before anybody can connect: bound for nobody, then opened, then listening. */
static int bind_path(struct server *server, const struct sockaddr_un *address, const char *group, mode_t mode,
		     struct config_error *error)
{
	const char *path = address->sun_path;
	struct group *entry = NULL;
	struct stat status;
	mode_t before;
	int rc;

	if (group[0]) {
		entry = getgrnam(group);
		if (!entry)
			return fail(error, -EINVAL, group, "access.group is no group of this system");
	}
	before = umask(0777);
	rc = bind(server->fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;
	umask(before);
	if (rc < 0)
		return fail(error, rc, path, "the socket cannot be bound");
	if (lstat(path, &status) == 0) {
		server->device = status.st_dev;
		server->inode = status.st_ino;
	}
	if (entry && chown(path, (uid_t)-1, entry->gr_gid) < 0)
		return fail(error, -errno, path, "the socket's group cannot be set");
	if (chmod(path, mode & 0777) < 0)
		return fail(error, -errno, path, "the socket's mode cannot be set");
	if (listen(server->fd, BACKLOG) < 0)
		return fail(error, -errno, path, "the socket cannot listen");
	return 0;
}

static void remove_path(const struct server *server)
{
	struct stat status;

	if (server->inode && lstat(server->path, &status) == 0 && status.st_dev == server->device &&
	    status.st_ino == server->inode)
		unlink(server->path);
}

/* ---- connections ---------------------------------------------------------------------------------- */

static void refuse(int fd, const char *text)
{
	struct ipc_writer writer;
	struct wire *wire;

	if (wire_create(fd, &wire) < 0) {
		close(fd);
		return;
	}
	ipc_writer_init(&writer);
	ipc_put_error(&writer, &(struct ipc_error){.code = EUSERS, .text = text});
	wire_send(wire, IPC_ERROR, 0, &writer, -1);
	ipc_writer_finish(&writer);
	wire_unref(wire);
}

static void on_connections(uv_poll_t *handle, int status, int events);

static void reserve(struct server *server)
{
	if (server->spare_fd < 0)
		server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_rested(uv_timer_t *timer)
{
	struct server *server = timer->data;

	uv_poll_start(&server->poll, UV_READABLE, on_connections);
}

/* Of users that are not known, the one who was here longest ago is forgotten. */
static struct visitor *find_visitor(struct server *server, uid_t uid)
{
	struct visitor *oldest = server->visitors;

	for (struct visitor *visitor = server->visitors; visitor < server->visitors + VISITORS_MAX; visitor++) {
		if (visitor->uid == uid)
			return visitor;
		if (visitor->due_us < oldest->due_us)
			oldest = visitor;
	}
	*oldest = (struct visitor){.uid = uid};
	return oldest;
}

/* The generic cell rate algorithm (ITU-T I.371) with a second's worth at once.  Owners may do as they like. */
static bool connects_too_often(struct server *server, const struct peer *peer)
{
	struct visitor *visitor = find_visitor(server, peer->uid);
	int64_t now_us = clock_us();

	if (visitor->due_us < now_us)
		visitor->due_us = now_us;
	if (peer_is_owner(peer))
		return false;
	if (visitor->due_us - now_us > 1000000)
		return true;
	visitor->due_us += 1000000 / server->host->config->limits.connections_per_second;
	return false;
}

/* Everybody's connections wait a little: refusing takes time that is meant for frames. */
static void sit_out_storm(struct server *server)
{
	uv_poll_stop(&server->poll);
	uv_timer_start(&server->rest, on_rested, STORM_MS, 0);
}

static void admit(struct server *server, int fd)
{
	struct session_host *host = server->host;
	struct peer peer;

	if (peer_read(fd, &peer) < 0) {
		close(fd);
	} else if (connects_too_often(server, &peer)) {
		refuse(fd, "this user connects more often than limits.connections_per_second allows");
		sit_out_storm(server);
	} else if (session_count(host, peer.uid) >= host->config->limits.clients_per_user) {
		refuse(fd, "this user has as many clients as limits.clients_per_user allows");
	} else if (host->n_sessions >= SESSIONS_MAX) {
		refuse(fd, "there are too many clients");
	} else if (session_create(host, fd, &peer) < 0) {
		close(fd);
	}
}

/* Without a free descriptor the connection would stay in the backlog and wake the loop for ever. */
static void turn_away(struct server *server)
{
	int fd;

	if (server->spare_fd >= 0)
		close(server->spare_fd);
	server->spare_fd = -1;
	fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	reserve(server);
	log_warning("a client %s: no file descriptors are left", fd >= 0 ? "was turned away" : "has to wait");
	if (fd >= 0)
		return;
	uv_poll_stop(&server->poll);
	uv_timer_start(&server->rest, on_rested, REST_MS, 0);
}

static void on_connections(uv_poll_t *handle, int status, int events)
{
	struct server *server = handle->data;

	(void)events;
	for (int i = 0; status == 0 && i < ACCEPTS_AT_ONCE; i++) {
		int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			reserve(server);
			admit(server, fd);
		} else {
			if (errno == EMFILE || errno == ENFILE)
				turn_away(server);
			return;
		}
	}
}

/* ---- life ----------------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
	struct server *server = handle->data;

	if (--server->handles == 0)
		free(server);
}

static void destroy(struct server *server)
{
	remove_path(server);
	if (server->fd >= 0)
		close(server->fd);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
	free(server);
}

/* Consumes fd on success. */
static struct server *create(struct session_host *host, const char *path, int fd)
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server)
		return NULL;
	server->host = host;
	server->fd = fd;
	snprintf(server->path, sizeof(server->path), "%s", path);
	server->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return server;
}

/* Accepts from now on; the server is destroyed on failure. */
static int begin(struct server *server, struct config_error *error, struct server **ret_server)
{
	int rc = uv_poll_init(server->host->loop, &server->poll, server->fd);

	if (rc < 0) {
		fail(error, rc, server->path, "the socket cannot be polled");
		destroy(server);
		return rc;
	}
	uv_timer_init(server->host->loop, &server->rest);
	server->handles = 2;
	server->poll.data = server->rest.data = server;
	uv_poll_start(&server->poll, UV_READABLE, on_connections);
	*ret_server = server;
	return 0;
}

int server_create(struct session_host *host, const char *path, const char *group, mode_t mode,
		  struct config_error *ret_error, struct server **ret_server)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct server *server;
	int rc;

	if (strlen(path) >= sizeof(address.sun_path))
		return fail(ret_error, -ENAMETOOLONG, path, "the socket's path has over 107 bytes");
	memcpy(address.sun_path, path, strlen(path) + 1);
	server = create(host, path, -1);
	if (!server)
		return fail(ret_error, -ENOMEM, path, "the socket");
	server->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	rc = server->fd < 0 ? fail(ret_error, -errno, path, "no socket to be had") : 0;
	if (rc == 0) {
		make_folder(path);
		rc = clear_path(&address, ret_error);
	}
	if (rc == 0)
		rc = bind_path(server, &address, group, mode, ret_error);
	if (rc < 0) {
		destroy(server);
		return rc;
	}
	return begin(server, ret_error, ret_server);
}

int server_adopt(struct session_host *host, int fd, struct config_error *ret_error, struct server **ret_server)
{
	struct server *server = create(host, "the socket handed over", fd);

	if (!server) {
		close(fd);
		return fail(ret_error, -ENOMEM, "the socket handed over", "");
	}
	return begin(server, ret_error, ret_server);
}

void server_close(struct server *server)
{
	if (!server)
		return;
	uv_close((uv_handle_t *)&server->poll, on_closed);
	uv_close((uv_handle_t *)&server->rest, on_closed);
	remove_path(server);
	close(server->fd);
	if (server->spare_fd >= 0)
		close(server->spare_fd);
}
