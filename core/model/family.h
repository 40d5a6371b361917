/* A family's manifest, its `like:` chain taken together and its expressions compiled: how the blocks of a model_type are made. */
#ifndef GM_FAMILY_H
#define GM_FAMILY_H

#include "plugin/registry.h"
#include "text/expr.h"

typedef enum gm_name_kind { GM_NAME_INDEX, GM_NAME_TASK, GM_NAME_CLASS, GM_NAME_MODEL_TYPE, GM_NAME_DIM, GM_NAME_EACH, GM_NAME_KEY,
    GM_NAME_PART /* "text_config.hidden": of a stack that is another family */ } gm_name_kind;

typedef struct gm_alias { const char *key; uint32_t hash; } gm_alias;
typedef struct gm_name { /* one slot of the expressions */
    const char *name;
    uint32_t hash;
    gm_name_kind kind;
    const gm_expr *expr;       /* DIM, EACH */
    const gm_value *otherwise; /* KEY: class default, or NULL */
    const gm_alias *alias;     /* KEY: its other spellings */
    uint32_t nalias;
    bool nullable;             /* KEY */
} gm_name;

typedef struct gm_wire { /* of a step's input or output to a port */
    int port, otherwise; /* ids; -1: none */
    const gm_expr *when; /* chooses between them; NULL: port */
} gm_wire;
typedef struct gm_rename { const char *from, *to; } gm_rename;
typedef enum gm_primitive {
    GM_STEP_COMPONENT, GM_STEP_ADD, GM_STEP_SCALE, GM_STEP_DROPOUT, GM_STEP_SOFTCAP, GM_STEP_ALIAS
} gm_primitive;

typedef struct gm_step {
    const gm_value *source; /* the mapping in the manifest */
    const char *file, *use, *as;
    gm_primitive primitive;
    int lives; /* GPUMEM_LIVES_..., or -1: as the component says */
    int part;  /* GPUMEM_PART_..., or -1: as the component and the tensor say */
    const gm_expr *when;
    const gm_expr *once; /* steps with the same value have the same weights; NULL: all have their own */
    bool when_by_layer;  /* that, a name in its path, or what it shares depends on the layer */
    const gm_rename *rename;
    uint32_t nrename;
    /* From here on set by gm_family_resolve, when the step is first needed. */
    bool resolved;
    const gm_manifest *plugin;
    const gpumem_component *component;
    gm_wire in[GPUMEM_MAX_PORTS], out[GPUMEM_MAX_PORTS];
    uint32_t nin, nout;
    const gm_expr **param; /* by the component's declarations */
    uint8_t component_part; /* what the component's plugin says that its matrices are part of */
    bool by_layer;         /* a parameter or wire depends on the layer */
} gm_step;
typedef struct gm_steps { gm_step *step; uint32_t n; } gm_steps;

typedef struct gm_set { const char *key; const gm_expr *value; } gm_set; /* null: the key is left as it is */
typedef struct gm_stack {
    gm_steps before, layer, after;
    const gm_expr *when, *layers; /* when NULL: always */
    const char *at;
    bool at_by_layer;
    /* Or another family as a whole, over a mapping of the config. */
    const gm_expr *family; /* its model_type */
    const char *config;    /* the key of that mapping; NULL: the config itself */
    const gm_value *otherwise; /* that mapping where the config has none, or NULL: an empty one */
    const char *task;        /* NULL: that of this family */
    int part;                /* GPUMEM_PART_... of all that it has, or -1 */
    const gm_set *with;      /* keys of that mapping that this family decides */
    uint32_t nwith;
    const gm_rename *rename; /* of the first part of its tensors' names */
    uint32_t nrename;
    const char *file;
    unsigned line, column;
} gm_stack;
typedef struct gm_class { const char *name, *task; } gm_class;
typedef struct gm_require { const gm_expr *that; const char *say; } gm_require;
typedef struct gm_symbol { const char *name, *input; } gm_symbol;
typedef struct gm_input { int port; const char *name; uint8_t dtype; uint32_t ndim; uint8_t sym[GPUMEM_MAX_DIMS]; } gm_input;
typedef struct gm_buffer { const char *name; uint8_t dtype; uint32_t ndim; const gm_expr *shape[GPUMEM_MAX_DIMS], *when; } gm_buffer;

/* How checkpoints hold a tensor whose name ends in `tensor`: under other names, one for each entry of its first dimension, split; or not at all
 * (nas 0).  Or what names begin with there: `first` instead of `tensor`. */
typedef struct gm_stored { const char *tensor, *first; bool anywhere, unstack, transpose; const char **as; uint32_t nas; } gm_stored;

typedef struct gm_family {
    const gm_manifest *manifest;   /* of the family asked for */
    const gm_manifest *chain[8];   /* it, and what it is like, nearest first */
    uint32_t nchain;
    gm_arena *arena;
    gm_registry *registry;
    const char *const *architecture;
    uint32_t narchitecture;
    gm_class *classes, *autos;     /* autos: class name, task */
    uint32_t nclass, nauto;
    const char *descend;
    const char *base;              /* first part of names that the class of task `base` lacks, or NULL */
    const gm_rename *rename;       /* of the first part of its tensors' names */
    uint32_t nrename;
    gm_name *name;
    uint32_t nname, max_name;
    const gm_value *defaults, *aliases, *nullable;
    gm_require *require, *warn;
    uint32_t nrequire, nwarn;
    const gm_value *registered;    /* names of modules in the order in which the classes register them, or NULL */
    const char *unchecked;         /* a sentence: why its counts were not compared with a class, or NULL */
    gm_symbol *symbol;             /* symbol i + 1 of descriptions */
    uint32_t nsymbol;
    gm_input *input;
    uint32_t ninput;
    gm_buffer *buffer;
    uint32_t nbuffer;
    gm_stack *stack;
    uint32_t nstack;
    gm_stored *stored;             /* tensors that checkpoints hold otherwise than the module */
    uint32_t nstored;
    const char **port;
    uint32_t nport, max_port;
} gm_family;

gpumem_status gm_family_load(gm_registry *registry, gm_arena *arena, const char *model_type, gm_family **out, gpumem_error *err);
/* Finds the step's component and compiles its parameters and wires. */
gpumem_status gm_family_resolve(gm_family *family, gm_step *step, gpumem_error *err);
/* Resolves every step: what is wrong anywhere in the manifest comes out. */
gpumem_status gm_family_check(gm_family *family, gpumem_error *err);
/* Slot of a name; -1 if there is none of that kind. */
int gm_family_slot(const gm_family *family, gm_name_kind kind, const char *name);
/* The config keys that an expression depends on, directly or through dims: "a, b". */
const char *gm_family_blame(const gm_family *family, const char *prefix, const gm_expr *expr, char *buf, size_t n);
/* The same, added to those that are in buf. */
const char *gm_family_blame_too(const gm_family *family, const char *prefix, const gm_expr *expr, char *buf, size_t n);
#endif
