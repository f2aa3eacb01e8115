/* field.c - see field.h. */
#include "field.h"

#include <errno.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x494e4644 /* of the daemon's databases */
#define VERSION	       1	  /* of the tables */
#define LENGTH_MAX     (1 << 20)
#define RUNS_MAX       65536
#define BUSY_MS	       5000
/* A gap this long is drawn. */
#define GAP_S 60

static const char other[] = "other";

struct reading {
	struct field *field;
	struct field_device *device;
	const char *path;
	sqlite3 *db;
	struct field_error *error;
};

static int fail(struct reading *reading, int rc, const char *cause)
{
	snprintf(reading->error->text, sizeof(reading->error->text), "%.255s: %s", reading->path, cause);
	return rc;
}

static int fail_sql(struct reading *reading)
{
	return fail(reading, -EBADMSG, sqlite3_errmsg(reading->db));
}

/* ---- outcomes ------------------------------------------------------------------------------------- */

static const struct {
	const char *name, *text;
} outcomes[FIELD_OUTCOMES] = {
	[FIELD_ON_TIME] = {"on_time", "on time"},
	[FIELD_LATE_QUEUED] = {"late_queued", "late: had waited in the queue"},
	[FIELD_LATE_SLOW] = {"late_slow", "late: ran longer than its bound"},
	[FIELD_LATE_INFEASIBLE] = {"late_infeasible", "late: no time was ever enough"},
	[FIELD_EXPIRED] = {"expired", "dropped: expired in the queue"},
	[FIELD_HOPELESS] = {"hopeless", "dropped: no rung was fast enough"},
	[FIELD_FAILED] = {"failed", "failed"},
	[FIELD_SKIPPED] = {"skipped", "skipped by the policy"},
	[FIELD_REPLACED] = {"replaced", "replaced by a newer frame"},
	[FIELD_CANCELLED] = {"cancelled", "cancelled by the client"},
	[FIELD_CLOSED] = {"closed", "closed by the client"},
	[FIELD_UNKNOWN] = {"", "of a kind unknown here"},
};

const char *field_outcome_text(enum field_outcome outcome)
{
	return outcomes[outcome].text;
}

bool field_outcome_is_miss(enum field_outcome outcome)
{
	return outcome >= FIELD_LATE_QUEUED && outcome <= FIELD_FAILED;
}

bool field_outcome_was_asked(enum field_outcome outcome)
{
	return outcome >= FIELD_REPLACED && outcome <= FIELD_CLOSED;
}

static enum field_outcome outcome_of(const char *name)
{
	for (int i = 0; i < FIELD_UNKNOWN; i++)
		if (!strcmp(outcomes[i].name, name))
			return (enum field_outcome)i;
	return FIELD_UNKNOWN;
}

uint64_t field_frames(const struct field_rung *rung)
{
	uint64_t sum = 0;

	for (int i = 0; i < FIELD_OUTCOMES; i++)
		sum += rung->outcomes[i];
	return sum;
}

uint64_t field_missed(const struct field_rung *rung)
{
	uint64_t sum = 0;

	for (int i = 0; i < FIELD_OUTCOMES; i++)
		sum += field_outcome_is_miss((enum field_outcome)i) ? rung->outcomes[i] : 0;
	return sum;
}

/* ---- columns -------------------------------------------------------------------------------------- */

/* Counts of any database together stay far below what 64 bits hold. */
static uint64_t column_count(sqlite3_stmt *row, int column)
{
	sqlite3_int64 value = sqlite3_column_int64(row, column);

	return value < 0 ? 0 : value > (1ll << 48) ? 1ull << 48 : (uint64_t)value;
}

static double column_reading(sqlite3_stmt *row, int column)
{
	double value = sqlite3_column_double(row, column);

	return sqlite3_column_type(row, column) == SQLITE_NULL || !(fabs(value) < 1e6) ? NAN : value;
}

static void column_text(sqlite3_stmt *row, int column, char *to, size_t size)
{
	const char *text = (const char *)sqlite3_column_text(row, column);

	snprintf(to, size, "%s", text ? text : "");
}

static int prepare(struct reading *reading, const char *sql, sqlite3_stmt **ret_statement)
{
	return sqlite3_prepare_v2(reading->db, sql, -1, ret_statement, NULL) == SQLITE_OK ? 0 : fail_sql(reading);
}

