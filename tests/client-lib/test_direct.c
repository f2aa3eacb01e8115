/*
 * test_direct.c - cameras whose buffers the daemon reads where they are: the feed of inferctl between a driver made
 * here and a real daemon.  And the real one where there is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client-lib/inferctl/feed.h"
#include "made_camera.h"
#include "shell.h"
#include "support/test.h"
#include "support/tiny_network.h"

TEST_SUITE(direct);

#define SEALS	    (F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define FRAME_BYTES (DRIVER_WIDTH * DRIVER_HEIGHT)
#define BUFFERS	    6

struct rig {
	struct fixture fixture;
	struct driver driver;
	struct camera_ops ops;
	struct source_error error;
	struct stream_options options;
	struct feed feed;
	/* by on_answer() */
	int n_answers;
	char label[16];
};

static void on_answer(void *user, const struct feed_job *job, const struct inferd_result *result)
{
	struct rig *rig = user;

	(void)job;
	rig->n_answers++;
	snprintf(rig->label, sizeof(rig->label), "%s", result->n_items ? result->items[0].label : "");
}

/* A daemon with fixture_models and a segmenter, and a camera of this driver. */
static void rig_start(struct rig *rig, const char *model)
{
	struct source_options options = {.camera = &rig->ops};
	char stem[256], models[1024];

	fixture_init(&rig->fixture);
	snprintf(stem, sizeof(stem), "%s/segmenter", rig->fixture.dir);
	tiny_segmenter_write(stem, 32);
	snprintf(
		models, sizeof(models),
		"%s  - {name: masks, task: segment, deadline_ms: 60000, variants: [{name: v, file: segmenter.param}]}\n",
		fixture_models);
	fixture_configure(&rig->fixture, models);
	fixture_start(&rig->fixture);
	rig->ops = driver_ops(&rig->driver);
	rig->options.model = model;
	rig->feed = (struct feed){.options = &rig->options,
				  .mode = INFERD_EVERY,
				  .n_buffers = FEED_BUFFERS_MAX,
				  .on_answer = on_answer,
				  .user = rig};
	cr_assert_eq(inferd_connect(rig->fixture.socket, "direct", &rig->feed.client), 0);
	cr_assert_eq(source_open_with("/dev/made", &options, &rig->error, &rig->feed.source), 0, "%s", rig->error.text);
}

static void rig_init(struct rig *rig, const char *model, uint32_t n_buffers, int seals)
{
	memset(rig, 0, sizeof(*rig));
	rig->driver = driver_gray();
	rig->driver.n_buffers = n_buffers;
	driver_export(&rig->driver, seals);
	rig_start(rig, model);
}

static void rig_finish(struct rig *rig)
{
	inferd_close(rig->feed.client);
	source_close(rig->feed.source);
	cr_assert(!rig->driver.opened && !rig->driver.streaming && rig->driver.n_mapped == 0);
	driver_end_export(&rig->driver);
	fixture_stop(&rig->fixture);
}

/* The camera's next frame, on its way to the daemon. */
static void submit(struct rig *rig, uint8_t brightness)
{
	struct source_frame frame;

	driver_add_step(&rig->driver, (struct driver_step){.bytes_used = FRAME_BYTES, .brightness = brightness});
	driver_add_step(&rig->driver, (struct driver_step){.error = -EAGAIN});
	cr_assert_eq(source_try(rig->feed.source, &rig->error, &frame), 0, "%s", rig->error.text);
	cr_assert_eq(feed_submit(&rig->feed, &frame), 0, "%s", inferd_error(rig->feed.client));
}

static void expect_label(struct rig *rig, uint8_t brightness, const char *label)
{
	submit(rig, brightness);
	cr_assert_eq(feed_drain(&rig->feed), 0);
	cr_assert_str_eq(rig->label, label);
}

/* Mappings of the camera's memories in the daemon. */
static int count_mapped(const struct rig *rig)
{
	char path[64], line[512];
	int n = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)rig->fixture.pid);
	maps = fopen(path, "r");
	cr_assert_not_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "/memfd:camera") != NULL;
	fclose(maps);
	return n;
}

Test(direct, no_byte_of_a_frame_is_copied)
{
	struct rig rig;

	rig_init(&rig, "tiny", BUFFERS, SEALS);
	for (int i = 0; i < 9; i++)
		expect_label(&rig, i % 2 ? 255 : 0, i % 2 ? "white" : "black");
	cr_assert(rig.feed.direct);
	cr_assert_eq(rig.feed.copied_bytes, (uint64_t)0);
	cr_assert_eq(count_mapped(&rig), BUFFERS, "the daemon reads the camera's own memories");
	cr_assert_eq(rig.n_answers, 9);
	cr_assert(!rig.feed.failed);
	rig_finish(&rig);
}

