/*
 * bench.c - inferctl bench: how many frames, how fast, how fairly, and what the daemon adds to the inference itself.
 *
 * One thread for each client (load.c); this sums up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "load.h"
#include "pingpong.h"
#include "synth.h"

#define CLIENTS_MAX 256
#define LIST_MAX    16
#define PINGPONGS   2000 /* before, and again after */
/* The time that cores rest while a frame is run by others. */
#define PAUSE_US	5000
#define PACED_PINGPONGS 100

static const char help[] =
	"usage: inferctl bench MODEL... [OPTION...]\n"
	"\n"
	"Submits synthetic frames (a moving gradient with noise) and measures what comes back.  Several models are dealt to\n"
	"the clients in turn, and so are the entries of lists.\n"
	"\n"
	"  --clients N          connections, each with a thread (default 1)\n"
	"  --streams N          of each client (default 1)\n"
	"  --in-flight N        frames of a stream at a time in a closed loop (default 1)\n"
	"  --seconds S          how long to submit (default 5)\n"
	"  --fps F              open loop: frames a second and stream, due whatever was answered; default: closed loop,\n"
	"                       the next frame when one is answered\n"
	"  --poisson            with --fps: gaps drawn from an exponential distribution\n"
	"  --seed N             of what is drawn (default 1)\n"
	"  --latest             newer frames replace those that wait, here and in the daemon\n"
	"  --weights A,B,...    shares asked for\n"
	"  --priorities P,...   low, normal, high\n"
	"  --size WxH           of the frames (default 640x480)\n"
	"  --format NAME        nv12 nv21 i420 yuyv rgb bgr rgba bgra gray8 (default nv12)\n"
	"  --deadline MS        of every frame (default: the model's)\n"
	"  --full               always the most accurate way the model can be run\n"
	"  --rung NAME          always this way\n"
	"  --json               one object\n"
	"\n"
	"ms: of the frames answered, from submission, or in an open loop from when they were due, to the result. late:\n"
	"answered after their deadline. dropped: not answered, by cause; busy: with --latest, due while all of the stream's\n"
	"buffers were in use; away: due while the daemon was away.\n"
	"service_ms: from submission. overhead_us: the same, less waiting while other frames were run, preprocessing and\n"
	"inference. fairness: Jain's index of the clients' rates over their weights, 1 is even (Jain, Chiu, Hawe, 1984).\n"
	"pingpong_us: median of 64 bytes there and back over a Unix socket between two processes on different cores,\n"
	"measured right before and after.\n";

struct options {
	struct load_options load;
	const char *models[LIST_MAX];
	double weights[LIST_MAX];
	enum inferd_priority priorities[LIST_MAX];
	uint32_t n_clients, n_models, n_weights, n_priorities;
};

/* ---- all of them ---------------------------------------------------------------------------------- */

static void show_progress(const struct options *options)
{
	double seconds = options->load.seconds;

	if (!isatty(STDERR_FILENO))
		return;
	for (double passed = 0; passed < seconds; passed += 0.5) {
		struct timespec step = {0, 500000000};

		fprintf(stderr, "\r%u client%s, %.0f of %.0f s ", options->n_clients,
			options->n_clients == 1 ? "" : "s", passed, seconds);
		nanosleep(&step, NULL);
	}
	fputs("\r\033[K", stderr);
}

static void init_client(struct load_client *client, uint32_t i, const struct cli *cli, const struct options *options,
			pthread_barrier_t *start)
{
	*client = (struct load_client){.options = &options->load,
				       .cli = cli,
				       .model = options->models[i % options->n_models],
				       .seed = options->load.seed + i,
				       .start = start};
	if (options->n_weights)
		client->weight = (float)options->weights[i % options->n_weights];
	if (options->n_priorities)
		client->priority = options->priorities[i % options->n_priorities];
}

static int complain(const struct load_client *clients, uint32_t n)
{
	int r = 0;

	for (uint32_t i = 0; i < n; i++) {
		if (!clients[i].error[0])
			continue;
		cli_complain("client %u: %s", i + 1, clients[i].error);
		r = -1;
	}
	return r;
}

