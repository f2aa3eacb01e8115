/*
 * tool.c - the command line, messages and set-up that all commands share.  Owns no command.
 */
#include "tool.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RUNS_MAX 1000000

static const struct option options[] = {
	{"size", required_argument, NULL, 's'},
	{"threads", required_argument, NULL, 't'},
	{"runs", required_argument, NULL, 'r'},
	{"input", required_argument, NULL, 'i'},
	{"out", required_argument, NULL, 'o'},
	{"gray", no_argument, NULL, 'g'},
	{"json", no_argument, NULL, 'j'},
	{"profile", no_argument, NULL, 'p'},
	{"portable", no_argument, NULL, 'P'},
	{"half", no_argument, NULL, 'H'},
	{"half-arithmetic", no_argument, NULL, 'a'},
	{"passes", no_argument, NULL, 'A'},
	{"ops", no_argument, NULL, 'L'},
	{"images", required_argument, NULL, 'I'},
	{"test", required_argument, NULL, 'T'},
	{"range", required_argument, NULL, 'R'},
	{"percentile", required_argument, NULL, 'Q'},
	{"mean", required_argument, NULL, 'M'},
	{"scale", required_argument, NULL, 'C'},
	{"bgr", no_argument, NULL, 'B'},
	{"fit", required_argument, NULL, 'F'},
	{"cache", required_argument, NULL, 'K'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

void tool_error(const char *format, ...)
{
	va_list arguments;

	fputs("inferd-model: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

void tool_progress(const char *what, int done, int total)
{
	static struct timespec shown;
	struct timespec now;
	double seconds;

	if (!isatty(STDERR_FILENO))
		return;
	if (total == 0) {
		if (shown.tv_sec)
			fputs("\r\033[K", stderr);
		shown.tv_sec = 0;
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	seconds = (double)(now.tv_sec - shown.tv_sec) + (double)(now.tv_nsec - shown.tv_nsec) * 1e-9;
	if (seconds < 0.2)
		return;
	shown = now;
	fprintf(stderr, "\r\033[K%s %d of %d", what, done, total);
}

bool tool_write_file(const char *path, const void *data, size_t size)
{
	size_t length = strlen(path) + sizeof(".new");
	char *beside = malloc(length);
	FILE *file;
	bool done;

	if (!beside) {
		tool_error("out of memory");
		return false;
	}
	snprintf(beside, length, "%s.new", path);
	file = fopen(beside, "wb");
	done = file && fwrite(data, 1, size, file) == size && fflush(file) == 0 && fsync(fileno(file)) == 0;
	if (file && fclose(file) != 0)
		done = false;
	if (done)
		done = rename(beside, path) == 0;
	if (!done) {
		tool_error("%s: %s", path, strerror(errno));
		remove(beside);
	}
	free(beside);
	return done;
}

/* ---- text -------------------------------------------------------------------------------------- */

/* Bytes of the well-formed UTF-8 sequence at the start of text, 0 when it is none. */
static int utf8_length(const unsigned char *text)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	int length = text[0] < 0x80 ? 1 : text[0] < 0xc0 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	uint32_t point = text[0] & (length == 2 ? 0x1f : length == 3 ? 0x0f : 0x07);

	if (length <= 1)
		return length;
	if (text[0] > 0xf4)
		return 0;
	for (int i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0;
	return length;
}

void tool_json_string(const char *text)
{
	putchar('"');
	while (*text) {
		int length = utf8_length((const unsigned char *)text);

		if (length == 0)
			fputs("\\ufffd", stdout);
		else if (*text == '"' || *text == '\\')
			printf("\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			printf("\\u%04x", (unsigned)*text);
		else
			fwrite(text, 1, (size_t)length, stdout);
		text += length ? length : 1;
	}
	putchar('"');
}

void tool_json_dims(int rank, const int32_t *dims)
{
	putchar('[');
	for (int i = 0; i < rank; i++)
		printf("%s%d", i ? "," : "", dims[i]);
	putchar(']');
}

const char *tool_shape(int rank, const int32_t *dims, char text[TOOL_SHAPE_MAX])
{
	int n = 0;

	text[0] = '\0';
	for (int i = 0; i < rank; i++) {
		const char *cross = i ? "x" : "";

		if (dims[i] < 0)
			n += snprintf(text + n, TOOL_SHAPE_MAX - (size_t)n, "%s?", cross);
		else
			n += snprintf(text + n, TOOL_SHAPE_MAX - (size_t)n, "%s%d", cross, dims[i]);
	}
	return text;
}

const char *tool_label(const char *name, int width, char text[TOOL_LABEL_MAX])
{
	size_t length = strlen(name), room = (size_t)width;
	size_t i;

	if (length > room)
		name += length - room;
	for (i = 0; name[i]; i++)
		text[i] = (unsigned char)name[i] < 0x20 || name[i] == 0x7f ? '?' : name[i];
	text[i] = '\0';
	return text;
}

/* ---- the command line -------------------------------------------------------------------------- */

static bool parse_int(const char *text, int least, int most, int *ret_value)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno || end == text || *end != '\0' || value < least || value > most)
		return false;
	*ret_value = (int)value;
	return true;
}

static bool parse_size(const char *text, int *ret_width, int *ret_height)
{
	char copy[32], *cross;

	if (strlen(text) >= sizeof(copy))
		return false;
	strcpy(copy, text);
	cross = strchr(copy, 'x');
	if (!cross)
		return false;
	*cross = '\0';
	return parse_int(copy, 1, ENGINE_SIDE_MAX, ret_width) && parse_int(cross + 1, 1, ENGINE_SIDE_MAX, ret_height);
}

static bool add_input(struct tool_args *args, const char *text)
{
	if (args->n_inputs == ENGINE_IO_MAX)
		return false;
	args->inputs[args->n_inputs++] = text;
	return true;
}

static bool parse_word(const char *text, const char *const *words, int n, int *ret_index)
{
	for (int i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0) {
			*ret_index = i;
			return true;
		}
	return false;
}

/* "1,2.5,3": at most `max` numbers; how many, or -1. */
static int parse_numbers(const char *text, int max, float *ret_numbers)
{
	for (int n = 0; n < max; n++) {
		char *end;

		errno = 0;
		ret_numbers[n] = strtof(text, &end);
		if (errno || end == text || !isfinite(ret_numbers[n]))
			return -1;
		if (!*end)
			return n + 1;
		if (*end != ',')
			return -1;
		text = end + 1;
	}
	return -1;
}

/* Three numbers, or one for all channels. */
static bool parse_channels(const char *text, float channels[3])
{
	int n = parse_numbers(text, 3, channels);

	if (n == 1)
		channels[1] = channels[2] = channels[0];
	return n == 1 || n == 3;
}

static bool set_option(struct tool_args *args, int option, const char *value)
{
	static const char *const ranges[] = {"minmax", "percentile", "kl"};
	static const char *const fits[] = {"stretch", "crop", "letterbox"};
	float number;
	int word;

	switch (option) {
	case 's':
		return parse_size(value, &args->width, &args->height);
	case 't':
		return parse_int(value, 1, ENGINE_THREADS_MAX, &args->threads);
	case 'r':
		return parse_int(value, 1, RUNS_MAX, &args->runs);
	case 'i':
		return add_input(args, value);
	case 'o':
		args->out_dir = value;
		return true;
	case 'g':
		args->gray = true;
		return true;
	case 'j':
		args->json = true;
		return true;
	case 'P':
		args->portable = true;
		return true;
	case 'H':
		args->half = true;
		return true;
	case 'a':
		args->half_arithmetic = true;
		return true;
	case 'A':
		args->passes = true;
		return true;
	case 'L':
		args->ops = true;
		return true;
	case 'I':
		args->images = value;
		return true;
	case 'K':
		args->cache = value;
		return true;
	case 'T':
		args->test = value;
		return true;
	case 'R':
		return parse_word(value, ranges, 3, &word) && (args->range = (enum engine_range)word, true);
	case 'Q':
		return parse_numbers(value, 1, &number) == 1 && number > 0 && number <= 100 &&
		       (args->percentile = (double)number, true);
	case 'M':
		return parse_channels(value, args->normalize.mean);
	case 'C':
		return parse_channels(value, args->normalize.scale);
	case 'B':
		return args->normalize.bgr = true;
	case 'F':
		return parse_word(value, fits, 3, &word) && (args->normalize.fit = (enum engine_fit)word, true);
	default:
		args->profile = true;
		return true;
	}
}

/* The first is the network's file; more of them are inputs of a command that takes inputs: -i A=x.npy B=y.npy. */
static bool take_positionals(const struct tool_command *command, int argc, char **argv, struct tool_args *args)
{
	if (optind == argc) {
		tool_error("%s: which file?  See inferd-model %s --help", command->name, command->name);
		return false;
	}
	args->file = argv[optind++];
	if (strchr(command->allowed, 'O')) {
		if (optind == argc) {
			tool_error("%s: to which file?  See inferd-model %s --help", command->name, command->name);
			return false;
		}
		args->out_file = argv[optind++];
	}
	if (args->ops && args->n_inputs == 0) {
		args->more_files = argv + optind;
		args->n_more_files = argc - optind;
		return true;
	}
	for (; optind < argc; optind++) {
		if (strchr(command->allowed, 'i') && args->n_inputs > 0 && add_input(args, argv[optind]))
			continue;
		tool_error("%s: unexpected argument '%s'", command->name, argv[optind]);
		return false;
	}
	return true;
}

int tool_main(const struct tool_command *command, int argc, char **argv)
{
	struct tool_args args = {
		.range = ENGINE_RANGE_PERCENTILE,
		.percentile = 99.999,
		.normalize = {.given = true, .crop = 0.875f, .scale = {1 / 255.0f, 1 / 255.0f, 1 / 255.0f}},
	};
	int option, status;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "i:o:h", options, NULL)) != -1) {
		if (option == 'h') {
			fputs(command->usage, stdout);
			return TOOL_DONE;
		}
		if (option == '?' || !strchr(command->allowed, option)) {
			tool_error("%s: '%s' is not an option, or lacks its value", command->name, argv[optind - 1]);
			return TOOL_MISUSED;
		}
		if (!set_option(&args, option, optarg)) {
			tool_error("%s: bad value '%s'", command->name, optarg);
			return TOOL_MISUSED;
		}
	}
	if (!take_positionals(command, argc, argv, &args))
		return TOOL_MISUSED;
	status = command->run(&args);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		tool_error("standard output: %s", strerror(errno));
		return TOOL_FAILED;
	}
	return status;
}

