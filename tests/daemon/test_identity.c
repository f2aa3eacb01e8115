/* test_identity.c - what makes another device or another file, and what does not. */
#include "daemon/identity.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"
#include "test_root.h"

TEST_SUITE(identity);

static const char two_kinds[] = "processor\t: 0\nBogoMIPS\t: 38.40\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\n\n"
				"processor\t: 4\nBogoMIPS\t: 38.40\nCPU implementer\t: 0x41\nCPU part\t: 0xd09\n";

static const struct topology_lane lane = {.name = "big", .cpus = {4, 5}, .n_cpus = 2, .threads = 2};

static void init(struct test_root *root)
{
	test_root_init(root);
	test_root_write(root, "proc/cpuinfo", two_kinds);
	test_root_write(root, "sys/devices/system/cpu/cpu4/cpu_capacity", "1024\n");
	test_root_write(root, "sys/devices/system/cpu/cpu4/cpufreq/cpuinfo_max_freq", "2000000\n");
}

Test(identity, same_device_has_the_same_hash)
{
	struct test_root root;
	uint64_t first;

	init(&root);
	first = identity_device(root.fd, &lane, 1);
	cr_assert_eq(identity_device(root.fd, &lane, 1), first);
	/* Another clock of the moment, and a core of the first kind less. */
	test_root_write(&root, "proc/cpuinfo",
			"processor\t: 4\nBogoMIPS\t: 19.20\nCPU implementer\t: 0x41\nCPU part\t: 0xd09\n"
			"processor\t: 1\nBogoMIPS\t: 38.40\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\n");
	cr_assert_eq(identity_device(root.fd, &lane, 1), first);
	test_root_finish(&root);
}

Test(identity, every_part_of_a_device_counts)
{
	static const struct {
		const char *path, *text;
	} changes[] = {
		{"proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\n"},
		{"sys/devices/system/cpu/cpu4/cpu_capacity", "1023\n"},
		{"sys/devices/system/cpu/cpu4/cpufreq/cpuinfo_max_freq", "1900000\n"},
		{"sys/devices/system/cpu/cpu5/cpu_capacity", "1024\n"},
	};

	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct test_root root;
		uint64_t before;

		init(&root);
		before = identity_device(root.fd, &lane, 1);
		test_root_write(&root, changes[i].path, changes[i].text);
		cr_assert_neq(identity_device(root.fd, &lane, 1), before, "%s", changes[i].path);
		test_root_finish(&root);
	}
}

Test(identity, every_part_of_a_lane_counts)
{
	struct topology_lane lanes[2] = {lane, lane}, other[5] = {lane, lane, lane, lane, lane};
	struct test_root root;
	uint64_t before;

	init(&root);
	before = identity_device(root.fd, lanes, 1);
	cr_assert_neq(identity_device(root.fd, lanes, 2), before);
	snprintf(other[0].name, sizeof(other[0].name), "all");
	other[1].threads = 1;
	other[2].cpus[1] = 6;
	other[3].n_cpus = 1;
	other[4].util_min = 820;
	for (int i = 0; i < 5; i++)
		cr_assert_neq(identity_device(root.fd, &other[i], 1), before, "change %d", i);
	test_root_finish(&root);
}

Test(identity, device_that_says_nothing_has_one_too)
{
	struct test_root root;

	test_root_init(&root);
	cr_assert_eq(identity_device(root.fd, &lane, 1), identity_device(root.fd, &lane, 1));
	test_root_finish(&root);
}

/* Of a size that is read in several steps, the last one odd. */
Test(identity, every_byte_of_a_file_counts)
{
	static char text[150001];
	struct test_root root;
	char path[128];
	uint64_t before;

	memset(text, 'a', sizeof(text) - 1);
	test_root_init(&root);
	snprintf(path, sizeof(path), "%s/file", root.path);
	test_root_write(&root, "file", text);
	before = identity_add_file(IDENTITY_START, path);
	cr_assert_eq(identity_add_file(IDENTITY_START, path), before);
	for (size_t i = 0; i < sizeof(text) - 1; i += 14999) {
		text[i] = 'b';
		test_root_write(&root, "file", text);
		cr_assert_neq(identity_add_file(IDENTITY_START, path), before, "byte %zu", i);
		text[i] = 'a';
	}
	text[sizeof(text) - 2] = '\0';
	test_root_write(&root, "file", text);
	cr_assert_neq(identity_add_file(IDENTITY_START, path), before, "its length");
	test_root_finish(&root);
}

Test(identity, what_is_no_file_counts_as_empty)
{
	struct test_root root;
	char path[128];

	test_root_init(&root);
	snprintf(path, sizeof(path), "%s/none", root.path);
	cr_assert_eq(identity_add_file(IDENTITY_START, path), identity_add_file(IDENTITY_START, root.path));
	test_root_write(&root, "none", "");
	cr_assert_eq(identity_add_file(IDENTITY_START, path), identity_add_file(IDENTITY_START, root.path));
	test_root_finish(&root);
}
