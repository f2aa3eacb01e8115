/*
 * calibrate.c - inferctl calibrate: measures every rung of a model on this device and hands the daemon the profile.
 *
 * Nothing is changed before all is measured: what is interrupted leaves no trace but what the daemon learns from any
 * frame.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "calibrate.h"
#include "json.h"

#define TIMEOUT_MS 120000
/* A load that is under way is waited for, in steps. */
#define BUSY_STEP_NS 100000000
#define BUSY_STEPS   600
/* Of a model without a deadline, and of one whose deadline asks for more than a camera gives. */
#define FPS_DEFAULT	10.0
#define FPS_MOST	30.0
#define SECONDS_DEFAULT 6
#define LOAD_NOTED	0.1 /* share of the processors that others use, from which on it is told */

static const char help[] =
	"usage: inferctl calibrate MODEL [OPTION...]\n"
	"\n"
	"Measures every way the model can be run on this device: its time after a rest, at the rate of a stream, where cores\n"
	"nap between frames, and back to back; with --labels also how often it is right. Prints a table and the front: the\n"
	"rungs that no other one of their lane beats. The daemon keeps this as the model's profile and chooses by it.\n"
	"\n"
	"  --labels DIR       photographs: with classes.txt in DIR or beside it, lines INDEX FILE; or in one sub-folder for\n"
	"                     each class, named by its index or label\n"
	"  --shift N          the network's class for index 0 (default 0; 1 where its first is 'background')\n"
	"  --photographs N    of them, evenly spread (default: all)\n"
	"  --seconds S        for the times of each rung (default 6); photographs come on top\n"
	"  --fps F            rate of the stream (default: one frame a deadline, at most 30)\n"
	"  --force            although the daemon serves other streams, which disturb the figures\n"
	"  --dry-run          only measure; the daemon goes on as before\n"
	"  --json             one object a rung\n"
	"\n"
	"Needs the device for itself: a few seconds for every rung that 'inferctl models' lists. Only the superuser and the\n"
	"user that the daemon runs as may change a profile. Interrupted, it changes nothing.\n";

/* ---- what the daemon says ------------------------------------------------------------------------- */

static struct json *ask(const struct calibrate *calibrate, const char *what)
{
	struct json *report = NULL;
	char *text;

	if (inferd_query(calibrate->client, what, TIMEOUT_MS, &text) < 0) {
		cli_complain("%s", inferd_error(calibrate->client));
		return NULL;
	}
	if (json_parse(text, &report) < 0)
		cli_complain("the daemon's report is not valid");
	inferd_text_free(text);
	return report;
}

static double number(const struct json *object, const char *key)
{
	const struct json *found = json_find(object, key);

	return found && found->kind == JSON_NUMBER ? strtod(found->text, NULL) : 0;
}

static void text(const struct json *object, const char *key, char *ret_text, size_t size)
{
	const struct json *found = json_find(object, key);

	snprintf(ret_text, size, "%s", found && found->kind == JSON_TEXT ? found->text : "");
}

static void read_rung(const struct json *from, struct calibrate_rung *rung)
{
	text(from, "name", rung->name, sizeof(rung->name));
	text(from, "variant", rung->variant, sizeof(rung->variant));
	text(from, "lane", rung->lane, sizeof(rung->lane));
	rung->width = (uint32_t)number(from, "width");
	rung->height = (uint32_t)number(from, "height");
	rung->channels = (uint32_t)number(from, "channels");
	rung->threads = (uint32_t)number(from, "threads");
	rung->estimated = number(from, "estimated");
}

static const struct json *find_model(const struct json *report, const char *name)
{
	const struct json *models = json_find(report, "models");

	for (const struct json *model = models ? models->first : NULL; model; model = model->next) {
		const struct json *found = json_find(model, "name");

		if (found && found->kind == JSON_TEXT && !strcmp(found->text, name))
			return model;
	}
	return NULL;
}

