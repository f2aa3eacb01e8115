/*
 * tensor.h - tensors in a RESULT's body.  Private to ipc/.
 */
#ifndef INFERD_IPC_TENSOR_H
#define INFERD_IPC_TENSOR_H

#include "body.h"
#include "ipc.h"
#include "storage.h"

void tensor_put_all(struct ipc_writer *writer, const struct ipc_tensor *tensors, uint32_t n_tensors);

/* list: the array's header, which was read last.  NULL, or a constant sentence. */
const char *tensor_get_all(struct body_cursor *cursor, struct storage *storage, const struct body_value *list,
			   const struct ipc_tensor **ret_tensors, uint32_t *ret_count);

#endif
