/* core/model: families, configs and components that are wrong, and what is said of them. */
#include "small.h"

/* ---- wrong families: file, line and what was expected ---------------------------------------------------------------------- */

/* The line of `text` that has the mark "#!". */
static unsigned marked_line(const char *text)
{
    unsigned line = 1;
    const char *mark = strstr(text, "#!");
    ck_assert_ptr_nonnull(mark);
    for (const char *p = text; p < mark; p++)
        line += *p == '\n';
    return line + 5; /* behind the head that family() writes */
}

static void family_fails(const char *rest, const char *config, const char *message)
{
    gpumem_error err = {0};
    gpumem_model *m;
    char json[256];
    family("wrong", rest);
    host_again();
    snprintf(json, sizeof json, "{\"model_type\": \"wrong\"%s}", config);
    m = model_new(json, NULL, &err);
    ck_assert_msg(m == NULL, "no error: %s", rest);
    if (getenv("GM_SHOW"))
        printf("%s\n", error_text(&err));
    ck_assert_msg(strstr(err.message, message) != NULL, "'%s' is not in: %s", message, error_text(&err));
    ck_assert_msg(err.status == GPUMEM_EPLUGIN || err.status == GPUMEM_ESYNTAX, "status %d: %s", err.status, error_text(&err));
    ck_assert_str_eq(err.file, fixture_path(&f, "family/wrong.yaml"));
    ck_assert_msg(err.line == marked_line(rest), "line %u, not %u: %s", err.line, marked_line(rest), error_text(&err));
    ck_assert_uint_gt(err.column, 0);
}