/* Connections are made one after the other before the start, so that clients run at the same time. */
static int run_clients(struct load_client *clients, const struct cli *cli, const struct options *options)
{
	pthread_barrier_t start;
	uint32_t n_started = 0;

	for (uint32_t i = 0; i < options->n_clients; i++) {
		init_client(&clients[i], i, cli, options, &start);
		load_open(&clients[i]);
		if (complain(&clients[i], 1) < 0)
			return -1;
	}
	pthread_barrier_init(&start, NULL, options->n_clients + 1);
	for (; n_started < options->n_clients; n_started++)
		if (pthread_create(&clients[n_started].thread, NULL, load_run, &clients[n_started]) != 0)
			break;
	if (n_started < options->n_clients) {
		/* The ones that wait at the barrier could only be let go by as many more. */
		cli_complain("cannot start %u threads", options->n_clients);
		exit(EXIT_FAILED);
	}
	pthread_barrier_wait(&start);
	show_progress(options);
	for (uint32_t i = 0; i < n_started; i++)
		pthread_join(clients[i].thread, NULL);
	pthread_barrier_destroy(&start);
	return complain(clients, n_started);
}

struct totals {
	uint64_t sent, answered, late, n_dropped;
	uint64_t dropped[LOAD_CAUSES];
	double elapsed_s, fps, fairness;
	struct load_samples latency_us, service_us, overhead_us;
	double pingpong_us, paced_pingpong_us;
};

static double client_fps(const struct load_client *client)
{
	return client->elapsed_s > 0 ? (double)client->answered / client->elapsed_s : 0;
}

static void merge(struct load_samples *into, const struct load_samples *from, uint64_t *random)
{
	for (size_t i = 0; i < from->count; i++)
		load_add_sample(into, from->values[i], random);
}

static double fairness(const struct load_client *clients, uint32_t n)
{
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < n; i++) {
		double rate = client_fps(&clients[i]) / (clients[i].weight > 0 ? (double)clients[i].weight : 1);

		sum += rate;
		squares += rate * rate;
	}
	return squares > 0 ? sum * sum / (n * squares) : 1;
}

static void sum_up(struct load_client *clients, uint32_t n, struct totals *totals)
{
	uint64_t random = 1;

	for (uint32_t i = 0; i < n; i++) {
		struct load_client *client = &clients[i];

		totals->sent += client->sent;
		totals->answered += client->answered;
		totals->late += client->late;
		totals->n_dropped += load_dropped(client);
		for (int cause = 0; cause < LOAD_CAUSES; cause++)
			totals->dropped[cause] += client->dropped[cause];
		totals->fps += client_fps(client);
		if (client->elapsed_s > totals->elapsed_s)
			totals->elapsed_s = client->elapsed_s;
		merge(&totals->latency_us, &client->latency_us, &random);
		merge(&totals->service_us, &client->service_us, &random);
		merge(&totals->overhead_us, &client->overhead_us, &random);
		load_sort(&client->latency_us);
	}
	totals->fairness = fairness(clients, n);
	load_sort(&totals->latency_us);
	load_sort(&totals->service_us);
	load_sort(&totals->overhead_us);
}

/* ---- showing -------------------------------------------------------------------------------------- */

static void print_ms(const char *key, const struct load_samples *us)
{
	printf("\"%s\":{\"p50\":%.3f,\"p90\":%.3f,\"p99\":%.3f,\"max\":%.3f},", key, load_quantile(us, 0.5) / 1e3,
	       load_quantile(us, 0.9) / 1e3, load_quantile(us, 0.99) / 1e3, load_quantile(us, 1) / 1e3);
}

static const char *priority_name(enum inferd_priority priority)
{
	static const char *const names[] = {"default", "low", "normal", "high"};

	return names[priority];
}

