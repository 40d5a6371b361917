/* core/report/batch: one case in, one line out. */
#include "models.h"

#include "base/value.h"
#include "text/json.h"

static gpumem_set *set;
static gpumem_batch *batch;

#define CHUNKS "{\"model_type\": \"mamba2\", \"num_hidden_layers\": 2, \"chunk_size\": 32}"

static void setup(void)
{
    gpumem_error err = {0};
    host_make();
    fixture_write(&f, "cases/tiny.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 1}");
    fixture_write(&f, "cases/chunks.json", CHUNKS);
    fixture_write(&f, "cases/dir/config.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 2}");
    gpumem_set_open(host, "default", &set, &err);
    gpumem_batch_new(host, set, fixture_path(&f, "cases"), &batch, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s", error_text(&err));
}

static void teardown(void)
{
    gpumem_batch_free(batch);
    gpumem_set_free(set);
    host_drop();
}

static const char *line_of(const char *text)
{
    static char line[8192];
    gpumem_text out = {0};
    ck_assert_int_eq(gpumem_batch_line(batch, text, strlen(text), &out), GPUMEM_OK);
    ck_assert_uint_lt(out.n, sizeof line);
    ck_assert(out.n > 0 && out.s[out.n - 1] == '\n' && strchr(out.s, '\n') == out.s + out.n - 1);
    memcpy(line, out.s, out.n + 1);
    line[out.n - 1] = '\0';
    gpumem_text_free(&out);
    return line;
}

static void answers(const char *text, const char *expected)
{
    ck_assert_str_eq(line_of(text), expected);
}

static void begins(const char *text, const char *expected)
{
    const char *line = line_of(text);
    ck_assert_msg(strncmp(line, expected, strlen(expected)) == 0, "%s does not begin with %s", line, expected);
}

/* The value of a key as JSON; "": it is not there. */
static const char *field_of(const char *text, const char *key)
{
    static char value[2048];
    const char *line = line_of(text);
    gm_arena arena = {0};
    gpumem_text t = {0};
    gm_value v;
    ck_assert_int_eq(gm_json_parse(&arena, "line", line, strlen(line), &v, NULL), GPUMEM_OK);
    if (gm_value_get(&v, key))
        gm_value_json(gm_value_get(&v, key), &t);
    snprintf(value, sizeof value, "%s", t.s ? t.s : "");
    gpumem_text_free(&t);
    gm_arena_free(&arena);
    return value;
}

static void refuses(const char *text, int code, const char *message)
{
    const char *error = field_of(text, "error");
    char begin[32];
    snprintf(begin, sizeof begin, "{\"code\": %d, ", code);
    ck_assert_msg(strncmp(error, begin, strlen(begin)) == 0, "%s: %s", text, *error ? error : line_of(text));
    ck_assert_msg(strstr(error, message) != NULL, "'%s' is not in: %s", message, error);
    ck_assert_str_eq(field_of(text, "parameters"), "");
}

/* ---- answers ---------------------------------------------------------------------------------------------------------------- */

/* Llama of one layer: 32000 x 4096 twice, 4 x 4096^2, 3 x 4096 x 11008, 3 norms; in bf16, two states like it, a step for each of 12
 * tensors, two buffers of 512; the input. */
enum { P1 = 2 * 32000 * 4096 + 4 * 4096 * 4096 + 3 * 4096 * 11008 + 3 * 4096 };
#define MODEL_OF_ONE "\"class\": \"LlamaForCausalLM\", \"parameters\": 464531456, \"trainable\": 464531456, \"weights\": 929063936"

START_TEST(one_line)
{
    char expected[512];
    ck_assert_int_eq(P1, 464531456);
    ck_assert_int_eq(2 * P1 + 1024, 929063936);
    snprintf(expected, sizeof expected, "{\"config\": \"tiny.json\", \"batch\": 3, \"seq\": 64, " MODEL_OF_ONE ", \"between_steps\": %llu, \"total\": ",
             6ull * P1 + 12 * 512 + 1024 + 3 * 64 * 8);
    begins("{\"config\": \"tiny.json\", \"batch\": 3, \"seq\": 64}", expected);
    begins(" { \"config\":\"tiny.json\",\"batch\":3 , \"seq\":64 } ", expected);
    begins("{\"config\": \"tiny.json\", \"mode\": \"inference\"}", "{\"config\": \"tiny.json\", \"mode\": \"inference\", " MODEL_OF_ONE ", \"total\": ");
}
END_TEST

/* Numbers are those of rows of tests/oracle/memory.jsonl. */
START_TEST(whole_lines)
{
#define SMOL GM_SOURCE "/tests/oracle/models/HuggingFaceTB--SmolLM2-135M.json\""
#define MODEL_OF_SMOL "\"class\": \"LlamaForCausalLM\", \"parameters\": 134515008, \"trainable\": 134515008, \"weights\": 269054464"
    static const char training[] = "{\"config\": \"" SMOL ", \"attention\": \"eager\", \"batch\": 2, \"seq\": 512", inference[] = "{\"config\": \"" SMOL ", \"mode\": \"inference\", \"seq\": 4096";
    char text[1024], expected[2048];
    snprintf(text, sizeof text, "%s}", training);
    snprintf(expected, sizeof expected, "%s, " MODEL_OF_SMOL ", \"between_steps\": 807308800, \"total\": 3067896320, \"kept\": 1857942528, "
             "\"held_for_backward\": 2665251328, \"peak_forward\": 2967249920, \"peak_backward\": 3067896320, \"peak_step\": 1076362240, \"peak\": 3067896320}", training);
    answers(text, expected);
    snprintf(text, sizeof text, "%s}", inference);
    snprintf(expected, sizeof expected, "%s, " MODEL_OF_SMOL ", \"total\": 421163520, \"cache\": 94371840, \"peak_prefill\": 421163520, "
             "\"peak_decode\": 365071872, \"peak\": 421163520}", inference);
    answers(text, expected);
}
END_TEST

START_TEST(what_is_echoed)
{
    /* Any other key as it is, in its place; what looks like a result is not; nor is a whole config. */
    begins("{\"name\": \"a \\u00e4 \\\"b\\\"\", \"config\": \"tiny.json\", \"mode\": \"inference\", \"x\": [1, 2.5, null, {\"y\": true}], \"parameters\": 3, \"peak\": 4, \"kept\": 5}",
           "{\"name\": \"a \xc3\xa4 \\\"b\\\"\", \"config\": \"tiny.json\", \"mode\": \"inference\", \"x\": [1, 2.5, null, {\"y\": true}], " MODEL_OF_ONE ", ");
    begins("{\"config\": {\"model_type\": \"llama\", \"num_hidden_layers\": 1}, \"mode\": \"inference\"}", "{\"mode\": \"inference\", " MODEL_OF_ONE ", ");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"class\": \"LlamaModel\"}", "class"), "\"LlamaModel\"");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"auto\": \"AutoModel\"}", "class"), "\"LlamaModel\"");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"auto\": \"AutoModel\"}", "auto"), "\"AutoModel\"");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"auto\": \"AutoModel\", \"class\": \"LlamaForCausalLM\"}", "class"), "\"LlamaForCausalLM\"");
    ck_assert_str_eq(field_of("{\"config\": \"no.json\", \"tag\": 7}", "tag"), "7"); /* with an error too */
}
END_TEST

