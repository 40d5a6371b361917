#include "plugin/manifest.h"

#include "../plugin/fixture.h"
#include "text/yaml.h"

static fixture f;
static gm_arena arena;
static void setup(void) { fixture_make(&f); }

static void teardown(void)
{
    fixture_remove(&f);
    gm_arena_free(&arena);
}

#define HEAD(kind) "gpumem: 1\nkind: " kind "\nid: x\nversion: 1.2.3\ntitle: T\n" /* five lines */

static gpumem_status read_text(gpumem_kind kind, const char *text, gm_manifest *out, gpumem_error *err)
{
    const char *place = kind >= GPUMEM_KIND_FAMILY ? "family/x.yaml" : "optimizer/x/manifest.yaml";
    char path[PATH_MAX];
    strcpy(path, fixture_write(&f, place, text));
    return gm_manifest_read(&arena, kind, "x", f.root, path, out, err);
}

static void read_good(gpumem_kind kind, const char *text, gm_manifest *out)
{
    gpumem_error err = {0};
    read_text(kind, text, out, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s:%u:%u: %s", err.file, err.line, err.column, err.message);
}

static void has_error(const gpumem_error *err, gpumem_status status, unsigned line, unsigned column, const char *message)
{
    ck_assert_msg(err->status == status, "status %d: %s", err->status, err->message);
    ck_assert_str_eq(err->message, message);
    ck_assert_msg(err->line == line && err->column == column, "%u:%u, not %u:%u: %s", err->line, err->column, line, column, message);
}

/* ---- good ones ------------------------------------------------------------------------------------------------------- */

START_TEST(everything)
{
    gm_manifest m;
    read_good(GPUMEM_KIND_PRECISION,
              HEAD("precision") "sources: [a, b]\nlibrary: x.so\n"
              "sha256: BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015ad\n"
              "params:\n  beta: {type: real, default: 1, min: 0, max: 1.5, help: a weight}\n  state: {type: string, values: [f32, bf16]}\n"
              "formats:\n  bf16: [{bits: 16}]\n  nf4: [{bits: 4}, {bits: 8, cols: 64}, {bits: 32, rows: 2, fixed: 4294967295}]\n",
              &m);
    ck_assert_str_eq(m.id, "x");
    ck_assert_str_eq(m.version, "1.2.3");
    ck_assert_str_eq(m.title, "T");
    ck_assert_str_eq(m.library, "x.so");
    ck_assert_str_eq(m.directory, f.root);
    ck_assert_str_eq(m.folder, fixture_path(&f, "optimizer/x"));
    ck_assert_str_eq(m.path, fixture_path(&f, "optimizer/x/manifest.yaml"));
    ck_assert_ptr_null(m.use);
    ck_assert_uint_eq(m.nsource, 2);
    ck_assert_uint_eq(m.nparam, 2);
    ck_assert_str_eq(m.param[0].key, "beta");
    ck_assert_str_eq(m.param[0].help, "a weight");
    ck_assert(m.param[0].has_min && m.param[0].has_max && m.param[0].max == 1.5);
    ck_assert_ptr_null(m.param[1].otherwise);
    ck_assert_uint_eq(m.param[1].line, 11);
    ck_assert_uint_eq(m.nformat, 2);
    ck_assert_str_eq(m.format[1].name, "nf4");
    ck_assert_uint_eq(m.format[1].npart, 3);
    ck_assert_uint_eq(m.format[1].part[1].cols, 64);
    ck_assert_uint_eq(m.format[1].part[1].rows, 1);
    ck_assert_uint_eq(m.format[1].part[2].fixed, UINT32_MAX);
}
END_TEST

START_TEST(over_another)
{
    gm_manifest m;
    read_good(GPUMEM_KIND_PRECISION, HEAD("precision") "use: base\nwith: {a: 1}\nformats: {f8: [{bits: 8}]}\n", &m);
    ck_assert_str_eq(m.use, "base");
    ck_assert_uint_eq(m.with->n, 1);
    ck_assert_uint_eq(m.nformat, 1);
    ck_assert_ptr_null(m.library);
}
END_TEST

START_TEST(of_each_kind)
{
    static const struct { gpumem_kind kind; const char *text; } good[] = {
        {GPUMEM_KIND_ARCHITECTURE, HEAD("architecture") "library: x.so\ncomponents: [one, two]\n"},
        {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "use: states\nimplementations: [fused, for-loop]\ntorch: for-loop\n"},
        {GPUMEM_KIND_ACTIVATION, HEAD("activation") "library: x.so\n"},
        {GPUMEM_KIND_FAMILY, HEAD("family") "like: llama\nlayer: [{use: add}]\n"},
        {GPUMEM_KIND_GPU, HEAD("gpu") "library: 7\n"},
        {GPUMEM_KIND_SET, HEAD("set") "rounding: 1\n"},
    };
    gm_manifest m;
    read_good(good[_i].kind, good[_i].text, &m);
    ck_assert_int_eq(m.kind, good[_i].kind);
    ck_assert_ptr_nonnull(m.root);
}
END_TEST

START_TEST(any_id)
{
    gm_manifest m;
    ck_assert_int_eq(gm_manifest_read(&arena, GPUMEM_KIND_SET, NULL, "", fixture_write(&f, "mine.yaml", HEAD("set")), &m, NULL), GPUMEM_OK);
    ck_assert_str_eq(m.id, "x");
    ck_assert_str_eq(m.folder, f.root);
}
END_TEST

/* ---- bad ones ---------------------------------------------------------------------------------------------------------- */

#define NONE HEAD("engine") "activations: none\n"
#define CHUNK HEAD("engine") "activations: chunk\nchunk: 512\ncache: {block: 256}\n"
#define LIBRARY HEAD("optimizer") "library: x.so\n" /* six lines */
#define PARAM(def) LIBRARY "params: {p: " def "}\n"  /* the definition is at 7:13 */

static const struct bad { gpumem_kind kind; const char *text; unsigned line, column; const char *message; } bads[] = {
    /* keys of all kinds */
    {GPUMEM_KIND_SET, "- 1\n", 1, 1, "expected mapping, not list"},
    {GPUMEM_KIND_SET, "gpumem: 2\nfuture: 1\n", 1, 9, "manifest format 2: this program reads 1"},
    {GPUMEM_KIND_SET, "gpumem: '1'\n", 1, 9, "gpumem: expected integer, not string"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: x\ntitle: T\n", 1, 1, "'version' is missing"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nversion: 1.0.0\ntitle: T\n", 1, 1, "'id' is missing"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: x\nversion: 1.0.0\n", 1, 1, "'title' is missing"},
    {GPUMEM_KIND_SET, "kind: set\nid: x\nversion: 1.0.0\ntitle: T\n", 1, 1, "'gpumem' is missing"},
    {GPUMEM_KIND_SET, HEAD("gpu"), 2, 7, "kind: 'gpu' where its place says 'set'"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: y\nversion: 1.0.0\ntitle: T\n", 3, 5, "id: 'y' where its place says 'x'"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: ../x\nversion: 1.0.0\ntitle: T\n", 3, 5,
     "id: '../x' cannot be an id: at most 64 letters, digits, '.', '_' and '-'"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: x\nversion: 1.0\ntitle: T\n", 4, 10, "version: expected string, not number"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: x\nversion: '1.0'\ntitle: T\n", 4, 10, "version: '1.0' is not of the form 1.2.3"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: x\nversion: 1.0.0-rc1\ntitle: T\n", 4, 10, "version: '1.0.0-rc1' is not of the form 1.2.3"},
    {GPUMEM_KIND_SET, "gpumem: 1\nkind: set\nid: x\nversion: 1.0.0\ntitle: \"a\\0b\"\n", 5, 8, "a string must not contain the character 0"},
    {GPUMEM_KIND_SET, HEAD("set") "sources: a\n", 6, 10, "sources: expected list, not string"},
    {GPUMEM_KIND_SET, HEAD("set") "sources: [a, 1]\n", 6, 14, "sources: expected string, not integer"},
    /* libraries */
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "librray: 1\n", 7, 1, "unknown key 'librray'"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "formats: {}\n", 7, 1, "unknown key 'formats'"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer"), 1, 1, "'library' or 'use' is missing"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "use: y\n", 7, 6, "use: a plugin has either 'library' or 'use', not both"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "library:\n", 6, 9, "library: expected string, not null"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "library: ../x.so\n", 6, 10, "library: '../x.so' is not the name of a file beside the manifest"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "library: lib/x.so\n", 6, 10, "library: 'lib/x.so' is not the name of a file beside the manifest"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "library: ''\n", 6, 10, "library: '' is not the name of a file beside the manifest"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "use: ../y\n", 6, 6, "use: '../y' cannot be an id"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "sha256: abc\n", 7, 9, "sha256: expected 64 hexadecimal digits"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "use: y\nsha256: abc\n", 7, 9, "sha256: only beside 'library'"},
    {GPUMEM_KIND_OPTIMIZER, HEAD("optimizer") "use: y\nparams: {}\n", 7, 9, "params: only beside 'library'"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "with: {}\n", 7, 7, "with: only beside 'use'"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "implementations: [fused, slow]\n", 7, 26, "implementations: 'slow' is not one of fused, foreach, for-loop"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "implementations: [fused, fused]\n", 7, 26, "implementations: 'fused' is there twice"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "implementations: []\n", 7, 18, "implementations: the list is empty"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "torch: slow\n", 7, 8, "torch: 'slow' is not one of fused, foreach, for-loop"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "implementations: [fused]\ntorch: foreach\n", 8, 8, "torch: 'foreach' is not one of fused"},
    {GPUMEM_KIND_ARCHITECTURE, HEAD("architecture") "library: x.so\n", 1, 1, "'components' is missing"},
    {GPUMEM_KIND_ARCHITECTURE, HEAD("architecture") "library: x.so\ncomponents: []\n", 7, 13, "components: the list is empty"},
    {GPUMEM_KIND_ARCHITECTURE, HEAD("architecture") "library: x.so\ncomponents: [a, a]\n", 7, 17, "components: 'a' is there twice"},
    {GPUMEM_KIND_ACTIVATION, HEAD("activation") "library: x.so\ncomponents: [a]\n", 7, 1, "unknown key 'components'"},
    /* params */
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "params: []\n", 7, 9, "params: expected mapping, not list"},
    {GPUMEM_KIND_OPTIMIZER, LIBRARY "params: {'a b': {type: int}}\n", 7, 10, "params: 'a b' cannot be the name of a parameter"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("1"), 7, 13, "params.p: expected mapping, not integer"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{}"), 7, 13, "params.p: 'type' is missing"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: float}"), 7, 20, "params.p.type: 'float' is not one of int, real, bool, string, ints, strings"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, defualt: 1}"), 7, 25, "params.p: unknown key 'defualt'"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, default: 1.5}"), 7, 34, "params.p: expected integer, not number"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, default: null}"), 7, 34, "params.p: expected integer, not null"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, nullable: 1}"), 7, 35, "params.p.nullable: expected boolean, not integer"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, default: 9, max: 8}"), 7, 34, "params.p: 9 is more than 8"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: real, default: 0.1, min: 0.5}"), 7, 35, "params.p: 0.1 is less than 0.5"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: real, default: .nan}"), 7, 35, "params.p: NaN is not a finite number"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, min: 2, max: 1}"), 7, 38, "params.p: max is less than min, 2"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, min: 0.5}"), 7, 30, "params.p.min: expected integer, not number"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: string, min: 1}"), 7, 33, "params.p.min: only numbers have a range, not string"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: string, values: [a, 1]}"), 7, 40, "params.p.values: expected string, not integer"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: string, values: []}"), 7, 36, "params.p.values: the list is empty"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: bool, values: [true]}"), 7, 34, "params.p.values: a bool has no list of values"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: int, max: 4, values: [5]}"), 7, 42, "params.p.values: 5 is more than 4"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: string, default: f23, values: [f32, bf16]}"), 7, 37, "params.p: 'f23' is not one of f32, bf16"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: ints, default: 1}"), 7, 35, "params.p: expected list, not integer"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: ints, default: [1, a]}"), 7, 39, "params.p: expected integer, not string"},
    {GPUMEM_KIND_OPTIMIZER, PARAM("{type: strings, default: [a, c], values: [a, b]}"), 7, 42, "params.p: 'c' is not one of a, b"},
    /* formats */
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: 8}\n", 7, 14, "formats.f: expected list, not integer"},
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: []}\n", 7, 14, "formats.f: expected 1 to 4 parts, not 0"},
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: [{bits: 1}, {bits: 1}, {bits: 1}, {bits: 1}, {bits: 1}]}\n", 7, 14,
     "formats.f: expected 1 to 4 parts, not 5"},
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: [{rows: 1}]}\n", 7, 15, "formats.f: 'bits' is missing"},
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: [{bits: 0}]}\n", 7, 22, "formats.f.bits: 0 is less than 1"},
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: [{bits: 8, cols: 4294967296}]}\n", 7, 31,
     "formats.f.cols: 4294967296 is more than 4294967295"},
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: [{bits: 8, fixed: -1}]}\n", 7, 32, "formats.f.fixed: -1 is less than 0"},
    {GPUMEM_KIND_PRECISION, HEAD("precision") "use: y\nformats: {f: [{bits: 8, row: 1}]}\n", 7, 25, "formats.f: unknown key 'row'"},
    /* engines */
    {GPUMEM_KIND_ENGINE, HEAD("engine"), 1, 1, "'activations' is missing"},
    {GPUMEM_KIND_ENGINE, HEAD("engine") "activations: some\n", 6, 14, "activations: 'some' is not one of walk, chunk, none"},
    {GPUMEM_KIND_ENGINE, HEAD("engine") "activations: none\n", 6, 14, "cache: expected {block: TOKENS}"},
    {GPUMEM_KIND_ENGINE, HEAD("engine") "activations: walk\ncache: {block: 1}\n", 7, 8, "cache: the walk makes the cache already"},
    {GPUMEM_KIND_ENGINE, HEAD("engine") "activations: chunk\n", 6, 14, "chunk: expected the number of tokens that run at once"},
    {GPUMEM_KIND_ENGINE, HEAD("engine") "activations: chunk\nchunk: 0\n", 7, 8, "chunk: expected the number of tokens that run at once"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {block: 0}\n", 7, 16, "cache.block: expected 1 to 1048576 tokens"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {block: 1, ahead: -1}\n", 7, 26, "cache.ahead: expected 0 to 1048576 tokens"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {block: 1, spare: 1}\n", 7, 26, "cache.spare: spare pages are those of windows: expected 'ahead' too"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {block: 1, ahead: 1, spare: 1025}\n", 7, 36, "cache.spare: expected 0 to 1024 pages"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {page: 1}\n", 7, 9, "cache: unknown key 'page'"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {block: 1}\nruntime: {driver: some}\n", 8, 19, "runtime: expected bytes"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {block: 1}\nutilization: 1.5\n", 8, 14, "utilization: expected a share of the GPU, above 0 and at most 1"},
    {GPUMEM_KIND_ENGINE, NONE "cache: {block: 1}\nrules: rules.txt\n", 8, 8, "rules: rules are those of a chunk: expected 'chunk' too"},
    {GPUMEM_KIND_ENGINE, CHUNK "rules: ../rules.txt\n", 9, 8, "rules: '../rules.txt' is not the name of a file beside the manifest"},
    {GPUMEM_KIND_ENGINE, CHUNK "rounding: 100\n", 9, 11, "rounding: expected a power of two, at most 2097152 bytes"},
    {GPUMEM_KIND_ENGINE, CHUNK "states: bf16\n", 9, 9, "states: 'bf16' is not one of f32"},
    {GPUMEM_KIND_ENGINE, CHUNK "vectors: f16\n", 9, 10, "vectors: 'f16' is not one of f32"},
};

