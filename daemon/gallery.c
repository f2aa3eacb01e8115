/* gallery.c - see gallery.h. */
#include "gallery.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Large enough that a search runs through memory without stopping, small enough for a gallery of a few pictures. */
#define CHUNK_ROWS 512
/* Room for more moments than there are, whenever there is none. */
#define MOMENTS_AT_ONCE 16

struct gallery_chunk {
	atomic_int references;
	struct originals *originals;
	size_t row_bytes; /* of an original */
	off_t at;	  /* of the first */
	size_t n_touched; /* rows that were ever filled */
	int8_t *codes;
	struct engine_search_code about[CHUNK_ROWS];
	uint32_t names[CHUNK_ROWS], moments[CHUNK_ROWS]; /* their places */
};

/* The public struct comes first; galleries are always made here. */
struct gallery_box {
	struct gallery gallery;
	atomic_int references;
};

static struct gallery_box *box_of(struct gallery *gallery)
{
	return (struct gallery_box *)(void *)gallery;
}

/* ---- chunks --------------------------------------------------------------------------------------- */

size_t gallery_vector_bytes(int length)
{
	return engine_search_stride(length) + sizeof(struct engine_search_code) + 2 * sizeof(uint32_t);
}

static int length_of(const struct gallery_chunk *chunk)
{
	return (int)(chunk->row_bytes / sizeof(float));
}

static void count(struct originals *originals, size_t more, size_t less)
{
	atomic_fetch_add(&originals->memory_bytes, more - less);
}

/* Pages that no vector touched cost nothing, and are not counted. */
static int chunk_create(struct originals *originals, int length, struct gallery_chunk **ret_chunk)
{
	size_t stride = engine_search_stride(length);
	struct gallery_chunk *chunk = malloc(sizeof(*chunk));

	if (!chunk)
		return -ENOMEM;
	chunk->codes = aligned_alloc(ENGINE_SEARCH_ALIGN, CHUNK_ROWS * stride);
	if (!chunk->codes) {
		free(chunk);
		return -ENOMEM;
	}
	atomic_init(&chunk->references, 1);
	chunk->n_touched = 0;
	chunk->originals = originals;
	chunk->row_bytes = (size_t)length * sizeof(float);
	chunk->at = originals_take(originals, CHUNK_ROWS * chunk->row_bytes);
	*ret_chunk = chunk;
	return 0;
}

static struct gallery_chunk *chunk_ref(struct gallery_chunk *chunk)
{
	atomic_fetch_add(&chunk->references, 1);
	return chunk;
}

static void chunk_unref(struct gallery_chunk *chunk)
{
	if (atomic_fetch_sub(&chunk->references, 1) > 1)
		return;
	originals_free(chunk->originals, chunk->at, CHUNK_ROWS * chunk->row_bytes);
	count(chunk->originals, 0, chunk->n_touched * gallery_vector_bytes(length_of(chunk)));
	free(chunk->codes);
	free(chunk);
}

static off_t original_at(const struct gallery_chunk *chunk, size_t row)
{
	return chunk->at + (off_t)(row * chunk->row_bytes);
}

/* ---- life ----------------------------------------------------------------------------------------- */

int gallery_create(struct originals *originals, const char *name, const char *model, uid_t creator,
		   struct gallery **ret_gallery)
{
	struct gallery_box *box = calloc(1, sizeof(*box));

	if (!box)
		return -ENOMEM;
	atomic_init(&box->references, 1);
	count(originals, sizeof(*box), 0);
	box->gallery.originals = originals;
	box->gallery.creator = creator;
	snprintf(box->gallery.name, sizeof(box->gallery.name), "%s", name);
	snprintf(box->gallery.model, sizeof(box->gallery.model), "%s", model);
	*ret_gallery = &box->gallery;
	return 0;
}