static void print_json(const struct options *options, const struct load_client *clients, const struct totals *totals)
{
	printf("{\"clients\":%u,\"seconds\":%.3f,\"sent\":%llu,\"answered\":%llu,\"late\":%llu,\"dropped\":%llu,"
	       "\"drops\":{",
	       options->n_clients, totals->elapsed_s, (unsigned long long)totals->sent,
	       (unsigned long long)totals->answered, (unsigned long long)totals->late,
	       (unsigned long long)totals->n_dropped);
	for (int cause = INFERD_OK + 1; cause < LOAD_CAUSES; cause++)
		printf("%s\"%s\":%llu", cause > INFERD_OK + 1 ? "," : "", load_cause(cause),
		       (unsigned long long)totals->dropped[cause]);
	printf("},\"fps\":%.2f,\"client_fps\":[", totals->fps);
	for (uint32_t i = 0; i < options->n_clients; i++)
		printf("%s%.2f", i ? "," : "", client_fps(&clients[i]));
	printf("],\"fairness\":%.4f,", totals->fairness);
	print_ms("ms", &totals->latency_us);
	print_ms("service_ms", &totals->service_us);
	printf("\"by_client\":[");
	for (uint32_t i = 0; i < options->n_clients; i++) {
		const struct load_client *client = &clients[i];

		printf("%s{\"model\":", i ? "," : "");
		cli_json_text(client->model);
		printf(",\"weight\":%g,\"priority\":\"%s\",\"fps\":%.2f,\"p50_ms\":%.3f,\"p99_ms\":%.3f,"
		       "\"late\":%llu,\"dropped\":%llu}",
		       (double)client->weight, priority_name(client->priority), client_fps(client),
		       load_quantile(&client->latency_us, 0.5) / 1e3, load_quantile(&client->latency_us, 0.99) / 1e3,
		       (unsigned long long)client->late, (unsigned long long)load_dropped(client));
	}
	printf("],\"overhead_us\":{\"p50\":%.1f,\"p99\":%.1f},\"pingpong_us\":%.2f}\n",
	       load_quantile(&totals->overhead_us, 0.5), load_quantile(&totals->overhead_us, 0.99),
	       totals->pingpong_us);
}

static void print_line(const char *name, const struct load_samples *us)
{
	printf("%-9s p50 %.3f ms  p90 %.3f ms  p99 %.3f ms  max %.3f ms\n", name, load_quantile(us, 0.5) / 1e3,
	       load_quantile(us, 0.9) / 1e3, load_quantile(us, 0.99) / 1e3, load_quantile(us, 1) / 1e3);
}

static void print_drops(const struct totals *totals)
{
	const char *before = "dropped  ";

	for (int cause = INFERD_OK + 1; cause < LOAD_CAUSES; cause++) {
		if (!totals->dropped[cause])
			continue;
		printf("%s %s %llu", before, load_cause(cause), (unsigned long long)totals->dropped[cause]);
		before = " ";
	}
	if (totals->n_dropped)
		putchar('\n');
}

static void print_clients(const struct options *options, const struct load_client *clients)
{
	puts("\nclient  model             weight  priority  frames/s   p50 ms    p99 ms      late   dropped");
	for (uint32_t i = 0; i < options->n_clients; i++) {
		const struct load_client *client = &clients[i];

		printf("%6u  %-16s  %6g  %-8s  %8.2f %8.2f  %8.2f  %8llu  %8llu\n", i + 1, client->model,
		       client->weight > 0 ? (double)client->weight : 1, priority_name(client->priority),
		       client_fps(client), load_quantile(&client->latency_us, 0.5) / 1e3,
		       load_quantile(&client->latency_us, 0.99) / 1e3, (unsigned long long)client->late,
		       (unsigned long long)load_dropped(client));
	}
}

