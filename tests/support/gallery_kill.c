#include "gallery_kill.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "daemon/galleries.h"

#define LENGTH	       32
#define VARIANTS       2
#define NAME_PICTURES  16  /* before the next name's turn */
#define REMOVE_AFTER   400 /* pictures: then the gallery is removed, and begun anew */
#define KILL_WITHIN_US 12000
#define CHECKED_LAST   8 /* pictures whose vectors are looked at, number for number */

static const char gallery_name[] = "killed";

/* What the child tells: after it has happened, but for BEGIN_REMOVE. */
enum { LOADED, ADDED, BEGIN_REMOVE, REMOVED, WRONG };
struct note {
	int what, value;
};

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

/* The vector of the n-th picture as a variant sees it; always the same. */
static void make_vector(int n, int variant, float vector[LENGTH])
{
	uint64_t state = (uint64_t)n * 7919 + (uint64_t)variant * 104729 + 12345;
	double sum = 0;

	for (int i = 0; i < LENGTH; i++) {
		vector[i] = (float)(next_random(&state) >> 40) / (1 << 23) - 1;
		sum += (double)vector[i] * (double)vector[i];
	}
	for (int i = 0; i < LENGTH; i++)
		vector[i] = (float)((double)vector[i] / sqrt(sum));
}

static void make_name(int n, char name[IPC_NAME_MAX + 1])
{
	snprintf(name, IPC_NAME_MAX + 1, "name %d", n / NAME_PICTURES);
}

/* ---- the process that is killed ------------------------------------------------------------------- */

struct wait {
	struct galleries_change change; /* first */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool done;
};

static void on_done(struct galleries_change *change)
{
	struct wait *wait = (struct wait *)change;

	pthread_mutex_lock(&wait->lock);
	wait->done = true;
	pthread_cond_signal(&wait->changed);
	pthread_mutex_unlock(&wait->lock);
}

static int change_and_wait(struct galleries *galleries, struct wait *wait)
{
	wait->change.done = on_done;
	wait->change.is_owner = true;
	wait->change.memory_max = SIZE_MAX;
	snprintf(wait->change.gallery, sizeof(wait->change.gallery), "%s", gallery_name);
	pthread_mutex_init(&wait->lock, NULL);
	pthread_cond_init(&wait->changed, NULL);
	if (galleries_submit(galleries, &wait->change) < 0)
		return -1;
	pthread_mutex_lock(&wait->lock);
	while (!wait->done)
		pthread_cond_wait(&wait->changed, &wait->lock);
	pthread_mutex_unlock(&wait->lock);
	return wait->change.error;
}

static int make_batch(int n)
{
	uint8_t bytes[16 + VARIANTS * 16 + VARIANTS * LENGTH * 4] = "INFVECS1";
	int fd = memfd_create("vectors", MFD_CLOEXEC);

	bytes[8] = VARIANTS;
	bytes[12] = 1;
	for (int i = 0; i < VARIANTS; i++) {
		float vector[LENGTH];

		bytes[16 + 16 * i] = (uint8_t)(i + 1);
		bytes[16 + 16 * i + 8] = LENGTH;
		make_vector(n, i, vector);
		memcpy(bytes + 16 + VARIANTS * 16 + i * LENGTH * 4, vector, sizeof(vector));
	}
	return write(fd, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes) ? fd : -1;
}

static int add_one(struct galleries *galleries, int n)
{
	struct wait wait = {.change = {.kind = GALLERIES_ADD, .n_variants = VARIANTS, .model = "model"}};
	int rc;

	for (int i = 0; i < VARIANTS; i++)
		wait.change.variants[i] = (struct galleries_variant){"v", (uint64_t)i + 1, LENGTH};
	make_name(n, wait.change.name);
	wait.change.fd = make_batch(n);
	rc = change_and_wait(galleries, &wait);
	close(wait.change.fd);
	return rc == 0 && wait.change.n_added == 1 ? 0 : -1;
}

static int remove_all(struct galleries *galleries)
{
	struct wait wait = {.change = {.kind = GALLERIES_REMOVE, .fd = -1}};

	return change_and_wait(galleries, &wait);
}

