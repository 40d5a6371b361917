/* components.h - parameters of the components, in the order of their tables. */
#ifndef COMPONENTS_H
#define COMPONENTS_H

#include "../emit.h"

enum { ADAPTERS_NAMES, ADAPTERS_WIDTH, ADAPTERS_ACT, ADAPTERS_N };

extern const gpumem_paramdef adapters_params[ADAPTERS_N];

DESCRIBE(adapters_describe);

#endif
