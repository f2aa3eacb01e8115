/* test_tensor.c - tensors in results: what is sent arrives, and what is misshapen is refused with its cause. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "ipc/ipc.h"
#include "support/test.h"

TEST_SUITE(tensor);

static void random_tensor(struct ipc_tensor *ret_tensor, const uint8_t *data)
{
	static const uint32_t sides[] = {0, 1, 2, 3, 5};
	struct ipc_tensor tensor = {
		.name = test_random() % 2 ? "boxes" : "",
		.type = (enum ipc_tensor_type)(test_random() % IPC_TENSOR_TYPE_COUNT),
		.rank = (uint32_t)test_random_range(0, 4),
		.scale = test_random() % 2 ? 0.125f : 0,
		.zero_point = (int32_t)test_random_range(INT32_MIN, INT32_MAX),
	};

	for (uint32_t i = 0; i < tensor.rank; i++)
		tensor.dims[i] = sides[test_random() % 5];
	tensor.bytes = (uint32_t)ipc_tensor_bytes(tensor.type, tensor.dims, tensor.rank);
	if (test_random() % 4)
		tensor.data = data;
	else
		tensor.offset = (uint32_t)test_random_range(0, 1000) * 64;
	*ret_tensor = tensor;
}

static void expect_same(const struct ipc_tensor *a, const struct ipc_tensor *b)
{
	cr_assert_str_eq(a->name, b->name);
	cr_assert(a->type == b->type && a->rank == b->rank && a->scale == b->scale);
	cr_assert_eq(a->zero_point, b->zero_point);
	cr_assert_eq(a->bytes, b->bytes);
	cr_assert_arr_eq(a->dims, b->dims, sizeof(a->dims));
	cr_assert_eq(!a->data, !b->data);
	cr_assert_eq(a->offset, b->offset);
	if (b->data) {
		cr_assert_arr_eq(a->data, b->data, b->bytes);
		cr_assert_eq((uintptr_t)a->data % 8, 0u, "aligned for every type");
	}
}

Test(tensor, round_trips)
{
	static uint8_t data[5 * 5 * 5 * 5 * 8];
	struct ipc_tensor tensors[IPC_TENSORS_MAX];
	struct ipc_writer writer;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)test_random();
	ipc_writer_init(&writer);
	for (int round = 0; round < 300; round++) {
		struct ipc_result result = {.tensors = tensors, .n_tensors = (uint32_t)test_random_range(0, 64)}, back;
		void *storage = NULL;

		for (uint32_t i = 0; i < result.n_tensors; i++)
			random_tensor(&tensors[i], data);
		ipc_writer_reset(&writer);
		ipc_put_result(&writer, &result);
		cr_assert_eq(writer.error, 0);
		cr_assert_eq(ipc_get_result(writer.data, writer.size, &back, &storage, NULL), 0);
		cr_assert_eq(back.n_tensors, result.n_tensors);
		for (uint32_t i = 0; i < result.n_tensors; i++)
			expect_same(&back.tensors[i], &tensors[i]);
		ipc_storage_free(storage);
	}
	ipc_writer_finish(&writer);
}

Test(tensor, too_many_or_too_large_stick_as_error)
{
	static uint8_t data[IPC_BODY_MAX];
	struct ipc_tensor tensor = {
		.name = "t", .type = IPC_U8, .rank = 1, .dims = {sizeof(data)}, .data = data, .bytes = sizeof(data)};
	struct ipc_result result = {.tensors = &tensor, .n_tensors = 1};
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	ipc_put_result(&writer, &result);
	cr_assert_eq(writer.error, -EMSGSIZE);
	ipc_writer_reset(&writer);
	result.n_tensors = IPC_TENSORS_MAX + 1;
	ipc_put_result(&writer, &result);
	cr_assert_eq(writer.error, -EMSGSIZE);
	ipc_writer_finish(&writer);
}

Test(tensor, size_does_not_overflow)
{
	static const uint32_t huge[] = {1u << 31, 1u << 31, 1u << 31, 1u << 31}, empty[] = {UINT32_MAX, UINT32_MAX, 0};
	static const uint32_t limit[] = {IPC_SLOT_BYTES_MAX / 4, 1}, over[] = {IPC_SLOT_BYTES_MAX / 4, 2};

	cr_assert_eq(ipc_tensor_bytes(IPC_U8, huge, 4), UINT64_MAX);
	cr_assert_eq(ipc_tensor_bytes(IPC_F32, empty, 3), 0u);
	cr_assert_eq(ipc_tensor_bytes(IPC_F32, limit, 2), IPC_SLOT_BYTES_MAX);
	cr_assert_eq(ipc_tensor_bytes(IPC_F32, over, 2), UINT64_MAX);
	cr_assert_eq(ipc_tensor_bytes(IPC_S64, huge, 0), 8u);
}

#define TENSOR(parts) "\x81\x2f\x91" parts
#define SCALE	      "\xca\x00\x00\x00\x00"
#define BODY(text)    text, sizeof(text) - 1

Test(tensor, misshapen_ones_are_refused)
{
	static const struct {
		const char *body;
		size_t size;
		const char *reason;
	} cases[] = {
		{BODY("\x81\x2f\x05"), "the tensors are not an array of at most 64"},
		{BODY(TENSOR("\x05")), "a tensor is not an array of name, type, shape, scale, zero point and data"},
		{BODY(TENSOR("\x95\xa1t\x03\x91\x01" SCALE "\x00")),
		 "a tensor is not an array of name, type, shape, scale, zero point and data"},
		{BODY(TENSOR("\x96\x01\x03\x91\x01" SCALE "\x00\xc4\x01x")), "a field is not a text"},
		{BODY(TENSOR("\x96\xa1t\x0b\x91\x01" SCALE "\x00\xc4\x01x")), "a tensor's type is not known"},
		{BODY(TENSOR("\x96\xa1t\x03\x97\x01\x01\x01\x01\x01\x01\x01" SCALE "\x00\xc4\x01x")),
		 "a tensor's shape is not an array of at most six numbers"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\xff" SCALE "\x00\xc4\x01x")),
		 "a tensor's shape is not of unsigned numbers"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\x01\xca\xbf\x80\x00\x00\x00\xc4\x01x")),
		 "a tensor's scale is not a number from 0 up"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\x01\xca\x7f\xc0\x00\x00\x00\xc4\x01x")),
		 "a tensor's scale is not a number from 0 up"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\x01" SCALE "\xce\x80\x00\x00\x00\xc4\x01x")),
		 "a tensor's zero point is out of its range"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\x02" SCALE "\x00\xc4\x01x")),
		 "a tensor's data is not of its shape and type"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\x01" SCALE "\x00\xc0")),
		 "a tensor's data is not of its shape and type"},
		{BODY(TENSOR("\x96\xa1t\x03\x92\xce\xff\xff\xff\xff\xce\xff\xff\xff\xff" SCALE "\x00\x00")),
		 "a tensor is larger than a slot can be"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\x01" SCALE "\x00\x3f")), "a tensor's offset is out of its range"},
		{BODY(TENSOR("\x96\xa1t\x03\x91\x01" SCALE "\x00\xce\x04\x00\x00\x40")),
		 "a tensor's offset is out of its range"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ipc_result result;
		const char *reason = "";
		void *storage = NULL;

		cr_assert_eq(ipc_get_result(cases[i].body, cases[i].size, &result, &storage, &reason), -EPROTO, "%zu",
			     i);
		cr_assert_str_eq(reason, cases[i].reason, "%zu", i);
	}
}

/* Whatever a valid body is changed to, decoders refuse or accept, and stay within their memory. */
Test(tensor, damaged_ones_harm_nobody)
{
	static const float data[12];
	struct ipc_tensor tensors[2] = {{"a", IPC_F32, 2, {3, 4}, 0, 0, data, 0, sizeof(data)},
					{"b", IPC_S8, 1, {64}, 0.5f, -3, NULL, 128, 64}};
	struct ipc_result result = {.tensors = tensors, .n_tensors = 2}, back;
	struct ipc_writer writer;

	ipc_writer_init(&writer);
	ipc_put_result(&writer, &result);
	for (int round = 0; round < 20000; round++) {
		uint8_t body[256];
		void *storage = NULL;

		memcpy(body, writer.data, writer.size);
		for (int n = (int)test_random_range(1, 3); n > 0; n--)
			body[test_random() % writer.size] = (uint8_t)test_random();
		if (ipc_get_result(body, writer.size, &back, &storage, NULL) == 0)
			ipc_storage_free(storage);
	}
	ipc_writer_finish(&writer);
}
