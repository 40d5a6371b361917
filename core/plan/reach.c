/* What the loss depends on: backwards over the blocks in the order in which they run. */
#include "plan/plan.h"

typedef struct reacher { const gpumem_description *d; const gm_walk_job *w; uint8_t *tensor, *port; bool changed; } reacher;

static void mark(reacher *r, uint32_t tensor)
{
    uint32_t storage = r->d->tensor[tensor].storage;
    r->changed |= !r->tensor[tensor];
    r->tensor[tensor] = 1;
    if (storage != GPUMEM_NONE)
        r->tensor[storage] = 1;
}

static bool any_result(const gpumem_description *d, const uint8_t *reached, const gpumem_op *op)
{
    for (unsigned k = 0; k < op->nout; k++)
        if (reached[d->operand[op->operand + op->nin + k]])
            return true;
    return op->kind == GPUMEM_OP_LOSS;
}

static void through_block(reacher *r, const gpumem_block *b)
{
    for (uint32_t e = b->export0; e < b->export0 + b->nexport; e++)
        if (r->port[r->d->port[e].port])
            mark(r, r->d->port[e].tensor);
    for (uint32_t e = b->export0; e < b->export0 + b->nexport; e++)
        r->port[r->d->port[e].port] = 0;
    for (uint32_t i = b->op0 + b->nop; i-- > b->op0;) {
        const gpumem_op *op = &r->d->op[i];
        for (unsigned k = 0; k < op->nin && any_result(r->d, r->tensor, op); k++) {
            uint32_t in = r->d->operand[op->operand + k];
            /* a rule may leave out a bias of scores where a kernel runs; the weights behind it are trained elsewhere all the same */
            if (in != GPUMEM_NONE && (r->d->tensor[in].role != GPUMEM_ROLE_WEIGHT || gm_rules_read(r->w->rules, r->w->rule[i], k)))
                mark(r, in);
        }
    }
    for (uint32_t m = b->import0; m < b->import0 + b->nimport; m++) {
        const gpumem_port *p = &r->d->port[m];
        uint32_t storage = r->d->tensor[p->tensor].storage;
        if (r->tensor[p->tensor] || (storage != GPUMEM_NONE && r->tensor[storage]))
            r->port[p->port] = 1;
    }
}

bool gm_reach(const gpumem_description *d, const gm_walk_job *w, uint8_t *tensor, uint8_t *port)
{
    reacher r = {d, w, tensor, port, false};
    bool loss = false;
    for (uint32_t i = 0; i < d->nop; i++)
        loss |= d->op[i].kind == GPUMEM_OP_LOSS;
    for (uint32_t i = d->nrun; loss && i-- > 0;) {
        const gpumem_run *run = &d->run[i];
        uint32_t turns = 0;
        do { /* what is repeated, until nothing more is found */
            r.changed = false;
            for (uint32_t k = run->n; k-- > 0;)
                through_block(&r, &d->block[d->sequence[run->first + k]]);
        } while (++turns < run->count && (turns < 2 || r.changed));
    }
    return loss;
}

void gm_reach_idle(const gpumem_description *d, const uint8_t *reached, uint8_t *idle)
{
    for (uint32_t b = 0; b < d->nblock; b++) {
        const gpumem_block *block = &d->block[b];
        idle[b] = block->nop != 0;
        for (uint32_t i = block->op0; i < block->op0 + block->nop; i++) /* what makes nothing is there for what it does */
            idle[b] = idle[b] && d->op[i].nout && !any_result(d, reached, &d->op[i]);
    }
}
