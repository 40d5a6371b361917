#include "source/dtype.h"
#include <string.h>

static const gm_dtype dtype[] = {
    {"BF16", 16, GM_DTYPE_FLOAT}, {"F32", 32, GM_DTYPE_FLOAT}, {"F16", 16, GM_DTYPE_FLOAT}, {"U8", 8, GM_DTYPE_INTEGER},
    {"F8_E4M3", 8, GM_DTYPE_FLOAT}, {"I32", 32, GM_DTYPE_INTEGER}, {"I8", 8, GM_DTYPE_INTEGER}, {"I64", 64, GM_DTYPE_INTEGER},
    {"F64", 64, GM_DTYPE_FLOAT}, {"BOOL", 8, GM_DTYPE_INTEGER}, {"F8_E5M2", 8, GM_DTYPE_FLOAT}, {"F8_E8M0", 8, GM_DTYPE_SCALE},
    {"F8_E4M3FNUZ", 8, GM_DTYPE_FLOAT}, {"F8_E5M2FNUZ", 8, GM_DTYPE_FLOAT}, {"F4", 4, GM_DTYPE_FLOAT},
    {"F6_E2M3", 6, GM_DTYPE_FLOAT}, {"F6_E3M2", 6, GM_DTYPE_FLOAT}, {"I16", 16, GM_DTYPE_INTEGER}, {"U16", 16, GM_DTYPE_INTEGER},
    {"U32", 32, GM_DTYPE_INTEGER}, {"U64", 64, GM_DTYPE_INTEGER}, {"C64", 64, GM_DTYPE_COMPLEX},
    /* not of the format, but met */
    {"FP4", 4, GM_DTYPE_FLOAT}, {"E8M0", 8, GM_DTYPE_SCALE}, {"UE8", 8, GM_DTYPE_SCALE},
};

static const struct { const char *config, *name; } of_config[] = {
    {"bfloat16", "BF16"}, {"float16", "F16"}, {"half", "F16"}, {"float32", "F32"}, {"float", "F32"}, {"float64", "F64"}, {"double", "F64"},
    {"float8_e4m3fn", "F8_E4M3"}, {"float8_e5m2", "F8_E5M2"}, {"float8_e4m3fnuz", "F8_E4M3FNUZ"}, {"float8_e5m2fnuz", "F8_E5M2FNUZ"},
};

const gm_dtype *gm_dtype_of(const char *name, size_t n)
{
    for (size_t i = 0; i < sizeof dtype / sizeof *dtype; i++)
        if (strncmp(dtype[i].name, name, n) == 0 && dtype[i].name[n] == '\0')
            return &dtype[i];
    return NULL;
}

const gm_dtype *gm_dtype_of_config(const char *name)
{
    if (strncmp(name, "torch.", 6) == 0)
        name += 6;
    for (size_t i = 0; i < sizeof of_config / sizeof *of_config; i++)
        if (strcmp(of_config[i].config, name) == 0)
            return gm_dtype_of(of_config[i].name, strlen(of_config[i].name));
    return NULL;
}
