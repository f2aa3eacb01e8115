/*
 * criterion.h - the part of Criterion that tests/support/test.h allows, for builds where Criterion cannot be: those for
 * another machine, where it is not packaged, and those with ThreadSanitizer, where it finds no address for its arena.
 *
 * Every test runs in a process of its own, one after the other; output has Criterion's form, so that tools/test.sh
 * reads both.  Everything is weak because each file of a test program includes this.  A message must start with a
 * string literal.  Not here: filters, parameters, reports, parallel runs.
 */
#ifndef INFERD_SHIM_CRITERION_H
#define INFERD_SHIM_CRITERION_H

/* Comparisons of mixed signs are silent, as they are with Criterion's own header. */
#pragma GCC system_header

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

struct shim_options {
	void (*init)(void);
	void (*fini)(void);
	/* In seconds; 0 for none. */
	double timeout;
	/* Set by the macros, so that the initialiser is never empty. */
	int line;
};

struct shim_test {
	const char *suite, *name;
	void (*body)(void);
	struct shim_options options;
	struct shim_test *next;
};

struct shim_suite {
	const char *name;
	struct shim_options options;
	struct shim_suite *next;
};

/* Exit status of a test's process.  None is 0: a test that calls exit() has not passed. */
enum { SHIM_PASSED = 100, SHIM_FAILED, SHIM_SKIPPED };

#if defined(__SANITIZE_THREAD__)
/* A race ends its test at once: the report at a process's exit is not made before _exit(). */
const char *__tsan_default_options(void);
__attribute__((weak, visibility("default"))) const char *__tsan_default_options(void)
{
	return "halt_on_error=1";
}
#endif

__attribute__((weak)) struct shim_test *shim_tests, **shim_tests_end;
__attribute__((weak)) struct shim_suite *shim_suites;
__attribute__((weak)) const struct shim_test *shim_current;

__attribute__((weak)) void shim_add_test(struct shim_test *test)
{
	*(shim_tests_end ? shim_tests_end : &shim_tests) = test;
	shim_tests_end = &test->next;
}

__attribute__((weak)) void shim_add_suite(struct shim_suite *suite)
{
	suite->next = shim_suites;
	shim_suites = suite;
}

/* One space precedes every message: it lets the macros paste a literal that may be absent. */
__attribute__((weak, noreturn, format(printf, 4, 5))) void shim_fail(const char *file, int line, const char *expression,
								     const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "[----] %s:%d: Assertion Failed\n[----]   %s\n", file, line, expression);
	if (format[1]) {
		fprintf(stderr, "[----]  ");
		va_start(arguments, format);
		vfprintf(stderr, format, arguments);
		va_end(arguments);
		fprintf(stderr, "\n");
	}
	fflush(NULL);
	_exit(SHIM_FAILED);
}

__attribute__((weak, noreturn, format(printf, 1, 2))) void shim_skip(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "[SKIP] %s::%s:", shim_current->suite, shim_current->name);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	fflush(NULL);
	_exit(SHIM_SKIPPED);
}

__attribute__((weak, noreturn)) void shim_run_child(const struct shim_test *test)
{
	struct shim_options suite = {0};
	double timeout;

	for (const struct shim_suite *s = shim_suites; s; s = s->next)
		if (!strcmp(s->name, test->suite))
			suite = s->options;
	timeout = test->options.timeout > 0 ? test->options.timeout : suite.timeout;
	if (timeout > 0) {
		struct itimerval timer = {0};

		timer.it_value.tv_sec = (long)timeout;
		timer.it_value.tv_usec = (long)((timeout - (double)(long)timeout) * 1e6);
		setitimer(ITIMER_REAL, &timer, NULL);
	}
	shim_current = test;
	if (suite.init)
		suite.init();
	if (test->options.init)
		test->options.init();
	test->body();
	if (test->options.fini)
		test->options.fini();
	if (suite.fini)
		suite.fini();
	fflush(NULL);
	_exit(SHIM_PASSED);
}

/* One of the SHIM_ statuses, or the negative number of the signal that ended the test. */
__attribute__((weak)) int shim_run(const struct shim_test *test)
{
	int status = 0, result = SHIM_FAILED;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid)
		shim_run_child(test);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		perror("fork");
	else if (WIFSIGNALED(status))
		result = -WTERMSIG(status);
	else if (WEXITSTATUS(status) == SHIM_PASSED || WEXITSTATUS(status) == SHIM_SKIPPED)
		result = WEXITSTATUS(status);
	if (result == -SIGALRM)
		fprintf(stderr, "[FAIL] %s::%s: Timed out.\n", test->suite, test->name);
	else if (result < 0)
		fprintf(stderr, "[FAIL] %s::%s: CRASH! (signal %d)\n", test->suite, test->name, -result);
	else if (result == SHIM_FAILED)
		fprintf(stderr, "[FAIL] %s::%s\n", test->suite, test->name);
	return result;
}

