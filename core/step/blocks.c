#include "step/blocks.h"

void gm_opt_blocks_of(const gm_opt_tensor *t, gm_opt_cut cut, gm_opt_blocks *out)
{
    uint64_t together = 1, stride = 1;
    *out = (gm_opt_blocks){.size = cut.size};
    for (unsigned i = 0; i < t->ndim; i++) {
        uint64_t before = together;
        if (cut.limit && t->extent[i] > cut.limit) {
            out->n = 0;
            return;
        }
        if (__builtin_mul_overflow(together, t->extent[i], &together) || together > cut.size) {
            out->extent[out->n++] = before;
            together = t->extent[i];
        }
    }
    out->extent[out->n++] = together;
    if (out->n == 1)
        out->n = 0;
    for (unsigned i = out->n; i-- > 0;) {
        out->stride[i] = stride;
        stride *= out->extent[i];
    }
}

static uint64_t pieces(const gm_opt_blocks *b, unsigned i)
{
    return b->extent[i] / b->size + (b->extent[i] % b->size != 0);
}

uint64_t gm_opt_blocks_count(const gm_opt_blocks *b)
{
    uint64_t n = b->n != 0;
    for (unsigned i = 0; i < b->n; i++)
        if (__builtin_mul_overflow(n, pieces(b, i), &n))
            return UINT64_MAX;
    return n;
}

void gm_opt_block_at(const gm_opt_blocks *b, uint64_t at, uint64_t *extent)
{
    for (unsigned i = b->n; i-- > 0;) {
        uint64_t k = at % pieces(b, i), begin = k * b->size;
        at /= pieces(b, i);
        extent[i] = b->extent[i] - begin < b->size ? b->extent[i] - begin : b->size;
    }
}

bool gm_opt_blocks_alike(const gm_opt_blocks *b)
{
    uint64_t one = b->n && b->extent[0] < b->size ? b->extent[0] : b->size;
    for (unsigned i = 0; i < b->n; i++)
        if ((b->extent[i] < b->size ? b->extent[i] : b->size) != one || (b->extent[i] > b->size && b->extent[i] % b->size))
            return false;
    return b->n != 0;
}

unsigned gm_opt_blocks_cuts(const gm_opt_blocks *b)
{
    unsigned n = 0;
    for (unsigned i = 0; i < b->n; i++)
        n += b->extent[i] > b->size;
    return n;
}
