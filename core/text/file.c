#include "text/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gpumem_status system_error(const char *path, int number, gpumem_error *err)
{
    char buf[128];
    const char *why;
    switch (number) {
    case ENOENT: why = "no such file"; break;
    case EACCES: why = "permission denied"; break;
    case ENOTDIR: why = "a part of the path is not a directory"; break;
    case ENOMEM: return gm_no_memory(err);
    default: why = strerror_r(number, buf, sizeof buf); break;
    }
    return gm_fail(err, GPUMEM_EIO, path, 0, 0, "%s", why);
}

/* Up to size bytes, less at the end of the file. */
static int read_all(int fd, char *p, size_t size, size_t *n)
{
    for (*n = 0; *n < size;) {
        ssize_t got = read(fd, p + *n, size - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        *n += (size_t)got;
    }
    return 0;
}

static gpumem_status read_open(int fd, gm_arena *arena, const char *path, size_t max, char **text, size_t *n, gpumem_error *err)
{
    struct stat st;
    size_t size;
    char *p;
    if (fstat(fd, &st) != 0)
        return system_error(path, errno, err);
    if (S_ISDIR(st.st_mode))
        return gm_fail(err, GPUMEM_EIO, path, 0, 0, "is a directory");
    if (!S_ISREG(st.st_mode))
        return gm_fail(err, GPUMEM_EIO, path, 0, 0, "is not a regular file");
    if (st.st_size < 0 || (uintmax_t)st.st_size > max)
        return gm_fail(err, GPUMEM_EIO, path, 0, 0, "larger than %zu bytes", max);
    size = (size_t)st.st_size;
    p = size < SIZE_MAX ? gm_arena_alloc(arena, size + 1) : NULL; /* one more: to see whether it grew, then for the NUL */
    if (!p)
        return gm_no_memory(err);
    if (read_all(fd, p, size + 1, n) != 0)
        return system_error(path, errno, err);
    if (*n > size)
        return gm_fail(err, GPUMEM_EIO, path, 0, 0, "grew while it was read");
    p[*n] = '\0';
    *text = p;
    return GPUMEM_OK;
}

gpumem_status gm_file_read(gm_arena *arena, const char *path, size_t max, char **text, size_t *n, gpumem_error *err)
{
    /* O_NONBLOCK: opening a FIFO must not wait for a writer */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    gpumem_status status;
    if (fd < 0)
        return system_error(path, errno, err);
    status = read_open(fd, arena, path, max, text, n, err);
    close(fd);
    return status;
}
