/* test_report.c - reading and merging field records, the page drawn of them, and the lines of inferctl top. */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client-lib/inferctl/field.h"
#include "client-lib/inferctl/report_page.h"
#include "client-lib/inferctl/top_view.h"
#include "support/made_record.h"
#include "support/test.h"

TEST_SUITE(report);

struct folder {
	char path[64], record[96];
};

static void folder_init(struct folder *folder)
{
	snprintf(folder->path, sizeof(folder->path), "/tmp/inferd-report-XXXXXX");
	cr_assert_not_null(mkdtemp(folder->path));
	snprintf(folder->record, sizeof(folder->record), "%s/record.db", folder->path);
}

static void folder_finish(struct folder *folder)
{
	char command[96];

	snprintf(command, sizeof(command), "rm -rf %s", folder->path);
	cr_assert_eq(system(command), 0);
}

static void change(const struct folder *folder, const char *sql)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	cr_assert_eq(sqlite3_open_v2(folder->record, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, &error), SQLITE_OK, "%s: %s", sql, error);
	sqlite3_close(db);
}

static void expect_read(struct field *field, const char *path)
{
	struct field_error error = {""};

	cr_assert_eq(field_read(field, path, &error), 0, "%s", error.text);
}

/* The page as text, freed by the caller. */
static char *page_of(const struct field *field)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	report_page(field, out);
	fclose(out);
	cr_assert_lt(size, 1 << 20);
	return text;
}

static struct sketch total_of(const struct field *field)
{
	struct sketch sum = {0};

	for (int i = 0; i < field->n_rungs; i++)
		sketch_merge(&sum, &field->rungs[i]->measures[FIELD_TOTAL]);
	return sum;
}

Test(report, several_records_are_the_sum_of_each)
{
	struct folder a, b;
	struct field *both = field_create(), *only_a = field_create(), *only_b = field_create();
	struct sketch sum, other;

	folder_init(&a);
	folder_init(&b);
	made_record_write(a.path, "m", 3, 1);
	made_record_write(b.path, "m", 2, 2);
	expect_read(both, b.record);
	expect_read(both, a.record);
	expect_read(only_a, a.record);
	expect_read(only_b, b.record);
	sum = total_of(only_a);
	other = total_of(only_b);
	sketch_merge(&sum, &other);
	other = total_of(both);
	cr_assert_eq(memcmp(&sum, &other, sizeof(sum)), 0);
	cr_assert_gt(sum.count, 4000);
	cr_assert_eq(both->n_devices, 2);
	cr_assert_float_eq(both->devices[1].seconds, 180, 1);
	cr_assert_geq(both->devices[1].n_bins, 17);
	field_destroy(both);
	field_destroy(only_a);
	field_destroy(only_b);
	folder_finish(&a);
	folder_finish(&b);
}

Test(report, page_needs_nothing_else_and_says_what_was_recorded)
{
	struct folder folder;
	struct field *field = field_create();
	char *page;

	folder_init(&folder);
	made_record_write(folder.path, "camera", 10, 3);
	expect_read(field, folder.record);
	page = page_of(field);
	cr_assert(strstr(page, "<h2>camera</h2>") && strstr(page, "v2-224@224x224"));
	cr_assert(strstr(page, "9&#8239;000"), "frames in all");
	cr_assert(!strstr(page, "http:") && !strstr(page, "https:") && !strstr(page, "src=") &&
		  !strstr(page, "<script"));
	cr_assert(!strstr(page, "nan") && !strstr(page, "inf "), "a number is missing somewhere");
	cr_assert_not_null(strstr(page, "</html>"));
	free(page);
	field_destroy(field);
	folder_finish(&folder);
}

static const char hostile[] = "\"><script>alert('x')</script>&\x01\xff";

Test(report, names_are_never_markup)
{
	struct folder folder;
	struct field *field = field_create();
	char *page;

	folder_init(&folder);
	made_record_write(folder.path, hostile, 1, 3);
	change(&folder,
	       "UPDATE run SET device = '<script>', machine = '<script>', version = '<script>';"
	       "UPDATE reason SET cause = '<script>' || cause || rung, example = '<script>', params = '<script>' || rung;"
	       "UPDATE distribution SET lane = '<script>', rung = '<script>' || rung;");
	expect_read(field, folder.record);
	page = page_of(field);
	cr_assert_null(strstr(page, "<script"));
	cr_assert_null(strstr(page, "\"><scr"));
	cr_assert_not_null(strstr(page, "&lt;script&gt;alert(&#39;x&#39;)"));
	cr_assert(!strchr(page, '\x01'));
	free(page);
	field_destroy(field);
	folder_finish(&folder);
}

Test(report, record_of_nothing_has_a_page)
{
	struct folder folder;
	struct field *field = field_create();
	char *page;

	folder_init(&folder);
	made_record_write(folder.path, "m", 0, 1);
	expect_read(field, folder.record);
	page = page_of(field);
	cr_assert_not_null(strstr(page, "No frame was recorded"));
	free(page);
	field_destroy(field);
	folder_finish(&folder);
}