/* What is not known is not there: a class without a loss is not trained, so nothing of its activations is. */
START_TEST(nothing_is_guessed)
{
    static const char *const training[] = {"kept", "held_for_backward", "peak_forward", "peak_backward", "peak_step"};
    static const char *const inference[] = {"cache", "peak_prefill", "peak_decode"};
    static const char *const both[] = {"peak", "total"};
    static const char loss[] = "{\"config\": \"tiny.json\"}", none[] = "{\"config\": \"tiny.json\", \"class\": \"LlamaModel\"}", infer[] = "{\"config\": \"tiny.json\", \"mode\": \"inference\"}";
    for (size_t i = 0; i < sizeof training / sizeof *training; i++) {
        ck_assert_str_ne(field_of(loss, training[i]), "");
        ck_assert_str_eq(field_of(none, training[i]), "");
        ck_assert_str_eq(field_of(infer, training[i]), "");
    }
    for (size_t i = 0; i < sizeof inference / sizeof *inference; i++) {
        ck_assert_str_eq(field_of(loss, inference[i]), "");
        ck_assert_str_eq(field_of(none, inference[i]), "");
        ck_assert_str_ne(field_of(infer, inference[i]), "");
    }
    for (size_t i = 0; i < sizeof both / sizeof *both; i++) {
        ck_assert_str_ne(field_of(loss, both[i]), "");
        ck_assert_str_eq(field_of(none, both[i]), "");
        ck_assert_str_ne(field_of(infer, both[i]), "");
    }
    ck_assert_str_ne(field_of(none, "between_steps"), "");
    ck_assert_str_eq(field_of(infer, "between_steps"), "");
    ck_assert_str_eq(field_of(loss, "peak_phase"), "");
    ck_assert_str_eq(field_of(loss, "warnings"), ""); /* there are none */
    ck_assert_ptr_nonnull(strstr(field_of(none, "warnings"), "activations are not counted"));
    ck_assert_ptr_nonnull(strstr(field_of("{\"config\": {\"model_type\": \"baichuan\"}, \"seq\": 8}", "warnings"), "remote code"));
    ck_assert_str_ne(field_of("{\"config\": \"tiny.json\", \"set\": \"classic\"}", "total"), ""); /* whose formulas are whole, but know no phases */
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"set\": \"classic\"}", "peak_forward"), "");
}
END_TEST

