/*
 * test.h - what every test program shares: leak checks that fail the test, seeded randomness, test data.
 *
 * Criterion forks a process for each test and ignores what LeakSanitizer says at that process's exit, so
 * a leak alone would leave the test green.  TEST_SUITE(noun) therefore ends every test of the suite with
 * a leak check whose finding is a failure of that test.  tests/lint checks that each suite has it.
 */
#ifndef INFERD_TEST_H
#define INFERD_TEST_H

#include <criterion/criterion.h>
#include <stdint.h>

/* Declares a suite whose tests fail when they leak (under AddressSanitizer; otherwise no check). */
#define TEST_SUITE(suite) TestSuite(suite, .fini = test_fail_on_leak)

void test_fail_on_leak(void);

/* A generator seeded from INFERD_TEST_SEED or 1, printed once; xorshift64*. */
uint64_t test_random(void);
/* Uniform in lo..hi, both included. */
int64_t test_random_range(int64_t lo, int64_t hi);
/* Uniform in [-1, 1). */
float test_random_float(void);

/*
 * Path of a file below INFERD_TEST_DATA (default: shared/ beside the source tree), in a static buffer.  Where it is
 * absent the calling test is skipped and says so.
 */
const char *test_data(const char *relative);

/* Open descriptors of this process, and some more, the same number each time: to be compared. */
int test_count_fds(void);

#endif
