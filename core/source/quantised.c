#include "source/quantised.h"
#include "base/ends.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN, QWEIGHT, COMPRESSED, FP8, BITSANDBYTES, MXFP4, MODELOPT, MLX, AQLM, HQQ, EETQ, QUANTO, TORCHAO, OTHER };

static const struct { const char *method; unsigned rule; } methods[] = {
    {"gptq", QWEIGHT}, {"awq", QWEIGHT}, {"auto-round", QWEIGHT}, {"auto_round", QWEIGHT}, {"intel/auto-round", QWEIGHT},
    {"compressed-tensors", COMPRESSED}, {"fp8", FP8}, {"fbgemm_fp8", FP8}, {"bitsandbytes", BITSANDBYTES}, {"mxfp4", MXFP4},
    {"modelopt", MODELOPT}, {"modelopt_fp4", MODELOPT}, {"aqlm", AQLM}, {"hqq", HQQ}, {"eetq", EETQ}, {"quanto", QUANTO}, {"torchao", TORCHAO},
};

/* ---- what a config says ----------------------------------------------------------------------------------------------------- */

static const gm_value *map_of(const gm_value *map, const char *key)
{
    const gm_value *v = map && map->type == GM_MAP ? gm_value_get(map, key) : NULL;
    return v && v->type == GM_MAP ? v : NULL;
}

static const char *text_of(const gm_value *map, const char *key)
{
    const gm_value *v = map && map->type == GM_MAP ? gm_value_get(map, key) : NULL;
    return v && v->type == GM_STRING ? v->v.s : NULL;
}

static bool true_of(const gm_value *map, const char *key)
{
    const gm_value *v = gm_value_get(map, key);
    return v && gm_value_true(v);
}

/* A number of bits: 1 to 32; 0 if it is none. */
static unsigned bits_of(const gm_value *map, const char *key)
{
    const gm_value *v = map && map->type == GM_MAP ? gm_value_get(map, key) : NULL;
    return v && v->type == GM_INT && v->v.i >= 1 && v->v.i <= 32 ? (unsigned)v->v.i : 0;
}

static unsigned first_bits(const gm_value *q, unsigned otherwise)
{
    static const char *const key[] = {"bits", "w_bit", "nbits", "num_bits"};
    for (unsigned i = 0; i < 4; i++)
        if (bits_of(q, key[i]))
            return bits_of(q, key[i]);
    return otherwise;
}

static uint64_t count_of(const gm_value *q, const char *key, uint64_t otherwise)
{
    const gm_value *v = gm_value_get(q, key);
    return v && v->type == GM_INT && v->v.i >= 1 && v->v.i <= 1 << 20 ? (uint64_t)v->v.i : otherwise;
}

static const gm_value *find_config(const gm_value *config)
{
    const gm_value *q = map_of(config, "quantization_config");
    if (q == NULL)
        q = map_of(map_of(config, "text_config"), "quantization_config");
    if (q == NULL)
        q = map_of(config, "compression_config");
    return q ? q : map_of(config, "quantization");
}

static unsigned rule_of(const char *method)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].method, method) == 0)
            return methods[i].rule;
    return OTHER;
}

/* The key that lists modules which are not converted has many names. */
static gpumem_status read_skip(const gm_value *q, gm_quantised *out, gpumem_error *err)
{
    static const char *const key[] = {"ignore", "modules_to_not_convert", "llm_int8_skip_modules", "exclude_modules", "skip_modules",
                                      "linear_weights_not_to_quantize", "ignored_layers"};
    for (unsigned i = 0; i < sizeof key / sizeof *key; i++) {
        const gm_value *v = gm_value_get(q, key[i]);
        if (v && v->type == GM_LIST && v->n)
            return gm_patterns_new(v, &out->skip, err);
    }
    return GPUMEM_OK;
}

/* Targets that name classes ("Linear") mean every module. */
static const gm_value *module_targets(const gm_value *list)
{
    for (uint32_t i = 0; list && list->type == GM_LIST && i < list->n; i++)
        if (list->v.list[i].type != GM_STRING || (strchr(list->v.list[i].v.s, '.') == NULL && strncmp(list->v.list[i].v.s, "re:", 3) != 0))
            return NULL;
    return list && list->type == GM_LIST && list->n ? list : NULL;
}

