/* Lines of a step's programs: parts, prefixes and statements. */
#include "step/program.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* ---- what expressions need too ---- */

uint32_t gm_opt_wrong(gm_opt_parser *p, const char *format, ...)
{
    char why[200];
    va_list args;
    if (p->bad)
        return GM_OPT_NONE;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    p->bad = true;
    gm_fail(p->err, GPUMEM_EPLUGIN, p->out->file, p->line, p->column + (uint32_t)(p->p - p->start), "%s", why);
    return GM_OPT_NONE;
}

void *gm_opt_room(gm_opt_parser *p, void *items, size_t size, uint32_t n, uint32_t *max)
{
    void *now;
    if (n < *max)
        return items;
    now = gm_arena_zero(p->arena, *max ? *max * 2u : 16u, size);
    if (now == NULL) {
        p->bad = true;
        gm_no_memory(p->err);
        return NULL;
    }
    if (n)
        memcpy(now, items, n * size);
    *max = *max ? *max * 2u : 16u;
    return now;
}

void gm_opt_skip(gm_opt_parser *p)
{
    while (p->p < p->end && isspace((unsigned char)*p->p))
        p->p++;
}

static bool letter(char c) { return isalnum((unsigned char)c) || c == '_'; }

bool gm_opt_take(gm_opt_parser *p, const char *token)
{
    size_t n = strlen(token);
    gm_opt_skip(p);
    if ((size_t)(p->end - p->p) < n || memcmp(p->p, token, n) != 0 || (letter(token[n - 1]) && p->p + n < p->end && letter(p->p[n])))
        return false;
    p->p += n;
    return true;
}

const char *gm_opt_word_at(gm_opt_parser *p, size_t *n)
{
    const char *s;
    gm_opt_skip(p);
    s = p->p;
    if (s == p->end || !letter(*s) || isdigit((unsigned char)*s))
        return NULL;
    while (p->p < p->end && letter(*p->p))
        p->p++;
    *n = (size_t)(p->p - s);
    return s;
}

uint32_t gm_opt_name(gm_opt_parser *p, const char *s, size_t n)
{
    static const char *const taken[] = {"if", "and", "or", "not", "del", "return", "each", "dims", "blocks", "sides", "cuts", "list"};
    gm_opt_program *o = p->out;
    uint32_t max = o->max_name, room = max;
    void *names, *items;
    for (size_t i = 0; i < COUNT(taken); i++)
        if (strlen(taken[i]) == n && memcmp(taken[i], s, n) == 0) {
            p->p = s;
            return gm_opt_wrong(p, "'%s' cannot be a name here", taken[i]);
        }
    for (uint32_t i = 0; i < o->nname; i++)
        if (strncmp(o->name[i], s, n) == 0 && o->name[i][n] == 0)
            return i;
    if ((names = gm_opt_room(p, o->name, sizeof *o->name, o->nname, &room)) == NULL ||
        (items = gm_opt_room(p, o->items, sizeof *o->items, o->nname, &max)) == NULL)
        return GM_OPT_NONE;
    o->name = names;
    o->items = items;
    o->max_name = max;
    if ((o->name[o->nname] = gm_arena_strndup(p->arena, s, n)) == NULL) {
        p->bad = true;
        gm_no_memory(p->err);
        return GM_OPT_NONE;
    }
    return o->nname++;
}

/* ---- statements ---- */

static uint32_t name(gm_opt_parser *p)
{
    size_t n = 0;
    const char *s = gm_opt_word_at(p, &n);
    return s ? gm_opt_name(p, s, n) : gm_opt_wrong(p, "expected a name");
}

static bool add_name(gm_opt_parser *p, gm_opt_line *l, uint32_t *max)
{
    uint32_t *now, at = name(p);
    if (at == GM_OPT_NONE || (now = gm_opt_room(p, l->name, sizeof *now, l->nname, max)) == NULL)
        return false;
    l->name = now;
    l->name[l->nname++] = at;
    return true;
}

