/* Matrices in groups, convolutions over tokens, experts that are modules of their own: GroupedLinearLayer (models/convbert),
 * nn.Conv1d, SwitchTransformersSparseMLP, NllbMoeSparseMLP. */
#include "components.h"

const gpumem_paramdef conv1d_params[CONV1D_N] = {
    SIZE("conv_width", NULL, "channels of the result"),
    SIZE("conv_kernel", "1", "tokens that it covers"),
    SIZE("conv_groups", "1", "groups of channels"),
    FLAG("conv_bias", "true", "has it a bias"),
};

DESCRIBE(conv1d_describe)
{
    uint64_t groups = size_of(args, CONV1D_GROUPS);
    gpumem_dim dim[3], width = last_of(e, in[0]);
    uint32_t operand[3] = {in[0], GPUMEM_NONE, GPUMEM_NONE};
    if (width.size % groups || size_of(args, CONV1D_WIDTH) % groups)
        return gpumem_because(args, GPUMEM_EINVAL, "the channels are not a multiple of conv_groups");
    dim[0] = extent(size_of(args, CONV1D_WIDTH), GPUMEM_AXIS_CHANNEL);
    dim[1] = extent(width.size / groups, GPUMEM_AXIS_CHANNEL);
    dim[2] = extent(size_of(args, CONV1D_KERNEL), GPUMEM_AXIS_NONE);
    operand[1] = gpumem_emit_tensor(e, "weight", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_MATRIX, GPUMEM_DTYPE_MODEL, 3, dim);
    if (flag_of(args, CONV1D_BIAS))
        operand[2] = vector(e, "", "bias", GPUMEM_FAMILY_BIAS, dim[0]);
    out[0] = gpumem_emit_like(e, "conv", in[0], dim[0]);
    gpumem_emit_op(e, GPUMEM_OP_CONV, 0, "conv", 3, operand, 1, out);
    return (gpumem_status)e->status;
}

const gpumem_paramdef grouped_params[GROUPED_N] = {
    SIZE("grouped_width", NULL, "width of the result"),
    SIZE("groups", NULL, "groups of channels"),
};

DESCRIBE(grouped_describe)
{
    uint64_t groups = size_of(args, GROUPED_GROUPS), width = size_of(args, GROUPED_WIDTH);
    gpumem_dim dim[3], whole = last_of(e, in[0]);
    uint32_t operand[3];
    if (whole.size % groups || width % groups)
        return gpumem_because(args, GPUMEM_EINVAL, "a width is not a multiple of the number of groups");
    dim[0] = extent(groups, GPUMEM_AXIS_NONE);
    dim[1] = extent(whole.size / groups, GPUMEM_AXIS_NONE);
    dim[2] = extent(width / groups, GPUMEM_AXIS_NONE);
    operand[0] = in[0];
    operand[1] = gpumem_emit_tensor(e, "weight", GPUMEM_ROLE_WEIGHT, GPUMEM_FAMILY_MATRIX, GPUMEM_DTYPE_MODEL, 3, dim);
    operand[2] = vector(e, "", "bias", GPUMEM_FAMILY_BIAS, extent(width, GPUMEM_AXIS_FFN));
    out[0] = gpumem_emit_like(e, "grouped", in[0], extent(width, GPUMEM_AXIS_FFN));
    gpumem_emit_op(e, GPUMEM_OP_LINEAR, 0, "grouped", 3, operand, 1, out);
    return (gpumem_status)e->status;
}

static char *digits(char *at, uint64_t n)
{
    char s[24];
    unsigned k = 0;
    do
        s[k++] = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    while (k)
        *at++ = s[--k];
    *at = 0;
    return at;
}

/* ---- chain ---- */

