#include "plugin/registry.h"

#include "../plugin/fixture.h"
#include "plugin/library.h"
#include "plugin/trust.h"

static fixture f;
static gm_registry *registry;

static gm_registry *registry_over(size_t n, const char *const *directories)
{
    gpumem_host_options options = {.plugin_dir = directories, .nplugin_dir = n, .no_environment = true};
    gpumem_error err = {0};
    gm_registry *r;
    gm_registry_new(&options, &r, &err);
    ck_assert_msg(err.status == GPUMEM_OK, "%s: %s", err.file, err.message);
    return r;
}

static void setup(void)
{
    const char *root = f.root;
    fixture_make(&f);
    registry = registry_over(1, &root);
}

static void teardown(void)
{
    gm_registry_free(registry);
    fixture_remove(&f);
}

static void optimizer(const char *id, const char *rest)
{
    char name[128];
    snprintf(name, sizeof name, "optimizer/%s/manifest.yaml", id);
    fixture_manifest(&f, name, "optimizer", id, rest);
}

static void is_error(const gpumem_error *err, gpumem_status status, const char *place, const char *message)
{
    ck_assert_msg(err->status == status, "status %d: %s: %s", err->status, err->file, err->message);
    ck_assert_str_eq(err->file, *place ? fixture_path(&f, place) : "");
    ck_assert_msg(strstr(err->message, message) != NULL, "'%s' is not in '%s'", message, err->message);
}

/* Finds a plugin and opens its library. */
static gpumem_status open_id(gpumem_kind kind, const char *id, gpumem_error *err)
{
    const gm_manifest *m;
    const gpumem_plugin *entry;
    gpumem_status status = gm_registry_find(registry, kind, id, &m, err);
    return status == GPUMEM_OK ? gm_registry_entry(registry, m, &entry, err) : status;
}

/* ---- names --------------------------------------------------------------------------------------------------------------- */

START_TEST(kinds)
{
    for (int kind = 1; kind < GPUMEM_KIND_END; kind++)
        ck_assert_int_eq(gpumem_kind_from(gpumem_kind_name((gpumem_kind)kind)), kind);
    ck_assert_ptr_null(gpumem_kind_name((gpumem_kind)0));
    ck_assert_ptr_null(gpumem_kind_name(GPUMEM_KIND_END));
    ck_assert_int_eq(gpumem_kind_from("optimisers"), 0);
    ck_assert_int_eq(gpumem_kind_from(NULL), 0);
    ck_assert(gm_kind_is_folder(GPUMEM_KIND_PRECISION) && !gm_kind_is_folder(GPUMEM_KIND_FAMILY));
}
END_TEST

START_TEST(ids)
{
    char id[66];
    memset(id, 'a', 65);
    id[65] = '\0';
    ck_assert(!gm_id_valid(id) && gm_id_valid(id + 1));
    ck_assert(gm_id_valid("adamw-8bit") && gm_id_valid("4090") && gm_id_valid("a.b_c"));
    ck_assert(!gm_id_valid("") && !gm_id_valid(NULL) && !gm_id_valid(".") && !gm_id_valid("../x") && !gm_id_valid("a/b"));
    ck_assert(!gm_id_valid("-x") && !gm_id_valid("a b") && !gm_id_valid("\xc3\xa4"));
}
END_TEST

/* ---- directories ----------------------------------------------------------------------------------------------------------- */

