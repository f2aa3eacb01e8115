/* galleries_sql.c - see galleries_sql.h. */
#include "galleries_sql.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>

/* Nothing is old enough to be taken for others. */
static int drop_nothing(struct sqlite3 *db)
{
	(void)db;
	return 0;
}

const struct store_schema galleries_schema = {
	.file = "gallery.db",
	.version = 2,
	/* AUTOINCREMENT: a number is never used again, so that a vote cannot take a new name for an old one. */
	.tables = "CREATE TABLE gallery(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, "
		  "model TEXT NOT NULL, creator INTEGER NOT NULL);"
		  "CREATE TABLE space(id INTEGER PRIMARY KEY AUTOINCREMENT, gallery INTEGER NOT NULL, "
		  "digest INTEGER NOT NULL, length INTEGER NOT NULL, variant TEXT NOT NULL, UNIQUE(gallery, digest));"
		  "CREATE TABLE name(id INTEGER PRIMARY KEY AUTOINCREMENT, gallery INTEGER NOT NULL, "
		  "text TEXT NOT NULL, UNIQUE(gallery, text));"
		  "CREATE TABLE picture(id INTEGER PRIMARY KEY AUTOINCREMENT, name INTEGER NOT NULL);"
		  "CREATE INDEX picture_of_name ON picture(name);"
		  "CREATE TABLE vector(id INTEGER PRIMARY KEY, picture INTEGER NOT NULL, space INTEGER NOT NULL, "
		  "data BLOB NOT NULL);"
		  "CREATE UNIQUE INDEX vector_of_picture ON vector(picture, space);",
	/* Pictures of photographs, and all that were added before there were times, have none. */
	.added = "CREATE TABLE moment(picture INTEGER PRIMARY KEY, source INTEGER NOT NULL, from_ms INTEGER NOT NULL, "
		 "to_ms INTEGER NOT NULL);",
	.drop_oldest = drop_nothing,
};

/* ---- writing -------------------------------------------------------------------------------------- */

/* Binds by the letters of types, 'i' int64_t, 't' const char *, and runs a statement without results. */
static int run(struct sqlite3 *db, int64_t *ret_row, const char *sql, const char *types, ...)
{
	sqlite3_stmt *statement = NULL;
	va_list arguments;
	int rc = store_error(sqlite3_prepare_v2(db, sql, -1, &statement, NULL));

	va_start(arguments, types);
	for (int i = 0; rc == 0 && types[i]; i++) {
		if (types[i] == 'i')
			sqlite3_bind_int64(statement, i + 1, va_arg(arguments, int64_t));
		else
			sqlite3_bind_text(statement, i + 1, va_arg(arguments, const char *), -1, SQLITE_TRANSIENT);
	}
	va_end(arguments);
	if (rc == 0)
		rc = store_step(statement);
	sqlite3_finalize(statement);
	if (rc == 0 && ret_row)
		*ret_row = sqlite3_last_insert_rowid(db);
	return rc;
}

int galleries_insert_gallery(struct sqlite3 *db, const char *name, const char *model, uid_t creator, int64_t *ret_row)
{
	return run(db, ret_row, "INSERT INTO gallery(name, model, creator) VALUES(?, ?, ?)", "tti", name, model,
		   (int64_t)creator);
}

int galleries_insert_name(struct sqlite3 *db, int64_t gallery, const char *text, int64_t *ret_row)
{
	return run(db, ret_row, "INSERT INTO name(gallery, text) VALUES(?, ?)", "it", gallery, text);
}

int galleries_insert_space(struct sqlite3 *db, int64_t gallery, uint64_t space, int length, const char *variant,
			   int64_t *ret_row)
{
	return run(db, ret_row, "INSERT INTO space(gallery, digest, length, variant) VALUES(?, ?, ?, ?)", "iiit",
		   gallery, (int64_t)space, (int64_t)length, variant);
}

int galleries_insert_picture(struct sqlite3 *db, int64_t name, int64_t *ret_row)
{
	return run(db, ret_row, "INSERT INTO picture(name) VALUES(?)", "i", name);
}

int galleries_insert_moment(struct sqlite3 *db, const struct gallery_moment *moment)
{
	return run(db, NULL, "INSERT INTO moment(picture, source, from_ms, to_ms) VALUES(?, ?, ?, ?)", "iiii",
		   moment->picture, (int64_t)moment->source, (int64_t)moment->from_ms, (int64_t)moment->to_ms);
}

