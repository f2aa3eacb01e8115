/*
 * galleries.h - all galleries: in memory for searches, in gallery.db for the next start.
 *
 * Changes are tasks of a store's thread (store.h), one after the other: each is checked against what is there, written
 * in one transaction, and seen by searches once that is on disk; only then its done function is called.  So what a
 * client was told survives kill -9, and nobody sees what may still be lost.  Searches take a reference to the gallery
 * of the moment and are never kept waiting.
 */
#ifndef INFERD_GALLERIES_H
#define INFERD_GALLERIES_H

#include <stdbool.h>

#include "config/config.h"
#include "gallery.h"
#include "gallery_batch.h"
#include "store.h"

#define GALLERIES_MAX	       64
#define GALLERIES_PER_USER_MAX 16 /* but for owners */
#define GALLERIES_TEXT_BYTES   320
/*
 * A picture whose cosine to one that the same name has is higher than this brings nothing new: two frames of a video
 * in which nothing moved are at 0.99 and more, a moving camera at two frames a second leaves 0.98 within one.
 */
#define GALLERIES_DUPLICATE 0.98f

struct galleries;

/*
 * Opens gallery.db in dir and waits until it is loaded: before the loop runs.  0; negative errno where there is no
 * memory or no thread.  That the database cannot be opened is said in the log, and then by every change.
 */
int galleries_create(const char *dir, uint64_t limit_bytes, struct galleries **ret_galleries);
/* Finishes the changes that were submitted.  No gallery is referred to any more.  Accepts NULL. */
void galleries_destroy(struct galleries *galleries);
void galleries_set_limit(struct galleries *galleries, uint64_t limit_bytes);
/* Memory of all of them, those included that were replaced while a search was in them.  NULL: 0.  Any thread. */
size_t galleries_bytes(const struct galleries *galleries);

/* A reference to the gallery as it is now; NULL: there is none of this name.  Any thread. */
struct gallery *galleries_get(struct galleries *galleries, const char *name);
/* References to all. */
int galleries_get_all(struct galleries *galleries, struct gallery *ret_all[GALLERIES_MAX]);
/* The file, and how often it was found damaged and moved aside since the start.  Any thread. */
const char *galleries_path(const struct galleries *galleries);
uint64_t galleries_moved_aside(struct galleries *galleries);

enum galleries_kind { GALLERIES_ADD, GALLERIES_REMOVE };

/* A variant of the model of the day. */
struct galleries_variant {
	char name[CONFIG_NAME_BYTES];
	uint64_t space;
	int length;
};

/* Filled in by who submits it, and kept until it is done. */
struct galleries_change {
	struct store_task task; /* first; filled in by galleries_submit() */
	enum galleries_kind kind;
	char gallery[IPC_NAME_MAX + 1];
	char name[IPC_NAME_MAX + 1]; /* GALLERIES_REMOVE: "" takes the gallery */
	uid_t uid;
	bool is_owner;
	/* GALLERIES_ADD */
	char model[IPC_NAME_MAX + 1];
	struct galleries_variant variants[CONFIG_VARIANTS_MAX];
	int n_variants, best; /* best: the one that tells duplicates */
	int fd;		      /* a memfd as of gallery_batch.h; stays the submitter's; -1 none */
	size_t memory_max;    /* that all galleries may have with what is added */

	/* On the store's thread, after the disk. */
	void (*done)(struct galleries_change *change);

	/* What became of it. */
	int error; /* 0, or a negative errno with a sentence */
	char text[GALLERIES_TEXT_BYTES];
	int n_added, n_duplicates; /* pictures */
	int n_pictures;		   /* that the name has now */

	/* private to galleries.c */
	struct galleries *galleries;
	struct gallery *next; /* what takes the place of the gallery */
};

/* 0, or -EAGAIN: too many wait. */
int galleries_submit(struct galleries *galleries, struct galleries_change *change);

#endif
