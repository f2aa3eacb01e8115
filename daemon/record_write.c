/* record_write.c - the tables of the field record, and how a batch is added to them.  docs/record.md describes them. */
#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "record.h"

static const char tables[] =
	/* One start of a daemon. */
	"CREATE TABLE run(id TEXT PRIMARY KEY, device TEXT NOT NULL, machine TEXT NOT NULL, version TEXT NOT NULL, "
	"lost INTEGER NOT NULL) WITHOUT ROWID;"
	/* An hour of a run; began and ended in seconds since 1970, as the device's clock was then. */
	"CREATE TABLE epoch(id INTEGER PRIMARY KEY, run TEXT NOT NULL, number INTEGER NOT NULL, began INTEGER NOT NULL, "
	"ended INTEGER NOT NULL, UNIQUE(run, number));"
	"CREATE TABLE distribution(epoch INTEGER NOT NULL, model TEXT NOT NULL, rung TEXT NOT NULL, lane TEXT NOT NULL, "
	"temp_band INTEGER NOT NULL, pressure_band INTEGER NOT NULL, params TEXT NOT NULL, accuracy REAL NOT NULL, "
	"bounded INTEGER NOT NULL, covered INTEGER NOT NULL, queue BLOB NOT NULL, preprocess BLOB NOT NULL, "
	"inference BLOB NOT NULL, total BLOB NOT NULL, of_deadline BLOB NOT NULL, of_predicted BLOB NOT NULL, "
	"PRIMARY KEY(epoch, model, rung, temp_band, pressure_band, params));"
	"CREATE TABLE outcome(epoch INTEGER NOT NULL, model TEXT NOT NULL, rung TEXT NOT NULL, outcome TEXT NOT NULL, "
	"frames INTEGER NOT NULL, PRIMARY KEY(epoch, model, rung, outcome)) WITHOUT ROWID;"
	"CREATE TABLE reason(epoch INTEGER NOT NULL, model TEXT NOT NULL, rung TEXT NOT NULL, cause TEXT NOT NULL, "
	"params TEXT NOT NULL, frames INTEGER NOT NULL, example TEXT NOT NULL, "
	"PRIMARY KEY(epoch, model, rung, cause, params)) WITHOUT ROWID;"
	/* Some seconds; sensors are NULL where none could be read. */
	"CREATE TABLE slice(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, ended INTEGER NOT NULL, "
	"began_us INTEGER NOT NULL, ended_us INTEGER NOT NULL, temp_c REAL, temp_limit_c REAL, freq_cap REAL, "
	"cpu_pressure REAL, cpu_load REAL, battery REAL);"
	"CREATE INDEX slice_epoch ON slice(epoch);"
	"CREATE TABLE slice_rung(slice INTEGER NOT NULL, model TEXT NOT NULL, rung TEXT NOT NULL, "
	"frames INTEGER NOT NULL, on_time INTEGER NOT NULL, missed INTEGER NOT NULL, "
	"PRIMARY KEY(slice, model, rung)) WITHOUT ROWID;";

/* The measures as columns follow each other from here on. */
#define FIRST_MEASURE 11

static int drop_oldest(struct sqlite3 *db);

const struct store_schema record_schema = {
	.file = "record.db",
	.version = 1,
	.tables = tables,
	.drop_oldest = drop_oldest,
};

static int prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement)
{
	return store_error(sqlite3_prepare_v2(db, sql, -1, ret_statement, NULL));
}

/* ---- room ----------------------------------------------------------------------------------------- */

static int drop_epoch(sqlite3 *db)
{
	return store_execute(db, "DELETE FROM slice_rung WHERE slice IN "
				 "(SELECT id FROM slice WHERE epoch = (SELECT min(id) FROM epoch));"
				 "DELETE FROM slice WHERE epoch = (SELECT min(id) FROM epoch);"
				 "DELETE FROM distribution WHERE epoch = (SELECT min(id) FROM epoch);"
				 "DELETE FROM outcome WHERE epoch = (SELECT min(id) FROM epoch);"
				 "DELETE FROM reason WHERE epoch = (SELECT min(id) FROM epoch);"
				 "DELETE FROM epoch WHERE id = (SELECT min(id) FROM epoch);"
				 "DELETE FROM run WHERE id NOT IN (SELECT run FROM epoch);");
}

