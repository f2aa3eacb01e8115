/* test_calibrate.c - labelled photographs, the front, and inferctl calibrate against a real daemon. */
#include "client-lib/inferctl/calibrate.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/inferctl/energy.h"
#include "support/daemon_fixture.h"

TEST_SUITE(calibrate);

/* ---- labelled photographs ------------------------------------------------------------------------- */

static void make_folder(const struct fixture *fixture, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	cr_assert_eq(mkdir(path, 0755), 0);
}

/* A bitmap of 8x8 of one brightness. */
static void write_bitmap(const struct fixture *fixture, const char *name, int brightness)
{
	static const uint8_t header[54] = {'B', 'M', 54 + 192, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0,  40,
					   0,	0,   0,	       8, 0, 0, 0, 8, 0, 0, 0,	1, 0, 24, 0};
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "wb");
	cr_assert_not_null(file);
	fwrite(header, 1, sizeof(header), file);
	for (int i = 0; i < 192; i++)
		fputc(brightness, file);
	fclose(file);
}

static int read_labels(const struct fixture *fixture, const char *name, struct labels_error *error,
		       struct labels *labels)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	return labels_read(path, error, labels);
}

/* Only the folder of the fixture is needed. */
static void finish(struct fixture *fixture)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", fixture->dir);
	cr_assert_eq(system(command), 0);
}

Test(calibrate, classes_come_from_a_list)
{
	struct labels_error error = {""};
	struct fixture fixture;
	struct labels labels;

	fixture_init(&fixture);
	make_folder(&fixture, "photos");
	/* Beside the folder; and one within goes before it. */
	fixture_write(&fixture, "classes.txt", "7 b one.jpg\r\n\n 12\ta.jpg\n");
	cr_assert_eq(read_labels(&fixture, "photos", &error, &labels), 0, "%s", error.text);
	cr_assert_eq(labels.n_photos, 2u);
	cr_assert_eq(labels.photos[0].index, 12);
	cr_assert(strstr(labels.photos[1].path, "/photos/b one.jpg"));
	cr_assert(labels_is_right(&labels.photos[1], 7, "", 0));
	cr_assert(labels_is_right(&labels.photos[1], 8, "", 1));
	cr_assert(!labels_is_right(&labels.photos[1], 7, "", 1));
	labels_finish(&labels);
	fixture_write(&fixture, "photos/classes.txt", "1 c.jpg");
	cr_assert_eq(read_labels(&fixture, "photos", &error, &labels), 0, "%s", error.text);
	cr_assert_eq(labels.n_photos, 1u);
	labels_finish(&labels);
	finish(&fixture);
}

Test(calibrate, wrong_lists_name_their_line)
{
	static const char *const lists[] = {"1 a.jpg\nx b.jpg\n", "1 a.jpg\n-1 b.jpg\n", "1 a.jpg\n2\n",
					    "1 a.jpg\n9999999999 b.jpg\n", "1 a.jpg\n3  \n"};
	struct fixture fixture;
	struct labels labels;

	fixture_init(&fixture);
	make_folder(&fixture, "photos");
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct labels_error error = {""};

		fixture_write(&fixture, "classes.txt", "%s", lists[i]);
		cr_assert_lt(read_labels(&fixture, "photos", &error, &labels), 0, "%s", lists[i]);
		cr_assert(strstr(error.text, "classes.txt:2: "), "%s", error.text);
	}
	finish(&fixture);
}

Test(calibrate, classes_come_from_folders)
{
	struct labels_error error = {""};
	struct fixture fixture;
	struct labels labels;

	fixture_init(&fixture);
	make_folder(&fixture, "photos");
	cr_assert_lt(read_labels(&fixture, "photos", &error, &labels), 0);
	cr_assert(strstr(error.text, "neither"), "%s", error.text);
	make_folder(&fixture, "photos/3");
	make_folder(&fixture, "photos/great_Grey_owl");
	fixture_write(&fixture, "photos/3/a.jpg", "a");
	fixture_write(&fixture, "photos/great_Grey_owl/b.jpg", "b");
	fixture_write(&fixture, "photos/great_Grey_owl/.hidden", "b");
	fixture_write(&fixture, "photos/beside.jpg", "c");
	cr_assert_eq(read_labels(&fixture, "photos", &error, &labels), 0, "%s", error.text);
	cr_assert_eq(labels.n_photos, 2u);
	cr_assert(labels_is_right(&labels.photos[0], 3, "great grey owl", 0));
	cr_assert(!labels_is_right(&labels.photos[0], 24, "great grey owl", 0));
	cr_assert(labels_is_right(&labels.photos[1], 24, "great grey owl", 0));
	cr_assert(labels_is_right(&labels.photos[1], 24, "Great grey owl, Strix nebulosa", 9));
	cr_assert(!labels_is_right(&labels.photos[1], 24, "great grey owls", 0));
	cr_assert(!labels_is_right(&labels.photos[1], 24, "great grey", 0));
	cr_assert(!labels_is_right(&labels.photos[1], 24, "", 0));
	labels_finish(&labels);
	finish(&fixture);
}

