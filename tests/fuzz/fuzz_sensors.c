/*
 * fuzz_sensors.c - one input is what happens to the kernel's files while the sensors are polled and frames decided.
 *
 * The input is a list of records; the first byte of each says what is done (its value % 8):
 *
 *   0  write a file: which, length, bytes            1  remove a file: which
 *   2  write a plausible number: which, two bytes    3  let reads fail from now on: with which errno, of which files
 *   4  short reads from now on: bytes                5  poll, this much later: two bytes, ms
 *   6  the clock jumps: eight bytes                  7  a frame is decided
 *
 * Nothing crashes; a temperature is unknown or one that a zone's file held when it was read, no longer ago than
 * THERMAL_KEPT_US; shares are unknown or within 0..1; and once everything is normal again, the best rung returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensors.h"
#include "daemon/thermal.h"

#define READINGS_MAX 4096
#define N_RUNGS	     3

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first N_TEMPS hold temperatures of zones that count. */
static const char *const files[] = {
	"sys/class/thermal/thermal_zone0/temp",
	"sys/class/thermal/thermal_zone1/temp",
	"sys/class/thermal/thermal_zone2/temp",
	"sys/class/thermal/thermal_zone0/type",
	"sys/class/thermal/thermal_zone1/type",
	"sys/class/thermal/thermal_zone2/type",
	"sys/class/thermal/thermal_zone0/trip_point_0_type",
	"sys/class/thermal/thermal_zone0/trip_point_0_temp",
	"sys/class/thermal/cooling_device0/type",
	"sys/class/thermal/cooling_device0/max_state",
	"sys/class/thermal/cooling_device0/cur_state",
	"sys/devices/system/cpu/cpu0/cpufreq/related_cpus",
	"sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq",
	"sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq",
	"sys/class/power_supply/bat/type",
	"sys/class/power_supply/bat/status",
	"sys/class/power_supply/bat/capacity",
	"proc/pressure/cpu",
	"proc/pressure/memory",
	"proc/stat",
};
#define N_FILES (sizeof(files) / sizeof(files[0]))
#define N_TEMPS 3

static struct {
	char dir[64];
	int root_fd;
	ino_t inode[N_TEMPS]; /* of the files of temperatures; 0: none */
	int64_t now_us;
	/* what the reader does */
	int error;
	uint8_t fails; /* files whose inode % 4 is set here */
	size_t shortest;
	/* numbers that a zone's file held when it was read */
	int n_readings;
	struct {
		float temp_c;
		int64_t at_us;
	} readings[READINGS_MAX];
} rig;

static void require(int condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "not as it must be: %s\n", what);
	abort();
}

/* ---- files ---------------------------------------------------------------------------------------- */

static void write_file(unsigned which, const void *bytes, size_t size)
{
	int fd = openat(rig.root_fd, files[which], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	struct stat status;

	require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size && fstat(fd, &status) == 0, "a file");
	if (which < N_TEMPS)
		rig.inode[which] = status.st_ino;
	close(fd);
}

static void write_text(unsigned which, const char *text)
{
	write_file(which, text, strlen(text));
}

static void remove_file(unsigned which)
{
	unlinkat(rig.root_fd, files[which], 0);
}

static void make_folders(void)
{
	for (size_t i = 0; i < N_FILES; i++) {
		char path[128];

		snprintf(path, sizeof(path), "%s", files[i]);
		for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
			*slash = '\0';
			mkdirat(rig.root_fd, path, 0755);
			*slash = '/';
		}
	}
}

/* A device that is cool, idle and on mains. */
static void write_normal(void)
{
	static const char *const texts[N_FILES] = {"41000\n",
						   "39000\n",
						   "38000\n",
						   "cpu-thermal\n",
						   "gpu-thermal\n",
						   "soc\n",
						   "passive\n",
						   "85000\n",
						   "cpufreq-cpu0\n",
						   "10\n",
						   "0\n",
						   "0\n",
						   "2000000\n",
						   "2000000\n",
						   "Battery\n",
						   "Charging\n",
						   "80\n",
						   "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
						   "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
						   "cpu  10 0 10 1000 0 0 0 0 0 0\n"};

	for (unsigned i = 0; i < N_FILES; i++) {
		remove_file(i);
		write_text(i, texts[i]);
	}
}