START_TEST(wrong_steps)
{
    static const struct { const char *step, *message; } table[] = {
        {"{use: mpl, in: n, out: m, as: mlp}", "no architecture plugin of this family has a component 'mpl'"},
        {"{use: moe/mlp, in: n, out: m, as: mlp}", "'moe/mlp'"},
        {"{in: n, out: m}", "a step needs 'use'"},
        {"{use: mlp, in: n, out: m, as: \"mlp.{nobody}\"}", "'mlp.{nobody}': expected {i}, or the name of a dim or of 'each' in braces"},
        {"[mlp]", "expected a step"},
        {"mlp", "expected a step"},
        {"{use: [mlp], in: n, out: m}", "use: expected a string, not list"},
        {"{use: mlp, in: n, out: m, as: 3}", "as: expected a string, not integer"},
        {"{use: mlp, in: n, out: m, id: [a]}", "id: expected a string"},
        {"{use: mlp, in: n, out: m, lives: long}", "'long' is not one of use, step, block, stack, model, caller"},
        {"{use: mlp, in: n, out: m, names: [a]}", "names: expected a mapping"},
        {"{use: mlp, in: n, out: m, names: {up_proj: 3}}", "names: expected a string, not integer"},
        {"{use: mlp, in: n, out: m, intermedate: 3}", "'mlp' has no parameter 'intermedate'"},
        {"{use: mlp, in: n, out: m, intermediate: '3 +'}", "expected a value after '3 +'"},
        {"{use: mlp, in: n, out: m, intermediate: [3]}", "expected an expression, not list"},
        {"{use: mlp, in: n, out: m, intermediate: {a: 3}}", "expected an expression, not mapping"},
        {"{use: mlp, in: n, out: m, when: 'a b'}", "expected an operator or the end after 'a'"},
        {"{use: softcap, in: [n, x], out: m}", "in: 'softcap' has 1 port, not 2"},
        {"{use: add, in: [n, x], out: [m, n]}", "out: 'add' has 1 port, not 2"},
        {"{use: add, in: [n, x, m], out: m}", "in: 'add' has 2 ports, not 3"},
        {"{use: add, in: n, out: m}", "in: 'add' needs its port 'b'"},
        {"{use: mlp, out: m}", "in: 'mlp' needs its port 'x'"},
        {"{use: mlp, in: null, out: m}", "in: 'mlp' needs its port 'x'"},
        {"{use: mlp, in: {y: n}, out: m}", "'mlp' has no port 'y'"},
        {"{use: mlp, in: 3, out: m}", "expected a port, not integer"},
        {"{use: mlp, in: [[n]], out: m}", "expected a port, not list"},
        {"{use: mlp, in: n-1, out: m}", "expected 'port', 'port if EXPRESSION'"},
        {"{use: mlp, in: n if, out: m}", "expected 'port', 'port if EXPRESSION'"},
        {"{use: mlp, in: ' if true', out: m}", "expected 'port', 'port if EXPRESSION'"},
        {"{use: mlp, in: n if true else x y, out: m}", "expected a port after 'else'"},
        {"{use: mlp, in: n if tie ==, out: m}", "expected a value after 'tie =='"},
        {"{use: mlp, in: nowhere, out: m}", "nothing has written the port 'nowhere'"},
        {"{use: mlp, in: n if false, out: m}", "a port that it needs is null"},
        {"{use: dropout, in: n, out: m}", "'dropout' needs the parameter 'p'"},
        {"{use: add, in: [n, x], out: m, scale: 3}", "'add' has no parameter 'scale'"},
        {"{use: linear, in: n, out: m}", "'linear' needs the parameter 'linear_width'"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        char rest[512];
        snprintf(rest, sizeof rest, "like: small\nlayer:\n  - {use: rmsnorm, in: x, out: n, as: norm}\n  - %s #!\n  - {use: add, in: [x, m], out: x, id: residual}\n",
                 table[i].step);
        family_fails(rest, "", table[i].message);
    }
}
END_TEST

START_TEST(wrong_keys)
{
    static const struct { const char *rest, *message; } table[] = {
        {"like: small\nlayer_count: 3 #!\n", "layer_count"},
        {"like: small\nlayers: [3] #!\n", "expected an expression, not list"},
        {"like: small\nlayers: num_hidden_layers + #!\n", "expected a value after 'num_hidden_layers +'"},
        {"like: small\nlayers: (1 #!\n", "')'"},
        {"like: small\nat: [a] #!\n", "at: expected"},
        {"like: small\ndims: [hidden] #!\n", "dims: expected"},
        {"like: small\ndims: {hidden: i} #!\n", "dims.hidden: a dim cannot depend on the layer"},
        {"like: small\neach: {e: i}\ndims: {hidden: e} #!\n", "a dim cannot depend on the layer"},
        {"like: small\ndims: {hidden: hidden} #!\n", "'hidden' depends on itself"},
        {"like: small\ndims:\n  hidden: a\n  a: b #!\n  b: hidden\n", "depends on itself"},
        {"like: small\neach: {e: e} #!\nedit: [{set: mlp, step: {intermediate: e}}]\n", "'e' depends on itself"},
        {"like: small\ndims: {hidden: len(3)} #!\n", "len()"},
        {"like: small\ndims: {hidden: 9223372036854775807 + 1} #!\n", "64 bits"},
        {"like: small\ndims: {hidden: 7 // 0} #!\n", "divides by zero"},
        {"like: small\nedit: [{remove: nothing}] #!\n", "edit: no step has the id 'nothing'"},
        {"like: small\nedit: [{remove: mlp, set: mlp}] #!\n", "edit: expected one of replace, insert, append, remove, set"},
        {"like: small\nedit: [{remove: mlp, step: {use: mlp}}] #!\n", "edit: expected one of replace"},
        {"like: small\nedit: [{set: mlp}] #!\n", "edit: expected one of replace"},
        {"like: small\nedit: [{step: {use: mlp}}] #!\n", "edit: expected one of replace"},
        {"like: small\nedit: [{delete: mlp}] #!\n", "delete"},
        {"like: small\nedit: [remove] #!\n", "edit"},
        {"like: small\nedit: [{set: mlp, step: [a]}] #!\n", "step: expected"},
        {"like: small\nclasses: [A] #!\n", "classes: expected"},
        {"like: small\nclasses: {A: 3} #!\n", "classes: expected a string"},
        {"like: small\nauto: {A: 3} #!\n", "auto: expected a task"},
        {"like: small\narchitecture: [3] #!\n", "architecture: expected a string"},
        {"like: small\nnullable: [3] #!\n", "nullable: expected a string"},
        {"like: small\naliases: {a: 3} #!\n", "aliases: expected a string"},
        {"like: small\nsymbols: {B: 3} #!\n", "symbols: expected a string"},
        {"like: small\ninputs: {ids: {shape: [Q], dtype: int64}} #!\n", "'Q' is not one of the symbols"},
        {"like: small\ninputs: {ids: {shape: [B], dtype: int65}} #!\n", "dtype: expected model, float32"},
        {"like: small\ninputs: {ids: {shape: [B, S, B, S, B, S, B], dtype: int64}} #!\n", "at most 6 extents"},
        {"like: small\ninputs: {ids: {shape: [B]}} #!\n", "dtype"},
        {"like: small\ninputs: {ids: {shape: [B], dtype: int64, extra: 1}} #!\n", "extra"},
        {"like: small\nbuffers: [{name: b, shape: ['x +'], dtype: bool}] #!\n", "expected a value after 'x +'"},
        {"like: small\nbuffers: [{name: b, shape: [1], dtype: float}] #!\n", "dtype: expected model, float32"},
        {"like: small\nbuffers: [{name: b, shape: [0], dtype: bool}] #!\n", "an extent of the buffer b is 0, expected an integer of 1 or more"},
        {"like: small\nbuffers: [{name: b, shape: [1, 1, 1, 1, 1, 1, 1], dtype: bool}] #!\n", "at most 6 extents"},
        {"like: small\nbuffers: [{shape: [1], dtype: bool}] #!\n", "name"},
        {"like: small\nrequire: [{that: 'a +', say: no}] #!\n", "expected a value after 'a +'"},
        {"like: small\nrequire: [{that: true}] #!\n", "say"},
        {"like: small\nrequire: [true] #!\n", "require"},
        {"like: small\nwarn: [{that: true}] #!\n", "say"},
        {"like: small\nunchecked: [] #!\n", "unchecked"},
        {"like: small\ncheckpoint: [{as: a}] #!\n", "expected one of tensor and first"},
        {"like: small\ncheckpoint: [{first: a, tensor: b, as: a}] #!\n", "expected one of tensor and first"},
        {"like: small\ncheckpoint: [{first: a, as: [b]}] #!\n", "one name where it is first"},
        {"like: small\ncheckpoint: [{tensor: a, as: [3]}] #!\n", "expected a name"},
        {"like: small\nstacks: [] #!\n", "stacks: expected 1 to 16"},
        {"like: small\nstacks: [{layers: 1, at: a, layer: [], before_: []}] #!\n", "before_"},
        {"like: small\nlayer:\n  - {use: mlp, in: x, out: x, as: a, as: b} #!\n", "as"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        family_fails(table[i].rest, "", table[i].message);
}
END_TEST

START_TEST(families_without)
{
    static const char *const key[] = {"architecture", "classes", "symbols", "layers", "at"};
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        char rest[4096] = SMALL_REST, say[64], *line = strstr(rest, key[i]);
        gpumem_error err = {0};
        if (strcmp(key[i], "layers") == 0)
            line = strstr(rest, "\nlayers:") + 1;
        else if (strcmp(key[i], "at") == 0)
            line = strstr(rest, "\nat:") + 1;
        memmove(line, strchr(line, '\n') + 1, strlen(strchr(line, '\n')));
        family("without", rest);
        host_again();
        ck_assert_ptr_null(model_new("{\"model_type\": \"without\"}", NULL, &err));
        snprintf(say, sizeof say, "a family needs '%s'", key[i]);
        ck_assert_msg(strstr(err.message, say) != NULL, "%s: %s", key[i], error_text(&err));
        ck_assert_str_eq(err.file, fixture_path(&f, "family/without.yaml"));
        ck_assert_int_eq(err.status, GPUMEM_EPLUGIN);
    }
}
END_TEST

/* ---- wrong configs: the key is named ---------------------------------------------------------------------------------------- */

START_TEST(wrong_values)
{
    static const struct { const char *json, *message; } table[] = {
        {"{}", "'model_type' is missing"},
        {"{\"model_type\": 3}", "model_type is not a string"},
        {"{\"model_type\": null}", "model_type is not a string"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 0}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": -1}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 100001}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 2147483648}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": \"four\"}", "num_hidden_layers is \"four\", expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": 4.5}", "num_hidden_layers is 4.5, expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": true}", "num_hidden_layers is true, expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": null}", "num_hidden_layers is null, expected an integer"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": [4]}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"num_hidden_layers\": {\"a\": 4}}", "num_hidden_layers"},
        {"{\"model_type\": \"small\", \"hidden_size\": 0}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": -8}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": 2147483648}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": 9223372036854775807}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": \"8\"}", "hidden_size is \"8\", expected an integer"},
        {"{\"model_type\": \"small\", \"hidden_size\": null}", "hidden_size is null, expected an integer"},
        {"{\"model_type\": \"small\", \"hidden_size\": NaN}", "hidden_size"},
        {"{\"model_type\": \"small\", \"hidden_size\": Infinity}", "hidden_size"},
        {"{\"model_type\": \"small\", \"n_embd\": \"wide\"}", "n_embd is \"wide\", expected an integer"},
        {"{\"model_type\": \"small\", \"intermediate_size\": 0}", "intermediate_size"},
        {"{\"model_type\": \"small\", \"vocab_size\": []}", "vocab_size"},
        {"{\"model_type\": \"small\", \"hidden_act\": 3}", "hidden_act is 3, expected a string"},
        {"{\"model_type\": \"small\", \"hidden_act\": \"sulu\"}", "activation function"},
        {"{\"model_type\": \"small\", \"tie\": \"yes\"}", "tie is \"yes\", expected true or false"},
        {"{\"model_type\": \"small\", \"tie\": 1}", "tie is 1, expected true or false"},
        /* of real families */
        {"{\"model_type\": \"llama\", \"hidden_size\": 100, \"num_attention_heads\": 32}", "hidden_size must be a multiple of num_attention_heads"},
        {"{\"model_type\": \"llama\", \"num_attention_heads\": 0}", "num_attention_heads"},
        {"{\"model_type\": \"llama\", \"num_key_value_heads\": 0}", "num_key_value_heads"},
        {"{\"model_type\": \"llama\", \"num_key_value_heads\": -1}", "num_key_value_heads"},
        {"{\"model_type\": \"llama\", \"head_dim\": 0}", "head_dim"},
        {"{\"model_type\": \"llama\", \"head_dim\": \"64\"}", "head_dim"},
        {"{\"model_type\": \"llama\", \"attention_bias\": 3}", "attention_bias is 3, expected true or false"},
        {"{\"model_type\": \"gemma2\", \"layer_types\": [\"full_attention\"]}", "layer_types must have num_hidden_layers entries"},
        {"{\"model_type\": \"gemma2\", \"layer_types\": 3}", "layer_types"},
        {"{\"model_type\": \"mixtral\", \"num_local_experts\": 0}", "num_local_experts"},
        {"{\"model_type\": \"gpt2\", \"n_layer\": 0}", "n_layer"},
        {"{\"model_type\": \"phi\", \"rope_parameters\": {\"partial_rotary_factor\": \"half\"}}", "rope_parameters"},
        {"{\"model_type\": \"phi\", \"resid_pdrop\": 1.5}", "dropout"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        model_fails(table[i].json, GPUMEM_ECONFIG, table[i].message);
}
END_TEST

