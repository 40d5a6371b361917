/* Any bytes as JSON: parsed or refused; what was parsed is written and read again, and is the same. */
#include "text/json.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gm_arena arena = {0};
    gpumem_error err = {0};
    gpumem_text text = {0}, again = {0};
    gm_value v;
    if (gm_json_parse(&arena, "fuzz.json", (const char *)data, size, &v, &err) == GPUMEM_OK) {
        gm_value_json(&v, &text);
        if (gm_json_parse(&arena, "again.json", text.s, text.n, &v, &err) != GPUMEM_OK)
            __builtin_trap();
        gm_value_json(&v, &again);
        if (strcmp(text.s, again.s) != 0)
            __builtin_trap();
    } else if (err.status == GPUMEM_OK || !err.message[0] || !err.line || !err.column) {
        __builtin_trap();
    }
    gpumem_text_free(&text);
    gpumem_text_free(&again);
    gm_arena_free(&arena);
    return 0;
}
