/* gallery_service.c - see gallery_service.h. */
#include "gallery_service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* Changes that wait for the disk, of all clients; of one client it is one. */
#define WAITING_MAX 16

struct gallery_request {
	struct galleries_change change; /* first */
	struct gallery_service *service;
	struct gallery_request *next_waiting, *next_done;
	struct session *session; /* a reference */
	uint32_t serial;
};

/* ---- reports -------------------------------------------------------------------------------------- */

static void put_text(struct ipc_writer *writer, const char *key, const char *value)
{
	ipc_put_text(writer, key);
	ipc_put_text(writer, value);
}

static void put_uint(struct ipc_writer *writer, const char *key, uint64_t value)
{
	ipc_put_text(writer, key);
	ipc_put_uint(writer, value);
}

static bool is_current(const struct model *model, uint64_t space)
{
	for (int i = 0; model && i < model->ladder->n_variants; i++)
		if (model->ladder->variants[i].space == space)
			return true;
	return false;
}

/* What a model's variants find in the gallery, and what is of networks that they had before. */
static void put_spaces(struct ipc_writer *writer, const struct gallery *gallery, const struct model *model)
{
	uint64_t n_stale = 0;
	int n = model ? model->ladder->n_variants : 0;

	for (int i = 0; i < gallery->n_spaces; i++)
		n_stale += is_current(model, gallery->spaces[i].id) ? 0 : gallery->spaces[i].n_vectors;
	put_uint(writer, "vectors_of_replaced_networks", n_stale);
	ipc_put_text(writer, "variants");
	ipc_put_array(writer, (uint32_t)n);
	for (int i = 0; i < n; i++) {
		int space = gallery_find_space(gallery, model->ladder->variants[i].space);

		ipc_put_map(writer, 3);
		put_text(writer, "name", model->ladder->variants[i].name);
		put_uint(writer, "vectors", space >= 0 ? gallery->spaces[space].n_vectors : 0);
		put_uint(writer, "length", (uint64_t)model->ladder->n_outputs);
	}
}

static void put_gallery(struct ipc_writer *writer, const struct gallery *gallery, const struct model *model, bool names)
{
	ipc_put_map(writer, 6);
	put_text(writer, "name", gallery->name);
	put_text(writer, "model", gallery->model);
	put_uint(writer, "creator", gallery->creator);
	put_spaces(writer, gallery, model);
	ipc_put_text(writer, "names");
	if (!names) {
		ipc_put_uint(writer, gallery_count_names(gallery));
		return;
	}
	ipc_put_array(writer, (uint32_t)gallery_count_names(gallery));
	for (size_t i = 0; i < gallery->n_names; i++) {
		if (!gallery->names[i].id)
			continue;
		ipc_put_map(writer, 2);
		put_text(writer, "name", gallery->names[i].text);
		put_uint(writer, "pictures", gallery->names[i].n_pictures);
	}
}

static void send_report(struct gallery_service *service, struct session *session, uint32_t serial)
{
	struct ipc_writer *writer = &service->host->writer;

	if (writer->error)
		session_error(session, serial, -writer->error, "the report is too large");
	else
		session_reply(session, IPC_REPORT, serial, writer);
}

static bool may_use(const struct session *session, const struct model *model)
{
	const struct peer *peer = session_describe(session).peer;

	return model ? peer_allowed(peer, &model->allowed) : peer_is_owner(peer);
}

/* Of galleries whose model the client may use. */
static void list_all(struct gallery_service *service, struct session *session, uint32_t serial)
{
	struct ipc_writer *writer = &service->host->writer;
	const struct models *models = service->host->models;
	struct gallery *all[GALLERIES_MAX];
	int n = galleries_get_all(service->galleries, all), n_shown = 0;

	for (int i = 0; i < n; i++)
		n_shown += may_use(session, models_find(models, all[i]->model));
	ipc_writer_reset(writer);
	ipc_put_map(writer, 1);
	ipc_put_text(writer, "galleries");
	ipc_put_array(writer, (uint32_t)n_shown);
	for (int i = 0; i < n; i++) {
		const struct model *model = models_find(models, all[i]->model);

		if (may_use(session, model))
			put_gallery(writer, all[i], model, false);
		gallery_unref(all[i]);
	}
	send_report(service, session, serial);
}

