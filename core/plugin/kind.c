#include "plugin/registry.h"

#include <string.h>

static const char *const names[GPUMEM_KIND_END] = {
    [GPUMEM_KIND_ARCHITECTURE] = "architecture", [GPUMEM_KIND_PRECISION] = "precision",
    [GPUMEM_KIND_OPTIMIZER] = "optimizer",       [GPUMEM_KIND_ACTIVATION] = "activation",
    [GPUMEM_KIND_ENGINE] = "engine",             [GPUMEM_KIND_PARALLEL] = "parallel",
    [GPUMEM_KIND_DEVICE] = "device",             [GPUMEM_KIND_FAMILY] = "family",
    [GPUMEM_KIND_GPU] = "gpu",                   [GPUMEM_KIND_SET] = "set",
};

const char *gpumem_kind_name(gpumem_kind kind)
{
    return (unsigned)kind < GPUMEM_KIND_END ? names[kind] : NULL;
}

gpumem_kind gpumem_kind_from(const char *name)
{
    for (int kind = 1; name && kind < GPUMEM_KIND_END; kind++)
        if (strcmp(names[kind], name) == 0)
            return (gpumem_kind)kind;
    return (gpumem_kind)0;
}

bool gm_kind_is_folder(gpumem_kind kind)
{
    return kind >= GPUMEM_KIND_ARCHITECTURE && kind <= GPUMEM_KIND_DEVICE;
}

/* Not isalnum(): that depends on the locale. */
static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool gm_id_valid(const char *id)
{
    size_t n = 0;
    if (!id || !is_alnum(id[0]))
        return false;
    while (is_alnum(id[n]) || id[n] == '.' || id[n] == '_' || id[n] == '-')
        n++;
    return id[n] == '\0' && n <= 64;
}
