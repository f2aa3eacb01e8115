/* daemon.c - see daemon.h. */
#include "daemon.h"

#include <errno.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "identity.h"
#include "log.h"
#include "report.h"

/* How long SIGTERM waits for queued frames and for clients to read their answers. */
#define DRAIN_MS 5000

static struct daemon *daemon_of(struct session_host *host)
{
	return (struct daemon *)(void *)((char *)host - offsetof(struct daemon, host));
}

/* ---- sensors -------------------------------------------------------------------------------------- */

static void on_tick(struct monitor *monitor)
{
	struct daemon *daemon = (struct daemon *)(void *)((char *)monitor - offsetof(struct daemon, monitor));

	observe_sensors(&daemon->observe, daemon->sensors, daemon->n_lanes, clock_us());
	learned_tick(&daemon->learned, daemon->models, clock_us());
	dispatch_collect(&daemon->dispatch);
	/* What could not be unloaded before may be now, for those that wait for its place. */
	residency_make_room(&daemon->residency, 0, NULL);
	dispatch_wake(&daemon->dispatch);
}

static void keep_learned(struct daemon *daemon);

static void on_learned_timer(uv_timer_t *timer)
{
	keep_learned(timer->data);
}

/* While nobody streams there are no ticks: what was learned last is kept when it is due, and then there is rest. */
static void keep_learned(struct daemon *daemon)
{
	int64_t left_us = learned_tick(&daemon->learned, daemon->models, clock_us());

	if (left_us < 0)
		return;
	uv_update_time(&daemon->loop);
	uv_timer_start(&daemon->learned_timer, on_learned_timer, (uint64_t)left_us / 1000 + 1, 0);
}

/* The first frame of the first stream must already know how hot it is; while nobody streams, nothing is read at all. */
static void on_streams(struct session_host *host)
{
	struct daemon *daemon = daemon_of(host);

	if (host->n_streams) {
		monitor_start(&daemon->monitor);
	} else {
		monitor_stop(&daemon->monitor);
		observe_rest(&daemon->observe, clock_us());
		keep_learned(daemon);
	}
}

/* ---- memory --------------------------------------------------------------------------------------- */

static int on_absent(struct dispatch *dispatch, struct ladder *ladder)
{
	struct daemon *daemon = (struct daemon *)(void *)((char *)dispatch - offsetof(struct daemon, dispatch));

	return residency_want(&daemon->residency, ladder);
}

static void on_frame(struct dispatch *dispatch, const struct job *job, const struct model *model, int64_t now_us)
{
	struct daemon *daemon = (struct daemon *)(void *)((char *)dispatch - offsetof(struct daemon, dispatch));

	observe_frame(&daemon->observe, job, model, now_us);
}

static bool make_room(struct session_host *host, size_t bytes)
{
	struct daemon *daemon = daemon_of(host);

	return residency_make_room(&daemon->residency, bytes, NULL);
}

static size_t left_for_galleries(struct session_host *host)
{
	return residency_left_for_galleries(&daemon_of(host)->residency);
}

/* Galleries that were there before are kept whatever the configuration says; what that means is not kept quiet. */
static void check_galleries(const struct daemon *daemon)
{
	size_t bytes = galleries_bytes(daemon->residency.galleries);
	size_t left = residency_left_for_galleries(&daemon->residency);

	if (bytes > left)
		log_warning(
			"galleries have %zu kB of memory, and memory_budget_mb leaves them %zu kB beside the largest "
			"model: its frames fail, and nothing can be added to a gallery",
			bytes >> 10, left >> 10);
}

/* ---- the service manager -------------------------------------------------------------------------- */

/* Fed by the loop, and only while the lanes get on: a kernel that never ends is a reason to be started anew. */
static void on_watchdog(uv_timer_t *timer)
{
	struct daemon *daemon = timer->data;
	int stuck = dispatch_stuck(&daemon->dispatch, clock_us(), daemon->notify.watchdog_us / 2);

	if (stuck < 0)
		notify_send(&daemon->notify, "WATCHDOG=1");
	else if (daemon->stuck < 0)
		log_error("lane '%s' does not get on with its task: the watchdog is not fed",
			  daemon->lanes[stuck].name);
	else
		return;
	daemon->stuck = stuck;
}

static void notify_ready(const struct daemon *daemon)
{
	notify_send(&daemon->notify, "READY=1\nSTATUS=Serving %d model%s", daemon->models->n,
		    daemon->models->n == 1 ? "" : "s");
}

