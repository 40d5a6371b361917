/* An architecture whose component emits what its parameter `what` says: for tests of how a description is checked. */
#include <gpumem/plugin.h>

static gpumem_dim dim(uint64_t size) { return gpumem_dim_of(size, 0, 0); }

static gpumem_status describe(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)
{
    static const gpumem_dim none = {0, 0, 0, 0};
    const char *what = gpumem_arg(args, "what")->v.s;
    uint32_t w = gpumem_emit_weight(e, "weight", GPUMEM_FAMILY_MATRIX, dim(2), none), x[2];
    gpumem_op *op;
    gpumem_tensor *t;
    gpumem_symbol *s;
    x[0] = in[0];
    x[1] = w;
    out[0] = gpumem_emit_same(e, "y", in[0]);
    op = gpumem_emit_op(e, GPUMEM_OP_MUL, 0, "mul", 2, x, 1, out);
    if (e->status != GPUMEM_OK)
        return (gpumem_status)e->status;
    t = &e->tensor[w];
    s = &e->sym[e->nsym];
    memset(s, 0, sizeof *s);
#define IS(name) (strcmp(what, name) == 0)
    if (IS("nothing wrong"))
        return GPUMEM_OK;
    else if (IS("name"))
        t->name = 0x7fffffff;
    else if (IS("open name"))
        e->string[e->nstring - 1] = 'x';
    else if (IS("role"))
        t->role = 99;
    else if (IS("family"))
        t->family = 99;
    else if (IS("dtype"))
        t->dtype = 99;
    else if (IS("scope"))
        t->scope = 99;
    else if (IS("lives"))
        t->lives = 99;
    else if (IS("input"))
        t->role = GPUMEM_ROLE_INPUT;
    else if (IS("ndim"))
        t->ndim = 7;
    else if (IS("storage"))
        t->storage = w;
    else if (IS("later storage"))
        t->storage = w + 1;
    else if (IS("symbol of a dim"))
        e->tensor[out[0]].dim[0].sym = 31;
    else if (IS("axis"))
        t->dim[0].axis = 99;
    else if (IS("zero"))
        t->dim[0].size = 0;
    else if (IS("weight by tokens"))
        t->dim[0].sym = 1;
    else if (IS("op name"))
        op->name = 0x7fffffff;
    else if (IS("op kind"))
        op->kind = 200;
    else if (IS("operands"))
        op->nin = 16;
    else if (IS("operand"))
        op->operand = 0x7fffffff;
    else if (IS("operand tensor"))
        e->operand[op->operand] = 0x7fffffff;
    else if (IS("rule"))
        op->rule = 0x7fffffff;
    else if (IS("other without rule"))
        op->kind = GPUMEM_OP_OTHER;
    else if (IS("symbol of later")) {
        s->op = GPUMEM_SYM_ADD;
        s->a = (uint8_t)e->nsym++;
    } else if (IS("symbol of one")) {
        s->op = GPUMEM_SYM_ADD;
        e->nsym++;
    } else if (IS("symbol input")) {
        s->name = "batch";
        e->nsym++;
    } else if (IS("symbol by zero")) {
        s->op = GPUMEM_SYM_CEILDIV;
        s->a = 1;
        e->nsym++;
    } else if (IS("backwards")) {
        e->ntensor = 0;
    } else if (IS("beyond")) {
        e->ntensor = e->max_tensor + 1;
    } else if (IS("strings beyond")) {
        e->nstring = e->max_string + 1;
    } else if (IS("output")) {
        out[0] = 0x7fffffff;
    } else if (IS("no output")) {
        out[0] = GPUMEM_NONE;
    } else if (IS("much")) { /* more than there is room for at first */
        for (unsigned i = 0; i < 3000; i++)
            gpumem_emit_weight(e, "more", GPUMEM_FAMILY_MATRIX, dim(3), dim(5));
        return (gpumem_status)e->status;
    } else if (IS("never enough")) {
        return GPUMEM_ESPACE;
    } else if (IS("reason")) {
        return gpumem_because(args, GPUMEM_EINVAL, "this cannot be");
    } else if (IS("no reason")) {
        return GPUMEM_EINVAL;
    } else if (IS("unsupported")) {
        return gpumem_because(args, GPUMEM_EUNSUP, "nobody can count this");
    } else if (IS("nonsense")) {
        return (gpumem_status)77;
    } else
        return gpumem_because(args, GPUMEM_EINVAL, "what?");
    return GPUMEM_OK;
}

static const gpumem_paramdef params[] = {{"what", GPUMEM_TYPE_STRING, 0, NULL, 0, 0, "what is wrong"}};
static const char *const x[] = {"x"}, *const y[] = {"y"};
static const gpumem_component components[] = {{.name = "emit", .help = "emits", .param = params, .nparam = 1, .nin = 1, .nout = 1, .in = x, .out = y, .describe = describe}};
static const gpumem_architecture_ops ops = {sizeof ops, components, 1};
GPUMEM_EXPORT const gpumem_plugin gpumem_entry = {
    GPUMEM_MAGIC, GPUMEM_ABI, sizeof(gpumem_plugin), GPUMEM_KIND_ARCHITECTURE, "emits", "1.0.0", {.architecture = &ops}};