START_TEST(refused)
{
    const struct bad *b = &bads[_i];
    gpumem_error err = {0};
    gm_manifest m;
    ck_assert_int_eq(read_text(b->kind, b->text, &m, &err), GPUMEM_EPLUGIN);
    has_error(&err, GPUMEM_EPLUGIN, b->line, b->column, b->message);
    ck_assert_str_eq(err.file, fixture_path(&f, b->kind >= GPUMEM_KIND_FAMILY ? "family/x.yaml" : "optimizer/x/manifest.yaml"));
    ck_assert_int_eq(read_text(b->kind, b->text, &m, NULL), GPUMEM_EPLUGIN);
}
END_TEST

START_TEST(not_yaml)
{
    static const char *const texts[] = {"", "a: [", "gpumem: 1\ngpumem: 1\n", "a: &b 1\n", "\xff\n"};
    gpumem_error err = {0};
    gm_manifest m;
    ck_assert_int_eq(read_text(GPUMEM_KIND_SET, texts[_i], &m, &err), GPUMEM_EPLUGIN);
    ck_assert_int_eq(err.status, GPUMEM_EPLUGIN);
    ck_assert_int_eq(read_text(GPUMEM_KIND_SET, texts[_i], &m, NULL), GPUMEM_EPLUGIN);
}
END_TEST