/* ---- reading -------------------------------------------------------------------------------------- */

/* What a reader of the whole line would take it for, independent of the code under test. */
static void note_reading(const char *bytes, size_t size)
{
	char text[64];
	long long mdegc;
	int length = 0;

	if (size == 0 || size >= sizeof(text) || rig.n_readings == READINGS_MAX)
		return;
	memcpy(text, bytes, size);
	text[size] = '\0';
	if (!strchr(text, '\n') || sscanf(text, " %lld%n", &mdegc, &length) != 1)
		return;
	if (text[length + (int)strspn(text + length, " ")] != '\n' || mdegc < -20000 || mdegc > 150000)
		return;
	rig.readings[rig.n_readings].temp_c = (float)mdegc / 1000;
	rig.readings[rig.n_readings++].at_us = rig.now_us;
}

static ssize_t reader(int fd, void *buffer, size_t size, off_t offset)
{
	struct stat status;
	ssize_t n;

	require(fstat(fd, &status) == 0, "a descriptor that is open");
	if (rig.error && rig.fails >> status.st_ino % 4 & 1) {
		errno = rig.error;
		return -1;
	}
	n = pread(fd, buffer, size < rig.shortest ? size : rig.shortest, offset);
	for (int i = 0; i < N_TEMPS; i++)
		if (n > 0 && status.st_ino == rig.inode[i])
			note_reading(buffer, (size_t)n);
	return n;
}

static bool was_read(float temp_c)
{
	for (int i = rig.n_readings - 1; i >= 0; i--)
		if (rig.readings[i].temp_c == temp_c && rig.readings[i].at_us <= rig.now_us &&
		    rig.now_us - rig.readings[i].at_us <= THERMAL_KEPT_US)
			return true;
	return rig.n_readings == READINGS_MAX;
}

static bool is_share(float value)
{
	return isnan(value) || (value >= 0 && value <= 1);
}

static void poll_sensors(struct sensors *sensors, struct policy_sample *sample)
{
	sensors_poll(sensors, rig.now_us, rig.now_us / 3);
	sensors_fill(sensors, sample);
	require(isnan(sample->temp_c) || was_read(sample->temp_c), "a temperature that was read");
	require(isnan(sample->temp_limit_c) || (sample->temp_limit_c >= 30 && sample->temp_limit_c <= 150), "a limit");
	require(is_share(sample->cpu_pressure) && is_share(sample->memory_pressure) && is_share(sample->cpu_load) &&
			is_share(sample->battery) && is_share(sample->cooling) && is_share(sample->freq_cap[0]),
		"shares");
	require(!(sample->freq_cap[0] <= 0), "a clock that is capped still ticks");
}

/* ---- deciding ------------------------------------------------------------------------------------- */

struct stream {
	struct policy_params params;
	struct policy_rung rungs[N_RUNGS];
	struct policy_latency latency;
	struct policy_state state;
};

static void stream_init(struct stream *stream)
{
	memset(stream, 0, sizeof(*stream));
	policy_params_init(&stream->params);
	policy_state_init(&stream->state);
	for (int i = 0; i < N_RUNGS; i++)
		stream->rungs[i] = (struct policy_rung){.width = (uint16_t)(64 << i),
							.height = (uint16_t)(64 << i),
							.channels = 3,
							.threads = 1,
							.accuracy = 0.5f + 0.1f * (float)i,
							.prior_us = 1000 * (float)(1 << i)};
	policy_latency_init(&stream->latency, stream->rungs, N_RUNGS);
}

/* The rung that a frame is run on, which takes as long as it should; -1 none. */
static int decide(struct stream *stream, const struct policy_sample *sensed)
{
	struct policy_sample sample = *sensed;
	struct policy_decision decision;

	sample.now_us = rig.now_us;
	sample.deadline_us = 100000;
	sample.n_lanes = 1;
	sample.motion = sample.blur = NAN;
	policy_decide(&stream->params, stream->rungs, N_RUNGS, &stream->latency, &sample, &stream->state, &decision);
	require(decision.rung >= -1 && decision.rung < N_RUNGS, "a rung");
	if (decision.rung >= 0)
		policy_latency_observe(&stream->latency, &stream->params, stream->rungs, decision.rung,
				       stream->rungs[decision.rung].prior_us, NAN, rig.now_us);
	return decision.rung;
}

