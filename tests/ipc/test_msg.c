/*
 * test_msg.c - messages: what is encoded is decoded, what is not valid is refused with its cause.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"
#include "support/test.h"

TEST_SUITE(msg);

static void random_name(char to[IPC_NAME_MAX + 1])
{
	size_t length = (size_t)test_random_range(0, IPC_NAME_MAX);

	memset(to, 0, IPC_NAME_MAX + 1);
	for (size_t i = 0; i < length; i++)
		to[i] = (char)test_random_range(0x21, 0x7e);
}

static uint32_t random_u32(void)
{
	return (uint32_t)test_random() >> test_random_range(0, 31);
}

Test(msg, hello_and_welcome_round_trip)
{
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	for (unsigned n = 0; n < 200; n++) {
		struct ipc_hello hello = {.version = random_u32()}, hello_back;
		struct ipc_welcome welcome = {.version = random_u32(),
					      .memories = random_u32(),
					      .vectors = random_u32()},
				   welcome_back;

		random_name(hello.client);
		random_name(welcome.server);
		ipc_writer_reset(&writer);
		ipc_put_hello(&writer, &hello);
		cr_assert_eq(ipc_get_hello(writer.data, writer.size, &hello_back, NULL), 0);
		cr_assert_eq(hello_back.version, hello.version);
		cr_assert_str_eq(hello_back.client, hello.client);
		ipc_writer_reset(&writer);
		ipc_put_welcome(&writer, &welcome);
		cr_assert_eq(ipc_get_welcome(writer.data, writer.size, &welcome_back, NULL), 0);
		cr_assert_eq(welcome_back.version, welcome.version);
		cr_assert_str_eq(welcome_back.server, welcome.server);
		cr_assert_eq(welcome_back.memories, welcome.memories);
		cr_assert_eq(welcome_back.vectors, welcome.vectors);
	}
	ipc_writer_finish(&writer);
}

Test(msg, stream_open_round_trips)
{
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	for (unsigned n = 0; n < 200; n++) {
		struct ipc_stream_open open = {
			.mode = test_random() % 2 ? IPC_LATEST : IPC_EVERY,
			.n_slots = random_u32(),
			.slot_bytes = random_u32(),
			.deadline_us = random_u32(),
			.top_k = random_u32(),
			.min_fps = fabsf(test_random_float()) * 60,
			.weight = fabsf(test_random_float()) * 4,
			.priority = (enum ipc_priority)(test_random() % 4),
			.full = test_random() % 2,
		};
		struct ipc_stream_open back;

		random_name(open.model);
		random_name(open.rung);
		ipc_writer_reset(&writer);
		ipc_put_stream_open(&writer, &open);
		cr_assert_eq(ipc_get_stream_open(writer.data, writer.size, &back, NULL), 0);
		cr_assert_str_eq(back.model, open.model);
		cr_assert_str_eq(back.rung, open.rung);
		cr_assert_eq(back.mode, open.mode);
		cr_assert_eq(back.n_slots, open.n_slots);
		cr_assert_eq(back.slot_bytes, open.slot_bytes);
		cr_assert_eq(back.deadline_us, open.deadline_us);
		cr_assert_eq(back.top_k, open.top_k);
		cr_assert(back.min_fps == open.min_fps && back.weight == open.weight && back.priority == open.priority);
		cr_assert_eq(back.full, open.full);
	}
	ipc_writer_finish(&writer);
}

Test(msg, stream_opened_round_trips)
{
	struct ipc_stream_opened opened = {3, 4, 4096, 224, 192, 3, 200000}, back;
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	ipc_put_stream_opened(&writer, &opened);
	cr_assert_eq(ipc_get_stream_opened(writer.data, writer.size, &back, NULL), 0);
	cr_assert_arr_eq(&back, &opened, sizeof(opened));
	ipc_writer_finish(&writer);
}

Test(msg, frame_round_trips)
{
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	for (unsigned n = 0; n < 500; n++) {
		struct ipc_frame frame, back;

		memset(&frame, 0, sizeof(frame));
		memset(&back, 0xee, sizeof(back));
		frame.stream = random_u32();
		frame.seq = test_random() >> test_random_range(0, 63);
		frame.slot = random_u32();
		frame.format = (enum ipc_format)test_random_range(0, IPC_FORMAT_COUNT - 1);
		frame.full_range = test_random() % 2;
		frame.width = random_u32();
		frame.height = random_u32();
		for (unsigned i = 0; i < 3; i++) {
			frame.offset[i] = test_random() % 2 ? random_u32() : 0;
			frame.stride[i] = test_random() % 2 ? random_u32() : 0;
		}
		frame.bytes = random_u32();
		frame.captured_us = test_random();
		frame.deadline_us = random_u32();
		frame.angular_speed = fabsf(test_random_float()) * 100;
		frame.exposure_us = random_u32();
		ipc_writer_reset(&writer);
		ipc_put_frame(&writer, &frame);
		cr_assert_eq(ipc_get_frame(writer.data, writer.size, &back, NULL), 0);
		cr_assert_eq(back.stream, frame.stream);
		cr_assert_eq(back.seq, frame.seq);
		cr_assert_eq(back.slot, frame.slot);
		cr_assert_eq(back.format, frame.format);
		cr_assert_eq(back.full_range, frame.full_range);
		cr_assert_eq(back.width, frame.width);
		cr_assert_eq(back.height, frame.height);
		cr_assert_arr_eq(back.offset, frame.offset, sizeof(frame.offset));
		cr_assert_arr_eq(back.stride, frame.stride, sizeof(frame.stride));
		cr_assert_eq(back.bytes, frame.bytes);
		cr_assert_eq(back.captured_us, frame.captured_us);
		cr_assert_eq(back.deadline_us, frame.deadline_us);
		cr_assert(back.angular_speed == frame.angular_speed && back.exposure_us == frame.exposure_us);
	}
	ipc_writer_finish(&writer);
}

Test(msg, small_requests_round_trip)
{
	char what[IPC_NAME_MAX + 1];
	struct ipc_change change;
	struct ipc_writer writer;
	uint32_t stream;
	uint64_t seq;

	ipc_writer_init(&writer);
	ipc_put_stream_close(&writer, 12);
	cr_assert_eq(ipc_get_stream_close(writer.data, writer.size, &stream, NULL), 0);
	cr_assert_eq(stream, 12);
	ipc_writer_reset(&writer);
	ipc_put_cancel(&writer, 7, UINT64_MAX);
	cr_assert_eq(ipc_get_cancel(writer.data, writer.size, &stream, &seq, NULL), 0);
	cr_assert_eq(stream, 7);
	cr_assert_eq(seq, UINT64_MAX);
	ipc_writer_reset(&writer);
	ipc_put_query(&writer, "reload-dry-run");
	cr_assert_eq(ipc_get_query(writer.data, writer.size, what, NULL), 0);
	cr_assert_str_eq(what, "reload-dry-run");
	ipc_writer_reset(&writer);
	ipc_put_change(&writer, &(struct ipc_change){.what = "remove", .model = "x"});
	cr_assert_eq(ipc_get_change(writer.data, writer.size, &change, NULL), 0);
	cr_assert(!strcmp(change.what, "remove") && !strcmp(change.model, "x"));
	ipc_writer_reset(&writer);
	ipc_put_done(&writer);
	cr_assert_eq(ipc_body_check(writer.data, writer.size, NULL), 0);
	ipc_writer_finish(&writer);
}

Test(msg, what_concerns_galleries_round_trips)
{
	struct ipc_gallery asked = {.what = "add", .gallery = "clips", .name = "a b", .model = "look"}, back;
	struct ipc_stream_open open = {.model = "look", .gallery = "clips"}, open_back;
	struct ipc_result result = {.stream = 3, .verdict = IPC_VERDICT_MAYBE, .name = "a b", .space = UINT64_MAX - 1};
	struct ipc_writer writer;
	void *storage = NULL;

	ipc_writer_init(&writer);
	ipc_put_gallery(&writer, &asked);
	cr_assert_eq(ipc_get_gallery(writer.data, writer.size, &back, NULL), 0);
	cr_assert(!strcmp(back.what, "add") && !strcmp(back.gallery, "clips") && !strcmp(back.name, "a b") &&
		  !strcmp(back.model, "look"));
	ipc_writer_reset(&writer);
	ipc_put_stream_open(&writer, &open);
	cr_assert_eq(ipc_get_stream_open(writer.data, writer.size, &open_back, NULL), 0);
	cr_assert_str_eq(open_back.gallery, "clips");
	ipc_writer_reset(&writer);
	ipc_put_result(&writer, &result);
	result = (struct ipc_result){0};
	cr_assert_eq(ipc_get_result(writer.data, writer.size, &result, &storage, NULL), 0);
	cr_assert_eq(result.verdict, IPC_VERDICT_MAYBE);
	cr_assert_str_eq(result.name, "a b");
	cr_assert_eq(result.space, UINT64_MAX - 1);
	ipc_storage_free(storage);
	ipc_writer_finish(&writer);
}

Test(msg, error_round_trips)
{
	struct ipc_error error = {ENOENT, "no model is called 'x'"}, back;
	struct ipc_writer writer;
	void *storage = NULL;

	ipc_writer_init(&writer);
	ipc_put_error(&writer, &error);
	cr_assert_eq(ipc_get_error(writer.data, writer.size, &back, &storage, NULL), 0);
	cr_assert_eq(back.code, ENOENT);
	cr_assert_str_eq(back.text, error.text);
	ipc_storage_free(storage);
	ipc_writer_finish(&writer);
}

static void expect_same_result(const struct ipc_result *a, const struct ipc_result *b)
{
	cr_assert_eq(a->stream, b->stream);
	cr_assert_eq(a->seq, b->seq);
	cr_assert_eq(a->status, b->status);
	cr_assert_str_eq(a->text, b->text);
	cr_assert_str_eq(a->reason, b->reason);
	cr_assert_eq(a->n_items, b->n_items);
	for (uint32_t i = 0; i < a->n_items; i++) {
		cr_assert_eq(a->items[i].index, b->items[i].index);
		cr_assert(a->items[i].score == b->items[i].score);
		cr_assert_str_eq(a->items[i].label, b->items[i].label);
	}
	cr_assert_eq(a->n_embedding, b->n_embedding);
	for (uint32_t i = 0; i < a->n_embedding; i++)
		cr_assert(a->embedding[i] == b->embedding[i]);
	cr_assert_str_eq(a->rung.name, b->rung.name);
	cr_assert_str_eq(a->rung.variant, b->rung.variant);
	cr_assert_str_eq(a->rung.lane, b->rung.lane);
	cr_assert_eq(a->rung.width, b->rung.width);
	cr_assert_eq(a->rung.height, b->rung.height);
	cr_assert_eq(a->rung.channels, b->rung.channels);
	cr_assert_eq(a->rung.threads, b->rung.threads);
	cr_assert_eq(a->queue_us, b->queue_us);
	cr_assert_eq(a->wait_us, b->wait_us);
	cr_assert_eq(a->preprocess_us, b->preprocess_us);
	cr_assert_eq(a->inference_us, b->inference_us);
	cr_assert_eq(a->total_us, b->total_us);
	cr_assert_eq(a->advice_width, b->advice_width);
	cr_assert_eq(a->advice_height, b->advice_height);
	cr_assert_eq(a->advice_channels, b->advice_channels);
}

Test(msg, result_round_trips)
{
	static struct ipc_result_item items[IPC_RESULTS_MAX];
	static char labels[IPC_RESULTS_MAX][IPC_NAME_MAX + 1];
	static float embedding[2000];
	static char names[5][IPC_NAME_MAX + 1];
	struct ipc_writer writer;
	void *reused = NULL;

	ipc_writer_init(&writer);
	for (unsigned n = 0; n < 100; n++) {
		struct ipc_result result = {
			.stream = random_u32(),
			.seq = test_random(),
			.status = (enum ipc_status)test_random_range(0, IPC_FAILED),
			.items = items,
			.n_items = (uint32_t)(n == 0 ? IPC_RESULTS_MAX : test_random_range(0, 20)),
			.embedding = embedding,
			.n_embedding = (uint32_t)(n % 3 ? 0 : test_random_range(0, 2000)),
			.queue_us = random_u32(),
			.wait_us = random_u32(),
			.preprocess_us = random_u32(),
			.inference_us = random_u32(),
			.total_us = random_u32(),
			.advice_width = random_u32(),
			.advice_height = random_u32(),
			.advice_channels = random_u32(),
		};
		struct ipc_result back;
		void *storage = NULL;

		for (unsigned i = 0; i < 5; i++)
			random_name(names[i]);
		result.text = names[0];
		result.reason = names[1];
		result.rung.name = result.rung.variant = result.rung.lane = "";
		if (n % 4) {
			result.rung.name = names[2];
			result.rung.variant = names[3];
			result.rung.lane = names[4];
			result.rung.width = 1 + random_u32() / 2;
			result.rung.height = random_u32();
			result.rung.channels = random_u32();
			result.rung.threads = random_u32();
		}
		for (uint32_t i = 0; i < result.n_items; i++) {
			random_name(labels[i]);
			items[i] = (struct ipc_result_item){
				.index = random_u32(), .score = test_random_float(), .label = labels[i]};
		}
		for (uint32_t i = 0; i < result.n_embedding; i++)
			embedding[i] = test_random_float();
		ipc_writer_reset(&writer);
		ipc_put_result(&writer, &result);
		cr_assert_eq(writer.error, 0);
		cr_assert_eq(ipc_get_result(writer.data, writer.size, &back, &storage, NULL), 0);
		expect_same_result(&result, &back);
		ipc_storage_free(storage);
		cr_assert_eq(ipc_get_result_reusing(writer.data, writer.size, &back, &reused, NULL), 0);
		expect_same_result(&result, &back);
	}
	ipc_storage_free(reused);
	ipc_writer_finish(&writer);
}

Test(msg, warm_result_path_keeps_its_memory)
{
	struct ipc_result_item item = {.index = 1, .score = 0.5f, .label = "cat"};
	struct ipc_result result = {.seq = 1, .items = &item, .n_items = 1, .reason = "a sentence"}, back;
	struct ipc_writer writer;
	void *storage = NULL, *first;
	uint8_t *data;

	ipc_writer_init(&writer);
	ipc_put_result(&writer, &result);
	cr_assert_eq(ipc_get_result_reusing(writer.data, writer.size, &back, &storage, NULL), 0);
	first = storage;
	data = writer.data;
	for (unsigned i = 0; i < 100; i++) {
		ipc_writer_reset(&writer);
		ipc_put_result(&writer, &result);
		cr_assert_eq(ipc_get_result_reusing(writer.data, writer.size, &back, &storage, NULL), 0);
		cr_assert(storage == first && writer.data == data);
	}
	ipc_storage_free(storage);
	ipc_writer_finish(&writer);
}

Test(msg, long_texts_are_cut_at_a_character)
{
	char text[IPC_TEXT_MAX + 20];
	struct ipc_error error = {EIO, text}, back;
	struct ipc_writer writer;
	void *storage = NULL;

	/* An odd start, so that the limit falls inside a character of three bytes. */
	text[0] = 'x';
	for (size_t i = 1; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	ipc_writer_init(&writer);
	ipc_put_error(&writer, &error);
	cr_assert_eq(ipc_get_error(writer.data, writer.size, &back, &storage, NULL), 0);
	cr_assert_eq(strlen(back.text), 253);
	cr_assert_eq(strncmp(back.text, text, 253), 0);
	ipc_storage_free(storage);
	ipc_writer_finish(&writer);
}