/* The pictures that are there, or -1 when they are not the first ones, whole. */
static int count(struct galleries *galleries)
{
	struct gallery *gallery = galleries_get(galleries, gallery_name);
	int n = 0;

	for (size_t i = 0; gallery && i < gallery->n_names; i++)
		n += (int)gallery->names[i].n_pictures;
	for (int i = 0; gallery && i < gallery->n_spaces; i++)
		if (gallery->spaces[i].n_vectors != (size_t)n)
			n = -1;
	for (int i = n > CHECKED_LAST ? n - CHECKED_LAST : 0; i < n; i++) {
		for (int variant = 0; variant < VARIANTS; variant++) {
			float vector[LENGTH], buffer[LENGTH];
			char name[IPC_NAME_MAX + 1];
			int space = gallery_find_space(gallery, (uint64_t)variant + 1), place;
			uint32_t moment;
			bool found;

			make_name(i, name);
			make_vector(i, variant, vector);
			place = gallery_find_name(gallery, name);
			if (space < 0 || place < 0 ||
			    gallery_find_alike(gallery, space, place, vector, NULL, 0.999999f, buffer, &found,
					       &moment) < 0 ||
			    !found)
				n = -1;
		}
	}
	gallery_unref(gallery);
	return n;
}

static void tell(int fd, int what, int value)
{
	struct note note = {what, value};

	if (write(fd, &note, sizeof(note)) != (ssize_t)sizeof(note))
		_exit(1);
}

static void live(const char *dir, int fd)
{
	struct galleries *galleries;
	int n;

	if (galleries_create(dir, 64 << 20, &galleries) < 0) {
		tell(fd, WRONG, 0);
		_exit(1);
	}
	n = count(galleries);
	tell(fd, LOADED, n);
	for (;;) {
		int rc;

		if (n >= REMOVE_AFTER) {
			tell(fd, BEGIN_REMOVE, 0);
			rc = remove_all(galleries);
			n = 0;
			tell(fd, rc < 0 ? WRONG : REMOVED, rc);
		} else {
			rc = add_one(galleries, n++);
			tell(fd, rc < 0 ? WRONG : ADDED, n);
		}
	}
}

/* ---- the one that kills --------------------------------------------------------------------------- */

/* What was acknowledged, and what may be there beside it. */
struct due {
	int n;
	bool removing;
};

static int take_note(const struct note *note, struct due *due, struct gallery_kill_counts *counts)
{
	switch (note->what) {
	case LOADED:
		if (note->value != due->n && note->value != due->n + 1 && !(due->removing && note->value == 0)) {
			fprintf(stderr, "%d pictures were acknowledged, and %d are there\n", due->n, note->value);
			return -1;
		}
		counts->in_flight += note->value != due->n;
		*due = (struct due){.n = note->value};
		return 0;
	case ADDED:
		due->n = note->value;
		counts->pictures++;
		return 0;
	case BEGIN_REMOVE:
		due->removing = true;
		return 0;
	case REMOVED:
		*due = (struct due){.n = 0};
		counts->removals++;
		return 0;
	default:
		fprintf(stderr, "a change failed: %d\n", note->value);
		return -1;
	}
}

static void rest(uint64_t us)
{
	struct timespec time = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};

	nanosleep(&time, NULL);
}

/* Some are killed while they open what the last one left, the others after. */
static int one_round(const char *dir, uint64_t *random, struct due *due, struct gallery_kill_counts *counts)
{
	bool early = next_random(random) % 8 == 0, loaded = false;
	struct note note;
	int ends[2], rc = 0;
	pid_t pid;

	if (pipe(ends) < 0 || (pid = fork()) < 0)
		return -1;
	if (pid == 0) {
		close(ends[0]);
		live(dir, ends[1]);
	}
	close(ends[1]);
	if (!early)
		poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 20000);
	rest(next_random(random) % KILL_WITHIN_US);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	while (rc == 0 && read(ends[0], &note, sizeof(note)) == (ssize_t)sizeof(note)) {
		loaded |= note.what == LOADED;
		rc = take_note(&note, due, counts);
	}
	close(ends[0]);
	counts->while_loading += !loaded;
	if (!early && !loaded && rc == 0) {
		fprintf(stderr, "the galleries did not open\n");
		rc = -1;
	}
	return rc;
}

int gallery_kill(const char *dir, int rounds, uint64_t seed, struct gallery_kill_counts *ret_counts)
{
	struct gallery_kill_counts counts = {0};
	struct due due = {0};
	uint64_t random = seed ? seed : 1;
	int rc = 0;

	for (; rc == 0 && counts.rounds < rounds; counts.rounds++)
		rc = one_round(dir, &random, &due, &counts);
	*ret_counts = counts;
	return rc;
}
