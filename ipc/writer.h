/*
 * writer.h - values that messages have and reports do not.  Private to ipc/.
 */
#ifndef INFERD_IPC_WRITER_H
#define INFERD_IPC_WRITER_H

#include "ipc.h"

void writer_put_text(struct ipc_writer *writer, const char *text, size_t bytes);
void writer_put_single(struct ipc_writer *writer, float value);
/* A bin of float32, little-endian whatever the host is. */
void writer_put_singles(struct ipc_writer *writer, const float *values, uint32_t count);
/* A bin, as it is. */
void writer_put_bytes(struct ipc_writer *writer, const void *bytes, uint32_t count);

#endif
