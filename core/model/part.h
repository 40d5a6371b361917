/* A stack that is another family as a whole, over a mapping of the config. */
#ifndef GM_PART_H
#define GM_PART_H

#include "model/evaluate.h"

/* What it describes: its model_type, its mapping of the config, its class. */
gpumem_status gm_part_subject(gm_values *outer, const gm_stack *stack, gm_subject *out, gpumem_error *err);
/* "text_config.hidden": the named size `hidden`, or else the key, of the first stack over `text_config` that is not left out; as the config
 * and the defaults say, not as the family around decides. */
gpumem_status gm_part_size(gm_values *outer, const char *name, gm_value *out, gpumem_error *err);
#endif