/* Calls take() for every row. */
static int each_row(struct reading *reading, const char *sql, int (*take)(struct reading *reading, sqlite3_stmt *row))
{
	sqlite3_stmt *statement = NULL;
	int rc = prepare(reading, sql, &statement), result = SQLITE_DONE;

	while (rc == 0 && (result = sqlite3_step(statement)) == SQLITE_ROW)
		rc = take(reading, statement);
	if (rc == 0 && result != SQLITE_DONE)
		rc = fail_sql(reading);
	sqlite3_finalize(statement);
	return rc;
}

/* ---- rungs ---------------------------------------------------------------------------------------- */

/* NULL: out of memory. */
static struct field_rung *find_rung(struct field *field, const char *model, const char *rung, int *ret_index)
{
	struct field_rung *found;
	int i = 0;

	while (i < field->n_rungs &&
	       (strcmp(field->rungs[i]->rung, rung) != 0 || strcmp(field->rungs[i]->model, model) != 0))
		i++;
	if (i >= FIELD_RUNGS_MAX - 1 && i == field->n_rungs) {
		i = FIELD_RUNGS_MAX - 1;
		model = rung = other;
	}
	*ret_index = i;
	if (i < field->n_rungs)
		return field->rungs[i];
	found = calloc(1, sizeof(*found));
	if (!found)
		return NULL;
	snprintf(found->model, sizeof(found->model), "%s", model);
	snprintf(found->rung, sizeof(found->rung), "%s", rung);
	field->rungs[field->n_rungs++] = found;
	return found;
}

static struct field_rung *row_rung(struct reading *reading, sqlite3_stmt *row, int model, int rung, int *ret_index)
{
	char model_name[FIELD_NAME_BYTES], rung_name[FIELD_NAME_BYTES];

	column_text(row, model, model_name, sizeof(model_name));
	column_text(row, rung, rung_name, sizeof(rung_name));
	return find_rung(reading->field, model_name, rung_name, ret_index);
}

static int band_of(int lowest)
{
	if (lowest < 0)
		return 0;
	return lowest < 40 ? 1 : lowest >= 100 ? 8 : 2 + (lowest - 40) / 10;
}

static int take_sketch(struct reading *reading, sqlite3_stmt *row, int column, struct sketch *ret)
{
	const void *bytes = sqlite3_column_blob(row, column);
	int size = sqlite3_column_bytes(row, column);

	if (!bytes || sketch_decode(bytes, (size_t)size, ret) < 0)
		return fail(reading, -EBADMSG, "a distribution in it is damaged");
	return 0;
}

static int add_temp(struct reading *reading, struct field_rung *rung, int band, const struct sketch *inference)
{
	struct sketch **place = &rung->by_temp[band_of(band)];

	if (!inference->count)
		return 0;
	if (!*place)
		*place = calloc(1, sizeof(**place));
	if (!*place)
		return fail(reading, -ENOMEM, "out of memory");
	sketch_merge(*place, inference);
	return 0;
}

static int take_distribution(struct reading *reading, sqlite3_stmt *row)
{
	struct sketch sketch;
	double accuracy = column_reading(row, 5);
	int rc = 0, index;
	struct field_rung *rung = row_rung(reading, row, 0, 1, &index);

	if (!rung)
		return fail(reading, -ENOMEM, "out of memory");
	column_text(row, 2, rung->lane, sizeof(rung->lane));
	rung->bounded += column_count(row, 6);
	rung->covered += column_count(row, 7);
	for (int i = 0; i < FIELD_MEASURES && rc == 0; i++) {
		rc = take_sketch(reading, row, 8 + i, &sketch);
		if (rc < 0)
			return rc;
		sketch_merge(&rung->measures[i], &sketch);
		if (i == FIELD_TOTAL && accuracy >= 0 && accuracy <= 1)
			rung->accuracy_sum += accuracy * (double)sketch.count;
		if (i == FIELD_INFERENCE)
			rc = add_temp(reading, rung, sqlite3_column_int(row, 3), &sketch);
	}
	return rc;
}

