/* Every way in which a library can be wrong, one at a time: built with -DWHAT=NAME for each NAME of README.md. */
#include <gpumem/plugin.h>

#define good 1
#define good_architecture 2
#define good_precision 3
#define good_activation 4
#define big_entry 5
#define bad_magic 6
#define abi_new 7
#define abi_zero 8
#define short_entry 9
#define wrong_kind 10
#define wrong_id 11
#define null_id 12
#define wrong_version 13
#define no_entry 14
#define null_ops 15
#define small_table 16
#define huge_table 17
#define null_account 18
#define null_assign 19
#define null_rule 20
#define component_name 21
#define component_count 22
#define null_describe 23
#define too_many_inputs 24
#define too_many_outputs 25
#define null_ports 26
#define null_port_name 27
#define param_type 28
#define null_param_key 29
#define too_many_params 30
#define undefined_symbol 31
#define borrowed_entry 32

#define IS_ARCHITECTURE (WHAT == good_architecture || (WHAT >= component_name && WHAT <= too_many_params))
#define IS_PRECISION (WHAT == good_precision || WHAT == null_assign)
#define IS_ACTIVATION (WHAT == good_activation || WHAT == null_rule)

#if IS_ARCHITECTURE

static gpumem_status describe(const gpumem_args *args, const uint32_t *in, uint32_t *out, gpumem_emit *e)
{
    (void)args;
    (void)e;
    out[0] = in[0];
    return GPUMEM_OK;
}

static const gpumem_paramdef params[] = {
    {WHAT == null_param_key ? NULL : "size", WHAT == param_type ? 9 : GPUMEM_TYPE_INT, 0, NULL, 1, GPUMEM_SIZE_MAX, "a size"},
};
static const char *const ports[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
static const char *const unnamed[] = {NULL};
static const gpumem_component components[] = {
    {
        .name = WHAT == component_name ? "two" : "one",
        .param = params,
        .nparam = WHAT == too_many_params ? 100000 : 1,
        .nin = WHAT == too_many_inputs ? 9 : 1,
        .nout = WHAT == too_many_outputs ? 9 : 1,
        .in = WHAT == null_ports ? NULL : ports,
        .out = WHAT == null_port_name ? unnamed : ports,
        .describe = WHAT == null_describe ? NULL : describe,
    },
};
static const gpumem_architecture_ops ops = {sizeof ops, components, WHAT == component_count ? 7 : 1};
#define KIND GPUMEM_KIND_ARCHITECTURE
#define OPS .architecture = &ops

#elif IS_PRECISION

static gpumem_status assign(const gpumem_args *args, const gpumem_description *model, const gpumem_format *format, uint32_t nformat,
                            const gpumem_assignment *out)
{
    (void)args;
    (void)format;
    (void)nformat;
    for (uint32_t i = 0; i < model->ntensor; i++)
        out->weight[i] = GPUMEM_FORMAT_F32;
    return GPUMEM_OK;
}
static const gpumem_precision_ops ops = {sizeof ops, WHAT == null_assign ? NULL : assign, NULL};
#define KIND GPUMEM_KIND_PRECISION
#define OPS .precision = &ops

#elif IS_ACTIVATION

static gpumem_status nothing(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n)
{
    (void)args;
    (void)job;
    (void)out;
    (void)max;
    *n = 0;
    return GPUMEM_OK;
}
static const gpumem_activation_ops ops = {sizeof ops, WHAT == null_rule ? NULL : nothing};
#define KIND GPUMEM_KIND_ACTIVATION
#define OPS .activation = &ops

#else

#if WHAT == undefined_symbol
gpumem_account nobody_has_this_function;
#define account nobody_has_this_function
#else
static gpumem_status account(const gpumem_args *args, const gpumem_job *job, gpumem_claim *out, uint32_t max, uint32_t *n)
{
    (void)args;
    (void)job;
    (void)out;
    (void)max;
    *n = 0;
    return GPUMEM_OK;
}
#endif
static const gpumem_optimizer_ops ops = {
    WHAT == small_table ? 8 : WHAT == huge_table ? (size_t)-1 : sizeof ops,
    WHAT == null_account ? NULL : account,
};
#define KIND (WHAT == wrong_kind ? GPUMEM_KIND_PRECISION : GPUMEM_KIND_OPTIMIZER)
#define OPS .optimizer = WHAT == null_ops ? NULL : &ops

#endif

#if WHAT == no_entry || WHAT == borrowed_entry
GPUMEM_EXPORT const void *const not_the_entry = &ops;
#else
/* One that a later level may have grown. */
GPUMEM_EXPORT const struct { gpumem_plugin now; uint64_t later; } gpumem_entry = {
    {
        .magic = WHAT == bad_magic ? 0x464c457f : GPUMEM_MAGIC,
        .abi = WHAT == abi_new ? GPUMEM_ABI + 1 : WHAT == abi_zero ? 0 : GPUMEM_ABI,
        .size = WHAT == short_entry ? 24 : sizeof(gpumem_plugin) + (WHAT == big_entry ? 8 : 0),
        .kind = KIND,
        .id = WHAT == wrong_id ? "other" : WHAT == null_id ? NULL : "broken",
        .version = WHAT == wrong_version ? "1.0.1" : "1.0.0",
        .ops = {OPS},
    },
    0,
};
#endif
