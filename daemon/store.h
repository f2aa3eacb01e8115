/*
 * store.h - the state of the daemon on disk: one SQLite database with a thread of its own.
 *
 * The loop hands over tasks and never waits for a disk.  The thread opens the database, runs each task in a transaction
 * and says when it is safe.  A database of the version before becomes one of this version, where the schema says how;
 * one that is damaged, of any other version or not ours is moved aside (NAME.bad, over an earlier one) with a line in
 * the log, and a new one takes its place: serving does not depend on it.
 *
 * What a task has committed survives kill -9 and, as far as the disk keeps its word, power loss: the write-ahead log is
 * synced at every commit (synchronous=FULL), which is affordable because tasks are few, one every record.flush_s.
 *
 * Knows tables only through its schema, but for policy_state, which it owns.  Does not log rows, and reads no clock.
 */
#ifndef INFERD_STORE_H
#define INFERD_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sqlite3;
struct sqlite3_stmt;
struct store;

/* What is in the database beside policy_state.  Constant, and outlives the store. */
struct store_schema {
	const char *file; /* name within the state's folder */
	int version;
	const char *tables; /* CREATE statements */
	/*
	 * CREATE statements by which this version has more than the one before, whose databases get them when they are
	 * opened; NULL: those are moved aside, as all others of another version are.
	 */
	const char *added;
	/*
	 * Deletes the oldest part of what is there, within the transaction: 1 something went, 0 there is nothing more
	 * to delete, or negative errno as of store_error().
	 */
	int (*drop_oldest)(struct sqlite3 *db);
};

/* Work for the store's thread. */
struct store_task {
	/*
	 * Runs in a transaction that is committed on 0 and rolled back on a negative errno as of store_error().  May be
	 * called again after a rollback: on -ENOSPC with the oldest part gone, on -EBADMSG with a new database.
	 */
	int (*run)(struct store_task *task, struct sqlite3 *db);
	/* After the commit (0), or given up.  On the store's thread; may submit or free the task. */
	void (*done)(struct store_task *task, int rc);
	struct store_task *next; /* private to store.c */
};

#define STORE_QUEUE_MAX	 96	     /* tasks that wait: a value of every model there can be, and more */
#define STORE_LIMIT_MIN	 (512 << 10) /* bytes; a smaller limit counts as this */
#define STORE_VALUE_MAX	 (64 << 10)  /* bytes of a value of policy_state */
#define STORE_VALUES_MAX 256	     /* entries of policy_state; the one written longest ago goes */

/*
 * Starts the thread; the database is opened there.  dir, which exists, is copied; database and write-ahead log together
 * stay within limit_bytes.  0, -ENOMEM or -EAGAIN.
 */
int store_create(const char *dir, uint64_t limit_bytes, const struct store_schema *schema, struct store **ret_store);
/* Runs what is queued, closes the database and ends the thread; accepts NULL. */
void store_destroy(struct store *store);

/* Queues a task, which the caller keeps until it is done.  0; -EAGAIN the queue is full, which is counted.  Any thread.
 */
int store_submit(struct store *store, struct store_task *task);
void store_set_limit(struct store *store, uint64_t limit_bytes); /* any thread */

struct store_info {
	const char *path; /* the store's */
	bool open;	  /* there is a database to write to */
	uint64_t bytes;	  /* it and its write-ahead log, after the last task */
	uint64_t refused; /* tasks for which the queue was full */
	uint64_t failed;  /* tasks that were given up */
	uint64_t aside;	  /* databases that were moved aside */
};
struct store_info store_describe(struct store *store); /* any thread */

/*
 * Values that outlive the daemon, such as what the policy has learned: by model and by a hash of the device it was
 * learned on.  store_put() copies the value and queues it: 0, -EAGAIN, -ENOMEM, -E2BIG.
 */
int store_put(struct store *store, const char *model, uint64_t device, uint32_t version, const void *data, size_t size);
/*
 * 0 with the value's size, -ENOENT there is none of this version, -E2BIG it does not fit capacity, or as
 * store_error().  Waits for the database to be open and for a task that runs: not for the loop.
 */
int store_get(struct store *store, const char *model, uint64_t device, uint32_t version, void *ret_data,
	      size_t capacity, size_t *ret_size);

/*
 * For tasks.  A result of SQLite as a negative errno: -EBADMSG the database is damaged, -ENOSPC it or the disk is full,
 * -EBUSY another process holds it, -ENOMEM, -EIO everything else; 0 for SQLITE_OK, SQLITE_ROW and SQLITE_DONE.
 */
int store_error(int result);
/* Runs statements without results. */
int store_execute(struct sqlite3 *db, const char *sql);
/* Runs a prepared statement that gives no rows, and makes it ready to be bound again. */
int store_step(struct sqlite3_stmt *statement);

#endif
