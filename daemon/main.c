/*
 * main.c - inferd's command line, and what must be settled before anything starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "plugins.h"

#define DEFAULT_CONFIG "/etc/inferd/inferd.yaml"

static const char usage[] =
	"usage: inferd [--config FILE] [--socket PATH] [--state-dir DIR] [--sysroot DIR] [--check-config] [--version]\n"
	"\n"
	"Serves vision inference to local clients.  Runs in the foreground and logs to stderr.\n"
	"\n"
	"  --config FILE    configuration, with conf.d/*.yaml beside it (" DEFAULT_CONFIG ")\n"
	"  --socket PATH    listen here instead of where the configuration says\n"
	"  --state-dir DIR  where state is kept: what was learned, profiles, the field record; frames are served without\n"
	"  --sysroot DIR    read /sys and /proc below DIR\n"
	"  --check-config   load the configuration and its models, say whether they are good, and end\n"
	"  --version        print the version and end\n"
	"\n"
	"SIGHUP reloads the configuration, whole or not at all.  SIGTERM finishes what is queued and ends.\n"
	"What cannot change while running (socket, access, lanes) makes a reload fail and say so.\n"
	"Exit status: 0, 1 when it failed, 2 when it was called wrongly.\n";

static void settle_process(void)
{
	struct rlimit files;

	signal(SIGPIPE, SIG_IGN);
	/* Loading is one thread's work, and its memory is better found in one place. */
	setenv("UV_THREADPOOL_SIZE", "1", 1);
	mallopt(M_ARENA_MAX, 1);
	/* Fixed: left alone it grows with what is freed, and what a model took then stays with the process. */
	mallopt(M_MMAP_THRESHOLD, 128 << 10);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max < 65536 ? files.rlim_max : 65536;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

static int wrong(const char *text, const char *what)
{
	fprintf(stderr, "inferd: %s%s; see --help\n", text, what);
	return 2;
}

/* 0 go on, 1 failed, 2 called wrongly; -1: done, successfully. */
static int parse_options(int argc, char **argv, struct daemon_options *options, const char **ret_sysroot,
			 bool *ret_check)
{
	static const struct option table[] = {
		{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, 's'},
		{"state-dir", required_argument, NULL, 'd'},
		{"sysroot", required_argument, NULL, 'r'},
		{"check-config", no_argument, NULL, 'k'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) != -1) {
		switch (option) {
		case 'c':
			options->config_path = optarg;
			break;
		case 's':
			options->socket_path = optarg;
			break;
		case 'd':
			options->state_dir = optarg;
			break;
		case 'r':
			*ret_sysroot = optarg;
			break;
		case 'k':
			*ret_check = true;
			break;
		case 'v':
			puts("inferd " INFERD_VERSION);
			return -1;
		case 'h':
			fputs(usage, stdout);
			return -1;
		default:
			return wrong("unknown option or missing value", "");
		}
	}
	return optind < argc ? wrong("unexpected argument ", argv[optind]) : 0;
}

static void unload(struct ladder *ladder)
{
	struct network *networks[LADDER_NETWORKS_MAX];

	ladder_unload(ladder, networks);
	for (int i = 0; i < LADDER_NETWORKS_MAX; i++)
		network_put(networks[i]);
}

/* Loads what a start would, one model after the other, without measuring or serving. */
static int check_config(const struct daemon_options *options, const struct config *config)
{
	struct topology_lane lanes[POLICY_LANES_MAX];
	int n_lanes = daemon_lanes(config, options->root_fd, lanes);
	struct models *models = calloc(1, sizeof(*models));
	struct config_error error = {"out of memory"};
	int rc = models ? plugins_load(config, &error) : -ENOMEM;

	while (rc == 0 && models->n < config->n_models) {
		rc = models_add(models, config, NULL, lanes, n_lanes, &error);
		if (rc == 0)
			unload(models->model[models->n - 1]->ladder);
	}
	models_destroy(models);
	if (rc < 0) {
		fprintf(stderr, "inferd: %s: %s\n", options->config_path, error.text);
		return 1;
	}
	printf("%s: good, %d model%s\n", options->config_path, config->n_models, config->n_models == 1 ? "" : "s");
	return 0;
}

static int run(struct daemon_options *options, const char *sysroot, bool check)
{
	struct config_error error = {""};
	struct config *config;
	int rc;

	options->root_fd = open(sysroot, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (options->root_fd < 0)
		return wrong("--sysroot is no directory: ", sysroot);
	if (config_load(options->config_path, &error, &config) < 0) {
		fprintf(stderr, "inferd: %s\n", error.text);
		rc = 1;
	} else if (check) {
		rc = check_config(options, config);
		config_destroy(config);
	} else {
		rc = daemon_run(options, config);
	}
	close(options->root_fd);
	return rc;
}

int main(int argc, char **argv)
{
	struct daemon_options options = {.config_path = DEFAULT_CONFIG};
	const char *sysroot = "/";
	bool check = false;
	int rc;

	engine_calm_threads(argv);
	rc = parse_options(argc, argv, &options, &sysroot, &check);
	if (rc)
		return rc < 0 ? 0 : rc;
	settle_process();
	return run(&options, sysroot, check);
}
