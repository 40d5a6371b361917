/* Describing a model, building a plan and evaluating it, each by itself; configs, families and plugins are loaded already.
 *
 *     bench_steps [SET]                                                                                                           */
#include "bench.h"
#include "plan/plan.h"
#include <string.h>

#define ROUNDS 9
#define ENOUGH 4e-3 /* seconds that one round takes at least */
#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- allocations of the library, counted (linked with --wrap) --------------------------------------------------------------- */

static unsigned long allocations;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
    allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    allocations++;
    return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
    allocations++;
    return __real_realloc(p, n);
}

/* ---- a case, and what is done with it ----------------------------------------------------------------------------------------- */

typedef struct subject {
    const char *name, *file, *layers; /* layers: NULL: the config's own */
    gpumem_host *host;
    gpumem_set *set;
    gpumem_config *config;
    gpumem_model *model;
    gpumem_plan *plan;
    gpumem_request request;
    gpumem_point point;
    uint64_t symbol[GPUMEM_MAX_SYMBOLS];
    volatile uint64_t sink;
} subject;

enum { DESCRIBE, PLAN, EVALUATE, LOOP, NACTION };
typedef struct measured { double ns[NACTION]; unsigned long allocations[NACTION]; } measured;

static gpumem_error err;

static void must(gpumem_status s)
{
    char text[1200];
    if (s != GPUMEM_OK)
        bench_stop(gpumem_error_text(&err, text, sizeof text), "bench_steps");
}

static void describe(subject *s)
{
    gpumem_model *m;
    must(gpumem_model_new(s->host, s->config, NULL, &m, &err));
    gpumem_model_free(m);
}

static void plan(subject *s)
{
    gpumem_plan *p;
    must(gpumem_plan_new(s->host, s->model, s->set, &s->request, &p, &err));
    gpumem_plan_free(p);
}

static void evaluate(subject *s)
{
    gpumem_result r;
    must(gpumem_plan_evaluate(s->plan, &s->point, &r, &err));
    s->sink = r.between_steps;
}

static uint64_t times(gpumem_count c, const uint64_t *symbol)
{
    return c.num * symbol[c.sym[0]] * symbol[c.sym[1]] * symbol[c.sym[2]] * symbol[c.sym[3]];
}

/* As many products and sums as evaluating has, but nothing else: no check of overflow, no rounding, no blocks, no lines. */
static void loop(subject *s)
{
    const gpumem_plan *p = s->plan;
    uint64_t phase[GM_NPHASE] = {0};
    for (uint32_t i = 0; i < p->nfold; i++)
        for (unsigned k = 0; k < GM_NPHASE; k++)
            phase[k] += (p->fold[i].add + p->fold[i].peak) * (p->fold[i].phases >> k & 1);
    for (uint32_t i = 0; i < p->nrecord; i++) {
        const gm_record *r = &p->record[i];
        phase[0] += times(r->rows, s->symbol) * times(r->cols, s->symbol) * r->part.bits / 8 * r->times;
    }
    for (unsigned k = 1; k < GM_NPHASE; k++)
        phase[0] += phase[k];
    s->sink = phase[0];
}

static void (*const action[NACTION])(subject *) = {describe, plan, evaluate, loop};

/* ---- measuring ---------------------------------------------------------------------------------------------------------------- */

static double seconds_of(void (*act)(subject *), subject *s, unsigned long n)
{
    double start = bench_now();
    for (unsigned long i = 0; i < n; i++)
        act(s);
    return bench_now() - start;
}

static void measure(subject *s, measured *out)
{
    for (int a = 0; a < NACTION; a++) {
        unsigned long n = 1, before = allocations;
        double time[ROUNDS];
        action[a](s);
        out->allocations[a] = allocations - before;
        while (seconds_of(action[a], s, n) < ENOUGH)
            n *= 2;
        for (int i = 0; i < ROUNDS; i++)
            time[i] = seconds_of(action[a], s, n) / (double)n;
        out->ns[a] = bench_sum_up(time, ROUNDS).least * 1e9;
    }
}

/* A whole training step at a thousand batches by a thousand sequence lengths, beside as many turns of the bare loop. */
static void sweep(subject *s)
{
    double start = bench_now(), whole, bare;
    for (uint64_t batch = 1; batch <= 1000; batch++)
        for (uint64_t tokens = 8; tokens <= 8000; tokens += 8) {
            s->point = (gpumem_point){batch, tokens};
            evaluate(s);
        }
    whole = bench_now() - start;
    start = bench_now();
    for (unsigned long i = 0; i < 1000000; i++)
        loop(s);
    bare = bench_now() - start;
    printf("sweep: %s, a million points, batch 1 to 1000, 8 to 8000 tokens: %.2f s, %.1f times as many turns of the loop\n", s->name, whole, whole / bare);
}

