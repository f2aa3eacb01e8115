/*
 * gallery_query.c - inferctl gallery query: each file is a stream of its own, so that nothing of one counts for the
 * next.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gallery.h"
#include "names.h"

struct query {
	struct cli *cli;
	const struct gallery_options *options;
	const char *gallery;
	struct inferd *client;
	struct gallery_model model;
	bool over;
};

/* A file on its way. */
struct asking {
	struct query *query;
	const char *file;
	struct inferd_stream *stream;
	uint32_t frame;	   /* of the file, the next one that is looked at */
	uint64_t start_us; /* of the file: times of a vote count from anywhere, but for zero */
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static void print_json(const struct asking *asking, const struct inferd_result *result)
{
	fputs("{\"file\":", stdout);
	cli_json_text(asking->file);
	printf(",\"frame\":%u,\"gallery\":", asking->frame);
	cli_json_text(asking->query->gallery);
	putchar(',');
	names_json(result);
	fputs(",\"variant\":", stdout);
	cli_json_text(result->rung ? result->rung->variant : NULL);
	puts("}");
}

static void print_human(const struct asking *asking, const struct inferd_result *result)
{
	char verdict[NAMES_VERDICT_BYTES];

	printf("%s", asking->file);
	if (asking->frame)
		printf(" frame %u", asking->frame);
	printf(": %s\n", names_verdict(result, verdict));
	for (size_t i = 0; i < result->n_items; i++)
		printf("  %.3f  %s\n", (double)result->items[i].score, result->items[i].label);
}

static bool end(struct asking *asking)
{
	cli_complain("%s: %s", asking->file, inferd_error(asking->query->client));
	asking->query->over = true;
	return false;
}

/* Frames of a file are of one size: the first one's is enough for all. */
static bool need_stream(struct asking *asking, size_t bytes)
{
	const struct query *query = asking->query;
	struct inferd_stream_options options = {
		.model = query->model.name,
		.n_buffers = 1,
		.buffer_bytes = bytes,
		.top_k = query->options->top_k,
		.gallery = query->gallery,
		.full = true,
	};

	return asking->stream || inferd_stream_open(query->client, &options, &asking->stream) == 0 || end(asking);
}

static bool ask(struct asking *asking, const struct source_frame *source)
{
	struct inferd_frame frame = gallery_frame(source);
	const struct inferd_result *result;

	frame.captured_us = asking->start_us + (uint64_t)(source->time_s * 1e6);
	if (!need_stream(asking, source->bytes))
		return false;
	if (inferd_run(asking->stream, &frame, GALLERY_TIMEOUT_MS, &result) < 0)
		return end(asking);
	if (result->status != INFERD_OK) {
		cli_complain("%s: %s", asking->file, *result->text ? result->text : inferd_status_name(result->status));
		return false;
	}
	if (asking->query->cli->json)
		print_json(asking, result);
	else
		print_human(asking, result);
	fflush(stdout);
	return true;
}

static bool ask_file(void *user, const char *file)
{
	struct query *query = user;
	struct asking asking = {.query = query, .file = file, .start_us = now_us()};
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	double next_s = 0;
	bool done = true, whole = true;

	if (query->over)
		return false;
	if (source_open(file, &error, &source) < 0) {
		cli_complain("%s", error.text);
		return false;
	}
	for (; done && gallery_next_frame(source, query->options, &frame, &whole); asking.frame++)
		if (gallery_is_due(&frame, query->options->fps, &next_s))
			done = ask(&asking, &frame);
	source_close(source);
	inferd_stream_close(asking.stream);
	return done && whole;
}

int gallery_query(struct cli *cli, const struct gallery_options *options, char **arguments, int n)
{
	struct query query = {.cli = cli, .options = options, .gallery = arguments[0]};
	bool done = false;

	query.client = cli_connect(cli);
	if (!query.client)
		return EXIT_FAILED;
	if (gallery_find_model(query.client, query.gallery, options->model, true, &query.model) == 0)
		done = gallery_for_files(arguments + 1, n - 1, ask_file, &query);
	inferd_close(query.client);
	return done ? EXIT_DONE : EXIT_FAILED;
}
