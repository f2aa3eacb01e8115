#include "daemon/topology.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"
#include "test_root.h"

TEST_SUITE(topology);

static cpu_set_t cpus(int count)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int i = 0; i < count; i++)
		CPU_SET(i, &set);
	return set;
}

static void write_number(const struct test_root *root, const char *format, int cpu, int value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), format, cpu);
	snprintf(text, sizeof(text), "%d\n", value);
	test_root_write(root, path, text);
}

Test(topology, one_lane_where_nothing_is_known)
{
	struct topology_lane lanes[CONFIG_LANES_MAX];
	struct test_root root;
	cpu_set_t allowed = cpus(3);

	test_root_init(&root);
	cr_assert_eq(topology_find(root.fd, &allowed, lanes), 1);
	cr_assert_str_eq(lanes[0].name, "cpu");
	cr_assert_eq(lanes[0].n_cpus, 3);
	cr_assert_eq(lanes[0].threads, 3);
	CPU_ZERO(&allowed);
	cr_assert_eq(topology_find(root.fd, &allowed, lanes), 1);
	cr_assert_eq(lanes[0].threads, 1);
	test_root_finish(&root);
}

Test(topology, lane_for_each_capacity_fastest_first)
{
	static const int capacity[8] = {400, 400, 400, 400, 800, 800, 800, 1024};
	struct topology_lane lanes[CONFIG_LANES_MAX];
	struct test_root root;
	cpu_set_t allowed = cpus(8);

	test_root_init(&root);
	for (int i = 0; i < 8; i++)
		write_number(&root, "sys/devices/system/cpu/cpu%d/cpu_capacity", i, capacity[i]);
	cr_assert_eq(topology_find(root.fd, &allowed, lanes), 3);
	cr_assert_str_eq(lanes[0].name, "big");
	cr_assert_eq(lanes[0].cpus[0], 7);
	cr_assert_str_eq(lanes[1].name, "middle");
	cr_assert_eq(lanes[1].n_cpus, 3);
	cr_assert_str_eq(lanes[2].name, "little");
	cr_assert_eq(lanes[2].n_cpus, 4);
	/* CPUs that this process may not use are in no lane. */
	CPU_CLR(7, &allowed);
	cr_assert_eq(topology_find(root.fd, &allowed, lanes), 2);
	cr_assert_eq(lanes[0].cpus[0], 4);
	test_root_finish(&root);
}

Test(topology, favoured_cores_of_one_kind_stay_together)
{
	static const int khz[4] = {5000000, 5100000, 4900000, 3800000};
	struct topology_lane lanes[CONFIG_LANES_MAX];
	struct test_root root;
	cpu_set_t allowed = cpus(4);

	test_root_init(&root);
	for (int i = 0; i < 4; i++)
		write_number(&root, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", i, khz[i]);
	cr_assert_eq(topology_find(root.fd, &allowed, lanes), 2);
	cr_assert_eq(lanes[0].n_cpus, 3);
	cr_assert_eq(lanes[1].cpus[0], 3);
	/* Half of the answers are none. */
	test_root_remove(&root, "sys/devices/system/cpu/cpu3");
	cr_assert_eq(topology_find(root.fd, &allowed, lanes), 1);
	cr_assert_eq(lanes[0].n_cpus, 4);
	test_root_finish(&root);
}

Test(topology, configuration_is_taken_as_it_is)
{
	struct config_lane lane = {.name = "mine", .cpus = {5, 1}, .n_cpus = 2, .threads = 7};
	struct config config = {.lanes = &lane, .n_lanes = 1};
	struct topology_lane lanes[CONFIG_LANES_MAX];

	cr_assert_eq(topology_configured(&config, lanes), 1);
	cr_assert_str_eq(lanes[0].name, "mine");
	cr_assert_eq(lanes[0].cpus[0], 5);
	cr_assert_eq(lanes[0].threads, 7);
}