/* ---- ending --------------------------------------------------------------------------------------- */

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Ends everything that keeps the loop alive; uv_run() returns when the handles are closed. */
static void finish(struct daemon *daemon)
{
	if (daemon->finished)
		return;
	daemon->finished = true;
	server_close(daemon->server);
	daemon->server = NULL;
	while (daemon->host.sessions)
		session_close(daemon->host.sessions);
	dispatch_finish(&daemon->dispatch);
	daemon->residency.galleries = NULL;
	gallery_service_close(&daemon->gallery_service);
	session_tidy(&daemon->host);
	for (int i = 0; i < 3; i++)
		close_handle((uv_handle_t *)&daemon->signals[i]);
	monitor_close(&daemon->monitor);
	close_handle((uv_handle_t *)&daemon->drain_timer);
	close_handle((uv_handle_t *)&daemon->watchdog_timer);
	close_handle((uv_handle_t *)&daemon->learned_timer);
	close_handle((uv_handle_t *)&daemon->prepare);
}

static void on_drain_timer(uv_timer_t *timer)
{
	log_warning("frames are still unanswered after %d s; ending without them", DRAIN_MS / 1000);
	finish(timer->data);
}

static void drain(struct daemon *daemon)
{
	if (daemon->draining)
		return;
	daemon->draining = daemon->host.draining = true;
	daemon->loader.cancelled = true;
	notify_send(&daemon->notify, "STOPPING=1");
	server_close(daemon->server);
	daemon->server = NULL;
	session_drain(&daemon->host);
	dispatch_hurry(&daemon->dispatch);
	uv_timer_start(&daemon->drain_timer, on_drain_timer, DRAIN_MS, 0);
}

/* Before the loop sleeps: what could not be done in the midst of other things. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct daemon *daemon = prepare->data;

	session_tidy(&daemon->host);
	if (daemon->draining && !daemon->loader.busy && !gallery_service_busy(&daemon->gallery_service) &&
	    dispatch_idle(&daemon->dispatch) && session_all_sent(&daemon->host))
		finish(daemon);
}

/* ---- generations ---------------------------------------------------------------------------------- */

/* Of the file, or, when config is not NULL, of this configuration, which it consumes. */
static void start_load(struct daemon *daemon, struct config *config, bool dry_run)
{
	daemon->load_started_us = clock_us();
	if (!dry_run)
		notify_send(&daemon->notify, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)daemon->load_started_us);
	loader_start(&daemon->loader, daemon->options.config_path, config, daemon->config, daemon->models, dry_run);
}

static void put_outcome(struct ipc_writer *writer, const struct loader *loader, int n_models, int64_t took_us)
{
	ipc_put_map(writer, 4);
	ipc_put_text(writer, "reloaded");
	ipc_put_bool(writer, !loader->dry_run);
	ipc_put_text(writer, "models");
	ipc_put_uint(writer, (uint64_t)n_models);
	ipc_put_text(writer, "networks_loaded_for");
	ipc_put_uint(writer, (uint64_t)loader->n_loaded);
	ipc_put_text(writer, "ms");
	ipc_put_uint(writer, (uint64_t)(took_us / 1000));
}

/* Tells everybody who asked for the load how it went. */
static void answer_waiters(struct daemon *daemon, int rc, int n_models)
{
	struct ipc_writer *writer = &daemon->host.writer;

	while (daemon->waiters) {
		struct daemon_waiter *waiter = daemon->waiters;

		daemon->waiters = waiter->next;
		if (rc < 0) {
			session_error(waiter->session, waiter->serial, -rc, "%.250s", daemon->loader.error.text);
		} else {
			ipc_writer_reset(writer);
			put_outcome(writer, &daemon->loader, n_models, clock_us() - daemon->load_started_us);
			session_reply(waiter->session, IPC_REPORT, waiter->serial, writer);
		}
		session_unref(waiter->session);
		free(waiter);
	}
}