START_TEST(keys_mean_something)
{
    char a[64], b[64];
    snprintf(a, sizeof a, "%s", field_of("{\"config\": \"tiny.json\", \"precision\": \"fp32\"}", "weights"));
    ck_assert_str_eq(a, "1858126848");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"freeze\": \"embed\"}", "trainable"), "333459456");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"freeze\": \"!embed\"}", "trainable"), "131072000");
    snprintf(a, sizeof a, "%s", field_of("{\"config\": \"tiny.json\", \"optimizer\": \"sgd\"}", "between_steps"));
    snprintf(b, sizeof b, "%llu", 2ull * P1 + 1024 + 2048 * 8);
    ck_assert_str_eq(a, b);
    /* The set prefers adamw's fused step; an optimizer that is named takes the form that torch gives it, unless one is named too. */
    snprintf(a, sizeof a, "%s", field_of("{\"config\": \"tiny.json\", \"optimizer\": \"adamw\"}", "between_steps"));
    snprintf(b, sizeof b, "%llu", 6ull * P1 + 1024 + 2048 * 8);
    ck_assert_str_eq(a, b);
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"optimizer\": \"adamw\", \"implementation\": null}", "between_steps"), b);
    snprintf(b, sizeof b, "%llu", 6ull * P1 + 12 * 512 + 1024 + 2048 * 8);
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"optimizer\": \"adamw\", \"implementation\": \"fused\"}", "between_steps"), b);
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\"}", "between_steps"), b);
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"seq\": null, \"batch\": null, \"mode\": null, \"checkpointing\": null}", "between_steps"), b); /* as if left out */
    ck_assert_str_eq(field_of("{\"model\": \"phi-2\"}", "parameters"), "2779683840");
    ck_assert_str_eq(field_of("{\"config\": {\"num_hidden_layers\": 1}, \"like\": \"llama\"}", "parameters"), "464531456");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\", \"seq\": 1, \"seq\": 128, \"optimizer\": \"sgd\"}", "seq"), "128");
}
END_TEST