/* The hour under way loses the older half of its timeline first, and its figures only after that. */
static int halve_timeline(sqlite3 *db)
{
	int rc = store_execute(db, "DELETE FROM slice_rung WHERE slice <= (SELECT (min(id) + max(id)) / 2 FROM slice);"
				   "DELETE FROM slice WHERE id <= (SELECT (min(id) + max(id)) / 2 FROM slice);");

	return rc < 0 ? rc : sqlite3_changes(db) > 0;
}

static int count_rows(sqlite3 *db, const char *sql, int64_t *ret_n)
{
	sqlite3_stmt *statement = NULL;
	int rc = prepare(db, sql, &statement);

	if (rc == 0)
		rc = store_error(sqlite3_step(statement));
	if (rc == 0)
		*ret_n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc;
}

static int drop_oldest(struct sqlite3 *db)
{
	int64_t n = 0;
	int rc = count_rows(db, "SELECT count(*) FROM epoch", &n);

	if (rc == 0 && n == 1)
		rc = halve_timeline(db);
	if (rc == 0 && n > 0) {
		rc = drop_epoch(db);
		return rc < 0 ? rc : 1;
	}
	return rc;
}

/* ---- run and epoch -------------------------------------------------------------------------------- */

static int write_run(sqlite3 *db, const struct record_batch *batch)
{
	sqlite3_stmt *statement = NULL;
	int rc = prepare(db, "INSERT INTO run VALUES(?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET lost = excluded.lost",
			 &statement);

	if (rc == 0) {
		sqlite3_bind_text(statement, 1, batch->run, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 2, batch->device, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 3, batch->machine, -1, SQLITE_STATIC);
		sqlite3_bind_text(statement, 4, INFERD_VERSION, -1, SQLITE_STATIC);
		sqlite3_bind_int64(statement, 5, (int64_t)batch->lost);
		rc = store_step(statement);
	}
	sqlite3_finalize(statement);
	return rc;
}

/* The time of day is SQLite's to know, and only ever shown: the daemon itself goes by the clock of the run. */
#define NOW "CAST(strftime('%s', 'now') AS INTEGER)"

static int write_epoch(sqlite3 *db, const struct record_batch *batch, int64_t *ret_epoch)
{
	sqlite3_stmt *statement = NULL;
	int rc = prepare(db,
			 "INSERT INTO epoch(run, number, began, ended) VALUES(?, ?, " NOW " - ?, " NOW
			 ") ON CONFLICT(run, number) DO UPDATE SET ended = excluded.ended RETURNING id",
			 &statement);
	int64_t began_us = batch->n_slices ? batch->slices[0].began_us : batch->flushed_us;
	int result;

	if (rc < 0)
		return rc;
	sqlite3_bind_text(statement, 1, batch->run, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, batch->epoch);
	sqlite3_bind_int64(statement, 3, (batch->flushed_us - began_us) / 1000000);
	result = sqlite3_step(statement);
	rc = result == SQLITE_DONE ? -EBADMSG : store_error(result);
	if (result == SQLITE_ROW) {
		*ret_epoch = sqlite3_column_int64(statement, 0);
		result = sqlite3_step(statement);
		rc = result == SQLITE_ROW ? -EBADMSG : store_error(result);
	}
	sqlite3_finalize(statement);
	return rc;
}

/* ---- distributions -------------------------------------------------------------------------------- */

struct writer {
	sqlite3 *db;
	int64_t epoch;
	sqlite3_stmt *find, *put, *outcome, *reason, *slice, *slice_rung;
};

static void bind_key(sqlite3_stmt *statement, int64_t epoch, const struct record_group *group)
{
	sqlite3_bind_int64(statement, 1, epoch);
	sqlite3_bind_text(statement, 2, group->model, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 3, group->rung, -1, SQLITE_STATIC);
	sqlite3_bind_int(statement, 4, group->temp_band);
	sqlite3_bind_int(statement, 5, group->pressure_band);
	sqlite3_bind_text(statement, 6, group->params, -1, SQLITE_STATIC);
}

/* What is there of a group already, of which only the figures count. */
struct before {
	uint64_t bounded, covered;
	struct sketch measures[RECORD_MEASURES];
};

