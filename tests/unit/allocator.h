/* Counts allocations, and refuses one when asked to.  Under a sanitizer, which has an allocator of its own, only the calls of what is linked into
 * the program are seen (-Wl,--wrap); else all of the process, so those of libyaml, json-c and the C library too. */
#ifndef GM_TEST_ALLOCATOR_H
#define GM_TEST_ALLOCATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static unsigned long allocator_calls;   /* so far */
static unsigned long allocator_refuse;  /* the call with this number fails; 0: none does */
static bool allocator_refused;

static bool allocator_fails(void)
{
    if (++allocator_calls != allocator_refuse)
        return false;
    allocator_refused = true;
    return true;
}

#ifdef GM_WRAP
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
void *__wrap_malloc(size_t n) { return allocator_fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t size) { return allocator_fails() ? NULL : __real_calloc(n, size); }
void *__wrap_realloc(void *p, size_t n) { return allocator_fails() ? NULL : __real_realloc(p, n); }
char *__wrap_strdup(const char *s) { return allocator_fails() ? NULL : __real_strdup(s); }
#else
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *malloc(size_t n) { return allocator_fails() ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return allocator_fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return allocator_fails() ? NULL : __libc_realloc(p, n); }
#endif
#endif
