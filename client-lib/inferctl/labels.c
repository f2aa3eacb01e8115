/* labels.c - see labels.h. */
#include "labels.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

__attribute__((format(printf, 3, 4))) static int fail(struct labels_error *error, int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return code;
}

void labels_finish(struct labels *labels)
{
	for (size_t i = 0; i < labels->n_photos; i++) {
		free(labels->photos[i].path);
		free(labels->photos[i].label);
	}
	free(labels->photos);
	*labels = (struct labels){0};
}

/* label NULL: the class is the index. */
static int add(struct labels *labels, const char *path, int64_t index, const char *label)
{
	struct label_photo photo = {.index = index};

	if (labels->n_photos == LABELS_PHOTOS_MAX)
		return -E2BIG;
	if (labels->n_photos == labels->capacity) {
		size_t capacity = labels->capacity ? 2 * labels->capacity : 256;
		struct label_photo *photos = realloc(labels->photos, capacity * sizeof(*photos));

		if (!photos)
			return -ENOMEM;
		labels->photos = photos;
		labels->capacity = capacity;
	}
	photo.path = strdup(path);
	photo.label = label ? strdup(label) : NULL;
	if (!photo.path || (label && !photo.label)) {
		free(photo.path);
		free(photo.label);
		return -ENOMEM;
	}
	labels->photos[labels->n_photos++] = photo;
	return 0;
}

/* The whole text as an index; -1 when it is none. */
static int64_t index_of(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits < 10 && !text[digits] ? atoll(text) : -1;
}

/* ---- classes.txt ---------------------------------------------------------------------------------- */

/* One line, which is changed. */
static int read_line(struct labels *labels, const char *folder, char *line)
{
	char *index = line + strspn(line, " \t"), *file = index + strcspn(index, " \t\r\n");
	char path[PATH_BYTES];

	if (!*index || strchr("\r\n", *index))
		return 0;
	if (*file)
		*file++ = '\0';
	file += strspn(file, " \t");
	file[strcspn(file, "\r\n")] = '\0';
	if (index_of(index) < 0 || !*file || snprintf(path, sizeof(path), "%s/%s", folder, file) >= PATH_BYTES)
		return -EINVAL;
	return add(labels, path, index_of(index), NULL);
}

static int read_classes(struct labels *labels, const char *folder, const char *list, FILE *file,
			struct labels_error *error)
{
	char line[PATH_BYTES];
	int number = 0, rc;

	while (fgets(line, sizeof(line), file)) {
		number++;
		rc = read_line(labels, folder, line);
		if (rc < 0)
			return fail(error, rc, "%s:%d: %s", list, number,
				    rc == -EINVAL ? "a line is INDEX FILE" : strerror(-rc));
	}
	return ferror(file) ? fail(error, -EIO, "%s: %s", list, strerror(EIO)) : 0;
}

/* ---- sub-folders ---------------------------------------------------------------------------------- */

static int read_class(struct labels *labels, const char *folder, const char *name)
{
	char inner[PATH_BYTES], path[PATH_BYTES];
	const struct dirent *entry;
	struct stat status;
	DIR *handle;
	int rc = 0;

	if (snprintf(inner, sizeof(inner), "%s/%s", folder, name) >= PATH_BYTES)
		return -ENAMETOOLONG;
	if (stat(inner, &status) < 0 || !S_ISDIR(status.st_mode))
		return 0;
	handle = opendir(inner);
	if (!handle)
		return -errno;
	while (rc == 0 && (entry = readdir(handle))) {
		if (entry->d_name[0] == '.')
			continue;
		rc = snprintf(path, sizeof(path), "%s/%s", inner, entry->d_name) >= PATH_BYTES ? -ENAMETOOLONG : 0;
		if (rc == 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode))
			rc = add(labels, path, index_of(name), index_of(name) < 0 ? name : NULL);
	}
	closedir(handle);
	return rc;
}

static int read_folders(struct labels *labels, const char *folder, struct labels_error *error)
{
	DIR *handle = opendir(folder);
	const struct dirent *entry;
	int rc = 0;

	if (!handle)
		return fail(error, -errno, "%s: %s", folder, strerror(errno));
	while (rc == 0 && (entry = readdir(handle)))
		if (entry->d_name[0] != '.')
			rc = read_class(labels, folder, entry->d_name);
	closedir(handle);
	return rc < 0 ? fail(error, rc, "%s: %s", folder, strerror(-rc)) : 0;
}

/* ---- all ------------------------------------------------------------------------------------------ */

static int by_path(const void *left, const void *right)
{
	return strcmp(((const struct label_photo *)left)->path, ((const struct label_photo *)right)->path);
}

int labels_read(const char *folder, struct labels_error *ret_error, struct labels *ret_labels)
{
	struct labels labels = {0};
	char list[PATH_BYTES];
	FILE *file;
	int rc;

	snprintf(list, sizeof(list), "%s/classes.txt", folder);
	file = fopen(list, "re");
	if (!file) {
		snprintf(list, sizeof(list), "%s/../classes.txt", folder);
		file = fopen(list, "re");
	}
	rc = file ? read_classes(&labels, folder, list, file, ret_error) : read_folders(&labels, folder, ret_error);
	if (file)
		fclose(file);
	if (rc == 0 && !labels.n_photos)
		rc = fail(ret_error, -ENOENT, "%s has neither classes.txt nor sub-folders with photographs", folder);
	if (rc < 0) {
		labels_finish(&labels);
		return rc;
	}
	qsort(labels.photos, labels.n_photos, sizeof(labels.photos[0]), by_path);
	*ret_labels = labels;
	return 0;
}

void labels_thin_out(struct labels *labels, size_t n_most)
{
	struct labels left = {.photos = malloc(n_most * sizeof(*left.photos)), .capacity = n_most};
	size_t n = labels->n_photos;

	if (n <= n_most || !left.photos) {
		free(left.photos);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct label_photo *photo = &labels->photos[i];

		/* The first of each of n_most equal parts. */
		if (i == 0 || i * n_most / n != (i - 1) * n_most / n) {
			left.photos[left.n_photos++] = *photo;
			*photo = (struct label_photo){0};
		}
	}
	labels_finish(labels);
	*labels = left;
}

static bool same_character(char a, char b)
{
	return tolower((unsigned char)(a == '_' ? ' ' : a)) == tolower((unsigned char)(b == '_' ? ' ' : b));
}

bool labels_is_right(const struct label_photo *photo, uint32_t index, const char *label, uint32_t shift)
{
	const char *name = photo->label;

	if (photo->index >= 0)
		return (uint64_t)photo->index + shift == index;
	while (*name && *label && same_character(*name, *label)) {
		name++;
		label++;
	}
	return !*name && (!*label || *label == ',');
}
