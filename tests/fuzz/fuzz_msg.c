/*
 * fuzz_msg.c - one input through every decoder, the scan and the JSON writer.  What one decoder accepts is encoded
 * and must be accepted again, with the same bytes the second time.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ipc/ipc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
	if (!condition)
		abort();
}

static void try_result(const uint8_t *data, size_t size)
{
	struct ipc_writer first, second;
	struct ipc_result result, again;
	void *storage = NULL, *storage_again = NULL;

	if (ipc_get_result(data, size, &result, &storage, NULL) < 0)
		return;
	ipc_writer_init(&first);
	ipc_writer_init(&second);
	ipc_put_result(&first, &result);
	require(first.error == 0);
	require(ipc_get_result(first.data, first.size, &again, &storage_again, NULL) == 0);
	ipc_put_result(&second, &again);
	require(second.size == first.size && memcmp(first.data, second.data, first.size) == 0);
	ipc_writer_finish(&first);
	ipc_writer_finish(&second);
	ipc_storage_free(storage);
	ipc_storage_free(storage_again);
}

static void try_frame(const uint8_t *data, size_t size)
{
	struct ipc_frame frame, again, packed;
	struct ipc_writer writer;

	if (ipc_get_frame(data, size, &frame, NULL) < 0)
		return;
	packed = frame;
	ipc_frame_check(&frame, 1 << 20, NULL);
	if (ipc_frame_pack(&packed))
		require(ipc_frame_check(&packed, UINT32_MAX, NULL) == 0);
	ipc_writer_init(&writer);
	ipc_put_frame(&writer, &frame);
	require(ipc_get_frame(writer.data, writer.size, &again, NULL) == 0);
	require(again.seq == frame.seq && again.width == frame.width && again.stride[2] == frame.stride[2]);
	ipc_writer_finish(&writer);
}

static void try_report(const uint8_t *data, size_t size)
{
	char *text = NULL;
	int checked = ipc_body_check(data, size, NULL);

	require((ipc_report_json(data, size, &text) == 0) == (checked == 0));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ipc_stream_opened opened;
	struct ipc_stream_open open;
	struct ipc_welcome welcome;
	struct ipc_hello hello;
	struct ipc_change change;
	struct ipc_gallery gallery;
	struct ipc_error error;
	char what[IPC_NAME_MAX + 1];
	void *storage = NULL;
	uint32_t stream;
	uint64_t seq;

	ipc_get_hello(data, size, &hello, NULL);
	ipc_get_welcome(data, size, &welcome, NULL);
	ipc_get_stream_open(data, size, &open, NULL);
	ipc_get_stream_opened(data, size, &opened, NULL);
	ipc_get_stream_close(data, size, &stream, NULL);
	ipc_get_cancel(data, size, &stream, &seq, NULL);
	ipc_get_query(data, size, what, NULL);
	ipc_get_change(data, size, &change, NULL);
	ipc_get_gallery(data, size, &gallery, NULL);
	if (ipc_get_error(data, size, &error, &storage, NULL) == 0)
		ipc_storage_free(storage);
	try_frame(data, size);
	try_result(data, size);
	try_report(data, size);
	return 0;
}
