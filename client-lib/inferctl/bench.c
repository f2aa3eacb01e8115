/*
 * bench.c - inferctl bench: how many frames, how fast, and what the daemon adds to the inference itself.
 *
 * Every client is a thread with a connection and a stream of its own.  Frames are synthetic (synth.c), made once in
 * the stream's shared buffers, so that what is measured is serving and not the making of pictures.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "pingpong.h"
#include "synth.h"

#define CLIENTS_MAX 256
#define BUFFERS	    3
#define PINGPONGS   2000 /* before, and again after */
/* The time that cores rest while a frame is run by others. */
#define PAUSE_US	5000
#define PACED_PINGPONGS 100
#define DRAIN_LIMIT_MS	30000

static const char help[] =
	"usage: inferctl bench MODEL [OPTION...]\n"
	"\n"
	"Submits synthetic frames (a moving gradient with noise) and measures what comes back.\n"
	"\n"
	"  --clients N    connections, each with a thread and a stream (default 1)\n"
	"  --seconds S    how long to submit (default 5)\n"
	"  --fps F        frames a second and client; default: closed loop, the next frame when one is answered\n"
	"  --size WxH     of the frames (default 640x480)\n"
	"  --format NAME  nv12 nv21 i420 yuyv rgb bgr rgba bgra gray8 (default nv12)\n"
	"  --deadline MS  of every frame (default: the model's)\n"
	"  --full         always the most accurate way the model can be run\n"
	"  --rung NAME    always this way\n"
	"  --json         one object\n"
	"\n"
	"ms: submission to result of the frames answered. late: answered after their deadline. dropped: not answered;\n"
	"with --fps also frames that were due while all of the client's buffers were in use.\n"
	"overhead_us: submission to result, less waiting while other frames were run, preprocessing and inference.\n"
	"pingpong_us: median of 64 bytes there and back over a Unix socket between two processes on different cores,\n"
	"measured right before and after.\n";

struct options {
	const char *model, *rung;
	uint32_t n_clients, width, height, deadline_us;
	enum inferd_format format;
	bool full;
	double fps, seconds;
};

/* Growing list of measurements. */
struct samples {
	float *values;
	size_t count, capacity;
};

