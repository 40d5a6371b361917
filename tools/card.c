/* GPUs: usable memory, budget, verdict. */
#include "tool.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const uint64_t MIB = UINT64_C(1) << 20;

/* ---- ids of a kind -------------------------------------------------------------------------------------------------- */

typedef struct id_visit { int (*each)(void *self, const char *id); void *self; } id_visit;

static int visit_id(void *self, const gpumem_candidate *c)
{
    id_visit *v = self;

    return c->shadowed ? 0 : v->each(v->self, c->id);
}

gpumem_status each_id(gpumem_host *host, gpumem_kind kind, int (*each)(void *self, const char *id), void *self, gpumem_error *err)
{
    id_visit visit = {each, self};

    return gpumem_plugin_each(host, kind, visit_id, &visit, err);
}

/* ---- a profile ---------------------------------------------------------------------------------------------------------- */

static uint64_t mib(const gpumem_gpu *gpu, const char *key)
{
    double v;

    return gpumem_gpu_number(gpu, key, &v) && v > 0 && v < 0x1p43 ? (uint64_t)(v * (double)MIB) : 0;
}

static bool text_is(const gpumem_gpu *gpu, const char *key, const char *value)
{
    const char *s = gpumem_gpu_text(gpu, key);

    return s && strcmp(s, value) == 0;
}

/* What a driver keeps for itself, where nobody has seen the visible total. */
static uint64_t visible_by_rule(const gpumem_gpu *gpu, uint64_t total)
{
    uint64_t carve;

    if (text_is(gpu, "memory_kind", "unified"))
        return 0;
    if (text_is(gpu, "vendor", "amd"))
        carve = 16 * MIB;
    else if (text_is(gpu, "memory_kind", "hbm"))
        carve = total / 1000 * 9;
    else
        carve = (total > 40960 * MIB ? 620 : 470) * MIB;
    return total > carve ? total - carve : 0;
}

/* The words of the accelerator list are finer than those of the result. */
static const char *source_of(const gpumem_gpu *gpu, const char *key)
{
    if (text_is(gpu, key, "observed"))
        return "observed";
    if (text_is(gpu, key, "published"))
        return "vendor";
    return text_is(gpu, key, "computed") ? "computed" : "unverified";
}

bool card_read(gpumem_gpu *gpu, card *out)
{
    double v;

    memset(out, 0, sizeof *out);
    out->gpu = gpu;
    out->key = gpumem_gpu_text(gpu, "key");
    out->name = gpumem_gpu_text(gpu, "name");
    if (!out->name)
        out->name = out->key ? out->key : "";
    out->label = gpumem_gpu_text(gpu, "label");
    if (!out->label)
        out->label = out->name;
    out->vendor = gpumem_gpu_text(gpu, "vendor");
    out->ecc = gpumem_gpu_text(gpu, "ecc_default");
    out->marketing_gb = gpumem_gpu_number(gpu, "marketing_gb", &v) ? v : 0;
    out->driver_total = mib(gpu, "driver_total_mib");
    out->visible = mib(gpu, "visible_linux_mib");
    out->source = source_of(gpu, "visible_conf");
    if (!out->visible) {
        out->visible = visible_by_rule(gpu, out->driver_total);
        out->source = "computed";
    }
    out->free_at_start = mib(gpu, "free_at_start_mib");
    out->budget = out->free_at_start && out->free_at_start < out->visible ? out->free_at_start : out->visible;
    out->count = 1;
    return out->visible > 0;
}

void card_free(card *c)
{
    gpumem_gpu_free(c->gpu);
    c->gpu = NULL;
}

/* ---- what --gpu and --memory say --------------------------------------------------------------------------------------------- */

/* KEYxN: the length of KEY and the number; 0 if there is no such end. */
static size_t split_count(const char *s, unsigned *count)
{
    size_t n = strlen(s), digits = 0;

    while (digits < n && isdigit((unsigned char)s[n - 1 - digits]))
        digits++;
    if (digits == 0 || digits > 4 || digits + 1 >= n || (s[n - digits - 1] | 0x20) != 'x')
        return 0;
    *count = (unsigned)strtoul(s + n - digits, NULL, 10);
    return *count > 0 ? n - digits - 1 : 0;
}