Test(report, more_rungs_and_reasons_than_there_is_room_for_are_others)
{
	struct folder folder;
	struct field *field = field_create();
	char *page;

	folder_init(&folder);
	made_record_write(folder.path, "m", 1, 1);
	change(&folder, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
			"INSERT INTO outcome SELECT 1, 'm' || i, 'r', 'late_slow', 2 FROM n;"
			"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) "
			"INSERT INTO reason SELECT 1, 'm', 'r' || i, 'c', 'p', 1, 'e' FROM n");
	expect_read(field, folder.record);
	cr_assert_eq(field->n_rungs, FIELD_RUNGS_MAX);
	cr_assert_str_eq(field->rungs[FIELD_RUNGS_MAX - 1]->model, "other");
	cr_assert_eq(field->n_reasons, FIELD_REASONS_MAX);
	page = page_of(field);
	cr_assert_not_null(strstr(page, "other"));
	free(page);
	field_destroy(field);
	folder_finish(&folder);
}

/* ---- what is not to be trusted -------------------------------------------------------------------- */

static void expect_refused(const struct folder *folder, const char *path, const char *why)
{
	struct field *field = field_create();
	struct field_error error = {""};

	cr_assert_lt(field_read(field, path, &error), 0, "%s", why);
	cr_assert(strstr(error.text, why) && strstr(error.text, folder->path), "'%s' does not say '%s'", error.text,
		  why);
	field_destroy(field);
}

Test(report, the_same_record_twice_is_refused)
{
	struct folder folder;
	struct field *field = field_create();
	struct field_error error;

	folder_init(&folder);
	made_record_write(folder.path, "m", 1, 1);
	expect_read(field, folder.record);
	cr_assert_eq(field_read(field, folder.record, &error), -EEXIST);
	cr_assert_not_null(strstr(error.text, "read already"));
	field_destroy(field);
	folder_finish(&folder);
}

Test(report, what_is_no_record_is_refused_with_its_name)
{
	static const struct {
		const char *sql, *why;
	} changes[] = {
		{"PRAGMA application_id=5", "no field record of this version"},
		{"PRAGMA user_version=9", "no field record of this version"},
		{"UPDATE distribution SET total = x'0102'", "damaged"},
		{"UPDATE distribution SET total = 'text'", "damaged"},
		{"DROP TABLE slice", "no such table"},
		{"DROP TABLE run; CREATE VIEW run AS SELECT 1 id, 2 device, 3 machine, 4 version, 5 lost",
		 "more in it"},
		{"CREATE TRIGGER t AFTER INSERT ON run BEGIN SELECT 1; END", "more in it"},
	};
	struct folder folder;
	char path[96];

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		folder_init(&folder);
		made_record_write(folder.path, "m", 1, 1);
		change(&folder, changes[i].sql);
		expect_refused(&folder, folder.record, changes[i].why);
		folder_finish(&folder);
	}
	folder_init(&folder);
	expect_refused(&folder, folder.record, "No such file");
	expect_refused(&folder, folder.path, "it is no file");
	snprintf(path, sizeof(path), "%s/pipe", folder.path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	expect_refused(&folder, path, "it is no file");
	folder_finish(&folder);
}

/* Numbers that no daemon writes must not lead out of an array or into the page as "nan". */
Test(report, absurd_numbers_are_bounded)
{
	struct folder folder;
	struct field *field = field_create();
	char *page;

	folder_init(&folder);
	made_record_write(folder.path, "m", 2, 1);
	change(&folder,
	       "UPDATE slice SET temp_c = 9e999, freq_cap = -9e999, cpu_pressure = 'x', temp_limit_c = 1e300;"
	       "UPDATE slice SET ended = 9223372036854775807 WHERE id % 2; UPDATE slice SET began_us = "
	       "-9223372036854775807 WHERE id = 2; UPDATE slice SET ended_us = began_us WHERE id = 3;"
	       "UPDATE outcome SET frames = -5; UPDATE slice_rung SET frames = 9223372036854775807, missed = "
	       "9223372036854775807; UPDATE distribution SET accuracy = 9e999, bounded = -1, covered = "
	       "9223372036854775807; UPDATE epoch SET began = -9223372036854775807, ended = 9223372036854775807;"
	       "INSERT INTO outcome VALUES(1, 'm', 'v2-224@224x224', 'on_time ', 9223372036854775807)");
	expect_read(field, folder.record);
	page = page_of(field);
	cr_assert(!strstr(page, "nan") && !strstr(page, "\"inf") && !strstr(page, "-inf"));
	free(page);
	field_destroy(field);
	folder_finish(&folder);
}

