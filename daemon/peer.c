/* peer.c - see peer.h. */
#include "peer.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int peer_read(int fd, struct peer *ret_peer)
{
	struct peer peer = {.n_groups = 1};
	gid_t groups[PEER_GROUPS_MAX - 1];
	socklen_t size = sizeof(groups);
	struct ucred credentials;
	socklen_t credentials_size = sizeof(credentials);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &credentials_size) < 0)
		return -errno;
	peer.pid = credentials.pid;
	peer.uid = credentials.uid;
	peer.groups[0] = credentials.gid;
	/* Kernels before 4.13 do not know it, and of a peer with more groups than these only the primary one counts. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0)
		for (socklen_t i = 0; i < size / sizeof(gid_t); i++)
			peer.groups[peer.n_groups++] = groups[i];
	*ret_peer = peer;
	return 0;
}

bool peer_is_owner(const struct peer *peer)
{
	return peer->uid == 0 || peer->uid == geteuid();
}

/* A name of digits alone is a number. */
static bool parse_id(const char *name, unsigned *ret_id)
{
	char *end;
	unsigned long id;

	errno = 0;
	id = strtoul(name, &end, 10);
	if (*end || errno || id >= UINT32_MAX || name[0] == '-')
		return false;
	*ret_id = (unsigned)id;
	return true;
}

static bool find_user(const char *name, unsigned *ret_id)
{
	const struct passwd *user;

	if (parse_id(name, ret_id))
		return true;
	user = getpwnam(name);
	if (user)
		*ret_id = user->pw_uid;
	return user;
}

static bool find_group(const char *name, unsigned *ret_id)
{
	const struct group *group;

	if (parse_id(name, ret_id))
		return true;
	group = getgrnam(name);
	if (group)
		*ret_id = group->gr_gid;
	return group;
}

static int fail(struct config_error *error, const char *what, const char *name)
{
	if (error)
		snprintf(error->text, sizeof(error->text), "there is no %s '%s' on this system", what, name);
	return -EINVAL;
}

int peer_list_resolve(const struct config_model *config, struct config_error *ret_error, struct peer_list *ret_list)
{
	struct peer_list list = {.n_users = config->n_users, .n_groups = config->n_groups};

	for (int i = 0; i < list.n_users; i++)
		if (!find_user(config->users[i], &list.users[i]))
			return fail(ret_error, "user", config->users[i]);
	for (int i = 0; i < list.n_groups; i++)
		if (!find_group(config->groups[i], &list.groups[i]))
			return fail(ret_error, "group", config->groups[i]);
	*ret_list = list;
	return 0;
}

bool peer_allowed(const struct peer *peer, const struct peer_list *list)
{
	if ((!list->n_users && !list->n_groups) || peer_is_owner(peer))
		return true;
	for (int i = 0; i < list->n_users; i++)
		if (list->users[i] == peer->uid)
			return true;
	for (int i = 0; i < list->n_groups; i++)
		for (int j = 0; j < peer->n_groups; j++)
			if (list->groups[i] == peer->groups[j])
				return true;
	return false;
}