static void prepare(subject *s)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.json", BENCH_MODELS, s->file);
    must(gpumem_config_open(s->host, path, &s->config, &err));
    if (s->layers)
        must(gpumem_config_set(s->config, "num_hidden_layers", s->layers, &err));
    must(gpumem_model_new(s->host, s->config, NULL, &s->model, &err));
    must(gpumem_plan_new(s->host, s->model, s->set, &s->request, &s->plan, &err));
    gpumem_plan_defaults(s->plan, &s->point);
    for (int i = 0; i < GPUMEM_MAX_SYMBOLS; i++)
        s->symbol[i] = i == 0 ? 1 : 1 + (uint64_t)i;
}

static void finish(subject *s)
{
    gpumem_plan_free(s->plan);
    gpumem_model_free(s->model);
    gpumem_config_free(s->config);
}

static void compare(const char *what, const subject *a, const measured *ma, const subject *b, const measured *mb)
{
    printf("%s: %s against %s: describing %.2f, planning %.2f, evaluating %.2f\n", what, a->name, b->name, ma->ns[DESCRIBE] / mb->ns[DESCRIBE],
           ma->ns[PLAN] / mb->ns[PLAN], ma->ns[EVALUATE] / mb->ns[EVALUATE]);
}

/* The longest context and the most sequences that fit into 80 GiB, beside one evaluation of the same plan. */
static void solve(gpumem_host *host, const char *file)
{
    subject s = {.name = file, .file = file, .host = host, .request = {.mode = GPUMEM_MODE_INFERENCE, .engine = "vllm"}};
    uint64_t tokens = 0, sequences = 0;
    enum { TIMES = 2000 };
    double start, one, both;
    gpumem_set *own = NULL;
    must(gpumem_set_open(host, "default", &own, &err));
    s.set = own;
    prepare(&s);
    start = bench_now();
    for (int i = 0; i < TIMES; i++)
        evaluate(&s);
    one = (bench_now() - start) / TIMES;
    start = bench_now();
    for (int i = 0; i < TIMES; i++) {
        must(gpumem_plan_most(s.plan, &s.point, 80ull << 30, true, &tokens, &err));
        must(gpumem_plan_most(s.plan, &s.point, 80ull << 30, false, &sequences, &err));
    }
    both = (bench_now() - start) / TIMES;
    printf("solve: %s, 80 GiB: %llu tokens, %llu sequences: %.1f us for both, %.0f evaluations\n", s.name, (unsigned long long)tokens, (unsigned long long)sequences,
           both * 1e6, both / one);
    finish(&s);
    gpumem_set_free(own);
}

int main(int argc, char **argv)
{
    static const char *const folder[] = {BENCH_PLUGINS, BENCH_DATA};
    static const char llama[] = "meta-llama--Meta-Llama-3-8B";
    const gpumem_host_options options = {folder, COUNT(folder), true};
    subject all[] = {{.name = "phi-2", .file = "microsoft--phi-2"},
                     {.name = "gemma2 (9b)", .file = "google--gemma-2-9b"},
                     {.name = "deepseek_v3", .file = "deepseek-ai--DeepSeek-V3"},
                     {.name = "llama, 10 layers", .file = llama, .layers = "10"},
                     {.name = "llama, 100 layers", .file = llama, .layers = "100"},
                     {.name = "llama, 10000 layers", .file = llama, .layers = "10000"}};
    measured m[COUNT(all)];
    unsigned long most = 0;
    gpumem_host *host;
    gpumem_set *set;
    must(gpumem_host_new(&options, &host, &err));
    must(gpumem_set_open(host, argc > 1 ? argv[1] : "default", &set, &err));
    printf("%-20s %11s %9s %11s %9s %9s %6s %8s   allocations: describe, plan, evaluate\n", "", "describe ns", "plan ns", "evaluate ns", "loop ns",
           "x loop", "folds", "records");
    for (size_t i = 0; i < COUNT(all); i++) {
        subject *s = &all[i];
        s->host = host;
        s->set = set;
        prepare(s);
        measure(s, &m[i]);
        printf("%-20s %11.0f %9.0f %11.1f %9.1f %9.1f %6u %8u   %lu, %lu, %lu\n", s->name, m[i].ns[DESCRIBE], m[i].ns[PLAN], m[i].ns[EVALUATE],
               m[i].ns[LOOP], m[i].ns[EVALUATE] / m[i].ns[LOOP], s->plan->nfold, s->plan->nrecord, m[i].allocations[DESCRIBE],
               m[i].allocations[PLAN], m[i].allocations[EVALUATE]);
        most = m[i].allocations[EVALUATE] > most ? m[i].allocations[EVALUATE] : most;
        if (s->layers == NULL)
            sweep(s);
        finish(s);
    }
    solve(host, llama);
    compare("depth", &all[4], &m[4], &all[3], &m[3]);
    compare("depth", &all[5], &m[5], &all[3], &m[3]);
    printf("evaluating makes %lu allocations; the goal is 0\n", most);
    gpumem_set_free(set);
    gpumem_host_free(host);
    return 0;
}
