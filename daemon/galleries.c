/* galleries.c - see galleries.h. */
#include "galleries.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "galleries_sql.h"
#include "log.h"

struct galleries {
	struct store *store;
	struct originals originals;
	/* Changed by the store's thread alone, which may read it without the lock. */
	pthread_mutex_t lock;
	pthread_cond_t loaded_changed;
	bool loaded;
	struct gallery *all[GALLERIES_MAX];
	int n;
	uint64_t aside; /* databases that were moved aside before this was loaded */
};

static int find(const struct galleries *galleries, const char *name)
{
	for (int i = 0; i < galleries->n; i++)
		if (!strcmp(galleries->all[i]->name, name))
			return i;
	return -1;
}

struct gallery *galleries_get(struct galleries *galleries, const char *name)
{
	struct gallery *found = NULL;
	int i;

	pthread_mutex_lock(&galleries->lock);
	i = find(galleries, name);
	if (i >= 0)
		found = gallery_ref(galleries->all[i]);
	pthread_mutex_unlock(&galleries->lock);
	return found;
}

int galleries_get_all(struct galleries *galleries, struct gallery *ret_all[GALLERIES_MAX])
{
	int n;

	pthread_mutex_lock(&galleries->lock);
	for (n = 0; n < galleries->n; n++)
		ret_all[n] = gallery_ref(galleries->all[n]);
	pthread_mutex_unlock(&galleries->lock);
	return n;
}

const char *galleries_path(const struct galleries *galleries)
{
	return store_describe(galleries->store).path;
}

uint64_t galleries_moved_aside(struct galleries *galleries)
{
	return store_describe(galleries->store).aside;
}

void galleries_set_limit(struct galleries *galleries, uint64_t limit_bytes)
{
	store_set_limit(galleries->store, limit_bytes);
}

size_t galleries_bytes(const struct galleries *galleries)
{
	return galleries ? atomic_load(&galleries->originals.memory_bytes) : 0;
}

/* Puts `next` (consumed; NULL: nothing) in the place of the gallery of that name. */
static void put(struct galleries *galleries, const char *name, struct gallery *next)
{
	struct gallery *before = NULL;
	int i;

	pthread_mutex_lock(&galleries->lock);
	i = find(galleries, name);
	if (i >= 0)
		before = galleries->all[i];
	if (i >= 0 && next)
		galleries->all[i] = next;
	else if (i >= 0)
		galleries->all[i] = galleries->all[--galleries->n];
	else if (next)
		galleries->all[galleries->n++] = next;
	pthread_mutex_unlock(&galleries->lock);
	gallery_unref(before);
}

static void forget_all(struct galleries *galleries)
{
	while (galleries->n)
		put(galleries, galleries->all[0]->name, NULL);
}

/* ---- loading -------------------------------------------------------------------------------------- */

struct load {
	struct store_task task; /* first */
	struct galleries *galleries;
};

static int run_load(struct store_task *task, struct sqlite3 *db)
{
	struct galleries *galleries = ((struct load *)task)->galleries;
	struct gallery *all[GALLERIES_MAX];
	int n = 0, rc = galleries_load(db, &galleries->originals, all, GALLERIES_MAX, &n);

	for (int i = 0; i < n; i++) {
		if (rc == 0)
			put(galleries, all[i]->name, all[i]);
		else
			gallery_unref(all[i]);
	}
	return rc;
}

static void end_load(struct store_task *task, int rc)
{
	struct galleries *galleries = ((struct load *)task)->galleries;

	if (rc < 0)
		log_error("%s: galleries are not loaded: %s", galleries_path(galleries), strerror(-rc));
	pthread_mutex_lock(&galleries->lock);
	galleries->aside = store_describe(galleries->store).aside;
	galleries->loaded = true;
	pthread_cond_broadcast(&galleries->loaded_changed);
	pthread_mutex_unlock(&galleries->lock);
}

static void wait_until_loaded(struct galleries *galleries)
{
	struct load load = {.task = {.run = run_load, .done = end_load}, .galleries = galleries};

	/* The queue of a new store is empty. */
	store_submit(galleries->store, &load.task);
	pthread_mutex_lock(&galleries->lock);
	while (!galleries->loaded)
		pthread_cond_wait(&galleries->loaded_changed, &galleries->lock);
	pthread_mutex_unlock(&galleries->lock);
}