START_TEST(missing_keys)
{
    family("bare", "like: small\ndefaults: {vocab_size: 16, intermediate_size: 12, hidden_act: silu, tie: false}\n");
    model_fails("{\"model_type\": \"bare\"}", GPUMEM_ECONFIG, "the key 'hidden_size' is missing");
    model_fails("{\"model_type\": \"bare\", \"hidden_size\": 8}", GPUMEM_ECONFIG, "the key 'num_hidden_layers' is missing");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"bare\", \"hidden_size\": 8, \"num_hidden_layers\": 4}"), 4 * LAYER + AROUND);
}
END_TEST

START_TEST(broken_json)
{
    model_fails("{\"model_type\": \"small\", \"hidden_size\": 9223372036854775808}", GPUMEM_ESYNTAX, "a.json:1");
    model_fails("{\"model_type\": \"small\",, }", GPUMEM_ESYNTAX, "a.json:1");
    model_fails("[]", GPUMEM_ECONFIG, "expected a JSON object, not list");
    model_fails("", GPUMEM_ESYNTAX, "a.json");
}
END_TEST

START_TEST(overflow_is_an_error)
{
    /* Each dimension is a legal size, the product of three is not a number of parameters. */
    family("wide", "like: small\nlayer:\n  - {use: linear, in: x, out: x, as: a, linear_width: hidden}\n");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"wide\", \"hidden_size\": 2147483647, \"vocab_size\": 1, \"num_hidden_layers\": 1, \"tie\": true}"),
                      2147483647ull * 2147483647 + 2 * 2147483647ull);
    model_fails("{\"model_type\": \"wide\", \"hidden_size\": 2147483647, \"num_hidden_layers\": 5}", GPUMEM_ECONFIG, "does not fit in 64 bits");
    model_fails("{\"model_type\": \"wide\", \"hidden_size\": 2147483647, \"num_hidden_layers\": 100000}", GPUMEM_ECONFIG, "does not fit in 64 bits");
    family("product", "like: small\ndims: {hidden: hidden_size * hidden_size * hidden_size}\n");
    model_fails("{\"model_type\": \"product\", \"hidden_size\": 2147483647}", GPUMEM_ECONFIG, "64 bits");
    model_fails("{\"model_type\": \"product\", \"hidden_size\": 2147483647}", GPUMEM_ECONFIG, "hidden_size");
    model_fails("{\"model_type\": \"product\", \"hidden_size\": 2000}", GPUMEM_ECONFIG, "hidden_size");
    model_fails("{\"model_type\": \"llama\", \"hidden_size\": 2147483647, \"num_attention_heads\": 1, \"num_key_value_heads\": 2147483647}",
                GPUMEM_ECONFIG, "attention");
}
END_TEST