START_TEST(order)
{
    char path[5][PATH_MAX], list[4 * PATH_MAX];
    static const char *const made[] = {"given", "first", "second", "data/gpumem", "home/.local/share/gpumem"};
    const char *given[3] = {path[0], path[0], "/"};
    gpumem_host_options options = {.plugin_dir = given, .nplugin_dir = 3};
    const char *const *directory;
    gm_registry *r;
    for (int i = 0; i < 5; i++) {
        fixture_place(&f, made[i]);
        ck_assert_int_eq(mkdir(f.path, 0755), 0);
        strcpy(path[i], f.path);
    }
    snprintf(list, sizeof list, "::given:.:%s/:%s/none:%s:%s/../first", path[1], f.root, path[2], path[2]);
    setenv("GPUMEM_PLUGIN_PATH", list, 1);
    setenv("XDG_DATA_HOME", fixture_path(&f, "data"), 1);
    setenv("HOME", fixture_path(&f, "home"), 1);
    ck_assert_int_eq(chdir(f.root), 0); /* where `given` and `.` would be found */
    ck_assert_int_eq(gm_registry_new(&options, &r, NULL), GPUMEM_OK);
    ck_assert_uint_ge(gm_registry_directories(r, &directory), 5);
    ck_assert_str_eq(directory[0], path[0]);
    ck_assert_str_eq(directory[1], "/");
    ck_assert_str_eq(directory[2], path[1]);
    ck_assert_str_eq(directory[3], path[2]);
    ck_assert_str_eq(directory[4], path[3]);
    gm_registry_free(r);
    setenv("XDG_DATA_HOME", "relative", 1);
    ck_assert_int_eq(gm_registry_new(&options, &r, NULL), GPUMEM_OK);
    ck_assert_uint_ge(gm_registry_directories(r, &directory), 5);
    ck_assert_str_eq(directory[4], path[4]);
    gm_registry_free(r);
    options.no_environment = true;
    ck_assert_int_eq(gm_registry_new(&options, &r, NULL), GPUMEM_OK);
    ck_assert_uint_le(gm_registry_directories(r, &directory), 4); /* two given, two installed */
    gm_registry_free(r);
    ck_assert_int_eq(gm_registry_new(NULL, &r, NULL), GPUMEM_OK);
    gm_registry_free(r);
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(given_must_exist)
{
    char path[PATH_MAX];
    const char *given = path;
    gpumem_host_options options = {.plugin_dir = &given, .nplugin_dir = 1};
    gm_registry *r = registry;
    gpumem_error err = {0};
    strcpy(path, fixture_path(&f, "none"));
    ck_assert_int_eq(gm_registry_new(&options, &r, &err), GPUMEM_EUNKNOWN);
    ck_assert_ptr_null(r);
    is_error(&err, GPUMEM_EUNKNOWN, "none", "the plugin directory does not exist");
    gpumem_error_clear(&err);
    strcpy(path, fixture_write(&f, "file", ""));
    ck_assert_int_eq(gm_registry_new(&options, &r, &err), GPUMEM_EUNKNOWN);
    is_error(&err, GPUMEM_EUNKNOWN, "file", "is not a directory");
}
END_TEST

START_TEST(home)
{
    char where[PATH_MAX], program[PATH_MAX];
    bool is_program = false;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    ck_assert_int_gt(n, 0);
    program[n] = '\0';
    *strrchr(program, '/') = '\0';
    ck_assert_int_eq(gm_library_home(where, sizeof where, &is_program), GPUMEM_OK);
    ck_assert(is_program);
    ck_assert_str_eq(where, program);
    ck_assert_int_eq(gm_library_home(where, 2, &is_program), GPUMEM_ERANGE);
}
END_TEST

START_TEST(data_files)
{
    fixture_write(&f, "model/a--b.json", "{}");
    ck_assert_str_eq(gm_registry_data(registry, "model", "a--b.json"), fixture_path(&f, "model/a--b.json"));
    ck_assert_ptr_null(gm_registry_data(registry, "model", "none.json"));
    ck_assert_ptr_null(gm_registry_data(registry, "model", "../model/a--b.json"));
    ck_assert_ptr_null(gm_registry_data(registry, "..", "a--b.json"));
    ck_assert_ptr_null(gm_registry_data(registry, "model", ""));
}
END_TEST

/* ---- finding ---------------------------------------------------------------------------------------------------------------- */

START_TEST(found_once)
{
    const gm_manifest *a, *b;
    char name[64];
    optimizer("adamw", "use: states\n");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "adamw", &a, NULL), GPUMEM_OK);
    ck_assert_int_eq(remove(fixture_path(&f, "optimizer/adamw/manifest.yaml")), 0);
    for (int i = 0; i < 500; i++) { /* the table grows */
        snprintf(name, sizeof name, "none%d", i);
        ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, name, &b, NULL), GPUMEM_EUNKNOWN);
        ck_assert_ptr_null(b);
    }
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "adamw", &b, NULL), GPUMEM_OK);
    ck_assert_ptr_eq(a, b);
    optimizer("none7", "use: states\n");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "none7", &b, NULL), GPUMEM_EUNKNOWN);
}
END_TEST