/* The driver must not fill what waits to be run, and has two buffers at any time. */
Test(direct, buffers_come_back_with_their_answers)
{
	struct rig rig;
	uint32_t n = 0;

	rig_init(&rig, "tiny", BUFFERS, SEALS);
	while (feed_has_room(&rig.feed)) {
		submit(&rig, 255);
		cr_assert_eq(driver_count_queued(&rig.driver), BUFFERS - ++n);
	}
	cr_assert_eq(n, (uint32_t)BUFFERS - 2);
	cr_assert_eq(rig.feed.in_flight, n);
	cr_assert_eq(feed_drain(&rig.feed), 0);
	cr_assert_eq(driver_count_queued(&rig.driver), (uint32_t)BUFFERS);
	cr_assert_eq(rig.n_answers, (int)n);
	cr_assert(feed_has_room(&rig.feed));
	rig_finish(&rig);
}

Test(direct, what_the_daemon_does_not_take_is_copied)
{
	static const struct {
		const char *model;
		uint32_t n_buffers;
		int seals;
	} cases[] = {
		{"tiny", BUFFERS, 0},				 /* memory that may shrink */
		{"tiny", BUFFERS, F_SEAL_GROW | F_SEAL_SHRINK},	 /* or is not sealed for good */
		{"masks", BUFFERS, SEALS | F_SEAL_FUTURE_WRITE}, /* answers are written into the buffers */
		{"tiny", 4, SEALS},				 /* too few to go without those in use */
		{"tiny", 2, SEALS},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rig rig;

		rig_init(&rig, cases[i].model, cases[i].n_buffers, cases[i].seals);
		for (int j = 0; j < 4; j++) {
			submit(&rig, 255);
			cr_assert_eq(feed_drain(&rig.feed), 0);
		}
		cr_assert_eq(rig.n_answers, 4, "case %zu", i);
		cr_assert(!rig.feed.direct && !rig.feed.failed, "case %zu", i);
		cr_assert_eq(rig.feed.copied_bytes, (uint64_t)4 * FRAME_BYTES, "case %zu", i);
		cr_assert_eq(count_mapped(&rig), 0, "case %zu", i);
		rig_finish(&rig);
	}
}

Test(direct, a_driver_that_exports_only_some_exports_none)
{
	int before = test_count_fds();

	for (int passes = 0; passes < BUFFERS; passes++) {
		struct rig rig = {.driver = driver_gray()};
		const int *fds;
		size_t bytes;

		rig.driver.n_buffers = BUFFERS;
		driver_export(&rig.driver, SEALS);
		rig.driver.failing = VIDIOC_EXPBUF;
		rig.driver.failure = passes % 2 ? -ENOTTY : -EMFILE;
		rig.driver.failures = 1;
		rig.driver.passes = passes;
		rig_start(&rig, "tiny");
		cr_assert_eq(source_memory(rig.feed.source, &fds, &bytes), 0u);
		expect_label(&rig, 255, "white");
		cr_assert_eq(rig.feed.copied_bytes, (uint64_t)FRAME_BYTES);
		rig_finish(&rig);
		cr_assert_eq(test_count_fds(), before);
	}
}

Test(direct, a_daemon_that_comes_back_gets_the_same_memories)
{
	struct rig rig;
	int status;

	rig_init(&rig, "tiny", BUFFERS, SEALS);
	expect_label(&rig, 255, "white");
	fixture_signal(&rig.fixture, SIGSTOP);
	submit(&rig, 0);
	submit(&rig, 0);
	fixture_signal(&rig.fixture, SIGKILL);
	cr_assert_eq(waitpid(rig.fixture.pid, &status, 0), rig.fixture.pid);
	cr_assert_eq(feed_drain(&rig.feed), 0);
	cr_assert_eq(rig.feed.n_lost, (uint64_t)2);
	cr_assert_eq(driver_count_queued(&rig.driver), (uint32_t)BUFFERS, "buffers of lost frames come back");
	rig.feed.failed = false;
	fixture_start(&rig.fixture);
	expect_label(&rig, 0, "black");
	expect_label(&rig, 255, "white");
	cr_assert(rig.feed.direct && !rig.feed.failed);
	cr_assert_eq(rig.feed.copied_bytes, (uint64_t)0);
	cr_assert_eq(count_mapped(&rig), BUFFERS);
	rig_finish(&rig);
}

Test(direct, the_client_ends_with_frames_in_flight)
{
	int before = test_count_fds();
	struct rig rig;

	rig_init(&rig, "slow", BUFFERS, SEALS);
	for (int i = 0; i < 4; i++)
		submit(&rig, 255);
	rig_finish(&rig);
	cr_assert_eq(rig.n_answers, 0);
	cr_assert_eq(driver_count_queued(&rig.driver), (uint32_t)BUFFERS);
	cr_assert_eq(test_count_fds(), before);
}