Test(msg, too_much_for_a_result_sticks_as_error)
{
	struct ipc_result result = {.n_items = IPC_RESULTS_MAX + 1};
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	ipc_put_result(&writer, &result);
	cr_assert_eq(writer.error, -EMSGSIZE);
	ipc_writer_reset(&writer);
	result = (struct ipc_result){.n_embedding = UINT32_MAX};
	ipc_put_result(&writer, &result);
	cr_assert_eq(writer.error, -EMSGSIZE);
	ipc_writer_finish(&writer);
}

Test(msg, unknown_keys_are_skipped)
{
	/* {99: [1, {2: "x"}], "key": nil, [1]: 2, 14: 5, 200: 1.5} */
	static const char body[] =
		"\x85\x63\x92\x01\x81\x02\xa1x\xa3key\xc0\x91\x01\x02\x0e\x05\xcc\xc8\xca\x3f\xc0\x00\x00";
	uint32_t stream = 0;

	cr_assert_eq(ipc_get_stream_close(body, sizeof(body) - 1, &stream, NULL), 0);
	cr_assert_eq(stream, 5);
}

Test(msg, what_did_not_come_is_zero)
{
	struct ipc_stream_open open;
	struct ipc_result result;
	void *storage = NULL;

	memset(&open, 0xff, sizeof(open));
	cr_assert_eq(ipc_get_stream_open("\x80", 1, &open, NULL), 0);
	cr_assert_str_eq(open.model, "");
	cr_assert_eq(open.n_slots, 0);
	cr_assert(!open.full);
	cr_assert_eq(ipc_get_result("\x80", 1, &result, &storage, NULL), 0);
	cr_assert_str_eq(result.text, "");
	cr_assert_str_eq(result.rung.name, "");
	cr_assert_eq(result.n_items, 0);
	ipc_storage_free(storage);
}

