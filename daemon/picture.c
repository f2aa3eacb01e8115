/* picture.c - see picture.h. */
#include "picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

/* Prepared passes a lane keeps: a few streams, each moving between neighbouring rungs. */
#define PASSES_MAX 16
/* A larger copy of a JPEG is given back after its frame. */
#define JPEG_KEPT_BYTES (4u << 20)

_Static_assert((int)ENGINE_NV12 == IPC_NV12 && (int)ENGINE_NV21 == IPC_NV21 && (int)ENGINE_I420 == IPC_I420 &&
		       (int)ENGINE_YUYV == IPC_YUYV && (int)ENGINE_RGB == IPC_RGB && (int)ENGINE_BGR == IPC_BGR &&
		       (int)ENGINE_RGBA == IPC_RGBA && (int)ENGINE_BGRA == IPC_BGRA && (int)ENGINE_GRAY8 == IPC_GRAY8 &&
		       (int)IPC_JPEG == ENGINE_PIXELS_COUNT,
	       "pixel formats of the wire and of the engine are numbered alike");

/* What a prepared pass was made for. */
struct pass_key {
	uint64_t ladder;
	int rung, width, height;
	enum engine_pixels format;
	bool full_range;
};

struct pass {
	struct pass_key key;
	uint64_t used;
	struct engine_preprocess *preprocess; /* NULL: free */
};

struct picture {
	struct jpeg_decoder *decoder;
	uint8_t *jpeg;
	size_t jpeg_capacity;
	struct pass passes[PASSES_MAX];
	uint64_t uses;
};

int picture_create(size_t decode_bytes_max, struct picture **ret_picture)
{
	struct picture *picture = calloc(1, sizeof(*picture));
	int rc = picture ? jpeg_decoder_create(decode_bytes_max, &picture->decoder) : -ENOMEM;

	if (rc < 0) {
		free(picture);
		return rc;
	}
	*ret_picture = picture;
	return 0;
}

void picture_destroy(struct picture *picture)
{
	if (!picture)
		return;
	for (int i = 0; i < PASSES_MAX; i++)
		engine_preprocess_destroy(picture->passes[i].preprocess);
	jpeg_decoder_destroy(picture->decoder);
	free(picture->jpeg);
	free(picture);
}

static int fail(struct job *job, int rc, const char *what)
{
	snprintf(job->text, sizeof(job->text), "%s", what[0] ? what : strerror(-rc));
	return rc;
}

/* ---- pixels --------------------------------------------------------------------------------------- */

/* The bytes are parsed, so they must not change under the parser: they leave the shared pool first. */
static int copy_jpeg(struct picture *picture, struct job *job)
{
	size_t bytes = job->frame.bytes;

	if (bytes > picture->jpeg_capacity) {
		uint8_t *grown = malloc(bytes);

		if (!grown)
			return fail(job, -ENOMEM, "out of memory for the JPEG");
		free(picture->jpeg);
		picture->jpeg = grown;
		picture->jpeg_capacity = bytes;
	}
	memcpy(picture->jpeg, pool_slot(&job->stream->pool, job->frame.slot) + job->frame.offset[0], bytes);
	return 0;
}

int picture_begin(struct picture *picture, struct job *job, int *ret_width, int *ret_height)
{
	int rc;

	pool_begin_read(&job->stream->pool, job->frame.slot);
	if (job->frame.format != IPC_JPEG) {
		*ret_width = (int)job->frame.width;
		*ret_height = (int)job->frame.height;
		return 0;
	}
	rc = copy_jpeg(picture, job);
	if (rc < 0)
		return rc;
	rc = jpeg_header(picture->decoder, picture->jpeg, job->frame.bytes, ret_width, ret_height);
	return rc < 0 ? fail(job, rc, jpeg_decoder_error(picture->decoder)) : 0;
}

void picture_end(struct picture *picture, struct job *job)
{
	pool_end_read(&job->stream->pool, job->frame.slot);
	if (picture->jpeg_capacity <= JPEG_KEPT_BYTES)
		return;
	free(picture->jpeg);
	picture->jpeg = NULL;
	picture->jpeg_capacity = 0;
}

/* What the loop could not look at before the frame was decided about, for the next one. */
static void look(struct job *job, const struct engine_image *image)
{
	if (job->look != JOB_LOOK_LATER || job->viewed)
		return;
	scene_view(image, &job->view);
	job->viewed = true;
}

int picture_decode(struct picture *picture, struct job *job, const struct jpeg_options *options,
		   struct engine_image *ret_image)
{
	int rc = 0;

	if (job->frame.format == IPC_JPEG)
		rc = jpeg_decode(picture->decoder, picture->jpeg, job->frame.bytes, options, ret_image);
	else
		*ret_image = stream_picture(job->stream, &job->frame);
	if (rc < 0)
		return fail(job, rc, jpeg_decoder_error(picture->decoder));
	look(job, ret_image);
	return 0;
}

/* ---- inputs --------------------------------------------------------------------------------------- */

static bool same_pass(const struct pass_key *a, const struct pass_key *b)
{
	return a->ladder == b->ladder && a->rung == b->rung && a->width == b->width && a->height == b->height &&
	       a->format == b->format && a->full_range == b->full_range;
}

/* The prepared pass for this picture and rung; the one used longest ago makes room for a new one. */
static int find_pass(struct picture *picture, struct job *job, const struct ladder *ladder, int rung,
		     const struct engine_image *image, struct engine_preprocess **ret_preprocess)
{
	struct pass_key key = {.ladder = ladder->uid,
			       .rung = rung,
			       .width = image->width,
			       .height = image->height,
			       .format = image->format,
			       .full_range = image->full_range};
	struct pass *oldest = &picture->passes[0];
	struct engine_error why = {""};
	struct engine_preprocess *made;
	int rc;

	for (int i = 0; i < PASSES_MAX; i++) {
		struct pass *pass = &picture->passes[i];

		if (pass->preprocess && same_pass(&pass->key, &key)) {
			pass->used = ++picture->uses;
			*ret_preprocess = pass->preprocess;
			return 0;
		}
		if (pass->used < oldest->used)
			oldest = pass;
	}
	rc = engine_preprocess_create(image, &ladder->normalize, ladder->details[rung].plan, &why, &made);
	if (rc < 0)
		return fail(job, rc, why.text);
	engine_preprocess_destroy(oldest->preprocess);
	*oldest = (struct pass){.key = key, .used = ++picture->uses, .preprocess = made};
	*ret_preprocess = made;
	return 0;
}

int picture_prepare(struct picture *picture, struct job *job, const struct ladder *ladder, int rung,
		    const struct engine_image *image, const struct engine_region *region,
		    struct engine_context *context, struct engine_placement *ret_placement)
{
	struct engine_preprocess *preprocess;
	int rc = find_pass(picture, job, ladder, rung, image, &preprocess);
	void *input;

	if (rc < 0)
		return rc;
	input = engine_context_input(context, ladder->details[rung].plan, 0);
	rc = region ? engine_preprocess_run_region(preprocess, image, region, input)
		    : engine_preprocess_run(preprocess, image, input);
	if (rc < 0)
		return fail(job, rc, "the picture could not be prepared");
	*ret_placement = engine_preprocess_placement(preprocess);
	return 0;
}
