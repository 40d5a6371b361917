/* Weight files that a test makes up: headers with what they say of data, but no data. */
#ifndef GM_TEST_HEADERS_H
#define GM_TEST_HEADERS_H

#include "source/weights.h"
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct made { char name[128]; char *text; size_t n, room; uint64_t size; unsigned opened; } made;
typedef struct folder { gm_opener opener; made file[128]; unsigned nfile, nexpected; } folder; /* one file a shard */

typedef struct made_reader { gm_reader reader; const made *file; } made_reader;

static inline gpumem_status made_read(gm_reader *r, uint64_t offset, size_t n, void *buf, gpumem_error *err)
{
    const made *m = ((made_reader *)r)->file;
    (void)err;
    ck_assert_uint_le(offset, m->size);
    ck_assert_uint_le(n, m->size - offset);
    r->size = m->size; /* learnt with the first read */
    memset(buf, 0, n);
    if (offset < m->n)
        memcpy(buf, m->text + offset, n < m->n - offset ? n : m->n - (size_t)offset);
    return GPUMEM_OK;
}

static inline void made_close(gm_reader *r) { free(r); }

static inline gpumem_status folder_open(gm_opener *o, const char *name, gm_reader **out, gpumem_error *err)
{
    folder *f = (folder *)o;
    (void)err;
    *out = NULL;
    for (unsigned i = 0; i < f->nfile; i++)
        if (strcmp(f->file[i].name, name) == 0) {
            made_reader *r = malloc(sizeof *r);
            f->file[i].opened++;
            *r = (made_reader){{f->file[i].name, i % 2 ? UINT64_MAX : f->file[i].size, made_read, made_close}, &f->file[i]};
            *out = &r->reader;
        }
    return GPUMEM_OK;
}

static inline gpumem_status folder_expect(gm_opener *o, const char *const *file, size_t n, gpumem_error *err)
{
    (void)file;
    (void)err;
    ((folder *)o)->nexpected += (unsigned)n;
    return GPUMEM_OK;
}

static inline void folder_make(folder *f)
{
    *f = (folder){.opener = {"org/name", folder_open, folder_expect}};
}

static inline void folder_drop(folder *f)
{
    for (unsigned i = 0; i < f->nfile; i++)
        free(f->file[i].text);
}

static inline void made_put(made *m, const void *s, size_t n)
{
    if (m->n + n >= m->room) {
        m->room = (m->n + n) * 2 + 64;
        m->text = realloc(m->text, m->room);
        ck_assert_ptr_nonnull(m->text);
    }
    memcpy(m->text + m->n, s, n);
    m->n += n;
}

static inline made *folder_add(folder *f, const char *name, const char *text)
{
    made *m = &f->file[f->nfile++];
    ck_assert_uint_le(f->nfile, 128);
    *m = (made){.room = 0};
    snprintf(m->name, sizeof m->name, "%s", name);
    made_put(m, text, strlen(text));
    m->size = m->n;
    return m;
}

/* ---- safetensors: begin, tensors, end ---- */

static uint64_t st_offset;
static inline made *st_begin(folder *f, const char *name)
{
    made *m = folder_add(f, name, "");
    made_put(m, "\0\0\0\0\0\0\0\0{", 9);
    st_offset = 0;
    return m;
}

static inline unsigned st_bits(const char *dtype)
{
    return strstr(dtype, "64") ? 64 : strstr(dtype, "32") ? 32 : strstr(dtype, "16") ? 16 : strcmp(dtype, "F4") == 0 ? 4 : 8;
}

/* Dimensions end with -1. */
static inline void st_put(made *m, const char *name, const char *dtype, ...)
{
    char text[512];
    int n = snprintf(text, sizeof text, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", m->n > 9 ? "," : "", name, dtype);
    uint64_t elements = 1, bytes;
    va_list args;
    va_start(args, dtype);
    for (long long d, i = 0; (d = va_arg(args, long long)) >= 0; i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%lld", i ? "," : "", d);
        elements *= (uint64_t)d;
    }
    va_end(args);
    bytes = elements * st_bits(dtype) / 8;
    n += snprintf(text + n, sizeof text - (size_t)n, "],\"data_offsets\":[%llu,%llu]}", (unsigned long long)st_offset, (unsigned long long)(st_offset + bytes));
    st_offset += bytes;
    made_put(m, text, (size_t)n);
}

static inline void st_end(made *m)
{
    made_put(m, "}", 1);
    for (unsigned i = 0; i < 8; i++)
        m->text[i] = (char)((m->n - 8) >> 8 * i);
    m->size = m->n + st_offset;
}
#endif