/* ---- checks of a change --------------------------------------------------------------------------- */

/* Says why a change is not made.  Nothing is wrong with the database then: the task itself ends well. */
__attribute__((format(printf, 3, 4))) static bool refuse(struct galleries_change *change, int error, const char *format,
							 ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(change->text, sizeof(change->text), format, arguments);
	va_end(arguments);
	change->error = error;
	return false;
}

static bool check_owner(struct galleries_change *change, const struct gallery *gallery)
{
	if (change->is_owner || gallery->creator == change->uid)
		return true;
	return refuse(change, -EPERM,
		      "the gallery '%s' is another user's; only that user and the daemon's owners may change it",
		      gallery->name);
}

static bool check_new(const struct galleries *galleries, struct galleries_change *change)
{
	int n_own = 0;

	for (int i = 0; i < galleries->n; i++)
		n_own += galleries->all[i]->creator == change->uid;
	if (galleries->n >= GALLERIES_MAX)
		return refuse(change, -EDQUOT, "there are %d galleries, and no more are kept", GALLERIES_MAX);
	if (!change->is_owner && n_own >= GALLERIES_PER_USER_MAX)
		return refuse(change, -EDQUOT, "a user may have %d galleries", GALLERIES_PER_USER_MAX);
	return true;
}

/* Where the batch has the vectors of a variant; -1 nowhere. */
static int find_variant(const struct gallery_batch *batch, const struct galleries_variant *variant)
{
	for (int i = 0; i < batch->n_variants; i++)
		if (batch->variants[i].space == variant->space && batch->variants[i].length == variant->length)
			return i;
	return -1;
}

/* The batch has to have what every variant of the model says of each picture, and nothing else. */
static bool check_batch(struct galleries_change *change, const struct gallery_batch *batch)
{
	for (int i = 0; i < change->n_variants; i++)
		if (find_variant(batch, &change->variants[i]) < 0)
			return refuse(
				change, -ESTALE,
				"vectors of the model '%s', variant '%s', as it is now are missing: those that came are "
				"another model's, or its network was replaced",
				change->model, change->variants[i].name);
	if (batch->n_variants != change->n_variants)
		return refuse(change, -EINVAL, "vectors of %d networks came, and the model '%s' has %d variants",
			      batch->n_variants, change->model, change->n_variants);
	return true;
}

/* Room for all of the batch, so that nothing is half done. */
static bool check_room(struct galleries_change *change, const struct gallery *gallery, int n_pictures)
{
	int name = gallery_find_name(gallery, change->name), n_new = 0;

	if (name < 0 && gallery_count_names(gallery) >= GALLERY_NAMES_MAX)
		return refuse(change, -EDQUOT, "the gallery '%s' has %d names, and no more are kept", gallery->name,
			      GALLERY_NAMES_MAX);
	if (name >= 0 && gallery->names[name].n_pictures + (uint32_t)n_pictures > GALLERY_PICTURES_MAX)
		return refuse(change, -EDQUOT, "'%s' would have more than %d pictures", change->name,
			      GALLERY_PICTURES_MAX);
	for (int i = 0; i < change->n_variants; i++) {
		int space = gallery_find_space(gallery, change->variants[i].space);

		n_new += space < 0;
		if (space >= 0 && gallery->spaces[space].n_vectors + (size_t)n_pictures > GALLERY_VECTORS_MAX)
			return refuse(change, -EDQUOT, "the gallery '%s' would have more than %d vectors of a network",
				      gallery->name, GALLERY_VECTORS_MAX);
	}
	if (gallery->n_spaces + n_new > GALLERY_SPACES_MAX)
		return refuse(change, -EDQUOT,
			      "the gallery '%s' has vectors of %d networks, most of them replaced since; remove it and "
			      "add anew",
			      gallery->name, gallery->n_spaces);
	return true;
}