static void print_human(const struct options *options, const struct load_client *clients, const struct totals *totals)
{
	printf("%u client%s for %.1f s: %llu sent, %llu answered (%llu late), %llu dropped, %.1f frames/s\n",
	       options->n_clients, options->n_clients == 1 ? "" : "s", totals->elapsed_s,
	       (unsigned long long)totals->sent, (unsigned long long)totals->answered, (unsigned long long)totals->late,
	       (unsigned long long)totals->n_dropped, totals->fps);
	print_drops(totals);
	print_line("latency", &totals->latency_us);
	if (options->load.fps > 0)
		print_line("service", &totals->service_us);
	printf("overhead  p50 %.1f us  p99 %.1f us  (a bare ping-pong takes %.1f us, and %.1f us after %d ms of rest)\n",
	       load_quantile(&totals->overhead_us, 0.5), load_quantile(&totals->overhead_us, 0.99), totals->pingpong_us,
	       totals->paced_pingpong_us, PAUSE_US / 1000);
	if (options->load.poisson)
		printf("seed      %llu\n", (unsigned long long)options->load.seed);
	if (options->n_clients == 1)
		return;
	printf("fairness  %.4f\n", totals->fairness);
	print_clients(options, clients);
}

/* The median; nothing runs meanwhile. */
static int measure_pingpong(float *round_trips, int n, int pause_us, double *ret_us)
{
	struct load_samples samples = {.values = round_trips, .count = (size_t)n};
	int r = pingpong_measure(round_trips, n, pause_us);

	if (r < 0)
		return r;
	load_sort(&samples);
	*ret_us = load_quantile(&samples, 0.5);
	return 0;
}

static int measure(const struct cli *cli, const struct options *options, struct load_client *clients,
		   float *round_trips, struct totals *totals)
{
	double before_us = 0, after_us = 0;
	int r = measure_pingpong(round_trips, PINGPONGS, 0, &before_us);

	if (r == 0)
		r = run_clients(clients, cli, options);
	if (r == 0)
		r = measure_pingpong(round_trips, PINGPONGS, 0, &after_us);
	totals->pingpong_us = (before_us + after_us) / 2;
	if (r == 0 && !cli->json)
		r = measure_pingpong(round_trips, PACED_PINGPONGS, PAUSE_US, &totals->paced_pingpong_us);
	return r;
}

static int bench(const struct cli *cli, const struct options *options)
{
	struct load_client *clients = calloc(options->n_clients, sizeof(*clients));
	float *round_trips = malloc(PINGPONGS * sizeof(*round_trips));
	struct totals totals = {0};
	int r = -1;

	if (!clients || !round_trips)
		cli_complain("out of memory");
	else
		r = measure(cli, options, clients, round_trips, &totals);
	if (r == 0) {
		sum_up(clients, options->n_clients, &totals);
		if (cli->json)
			print_json(options, clients, &totals);
		else
			print_human(options, clients, &totals);
	}
	for (uint32_t i = 0; clients && i < options->n_clients; i++)
		load_finish(&clients[i]);
	free(totals.latency_us.values);
	free(totals.service_us.values);
	free(totals.overhead_us.values);
	free(round_trips);
	free(clients);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}

/* ---- the command line ----------------------------------------------------------------------------- */

static bool parse_size(const char *text, struct load_options *options)
{
	int end = 0;

	if (sscanf(text, "%5ux%5u%n", &options->width, &options->height, &end) == 2 && !text[end] &&
	    inferd_frame_bytes(INFERD_GRAY8, options->width, options->height))
		return true;
	cli_complain("--size takes WIDTHxHEIGHT, each within 1..%d, not '%s'", INFERD_SIDE_MAX, text);
	return false;
}

static bool parse_weights(const char *text, struct options *options)
{
	char copy[256], *rest = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		if (options->n_weights == LIST_MAX ||
		    !cli_number("--weights", word, 1e-3, 1e3, &options->weights[options->n_weights]))
			return false;
		options->n_weights++;
	}
	return options->n_weights > 0;
}

