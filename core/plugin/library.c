#include "plugin/library.h"

#include "plugin/trust.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#define MAX_TABLE 65536 /* a larger `size` of a table is not a size */
#define MAX_PARAMS 256

typedef struct check {
    const gm_manifest *manifest;
    const char *path; /* of the library */
    gpumem_error *err;
} check;

static gpumem_status refuse(const check *c, const char *format, ...) GPUMEM_PRINTF(2, 3);
static gpumem_status refuse(const check *c, const char *format, ...)
{
    char why[400];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    return gm_fail(c->err, GPUMEM_EPLUGIN, c->path, 0, 0, "%s '%s': %s", gpumem_kind_name(c->manifest->kind), c->manifest->id, why);
}

/* ---- tables of the kinds -------------------------------------------------------------------------------------------- */

static gpumem_status check_params(const check *c, const gpumem_component *k)
{
    if (k->nparam > MAX_PARAMS || (k->nparam && !k->param))
        return refuse(c, "component '%s' has a bad table of %u parameters", k->name, k->nparam);
    for (uint32_t i = 0; i < k->nparam; i++) {
        const gpumem_paramdef *p = &k->param[i];
        if (!p->key || !*p->key)
            return refuse(c, "component '%s': parameter %u has no name", k->name, i);
        if (p->type < GPUMEM_TYPE_INT || p->type > GPUMEM_TYPE_STRINGS)
            return refuse(c, "component '%s': parameter '%s' has the unknown type %u", k->name, p->key, p->type);
    }
    return GPUMEM_OK;
}

static gpumem_status check_ports(const check *c, const gpumem_component *k, const char *which, uint32_t n, const char *const *port)
{
    if (n > GPUMEM_MAX_PORTS)
        return refuse(c, "component '%s' has %u %s ports, at most %d are possible", k->name, n, which, GPUMEM_MAX_PORTS);
    if (n && !port)
        return refuse(c, "component '%s' does not name its %s ports", k->name, which);
    for (uint32_t i = 0; i < n; i++)
        if (!port[i] || !*port[i])
            return refuse(c, "component '%s': %s port %u has no name", k->name, which, i);
    return GPUMEM_OK;
}

static gpumem_status check_component(const check *c, const gpumem_component *k, const gm_value *name)
{
    gpumem_status status;
    if (!k->name || strcmp(k->name, name->v.s) != 0)
        return refuse(c, "component '%s' of the manifest is '%s' in the library", name->v.s, k->name ? k->name : "");
    if (!k->describe)
        return refuse(c, "component '%s' has no function", k->name);
    status = check_ports(c, k, "input", k->nin, k->in);
    if (status == GPUMEM_OK)
        status = check_ports(c, k, "output", k->nout, k->out);
    return status == GPUMEM_OK ? check_params(c, k) : status;
}

static gpumem_status check_architecture(const check *c, const gpumem_architecture_ops *ops)
{
    const gm_value *names = gm_value_get(c->manifest->root, "components");
    uint32_t n = names ? names->n : 0;
    gpumem_status status = GPUMEM_OK;
    if (ops->ncomponent != n || !ops->component)
        return refuse(c, "the manifest names %u components, the library has %u", n, ops->component ? ops->ncomponent : 0);
    for (uint32_t i = 0; i < n && status == GPUMEM_OK; i++)
        status = check_component(c, &ops->component[i], &names->v.list[i]);
    return status;
}

static gpumem_status check_functions(const check *c, const gpumem_plugin *p)
{
    switch (c->manifest->kind) {
    case GPUMEM_KIND_ARCHITECTURE:
        return check_architecture(c, p->ops.architecture);
    case GPUMEM_KIND_PRECISION:
        return p->ops.precision->assign ? GPUMEM_OK : refuse(c, "its function 'assign' is missing");
    case GPUMEM_KIND_OPTIMIZER:
        return p->ops.optimizer->account ? GPUMEM_OK : refuse(c, "its function 'account' is missing");
    case GPUMEM_KIND_ACTIVATION:
        return p->ops.activation->account ? GPUMEM_OK : refuse(c, "its function 'account' is missing");
    default:
        return refuse(c, "plugins of this kind are not used yet");
    }
}

static size_t table_size(gpumem_kind kind)
{
    switch (kind) {
    case GPUMEM_KIND_ARCHITECTURE: return sizeof(gpumem_architecture_ops);
    case GPUMEM_KIND_PRECISION: return sizeof(gpumem_precision_ops);
    case GPUMEM_KIND_OPTIMIZER: return sizeof(gpumem_optimizer_ops);
    case GPUMEM_KIND_ACTIVATION: return sizeof(gpumem_activation_ops);
    default: return sizeof(size_t);
    }
}

static gpumem_status check_table(const check *c, const gpumem_plugin *p)
{
    size_t size, least = table_size(c->manifest->kind);
    if (!p->ops.any)
        return refuse(c, "its table of functions is missing");
    memcpy(&size, p->ops.any, sizeof size); /* every table starts with it */
    if (size < least || size > MAX_TABLE)
        return refuse(c, "its table of functions has %zu bytes, level %u has %zu", size, GPUMEM_ABI, least);
    return check_functions(c, p);
}

/* ---- the entry ---------------------------------------------------------------------------------------------------------- */

static gpumem_status check_identity(const check *c, const gpumem_plugin *p)
{
    const gm_manifest *m = c->manifest;
    const char *kind = gpumem_kind_name((gpumem_kind)p->kind);
    if (p->kind != (uint32_t)m->kind)
        return refuse(c, "the library is of kind '%s'", kind ? kind : "unknown");
    if (!p->id || strcmp(p->id, m->id) != 0)
        return refuse(c, "the library's id is '%.64s'", p->id ? p->id : "");
    if (!p->version || strcmp(p->version, m->version) != 0)
        return refuse(c, "the library has version '%.32s', its manifest %s", p->version ? p->version : "", m->version);
    return GPUMEM_OK;
}