Test(calibrate, some_of_many_are_evenly_spread)
{
	struct labels_error error = {""};
	struct fixture fixture;
	struct labels labels;

	fixture_init(&fixture);
	make_folder(&fixture, "photos");
	fixture_write(&fixture, "classes.txt", "0 0.jpg\n1 1.jpg\n2 2.jpg\n3 3.jpg\n4 4.jpg\n5 5.jpg\n6 6.jpg\n");
	cr_assert_eq(read_labels(&fixture, "photos", &error, &labels), 0, "%s", error.text);
	labels_thin_out(&labels, 7);
	cr_assert_eq(labels.n_photos, 7u);
	labels_thin_out(&labels, 3);
	cr_assert_eq(labels.n_photos, 3u);
	cr_assert_eq(labels.photos[0].index, 0);
	cr_assert_eq(labels.photos[1].index, 3);
	cr_assert_eq(labels.photos[2].index, 5);
	labels_finish(&labels);
	finish(&fixture);
}

/* ---- the front ------------------------------------------------------------------------------------ */

static struct calibrate_rung rung(const char *lane, double us, uint32_t right, double estimated)
{
	struct calibrate_rung rung = {
		.estimated = estimated, .photographs = 100, .right = right, .paced = {.p50_us = us}};

	snprintf(rung.lane, sizeof(rung.lane), "%s", lane);
	return rung;
}

Test(calibrate, front_is_of_each_lane)
{
	static struct calibrate calibrate = {.n_rungs = 6};
	static const bool dominated[] = {false, true, false, false, true, true};

	calibrate.rungs[0] = rung("big", 1000, 80, 0.7);
	calibrate.rungs[1] = rung("big", 1100, 80, 0.7);    /* as right and slower */
	calibrate.rungs[2] = rung("big", 500, 60, 0.5);	    /* quicker */
	calibrate.rungs[3] = rung("little", 3000, 80, 0.7); /* slower, elsewhere */
	calibrate.rungs[4] = rung("little", 3000, 80, 0.7); /* the same again */
	calibrate.rungs[5] = rung("big", 1000, 80, 0.6);    /* the photographs do not tell them apart */
	calibrate_find_front(&calibrate);
	for (int i = 0; i < calibrate.n_rungs; i++)
		cr_assert_eq(calibrate.rungs[i].dominated, dominated[i], "rung %d", i);
}

Test(calibrate, estimate_counts_as_a_few_photographs)
{
	struct calibrate_rung measured = rung("big", 1, 90, 0.6), unmeasured = {.estimated = 0.6};

	cr_assert_float_eq(calibrate_accuracy(&measured), (90 + 20 * 0.6) / 120, 1e-9);
	cr_assert_float_eq(calibrate_accuracy(&unmeasured), 0.6, 1e-9);
}

/* ---- energy --------------------------------------------------------------------------------------- */

Test(calibrate, energy_is_that_of_packages)
{
	static const char *const folders[] = {"sys",
					      "sys/class",
					      "sys/class/powercap",
					      "sys/class/powercap/intel-rapl:0",
					      "sys/class/powercap/intel-rapl:0:0",
					      "sys/class/powercap/intel-rapl:1",
					      "sys/class/powercap/intel-rapl"};
	struct fixture fixture;

	fixture_init(&fixture);
	cr_assert_eq(energy_read_uj(fixture.dir), -1);
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		make_folder(&fixture, folders[i]);
	cr_assert_eq(energy_read_uj(fixture.dir), -1, "zones without files");
	fixture_write(&fixture, "sys/class/powercap/intel-rapl:0/name", "package-0\n");
	fixture_write(&fixture, "sys/class/powercap/intel-rapl:0/energy_uj", "262143328850\n");
	fixture_write(&fixture, "sys/class/powercap/intel-rapl:0:0/name", "core\n");
	fixture_write(&fixture, "sys/class/powercap/intel-rapl:0:0/energy_uj", "1000\n");
	cr_assert_eq(energy_read_uj(fixture.dir), INT64_C(262143328850));
	fixture_write(&fixture, "sys/class/powercap/intel-rapl:1/name", "package-1\n");
	fixture_write(&fixture, "sys/class/powercap/intel-rapl:1/energy_uj", "50\n");
	cr_assert_eq(energy_read_uj(fixture.dir), INT64_C(262143328900));
	fixture_write(&fixture, "sys/class/powercap/intel-rapl:1/energy_uj", "nonsense\n");
	cr_assert_eq(energy_read_uj(fixture.dir), INT64_C(262143328850));
	finish(&fixture);
}