static gpumem_status read_group(const gm_value *g, const char *format, gm_quant_group *out, gpumem_error *err)
{
    const char *own = text_of(g, "format");
    const gm_value *target = module_targets(gm_value_get(g, "targets"));
    if (own)
        format = own;
    out->bits = bits_of(map_of(g, "weights"), "num_bits");
    out->packed = format && gm_ends(format, "pack-quantized");
    if (out->bits == 0)
        out->bits = format && strstr(format, "int8") ? 8 : 4;
    return target ? gm_patterns_new(target, &out->target, err) : GPUMEM_OK;
}

static gpumem_status read_groups(const gm_value *q, gm_quantised *out, gpumem_error *err)
{
    const gm_value *groups = map_of(q, "config_groups");
    const char *format = text_of(q, "format");
    gpumem_status s = GPUMEM_OK;
    uint32_t n = groups && groups->n ? groups->n : 1;
    if ((out->group = calloc(n, sizeof *out->group)) == NULL)
        return gm_no_memory(err);
    out->ngroup = n;
    out->group[0] = (gm_quant_group){NULL, 4, format && gm_ends(format, "pack-quantized")};
    for (uint32_t i = 0; groups && i < groups->n && s == GPUMEM_OK; i++)
        if (groups->v.map[i].value.type == GM_MAP)
            s = read_group(&groups->v.map[i].value, format, &out->group[i], err);
    return s;
}

static unsigned name_bits(const char *s)
{
    return s == NULL ? 8 : strstr(s, "int4") || strstr(s, "uint4") ? 4 : strstr(s, "int2") ? 2 : 8;
}

/* "int4_weight_only", or {"default": {"_type": "Int4WeightOnlyConfig"}} */
static unsigned torchao_bits(const gm_value *q)
{
    const gm_value *type = gm_value_get(q, "quant_type"), *inner = map_of(type, "default");
    const char *name = type && type->type == GM_STRING ? type->v.s : text_of(inner, "_type");
    return name && (strstr(name, "int4") || strstr(name, "Int4")) ? 4 : 8;
}

static gpumem_status read_rule(const gm_value *q, gm_quantised *out, gpumem_error *err)
{
    switch (out->rule) {
    case COMPRESSED:
        return read_groups(q, out, err);
    case BITSANDBYTES:
        out->bits = true_of(q, "load_in_4bit") || true_of(q, "_load_in_4bit") ? 4 : 8;
        break;
    case AQLM:
        out->up = count_of(q, "in_group_size", 8) * count_of(q, "out_group_size", 1);
        out->down = count_of(q, "num_codebooks", 1);
        break;
    case HQQ:
        out->bits = first_bits(map_of(map_of(q, "quant_config"), "weight_quant_params") ? map_of(map_of(q, "quant_config"), "weight_quant_params") : q, 4);
        break;
    case QUANTO:
        out->bits = name_bits(text_of(q, "weights"));
        break;
    case TORCHAO:
        out->bits = torchao_bits(q);
        break;
    case MLX:
        out->modules = q;
        out->bits = first_bits(q, 4);
        break;
    case OTHER:
        out->bits = true_of(q, "load_in_4bit") ? 4 : first_bits(q, 0);
        break;
    default:
        out->bits = first_bits(q, 4);
    }
    return GPUMEM_OK;
}

static void read_dtype(const gm_value *config, gm_quantised *out)
{
    static const char *const key[] = {"dtype", "torch_dtype"};
    const gm_value *text = map_of(config, "text_config");
    for (unsigned i = 0; i < 4 && config && out->dtype == NULL; i++) {
        const char *name = text_of(i < 2 ? config : text, key[i % 2]);
        out->dtype = name ? gm_dtype_of_config(name) : NULL;
        out->dtype_name = out->dtype ? name : NULL;
    }
}

static unsigned expert_bits(const gm_value *config, const gm_value *q)
{
    const char *name = text_of(config, "expert_dtype");
    if (name == NULL)
        name = text_of(map_of(config, "text_config"), "expert_dtype");
    if (name == NULL)
        name = text_of(q, "expert_dtype");
    return name && strstr(name, "fp4") ? 4 : 0;
}

