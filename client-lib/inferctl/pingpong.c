/*
 * pingpong.c - see pingpong.h.
 */
#include "pingpong.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MESSAGE_BYTES 64
#define WARM_UP	      200

/* The first thread of the core a CPU belongs to: two threads of one core share caches and pipelines. */
static int core_of(int cpu)
{
	char path[96];
	int first = cpu;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
	file = fopen(path, "re");
	if (!file)
		return cpu;
	if (fscanf(file, "%d", &first) != 1)
		first = cpu;
	fclose(file);
	return first;
}

/* Two of the allowed CPUs, of different cores where there are any. */
static void choose_cpus(const cpu_set_t *allowed, int ret_cpus[2])
{
	ret_cpus[0] = ret_cpus[1] = -1;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, allowed))
			continue;
		if (ret_cpus[0] < 0)
			ret_cpus[0] = ret_cpus[1] = cpu;
		else if (ret_cpus[1] == ret_cpus[0])
			ret_cpus[1] = cpu;
		if (core_of(cpu) != core_of(ret_cpus[0])) {
			ret_cpus[1] = cpu;
			return;
		}
	}
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static bool pass(int fd, bool sending)
{
	char message[MESSAGE_BYTES] = {0};

	if (sending)
		return send(fd, message, sizeof(message), MSG_NOSIGNAL) == MESSAGE_BYTES;
	return recv(fd, message, sizeof(message), MSG_WAITALL) == MESSAGE_BYTES;
}

static int measure(int fd, float *times, int count, unsigned pause_us)
{
	const struct timespec pause = {0, (long)pause_us * 1000};

	for (int i = -WARM_UP; i < count; i++) {
		struct timespec start, end;

		if (pause_us)
			nanosleep(&pause, NULL);
		clock_gettime(CLOCK_MONOTONIC, &start);
		if (!pass(fd, true) || !pass(fd, false))
			return -EIO;
		clock_gettime(CLOCK_MONOTONIC, &end);
		if (i >= 0)
			times[i] = (float)((double)(end.tv_sec - start.tv_sec) * 1e6 +
					   (double)(end.tv_nsec - start.tv_nsec) / 1e3);
	}
	return 0;
}

int pingpong_measure(float *times, int count, unsigned pause_us)
{
	cpu_set_t allowed;
	int sockets[2], cpus[2], r;
	pid_t child;

	if (sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
		return -errno;
	choose_cpus(&allowed, cpus);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
		return -errno;
	child = fork();
	if (child == 0) {
		close(sockets[0]);
		pin(cpus[1]);
		while (pass(sockets[1], false) && pass(sockets[1], true))
			;
		_exit(0);
	}
	r = child < 0 ? -errno : 0;
	close(sockets[1]);
	if (r == 0) {
		pin(cpus[0]);
		r = measure(sockets[0], times, count, pause_us);
		sched_setaffinity(0, sizeof(allowed), &allowed);
	}
	close(sockets[0]); /* ends the child */
	if (child > 0)
		waitpid(child, NULL, 0);
	return r;
}