static int take_outcome(struct reading *reading, sqlite3_stmt *row)
{
	char name[FIELD_NAME_BYTES];
	int index;
	struct field_rung *rung = row_rung(reading, row, 0, 1, &index);

	if (!rung)
		return fail(reading, -ENOMEM, "out of memory");
	column_text(row, 2, name, sizeof(name));
	rung->outcomes[outcome_of(name)] += column_count(row, 3);
	return 0;
}

static bool is_reason(const struct field_reason *a, const struct field_reason *b)
{
	return !strcmp(a->cause, b->cause) && !strcmp(a->rung, b->rung) && !strcmp(a->model, b->model) &&
	       !strcmp(a->params, b->params);
}

static int take_reason(struct reading *reading, sqlite3_stmt *row)
{
	struct field *field = reading->field;
	struct field_reason reason;
	int i = 0;

	column_text(row, 0, reason.model, sizeof(reason.model));
	column_text(row, 1, reason.rung, sizeof(reason.rung));
	column_text(row, 2, reason.cause, sizeof(reason.cause));
	column_text(row, 3, reason.params, sizeof(reason.params));
	reason.frames = column_count(row, 4);
	column_text(row, 5, reason.example, sizeof(reason.example));
	while (i < field->n_reasons && !is_reason(&field->reasons[i], &reason))
		i++;
	if (i < field->n_reasons) {
		field->reasons[i].frames += reason.frames;
	} else if (i < FIELD_REASONS_MAX - 1) {
		field->reasons[field->n_reasons++] = reason;
	} else {
		if (i == FIELD_REASONS_MAX - 1) {
			field->reasons[i] = (struct field_reason){.cause = "other"};
			field->n_reasons++;
		}
		field->reasons[FIELD_REASONS_MAX - 1].frames += reason.frames;
	}
	return 0;
}

/* ---- runs and the timeline ------------------------------------------------------------------------ */

static int take_run(struct reading *reading, sqlite3_stmt *row)
{
	struct field *field = reading->field;
	char id[FIELD_NAME_BYTES];
	void *grown;

	column_text(row, 0, id, sizeof(id));
	for (int i = 0; i < field->n_all_runs; i++)
		if (!strcmp(field->runs[i], id))
			return fail(reading, -EEXIST, "it holds a run that was read already: give each record once");
	if (field->n_all_runs == RUNS_MAX)
		return fail(reading, -E2BIG, "there are too many runs");
	/* Grows in powers of two. */
	if (!(field->n_all_runs & (field->n_all_runs - 1))) {
		size_t n = field->n_all_runs ? 2 * (size_t)field->n_all_runs : 1;

		grown = realloc(field->runs, n * sizeof(*field->runs));
		if (!grown)
			return fail(reading, -ENOMEM, "out of memory");
		field->runs = grown;
	}
	memcpy(field->runs[field->n_all_runs++], id, sizeof(id));
	reading->device->n_runs++;
	column_text(row, 1, reading->device->name, sizeof(reading->device->name));
	column_text(row, 2, reading->device->machine, sizeof(reading->device->machine));
	column_text(row, 3, reading->device->version, sizeof(reading->device->version));
	reading->device->lost += column_count(row, 4);
	return 0;
}

/* How long a slice is, in seconds. */
static double length_of(sqlite3_stmt *row, int began, int ended)
{
	double seconds = ((double)sqlite3_column_int64(row, ended) - (double)sqlite3_column_int64(row, began)) / 1e6;

	return seconds > 0 && seconds < 1e6 ? seconds : 0;
}

static int take_length(struct reading *reading, sqlite3_stmt *row)
{
	reading->device->seconds += length_of(row, 0, 1);
	/* No more columns than slices, so that none stays empty. */
	reading->device->n_bins += reading->device->n_bins < FIELD_BINS;
	return 0;
}

/* A mean of readings that are there, weighted by time; NAN stays until the first. */
static void add_reading(double *mean, double before_s, double reading, double seconds)
{
	if (isnan(reading) || seconds <= 0)
		return;
	*mean = isnan(*mean) ? reading : (*mean * before_s + reading * seconds) / (before_s + seconds);
}

static struct field_bin *bin_of(const struct field_device *device, double at_s)
{
	int bin = device->seconds > 0 ? (int)(at_s / device->seconds * device->n_bins) : 0;