Test(direct, a_buffer_that_the_driver_does_not_take_back_is_complained_about)
{
	struct rig rig;

	rig_init(&rig, "tiny", BUFFERS, SEALS);
	submit(&rig, 255);
	rig.driver.failing = VIDIOC_QBUF;
	rig.driver.failure = -ENODEV;
	rig.driver.failures = 1;
	cr_assert_eq(feed_drain(&rig.feed), 0);
	cr_assert_eq(rig.n_answers, 1);
	cr_assert(rig.feed.failed);
	rig_finish(&rig);
}

Test(direct, a_driver_that_gives_a_buffer_it_does_not_have_ends)
{
	struct source_frame frame;
	struct rig rig;

	rig_init(&rig, "slow", BUFFERS, SEALS);
	submit(&rig, 255);
	submit(&rig, 255);
	cr_assert(rig.feed.jobs[1].kept && rig.feed.jobs[1].buffer == 1);
	rig.driver.wrong_index = 1;
	driver_add_frame(&rig.driver, 0);
	cr_assert_eq(source_try(rig.feed.source, &rig.error, &frame), -EPROTO);
	cr_assert_not_null(strstr(rig.error.text, "the driver gave buffer 1, which it does not have"), "%s",
			   rig.error.text);
	cr_assert_eq(feed_drain(&rig.feed), 0);
	rig_finish(&rig);
}

/*
 * All of it: inferctl finds a device, and takes it for a camera by its number.  Its buffers are copied where there are
 * too few, and where they are not exported.
 */
Test(direct, inferctl_watches_a_camera)
{
	static const struct {
		const char *environment;
		bool direct;
	} cases[] = {{"MADE_VIDEO_BUFFERS=6", true},
		     {"MADE_VIDEO_BUFFERS=5", true},
		     {"MADE_VIDEO_BUFFERS=4", false},
		     {"MADE_VIDEO_EXPORT=0", false}};
	char path[256], command[1024], out[SHELL_TEXT_MAX];
	struct fixture fixture;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(INFERD_SANITIZED)
	cr_skip_test("sanitizers want to be loaded before the camera");
#endif
	fixture_init(&fixture);
	fixture_configure(&fixture, fixture_models);
	fixture_start(&fixture);
	snprintf(path, sizeof(path), "%s/made-video", fixture.dir);
	if (mknod(path, S_IFCHR | 0600, makedev(81, 0)) < 0) {
		fixture_stop(&fixture);
		cr_skip_test("no device can be made here");
	}
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(command, sizeof(command), "%s LD_PRELOAD='%s' '%s' watch tiny made-video --frames 30 --top 1",
			 cases[i].environment, MADE_VIDEO_LIBRARY, INFERCTL_BINARY);
		cr_assert_eq(shell_run(&fixture, command, out), 0, "%s:\n%s", command, out);
		cr_assert_not_null(strstr(out, "30 frames in"), "%s:\n%s", command, out);
		cr_assert_not_null(strstr(out, "frame 0: black"), "%s:\n%s", command, out);
		cr_assert_eq(strstr(out, "none was copied") != NULL, cases[i].direct, "%s:\n%s", command, out);
		/* Two are the driver's at any time, before it fills the one that is taken. */
		cr_assert(!strstr(out, "made-video: 0 buffers") && !strstr(out, "made-video: 1 buffers"), "%s:\n%s",
			  command, out);
	}
	fixture_stop(&fixture);
}

Test(direct, the_camera_of_this_machine)
{
	struct source_frame frame;
	const int *fds;
	size_t bytes;
	struct rig rig;

	if (access("/dev/video0", R_OK | W_OK) != 0)
		cr_skip_test("no camera at /dev/video0");
	rig_init(&rig, "tiny", BUFFERS, SEALS);
	source_close(rig.feed.source);
	cr_assert_eq(source_open("/dev/video0", &rig.error, &rig.feed.source), 0, "%s", rig.error.text);
	if (source_memory(rig.feed.source, &fds, &bytes) < 5)
		cr_skip_test("the driver of /dev/video0 exports none of its buffers, or too few");
	for (int i = 0; i < 8; i++) {
		cr_assert_eq(source_next(rig.feed.source, &rig.error, &frame), 0, "%s", rig.error.text);
		cr_assert_eq(feed_submit(&rig.feed, &frame), 0);
		cr_assert_eq(feed_drain(&rig.feed), 0);
	}
	cr_assert(rig.feed.direct);
	cr_assert_eq(rig.feed.copied_bytes, (uint64_t)0);
	rig_finish(&rig);
}