START_TEST(not_there)
{
    gpumem_error err = {0};
    gm_manifest m;
    ck_assert_int_eq(gm_manifest_read(&arena, GPUMEM_KIND_SET, "x", "", fixture_path(&f, "x.yaml"), &m, &err), GPUMEM_EIO);
}
END_TEST

START_TEST(suggestions)
{
    gpumem_error err = {0};
    gm_manifest m;
    read_text(GPUMEM_KIND_OPTIMIZER, LIBRARY "implementation: [fused]\n", &m, &err);
    ck_assert_uint_eq(err.ntip, 1);
    ck_assert_str_eq(err.tip[0], "did you mean implementations?");
}
END_TEST

/* ---- values --------------------------------------------------------------------------------------------------------------- */

static const char library[] = LIBRARY
    "params:\n"
    "  lr: {type: real, default: 0.5, min: 0, max: 1}\n"
    "  steps: {type: int}\n"
    "  on: {type: bool, default: true}\n"
    "  state: {type: string, default: f32, values: [f32, bf16, int8_block256]}\n"
    "  shape: {type: ints, default: [], nullable: true}\n"
    "  names: {type: strings, default: [a, b]}\n"
    "  cap: {type: int, default: null, nullable: true}\n";

static const gm_value *yaml(const char *text)
{
    gm_value *v = gm_arena_zero(&arena, 1, sizeof *v);
    gpumem_error err = {0};
    ck_assert_msg(gm_yaml_parse(&arena, "t", text, strlen(text), v, &err) == GPUMEM_OK, "%s", err.message);
    return v;
}