int galleries_update_moment(struct sqlite3 *db, const struct gallery_moment *moment)
{
	return run(db, NULL, "UPDATE moment SET from_ms = ?, to_ms = ? WHERE picture = ?", "iii",
		   (int64_t)moment->from_ms, (int64_t)moment->to_ms, moment->picture);
}

int galleries_insert_vector(struct sqlite3 *db, int64_t picture, int64_t space, const float *vector, int length)
{
	sqlite3_stmt *statement = NULL;
	int rc = store_error(sqlite3_prepare_v2(db, "INSERT INTO vector(picture, space, data) VALUES(?, ?, ?)", -1,
						&statement, NULL));

	if (rc == 0) {
		sqlite3_bind_int64(statement, 1, picture);
		sqlite3_bind_int64(statement, 2, space);
		sqlite3_bind_blob(statement, 3, vector, length * (int)sizeof(float), SQLITE_STATIC);
		rc = store_step(statement);
	}
	sqlite3_finalize(statement);
	return rc;
}

/* Statements about one row. */
static int run_all(struct sqlite3 *db, const char *const *statements, size_t n, int64_t row)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = run(db, NULL, statements[i], "i", row);
	return rc;
}

int galleries_delete_name(struct sqlite3 *db, int64_t name)
{
	static const char *const statements[] = {
		"DELETE FROM vector WHERE picture IN (SELECT id FROM picture WHERE name = ?)",
		"DELETE FROM moment WHERE picture IN (SELECT id FROM picture WHERE name = ?)",
		"DELETE FROM picture WHERE name = ?", "DELETE FROM name WHERE id = ?"};

	return run_all(db, statements, sizeof(statements) / sizeof(statements[0]), name);
}

int galleries_delete_gallery(struct sqlite3 *db, int64_t gallery)
{
	static const char *const statements[] = {
		("DELETE FROM vector WHERE picture IN (SELECT picture.id FROM picture JOIN name ON "
		 "picture.name = name.id WHERE name.gallery = ?)"),
		("DELETE FROM moment WHERE picture IN (SELECT picture.id FROM picture JOIN name ON "
		 "picture.name = name.id WHERE name.gallery = ?)"),
		"DELETE FROM picture WHERE name IN (SELECT id FROM name WHERE gallery = ?)",
		"DELETE FROM name WHERE gallery = ?",
		"DELETE FROM space WHERE gallery = ?",
		"DELETE FROM gallery WHERE id = ?"};

	return run_all(db, statements, sizeof(statements) / sizeof(statements[0]), gallery);
}

/* ---- reading -------------------------------------------------------------------------------------- */

/* Calls take for every row of a query about one gallery. */
static int for_rows(struct sqlite3 *db, const char *sql, struct gallery *gallery,
		    int (*take)(sqlite3_stmt *row, struct gallery *gallery))
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL), rc = 0;

	if (result == SQLITE_OK)
		result = sqlite3_bind_int64(statement, 1, gallery->row);
	if (result == SQLITE_OK)
		result = sqlite3_step(statement);
	while (result == SQLITE_ROW && rc == 0) {
		rc = take(statement, gallery);
		result = rc == 0 ? sqlite3_step(statement) : result;
	}
	rc = rc < 0 ? rc : store_error(result);
	sqlite3_finalize(statement);
	return rc;
}

/* A text of at most IPC_NAME_MAX bytes, as clients can give it; NULL: it is none. */
static const char *name_at(sqlite3_stmt *row, int column)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	return text && *text && strlen(text) <= IPC_NAME_MAX ? text : NULL;
}

static int take_space(sqlite3_stmt *row, struct gallery *gallery)
{
	const char *variant = name_at(row, 3);
	int64_t length = sqlite3_column_int64(row, 2);

	if (!variant || length < 1 || length > ENGINE_SEARCH_LENGTH_MAX)
		return -EBADMSG;
	return gallery_add_space(gallery, (uint64_t)sqlite3_column_int64(row, 1), (int)length, variant,
				 sqlite3_column_int64(row, 0)) < 0
		       ? -EBADMSG
		       : 0;
}

static int take_name(sqlite3_stmt *row, struct gallery *gallery)
{
	const char *text = name_at(row, 1);
	int64_t id = sqlite3_column_int64(row, 0), n_pictures = sqlite3_column_int64(row, 2);
	int place = text && id > 0 ? gallery_add_name(gallery, text, (uint64_t)id) : -EBADMSG;

	if (place < 0 || n_pictures > GALLERY_PICTURES_MAX)
		return place == -ENOMEM ? place : -EBADMSG;
	gallery->names[place].n_pictures = (uint32_t)n_pictures;
	return 0;
}

