/* Any bytes as a YAML manifest: parsed or refused, and what was parsed can be written. */
#include "text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gm_arena arena = {0};
    gpumem_error err = {0};
    gpumem_text text = {0};
    gm_value v;
    char buf[100];
    if (gm_yaml_parse(&arena, "fuzz.yaml", (const char *)data, size, &v, &err) == GPUMEM_OK) {
        gm_value_json(&v, &text);
        gm_value_show(&v, buf, sizeof buf);
    } else if (err.status == GPUMEM_OK || !err.message[0] || !err.line || !err.column) {
        __builtin_trap(); /* a refusal says what and where */
    }
    gpumem_text_free(&text);
    gm_arena_free(&arena);
    return 0;
}
