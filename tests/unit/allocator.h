/* Counts allocations, and refuses one when asked to.  Under a sanitizer, which has an allocator of its own, only the calls of what is linked into
 * the program are seen (-Wl,--wrap); else all of the process, so those of libyaml and the C library too. */
#ifndef GM_TEST_ALLOCATOR_H
#define GM_TEST_ALLOCATOR_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static unsigned long allocator_calls;   /* so far */
static unsigned long allocator_refuse;  /* the call with this number fails; 0: none does */
static bool allocator_refused, allocator_refused_us; /* a call of the program itself, not of the libraries that it is linked with */

static bool allocator_fails(void)
{
    if (++allocator_calls != allocator_refuse)
        return false;
    allocator_refused = allocator_refused_us = true;
    errno = ENOMEM;
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
#include <link.h>

/* Where code lies.  json-c 0.16 does not survive a refusal: it is spared. */
static struct { uintptr_t from, to; } allocator_us, allocator_spared;

static int allocator_find(struct dl_phdr_info *info, size_t size, void *self)
{
    bool us = info->dlpi_name[0] == '\0' && allocator_us.to == 0, spared = strstr(info->dlpi_name, "libjson-c") != NULL;
    (void)size;
    (void)self;
    for (int i = 0; (us || spared) && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, to = from + info->dlpi_phdr[i].p_memsz;
            if (us) {
                allocator_us.from = from;
                allocator_us.to = to;
            } else {
                allocator_spared.from = from;
                allocator_spared.to = to;
            }
        }
    return 0;
}

__attribute__((constructor)) static void allocator_start(void)
{
    dl_iterate_phdr(allocator_find, NULL);
}

static bool allocator_refuses(const void *caller)
{
    uintptr_t at = (uintptr_t)caller;
    if ((at >= allocator_spared.from && at < allocator_spared.to) || !allocator_fails())
        return false;
    allocator_refused_us = at >= allocator_us.from && at < allocator_us.to;
    return true;
}

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);

#define SEEN __attribute__((visibility("default"))) /* by the libraries */
#define REFUSED allocator_refuses(__builtin_return_address(0))
SEEN void *malloc(size_t n)
{
    return REFUSED ? NULL : __libc_malloc(n);
}
SEEN void *calloc(size_t n, size_t size)
{
    return REFUSED ? NULL : __libc_calloc(n, size);
}
SEEN void *realloc(void *p, size_t n)
{
    return REFUSED ? NULL : __libc_realloc(p, n);
}
SEEN char *(strdup)(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = REFUSED ? NULL : __libc_malloc(n);
    return copy ? memcpy(copy, s, n) : NULL;
}
#endif

#endif
