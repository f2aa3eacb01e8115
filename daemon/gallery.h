/*
 * gallery.h - one gallery in memory: names, and for each of its model's networks the vectors of their pictures.
 *
 * Vectors of different networks cannot be compared, so each network with its preprocessing has a space of its own.  A
 * picture that was added has a vector in the space of each variant that the model had then, and a frame is looked up in
 * the space of the variant that ran.
 *
 * A picture of a video has a moment: when in the video it was, the same for all of its vectors.
 *
 * A gallery that others can see never changes: a change makes a copy, edits that and puts it in the place of the old,
 * which goes when the last search in it has ended.  Copies share chunks of vectors; a chunk's free rows are filled
 * behind what older copies know of.  So only the latest copy may be copied and edited, by one thread.
 */
#ifndef INFERD_GALLERY_H
#define INFERD_GALLERY_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/engine.h"
#include "ipc/ipc.h"
#include "originals.h"

#define GALLERY_SPACES_MAX   32	    /* networks replaced since included */
#define GALLERY_NAMES_MAX    4096   /* of one gallery */
#define GALLERY_PICTURES_MAX 10000  /* of one name, all of which a new one is compared with */
#define GALLERY_VECTORS_MAX  100000 /* of one space: what a search is measured for */

struct gallery_chunk;

/* Rows of a chunk that this copy knows of. */
struct gallery_part {
	struct gallery_chunk *chunk;
	size_t n;
};

struct gallery_space {
	uint64_t id;			/* of network and preprocessing, as of ladder_variant.space */
	int64_t row;			/* in the database */
	int length;			/* of its vectors */
	char variant[IPC_NAME_MAX + 1]; /* that it was made by */
	size_t n_vectors;
	int n_parts;
	struct gallery_part *parts;
};

struct gallery_name {
	uint64_t id; /* in the database, where it is never used again; 0: this place is free */
	uint32_t n_pictures;
	char text[IPC_NAME_MAX + 1];
};

/* What a picture of a video stands for: this part of it.  Times of different sources have nothing to do with each
 * other. */
struct gallery_moment {
	int64_t picture; /* its row in the database; 0: this place is free */
	uint32_t name;	 /* its place */
	uint32_t source; /* 1..GALLERY_SOURCE_MAX, of those that the name has */
	uint32_t from_ms, to_ms;
};

#define GALLERY_SOURCE_MAX INT32_MAX
#define GALLERY_TIME_MAX   INT32_MAX  /* milliseconds */
#define GALLERY_NO_MOMENT  UINT32_MAX /* of a picture that is of no video */

struct gallery {
	struct originals *originals; /* borrowed */
	int64_t row;
	char name[IPC_NAME_MAX + 1], model[IPC_NAME_MAX + 1];
	uid_t creator;
	size_t n_names; /* places, free ones included */
	struct gallery_name *names;
	size_t n_moments, moments_capacity; /* places, free ones included */
	size_t moments_taken;		    /* no place below this one is free */
	struct gallery_moment *moments;
	int n_spaces;
	struct gallery_space spaces[GALLERY_SPACES_MAX];
};

/* 0 or -ENOMEM.  originals must outlive every copy. */
int gallery_create(struct originals *originals, const char *name, const char *model, uid_t creator,
		   struct gallery **ret_gallery);
int gallery_copy(const struct gallery *gallery, struct gallery **ret_copy);
struct gallery *gallery_ref(struct gallery *gallery); /* any thread */
void gallery_unref(struct gallery *gallery);	      /* accepts NULL */

int gallery_find_name(const struct gallery *gallery, const char *text);	 /* its place, or -1 */
const char *gallery_name_of(const struct gallery *gallery, uint64_t id); /* NULL: it is not there any more */
int gallery_find_space(const struct gallery *gallery, uint64_t id);	 /* its index, or -1 */
size_t gallery_count_names(const struct gallery *gallery);
bool gallery_is_empty(const struct gallery *gallery); /* without vectors */
/* Memory that a vector of this length takes, beside its original.  Copies that share one count it once. */
size_t gallery_vector_bytes(int length);

/* ---- edits of a copy that nobody else sees ---------------------------------------------------------- */

/* The place of a new name; -ENOSPC, -ENOMEM. */
int gallery_add_name(struct gallery *gallery, const char *text, uint64_t id);
/* The index of a new space; -ENOSPC. */
int gallery_add_space(struct gallery *gallery, uint64_t id, int length, const char *variant, int64_t row);
/* The place of a new moment, or -ENOMEM. */
int gallery_add_moment(struct gallery *gallery, const struct gallery_moment *moment);
/*
 * Adds a vector of `length` numbers to a space, with its moment's place or GALLERY_NO_MOMENT.  -ENOSPC there are
 * GALLERY_VECTORS_MAX; -EINVAL, -ENOMEM, -EIO.
 */
int gallery_add_vector(struct gallery *gallery, int space, int name, uint32_t moment, const float *vector);
/* Takes a name with all its vectors; -ENOMEM, -EIO: the copy is then of no use. */
int gallery_remove_name(struct gallery *gallery, int name);

/* ---- searching -------------------------------------------------------------------------------------- */

/* What a thread keeps from search to search. */
struct gallery_searcher;
int gallery_searcher_create(struct gallery_searcher **ret_searcher);
void gallery_searcher_destroy(struct gallery_searcher *searcher); /* accepts NULL */

/* The k names whose best vector is most like this one, as of engine_search_run(); groups are places of names. */
int gallery_search(struct gallery_searcher *searcher, const struct gallery *gallery, int space, const float *vector,
		   int k, struct engine_search_hit *ret_hits, int *ret_n_hits);
/*
 * After gallery_search() of the same vector: how like it the vectors of one of the k names are, as near as their bytes
 * tell (engine_search_visit()).
 */
void gallery_visit(struct gallery_searcher *searcher, uint32_t name,
		   void (*take)(void *user, uint32_t moment, float score), void *user);

/*
 * The picture of a name that makes another one needless: its vector is more like that one's than by this score, and it
 * has no moment, or one of the same source that is no more than GALLERY_GAP_MS before or behind that one's.  `moment`
 * NULL: that one has none.  *ret_found: whether there is such a picture, and *ret_moment the place of its moment, or
 * GALLERY_NO_MOMENT.  buffer holds one vector.
 */
#define GALLERY_GAP_MS 500
int gallery_find_alike(const struct gallery *gallery, int space, int name, const float *vector,
		       const struct gallery_moment *moment, float score, float *buffer, bool *ret_found,
		       uint32_t *ret_moment);

#endif
