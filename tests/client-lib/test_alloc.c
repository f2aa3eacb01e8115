/*
 * test_alloc.c - a daemon in which one allocation fails, each in turn: it says so and goes on, or does not start.
 *
 * What the one client gets may be an error or a closed connection; whoever comes next is served as if nothing had been.
 */
#include "client-lib/inferd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/daemon_fixture.h"
#include "support/failing_alloc.h"
#include "support/tiny_network.h"

TEST_SUITE(alloc);

#define SIDE 64
/* Of the allocations of a start and of a reload, all where INFERD_TEST_LONG is set, otherwise this many. */
#define SAMPLES 60

static uint8_t white[SIDE * SIDE];
static const struct inferd_frame white_frame = {
	.format = INFERD_GRAY8, .width = SIDE, .height = SIDE, .data = white, .bytes = sizeof(white)};

struct rig {
	struct fixture fixture;
	struct failing_alloc *control;
};

static void rig_init(struct rig *rig)
{
	char path[128];
	int fd;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(INFERD_SANITIZED)
	cr_skip_test("sanitizers have an allocator of their own");
#endif
	memset(white, 255, sizeof(white));
	memset(rig, 0, sizeof(*rig));
	fixture_init(&rig->fixture);
	fixture_configure(&rig->fixture, fixture_models);
	snprintf(path, sizeof(path), "%s/alloc", rig->fixture.dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_eq(ftruncate(fd, sizeof(*rig->control)), 0);
	rig->control = mmap(NULL, sizeof(*rig->control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq((void *)rig->control, MAP_FAILED);
	close(fd);
	/* For the daemon, which is started by this process; this process itself is past the loader. */
	setenv("FAILING_ALLOC", path, 1);
	setenv("LD_PRELOAD", FAILING_ALLOC_LIBRARY, 1);
}

static void rig_finish(struct rig *rig)
{
	atomic_store(&rig->control->left, 0);
	fixture_stop(&rig->fixture);
	munmap(rig->control, sizeof(*rig->control));
}

/* Everything that a client does; 0, or the first error. */
static int use(const char *socket)
{
	struct inferd_stream_options options = {.model = "tiny", .buffer_bytes = sizeof(white)};
	const struct inferd_result *result;
	struct inferd_stream *stream;
	struct inferd *client;
	char *text;
	int rc = inferd_connect(socket, "test", &client);

	if (rc < 0)
		return rc;
	rc = inferd_stream_open(client, &options, &stream);
	for (int i = 0; rc == 0 && i < 2; i++) {
		rc = inferd_run(stream, &white_frame, 60000, &result);
		if (rc == 0 && result->status != INFERD_OK)
			rc = -EIO;
	}
	if (rc == 0) {
		rc = inferd_query(client, "stats", 60000, &text);
		if (rc == 0)
			inferd_text_free(text);
	}
	inferd_close(client);
	return rc;
}

static int reload(const char *socket)
{
	struct inferd *client;
	char *text;
	int rc = inferd_connect(socket, "test", &client);

	if (rc < 0)
		return rc;
	rc = inferd_query(client, "reload", 60000, &text);
	if (rc == 0)
		inferd_text_free(text);
	inferd_close(client);
	return rc;
}

/* By renaming: what is mapped must not be written to. */
static void replace_network(struct rig *rig)
{
	static const char *const suffixes[] = {"param", "bin"};
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/new", rig->fixture.dir);
	tiny_network_write(from, 32, 4);
	for (int i = 0; i < 2; i++) {
		snprintf(from, sizeof(from), "%s/new.%s", rig->fixture.dir, suffixes[i]);
		snprintf(to, sizeof(to), "%s/tiny.%s", rig->fixture.dir, suffixes[i]);
		cr_assert_eq(rename(from, to), 0);
	}
}

static long step_over(long n)
{
	return getenv("INFERD_TEST_LONG") || n <= SAMPLES ? 1 : n / SAMPLES;
}

Test(alloc, a_client_may_fail_and_the_next_is_served)
{
	struct rig rig;
	long failed = 0, fds;

	rig_init(&rig);
	fixture_start(&rig.fixture);
	cr_assert_eq(use(rig.fixture.socket), 0);
	fds = fixture_count_fds(&rig.fixture);
	for (long n = 1;; n++) {
		int rc;

		atomic_store(&rig.control->left, n);
		rc = use(rig.fixture.socket);
		if (atomic_exchange(&rig.control->left, 0) > 0)
			break; /* it took fewer than n allocations */
		failed += rc < 0;
		cr_assert_eq(use(rig.fixture.socket), 0, "after allocation %ld failed", n);
		cr_assert_lt(n, 100000);
	}
	cr_assert_gt(failed, 3);
	/* The daemon closes in its own time; every use is some rounds of its loop. */
	for (int i = 0; i < 1000 && fixture_count_fds(&rig.fixture) != fds; i++)
		use(rig.fixture.socket);
	cr_assert_eq(fixture_count_fds(&rig.fixture), fds);
	rig_finish(&rig);
}

Test(alloc, a_reload_may_fail_and_what_serves_goes_on)
{
	struct rig rig;
	long failed = 0, n_allocations, before;

	rig_init(&rig);
	fixture_start(&rig.fixture);
	for (long n = 1;; n += step_over(n_allocations)) {
		int rc;

		/* A network that has changed is loaded anew. */
		replace_network(&rig);
		before = atomic_load(&rig.control->count);
		atomic_store(&rig.control->left, n);
		rc = reload(rig.fixture.socket);
		n_allocations = atomic_load(&rig.control->count) - before;
		if (atomic_exchange(&rig.control->left, 0) > 0)
			break;
		failed += rc < 0;
		cr_assert_eq(use(rig.fixture.socket), 0, "after allocation %ld failed", n);
	}
	cr_assert_gt(failed, 3);
	cr_assert_eq(reload(rig.fixture.socket), 0);
	rig_finish(&rig);
}

Test(alloc, a_start_fails_with_a_word_or_serves)
{
	struct rig rig;
	long n_allocations, failed = 0;

	rig_init(&rig);
	fixture_start(&rig.fixture);
	n_allocations = atomic_load(&rig.control->count);
	fixture_end_daemon(&rig.fixture);
	for (long n = 1; n < n_allocations; n += step_over(n_allocations)) {
		atomic_store(&rig.control->left, n);
		if (fixture_try_start(&rig.fixture)) {
			atomic_store(&rig.control->left, 0);
			cr_assert_eq(use(rig.fixture.socket), 0, "allocation %ld of the start failed", n);
			fixture_end_daemon(&rig.fixture);
		} else {
			failed++;
		}
	}
	cr_assert_gt(failed, 3);
	atomic_store(&rig.control->left, 0);
	fixture_start(&rig.fixture);
	rig_finish(&rig);
}
