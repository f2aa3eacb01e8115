/*
 * pictures.h - files that tests show to inferctl, written into the fixture's folder: gray pictures and videos of them.
 */
#ifndef INFERD_PICTURES_H
#define INFERD_PICTURES_H

#include <stdio.h>

#include "support/daemon_fixture.h"

#define PICTURES_SIDE 16

FILE *pictures_create(const struct fixture *fixture, const char *name);
void pictures_folder(const struct fixture *fixture, const char *name);
void pictures_jpeg(const struct fixture *fixture, const char *name, int luma);
void pictures_add_jpeg(FILE *file, int luma);
/* Frames from black to white; the last lacks as many bytes. */
void pictures_y4m(const struct fixture *fixture, const char *name, int n_frames, long missing);
void pictures_mjpeg(const struct fixture *fixture, const char *name, int n_frames);

#endif