static uint8_t key(enum ipc_key number)
{
	return (uint8_t)number;
}

Test(msg, wrong_values_are_refused_with_their_cause)
{
	const struct {
		uint8_t key;
		const char *value;
		size_t length;
		const char *reason;
	} cases[] = {
		{key(IPC_K_WIDTH), "\xa1x", 2, "a field is not an unsigned number"},
		{key(IPC_K_WIDTH), "\xff", 1, "a field is not an unsigned number"},
		{key(IPC_K_WIDTH), "\xca\x3f\x80\x00\x00", 5, "a field is not an unsigned number"},
		{key(IPC_K_WIDTH), "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 9, "a number is out of its range"},
		{key(IPC_K_FORMAT), "\x0a", 1, "a number is out of its range"},
		{key(IPC_K_SEQ), "\xc0", 1, "a field is not an unsigned number"},
		{key(IPC_K_FULL_RANGE), "\x01", 1, "a field is not true or false"},
		{key(IPC_K_OFFSETS), "\x94\x01\x01\x01\x01", 5, "a field is not an array of up to three numbers"},
		{key(IPC_K_OFFSETS), "\x01", 1, "a field is not an array of up to three numbers"},
		{key(IPC_K_OFFSETS), "\x91\xc0", 2, "a field is not an unsigned number"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_frame frame = {.width = 4711};
		uint8_t body[32] = {0x81, cases[i].key};
		const char *reason = "";

		memcpy(body + 2, cases[i].value, cases[i].length);
		cr_assert_eq(ipc_get_frame(body, 2 + cases[i].length, &frame, &reason), -EPROTO, "case %zu", i);
		cr_assert_str_eq(reason, cases[i].reason);
		cr_assert_eq(frame.width, 4711, "an output was touched");
	}
}

Test(msg, wrong_stream_options_are_refused)
{
	const struct {
		uint8_t key;
		const char *value;
		size_t length;
		const char *reason;
	} cases[] = {
		{key(IPC_K_MODE), "\x02", 1, "a number is out of its range"},
		{key(IPC_K_WEIGHT), "\xca\x7f\xc0\x00\x00", 5, "a number is out of its range"},
		{key(IPC_K_WEIGHT), "\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", 9, "a number is out of its range"},
		{key(IPC_K_MIN_FPS), "\xff", 1, "a number is out of its range"},
		{key(IPC_K_MIN_FPS), "\xa0", 1, "a field is not a number"},
		{key(IPC_K_MODEL), "\x01", 1, "a field is not a text"},
		{key(IPC_K_MODEL), "\xc4\x01x", 3, "a field is not a text"},
		{key(IPC_K_MODEL), "\xa2x\n", 3, "a name has control characters"},
		{key(IPC_K_MODEL), "\xa2x\0", 3, "a name has control characters"},
	};
	char name[IPC_NAME_MAX + 6] = "\x81\x04\xd9\x40";
	struct ipc_stream_open open;
	const char *reason = "";

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t body[32] = {0x81, cases[i].key};

		memcpy(body + 2, cases[i].value, cases[i].length);
		cr_assert_eq(ipc_get_stream_open(body, 2 + cases[i].length, &open, &reason), -EPROTO, "case %zu", i);
		cr_assert_str_eq(reason, cases[i].reason);
	}
	memset(name + 4, 'n', IPC_NAME_MAX + 1);
	cr_assert_eq(ipc_get_stream_open(name, 4 + IPC_NAME_MAX + 1, &open, &reason), -EPROTO);
	cr_assert_str_eq(reason, "a name is too long");
	/* One byte less, and whole numbers where fractions may come. */
	name[3] = IPC_NAME_MAX;
	cr_assert_eq(ipc_get_stream_open(name, 4 + IPC_NAME_MAX, &open, &reason), 0);
	cr_assert_eq(ipc_get_stream_open("\x81\x0b\x02", 3, &open, &reason), 0);
	cr_assert(open.weight == 2.0f);
}

Test(msg, bodies_that_are_no_single_map_are_refused)
{
	struct ipc_frame frame;
	const char *reason = "";

	cr_assert_eq(ipc_get_frame("\x90", 1, &frame, &reason), -EPROTO);
	cr_assert_str_eq(reason, "the body is not a map");
	cr_assert_eq(ipc_get_frame("\x82\x0e\x01\x0e\x02", 5, &frame, &reason), -EPROTO);
	cr_assert_str_eq(reason, "a key comes twice");
	cr_assert_eq(ipc_get_frame("\xdf\xff\xff\xff\xff", 5, &frame, &reason), -EPROTO);
	cr_assert_eq(ipc_get_frame(NULL, 0, &frame, &reason), -EPROTO);
	cr_assert_str_eq(reason, "the body is empty");
}

/* Announces a thousand results in a body far too small for them, with a label to write behind them. */
Test(msg, results_beyond_the_body_write_nowhere)
{
	static uint8_t body[1100] = {0x81, IPC_K_ITEMS, 0xdc, 1000 >> 8, 1000 & 0xff, 0x93, 0, 0, 0xa3, 'a', 'b', 'c'};
	struct ipc_result result;
	const char *reason = "";
	void *storage = NULL;

	memset(body + 12, 0xc0, 999);
	cr_assert_eq(ipc_get_result(body, 12 + 999, &result, &storage, &reason), -EPROTO);
	cr_assert_str_eq(reason, "the fields announce more than the body holds");
	cr_assert_null(storage);
}

Test(msg, damaged_results_are_refused)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *reason;
	} cases[] = {
		{"\x81\x1c\x91\x90", 4, "a result is not an array of index, score and label"},
		{"\x81\x1c\x91\x05", 4, "a result is not an array of index, score and label"},
		{"\x81\x1c\x91\x92\xc0\x01", 6, "a field is not an unsigned number"},
		{"\x81\x1c\x91\x92\x01\xc0", 6, "a field is not a number"},
		{"\x81\x1c\x91\x93\x01\x01\x01", 7, "a field is not a text"},
		{"\x81\x1c\x91\x93\x01\x01\xa1\0", 8, "a text has a NUL byte"},
		{"\x81\x1d\xc4\x03xyz", 7, "numbers are not a bin of 4-byte floats"},
		{"\x81\x1d\x91\x01", 4, "numbers are not a bin of 4-byte floats"},
		{"\x81\x0d\x01", 3, "the body is not a map"},
		{"\x81\x1a\x07", 3, "a number is out of its range"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_result result;
		const char *reason = "";
		void *storage = NULL;

		cr_assert_eq(ipc_get_result(cases[i].bytes, cases[i].length, &result, &storage, &reason), -EPROTO,
			     "case %zu", i);
		cr_assert_str_eq(reason, cases[i].reason);
		cr_assert_null(storage);
	}
}