struct worker {
	const struct options *options;
	const struct cli *cli;
	pthread_t thread;
	pthread_barrier_t *start;
	struct inferd *client;
	struct inferd_stream *stream;
	uint32_t deadline_us;
	unsigned in_flight;
	uint64_t sent, answered, late, dropped;
	struct samples rtt_us, overhead_us;
	double elapsed_s;
	char error[512];
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void add_sample(struct samples *samples, float value)
{
	if (samples->count == samples->capacity) {
		size_t capacity = samples->capacity ? 2 * samples->capacity : 4096;
		float *values = realloc(samples->values, capacity * sizeof(*values));

		if (!values)
			return;
		samples->values = values;
		samples->capacity = capacity;
	}
	samples->values[samples->count++] = value;
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return (x > y) - (x < y);
}

/* Of sorted samples, nearest rank; 0 when there are none. */
static double quantile(const struct samples *samples, double share)
{
	size_t rank = (size_t)(share * (double)samples->count);

	if (!samples->count)
		return 0;
	return samples->values[rank < samples->count ? rank : samples->count - 1];
}

/* ---- one client ----------------------------------------------------------------------------------- */

static void on_result(struct inferd_stream *stream, const struct inferd_result *result, void *user)
{
	struct worker *worker = user;
	int64_t overhead;

	(void)stream;
	worker->in_flight--;
	if (result->status == INFERD_FAILED && !worker->error[0])
		snprintf(worker->error, sizeof(worker->error), "%s", result->text);
	if (result->status != INFERD_OK) {
		worker->dropped++;
		return;
	}
	worker->answered++;
	if (worker->deadline_us && result->round_trip_us > worker->deadline_us)
		worker->late++;
	overhead = (int64_t)result->round_trip_us - result->wait_us - result->preprocess_us - result->inference_us;
	add_sample(&worker->rtt_us, (float)result->round_trip_us);
	add_sample(&worker->overhead_us, overhead > 0 ? (float)overhead : 0);
}

static void keep_error(struct worker *worker)
{
	if (!worker->error[0])
		snprintf(worker->error, sizeof(worker->error), "%s", inferd_error(worker->client));
}

static int open_stream(struct worker *worker)
{
	const struct options *options = worker->options;
	struct inferd_stream_options stream_options = {
		.model = options->model,
		.n_buffers = BUFFERS,
		.buffer_bytes = inferd_frame_bytes(options->format, options->width, options->height),
		.deadline_us = options->deadline_us,
		.full = options->full,
		.rung = options->rung,
		.on_result = on_result,
		.user = worker,
	};
	struct inferd_buffer buffers[BUFFERS];
	unsigned n = 0;

	if (inferd_stream_open(worker->client, &stream_options, &worker->stream) < 0) {
		keep_error(worker);
		return -EIO;
	}
	worker->deadline_us = options->deadline_us ? options->deadline_us : inferd_stream_deadline_us(worker->stream);
	while (n < BUFFERS && inferd_acquire(worker->stream, &buffers[n]) == 0) {
		synth_draw(options->format, options->width, options->height, buffers[n].index, buffers[n].data);
		n++;
	}
	while (n > 0)
		inferd_release(worker->stream, &buffers[--n]);
	return 0;
}

/* 0, 1 all buffers are in use, or a negative errno. */
static int submit(struct worker *worker)
{
	struct inferd_frame frame = {
		.format = worker->options->format,
		.width = worker->options->width,
		.height = worker->options->height,
	};
	struct inferd_buffer buffer;
	int r = inferd_acquire(worker->stream, &buffer);

	if (r == -EAGAIN)
		return 1;
	if (r == 0)
		r = inferd_submit(worker->stream, &buffer, &frame, NULL);
	if (r < 0) {
		keep_error(worker);
		return r;
	}
	worker->sent++;
	worker->in_flight++;
	return 0;
}

static int dispatch(struct worker *worker, int timeout_ms)
{
	int n = inferd_dispatch(worker->client, timeout_ms);

	if (n < 0)
		keep_error(worker);
	return n;
}

static void closed_loop(struct worker *worker, uint64_t end_ns)
{
	while (now_ns() < end_ns) {
		if (submit(worker) < 0)
			return;
		while (worker->in_flight) {
			int n = dispatch(worker, DRAIN_LIMIT_MS);

			if (n > 0)
				continue;
			if (n == 0)
				snprintf(worker->error, sizeof(worker->error), "no answer within %d s",
					 DRAIN_LIMIT_MS / 1000);
			return;
		}
	}
}

static int wait_until(struct worker *worker, uint64_t due_ns)
{
	for (uint64_t now = now_ns(); now < due_ns; now = now_ns()) {
		uint64_t left_ns = due_ns - now;
		struct timespec rest = {0, (long)left_ns};

		if (left_ns < 1000000)
			nanosleep(&rest, NULL);
		else if (dispatch(worker, (int)(left_ns / 1000000)) < 0)
			return -EIO;
	}
	/* What came during the last millisecond frees its buffer. */
	return dispatch(worker, 0) < 0 ? -EIO : 0;
}

static void paced(struct worker *worker, uint64_t end_ns)
{
	double period_ns = 1e9 / worker->options->fps;
	uint64_t start_ns = now_ns();

	for (uint64_t n = 0;; n++) {
		uint64_t due_ns = start_ns + (uint64_t)((double)n * period_ns);
		int r;

		if (due_ns >= end_ns)
			return;
		if (wait_until(worker, due_ns) < 0)
			return;
		r = submit(worker);
		if (r < 0)
			return;
		if (r == 1) {
			worker->sent++;
			worker->dropped++;
		}
	}
}

static void *work(void *argument)
{
	struct worker *worker = argument;
	uint64_t start_ns, end_ns;

	pthread_barrier_wait(worker->start);
	if (worker->error[0])
		return NULL;
	start_ns = now_ns();
	end_ns = start_ns + (uint64_t)(worker->options->seconds * 1e9);
	if (worker->options->fps > 0)
		paced(worker, end_ns);
	else
		closed_loop(worker, end_ns);
	worker->elapsed_s = (double)(now_ns() - start_ns) / 1e9;
	end_ns = now_ns() + DRAIN_LIMIT_MS * 1000000ull;
	while (worker->in_flight && !worker->error[0] && now_ns() < end_ns)
		dispatch(worker, 1000);
	return NULL;
}

/* ---- all of them ---------------------------------------------------------------------------------- */

static void show_progress(const struct options *options)
{
	double seconds = options->seconds;

	if (!isatty(STDERR_FILENO)) {
		return;
	}
	for (double passed = 0; passed < seconds; passed += 0.5) {
		struct timespec step = {0, 500000000};

		fprintf(stderr, "\r%u client%s, %.0f of %.0f s ", options->n_clients,
			options->n_clients == 1 ? "" : "s", passed, seconds);
		nanosleep(&step, NULL);
	}
	fputs("\r\033[K", stderr);
}

static void connect_worker(struct worker *worker)
{
	worker->client = cli_connect(worker->cli);
	if (!worker->client)
		snprintf(worker->error, sizeof(worker->error), "no connection");
	else
		open_stream(worker);
}

/* Connections are made one after the other before the start, so that clients run at the same time. */
static int run_workers(struct worker *workers, const struct cli *cli, const struct options *options)
{
	pthread_barrier_t start;
	uint32_t n_started = 0;
	int r = 0;

	for (uint32_t i = 0; i < options->n_clients && r == 0; i++) {
		workers[i] = (struct worker){.options = options, .cli = cli, .start = &start};
		connect_worker(&workers[i]);
		if (workers[i].error[0]) {
			cli_complain("client %u: %s", i + 1, workers[i].error);
			r = -EIO;
		}
	}
	if (r < 0)
		return r;
	pthread_barrier_init(&start, NULL, options->n_clients + 1);
	for (; n_started < options->n_clients; n_started++)
		if (pthread_create(&workers[n_started].thread, NULL, work, &workers[n_started]) != 0)
			break;
	if (n_started < options->n_clients) {
		/* The ones that wait at the barrier could only be let go by as many more. */
		cli_complain("cannot start %u threads", options->n_clients);
		exit(EXIT_FAILED);
	}
	pthread_barrier_wait(&start);
	show_progress(options);
	for (uint32_t i = 0; i < n_started; i++)
		pthread_join(workers[i].thread, NULL);
	pthread_barrier_destroy(&start);
	for (uint32_t i = 0; i < n_started; i++) {
		if (!workers[i].error[0])
			continue;
		cli_complain("client %u: %s", i + 1, workers[i].error);
		r = -EIO;
	}
	return r;
}

struct totals {
	uint64_t sent, answered, late, dropped;
	double elapsed_s, fps;
	struct samples rtt_us, overhead_us;
	double pingpong_us, paced_pingpong_us;
};

static void merge(struct samples *into, const struct samples *from)
{
	for (size_t i = 0; i < from->count; i++)
		add_sample(into, from->values[i]);
}

static void sum_up(const struct worker *workers, uint32_t n_workers, struct totals *totals)
{
	for (uint32_t i = 0; i < n_workers; i++) {
		const struct worker *worker = &workers[i];

		totals->sent += worker->sent;
		totals->answered += worker->answered;
		totals->late += worker->late;
		totals->dropped += worker->dropped;
		totals->fps += worker->elapsed_s > 0 ? (double)worker->answered / worker->elapsed_s : 0;
		if (worker->elapsed_s > totals->elapsed_s)
			totals->elapsed_s = worker->elapsed_s;
		merge(&totals->rtt_us, &worker->rtt_us);
		merge(&totals->overhead_us, &worker->overhead_us);
	}
	qsort(totals->rtt_us.values, totals->rtt_us.count, sizeof(float), compare);
	qsort(totals->overhead_us.values, totals->overhead_us.count, sizeof(float), compare);
}

static double client_fps(const struct worker *worker)
{
	return worker->elapsed_s > 0 ? (double)worker->answered / worker->elapsed_s : 0;
}

static void print_json(const struct options *options, const struct worker *workers, const struct totals *totals)
{
	printf("{\"clients\":%u,\"seconds\":%.3f,\"sent\":%llu,\"answered\":%llu,\"late\":%llu,\"dropped\":%llu,\"fps\":%.2f,"
	       "\"client_fps\":[",
	       options->n_clients, totals->elapsed_s, (unsigned long long)totals->sent,
	       (unsigned long long)totals->answered, (unsigned long long)totals->late,
	       (unsigned long long)totals->dropped, totals->fps);
	for (uint32_t i = 0; i < options->n_clients; i++)
		printf("%s%.2f", i ? "," : "", client_fps(&workers[i]));
	printf("],\"ms\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},\"overhead_us\":{\"p50\":%.1f,\"p99\":%.1f},"
	       "\"pingpong_us\":%.2f}\n",
	       quantile(&totals->rtt_us, 0.5) / 1e3, quantile(&totals->rtt_us, 0.9) / 1e3,
	       quantile(&totals->rtt_us, 0.99) / 1e3, quantile(&totals->rtt_us, 1) / 1e3,
	       quantile(&totals->overhead_us, 0.5), quantile(&totals->overhead_us, 0.99), totals->pingpong_us);
}

static void print_human(const struct options *options, const struct worker *workers, const struct totals *totals)
{
	printf("%u client%s for %.1f s: %llu sent, %llu answered (%llu late), %llu dropped, %.1f frames/s\n",
	       options->n_clients, options->n_clients == 1 ? "" : "s", totals->elapsed_s,
	       (unsigned long long)totals->sent, (unsigned long long)totals->answered, (unsigned long long)totals->late,
	       (unsigned long long)totals->dropped, totals->fps);
	printf("latency   p50 %.3f ms  p90 %.3f ms  p99 %.3f ms  max %.3f ms\n", quantile(&totals->rtt_us, 0.5) / 1e3,
	       quantile(&totals->rtt_us, 0.9) / 1e3, quantile(&totals->rtt_us, 0.99) / 1e3,
	       quantile(&totals->rtt_us, 1) / 1e3);
	printf("overhead  p50 %.1f us  p99 %.1f us  (a bare ping-pong takes %.1f us, and %.1f us after %d ms of rest)\n",
	       quantile(&totals->overhead_us, 0.5), quantile(&totals->overhead_us, 0.99), totals->pingpong_us,
	       totals->paced_pingpong_us, PAUSE_US / 1000);
	if (options->n_clients == 1)
		return;
	fputs("clients  ", stdout);
	for (uint32_t i = 0; i < options->n_clients; i++)
		printf(" %.1f", client_fps(&workers[i]));
	puts(" frames/s");
}

static int bench(const struct cli *cli, const struct options *options)
{
	struct worker *workers = calloc(options->n_clients, sizeof(*workers));
	float *round_trips = malloc(2 * PINGPONGS * sizeof(*round_trips));
	struct totals totals = {0};
	int r = workers && round_trips ? pingpong_measure(round_trips, PINGPONGS, 0) : -ENOMEM;

	if (r < 0)
		cli_complain("the ping-pong cannot be measured: %s", strerror(-r));
	else
		r = run_workers(workers, cli, options);
	if (r == 0) {
		r = pingpong_measure(round_trips + PINGPONGS, PINGPONGS, 0);
		qsort(round_trips, 2 * PINGPONGS, sizeof(*round_trips), compare);
		totals.pingpong_us = round_trips[PINGPONGS];
	}
	if (r == 0 && !cli->json) {
		r = pingpong_measure(round_trips, PACED_PINGPONGS, PAUSE_US);
		qsort(round_trips, PACED_PINGPONGS, sizeof(*round_trips), compare);
		totals.paced_pingpong_us = round_trips[PACED_PINGPONGS / 2];
	}
	if (r == 0) {
		sum_up(workers, options->n_clients, &totals);
		if (cli->json)
			print_json(options, workers, &totals);
		else
			print_human(options, workers, &totals);
	}
	for (uint32_t i = 0; workers && i < options->n_clients; i++) {
		inferd_close(workers[i].client);
		free(workers[i].rtt_us.values);
		free(workers[i].overhead_us.values);
	}
	free(totals.rtt_us.values);
	free(totals.overhead_us.values);
	free(round_trips);
	free(workers);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

static bool parse_size(const char *text, struct options *options)
{
	int end = 0;

	if (sscanf(text, "%5ux%5u%n", &options->width, &options->height, &end) == 2 && !text[end] &&
	    inferd_frame_bytes(INFERD_GRAY8, options->width, options->height))
		return true;
	cli_complain("--size takes WIDTHxHEIGHT, each within 1..%d, not '%s'", INFERD_SIDE_MAX, text);
	return false;
}

static bool bench_option(struct options *options, int option)
{
	double ms;

	switch (option) {
	case 'c':
		return cli_whole("--clients", optarg, 1, CLIENTS_MAX, &options->n_clients);
	case 's':
		return cli_number("--seconds", optarg, 0.01, 86400, &options->seconds);
	case 'p':
		return cli_number("--fps", optarg, 0.01, 100000, &options->fps);
	case 'z':
		return parse_size(optarg, options);
	case 'o':
		if (synth_format(optarg, &options->format))
			return true;
		cli_complain("--format does not know '%s'", optarg);
		return false;
	case 'd':
		if (!cli_number("--deadline", optarg, 0.001, 600000, &ms))
			return false;
		options->deadline_us = (uint32_t)(ms * 1000 + 0.5);
		return true;
	case 'f':
		options->full = true;
		return true;
	default:
		options->rung = optarg;
		return true;
	}
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
	static const struct option long_options[] = {{"clients", required_argument, NULL, 'c'},
						     {"seconds", required_argument, NULL, 's'},
						     {"fps", required_argument, NULL, 'p'},
						     {"size", required_argument, NULL, 'z'},
						     {"format", required_argument, NULL, 'o'},
						     {"deadline", required_argument, NULL, 'd'},
						     {"full", no_argument, NULL, 'f'},
						     {"rung", required_argument, NULL, 'r'},
						     CLI_OPTIONS};
	struct options options = {.n_clients = 1, .seconds = 5, .width = 640, .height = 480, .format = INFERD_NV12};
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		int status = -1;

		if (strchr("cspzodfr", option)) {
			if (!bench_option(&options, option))
				return EXIT_USAGE;
		} else {
			status = cli_option(cli, option, help);
		}
		if (status >= 0)
			return status;
	}
	if (argc - optind != 1)
		return cli_misuse(help);
	options.model = argv[optind];
	return bench(cli, &options);
}
