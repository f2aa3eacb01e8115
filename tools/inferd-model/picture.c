/* picture.c - see picture.h.  Decodes with libjpeg-turbo and libpng. */
#include "picture.h"

#include <dirent.h>
#include <errno.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <turbojpeg.h>

#include "tool.h"

#define FILE_MAX_BYTES (64l << 20)
#define LIST_MAX       100000

static uint8_t *read_file(const char *path, size_t *ret_size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long size = -1;

	if (file && fseek(file, 0, SEEK_END) == 0)
		size = ftell(file);
	if (size > 0 && size <= FILE_MAX_BYTES && fseek(file, 0, SEEK_SET) == 0)
		data = malloc((size_t)size);
	if (data && fread(data, 1, (size_t)size, file) != (size_t)size) {
		free(data);
		data = NULL;
	}
	if (!data)
		tool_error("%s: %s", path,
			   file && size <= 0	   ? "empty"
			   : size > FILE_MAX_BYTES ? "too large"
						   : strerror(errno));
	if (file)
		fclose(file);
	*ret_size = (size_t)size;
	return data;
}

static bool set_size(struct picture *picture, unsigned width, unsigned height)
{
	if (!width || !height || width > ENGINE_SIDE_MAX || height > ENGINE_SIDE_MAX)
		return false;
	picture->data = malloc((size_t)width * height * 3);
	picture->image = (struct engine_image){.format = ENGINE_RGB,
					       .width = (int)width,
					       .height = (int)height,
					       .plane = {picture->data},
					       .stride = {3 * (size_t)width}};
	return picture->data != NULL;
}

static const char *read_jpeg(const uint8_t *data, size_t size, struct picture *picture)
{
	tjhandle decoder = tjInitDecompress();
	int width, height, sampling, colours;
	const char *why = NULL;

	if (!decoder)
		return "out of memory";
	if (tjDecompressHeader3(decoder, data, size, &width, &height, &sampling, &colours) < 0)
		why = "is no JPEG that can be read";
	else if (!set_size(picture, (unsigned)width, (unsigned)height))
		why = "is too large";
	else if (tjDecompress2(decoder, data, size, picture->data, width, 0, height, TJPF_RGB, 0) < 0 &&
		 tjGetErrorCode(decoder) != TJERR_WARNING)
		why = "is a damaged JPEG";
	tjDestroy(decoder);
	return why;
}

static const char *read_png(const uint8_t *data, size_t size, struct picture *picture)
{
	png_image png = {.version = PNG_IMAGE_VERSION};
	const png_color black = {0};
	const char *why = NULL;

	if (!png_image_begin_read_from_memory(&png, data, size))
		return "is no PNG that can be read";
	png.format = PNG_FORMAT_RGB;
	if (!set_size(picture, png.width, png.height))
		why = "is too large";
	else if (!png_image_finish_read(&png, &black, picture->data, 0, NULL))
		why = "is a damaged PNG";
	png_image_free(&png);
	return why;
}

bool picture_read(const char *path, struct picture *ret_picture)
{
	struct picture picture = {0};
	const char *why;
	size_t size;
	uint8_t *data = read_file(path, &size);

	if (!data)
		return false;
	why = size > 2 && data[0] == 0xff && data[1] == 0xd8 ? read_jpeg(data, size, &picture)
							     : read_png(data, size, &picture);
	free(data);
	if (why) {
		tool_error("%s %s", path, why);
		picture_finish(&picture);
		return false;
	}
	*ret_picture = picture;
	return true;
}

void picture_finish(struct picture *picture)
{
	free(picture->data);
	*picture = (struct picture){0};
}

/* ---- folders ----------------------------------------------------------------------------------- */

static bool is_picture(const char *name)
{
	const char *end = strrchr(name, '.');

	return end && (!strcasecmp(end, ".jpg") || !strcasecmp(end, ".jpeg") || !strcasecmp(end, ".png"));
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool append(char ***paths, int *n, const char *folder, const char *name)
{
	char **more = realloc(*paths, (size_t)(*n + 1) * sizeof(**paths));
	size_t length = strlen(folder) + strlen(name) + 2;

	if (!more)
		return false;
	*paths = more;
	more[*n] = malloc(length);
	if (!more[*n])
		return false;
	snprintf(more[(*n)++], length, "%s/%s", folder, name);
	return true;
}

bool picture_list(const char *folder, char ***ret_paths, int *ret_n)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char **paths = NULL;
	bool good = true;
	int n = 0;

	if (!dir) {
		tool_error("%s: %s", folder, strerror(errno));
		return false;
	}
	while (good && n < LIST_MAX && (entry = readdir(dir)))
		if (is_picture(entry->d_name))
			good = append(&paths, &n, folder, entry->d_name);
	closedir(dir);
	if (!good || n == 0) {
		tool_error("%s: %s", folder, good ? "holds no .jpg or .png" : "out of memory");
		picture_list_finish(paths, n);
		return false;
	}
	qsort(paths, (size_t)n, sizeof(*paths), compare);
	*ret_paths = paths;
	*ret_n = n;
	return true;
}

void picture_list_finish(char **paths, int n)
{
	for (int i = 0; i < n; i++)
		free(paths[i]);
	free(paths);
}