static bool parse_priorities(const char *text, struct options *options)
{
	char copy[256], *rest = NULL;

	snprintf(copy, sizeof(copy), "%s", text);
	for (char *word = strtok_r(copy, ",", &rest); word; word = strtok_r(NULL, ",", &rest)) {
		enum inferd_priority priority = INFERD_LOW;

		while (priority <= INFERD_HIGH && strcmp(word, priority_name(priority)))
			priority++;
		if (priority > INFERD_HIGH || options->n_priorities == LIST_MAX) {
			cli_complain("--priorities takes low, normal and high, not '%s'", word);
			return false;
		}
		options->priorities[options->n_priorities++] = priority;
	}
	return options->n_priorities > 0;
}

static bool parse_deadline(const char *text, struct load_options *options)
{
	double ms;

	if (!cli_number("--deadline", text, 0.001, 600000, &ms))
		return false;
	options->deadline_us = (uint32_t)(ms * 1000 + 0.5);
	return true;
}

static bool parse_format(const char *text, struct load_options *options)
{
	if (synth_format(text, &options->format))
		return true;
	cli_complain("--format does not know '%s'", text);
	return false;
}

static bool parse_seed(const char *text, struct load_options *options)
{
	uint32_t seed;

	if (!cli_whole("--seed", text, 1, UINT32_MAX, &seed))
		return false;
	options->seed = seed;
	return true;
}

static bool bench_option(struct options *options, int option)
{
	struct load_options *load = &options->load;

	switch (option) {
	case 'c':
		return cli_whole("--clients", optarg, 1, CLIENTS_MAX, &options->n_clients);
	case 'n':
		return cli_whole("--streams", optarg, 1, LOAD_STREAMS_MAX, &load->n_streams);
	case 'k':
		return cli_whole("--in-flight", optarg, 1, LOAD_BUFFERS_MAX, &load->n_in_flight);
	case 's':
		return cli_number("--seconds", optarg, 0.01, 86400, &load->seconds);
	case 'p':
		return cli_number("--fps", optarg, 0.01, 100000, &load->fps);
	case 'e':
		return parse_seed(optarg, load);
	case 'w':
		return parse_weights(optarg, options);
	case 'i':
		return parse_priorities(optarg, options);
	case 'z':
		return parse_size(optarg, load);
	case 'o':
		return parse_format(optarg, load);
	case 'd':
		return parse_deadline(optarg, load);
	case 'f':
		load->full = true;
		return true;
	case 'l':
		load->latest = true;
		return true;
	case 'x':
		load->poisson = true;
		return true;
	default:
		load->rung = optarg;
		return true;
	}
}

int cmd_bench(struct cli *cli, int argc, char **argv)
{
	static const struct option long_options[] = {
		{"clients", required_argument, NULL, 'c'},   {"streams", required_argument, NULL, 'n'},
		{"in-flight", required_argument, NULL, 'k'}, {"seconds", required_argument, NULL, 's'},
		{"fps", required_argument, NULL, 'p'},	     {"poisson", no_argument, NULL, 'x'},
		{"seed", required_argument, NULL, 'e'},	     {"latest", no_argument, NULL, 'l'},
		{"weights", required_argument, NULL, 'w'},   {"priorities", required_argument, NULL, 'i'},
		{"size", required_argument, NULL, 'z'},	     {"format", required_argument, NULL, 'o'},
		{"deadline", required_argument, NULL, 'd'},  {"full", no_argument, NULL, 'f'},
		{"rung", required_argument, NULL, 'r'},	     CLI_OPTIONS};
	struct options options = {.n_clients = 1,
				  .load = {.n_streams = 1,
					   .n_in_flight = 1,
					   .seconds = 5,
					   .width = 640,
					   .height = 480,
					   .format = INFERD_NV12,
					   .seed = 1}};
	int option;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		int status = -1;

		if (strchr("cnkspxelwizodfr", option)) {
			if (!bench_option(&options, option))
				return EXIT_USAGE;
		} else {
			status = cli_option(cli, option, help);
		}
		if (status >= 0)
			return status;
	}
	if (optind == argc || argc - optind > LIST_MAX)
		return cli_misuse(help);
	while (optind < argc)
		options.models[options.n_models++] = argv[optind++];
	return bench(cli, &options);
}
