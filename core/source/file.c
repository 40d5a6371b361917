#include "source/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct file_reader { gm_reader reader; int fd; char path[]; } file_reader;

static gpumem_status system_error(const char *path, int number, gpumem_error *err)
{
    char buf[128];
    if (number == ENOMEM)
        return gm_no_memory(err);
    return gm_fail(err, GPUMEM_EIO, path, 0, 0, "%s",
                   number == ENOENT ? "no such file" : number == EACCES ? "permission denied" : strerror_r(number, buf, sizeof buf));
}

static gpumem_status file_read(gm_reader *reader, uint64_t offset, size_t n, void *buf, gpumem_error *err)
{
    file_reader *f = (file_reader *)reader;
    if (offset > f->reader.size || n > f->reader.size - offset)
        return gm_fail(err, GPUMEM_EIO, f->path, 0, 0, "%zu bytes expected at byte %llu, but the file has %llu bytes", n,
                       (unsigned long long)offset, (unsigned long long)f->reader.size);
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(f->fd, (char *)buf + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return system_error(f->path, errno, err);
        if (got == 0)
            return gm_fail(err, GPUMEM_EIO, f->path, 0, 0, "became shorter while it was read");
        done += (size_t)got;
    }
    return GPUMEM_OK;
}

static void file_close(gm_reader *reader)
{
    file_reader *f = (file_reader *)reader;
    close(f->fd);
    free(f);
}

static gpumem_status check_kind(int fd, const char *path, uint64_t *size, gpumem_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return system_error(path, errno, err);
    if (S_ISDIR(st.st_mode))
        return gm_fail(err, GPUMEM_EIO, path, 0, 0, "is a directory");
    if (!S_ISREG(st.st_mode))
        return gm_fail(err, GPUMEM_EIO, path, 0, 0, "is not a regular file");
    *size = (uint64_t)st.st_size;
    return GPUMEM_OK;
}

gpumem_status gm_file_reader(const char *path, bool must, gm_reader **out, gpumem_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* O_NONBLOCK: a FIFO must not wait for a writer */
    size_t n = strlen(path) + 1;
    gpumem_status status;
    file_reader *f;
    uint64_t size = 0;
    *out = NULL;
    if (fd < 0 && !must && (errno == ENOENT || errno == ENOTDIR))
        return GPUMEM_OK;
    if (fd < 0)
        return system_error(path, errno, err);
    if ((status = check_kind(fd, path, &size, err)) != GPUMEM_OK || (f = malloc(sizeof *f + n)) == NULL) {
        close(fd);
        return status != GPUMEM_OK ? status : gm_no_memory(err);
    }
    memcpy(f->path, path, n);
    f->fd = fd;
    f->reader = (gm_reader){f->path, size, file_read, file_close};
    *out = &f->reader;
    return GPUMEM_OK;
}