/* Before anything is copied.  Duplicates are counted, too: what they are is known only when the others are there. */
static bool check_memory(const struct galleries *galleries, struct galleries_change *change,
			 const struct gallery_batch *batch)
{
	size_t used = galleries_bytes(galleries), more = 0;

	for (int i = 0; i < batch->n_variants; i++)
		more += (size_t)batch->n_pictures * gallery_vector_bytes(batch->variants[i].length);
	for (int i = 0; i < batch->n_pictures; i++)
		more += batch->moments[i].source ? sizeof(struct gallery_moment) : 0;
	if (used <= change->memory_max && more <= change->memory_max - used)
		return true;
	return refuse(
		change, -ENOMEM,
		"galleries have %.1f MB of memory, %.1f MB more are wanted, and memory_budget_mb leaves them %.1f MB "
		"beside the largest model and the streams' pools",
		(double)used / (1 << 20), (double)more / (1 << 20), (double)change->memory_max / (1 << 20));
}

/* ---- adding --------------------------------------------------------------------------------------- */

/* What an add works with. */
struct adding {
	struct sqlite3 *db;
	struct galleries_change *change;
	struct gallery *gallery; /* the copy that is edited */
	const struct gallery_batch *batch;
	int name;
	/* of each variant of the model: its place in the batch and its space of the gallery */
	int at[CONFIG_VARIANTS_MAX], spaces[CONFIG_VARIANTS_MAX];
	float *buffer; /* a vector */
};

static int prepare_spaces(struct adding *adding)
{
	for (int i = 0; i < adding->change->n_variants; i++) {
		const struct galleries_variant *variant = &adding->change->variants[i];
		int64_t row;
		int rc;

		adding->at[i] = find_variant(adding->batch, variant);
		adding->spaces[i] = gallery_find_space(adding->gallery, variant->space);
		if (adding->spaces[i] >= 0)
			continue;
		rc = galleries_insert_space(adding->db, adding->gallery->row, variant->space, variant->length,
					    variant->name, &row);
		if (rc < 0)
			return rc;
		adding->spaces[i] =
			gallery_add_space(adding->gallery, variant->space, variant->length, variant->name, row);
	}
	return 0;
}

static int prepare_name(struct adding *adding)
{
	int64_t row;
	int rc;

	adding->name = gallery_find_name(adding->gallery, adding->change->name);
	if (adding->name >= 0)
		return 0;
	rc = galleries_insert_name(adding->db, adding->gallery->row, adding->change->name, &row);
	if (rc < 0)
		return rc;
	adding->name = gallery_add_name(adding->gallery, adding->change->name, (uint64_t)row);
	return adding->name < 0 ? adding->name : 0;
}

static const float *vector_of(const struct adding *adding, int variant, int picture)
{
	int at = adding->at[variant];

	return adding->batch->variants[at].vectors + (size_t)picture * (size_t)adding->batch->variants[at].length;
}

/* What the batch says of when a picture was; false: nothing. */
static bool moment_of(const struct adding *adding, int picture, struct gallery_moment *ret_moment)
{
	const struct gallery_batch_moment *moment = &adding->batch->moments[picture];

	*ret_moment = (struct gallery_moment){
		.name = (uint32_t)adding->name,
		.source = moment->source,
		.from_ms = moment->from_ms,
		.to_ms = moment->to_ms,
	};
	return moment->source != 0;
}

/* The place of a new picture's moment, or a negative errno. */
static int add_moment(struct adding *adding, struct gallery_moment *moment, int64_t picture)
{
	int rc;

	moment->picture = picture;
	rc = galleries_insert_moment(adding->db, moment);
	return rc < 0 ? rc : gallery_add_moment(adding->gallery, moment);
}

static int add_picture(struct adding *adding, int picture)
{
	const struct galleries_change *change = adding->change;
	struct gallery_name *name = &adding->gallery->names[adding->name];
	uint32_t place = GALLERY_NO_MOMENT;
	struct gallery_moment moment;
	int64_t row;
	int rc = galleries_insert_picture(adding->db, (int64_t)name->id, &row);

	if (rc == 0 && moment_of(adding, picture, &moment)) {
		rc = add_moment(adding, &moment, row);
		place = (uint32_t)rc;
		rc = rc < 0 ? rc : 0;
	}
	for (int i = 0; rc == 0 && i < change->n_variants; i++) {
		const float *vector = vector_of(adding, i, picture);

		rc = galleries_insert_vector(adding->db, row, adding->gallery->spaces[adding->spaces[i]].row, vector,
					     change->variants[i].length);
		if (rc == 0)
			rc = gallery_add_vector(adding->gallery, adding->spaces[i], adding->name, place, vector);
	}
	name->n_pictures++;
	return rc;
}

