/* models.c - see models.h. */
#include "models.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LABELS_BYTES_MAX (4 << 20)
#define LABELS_MAX	 LADDER_OUTPUTS_MAX

struct model *model_ref(struct model *model)
{
	model->references++;
	return model;
}

void model_unref(struct model *model)
{
	if (!model || --model->references > 0)
		return;
	ladder_unref(model->ladder);
	free(model->labels);
	free(model->labels_text);
	free(model);
}

const char *model_label(const struct model *model, int index)
{
	return index < model->n_labels ? model->labels[index] : "";
}

/* ---- labels --------------------------------------------------------------------------------------- */

static int read_text(const char *path, char **ret_text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;
	char *text = NULL;
	size_t filled = 0;
	int rc;

	if (fd < 0)
		return -errno;
	rc = fstat(fd, &status) < 0 ? -errno : !S_ISREG(status.st_mode) ? -EINVAL : 0;
	if (rc == 0 && status.st_size > LABELS_BYTES_MAX)
		rc = -EFBIG;
	if (rc < 0)
		goto out;
	text = malloc((size_t)status.st_size + 1);
	rc = text ? 0 : -ENOMEM;
	while (rc == 0 && filled < (size_t)status.st_size) {
		ssize_t n = read(fd, text + filled, (size_t)status.st_size - filled);

		if (n < 0 && errno != EINTR)
			rc = -errno;
		if (n == 0)
			break;
		filled += n > 0 ? (size_t)n : 0;
	}
	if (rc < 0)
		goto out;
	text[filled] = '\0';
	*ret_text = text;
	text = NULL;
out:
	free(text);
	close(fd);
	return rc;
}

/* Ends a label where the protocol's limit does, between two characters of UTF-8. */
static void cut_label(char *label)
{
	size_t end = IPC_TEXT_MAX;

	if (strlen(label) <= end)
		return;
	while (end > 0 && ((unsigned char)label[end] & 0xc0) == 0x80)
		end--;
	label[end] = '\0';
}

static int split_labels(struct model *model)
{
	int count = 1;
	char *cursor = model->labels_text;

	for (const char *c = cursor; *c; c++)
		count += *c == '\n';
	if (count > LABELS_MAX)
		return -EFBIG;
	model->labels = malloc((size_t)count * sizeof(*model->labels));
	if (!model->labels)
		return -ENOMEM;
	while (*cursor) {
		char *end = cursor + strcspn(cursor, "\n"), *next = *end ? end + 1 : end;

		*end = '\0';
		if (end > cursor && end[-1] == '\r')
			end[-1] = '\0';
		cut_label(cursor);
		model->labels[model->n_labels++] = cursor;
		cursor = next;
	}
	return 0;
}

/* ---- one generation ------------------------------------------------------------------------------- */

/* The ladder of the same model before, where it would be made of the same again, or a new one. */
static int find_ladder(const struct config *whole, const struct config_model *config, const struct models *before,
		       const struct topology_lane *lanes, int n_lanes, struct config_error *error,
		       struct ladder **ret_ladder)
{
	const struct config_model *stages[CONFIG_STAGES] = {0};
	struct model *old = before ? models_find(before, config->name) : NULL;
	bool pipeline = config_is_pipeline(config);

	for (int i = 0; i < CONFIG_STAGES && pipeline; i++)
		stages[i] = config_find_model(whole, config->stages[i]);
	if (old && (pipeline ? ladder_serves_pipeline(old->ladder, stages) : ladder_serves(old->ladder, config))) {
		*ret_ladder = ladder_ref(old->ladder);
		return 0;
	}
	if (pipeline)
		return ladder_create_pipeline(stages, lanes, n_lanes, error, ret_ladder);
	return ladder_create(config, lanes, n_lanes, error, ret_ladder);
}

/* The networks may come and go (residency.h), but each model's must fit by themselves. */
static int check_fits(const struct ladder *ladder, const struct config *config, int n_lanes, struct config_error *error)
{
	size_t bytes = ladder->bytes + ladder->arena_bytes * (size_t)n_lanes;

	if (bytes <= (size_t)config->memory_budget_mb << 20)
		return 0;
	snprintf(error->text, sizeof(error->text), "needs %zu MB, and memory_budget_mb is %d", (bytes >> 20) + 1,
		 config->memory_budget_mb);
	return -ENOMEM;
}

