/* Claims folded into a plan: what is constant as sums, the rest as flat records over the symbols. */
#ifndef GM_PLAN_H
#define GM_PLAN_H

#include "model/model.h"
#include "plan/peaks.h"
#include "plugin/set.h"

#define GM_NPHASE 6

typedef struct gm_record { /* an allocation whose size depends on the point */
    uint64_t times;
    gpumem_count rows, cols;
    gpumem_format_part part;
    uint32_t slot, order; /* of its fold; among the records */
    uint8_t merge;
    uint8_t more;         /* PEAK: the next record is of the same claim, they live together */
} gm_record;
typedef struct gm_fold { /* claims of one line that live in the same phases */
    uint64_t add, peak; /* of what does not depend on the point */
    uint32_t line, head; /* its line, and the line that this details (or itself) */
    uint8_t phases;
} gm_fold;

enum { GM_TOKENS_ANY, GM_TOKENS_ONE, GM_TOKENS_SHORT, GM_TOKENS_TURN, GM_TOKENS_TURNS, GM_NTOKENS }; /* tokens: any, one, fewer than a turn of a loop takes, as many, a multiple */

struct gpumem_plan {
    gm_arena arena;
    const gpumem_model *model;
    gpumem_request request;
    bool complete;
    char warning[320];
    bool quantized; /* the config's quantisation chose the precision */
    uint32_t rounding;
    uint64_t tokens; /* default sequence length; 0: the model's positions */
    gpumem_line line[GPUMEM_MAX_LINES];
    uint32_t nline;
    gm_fold *fold;
    uint32_t nfold, max_fold;
    gm_record *record;
    uint32_t nrecord, max_record;
    gm_walk_job walk;   /* how its operators are walked; rules NULL: they are not */
    gm_peaks *peaks[2 * GM_NTOKENS]; /* by batch == 1, and twice what is known of the tokens; NULL: made for other points only */
    uint32_t turn;      /* tokens that one turn of a rule's loops takes; 0: they have none */
    uint32_t block;     /* tokens that a cache is rounded up to; 0: no engine counts it */
    uint32_t spare;     /* pages that a window has besides */
    uint64_t ahead;     /* tokens that a window has room for beside its own, and its cache is rounded up too; UINT64_MAX: it is a window's */
    uint64_t chunk;     /* tokens that run at once; 0: all of them */
    bool own_rules;     /* the engine says itself what operators make */
    double utilization; /* of the GPU */
    uint64_t step;      /* the most that the optimizer's step needs for a while */
    gpumem_used used[48];
    uint32_t nused;
};

/* Is there a walk for points like this one? */
bool gm_plan_made_for(const gpumem_plan *plan, const gpumem_point *point);
/* Which of `peaks` such points have. */
unsigned gm_plan_walk_of(const gpumem_plan *plan, uint64_t batch, uint64_t tokens);
/* By tensor: does the loss depend on it (or on its bytes)?  Both arrays zeroed: of ntensor, of nportname.  False: there is no loss. */
bool gm_reach(const gpumem_description *d, const gm_walk_job *w, uint8_t *tensor, uint8_t *port);
/* By block: nothing that it makes is reached. */
void gm_reach_idle(const gpumem_description *d, const uint8_t *reached, uint8_t *idle);
/* Bytes of one part of a format for so many rows and columns, rounded up to `rounding`; nonzero on overflow. */
int gm_part_bytes(const gpumem_format_part *part, gpumem_count rows, gpumem_count cols, const uint64_t *symbol, uint32_t rounding, uint64_t *out);

/* Folding: claims become lines (a part, and its labels as details), folds and records. */
typedef struct gm_leaf {
    unsigned is;
    const char *label, *plugin, *format; /* format: NULL once it is mixed */
    uint32_t line, head;
    uint64_t elements, allocations;      /* of claims that do not depend on the point */
    gpumem_count rows, cols;             /* of one that does; rows.den 0: none */
} gm_leaf;
typedef struct gm_folder {
    gpumem_plan *plan;
    const gpumem_job *job;
    const gpumem_set *set;
    const uint32_t *times; /* by tensor: how often it exists */
    gm_leaf leaf[GPUMEM_MAX_LINES];
    uint32_t nleaf;
} gm_folder;
/* `plugin` is "kind/id" of who claims, and says so in errors. */
gpumem_status gm_fold_claims(gm_folder *f, const char *plugin, const gpumem_claim *claim, uint32_t n, gpumem_error *err);
/* Orders lines and records, and writes the formulas. */
gpumem_status gm_fold_finish(gm_folder *f, gpumem_error *err);
#endif
