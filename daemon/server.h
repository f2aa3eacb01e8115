/*
 * server.h - the listening socket: bound with the right owner and mode, accepting, refusing.
 *
 * Who may connect is said by the socket's group and mode; whose quota a connection counts against, by the
 * peer's credentials.  Sessions belong to the host.
 */
#ifndef INFERD_SERVER_H
#define INFERD_SERVER_H

#include "session.h"

struct server;

/*
 * Binds and listens.  A socket file that nobody listens at is replaced, anything else at that path is not.  0, or
 * negative errno with a sentence.
 */
int server_create(struct session_host *host, const char *path, const char *group, mode_t mode,
		  struct config_error *ret_error, struct server **ret_server);

/*
 * The same with a socket that listens already: path, owner and mode are whose who made it.  Consumes fd, on failure
 * too.
 */
int server_adopt(struct session_host *host, int fd, struct config_error *ret_error, struct server **ret_server);

/* Stops accepting and removes the socket's file, unless it was adopted; freed when the loop has closed the handle.
 * Accepts NULL. */
void server_close(struct server *server);

#endif
