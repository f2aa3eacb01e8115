/*
 * gallery.c - inferctl gallery: what is in galleries, and taking things out; adding and asking are files of their own.
 */
#include "gallery.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "view.h"

static const char help[] =
	"usage: inferctl gallery add GALLERY NAME FILE... [--model M] [--fps F] [--rate F] [--views]\n"
	"       inferctl gallery list [GALLERY]\n"
	"       inferctl gallery query GALLERY FILE... [--top K] [--fps F] [--rate F] [--model M]\n"
	"       inferctl gallery remove GALLERY [NAME]\n"
	"\n"
	"A gallery holds names, each with what pictures of it look like to a model of task embed.\n"
	"\n"
	"  add       shows the files to the model and keeps what it says under NAME; pictures much like those the name has\n"
	"            are left out; of a video also when they were, so that it is told by their order\n"
	"  list      the galleries, or the names in one\n"
	"  query     whose pictures these are: the names most like each, and for each file whether that is sure\n"
	"  remove    a name, or the whole gallery, for good\n"
	"\n"
	"FILE is a JPEG, PNG or BMP picture, a y4m or MJPEG video ('-' on standard input), or a folder of them.\n"
	"\n"
	"  --model M   whose vectors a new gallery keeps (default: the only model of task embed)\n"
	"  --fps F     how many frames of a second of video are looked at (default: 2)\n"
	"  --rate F    how many frames a second MJPEG has, which does not say so; without it, it has no times\n"
	"  --views     the files are views of one video, such as a smaller one of each picture, on one clock\n"
	"  --top K     names for each frame (default: the model's)\n"
	"  --json      one object a line\n";

/* ---- models --------------------------------------------------------------------------------------- */

static const char *text_of(const struct json *object, const char *key)
{
	const struct json *value = json_find(object, key);

	return value && value->text ? value->text : "";
}

static int query(struct inferd *client, const char *what, struct json **ret_report)
{
	char *text;
	int r = inferd_query(client, what, GALLERY_TIMEOUT_MS, &text);

	if (r < 0) {
		cli_complain("%s", inferd_error(client));
		return r;
	}
	r = json_parse(text, ret_report);
	inferd_text_free(text);
	if (r < 0)
		cli_complain("the daemon's report is not valid");
	return r;
}

/* The gallery's model; "" for a gallery that is not there. */
static int find_gallery(struct inferd *client, const char *gallery, char ret_model[GALLERY_NAME_BYTES])
{
	struct json *report;
	char *text;
	int r = inferd_gallery_list(client, gallery, GALLERY_TIMEOUT_MS, &text);

	ret_model[0] = '\0';
	if (r == -ENOENT)
		return 0;
	if (r < 0) {
		cli_complain("%s", inferd_error(client));
		return r;
	}
	r = json_parse(text, &report);
	inferd_text_free(text);
	if (r < 0)
		return r;
	snprintf(ret_model, GALLERY_NAME_BYTES, "%s", text_of(report, "model"));
	json_free(report);
	return 0;
}

/* The model of this name, or without one the only one of task embed. */
static const struct json *choose(const struct json *models, const char *name)
{
	const struct json *found = NULL;

	for (const struct json *model = models ? models->first : NULL; model; model = model->next) {
		bool embeds = !strcmp(text_of(model, "task"), "embed");

		if (*name && !strcmp(text_of(model, "name"), name)) {
			if (embeds)
				return model;
			cli_complain("the model '%s' is of task %s; a gallery needs one of task embed", name,
				     text_of(model, "task"));
			return NULL;
		}
		if (*name || !embeds)
			continue;
		if (found) {
			cli_complain("several models are of task embed: name one with --model");
			return NULL;
		}
		found = model;
	}
	if (!found && *name)
		cli_complain("there is no model '%s'", name);
	else if (!found)
		cli_complain("there is no model of task embed");
	return found;
}

static bool is_true(const struct json *object, const char *key)
{
	return !strcmp(text_of(object, key), "true");
}

/* The first rung of the variant's own size and colour. */
static bool find_rung(const struct json *model, const char *variant, char ret_rung[GALLERY_NAME_BYTES])
{
	const struct json *rungs = json_find(model, "rungs");

	for (const struct json *rung = rungs ? rungs->first : NULL; rung; rung = rung->next) {
		if (strcmp(text_of(rung, "variant"), variant) != 0 || !is_true(rung, "own_size"))
			continue;
		snprintf(ret_rung, GALLERY_NAME_BYTES, "%s", text_of(rung, "name"));
		return true;
	}
	return false;
}

