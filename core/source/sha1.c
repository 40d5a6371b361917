#include "source/sha1.h"
#include <string.h>

static uint32_t turn(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static uint32_t mix(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round / 20) {
    case 0: return ((b & c) | (~b & d)) + 0x5a827999u;
    case 1: return (b ^ c ^ d) + 0x6ed9eba1u;
    case 2: return ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdcu;
    default: return (b ^ c ^ d) + 0xca62c1d6u;
    }
}

static void block(gm_sha1 *s, const unsigned char *p)
{
    uint32_t w[80], v[5];
    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (unsigned i = 16; i < 80; i++)
        w[i] = turn(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    memcpy(v, s->h, sizeof v);
    for (unsigned i = 0; i < 80; i++) {
        uint32_t t = turn(v[0], 5) + mix(i, v[1], v[2], v[3]) + v[4] + w[i];
        v[4] = v[3];
        v[3] = v[2];
        v[2] = turn(v[1], 30);
        v[1] = v[0];
        v[0] = t;
    }
    for (unsigned i = 0; i < 5; i++)
        s->h[i] += v[i];
}

void gm_sha1_init(gm_sha1 *s)
{
    *s = (gm_sha1){.h = {0x67452301u, 0xefcdab89u, 0x98badcfeu, 0x10325476u, 0xc3d2e1f0u}};
}

void gm_sha1_put(gm_sha1 *s, const void *data, size_t n)
{
    const unsigned char *p = data;
    while (n > 0) {
        size_t at = s->bytes % 64, take = 64 - at < n ? 64 - at : n;
        memcpy(s->block + at, p, take);
        s->bytes += take;
        p += take;
        n -= take;
        if (s->bytes % 64 == 0)
            block(s, s->block);
    }
}

void gm_sha1_end(gm_sha1 *s, unsigned char out[20])
{
    uint64_t bits = s->bytes * 8;
    unsigned char length[8], zero = 0x80;
    for (unsigned i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    gm_sha1_put(s, &zero, 1);
    zero = 0;
    while (s->bytes % 64 != 56)
        gm_sha1_put(s, &zero, 1);
    gm_sha1_put(s, length, 8);
    for (unsigned i = 0; i < 20; i++)
        out[i] = (unsigned char)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}
