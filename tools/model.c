/* gpumem model NAME: what the architecture knows. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

enum { INDENT = 2 };

typedef struct subject {
    gpumem_config *config;
    gpumem_model *model;
    const gpumem_description *d;
    gpumem_weights *weights; /* or NULL */
} subject;

/* ---- text ---------------------------------------------------------------------------------------------------------------- */

static void put_heading(gpumem_text *t, const terminal *term, const char *s)
{
    gpumem_text_char(t, '\n');
    put_styled(t, term, STYLE_BOLD, s);
    gpumem_text_char(t, '\n');
}

static void put_first_line(gpumem_text *t, const subject *s, const terminal *term)
{
    const char *dot = term->glyph->dot;
    char number[NUMBER_SIZE];
    gpumem_text name = {0};

    title_of(&name, s->config);
    put_styled(t, term, STYLE_BOLD, name.s ? name.s : "");
    t->failed |= name.failed;
    gpumem_text_free(&name);
    gpumem_text_printf(t, " %s %s %s family %s\n", dot, gpumem_model_class(s->model), dot, gpumem_model_family(s->model));
    gpumem_text_printf(t, "\n  %s parameters", grouped(number, gpumem_model_parameters(s->model), ' '));
    if (gpumem_model_trainable(s->model) != gpumem_model_parameters(s->model))
        gpumem_text_printf(t, ", %s of them train", grouped(number, gpumem_model_trainable(s->model), ' '));
    gpumem_text_char(t, '\n');
}

static void put_parts(gpumem_text *t, const subject *s)
{
    uint64_t all = gpumem_model_parameters(s->model), active = gpumem_model_active(s->model);
    char number[NUMBER_SIZE], share[16];

    if (active != all)
        gpumem_text_printf(t, "  %s of them active for a token\n", grouped(number, active, ' '));
    for (unsigned p = 0; p < GPUMEM_PART_END; p++) {
        uint64_t n = gpumem_model_parameters_in(s->model, p);
        if (n == 0)
            continue;
        put_repeat(t, " ", INDENT + 2);
        put_left(t, gpumem_part_name(p), 11);
        put_right(t, grouped(number, n, ' '), 17);
        snprintf(share, sizeof share, "%u%%", percent(n, all));
        put_right(t, share, 6);
        gpumem_text_char(t, '\n');
    }
}

