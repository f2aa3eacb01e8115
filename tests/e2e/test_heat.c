/*
 * test_heat.c - a device that heats up and cools down, as files below --sysroot, and what a real daemon makes of it.
 *
 * Nothing sleeps: frames are run one after the other, and between them the daemon is asked how hot it thinks it is.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/daemon_fixture.h"

TEST_SUITE(heat);

#define HIGH_C	   60
#define CRITICAL_C 80
/* Only a policy that never returns takes as many frames. */
#define FRAMES_MAX 1000000

struct device {
	struct fixture fixture;
	struct client client;
	uint64_t seq;
	int side; /* of the last rung; 0: the frame was skipped */
};

static void set_temp(struct device *device, double temp_c)
{
	fixture_write(&device->fixture, "sys/class/thermal/thermal_zone0/temp", "%d\n", (int)lrint(temp_c * 1000));
}

static void make_folder(const struct device *device, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", device->fixture.dir, name);
	cr_assert_eq(mkdir(path, 0755), 0);
}

/*
 * Three rungs, of 512, 256 and 128 pixels, whose costs are far apart.  So are their accuracies, for the network was
 * made for one size: heat needs a price to be spared for.  At that rate no rung is too slow on any machine, and no
 * frame is left out because it shows what the last one showed.
 */
static void device_init(struct device *device)
{
	static const char models[] = "  - name: slow\n    task: classify\n    deadline_ms: 60000\n"
				     "    variants: [{name: s, file: slow.param, accuracy: 0.7}]\n"
				     "    inputs: [256, 128]\n";
	char text[1024];

	memset(device, 0, sizeof(*device));
	fixture_init(&device->fixture);
	make_folder(device, "sys");
	make_folder(device, "sys/class");
	make_folder(device, "sys/class/thermal");
	make_folder(device, "sys/class/thermal/thermal_zone0");
	fixture_write(&device->fixture, "sys/class/thermal/thermal_zone0/type", "cpu-thermal\n");
	set_temp(device, 40);
	snprintf(text, sizeof(text),
		 "%spolicy: {temp_high_c: %d, temp_critical_c: %d, min_fps: 0.5, still_motion: 0, heat_price: 1}\n"
		 "limits: {messages_per_second: 1000000}\n",
		 models, HIGH_C, CRITICAL_C);
	fixture_configure(&device->fixture, text);
	fixture_start(&device->fixture);
	client_connect(&device->client, &device->fixture);
	client_open_stream(&device->client, (struct ipc_stream_open){.model = "slow"});
	client_fill(&device->client, 0, 200);
}

static void device_finish(struct device *device)
{
	fixture_end(&device->fixture, &device->client);
}

static void run_frame(struct device *device)
{
	struct ipc_frame frame = client_frame(&device->client, ++device->seq, 0);

	cr_assert_lt(device->seq, FRAMES_MAX, "the rung is still %d", device->side);
	client_submit(&device->client, &frame);
	client_next_result(&device->client);
	cr_assert(device->client.result.status == IPC_OK || device->client.result.status == IPC_DROPPED_SKIPPED,
		  "status %d: %s", (int)device->client.result.status, device->client.result.reason);
	/* A hot device leaves out frames that show what the last one showed: that is no change of rung. */
	if (device->client.result.status == IPC_OK)
		device->side = (int)device->client.result.rung.width;
}

static double sensed_temp(struct device *device)
{
	char *status = client_query(&device->client, "status"), *at = strstr(status, "\"temp_c\":");
	double temp_c = NAN;

	cr_assert_not_null(at);
	if (strncmp(at + 9, "null", 4) != 0)
		temp_c = strtod(at + 9, NULL);
	free(status);
	return temp_c;
}

/* Frames until the daemon knows of this temperature, and then one more. */
static void run_at(struct device *device, double temp_c)
{
	set_temp(device, temp_c);
	do
		run_frame(device);
	while (!(fabs(sensed_temp(device) - temp_c) < 0.01));
	run_frame(device);
}

Test(heat, steps_down_when_hot_and_returns_when_cool)
{
	static const double ramp[] = {58, 66, 72, 78};
	struct device device;
	int before = 512;

	device_init(&device);
	run_at(&device, 40);
	while (device.side != 512)
		run_frame(&device);
	for (size_t i = 0; i < sizeof(ramp) / sizeof(ramp[0]); i++) {
		run_at(&device, ramp[i]);
		cr_assert_leq(device.side, before, "at %g degrees the rung is %d", ramp[i], device.side);
		before = device.side;
	}
	cr_assert(before && before < 512, "hot, and the rung is %d", before);
	run_at(&device, CRITICAL_C + 5);
	while (device.side != 128)
		run_frame(&device);
	run_at(&device, 41);
	while (device.side != 512)
		run_frame(&device);
	device_finish(&device);
}

/* With its best rung always it would go to 75 degrees, with its cheapest to 40. */
static double next_temp(double temp_c, int side)
{
	double heading_c = side == 512 ? 75 : side == 256 ? 55 : 40;

	return temp_c + 0.25 * (heading_c - temp_c);
}

Test(heat, finds_a_steady_state_on_a_device_that_heats_itself)
{
	struct device device;
	double temp_c = 50, hottest_c = 0;
	int switches = 0, before;

	device_init(&device);
	run_at(&device, temp_c);
	for (int step = 0; step < 24; step++) {
		before = device.side;
		temp_c = next_temp(temp_c, device.side);
		run_at(&device, temp_c);
		switches += device.side != before;
		hottest_c = fmax(hottest_c, temp_c);
	}
	/* Down, and a try or two to get up again in those 12 seconds. */
	cr_assert(switches >= 1 && switches <= 6, "%d switches", switches);
	cr_assert_lt(hottest_c, CRITICAL_C - 8);
	device_finish(&device);
}

Test(heat, temperature_that_cannot_be_read_is_not_made_up)
{
	struct device device;
	double temp_c;

	device_init(&device);
	run_at(&device, 70);
	/* What was read counts on for a while, and then nothing does. */
	fixture_write(&device.fixture, "sys/class/thermal/thermal_zone0/temp", "-274000\n");
	do {
		run_frame(&device);
		temp_c = sensed_temp(&device);
		cr_assert(isnan(temp_c) || temp_c == 70, "%g degrees", temp_c);
	} while (!isnan(temp_c));
	while (device.side != 512)
		run_frame(&device);
	device_finish(&device);
}
