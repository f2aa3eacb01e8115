/* stream_options.c - see stream_options.h. */
#include "stream_options.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

void stream_options_init(struct stream_options *options, enum canvas_format annotate_format)
{
	*options = (struct stream_options){.annotate_format = annotate_format};
}

static bool take_format(struct stream_options *options)
{
	if (strcmp(optarg, "png") == 0)
		options->annotate_format = CANVAS_PNG;
	else if (strcmp(optarg, "jpeg") == 0 || strcmp(optarg, "jpg") == 0)
		options->annotate_format = CANVAS_JPEG;
	else
		return cli_complain("--annotate-format takes png or jpeg, not '%s'", optarg), false;
	return true;
}

static bool take_deadline(struct stream_options *options)
{
	double ms;

	if (!cli_number("--deadline", optarg, 0.001, 600000, &ms))
		return false;
	options->deadline_us = (uint32_t)(ms * 1000 + 0.5);
	return true;
}

int stream_options_take(struct stream_options *options, int option)
{
	switch (option) {
	case 't':
		return cli_whole("--top", optarg, 1, 1000, &options->top_k);
	case 'd':
		return take_deadline(options);
	case 'f':
		options->full = true;
		return 1;
	case 'r':
		options->rung = optarg;
		return 1;
	case 'g':
		options->gallery = optarg;
		return 1;
	case 'p':
		/* Slower is no rate, and its period would not fit into a number. */
		return cli_number("--fps", optarg, 0.01, 10000, &options->fps);
	case 'a':
		options->annotate = optarg;
		return 1;
	case 'A':
		return take_format(options);
	default:
		return -1;
	}
}

int stream_options_check(const struct stream_options *options)
{
	if (options->full && options->rung) {
		cli_complain("--full and --rung exclude each other");
		return EXIT_USAGE;
	}
	if (options->annotate && mkdir(options->annotate, 0777) < 0 && errno != EEXIST) {
		cli_complain("--annotate %s: %s", options->annotate, strerror(errno));
		return EXIT_FAILED;
	}
	return -1;
}
