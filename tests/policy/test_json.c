/* test_json.c - the reader of inferd-policy's lines: what JSON is, what is not, and any bytes at all. */
#include <string.h>

#include "tools/inferd-policy/json.h"
#include "support/test.h"

TEST_SUITE(json);

static struct json json;

static bool parses(const char *text)
{
	return json_parse(&json, text, strlen(text));
}

Test(json, values_are_found_by_name)
{
	double number = 0;
	char text[16];

	cr_assert(parses(" {\"a\":[1,-2.5e1,null],\"b\":{\"c\":\"x\\n\\u00e9\\ud83d\\ude00\"},\"t\":true} "), "%s",
		  json.error);
	int a = json_member(&json, 0, "a"), at = json_first(&json, a);

	cr_assert_eq(json.nodes[a].children, 3);
	cr_assert(json_number(&json, at, &number) && number == 1);
	at = json_after(&json, at);
	cr_assert(json_number(&json, at, &number) && number == -25);
	cr_assert(json_is(&json, json_after(&json, at), JSON_NULL));
	cr_assert(json_string(&json, json_member(&json, json_member(&json, 0, "b"), "c"), text, sizeof(text)));
	cr_assert_str_eq(text, "x\n\xc3\xa9\xf0\x9f\x98\x80");
	cr_assert(!json_string(&json, json_member(&json, json_member(&json, 0, "b"), "c"), text, 8), "too long");
	cr_assert(json_is_true(&json, json_member(&json, 0, "t")));
	cr_assert_eq(json_member(&json, 0, "absent"), -1);
	cr_assert_eq(json_member(&json, -1, "a"), -1);
	cr_assert(!json_number(&json, -1, &number));
}

Test(json, what_is_no_json_is_refused)
{
	static const char *const bad[] = {"",	   "{",	    "[1,]", "{\"a\"}", "{\"a\":}", "{a:1}",    "01",
					  "1.",	   "-",	    "1e",   "nul",     "\"a",	   "\"\\x\"",  "\"\\u12g4\"",
					  "[1] 2", "[1 2]", "+1",   ".5",      "NaN",	   "[\"\t\"]", "{\"a\":1,}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert(!parses(bad[i]), "%s", bad[i]);
		cr_assert_gt(strlen(json.error), 0);
	}
}

Test(json, depth_and_number_of_values_are_bounded)
{
	char text[2 * JSON_NODES_MAX + 8];

	memset(text, '[', sizeof(text));
	cr_assert(!json_parse(&json, text, sizeof(text)));
	cr_assert_not_null(strstr(json.error, "nested too deeply"), "%s", json.error);
	text[0] = '[';
	for (size_t i = 1; i < sizeof(text); i += 2)
		memcpy(text + i, "0,", i + 1 < sizeof(text) ? 2 : 1);
	cr_assert(!json_parse(&json, text, sizeof(text)));
	cr_assert_not_null(strstr(json.error, "too many values"), "%s", json.error);
}

Test(json, any_bytes_are_read_safely)
{
	static const char seed[] = "{\"rungs\":[{\"name\":\"a\\u0041\",\"n\":-1.5e3}],\"x\":[true,null]}";
	char text[sizeof(seed)], name[8];
	double number;

	for (int round = 0; round < 20000; round++) {
		size_t length = (size_t)test_random_range(0, sizeof(seed) - 1);

		memcpy(text, seed, sizeof(seed));
		for (int i = 0; i < 4; i++)
			text[test_random_range(0, sizeof(seed) - 1)] = (char)test_random();
		if (!json_parse(&json, text, length))
			continue;
		for (int i = 0; i < json.n_nodes; i++) {
			json_number(&json, i, &number);
			json_string(&json, i, name, sizeof(name));
			json_member(&json, i, "n");
		}
	}
}