/* The new generation serves from here on; frames on lanes keep their old model until they are answered. */
static void swap(struct daemon *daemon)
{
	struct models *before = daemon->models;
	struct config *config_before = daemon->config;

	daemon->models = daemon->loader.models;
	daemon->config = daemon->loader.config;
	daemon->host.models = daemon->models;
	daemon->residency.serving = daemon->models;
	daemon->residency.budget = (size_t)daemon->config->memory_budget_mb << 20;
	daemon->host.config = daemon->config;
	governor_configure(&daemon->governor, daemon->config);
	observe_configure(&daemon->observe, daemon->config, clock_us());
	if (daemon->gallery_service.galleries)
		galleries_set_limit(daemon->gallery_service.galleries,
				    (uint64_t)daemon->config->limits.gallery_mb << 20);
	daemon->learned.period_us = (int64_t)daemon->config->record.flush_s * 1000000;
	if (before) {
		learned_save(&daemon->learned, before, clock_us());
		models_inherit(daemon->models, before);
		session_rebind(&daemon->host);
		models_destroy(before);
	}
	if (config_before != daemon->config)
		config_destroy(config_before);
	residency_make_room(&daemon->residency, 0, NULL);
	check_galleries(daemon);
	/* Loading leaves freed memory behind; the device has better use for it. */
	malloc_trim(0);
}

static void listen_first(struct daemon *daemon)
{
	const char *path = daemon->options.socket_path ? daemon->options.socket_path : daemon->config->socket;
	struct config_error error = {""};
	int rc, fd = daemon->handed_fd;

	if (fd >= 0) {
		daemon->handed_fd = -1;
		rc = server_adopt(&daemon->host, fd, &error, &daemon->server);
		path = "the socket handed over";
	} else {
		rc = server_create(&daemon->host, path, daemon->config->group, daemon->config->mode, &error,
				   &daemon->server);
	}
	if (rc < 0) {
		log_error("%s", error.text);
		daemon->exit_status = 1;
		drain(daemon);
		return;
	}
	log_info("ready: %d model%s in %lld ms, listening at %s", daemon->models->n, daemon->models->n == 1 ? "" : "s",
		 (long long)(clock_us() - daemon->load_started_us) / 1000, path);
	notify_ready(daemon);
}

static void on_first_load(struct daemon *daemon, int rc)
{
	if (rc == 0) {
		/* The loader consumed the configuration that the daemon borrows already. */
		swap(daemon);
		if (!daemon->draining)
			listen_first(daemon);
		return;
	}
	daemon->config = NULL;
	daemon->host.config = NULL;
	if (rc != -ECANCELED) {
		log_error("cannot start: %s", daemon->loader.error.text);
		daemon->exit_status = 1;
		drain(daemon);
	}
}

static void on_reload(struct daemon *daemon, int rc)
{
	struct loader *loader = &daemon->loader;
	int n_models = rc == 0 ? loader->models->n : 0;

	if (rc == -ECANCELED) {
		snprintf(loader->error.text, sizeof(loader->error.text), "the daemon is ending");
	} else if (rc < 0) {
		log_error("%s: %s", loader->dry_run ? "a reload would fail" : "not reloaded, what runs stays",
			  loader->error.text);
	} else if (loader->dry_run) {
		models_destroy(loader->models);
		config_destroy(loader->config);
	} else {
		swap(daemon);
		log_info("reloaded: %d model%s, networks loaded for %d, in %lld ms", n_models, n_models == 1 ? "" : "s",
			 loader->n_loaded, (long long)(clock_us() - daemon->load_started_us) / 1000);
	}
	if (rc != -ECANCELED && !loader->dry_run)
		notify_ready(daemon);
	answer_waiters(daemon, rc, n_models);
}

static void on_loaded(struct loader *loader, int rc)
{
	struct daemon *daemon = (struct daemon *)(void *)((char *)loader - offsetof(struct daemon, loader));

	if (daemon->models)
		on_reload(daemon, rc);
	else
		on_first_load(daemon, rc);
	if (daemon->reload_again && !daemon->draining && daemon->models) {
		daemon->reload_again = false;
		daemon->waiters = daemon->next_waiters;
		daemon->next_waiters = NULL;
		start_load(daemon, NULL, false);
	}
}

/* A request during a load wants what the file says now, so it gets a load of its own afterwards. */
static void request_reload(struct daemon *daemon, struct daemon_waiter *waiter, bool dry_run)
{
	struct daemon_waiter **list = daemon->loader.busy ? &daemon->next_waiters : &daemon->waiters;

	if (waiter) {
		waiter->next = *list;
		*list = waiter;
	}
	if (daemon->loader.busy)
		daemon->reload_again = true;
	else
		start_load(daemon, NULL, dry_run);
}

/* ---- queries and signals -------------------------------------------------------------------------- */

static bool may_change(struct session *session, uint32_t serial)
{
	if (peer_is_owner(session_describe(session).peer))
		return true;
	session_error(session, serial, EPERM,
		      "only the superuser and the user that the daemon runs as may change what runs");
	return false;
}