static bool names(gm_opt_parser *p, gm_opt_line *l)
{
    uint32_t max = 0;
    l->nname = 0;
    do {
        if (!add_name(p, l, &max))
            return false;
    } while (gm_opt_take(p, ","));
    return true;
}

static bool values(gm_opt_parser *p, gm_opt_line *l)
{
    do {
        if (l->nvalue == GM_OPT_TARGETS)
            return gm_opt_wrong(p, "more than %d values", GM_OPT_TARGETS), false;
        if ((l->value[l->nvalue] = gm_opt_expression(p)) == GM_OPT_NONE)
            return false;
        l->nvalue++;
    } while (gm_opt_take(p, ","));
    return true;
}

/* Names and a single =: what is before it, or not an assignment. */
static const char *assigned(const gm_opt_parser *p)
{
    const char *s = p->p;
    while (s < p->end && (letter(*s) || isspace((unsigned char)*s) || *s == ',' || *s == '[' || *s == ']'))
        s++;
    return s < p->end && *s == '=' && (s + 1 == p->end || s[1] != '=') ? s : NULL;
}

static bool assignment(gm_opt_parser *p, gm_opt_line *l, bool lists)
{
    unsigned results;
    if (!names(p, l))
        return false;
    l->kind = GM_OPT_ASSIGN;
    if (l->nname == 1 && gm_opt_take(p, "[")) {
        l->kind = GM_OPT_APPEND;
        if (!gm_opt_take(p, "]"))
            return gm_opt_wrong(p, "expected ]: only a list's end can be set"), false;
    }
    if (!gm_opt_take(p, "="))
        return gm_opt_wrong(p, "expected ="), false;
    if (l->nname == 1 && l->kind == GM_OPT_ASSIGN && gm_opt_take(p, "[")) {
        l->kind = GM_OPT_EMPTY;
        return gm_opt_take(p, "]") || (gm_opt_wrong(p, "expected ]: a list begins empty"), false);
    }
    if (l->nname == 1 && l->kind == GM_OPT_ASSIGN && gm_opt_take(p, "list")) {
        l->kind = GM_OPT_LIST;
        if (!lists)
            return gm_opt_wrong(p, "list() is for parts that have lists"), false;
        if (!gm_opt_take(p, "("))
            return gm_opt_wrong(p, "expected ("), false;
    }
    if (!values(p, l))
        return false;
    if (l->kind == GM_OPT_LIST && !gm_opt_take(p, ")"))
        return gm_opt_wrong(p, "expected )"), false;
    results = l->nvalue == 1 ? gm_opt_results(p->out, l->value[0]) : l->nvalue;
    if (l->nname != results)
        return gm_opt_wrong(p, "%u names for %u values", l->nname, results), false;
    return true;
}

static bool statement(gm_opt_parser *p, gm_opt_line *l, bool lists)
{
    gm_opt_skip(p);
    if (gm_opt_take(p, "del")) {
        l->kind = GM_OPT_DROP;
        return names(p, l);
    }
    if (assigned(p))
        return assignment(p, l, lists);
    l->kind = GM_OPT_DO;
    return values(p, l) && (l->nvalue == 1 || (gm_opt_wrong(p, "expected one expression"), false));
}

/* ---- lines ---- */

static bool prefix(gm_opt_parser *p, gm_opt_line *l, bool lists, bool *more)
{
    static const char *const loops[] = {[GM_OPT_EACH] = "each", [GM_OPT_DIMS] = "dims", [GM_OPT_BLOCKS] = "blocks", [GM_OPT_SIDES] = "sides", [GM_OPT_CUTS] = "cuts"};
    gm_opt_prefix now = {0, GM_OPT_NONE};
    const char *at;
    gm_opt_skip(p);
    at = p->p;
    *more = gm_opt_take(p, "if");
    if (*more && (now.condition = gm_opt_expression(p)) == GM_OPT_NONE)
        return false;
    for (unsigned i = GM_OPT_EACH; !*more && i < COUNT(loops); i++)
        if ((*more = gm_opt_take(p, loops[i])))
            now.kind = (uint8_t)i;
    if (!*more)
        return true;
    if (now.kind == GM_OPT_EACH && !lists)
        return p->p = at, gm_opt_wrong(p, "each: is for parts that have lists"), false;
    if (!gm_opt_take(p, ":"))
        return gm_opt_wrong(p, "expected :"), false;
    if (l->nprefix == GM_OPT_PREFIXES)
        return gm_opt_wrong(p, "more than %d prefixes", GM_OPT_PREFIXES), false;
    l->prefix[l->nprefix++] = now;
    return true;
}

