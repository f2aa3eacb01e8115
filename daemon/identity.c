/* identity.c - see identity.h. */
#include "identity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/engine.h"
#include "sysfs.h"

#define PRIME UINT64_C(1099511628211)
/* Kinds of processors, by different lines of cpuinfo; a device with more differs from itself at worst. */
#define KINDS_MAX 64

/* FNV-1a over words, with a fold between them, for a plain one never brings high bits down. */
uint64_t identity_add(uint64_t hash, const void *bytes, size_t size)
{
	const uint8_t *byte = bytes;
	uint64_t word;

	for (; size >= sizeof(word); size -= sizeof(word), byte += sizeof(word)) {
		memcpy(&word, byte, sizeof(word));
		hash = (hash ^ word) * PRIME;
		hash ^= hash >> 32;
	}
	for (; size > 0; size--, byte++)
		hash = (hash ^ *byte) * PRIME;
	return hash;
}

uint64_t identity_add_text(uint64_t hash, const char *text)
{
	return identity_add(hash, text, strlen(text) + 1);
}

uint64_t identity_add_number(uint64_t hash, int64_t number)
{
	return identity_add(hash, &number, sizeof(number));
}

uint64_t identity_add_file(uint64_t hash, const char *path)
{
	static const size_t step = 64 << 10;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	uint8_t *bytes = malloc(step);
	struct stat status;
	int64_t total = 0;
	size_t n;
	FILE *file;

	if (fd >= 0 && bytes && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (file = fdopen(fd, "re"))) {
		/* Whole steps but for the last, so that how the kernel cuts its reads makes no difference. */
		while ((n = fread(bytes, 1, step, file)) > 0) {
			hash = identity_add(hash, bytes, n);
			total += (int64_t)n;
		}
		fclose(file);
	} else if (fd >= 0) {
		close(fd);
	}
	free(bytes);
	return identity_add_number(hash, total);
}

/* ---- processors ----------------------------------------------------------------------------------- */

/* Whether a line says what kind a processor is.  Others change from boot to boot: its clock, its number, its speed. */
static bool names_kind(const char *line)
{
	static const char *const keys[] = {"vendor_id",	      "cpu family",	  "model",	 "stepping",
					   "CPU implementer", "CPU architecture", "CPU variant", "CPU part",
					   "CPU revision",    "Hardware",	  "isa",	 "uarch"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strncmp(line, keys[i], strlen(keys[i])))
			return true;
	return false;
}

static int compare(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void note_kind(uint64_t kinds[KINDS_MAX], int *n_kinds, const char *line)
{
	uint64_t kind = identity_add_text(IDENTITY_START, line);

	for (int i = 0; i < *n_kinds; i++)
		if (kinds[i] == kind)
			return;
	if (*n_kinds < KINDS_MAX)
		kinds[(*n_kinds)++] = kind;
}

/* Every line once and in order of its hash: cores that sleep are missing from the file, and others take their place. */
static uint64_t add_kinds(uint64_t hash, int root_fd)
{
	int fd = openat(root_fd, "proc/cpuinfo", O_RDONLY | O_CLOEXEC | O_NONBLOCK), n_kinds = 0;
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
	uint64_t kinds[KINDS_MAX];
	char line[512];

	if (!file) {
		if (fd >= 0)
			close(fd);
		return hash;
	}
	while (fgets(line, sizeof(line), file))
		if (names_kind(line))
			note_kind(kinds, &n_kinds, line);
	fclose(file);
	qsort(kinds, (size_t)n_kinds, sizeof(kinds[0]), compare);
	return identity_add(hash, kinds, (size_t)n_kinds * sizeof(kinds[0]));
}

static uint64_t add_speed(uint64_t hash, const struct sysfs *sysfs, const char *format, int cpu)
{
	long long value = -1;
	char path[128];

	snprintf(path, sizeof(path), format, cpu);
	if (sysfs_read_number(sysfs, path, &value) < 0)
		value = -1;
	return identity_add_number(hash, value);
}

static uint64_t add_lane(uint64_t hash, const struct sysfs *sysfs, const struct topology_lane *lane)
{
	hash = identity_add_text(hash, lane->name);
	hash = identity_add_number(hash, lane->threads);
	hash = identity_add_number(hash, lane->util_min);
	for (int i = 0; i < lane->n_cpus; i++) {
		hash = identity_add_number(hash, lane->cpus[i]);
		hash = add_speed(hash, sysfs, "sys/devices/system/cpu/cpu%d/cpu_capacity", lane->cpus[i]);
		hash = add_speed(hash, sysfs, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", lane->cpus[i]);
	}
	return identity_add_number(hash, lane->n_cpus);
}

uint64_t identity_device(int root_fd, const struct topology_lane *lanes, int n_lanes)
{
	const struct sysfs sysfs = {.root_fd = root_fd};
	uint64_t hash = identity_add_text(IDENTITY_START, engine_cpu_level());

	hash = add_kinds(hash, root_fd);
	for (int i = 0; i < n_lanes; i++)
		hash = add_lane(hash, &sysfs, &lanes[i]);
	return identity_add_number(hash, n_lanes);
}
