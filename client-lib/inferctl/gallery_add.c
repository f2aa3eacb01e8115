/*
 * gallery_add.c - inferctl gallery add: each picture is run on the own rung of every variant of the model, and what
 * comes of it is sent in batches.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gallery.h"

/* Few enough that progress shows and that little is lost when the daemon ends, enough that disks keep up. */
#define BATCH_PICTURES 16
#define MOMENT_MAX     INT32_MAX  /* of a source's number, and of milliseconds */
#define BUFFER_BYTES   (64 << 10) /* of a stream that no picture was seen for yet */

struct variant {
	struct inferd_stream *stream;
	struct inferd_vectors vectors; /* of the batch */
	float *data;
	size_t capacity; /* numbers */
};

struct add {
	struct cli *cli;
	const struct gallery_options *options;
	const char *gallery, *name;
	struct inferd *client;
	struct gallery_model model;
	struct variant variants[GALLERY_VARIANTS_MAX];
	size_t n; /* pictures in the batch */
	struct inferd_moment moments[BATCH_PICTURES];
	uint32_t source; /* of the file; of the first one where all are views of one video */
	unsigned n_seen, n_added, n_duplicates, n_pictures;
	bool over; /* nothing more can be done */
};

static bool end(struct add *add, const char *file)
{
	cli_complain("%s: %s", file, inferd_error(add->client));
	add->over = true;
	return false;
}

/* ---- batches -------------------------------------------------------------------------------------- */

static unsigned number_of(const struct json *report, const char *key)
{
	const struct json *value = json_find(report, key);

	return value && value->text ? (unsigned)strtoul(value->text, NULL, 10) : 0;
}

static void take_report(struct add *add, const char *text)
{
	struct json *report;

	if (json_parse(text, &report) < 0)
		return;
	add->n_added += number_of(report, "added");
	add->n_duplicates += number_of(report, "duplicates");
	add->n_pictures = number_of(report, "pictures");
	json_free(report);
}

static void show_progress(const struct add *add)
{
	if (!add->cli->json && isatty(STDERR_FILENO))
		fprintf(stderr, "\r%u pictures, %u added, %u much like others ", add->n_seen, add->n_added,
			add->n_duplicates);
}

static bool send_batch(struct add *add, const char *file)
{
	struct inferd_vectors vectors[GALLERY_VARIANTS_MAX];
	char *text;
	int r;

	if (!add->n)
		return true;
	for (int i = 0; i < add->model.n_variants; i++) {
		vectors[i] = add->variants[i].vectors;
		vectors[i].data = add->variants[i].data;
	}
	r = inferd_gallery_add_moments(add->client, add->gallery, add->name, add->model.name, vectors,
				       (size_t)add->model.n_variants, add->moments, add->n, GALLERY_TIMEOUT_MS, &text);
	add->n = 0;
	if (r < 0)
		return end(add, file);
	take_report(add, text);
	inferd_text_free(text);
	show_progress(add);
	return true;
}

/* ---- pictures ------------------------------------------------------------------------------------- */

/* Opens the variant's stream, or opens it anew with larger buffers. */
static bool need_stream(struct add *add, int index, size_t bytes, const char *file)
{
	struct variant *variant = &add->variants[index];
	struct inferd_stream_options options = {
		.model = add->model.name,
		.n_buffers = 1,
		.buffer_bytes = bytes > BUFFER_BYTES ? bytes : BUFFER_BYTES,
		.rung = add->model.rungs[index],
	};

	if (variant->stream && inferd_stream_buffer_bytes(variant->stream) >= bytes)
		return true;
	inferd_stream_close(variant->stream);
	variant->stream = NULL;
	return inferd_stream_open(add->client, &options, &variant->stream) == 0 || end(add, file);
}

static bool keep(struct add *add, int index, const struct inferd_result *result, const char *file)
{
	struct variant *variant = &add->variants[index];
	size_t n = result->n_embedding, due = n * BATCH_PICTURES;
	float *grown = variant->data;

	if (add->n && (variant->vectors.space != result->space || variant->vectors.length != n)) {
		cli_complain("%s: the model's networks were replaced meanwhile; add again", file);
		add->over = true;
		return false;
	}
	if (variant->capacity < due)
		grown = realloc(variant->data, due * sizeof(*grown));
	if (!grown) {
		cli_complain("%s: out of memory", file);
		add->over = true;
		return false;
	}
	variant->data = grown;
	variant->capacity = variant->capacity < due ? due : variant->capacity;
	variant->vectors.space = result->space;
	variant->vectors.length = (uint32_t)n;
	memcpy(grown + add->n * n, result->embedding, n * sizeof(*grown));
	return true;
}

