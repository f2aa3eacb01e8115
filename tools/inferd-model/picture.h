/* picture.h - JPEG and PNG files as RGB. */
#ifndef INFERD_MODEL_PICTURE_H
#define INFERD_MODEL_PICTURE_H

#include "engine/engine.h"

struct picture {
	struct engine_image image; /* RGB; points into data */
	uint8_t *data;
};

/* Reads a file of either kind.  Reports its failures (naming the file) and returns false. */
bool picture_read(const char *path, struct picture *ret_picture);
void picture_finish(struct picture *picture); /* accepts a zeroed one */

/* The names of the pictures of a folder, sorted; n of them, the caller's to give to picture_list_finish(). */
bool picture_list(const char *folder, char ***ret_paths, int *ret_n);
void picture_list_finish(char **paths, int n);

#endif