Test(msg, places_round_trip)
{
	static float boxes[30][4], points[30][5 * IPC_POINT_FLOATS];
	struct ipc_result_item items[30];
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	for (int round = 0; round < 100; round++) {
		struct ipc_result result = {
			.items = items, .n_items = (uint32_t)test_random_range(0, 30), .reason = ""};
		struct ipc_result back;
		void *storage = NULL;

		result.mask_width = random_u32() | 1;
		result.mask_offset = random_u32();
		for (uint32_t i = 0; i < result.n_items; i++) {
			items[i] = (struct ipc_result_item){.index = i, .label = i % 2 ? "a" : ""};
			for (int j = 0; j < 4; j++)
				boxes[i][j] = test_random_float();
			for (int j = 0; j < 5 * IPC_POINT_FLOATS; j++)
				points[i][j] = test_random_float();
			items[i].box = test_random_range(0, 1) ? boxes[i] : NULL;
			items[i].n_points = (uint32_t)test_random_range(0, 5);
			items[i].points = items[i].n_points ? points[i] : NULL;
			items[i].gesture = i % 3 ? "victory" : "";
			items[i].gesture_score = i % 3 ? 0.75f : 0;
		}
		ipc_writer_reset(&writer);
		ipc_put_result(&writer, &result);
		cr_assert_eq(ipc_get_result(writer.data, writer.size, &back, &storage, NULL), 0);
		cr_assert_eq(back.mask_width, result.mask_width);
		cr_assert_eq(back.mask_offset, result.mask_offset);
		for (uint32_t i = 0; i < result.n_items; i++) {
			cr_assert_eq(!back.items[i].box, !items[i].box);
			cr_assert(!items[i].box || !memcmp(back.items[i].box, boxes[i], sizeof(boxes[i])));
			cr_assert_eq(back.items[i].n_points, items[i].n_points);
			cr_assert(!items[i].n_points || !memcmp(back.items[i].points, points[i],
								items[i].n_points * IPC_POINT_FLOATS * sizeof(float)));
			cr_assert_str_eq(back.items[i].label, items[i].label);
			cr_assert_str_eq(back.items[i].gesture, items[i].gesture);
			cr_assert(back.items[i].gesture_score == items[i].gesture_score);
		}
		ipc_storage_free(storage);
	}
	ipc_writer_finish(&writer);
}