/* ---- the network ------------------------------------------------------------------------------- */

static int find_cpus(int cpus[ENGINE_THREADS_MAX])
{
	cpu_set_t set;
	int n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE && n < ENGINE_THREADS_MAX; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	return n;
}

int tool_cpus(void)
{
	int cpus[ENGINE_THREADS_MAX], n = find_cpus(cpus);

	return n ? n : 1;
}

int tool_team(int threads, struct engine_team **ret_team)
{
	int cpus[ENGINE_THREADS_MAX], n = find_cpus(cpus);

	if (threads < 1)
		threads = n ? n : 1;
	/* Left to themselves, threads that wake each other may stay on one core.  One alone need not be held anywhere.
	 */
	return engine_team_create(cpus, threads > 1 ? n : 0, threads, ret_team);
}

bool tool_network_load(struct tool_network *network, const char *path, const char *cache)
{
	struct engine_error error = {""}, note = {""};
	int err = cache ? engine_model_load_cached(path, cache, UINT64_MAX, ENGINE_WINOGRAD_BYTES, &error, &note,
						   &network->model)
			: engine_model_load(path, &error, &network->model);

	if (note.text[0])
		tool_error("%s: %s", path, note.text);

	network->path = path;
	if (err == 0)
		return true;
	/* Most sentences of the loader name the file already. */
	if (strstr(error.text, basename(path)))
		tool_error("%s", error.text);
	else
		tool_error("%s: %s", path, error.text[0] ? error.text : strerror(-err));
	return false;
}

bool tool_network_plan(struct tool_network *network, const struct engine_plan_options *wanted)
{
	struct engine_error error = {""};
	int err = engine_model_plan(network->model, wanted, &error, &network->plan);
	const char *hint = "";

	if (wanted->half_arithmetic && !engine_cpu_half_arithmetic())
		tool_error("this processor has no arithmetic on float16: --half-arithmetic does nothing");
	if (err == 0)
		return true;
	if (wanted->width == 0 && tool_has_open_size(network->model))
		hint = " (inspect and bench: give --size WxH or --input)";
	tool_error("%s: %s%s", network->path, error.text[0] ? error.text : strerror(-err), hint);
	return false;
}

bool tool_network_prepare(struct tool_network *network, int threads)
{
	int err = tool_team(threads, &network->team);

	if (err == 0)
		err = engine_context_create(network->team, &network->context);
	if (err == 0)
		err = engine_context_reserve(network->context, network->plan);
	if (err < 0)
		tool_error("%s: cannot prepare a run: %s", network->path, strerror(-err));
	return err == 0;
}

void tool_network_finish(struct tool_network *network)
{
	engine_context_destroy(network->context);
	engine_team_destroy(network->team);
	engine_model_destroy(network->model);
}