/* NULL after the client was told. */
static struct daemon_waiter *waiter_create(struct session *session, uint32_t serial)
{
	struct daemon_waiter *waiter = calloc(1, sizeof(*waiter));

	if (!waiter) {
		session_error(session, serial, ENOMEM, "out of memory");
		return NULL;
	}
	waiter->session = session_ref(session);
	waiter->serial = serial;
	return waiter;
}

static void query_reload(struct daemon *daemon, struct session *session, uint32_t serial, bool dry_run)
{
	struct daemon_waiter *waiter;

	if (!may_change(session, serial))
		return;
	if (dry_run && daemon->loader.busy) {
		session_error(session, serial, EBUSY, "a load is under way");
		return;
	}
	waiter = waiter_create(session, serial);
	if (waiter)
		request_reload(daemon, waiter, dry_run);
}

/* The configuration that a change asks for; negative errno with a sentence. */
static int make_changed(const struct daemon *daemon, const struct ipc_change *change, int fd,
			struct config_error *error, struct config **ret_config)
{
	bool add = !strcmp(change->what, "add");

	if (!strcmp(change->what, "remove"))
		return config_without_model(daemon->config, change->model, error, ret_config);
	if (!add && strcmp(change->what, "replace") != 0) {
		snprintf(error->text, sizeof(error->text), "there is no change '%s'", change->what);
		return -EINVAL;
	}
	if (fd < 0) {
		snprintf(error->text, sizeof(error->text), "no file came with the change");
		return -EINVAL;
	}
	return config_with_models_fd(daemon->config, fd, add, error, ret_config);
}

static void put_profile_taken(struct ipc_writer *writer, const struct ladder *ladder, bool kept)
{
	uint64_t n_dominated = 0;

	for (int i = 0; i < ladder->n_rungs; i++)
		n_dominated += ladder->rungs[i].dominated;
	ipc_writer_reset(writer);
	ipc_put_map(writer, 3);
	ipc_put_text(writer, "rungs");
	ipc_put_uint(writer, (uint64_t)ladder->n_rungs);
	ipc_put_text(writer, "dominated");
	ipc_put_uint(writer, n_dominated);
	ipc_put_text(writer, "kept");
	ipc_put_bool(writer, kept);
}

/* In use from the next decision on; there is nothing to load. */
static void take_profile(struct daemon *daemon, struct session *session, uint32_t serial,
			 const struct ipc_change *change, int fd)
{
	const struct model *model = models_find(daemon->models, change->model);
	struct config_error error = {""};
	bool kept = false;
	int rc;

	if (!model) {
		session_error(session, serial, ENOENT, "there is no model '%s'", change->model);
		return;
	}
	if (fd < 0) {
		session_error(session, serial, EINVAL, "no file came with the profile");
		return;
	}
	rc = learned_take_profile(&daemon->learned, model, fd, &error, clock_us(), &kept);
	if (rc < 0) {
		session_error(session, serial, -rc, "the profile is not taken: %.200s", error.text);
		return;
	}
	tracer_restart(&daemon->governor.trace);
	log_info("model %s: a profile from pid %d is used%s", model->name, (int)session_describe(session).peer->pid,
		 kept ? "" : ", and not kept: there is no store for it");
	put_profile_taken(&daemon->host.writer, model->ladder, kept);
	session_reply(session, IPC_REPORT, serial, &daemon->host.writer);
}

static void on_change(struct session_host *host, struct session *session, uint32_t serial,
		      const struct ipc_change *change, int fd)
{
	struct daemon *daemon = daemon_of(host);
	struct config_error error = {""};
	struct config *config;
	int rc;

	if (!may_change(session, serial))
		return;
	if (daemon->loader.busy) {
		session_error(session, serial, EBUSY, "a load is under way");
		return;
	}
	if (!strcmp(change->what, "profile")) {
		take_profile(daemon, session, serial, change, fd);
		return;
	}
	rc = make_changed(daemon, change, fd, &error, &config);
	if (rc < 0) {
		session_error(session, serial, -rc, "%.250s", error.text);
		return;
	}
	daemon->waiters = waiter_create(session, serial);
	if (daemon->waiters)
		start_load(daemon, config, false);
	else
		config_destroy(config);
}

static void on_gallery(struct session_host *host, struct session *session, uint32_t serial,
		       const struct ipc_gallery *asked, int fd)
{
	gallery_service_handle(&daemon_of(host)->gallery_service, session, serial, asked, fd);
}