START_TEST(args_good)
{
    const gm_value *with[] = {yaml("{steps: 3, lr: 1}"), NULL, yaml("{steps: 4, shape: [1, 2], names: [], cap: 7}")};
    const char *file[] = {"a", NULL, "b"};
    gm_manifest m;
    gpumem_error err = {0};
    gpumem_param *p;
    uint32_t n;
    read_good(GPUMEM_KIND_OPTIMIZER, library, &m);
    ck_assert_msg(gm_manifest_args(&arena, &m, with, file, 3, &p, &n, &err) == GPUMEM_OK, "%s", err.message);
    ck_assert_uint_eq(n, 7);
    ck_assert_str_eq(p[0].key, "lr");
    ck_assert(p[0].type == GPUMEM_TYPE_REAL && p[0].v.r == 1.0);
    ck_assert(p[1].type == GPUMEM_TYPE_INT && p[1].v.i == 3);
    ck_assert(p[2].type == GPUMEM_TYPE_BOOL && p[2].v.b);
    ck_assert(p[3].type == GPUMEM_TYPE_STRING && strcmp(p[3].v.s, "f32") == 0);
    ck_assert(p[4].type == GPUMEM_TYPE_INTS && p[4].n == 2 && p[4].v.ints[1] == 2);
    ck_assert(p[5].type == GPUMEM_TYPE_STRINGS && p[5].n == 0 && p[5].v.strings);
    ck_assert(p[6].type == GPUMEM_TYPE_INT && p[6].v.i == 7);
}
END_TEST