/*
 * Tells the videos of a name apart: by the names of their files, so that one that is added again is the same one.  From
 * 1 to MOMENT_MAX.
 */
static uint32_t source_of(const char *file)
{
	const char *slash = strrchr(file, '/');
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *at = slash ? slash + 1 : file; *at; at++)
		hash = (hash ^ (uint8_t)*at) * 16777619u;
	return hash % MOMENT_MAX + 1;
}

/* What of a video a frame stands for: until half way to the frames that are looked at before and after it. */
static struct inferd_moment moment_of(const struct add *add, const struct source_frame *frame, double rate)
{
	double half_ms = 500 / (add->options->fps < rate ? add->options->fps : rate);
	double from_ms = 1000 * frame->time_s - half_ms, to_ms = 1000 * frame->time_s + half_ms;

	if (rate <= 0 || to_ms > MOMENT_MAX)
		return (struct inferd_moment){0};
	return (struct inferd_moment){add->source, from_ms > 0 ? (uint32_t)from_ms : 0, (uint32_t)to_ms};
}

/* False: this file has no more to give. */
static bool add_picture(struct add *add, const char *file, const struct source_frame *source, double rate)
{
	struct inferd_frame frame = gallery_frame(source);

	for (int i = 0; i < add->model.n_variants; i++) {
		const struct inferd_result *result;

		if (!need_stream(add, i, source->bytes, file))
			return false;
		if (inferd_run(add->variants[i].stream, &frame, GALLERY_TIMEOUT_MS, &result) < 0)
			return end(add, file);
		if (result->status != INFERD_OK) {
			cli_complain("%s: %s", file, *result->text ? result->text : inferd_status_name(result->status));
			return false;
		}
		if (!keep(add, i, result, file))
			return false;
	}
	add->moments[add->n] = moment_of(add, source, rate);
	add->n_seen++;
	return ++add->n < BATCH_PICTURES || send_batch(add, file);
}

/* What came before a failure is kept. */
static bool add_file(void *user, const char *file)
{
	struct add *add = user;
	struct source_error error = {{0}};
	struct source_frame frame;
	struct source *source;
	double next_s = 0;
	bool done = true, whole = true;

	if (add->over)
		return false;
	if (source_open(file, &error, &source) < 0) {
		cli_complain("%s", error.text);
		return false;
	}
	if (!add->options->views || !add->source)
		add->source = source_of(file);
	while (done && gallery_next_frame(source, add->options, &frame, &whole))
		if (gallery_is_due(&frame, add->options->fps, &next_s))
			done = add_picture(add, file, &frame, gallery_rate(source, add->options));
	source_close(source);
	return !add->over && send_batch(add, file) && done && whole;
}

/* ---- the command ---------------------------------------------------------------------------------- */

static void print_outcome(const struct add *add)
{
	if (!add->cli->json && isatty(STDERR_FILENO) && add->n_seen)
		fputs("\r\033[K", stderr);
	if (!add->cli->json) {
		printf("%s in %s: %u pictures, %u added, %u much like others and left out; %u now\n", add->name,
		       add->gallery, add->n_seen, add->n_added, add->n_duplicates, add->n_pictures);
		return;
	}
	fputs("{\"gallery\":", stdout);
	cli_json_text(add->gallery);
	fputs(",\"name\":", stdout);
	cli_json_text(add->name);
	printf(",\"seen\":%u,\"added\":%u,\"duplicates\":%u,\"pictures\":%u}\n", add->n_seen, add->n_added,
	       add->n_duplicates, add->n_pictures);
}

int gallery_add(struct cli *cli, const struct gallery_options *options, char **arguments, int n)
{
	struct add add = {.cli = cli, .options = options, .gallery = arguments[0], .name = arguments[1]};
	bool done = false;

	add.client = cli_connect(cli);
	if (!add.client)
		return EXIT_FAILED;
	if (gallery_find_model(add.client, add.gallery, options->model, false, &add.model) == 0) {
		done = gallery_for_files(arguments + 2, n - 2, add_file, &add);
		if (add.n_seen)
			print_outcome(&add);
	}
	inferd_close(add.client);
	for (int i = 0; i < GALLERY_VARIANTS_MAX; i++)
		free(add.variants[i].data);
	return done ? EXIT_DONE : EXIT_FAILED;
}
