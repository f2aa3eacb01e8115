/*
 * store_wait.h - waits for the disk where a test makes more in a moment than a device does in hours.
 */
#ifndef INFERD_STORE_WAIT_H
#define INFERD_STORE_WAIT_H

#include "daemon/store.h"

/* Until the store has written what it was given so far.  Aborts where the store takes nothing more. */
void store_wait(struct store *store);

#endif