Test(msg, misshapen_places_are_refused)
{
	/* A box of three numbers, points of five. */
	static const char box[] = "\x81\x1c\x91\x94\x07\x01\xa0\xc4\x0c"
				  "123412341234";
	static const char points[] = "\x81\x1c\x91\x95\x07\x01\xa0\xc4\x00\xc4\x14"
				     "12341234123412341234";
	struct ipc_result result;
	const char *reason = "";
	void *storage = NULL;

	cr_assert_eq(ipc_get_result(box, sizeof(box) - 1, &result, &storage, &reason), -EPROTO);
	cr_assert_str_eq(reason, "a box is not four numbers");
	cr_assert_eq(ipc_get_result(points, sizeof(points) - 1, &result, &storage, &reason), -EPROTO);
	cr_assert_str_eq(reason, "points are not of four numbers each");
}

/* What a later version may add behind the gesture is passed over. */
Test(msg, longer_results_are_understood)
{
	static const char body[] = "\x81\x1c\x92\x99\x07\xca\x3f\x00\x00\x00\xa3"
				   "cat\xc4\x00\xc4\x00\xa4"
				   "fist\x01\x94\x01\x02\x03\x04\xc0\x92\x08\x01";
	struct ipc_result result;
	void *storage = NULL;

	cr_assert_eq(ipc_get_result(body, sizeof(body) - 1, &result, &storage, NULL), 0);
	cr_assert_eq(result.n_items, 2);
	cr_assert_eq(result.items[0].index, 7);
	cr_assert_str_eq(result.items[0].label, "cat");
	cr_assert_str_eq(result.items[0].gesture, "fist");
	cr_assert(result.items[0].gesture_score == 1.0f);
	cr_assert_str_eq(result.items[1].gesture, "");
	cr_assert_eq(result.items[1].index, 8);
	cr_assert(result.items[1].score == 1.0f);
	cr_assert_str_eq(result.items[1].label, "");
	ipc_storage_free(storage);
}