START_TEST(unknown_types)
{
    gpumem_error err = {0};
    gpumem_model_options options = {.class_name = "LlamaForCausalM"};
    model_fails("{\"model_type\": \"lama\"}", GPUMEM_EMODEL, "unknown model type 'lama'");
    model_fails("{\"model_type\": \"lama\"}", GPUMEM_EMODEL, "did you mean llama");
    model_fails("{\"model_type\": \"../small\"}", GPUMEM_EMODEL, "unknown model type");
    model_fails("{\"model_type\": \"\"}", GPUMEM_EMODEL, "unknown model type");
    ck_assert_ptr_null(model_new("{\"model_type\": \"llama\"}", &options, &err));
    ck_assert_int_eq(err.status, GPUMEM_EUNKNOWN);
    ck_assert(strstr(error_text(&err), "LlamaForCausalM") && strstr(error_text(&err), "LlamaForCausalLM"));
}
END_TEST

START_TEST(requirements)
{
    family("strict", "like: small\nrequire:\n  - {that: hidden_size % 4 == 0, say: hidden_size must be a multiple of 4}\n"
                     "  - {that: vocab_size > hidden_size, say: too few words}\n");
    model_fails("{\"model_type\": \"strict\", \"hidden_size\": 6, \"vocab_size\": 2}", GPUMEM_ECONFIG, "a.json: hidden_size must be a multiple of 4");
    model_fails("{\"model_type\": \"strict\", \"hidden_size\": 6}", GPUMEM_ECONFIG, "strict.yaml:8");
    model_fails("{\"model_type\": \"strict\", \"vocab_size\": 2}", GPUMEM_ECONFIG, "too few words");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"strict\"}"), 4 * LAYER + AROUND);
    family("stricter", "like: strict\nrequire:\n  - {that: tie, say: must be tied}\n"); /* added, not replaced */
    model_fails("{\"model_type\": \"stricter\", \"vocab_size\": 2}", GPUMEM_ECONFIG, "too few words");
    model_fails("{\"model_type\": \"stricter\"}", GPUMEM_ECONFIG, "must be tied");
}
END_TEST