static int copy_space(const struct gallery_space *from, struct gallery_space *to)
{
	*to = *from;
	to->n_parts = 0;
	to->parts = NULL;
	if (!from->n_parts)
		return 0;
	to->parts = malloc((size_t)from->n_parts * sizeof(*to->parts));
	if (!to->parts)
		return -ENOMEM;
	for (; to->n_parts < from->n_parts; to->n_parts++)
		to->parts[to->n_parts] =
			(struct gallery_part){chunk_ref(from->parts[to->n_parts].chunk), from->parts[to->n_parts].n};
	return 0;
}

static int copy_names(const struct gallery *gallery, struct gallery *copy)
{
	copy->names = malloc((gallery->n_names + 1) * sizeof(*copy->names));
	if (!copy->names)
		return -ENOMEM;
	if (gallery->n_names)
		memcpy(copy->names, gallery->names, gallery->n_names * sizeof(*copy->names));
	copy->n_names = gallery->n_names;
	count(copy->originals, copy->n_names * sizeof(*copy->names), 0);
	return 0;
}

static int reserve_moments(struct gallery *gallery, size_t capacity)
{
	struct gallery_moment *grown = realloc(gallery->moments, capacity * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	count(gallery->originals, capacity * sizeof(*grown), gallery->moments_capacity * sizeof(*grown));
	gallery->moments = grown;
	gallery->moments_capacity = capacity;
	return 0;
}

static int copy_moments(const struct gallery *gallery, struct gallery *copy)
{
	int rc = gallery->n_moments ? reserve_moments(copy, gallery->n_moments) : 0;

	if (rc < 0 || !gallery->n_moments)
		return rc;
	memcpy(copy->moments, gallery->moments, gallery->n_moments * sizeof(*copy->moments));
	copy->n_moments = gallery->n_moments;
	copy->moments_taken = gallery->moments_taken;
	return 0;
}

int gallery_copy(const struct gallery *gallery, struct gallery **ret_copy)
{
	struct gallery *copy;
	int rc = gallery_create(gallery->originals, gallery->name, gallery->model, gallery->creator, &copy);

	if (rc < 0)
		return rc;
	copy->row = gallery->row;
	rc = copy_names(gallery, copy);
	if (rc == 0)
		rc = copy_moments(gallery, copy);
	while (rc == 0 && copy->n_spaces < gallery->n_spaces) {
		rc = copy_space(&gallery->spaces[copy->n_spaces], &copy->spaces[copy->n_spaces]);
		copy->n_spaces++;
	}
	if (rc < 0) {
		gallery_unref(copy);
		return rc;
	}
	*ret_copy = copy;
	return 0;
}

struct gallery *gallery_ref(struct gallery *gallery)
{
	atomic_fetch_add(&box_of(gallery)->references, 1);
	return gallery;
}

static void drop_parts(struct gallery_part *parts, int n)
{
	for (int i = 0; i < n; i++)
		chunk_unref(parts[i].chunk);
	free(parts);
}

void gallery_unref(struct gallery *gallery)
{
	if (!gallery || atomic_fetch_sub(&box_of(gallery)->references, 1) > 1)
		return;
	for (int i = 0; i < gallery->n_spaces; i++)
		drop_parts(gallery->spaces[i].parts, gallery->spaces[i].n_parts);
	count(gallery->originals, 0,
	      sizeof(struct gallery_box) + gallery->n_names * sizeof(*gallery->names) +
		      gallery->moments_capacity * sizeof(*gallery->moments));
	free(gallery->names);
	free(gallery->moments);
	free(box_of(gallery));
}

/* ---- what is there -------------------------------------------------------------------------------- */

int gallery_find_name(const struct gallery *gallery, const char *text)
{
	for (size_t i = 0; i < gallery->n_names; i++)
		if (gallery->names[i].id && !strcmp(gallery->names[i].text, text))
			return (int)i;
	return -1;
}

const char *gallery_name_of(const struct gallery *gallery, uint64_t id)
{
	for (size_t i = 0; i < gallery->n_names; i++)
		if (gallery->names[i].id == id)
			return gallery->names[i].text;
	return NULL;
}

int gallery_find_space(const struct gallery *gallery, uint64_t id)
{
	for (int i = 0; i < gallery->n_spaces; i++)
		if (gallery->spaces[i].id == id)
			return i;
	return -1;
}

size_t gallery_count_names(const struct gallery *gallery)
{
	size_t n = 0;

	for (size_t i = 0; i < gallery->n_names; i++)
		n += gallery->names[i].id != 0;
	return n;
}

bool gallery_is_empty(const struct gallery *gallery)
{
	for (int i = 0; i < gallery->n_spaces; i++)
		if (gallery->spaces[i].n_vectors)
			return false;
	return true;
}

/* ---- edits ---------------------------------------------------------------------------------------- */

int gallery_add_name(struct gallery *gallery, const char *text, uint64_t id)
{
	size_t place = 0;

	while (place < gallery->n_names && gallery->names[place].id)
		place++;
	if (place == GALLERY_NAMES_MAX)
		return -ENOSPC;
	if (place == gallery->n_names) {
		struct gallery_name *grown = realloc(gallery->names, (place + 1) * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		gallery->names = grown;
		gallery->n_names++;
		count(gallery->originals, sizeof(*grown), 0);
	}
	gallery->names[place] = (struct gallery_name){.id = id};
	snprintf(gallery->names[place].text, sizeof(gallery->names[place].text), "%s", text);
	return (int)place;
}

int gallery_add_space(struct gallery *gallery, uint64_t id, int length, const char *variant, int64_t row)
{
	struct gallery_space *space = &gallery->spaces[gallery->n_spaces];

	if (gallery->n_spaces == GALLERY_SPACES_MAX)
		return -ENOSPC;
	*space = (struct gallery_space){.id = id, .row = row, .length = length};
	snprintf(space->variant, sizeof(space->variant), "%s", variant);
	return gallery->n_spaces++;
}

/* The last part of the space with a free row. */
static int find_room(struct gallery *gallery, struct gallery_space *space, struct gallery_part **ret_part)
{
	struct gallery_part *grown;
	int rc;

	if (!space->n_parts || space->parts[space->n_parts - 1].n == CHUNK_ROWS) {
		grown = realloc(space->parts, ((size_t)space->n_parts + 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		space->parts = grown;
		grown[space->n_parts].n = 0;
		rc = chunk_create(gallery->originals, space->length, &grown[space->n_parts].chunk);
		if (rc < 0)
			return rc;
		space->n_parts++;
	}
	*ret_part = &space->parts[space->n_parts - 1];
	return 0;
}

int gallery_add_moment(struct gallery *gallery, const struct gallery_moment *moment)
{
	size_t place = gallery->moments_taken;

	while (place < gallery->n_moments && gallery->moments[place].picture)
		place++;
	if (place == gallery->moments_capacity) {
		int rc = reserve_moments(gallery, place + place / 4 + MOMENTS_AT_ONCE);

		if (rc < 0)
			return rc;
	}
	gallery->moments[place] = *moment;
	gallery->moments_taken = place + 1;
	gallery->n_moments += place == gallery->n_moments;
	return (int)place;
}

int gallery_add_vector(struct gallery *gallery, int space_index, int name, uint32_t moment, const float *vector)
{
	struct gallery_space *space = &gallery->spaces[space_index];
	size_t stride = engine_search_stride(space->length);
	struct gallery_chunk *chunk;
	struct gallery_part *part;
	int rc;

	if (space->n_vectors >= GALLERY_VECTORS_MAX)
		return -ENOSPC;
	rc = find_room(gallery, space, &part);
	if (rc < 0)
		return rc;
	chunk = part->chunk;
	rc = engine_search_encode(vector, space->length, chunk->codes + part->n * stride, &chunk->about[part->n]);
	if (rc == 0)
		rc = originals_write(chunk->originals, original_at(chunk, part->n), vector, chunk->row_bytes);
	if (rc < 0)
		return rc;
	chunk->names[part->n] = (uint32_t)name;
	chunk->moments[part->n] = moment;
	part->n++;
	/* A copy that came to nothing may have filled it before. */
	if (part->n > chunk->n_touched) {
		chunk->n_touched = part->n;
		count(chunk->originals, gallery_vector_bytes(space->length), 0);
	}
	space->n_vectors++;
	return 0;
}

static bool holds(const struct gallery_part *part, int name)
{
	for (size_t i = 0; i < part->n; i++)
		if (part->chunk->names[i] == (uint32_t)name)
			return true;
	return false;
}

/* Whether a part can stay as it is; those that became short are filled up with others, so that they stay few. */
static bool can_stay(const struct gallery_part *part, int name)
{
	return part->n >= CHUNK_ROWS / 2 && !holds(part, name);
}

static int move_rows(struct gallery *gallery, int space, const struct gallery_part *part, int but, float *vector)
{
	for (size_t i = 0; i < part->n; i++) {
		const struct gallery_chunk *chunk = part->chunk;
		int rc;

		if (chunk->names[i] == (uint32_t)but)
			continue;
		rc = originals_read(chunk->originals, original_at(chunk, i), vector, chunk->row_bytes);
		if (rc == 0)
			rc = gallery_add_vector(gallery, space, (int)chunk->names[i], chunk->moments[i], vector);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int remove_from_space(struct gallery *gallery, int index, int name)
{
	struct gallery_space *space = &gallery->spaces[index], before = *space;
	float *vector = malloc((size_t)space->length * sizeof(*vector));
	int rc;

	/* Room for all that stay. */
	space->parts = malloc(((size_t)before.n_parts + 1) * sizeof(*space->parts));
	space->n_parts = 0;
	space->n_vectors = 0;
	rc = vector && space->parts ? 0 : -ENOMEM;
	for (int i = 0; rc == 0 && i < before.n_parts; i++) {
		if (!can_stay(&before.parts[i], name))
			continue;
		space->parts[space->n_parts++] =
			(struct gallery_part){chunk_ref(before.parts[i].chunk), before.parts[i].n};
		space->n_vectors += before.parts[i].n;
	}
	for (int i = 0; rc == 0 && i < before.n_parts; i++)
		if (!can_stay(&before.parts[i], name))
			rc = move_rows(gallery, index, &before.parts[i], name, vector);
	drop_parts(before.parts, before.n_parts);
	free(vector);
	return rc;
}

int gallery_remove_name(struct gallery *gallery, int name)
{
	for (int i = 0; i < gallery->n_spaces; i++) {
		int rc = remove_from_space(gallery, i, name);

		if (rc < 0)
			return rc;
	}
	gallery->names[name] = (struct gallery_name){.id = 0};
	for (size_t i = gallery->n_moments; i-- > 0;) {
		if (gallery->moments[i].name != (uint32_t)name)
			continue;
		gallery->moments[i] = (struct gallery_moment){.name = GALLERY_NO_MOMENT};
		gallery->moments_taken = i < gallery->moments_taken ? i : gallery->moments_taken;
	}
	return 0;
}

/* ---- searching ------------------------------------------------------------------------------------ */

struct gallery_searcher {
	struct engine_search *search;
	struct engine_search_block *blocks;
	int blocks_capacity;
	/* of the search under way, or the last */
	const struct gallery_space *space;
	struct engine_search_query query;
};

int gallery_searcher_create(struct gallery_searcher **ret_searcher)
{
	struct gallery_searcher *searcher = calloc(1, sizeof(*searcher));
	int rc = searcher ? engine_search_create(&searcher->search) : -ENOMEM;

	if (rc < 0) {
		free(searcher);
		return rc;
	}
	*ret_searcher = searcher;
	return 0;
}

void gallery_searcher_destroy(struct gallery_searcher *searcher)
{
	if (!searcher)
		return;
	engine_search_destroy(searcher->search);
	free(searcher->blocks);
	free(searcher);
}

static int read_row(void *user, int block, size_t row, float *ret_vector)
{
	const struct gallery_searcher *searcher = user;
	const struct gallery_chunk *chunk = searcher->space->parts[block].chunk;

	return originals_read(chunk->originals, original_at(chunk, row), ret_vector, chunk->row_bytes);
}

static int reserve_blocks(struct gallery_searcher *searcher, int n)
{
	struct engine_search_block *grown;

	if (n <= searcher->blocks_capacity)
		return 0;
	grown = realloc(searcher->blocks, (size_t)n * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	searcher->blocks = grown;
	searcher->blocks_capacity = n;
	return 0;
}

int gallery_search(struct gallery_searcher *searcher, const struct gallery *gallery, int space_index,
		   const float *vector, int k, struct engine_search_hit *ret_hits, int *ret_n_hits)
{
	const struct gallery_space *space = &gallery->spaces[space_index];
	struct engine_search_query *query = &searcher->query;
	int rc = reserve_blocks(searcher, space->n_parts);

	if (rc < 0)
		return rc;
	*query = (struct engine_search_query){
		.vector = vector,
		.length = space->length,
		.k = k,
		.n_blocks = space->n_parts,
		.n_groups = gallery->n_names,
		.read = read_row,
		.user = searcher,
		.blocks = searcher->blocks,
	};
	for (int i = 0; i < space->n_parts; i++) {
		const struct gallery_part *part = &space->parts[i];

		searcher->blocks[i] = (struct engine_search_block){part->chunk->codes, part->chunk->about,
								   part->chunk->names, part->n};
	}
	searcher->space = space;
	return engine_search_run(searcher->search, query, ret_hits, ret_n_hits);
}

struct visit {
	const struct gallery_space *space;
	void (*take)(void *user, uint32_t moment, float score);
	void *user;
};

static void visit_row(void *user, int block, size_t row, float score)
{
	const struct visit *visit = user;

	visit->take(visit->user, visit->space->parts[block].chunk->moments[row], score);
}

void gallery_visit(struct gallery_searcher *searcher, uint32_t name,
		   void (*take)(void *user, uint32_t moment, float score), void *user)
{
	struct visit visit = {.space = searcher->space, .take = take, .user = user};

	engine_search_visit(searcher->search, &searcher->query, name, visit_row, &visit);
}

/* ---- pictures that bring nothing new -------------------------------------------------------------- */

static bool is_near(const struct gallery_moment *a, const struct gallery_moment *b)
{
	return a->source == b->source && (int64_t)a->from_ms <= (int64_t)b->to_ms + GALLERY_GAP_MS &&
	       (int64_t)b->from_ms <= (int64_t)a->to_ms + GALLERY_GAP_MS;
}

/* Whether a picture with the moment at this place stands, or could stand, for what is there at another one. */
static bool may_cover(const struct gallery *gallery, uint32_t place, const struct gallery_moment *moment)
{
	return place == GALLERY_NO_MOMENT || (moment && is_near(&gallery->moments[place], moment));
}

int gallery_find_alike(const struct gallery *gallery, int space_index, int name, const float *vector,
		       const struct gallery_moment *moment, float score, float *buffer, bool *ret_found,
		       uint32_t *ret_moment)
{
	const struct gallery_space *space = &gallery->spaces[space_index];

	*ret_found = false;
	for (int i = 0; i < space->n_parts; i++) {
		const struct gallery_chunk *chunk = space->parts[i].chunk;

		for (size_t row = 0; row < space->parts[i].n; row++) {
			float found;
			int rc;

			if (chunk->names[row] != (uint32_t)name || !may_cover(gallery, chunk->moments[row], moment))
				continue;
			rc = originals_read(chunk->originals, original_at(chunk, row), buffer, chunk->row_bytes);
			if (rc < 0)
				return rc;
			found = engine_search_score(buffer, vector, space->length);
			if (!(found > score))
				continue;
			score = found;
			*ret_found = true;
			*ret_moment = chunk->moments[row];
		}
	}
	return 0;
}
