/* hmlp: a patch becomes one row by folding it step by step, with a matrix for each step; how far each step folds is planned so that the
 * folds grow evenly (models/inkling: plan_out_scales). */
#include "vision.h"

const gpumem_paramdef hmlp_params[HMLP_N] = {
    SIZE("hmlp_layers", NULL, "matrices"),
    SIZE("hmlp_width", NULL, "width of the result"),
    SIZE("hmlp_patch", NULL, "edge of a patch"),
    SIZE("hmlp_frames", NULL, "frames of a patch"),
    SIZE("channels", "3", "channels of the image"),
};

enum { MOST_SCALES = 64, MOST_LAYERS = 512 };
typedef struct scale { uint64_t fold, width; } scale; /* pixels of the patch that are one row by then, and the row's width */
typedef struct scales { scale at[MOST_SCALES]; unsigned n; } scales;

/* Prime factors, the largest first. */
static unsigned factors(uint64_t n, uint64_t *out)
{
    unsigned count = 0;
    for (uint64_t p = 2; p * p <= n; p++)
        for (; n % p == 0; n /= p)
            out[count++] = p;
    if (n > 1)
        out[count++] = n;
    for (unsigned i = 0; i < count / 2; i++) {
        uint64_t x = out[i];
        out[i] = out[count - 1 - i];
        out[count - 1 - i] = x;
    }
    return count;
}

/* Space first, then time; widths are multiples of 64. */
static void all_scales(uint64_t patch, uint64_t frames, uint64_t channels, scales *s)
{
    uint64_t prime[64], edge = 1, time = 1;
    unsigned n = factors(patch, prime);
    s->at[0].fold = 1;
    s->at[0].width = channels;
    s->n = 1;
    for (unsigned i = 0; i < n; i++, s->n++) {
        edge *= prime[i];
        s->at[s->n].fold = edge * edge;
        s->at[s->n].width = (edge * edge * channels + 63) / 64 * 64;
    }
    n = factors(frames, prime);
    for (unsigned i = 0; i < n; i++, s->n++) {
        time *= prime[i];
        s->at[s->n].fold = edge * edge * time;
        s->at[s->n].width = edge * edge * channels * time * 64;
    }
}

static double logarithm(double x)
{
    double y, power, sum = 0, halves = 0;
    for (; x > 1.5; x /= 2)
        halves += 1;
    y = (x - 1) / (x + 1);
    power = y;
    for (unsigned i = 1; i < 60; i += 2, power *= y * y)
        sum += power / i;
    return 2 * sum + halves * 0.69314718055994530942;
}

/* Which scale each step ends with, first[0] included: the nearest one; or, where there are fewer steps than scales, each another one,
 * all together as near as can be (both rise, so the choice does too). */
static void plan(const scales *s, unsigned layers, double total, unsigned *chosen)
{
    double cost[MOST_SCALES], best[MOST_SCALES][MOST_SCALES];
    for (unsigned i = 0; i <= layers; i++) {
        double ideal = logarithm(total) * i / layers;
        unsigned near = 0;
        for (unsigned k = 0; k < s->n; k++) {
            double d = ideal - logarithm((double)s->at[k].fold);
            cost[k] = d < 0 ? -d : d;
            if (cost[k] < cost[near])
                near = k;
        }
        chosen[i] = near;
        for (unsigned k = 0; layers < s->n && k < s->n; k++) { /* best[i][k]: steps up to i, the last of them at k or before */
            double here = k < i ? 1e300 : cost[k] + (i ? best[i - 1][k - 1] : 0);
            best[i][k] = k && best[i][k - 1] <= here ? best[i][k - 1] : here;
        }
    }
    for (unsigned i = layers + 1, k = s->n; layers < s->n && i-- > 0;) {
        k--;
        while (k > i && best[i][k - 1] <= best[i][k])
            k--;
        chosen[i] = k;
    }
    chosen[0] = 0;
    chosen[layers] = s->n - 1;
}

DESCRIBE(hmlp_describe)
{
    uint64_t patch = size_of(args, HMLP_PATCH), frames = size_of(args, HMLP_FRAMES), channels = size_of(args, HMLP_CHANNELS), layers = size_of(args, HMLP_LAYERS);
    unsigned chosen[MOST_LAYERS + 1];
    gpumem_dim dim[GPUMEM_MAX_DIMS];
    uint32_t x;
    scales s;
    if (patch > 4096 || frames > 4096 || channels > 4096 || layers > MOST_LAYERS)
        return gpumem_because(args, GPUMEM_ERANGE, "edge, frames or channels of a patch, or the layers over it, are more than expected");
    all_scales(patch, frames, channels, &s);
    plan(&s, (unsigned)layers, (double)(patch * patch * frames * channels), chosen);
    dim[0] = extent(1, GPUMEM_AXIS_BATCH);
    dim[1] = e->tensor[in[0]].dim[0];
    dim[2] = extent(channels, GPUMEM_AXIS_CHANNEL);
    x = gpumem_emit_tensor(e, "pixels", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, 3, dim);
    operate(e, GPUMEM_OP_VIEW, 0, "pixels", in[0], GPUMEM_NONE, x);
    for (unsigned i = 0; i < layers; i++) {
        const scale *from = &s.at[chosen[i]], *to = &s.at[chosen[i + 1]];
        char number[24], path[PATH_ROOM], own[PATH_ROOM];
        const char *module = join(e, path, "encoder_layers", decimal(number, i));
        gpumem_dim width = extent(i + 1 == layers ? size_of(args, HMLP_WIDTH) : to->width, GPUMEM_AXIS_HIDDEN);
        uint32_t y = gpumem_emit_like(e, "folded", x, extent(from->width * (to->fold / from->fold), GPUMEM_AXIS_CHANNEL));
        operate(e, GPUMEM_OP_COPY, 0, "fold", x, GPUMEM_NONE, y);
        x = linear(e, join(e, own, module, "projection"), GPUMEM_FAMILY_MATRIX, y, GPUMEM_NONE, width, 0);
        if (i + 1 < layers)
            x = activate(e, rmsnorm(e, join(e, own, module, "layer_norm"), x, width, "llama", 1), "gelu");
    }
    out[0] = hold(e, x, GPUMEM_LIVES_STACK);
    return (gpumem_status)e->status;
}