Test(calibrate, energy_of_a_frame)
{
	struct calibrate_rung measured = {.energy_uj = 3000000, .energy_runs = 200}, unknown = {.energy_runs = 0};

	cr_assert_float_eq(calibrate_energy_mj(&measured), 15, 1e-9);
	cr_assert(isnan(calibrate_energy_mj(&unknown)));
}

/* ---- the command ---------------------------------------------------------------------------------- */

/* Its stdout and stderr, and its exit status. */
static int inferctl(const struct fixture *fixture, const char *arguments, char *out, size_t size)
{
	char command[8192]; /* the build folder may lie deep */
	FILE *pipe;
	size_t n;

	snprintf(command, sizeof(command), "'%s' --socket '%s' %s 2>&1", INFERCTL_BINARY, fixture->socket, arguments);
	pipe = popen(command, "r");
	cr_assert_not_null(pipe);
	n = fread(out, 1, size - 1, pipe);
	out[n] = '\0';
	return WEXITSTATUS(pclose(pipe));
}

static int count(const char *text, const char *part)
{
	int n = 0;

	for (const char *at = text; (at = strstr(at, part)); at++)
		n++;
	return n;
}

static void start(struct fixture *fixture)
{
	fixture_init(fixture);
	fixture_configure(fixture, fixture_models);
	fixture_start(fixture);
}

/* Black and white, of which one is called by another name than the network gives. */
static void write_photos(struct fixture *fixture)
{
	make_folder(fixture, "photos");
	write_bitmap(fixture, "photos/0.bmp", 0);
	write_bitmap(fixture, "photos/1.bmp", 255);
	write_bitmap(fixture, "photos/2.bmp", 255);
	write_bitmap(fixture, "photos/3.bmp", 0);
	fixture_write(fixture, "photos/classes.txt", "0 0.bmp\n3 1.bmp\n2 2.bmp\n0 3.bmp\n");
}

Test(calibrate, profile_is_measured_kept_and_used)
{
	struct fixture fixture;
	char out[16384], arguments[256];

	start(&fixture);
	write_photos(&fixture);
	snprintf(arguments, sizeof(arguments), "--json calibrate tiny --seconds 0.01 --fps 30 --labels %s/photos",
		 fixture.dir);
	cr_assert_eq(inferctl(&fixture, arguments, out, sizeof(out)), 0, "%s", out);
	cr_assert_eq(count(out, "{\"model\":\"tiny\",\"rung\":\"t@"), 4, "%s", out);
	/* Of the network's own size: two of black, one of white, and one is wrong. */
	cr_assert(strstr(out, "\"photographs\":4,\"right\":3,"), "%s", out);
	cr_assert(strstr(out, "\"cold_us\":{\"p50\":"), "%s", out);
	cr_assert_eq(count(out, "\"runs\":0"), 0, "%s", out);
	cr_assert_geq(count(out, "\"front\":true"), 1, "%s", out);
	cr_assert_eq(inferctl(&fixture, "--json models", out, sizeof(out)), 0);
	cr_assert(strstr(out, "\"name\":\"tiny\"") && strstr(out, "\"costs\":\"profile\""), "%s", out);
	/* (3 + 20 * 0.7) / 24 */
	cr_assert(strstr(out, "\"accuracy\":0.7083,\"estimated\":0.7,"), "%s", out);
	fixture_end_daemon(&fixture);
	fixture_start(&fixture);
	fixture_wait_log(&fixture, "the costs of its 4 rungs are those of its profile");
	fixture_stop(&fixture);
}

