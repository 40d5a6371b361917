/* A manifest: what a plugin says of itself, checked key by key. */
#ifndef GM_MANIFEST_H
#define GM_MANIFEST_H

#include "base/value.h"

/* One key that a mapping of a manifest may have.  types: bits 1 << gm_type. */
typedef struct gm_field { const char *key; unsigned types; bool required; } gm_field;
#define GM_IS(t) (1u << (t))
#define GM_ANY 0x7fu
/* Unknown keys (with the nearest known one), wrong types and missing keys are errors with file, line and column.
 * `what` names the mapping in messages: "params.beta". */
gpumem_status gm_fields_check(const char *file, const char *what, const gm_value *map, const gm_field *fields, size_t n, gpumem_error *err);
/* EPLUGIN at the value's place: "what: message".  what may be "". */
gpumem_status gm_value_bad(const char *file, const char *what, const gm_value *v, gpumem_error *err, const char *format, ...) GPUMEM_PRINTF(5, 6);
/* Is it a list of strings, each one of `allowed` (NULL: any), none twice? */
gpumem_status gm_strings_check(const char *file, const char *what, const gm_value *list, const char *const *allowed, size_t nallowed, gpumem_error *err);

typedef struct gm_paramdef { /* of `params:` */
    const char *key, *help;
    uint32_t type; /* enum gpumem_type */
    bool nullable, has_min, has_max;
    double min, max;
    const gm_value *values;    /* a list of those allowed, or NULL */
    const gm_value *otherwise; /* the default; NULL: required */
    uint32_t line, column;
} gm_paramdef;

typedef struct gm_manifest {
    gpumem_kind kind;
    const char *id, *version, *title;
    const char *path;      /* of the file */
    const char *folder;    /* that it is in: a library lies here */
    const char *directory; /* of the search path; "" where it was read by its path */
    const char *library;   /* file name, or NULL */
    const char *sha256;    /* of the library, 64 hexadecimal digits, or NULL */
    const char *rules;   /* file name of the rules of operators, or NULL */
    const char *step;    /* file name of the programs of an optimizer's step, or NULL */
    const char *use;       /* the plugin of the same kind whose library it uses, or NULL */
    const char *const *source; /* what it is made after */
    size_t nsource;
    const gm_value *with;    /* values for the parameters of the plugin that it uses, or NULL */
    const gm_paramdef *param;
    uint32_t nparam;
    const gpumem_format *format; /* that it declares */
    uint32_t nformat;
    const gm_value *root;    /* all of it: family, set and gpu read their own keys */
} gm_manifest;

/* Reads, checks the keys that all kinds share and those of kinds with libraries, and that kind and id are as expected (the id of the
 * folder or file name; id NULL: any).  EIO if it cannot be read, EPLUGIN if it is wrong.  Family, gpu and set may have any other key. */
gpumem_status gm_manifest_read(gm_arena *arena, gpumem_kind kind, const char *id, const char *directory, const char *path,
                               gm_manifest *out, gpumem_error *err);

/* The values for param[]: those of `with` (first wins: overrides, then with; NULLs are skipped), else the defaults, each checked, also where
 * an earlier one wins.  Unknown keys in any are errors.  EPLUGIN, or EINVAL where the value's file is NULL (a person's option). */
gpumem_status gm_manifest_args(gm_arena *arena, const gm_manifest *library, const gm_value *const *with, const char *const *file, size_t nwith,
                               gpumem_param **out, uint32_t *n, gpumem_error *err);
/* Checks the values of one `with` without asking for those that it leaves out. */
gpumem_status gm_manifest_with(const gm_manifest *library, const gm_value *with, const char *file, gpumem_error *err);
#endif
