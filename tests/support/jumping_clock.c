/*
 * jumping_clock.c - to be preloaded: a wall clock that jumps a day ahead and back again with every look at it.
 *
 * The program under test must not be built with a sanitizer.
 */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#define DAY 86400

static time_t jump(void)
{
	static atomic_uint looks;

	return atomic_fetch_add(&looks, 1) % 2 ? DAY : 0;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ret)
{
	static int (*real)(clockid_t, struct timespec *);
	int r;

	if (!real)
		*(void **)(void *)&real = dlsym(RTLD_NEXT, "clock_gettime");
	r = real(id, ret);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		ret->tv_sec += jump();
	return r;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;
	int r = clock_gettime(CLOCK_REALTIME, &now);

	(void)zone;
	*ret = (struct timeval){now.tv_sec, (suseconds_t)(now.tv_nsec / 1000)};
	return r;
}

__attribute__((visibility("default"))) time_t time(time_t *ret)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
