/*
 * config.c - reads the files, in order, and checks what they name.
 *
 * YAML is tree.c's, the meaning of keys schema.c's.
 */
#include "config.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pipelines.h"
#include "schema.h"
#include "tree.h"

#define FILE_BYTES_MAX (1024 * 1024)
#define FILES_MAX      256 /* in conf.d */

/* What one call of config_load() works on; file names live until its end, for places refer to them. */
struct load {
	struct config *config;
	struct config_error *error;
	struct places places;
	char *names[FILES_MAX + 1];
	int n_names;
	bool only_models; /* other keys are errors */
};

static int fail_errno(struct config_error *error, const char *path, int line, const char *where, int rc)
{
	tree_fail(error, path, line, where, "%s", strerror(-rc));
	return rc;
}

/* ---- files ------------------------------------------------------------------------------------------- */

/* O_NONBLOCK: a fifo in the place of a file must not hold up the daemon.  Returns the descriptor. */
static int open_regular(const char *path, off_t *ret_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int rc;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		rc = -errno;
	else
		rc = S_ISREG(st.st_mode) ? 0 : S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	if (rc < 0) {
		close(fd);
		return rc;
	}
	*ret_size = st.st_size;
	return fd;
}

static const char *open_cause(int rc)
{
	return rc == -EINVAL ? "is not a regular file" : strerror(-rc);
}