static void on_query(struct session_host *host, struct session *session, uint32_t serial, const char *what)
{
	static const struct {
		const char *what;
		void (*put)(const struct daemon *daemon, const struct session *asker, struct ipc_writer *writer);
	} reports[] = {
		{"status", report_status}, {"models", report_models}, {"stats", report_stats}, {"top", report_top}};
	struct daemon *daemon = daemon_of(host);

	if (!strcmp(what, "reload") || !strcmp(what, "reload-dry-run")) {
		query_reload(daemon, session, serial, what[6] != '\0');
		return;
	}
	for (size_t i = 0; i < sizeof(reports) / sizeof(reports[0]); i++) {
		if (strcmp(what, reports[i].what))
			continue;
		if (!host->n_streams)
			monitor_poll(&daemon->monitor);
		ipc_writer_reset(&host->writer);
		reports[i].put(daemon, session, &host->writer);
		if (host->writer.error)
			session_error(session, serial, -host->writer.error, "the report is too large");
		else
			session_reply(session, IPC_REPORT, serial, &host->writer);
		return;
	}
	session_error(session, serial, EINVAL, "there is no report '%s'", what);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *daemon = handle->data;

	if (number == SIGHUP && !daemon->draining) {
		log_info("SIGHUP: reloading %s", daemon->options.config_path);
		request_reload(daemon, NULL, false);
	} else if (number != SIGHUP) {
		log_info("%s: finishing what is queued", number == SIGTERM ? "SIGTERM" : "SIGINT");
		drain(daemon);
	}
}

/* ---- life ----------------------------------------------------------------------------------------- */

int daemon_lanes(const struct config *config, int root_fd, struct topology_lane ret_lanes[POLICY_LANES_MAX])
{
	/* The kernel adds a quarter before it looks for a clock, so that this asks for the highest. */
	const int util_min = config->policy.uclamp ? 820 : 0;
	cpu_set_t allowed;
	int n;

	_Static_assert(CONFIG_LANES_MAX == POLICY_LANES_MAX, "every lane of the configuration can be a policy's");
	if (config->n_lanes) {
		n = topology_configured(config, ret_lanes);
	} else {
		CPU_ZERO(&allowed);
		sched_getaffinity(0, sizeof(allowed), &allowed);
		n = topology_find(root_fd, &allowed, ret_lanes);
	}
	for (int i = 0; i < n; i++)
		ret_lanes[i].util_min = util_min;
	return n;
}

static void start_handles(struct daemon *daemon)
{
	static const int numbers[3] = {SIGHUP, SIGTERM, SIGINT};

	for (int i = 0; i < 3; i++) {
		uv_signal_init(&daemon->loop, &daemon->signals[i]);
		daemon->signals[i].data = daemon;
		uv_signal_start(&daemon->signals[i], on_signal, numbers[i]);
	}
	monitor_init(&daemon->monitor, &daemon->loop, daemon->sensors, &daemon->governor);
	daemon->monitor.on_tick = on_tick;
	uv_timer_init(&daemon->loop, &daemon->drain_timer);
	uv_timer_init(&daemon->loop, &daemon->watchdog_timer);
	uv_timer_init(&daemon->loop, &daemon->learned_timer);
	uv_prepare_init(&daemon->loop, &daemon->prepare);
	daemon->drain_timer.data = daemon->prepare.data = daemon;
	daemon->watchdog_timer.data = daemon->learned_timer.data = daemon;
	if (daemon->notify.watchdog_us) {
		uint64_t period_ms = (uint64_t)daemon->notify.watchdog_us / 3000;

		uv_timer_start(&daemon->watchdog_timer, on_watchdog, 0, period_ms ? period_ms : 1);
	}
	uv_prepare_start(&daemon->prepare, on_prepare);
}

static void log_lanes(const struct daemon *daemon)
{
	for (int i = 0; i < daemon->n_lanes; i++)
		log_info("lane %s: %d CPU%s, %d thread%s", daemon->lanes[i].name, daemon->lanes[i].n_cpus,
			 daemon->lanes[i].n_cpus == 1 ? "" : "s", daemon->lanes[i].threads,
			 daemon->lanes[i].threads == 1 ? "" : "s");
}

