#include "source/cache.h"
#include "plugin/trust.h"
#include "source/sha1.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names that may become paths -------------------------------------------------------------------------------------------- */

bool gm_is_commit(const char *s)
{
    return strspn(s, "0123456789abcdef") == 40 && s[40] == '\0';
}

static bool safe_segment(const char *s, size_t n)
{
    return n > 0 && n < NAME_MAX && !(n <= 2 && strspn(s, ".") >= n);
}

bool gm_safe_path(const char *path)
{
    size_t n = strlen(path);
    if (n == 0 || n > 1024 || strpbrk(path, "\\:") || *path == '~')
        return false;
    for (const char *s = path; *s; s++)
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            return false;
    for (const char *s = path;; s++) {
        size_t length = strcspn(s, "/");
        if (!safe_segment(s, length))
            return false;
        s += length;
        if (*s == '\0')
            return true;
    }
}

static bool safe_etag(const char *etag)
{
    size_t n = strlen(etag);
    return n > 0 && n <= 128 && *etag != '.' && strspn(etag, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-") == n;
}

bool gm_cache_folder(const char *id, char *out, size_t n)
{
    const char *slash = strchr(id, '/');
    int length = slash ? snprintf(out, n, "models--%.*s--%s", (int)(slash - id), id, slash + 1) : snprintf(out, n, "models--%s", id);
    return length > 0 && (size_t)length < n && strchr(out, '/') == NULL;
}

/* ROOT/models--ORG--NAME/a/b/c; false if there is no cache or the path is too long. */
static bool place(const gm_cache *c, const char *id, const char *a, const char *b, const char *file, char path[PATH_MAX])
{
    char folder[300];
    int n;
    if (!c->root || !gm_cache_folder(id, folder, sizeof folder))
        return false;
    n = snprintf(path, PATH_MAX, "%s/%s/%s%s%s%s%s", c->root, folder, a, b ? "/" : "", b ? b : "", file ? "/" : "", file ? file : "");
    return n > 0 && n < PATH_MAX;
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------- */

static bool read_small(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, out, size - 1);
    if (fd >= 0)
        close(fd);
    if (n < 0)
        return false;
    while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r' || out[n - 1] == ' '))
        n--;
    out[n] = '\0';
    return true;
}

bool gm_cache_ref(const gm_cache *c, const char *id, const char *revision, char commit[41])
{
    char path[PATH_MAX], text[128];
    if (!gm_safe_path(revision) || !place(c, id, "refs", revision, NULL, path) || !read_small(path, text, sizeof text) || !gm_is_commit(text))
        return false;
    memcpy(commit, text, 41);
    return true;
}

static bool is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

gm_cached gm_cache_find(const gm_cache *c, const char *id, const char *commit, const char *file, char *path, size_t n)
{
    char at[PATH_MAX];
    if (!gm_is_commit(commit) || !gm_safe_path(file))
        return GM_CACHE_UNKNOWN;
    if (place(c, id, "snapshots", commit, file, at) && is_file(at) && strlen(at) < n) {
        memcpy(path, at, strlen(at) + 1);
        return GM_CACHE_FILE;
    }
    return place(c, id, ".no_exist", commit, file, at) && is_file(at) ? GM_CACHE_ABSENT : GM_CACHE_UNKNOWN;
}

bool gm_cache_has_blob(const gm_cache *c, const char *id, const char *etag)
{
    char path[PATH_MAX];
    return safe_etag(etag) && place(c, id, "blobs", etag, NULL, path) && is_file(path);
}

/* ---- writing ----------------------------------------------------------------------------------------------------------------- */

static gpumem_status cannot(const char *path, gpumem_error *err)
{
    char buf[128];
    return gm_fail(err, GPUMEM_EIO, path, 0, 0, "cannot be written: %s", strerror_r(errno, buf, sizeof buf));
}

/* The folders above the path. */
static bool make_folders(const char *path)
{
    char at[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof at) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(at, path, n + 1);
    for (char *s = strchr(at + 1, '/'); s; s = strchr(s + 1, '/')) {
        *s = '\0';
        if (mkdir(at, 0777) != 0 && errno != EEXIST)
            return false;
        *s = '/';
    }
    return true;
}

static bool write_all(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, s, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        s += done;
        n -= (size_t)done;
    }
    return true;
}