START_TEST(paths)
{
    char text[PATH_MAX + 64];
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\"}", "parameters"), "464531456");
    ck_assert_str_eq(field_of("{\"config\": \"./dir\"}", "parameters"), "666914816");
    ck_assert_str_eq(field_of("{\"config\": \"dir/config.json\"}", "parameters"), "666914816");
    snprintf(text, sizeof text, "{\"config\": \"%s\"}", fixture_path(&f, "cases/tiny.json"));
    ck_assert_str_eq(field_of(text, "parameters"), "464531456");
    fixture_write(&f, "cases/tiny.json", "{\"model_type\": \"llama\", \"num_hidden_layers\": 2}");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\"}", "parameters"), "464531456"); /* it was read once */
    ck_assert_str_eq(field_of("{\"config\": \"dir/../tiny.json\"}", "parameters"), "666914816"); /* another path */
}
END_TEST

/* ---- errors -------------------------------------------------------------------------------------------------------------------- */

START_TEST(errors)
{
    static const struct { const char *text; int code; const char *message; } table[] = {
        {"", 3, "unexpected end"},
        {"{", 3, "unexpected end"},
        {"{\"config\": \"tiny.json\"} x", 3, "unexpected"},
        {"{'config': 1}", 3, "a string must be in double quotes"},
        {"[]", 2, "expected an object, not list"},
        {"null", 2, "expected an object, not null"},
        {"3", 2, "expected an object, not integer"},
        {"{}", 2, "the key 'config' is missing"},
        {"{\"config\": null}", 2, "the key 'config' is missing"},
        {"{\"config\": \"tiny.json\", \"model\": \"phi-2\"}", 2, "expected one of 'config' and 'model', not both"},
        {"{\"config\": 3}", 2, "config: expected a path or an object, not integer"},
        {"{\"config\": [\"tiny.json\"]}", 2, "config: expected a path or an object, not list"},
        {"{\"model\": {}}", 2, "model: expected a path or a name, not mapping"},
        {"{\"config\": \"tiny.json\", \"batch\": 0}", 2, "batch: expected an integer of 1 or more"},
        {"{\"config\": \"tiny.json\", \"batch\": -1}", 2, "batch: expected an integer of 1 or more"},
        {"{\"config\": \"tiny.json\", \"batch\": 1.0}", 2, "batch: expected an integer of 1 or more, not number"},
        {"{\"config\": \"tiny.json\", \"batch\": \"1\"}", 2, "batch: expected an integer of 1 or more, not string"},
        {"{\"config\": \"tiny.json\", \"batch\": true}", 2, "batch: expected an integer of 1 or more, not boolean"},
        {"{\"config\": \"tiny.json\", \"seq\": 0}", 2, "seq: expected an integer of 1 or more"},
        {"{\"config\": \"tiny.json\", \"seq\": 9223372036854775807, \"batch\": 9223372036854775807}", 2, "does not fit in 64 bits"},
        {"{\"config\": \"tiny.json\", \"seq\": 9223372036854775808}", 3, "64 bits"},
        {"{\"config\": \"tiny.json\", \"checkpointing\": 1}", 2, "checkpointing: expected true or false, not integer"},
        {"{\"config\": \"tiny.json\", \"all_logits\": \"yes\"}", 2, "all_logits: expected true or false, not string"},
        {"{\"config\": \"tiny.json\", \"accumulation\": 0}", 2, "accumulation: expected true, false or an integer from 1 to 1000000"},
        {"{\"config\": \"tiny.json\", \"accumulation\": 1000001}", 2, "accumulation: expected true, false or an integer from 1 to 1000000"},
        {"{\"config\": \"tiny.json\", \"accumulation\": \"2\"}", 2, "accumulation: expected"},
        {"{\"config\": \"tiny.json\", \"freeze\": 3}", 2, "freeze: expected a regular expression, not integer"},
        {"{\"config\": \"tiny.json\", \"freeze\": \"a(\"}", 2, "no regular expression"},
        {"{\"config\": \"tiny.json\", \"mode\": \"train\"}", 2, "mode: 'train' is not training or inference"},
        {"{\"config\": \"tiny.json\", \"mode\": 3}", 2, "mode: expected training or inference"},
        {"{\"config\": \"tiny.json\", \"precision\": \"bf17\"}", 2, "unknown precision 'bf17'"},
        {"{\"config\": \"tiny.json\", \"optimizer\": \"adamx\"}", 2, "unknown optimizer 'adamx'"},
        {"{\"config\": \"tiny.json\", \"implementation\": \"fast\"}", 2, "unknown implementation 'fast'"},
        {"{\"config\": \"tiny.json\", \"attention\": \"slow\"}", 2, "unknown attention 'slow'"},
        {"{\"config\": \"tiny.json\", \"set\": \"classy\"}", 2, "unknown set 'classy'"},
        {"{\"config\": \"tiny.json\", \"class\": \"NoModel\"}", 2, "does not describe the class 'NoModel'"},
        {"{\"config\": \"tiny.json\", \"class\": [\"LlamaModel\"]}", 2, "class: expected a class, not list"},
        {"{\"config\": \"no.json\"}", 3, "no.json: "},
        {"{\"config\": \".\"}", 3, "the directory has no config.json"},
        {"{\"config\": \"\"}", 3, ""},
        {"{\"model\": \"\"}", 3, "the model's name is empty"},
        {"{\"model\": \"phi-22\"}", 3, "unknown model 'phi-22'"},
        {"{\"config\": {}}", 3, "'model_type' is missing"},
        {"{\"config\": {\"model_type\": \"lama\"}}", 3, "unknown model type 'lama'"},
        {"{\"config\": {\"model_type\": \"llama\", \"hidden_size\": 0}}", 3, "hidden_size"},
        /* nearly known */
        {"{\"config\": \"tiny.json\", \"optimiser\": \"sgd\"}", 2, "unknown key 'optimiser': did you mean 'optimizer'?"},
        {"{\"config\": \"tiny.json\", \"Batch\": 3}", 2, "unknown key 'Batch': did you mean 'batch'?"},
        {"{\"config\": \"tiny.json\", \"seqs\": 3}", 2, "unknown key 'seqs': did you mean 'seq'?"},
        {"{\"config\": \"tiny.json\", \"checkpoint_ing\": 3}", 2, "did you mean 'checkpointing'?"},
        {"{\"confg\": \"tiny.json\"}", 2, "unknown key 'confg': did you mean 'config'?"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        refuses(table[i].text, table[i].code, table[i].message);
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\"}", "parameters"), "464531456"); /* and goes on */
}
END_TEST

