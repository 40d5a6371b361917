/* Networks that are chosen by what a token is: XmodAdapter, one for each language. */
#include "components.h"

const gpumem_paramdef adapters_params[ADAPTERS_N] = {
    {"adapter_names", GPUMEM_TYPE_STRINGS, 0, NULL, 0, 0, "their names; the first is that of all tokens"},
    SIZE("adapter_width", NULL, "width between the two matrices of each"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
};

DESCRIBE(adapters_describe)
{
    const gpumem_param *names = &args->param[ADAPTERS_NAMES];
    gpumem_dim width = last_of(e, in[0]), inner = extent(size_of(args, ADAPTERS_WIDTH), GPUMEM_AXIS_FFN);
    const char *act = activation_of(args->param[ADAPTERS_ACT].v.s);
    char module[PATH_ROOM], s[PATH_ROOM];
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (names->n == 0) { /* nothing is put in: zeros */
        out[0] = gpumem_emit_same(e, "none", in[0]);
        operate(e, GPUMEM_OP_SCALE, 0, "none", in[0], GPUMEM_NONE, out[0]);
        return (gpumem_status)e->status;
    }
    for (uint32_t i = 0; i < names->n; i++) {
        if (strlen(names->v.strings[i]) + 12 > PATH_ROOM)
            return gpumem_because(args, GPUMEM_EINVAL, "a name of adapter_names is too long");
        join(e, module, names->v.strings[i], "dense1");
        if (i == 0) {
            uint32_t y = activate(e, linear(e, module, GPUMEM_FAMILY_MATRIX, in[0], GPUMEM_NONE, inner, LINEAR_BIAS), act);
            out[0] = linear(e, join(e, module, names->v.strings[0], "dense2"), GPUMEM_FAMILY_MATRIX, y, GPUMEM_NONE, width, LINEAR_BIAS);
            continue;
        }
        gpumem_emit_weight(e, join(e, s, module, "weight"), GPUMEM_FAMILY_MATRIX, inner, width);
        vector(e, module, "bias", GPUMEM_FAMILY_BIAS, inner);
        join(e, module, names->v.strings[i], "dense2");
        gpumem_emit_weight(e, join(e, s, module, "weight"), GPUMEM_FAMILY_MATRIX, width, inner);
        vector(e, module, "bias", GPUMEM_FAMILY_BIAS, width);
    }
    return (gpumem_status)e->status;
}
