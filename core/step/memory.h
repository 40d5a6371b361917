/* The tensors of a step, which live as long as something refers to them, and the most that they take together. */
#ifndef GM_OPT_MEMORY_H
#define GM_OPT_MEMORY_H

#include "base/arena.h"
#include <gpumem/gpumem.h>
#include <stdbool.h>

#define GM_OPT_MAX_DIMS (GPUMEM_MAX_DIMS + 2)

enum { GM_OPT_BOOL, GM_OPT_U8, GM_OPT_I64, GM_OPT_F16, GM_OPT_BF16, GM_OPT_F32, GM_OPT_F64, GM_OPT_NDTYPES }; /* in the order of promotion */

typedef struct gm_opt_storage { /* an allocation, or `times` equal ones */
    uint64_t bytes, times;
    uint32_t refs, pass;
    struct gm_opt_storage *next;
} gm_opt_storage;
typedef struct gm_opt_tensor {
    uint64_t extent[GM_OPT_MAX_DIMS], stride[GM_OPT_MAX_DIMS];
    uint32_t refs;
    uint8_t ndim, dtype;
    gm_opt_storage *storage;
    struct gm_opt_tensor *next;
} gm_opt_tensor;

typedef struct gm_opt_list gm_opt_list;
enum { GM_OPT_IS_NOTHING, GM_OPT_IS_NUMBER, GM_OPT_IS_TEXT, GM_OPT_IS_TENSOR, GM_OPT_IS_LIST };
typedef struct gm_opt_value {
    uint8_t is;
    union { int64_t number; const char *text; gm_opt_tensor *tensor; gm_opt_list *list; } v;
} gm_opt_value;
typedef struct gm_opt_entry { gm_opt_value value; uint64_t times; } gm_opt_entry;
struct gm_opt_list {
    gm_opt_entry *entry;
    uint32_t refs, n, max;
    bool whole; /* one for each tensor that trains: words are for each of its entries */
    gm_opt_list *next;
};

typedef struct gm_opt_memory {
    gm_arena *arena;
    gm_opt_storage *storages; /* of things that are gone, to be used again */
    gm_opt_tensor *tensors;
    gm_opt_list *lists;
    int64_t live, peak; /* bytes, more than there were at first */
    uint32_t rounding, pass;
    bool quiet;         /* what lives is not looked at: it is less than at another time */
    gpumem_status status;
} gm_opt_memory;

/* A new tensor, with all its bytes; NULL: see the memory's status.  times: so many equal ones. */
gm_opt_tensor *gm_opt_new(gm_opt_memory *m, uint8_t dtype, unsigned ndim, const uint64_t *extent, uint64_t times);
/* One that was there before the step began. */
gm_opt_tensor *gm_opt_given(gm_opt_memory *m, uint8_t dtype, unsigned ndim, const uint64_t *extent, uint64_t times);
/* Another look at the same bytes.  stride NULL: one stretch. */
gm_opt_tensor *gm_opt_view(gm_opt_memory *m, const gm_opt_tensor *of, unsigned ndim, const uint64_t *extent, const uint64_t *stride);
gm_opt_list *gm_opt_list_new(gm_opt_memory *m, bool whole);
bool gm_opt_list_add(gm_opt_memory *m, gm_opt_list *list, gm_opt_value v, uint64_t times); /* takes v */

static inline gm_opt_value gm_opt_nothing(void) { gm_opt_value v = {0}; return v; }
static inline gm_opt_value gm_opt_number(int64_t n) { gm_opt_value v = {.is = GM_OPT_IS_NUMBER, .v.number = n}; return v; }
static inline gm_opt_value gm_opt_of_tensor(gm_opt_tensor *t) { gm_opt_value v = {.is = t ? GM_OPT_IS_TENSOR : GM_OPT_IS_NOTHING, .v.tensor = t}; return v; }
static inline gm_opt_value gm_opt_of_list(gm_opt_list *l) { gm_opt_value v = {.is = l ? GM_OPT_IS_LIST : GM_OPT_IS_NOTHING, .v.list = l}; return v; }
gm_opt_value gm_opt_keep(gm_opt_value v); /* one more that refers to it */
void gm_opt_release(gm_opt_memory *m, gm_opt_value v);
/* It was made for one of `times` equal parameters in this pass, and stays with it: the others have theirs. */
void gm_opt_multiply(gm_opt_memory *m, gm_opt_value v, uint64_t times);
#endif
