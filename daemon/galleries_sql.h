/*
 * galleries_sql.h - the tables of gallery.db, and reading and writing them.  Private to galleries.c and
 * galleries_sql.c.
 *
 * Errors are those of store_error().  Vectors are float32 in the byte order of the device.
 */
#ifndef INFERD_GALLERIES_SQL_H
#define INFERD_GALLERIES_SQL_H

#include "gallery.h"
#include "store.h"

extern const struct store_schema galleries_schema;

/* Each returns the number of the new row. */
int galleries_insert_gallery(struct sqlite3 *db, const char *name, const char *model, uid_t creator, int64_t *ret_row);
int galleries_insert_name(struct sqlite3 *db, int64_t gallery, const char *text, int64_t *ret_row);
int galleries_insert_space(struct sqlite3 *db, int64_t gallery, uint64_t space, int length, const char *variant,
			   int64_t *ret_row);
int galleries_insert_picture(struct sqlite3 *db, int64_t name, int64_t *ret_row);
/* Of a picture, which is in it. */
int galleries_insert_moment(struct sqlite3 *db, const struct gallery_moment *moment);
int galleries_update_moment(struct sqlite3 *db, const struct gallery_moment *moment); /* its times */
int galleries_insert_vector(struct sqlite3 *db, int64_t picture, int64_t space, const float *vector, int length);

int galleries_delete_name(struct sqlite3 *db, int64_t name);
int galleries_delete_gallery(struct sqlite3 *db, int64_t gallery);

/* Makes all galleries of the database, at most n_max; *ret_n of them also on failure.  -EBADMSG: they make no sense. */
int galleries_load(struct sqlite3 *db, struct originals *originals, struct gallery **ret_all, int n_max, int *ret_n);

#endif