START_TEST(not_found)
{
    const gm_manifest *m;
    optimizer("adamw", "use: states\n");
    optimizer("adam", "use: states\n");
    optimizer("sgd", "use: states\n");
    for (int again = 0; again < 2; again++) {
        gpumem_error err = {0};
        ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "adamww", &m, &err), GPUMEM_EUNKNOWN);
        is_error(&err, GPUMEM_EUNKNOWN, "", "unknown optimizer 'adamww'");
        ck_assert_str_eq(err.tip[0], "did you mean adamw or adam?");
        ck_assert_str_eq(err.tip[1], "gpumem plugin list --kind optimizer shows those known");
    }
}
END_TEST

START_TEST(no_family)
{
    const gm_manifest *m;
    gpumem_error err = {0};
    fixture_manifest(&f, "family/llama.yaml", "family", "llama", "");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_FAMILY, "llama", &m, NULL), GPUMEM_OK);
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_FAMILY, "lama", &m, &err), GPUMEM_EMODEL);
    is_error(&err, GPUMEM_EMODEL, "", "unknown family 'lama'");
    ck_assert_str_eq(err.tip[0], "did you mean llama?");
    ck_assert_ptr_nonnull(strstr(err.tip[1], "family/NAME.yaml"));
}
END_TEST

START_TEST(no_id)
{
    static const char *const bad[] = {"", "../adamw", "/etc/passwd", "a/b", "adamw\n", ".", NULL};
    const gm_manifest *m;
    gpumem_error err = {0};
    optimizer("adamw", "use: states\n");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, bad[_i], &m, &err), GPUMEM_EUNKNOWN);
    ck_assert_int_eq(gm_registry_find(registry, (gpumem_kind)0, "x", &m, NULL), GPUMEM_EINVAL);
}
END_TEST

START_TEST(bad_places)
{
    const gm_manifest *m;
    gpumem_error err = {0};
    fixture_write(&f, "optimizer/empty/README", "");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "empty", &m, &err), GPUMEM_EPLUGIN);
    is_error(&err, GPUMEM_EPLUGIN, "optimizer/empty/manifest.yaml", "optimizer 'empty' has no manifest");
    gpumem_error_clear(&err);
    optimizer("two", "use: states\n");
    fixture_manifest(&f, "optimizer/two.yaml", "optimizer", "two", "use: states\n");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "two", &m, &err), GPUMEM_EPLUGIN);
    is_error(&err, GPUMEM_EPLUGIN, "optimizer/two/manifest.yaml", "optimizer 'two' is there twice");
    gpumem_error_clear(&err);
    fixture_write(&f, "family/folder.yaml/x", "");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_FAMILY, "folder", &m, &err), GPUMEM_EPLUGIN);
    gpumem_error_clear(&err);
    fixture_manifest(&f, "optimizer/moved/manifest.yaml", "optimizer", "original", "use: states\n");
    for (int again = 0; again < 2; again++) {
        ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "moved", &m, &err), GPUMEM_EPLUGIN);
        is_error(&err, GPUMEM_EPLUGIN, "optimizer/moved/manifest.yaml", "id: 'original' where its place says 'moved'");
        gpumem_error_clear(&err);
    }
}
END_TEST

