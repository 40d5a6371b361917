/* Any text as an expression: compiled or refused; then evaluated over names of every type, twice with the same result. */
#include "text/expr.h"
#include <string.h>

typedef struct world { gm_value item[3]; gm_member member[2]; } world;

static int slot(void *self, const char *name, bool config, gpumem_error *err)
{
    (void)self;
    (void)err;
    return name[0] == 'u' ? -1 : (unsigned char)name[0] % 8 + (config ? 8 : 0);
}

static gm_value make(const world *w, int at)
{
    gm_value v = gm_null();
    switch (at % 8) {
    case 0: return gm_bool(true);
    case 1: return gm_int(INT64_MAX);
    case 2: return gm_int(-3);
    case 3: return gm_real(0.5);
    case 4:
        v.type = GM_STRING;
        v.v.s = "ab\xc3\xa9" "c";
        v.n = 5;
        return v;
    case 5:
        v.type = GM_LIST;
        v.v.list = w->item;
        v.n = 3;
        return v;
    case 6:
        v.type = GM_MAP;
        v.v.map = w->member;
        v.n = 2;
        return v;
    default: return v;
    }
}

static gpumem_status value(void *self, int at, gm_value *out, gpumem_error *err)
{
    (void)err;
    *out = make(self, at);
    return GPUMEM_OK;
}

static gpumem_status config(void *self, int at, bool literal, bool *found, gm_value *out, gpumem_error *err)
{
    (void)err;
    *found = at % 3 != 0 || literal;
    if (*found && !literal)
        *out = make(self, at);
    return GPUMEM_OK;
}

static void evaluate(const gm_expr *e, const gm_scope *scope)
{
    gpumem_error first = {0}, second = {0};
    gm_value a, b;
    gpumem_status status = gm_expr_eval(e, scope, &a, &first);
    char one[200], two[200];
    if (gm_expr_eval(e, scope, &b, &second) != status)
        __builtin_trap();
    if (status != GPUMEM_OK) {
        if (!first.message[0] || first.line != 2 || first.column != 3 || strcmp(first.message, second.message) != 0)
            __builtin_trap();
        return;
    }
    if (strcmp(gm_value_show(&a, one, sizeof one), gm_value_show(&b, two, sizeof two)) != 0)
        __builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gm_arena arena = {0};
    gpumem_error err = {0};
    world w = {.item = {gm_int(0), gm_int(7), gm_null()}, .member = {{"a", gm_hash("a"), 0, 0, gm_int(1)}, {"b", gm_hash("b"), 0, 0, gm_null()}}};
    gm_names names = {&w, slot};
    gm_scope scope = {&w, &arena, value, config};
    char *text = gm_arena_strndup(&arena, (const char *)data, size);
    const gm_expr *e;
    if (text && gm_expr_compile_text(&arena, "fuzz.yaml", 2, 3, text, &names, &e, &err) == GPUMEM_OK)
        evaluate(e, &scope);
    else if (err.status == GPUMEM_OK || !err.message[0] || err.line != 2 || err.column != 3)
        __builtin_trap(); /* a refusal says what and where */
    gm_arena_free(&arena);
    return 0;
}