/* In this order: nothing is read before what says that it is there. */
static gpumem_status check_entry(const check *c, const gpumem_plugin *p)
{
    gpumem_status status;
    if (p->magic != GPUMEM_MAGIC)
        return refuse(c, "'gpumem_entry' does not start with the magic number");
    if (p->abi != GPUMEM_ABI)
        return refuse(c, "ABI level %u, this program knows %u", p->abi, GPUMEM_ABI);
    if (p->size < sizeof *p)
        return refuse(c, "'gpumem_entry' has %u bytes, level %u has %zu", p->size, GPUMEM_ABI, sizeof *p);
    status = check_identity(c, p);
    return status == GPUMEM_OK ? check_table(c, p) : status;
}

/* ---- loading ------------------------------------------------------------------------------------------------------------ */

static bool is_elf(const char *path)
{
    char magic[4];
    FILE *f = fopen(path, "rbe");
    bool elf = f && fread(magic, 1, sizeof magic, f) == sizeof magic && memcmp(magic, "\177ELF", 4) == 0;
    if (f)
        fclose(f);
    return elf;
}

static gpumem_status not_loaded(const check *c)
{
    const char *why = dlerror();
    size_t n = strlen(c->path);
    if (!is_elf(c->path))
        return refuse(c, "not a shared object");
    if (!why)
        why = "cannot be loaded";
    if (strncmp(why, c->path, n) == 0 && strncmp(why + n, ": ", 2) == 0)
        why += n + 2; /* the place is known */
    return refuse(c, "%s", why);
}

/* dlsym() also looks into what a library depends on. */
static bool is_of(void *handle, const void *symbol)
{
    struct link_map *map;
    Dl_info at, own;
    return dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0 && dladdr(symbol, &at) && dladdr(map->l_ld, &own) &&
           at.dli_fbase == own.dli_fbase;
}

static gpumem_status load(const check *c, void **handle, const gpumem_plugin **entry)
{
    gpumem_status status;
    void *library = dlopen(c->path, RTLD_NOW | RTLD_LOCAL);
    const gpumem_plugin *p;
    if (!library)
        return not_loaded(c);
    p = dlsym(library, "gpumem_entry");
    if (!p || !is_of(library, p))
        status = refuse(c, "the library does not export 'gpumem_entry'");
    else
        status = check_entry(c, p);
    if (status != GPUMEM_OK) {
        dlclose(library);
        return status;
    }
    *handle = library;
    *entry = p;
    return GPUMEM_OK;
}

gpumem_status gm_library_open(const gm_manifest *manifest, void **handle, const gpumem_plugin **entry, gpumem_error *err)
{
    gpumem_status status;
    char *path;
    *handle = NULL;
    *entry = NULL;
    if (!manifest->library)
        return gm_fail(err, GPUMEM_EPLUGIN, manifest->path, 0, 0, "%s '%s' has no library", gpumem_kind_name(manifest->kind), manifest->id);
    status = gm_trust_check(manifest->folder, manifest->library, manifest->sha256, err);
    if (status != GPUMEM_OK)
        return status;
    if (asprintf(&path, "%s/%s", manifest->folder, manifest->library) < 0)
        return gm_no_memory(err);
    status = load(&(check){manifest, path, err}, handle, entry);
    free(path);
    return status;
}

void gm_library_close(void *handle)
{
    if (handle)
        dlclose(handle);
}

/* ---- libraries of the system ---------------------------------------------------------------------------------------------- */

/* A pointer to a function has the size of a pointer to an object wherever there is dlsym(). */
static const char *fill(void *library, const char *const *names, char *functions)
{
    for (; *names; names++, functions += sizeof(void *)) {
        void *symbol = dlsym(library, *names);
        if (!symbol)
            return *names;
        memcpy(functions, &symbol, sizeof symbol);
    }
    return NULL;
}

void *gm_library_system(const char *soname, const char *const *names, void *functions, char *why, size_t n)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const char *missing;
    if (!library) {
        snprintf(why, n, "%s cannot be loaded", soname);
        return NULL;
    }
    missing = fill(library, names, functions);
    if (!missing)
        return library;
    snprintf(why, n, "%s has no function '%s'", soname, missing);
    dlclose(library);
    return NULL;
}

/* ---- where this code is ------------------------------------------------------------------------------------------------- */

static const char here = 0;

/* Its program headers tell the program from the libraries; a program without a dynamic linker has no libraries. */
static bool in_program(Dl_info *at)
{
    const void *headers = (const void *)getauxval(AT_PHDR);
    Dl_info program;
    return !dladdr(&here, at) || !at->dli_fname || (headers && dladdr(headers, &program) && program.dli_fbase == at->dli_fbase);
}

/* Without symbolic links; the kernel knows the program's. */
static bool path_of(const Dl_info *at, bool program, char path[PATH_MAX])
{
    ssize_t n;
    if (!program)
        return realpath(at->dli_fname, path) != NULL;
    n = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[n > 0 ? n : 0] = '\0';
    return *path == '/';
}

gpumem_status gm_library_home(char *buf, size_t n, bool *program)
{
    Dl_info at;
    char path[PATH_MAX], *slash;
    size_t length;
    *program = in_program(&at);
    if (!path_of(&at, *program, path))
        return GPUMEM_EIO;
    slash = strrchr(path, '/');
    length = slash == path ? 1 : (size_t)(slash - path);
    if (length >= n)
        return GPUMEM_ERANGE;
    memcpy(buf, path, length);
    buf[length] = '\0';
    return GPUMEM_OK;
}
