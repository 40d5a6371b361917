/* Any text as a program of a step: refused at a line, or run with the same result twice. */
#include "step/run.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const gm_opt_state matrix[] = {{"m", {3, 5}, 2, GM_OPT_F32}, {"row", {3, 1}, 2, GM_OPT_F32}, {"Q", {3, 3}, 2, GM_OPT_F32}, {"Q", {5, 5}, 2, GM_OPT_F32}};
    static const gm_opt_param param[] = {{{3, 5}, 1, 2, GM_OPT_BF16, GM_OPT_BF16, true, matrix, 4}, {{3, 5}, 7, 2, GM_OPT_BF16, GM_OPT_BF16, true, matrix, 4},
                                         {{5}, 1, 1, GM_OPT_F32, GM_OPT_F32, false, matrix, 0}};
    const gm_opt_job job = {param, 3, 512, 2, {2, 8}};
    gm_arena arena = {0};
    char *text = gm_arena_strndup(&arena, (const char *)data, size < 4096 ? size : 4096);
    for (unsigned lists = 0; text && lists < 2; lists++) {
        gm_opt_program program;
        gpumem_error err = {0}, again = {0};
        uint64_t first = 0, second = 0;
        gpumem_status s = gm_opt_parse(&arena, (gm_opt_place){"fuzz", 1, 1}, text, lists, &program, &err);
        if (s == GPUMEM_OK && (s = gm_opt_run(&program, &job, &first, &err)) != gm_opt_run(&program, &job, &second, &again))
            __builtin_trap();
        if (first != second || s != err.status || (s != GPUMEM_OK && (!err.message[0] || !err.line || !err.column)))
            __builtin_trap();
    }
    gm_arena_free(&arena);
    return 0;
}