/* Lets the picture of the moment at this place, if it has any, stand for another one that is left out, too. */
static int extend_moment(struct adding *adding, uint32_t place, const struct gallery_moment *by)
{
	struct gallery_moment *moment;

	if (place == GALLERY_NO_MOMENT)
		return 0;
	moment = &adding->gallery->moments[place];
	if (moment->from_ms <= by->from_ms && moment->to_ms >= by->to_ms)
		return 0;
	moment->from_ms = moment->from_ms < by->from_ms ? moment->from_ms : by->from_ms;
	moment->to_ms = moment->to_ms > by->to_ms ? moment->to_ms : by->to_ms;
	return galleries_update_moment(adding->db, moment);
}

/* The best variant decides, so that all of them have the same pictures. */
static int add_pictures(struct adding *adding)
{
	struct galleries_change *change = adding->change;
	int best = change->best, rc = 0;

	for (int i = 0; rc == 0 && i < adding->batch->n_pictures; i++) {
		struct gallery_moment moment;
		bool timed = moment_of(adding, i, &moment), found;
		uint32_t place;

		rc = gallery_find_alike(adding->gallery, adding->spaces[best], adding->name, vector_of(adding, best, i),
					timed ? &moment : NULL, GALLERIES_DUPLICATE, adding->buffer, &found, &place);
		if (rc == 0 && found) {
			rc = extend_moment(adding, place, &moment);
			change->n_duplicates++;
		} else if (rc == 0) {
			rc = add_picture(adding, i);
			change->n_added++;
		}
	}
	return rc;
}

static int add_batch(struct galleries *galleries, struct galleries_change *change, struct sqlite3 *db,
		     const struct gallery_batch *batch)
{
	struct adding adding = {.db = db, .change = change, .batch = batch};
	int i = find(galleries, change->gallery), rc;

	if (i >= 0)
		rc = gallery_copy(galleries->all[i], &adding.gallery);
	else
		rc = gallery_create(&galleries->originals, change->gallery, change->model, change->uid,
				    &adding.gallery);
	if (rc < 0)
		return rc;
	change->next = adding.gallery;
	if (!check_room(change, adding.gallery, batch->n_pictures))
		return 0;
	if (i < 0)
		rc = galleries_insert_gallery(db, change->gallery, change->model, change->uid, &adding.gallery->row);
	adding.buffer = malloc((size_t)change->variants[change->best].length * sizeof(*adding.buffer));
	if (rc == 0)
		rc = adding.buffer ? prepare_spaces(&adding) : -ENOMEM;
	if (rc == 0)
		rc = prepare_name(&adding);
	if (rc == 0)
		rc = add_pictures(&adding);
	if (rc == 0)
		change->n_pictures = (int)adding.gallery->names[adding.name].n_pictures;
	free(adding.buffer);
	return rc;
}

static int run_add(struct galleries *galleries, struct galleries_change *change, struct sqlite3 *db)
{
	int i = find(galleries, change->gallery), rc;
	struct gallery_batch batch = {0};
	struct config_error why = {""};

	if (i >= 0 && !check_owner(change, galleries->all[i]))
		return 0;
	if (i < 0 && !check_new(galleries, change))
		return 0;
	if (i >= 0 && strcmp(galleries->all[i]->model, change->model) != 0) {
		refuse(change, -EINVAL, "the gallery '%s' is of the model '%s', not of '%s'", change->gallery,
		       galleries->all[i]->model, change->model);
		return 0;
	}
	rc = gallery_batch_read(change->fd, &why, &batch);
	if (rc < 0) {
		refuse(change, rc, "%.300s", why.text);
		return 0;
	}
	if (check_batch(change, &batch) && check_memory(galleries, change, &batch))
		rc = add_batch(galleries, change, db, &batch);
	gallery_batch_finish(&batch);
	return rc;
}

