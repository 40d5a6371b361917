/* What would lower the peak, each change estimated anew. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool total_of(const estimate *e, const gpumem_request *r, gpumem_point point, uint64_t *total)
{
    gpumem_plan *plan = NULL;
    gpumem_result result;
    gpumem_request one = *r;
    gpumem_status s;

    one.only = point;
    s = gpumem_plan_new(e->host, e->model, e->set, &one, &plan, NULL);

    if (s == GPUMEM_OK && gpumem_plan_complete(plan))
        s = gpumem_plan_evaluate(plan, &point, &result, NULL);
    else
        s = GPUMEM_EUNSUP;
    gpumem_plan_free(plan);
    if (s == GPUMEM_OK)
        *total = result.total;
    return s == GPUMEM_OK;
}

static void offer(estimate *e, const gpumem_request *r, gpumem_point point, const char *flag)
{
    suggestion *s = &e->suggestion[e->nsuggestion];
    uint64_t total;

    if (e->nsuggestion == MAX_SUGGESTIONS || !total_of(e, r, point, &total) || total >= e->result.total || (e->result.total - total) / (e->result.total / 100 + 1) < 1)
        return;
    snprintf(s->flag, sizeof s->flag, "%s", flag);
    s->total = total;
    s->verdict = e->has_card ? judge(total, e->card.budget) : VERDICT_UNKNOWN;
    e->nsuggestion++;
}

static void offer_load(estimate *e, const gpumem_request *now)
{
    gpumem_point point = e->point;
    char flag[64];

    if (point.batch > 1) {
        point.batch /= 2;
        snprintf(flag, sizeof flag, "--batch-size %llu", (unsigned long long)point.batch);
    } else if (point.tokens > 1) {
        point.tokens /= 2;
        snprintf(flag, sizeof flag, "--seq-length %llu", (unsigned long long)point.tokens);
    } else
        return;
    offer(e, now, point, flag);
}

static void offer_inference(estimate *e, const gpumem_request *now)
{
    gpumem_request r = *now;
    gpumem_point point = e->point;
    char flag[64];

    if (!now->cache_format) {
        r.cache_format = "fp8"; /* where the engine has it */
        offer(e, &r, point, "--kv-dtype fp8");
    }
    if (point.batch > 1) {
        point.batch /= 2;
        snprintf(flag, sizeof flag, "--sequences %llu", (unsigned long long)point.batch);
        offer(e, now, point, flag);
    }
    point = e->point;
    if (point.tokens > 1) {
        point.tokens /= 2;
        snprintf(flag, sizeof flag, "--context %llu", (unsigned long long)point.tokens);
        offer(e, now, point, flag);
    }
}

/* Least harm first: what changes only speed, then what changes the load, then what changes the result. */
void find_suggestions(estimate *e)
{
    const gpumem_request now = *e->request;
    gpumem_request r = now;

    if (!e->training && e->complete && now.engine)
        offer_inference(e, &now);
    if (!e->has_moment)
        return;
    if (now.attention && strcmp(now.attention, "eager") == 0) {
        r.attention = "flash";
        offer(e, &r, e->point, "--attention flash");
        r = now;
    }
    if (now.implementation && strcmp(now.implementation, "fused") != 0) {
        r.implementation = "fused";
        offer(e, &r, e->point, "--implementation fused");
        r = now;
    }
    if (!now.checkpointing) {
        r.checkpointing = true;
        offer(e, &r, e->point, "--gradient-checkpointing");
        r = now;
    }
    offer_load(e, &now);
    if (strcmp(now.optimizer, "adamw") == 0) {
        r.optimizer = "adamw-8bit";
        r.implementation = NULL;
        offer(e, &r, e->point, "--optimizer adamw-8bit");
        r = now;
    }
    if (strcmp(now.precision, "bf16") != 0 && strcmp(now.precision, "fp16") != 0) {
        r.precision = "bf16";
        offer(e, &r, e->point, "--precision bf16");
    }
}

void put_suggestions(gpumem_text *t, const estimate *e, const terminal *term, unsigned shift)
{
    char saves[NUMBER_SIZE], left[NUMBER_SIZE];
    static const char title[] = "  to gain room:  ";
    size_t width = 0, number = 0;
    bool narrow;

    for (unsigned i = 0; i < e->nsuggestion; i++) {
        size_t n = strlen(e->suggestion[i].flag), k = strlen(amount(saves, e->result.total - e->suggestion[i].total, shift));
        width = n > width ? n : width;
        number = k > number ? k : number;
    }
    narrow = sizeof title + width + number + 29 > term->width; /* in lines of their own */
    if (narrow && e->nsuggestion)
        gpumem_text_puts(t, "  to gain room:\n");
    for (unsigned i = 0; i < e->nsuggestion; i++) {
        const suggestion *s = &e->suggestion[i];
        if (narrow)
            gpumem_text_printf(t, "    %s\n      ", s->flag);
        else {
            put_left(t, i ? "" : title, sizeof title - 1);
            put_left(t, s->flag, width + 2);
        }
        gpumem_text_puts(t, "saves ");
        put_right(t, amount(saves, e->result.total - s->total, shift), number);
        gpumem_text_printf(t, " %s %s %s", unit_name(shift), term->glyph->to_be, amount(left, s->total, shift));
        if (s->verdict != VERDICT_UNKNOWN)
            gpumem_text_printf(t, "  %s", s->verdict == VERDICT_NO ? "NO" : s->verdict == VERDICT_TIGHT ? "TIGHT" : "FITS");
        gpumem_text_char(t, '\n');
    }
}

void json_suggestions(gpumem_text *t, const estimate *e)
{
    json_open(t, "suggestions", '[');
    for (unsigned i = 0; i < e->nsuggestion; i++) {
        const suggestion *s = &e->suggestion[i];
        json_open(t, NULL, '{');
        json_string(t, "flag", s->flag);
        json_u64(t, "saves", e->result.total - s->total);
        json_u64(t, "total", s->total);
        json_string(t, "verdict", s->verdict == VERDICT_UNKNOWN ? NULL : verdict_name(s->verdict));
        json_close(t, '{');
    }
    json_close(t, '[');
}