/* NULL after the client was told. */
static struct gallery *find_gallery(struct gallery_service *service, struct session *session, uint32_t serial,
				    const char *name)
{
	struct gallery *gallery = galleries_get(service->galleries, name);

	if (gallery)
		return gallery;
	if (galleries_moved_aside(service->galleries))
		session_error(session, serial, ENOENT,
			      "there is no gallery '%s'; %.120s was damaged and is kept as .bad", name,
			      galleries_path(service->galleries));
	else
		session_error(session, serial, ENOENT, "there is no gallery '%s'", name);
	return NULL;
}

static void list_one(struct gallery_service *service, struct session *session, uint32_t serial, const char *name)
{
	struct gallery *gallery = find_gallery(service, session, serial, name);
	const struct model *model;

	if (!gallery)
		return;
	model = models_find(service->host->models, gallery->model);
	if (may_use(session, model)) {
		ipc_writer_reset(&service->host->writer);
		put_gallery(&service->host->writer, gallery, model, true);
		send_report(service, session, serial);
	} else {
		session_error(session, serial, EACCES, "the model '%s' is not for this user", gallery->model);
	}
	gallery_unref(gallery);
}

/* ---- changes -------------------------------------------------------------------------------------- */

static void unlink_request(struct gallery_request *request)
{
	struct gallery_request **link = &request->service->waiting;

	while (*link != request)
		link = &(*link)->next_waiting;
	*link = request->next_waiting;
}

static void answer(struct gallery_request *request)
{
	struct ipc_writer *writer = &request->service->host->writer;
	const struct galleries_change *change = &request->change;

	unlink_request(request);
	/* What the gallery has taken, models give back. */
	if (change->error == 0 && request->service->host->make_room)
		request->service->host->make_room(request->service->host, 0);
	if (change->error < 0) {
		session_error(request->session, request->serial, -change->error, "%.250s", change->text);
	} else {
		bool add = change->kind == GALLERIES_ADD;

		ipc_writer_reset(writer);
		ipc_put_map(writer, add ? 5 : 2);
		put_text(writer, "gallery", change->gallery);
		put_text(writer, "name", change->name);
		if (add) {
			put_uint(writer, "added", (uint64_t)change->n_added);
			put_uint(writer, "duplicates", (uint64_t)change->n_duplicates);
			put_uint(writer, "pictures", (uint64_t)change->n_pictures);
		}
		session_reply(request->session, IPC_REPORT, request->serial, writer);
	}
	session_unref(request->session);
	if (change->fd >= 0)
		close(change->fd);
	free(request);
}

static void on_home(uv_async_t *async)
{
	struct gallery_service *service = async->data;
	struct gallery_request *request, *next;

	pthread_mutex_lock(&service->lock);
	request = service->done;
	service->done = NULL;
	pthread_mutex_unlock(&service->lock);
	for (; request; request = next) {
		next = request->next_done;
		answer(request);
	}
}

/* On the store's thread. */
static void on_done(struct galleries_change *change)
{
	struct gallery_request *request = (struct gallery_request *)change;
	struct gallery_service *service = request->service;

	pthread_mutex_lock(&service->lock);
	request->next_done = service->done;
	service->done = request;
	pthread_mutex_unlock(&service->lock);
	uv_async_send(&service->home);
}

static bool may_wait(const struct gallery_service *service, struct session *session, uint32_t serial)
{
	int n = 0;

	for (const struct gallery_request *request = service->waiting; request; request = request->next_waiting, n++)
		if (request->session == session)
			n = WAITING_MAX;
	if (n < WAITING_MAX)
		return true;
	session_error(session, serial, EBUSY, "another change of a gallery is under way");
	return false;
}

/* The model of an add: that of the gallery, or for a new one the one that was named.  NULL after the client was told.
 */
static const struct model *find_model(struct gallery_service *service, struct session *session, uint32_t serial,
				      const struct ipc_gallery *asked)
{
	const char *name = asked->model;
	struct gallery *gallery = NULL;
	const struct model *model;

	if (!name[0]) {
		gallery = find_gallery(service, session, serial, asked->gallery);
		if (!gallery)
			return NULL;
		name = gallery->model;
	}
	model = models_find(service->host->models, name);
	if (!model)
		session_error(session, serial, ENOENT, "there is no model '%s'", name);
	else if (!may_use(session, model))
		session_error(session, serial, EACCES, "the model '%s' is not for this user", name);
	else if (model->ladder->task != CONFIG_EMBED)
		session_error(session, serial, EINVAL,
			      "the model '%s' is not of task embed: it has no vectors to keep in a gallery", name);
	else
		goto out;
	model = NULL;
out:
	gallery_unref(gallery);
	return model;
}