/* Options of Criterion's runner are accepted and have no effect. */
__attribute__((weak)) int main(void)
{
	int tested = 0, failing = 0, crashing = 0;

	for (const struct shim_test *test = shim_tests; test; test = test->next) {
		int result = shim_run(test);

		if (result == SHIM_SKIPPED)
			continue;
		tested++;
		failing += result != SHIM_PASSED;
		crashing += result < 0 && result != -SIGALRM;
	}
	fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: %d\n", tested,
		tested - failing, failing, crashing);
	return failing ? 1 : 0;
}

#define Test(suite_, name_, ...)                                                                                       \
	static void shim_##suite_##_##name_(void);                                                                     \
	static struct shim_test shim_test_##suite_##_##name_ = {                                                       \
		.suite = #suite_,                                                                                      \
		.name = #name_,                                                                                        \
		.body = shim_##suite_##_##name_,                                                                       \
		.options = {.line = __LINE__, __VA_ARGS__},                                                            \
	};                                                                                                             \
	__attribute__((constructor)) static void shim_register_##suite_##_##name_(void)                                \
	{                                                                                                              \
		shim_add_test(&shim_test_##suite_##_##name_);                                                          \
	}                                                                                                              \
	static void shim_##suite_##_##name_(void)

#define TestSuite(suite_, ...)                                                                                         \
	static struct shim_suite shim_suite_##suite_ = {                                                               \
		.name = #suite_,                                                                                       \
		.options = {.line = __LINE__, __VA_ARGS__},                                                            \
	};                                                                                                             \
	__attribute__((constructor)) static void shim_register_suite_##suite_(void)                                    \
	{                                                                                                              \
		shim_add_suite(&shim_suite_##suite_);                                                                  \
	}                                                                                                              \
	struct shim_suite

#define shim_check(holds, expression, ...)                                                                             \
	((holds) ? (void)0 : shim_fail(__FILE__, __LINE__, expression, " " __VA_ARGS__))
#define shim_compare(a, op, b, ...) shim_check((a)op(b), "not so: (" #a ") " #op " (" #b ")", __VA_ARGS__)

#define cr_assert(condition, ...)      shim_check(condition, "not so: " #condition, __VA_ARGS__)
#define cr_assert_eq(a, b, ...)	       shim_compare(a, ==, b, __VA_ARGS__)
#define cr_assert_neq(a, b, ...)       shim_compare(a, !=, b, __VA_ARGS__)
#define cr_assert_lt(a, b, ...)	       shim_compare(a, <, b, __VA_ARGS__)
#define cr_assert_leq(a, b, ...)       shim_compare(a, <=, b, __VA_ARGS__)
#define cr_assert_gt(a, b, ...)	       shim_compare(a, >, b, __VA_ARGS__)
#define cr_assert_geq(a, b, ...)       shim_compare(a, >=, b, __VA_ARGS__)
#define cr_assert_null(a, ...)	       shim_check((a) == NULL, "not NULL: " #a, __VA_ARGS__)
#define cr_assert_not_null(a, ...)     shim_check((a) != NULL, "NULL: " #a, __VA_ARGS__)
#define cr_assert_str_eq(a, b, ...)    shim_check(!strcmp(a, b), "strings differ: " #a " and " #b, __VA_ARGS__)
#define cr_assert_arr_eq(a, b, n, ...) shim_check(!memcmp(a, b, n), "bytes differ: " #a " and " #b, __VA_ARGS__)
#define cr_assert_float_eq(a, b, epsilon, ...)                                                                         \
	shim_check(fabs((double)(a) - (double)(b)) <= (double)(epsilon), "too far apart: " #a " and " #b, __VA_ARGS__)
/* Expectations end the test here as well. */
#define cr_expect	    cr_assert
#define cr_expect_eq	    cr_assert_eq
#define cr_expect_neq	    cr_assert_neq
#define cr_expect_lt	    cr_assert_lt
#define cr_expect_leq	    cr_assert_leq
#define cr_expect_gt	    cr_assert_gt
#define cr_expect_geq	    cr_assert_geq
#define cr_expect_null	    cr_assert_null
#define cr_expect_not_null  cr_assert_not_null
#define cr_expect_str_eq    cr_assert_str_eq
#define cr_expect_arr_eq    cr_assert_arr_eq
#define cr_expect_float_eq  cr_assert_float_eq
#define cr_assert_fail(...) shim_fail(__FILE__, __LINE__, "not to be reached", " " __VA_ARGS__)
#define cr_skip_test(...)   shim_skip(" " __VA_ARGS__)

#endif
