/* Quantised checkpoints: how many parameters a stored tensor stands for, and what of it is there once it is loaded. */
#ifndef GM_QUANTISED_H
#define GM_QUANTISED_H

#include "base/value.h"
#include "text/pattern.h"
#include "source/dtype.h"
#include "source/names.h"

typedef struct gm_quant_group { gm_patterns *target; unsigned bits; bool packed; } gm_quant_group; /* target NULL: every module */

typedef struct gm_quantised {
    const char *method;        /* as the config names it, or what the tensors look like; NULL: not quantised */
    unsigned rule;             /* enum in quantised.c */
    unsigned bits;             /* of a packed weight */
    unsigned expert_bits;      /* of routed experts in an integer container; 0: as stored */
    uint64_t up, down;         /* AQLM: parameters a code, as a fraction */
    gm_patterns *skip;         /* modules that are not converted; or NULL */
    gm_quant_group *group;
    uint32_t ngroup;
    const gm_value *modules;   /* MLX: a mapping with overrides by module; or NULL */
    const gm_dtype *dtype;     /* of the config: what other floating-point tensors are loaded in; NULL: as stored */
    const char *dtype_name;
    bool short_of_memory;      /* a count could not be made: what was counted is wrong */
} gm_quantised;

typedef struct gm_stored_as { /* a tensor of a file */
    const char *name;
    uint32_t n;
    const gm_dtype *dtype; /* NULL: not known */
    uint64_t elements, bytes;
    uint32_t ndim;
} gm_stored_as;

/* config: of the model, or NULL.  side: hf_quant_config.json, quantize_config.json or quant_config.json, or NULL.  Both must outlive it. */
gpumem_status gm_quantised_read(const gm_value *config, const gm_value *side, gm_quantised *out, gpumem_error *err);
void gm_quantised_free(gm_quantised *q);
/* Where no config says so: does this tensor look quantised?  To be called for each until method is set. */
void gm_quantised_guess(gm_quantised *q, const gm_stored_as *t, const gm_nameset *names);
uint64_t gm_quantised_parameters(gm_quantised *q, const gm_stored_as *t, const gm_nameset *names);
uint64_t gm_quantised_loaded(const gm_quantised *q, const gm_stored_as *t, uint64_t parameters);
/* The parameter that a packed tensor stands for ("a.weight" of "a.qweight"), in buf; or the name itself. */
const char *gm_quantised_name(const char *name, char *buf, size_t size);
#endif
