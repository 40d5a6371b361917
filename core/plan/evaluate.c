#include "base/checked.h"
#include "plan/plan.h"
#include <string.h>

__extension__ typedef unsigned __int128 wide;

/* num * symbols, beside den; nonzero on overflow. */
static int product(gpumem_count c, const uint64_t *symbol, wide *num)
{
    *num = c.num;
    for (int i = 0; i < 4; i++)
        if (c.sym[i]) {
            uint64_t v = symbol[c.sym[i]];
            if (v && *num > (((wide)1 << 96) / v))
                return 1;
            *num *= v;
        }
    return 0;
}

static wide ceil_div(wide a, wide b)
{
    return a / b + (a % b != 0);
}

int gm_part_bytes(const gpumem_format_part *part, gpumem_count rows, gpumem_count cols, const uint64_t *symbol, uint32_t rounding, uint64_t *out)
{
    wide r, c, n, den = (wide)rows.den * cols.den;
    if (product(rows, symbol, &r) || product(cols, symbol, &c))
        return 1;
    if (part->rows > 1 || part->cols > 1) { /* blocks are whole ones */
        r = ceil_div(ceil_div(r, rows.den), part->rows);
        c = ceil_div(ceil_div(c, cols.den), part->cols);
        den = 1;
    }
    if (r && c > (((wide)1 << 100) / r))
        return 1;
    n = r * c;
    if (n >> 90)
        return 1;
    n = ceil_div(n * part->bits, den * 8) + part->fixed;
    n = ceil_div(n, rounding) * rounding;
    if (n >> 64)
        return 1;
    *out = (uint64_t)n;
    return 0;
}

static int symbols(const gpumem_description *d, const gpumem_point *p, uint64_t *v)
{
    v[0] = 1;
    for (uint32_t i = 1; i < d->nsym; i++) {
        const gpumem_symbol *s = &d->sym[i];
        uint64_t a = v[s->a], b = s->b ? v[s->b] : s->k;
        switch (s->op) {
        case GPUMEM_SYM_INPUT: v[i] = strcmp(s->name, "batch") == 0 ? p->batch : strcmp(s->name, "tokens") == 0 ? p->tokens : 0; break;
        case GPUMEM_SYM_MIN: v[i] = a < b ? a : b; break;
        case GPUMEM_SYM_MAX: v[i] = a > b ? a : b; break;
        case GPUMEM_SYM_CEILDIV:
            if (b == 0)
                return 1;
            v[i] = a / b + (a % b != 0);
            break;
        case GPUMEM_SYM_ADD:
            if (gm_add_u64(a, b, &v[i]))
                return 1;
            break;
        case GPUMEM_SYM_SUB: v[i] = a > b ? a - b : 0; break;
        default:
            if (gm_mul_u64(a, b, &v[i]))
                return 1;
        }
    }
    return 0;
}

typedef struct sums { uint64_t by[GPUMEM_MAX_LINES][GM_NPHASE]; } sums;

static int add_fold(const gm_fold *f, uint64_t bytes, sums *s)
{
    int bad = 0;
    for (unsigned p = 0; p < GM_NPHASE; p++)
        if (f->phases >> p & 1) {
            bad |= gm_add_u64(s->by[f->line][p], bytes, &s->by[f->line][p]);
            if (f->head != f->line)
                bad |= gm_add_u64(s->by[f->head][p], bytes, &s->by[f->head][p]);
        }
    return bad;
}

static int add_lines(const gpumem_plan *plan, const sums *s, gpumem_result *out)
{
    int bad = 0;
    for (uint32_t i = 0; i < plan->nline; i++)
        for (unsigned p = 0; p < GM_NPHASE; p++) {
            if (s->by[i][p] > out->line[i])
                out->line[i] = s->by[i][p];
            if (!plan->line[i].sub)
                bad |= gm_add_u64(out->phase[p], s->by[i][p], &out->phase[p]);
        }
    for (uint32_t i = 0; i < plan->nline; i++)
        if (!plan->line[i].sub && (plan->line[i].is == GPUMEM_IS_WEIGHTS || plan->line[i].is == GPUMEM_IS_BUFFERS))
            out->weights += out->line[i];
    out->between_steps = out->phase[5];
    return bad;
}

