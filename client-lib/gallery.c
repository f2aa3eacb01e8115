/*
 * gallery.c - requests about galleries.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "client.h"

/* Of the file that vectors go in, as docs/protocol.md has it. */
#define HEAD_BYTES     16
#define VARIANT_BYTES  16
#define MOMENT_BYTES   16
#define FILE_BYTES_MAX (16u << 20)

static int put_name(struct inferd *client, const char *what, const char *from, char to[IPC_NAME_MAX + 1])
{
	if (from && strlen(from) > IPC_NAME_MAX)
		return client_fail(client, -EINVAL, "the name of the %s is longer than %d bytes", what, IPC_NAME_MAX);
	snprintf(to, IPC_NAME_MAX + 1, "%s", from ? from : "");
	return 0;
}

/* Sends a request and takes its report. */
static int ask(struct inferd *client, const char *what, const char *gallery, const char *name, const char *model,
	       int fd, int timeout_ms, char **ret_json)
{
	struct ipc_gallery asked = {.what = ""};
	int r = client_prepare_report(client, timeout_ms);

	if (r == 0)
		r = put_name(client, "gallery", gallery, asked.gallery);
	if (r == 0)
		r = put_name(client, "entry", name, asked.name);
	if (r == 0)
		r = put_name(client, "model", model, asked.model);
	if (r < 0)
		return r;
	snprintf(asked.what, sizeof(asked.what), "%s", what);
	ipc_put_gallery(&client->writer, &asked);
	r = client_request_fd(client, IPC_GALLERY, IPC_REPORT, timeout_ms, fd);
	return r < 0 ? r : client_take_report(client, ret_json);
}

int inferd_gallery_list(struct inferd *client, const char *gallery, int timeout_ms, char **ret_json)
{
	return ask(client, "list", gallery, NULL, NULL, -1, timeout_ms, ret_json);
}

int inferd_gallery_remove(struct inferd *client, const char *gallery, const char *name, int timeout_ms, char **ret_json)
{
	return ask(client, "remove", gallery, name, NULL, -1, timeout_ms, ret_json);
}

static void put_le32(uint8_t *to, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		to[i] = (uint8_t)(value >> 8 * i);
}

static uint8_t *put_floats(uint8_t *to, const float *values, size_t n)
{
	for (size_t i = 0; i < n; i++, to += 4) {
		uint32_t bits;

		memcpy(&bits, &values[i], sizeof(bits));
		put_le32(to, bits);
	}
	return to;
}

static uint8_t *put_moments(uint8_t *to, const struct inferd_moment *moments, size_t n)
{
	for (size_t i = 0; i < n; i++, to += MOMENT_BYTES) {
		put_le32(to, moments[i].source);
		put_le32(to + 4, moments[i].from_ms);
		put_le32(to + 8, moments[i].to_ms);
		put_le32(to + 12, 0);
	}
	return to;
}

static void fill(uint8_t *bytes, const struct inferd_vectors *variants, size_t n_variants,
		 const struct inferd_moment *moments, size_t n_pictures)
{
	uint8_t *to = bytes + HEAD_BYTES + n_variants * VARIANT_BYTES;

	memcpy(bytes, moments ? "INFVECS2" : "INFVECS1", 8);
	to = put_moments(to, moments, moments ? n_pictures : 0);
	put_le32(bytes + 8, (uint32_t)n_variants);
	put_le32(bytes + 12, (uint32_t)n_pictures);
	for (size_t i = 0; i < n_variants; i++) {
		uint8_t *head = bytes + HEAD_BYTES + i * VARIANT_BYTES;

		put_le32(head, (uint32_t)variants[i].space);
		put_le32(head + 4, (uint32_t)(variants[i].space >> 32));
		put_le32(head + 8, variants[i].length);
		put_le32(head + 12, 0);
		to = put_floats(to, variants[i].data, n_pictures * variants[i].length);
	}
}

/* A file without a name that holds the vectors; negative errno. */
static int hold_vectors(struct inferd *client, const struct inferd_vectors *variants, size_t n_variants,
			const struct inferd_moment *moments, size_t n_pictures)
{
	uint64_t size = HEAD_BYTES + n_variants * VARIANT_BYTES + (moments ? (uint64_t)n_pictures * MOMENT_BYTES : 0);
	uint8_t *bytes;
	int fd, r;

	for (size_t i = 0; i < n_variants && size <= FILE_BYTES_MAX; i++)
		size += (uint64_t)n_pictures * variants[i].length * sizeof(float);
	if (!n_variants || !n_pictures || n_variants > FILE_BYTES_MAX || n_pictures > FILE_BYTES_MAX ||
	    size > FILE_BYTES_MAX)
		return client_fail(client, -EMSGSIZE, "no vectors, or more than 16 MB of them at a time");
	bytes = malloc(size);
	fd = bytes ? memfd_create("vectors", MFD_CLOEXEC) : -1;
	if (fd < 0) {
		r = bytes ? -errno : -ENOMEM;
		free(bytes);
		return client_fail(client, r, "no memory for the vectors: %s", strerror(-r));
	}
	fill(bytes, variants, n_variants, moments, n_pictures);
	r = pwrite(fd, bytes, size, 0) == (ssize_t)size ? fd : -ENOSPC;
	free(bytes);
	if (r < 0) {
		close(fd);
		return client_fail(client, r, "no memory for the vectors");
	}
	return fd;
}

int inferd_gallery_add(struct inferd *client, const char *gallery, const char *name, const char *model,
		       const struct inferd_vectors *variants, size_t n_variants, size_t n_pictures, int timeout_ms,
		       char **ret_json)
{
	return inferd_gallery_add_moments(client, gallery, name, model, variants, n_variants, NULL, n_pictures,
					  timeout_ms, ret_json);
}

int inferd_gallery_add_moments(struct inferd *client, const char *gallery, const char *name, const char *model,
			       const struct inferd_vectors *variants, size_t n_variants,
			       const struct inferd_moment *moments, size_t n_pictures, int timeout_ms, char **ret_json)
{
	int fd, r;

	client->error[0] = 0;
	fd = hold_vectors(client, variants, n_variants, client->vectors_max < 2 ? NULL : moments, n_pictures);
	if (fd < 0)
		return fd;
	r = ask(client, "add", gallery, name, model, fd, timeout_ms, ret_json);
	close(fd);
	return r;
}