static const char *method_of(const gm_value *config, const gm_value *q)
{
    const char *method = text_of(q, "quant_method");
    if (method)
        return method;
    if (text_of(q, "quant_algo"))
        return "modelopt";
    if (q == map_of(config, "quantization"))
        return "mlx";
    if (gm_value_get(q, "w_bit"))
        return "awq";
    if (gm_value_get(q, "load_in_4bit") || gm_value_get(q, "load_in_8bit"))
        return "bitsandbytes";
    if (gm_value_get(q, "config_groups"))
        return "compressed-tensors";
    return gm_value_get(q, "bits") && gm_value_get(q, "group_size") ? "gptq" : "not named";
}

gpumem_status gm_quantised_read(const gm_value *config, const gm_value *side, gm_quantised *out, gpumem_error *err)
{
    const gm_value *q = find_config(config);
    gpumem_status s;
    *out = (gm_quantised){.bits = 4};
    read_dtype(config, out);
    if (q == NULL && side && side->type == GM_MAP) /* hf_quant_config.json has it in "quantization", the old files as a whole */
        q = map_of(side, "quantization") ? map_of(side, "quantization") : side;
    if (q == NULL)
        return GPUMEM_OK;
    out->method = method_of(config, q);
    out->rule = strcmp(out->method, "mlx") == 0 ? MLX : rule_of(out->method);
    out->expert_bits = expert_bits(config, q);
    s = read_rule(q, out, err);
    return s == GPUMEM_OK ? read_skip(q, out, err) : s;
}

void gm_quantised_free(gm_quantised *q)
{
    for (uint32_t i = 0; i < q->ngroup; i++)
        gm_patterns_free(q->group[i].target);
    gm_patterns_free(q->skip);
    free(q->group);
    *q = (gm_quantised){0};
}

/* ---- what a tensor is ------------------------------------------------------------------------------------------------------------ */

/* Behind the last dot or colon. */
static const char *last_of(const gm_stored_as *t)
{
    const char *s = t->name + t->n;
    while (s > t->name && s[-1] != '.' && s[-1] != ':')
        s--;
    return s;
}

static bool is_one(const char *s, const char *const *list)
{
    while (*list && strcmp(*list, s) != 0)
        list++;
    return *list != NULL;
}

/* Is there a tensor of this name with `cut` bytes less and this behind it? */
static bool beside(const gm_nameset *names, const gm_stored_as *t, size_t cut, const char *suffix)
{
    char name[512];
    int n = cut <= t->n ? snprintf(name, sizeof name, "%.*s%s", (int)(t->n - cut), t->name, suffix) : -1;
    return n > 0 && (size_t)n < sizeof name && gm_nameset_find(names, name, (size_t)n) != UINT32_MAX;
}

static bool integer(const gm_stored_as *t)
{
    return t->dtype && t->dtype->kind == GM_DTYPE_INTEGER;
}

static bool byte_container(const gm_stored_as *t) { return integer(t) && t->dtype->bits == 8; }

/* n * up / down, without a detour beyond 64 bits; UINT64_MAX where it does not fit. */
static uint64_t scaled(uint64_t n, uint64_t up, uint64_t down)
{
    uint64_t whole = n / down, rest = n % down * up / down, out; /* up is at most 2^40, down 2^20 */
    return __builtin_mul_overflow(whole, up, &out) || __builtin_add_overflow(out, rest, &out) ? UINT64_MAX : out;
}

/* n elements of a container of so many bits each hold how many? */
static uint64_t unpack(const gm_stored_as *t, unsigned bits)
{
    return t->dtype == NULL || bits == 0 ? t->elements : scaled(t->elements, t->dtype->bits, bits);
}

static const char *const always[] = {"weight_scale", "weight_scale_inv", "weight_scale_2", "weight_global_scale", "weight_zero_point", "input_scale",
                                     "input_global_scale", "input_zero_point", "zero_point", "weight_shape", "weight_g_idx", "activation_scale",
                                     "output_scale", "k_scale", "v_scale", NULL};
static const char *const of_bnb[] = {"absmax", "quant_map", "nested_absmax", "nested_quant_map", "SCB", "weight_format", NULL};
static const char *const of_qweight[] = {"qzeros", "g_idx", "scales", NULL};
static const char *const of_mlx[] = {"scales", "biases", NULL};
static const char *const of_aqlm[] = {"codebooks", "scales", NULL};
static const char *const of_hqq[] = {"scale", "zero", "meta", "zero_scale", "scale_q", "zero_q", "nbits", "group_size", "axis", "shape", "packing",
                                     "quant_zero", "quant_scale", "compute_dtype", "view_as_float", "unpack_view_dtype", "stores_quant_config",
                                     "encoded_state_dict", "offload_meta", "channel_wise", "optimize", "round_zero", NULL};