START_TEST(keys_that_are_just_other)
{
    static const char *const key[] = {"id", "name", "kind", "tag", "comment", "gpu", "memory", "x", "", "a", "model_type", "result", "tokens"};
    for (size_t i = 0; i < sizeof key / sizeof *key; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"config\": \"tiny.json\", \"%s\": 1}", key[i]);
        ck_assert_msg(*field_of(text, "error") == 0, "%s: %s", key[i], line_of(text));
    }
}
END_TEST

START_TEST(bytes_that_are_no_text)
{
    gpumem_text out = {0};
    static const char line[] = "{\"config\": \"tiny.json\", \"x\": \"\xff\xfe\", \"y\": \"a\0b\"}";
    ck_assert_int_eq(gpumem_batch_line(batch, line, sizeof line - 1, &out), GPUMEM_OK);
    ck_assert_ptr_nonnull(strstr(out.s, "\"error\": "));
    gpumem_text_free(&out);
}
END_TEST

/* ---- many -------------------------------------------------------------------------------------------------------------------- */

START_TEST(the_same_again)
{
    static const char *const optimizer[] = {"adamw", "sgd", "lion", "adafactor"}, *const precision[] = {"bf16", "fp32", "amp-bf16"};
    char first[12][512];
    for (int round = 0; round < 20; round++)
        for (int i = 0; i < 12; i++) {
            char text[256];
            snprintf(text, sizeof text, "{\"config\": \"%s\", \"optimizer\": \"%s\", \"precision\": \"%s\", \"seq\": %d}", i % 2 ? "tiny.json" : "dir", optimizer[i % 4],
                     precision[i % 3], 10 + i);
            if (round == 0)
                snprintf(first[i], sizeof first[i], "%s", line_of(text));
            else
                ck_assert_str_eq(line_of(text), first[i]);
        }
}
END_TEST

