#include "plugin/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- SHA-256 (FIPS 180-4) ----------------------------------------------------------------------------------------- */

typedef struct sha { uint32_t h[8]; uint64_t bytes; size_t fill; unsigned char block[64]; } sha;

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotr(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }

static void sha_block(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64], s[8];
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + w[i - 7] + (rotr(a, 7) ^ rotr(a, 18) ^ a >> 3) + (rotr(b, 17) ^ rotr(b, 19) ^ b >> 10);
    }
    memcpy(s, h, sizeof s);
    for (unsigned i = 0; i < 64; i++) {
        uint32_t a = s[0], e = s[4];
        uint32_t t1 = s[7] + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + ((e & s[5]) ^ (~e & s[6])) + sha_k[i] + w[i];
        uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] += s[i];
}

static void sha_init(sha *c)
{
    static const uint32_t first[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memset(c, 0, sizeof *c);
    memcpy(c->h, first, sizeof first);
}

static void sha_put(sha *c, const unsigned char *p, size_t n)
{
    c->bytes += n;
    while (n) {
        size_t m = sizeof c->block - c->fill;
        m = n < m ? n : m;
        memcpy(c->block + c->fill, p, m);
        c->fill += m;
        p += m;
        n -= m;
        if (c->fill == sizeof c->block) {
            sha_block(c->h, c->block);
            c->fill = 0;
        }
    }
}

static void sha_end(sha *c, unsigned char out[32])
{
    static const unsigned char pad[64] = {0x80};
    unsigned char length[8];
    for (unsigned i = 0; i < 8; i++)
        length[i] = (unsigned char)(c->bytes * 8 >> (56 - 8 * i));
    sha_put(c, pad, 1 + (119 - c->fill) % 64);
    sha_put(c, length, sizeof length);
    for (unsigned i = 0; i < 32; i++)
        out[i] = (unsigned char)(c->h[i / 4] >> (24 - 8 * (i % 4)));
}

void gm_sha256(const void *data, size_t n, unsigned char out[32])
{
    sha c;
    sha_init(&c);
    if (n)
        sha_put(&c, data, n);
    sha_end(&c, out);
}

/* ---- may it be loaded ------------------------------------------------------------------------------------------------ */

static bool owner_trusted(uid_t owner)
{
    struct stat program;
    uid_t user = geteuid();
    if (owner == 0 || owner == user)
        return true;
    return user == 0 && stat("/proc/self/exe", &program) == 0 && program.st_uid == owner;
}

/* A group that is the owner's own is as good as the owner. */
static bool group_is_own(uid_t owner, gid_t group)
{
    struct passwd entry, *found = NULL;
    char buf[4096];
    return getpwuid_r(owner, &entry, buf, sizeof buf, &found) == 0 && found && found->pw_gid == group;
}

static gpumem_status check_stat(const char *path, const struct stat *st, gpumem_error *err)
{
    bool everyone = st->st_mode & S_IWOTH;
    gpumem_status status;
    if (!owner_trusted(st->st_uid))
        return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "belongs to user %lu: only files of root or of the user who runs this are loaded",
                       (unsigned long)st->st_uid);
    if (!everyone && (!(st->st_mode & S_IWGRP) || group_is_own(st->st_uid, st->st_gid)))
        return GPUMEM_OK;
    status = gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "is writable by %s (mode %04o)", everyone ? "everyone" : "its group",
                     (unsigned)st->st_mode & 07777);
    gm_tip(err, "chmod go-w '%s'", path);
    return status;
}

static gpumem_status cannot_open(int at, const char *name, const char *path, const char *wanted, gpumem_error *err)
{
    int reason = errno;
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        if (S_ISLNK(st.st_mode))
            return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "is a symbolic link");
        if (reason == ENOTDIR || reason == ENXIO)
            return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "is not a %s", wanted);
    }
    return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "%s", reason == ENOENT ? "no such file" : strerror(reason));
}

static gpumem_status check_digest(int fd, const char *path, const char *sha256, gpumem_error *err)
{
    unsigned char block[16384], digest[32];
    char hex[65];
    ssize_t n;
    sha c;
    sha_init(&c);
    while ((n = read(fd, block, sizeof block)) != 0) {
        if (n < 0 && errno != EINTR)
            return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "%s", strerror(errno));
        if (n > 0)
            sha_put(&c, block, (size_t)n);
    }
    sha_end(&c, digest);
    for (unsigned i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    if (strcasecmp(hex, sha256) != 0)
        return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "its SHA-256 is %s, not %.64s as its manifest says", hex, sha256);
    return GPUMEM_OK;
}

static gpumem_status check_file(int fd, const char *path, const char *sha256, gpumem_error *err)
{
    struct stat st;
    gpumem_status status;
    if (fstat(fd, &st) != 0)
        return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return gm_fail(err, GPUMEM_EPLUGIN, path, 0, 0, "is not a regular file");
    status = check_stat(path, &st, err);
    return status == GPUMEM_OK && sha256 ? check_digest(fd, path, sha256, err) : status;
}

static gpumem_status check_folder(int fd, const char *folder, gpumem_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return gm_fail(err, GPUMEM_EPLUGIN, folder, 0, 0, "%s", strerror(errno));
    return check_stat(folder, &st, err);
}

static gpumem_status check_in(int at, const char *path, const char *file, const char *sha256, gpumem_error *err)
{
    gpumem_status status;
    /* not blocked by a FIFO */
    int fd = openat(at, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return cannot_open(at, file, path, "regular file", err);
    status = check_file(fd, path, sha256, err);
    close(fd);
    return status;
}

gpumem_status gm_trust_check(const char *folder, const char *file, const char *sha256, gpumem_error *err)
{
    gpumem_status status;
    char *path;
    int fd;
    if (!*file || strchr(file, '/') || strcmp(file, ".") == 0 || strcmp(file, "..") == 0)
        return gm_fail(err, GPUMEM_EPLUGIN, folder, 0, 0, "'%.64s' is not a plain file name", file);
    fd = open(folder, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return cannot_open(AT_FDCWD, folder, folder, "folder", err);
    status = check_folder(fd, folder, err);
    if (status == GPUMEM_OK) {
        if (asprintf(&path, "%s/%s", folder, file) < 0) {
            close(fd);
            return gm_no_memory(err);
        }
        status = check_in(fd, path, file, sha256, err);
        free(path);
    }
    close(fd);
    return status;
}