static int init(struct daemon *daemon, const struct daemon_options *options, struct config *config)
{
	/* A picture may take half of the budget once decoded, whatever the number of lanes. */
	size_t decode_bytes;
	int rc;

	daemon->stuck = -1;
	daemon->options = *options;
	daemon->config = config;
	notify_init(&daemon->notify);
	daemon->handed_fd = notify_take_socket();
	if (daemon->handed_fd < 0 && daemon->handed_fd != -ENOENT) {
		log_error("what LISTEN_FDS hands over is not one Unix stream socket that listens");
		return daemon->handed_fd;
	}
	daemon->started_us = daemon->load_started_us = clock_us();
	daemon->n_lanes = daemon_lanes(config, options->root_fd, daemon->lanes);
	decode_bytes = ((size_t)config->memory_budget_mb << 19) / (size_t)daemon->n_lanes;
	rc = sensors_create(options->root_fd, daemon->lanes, daemon->n_lanes, &daemon->sensors);
	if (rc < 0)
		return rc;
	daemon->governor.sensors = daemon->sensors;
	daemon->governor.n_lanes = daemon->n_lanes;
	governor_configure(&daemon->governor, config);
	rc = uv_loop_init(&daemon->loop);
	if (rc < 0)
		return rc;
	rc = dispatch_init(&daemon->dispatch, &daemon->loop, &daemon->governor, daemon->lanes, daemon->n_lanes,
			   decode_bytes);
	if (rc < 0) {
		uv_run(&daemon->loop, UV_RUN_DEFAULT);
		uv_loop_close(&daemon->loop);
		return rc;
	}
	daemon->dispatch.on_home = session_on_home;
	session_host_init(&daemon->host, &daemon->loop, &daemon->dispatch);
	daemon->host.config = config;
	daemon->host.on_query = on_query;
	daemon->host.on_change = on_change;
	daemon->host.on_gallery = on_gallery;
	daemon->host.on_streams = on_streams;
	daemon->loader.loop = &daemon->loop;
	daemon->loader.dispatch = &daemon->dispatch;
	daemon->loader.lanes = daemon->lanes;
	daemon->loader.n_lanes = daemon->n_lanes;
	daemon->loader.state_dir = options->state_dir;
	daemon->loader.done = on_loaded;
	daemon->loader.residency = &daemon->residency;
	daemon->loader.learned = &daemon->learned;
	daemon->residency.loop = &daemon->loop;
	daemon->residency.dispatch = &daemon->dispatch;
	daemon->dispatch.on_absent = on_absent;
	daemon->dispatch.on_frame = on_frame;
	daemon->observe.state_dir = options->state_dir;
	daemon->observe.lanes = daemon->lanes;
	daemon->observe.governor = &daemon->governor;
	observe_open(&daemon->observe, config);
	daemon->learned.store = daemon->observe.store;
	daemon->learned.device = identity_device(options->root_fd, daemon->lanes, daemon->n_lanes);
	daemon->host.make_room = make_room;
	daemon->host.left_for_galleries = left_for_galleries;
	daemon->residency.pool_bytes = &daemon->host.pool_bytes;
	rc = gallery_service_init(&daemon->gallery_service, &daemon->host, options->state_dir,
				  (uint64_t)config->limits.gallery_mb << 20);
	daemon->residency.galleries = daemon->gallery_service.galleries;
	return rc;
}

int daemon_run(const struct daemon_options *options, struct config *config)
{
	struct daemon *daemon = calloc(1, sizeof(*daemon));
	int rc = daemon ? init(daemon, options, config) : -ENOMEM;
	int status;

	if (rc < 0) {
		log_error("cannot start: %s", strerror(-rc));
		if (daemon) {
			sensors_destroy(daemon->sensors);
			notify_finish(&daemon->notify);
		}
		free(daemon);
		config_destroy(config);
		return 1;
	}
	log_lanes(daemon);
	start_handles(daemon);
	loader_start(&daemon->loader, options->config_path, config, NULL, NULL, false);
	uv_run(&daemon->loop, UV_RUN_DEFAULT);

	learned_save(&daemon->learned, daemon->models, clock_us());
	observe_finish(&daemon->observe, clock_us());
	uv_loop_close(&daemon->loop);
	session_host_finish(&daemon->host);
	gallery_service_finish(&daemon->gallery_service);
	models_destroy(daemon->models);
	config_destroy(daemon->config);
	sensors_destroy(daemon->sensors);
	notify_finish(&daemon->notify);
	if (daemon->handed_fd >= 0)
		close(daemon->handed_fd);
	status = daemon->exit_status;
	free(daemon);
	return status;
}