/* Every byte of valid bodies changed at random: decoders may refuse or accept, and nothing else. */
Test(msg, damaged_bodies_harm_nobody)
{
	static const float box[4] = {1, 2, 3, 4}, points[2 * IPC_POINT_FLOATS] = {1, 2, NAN, 4, 5, 6, 7, 8};
	struct ipc_result_item items[3] = {{.index = 1, .score = 0.5f, .label = "one"},
					   {.index = 2, .score = 0.25f, .label = "two", .box = box},
					   {.index = 3, .label = "", .points = points, .n_points = 2}};
	float embedding[5] = {1, 2, 3, 4, 5};
	struct ipc_result result = {.seq = 9,
				    .items = items,
				    .n_items = 3,
				    .embedding = embedding,
				    .n_embedding = 5,
				    .rung = {.name = "r", .variant = "v", .lane = "l", .width = 9},
				    .reason = "because"};
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	ipc_put_result(&writer, &result);
	for (unsigned n = 0; n < 20000; n++) {
		size_t length = n % 4 ? writer.size : (size_t)test_random_range(0, (int64_t)writer.size);
		uint8_t *copy = malloc(length ? length : 1);
		struct ipc_result back;
		struct ipc_frame frame;
		void *storage = NULL;

		memcpy(copy, writer.data, length);
		for (unsigned i = 0; i < 1 + n % 3 && length; i++)
			copy[test_random() % length] = (uint8_t)test_random();
		if (ipc_get_result(copy, length, &back, &storage, NULL) == 0)
			ipc_storage_free(storage);
		ipc_get_frame(copy, length, &frame, NULL);
		free(copy);
	}
	ipc_writer_finish(&writer);
}
