/*
 * originals.h - the float32 vectors of all galleries in a file without a name, for the few that a search scores again.
 *
 * In memory they would be four times what is searched, which phones do not have: 400 MB for 100,000 vectors of 1024.
 * Reading them from the database would make lanes share its connection and its lock.  So they lie in a scratch file,
 * which the kernel keeps in memory while there is room and reads again when there was not; a candidate costs one
 * pread(2).  The database holds them, too, and is what survives: this file vanishes with the process.
 *
 * What is in memory instead is counted here as well, because it is made and freed where the originals are.
 *
 * Reading, freeing and counting from any thread, the rest from one.
 */
#ifndef INFERD_ORIGINALS_H
#define INFERD_ORIGINALS_H

#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

struct originals {
	int fd;
	off_t end;		    /* of what was ever taken; a file may be long and hold little */
	atomic_size_t memory_bytes; /* of the galleries whose originals these are */
};

int originals_open(struct originals *originals, const char *dir); /* 0 or negative errno */
void originals_close(struct originals *originals);

/* Room for this many bytes, as an offset. */
off_t originals_take(struct originals *originals, size_t bytes);
/* Gives it back to the disk. */
void originals_free(const struct originals *originals, off_t at, size_t bytes);

/* All of it: 0, or negative errno. */
int originals_write(const struct originals *originals, off_t at, const void *data, size_t bytes);
int originals_read(const struct originals *originals, off_t at, void *ret_data, size_t bytes);

#endif
