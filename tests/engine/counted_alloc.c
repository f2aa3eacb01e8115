/* counted_alloc.c - the allocator's functions, counted: the linker's --wrap leads calls of each here. */
#include "counted_alloc.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static atomic_size_t held, peak;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void __real_free(void *data);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t max);
int __wrap_asprintf(char **ret_text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void __wrap_free(void *data);

static void *count(void *data)
{
	size_t bytes = malloc_usable_size(data), now = atomic_fetch_add(&held, bytes) + bytes;
	size_t most = atomic_load(&peak);

	while (now > most && !atomic_compare_exchange_weak(&peak, &most, now))
		;
	return data;
}

void *__wrap_malloc(size_t size)
{
	return count(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return count(__real_calloc(n, size));
}

/* The old and the new are there together while one is copied to the other. */
void *__wrap_realloc(void *old, size_t size)
{
	size_t before = malloc_usable_size(old);
	void *data = __real_realloc(old, size);

	if (data) {
		count(data);
		atomic_fetch_sub(&held, before);
	}
	return data;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return count(__real_aligned_alloc(alignment, size));
}

char *__wrap_strndup(const char *text, size_t max)
{
	size_t bytes = strnlen(text, max);
	char *copy = __wrap_malloc(bytes + 1);

	if (copy) {
		memcpy(copy, text, bytes);
		copy[bytes] = '\0';
	}
	return copy;
}

char *__wrap_strdup(const char *text)
{
	return __wrap_strndup(text, strlen(text));
}

int __wrap_asprintf(char **ret_text, const char *format, ...)
{
	va_list values;
	int n;

	va_start(values, format);
	n = vasprintf(ret_text, format, values);
	va_end(values);
	if (n >= 0)
		count(*ret_text);
	return n;
}

void __wrap_free(void *data)
{
	atomic_fetch_sub(&held, malloc_usable_size(data));
	__real_free(data);
}

size_t counted_bytes(void)
{
	return atomic_load(&held);
}

size_t counted_peak_bytes(void)
{
	return atomic_load(&peak);
}

void counted_restart(void)
{
	atomic_store(&peak, counted_bytes());
}
