/* fit_record.c - what fit takes from field records (docs/record.md); see fit.h.  Nothing in them is trusted. */
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "fit.h"

#define SLICES_MAX 1000000
#define CAPPED	   0.95

struct reading {
	sqlite3 *db;
	const char *path;
	struct fit_record *record;
};

static bool fail(const struct reading *r, const char *cause)
{
	tool_error("%s: %s", r->path, cause);
	return false;
}

/* Calls take() for every row. */
static bool each_row(struct reading *r, const char *sql, bool (*take)(struct reading *r, sqlite3_stmt *row))
{
	sqlite3_stmt *statement = NULL;
	int result = sqlite3_prepare_v2(r->db, sql, -1, &statement, NULL);
	bool ok = result == SQLITE_OK || fail(r, sqlite3_errmsg(r->db));

	while (ok && (result = sqlite3_step(statement)) == SQLITE_ROW)
		ok = take(r, statement);
	if (ok && result != SQLITE_DONE)
		ok = fail(r, sqlite3_errmsg(r->db));
	sqlite3_finalize(statement);
	return ok;
}

static bool take_check(struct reading *r, sqlite3_stmt *row)
{
	return sqlite3_column_int64(row, 0) == sqlite3_column_int64(row, 1) ||
	       fail(r, "it is no field record of this version");
}

/* Views and virtual tables could run anything; a record has neither. */
static bool take_table(struct reading *r, sqlite3_stmt *row)
{
	(void)row;
	return fail(r, "it is no field record: there is more in it than tables");
}

static double count(sqlite3_stmt *row, int column)
{
	double value = sqlite3_column_double(row, column);

	return value > 0 && value < 1e15 ? value : 0;
}

static bool take_coverage(struct reading *r, sqlite3_stmt *row)
{
	double bounded = count(row, 0), covered = count(row, 1);

	r->record->bounded += bounded;
	r->record->covered += covered < bounded ? covered : bounded;
	return true;
}

static bool take_slice(struct reading *r, sqlite3_stmt *row)
{
	struct fit_record *record = r->record;
	double temp_c = sqlite3_column_double(row, 0), cap = sqlite3_column_double(row, 1);
	void *grown;

	if (!(fabs(temp_c) < 200) || !(cap > 0 && cap <= 1))
		return true;
	if (cap > CAPPED) {
		record->n_free++;
		return true;
	}
	if (record->n_capped == SLICES_MAX)
		return fail(r, "there are too many slices");
	if (!(record->n_capped & (record->n_capped - 1))) {
		grown = realloc(record->capped_c,
				(record->n_capped ? 2 * (size_t)record->n_capped : 1) * sizeof(*record->capped_c));
		if (!grown)
			return fail(r, "out of memory");
		record->capped_c = grown;
	}
	record->capped_c[record->n_capped++] = temp_c;
	return true;
}

static void settle(sqlite3 *db)
{
	sqlite3_busy_timeout(db, 5000);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA query_only=ON; BEGIN;", NULL, NULL,
		     NULL);
}

bool fit_record_read(struct fit_record *record, const char *path)
{
	static const struct {
		const char *sql;
		bool (*take)(struct reading *r, sqlite3_stmt *row);
	} steps[] = {
		{"SELECT application_id, 1229866564 FROM pragma_application_id", take_check}, /* "INFD" */
		{"SELECT user_version, 1 FROM pragma_user_version", take_check},
		{"SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'",
		 take_table},
		{"SELECT bounded, covered FROM distribution", take_coverage},
		{"SELECT temp_c, freq_cap FROM slice WHERE temp_c IS NOT NULL AND freq_cap IS NOT NULL", take_slice},
	};
	struct reading r = {.path = path, .record = record};
	bool ok = sqlite3_open_v2(path, &r.db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL) == SQLITE_OK;

	if (!ok)
		fail(&r, r.db ? sqlite3_errmsg(r.db) : "out of memory");
	else
		settle(r.db);
	for (size_t i = 0; ok && i < sizeof(steps) / sizeof(steps[0]); i++)
		ok = each_row(&r, steps[i].sql, steps[i].take);
	sqlite3_close(r.db);
	record->devices += ok;
	return ok;
}