/* Within five minutes of a cool, idle device. */
static void recover(struct sensors *sensors, struct stream *stream)
{
	struct policy_sample sample = {0};
	int rung = -1;

	write_normal();
	rig.error = 0;
	rig.shortest = SIZE_MAX;
	/* Wherever the clock was: the monotonic one never is negative, nor near its end. */
	rig.now_us = rig.now_us < 0 || rig.now_us > INT64_MAX / 2 ? 1000000000 : rig.now_us;
	/* Files that came are found within ten seconds. */
	for (int i = 0; i < 600 && (i < 22 || rung != N_RUNGS - 1); i++) {
		rig.now_us += 500000;
		poll_sensors(sensors, &sample);
		rung = decide(stream, &sample);
	}
	require(rung == N_RUNGS - 1, "the best rung, now that all is normal");
	require(sample.temp_c == 41, "the temperature of now");
}

/* ---- the input ------------------------------------------------------------------------------------ */

struct input {
	const uint8_t *at, *end;
};

static unsigned take(struct input *input)
{
	return input->at < input->end ? *input->at++ : 0;
}

static void do_write(struct input *input)
{
	unsigned which = take(input) % N_FILES;
	size_t length = take(input) % 80;

	if (length > (size_t)(input->end - input->at))
		length = (size_t)(input->end - input->at);
	write_file(which, input->at, length);
	input->at += length;
}

static void do_number(struct input *input)
{
	unsigned which = take(input) % N_FILES, high = take(input);
	char text[32];

	/* From -32 to 223 degrees. */
	snprintf(text, sizeof(text), "%d\n", ((int)high - 32) * 1000 + (int)take(input) * 4);
	write_text(which, text);
}

static void do_errors(struct input *input)
{
	static const int errors[] = {0, EAGAIN, EINVAL, ENODATA, EIO, ENODEV, EINTR, ENXIO};

	rig.error = errors[take(input) % 8];
	rig.fails = (uint8_t)take(input);
}

static void do_jump(struct input *input)
{
	uint64_t to = 0;

	for (int i = 0; i < 8; i++)
		to = to << 8 | take(input);
	/* Half of what 64 bits hold is further than any clock gets. */
	rig.now_us = (int64_t)(to >> 2) - (INT64_MAX >> 2);
}

static void do_one(struct input *input, struct sensors *sensors, struct stream *stream, struct policy_sample *sample)
{
	switch (take(input) % 8) {
	case 0:
		do_write(input);
		break;
	case 1:
		remove_file(take(input) % N_FILES);
		break;
	case 2:
		do_number(input);
		break;
	case 3:
		do_errors(input);
		break;
	case 4:
		rig.shortest = take(input);
		break;
	case 5:
		rig.now_us += (int64_t)(take(input) << 8 | take(input)) * 1000;
		poll_sensors(sensors, sample);
		break;
	case 6:
		do_jump(input);
		break;
	default:
		decide(stream, sample);
		break;
	}
}

static void remove_rig(void)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", rig.dir);
	if (system(command) != 0)
		fprintf(stderr, "%s is left behind\n", rig.dir);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	/* In memory where there is such a folder: an input writes dozens of files. */
	snprintf(rig.dir, sizeof(rig.dir), "%s/inferd-fuzz-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	require(mkdtemp(rig.dir) != NULL, "no folder");
	rig.root_fd = open(rig.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	require(rig.root_fd >= 0, "no folder");
	make_folders();
	atexit(remove_rig);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct topology_lane lane = {.name = "main", .cpus = {0}, .n_cpus = 1, .threads = 1};
	struct input input = {data, data + size};
	struct policy_sample sample = {0};
	struct sensors *sensors;
	struct stream stream;

	rig.now_us = 1000000000;
	rig.error = 0;
	rig.shortest = SIZE_MAX;
	rig.n_readings = 0;
	write_normal();
	stream_init(&stream);
	require(sensors_create(rig.root_fd, &lane, 1, &sensors) == 0, "no sensors");
	sensors_set_reader(sensors, reader);
	poll_sensors(sensors, &sample);
	while (input.at < input.end)
		do_one(&input, sensors, &stream, &sample);
	recover(sensors, &stream);
	sensors_destroy(sensors);
	return 0;
}
