/* SHA-1, by which git names what it keeps. */
#ifndef GM_SHA1_H
#define GM_SHA1_H

#include <stddef.h>
#include <stdint.h>

typedef struct gm_sha1 { uint32_t h[5]; uint64_t bytes; unsigned char block[64]; } gm_sha1;

void gm_sha1_init(gm_sha1 *s);
void gm_sha1_put(gm_sha1 *s, const void *data, size_t n);
void gm_sha1_end(gm_sha1 *s, unsigned char out[20]);
#endif