static const char *const of_eetq[] = {"weight_scales", NULL};
static const char *const of_quanto[] = {"_scale", "_shift", "_zeropoint", NULL};
static const char *const of_torchao[] = {"scale", "_scale", "zero_point", "_zero_point", "scale_and_zero", "block_size", "weight_qscale", NULL};

static bool is_helper(const gm_quantised *q, const gm_stored_as *t, const char *last)
{
    static const char *const *const by_rule[] = {
        [QWEIGHT] = of_qweight, [BITSANDBYTES] = of_bnb, [MLX] = of_mlx, [AQLM] = of_aqlm, [HQQ] = of_hqq, [EETQ] = of_eetq,
        [QUANTO] = of_quanto, [TORCHAO] = of_torchao, [OTHER] = NULL};
    if (is_one(last, always) || strncmp(last, "bitsandbytes__", 14) == 0)
        return true;
    if (q->rule == MXFP4 && byte_container(t) && gm_ends(last, "_scales"))
        return true;
    return by_rule[q->rule] && is_one(last, by_rule[q->rule]);
}

static uint64_t of_compressed(gm_quantised *q, const gm_stored_as *t)
{
    const gm_quant_group *g = q->group;
    if (!integer(t) || t->dtype->bits == 64)
        return t->elements;
    if (g == NULL)
        return unpack(t, q->bits);
    for (uint32_t i = 0; i < q->ngroup; i++)
        if (q->group[i].target && gm_patterns_match(q->group[i].target, t->name, &q->short_of_memory)) {
            g = &q->group[i];
            break;
        }
    return g->packed ? unpack(t, g->bits) : t->elements;
}

static uint64_t of_mlx_weight(const gm_quantised *q, const gm_stored_as *t, const char *last)
{
    char module[512];
    unsigned bits = 0;
    if (strcmp(t->dtype ? t->dtype->name : "", "U32") != 0 || strcmp(last, "weight") != 0)
        return t->elements;
    if (snprintf(module, sizeof module, "%.*s", (int)(last - t->name - 1), t->name) < (int)sizeof module)
        bits = bits_of(map_of(q->modules, module), "bits");
    return unpack(t, bits ? bits : q->bits);
}

static bool of_expert(const char *name)
{
    return strstr(name, ".experts.") && !strstr(name, "shared_expert");
}

static uint64_t of_torchao_weight(const gm_quantised *q, const gm_stored_as *t, const char *last)
{
    bool packed = strcmp(last, "qdata") == 0 || strcmp(last, "_data") == 0 || strcmp(last, "weight") == 0 || strcmp(last, "weight_qdata") == 0 ||
                  strcmp(last, "packed_weight") == 0;
    return packed && integer(t) && q->bits < 8 ? unpack(t, q->bits) : t->elements;
}

static uint64_t by_rule(gm_quantised *q, const gm_stored_as *t, const char *last)
{
    switch (q->rule) {
    case QWEIGHT: return strcmp(last, "qweight") == 0 && integer(t) ? unpack(t, q->bits) : t->elements;
    case COMPRESSED: return of_compressed(q, t);
    case FP8: case MODELOPT: return q->expert_bits && integer(t) && of_expert(t->name) ? unpack(t, q->expert_bits) : t->elements;
    case BITSANDBYTES: return q->bits == 4 && byte_container(t) ? unpack(t, 4) : t->elements;
    case MXFP4: return byte_container(t) && strstr(last, "_blocks") ? unpack(t, 4) : t->elements;
    case MLX: return of_mlx_weight(q, t, last);
    case AQLM: return strcmp(last, "codes") == 0 ? scaled(t->elements, q->up, q->down) : t->elements;
    case HQQ: return strcmp(last, "W_q") != 0 ? t->elements : q->bits == 3 && integer(t) && t->dtype->bits == 32 ? t->elements * 10 : unpack(t, q->bits);
    case QUANTO: return strcmp(last, "_data") == 0 && byte_container(t) ? unpack(t, q->bits) : t->elements;
    case TORCHAO: return of_torchao_weight(q, t, last);
    case OTHER: return q->bits == 4 && byte_container(t) ? unpack(t, 4) : t->elements;
    default: return t->elements;
    }
}

