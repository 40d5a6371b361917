#include "plan/peaks.h"
#include "base/checked.h"
#include "base/error.h"
#include <stdlib.h>
#include <string.h>

/* ---- collecting ----
 *
 * A moment is a count of allocations by size.  Of two moments one can never be the higher one where the other covers it: sizes are
 * numbers times products of symbols, rounded up, so what one has more of a product pays for what it has less of that product, or of
 * one that divides it, as long as the difference also pays for all roundings. */

#define MAX_GROUPS 48
typedef struct row {
    int64_t group[MAX_GROUPS]; /* bytes before rounding, by product of symbols; [0]: constants */
    int32_t *times;            /* by atom */
    uint32_t n;
} row;
typedef struct collector {
    row *row[GM_NPEAK];
    uint32_t n[GM_NPEAK], max[GM_NPEAK], natom;
    int phase;
    gm_atom *atom;
    gpumem_count product[MAX_GROUPS]; /* of a group: its symbols */
    uint8_t *group, *many; /* by atom */
    uint8_t divides[MAX_GROUPS][MAX_GROUPS]; /* product i divides product k */
    uint32_t ngroup, ngrouped, max_grouped, rounding;
    gm_symbols *symbols;
    int32_t *times; /* of the moment that is looked at */
    uint32_t max_times;
    bool trains, failed;
} collector;

/* What is subtracted from can be 0, and so can the smaller of that and something else. */
static bool can_be_zero(const gm_symbols *s, uint32_t sym)
{
    const gpumem_symbol *y = &s->sym[sym];
    return y->op == GPUMEM_SYM_SUB || (y->op == GPUMEM_SYM_MIN && ((y->a && can_be_zero(s, y->a)) || (y->b && can_be_zero(s, y->b))));
}

/* Is a's product a multiple of b's that cannot be less? */
static bool divides(const gm_symbols *s, const gpumem_count *b, const gpumem_count *a)
{
    bool used[4] = {false, false, false, false};
    for (int i = 0; i < 4 && b->sym[i]; i++) {
        int k = 0;
        while (k < 4 && (used[k] || a->sym[k] != b->sym[i]))
            k++;
        if (k == 4)
            return false;
        used[k] = true;
    }
    for (int k = 0; k < 4 && a->sym[k]; k++)
        if (!used[k] && can_be_zero(s, a->sym[k]))
            return false;
    return true;
}

static void group_atoms(collector *c, const gm_tape *t)
{
    if (t->natom > c->max_grouped) {
        uint32_t max = t->natom * 2 + 64;
        uint8_t *now = realloc(c->group, max), *many = realloc(c->many, max);
        c->group = now ? now : c->group;
        c->many = many ? many : c->many;
        if (now == NULL || many == NULL) {
            c->failed = true;
            return;
        }
        c->max_grouped = max;
    }
    for (; c->ngrouped < t->natom; c->ngrouped++) {
        gpumem_count p = t->atom[c->ngrouped].count;
        uint8_t times = t->atom[c->ngrouped].times;
        uint32_t g = 0;
        for (int i = 0; i < 4 && times; i++) /* symbols in falling order */
            if (p.sym[i] < times) {
                uint8_t next = p.sym[i];
                p.sym[i] = times;
                times = next;
            }
        if (times) {
            c->failed = true; /* more than four symbols */
            return;
        }
        while (g < c->ngroup && memcmp(c->product[g].sym, p.sym, sizeof p.sym) != 0)
            g++;
        if (g == MAX_GROUPS) {
            c->failed = true; /* far more than any model has */
            return;
        }
        if (g == c->ngroup) {
            c->product[c->ngroup++] = p;
            for (uint32_t i = 0; i <= g; i++) {
                c->divides[i][g] = divides(t->symbols, &c->product[i], &p);
                c->divides[g][i] = divides(t->symbols, &p, &c->product[i]);
            }
        }
        c->group[c->ngrouped] = (uint8_t)g;
        c->many[c->ngrouped] = t->atom[c->ngrouped].times != 0;
    }
}

/* Does the surplus pay for what is missing?  A product is at least as large as one that divides it. */
static bool pays(const collector *c, const int64_t *a, const int64_t *b, int64_t rounding)
{
    int64_t left[MAX_GROUPS] = {0}, missing;
    bool lacking = false;
    for (uint32_t g = 0; g < c->ngroup; g++) {
        left[g] = a[g] - b[g];
        lacking |= left[g] < 0;
    }
    left[0] -= rounding;
    if (!lacking && left[0] >= 0)
        return true;
    for (uint32_t g = 0; g < c->ngroup; g++) {
        missing = -left[g];
        for (uint32_t k = 0; missing > 0 && k < c->ngroup; k++)
            if (left[k] > 0 && c->divides[g][k]) {
                int64_t take = left[k] < missing ? left[k] : missing;
                left[k] -= take;
                missing -= take;
            }
        if (missing > 0)
            return false;
    }
    return true;
}