/* ---- removing ------------------------------------------------------------------------------------- */

static int run_remove(struct galleries *galleries, struct galleries_change *change, struct sqlite3 *db)
{
	int i = find(galleries, change->gallery), name, rc;
	int64_t id;

	if (i < 0) {
		refuse(change, -ENOENT, "there is no gallery '%s'", change->gallery);
		return 0;
	}
	if (!check_owner(change, galleries->all[i]))
		return 0;
	if (!change->name[0])
		return galleries_delete_gallery(db, galleries->all[i]->row);
	name = gallery_find_name(galleries->all[i], change->name);
	if (name < 0) {
		refuse(change, -ENOENT, "the gallery '%s' has no name '%s'", change->gallery, change->name);
		return 0;
	}
	id = (int64_t)galleries->all[i]->names[name].id;
	rc = gallery_copy(galleries->all[i], &change->next);
	if (rc == 0)
		rc = gallery_remove_name(change->next, name);
	return rc < 0 ? rc : galleries_delete_name(db, id);
}

/* ---- tasks ---------------------------------------------------------------------------------------- */

/* May be called again, after a rollback. */
static void begin(struct galleries_change *change)
{
	gallery_unref(change->next);
	change->next = NULL;
	change->error = change->n_added = change->n_duplicates = change->n_pictures = 0;
	change->text[0] = '\0';
}

static int run_change(struct store_task *task, struct sqlite3 *db)
{
	struct galleries_change *change = (struct galleries_change *)task;
	struct galleries *galleries = change->galleries;
	struct store_info info = store_describe(galleries->store);

	begin(change);
	if (info.aside != galleries->aside) {
		/* What is in memory is not in the database that took its place, and would be gone after the next start.
		 */
		galleries->aside = info.aside;
		forget_all(galleries);
		refuse(change, -EIO, "%.200s was damaged: it was moved aside to .bad, and galleries begin anew",
		       info.path);
		return 0;
	}
	return change->kind == GALLERIES_ADD ? run_add(galleries, change, db) : run_remove(galleries, change, db);
}

static void end_change(struct store_task *task, int rc)
{
	struct galleries_change *change = (struct galleries_change *)task;
	const char *path = galleries_path(change->galleries);

	if (rc == -ENOSPC)
		refuse(change, rc, "%.200s has all of limits.gallery_mb, or the disk is full", path);
	else if (rc < 0)
		refuse(change, rc, "%.200s cannot be written: %s", path, strerror(-rc));
	if (change->error == 0) {
		put(change->galleries, change->gallery, change->next);
		change->next = NULL;
	}
	gallery_unref(change->next);
	change->next = NULL;
	change->done(change);
}

int galleries_submit(struct galleries *galleries, struct galleries_change *change)
{
	change->task = (struct store_task){.run = run_change, .done = end_change};
	change->galleries = galleries;
	change->next = NULL;
	return store_submit(galleries->store, &change->task);
}

/* ---- life ----------------------------------------------------------------------------------------- */

int galleries_create(const char *dir, uint64_t limit_bytes, struct galleries **ret_galleries)
{
	struct galleries *galleries = calloc(1, sizeof(*galleries));
	int rc = galleries ? originals_open(&galleries->originals, dir) : -ENOMEM;

	if (rc < 0) {
		free(galleries);
		return rc;
	}
	pthread_mutex_init(&galleries->lock, NULL);
	pthread_cond_init(&galleries->loaded_changed, NULL);
	rc = store_create(dir, limit_bytes, &galleries_schema, &galleries->store);
	if (rc < 0) {
		galleries_destroy(galleries);
		return rc;
	}
	wait_until_loaded(galleries);
	*ret_galleries = galleries;
	return 0;
}

void galleries_destroy(struct galleries *galleries)
{
	if (!galleries)
		return;
	store_destroy(galleries->store);
	forget_all(galleries);
	originals_close(&galleries->originals);
	pthread_mutex_destroy(&galleries->lock);
	pthread_cond_destroy(&galleries->loaded_changed);
	free(galleries);
}