static int take_before(sqlite3_stmt *row, struct before *ret)
{
	ret->bounded = (uint64_t)sqlite3_column_int64(row, 0);
	ret->covered = (uint64_t)sqlite3_column_int64(row, 1);
	for (int i = 0; i < RECORD_MEASURES; i++) {
		const void *bytes = sqlite3_column_blob(row, 2 + i);
		int rc = bytes ? sketch_decode(bytes, (size_t)sqlite3_column_bytes(row, 2 + i), &ret->measures[i])
			       : -EBADMSG;

		if (rc < 0)
			return rc;
	}
	return 0;
}

static int find_before(struct writer *writer, const struct record_group *group, struct before *ret)
{
	int result, rc;

	memset(ret, 0, sizeof(*ret));
	bind_key(writer->find, writer->epoch, group);
	result = sqlite3_step(writer->find);
	rc = result == SQLITE_ROW ? take_before(writer->find, ret) : store_error(result);
	sqlite3_reset(writer->find);
	return rc;
}

static int write_distribution(struct writer *writer, const struct record_group *group)
{
	uint8_t bytes[RECORD_MEASURES][SKETCH_BYTES_MAX];
	struct before before;
	int rc = find_before(writer, group, &before);

	if (rc < 0)
		return rc;
	bind_key(writer->put, writer->epoch, group);
	sqlite3_bind_text(writer->put, 7, group->lane, -1, SQLITE_STATIC);
	sqlite3_bind_double(writer->put, 8, (double)group->accuracy);
	sqlite3_bind_int64(writer->put, 9, (int64_t)(before.bounded + group->bounded));
	sqlite3_bind_int64(writer->put, 10, (int64_t)(before.covered + group->covered));
	for (int i = 0; i < RECORD_MEASURES; i++) {
		size_t size;

		sketch_merge(&before.measures[i], &group->measures[i]);
		size = sketch_encode(&before.measures[i], bytes[i]);
		sqlite3_bind_blob(writer->put, FIRST_MEASURE + i, bytes[i], (int)size, SQLITE_STATIC);
	}
	return store_step(writer->put);
}

static int write_counts(struct writer *writer, const struct record_group *group)
{
	int rc = 0;

	for (int i = 0; i < RECORD_OUTCOMES && rc == 0; i++) {
		if (!group->outcomes[i])
			continue;
		sqlite3_bind_int64(writer->outcome, 1, writer->epoch);
		sqlite3_bind_text(writer->outcome, 2, group->model, -1, SQLITE_STATIC);
		sqlite3_bind_text(writer->outcome, 3, group->rung, -1, SQLITE_STATIC);
		sqlite3_bind_text(writer->outcome, 4, record_outcome_name((enum record_outcome)i), -1, SQLITE_STATIC);
		sqlite3_bind_int64(writer->outcome, 5, (int64_t)group->outcomes[i]);
		rc = store_step(writer->outcome);
	}
	for (int i = 0; i < RECORD_CAUSES_MAX && rc == 0; i++) {
		if (!group->causes[i].frames)
			continue;
		sqlite3_bind_int64(writer->reason, 1, writer->epoch);
		sqlite3_bind_text(writer->reason, 2, group->model, -1, SQLITE_STATIC);
		sqlite3_bind_text(writer->reason, 3, group->rung, -1, SQLITE_STATIC);
		sqlite3_bind_text(writer->reason, 4, policy_cause_name((enum policy_cause)i), -1, SQLITE_STATIC);
		sqlite3_bind_text(writer->reason, 5, group->params, -1, SQLITE_STATIC);
		sqlite3_bind_int64(writer->reason, 6, (int64_t)group->causes[i].frames);
		sqlite3_bind_text(writer->reason, 7, group->causes[i].example, -1, SQLITE_STATIC);
		rc = store_step(writer->reason);
	}
	return rc;
}

/* ---- the timeline --------------------------------------------------------------------------------- */

static void bind_reading(sqlite3_stmt *statement, int column, float value)
{
	if (isfinite(value))
		sqlite3_bind_double(statement, column, round((double)value * 1e4) / 1e4);
	else
		sqlite3_bind_null(statement, column);
}