/* A model with chunks of tokens: plans differ by how many there are, and are kept all the same. */
START_TEST(one_chunk_and_more)
{
    static const int tokens[] = {31, 32, 33, 64, 300, 1, 31, 64};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++) {
        char kept[128], fresh[512], peak[64];
        snprintf(kept, sizeof kept, "{\"config\": \"chunks.json\", \"seq\": %d}", tokens[i]);
        snprintf(fresh, sizeof fresh, "{\"config\": %s, \"seq\": %d}", CHUNKS, tokens[i]);
        snprintf(peak, sizeof peak, "%s", field_of(fresh, "peak"));
        ck_assert_str_ne(peak, "");
        ck_assert_str_eq(field_of(kept, "peak"), peak);
    }
    ck_assert_str_ne(field_of("{\"config\": \"chunks.json\"}", "peak"), ""); /* 2048 tokens */
}
END_TEST

START_TEST(absent_is_not_empty)
{
    /* Keys of what is kept must not run into each other. */
    char a[64];
    snprintf(a, sizeof a, "%s", field_of("{\"config\": \"tiny.json\", \"freeze\": \"\"}", "trainable"));
    ck_assert_str_eq(a, "464531456");
    refuses("{\"config\": \"tiny.json\", \"class\": \"\"}", 2, "does not describe the class ''");
    ck_assert_str_eq(field_of("{\"config\": \"tiny.json\"}", "class"), "\"LlamaForCausalLM\"");
    refuses("{\"config\": \"tiny.json\", \"optimizer\": \"\"}", 2, "unknown optimizer ''");
    ck_assert_str_ne(field_of("{\"config\": \"tiny.json\"}", "between_steps"), "");
}
END_TEST

START_TEST(without_a_folder)
{
    gpumem_batch *here;
    gpumem_text out = {0};
    char before[PATH_MAX];
    static const char line[] = "{\"config\": \"tiny.json\", \"mode\": \"inference\"}";
    ck_assert_ptr_nonnull(getcwd(before, sizeof before));
    ck_assert_int_eq(gpumem_batch_new(host, set, NULL, &here, NULL), GPUMEM_OK);
    ck_assert_int_eq(chdir(fixture_path(&f, "cases")), 0);
    ck_assert_int_eq(gpumem_batch_line(here, line, sizeof line - 1, &out), GPUMEM_OK);
    static const char expected[] = "{\"config\": \"tiny.json\", \"mode\": \"inference\", " MODEL_OF_ONE ", ";
    ck_assert_msg(strncmp(out.s, expected, sizeof expected - 1) == 0, "%s", out.s);
    gpumem_text_free(&out);
    gpumem_batch_free(here);
    ck_assert_int_eq(chdir(before), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("batch");
    TCase *c = tcase_create("batch");
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_test(c, one_line);
    tcase_add_test(c, whole_lines);
    tcase_add_test(c, what_is_echoed);
    tcase_add_test(c, nothing_is_guessed);
    tcase_add_test(c, keys_mean_something);
    tcase_add_test(c, paths);
    tcase_add_test(c, errors);
    tcase_add_test(c, keys_that_are_just_other);
    tcase_add_test(c, bytes_that_are_no_text);
    tcase_add_test(c, the_same_again);
    tcase_add_test(c, one_chunk_and_more);
    tcase_add_test(c, absent_is_not_empty);
    tcase_add_test(c, without_a_folder);
    suite_add_tcase(s, c);
    return run_suite(s);
}