/* What is counted with a warning: a condition that does not hold, a family that nobody checked; each sentence once. */
START_TEST(warnings_of_a_family)
{
    const char *const *warning;
    gpumem_model *m;
    family("odd", "like: small\nwarn:\n  - {that: hidden_size % 4 == 0, say: odd}\n  - {that: vocab_size > hidden_size, say: few words}\n");
    family("odder", "like: odd\nunchecked: not compared\nwarn:\n  - {that: not tie, say: odd}\n"); /* added, not replaced */
    m = model_of("{\"model_type\": \"odd\"}");
    ck_assert_uint_eq(gpumem_model_warnings(m, &warning), 0);
    gpumem_model_free(m);
    m = model_of("{\"model_type\": \"odder\", \"hidden_size\": 6, \"vocab_size\": 3, \"tie\": true}");
    ck_assert_uint_eq(gpumem_model_warnings(m, &warning), 3);
    ck_assert_str_eq(warning[0], "not compared");
    ck_assert_str_eq(warning[1], "odd");
    ck_assert_str_eq(warning[2], "few words");
    gpumem_model_free(m);
    family("wrong", "like: small\nwarn:\n  - {that: hidden_size // 0 == 1, say: never}\n");
    model_fails("{\"model_type\": \"wrong\"}", GPUMEM_ECONFIG, "hidden_size");
}
END_TEST

/* ---- components that emit what makes no sense ------------------------------------------------------------------------------------- */