static void highest(gpumem_result *out)
{
    out->total = 0;
    for (unsigned i = 0; i < GM_NPHASE; i++)
        if (out->phase[i] > out->total)
            out->total = out->phase[i];
}

/* What the walk and the optimizer's step have on top of what lives all the time; seen: a sequence's tokens, in whole pages. */
static int add_peaks(const gpumem_plan *plan, const gpumem_point *point, uint64_t seen, gpumem_result *out)
{
    const gm_peaks *p;
    uint64_t peak[GM_NPEAK], batch = point->batch, tokens = point->tokens;
    int bad = gm_add_u64(out->phase[2], plan->step, &out->phase[2]);
    highest(out);
    for (uint32_t i = 0; i < plan->nline && plan->request.mode == GPUMEM_MODE_INFERENCE; i++)
        out->cache += plan->line[i].is == GPUMEM_IS_CACHE && !plan->line[i].sub ? out->line[i] : 0;
    if (plan->chunk) { /* so many tokens of all sequences at once, which see all tokens of theirs */
        uint64_t running;
        bad |= gm_mul_u64(batch, tokens, &running);
        running = running < plan->chunk ? running : plan->chunk;
        batch = batch < running ? batch : running;
        tokens = batch ? running / batch + (running % batch != 0) : 0;
    }
    p = plan->peaks[gm_plan_walk_of(plan, batch, tokens)];
    if (p == NULL)
        return bad;
    bad |= gm_peaks_at(p, plan->rounding, batch, tokens, seen, peak);
    if (plan->chunk) { /* beside all that is remembered */
        bad |= gm_add_u64(out->phase[3], peak[GM_PEAK_FORWARD], &out->phase[3]);
        bad |= gm_add_u64(out->phase[4], peak[GM_PEAK_FORWARD], &out->phase[4]);
        out->total = out->phase[3] > out->phase[4] ? out->phase[3] : out->phase[4];
        return bad;
    }
    if (plan->request.mode == GPUMEM_MODE_INFERENCE) {
        out->cache = peak[GM_PEAK_HELD];
        bad |= gm_add_u64(out->phase[3], peak[GM_PEAK_FORWARD], &out->phase[3]);
        bad |= gm_add_u64(out->phase[4], peak[GM_PEAK_BACKWARD], &out->phase[4]);
        out->total = out->phase[3] > out->phase[4] ? out->phase[3] : out->phase[4];
        return bad;
    }
    out->kept = peak[GM_PEAK_HELD];
    bad |= gm_add_u64(out->phase[0], peak[GM_PEAK_HELD], &out->held_for_backward);
    bad |= gm_add_u64(out->phase[0], peak[GM_PEAK_FORWARD], &out->phase[0]);
    bad |= gm_add_u64(out->phase[1], peak[GM_PEAK_BACKWARD], &out->phase[1]);
    highest(out);
    return bad;
}

/* A plan may be made for one batch and one number of tokens only: gpumem_request.only. */
bool gm_plan_made_for(const gpumem_plan *plan, const gpumem_point *point)
{
    return plan->walk.rules == NULL || !plan->complete || plan->chunk || plan->peaks[gm_plan_walk_of(plan, point->batch, point->tokens)];
}

/* Windows have room for what runs at once too, in whole pages. */
static void widen(const gpumem_plan *plan, uint64_t *v)
{
    const gpumem_description *d = &plan->model->d;
    for (uint32_t i = 1; i < d->nsym; i++) {
        const gpumem_symbol *s = &d->sym[i];
        uint64_t cells;
        if (s->op != GPUMEM_SYM_MIN || s->b || d->sym[s->a].op != GPUMEM_SYM_INPUT)
            continue;
        cells = (s->k + plan->ahead + plan->block - 1) / plan->block * plan->block;
        v[i] = (v[s->a] < cells ? v[s->a] : cells) + (uint64_t)plan->spare * plan->block;
    }
}

