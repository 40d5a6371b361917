/* The values of a family's names over one config. */
#ifndef GM_EVALUATE_H
#define GM_EVALUATE_H

#include "model/model.h"

typedef struct gm_values {
    gpumem_model *model;
    const gm_subject *subject;
    gm_arena arena; /* what expressions make */
    gm_slot *slot;
    uint32_t n;
    int64_t layer; /* -1: outside of the layers */
    gm_scope scope;
} gm_values;

void gm_values_init(gm_values *values, gpumem_model *model, const gm_subject *subject);
void gm_values_free(gm_values *values);
/* An error says the manifest's place, and names the config keys behind it. */
gpumem_status gm_values_eval(gm_values *values, const gm_expr *expr, gm_value *out, gpumem_error *err);
gpumem_status gm_values_true(gm_values *values, const gm_expr *expr, bool *out, gpumem_error *err); /* NULL: true */
/* The value of a parameter, converted to its declared type and checked against its range. */
gpumem_status gm_values_param(gm_values *values, const gm_step *step, uint32_t i, gpumem_param *out, gpumem_error *err);
#endif
