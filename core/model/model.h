/* A model: its description, and where its values came from. */
#ifndef GM_MODEL_H
#define GM_MODEL_H

#include "model/config.h"

enum { GM_ORIGIN_NONE, GM_ORIGIN_CONFIG, GM_ORIGIN_ALIAS, GM_ORIGIN_DEFAULT };
typedef struct gm_slot { /* the value of a name while a model is described */
    gm_value value;
    uint32_t stamp;  /* EACH: the layer it is of, plus one */
    uint8_t state;   /* enum in evaluate.c */
    uint8_t origin;  /* KEY */
    uint8_t alias;   /* KEY: which of its spellings */
} gm_slot;

typedef struct gm_subject { /* a family over a mapping of the config */
    gm_family *family;
    const gm_value *values;
    const char *prefix; /* of its keys in the config: "", "text_config." */
    const char *class_name, *task, *model_type;
} gm_subject;

struct gpumem_model {
    gm_arena arena;
    gpumem_host *host;
    const gpumem_config *config;
    gm_subject subject;
    gm_family *part[24];    /* families of which it is composed, beside its own */
    uint32_t npart;
    gpumem_description d;
    gpumem_emit e;          /* owns tensors, operators, operands, symbols, rules and strings */
    gpumem_block *block;
    gpumem_port *port;
    uint32_t *sequence, *portname, *layer; /* layer: by position in the sequence, its number in its stack, or GPUMEM_NONE */
    bool *remembers; /* by block: a class around it has another config, whose use_cache does not reach this one */
    gpumem_run *run;
    gpumem_named dim[8];
    uint64_t parameters, trainable, by_family[GPUMEM_FAMILY_END];
    const char *warning[12];
    uint32_t nwarning;
    struct gm_used_key { const gm_subject *subject; int slot; uint8_t origin, alias; } *used; /* config keys that were asked for */
    uint32_t nused;
    gpumem_key *key;        /* made when first asked for */
    size_t nkey;
    const gm_manifest *plugin[8]; /* architectures whose components were used */
    uint32_t nplugin;
};

/* Elements of a tensor whose extents have no symbols; nonzero on overflow. */
int gm_tensor_elements(const gpumem_tensor *t, uint64_t *out);
/* How often a tensor of a block exists. */
uint64_t gm_tensor_times(const gpumem_description *d, const gpumem_block *b, const gpumem_tensor *t);
/* A sentence for people, once; beyond the room that there is it is left out. */
gpumem_status gm_model_warn(gpumem_model *model, const char *sentence, gpumem_error *err);
gpumem_status gm_model_describe(gpumem_model *model, const gpumem_model_options *options, gpumem_error *err);
#endif
