/*
 * guarded.h - memory that ends where the next page faults, so that a byte too many is a crash.
 */
#ifndef INFERD_TESTS_GUARDED_H
#define INFERD_TESTS_GUARDED_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "support/test.h"

struct guarded {
	uint8_t *pages;
	size_t n_bytes; /* of the mapping */
	void *data;
	size_t size, slack;
};

#define GUARDED_CANARY 0xa5

/* `size` bytes, then `slack` that may be read and must not be written, then a page that may not be touched. */
static inline struct guarded guarded_create(size_t size, size_t slack)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + slack + 64 + page - 1) / page * page;
	struct guarded g = {.n_bytes = whole + page, .size = size, .slack = slack};

	g.pages = mmap(NULL, g.n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq((void *)g.pages, MAP_FAILED);
	cr_assert_eq(mprotect(g.pages + whole, page, PROT_NONE), 0);
	memset(g.pages, GUARDED_CANARY, whole);
	g.data = g.pages + whole - slack - size;
	return g;
}

/* Nothing before or behind the data was written. */
static inline void guarded_check(const struct guarded *g)
{
	const uint8_t *data = g->data;

	for (const uint8_t *p = g->pages; p < data; p++)
		cr_assert_eq(*p, GUARDED_CANARY, "a byte before the output was written");
	for (size_t i = 0; i < g->slack; i++)
		cr_assert_eq(data[g->size + i], GUARDED_CANARY, "a byte behind the output was written");
}

static inline void guarded_destroy(struct guarded *g)
{
	munmap(g->pages, g->n_bytes);
}

#endif