static int find_place(const struct gallery *gallery, uint64_t id)
{
	for (size_t i = 0; i < gallery->n_names; i++)
		if (gallery->names[i].id == id)
			return (int)i;
	return -1;
}

/*
 * The moment of a vector's picture, from column 3 on.  Vectors of a picture follow each other, so that it has been made
 * if it is that of the vector before.
 */
static int take_moment(sqlite3_stmt *row, struct gallery *gallery, int name)
{
	struct gallery_moment moment = {.picture = sqlite3_column_int64(row, 3), .name = (uint32_t)name};
	int64_t source = sqlite3_column_int64(row, 4), from = sqlite3_column_int64(row, 5),
		to = sqlite3_column_int64(row, 6);

	if (gallery->n_moments && gallery->moments[gallery->n_moments - 1].picture == moment.picture)
		return (int)gallery->n_moments - 1;
	if (moment.picture < 1 || source < 1 || source > GALLERY_SOURCE_MAX || from < 0 || from > to ||
	    to > GALLERY_TIME_MAX)
		return -EBADMSG;
	moment.source = (uint32_t)source;
	moment.from_ms = (uint32_t)from;
	moment.to_ms = (uint32_t)to;
	return gallery_add_moment(gallery, &moment);
}

static int take_vector(sqlite3_stmt *row, struct gallery *gallery)
{
	int place = find_place(gallery, (uint64_t)sqlite3_column_int64(row, 0)), space = 0, moment = -1, rc;
	int64_t space_row = sqlite3_column_int64(row, 1);
	const void *data = sqlite3_column_blob(row, 2);
	size_t size = (size_t)sqlite3_column_bytes(row, 2);

	while (space < gallery->n_spaces && gallery->spaces[space].row != space_row)
		space++;
	if (place < 0 || space == gallery->n_spaces || size != (size_t)gallery->spaces[space].length * sizeof(float) ||
	    !data)
		return -EBADMSG;
	if (sqlite3_column_type(row, 4) != SQLITE_NULL) {
		moment = take_moment(row, gallery, place);
		if (moment < 0)
			return moment;
	}
	/* SQLite's memory is aligned for numbers of any type. */
	rc = gallery_add_vector(gallery, space, place, moment < 0 ? GALLERY_NO_MOMENT : (uint32_t)moment, data);
	return rc == -EINVAL || rc == -ENOSPC ? -EBADMSG : rc;
}

static int fill(struct sqlite3 *db, struct gallery *gallery)
{
	int rc = for_rows(db, "SELECT id, digest, length, variant FROM space WHERE gallery = ? ORDER BY id", gallery,
			  take_space);

	if (rc == 0)
		rc = for_rows(db,
			      "SELECT id, text, (SELECT count(*) FROM picture WHERE picture.name = name.id) FROM name "
			      "WHERE gallery = ? ORDER BY id",
			      gallery, take_name);
	if (rc == 0)
		rc = for_rows(
			db,
			"SELECT name.id, vector.space, vector.data, picture.id, source, from_ms, to_ms FROM name "
			"JOIN picture ON picture.name = name.id JOIN vector ON vector.picture = picture.id "
			"LEFT JOIN moment ON moment.picture = picture.id WHERE name.gallery = ? ORDER BY vector.id",
			gallery, take_vector);
	return rc;
}

int galleries_load(struct sqlite3 *db, struct originals *originals, struct gallery **ret_all, int n_max, int *ret_n)
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(db, "SELECT id, name, model, creator FROM gallery ORDER BY id", -1, &statement,
					NULL);
	int rc = store_error(result);

	*ret_n = 0;
	while (rc == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *name = name_at(statement, 1), *model = name_at(statement, 2);

		rc = name && model && *ret_n < n_max
			     ? gallery_create(originals, name, model, (uid_t)sqlite3_column_int64(statement, 3),
					      &ret_all[*ret_n])
			     : -EBADMSG;
		if (rc < 0)
			break;
		ret_all[*ret_n]->row = sqlite3_column_int64(statement, 0);
		rc = fill(db, ret_all[(*ret_n)++]);
	}
	rc = rc < 0 ? rc : store_error(result);
	sqlite3_finalize(statement);
	return rc;
}
