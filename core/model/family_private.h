/* What reading a family and resolving its steps share. */
#ifndef GM_FAMILY_PRIVATE_H
#define GM_FAMILY_PRIVATE_H

#include "model/family.h"

gpumem_status gm_family_compile(gm_family *f, const char *file, const gm_value *v, const gm_expr **out, gpumem_error *err);
bool gm_family_uses_layer(const gm_family *f, const gm_expr *e);
int gm_family_port(gm_family *f, const char *name, size_t n, gpumem_error *err);
gpumem_status gm_family_part(const char *file, const gm_value *v, int *out, gpumem_error *err);
bool gm_family_step_key(const char *key);
int gm_family_name_slot(void *self, const char *name, bool config, gpumem_error *err);
#endif