static int read_model(struct calibrate *calibrate)
{
	struct json *report = ask(calibrate, "models");
	const struct json *model = report ? find_model(report, calibrate->model) : NULL, *rungs;
	double deadline_ms;
	char task[16];

	if (!model) {
		if (report)
			cli_complain("there is no model '%s'", calibrate->model);
		json_free(report);
		return -ENOENT;
	}
	text(model, "identity", calibrate->identity, sizeof(calibrate->identity));
	text(model, "task", task, sizeof(task));
	rungs = json_find(model, "rungs");
	for (const struct json *rung = rungs ? rungs->first : NULL; rung; rung = rung->next)
		if (calibrate->n_rungs < CALIBRATE_RUNGS_MAX)
			read_rung(rung, &calibrate->rungs[calibrate->n_rungs++]);
	deadline_ms = number(model, "deadline_ms");
	if (!(calibrate->fps > 0))
		calibrate->fps = deadline_ms > 0 ? 1000 / deadline_ms : FPS_DEFAULT;
	if (calibrate->fps > FPS_MOST)
		calibrate->fps = FPS_MOST;
	json_free(report);
	if (calibrate->labels.n_photos && strcmp(task, "classify") != 0) {
		cli_complain("%s: --labels needs a model that classifies", calibrate->model);
		return -EINVAL;
	}
	if (!strcmp(task, "pipeline")) {
		cli_complain("%s is a pipeline: what it costs depends on what is found; calibrate its stages",
			     calibrate->model);
		return -EINVAL;
	}
	return calibrate->n_rungs ? 0 : -EINVAL;
}

/* Between two rungs, when this command has no stream open.  -EBUSY: somebody else has. */
static int look_at_others(struct calibrate *calibrate)
{
	struct json *status = ask(calibrate, "status");
	double streams, load;

	if (!status)
		return -EIO;
	streams = number(status, "streams");
	load = number(json_find(status, "sensors"), "cpu_load");
	json_free(status);
	if (streams > calibrate->other_streams)
		calibrate->other_streams = (uint32_t)streams;
	if (load > calibrate->cpu_load)
		calibrate->cpu_load = load;
	if (!(streams > 0) || calibrate->force)
		return 0;
	calibrate_progress(calibrate, NULL);
	cli_complain("the daemon serves %.0f other stream%s, which would disturb the figures; --force measures all the "
		     "same",
		     streams, streams > 1 ? "s" : "");
	return -EBUSY;
}

/* An empty profile is refused by whoever would take a full one; better to know before than after minutes. */
static int check_permission(const struct calibrate *calibrate)
{
	char *report = NULL;
	int r = calibrate->dry_run
			? 0
			: inferd_set_profile(calibrate->client, calibrate->model, "", 0, TIMEOUT_MS, &report);

	inferd_text_free(report);
	if (r != -EPERM)
		return 0;
	cli_complain("%s (--dry-run only measures)", inferd_error(calibrate->client));
	return r;
}

/* ---- all of it ------------------------------------------------------------------------------------ */

/* After the first round.  Where no rung knows any photograph, the photographs' classes are wrong, and not the rungs. */
static int check_labels(const struct calibrate *calibrate)
{
	uint32_t right = 0;

	for (int i = 0; i < calibrate->n_rungs; i++)
		right += calibrate->rungs[i].right;
	if (right || !calibrate->labels.n_photos)
		return 0;
	calibrate_progress(calibrate, NULL);
	cli_complain("no rung recognised any photograph: is the network's first class 'background'? See --shift");
	return -EINVAL;
}

static int measure_all(struct calibrate *calibrate)
{
	int n = calibrate->n_rungs, r = look_at_others(calibrate);

	for (int i = 0; i < CALIBRATE_ROUNDS * n && r == 0; i++) {
		struct calibrate_rung *rung = &calibrate->rungs[i % n];

		calibrate->round = i / n;
		calibrate->at = i % n;
		r = calibrate_times(calibrate, rung);
		if (r == 0 && calibrate->round == 0 && calibrate->labels.n_photos)
			r = calibrate_photographs(calibrate, rung);
		if (r == 0)
			r = look_at_others(calibrate);
		if (r == 0 && i == n - 1)
			r = check_labels(calibrate);
	}
	calibrate_progress(calibrate, NULL);
	if (calibrate_was_interrupted()) {
		cli_complain("interrupted; nothing was changed");
		r = -EINTR;
	}
	if (r == 0)
		calibrate_sum_up(calibrate);
	calibrate_forget(calibrate);
	return r;
}

