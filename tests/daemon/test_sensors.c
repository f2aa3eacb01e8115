#include "daemon/sensors.h"

#include <math.h>
#include <stdio.h>

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
	cr_assert(isnan(poll_at(sensors, 0, 0).temp_c), "both are beyond what a zone can have");
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
	test_root_write(&root, "proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	pressure = poll_at(sensors, 2000000, 0).cpu_pressure;
	cr_assert_float_eq(pressure, 0, 0.001f);
	cr_assert(isnan(poll_at(sensors, 2000000, 0).cpu_pressure), "no time has passed");
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
	cr_assert_float_eq(poll_at(sensors, 0, 0).battery, 0.42f, 0.001f);
	test_root_write(&root, "sys/class/power_supply/bat/capacity", "420\n");
	cr_assert(isnan(poll_at(sensors, 0, 0).battery));
	sensors_destroy(sensors);
	test_root_finish(&root);
}

Test(sensors, scan_finds_what_came_and_forgets_what_went)
{
	struct test_root root;
	struct sensors *sensors;

	test_root_init(&root);
	cr_assert_eq(sensors_create(root.fd, lanes, 2, &sensors), 0);
	test_root_write(&root, "sys/class/thermal/thermal_zone7/type", "cpu\n");
	test_root_write(&root, "sys/class/thermal/thermal_zone7/temp", "33000\n");
	cr_assert(isnan(poll_at(sensors, 0, 0).temp_c));
	sensors_scan(sensors);
	cr_assert_float_eq(poll_at(sensors, 0, 0).temp_c, 33, 0.001f);
	test_root_remove(&root, "sys/class/thermal");
	sensors_scan(sensors);
	cr_assert(isnan(poll_at(sensors, 0, 0).temp_c));
	sensors_destroy(sensors);
	test_root_finish(&root);
}