static int read_all(int fd, char *text, size_t size, size_t *ret_size)
{
	size_t n = 0;

	while (n < size) {
		ssize_t got = read(fd, text + n, size - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	*ret_size = n;
	return 0;
}

/* *ret_text is the caller's to free.  One byte more than allowed is asked for, so that a growing file is noticed. */
static int read_text(int fd, char **ret_text, size_t *ret_size)
{
	char *text = malloc(FILE_BYTES_MAX + 1);
	int rc = text ? read_all(fd, text, FILE_BYTES_MAX + 1, ret_size) : -ENOMEM;

	if (!rc && *ret_size > FILE_BYTES_MAX)
		rc = -EFBIG;
	if (rc < 0) {
		free(text);
		return rc;
	}
	*ret_text = text;
	return 0;
}

static int read_file(const char *path, struct config_error *error, char **ret_text, size_t *ret_size)
{
	off_t size;
	int fd = open_regular(path, &size), rc;

	if (fd < 0) {
		tree_fail(error, path, 0, "", "%s", open_cause(fd));
		return fd == -EISDIR ? -EINVAL : fd;
	}
	rc = read_text(fd, ret_text, ret_size);
	close(fd);
	return rc < 0 ? fail_errno(error, path, 0, "", rc) : 0;
}

/* The folder of a file, absolute.  The buffer has CONFIG_PATH_BYTES. */
static int folder_of(const char *path, char *ret_dir)
{
	char resolved[PATH_MAX];
	char *slash;

	if (!realpath(path, resolved))
		return -errno;
	slash = strrchr(resolved, '/');
	slash[slash == resolved] = 0;
	if (strlen(resolved) >= CONFIG_PATH_BYTES)
		return -ENAMETOOLONG;
	strcpy(ret_dir, resolved);
	return 0;
}

/* ---- one file after the other ------------------------------------------------------------------------ */

static int check_only_models(const struct tree *tree, struct config_error *error)
{
	const yaml_node_t *root = tree_root(tree);
	const yaml_node_pair_t *pair = root && root->type == YAML_MAPPING_NODE ? root->data.mapping.pairs.start : NULL;

	for (; pair && pair < root->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = tree_node(tree, pair->key);

		if (key->type != YAML_SCALAR_NODE || strcmp((const char *)key->data.scalar.value, "models") != 0)
			return tree_fail(error, tree->file, tree_line(key), "",
					 "only `models` can be changed while running");
	}
	return 0;
}

static int apply_text(struct load *load, const char *name, const char *dir, const char *text, size_t size)
{
	struct tree tree;
	int rc;

	assert(load->n_names <= FILES_MAX);
	load->names[load->n_names] = strdup(name);
	if (!load->names[load->n_names])
		return fail_errno(load->error, name, 0, "", -ENOMEM);
	name = load->names[load->n_names++];
	rc = tree_init(&tree, name, text, size, load->error);
	if (rc < 0)
		return rc;
	rc = load->only_models ? check_only_models(&tree, load->error) : 0;
	if (!rc)
		rc = schema_apply(&tree, dir, load->config, &load->places, load->error);
	tree_finish(&tree);
	return rc;
}

static int apply_file(struct load *load, const char *path)
{
	char dir[CONFIG_PATH_BYTES];
	char *text = NULL;
	size_t size = 0;
	int rc = read_file(path, load->error, &text, &size);

	if (rc < 0)
		return rc;
	rc = folder_of(path, dir);
	if (rc < 0)
		fail_errno(load->error, path, 0, "", rc);
	else
		rc = apply_text(load, path, dir, text, size);
	free(text);
	return rc;
}

static int is_fragment(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return entry->d_name[0] != '.' && length > 5 && !strcmp(entry->d_name + length - 5, ".yaml");
}

/* By bytes: the order must not depend on the locale. */
static int compare_names(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* conf.d lies beside the file as named, not beside what a link points to. */
static int apply_fragments(struct load *load, const char *path)
{
	const char *slash = strrchr(path, '/');
	int length = slash ? (int)(slash - path) + 1 : 0;
	char dir[PATH_MAX], file[PATH_MAX + NAME_MAX + 2];
	struct dirent **entries = NULL;
	int n, rc = 0;

	if (snprintf(dir, sizeof(dir), "%.*sconf.d", length, path) >= (int)sizeof(dir))
		return fail_errno(load->error, path, 0, "", -ENAMETOOLONG);
	n = scandir(dir, &entries, is_fragment, compare_names);
	if (n < 0)
		return errno == ENOENT ? 0 : fail_errno(load->error, dir, 0, "", -errno);
	if (n > FILES_MAX)
		rc = tree_fail(load->error, dir, 0, "", "%d files, at most %d are possible", n, FILES_MAX);
	for (int i = 0; i < n; i++) {
		snprintf(file, sizeof(file), "%s/%s", dir, entries[i]->d_name);
		if (!rc)
			rc = apply_file(load, file);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

/* ---- what the configuration names -------------------------------------------------------------------- */

static int check_readable(const struct load *load, const char *path, const struct place *entry, int line,
			  const char *where)
{
	off_t size;
	int fd = open_regular(path, &size);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	return tree_fail(load->error, entry->file, line, where, "%s: %s", path, open_cause(fd));
}

static int check_model(const struct load *load, int index)
{
	const struct config_model *model = &load->config->models[index];
	const struct place *place = &load->places.models[index];
	char where[3 * CONFIG_NAME_BYTES];
	int rc = 0;

	if (model->labels[0]) {
		snprintf(where, sizeof(where), "models[%s].labels", model->name);
		rc = check_readable(load, model->labels, place, load->places.label_lines[index], where);
	}
	for (int i = 0; i < model->n_variants && !rc; i++) {
		snprintf(where, sizeof(where), "models[%s].variants[%s].file", model->name, model->variants[i].name);
		rc = check_readable(load, model->variants[i].file, place, load->places.file_lines[index][i], where);
	}
	return rc;
}

static int complete(struct load *load)
{
	int rc = schema_complete(load->config, &load->places, load->error);

	/* Where there are only some models, the stages may be among those that they will join. */
	if (!rc && !load->only_models)
		rc = pipelines_check(load->config, &load->places, load->error);
	for (int i = 0; i < load->config->n_models && !rc; i++)
		rc = check_model(load, i);
	return rc;
}

/* ---- outside ----------------------------------------------------------------------------------------- */

static struct load *load_create(struct config_error *error)
{
	struct load *load = calloc(1, sizeof(*load));

	if (!load)
		return NULL;
	load->error = error;
	load->config = calloc(1, sizeof(*load->config));
	if (!load->config) {
		free(load);
		return NULL;
	}
	schema_init(load->config);
	return load;
}

/* The configuration is given away when all went well. */
static int load_destroy(struct load *load, int rc, struct config **ret_config)
{
	if (rc < 0)
		config_destroy(load->config);
	else
		*ret_config = load->config;
	for (int i = 0; i < load->n_names; i++)
		free(load->names[i]);
	free(load);
	return rc;
}

int config_load(const char *path, struct config_error *ret_error, struct config **ret_config)
{
	struct load *load = load_create(ret_error);
	int rc;

	if (!load)
		return fail_errno(ret_error, path, 0, "", -ENOMEM);
	rc = apply_file(load, path);
	if (!rc)
		rc = apply_fragments(load, path);
	if (!rc)
		rc = complete(load);
	return load_destroy(load, rc, ret_config);
}

int config_load_text(const char *name, const char *dir, const char *text, size_t size, struct config_error *ret_error,
		     struct config **ret_config)
{
	struct load *load = load_create(ret_error);
	int rc;

	if (!load)
		return fail_errno(ret_error, name, 0, "", -ENOMEM);
	rc = apply_text(load, name, dir, text, size);
	if (!rc)
		rc = complete(load);
	return load_destroy(load, rc, ret_config);
}

/* ---- changes of what runs ---------------------------------------------------------------------------- */

static int copy_model(const struct config_model *from, struct config_model *to)
{
	size_t bytes = (size_t)from->n_variants * sizeof(*from->variants);
	struct config_variant *variants = malloc(bytes ? bytes : 1);

	if (!variants)
		return -ENOMEM;
	memcpy(variants, from->variants, bytes);
	memcpy(to, from, sizeof(*to));
	to->variants = variants;
	return 0;
}

/* A copy with room for as many models and lanes as there can be. */
static int copy(const struct config *base, struct config **ret_config)
{
	struct config *config = malloc(sizeof(*config));
	int rc = 0;

	if (!config)
		return -ENOMEM;
	*config = *base;
	config->n_models = config->n_lanes = 0;
	config->models = calloc(CONFIG_MODELS_MAX, sizeof(*config->models));
	config->lanes = calloc(CONFIG_LANES_MAX, sizeof(*config->lanes));
	if (!config->models || !config->lanes)
		rc = -ENOMEM;
	for (int i = 0; i < base->n_lanes && !rc; i++)
		config->lanes[config->n_lanes++] = base->lanes[i];
	for (int i = 0; i < base->n_models && !rc; i++) {
		rc = copy_model(&base->models[i], &config->models[i]);
		config->n_models += !rc;
	}
	if (rc < 0)
		config_destroy(config);
	else
		*ret_config = config;
	return rc;
}

const struct config_model *config_find_model(const struct config *config, const char *name)
{
	for (int i = 0; i < config->n_models; i++)
		if (!strcmp(config->models[i].name, name))
			return &config->models[i];
	return NULL;
}

static int find_model(const struct config *config, const char *name)
{
	const struct config_model *model = config_find_model(config, name);

	return model ? (int)(model - config->models) : -1;
}

/* What the text gave is at `added`, whole and checked; it goes over or behind what is there. */
static int merge(struct config *config, const struct config *added, bool only_new, struct config_error *error)
{
	for (int i = 0; i < added->n_models; i++) {
		struct config_model model;
		int at = find_model(config, added->models[i].name);

		if ((at < 0) != only_new) {
			tree_fail(error, added->models[i].name, 0, "", "%s",
				  only_new ? "a model of this name is served" : "no model of this name is served");
			return only_new ? -EEXIST : -ENOENT;
		}
		if (at < 0 && config->n_models == CONFIG_MODELS_MAX)
			return tree_fail(error, added->models[i].name, 0, "", "there are %d models already",
					 CONFIG_MODELS_MAX);
		if (copy_model(&added->models[i], &model) < 0)
			return fail_errno(error, added->models[i].name, 0, "", -ENOMEM);
		at = at < 0 ? config->n_models++ : at;
		free(config->models[at].variants);
		memcpy(&config->models[at], &model, sizeof(model));
	}
	return 0;
}

/* Reads the file behind a descriptor, which may have been opened by somebody with other rights. */
static int apply_fd(struct load *load, int fd)
{
	char link[64], path[CONFIG_PATH_BYTES] = "the file", dir[CONFIG_PATH_BYTES] = "/";
	char *text = NULL;
	struct stat st;
	size_t size = 0;
	ssize_t n;
	int rc;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n > 0)
		path[n] = '\0';
	if (path[0] == '/')
		snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return tree_fail(load->error, path, 0, "", "is not a regular file");
	rc = read_text(fd, &text, &size);
	rc = rc < 0 ? fail_errno(load->error, path, 0, "", rc) : apply_text(load, path, dir, text, size);
	free(text);
	return rc;
}

int config_with_models_fd(const struct config *base, int fd, bool only_new, struct config_error *ret_error,
			  struct config **ret_config)
{
	struct load *load = load_create(ret_error);
	struct config *added = NULL, *config = NULL;
	int rc;

	if (!load)
		return fail_errno(ret_error, "models", 0, "", -ENOMEM);
	load->only_models = true;
	load->config->policy = base->policy;
	rc = apply_fd(load, fd);
	if (!rc)
		rc = complete(load);
	rc = load_destroy(load, rc, &added);
	if (rc < 0)
		return rc;
	if (!added->n_models)
		rc = tree_fail(ret_error, "models", 0, "", "the file has none");
	if (!rc && copy(base, &config) < 0)
		rc = fail_errno(ret_error, "models", 0, "", -ENOMEM);
	if (!rc)
		rc = merge(config, added, only_new, ret_error);
	if (!rc)
		rc = pipelines_check(config, NULL, ret_error);
	config_destroy(added);
	if (rc < 0)
		config_destroy(config);
	else
		*ret_config = config;
	return rc;
}

int config_without_model(const struct config *base, const char *model, struct config_error *ret_error,
			 struct config **ret_config)
{
	struct config *config;
	int at = find_model(base, model), rc;

	if (at < 0) {
		tree_fail(ret_error, model, 0, "", "no model of this name is served");
		return -ENOENT;
	}
	if (copy(base, &config) < 0)
		return fail_errno(ret_error, model, 0, "", -ENOMEM);
	free(config->models[at].variants);
	config->n_models--;
	memmove(&config->models[at], &config->models[at + 1],
		(size_t)(config->n_models - at) * sizeof(*config->models));
	memset(&config->models[config->n_models], 0, sizeof(*config->models));
	rc = pipelines_check(config, NULL, ret_error);
	if (rc < 0)
		config_destroy(config);
	else
		*ret_config = config;
	return rc;
}

void config_destroy(struct config *config)
{
	if (!config)
		return;
	for (int i = 0; i < config->n_models; i++)
		free(config->models[i].variants);
	free(config->models);
	free(config->lanes);
	free(config);
}
