/* Where plugins are looked for, and what was found so far. */
#ifndef GM_REGISTRY_H
#define GM_REGISTRY_H

#include "plugin/manifest.h"

typedef struct gm_registry gm_registry;

/* The order of search: plugin_dir, $GPUMEM_PLUGIN_PATH (colons between), the user's data directory ($XDG_DATA_HOME/gpumem, else
 * ~/.local/share/gpumem), the installed directories (plugins, then data) beside the program or library.  A directory of plugin_dir that
 * does not exist is EUNKNOWN, any other is left out.  Entries of the environment that are empty or relative are ignored.  One that is
 * there twice, under whatever name, is used once.  The environment is not asked in a set-user-id program. */
gpumem_status gm_registry_new(const gpumem_host_options *options, gm_registry **out, gpumem_error *err);
void gm_registry_free(gm_registry *registry);
size_t gm_registry_directories(const gm_registry *registry, const char *const **directories);

/* Opens one file: in the first directory that has the id, be it good or not; remembers what it found, or that there is none.  EUNKNOWN (EMODEL
 * for a family) names the nearest; directories are read for that only if err is not NULL. */
gpumem_status gm_registry_find(gm_registry *registry, gpumem_kind kind, const char *id, const gm_manifest **out, gpumem_error *err);
/* A manifest by path rather than id (a set given as a file); its id may be any. */
gpumem_status gm_registry_read(gm_registry *registry, gpumem_kind kind, const char *path, const gm_manifest **out, gpumem_error *err);
/* The manifest whose library a plugin runs with: itself, or the one that it uses (one step: a used plugin has a library). */
gpumem_status gm_registry_base(gm_registry *registry, const gm_manifest *manifest, const gm_manifest **out, gpumem_error *err);
/* The plugin's entry, its library opened when first needed and checked. */
gpumem_status gm_registry_entry(gm_registry *registry, const gm_manifest *manifest, const gpumem_plugin **out, gpumem_error *err);
/* Where a data file of the search path is ("model", "microsoft--phi-2.json"): the path, or NULL.  Neither name may have a slash. */
const char *gm_registry_data(gm_registry *registry, const char *subdirectory, const char *file);

/* Ids of a kind, sorted, each once; their manifests are not read. */
gpumem_status gm_registry_ids(gm_registry *registry, gm_arena *arena, gpumem_kind kind, const char ***ids, size_t *n, gpumem_error *err);
/* Every candidate, by directory in the order of search, then by id; kind 0: all kinds.  Each is read, its library opened and closed again,
 * and what it uses is looked up. */
gpumem_status gm_registry_each(gm_registry *registry, gpumem_kind kind, int (*each)(void *self, const gpumem_candidate *c), void *self, gpumem_error *err);
bool gm_kind_is_folder(gpumem_kind kind); /* KIND/ID/manifest.yaml; else KIND/ID.yaml */
bool gm_id_valid(const char *id);         /* [A-Za-z0-9][A-Za-z0-9._-]*, at most 64 bytes */
#endif