START_TEST(args_default)
{
    const gm_value *with[] = {yaml("{steps: 3, shape: null}")};
    const char *file[] = {NULL};
    gm_manifest m;
    gpumem_param *p;
    uint32_t n;
    read_good(GPUMEM_KIND_OPTIMIZER, library, &m);
    ck_assert_int_eq(gm_manifest_args(&arena, &m, with, file, 1, &p, &n, NULL), GPUMEM_OK);
    ck_assert(p[0].v.r == 0.5);
    ck_assert_uint_eq(p[4].type, GPUMEM_TYPE_NULL);
    ck_assert(p[5].n == 2 && strcmp(p[5].v.strings[1], "b") == 0);
    ck_assert_uint_eq(p[6].type, GPUMEM_TYPE_NULL);
}
END_TEST

START_TEST(args_none)
{
    gm_manifest m;
    gpumem_param *p = NULL;
    uint32_t n = 1;
    read_good(GPUMEM_KIND_OPTIMIZER, LIBRARY, &m);
    ck_assert_int_eq(gm_manifest_args(&arena, &m, NULL, NULL, 0, &p, &n, NULL), GPUMEM_OK);
    ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(args_bad)
{
    static const struct { const char *with; unsigned line, column; const char *message; } bad[] = {
        {"{steps: 1, lr: a}", 1, 16, "parameter 'lr': expected integer or number, not string"},
        {"{steps: 1, lr: 2}", 1, 16, "parameter 'lr': 2 is more than 1"},
        {"{steps: 1.0}", 1, 9, "parameter 'steps': expected integer, not number"},
        {"{steps: null}", 1, 9, "parameter 'steps': expected integer, not null"},
        {"{steps: 1, on: 1}", 1, 16, "parameter 'on': expected boolean, not integer"},
        {"{steps: 1,\n state: f23}", 2, 9, "parameter 'state': 'f23' is not one of f32, bf16, int8_block256"},
        {"{steps: 1, shape: [a]}", 1, 20, "parameter 'shape': expected integer, not string"},
        {"{stepz: 1}", 1, 2, "optimizer 'x' has no parameter 'stepz'"},
        {"{lr: 1}", 1, 1, "parameter 'steps' of optimizer 'x' has no value"},
        {"[1]", 1, 1, "with: expected mapping, not list"},
    };
    const gm_value *with[] = {yaml(bad[_i].with)};
    const char *file[] = {"set.yaml"};
    gm_manifest m;
    gpumem_param *p;
    uint32_t n;
    gpumem_error err = {0};
    read_good(GPUMEM_KIND_OPTIMIZER, library, &m);
    ck_assert_int_eq(gm_manifest_args(&arena, &m, with, file, 1, &p, &n, &err), GPUMEM_EPLUGIN);
    has_error(&err, GPUMEM_EPLUGIN, bad[_i].line, bad[_i].column, bad[_i].message);
    ck_assert_str_eq(err.file, "set.yaml");
    if (_i == 7)
        ck_assert_str_eq(err.tip[0], "did you mean steps?");
}
END_TEST

START_TEST(args_of_person)
{
    const gm_value *with[] = {yaml("{steps: 1}"), yaml("{steps: a}")}; /* the second is checked too */
    const char *file[] = {"set.yaml", NULL};
    gm_manifest m;
    gpumem_param *p;
    uint32_t n;
    gpumem_error err = {0};
    read_good(GPUMEM_KIND_OPTIMIZER, library, &m);
    ck_assert_int_eq(gm_manifest_args(&arena, &m, with, file, 2, &p, &n, &err), GPUMEM_EINVAL);
    ck_assert_int_eq(err.status, GPUMEM_EINVAL);
    gpumem_error_clear(&err);
    ck_assert_int_eq(gm_manifest_with(&m, yaml("{lr: 1}"), NULL, &err), GPUMEM_OK); /* steps may come from elsewhere */
    ck_assert_int_eq(gm_manifest_args(&arena, &m, NULL, NULL, 0, &p, &n, &err), GPUMEM_EPLUGIN);
    has_error(&err, GPUMEM_EPLUGIN, 9, 3, "parameter 'steps' of optimizer 'x' has no value");
    ck_assert_str_eq(err.file, m.path);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

int main(void)
{
    Suite *suite = suite_create("manifest");
    TCase *tests = tcase_create("manifest");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, everything);
    tcase_add_test(tests, over_another);
    tcase_add_loop_test(tests, of_each_kind, 0, 6);
    tcase_add_test(tests, any_id);
    tcase_add_loop_test(tests, refused, 0, COUNT(bads));
    tcase_add_loop_test(tests, not_yaml, 0, 5);
    tcase_add_test(tests, not_there);
    tcase_add_test(tests, suggestions);
    tcase_add_test(tests, args_good);
    tcase_add_test(tests, args_default);
    tcase_add_test(tests, args_none);
    tcase_add_loop_test(tests, args_bad, 0, 10);
    tcase_add_test(tests, args_of_person);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
