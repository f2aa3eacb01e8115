/* store_wait.c - see store_wait.h. */
#include "store_wait.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>

struct barrier {
	struct store_task task; /* first */
	sem_t done;
};

static int do_nothing(struct store_task *task, struct sqlite3 *db)
{
	(void)task;
	(void)db;
	return 0;
}

static void barrier_done(struct store_task *task, int rc)
{
	(void)rc;
	sem_post(&((struct barrier *)task)->done);
}

void store_wait(struct store *store)
{
	struct barrier barrier = {.task = {.run = do_nothing, .done = barrier_done}};

	sem_init(&barrier.done, 0, 0);
	if (store_submit(store, &barrier.task) < 0)
		abort();
	while (sem_wait(&barrier.done) < 0 && errno == EINTR)
		;
	sem_destroy(&barrier.done);
}
