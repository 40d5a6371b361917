/* A directory of plugins for one test, made of text and of the libraries that broken.c gives. */
#ifndef GM_FIXTURE_H
#define GM_FIXTURE_H

#include "../suite.h"
#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef GM_TEST_PLUGINS
#define GM_TEST_PLUGINS "build/tests/plugin"
#endif

typedef struct fixture { char root[64]; char path[PATH_MAX]; } fixture;

static inline void fixture_make(fixture *f)
{
    umask(022);
    strcpy(f->root, "/tmp/gpumem-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(f->root));
}

static inline int fixture_remove_one(const char *path, const struct stat *st, int flag, struct FTW *at)
{
    (void)st;
    (void)flag;
    (void)at;
    return remove(path);
}

static inline void fixture_remove(fixture *f) { ck_assert_int_eq(nftw(f->root, fixture_remove_one, 16, FTW_DEPTH | FTW_PHYS), 0); }

/* The path of something in it; good until the next call. */
static inline const char *fixture_path(fixture *f, const char *name)
{
    ck_assert_int_lt(snprintf(f->path, sizeof f->path, "%s/%s", f->root, name), (int)sizeof f->path);
    return f->path;
}

/* The path of something in it whose folders are made. */
static inline const char *fixture_place(fixture *f, const char *name)
{
    fixture_path(f, name);
    for (char *slash = f->path + strlen(f->root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(f->path, 0755);
    }
    return f->path;
}

static inline const char *fixture_write(fixture *f, const char *name, const char *text)
{
    FILE *file = fopen(fixture_place(f, name), "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return f->path;
}

/* Copies a file of GM_TEST_PLUGINS. */
static inline const char *fixture_copy(fixture *f, const char *name, const char *file)
{
    char from[PATH_MAX], block[4096];
    size_t n;
    FILE *in, *out;
    snprintf(from, sizeof from, "%s/%s", GM_TEST_PLUGINS, file);
    in = fopen(from, "rb");
    ck_assert_msg(in != NULL, "%s: not built", from);
    out = fopen(fixture_place(f, name), "wb");
    ck_assert_ptr_nonnull(out);
    while ((n = fread(block, 1, sizeof block, in)))
        ck_assert_uint_eq(fwrite(block, 1, n, out), n);
    fclose(in);
    ck_assert_int_eq(fclose(out), 0);
    return f->path;
}

/* Copies broken_WHAT.so. */
static inline const char *fixture_library(fixture *f, const char *name, const char *what)
{
    char file[128];
    snprintf(file, sizeof file, "broken_%s.so", what);
    return fixture_copy(f, name, file);
}

/* The head of a manifest of version 1.0.0, then `rest`; KIND/ID/manifest.yaml, or KIND/ID.yaml. */
static inline const char *fixture_manifest(fixture *f, const char *name, const char *kind, const char *id, const char *rest)
{
    char text[4096];
    ck_assert_int_lt(snprintf(text, sizeof text, "gpumem: 1\nkind: %s\nid: %s\nversion: 1.0.0\ntitle: A test\n%s", kind, id, rest), (int)sizeof text);
    return fixture_write(f, name, text);
}
#endif
