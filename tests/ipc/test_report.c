/*
 * test_report.c - reports as JSON, whatever is in them.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"
#include "support/test.h"

TEST_SUITE(report);

static void expect_json(struct ipc_writer *writer, const char *expected)
{
	char *text = NULL;

	cr_assert_eq(writer->error, 0);
	cr_assert_eq(ipc_report_json(writer->data, writer->size, &text), 0);
	cr_assert_str_eq(text, expected);
	free(text);
	ipc_writer_finish(writer);
}

Test(report, every_kind_of_value)
{
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	ipc_put_map(&writer, 7);
	ipc_put_text(&writer, "u");
	ipc_put_uint(&writer, UINT64_MAX);
	ipc_put_text(&writer, "i");
	ipc_put_int(&writer, INT64_MIN);
	ipc_put_text(&writer, "f");
	ipc_put_float(&writer, 0.1);
	ipc_put_text(&writer, "t");
	ipc_put_bool(&writer, true);
	ipc_put_text(&writer, "a");
	ipc_put_array(&writer, 3);
	ipc_put_float(&writer, NAN);
	ipc_put_float(&writer, -INFINITY);
	ipc_put_float(&writer, 2);
	ipc_put_text(&writer, "e");
	ipc_put_array(&writer, 0);
	ipc_put_text(&writer, "m");
	ipc_put_map(&writer, 0);
	expect_json(&writer, "{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"f\":0.1,\"t\":true,"
			     "\"a\":[null,null,2],\"e\":[],\"m\":{}}");
}

Test(report, numbers_read_back_the_same)
{
	for (unsigned n = 0; n < 2000; n++) {
		uint64_t bits = test_random();
		struct ipc_writer writer;
		char *text = NULL;
		double value;

		memcpy(&value, &bits, sizeof(value));
		ipc_writer_init(&writer);
		ipc_put_float(&writer, value);
		cr_assert_eq(ipc_report_json(writer.data, writer.size, &text), 0);
		if (isfinite(value))
			cr_assert(strtod(text, NULL) == value, "%s", text);
		else
			cr_assert_str_eq(text, "null");
		free(text);
		ipc_writer_finish(&writer);
	}
}

Test(report, texts_are_escaped_and_made_valid)
{
	static const struct {
		const char *text, *json;
	} cases[] = {
		{"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xb1", "\"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x90\xb1\""},
		{"\"\\\n\x01\x7f", "\"\\\"\\\\\\u000a\\u0001\\u007f\""},
		{"\xff", "\"\\ufffd\""},
		{"\xc3", "\"\\ufffd\""},
		{"\xc0\xaf", "\"\\ufffd\\ufffd\""},			  /* overlong */
		{"\xe0\x9f\x80x", "\"\\ufffd\\ufffd\\ufffdx\""},	  /* overlong */
		{"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},		  /* a surrogate */
		{"\xf4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""}, /* beyond Unicode */
		{"\xe2\x82", "\"\\ufffd\\ufffd\""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_writer writer;

		ipc_writer_init(&writer);
		ipc_put_text(&writer, cases[i].text);
		expect_json(&writer, cases[i].json);
	}
}

Test(report, bodies_are_checked_first)
{
	char *text = NULL;

	cr_assert_eq(ipc_report_json("\xdd\x0f\xff\xff\xff", 5, &text), -EPROTO);
	cr_assert_eq(ipc_report_json("", 0, &text), -EPROTO);
	cr_assert_null(text);
}

Test(report, keys_that_are_no_text_are_shown)
{
	char *text = NULL;

	cr_assert_eq(ipc_report_json("\x82\x05\x01\xc0\xc4\x01x", 7, &text), 0);
	cr_assert_str_eq(text, "{\"5\":1,\"?\":null}");
	free(text);
}

Test(report, writer_stops_at_the_limit)
{
	struct ipc_writer writer;
	static char text[1000];

	memset(text, 'x', sizeof(text) - 1);
	ipc_writer_init(&writer);
	for (unsigned i = 0; i < 300; i++)
		ipc_put_text(&writer, text);
	cr_assert_eq(writer.error, -EMSGSIZE);
	cr_assert_leq(writer.size, IPC_BODY_MAX);
	ipc_writer_reset(&writer);
	cr_assert_eq(writer.error, 0);
	ipc_put_bool(&writer, false);
	cr_assert_eq(writer.size, 1);
	ipc_writer_finish(&writer);
	ipc_writer_finish(&writer);
}