static void fill_vote(struct model *model, const struct config_model *config)
{
	const struct config_gallery *gallery = &config->gallery;

	model->vote_rules = (struct vote_rules){.window_us = (int64_t)(gallery->window_s * 1e6f),
						.maybe_lead = gallery->maybe_lead,
						.lead = gallery->lead};
	for (int i = 0; i < config->n_variants; i++) {
		const struct config_variant *variant = &config->variants[i];

		model->vote_scales[i] = (struct vote_scale){
			.maybe = variant->maybe > 0 ? variant->maybe : gallery->maybe,
			.sure = variant->sure > 0 ? variant->sure : gallery->sure,
		};
	}
}

static int model_create(const struct config *whole, const struct config_model *config, const struct models *before,
			const struct topology_lane *lanes, int n_lanes, struct config_error *error,
			struct model **ret_model)
{
	struct model *model = calloc(1, sizeof(*model));
	int rc = 0;

	if (!model) {
		snprintf(error->text, sizeof(error->text), "out of memory");
		return -ENOMEM;
	}
	model->references = 1;
	memcpy(model->name, config->name, sizeof(model->name));
	model->top_k = config->task == CONFIG_DETECT || config_is_pipeline(config) ? config->decode.max_results
										   : config->top_k;
	model->deadline_ms = config->deadline_ms;
	model->weight = config->weight;
	model->min_fps = config->min_fps;
	model->priority = config->priority;
	fill_vote(model, config);
	rc = peer_list_resolve(config, error, &model->allowed);
	if (rc < 0)
		goto fail;
	if (config->labels[0]) {
		rc = read_text(config->labels, &model->labels_text);
		if (rc == 0)
			rc = split_labels(model);
		if (rc < 0) {
			snprintf(error->text, sizeof(error->text), "labels %.400s: %s", config->labels, strerror(-rc));
			goto fail;
		}
	}
	rc = find_ladder(whole, config, before, lanes, n_lanes, error, &model->ladder);
	if (rc == 0)
		rc = check_fits(model->ladder, whole, n_lanes, error);
	if (rc < 0)
		goto fail;
	*ret_model = model;
	return 0;
fail:
	model_unref(model);
	return rc;
}

int models_add(struct models *models, const struct config *config, const struct models *before,
	       const struct topology_lane *lanes, int n_lanes, struct config_error *ret_error)
{
	const struct config_model *model = &config->models[models->n];
	struct config_error why = {""};
	int rc = model_create(config, model, before, lanes, n_lanes, &why, &models->model[models->n]);

	if (rc == 0)
		models->n++;
	else if (ret_error)
		snprintf(ret_error->text, sizeof(ret_error->text), "models[%s]: %.400s", model->name, why.text);
	return rc;
}

int models_create(const struct config *config, const struct topology_lane *lanes, int n_lanes,
		  struct config_error *ret_error, struct models **ret_models)
{
	struct models *models = calloc(1, sizeof(*models));
	int rc = models ? 0 : -ENOMEM;

	if (!models && ret_error)
		snprintf(ret_error->text, sizeof(ret_error->text), "out of memory");
	while (rc == 0 && models->n < config->n_models)
		rc = models_add(models, config, NULL, lanes, n_lanes, ret_error);
	if (rc < 0) {
		models_destroy(models);
		return rc;
	}
	*ret_models = models;
	return 0;
}

void models_destroy(struct models *models)
{
	if (!models)
		return;
	for (int i = 0; i < models->n; i++)
		model_unref(models->model[i]);
	free(models);
}

void models_inherit(struct models *models, const struct models *before)
{
	for (int i = 0; i < models->n; i++) {
		const struct model *old = models_find(before, models->model[i]->name);

		if (!old)
			continue;
		models->model[i]->stats = old->stats;
		ladder_inherit(models->model[i]->ladder, old->ladder);
	}
}

struct model *models_find(const struct models *models, const char *name)
{
	for (int i = 0; i < models->n; i++)
		if (!strcmp(models->model[i]->name, name))
			return models->model[i];
	return NULL;
}
