/* monitor.c - see monitor.h. */
#include "monitor.h"

#include <time.h>

#include "clock.h"

#define TICK_MS 500

static int64_t cpu_us(clockid_t clock)
{
	struct timespec used;

	clock_gettime(clock, &used);
	return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

void monitor_poll(struct monitor *monitor)
{
	sensors_poll(monitor->sensors, clock_us(), cpu_us(CLOCK_PROCESS_CPUTIME_ID));
}

static void poll_timed(struct monitor *monitor)
{
	bool frames_run = monitor->governor->decisions != monitor->decisions;
	int64_t before_us = cpu_us(CLOCK_THREAD_CPUTIME_ID);

	monitor_poll(monitor);
	/* Averaged, for one poll in twenty looks for files and takes ten times as long. */
	monitor->cost_us += (cpu_us(CLOCK_THREAD_CPUTIME_ID) - before_us - monitor->cost_us) / 8;
	monitor->decisions = monitor->governor->decisions;
	monitor->due_us = clock_us() + sensors_interval_us(frames_run, monitor->cost_us);
}

/* The owner's work keeps its pace when polls become fewer. */
static void on_timer(uv_timer_t *timer)
{
	struct monitor *monitor = timer->data;

	/* A timer is never to the microsecond; half a period early is near enough. */
	if (clock_us() + TICK_MS * 1000 / 2 >= monitor->due_us)
		poll_timed(monitor);
	monitor->on_tick(monitor);
}

/* Comes at most once in the trigger's period. */
static void on_wake(uv_poll_t *wake, int status, int events)
{
	struct monitor *monitor = wake->data;

	(void)events;
	if (status < 0)
		uv_poll_stop(wake);
	else
		monitor_poll(monitor);
}

void monitor_init(struct monitor *monitor, uv_loop_t *loop, struct sensors *sensors, const struct governor *governor)
{
	int fd;

	*monitor = (struct monitor){.sensors = sensors, .governor = governor};
	uv_timer_init(loop, &monitor->timer);
	monitor->timer.data = monitor->wake.data = monitor;
	monitor_poll(monitor);
	fd = sensors_wake_fd(sensors);
	monitor->has_wake = fd >= 0 && uv_poll_init(loop, &monitor->wake, fd) == 0;
	monitor->wake.data = monitor;
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

void monitor_close(struct monitor *monitor)
{
	close_handle((uv_handle_t *)&monitor->timer);
	if (monitor->has_wake)
		close_handle((uv_handle_t *)&monitor->wake);
}

void monitor_start(struct monitor *monitor)
{
	if (uv_is_active((uv_handle_t *)&monitor->timer))
		return;
	poll_timed(monitor);
	uv_timer_start(&monitor->timer, on_timer, TICK_MS, TICK_MS);
	if (monitor->has_wake)
		uv_poll_start(&monitor->wake, UV_PRIORITIZED, on_wake);
}

void monitor_stop(struct monitor *monitor)
{
	uv_timer_stop(&monitor->timer);
	if (monitor->has_wake)
		uv_poll_stop(&monitor->wake);
}