gpumem_status gpumem_plan_evaluate(const gpumem_plan *plan, const gpumem_point *point, gpumem_result *out, gpumem_error *err)
{
    uint64_t symbol[GPUMEM_MAX_SYMBOLS];
    uint32_t r = 0;
    sums s;
    uint64_t rounded[GPUMEM_MAX_SYMBOLS];
    const gpumem_point pages = {point->batch, plan->block > 1 ? (point->tokens / plan->block + (point->tokens % plan->block != 0)) * plan->block : point->tokens};
    int bad = symbols(&plan->model->d, point, symbol) || (plan->block > 1 && symbols(&plan->model->d, &pages, rounded));
    if (!bad && plan->block > 1 && plan->ahead != UINT64_MAX)
        widen(plan, rounded);
    memset(out, 0, sizeof *out);
    memset(s.by, 0, plan->nline * sizeof s.by[0]);
    for (uint32_t i = 0; !bad && i < plan->nfold; i++) { /* records are in the order of their folds */
        uint64_t add = plan->fold[i].add, peak = plan->fold[i].peak, together = 0;
        const uint64_t *v = plan->block > 1 && plan->line[plan->fold[i].line].is == GPUMEM_IS_CACHE ? rounded : symbol;
        for (; !bad && r < plan->nrecord && plan->record[r].slot == i; r++) {
            const gm_record *k = &plan->record[r];
            uint64_t n = 0;
            bad = gm_part_bytes(&k->part, k->rows, k->cols, v, plan->rounding, &n) || gm_mul_u64(n, k->times, &n);
            if (k->merge != GPUMEM_PEAK) {
                bad |= gm_add_u64(add, n, &add);
                continue;
            }
            bad |= gm_add_u64(together, n, &together);
            if (!k->more) {
                peak = together > peak ? together : peak;
                together = 0;
            }
        }
        bad = bad || gm_add_u64(add, peak, &add) || add_fold(&plan->fold[i], add, &s);
    }
    bad = bad || add_lines(plan, &s, out) || add_peaks(plan, point, pages.tokens, out);
    if (!bad && !gm_plan_made_for(plan, point))
        return gm_fail(err, GPUMEM_EINVAL, NULL, 0, 0, "the plan was made for other points than batch %llu and %llu tokens: see request.only",
                       (unsigned long long)point->batch, (unsigned long long)point->tokens);
    if (bad)
        return gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "the estimate does not fit in 64 bits at batch %llu and %llu tokens",
                       (unsigned long long)point->batch, (unsigned long long)point->tokens);
    return GPUMEM_OK;
}

void gpumem_plan_defaults(const gpumem_plan *plan, gpumem_point *point)
{
    int64_t positions = 0;
    bool known = gpumem_model_dim(plan->model, "positions", &positions) && positions > 0;
    if (point->batch == 0)
        point->batch = 1;
    if (point->tokens == 0) {
        point->tokens = plan->tokens ? plan->tokens : known ? (uint64_t)positions : 2048;
        if (known && (uint64_t)positions < point->tokens)
            point->tokens = (uint64_t)positions;
    }
}

/* ---- what fits ---- */

static gpumem_status fits(const gpumem_plan *plan, gpumem_point point, uint64_t budget, bool by_tokens, uint64_t n, bool *yes)
{
    gpumem_result r;
    gpumem_error err = {0};
    *(by_tokens ? &point.tokens : &point.batch) = n;
    gpumem_status s = gpumem_plan_evaluate(plan, &point, &r, &err);
    *yes = s == GPUMEM_OK && r.total <= budget;
    return s == GPUMEM_ERANGE ? GPUMEM_OK : s;
}

gpumem_status gpumem_plan_most(const gpumem_plan *plan, const gpumem_point *point, uint64_t budget, bool by_tokens, uint64_t *out, gpumem_error *err)
{
    uint64_t low = 0, high = 1;
    bool yes = false;
    gpumem_status s;
    *out = 0;
    for (;;) { /* memory grows with both */
        if ((s = fits(plan, *point, budget, by_tokens, high, &yes)) != GPUMEM_OK)
            return s;
        if (!yes)
            break;
        low = high;
        if (high >> 40)
            return gm_fail(err, GPUMEM_ERANGE, NULL, 0, 0, "there is no end to what fits: nothing that was counted grows with %s", by_tokens ? "the tokens" : "the sequences");
        high *= 2;
    }
    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;
        if ((s = fits(plan, *point, budget, by_tokens, middle, &yes)) != GPUMEM_OK)
            return s;
        if (yes)
            low = middle;
        else
            high = middle;
    }
    *out = low;
    return GPUMEM_OK;
}