START_TEST(by_path)
{
    const gm_manifest *a, *b;
    char path[PATH_MAX];
    gpumem_error err = {0};
    strcpy(path, fixture_manifest(&f, "my.yaml", "set", "mine", ""));
    ck_assert_int_eq(gm_registry_read(registry, GPUMEM_KIND_SET, path, &a, NULL), GPUMEM_OK);
    ck_assert_int_eq(gm_registry_read(registry, GPUMEM_KIND_SET, path, &b, NULL), GPUMEM_OK);
    ck_assert_ptr_eq(a, b);
    ck_assert_str_eq(a->id, "mine");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_SET, "mine", &b, NULL), GPUMEM_EUNKNOWN);
    ck_assert_int_eq(gm_registry_read(registry, GPUMEM_KIND_SET, fixture_path(&f, "none.yaml"), &b, &err), GPUMEM_EIO);
    is_error(&err, GPUMEM_EIO, "none.yaml", "");
}
END_TEST

START_TEST(all_ids)
{
    gm_arena arena = {0};
    const char **id;
    size_t n;
    optimizer("b", "use: states\n");
    optimizer("a", "broken: true\n"); /* not read */
    fixture_write(&f, "optimizer/README.md", "");
    fixture_write(&f, "optimizer/empty/x", "");
    ck_assert_int_eq(gm_registry_ids(registry, &arena, GPUMEM_KIND_OPTIMIZER, &id, &n, NULL), GPUMEM_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert_str_eq(id[0], "a");
    ck_assert_str_eq(id[1], "b");
    ck_assert_int_eq(gm_registry_ids(registry, &arena, GPUMEM_KIND_SET, &id, &n, NULL), GPUMEM_OK);
    ck_assert_uint_eq(n, 0);
    gm_arena_free(&arena);
}
END_TEST

/* ---- libraries -------------------------------------------------------------------------------------------------------------- */

/* One way to be wrong.  message NULL: it is good.  The error is of the library, KIND/broken/x.so. */
static const struct way { const char *what; gpumem_kind kind; const char *message; } ways[] = {
    {"good", GPUMEM_KIND_OPTIMIZER, NULL},
    {"good_architecture", GPUMEM_KIND_ARCHITECTURE, NULL},
    {"good_precision", GPUMEM_KIND_PRECISION, NULL},
    {"good_activation", GPUMEM_KIND_ACTIVATION, NULL},
    {"big_entry", GPUMEM_KIND_OPTIMIZER, NULL},
    {"bad_magic", GPUMEM_KIND_OPTIMIZER, "does not start with the magic number"},
    {"abi_new", GPUMEM_KIND_OPTIMIZER, "ABI level 2, this program knows 1"},
    {"abi_zero", GPUMEM_KIND_OPTIMIZER, "ABI level 0, this program knows 1"},
    {"short_entry", GPUMEM_KIND_OPTIMIZER, "'gpumem_entry' has 24 bytes, level 1 has "},
    {"wrong_kind", GPUMEM_KIND_OPTIMIZER, "the library is of kind 'precision'"},
    {"good", GPUMEM_KIND_PRECISION, "the library is of kind 'optimizer'"},
    {"wrong_id", GPUMEM_KIND_OPTIMIZER, "the library's id is 'other'"},
    {"null_id", GPUMEM_KIND_OPTIMIZER, "the library's id is ''"},
    {"wrong_version", GPUMEM_KIND_OPTIMIZER, "the library has version '1.0.1', its manifest 1.0.0"},
    {"no_entry", GPUMEM_KIND_OPTIMIZER, "does not export 'gpumem_entry'"},
    {"borrowed_entry", GPUMEM_KIND_OPTIMIZER, "does not export 'gpumem_entry'"},
    {"undefined_symbol", GPUMEM_KIND_OPTIMIZER, "nobody_has_this_function"},
    {"null_ops", GPUMEM_KIND_OPTIMIZER, "its table of functions is missing"},
    {"small_table", GPUMEM_KIND_OPTIMIZER, "its table of functions has 8 bytes"},
    {"huge_table", GPUMEM_KIND_OPTIMIZER, "its table of functions has "},
    {"null_account", GPUMEM_KIND_OPTIMIZER, "its function 'account' is missing"},
    {"null_assign", GPUMEM_KIND_PRECISION, "its function 'assign' is missing"},
    {"null_rule", GPUMEM_KIND_ACTIVATION, "its function 'account' is missing"},
    {"component_name", GPUMEM_KIND_ARCHITECTURE, "component 'one' of the manifest is 'two' in the library"},
    {"component_count", GPUMEM_KIND_ARCHITECTURE, "the manifest names 1 components, the library has 7"},
    {"null_describe", GPUMEM_KIND_ARCHITECTURE, "component 'one' has no function"},
    {"too_many_inputs", GPUMEM_KIND_ARCHITECTURE, "component 'one' has 9 input ports, at most 8 are possible"},
    {"too_many_outputs", GPUMEM_KIND_ARCHITECTURE, "component 'one' has 9 output ports, at most 8 are possible"},
    {"null_ports", GPUMEM_KIND_ARCHITECTURE, "component 'one' does not name its input ports"},
    {"null_port_name", GPUMEM_KIND_ARCHITECTURE, "component 'one': output port 0 has no name"},
    {"param_type", GPUMEM_KIND_ARCHITECTURE, "component 'one': parameter 'size' has the unknown type 9"},
    {"null_param_key", GPUMEM_KIND_ARCHITECTURE, "component 'one': parameter 0 has no name"},
    {"too_many_params", GPUMEM_KIND_ARCHITECTURE, "component 'one' has a bad table of 100000 parameters"},
};

static void make_way(const struct way *w, char place[128])
{
    bool architecture = w->kind == GPUMEM_KIND_ARCHITECTURE;
    snprintf(place, 128, "%s/broken/manifest.yaml", gpumem_kind_name(w->kind));
    fixture_manifest(&f, place, gpumem_kind_name(w->kind), "broken", architecture ? "library: x.so\ncomponents: [one]\n" : "library: x.so\n");
    snprintf(place, 128, "%s/broken/x.so", gpumem_kind_name(w->kind));
    fixture_library(&f, place, w->what);
}

START_TEST(libraries)
{
    const struct way *w = &ways[_i];
    char place[128], whole[256];
    make_way(w, place);
    for (int again = 0; again < 2; again++) {
        gpumem_error err = {0};
        open_id(w->kind, "broken", &err);
        if (!w->message) {
            ck_assert_msg(err.status == GPUMEM_OK, "%s: %s", err.file, err.message);
            continue;
        }
        snprintf(whole, sizeof whole, "%s 'broken': ", gpumem_kind_name(w->kind));
        is_error(&err, GPUMEM_EPLUGIN, place, w->message);
        ck_assert_int_eq(strncmp(err.message, whole, strlen(whole)), 0);
        ck_assert_int_eq(open_id(w->kind, "broken", NULL), GPUMEM_EPLUGIN);
    }
}
END_TEST

START_TEST(library_files)
{
    static const struct { const char *text, *message; } bad[] = {
        {NULL, "no such file"},
        {"", "optimizer 'broken': not a shared object"},
        {"This is no library.\n", "optimizer 'broken': not a shared object"},
        {"\177ELF and no more", "optimizer 'broken': "},
    };
    gpumem_error err = {0};
    optimizer("broken", "library: x.so\n");
    if (bad[_i].text)
        fixture_write(&f, "optimizer/broken/x.so", bad[_i].text);
    open_id(GPUMEM_KIND_OPTIMIZER, "broken", &err);
    is_error(&err, GPUMEM_EPLUGIN, "optimizer/broken/x.so", bad[_i].message);
}
END_TEST

START_TEST(library_trust)
{
    gpumem_error err = {0};
    optimizer("broken", "library: x.so\n");
    fixture_library(&f, "optimizer/broken/x.so", "good");
    ck_assert_int_eq(chmod(f.path, 0666), 0);
    open_id(GPUMEM_KIND_OPTIMIZER, "broken", &err);
    is_error(&err, GPUMEM_EPLUGIN, "optimizer/broken/x.so", "is writable by ");
}
END_TEST

START_TEST(library_linked)
{
    char target[PATH_MAX];
    gpumem_error err = {0};
    optimizer("broken", "library: x.so\n");
    strcpy(target, fixture_library(&f, "real.so", "good"));
    ck_assert_int_eq(symlink(target, fixture_path(&f, "optimizer/broken/x.so")), 0);
    open_id(GPUMEM_KIND_OPTIMIZER, "broken", &err);
    is_error(&err, GPUMEM_EPLUGIN, "optimizer/broken/x.so", "is a symbolic link");
}
END_TEST

START_TEST(folder_linked)
{
    char target[PATH_MAX];
    gpumem_error err = {0};
    fixture_manifest(&f, "real/manifest.yaml", "optimizer", "broken", "library: x.so\n");
    fixture_library(&f, "real/x.so", "good");
    strcpy(target, fixture_path(&f, "real"));
    ck_assert_int_eq(symlink(target, (mkdir(fixture_path(&f, "optimizer"), 0755), fixture_path(&f, "optimizer/broken"))), 0);
    open_id(GPUMEM_KIND_OPTIMIZER, "broken", &err);
    is_error(&err, GPUMEM_EPLUGIN, "optimizer/broken", "is a symbolic link");
}
END_TEST

START_TEST(library_digest)
{
    static char data[1 << 20];
    unsigned char digest[32];
    char rest[256] = "library: x.so\nsha256: '";
    gpumem_error err = {0};
    FILE *file = fopen(fixture_library(&f, "optimizer/broken/x.so", "good"), "rb");
    gm_sha256(data, fread(data, 1, sizeof data, file), digest);
    fclose(file);
    digest[31] ^= _i & 1;
    for (int i = 0; i < 32; i++)
        sprintf(rest + strlen(rest), "%02x", digest[i]);
    optimizer("broken", strcat(rest, "'\n"));
    open_id(GPUMEM_KIND_OPTIMIZER, "broken", &err);
    if (_i)
        is_error(&err, GPUMEM_EPLUGIN, "optimizer/broken/x.so", "its SHA-256 is");
    else
        ck_assert_msg(err.status == GPUMEM_OK, "%s", err.message);
}
END_TEST

/* ---- plugins over others ------------------------------------------------------------------------------------------------------ */

START_TEST(over_another)
{
    const gm_manifest *m, *base;
    const gpumem_plugin *entry, *again;
    optimizer("broken", "library: x.so\nparams: {p: {type: int}}\n");
    optimizer("data", "use: broken\nwith: {p: 1}\n");
    fixture_library(&f, "optimizer/broken/x.so", "good");
    ck_assert_int_eq(gm_registry_find(registry, GPUMEM_KIND_OPTIMIZER, "data", &m, NULL), GPUMEM_OK);
    ck_assert_int_eq(gm_registry_base(registry, m, &base, NULL), GPUMEM_OK);
    ck_assert_str_eq(base->id, "broken");
    ck_assert_int_eq(gm_registry_entry(registry, m, &entry, NULL), GPUMEM_OK);
    ck_assert_int_eq(gm_registry_entry(registry, base, &again, NULL), GPUMEM_OK);
    ck_assert_ptr_eq(entry, again);
    ck_assert_str_eq(entry->id, "broken");
}
END_TEST

START_TEST(over_nothing)
{
    static const struct { const char *use, *message; } bad[] = {
        {"use: brokn\n", "use: unknown optimizer 'brokn'"},
        {"use: other\n", "use: optimizer 'other' has no library itself"},
        {"use: data\n", "use: optimizer 'data' has no library itself"},
    };
    gpumem_error err = {0};
    optimizer("broken", "library: x.so\n");
    optimizer("other", "use: broken\n");
    optimizer("data", bad[_i].use);
    open_id(GPUMEM_KIND_OPTIMIZER, "data", &err);
    is_error(&err, GPUMEM_EPLUGIN, "optimizer/data/manifest.yaml", bad[_i].message);
    ck_assert(err.line == 6 && err.column == 6);
    if (_i == 0)
        ck_assert_str_eq(err.tip[0], "did you mean broken?");
}
END_TEST

START_TEST(no_library)
{
    gpumem_error err = {0};
    fixture_manifest(&f, "set/s.yaml", "set", "s", "");
    ck_assert_int_eq(open_id(GPUMEM_KIND_SET, "s", &err), GPUMEM_EPLUGIN);
    is_error(&err, GPUMEM_EPLUGIN, "set/s.yaml", "set 's' has no library");
}
END_TEST

/* ---- all candidates ---------------------------------------------------------------------------------------------------------------- */

typedef struct list { char text[2048]; int stop; } list;

static int note(void *self, const gpumem_candidate *c)
{
    list *l = self;
    size_t n = strlen(l->text);
    snprintf(l->text + n, sizeof l->text - n, "%s/%s %s%s%s%s%s: %s\n", gpumem_kind_name(c->kind), c->id, c->version,
             c->library ? " library" : "", c->use ? " use " : "", c->use ? c->use : "", c->shadowed ? " shadowed" : "", c->error.message);
    return --l->stop == 0;
}

START_TEST(each)
{
    list l = {0};
    optimizer("broken", "library: x.so\nparams: {p: {type: int, max: 3}}\n");
    fixture_library(&f, "optimizer/broken/x.so", "good");
    optimizer("above", "use: broken\nwith: {p: 4}\n");
    optimizer("data", "use: broken\n"); /* p can come from a set */
    optimizer("lost", "use: nothing\n");
    optimizer("two", "use: broken\n");
    fixture_write(&f, "optimizer/two.yaml", "");
    fixture_write(&f, "optimizer/empty/x", "");
    fixture_write(&f, "optimizer/bad name/manifest.yaml", "");
    fixture_write(&f, "optimizer/not a plugin/x", "");
    fixture_write(&f, "optimizer/.hidden/manifest.yaml", "");
    fixture_write(&f, "optimizer/README.md", "");
    ck_assert_int_eq(gm_registry_each(registry, GPUMEM_KIND_OPTIMIZER, note, &l, NULL), GPUMEM_OK);
    ck_assert_str_eq(l.text, "optimizer/above 1.0.0 use broken: parameter 'p': 4 is more than 3\n"
                             "optimizer/bad name : 'bad name' cannot be an id: at most 64 letters, digits, '.', '_' and '-'\n"
                             "optimizer/broken 1.0.0 library: \n"
                             "optimizer/data 1.0.0 use broken: \n"
                             "optimizer/empty : optimizer 'empty' has no manifest\n"
                             "optimizer/lost 1.0.0 use nothing: use: unknown optimizer 'nothing'\n"
                             "optimizer/two : optimizer 'two' is there twice: as a folder and as two.yaml\n");
}
END_TEST

START_TEST(each_of_all)
{
    list l = {0};
    fixture_manifest(&f, "family/llama.yaml", "family", "llama", "");
    fixture_manifest(&f, "family/mistral.yaml", "family", "mistral", "like: llama\n");
    fixture_manifest(&f, "family/lost.yaml", "family", "lost", "like: lama\n");
    fixture_manifest(&f, "set/s.yaml", "set", "s", "");
    fixture_write(&f, "set/not a set", "");
    fixture_write(&f, "set/.yaml", "");
    fixture_write(&f, "family/README.md", "");
    ck_assert_int_eq(gm_registry_each(registry, (gpumem_kind)0, note, &l, NULL), GPUMEM_OK);
    ck_assert_str_eq(l.text, "family/llama 1.0.0: \nfamily/lost 1.0.0 use lama: like: unknown family 'lama'\nfamily/mistral 1.0.0 use llama: \nset/s 1.0.0: \n");
    l = (list){.stop = 2};
    ck_assert_int_eq(gm_registry_each(registry, (gpumem_kind)0, note, &l, NULL), GPUMEM_OK);
    ck_assert_str_eq(l.text, "family/llama 1.0.0: \nfamily/lost 1.0.0 use lama: like: unknown family 'lama'\n");
    ck_assert_int_eq(gm_registry_each(registry, (gpumem_kind)99, note, &l, NULL), GPUMEM_EINVAL);
}
END_TEST

START_TEST(shadowing)
{
    char path[2][PATH_MAX];
    const char *directories[] = {path[0], path[1]};
    const gm_manifest *m;
    gpumem_error err = {0};
    list l = {0};
    gm_registry *r;
    fixture_manifest(&f, "one/set/a.yaml", "set", "a", "");
    fixture_manifest(&f, "one/set/b.yaml", "set", "wrong", "");
    fixture_manifest(&f, "two/set/a.yaml", "set", "a", "");
    fixture_manifest(&f, "two/set/b.yaml", "set", "b", "");
    fixture_manifest(&f, "two/set/c.yaml", "set", "c", "");
    strcpy(path[0], fixture_path(&f, "one"));
    strcpy(path[1], fixture_path(&f, "two"));
    r = registry_over(2, directories);
    ck_assert_int_eq(gm_registry_each(r, GPUMEM_KIND_SET, note, &l, NULL), GPUMEM_OK);
    ck_assert_str_eq(l.text, "set/a 1.0.0: \nset/b : id: 'wrong' where its place says 'b'\n"
                             "set/a 1.0.0 shadowed: \nset/b 1.0.0 shadowed: \nset/c 1.0.0: \n");
    ck_assert_int_eq(gm_registry_find(r, GPUMEM_KIND_SET, "a", &m, NULL), GPUMEM_OK);
    ck_assert_str_eq(m->directory, path[0]);
    ck_assert_int_eq(gm_registry_find(r, GPUMEM_KIND_SET, "c", &m, NULL), GPUMEM_OK);
    ck_assert_str_eq(m->directory, path[1]);
    gm_registry_find(r, GPUMEM_KIND_SET, "b", &m, &err); /* a bad one is not passed over */
    is_error(&err, GPUMEM_EPLUGIN, "one/set/b.yaml", "id: 'wrong'");
    gm_registry_free(r);
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof *(a))

int main(void)
{
    Suite *suite = suite_create("registry");
    TCase *tests = tcase_create("registry");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, kinds);
    tcase_add_test(tests, ids);
    tcase_add_test(tests, order);
    tcase_add_test(tests, given_must_exist);
    tcase_add_test(tests, home);
    tcase_add_test(tests, data_files);
    tcase_add_test(tests, found_once);
    tcase_add_test(tests, not_found);
    tcase_add_test(tests, no_family);
    tcase_add_loop_test(tests, no_id, 0, 7);
    tcase_add_test(tests, bad_places);
    tcase_add_test(tests, by_path);
    tcase_add_test(tests, all_ids);
    tcase_add_loop_test(tests, libraries, 0, COUNT(ways));
    tcase_add_loop_test(tests, library_files, 0, 4);
    tcase_add_test(tests, library_trust);
    tcase_add_test(tests, library_linked);
    tcase_add_test(tests, folder_linked);
    tcase_add_loop_test(tests, library_digest, 0, 2);
    tcase_add_test(tests, over_another);
    tcase_add_loop_test(tests, over_nothing, 0, 3);
    tcase_add_test(tests, no_library);
    tcase_add_test(tests, each);
    tcase_add_test(tests, each_of_all);
    tcase_add_test(tests, shadowing);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
