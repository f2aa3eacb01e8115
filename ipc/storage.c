/* storage.c - see storage.h. */
#include "storage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ipc.h"

#define ITEM_BYTES_MIN	 3 /* of the body */
#define TENSOR_BYTES_MIN 7

const char storage_reason[] = "the fields announce more than the body holds";

static size_t at_most(size_t count, size_t limit)
{
	return count < limit ? count : limit;
}

/*
 * What an honest body needs is bounded by its length: an item and a tensor take some bytes of it at least, a text one
 * more than its length, a float four and a tensor's data as many as they have.  Alignment is lost at most twice, and
 * twice more for each item's floats and once for each tensor's data.
 */
int storage_reserve(struct storage **storage, size_t length)
{
	size_t items = at_most(length / ITEM_BYTES_MIN, IPC_RESULTS_MAX);
	size_t tensors = at_most(length / TENSOR_BYTES_MIN, IPC_TENSORS_MAX);
	size_t needed = items * (sizeof(struct ipc_result_item) + 2 * alignof(float)) +
			tensors * (sizeof(struct ipc_tensor) + alignof(max_align_t)) + length +
			3 * alignof(max_align_t);

	if (!*storage || (*storage)->capacity < needed) {
		struct storage *grown = realloc(*storage, sizeof(**storage) + needed);

		if (!grown)
			return -ENOMEM;
		grown->capacity = needed;
		*storage = grown;
	}
	(*storage)->used = 0;
	return 0;
}

void *storage_take(struct storage *storage, size_t bytes, size_t align)
{
	size_t start = (storage->used + align - 1) / align * align;

	if (start > storage->capacity || bytes > storage->capacity - start)
		return NULL;
	storage->used = start + bytes;
	return storage->data + start;
}

const char *storage_text(struct storage *storage, const struct body_value *value, const char **ret_text)
{
	char *text;

	if (value->kind != BODY_TEXT)
		return "a field is not a text";
	if (value->count > IPC_TEXT_MAX)
		return "a text is too long";
	if (memchr(value->bytes, 0, value->count))
		return "a text has a NUL byte";
	text = storage_take(storage, value->count + 1, 1);
	if (!text)
		return storage_reason;
	memcpy(text, value->bytes, value->count);
	text[value->count] = 0;
	*ret_text = text;
	return NULL;
}