static void fill_add(struct galleries_change *change, const struct model *model)
{
	const struct ladder *ladder = model->ladder;

	snprintf(change->model, sizeof(change->model), "%s", model->name);
	change->n_variants = ladder->n_variants;
	change->best = ladder->rungs[ladder->best[LADDER_FULL]].variant;
	for (int i = 0; i < ladder->n_variants; i++) {
		memcpy(change->variants[i].name, ladder->variants[i].name, sizeof(change->variants[i].name));
		change->variants[i].space = ladder->variants[i].space;
		change->variants[i].length = ladder->n_outputs;
	}
}

static void submit(struct gallery_service *service, struct session *session, uint32_t serial,
		   const struct ipc_gallery *asked, const struct model *model, int fd)
{
	struct gallery_request *request = calloc(1, sizeof(*request));
	const struct peer *peer = session_describe(session).peer;
	int rc;

	if (!request) {
		session_error(session, serial, ENOMEM, "out of memory");
		return;
	}
	request->service = service;
	request->serial = serial;
	request->change.kind = model ? GALLERIES_ADD : GALLERIES_REMOVE;
	request->change.uid = peer->uid;
	request->change.is_owner = peer_is_owner(peer);
	request->change.done = on_done;
	request->change.fd = model ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	memcpy(request->change.gallery, asked->gallery, sizeof(asked->gallery));
	memcpy(request->change.name, asked->name, sizeof(asked->name));
	request->change.memory_max =
		service->host->left_for_galleries ? service->host->left_for_galleries(service->host) : SIZE_MAX;
	if (model)
		fill_add(&request->change, model);
	request->session = session_ref(session);
	request->next_waiting = service->waiting;
	service->waiting = request;
	/* Once it was submitted it is the store's thread's, until it comes home. */
	rc = model && request->change.fd < 0 ? -EMFILE : galleries_submit(service->galleries, &request->change);
	if (rc == 0)
		return;
	request->change.error = rc;
	snprintf(request->change.text, sizeof(request->change.text), "the change cannot be queued: %s", strerror(-rc));
	answer(request);
}

static void add(struct gallery_service *service, struct session *session, uint32_t serial,
		const struct ipc_gallery *asked, int fd)
{
	const struct model *model = find_model(service, session, serial, asked);

	if (!model)
		return;
	if (!asked->name[0])
		session_error(session, serial, EINVAL, "a name for what is added is missing");
	else if (fd < 0)
		session_error(session, serial, EINVAL, "no vectors came with the request");
	else if (may_wait(service, session, serial))
		submit(service, session, serial, asked, model, fd);
}

void gallery_service_handle(struct gallery_service *service, struct session *session, uint32_t serial,
			    const struct ipc_gallery *asked, int fd)
{
	if (!service->galleries)
		session_error(session, serial, ENOTSUP, "there are no galleries without --state-dir to keep them in");
	else if (!strcmp(asked->what, "list") && !asked->gallery[0])
		list_all(service, session, serial);
	else if (!asked->gallery[0])
		session_error(session, serial, EINVAL, "the name of a gallery is missing");
	else if (!strcmp(asked->what, "list"))
		list_one(service, session, serial, asked->gallery);
	else if (!strcmp(asked->what, "add"))
		add(service, session, serial, asked, fd);
	else if (strcmp(asked->what, "remove") != 0)
		session_error(session, serial, EINVAL, "nothing of galleries is called '%s'", asked->what);
	else if (may_wait(service, session, serial))
		submit(service, session, serial, asked, NULL, -1);
}

bool gallery_service_busy(const struct gallery_service *service)
{
	return service->waiting != NULL;
}

/* ---- life ----------------------------------------------------------------------------------------- */

int gallery_service_init(struct gallery_service *service, struct session_host *host, const char *dir,
			 uint64_t limit_bytes)
{
	int rc = 0;

	*service = (struct gallery_service){.host = host};
	pthread_mutex_init(&service->lock, NULL);
	if (dir)
		rc = galleries_create(dir, limit_bytes, &service->galleries);
	if (rc < 0)
		log_error("galleries cannot be kept in %s: %s", dir, strerror(-rc));
	host->galleries = service->galleries;
	service->home.data = service;
	return uv_async_init(host->loop, &service->home, on_home);
}

void gallery_service_close(struct gallery_service *service)
{
	galleries_destroy(service->galleries);
	service->galleries = service->host->galleries = NULL;
	on_home(&service->home);
	uv_close((uv_handle_t *)&service->home, NULL);
}

void gallery_service_finish(struct gallery_service *service)
{
	pthread_mutex_destroy(&service->lock);
}
