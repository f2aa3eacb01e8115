/*
 * stream_options.h - the options that run and watch have in common: how frames are to be run, and drawn.
 */
#ifndef INFERCTL_STREAM_OPTIONS_H
#define INFERCTL_STREAM_OPTIONS_H

#include "canvas.h"
#include "cli.h"

struct stream_options {
	const char *model, *rung; /* rung NULL: the policy's choice */
	const char *gallery;	  /* whose names are the answers; NULL: none */
	const char *annotate;	  /* folder for drawings; NULL: none */
	enum canvas_format annotate_format;
	uint32_t top_k, deadline_us; /* 0: the model's */
	bool full;
	double fps; /* 0: not given */
};

/* Their long options, for a command's table. */
#define STREAM_OPTIONS                                                                                                 \
	{"top", required_argument, NULL, 't'}, {"deadline", required_argument, NULL, 'd'},                             \
		{"full", no_argument, NULL, 'f'}, {"rung", required_argument, NULL, 'r'},                              \
		{"gallery", required_argument, NULL, 'g'}, {"fps", required_argument, NULL, 'p'},                      \
		{"annotate", required_argument, NULL, 'a'},                                                            \
	{                                                                                                              \
		"annotate-format", required_argument, NULL, 'A'                                                        \
	}

/* Their part of a command's help. */
#define STREAM_OPTIONS_HELP                                                                                            \
	"  --top K          results of a frame (default: the model's)\n"                                               \
	"  --deadline MS    drop a frame that cannot be answered in time (default: the model's)\n"                     \
	"  --full           always the most accurate way the model can be run\n"                                       \
	"  --rung NAME      always this way; 'inferctl models' lists them\n"                                           \
	"  --gallery NAME   of a model that embeds: answer with the names of this gallery\n"

void stream_options_init(struct stream_options *options, enum canvas_format annotate_format);

/* -1: the option is not one of these; 1: taken; 0: what it was given makes no sense, which has been complained about.
 */
int stream_options_take(struct stream_options *options, int option);

/* After all were taken: contradictions, and the folder for drawings.  -1: go on; otherwise the exit status. */
int stream_options_check(const struct stream_options *options);

#endif
