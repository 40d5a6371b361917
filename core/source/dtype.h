/* Types of elements as safetensors and configs name them. */
#ifndef GM_DTYPE_H
#define GM_DTYPE_H

#include <stdbool.h>
#include <stddef.h>

enum { GM_DTYPE_INTEGER, GM_DTYPE_FLOAT, GM_DTYPE_SCALE, GM_DTYPE_COMPLEX };
typedef struct gm_dtype { const char *name; unsigned bits, kind; } gm_dtype;

const gm_dtype *gm_dtype_of(const char *name, size_t n);  /* "BF16"; NULL: nobody knows it */
const gm_dtype *gm_dtype_of_config(const char *name);     /* "bfloat16", "torch.bfloat16" */
#endif