	return &device->bins[bin < 0 ? 0 : bin >= device->n_bins ? device->n_bins - 1 : bin];
}

static void add_slice(struct field_bin *bin, sqlite3_stmt *row, int64_t ended, double seconds, bool after_gap)
{
	double temp_c = column_reading(row, 4);

	add_reading(&bin->temp_c, bin->seconds, temp_c, seconds);
	add_reading(&bin->temp_limit_c, bin->seconds, column_reading(row, 5), seconds);
	add_reading(&bin->freq_cap, bin->seconds, column_reading(row, 6), seconds);
	add_reading(&bin->cpu_pressure, bin->seconds, column_reading(row, 7), seconds);
	if (!isnan(temp_c) && !(bin->temp_max_c >= temp_c))
		bin->temp_max_c = temp_c;
	bin->after_gap = bin->after_gap || after_gap;
	bin->seconds += seconds;
	bin->ended = ended;
}

/* Rows of slices joined with their rungs: a slice's columns come once for each of its rungs. */
static int read_timeline(struct reading *reading)
{
	static const char sql[] =
		"SELECT s.id, s.ended, s.began_us, s.ended_us, s.temp_c, s.temp_limit_c, s.freq_cap, s.cpu_pressure, "
		"r.model, r.rung, r.frames, r.on_time, r.missed FROM slice s LEFT JOIN slice_rung r ON r.slice = s.id "
		"ORDER BY s.id";
	sqlite3_stmt *row = NULL;
	sqlite3_int64 slice = 0;
	struct field_bin *bin = NULL;
	int64_t before = 0;
	double at_s = 0;
	int rc = prepare(reading, sql, &row), result = SQLITE_DONE, index;

	while (rc == 0 && (result = sqlite3_step(row)) == SQLITE_ROW) {
		if (!bin || sqlite3_column_int64(row, 0) != slice) {
			double seconds = length_of(row, 2, 3);
			int64_t ended = sqlite3_column_int64(row, 1);

			slice = sqlite3_column_int64(row, 0);
			bin = bin_of(reading->device, at_s + seconds / 2);
			add_slice(bin, row, ended, seconds, before && (double)ended - (double)before > seconds + GAP_S);
			at_s += seconds;
			before = ended;
		}
		if (sqlite3_column_type(row, 9) == SQLITE_NULL)
			continue;
		if (!row_rung(reading, row, 8, 9, &index))
			rc = fail(reading, -ENOMEM, "out of memory");
		bin->frames[index < FIELD_RUNGS_MAX ? index : 0] += column_count(row, 10);
		bin->on_time += column_count(row, 11);
		bin->missed += column_count(row, 12);
	}
	if (rc == 0 && result != SQLITE_DONE)
		rc = fail_sql(reading);
	sqlite3_finalize(row);
	return rc;
}

static int take_period(struct reading *reading, sqlite3_stmt *row)
{
	reading->device->began = sqlite3_column_int64(row, 0);
	reading->device->ended = sqlite3_column_int64(row, 1);
	return 0;
}

/* ---- opening -------------------------------------------------------------------------------------- */

static int take_check(struct reading *reading, sqlite3_stmt *row)
{
	int64_t due = sqlite3_column_int64(row, 1);

	return sqlite3_column_int64(row, 0) == due ? 0
						   : fail(reading, -EBADMSG, "it is no field record of this version");
}

/* Views and virtual tables could run anything; a record has neither. */
static int take_table(struct reading *reading, sqlite3_stmt *row)
{
	(void)row;
	return fail(reading, -EBADMSG, "it is no field record: there is more in it than tables");
}

static void settle(sqlite3 *db)
{
	sqlite3_busy_timeout(db, BUSY_MS);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, LENGTH_MAX);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	sqlite3_exec(db,
		     "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-2048; PRAGMA query_only=ON;",
		     NULL, NULL, NULL);
}

