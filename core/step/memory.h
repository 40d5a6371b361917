/* The tensors of a step, which live as long as something refers to them, and the most that they take together. */
#ifndef GM_STEP_MEMORY_H
#define GM_STEP_MEMORY_H

#include "base/arena.h"
#include <gpumem/gpumem.h>
#include <stdbool.h>

#define GM_STEP_MAX_DIMS (GPUMEM_MAX_DIMS + 2)

enum { GM_STEP_BOOL, GM_STEP_U8, GM_STEP_I64, GM_STEP_F16, GM_STEP_BF16, GM_STEP_F32, GM_STEP_F64, GM_STEP_NDTYPES }; /* in the order of promotion */

typedef struct gm_step_storage { /* an allocation, or `times` equal ones */
    uint64_t bytes, times;
    uint32_t refs, pass;
    struct gm_step_storage *next;
} gm_step_storage;
typedef struct gm_step_tensor {
    uint64_t extent[GM_STEP_MAX_DIMS], stride[GM_STEP_MAX_DIMS];
    uint32_t refs;
    uint8_t ndim, dtype;
    gm_step_storage *storage;
    struct gm_step_tensor *next;
} gm_step_tensor;

typedef struct gm_step_list gm_step_list;
enum { GM_STEP_IS_NOTHING, GM_STEP_IS_NUMBER, GM_STEP_IS_TEXT, GM_STEP_IS_TENSOR, GM_STEP_IS_LIST };
typedef struct gm_step_value {
    uint8_t is;
    union { int64_t number; const char *text; gm_step_tensor *tensor; gm_step_list *list; } v;
} gm_step_value;
typedef struct gm_step_entry { gm_step_value value; uint64_t times; } gm_step_entry;
struct gm_step_list {
    gm_step_entry *entry;
    uint32_t refs, n, max;
    bool whole; /* one for each tensor that trains: words are for each of its entries */
    gm_step_list *next;
};

typedef struct gm_step_memory {
    gm_arena *arena;
    gm_step_storage *storages; /* of things that are gone, to be used again */
    gm_step_tensor *tensors;
    gm_step_list *lists;
    int64_t live, peak; /* bytes, more than there were at first */
    uint32_t rounding, pass;
    bool quiet;         /* what lives is not looked at: it is less than at another time */
    gpumem_status status;
} gm_step_memory;

/* A new tensor, with all its bytes; NULL: see the memory's status.  times: so many equal ones. */
gm_step_tensor *gm_step_new(gm_step_memory *m, uint8_t dtype, unsigned ndim, const uint64_t *extent, uint64_t times);
/* One that was there before the step began. */
gm_step_tensor *gm_step_given(gm_step_memory *m, uint8_t dtype, unsigned ndim, const uint64_t *extent, uint64_t times);
/* Another look at the same bytes.  stride NULL: one stretch. */
gm_step_tensor *gm_step_view(gm_step_memory *m, const gm_step_tensor *of, unsigned ndim, const uint64_t *extent, const uint64_t *stride);
gm_step_list *gm_step_list_new(gm_step_memory *m, bool whole);
bool gm_step_list_add(gm_step_memory *m, gm_step_list *list, gm_step_value v, uint64_t times); /* takes v */

static inline gm_step_value gm_step_nothing(void) { gm_step_value v = {0}; return v; }
static inline gm_step_value gm_step_number(int64_t n) { gm_step_value v = {.is = GM_STEP_IS_NUMBER, .v.number = n}; return v; }
static inline gm_step_value gm_step_of_tensor(gm_step_tensor *t) { gm_step_value v = {.is = t ? GM_STEP_IS_TENSOR : GM_STEP_IS_NOTHING, .v.tensor = t}; return v; }
static inline gm_step_value gm_step_of_list(gm_step_list *l) { gm_step_value v = {.is = l ? GM_STEP_IS_LIST : GM_STEP_IS_NOTHING, .v.list = l}; return v; }
gm_step_value gm_step_keep(gm_step_value v); /* one more that refers to it */
void gm_step_release(gm_step_memory *m, gm_step_value v);
/* It was made for one of `times` equal parameters in this pass, and stays with it: the others have theirs. */
void gm_step_multiply(gm_step_memory *m, gm_step_value v, uint64_t times);
#endif