/* What stands beside a tensor says it, whatever the config does. */
static bool packed_by_neighbours(const gm_stored_as *t, const char *last, const gm_nameset *names)
{
    if (strcmp(last, "weight") != 0)
        return false;
    if (beside(names, t, 0, ".quant_state.bitsandbytes__nf4") || beside(names, t, 0, ".quant_state.bitsandbytes__fp4"))
        return true;
    return byte_container(t) && beside(names, t, 0, "_scale_2");
}

uint64_t gm_quantised_parameters(gm_quantised *q, const gm_stored_as *t, const gm_nameset *names)
{
    const char *last = last_of(t);
    uint64_t n;
    if (t->dtype && t->dtype->kind == GM_DTYPE_SCALE)
        return 0;
    if (t->ndim == 0 && integer(t)) /* counters */
        return 0;
    if (q->method == NULL)
        return t->elements;
    if (is_helper(q, t, last))
        return 0;
    if (packed_by_neighbours(t, last, names))
        return unpack(t, 4);
    n = by_rule(q, t, last);
    return n != t->elements && q->skip && gm_patterns_match(q->skip, t->name, &q->short_of_memory) ? t->elements : n;
}

void gm_quantised_guess(gm_quantised *q, const gm_stored_as *t, const gm_nameset *names)
{
    static const struct { const char *last, *beside; size_t cut; unsigned rule; const char *method; } look[] = {
        {"qweight", "scales", 7, QWEIGHT, "gptq or awq, by its tensors"}, {"weight_packed", "weight_scale", 13, COMPRESSED, "compressed-tensors, by its tensors"},
        {"weight", "weight_scale_2", 6, MODELOPT, "modelopt, by its tensors"}, {"weight", "weight_scale_inv", 6, FP8, "fp8, by its tensors"},
        {"weight", "weight.absmax", 6, BITSANDBYTES, "bitsandbytes, by its tensors"}, {"weight", "SCB", 6, BITSANDBYTES, "bitsandbytes, by its tensors"},
    };
    const char *last = last_of(t);
    size_t n = strlen(last);
    for (size_t i = 0; i < sizeof look / sizeof *look; i++)
        if (strcmp(last, look[i].last) == 0 && beside(names, t, look[i].cut, look[i].beside)) {
            q->method = look[i].method;
            q->rule = look[i].rule;
        }
    if (byte_container(t) && n > 7 && gm_ends(last, "_blocks") && beside(names, t, 7, "_scales")) {
        q->method = "mxfp4, by its tensors";
        q->rule = MXFP4;
    }
    if (q->rule == BITSANDBYTES)
        q->bits = strcmp(last, "weight") == 0 && beside(names, t, 6, "SCB") ? 8 : 4;
}

/* ---- in memory ------------------------------------------------------------------------------------------------------------------------ */

uint64_t gm_quantised_loaded(const gm_quantised *q, const gm_stored_as *t, uint64_t parameters)
{
    uint64_t n;
    if (strncmp(last_of(t), "bitsandbytes__", 14) == 0) /* JSON, read on the host */
        return 0;
    if (q->dtype == NULL || t->dtype == NULL || t->dtype->kind != GM_DTYPE_FLOAT || t->dtype->bits < 16 || parameters != t->elements || parameters == 0)
        return t->bytes;
    if (q->dtype->bits < 16)
        return t->bytes;
    return __builtin_mul_overflow(t->elements, q->dtype->bits / 8, &n) ? t->bytes : n;
}

const char *gm_quantised_name(const char *name, char *buf, size_t size)
{
    static const struct { const char *stored, *means; } suffix[] = {
        {".qweight", ".weight"}, {".weight_packed", ".weight"}, {".W_q", ".weight"}, {".codes", ".weight"}, {".weight._data", ".weight"},
        {".weight:_data", ".weight"}, {".weight:qdata", ".weight"}, {".weight_qdata", ".weight"}, {"_blocks", ""}};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof suffix / sizeof *suffix; i++)
        if (gm_ends(name, suffix[i].stored) &&
            snprintf(buf, size, "%.*s%s", (int)(n - strlen(suffix[i].stored)), name, suffix[i].means) < (int)size)
            return buf;
    return name;
}