/* Of a path as a URI: everything but letters, digits and a few marks as %XX. */
static void put_uri(char *to, size_t size, const char *path, const char *query)
{
	size_t used = (size_t)snprintf(to, size, "file:");

	for (const unsigned char *c = (const unsigned char *)path; *c && used + 4 < size; c++)
		used += (size_t)snprintf(to + used, size - used,
					 (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
							 (*c >= '/' && *c <= '9') || *c == '-' || *c == '_' || *c == '.'
						 ? "%c"
						 : "%%%02X",
					 *c);
	snprintf(to + used, size - used, "%s", query);
}

static int try_open(struct reading *reading, const char *query)
{
	char uri[4096];

	sqlite3_close(reading->db);
	reading->db = NULL;
	put_uri(uri, sizeof(uri), reading->path, query);
	if (sqlite3_open_v2(uri, &reading->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL) !=
	    SQLITE_OK)
		return -EIO;
	settle(reading->db);
	/* Opening reads nothing yet. */
	return sqlite3_exec(reading->db, "BEGIN; SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL) == SQLITE_OK
		       ? 0
		       : -EIO;
}

static int open_record(struct reading *reading)
{
	struct stat status;
	char log[4096];

	if (stat(reading->path, &status) < 0)
		return fail(reading, -errno, strerror(errno));
	if (!S_ISREG(status.st_mode))
		return fail(reading, -EINVAL, "it is no file");
	if (try_open(reading, "") == 0)
		return 0;
	/* A copy in a folder that may not be written to: without a log beside it, nobody is writing to it. */
	snprintf(log, sizeof(log), "%s-wal", reading->path);
	if (access(log, F_OK) < 0 && try_open(reading, "?immutable=1") == 0)
		return 0;
	return fail_sql(reading);
}

static int read_all(struct reading *reading)
{
	static const struct {
		const char *sql;
		int (*take)(struct reading *reading, sqlite3_stmt *row);
	} steps[] = {
		{"SELECT application_id, 1229866564 FROM pragma_application_id", take_check},
		{"SELECT user_version, 1 FROM pragma_user_version", take_check},
		{"SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%'",
		 take_table},
		{"SELECT id, device, machine, version, lost FROM run", take_run},
		{"SELECT model, rung, lane, temp_band, pressure_band, accuracy, bounded, covered, queue, preprocess, "
		 "inference, total, of_deadline, of_predicted FROM distribution ORDER BY epoch",
		 take_distribution},
		{"SELECT model, rung, outcome, frames FROM outcome", take_outcome},
		{"SELECT model, rung, cause, params, frames, example FROM reason ORDER BY epoch DESC", take_reason},
		{"SELECT min(began), max(ended) FROM epoch", take_period},
		{"SELECT began_us, ended_us FROM slice", take_length},
	};
	int rc = 0;

	_Static_assert(APPLICATION_ID == 1229866564 && VERSION == 1, "as the statements above say");
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && rc == 0; i++)
		rc = each_row(reading, steps[i].sql, steps[i].take);
	return rc < 0 ? rc : read_timeline(reading);
}

int field_read(struct field *field, const char *path, struct field_error *ret_error)
{
	struct reading reading = {.field = field, .path = path, .error = ret_error};
	int rc;

	if (field->n_devices == FIELD_DEVICES_MAX)
		return fail(&reading, -E2BIG, "there are too many records");
	reading.device = &field->devices[field->n_devices++];
	snprintf(reading.device->file, sizeof(reading.device->file), "%s", path);
	reading.device->bins = calloc(FIELD_BINS, sizeof(*reading.device->bins));
	if (!reading.device->bins)
		return fail(&reading, -ENOMEM, "out of memory");
	for (int i = 0; i < FIELD_BINS; i++) {
		struct field_bin *bin = &reading.device->bins[i];

		bin->temp_c = bin->temp_max_c = bin->temp_limit_c = bin->freq_cap = bin->cpu_pressure = NAN;
	}
	rc = open_record(&reading);
	if (rc == 0)
		rc = read_all(&reading);
	sqlite3_close(reading.db);
	return rc;
}

struct field *field_create(void)
{
	return calloc(1, sizeof(struct field));
}

void field_destroy(struct field *field)
{
	if (!field)
		return;
	for (int i = 0; i < field->n_devices; i++)
		free(field->devices[i].bins);
	for (int i = 0; i < field->n_rungs; i++) {
		for (int j = 0; j < FIELD_TEMP_BANDS; j++)
			free(field->rungs[i]->by_temp[j]);
		free(field->rungs[i]);
	}
	free(field->runs);
	free(field);
}