static int write_slice(struct writer *writer, const struct record_batch *batch, const struct record_slice *slice)
{
	sqlite3_int64 id;
	int rc;

	sqlite3_bind_int64(writer->slice, 1, writer->epoch);
	sqlite3_bind_int64(writer->slice, 2, (batch->flushed_us - slice->ended_us) / 1000000);
	sqlite3_bind_int64(writer->slice, 3, slice->began_us);
	sqlite3_bind_int64(writer->slice, 4, slice->ended_us);
	bind_reading(writer->slice, 5, slice->temp_c);
	bind_reading(writer->slice, 6, slice->temp_limit_c);
	bind_reading(writer->slice, 7, slice->freq_cap);
	bind_reading(writer->slice, 8, slice->cpu_pressure);
	bind_reading(writer->slice, 9, slice->cpu_load);
	bind_reading(writer->slice, 10, slice->battery);
	rc = store_step(writer->slice);
	id = sqlite3_last_insert_rowid(writer->db);
	for (int i = 0; i < slice->n_rungs && rc == 0; i++) {
		const struct record_slice_rung *rung = &slice->rungs[i];

		sqlite3_bind_int64(writer->slice_rung, 1, id);
		sqlite3_bind_text(writer->slice_rung, 2, rung->model, -1, SQLITE_STATIC);
		sqlite3_bind_text(writer->slice_rung, 3, rung->rung, -1, SQLITE_STATIC);
		sqlite3_bind_int64(writer->slice_rung, 4, rung->frames);
		sqlite3_bind_int64(writer->slice_rung, 5, rung->on_time);
		sqlite3_bind_int64(writer->slice_rung, 6, rung->missed);
		rc = store_step(writer->slice_rung);
	}
	return rc;
}

/* ---- a batch -------------------------------------------------------------------------------------- */

static int prepare_all(struct writer *writer)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} statements[] = {
		{&writer->find,
		 "SELECT bounded, covered, queue, preprocess, inference, total, of_deadline, of_predicted FROM "
		 "distribution WHERE epoch = ? AND model = ? AND rung = ? AND temp_band = ? AND pressure_band = ? AND "
		 "params = ?"},
		{&writer->put,
		 "INSERT OR REPLACE INTO distribution(epoch, model, rung, temp_band, pressure_band, params, "
		 "lane, accuracy, bounded, covered, queue, preprocess, inference, total, of_deadline, "
		 "of_predicted) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{&writer->outcome, "INSERT INTO outcome VALUES(?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
				   "frames = frames + excluded.frames"},
		{&writer->reason, "INSERT INTO reason VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
				  "frames = frames + excluded.frames, example = excluded.example"},
		{&writer->slice, "INSERT INTO slice(epoch, ended, began_us, ended_us, temp_c, temp_limit_c, freq_cap, "
				 "cpu_pressure, cpu_load, battery) VALUES(?, " NOW " - ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
		{&writer->slice_rung, "INSERT INTO slice_rung VALUES(?, ?, ?, ?, ?, ?)"},
	};
	int rc = 0;

	for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && rc == 0; i++)
		rc = prepare(writer->db, statements[i].sql, statements[i].statement);
	return rc;
}

static void finish(struct writer *writer)
{
	sqlite3_finalize(writer->find);
	sqlite3_finalize(writer->put);
	sqlite3_finalize(writer->outcome);
	sqlite3_finalize(writer->reason);
	sqlite3_finalize(writer->slice);
	sqlite3_finalize(writer->slice_rung);
}

int record_write(struct sqlite3 *db, const struct record_batch *batch)
{
	struct writer writer = {.db = db};
	int rc = write_run(db, batch);

	if (rc == 0)
		rc = write_epoch(db, batch, &writer.epoch);
	if (rc == 0)
		rc = prepare_all(&writer);
	for (int i = 0; i <= RECORD_GROUPS_MAX && rc == 0; i++) {
		if (!batch->groups[i].model[0])
			continue;
		rc = write_distribution(&writer, &batch->groups[i]);
		if (rc == 0)
			rc = write_counts(&writer, &batch->groups[i]);
	}
	for (int i = 0; i < batch->n_slices && rc == 0; i++)
		rc = write_slice(&writer, batch, &batch->slices[i]);
	finish(&writer);
	return rc;
}