/* Any damage is an error or a page. */
Test(report, damage_anywhere_is_survived)
{
	struct folder folder;
	int refused = 0;

	folder_init(&folder);
	made_record_write(folder.path, "m", 2, 1);
	for (int round = 0; round < 200; round++) {
		struct field *field = field_create();
		struct field_error error;
		struct stat status;
		char copy[112], command[256], *page;
		FILE *file;

		snprintf(copy, sizeof(copy), "%s.copy", folder.record);
		snprintf(command, sizeof(command), "cp %s %s", folder.record, copy);
		cr_assert_eq(system(command), 0);
		cr_assert_eq(stat(copy, &status), 0);
		file = fopen(copy, "r+");
		for (int i = 0; i < 8; i++) {
			cr_assert_eq(fseek(file, (long)(test_random() % (uint64_t)status.st_size), SEEK_SET), 0);
			fputc((int)(test_random() & 255), file);
		}
		fclose(file);
		if (field_read(field, copy, &error) == 0) {
			page = page_of(field);
			cr_assert_not_null(strstr(page, "</html>"));
			free(page);
		} else {
			refused++;
		}
		field_destroy(field);
	}
	cr_assert_gt(refused, 0);
	folder_finish(&folder);
}

/* A copy that lies where nobody may write, with no log beside it. */
Test(report, record_in_a_folder_that_cannot_be_written_to_is_read)
{
	struct folder folder;
	struct field *field = field_create();

	folder_init(&folder);
	made_record_write(folder.path, "m", 1, 1);
	cr_assert_eq(chmod(folder.path, 0500), 0);
	expect_read(field, folder.record);
	cr_assert_gt(total_of(field).count, 0);
	cr_assert_eq(chmod(folder.path, 0700), 0);
	field_destroy(field);
	folder_finish(&folder);
}

/* ---- top ------------------------------------------------------------------------------------------ */

static const char top_report[] =
	"{\"uptime_s\":3661.5,\"clients\":2,\"streams\":3,\"waiting\":1,\"sensors\":{\"temp_c\":82,\"temp_limit_c\":78,"
	"\"cpu_pressure\":0.12,\"cpu_load\":null,\"battery\":null},\"lanes\":[{\"name\":\"big\",\"busy\":true,\"fps\":14.8,"
	"\"busy_ms\":5630,\"freq_cap\":0.86}],\"models\":[{\"name\":\"cam\\u001b[31m\",\"rung\":\"v1\",\"reason\":\"82 C\","
	"\"frames\":100,\"fps\":14.8,\"on_time\":97,\"missed\":3,\"skipped\":2,\"p50_us\":34100,\"p95_us\":80000,"
	"\"p99_us\":120000,\"rungs\":[{\"name\":\"v1\",\"lane\":\"big\",\"frames\":95,\"fps\":14.8,\"on_time\":95,\"missed\":0,"
	"\"skipped\":0,\"p50_us\":900,\"p95_us\":80000,\"p99_us\":120000},{\"name\":\"\",\"lane\":\"\",\"frames\":5,\"fps\":0,"
	"\"on_time\":0,\"missed\":3,\"skipped\":2,\"p50_us\":0,\"p95_us\":0,\"p99_us\":0}]}],\"changes\":[{\"ago_s\":3.2,"
	"\"model\":\"cam\",\"rung\":\"v1\",\"reason\":\"82.0 C is over 75.0\"}]}";

static char *top_of(const struct top_view *view, const char *report, const char *before)
{
	struct json *now = NULL, *was = NULL;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	cr_assert_eq(json_parse(report, &now), 0);
	if (before)
		cr_assert_eq(json_parse(before, &was), 0);
	top_view_print(view, now, was, out);
	fclose(out);
	json_free(now);
	json_free(was);
	return text;
}

Test(report, top_shows_what_the_daemon_says)
{
	const struct top_view view = {.columns = 160};
	char *text = top_of(&view, top_report,
			    "{\"uptime_s\":3660.5,\"lanes\":[{\"name\":\"big\",\"busy_ms\":5000,\"fps\":1}]}");

	cr_assert(strstr(text, "up 1 h 01 min: 2 clients, 3 streams, 1 frames waiting"), "%s", text);
	cr_assert(strstr(text, "temperature 82.0 C (throttles at 78 C)   pressure 12%   load of others -"), "%s", text);
	cr_assert(strstr(text, "14.8      63%        86%"), "the lane was busy for 630 ms of a second: %s", text);
	cr_assert(strstr(text, "14.8    95%     0.90     80.0      120        0        0"), "%s", text);
	cr_assert(strstr(text, "(not run)"), "%s", text);
	cr_assert(strstr(text, "3 s ago  cam -> v1: 82.0 C is over 75.0"), "%s", text);
	cr_assert(!strchr(text, '\033'), "a name may not command the terminal");
	free(text);
}

Test(report, top_fits_its_terminal)
{
	const struct top_view view = {.columns = 30, .rows = 8};
	char *text = top_of(&view, top_report, NULL);
	int lines = 1, column = 0;

	for (const char *c = text; *c; c++) {
		column = *c == '\n' ? 0 : column + 1;
		lines += *c == '\n';
		cr_assert_leq(column, 30);
	}
	cr_assert_eq(lines, 8);
	free(text);
}

Test(report, top_takes_reports_that_lack_everything)
{
	static const char *const reports[] = {"{}", "[]", "7", "{\"lanes\":5,\"models\":[1,{}],\"changes\":[[]]}"};
	const struct top_view view = {.columns = 80, .rows = 24, .colour = true};

	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		char *text = top_of(&view, reports[i], "{}");

		cr_assert_gt(strlen(text), 0);
		free(text);
	}
}