static void tell_disturbances(const struct calibrate *calibrate)
{
	uint32_t waited = 0;

	for (int i = 0; i < calibrate->n_rungs; i++)
		waited += calibrate->rungs[i].waited;
	if (calibrate->other_streams || waited)
		cli_complain("the figures are disturbed: there were up to %u other streams, and %u frames waited for "
			     "others",
			     calibrate->other_streams, waited);
	if (calibrate->cpu_load > LOAD_NOTED)
		cli_complain("other processes used up to %.0f %% of the processors meanwhile",
			     100 * calibrate->cpu_load);
}

static int hand_over(const struct calibrate *calibrate)
{
	char *profile = calibrate_profile(calibrate), *report = NULL;
	int r = profile ? -EBUSY : -ENOMEM;

	for (int step = 0; r == -EBUSY && step < BUSY_STEPS; step++) {
		struct timespec rest = {0, step ? BUSY_STEP_NS : 0};

		nanosleep(&rest, NULL);
		r = inferd_set_profile(calibrate->client, calibrate->model, profile, strlen(profile), TIMEOUT_MS,
				       &report);
	}
	if (r < 0)
		cli_complain("%s", profile ? inferd_error(calibrate->client) : "out of memory");
	else if (strstr(report, "\"kept\":false"))
		cli_complain("the daemon uses the profile until it ends, and has no --state-dir to keep it in");
	inferd_text_free(report);
	free(profile);
	return r;
}

static int calibrate_model(struct calibrate *calibrate)
{
	int r;

	calibrate->client = cli_connect(calibrate->cli);
	if (!calibrate->client)
		return EXIT_FAILED;
	calibrate_watch_signals();
	r = read_model(calibrate);
	if (r == 0)
		r = check_permission(calibrate);
	if (r == 0)
		r = measure_all(calibrate);
	if (r == 0) {
		calibrate_find_front(calibrate);
		calibrate_print(calibrate);
		tell_disturbances(calibrate);
		if (!calibrate->dry_run)
			r = hand_over(calibrate);
	}
	inferd_close(calibrate->client);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- options -------------------------------------------------------------------------------------- */

struct wishes {
	const char *folder;
	uint32_t n_photographs; /* 0: all */
};

static bool take_option(struct calibrate *calibrate, struct wishes *wishes, int option)
{
	switch (option) {
	case 'l':
		wishes->folder = optarg;
		return true;
	case 'i':
		return cli_whole("--shift", optarg, 0, 1000000, &calibrate->shift);
	case 'n':
		return cli_whole("--photographs", optarg, 1, LABELS_PHOTOS_MAX, &wishes->n_photographs);
	case 's':
		return cli_number("--seconds", optarg, 0.01, 3600, &calibrate->seconds);
	case 'p':
		return cli_number("--fps", optarg, 0.1, FPS_MOST, &calibrate->fps);
	case 'f':
		calibrate->force = true;
		return true;
	default:
		calibrate->dry_run = true;
		return true;
	}
}

static int run(struct calibrate *calibrate, const struct wishes *wishes)
{
	struct labels_error error = {""};
	int status;

	if (wishes->folder && labels_read(wishes->folder, &error, &calibrate->labels) < 0) {
		cli_complain("%s", error.text);
		return EXIT_FAILED;
	}
	if (wishes->n_photographs)
		labels_thin_out(&calibrate->labels, wishes->n_photographs);
	status = calibrate_model(calibrate);
	labels_finish(&calibrate->labels);
	return status;
}

int cmd_calibrate(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{"labels", required_argument, NULL, 'l'},      {"shift", required_argument, NULL, 'i'},
		{"photographs", required_argument, NULL, 'n'}, {"seconds", required_argument, NULL, 's'},
		{"fps", required_argument, NULL, 'p'},	       {"force", no_argument, NULL, 'f'},
		{"dry-run", no_argument, NULL, 'd'},	       CLI_OPTIONS};
	struct calibrate calibrate = {.cli = cli, .seconds = SECONDS_DEFAULT};
	struct wishes wishes = {0};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		int status = -1;

		if (strchr("linspfd", option)) {
			if (!take_option(&calibrate, &wishes, option))
				return EXIT_USAGE;
		} else {
			status = cli_option(cli, option, help);
		}
		if (status >= 0)
			return status;
	}
	if (argc - optind != 1)
		return cli_misuse(help);
	calibrate.model = argv[optind];
	return run(&calibrate, &wishes);
}
