/* Descriptions of models in words: pattern, shapes, counts. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

const char *text_at(const gpumem_description *d, uint32_t at)
{
    return at < d->nstring ? d->string + at : "";
}

const char *role_name(unsigned role)
{
    static const char *const names[GPUMEM_ROLE_END] = {"weight", "buffer", "activation", "cache", "state", "input"};
    return role < GPUMEM_ROLE_END ? names[role] : "";
}

/* ---- pattern ----------------------------------------------------------------------------------------------------------- */

/* Of several distinct blocks of one name each has a letter: layer.a, layer.b; from the 27th on a number. */
void put_block_name(gpumem_text *t, const gpumem_description *d, const gpumem_block *block)
{
    const char *name = text_at(d, block->name);
    unsigned before = 0, same = 0;

    for (uint32_t i = 0; i < d->nblock; i++)
        if (strcmp(text_at(d, d->block[i].name), name) == 0) {
            before += &d->block[i] < block;
            same++;
        }
    gpumem_text_puts(t, name);
    if (same > 1 && before < 26)
        gpumem_text_printf(t, ".%c", (int)('a' + before));
    else if (same > 1)
        gpumem_text_printf(t, ".%u", before + 1);
}

void put_pattern(gpumem_text *t, const gpumem_description *d)
{
    for (uint32_t i = 0; i < d->nrun; i++) {
        const gpumem_run *run = &d->run[i];
        gpumem_text_char(t, '[');
        if (run->n > 1 && run->count > 1)
            gpumem_text_char(t, '(');
        for (uint32_t k = 0; k < run->n; k++) {
            gpumem_text_puts(t, k ? " " : "");
            put_block_name(t, d, &d->block[d->sequence[run->first + k]]);
        }
        if (run->n > 1 && run->count > 1)
            gpumem_text_char(t, ')');
        if (run->count > 1)
            gpumem_text_printf(t, " x%u", (unsigned)run->count);
        gpumem_text_char(t, ']');
    }
}

/* ---- shapes -------------------------------------------------------------------------------------------------------------- */

static void put_symbol(gpumem_text *t, const gpumem_description *d, unsigned i, unsigned depth);

static void put_operand(gpumem_text *t, const gpumem_description *d, const gpumem_symbol *s, unsigned depth)
{
    if (s->b)
        put_symbol(t, d, s->b, depth + 1);
    else
        gpumem_text_u64(t, s->k);
}

static void put_call(gpumem_text *t, const gpumem_description *d, const gpumem_symbol *s, unsigned depth, const char *before,
                     const char *between, const char *after)
{
    gpumem_text_puts(t, before);
    put_symbol(t, d, s->a, depth + 1);
    gpumem_text_puts(t, between);
    put_operand(t, d, s, depth);
    gpumem_text_puts(t, after);
}

static void put_symbol(gpumem_text *t, const gpumem_description *d, unsigned i, unsigned depth)
{
    const gpumem_symbol *s = i < d->nsym ? &d->sym[i] : NULL;

    if (!s || depth > GPUMEM_MAX_SYMBOLS)
        gpumem_text_char(t, '?');
    else if (i == 0)
        gpumem_text_char(t, '1');
    else if (s->op == GPUMEM_SYM_INPUT)
        gpumem_text_puts(t, !s->name                        ? "?"
                            : strcmp(s->name, "batch") == 0 ? "B"
                            : strcmp(s->name, "tokens") == 0 ? "S"
                                                             : s->name);
    else if (s->op == GPUMEM_SYM_MIN)
        put_call(t, d, s, depth, "min(", ", ", ")");
    else if (s->op == GPUMEM_SYM_MAX)
        put_call(t, d, s, depth, "max(", ", ", ")");
    else if (s->op == GPUMEM_SYM_CEILDIV)
        put_call(t, d, s, depth, "ceil(", "/", ")");
    else if (s->op == GPUMEM_SYM_ADD)
        put_call(t, d, s, depth, "(", "+", ")");
    else if (s->op == GPUMEM_SYM_SUB)
        put_call(t, d, s, depth, "(", "-", ")");
    else
        put_call(t, d, s, depth, "", "*", "");
}

void put_extent(gpumem_text *t, const gpumem_description *d, const gpumem_dim *dim)
{
    if (dim->size != 1 || !dim->sym)
        gpumem_text_u64(t, dim->size);
    if (dim->size != 1 && dim->sym)
        gpumem_text_char(t, '*');
    if (dim->sym)
        put_symbol(t, d, dim->sym, 0);
}

void put_shape(gpumem_text *t, const gpumem_description *d, const gpumem_tensor *tensor)
{
    gpumem_text_char(t, '[');
    for (unsigned i = 0; i < tensor->ndim; i++) {
        gpumem_text_puts(t, i ? ", " : "");
        put_extent(t, d, &tensor->dim[i]);
    }
    gpumem_text_char(t, ']');
}

/* ---- counts ----------------------------------------------------------------------------------------------------------------- */

uint64_t tensor_times(const gpumem_block *block, const gpumem_tensor *tensor)
{
    if (tensor->storage != GPUMEM_NONE)
        return 0;
    return tensor->scope == GPUMEM_SCOPE_MODEL ? 1 : block->count;
}

uint64_t tensor_elements(const gpumem_tensor *tensor)
{
    uint64_t n = 1;

    for (unsigned i = 0; i < tensor->ndim; i++) {
        if (tensor->dim[i].sym)
            return 0;
        n *= tensor->dim[i].size;
    }
    return n;
}

/* ---- config keys --------------------------------------------------------------------------------------------------------- */

/* A value of the config may be a list of a thousand entries. */
static void put_cut(gpumem_text *t, const char *s, size_t most)
{
    size_t n = strlen(s);

    if (n <= most) {
        gpumem_text_puts(t, s);
        return;
    }
    for (n = most - 3; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
        ;
    gpumem_text_put(t, s, n);
    gpumem_text_puts(t, "...");
}

void put_keys(gpumem_text *t, const terminal *term, const gpumem_key *key, size_t n)
{
    size_t width = 0;

    for (size_t i = 0; i < n; i++)
        width = columns(key[i].key) > width ? columns(key[i].key) : width;
    for (size_t i = 0; i < n; i++) {
        gpumem_text value = {0};
        put_repeat(t, " ", 2);
        put_left(t, key[i].key, width + 2);
        put_cut(&value, key[i].value, 36);
        put_left(t, value.s ? value.s : "", 14);
        gpumem_text_puts(t, "  ");
        put_styled(t, term, strcmp(key[i].origin, "default") == 0 ? STYLE_WARN : STYLE_DIM, key[i].origin);
        gpumem_text_char(t, '\n');
        t->failed |= value.failed;
        gpumem_text_free(&value);
    }
}