static void put_sizes(gpumem_text *t, const subject *s, const terminal *term)
{
    gpumem_text line = {0};

    for (uint32_t i = 0; i < s->d->ndim; i++)
        gpumem_text_printf(&line, "%s%s %lld", i ? ", " : "", s->d->dim[i].name, (long long)s->d->dim[i].value);
    gpumem_text_puts(t, "\n  sizes    ");
    put_wrapped(t, line.s ? line.s : "none", 11, 11, term->width);
    gpumem_text_clear(&line);
    put_pattern(&line, s->d);
    gpumem_text_puts(t, "\n  pattern  ");
    put_wrapped(t, line.s ? line.s : "", 11, 11, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= line.failed;
    gpumem_text_free(&line);
}

static const char *dtype_name(unsigned dtype)
{
    static const char *const names[GPUMEM_DTYPE_END] = {"model", "float32", "int64", "int32", "bool", "bfloat16", "complex64"};
    return dtype < GPUMEM_DTYPE_END ? names[dtype] : NULL;
}

/* ---- caches and operations ---- */

/* "2 layers: keys 1024 a token, values 1024 a token of the last 4096; state 65536 (float32)". */
static void put_cache(gpumem_text *t, const gpumem_cache *c)
{
    char number[NUMBER_SIZE];

    gpumem_text_printf(t, "%u %s: %s %s%s", (unsigned)c->layers, c->layers == 1 ? "layer" : "layers", c->name,
                       grouped(number, c->elements_per_token ? c->elements_per_token : c->elements, ' '), c->elements_per_token == 0 ? "" : c->tokens > 1 ? " for a group" : " a token");
    if (c->tokens > 1)
        gpumem_text_printf(t, " of %s", grouped(number, c->tokens, ' '));
    if (c->window)
        gpumem_text_printf(t, ", of the last %s", grouped(number, c->window, ' '));
    if (c->dtype == GPUMEM_DTYPE_F32)
        gpumem_text_puts(t, " (float32)");
}

static void put_caches(gpumem_text *t, const subject *s, const terminal *term)
{
    gpumem_cache cache[64];
    size_t n = gpumem_model_caches(s->model, cache, 64);
    uint64_t token = 0;
    char number[NUMBER_SIZE];
    gpumem_text line = {0};

    for (size_t i = 0; i < n && i < 64; i++) {
        token += cache[i].elements_per_token * cache[i].layers / cache[i].tokens;
        gpumem_text_puts(&line, i ? "; " : "");
        put_cache(&line, &cache[i]);
    }
    if (n == 0)
        return;
    gpumem_text_printf(t, "  cache    %s elements a token\n           ", grouped(number, token, ' '));
    put_wrapped(t, line.s ? line.s : "", 11, 11, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= line.failed;
    gpumem_text_free(&line);
}

static void put_flops(gpumem_text *t, const subject *s)
{
    gpumem_flops f;
    char a[NUMBER_SIZE], b[NUMBER_SIZE];

    if (gpumem_model_flops(s->model, &f, NULL) != GPUMEM_OK || f.token == 0)
        return;
    gpumem_text_printf(t, "  forward  %s FLOPs a token", grouped(a, f.token, ' '));
    if (f.token_and_context)
        gpumem_text_printf(t, ", and %s for each token before it", grouped(b, f.token_and_context, ' '));
    gpumem_text_char(t, '\n');
}

/* ---- tensors ---- */

static int put_stored(void *self, const gpumem_stored_tensor *x)
{
    gpumem_text *t = self;

    gpumem_text_printf(t, "%s [", x->name);
    for (uint32_t i = 0; i < x->ndim; i++)
        gpumem_text_printf(t, "%s%llu", i ? ", " : "", (unsigned long long)x->dim[i]);
    gpumem_text_char(t, ']');
    if (x->role == GPUMEM_ROLE_BUFFER)
        gpumem_text_printf(t, " buffer %s", dtype_name(x->dtype));
    if (x->tied)
        gpumem_text_printf(t, " tied to %s", x->tied);
    gpumem_text_char(t, '\n');
    return t->failed;
}

static int json_stored(void *self, const gpumem_stored_tensor *x)
{
    gpumem_text *t = self;

    json_line(t);
    json_open(t, NULL, '{');
    json_string(t, "name", x->name);
    json_string(t, "role", role_name(x->role));
    json_string(t, "part", x->role == GPUMEM_ROLE_WEIGHT ? gpumem_part_name(x->part) : NULL);
    json_string(t, "dtype", dtype_name(x->dtype));
    json_open(t, "shape", '[');
    for (uint32_t i = 0; i < x->ndim; i++)
        json_u64(t, NULL, x->dim[i]);
    json_close(t, '[');
    json_string(t, "tied", x->tied);
    json_close(t, '{');
    return t->failed;
}

/* The port through which a block reads this tensor; NULL: it is the block's own. */
static const char *read_port(const subject *s, const gpumem_block *block, uint32_t tensor)
{
    for (uint32_t i = 0; i < block->nimport; i++) {
        const gpumem_port *port = &s->d->port[block->import0 + i];
        if (port->tensor == tensor)
            return text_at(s->d, s->d->portname[port->port]);
    }
    return NULL;
}

/* What a block reads has the name of its port; of several tensors of one name the later ones have a number. */
static void put_name(gpumem_text *t, const subject *s, const gpumem_block *block, uint32_t tensor, bool whole)
{
    const char *name = text_at(s->d, s->d->tensor[tensor].name), *port = read_port(s, block, tensor), *path;
    unsigned before = 0;

    if (port) {
        gpumem_text_puts(t, port);
        return;
    }
    for (uint32_t i = block->tensor0; i < tensor; i++)
        before += strcmp(text_at(s->d, s->d->tensor[i].name), name) == 0 && !read_port(s, block, i);
    path = whole ? NULL : strstr(name, "{i}.");
    gpumem_text_puts(t, path ? path + 4 : name);
    if (before > 0)
        gpumem_text_printf(t, "#%u", before + 1);
}

static uint32_t operand(const subject *s, const gpumem_op *op, unsigned i)
{
    return s->d->operand[op->operand + i];
}

static void put_flow(gpumem_text *t, const subject *s, const terminal *term, const gpumem_block *block, const gpumem_op *op)
{
    for (unsigned i = 0; i < op->nin; i++) {
        if (operand(s, op, i) == GPUMEM_NONE)
            continue;
        gpumem_text_puts(t, i ? ", " : "");
        put_name(t, s, block, operand(s, op, i), false);
    }
    gpumem_text_printf(t, "%s%s ", op->nin ? " " : "", term->glyph->arrow);
    for (unsigned i = op->nin; i < (unsigned)op->nin + op->nout; i++) {
        gpumem_text_puts(t, i > op->nin ? ", " : "");
        put_name(t, s, block, operand(s, op, i), false);
        gpumem_text_char(t, ' ');
        put_shape(t, s->d, &s->d->tensor[operand(s, op, i)]);
    }
}

static void put_op(gpumem_text *t, const subject *s, const terminal *term, const gpumem_block *block, const gpumem_op *op)
{
    const char *kind = gpumem_op_name(op->kind);
    gpumem_text flow = {0};

    put_repeat(t, " ", INDENT + 2);
    put_left(t, op->kind == GPUMEM_OP_OTHER || !kind ? text_at(s->d, op->name) : kind, 14);
    gpumem_text_char(t, ' ');
    put_flow(&flow, s, term, block, op);
    put_wrapped(t, flow.s ? flow.s : "", INDENT + 17, INDENT + 19, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= flow.failed;
    gpumem_text_free(&flow);
}

static bool has_bytes(const gpumem_tensor *tensor)
{
    return tensor->role == GPUMEM_ROLE_WEIGHT || tensor->role == GPUMEM_ROLE_BUFFER || tensor->role == GPUMEM_ROLE_INPUT;
}

static void put_tensor(gpumem_text *t, const subject *s, const terminal *term, const gpumem_tensor *tensor)
{
    const char *family = tensor->role == GPUMEM_ROLE_WEIGHT ? gpumem_family_name(tensor->family) : role_name(tensor->role);
    gpumem_text text = {0};

    put_repeat(t, " ", INDENT + 2);
    put_left(t, family ? family : "", 14);
    gpumem_text_char(t, ' ');
    gpumem_text_printf(&text, "%s ", text_at(s->d, tensor->name));
    put_shape(&text, s->d, tensor);
    if (tensor->storage != GPUMEM_NONE)
        gpumem_text_printf(&text, " shares %s", text_at(s->d, s->d->tensor[tensor->storage].name));
    if (tensor->tag & GPUMEM_TAG_FROZEN)
        gpumem_text_puts(&text, " frozen");
    put_wrapped(t, text.s ? text.s : "", INDENT + 17, INDENT + 19, term->width);
    gpumem_text_char(t, '\n');
    t->failed |= text.failed;
    gpumem_text_free(&text);
}

/* What comes in: ports and shapes. */
static void put_reads(gpumem_text *t, const subject *s, const gpumem_block *block)
{
    if (block->nimport == 0)
        return;
    put_repeat(t, " ", INDENT + 2);
    put_left(t, "reads", 15);
    for (uint32_t i = 0; i < block->nimport; i++) {
        const gpumem_port *port = &s->d->port[block->import0 + i];
        gpumem_text_printf(t, "%s%s ", i ? ", " : "", text_at(s->d, s->d->portname[port->port]));
        put_shape(t, s->d, &s->d->tensor[port->tensor]);
    }
    gpumem_text_char(t, '\n');
}

/* What goes out: ports and the tensors in them. */
static void put_writes(gpumem_text *t, const subject *s, const gpumem_block *block)
{
    if (block->nexport == 0)
        return;
    put_repeat(t, " ", INDENT + 2);
    put_left(t, "writes", 15);
    for (uint32_t i = 0; i < block->nexport; i++) {
        const gpumem_port *port = &s->d->port[block->export0 + i];
        gpumem_text_printf(t, "%s%s = ", i ? ", " : "", text_at(s->d, s->d->portname[port->port]));
        put_name(t, s, block, port->tensor, false);
    }
    gpumem_text_char(t, '\n');
}

static void put_body(gpumem_text *t, const subject *s, const terminal *term, const gpumem_block *block)
{
    put_reads(t, s, block);
    for (uint32_t i = 0; i < block->nop; i++)
        put_op(t, s, term, block, &s->d->op[block->op0 + i]);
    put_writes(t, s, block);
    for (uint32_t i = block->tensor0; i < block->tensor0 + block->ntensor; i++)
        if (has_bytes(&s->d->tensor[i]) && !read_port(s, block, i))
            put_tensor(t, s, term, &s->d->tensor[i]);
}

static void put_block_heading(gpumem_text *t, const subject *s, const terminal *term, const gpumem_block *block)
{
    gpumem_text name = {0};

    put_block_name(&name, s->d, block);
    gpumem_text_char(t, '\n');
    put_styled(t, term, STYLE_BOLD, name.s ? name.s : "");
    t->failed |= name.failed;
    gpumem_text_free(&name);
    if (block->count > 1)
        gpumem_text_printf(t, " %s %u", term->glyph->times, (unsigned)block->count);
}

/* Blocks that differ only in when their tensors live look the same: the later ones refer to the one before. */
static void put_blocks(gpumem_text *t, const subject *s, const terminal *term)
{
    gpumem_text body = {0}, last = {0};

    for (uint32_t i = 0; i < s->d->nblock; i++) {
        gpumem_text_clear(&body);
        put_body(&body, s, term, &s->d->block[i]);
        put_block_heading(t, s, term, &s->d->block[i]);
        if (i > 0 && body.n == last.n && body.n > 0 && memcmp(body.s, last.s, body.n) == 0)
            gpumem_text_puts(t, ": as the one before\n");
        else
            gpumem_text_printf(t, "\n%s", body.s ? body.s : "");
        gpumem_text_clear(&last);
        gpumem_text_put(&last, body.s ? body.s : "", body.n);
    }
    t->failed |= body.failed || last.failed;
    gpumem_text_free(&body);
    gpumem_text_free(&last);
}

static void put_only_keys(gpumem_text *t, const subject *s, const terminal *term)
{
    const gpumem_key *key;
    size_t n = gpumem_model_keys(s->model, &key);

    put_keys(t, term, key, n);
}

static void put_text(gpumem_text *t, const subject *s, const terminal *term)
{
    put_first_line(t, s, term);
    put_parts(t, s);
    put_sizes(t, s, term);
    put_caches(t, s, term);
    put_flops(t, s);
    put_heading(t, term, "blocks: operators, then tensors; B sequences of S tokens");
    put_blocks(t, s, term);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------------------ */

static void json_shape(gpumem_text *t, const subject *s, const gpumem_tensor *tensor)
{
    json_open(t, "shape", '[');
    for (unsigned i = 0; i < tensor->ndim; i++) {
        if (!tensor->dim[i].sym) {
            json_u64(t, NULL, tensor->dim[i].size);
        } else {
            gpumem_text extent = {0};
            put_extent(&extent, s->d, &tensor->dim[i]);
            json_string(t, NULL, extent.s ? extent.s : "");
            t->failed |= extent.failed;
            gpumem_text_free(&extent);
        }
    }
    json_close(t, '[');
}

static void json_name(gpumem_text *t, const subject *s, const char *key, const gpumem_block *block, uint32_t tensor)
{
    gpumem_text name = {0};

    put_name(&name, s, block, tensor, true);
    json_string(t, key, name.s ? name.s : "");
    t->failed |= name.failed;
    gpumem_text_free(&name);
}

static void json_tensor(gpumem_text *t, const subject *s, const gpumem_block *block, uint32_t index)
{
    const gpumem_tensor *tensor = &s->d->tensor[index];

    json_open(t, NULL, '{');
    json_name(t, s, "name", block, index);
    json_string(t, "role", role_name(tensor->role));
    if (tensor->role == GPUMEM_ROLE_WEIGHT)
        json_string(t, "family", gpumem_family_name(tensor->family));
    json_string(t, "dtype", dtype_name(tensor->dtype));
    json_shape(t, s, tensor);
    if (tensor->storage != GPUMEM_NONE)
        json_string(t, "shares", text_at(s->d, s->d->tensor[tensor->storage].name));
    if (tensor->tag & GPUMEM_TAG_FROZEN)
        json_bool(t, "frozen", true);
    json_close(t, '{');
}

static void json_operands(gpumem_text *t, const subject *s, const char *key, const gpumem_block *block, const gpumem_op *op,
                          unsigned from, unsigned n)
{
    json_open(t, key, '[');
    for (unsigned i = 0; i < n; i++)
        if (operand(s, op, from + i) != GPUMEM_NONE)
            json_name(t, s, NULL, block, operand(s, op, from + i));
    json_close(t, '[');
}

static void json_op(gpumem_text *t, const subject *s, const gpumem_block *block, const gpumem_op *op)
{
    json_open(t, NULL, '{');
    json_string(t, "name", text_at(s->d, op->name));
    json_string(t, "kind", gpumem_op_name(op->kind));
    json_operands(t, s, "in", block, op, 0, op->nin);
    json_operands(t, s, "out", block, op, op->nin, op->nout);
    json_close(t, '{');
}

static void json_ports(gpumem_text *t, const subject *s, const char *key, const gpumem_block *block, uint32_t first, uint32_t n)
{
    json_open(t, key, '{');
    for (uint32_t i = 0; i < n; i++) {
        const gpumem_port *port = &s->d->port[first + i];
        json_name(t, s, text_at(s->d, s->d->portname[port->port]), block, port->tensor);
    }
    json_close(t, '{');
}

static void json_block(gpumem_text *t, const subject *s, const gpumem_block *block)
{
    gpumem_text name = {0};

    json_line(t);
    json_open(t, NULL, '{');
    put_block_name(&name, s->d, block);
    json_string(t, "name", name.s ? name.s : "");
    t->failed |= name.failed;
    gpumem_text_free(&name);
    json_known(t, "layer", block->layer != GPUMEM_NONE, block->layer);
    json_u64(t, "count", block->count);
    json_ports(t, s, "reads", block, block->import0, block->nimport);
    json_ports(t, s, "writes", block, block->export0, block->nexport);
    json_open(t, "operators", '[');
    for (uint32_t i = 0; i < block->nop; i++)
        json_op(t, s, block, &s->d->op[block->op0 + i]);
    json_close(t, '[');
    json_open(t, "tensors", '[');
    for (uint32_t i = 0; i < block->ntensor; i++)
        json_tensor(t, s, block, block->tensor0 + i);
    json_close(t, '[');
    json_close(t, '{');
}

static void json_counts(gpumem_text *t, const subject *s)
{
    json_u64(t, "parameters", gpumem_model_parameters(s->model));
    json_u64(t, "trainable_parameters", gpumem_model_trainable(s->model));
    json_u64(t, "active_parameters", gpumem_model_active(s->model));
    json_open(t, "parameters_by_part", '{');
    for (unsigned p = 0; p < GPUMEM_PART_END; p++)
        if (gpumem_model_parameters_in(s->model, p) > 0)
            json_u64(t, gpumem_part_name(p), gpumem_model_parameters_in(s->model, p));
    json_close(t, '{');
    json_open(t, "parameters_by_kind", '{');
    for (unsigned f = 0; f < GPUMEM_FAMILY_END; f++)
        if (gpumem_model_parameters_of(s->model, f) > 0)
            json_u64(t, gpumem_family_name(f), gpumem_model_parameters_of(s->model, f));
    json_close(t, '{');
    json_open(t, "sizes", '{');
    for (uint32_t i = 0; i < s->d->ndim; i++)
        json_i64(t, s->d->dim[i].name, s->d->dim[i].value);
    json_close(t, '{');
}

static void json_facts(gpumem_text *t, const subject *s)
{
    gpumem_cache cache[64];
    size_t n = gpumem_model_caches(s->model, cache, 64);
    gpumem_flops f;

    json_open(t, "cache", '[');
    for (size_t i = 0; i < n && i < 64; i++) {
        json_open(t, NULL, '{');
        json_string(t, "name", cache[i].name);
        json_u64(t, "layers", cache[i].layers);
        json_u64(t, "elements_per_token", cache[i].elements_per_token);
        json_u64(t, "tokens_per_element", cache[i].tokens);
        json_known(t, "window", cache[i].window != 0, cache[i].window);
        json_u64(t, "elements_per_sequence", cache[i].elements);
        json_string(t, "dtype", dtype_name(cache[i].dtype));
        json_close(t, '{');
    }
    json_close(t, '[');
    if (gpumem_model_flops(s->model, &f, NULL) == GPUMEM_OK) {
        json_open(t, "forward_flops", '{');
        json_u64(t, "per_token", f.token);
        json_u64(t, "per_token_and_token_before", f.token_and_context);
        json_close(t, '{');
    }
}

static void json_keys(gpumem_text *t, const subject *s)
{
    const gpumem_key *key;
    size_t n = gpumem_model_keys(s->model, &key);

    json_open(t, "keys", '[');
    for (size_t i = 0; i < n; i++) {
        json_open(t, NULL, '{');
        json_string(t, "key", key[i].key);
        json_raw(t, "value", key[i].value);
        json_string(t, "origin", key[i].origin);
        json_close(t, '{');
    }
    json_close(t, '[');
}

static void put_model_json(gpumem_text *t, const subject *s, const options *o)
{
    gpumem_text pattern = {0};

    put_pattern(&pattern, s->d);
    json_open(t, NULL, '{');
    json_string(t, "schema", "gpumem/1");
    json_string(t, "tool_version", gpumem_version());
    json_line(t);
    json_open(t, "model", '{');
    json_string(t, "name", gpumem_config_name(s->config));
    json_string(t, "source", gpumem_config_source(s->config));
    json_string(t, "class", gpumem_model_class(s->model));
    json_string(t, "family", gpumem_model_family(s->model));
    if (o->tensors) {
        json_open(t, "tensors", '[');
        gpumem_model_tensors(s->model, o->checkpoint, json_stored, t, NULL);
        json_close(t, '[');
    } else if (!o->keys) {
        json_counts(t, s);
        json_string(t, "pattern", pattern.s ? pattern.s : "");
        json_facts(t, s);
        json_open(t, "blocks", '[');
        for (uint32_t i = 0; i < s->d->nblock; i++)
            json_block(t, s, &s->d->block[i]);
        json_close(t, '[');
    }
    json_line(t);
    json_keys(t, s);
    json_close(t, '{');
    json_close(t, '{');
    gpumem_text_char(t, '\n');
    t->failed |= pattern.failed;
    gpumem_text_free(&pattern);
}

static void show_model(gpumem_text *out, const subject *s, const options *o, gpumem_error *err)
{
    if (o->json) {
        put_model_json(out, s, o);
    } else {
        terminal term = term_stdout(o);
        if (o->tensors)
            gpumem_model_tensors(s->model, o->checkpoint, put_stored, out, err);
        else if (o->keys)
            put_only_keys(out, s, &term);
        else
            put_text(out, s, &term);
        say_warnings(o, s->model);
    }
}

/* The headers alone: where they are asked for, and where nobody knows the architecture. */
static bool show_headers(gpumem_text *out, subject *s, const options *o, gpumem_host *host, gpumem_error *err)
{
    gpumem_error none = {0}; /* without weights the first error stands */
    bool unknown = err->status == GPUMEM_EMODEL && !o->compare && (!o->weights || strcmp(o->weights, "config") != 0);

    if (err->status != GPUMEM_OK && !unknown)
        return false;
    if (!s->weights && (!s->config || open_weights(host, o, s->config, &s->weights, unknown ? &none : err) != GPUMEM_OK))
        return false;
    show_weights(out, o, s->weights);
    if (unknown) {
        note(o, err->message);
        note(o, "only the weights are counted, by the headers of their files");
        gpumem_error_clear(err);
    }
    return true;
}

static int run(gpumem_text *out, subject *s, const options *o, gpumem_host *host, gpumem_error *err)
{
    bool same = true;
    gpumem_status status = open_with_weights(host, o, &s->config, &s->weights, err);

    if (status == GPUMEM_OK && wants_headers(o) && !o->compare)
        show_headers(out, s, o, host, err);
    else if (status == GPUMEM_OK && open_model(host, o, s->config, NULL, &s->model, err) == GPUMEM_OK) {
        s->d = gpumem_model_description(s->model);
        if (!o->compare)
            show_model(out, s, o, err);
        else if (s->weights || open_weights(host, o, s->config, &s->weights, err) == GPUMEM_OK)
            show_comparison(out, o, s->weights, s->model, &same, err);
    } else {
        show_headers(out, s, o, host, err);
    }
    return same ? CODE_OK : CODE_NO;
}

int verb_model(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};
    gpumem_host *host = NULL;
    subject s = {0};
    int code, differs = CODE_OK;

    if (open_host(o, &host, &err) == GPUMEM_OK)
        differs = run(&out, &s, o, host, &err);
    code = finish(o, &out, &err);
    code = code == CODE_OK ? differs : code;
    gpumem_weights_free(s.weights);
    gpumem_model_free(s.model);
    gpumem_config_free(s.config);
    gpumem_host_free(host);
    return code;
}
