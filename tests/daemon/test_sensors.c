#include "daemon/sensors.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "daemon/thermal.h"
#include "support/test.h"
#include "test_root.h"

TEST_SUITE(sensors);

static const struct topology_lane lanes[2] = {
	{.name = "big", .cpus = {2, 3}, .n_cpus = 2, .threads = 2},
	{.name = "little", .cpus = {0}, .n_cpus = 1, .threads = 1},
};

static struct policy_sample poll_at(struct sensors *sensors, int64_t now_us, int64_t own_cpu_us)
{
	struct policy_sample sample = {0};

	sensors_poll(sensors, now_us, own_cpu_us);
	sensors_fill(sensors, &sample);
	return sample;
}

Test(sensors, nothing_there_is_unknown_and_no_error)
{
	struct test_root root;
	struct sensors *sensors;
	struct policy_sample sample = {0};

	test_root_init(&root);
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	sensors_fill(sensors, &sample);
	cr_assert(isnan(sample.temp_c) && isnan(sample.freq_cap[0]), "before the first poll");
	sample = poll_at(sensors, 1000000, 0);
	cr_assert(isnan(sample.temp_c) && isnan(sample.temp_limit_c) && isnan(sample.cpu_pressure) &&
		  isnan(sample.cpu_load) && isnan(sample.battery) && isnan(sample.freq_cap[1]));
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, hottest_plausible_zone_counts)
{
	struct test_root root;
	struct sensors *sensors;

	test_root_init(&root);
	test_root_write(&root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/temp", "61250\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone1/type", "gpu-thermal\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone1/temp", "-650788984\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone2/type", "soc\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone2/temp", "nonsense\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone3/type", "battery\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone3/temp", "99000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone4/temp", "98000\n");
	test_root_write(&root, "sys/class/thermal/cooling_device0/type", "Processor\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert_float_eq(poll_at(sensors, 0, 0).temp_c, 61.25f, 0.001f);
	test_root_write(&root, "sys/class/thermal/thermal_zone1/temp", "70000\n");
	cr_assert_float_eq(poll_at(sensors, 0, 0).temp_c, 70, 0.001f);
	test_root_write(&root, "sys/class/thermal/thermal_zone0/temp", "151000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone1/temp", "-21000\n");
	cr_assert(isnan(poll_at(sensors, THERMAL_KEPT_US + 1, 0).temp_c), "both are beyond what a zone can have");
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, lowest_passive_trip_point_is_the_limit)
{
	struct test_root root;
	struct sensors *sensors;

	test_root_init(&root);
	test_root_write(&root, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/temp", "50000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_0_type", "active\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_0_temp", "40000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_1_type", "passive\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_1_temp", "-274000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_2_type", "passive\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_2_temp", "85000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_3_type", "passive\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_3_temp", "80000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_4_type", "critical\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/trip_point_4_temp", "60000\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert_float_eq(poll_at(sensors, 0, 0).temp_limit_c, 80, 0.001f);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, lowest_clock_of_a_lane_is_its_cap)
{
	struct test_root root;
	struct sensors *sensors;
	struct policy_sample sample;

	test_root_init(&root);
	test_root_write(&root, "sys/devices/system/cpu/cpu2/cpufreq/cpuinfo_max_freq", "2000000\n");
	test_root_write(&root, "sys/devices/system/cpu/cpu2/cpufreq/scaling_max_freq", "2000000\n");
	test_root_write(&root, "sys/devices/system/cpu/cpu3/cpufreq/cpuinfo_max_freq", "2000000\n");
	test_root_write(&root, "sys/devices/system/cpu/cpu3/cpufreq/scaling_max_freq", "1500000\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	sample = poll_at(sensors, 0, 0);
	cr_assert_float_eq(sample.freq_cap[0], 0.75f, 0.001f);
	cr_assert(isnan(sample.freq_cap[1]));
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, pressure_is_the_share_of_time_since_the_last_poll)
{
	struct test_root root;
	struct sensors *sensors;
	float pressure;

	test_root_init(&root);
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5000000\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert(isnan(poll_at(sensors, 1000000, 0).cpu_pressure), "the first reading has nothing to differ from");
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5125000\n");
	pressure = poll_at(sensors, 1500000, 0).cpu_pressure;
	cr_assert_float_eq(pressure, 0.25f, 0.001f);
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5129000\n");
	pressure = poll_at(sensors, 1504000, 0).cpu_pressure;
	cr_assert_float_eq(pressure, 0.25f, 0.001f, "four milliseconds are chance");
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	cr_assert(isnan(poll_at(sensors, 2000000, 0).cpu_pressure), "it went backwards");
	cr_assert(isnan(poll_at(sensors, 2000000, 0).cpu_pressure), "no time has passed");
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=100\n");
	cr_assert(isnan(poll_at(sensors, 1000000, 0).cpu_pressure), "the clock went backwards");
	cr_assert(isnan(poll_at(sensors, 3600000000, 0).cpu_pressure), "an hour is not now");
	pressure = poll_at(sensors, 3601000000, 0).cpu_pressure;
	cr_assert_float_eq(pressure, 0, 0.001f);
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=\n");
	cr_assert(isnan(poll_at(sensors, 3602000000, 0).cpu_pressure));
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, load_leaves_out_this_process)
{
	struct test_root root;
	struct sensors *sensors;
	char text[128];
	float load;
	long tick = 100; /* USER_HZ, which the kernel fixes at 100 for this file */

	test_root_init(&root);
	test_root_write(&root, "proc/stat", "cpu  1000 0 0 1000 0 0 0 0 0 0\ncpu0 1 2 3\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert(isnan(poll_at(sensors, 0, 0).cpu_load));
	snprintf(text, sizeof(text), "cpu  %ld 0 0 %ld 0 0 0 0 0 0\n", 1000 + tick, 1000 + tick);
	test_root_write(&root, "proc/stat", text);
	/* One of two seconds of CPU time was used, and half of that was ours. */
	load = poll_at(sensors, 1000000, 500000).cpu_load;
	cr_assert_float_eq(load, 0.25f, 0.001f);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

/* So long after each other that files are looked for, and slow ones read, again. */
#define LATER_US 10000000

Test(sensors, battery_counts_while_it_discharges)
{
	struct test_root root;
	struct sensors *sensors;

	test_root_init(&root);
	test_root_write(&root, "sys/class/power_supply/ac/type", "Mains\n");
	test_root_write(&root, "sys/class/power_supply/bat/type", "Battery\n");
	test_root_write(&root, "sys/class/power_supply/bat/status", "Charging\n");
	test_root_write(&root, "sys/class/power_supply/bat/capacity", "42\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert(isnan(poll_at(sensors, 0, 0).battery));
	test_root_write(&root, "sys/class/power_supply/bat/status", "Discharging\n");
	cr_assert_float_eq(poll_at(sensors, LATER_US, 0).battery, 0.42f, 0.001f);
	test_root_write(&root, "sys/class/power_supply/bat/capacity", "420\n");
	cr_assert(isnan(poll_at(sensors, 2 * LATER_US, 0).battery));
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, files_that_come_are_found_and_those_that_went_forgotten)
{
	struct test_root root;
	struct sensors *sensors;

	test_root_init(&root);
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert(isnan(poll_at(sensors, 0, 0).temp_c));
	test_root_write(&root, "sys/class/thermal/thermal_zone7/type", "cpu\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone7/temp", "33000\n");
	cr_assert(isnan(poll_at(sensors, 1, 0).temp_c), "nothing is looked for as often");
	cr_assert_float_eq(poll_at(sensors, LATER_US, 0).temp_c, 33, 0.001f);
	test_root_remove(&root, "sys/class/thermal");
	/* Looked for earlier than usual, because a file has gone. */
	cr_assert(isnan(poll_at(sensors, LATER_US + 2000000, 0).temp_c));
	test_root_write(&root, "sys/class/thermal/thermal_zone7/type", "cpu\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone7/temp", "34000\n");
	/* And when the clock went backwards. */
	cr_assert_float_eq(poll_at(sensors, 5, 0).temp_c, 34, 0.001f);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, file_replaced_by_another_is_read_again)
{
	struct test_root root;
	struct sensors *sensors;
	struct policy_sample sample;

	test_root_init(&root);
	test_root_write(&root, "sys/class/thermal/thermal_zone0/type", "cpu\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/temp", "50000\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert_float_eq(poll_at(sensors, 0, 0).temp_c, 50, 0.001f);
	test_root_replace(&root, "sys/class/thermal/thermal_zone0/temp", "51000\n");
	cr_assert_float_eq(poll_at(sensors, 500000, 0).temp_c, 50, 0.001f, "kept until files are looked for");
	cr_assert_float_eq(poll_at(sensors, 1000000, 0).temp_c, 51, 0.001f);
	test_root_write(&root, "proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	test_root_write(&root, "sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "2000000\n");
	test_root_write(&root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "2000000\n");
	sample = poll_at(sensors, LATER_US + 1000000, 0);
	cr_assert_eq(sample.freq_cap[1], 1);
	test_root_replace(&root, "proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=100000\n");
	test_root_replace(&root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq", "1000000\n");
	sample = poll_at(sensors, LATER_US + 1500000, 0);
	cr_assert_eq(sample.freq_cap[1], 0.5f);
	cr_assert_float_eq(sample.memory_pressure, 0.2f, 0.001f);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, zone_that_cannot_be_read_keeps_its_value_for_a_while)
{
	static const struct {
		int error;
		const char *text;
	} failures[] = {
		{EAGAIN, NULL},	  {EINVAL, NULL},
		{ENODATA, NULL},  {EIO, NULL},
		{ENODEV, NULL},	  {0, ""},
		{0, "6125"},	  {0, "garbage\n"},
		{0, "-274000\n"}, {0, "-2147483648\n"},
		{0, "\n"},	  {0, "61250 mC\n"},
		{0, "0x61\n"},	  {0, "99999999999999999999\n"},
		{0, "150001\n"},
	};
	struct test_root root;
	struct sensors *sensors;
	int64_t now_us = 0;

	test_root_init(&root);
	test_root_write(&root, "sys/class/thermal/thermal_zone0/type", "cpu\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/temp", "61250\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	sensors_set_reader(sensors, test_reader);
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		test_reader_set(NULL, 0, NULL);
		now_us += LATER_US;
		cr_assert_float_eq(poll_at(sensors, now_us, 0).temp_c, 61.25f, 0.001f, "failure %zu", i);
		test_reader_set("thermal_zone0/temp", failures[i].error, failures[i].text);
		cr_assert_float_eq(poll_at(sensors, now_us + THERMAL_KEPT_US, 0).temp_c, 61.25f, 0.001f, "%zu", i);
		cr_assert(isnan(poll_at(sensors, now_us + THERMAL_KEPT_US + 1, 0).temp_c), "failure %zu", i);
	}
	/* A value is as old as anything once the clock went backwards. */
	test_reader_set(NULL, 0, NULL);
	cr_assert_float_eq(poll_at(sensors, now_us + LATER_US, 0).temp_c, 61.25f, 0.001f);
	test_reader_set("thermal_zone0/temp", EAGAIN, NULL);
	cr_assert(isnan(poll_at(sensors, now_us, 0).temp_c));
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, far_cooler_zones_are_read_less_often)
{
	struct test_root root;
	struct sensors *sensors;

	test_root_init(&root);
	test_root_write(&root, "sys/class/thermal/thermal_zone0/type", "cpu\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone0/temp", "70000\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone1/type", "gpu\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone1/temp", "40000\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert_float_eq(poll_at(sensors, 0, 0).temp_c, 70, 0.001f);
	test_root_write(&root, "sys/class/thermal/thermal_zone1/temp", "80000\n");
	cr_assert_float_eq(poll_at(sensors, THERMAL_COOL_US - 1, 0).temp_c, 70, 0.001f);
	cr_assert_float_eq(poll_at(sensors, THERMAL_COOL_US, 0).temp_c, 80, 0.001f);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, strongest_cooling_of_the_processor_counts)
{
	struct test_root root;
	struct sensors *sensors;

	test_root_init(&root);
	test_root_write(&root, "sys/class/thermal/cooling_device0/type", "cpufreq-cpu0\n");
	test_root_write(&root, "sys/class/thermal/cooling_device0/max_state", "10\n");
	test_root_write(&root, "sys/class/thermal/cooling_device0/cur_state", "4\n");
	test_root_write(&root, "sys/class/thermal/cooling_device1/type", "Processor\n");
	test_root_write(&root, "sys/class/thermal/cooling_device1/max_state", "20\n");
	test_root_write(&root, "sys/class/thermal/cooling_device1/cur_state", "2\n");
	test_root_write(&root, "sys/class/thermal/cooling_device2/type", "cpu-fan\n");
	test_root_write(&root, "sys/class/thermal/cooling_device2/max_state", "3\n");
	test_root_write(&root, "sys/class/thermal/cooling_device2/cur_state", "3\n");
	test_root_write(&root, "sys/class/thermal/cooling_device3/type", "thermal-cpufreq-1\n");
	test_root_write(&root, "sys/class/thermal/cooling_device3/max_state", "0\n");
	test_root_write(&root, "sys/class/thermal/cooling_device3/cur_state", "0\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert_float_eq(poll_at(sensors, 0, 0).cooling, 0.4f, 0.001f);
	/* What intel_powerclamp says when it is not in use. */
	test_root_write(&root, "sys/class/thermal/cooling_device0/cur_state", "-1\n");
	cr_assert_float_eq(poll_at(sensors, 0, 0).cooling, 0.1f, 0.001f);
	test_root_write(&root, "sys/class/thermal/cooling_device1/cur_state", "21\n");
	cr_assert(isnan(poll_at(sensors, 0, 0).cooling));
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, clock_that_cpus_share_is_read_once)
{
	struct test_root root;
	struct sensors *sensors;
	struct policy_sample sample;

	test_root_init(&root);
	for (int cpu = 2; cpu <= 3; cpu++) {
		char path[128];

		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/related_cpus", cpu);
		test_root_write(&root, path, "2 3\n");
		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
		test_root_write(&root, path, "2000000\n");
		snprintf(path, sizeof(path), "sys/devices/system/cpu/cpu%d/cpufreq/scaling_max_freq", cpu);
		test_root_write(&root, path, "1000000\n");
	}
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	sensors_set_reader(sensors, test_reader);
	test_reader_set(NULL, 0, NULL);
	sample = poll_at(sensors, 0, 0);
	cr_assert_float_eq(sample.freq_cap[0], 0.5f, 0.001f);
	cr_assert_eq(test_reader_count("scaling_max_freq"), 1);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, memory_pressure_is_read_like_that_of_the_cpu)
{
	struct test_root root;
	struct sensors *sensors;
	struct policy_sample sample;

	test_root_init(&root);
	test_root_write(&root, "proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	cr_assert(isnan(poll_at(sensors, 0, 0).memory_pressure));
	test_root_write(&root, "proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=300000\n");
	sample = poll_at(sensors, 1000000, 0);
	cr_assert_float_eq(sample.memory_pressure, 0.3f, 0.001f);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

/* A root of somebody's own is read and never written to. */
Test(sensors, no_trigger_is_written_into_a_file)
{
	struct test_root root;
	struct sensors *sensors;
	char text[64] = "";
	FILE *file;
	char path[512];

	test_root_init(&root);
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	poll_at(sensors, 0, 0);
	cr_assert_lt(sensors_wake_fd(sensors), 0);
	snprintf(path, sizeof(path), "%s/proc/pressure/cpu", root.path);
	file = fopen(path, "r");
	cr_assert_not_null(fgets(text, sizeof(text), file));
	cr_assert_str_eq(text, "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
	fclose(file);
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, kernel_wakes_where_it_grants_a_trigger)
{
	struct sensors *sensors;
	struct pollfd poller = {.events = POLLPRI};
	int root_fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	cr_assert_eq(sensors_create(root_fd, lanes, 2, &sensors), 0);
	poll_at(sensors, 0, 0);
	poller.fd = sensors_wake_fd(sensors);
	if (poller.fd < 0) {
		sensors_destroy(sensors);
		close(root_fd);
		cr_skip_test("this kernel grants no trigger");
	}
	cr_assert_geq(poll(&poller, 1, 0), 0);
	cr_assert(!(poller.revents & POLLERR), "a descriptor without a trigger is always ready");
	poll_at(sensors, 1, 0);
	cr_assert(poll_at(sensors, 1000001, 0).cpu_pressure >= 0, "the same file is read as well");
	sensors_destroy(sensors);
	close(root_fd);
}

Test(sensors, polls_take_less_than_a_thousandth_of_a_core)
{
	cr_assert_eq(sensors_interval_us(true, 100), 500000);
	cr_assert_eq(sensors_interval_us(false, 100), 2000000);
	cr_assert_eq(sensors_interval_us(true, 900), 900000);
	cr_assert_eq(sensors_interval_us(true, INT64_MAX), 10000000);
	cr_assert_eq(sensors_interval_us(true, -5), 500000);
}