/* With classes that are off by one all rungs would be worthless. */
Test(calibrate, wrong_classes_do_not_make_a_profile)
{
	struct fixture fixture;
	char out[16384], arguments[256];

	start(&fixture);
	write_photos(&fixture);
	fixture_write(&fixture, "photos/classes.txt", "0 0.bmp\n3 1.bmp\n");
	snprintf(arguments, sizeof(arguments), "calibrate tiny --seconds 0.01 --fps 30 --shift 1 --labels %s/photos",
		 fixture.dir);
	cr_assert_eq(inferctl(&fixture, arguments, out, sizeof(out)), 1, "%s", out);
	cr_assert(strstr(out, "See --shift"), "%s", out);
	cr_assert_eq(inferctl(&fixture, "--json models", out, sizeof(out)), 0);
	cr_assert(!strstr(out, "\"costs\":\"profile\""), "%s", out);
	fixture_stop(&fixture);
}

Test(calibrate, people_get_a_table_and_the_front)
{
	struct fixture fixture;
	char out[16384];

	start(&fixture);
	cr_assert_eq(inferctl(&fixture, "calibrate tiny --seconds 0.01 --fps 30 --dry-run", out, sizeof(out)), 0, "%s",
		     out);
	cr_assert(strstr(out, "ms after a rest") && strstr(out, "at 30 a second") && strstr(out, "back to back"), "%s",
		  out);
	cr_assert(strstr(out, "t@16x16-gray ") && strstr(out, "\nfront: "), "%s", out);
	cr_assert(!strchr(out, '\r'), "progress is for terminals: %s", out);
	/* A dry run leaves the daemon as it was. */
	cr_assert_eq(inferctl(&fixture, "--json models", out, sizeof(out)), 0);
	cr_assert(!strstr(out, "\"costs\":\"profile\""), "%s", out);
	fixture_stop(&fixture);
}

Test(calibrate, others_that_stream_are_in_the_way)
{
	struct fixture fixture;
	struct client client;
	char out[16384];

	start(&fixture);
	client_connect(&client, &fixture);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	cr_assert_eq(inferctl(&fixture, "calibrate tiny --seconds 0.01 --fps 30", out, sizeof(out)), 1, "%s", out);
	cr_assert(strstr(out, "1 other stream, which would disturb"), "%s", out);
	cr_assert_eq(inferctl(&fixture, "calibrate tiny --seconds 0.01 --fps 30 --force", out, sizeof(out)), 0, "%s",
		     out);
	cr_assert(strstr(out, "the figures are disturbed: "), "%s", out);
	client_close(&client);
	fixture_stop(&fixture);
}

Test(calibrate, what_cannot_be_is_said_at_once)
{
	static const struct {
		const char *arguments, *said;
		int status;
	} calls[] = {
		{"calibrate", "usage: inferctl calibrate", 2},
		{"calibrate tiny more", "usage: inferctl calibrate", 2},
		{"calibrate --help", "--labels DIR", 0},
		{"calibrate tiny --seconds 0", "--seconds takes", 2},
		{"calibrate tiny --fps 31", "--fps takes", 2},
		{"calibrate none", "there is no model 'none'", 1},
		{"calibrate tiny --labels /nowhere", "/nowhere", 1},
	};
	struct fixture fixture;
	char out[16384];

	start(&fixture);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		cr_assert_eq(inferctl(&fixture, calls[i].arguments, out, sizeof(out)), calls[i].status, "%s: %s",
			     calls[i].arguments, out);
		cr_assert(strstr(out, calls[i].said), "%s: %s", calls[i].arguments, out);
	}
	fixture_stop(&fixture);
}

/* Interrupted in the midst of what would take an hour. */
Test(calibrate, interrupted_it_changes_nothing)
{
	struct fixture fixture;
	struct client client;
	char *report = NULL;
	int status;
	pid_t pid;

	start(&fixture);
	client_connect(&client, &fixture);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		execl(INFERCTL_BINARY, "inferctl", "--socket", fixture.socket, "calibrate", "tiny", "--seconds", "3600",
		      (char *)NULL);
		_exit(127);
	}
	do {
		free(report);
		report = client_query(&client, "status");
	} while (strstr(report, "\"streams\":0"));
	free(report);
	cr_assert_eq(kill(pid, SIGINT), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	report = client_query(&client, "models");
	cr_assert(!strstr(report, "\"costs\":\"profile\""), "%s", report);
	free(report);
	report = client_query(&client, "status");
	cr_assert(strstr(report, "\"streams\":0"), "%s", report);
	free(report);
	client_close(&client);
	fixture_stop(&fixture);
}