static void emits(const char *what)
{
    char rest[512];
    if (access(fixture_path(&f, "architecture/emits/emits.so"), F_OK) != 0) /* one that is open must not change */
        fixture_copy(&f, "architecture/emits/emits.so", "emits.so");
    fixture_manifest(&f, "architecture/emits/manifest.yaml", "architecture", "emits", "library: emits.so\ncomponents: [emit]\n");
    snprintf(rest, sizeof rest, "like: small\narchitecture: [transformer, emits]\nlayer:\n  - {use: emit, in: x, out: x, as: a, what: \"'%s'\"}\n", what);
    family("emitting", rest);
    host_again();
}

START_TEST(emitted_nonsense)
{
    static const struct { const char *what, *message; } table[] = {
        {"name", "a tensor's name is outside of the string table"},
        {"open name", "an operator's name is outside of the string table"},
        {"role", "a role, family, dtype, scope or lifetime that there is not"},
        {"family", "a role, family, dtype, scope or lifetime that there is not"},
        {"dtype", "a role, family, dtype, scope or lifetime that there is not"},
        {"scope", "a role, family, dtype, scope or lifetime that there is not"},
        {"lives", "a role, family, dtype, scope or lifetime that there is not"},
        {"input", "a tensor is an input, which only the family can declare"},
        {"ndim", "too many dimensions"},
        {"storage", "shares the bytes of one that is not before it"},
        {"later storage", "shares the bytes of one that is not before it"},
        {"symbol of a dim", "a symbol or an axis that there is not"},
        {"axis", "a symbol or an axis that there is not"},
        {"weight by tokens", "an extent that depends on the input"},
        {"op name", "an operator's name is outside of the string table"},
        {"op kind", "a kind that there is not"},
        {"operands", "too many operands"},
        {"operand", "too many operands"},
        {"operand tensor", "an operand is no tensor"},
        {"rule", "an operator's rule is outside of the string table"},
        {"other without rule", "has no rule"},
        {"symbol of later", "a symbol is derived from none that is before it"},
        {"symbol of one", "a symbol is derived from none that is before it"},
        {"symbol input", "a symbol is derived from none that is before it"},
        {"symbol by zero", "a symbol is divided by 0"},
        {"backwards", "its counts went backwards"},
        {"beyond", "its counts went backwards, or beyond"},
        {"strings beyond", "its counts went backwards, or beyond"},
        {"output", "an output is no tensor"},
        {"no output", "it gives nothing for its port 'y'"},
        {"never enough", "the component failed"},
        {"nonsense", "the component failed"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gpumem_error err = {0};
        emits(table[i].what);
        ck_assert_msg(model_new("{\"model_type\": \"emitting\"}", NULL, &err) == NULL, "%s", table[i].what);
        ck_assert_msg(strstr(err.message, table[i].message) != NULL, "%s: %s", table[i].what, error_text(&err));
        ck_assert_int_eq(err.status, GPUMEM_EPLUGIN);
        ck_assert_str_eq(err.file, fixture_path(&f, "family/emitting.yaml"));
        ck_assert_uint_eq(err.line, 9);
    }
}
END_TEST

START_TEST(emitted_refusals)
{
    emits("nothing wrong");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"emitting\"}"), 4 * 2 + AROUND);
    emits("much");
    ck_assert_uint_eq(parameters_of("{\"model_type\": \"emitting\"}"), 4 * (2 + 3000 * 15) + AROUND);
    emits("zero");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_ECONFIG, "a.json: emit: a dimension is 0, or beyond 2^32 - 1");
    emits("reason");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_ECONFIG, "a.json: emit: this cannot be");
    emits("no reason");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_ECONFIG, "a.json: emit: a size makes no sense here");
    emits("unsupported");
    model_fails("{\"model_type\": \"emitting\"}", GPUMEM_EUNSUP, "a.json: emit: nobody can count this");
}
END_TEST

int main(void)
{
    Suite *s = suite_create("refusals");
    TCase *c;
    c = tcase_of(s, "wrong families", small, host_drop);
    tcase_add_test(c, wrong_steps);
    tcase_add_test(c, wrong_keys);
    tcase_add_test(c, families_without);
    c = tcase_of(s, "wrong configs", small, host_drop);
    tcase_add_test(c, wrong_values);
    tcase_add_test(c, missing_keys);
    tcase_add_test(c, broken_json);
    tcase_add_test(c, overflow_is_an_error);
    tcase_add_test(c, unknown_types);
    tcase_add_test(c, requirements);
    tcase_add_test(c, warnings_of_a_family);
    c = tcase_of(s, "emitted", small, host_drop);
    tcase_add_test(c, emitted_nonsense);
    tcase_add_test(c, emitted_refusals);
    return run_suite(s);
}
