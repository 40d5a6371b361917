/* What the words for tensors make: given arguments, `times` equal results. */
#ifndef GM_OPT_MAKERS_H
#define GM_OPT_MAKERS_H

#include "step/words.h"

/* False, with `why` filled in. */
bool gm_opt_call_wrong(gm_opt_call *c, const char *format, ...) GPUMEM_PRINTF(2, 3);

typedef bool gm_maker(gm_opt_call *c, const gm_opt_value *arg, uint64_t times, gm_opt_tensor **out);
gm_maker gm_make_broadcast, gm_make_flag, gm_make_where, gm_make_product, gm_make_turned, gm_make_reduced, gm_make_f32, gm_make_bf16, gm_make_cast_like,
    gm_make_scalar, gm_make_random_like, gm_make_svd, gm_make_qr, gm_make_argsort, gm_make_fold, gm_make_outer;
#endif
