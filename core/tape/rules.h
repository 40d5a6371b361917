/* Rules: what operators do, as text.
 *
 *   rule rmsnorm.llama x W?              # operands; ? may be left out
 *     x4 = to(x, f32)
 *     y = mul(x4, rsqrt(adds(mean(pow(x4), -1))))
 *     y = to(y, x)
 *     if has(W): y = mul(W, y)
 *     return y
 *
 * Names behind a colon in the first line are the operator's attributes, in their order.  Names live as they do in Python: what an
 * expression makes on the way goes when the word that takes it returns, what a name held goes when it is bound again, and all names
 * go when the rule returns.  x[i] is the extent of a dimension; sizes have + - * / and comparisons; f32, i64, i32, bool, bf16 are
 * dtypes.  A rule may call another one as it calls a word. */
#ifndef GM_RULES_H
#define GM_RULES_H

#include "tape/tape.h"

typedef struct gm_rules gm_rules;

/* text: of a rules file, has to live as long; file: its path, for errors. */
gpumem_status gm_rules_new(const char *text, size_t n, const char *file, gm_rules **out, gpumem_error *err);
void gm_rules_free(gm_rules *r);
/* A rule, parsed when it is first asked for; GM_NONE: there is none.  A syntax error is in err, and gives GM_NONE too. */
uint32_t gm_rules_find(gm_rules *r, const char *name, gpumem_error *err);
/* Does its body name this operand, other than in detach(...)? */
bool gm_rules_read(const gm_rules *r, uint32_t at, unsigned operand);
/* Does its own body make something once for all layers?  The tape's `ahead` runs it no further than that. */
bool gm_rule_has_once(const gm_rules *r, uint32_t at);
/* One more rule, a component's own: text is what follows a name. */
uint32_t gm_rules_add(gm_rules *r, const char *name, const char *text, gpumem_error *err);
/* Runs a rule; taken: operands that are given to it, as bits; meta: of the results as the operator describes them, for described(i) and described_dtype; out: its results, owned.  Returns how many; what went wrong is in the tape. */
unsigned gm_rule_run(gm_rules *r, gm_tape *t, uint32_t rule, unsigned nin, const uint32_t *in, uint32_t taken, unsigned nattr, const uint32_t *attr,
                     unsigned nmeta, const gm_meta *meta, uint32_t *out);
#endif
