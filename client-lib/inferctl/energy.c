/* energy.c - see energy.h. */
#include "energy.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PATH_BYTES 512

/* One line of a zone's file.  False where there is none. */
static bool read_line(const char *folder, const char *zone, const char *name, char *line, int size)
{
	char path[PATH_BYTES];
	bool is_read;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/%s/%s", folder, zone, name) >= PATH_BYTES)
		return false;
	file = fopen(path, "re");
	if (!file)
		return false;
	is_read = fgets(line, size, file);
	fclose(file);
	return is_read;
}

/* Of a package; -1 of anything else: cores and memory are parts of one, and would count twice. */
static int64_t read_zone(const char *folder, const char *zone)
{
	char line[64];
	long long value;

	if (!read_line(folder, zone, "name", line, sizeof(line)) || strncmp(line, "package", strlen("package")) != 0)
		return -1;
	if (!read_line(folder, zone, "energy_uj", line, sizeof(line)) || sscanf(line, "%lld", &value) != 1)
		return -1;
	return value;
}

int64_t energy_read_uj(const char *root)
{
	const struct dirent *entry;
	char folder[PATH_BYTES];
	int64_t sum = -1;
	DIR *handle;

	if (snprintf(folder, sizeof(folder), "%s/sys/class/powercap", root) >= PATH_BYTES)
		return -1;
	handle = opendir(folder);
	while (handle && (entry = readdir(handle))) {
		int64_t value = entry->d_name[0] == '.' ? -1 : read_zone(folder, entry->d_name);

		if (value >= 0)
			sum = (sum < 0 ? 0 : sum) + value;
	}
	if (handle)
		closedir(handle);
	return sum;
}