/* PATH.1a2b3c4d.SUFFIX, which nobody else has. */
static int open_beside(const char *path, const char *suffix, char beside[PATH_MAX])
{
    for (int i = 0; i < 16; i++) {
        uint32_t r = 0;
        int n, fd;
        if (getrandom(&r, sizeof r, GRND_NONBLOCK) != (ssize_t)sizeof r)
            r = (uint32_t)getpid() * 16u + (uint32_t)i;
        n = snprintf(beside, PATH_MAX, "%s.%08x.%s", path, (unsigned)r, suffix);
        if (n < 0 || n >= PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1;
}

gpumem_status gm_write_atomic(const char *path, const char *suffix, const void *data, size_t n, gpumem_error *err)
{
    char beside[PATH_MAX];
    int fd = make_folders(path) ? open_beside(path, suffix, beside) : -1;
    bool written;
    gpumem_status s;
    if (fd < 0)
        return cannot(path, err);
    written = write_all(fd, data, n);
    written = close(fd) == 0 && written;
    if (written && rename(beside, path) == 0)
        return GPUMEM_OK;
    s = cannot(path, err);
    unlink(beside);
    return s;
}

gpumem_status gm_cache_set_ref(const gm_cache *c, const char *id, const char *revision, const char *commit, gpumem_error *err)
{
    char path[PATH_MAX], old[41];
    if (strcmp(revision, commit) == 0 || !gm_is_commit(commit) || !gm_safe_path(revision) || !place(c, id, "refs", revision, NULL, path))
        return GPUMEM_OK;
    if (gm_cache_ref(c, id, revision, old) && strcmp(old, commit) == 0)
        return GPUMEM_OK;
    return gm_write_atomic(path, "tmp", commit, 40, err);
}

static void put_tag(const gm_cache *c)
{
    static const char tag[] = "Signature: 8a477f597d28d172789f06886806bc55\n"
                              "# This file is a cache directory tag created by huggingface_hub.\n"
                              "# For information about cache directory tags, see:\n"
                              "#\thttps://bford.info/cachedir/\n";
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/CACHEDIR.TAG", c->root);
    if (n > 0 && n < PATH_MAX && access(path, F_OK) != 0)
        gm_write_atomic(path, "tmp", tag, sizeof tag - 1, NULL);
}

/* As the clients lock; a lock that cannot be had in a second is done without, for each step is atomic. */
static int lock_blob(const gm_cache *c, const char *id, const char *etag)
{
    char path[PATH_MAX], folder[300];
    int fd, n;
    if (!gm_cache_folder(id, folder, sizeof folder))
        return -1;
    n = snprintf(path, sizeof path, "%s/.locks/%s/%s.lock", c->root, folder, etag);
    if (n < 0 || n >= PATH_MAX || !make_folders(path))
        return -1;
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0664);
    for (int i = 0; fd >= 0 && i < 20 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++)
        usleep(50000);
    return fd;
}

/* The link that a client would have made: ../../blobs/ETAG, and ../ more for each folder of the file. */
static gpumem_status put_link(const char *path, const char *file, const char *etag, gpumem_error *err)
{
    char target[PATH_MAX] = "", beside[PATH_MAX];
    size_t n = 0;
    int fd;
    for (const char *s = strchr(file, '/'); s; s = strchr(s + 1, '/'))
        n += (size_t)snprintf(target + n, sizeof target - n, "../");
    snprintf(target + n, sizeof target - n, "../../blobs/%s", etag);
    if (!make_folders(path))
        return cannot(path, err);
    if (symlink(target, path) == 0)
        return GPUMEM_OK;
    if (errno != EEXIST || (fd = open_beside(path, "tmp", beside)) < 0)
        return cannot(path, err);
    close(fd);
    unlink(beside);
    if (symlink(target, beside) == 0 && rename(beside, path) == 0)
        return GPUMEM_OK;
    unlink(beside);
    return cannot(path, err);
}

static gpumem_status put_pointer(const gm_cache *c, const char *id, const char *commit, const char *etag, const char *file, const void *data, size_t n,
                                 gpumem_error *err)
{
    char path[PATH_MAX];
    if (!place(c, id, "snapshots", commit, file, path))
        return gm_fail(err, GPUMEM_EIO, c->root, 0, 0, "the path of '%s' is too long", file);
    if (is_file(path) && !data)
        return GPUMEM_OK;
    if (!c->copies && put_link(path, file, etag, NULL) == GPUMEM_OK)
        return GPUMEM_OK;
    if (!data)
        return put_link(path, file, etag, err);
    return gm_write_atomic(path, "incomplete", data, n, err);
}

gpumem_status gm_cache_put(const gm_cache *c, const char *id, const char *commit, const char *etag, const char *file, const void *data, size_t n,
                           gpumem_error *err)
{
    char path[PATH_MAX];
    gpumem_status s = GPUMEM_OK;
    int lock;
    if (!c->root)
        return gm_fail(err, GPUMEM_EIO, NULL, 0, 0, "there is no folder for the cache: neither HOME nor HF_HOME is set");
    if (!gm_is_commit(commit) || !safe_etag(etag) || !gm_safe_path(file) || !place(c, id, "blobs", etag, NULL, path))
        return gm_fail(err, GPUMEM_EIO, NULL, 0, 0, "'%s' cannot be kept: the server's names for it are no file names", file);
    if (!make_folders(path))
        return cannot(path, err);
    put_tag(c);
    lock = lock_blob(c, id, etag);
    if (data && !c->copies && !is_file(path))
        s = gm_write_atomic(path, "incomplete", data, n, err);
    if (s == GPUMEM_OK)
        s = put_pointer(c, id, commit, etag, file, data, n, err);
    if (lock >= 0)
        close(lock);
    return s;
}

void gm_cache_put_absent(const gm_cache *c, const char *id, const char *commit, const char *file)
{
    char path[PATH_MAX];
    if (gm_is_commit(commit) && gm_safe_path(file) && place(c, id, ".no_exist", commit, file, path) && !is_file(path))
        gm_write_atomic(path, "tmp", "", 0, NULL);
}

/* ---- is it what was asked for? ------------------------------------------------------------------------------------------------- */

static bool hex_is(const char *hex, const unsigned char *digest, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", digest[i]);
        if (memcmp(two, hex + 2 * i, 2) != 0)
            return false;
    }
    return true;
}

bool gm_etag_fits(const char *etag, const void *data, size_t n)
{
    unsigned char digest[32];
    char head[40];
    gm_sha1 h;
    if (strspn(etag, "0123456789abcdef") == 64 && etag[64] == '\0') {
        gm_sha256(data, n, digest);
        return hex_is(etag, digest, 32);
    }
    if (!gm_is_commit(etag))
        return true;
    gm_sha1_init(&h); /* git's name of a blob */
    gm_sha1_put(&h, head, (size_t)snprintf(head, sizeof head, "blob %zu", n) + 1);
    gm_sha1_put(&h, data, n);
    gm_sha1_end(&h, digest);
    return hex_is(etag, digest, 20);
}
