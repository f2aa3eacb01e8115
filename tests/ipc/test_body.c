/*
 * test_body.c - the scan before decoding: lies about counts and lengths, nesting, types, ends.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"
#include "support/test.h"

TEST_SUITE(body);

/* A heap copy, so that AddressSanitizer sees a read behind the end. */
static int check(const void *bytes, size_t length, const char **ret_reason)
{
	uint8_t *copy = malloc(length ? length : 1);
	int r;

	memcpy(copy, bytes, length);
	r = ipc_body_check(copy, length, ret_reason);
	free(copy);
	return r;
}

Test(body, lies_are_refused_with_their_cause)
{
	static const struct {
		const char *bytes;
		size_t length;
		const char *reason;
	} cases[] = {
		{"", 0, "the body is empty"},
		{"\xdd\xff\xff\xff\xff", 5, "a container announces more items than the body has bytes"},
		{"\xdf\xff\xff\xff\xff", 5, "a container announces more items than the body has bytes"},
		{"\xdd\x0b\xeb\xc2\x00\x00", 6,
		 "a container announces more items than the body has bytes"}, /* 200 million */
		{"\xdf\x80\x00\x00\x00\x00", 6, "a container announces more items than the body has bytes"},
		{"\xdc\x00\x02\x01", 4, "a container announces more items than the body has bytes"},
		{"\x81\x01", 2, "a container announces more items than the body has bytes"},
		{"\x92\x01", 2, "a container announces more items than the body has bytes"},
		{"\xdb\xff\xff\xff\xff", 5, "a text is longer than the body"},
		{"\xc6\xff\xff\xff\xff", 5, "a text is longer than the body"},
		{"\xd9\x05xxxx", 6, "a text is longer than the body"},
		{"\xa5xxxx", 5, "a text is longer than the body"},
		{"\xcf\x00\x00", 3, "the body ends inside a value"},
		{"\xcb\x00\x00\x00\x00\x00\x00\x00", 8, "the body ends inside a value"},
		{"\xda\x00", 2, "the body ends inside a value"},
		{"\xdd\x00\x00\x00", 4, "the body ends inside a value"},
		{"\xc1", 1, "a type that is not part of the protocol"},
		{"\xd4\x01\x01", 3, "a type that is not part of the protocol"},
		{"\xc7\x01\x01\x01", 4, "a type that is not part of the protocol"},
		{"\x01\x01", 2, "bytes follow the body's value"},
		{"\x80\x80", 2, "bytes follow the body's value"},
		{"\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01", 10, "the body is nested too deeply"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *reason = "";

		cr_assert_eq(check(cases[i].bytes, cases[i].length, &reason), -EPROTO, "case %zu was accepted", i);
		cr_assert_str_eq(reason, cases[i].reason);
	}
}

Test(body, every_type_of_the_protocol_is_accepted)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{"\x00", 1},
		{"\xff", 1},
		{"\xc0", 1},
		{"\xc2", 1},
		{"\xc3", 1},
		{"\xcc\xff", 2},
		{"\xcd\xff\xff", 3},
		{"\xce\xff\xff\xff\xff", 5},
		{"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", 9},
		{"\xd0\x80", 2},
		{"\xd1\x80\x00", 3},
		{"\xd2\x80\x00\x00\x00", 5},
		{"\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9},
		{"\xca\x7f\xc0\x00\x00", 5},
		{"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", 9},
		{"\xa0", 1},
		{"\xd9\x01x", 3},
		{"\xda\x00\x01x", 4},
		{"\xdb\x00\x00\x00\x01x", 6},
		{"\xc4\x01x", 3},
		{"\xc5\x00\x01x", 4},
		{"\xc6\x00\x00\x00\x01x", 6},
		{"\x80", 1},
		{"\x90", 1},
		{"\xdc\x00\x01\x80", 4},
		{"\xdf\x00\x00\x00\x01\x01\x90", 7},
		{"\x91\x91\x91\x91\x91\x91\x91\x90", 8}, /* IPC_DEPTH_MAX deep */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_eq(check(cases[i].bytes, cases[i].length, NULL), 0, "case %zu was refused", i);
		/* Cut anywhere it is a lie. */
		for (size_t length = 0; length < cases[i].length; length++)
			cr_assert_eq(check(cases[i].bytes, length, NULL), -EPROTO, "case %zu cut to %zu", i, length);
	}
}

Test(body, items_of_all_containers_together_are_limited)
{
	static uint8_t bytes[IPC_BODY_MAX];
	uint32_t count = IPC_ELEMENTS_MAX;
	const char *reason = "";

	bytes[0] = 0xdc;
	bytes[1] = (uint8_t)(count >> 8);
	bytes[2] = (uint8_t)count;
	memset(bytes + 3, 0xc0, count);
	cr_assert_eq(check(bytes, 3 + count, NULL), 0);
	/* The last item becomes an array of one: one too many. */
	bytes[3 + count - 1] = 0x91;
	bytes[3 + count] = 0xc0;
	cr_assert_eq(check(bytes, 4 + count, &reason), -EPROTO);
	cr_assert_str_eq(reason, "the body has too many items");
}

Test(body, longer_than_the_limit_is_refused)
{
	static uint8_t bytes[IPC_BODY_MAX + 1];
	const char *reason = "";

	bytes[0] = 0xc6;
	bytes[2] = (IPC_BODY_MAX - 4) >> 16;
	bytes[3] = (uint8_t)((IPC_BODY_MAX - 4) >> 8);
	bytes[4] = (uint8_t)(IPC_BODY_MAX - 4);
	cr_assert_eq(check(bytes, sizeof(bytes), &reason), -EPROTO);
	cr_assert_str_eq(reason, "the body is too long");
}

Test(body, random_bytes_never_reach_beyond_the_end)
{
	uint8_t bytes[64];

	for (unsigned n = 0; n < 20000; n++) {
		size_t length = (size_t)test_random_range(0, sizeof(bytes));

		for (size_t i = 0; i < length; i++)
			bytes[i] = (uint8_t)(test_random() % 2 ? test_random() : 0x80 + test_random() % 0x60);
		check(bytes, length, NULL);
	}
}