static gm_opt_part *new_part(gm_opt_parser *p, bool lists)
{
    gm_opt_program *o = p->out;
    gm_opt_part *now = gm_opt_room(p, o->part, sizeof *now, o->npart, &o->max_part);
    if (now == NULL)
        return NULL;
    o->part = now;
    now[o->npart] = (gm_opt_part){.lists = lists, .line = p->line, .column = p->column, .condition = GM_OPT_NONE, .first = o->nline};
    return &now[o->npart++];
}

static bool at_end(gm_opt_parser *p)
{
    gm_opt_skip(p);
    return p->p == p->end || (gm_opt_wrong(p, "expected the end of the line"), false);
}

static bool part_line(gm_opt_parser *p)
{
    bool lists = gm_opt_take(p, "lists");
    gm_opt_part *part;
    if (!lists && !gm_opt_take(p, "loop"))
        return gm_opt_wrong(p, "expected @loop or @lists"), false;
    if ((part = new_part(p, lists)) == NULL)
        return false;
    gm_opt_skip(p);
    if (p->p == p->end)
        return true;
    part->condition = gm_opt_expression(p);
    return part->condition != GM_OPT_NONE && at_end(p);
}

static bool line(gm_opt_parser *p)
{
    gm_opt_program *o = p->out;
    gm_opt_part *part = &o->part[o->npart - 1];
    gm_opt_line *now, l = {.line = p->line, .column = p->column + (uint32_t)(p->p - p->start)};
    bool more = true;
    if (part->ends)
        return gm_opt_wrong(p, "return is the last line of a part"), false;
    if (gm_opt_take(p, "return")) {
        part->ends = true;
        return at_end(p);
    }
    while (more)
        if (!prefix(p, &l, part->lists, &more))
            return false;
    if (!statement(p, &l, part->lists) || !at_end(p) || (now = gm_opt_room(p, o->line, sizeof *now, o->nline, &o->max_line)) == NULL)
        return false;
    o->line = now;
    o->line[o->nline++] = l;
    part->n++;
    return true;
}

static bool given_names(gm_opt_parser *p)
{
    static const char *const given[GM_OPT_GIVEN] = {
        [GM_OPT_P] = "p", [GM_OPT_G] = "g", [GM_OPT_F] = "f", [GM_OPT_B] = "b", [GM_OPT_D] = "d", [GM_OPT_STEPS] = "steps", [GM_OPT_CHOSEN] = "chosen"};
    for (size_t i = 0; i < COUNT(given); i++)
        if (gm_opt_name(p, given[i], strlen(given[i])) == GM_OPT_NONE)
            return false;
    return true;
}

gpumem_status gm_opt_parse(gm_arena *arena, gm_opt_place place, const char *text, bool lists, gm_opt_program *out, gpumem_error *err)
{
    gpumem_error own = {0};
    gm_opt_parser p = {.arena = arena, .out = out, .line = place.line, .column = place.column, .err = err ? err : &own};
    bool good;
    *out = (gm_opt_program){.file = place.file};
    good = given_names(&p) && new_part(&p, lists) != NULL;
    for (const char *s = text; good && *s; p.line++) {
        size_t n = strcspn(s, "\n"), used = strcspn(s, "#\n");
        p.start = p.p = s;
        p.end = s + used;
        gm_opt_skip(&p);
        if (p.p < p.end)
            good = gm_opt_take(&p, "@") ? part_line(&p) : line(&p);
        s += n + (s[n] == '\n');
    }
    return good ? GPUMEM_OK : p.err->status != GPUMEM_OK ? p.err->status : GPUMEM_EINTERNAL;
}