static int describe(const struct json *model, struct gallery_model *ret_model)
{
	const struct json *variants = json_find(model, "variants");

	*ret_model = (struct gallery_model){.n_variants = 0};
	snprintf(ret_model->name, sizeof(ret_model->name), "%s", text_of(model, "name"));
	for (const struct json *variant = variants ? variants->first : NULL; variant; variant = variant->next) {
		if (ret_model->n_variants == GALLERY_VARIANTS_MAX || !variant->text ||
		    !find_rung(model, variant->text, ret_model->rungs[ret_model->n_variants])) {
			cli_complain("the model '%s' has no rung of its own size for the variant '%s'", ret_model->name,
				     variant->text ? variant->text : "");
			return -EINVAL;
		}
		ret_model->n_variants++;
	}
	return 0;
}

int gallery_find_model(struct inferd *client, const char *gallery, const char *asked, bool must_exist,
		       struct gallery_model *ret_model)
{
	char name[GALLERY_NAME_BYTES];
	const struct json *model;
	struct json *report;
	int r = find_gallery(client, gallery, name);

	if (r < 0)
		return r;
	if (must_exist && !name[0]) {
		cli_complain("there is no gallery '%s'", gallery);
		return -ENOENT;
	}
	if (name[0] && asked && strcmp(name, asked) != 0) {
		cli_complain("the gallery '%s' is of the model '%s', not of '%s'", gallery, name, asked);
		return -EINVAL;
	}
	if (asked)
		snprintf(name, sizeof(name), "%s", asked);
	r = query(client, "models", &report);
	if (r < 0)
		return r;
	model = choose(json_find(report, "models"), name);
	r = model ? describe(model, ret_model) : -ENOENT;
	json_free(report);
	return r;
}

/* ---- commands ------------------------------------------------------------------------------------- */

static int show(struct cli *cli, struct inferd *client, int error, char *text)
{
	int status = EXIT_FAILED;

	if (error < 0)
		cli_complain("%s", inferd_error(client));
	else
		status = view_text(cli, text);
	if (error == 0)
		inferd_text_free(text);
	inferd_close(client);
	return status;
}

static int list(struct cli *cli, const char *gallery)
{
	struct inferd *client = cli_connect(cli);
	char *text = NULL;
	int r;

	if (!client)
		return EXIT_FAILED;
	r = inferd_gallery_list(client, gallery, GALLERY_TIMEOUT_MS, &text);
	return show(cli, client, r, text);
}

static int remove_name(struct cli *cli, const char *gallery, const char *name)
{
	struct inferd *client = cli_connect(cli);
	char *text = NULL;
	int r;

	if (!client)
		return EXIT_FAILED;
	r = inferd_gallery_remove(client, gallery, name, GALLERY_TIMEOUT_MS, &text);
	return show(cli, client, r, text);
}

static int run(struct cli *cli, const struct gallery_options *options, char **arguments, int n)
{
	if (!strcmp(arguments[0], "add") && n >= 4)
		return gallery_add(cli, options, arguments + 1, n - 1);
	if (!strcmp(arguments[0], "query") && n >= 3)
		return gallery_query(cli, options, arguments + 1, n - 1);
	if (!strcmp(arguments[0], "list") && n <= 2)
		return list(cli, n == 2 ? arguments[1] : NULL);
	if (!strcmp(arguments[0], "remove") && (n == 2 || n == 3))
		return remove_name(cli, arguments[1], n == 3 ? arguments[2] : NULL);
	return cli_misuse(help);
}

int cmd_gallery(struct cli *cli, int argc, char **argv)
{
	static const struct option options[] = {
		{"model", required_argument, NULL, 'm'}, {"fps", required_argument, NULL, 'f'},
		{"top", required_argument, NULL, 't'},	 {"rate", required_argument, NULL, 'r'},
		{"views", no_argument, NULL, 'v'},	 CLI_OPTIONS};
	struct gallery_options chosen = {.fps = GALLERY_DEFAULT_FPS};
	int option, status;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			chosen.model = optarg;
			break;
		case 'f':
			if (!cli_number("--fps", optarg, 0.01, 1000, &chosen.fps))
				return EXIT_USAGE;
			break;
		case 'r':
			if (!cli_number("--rate", optarg, 0.01, 1000, &chosen.rate))
				return EXIT_USAGE;
			break;
		case 'v':
			chosen.views = true;
			break;
		case 't':
			if (!cli_whole("--top", optarg, 1, 1000, &chosen.top_k))
				return EXIT_USAGE;
			break;
		default:
			status = cli_option(cli, option, help);
			if (status >= 0)
				return status;
		}
	}
	return argc > optind ? run(cli, &chosen, argv + optind, argc - optind) : cli_misuse(help);
}
