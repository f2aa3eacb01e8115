/*
 * peer.h - who is at the other end of a connection, and who may use what.
 *
 * Credentials are the kernel's, of the moment of connect(2), and are taken once: a process that later drops or gains
 * rights, or hands its socket on, stays who it was.
 */
#ifndef INFERD_PEER_H
#define INFERD_PEER_H

#include <stdbool.h>
#include <sys/types.h>

#include "config/config.h"

/* Further groups of a peer are not looked at. */
#define PEER_GROUPS_MAX 64

struct peer {
	pid_t pid;
	uid_t uid;
	int n_groups;
	gid_t groups[PEER_GROUPS_MAX]; /* the first is the primary one */
};

/* 0 or negative errno. */
int peer_read(int fd, struct peer *ret_peer);

/* Whether it may change what runs: the superuser, and the user the daemon runs as. */
bool peer_is_owner(const struct peer *peer);

/* Users and groups by number. */
struct peer_list {
	uid_t users[CONFIG_PEERS_MAX];
	gid_t groups[CONFIG_PEERS_MAX];
	int n_users, n_groups;
};

/* Looks the names up; may take long (name services).  0, or -EINVAL with a sentence. */
int peer_list_resolve(const struct config_model *config, struct config_error *ret_error, struct peer_list *ret_list);

/* An empty list allows everybody; an owner is always allowed. */
bool peer_allowed(const struct peer *peer, const struct peer_list *list);

#endif