/* What the roundings of b's allocations can cost, where a does not have them too. */
static int64_t roundings(const collector *c, const row *a, const row *b)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < b->n; i++) {
        int32_t more = b->times[i] - (i < a->n ? a->times[i] : 0);
        n += more > 0 && c->group[i] ? more : 0;
    }
    return n * (c->rounding - 1);
}

static bool covers(const collector *c, const row *a, const row *b)
{
    for (uint32_t i = 0; i < b->n; i++) /* what has a number of equal allocations that is not known has as many roundings */
        if (c->many[i] && b->times[i] > (i < a->n ? a->times[i] : 0))
            return false;
    return pays(c, a->group, b->group, 0) && pays(c, a->group, b->group, roundings(c, a, b));
}

static void add(collector *c, gm_tape *t, int phase)
{
    uint32_t n = c->n[phase], kept = 0;
    row *r = c->row[phase], fresh;
    group_atoms(c, t);
    memset(fresh.group, 0, c->ngroup * sizeof *fresh.group);
    fresh.n = t->natom;
    if (t->natom > c->max_times) {
        int32_t *now = realloc(c->times, (t->natom * 2 + 64) * sizeof *now);
        if (now == NULL)
            c->failed = true;
        else {
            c->times = now;
            c->max_times = t->natom * 2 + 64;
        }
    }
    if (c->failed)
        return;
    fresh.times = c->times;
    for (uint32_t i = 0; i < t->natom; i++) {
        fresh.times[i] = (int32_t)t->live[i];
        fresh.group[c->group[i]] += t->live[i] * (int64_t)(t->atom[i].count.num / t->atom[i].count.den);
    }
    for (uint32_t i = n; i-- > 0;) { /* the latest are the likeliest */
        if (covers(c, &r[i], &fresh)) {
            if (i + 1 < n) {
                row moved = r[i];
                r[i] = r[n - 1];
                r[n - 1] = moved;
            }
            return;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (covers(c, &fresh, &r[i]))
            free(r[i].times);
        else
            r[kept++] = r[i];
    }
    c->n[phase] = kept;
    if (kept == c->max[phase]) {
        uint32_t max = kept ? kept * 2 : 16;
        row *now = realloc(r, max * sizeof *now);
        if (now == NULL) {
            c->failed = true;
            return;
        }
        c->row[phase] = now;
        c->max[phase] = max;
    }
    fresh.times = malloc((t->natom + 1) * sizeof *fresh.times);
    if (fresh.times == NULL) {
        c->failed = true;
        return;
    }
    if (t->natom)
        memcpy(fresh.times, c->times, t->natom * sizeof *fresh.times);
    memset(fresh.group + c->ngroup, 0, (MAX_GROUPS - c->ngroup) * sizeof *fresh.group);
    c->row[phase][c->n[phase]++] = fresh;
}

static void top(void *self, gm_tape *t)
{
    collector *c = self;
    add(c, t, c->phase);
}

static void reached(void *self, gm_tape *t, int where)
{
    collector *c = self;
    if (where == GM_AT_RETURNED) {
        add(c, t, GM_PEAK_RETURNED);
        if (c->trains) /* backward begins here: the caller still has the model's output */
            add(c, t, GM_PEAK_BACKWARD);
    }
    else if (where == GM_AT_DECODED)
        ;
    else if (where == GM_AT_HELD) {
        add(c, t, GM_PEAK_HELD);
        c->phase = GM_PEAK_BACKWARD;
        add(c, t, GM_PEAK_BACKWARD);
    } else
        add(c, t, GM_PEAK_AFTER_BACKWARD);
    free(c->atom);
    c->atom = malloc((t->natom + 1) * sizeof *c->atom);
    if (c->atom == NULL)
        c->failed = true;
    else
        for (uint32_t i = 0; i < t->natom; i++)
            c->atom[i] = t->atom[i];
    c->natom = t->natom;
    *c->symbols = *t->symbols;
}

static gpumem_status settle(gm_arena *arena, const collector *c, gm_peaks *out, gpumem_error *err)
{
    uint32_t terms = 0, n = 0;
    for (int k = 0; k < GM_NPEAK; k++)
        for (uint32_t i = 0; i < c->n[k]; i++)
            for (uint32_t a = 0; a < c->row[k][i].n; a++)
                terms += c->row[k][i].times[a] != 0;
    out->natom = c->natom;
    out->atom = gm_arena_zero(arena, c->natom + 1u, sizeof *out->atom);
    out->term = gm_arena_zero(arena, terms + 1u, sizeof *out->term);
    if (out->atom == NULL || out->term == NULL)
        return gm_no_memory(err);
    if (c->natom)
        memcpy(out->atom, c->atom, c->natom * sizeof *c->atom);
    for (int k = 0; k < GM_NPEAK; k++) {
        out->ntop[k] = c->n[k];
        out->top[k] = gm_arena_zero(arena, c->n[k] + 1u, sizeof *out->top[k]);
        if (out->top[k] == NULL)
            return gm_no_memory(err);
        for (uint32_t i = 0; i < c->n[k]; i++) {
            out->top[k][i].first = n;
            for (uint32_t a = 0; a < c->row[k][i].n; a++)
                if (c->row[k][i].times[a])
                    out->term[n++] = (gm_term){a, c->row[k][i].times[a]};
            out->top[k][i].n = n - out->top[k][i].first;
        }
    }
    return GPUMEM_OK;
}

gpumem_status gm_peaks_new(gm_arena *arena, const gm_walk_job *job, const gm_symbols *symbols, gm_peaks *out, gpumem_error *err)
{
    collector c;
    gm_walk_listener to = {.self = &c, .top = top, .reached = reached};
    gpumem_status s;
    memset(&c, 0, sizeof c);
    memset(out, 0, sizeof *out);
    c.symbols = &out->symbols;
    c.rounding = job->rounding;
    c.trains = job->flags & GM_WALK_TRAIN;
    c.ngroup = 1; /* constants */
    s = gm_walk_run(job, symbols, &to, err);
    if (s == GPUMEM_OK && c.failed)
        s = gm_no_memory(err);
    if (s == GPUMEM_OK)
        s = settle(arena, &c, out, err);
    for (int k = 0; k < GM_NPEAK; k++) {
        for (uint32_t i = 0; i < c.n[k]; i++)
            free(c.row[k][i].times);
        free(c.row[k]);
    }
    free(c.atom);
    free(c.group);
    free(c.many);
    free(c.times);
    return s;
}

/* ---- evaluating ---- */

#define MAX_ATOMS 1024
__extension__ typedef __int128 wide;

static uint64_t input(const char *name, uint64_t batch, uint64_t tokens, uint64_t seen)
{
    return strcmp(name, "batch") == 0 ? batch : strcmp(name, "tokens") == 0 ? tokens : strcmp(name, "seen") == 0 ? seen : 0;
}

static int values(const gm_symbols *s, uint64_t batch, uint64_t tokens, uint64_t seen, uint64_t *v)
{
    v[0] = 1;
    for (uint32_t i = 1; i < s->n; i++) {
        const gpumem_symbol *y = &s->sym[i];
        uint64_t a = v[y->a], b = y->b ? v[y->b] : y->k;
        switch (y->op) {
        case GPUMEM_SYM_INPUT: v[i] = input(y->name, batch, tokens, seen); break;
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

int gm_peaks_at(const gm_peaks *p, uint32_t rounding, uint64_t batch, uint64_t tokens, uint64_t seen, uint64_t *peak)
{
    uint64_t symbol[GM_MAX_SYMBOLS], bytes[MAX_ATOMS], most = 0;
    if (p->natom > MAX_ATOMS || values(&p->symbols, batch, tokens, seen, symbol))
        return 1;
    for (uint32_t i = 0; i < p->natom; i++) {
        const gpumem_count *c = &p->atom[i].count;
        uint64_t n = c->num, up;
        for (int k = 0; k < 4 && c->sym[k]; k++)
            if (gm_mul_u64(n, symbol[c->sym[k]], &n))
                return 1;
        if (c->den > 1)
            n = n / c->den + (n % c->den != 0);
        if (gm_add_u64(n, rounding - 1, &up))
            return 1;
        bytes[i] = up - up % rounding;
        if (p->atom[i].times && gm_mul_u64(bytes[i], symbol[p->atom[i].times], &bytes[i]))
            return 1;
        most |= bytes[i];
    }
    if (most >> 44) { /* sums could overflow: with 128 bits */
        for (int k = 0; k < GM_NPEAK; k++) {
            peak[k] = 0;
            for (uint32_t i = 0; i < p->ntop[k]; i++) {
                wide sum = 0;
                for (uint32_t j = p->top[k][i].first; j < p->top[k][i].first + p->top[k][i].n; j++)
                    sum += (wide)bytes[p->term[j].atom] * p->term[j].times;
                if (sum < 0 || sum >> 63)
                    return 1;
                if ((uint64_t)sum > peak[k])
                    peak[k] = (uint64_t)sum;
            }
        }
        return 0;
    }
    for (int k = 0; k < GM_NPEAK; k++) {
        int64_t highest = 0;
        for (uint32_t i = 0; i < p->ntop[k]; i++) {
            const gm_term *term = &p->term[p->top[k][i].first];
            int64_t sum = 0;
            for (uint32_t j = 0; j < p->top[k][i].n; j++)
                sum += (int64_t)bytes[term[j].atom] * term[j].times;
            if (sum > highest)
                highest = sum;
        }
        peak[k] = (uint64_t)highest;
    }
    return 0;
}