/* A key may itself end in x and digits ("rtx4090"), so the whole is tried first, and its error is the one that is told. */
static gpumem_status open_counted(gpumem_host *host, const char *s, gpumem_gpu **gpu, unsigned *count, gpumem_error *err)
{
    gpumem_status status = gpumem_gpu_open(host, s, gpu, err);
    gpumem_error ignored = {0};
    unsigned number = 1;
    char key[128];
    size_t n = split_count(s, &number);

    *count = 1;
    if (status != GPUMEM_EUNKNOWN || n == 0 || n >= sizeof key)
        return status;
    memcpy(key, s, n);
    key[n] = '\0';
    if (gpumem_gpu_open(host, key, gpu, &ignored) != GPUMEM_OK)
        return status;
    gpumem_error_clear(err);
    *count = number;
    return GPUMEM_OK;
}

static gpumem_status card_of_size(const char *memory, card *out, gpumem_error *err)
{
    uint64_t bytes;

    if (!parse_memory(memory, &bytes))
        return fail(err, GPUMEM_EINVAL, "--memory: '%s' is not a size such as 80GB, 80GiB or 81559MiB", memory);
    out->visible = out->budget = bytes;
    out->source = "user";
    if (!out->key) {
        out->key = "memory";
        out->name = out->label = amount_unit(out->typed, bytes);
        out->count = 1;
    }
    return GPUMEM_OK;
}

gpumem_status card_open(gpumem_host *host, const options *o, card *out, gpumem_error *err)
{
    gpumem_gpu *gpu = NULL;
    unsigned count = 1;
    gpumem_status s = GPUMEM_OK;
    bool known = true;

    memset(out, 0, sizeof *out);
    if (o->gpu && (s = open_counted(host, o->gpu, &gpu, &count, err)) != GPUMEM_OK)
        return s;
    if (gpu) {
        known = card_read(gpu, out);
        out->count = count;
    }
    if (o->memory)
        return card_of_size(o->memory, out, err);
    if (!known) {
        fail(err, GPUMEM_EINVAL, "how much memory %s can use depends on the machine", out->name);
        return add_tip(err, "say it: --gpu %s --memory SIZE", out->key ? out->key : o->gpu);
    }
    return GPUMEM_OK;
}

/* ---- fit ------------------------------------------------------------------------------------------------------------------------ */

verdict judge(uint64_t total, uint64_t budget)
{
    if (total > budget)
        return VERDICT_NO;
    return budget - total > budget / 10 ? VERDICT_FITS : VERDICT_TIGHT;
}

const char *verdict_name(verdict v)
{
    static const char *const names[] = {"", "fits", "tight", "no"};
    return names[v];
}

typedef struct smallest { gpumem_host *host; const card *like; uint64_t total; card best; bool found; } smallest;

/* Could it take the place of the other: of the same vendor, and on a card if that one is? */
static bool replaces(const gpumem_gpu *gpu, const card *other)
{
    const char *vendor = gpumem_gpu_text(gpu, "vendor");

    if (!other->gpu)
        return true;
    return vendor && other->vendor && strcmp(vendor, other->vendor) == 0 &&
           (!text_is(gpu, "memory_kind", "unified") || text_is(other->gpu, "memory_kind", "unified"));
}

static int compare_card(void *self, const char *id)
{
    smallest *s = self;
    gpumem_gpu *gpu;
    gpumem_error ignored = {0};
    card c;

    if (gpumem_gpu_open(s->host, id, &gpu, &ignored) != GPUMEM_OK)
        return 0;
    if (!card_read(gpu, &c) || !replaces(gpu, s->like) || c.budget < s->total || (s->found && c.budget >= s->best.budget)) {
        card_free(&c);
        return 0;
    }
    if (s->found)
        card_free(&s->best);
    s->best = c;
    s->found = true;
    return 0;
}

bool smallest_card(gpumem_host *host, const card *like, uint64_t total, card *out)
{
    smallest s = {.host = host, .like = like, .total = total};
    gpumem_error ignored = {0};

    each_id(host, GPUMEM_KIND_GPU, compare_card, &s, &ignored);
    *out = s.best;
    return s.found;
}

void card_json(gpumem_text *t, const card *c, bool count)
{
    json_open(t, NULL, '{');
    json_string(t, "key", c->key);
    json_string(t, "name", c->name);
    if (c->vendor)
        json_string(t, "vendor", c->vendor);
    json_key(t, "marketing_gb");
    if (c->marketing_gb > 0)
        gpumem_text_printf(t, "%.10g", c->marketing_gb);
    else
        gpumem_text_puts(t, "null");
    json_known(t, "driver_total", c->driver_total > 0, c->driver_total);
    json_known(t, "runtime_visible", c->visible > 0, c->visible);
    json_known(t, "free_at_start", c->free_at_start > 0, c->free_at_start);
    json_string(t, "ecc", c->ecc);
    json_string(t, "source", c->source);
    if (count)
        json_u64(t, "count", c->count);
    json_close(t, '{');
}
