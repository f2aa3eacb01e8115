#include "test.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#define HAVE_LSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#define HAVE_LSAN 1
#endif
#endif

/* Answers must not depend on what is faster just now: by the rule alone, here and in the programs that tests start. */
static __attribute__((constructor)) void choose_by_rule(void)
{
	setenv("INFERD_WINOGRAD", "rule", 0);
}

void test_fail_on_leak(void)
{
#ifdef HAVE_LSAN
	/* Criterion ignores an assertion that fails in a teardown, but a crash there fails the program. */
	if (__lsan_do_recoverable_leak_check()) {
		fprintf(stderr, "[----] the test leaked memory (report above)\n");
		abort();
	}
#endif
}

uint64_t test_random(void)
{
	static uint64_t state;

	if (!state) {
		const char *seed = getenv("INFERD_TEST_SEED");

		state = seed ? strtoull(seed, NULL, 0) : 1;
		fprintf(stderr, "seed: INFERD_TEST_SEED=%llu\n", (unsigned long long)state);
		if (!state)
			state = 1;
	}
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dull;
}

int64_t test_random_range(int64_t lo, int64_t hi)
{
	return lo + (int64_t)((test_random() >> 11) % (uint64_t)(hi - lo + 1));
}

float test_random_float(void)
{
	return (float)(test_random() >> 40) * 0x1p-23f - 1.0f;
}

const char *test_data(const char *relative)
{
	static char path[4096];
	const char *root = getenv("INFERD_TEST_DATA");

	snprintf(path, sizeof(path), "%s/%s", root ? root : TEST_DATA_DEFAULT, relative);
	if (access(path, R_OK) != 0)
		cr_skip_test("needs %s (set INFERD_TEST_DATA)", path);
	return path;
}

int test_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}
