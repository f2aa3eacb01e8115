/* Reloads of a real daemon: whole or not at all, and no frame lost. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "support/daemon_fixture.h"

TEST_SUITE(reload);

static const char tiny_top_1[] = "  - name: tiny\n"
				 "    task: classify\n"
				 "    labels: labels.txt\n"
				 "    top_k: 1\n"
				 "    deadline_ms: 60000\n"
				 "    variants: [{name: t, file: tiny.param, accuracy: 0.7}]\n"
				 "    inputs: [16]\n"
				 "    gray: true\n";

static void run(struct client *client, uint64_t seq, enum ipc_status status)
{
	struct ipc_frame frame = client_frame(client, seq, 0);

	client_submit(client, &frame);
	client_expect_result(client, seq, status);
}

static void expect_reload_error(struct client *client, const char *part_of_text)
{
	ipc_put_query(&client->writer, "reload");
	client_send(client, IPC_QUERY);
	client_expect_error(client, part_of_text);
}

Test(reload, sighup_changes_an_open_stream)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	run(&client, 1, IPC_OK);
	cr_assert_eq((int)client.result.n_items, 2);
	fixture_configure(&fixture, tiny_top_1);
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "reloaded: 1 model, networks loaded for 0");
	run(&client, 2, IPC_OK);
	cr_assert_eq((int)client.result.n_items, 1);
	fixture_end(&fixture, &client);
}

Test(reload, bad_configuration_leaves_what_runs)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	fixture_configure(&fixture, "  - name: tiny\n    task: classify\n    top_kk: 1\n");
	fixture_signal(&fixture, SIGHUP);
	fixture_wait_log(&fixture, "not reloaded, what runs stays");
	fixture_wait_log(&fixture, "inferd.yaml:7");
	expect_reload_error(&client, "top_kk");
	fixture_configure(&fixture, "  - name: tiny\n    task: classify\n    top_k: [1]\n");
	expect_reload_error(&client, "inferd.yaml:7: models[tiny].top_k: a list where a single value is due");
	fixture_configure(&fixture, "  - {name: tiny, task: classify, variants: [{name: t, file: gone.param}]}\n");
	expect_reload_error(&client, "inferd.yaml:5: models[tiny].variants[t].file: ");
	/* A network that is no network is found only when it is loaded. */
	fixture_write(&fixture, "broken.param", "nonsense\n");
	fixture_configure(&fixture, "  - name: tiny\n    task: classify\n"
				    "    variants: [{name: b, file: broken.param, accuracy: 0.5}]\n");
	expect_reload_error(&client, "models[tiny]: b: ");
	run(&client, 1, IPC_OK);
	cr_assert_eq((int)client.result.n_items, 2);
	fixture_end(&fixture, &client);
}

Test(reload, what_needs_a_restart_is_refused)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	fixture_write(&fixture, "inferd.yaml", "socket: %s\naccess: {mode: 0600}\nmodels:\n%s", fixture.socket,
		      fixture_models);
	expect_reload_error(&client, "`lanes` differs from what runs, which needs a restart");
	fixture_end(&fixture, &client);
}

Test(reload, removed_model_ends_its_frames_and_comes_back)
{
	struct fixture fixture;
	struct client client;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow"});
	fixture_configure(&fixture, tiny_top_1);
	free(client_query(&client, "reload"));
	run(&client, 1, IPC_DROPPED_CLOSED);
	cr_assert(strstr(client.result.text, "removed by a reload"), "%s", client.result.text);
	fixture_configure(&fixture, fixture_models);
	free(client_query(&client, "reload"));
	run(&client, 2, IPC_OK);
	fixture_end(&fixture, &client);
}

Test(reload, dry_run_changes_nothing)
{
	struct fixture fixture;
	struct client client;
	char *text;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "tiny"});
	fixture_configure(&fixture, tiny_top_1);
	text = client_query(&client, "reload-dry-run");
	cr_assert(strstr(text, "\"reloaded\":false,\"models\":1"), "%s", text);
	free(text);
	run(&client, 1, IPC_OK);
	cr_assert_eq((int)client.result.n_items, 2);
	fixture_end(&fixture, &client);
}

Test(reload, frames_under_way_are_answered)
{
	static struct client_batch batch;
	struct fixture fixture;
	struct client client;
	struct ipc_message message;
	int answered = 0, reports = 0;
	uint64_t seen = 0;

	fixture_serve(&fixture, &client);
	client_open_stream(&client, (struct ipc_stream_open){.model = "slow", .n_slots = 8});
	/* Another accuracy makes other rungs, so the networks are loaded and measured anew between the frames. */
	fixture_configure(&fixture, "  - name: slow\n    task: classify\n    deadline_ms: 60000\n"
				    "    variants: [{name: s, file: slow.param, accuracy: 0.6}]\n");
	for (uint32_t i = 0; i < 8; i++) {
		struct ipc_frame frame = client_frame(&client, i + 1, i);

		ipc_writer_reset(&client.writer);
		ipc_put_frame(&client.writer, &frame);
		client_batch(&batch, IPC_FRAME, 100 + i, &client.writer);
	}
	ipc_writer_reset(&client.writer);
	ipc_put_query(&client.writer, "reload");
	client_batch(&batch, IPC_QUERY, 200, &client.writer);
	client_write(&client, batch.bytes, batch.size);
	while (answered < 8 || reports < 1) {
		cr_assert_eq(client_read(&client, &message), 0);
		if (message.header.type == IPC_REPORT) {
			reports++;
			continue;
		}
		cr_assert_eq((int)message.header.type, (int)IPC_RESULT);
		cr_assert_eq(ipc_get_result(message.body, message.header.length, &client.result, &client.storage, NULL),
			     0);
		cr_assert_eq((int)client.result.status, (int)IPC_OK, "%s", client.result.text);
		cr_assert_eq(seen & 1u << client.result.seq, 0, "answered twice");
		seen |= 1u << client.result.seq;
		ipc_storage_free(client.storage);
		client.storage = NULL;
		answered++;
	}
	fixture_wait_log(&fixture, "reloaded: 1 model, networks loaded for 1");
	fixture_end(&fixture, &client);
}
