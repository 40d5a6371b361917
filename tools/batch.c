/* gpumem batch: a case a line in, a result a line out. */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 1 << 16 };

typedef struct reader {
    int fd;
    char *s;
    size_t n, size; /* bytes that are there, room */
    size_t done;    /* bytes of complete lines that were worked on */
    size_t scanned; /* no newline between done and here */
} reader;

typedef struct job {
    gpumem_batch *batch;
    gpumem_text out;
    gpumem_error *err;
} job;

static bool is_blank(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r')
            return false;
    return true;
}

static gpumem_status flush(job *j)
{
    if (j->out.n > 0 && !write_all(STDOUT_FILENO, j->out.s, j->out.n))
        return fail(j->err, GPUMEM_EINTERNAL, "cannot write the results: %s", strerror(errno));
    gpumem_text_clear(&j->out);
    return GPUMEM_OK;
}

static gpumem_status work_line(job *j, const char *s, size_t n)
{
    gpumem_status status;

    if (is_blank(s, n))
        return GPUMEM_OK;
    status = gpumem_batch_line(j->batch, s, n, &j->out);
    if (status != GPUMEM_OK || j->out.failed)
        return fail(j->err, GPUMEM_ENOMEM, "out of memory");
    return j->out.n >= BLOCK ? flush(j) : GPUMEM_OK;
}

/* All complete lines of what was read; at the end also the last one. */
static gpumem_status work_lines(job *j, reader *r, bool end)
{
    gpumem_status s = GPUMEM_OK;

    while (s == GPUMEM_OK && r->done < r->n) {
        size_t from = r->scanned > r->done ? r->scanned : r->done;
        const char *line = r->s + r->done, *newline = memchr(r->s + from, '\n', r->n - from);
        size_t n = newline ? (size_t)(newline - line) : r->n - r->done;
        r->scanned = r->n;
        if (!newline && !end)
            break;
        s = work_line(j, line, n);
        r->done += n + (newline != NULL);
        r->scanned = r->done;
    }
    return s;
}

/* Room for another block: the lines that are done make place. */
static gpumem_status make_room(reader *r, gpumem_error *err)
{
    if (r->done > 0) {
        memmove(r->s, r->s + r->done, r->n - r->done);
        r->n -= r->done;
        r->scanned -= r->done;
        r->done = 0;
    }
    if (r->size - r->n < BLOCK) {
        size_t size = r->size * 2;
        char *now = size > r->size ? realloc(r->s, size) : NULL;
        if (!now)
            return fail(err, GPUMEM_ENOMEM, "out of memory");
        r->s = now;
        r->size = size;
    }
    return GPUMEM_OK;
}

/* Is there nothing to read right now?  Then whoever waits for results gets them. */
static bool pauses(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    return poll(&p, 1, 0) == 0;
}

static gpumem_status work(job *j, reader *r, const char *name)
{
    for (;;) {
        ssize_t n;
        gpumem_status s = make_room(r, j->err);
        if (s == GPUMEM_OK && j->out.n > 0 && pauses(r->fd))
            s = flush(j);
        if (s != GPUMEM_OK)
            return s;
        do
            n = read(r->fd, r->s + r->n, r->size - r->n);
        while (n < 0 && errno == EINTR);
        if (n < 0)
            return fail(j->err, GPUMEM_EIO, "cannot read %s: %s", name, strerror(errno));
        r->n += (size_t)n;
        s = work_lines(j, r, n == 0);
        if (s != GPUMEM_OK)
            return s;
        if (n == 0)
            return flush(j);
    }
}

/* Paths in cases start from the file's folder; NULL in *folder: from the current one. */
static bool folder_of(const char *file, char **folder)
{
    const char *slash = strrchr(file, '/');

    *folder = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : NULL;
    return !slash || *folder;
}

static gpumem_status open_input(const char *file, reader *r, char **folder, gpumem_error *err)
{
    bool file_given = strcmp(file, "-") != 0;

    r->fd = STDIN_FILENO;
    if (file_given)
        r->fd = open(file, O_RDONLY | O_CLOEXEC);
    if (r->fd < 0)
        return fail(err, GPUMEM_EIO, "cannot read '%s': %s", file, strerror(errno));
    r->size = 4 * BLOCK;
    r->s = malloc(r->size);
    if (!r->s || (file_given && !folder_of(file, folder)))
        return fail(err, GPUMEM_ENOMEM, "out of memory");
    return GPUMEM_OK;
}

int verb_batch(const options *o)
{
    const char *file = o->word[0];
    gpumem_error err = {0};
    job j = {.err = &err};
    reader r = {.fd = -1};
    gpumem_host *host = NULL;
    gpumem_set *set = NULL;
    char *folder = NULL;
    int code;

    if (open_input(file, &r, &folder, &err) == GPUMEM_OK && open_host(o, &host, &err) == GPUMEM_OK &&
        gpumem_set_open(host, o->set ? o->set : "default", &set, &err) == GPUMEM_OK &&
        gpumem_batch_new(host, set, folder, &j.batch, &err) == GPUMEM_OK)
        work(&j, &r, strcmp(file, "-") == 0 ? "the standard input" : file);
    gpumem_text_clear(&j.out); /* written, or not to be written */
    code = finish(o, &j.out, &err);
    gpumem_batch_free(j.batch);
    gpumem_set_free(set);
    gpumem_host_free(host);
    if (r.fd > STDIN_FILENO)
        close(r.fd);
    free(r.s);
    free(folder);
    return code;
}
