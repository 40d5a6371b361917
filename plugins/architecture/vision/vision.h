/* vision.h - what the sources of this library share. */
#ifndef VISION_H
#define VISION_H

#include "../emit.h"

enum { HMLP_LAYERS, HMLP_WIDTH, HMLP_PATCH, HMLP_FRAMES, HMLP_CHANNELS, HMLP_N };
extern const gpumem_paramdef hmlp_params[HMLP_N];
DESCRIBE(hmlp_describe);

#endif
