/*
 * gallery.h - what the files of inferctl gallery share.
 */
#ifndef INFERCTL_GALLERY_H
#define INFERCTL_GALLERY_H

#include "cli.h"
#include "json.h"
#include "source.h"

#define GALLERY_TIMEOUT_MS   60000
#define GALLERY_VARIANTS_MAX 16
#define GALLERY_NAME_BYTES   64
#define GALLERY_DEFAULT_FPS  2

struct gallery_options {
	const char *model; /* NULL: the gallery's */
	double fps;	   /* of video time, that is looked at */
	double rate;	   /* of video that has none of its own; 0: not known */
	bool views;	   /* the files of an add show one video */
	uint32_t top_k;	   /* 0: the model's */
};

int gallery_add(struct cli *cli, const struct gallery_options *options, char **arguments, int n);
int gallery_query(struct cli *cli, const struct gallery_options *options, char **arguments, int n);

/* A model and, of each of its variants, the rung of its own size. */
struct gallery_model {
	char name[GALLERY_NAME_BYTES];
	int n_variants;
	char rungs[GALLERY_VARIANTS_MAX][GALLERY_NAME_BYTES];
};

/*
 * The model that was asked for, or the gallery's; for a gallery that is not there, the only one that embeds.  Complains
 * and returns a negative errno where there is none, or no gallery that must be there.
 */
int gallery_find_model(struct inferd *client, const char *gallery, const char *asked, bool must_exist,
		       struct gallery_model *ret_model);

/*
 * Calls take for every file of the arguments, those of folders in the order of their names; not for hidden ones.
 * Complains about a folder that holds none and returns false when there was one, or when take said so.
 */
bool gallery_for_files(char **arguments, int n, bool (*take)(void *user, const char *path), void *user);

/*
 * The next frame of a file; complains of broken ones, which are passed over, and of what ends it too early, and clears
 * *whole then.  false: there is none.
 */
bool gallery_next_frame(struct source *source, const struct gallery_options *options, struct source_frame *ret_frame,
			bool *whole);

/* Frames a second of a video; 0: it is none, or they are not known. */
double gallery_rate(const struct source *source, const struct gallery_options *options);

/* Whether a frame of a video is due when so many per second of it are looked at; pictures always are. */
bool gallery_is_due(const struct source_frame *frame, double fps, double *next_s);

struct inferd_frame gallery_frame(const struct source_frame *source);

#endif