const gpumem_paramdef chain_params[CHAIN_N] = {
    SIZE("chain_length", NULL, "how many there are"),
    SIZE("intermediate", NULL, "width between the matrices of each"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
};

/* FFNLayer of models/mobilebert. */
DESCRIBE(chain_describe)
{
    gpumem_dim width = last_of(e, in[0]), inner = extent(size_of(args, CHAIN_INTERMEDIATE), GPUMEM_AXIS_FFN);
    const char *act = activation_of(args->param[CHAIN_ACT].v.s);
    uint32_t x = in[0];
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (size_of(args, CHAIN_LENGTH) > 1000)
        return gpumem_because(args, GPUMEM_EINVAL, "chain_length is more than 1000");
    for (uint64_t i = 0; i < size_of(args, CHAIN_LENGTH); i++) {
        char number[24], s[PATH_ROOM], t[PATH_ROOM];
        uint32_t y, operand[3];
        digits(number, i);
        y = activate(e, linear(e, join(e, s, number, "intermediate.dense"), GPUMEM_FAMILY_MATRIX, x, GPUMEM_NONE, inner, LINEAR_BIAS), act);
        y = linear(e, join(e, s, number, "output.dense"), GPUMEM_FAMILY_MATRIX, y, GPUMEM_NONE, width, LINEAR_BIAS);
        operand[0] = binary(e, GPUMEM_OP_ADD, "add", y, x);
        join(e, t, number, "output.LayerNorm");
        operand[1] = vector(e, t, "weight", GPUMEM_FAMILY_NORM, width);
        operand[2] = vector(e, t, "bias", GPUMEM_FAMILY_NORM, width);
        x = gpumem_emit_same(e, "normed", operand[0]);
        gpumem_emit_op(e, GPUMEM_OP_LAYERNORM, "plain", "layernorm", 3, operand, 1, &x);
    }
    out[0] = x;
    return (gpumem_status)e->status;
}

const gpumem_paramdef integers_params[INTEGERS_N] = {
    WORD("integers_of", NULL, "what the module is: matrix, embedding, norm or activation"),
    SIZE("integers_rows", "1", "first extent of its weight"),
    SIZE("integers_columns", "1", "second extent of its weight"),
};

/* QuantLinear, QuantEmbedding, IntLayerNorm, QuantAct of models/ibert: buffers. */
DESCRIBE(integers_describe)
{
    static const char *const kinds[] = {"matrix", "embedding", "norm", "activation", NULL};
    static const struct { int kind; const char *name; int what; } buffers[] = { /* what: 0 the weight's extents, 1 its rows, 2 one number */
        {0, "weight_integer", 0}, {0, "fc_scaling_factor", 1}, {0, "bias_integer", 1}, {1, "weight_scaling_factor", 2}, {1, "weight_integer", 0},
        {2, "shift", 2}, {2, "activation.x_min", 2}, {2, "activation.x_max", 2}, {2, "activation.act_scaling_factor", 2},
        {3, "x_min", 2}, {3, "x_max", 2}, {3, "act_scaling_factor", 2},
    };
    int kind = choice_of(args, INTEGERS_KIND, kinds);
    gpumem_dim dim[2], one = extent(1, GPUMEM_AXIS_NONE);
    (void)in;
    (void)out;
    if (kind < 0)
        return gpumem_because(args, GPUMEM_EINVAL, "integers_of is none of matrix, embedding, norm, activation");
    dim[0] = extent(size_of(args, INTEGERS_ROWS), GPUMEM_AXIS_NONE);
    dim[1] = extent(size_of(args, INTEGERS_COLUMNS), GPUMEM_AXIS_NONE);
    for (size_t i = 0; i < COUNT(buffers); i++)
        if (buffers[i].kind == kind)
            gpumem_emit_tensor(e, buffers[i].name, GPUMEM_ROLE_BUFFER, 0, GPUMEM_DTYPE_MODEL, buffers[i].what ? 1 : 2, buffers[i].what == 2 ? &one : dim);
    return (gpumem_status)e->status;
}

const gpumem_paramdef experts_params[EXPERTS_N] = {
    SIZE("experts", NULL, "how many there are"),
    SIZE("intermediate", NULL, "width between the matrices of each"),
    WORD("act", NULL, "activation function, as transformers/activations.py names it"),
    WORD("expert_up", "'wi'", "name of the first matrix"),
    WORD("expert_down", "'wo'", "name of the second matrix"),
    FLAG("expert_bias", "false", "their matrices have biases"),
    FLAG("router_bias", "false", "the router has a bias"),
    SIZE("experts_top", "1", "experts that a token goes through"),
};

/* A weight of one of the experts, and its bias. */
static void one_expert(gpumem_emit *e, uint64_t number, const char *name, gpumem_dim out, gpumem_dim in, int bias)
{
    static const char prefix[] = "experts.expert_";
    char module[PATH_ROOM], path[PATH_ROOM], s[PATH_ROOM];
    memcpy(path, prefix, sizeof prefix);
    digits(path + sizeof prefix - 1, number);
    join(e, module, path, name);
    if (e->status != GPUMEM_OK)
        return;
    gpumem_emit_weight(e, join(e, s, module, "weight"), GPUMEM_FAMILY_EXPERT, out, in);
    if (bias)
        vector(e, module, "bias", GPUMEM_FAMILY_EXPERT, out);
}

DESCRIBE(experts_describe)
{
    uint64_t n = size_of(args, EXPERTS_COUNT), top = size_of(args, EXPERTS_TOP);
    gpumem_dim width = last_of(e, in[0]), inner = extent(size_of(args, EXPERTS_WIDTH), GPUMEM_AXIS_FFN), dim[GPUMEM_MAX_DIMS];
    const char *up = args->param[EXPERTS_UP].v.s, *down = args->param[EXPERTS_DOWN].v.s;
    const char *act = activation_of(args->param[EXPERTS_ACT].v.s);
    uint32_t operand[3] = {in[0], GPUMEM_NONE, GPUMEM_NONE}, chosen[2], rows, first = GPUMEM_NONE, second = GPUMEM_NONE, y, z;
    int bias = flag_of(args, EXPERTS_BIAS);
    gpumem_op *op;
    unsigned nd = e->tensor[in[0]].ndim;
    if (act == NULL)
        return gpumem_because(args, GPUMEM_EINVAL, UNKNOWN_ACT);
    if (n > 100000 || top > n || strlen(up) > 32 || strlen(down) > 32)
        return gpumem_because(args, GPUMEM_EINVAL, "more experts than there can be, or fewer than a token goes through");
    operand[1] = gpumem_emit_weight(e, "router.classifier.weight", GPUMEM_FAMILY_ROUTER, extent(n, GPUMEM_AXIS_EXPERT), width);
    if (flag_of(args, EXPERTS_ROUTER_BIAS))
        operand[2] = vector(e, "router.classifier", "bias", GPUMEM_FAMILY_ROUTER, extent(n, GPUMEM_AXIS_EXPERT));
    chosen[0] = gpumem_emit_like(e, "weights", in[0], extent(top, GPUMEM_AXIS_NONE));
    chosen[1] = of_dtype(e, gpumem_emit_like(e, "chosen", in[0], extent(top, GPUMEM_AXIS_NONE)), GPUMEM_DTYPE_I64);
    op = gpumem_emit_op(e, GPUMEM_OP_ROUTE, "softmax", "route", 3, operand, 2, chosen);
    if (op) {
        op->attr[0] = (uint32_t)n;
        op->attr[1] = (uint32_t)top;
    }
    for (uint64_t i = 0; i < n; i++) {
        uint32_t at = e->ntensor;
        one_expert(e, i, up, inner, width, bias);
        if (i == 0)
            first = at;
        at = e->ntensor;
        one_expert(e, i, down, width, inner, bias);
        if (i == 0)
            second = at;
    }
    if (e->status != GPUMEM_OK)
        return (gpumem_status)e->status;
    /* All tokens together go through as many matrices as one expert has: what the first one's do stands for all. */
    memcpy(dim, e->tensor[in[0]].dim, sizeof dim);
    dim[nd - 2].size = gpumem_dim_of(dim[nd - 2].size * top, 0, 0).size;
    rows = gpumem_emit_tensor(e, "rows", GPUMEM_ROLE_ACTIVATION, 0, GPUMEM_DTYPE_MODEL, nd, dim);
    operate(e, GPUMEM_OP_INDEX, 0, "rows", in[0], chosen[1], rows);
    y = activate(e, linear(e, "up", GPUMEM_FAMILY_EXPERT, rows, first, inner, 0), act);
    z = linear(e, "down", GPUMEM_FAMILY_EXPERT, y, second, width, 0);
    operand[0] = z;
    operand[1] = chosen[0];
    out[0] = gpumem_emit_same(e, "combined", in[0]);
    gpumem_emit_op(e, GPUMEM_OP_COMBINE, 0, "combine", 2, operand, 1, out);
    return (gpumem_status)e->status;
}
