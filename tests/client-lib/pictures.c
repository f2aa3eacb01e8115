/* pictures.c - see pictures.h. */
#include "pictures.h"

#include <string.h>
#include <sys/stat.h>
#include <turbojpeg.h>
#include <unistd.h>

FILE *pictures_create(const struct fixture *fixture, const char *name)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	file = fopen(path, "wb");
	cr_assert_not_null(file);
	return file;
}

void pictures_y4m(const struct fixture *fixture, const char *name, int n_frames, long missing)
{
	FILE *file = pictures_create(fixture, name);

	fprintf(file, "YUV4MPEG2 W%d H%d F1000:1 Cmono\n", PICTURES_SIDE, PICTURES_SIDE);
	for (int i = 0; i < n_frames; i++) {
		fputs("FRAME\n", file);
		for (int j = 0; j < PICTURES_SIDE * PICTURES_SIDE; j++)
			fputc(255 * i / (n_frames > 1 ? n_frames - 1 : 1), file);
	}
	cr_assert_eq(fflush(file), 0);
	cr_assert_eq(ftruncate(fileno(file), ftell(file) - missing), 0);
	fclose(file);
}

void pictures_add_jpeg(FILE *file, int luma)
{
	tjhandle handle = tjInitCompress();
	unsigned char pixels[PICTURES_SIDE * PICTURES_SIDE], *jpeg = NULL;
	unsigned long size = 0;

	memset(pixels, luma, sizeof(pixels));
	cr_assert_eq(tjCompress2(handle, pixels, PICTURES_SIDE, 0, PICTURES_SIDE, TJPF_GRAY, &jpeg, &size, TJSAMP_GRAY,
				 90, 0),
		     0);
	cr_assert_eq(fwrite(jpeg, 1, size, file), size);
	tjFree(jpeg);
	tjDestroy(handle);
}

void pictures_mjpeg(const struct fixture *fixture, const char *name, int n_frames)
{
	FILE *file = pictures_create(fixture, name);

	for (int i = 0; i < n_frames; i++)
		pictures_add_jpeg(file, 255 * i / (n_frames - 1));
	fclose(file);
}

void pictures_folder(const struct fixture *fixture, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fixture->dir, name);
	cr_assert_eq(mkdir(path, 0777), 0);
}

void pictures_jpeg(const struct fixture *fixture, const char *name, int luma)
{
	FILE *file = pictures_create(fixture, name);

	pictures_add_jpeg(file, luma);
	fclose(file);
}
