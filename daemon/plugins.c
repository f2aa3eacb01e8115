/* plugins.c - see plugins.h. */
#include "plugins.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char loaded[CONFIG_PLUGINS_MAX][CONFIG_PATH_BYTES];
static int n_loaded;

static int refuse(struct config_error *error, int rc, const char *path, const char *why)
{
	snprintf(error->text, sizeof(error->text), "plugin %.300s: %.180s", path, why);
	return rc;
}

/* What is looked at is what is loaded: the descriptor, not the name. */
static int load(const char *path, struct config_error *error)
{
	struct engine_error why = {""};
	char link[64];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0)
		return refuse(error, -errno, path, strerror(errno));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		rc = refuse(error, -EINVAL, path, "not a regular file");
	else if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & (S_IWGRP | S_IWOTH)))
		rc = refuse(error, -EPERM, path, "others than root and the service's own user can write it");
	else
		rc = engine_load_plugin(link, &why);
	close(fd);
	return rc < 0 && why.text[0] ? refuse(error, rc, path, why.text) : rc;
}

static bool is_loaded(const char *path)
{
	for (int i = 0; i < n_loaded; i++)
		if (strcmp(loaded[i], path) == 0)
			return true;
	return false;
}

int plugins_load(const struct config *config, struct config_error *ret_error)
{
	int rc = 0;

	pthread_mutex_lock(&lock);
	for (int i = 0; i < config->n_plugins && rc == 0; i++) {
		const char *path = config->plugins[i];

		if (is_loaded(path))
			continue;
		rc = n_loaded == CONFIG_PLUGINS_MAX
			     ? refuse(ret_error, -ENOSPC, path, "too many have been loaded already")
			     : load(path, ret_error);
		if (rc == 0)
			snprintf(loaded[n_loaded++], CONFIG_PATH_BYTES, "%s", path);
	}
	pthread_mutex_unlock(&lock);
	return rc;
}
