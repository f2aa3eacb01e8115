/*
 * gallery_files.c - which files and frames inferctl gallery looks at.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "gallery.h"

static int is_wanted(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool for_folder(const char *folder, bool (*take)(void *user, const char *path), void *user)
{
	struct dirent **entries;
	int n = scandir(folder, &entries, is_wanted, alphasort), n_files = 0;
	bool done = true;

	if (n < 0) {
		cli_complain("%s: cannot be read: %s", folder, strerror(errno));
		return false;
	}
	for (int i = 0; i < n; i++) {
		struct stat status;
		char path[4096];
		int length = snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);

		if (length < (int)sizeof(path) && stat(path, &status) == 0 && S_ISREG(status.st_mode)) {
			n_files++;
			done &= take(user, path);
		}
		free(entries[i]);
	}
	free(entries);
	if (!n_files) {
		cli_complain("%s: the folder is empty: there are no files in it", folder);
		return false;
	}
	return done;
}

bool gallery_for_files(char **arguments, int n, bool (*take)(void *user, const char *path), void *user)
{
	bool done = true;

	for (int i = 0; i < n; i++) {
		struct stat status;

		if (strcmp(arguments[i], "-") != 0 && stat(arguments[i], &status) == 0 && S_ISDIR(status.st_mode))
			done &= for_folder(arguments[i], take, user);
		else
			done &= take(user, arguments[i]);
	}
	return done;
}

double gallery_rate(const struct source *source, const struct gallery_options *options)
{
	if (!source_is_video(source))
		return 0;
	return source_fps(source) > 0 ? source_fps(source) : options->rate;
}

bool gallery_next_frame(struct source *source, const struct gallery_options *options, struct source_frame *ret_frame,
			bool *whole)
{
	double rate = gallery_rate(source, options);
	struct source_error error = {{0}};
	int r;

	while ((r = source_next(source, &error, ret_frame)) == SOURCE_E_BROKEN) {
		cli_complain("%s", error.text);
		*whole = false;
	}
	if (r < 0) {
		cli_complain("%s", error.text);
		*whole = false;
	}
	if (r == 0 && rate > 0)
		ret_frame->time_s = ret_frame->number / rate;
	return r == 0;
}

bool gallery_is_due(const struct source_frame *frame, double fps, double *next_s)
{
	/* Times are counted in frames: half a millisecond is less than any, and more than rounding. */
	if (frame->time_s + 0.0005 < *next_s)
		return false;
	*next_s += 1 / fps;
	return true;
}

struct inferd_frame gallery_frame(const struct source_frame *source)
{
	struct inferd_frame frame = {
		.format = (enum inferd_format)source->format,
		.full_range = source->full_range,
		.width = source->width,
		.height = source->height,
		.data = source->data,
		.bytes = source->bytes,
	};

	memcpy(frame.offset, source->offset, sizeof(frame.offset));
	memcpy(frame.stride, source->stride, sizeof(frame.stride));
	return frame;
}
