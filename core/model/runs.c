#include "model/runs.h"

#define MAX_PERIOD 64u

static uint32_t repeats(const uint32_t *s, uint32_t n, uint32_t period)
{
    uint32_t k = period;
    while (k < n && s[k] == s[k - period])
        k++;
    return k / period;
}

uint32_t gm_runs_find(const uint32_t *sequence, uint32_t n, gpumem_run *run)
{
    uint32_t nrun = 0;
    for (uint32_t at = 0; at < n;) {
        gpumem_run best = {at, 1, 1};
        for (uint32_t p = 1; p <= MAX_PERIOD && 2 * p <= n - at; p++) {
            uint32_t count = repeats(sequence + at, n - at, p);
            if (count > 1 && count * p > best.n * best.count)
                best = (gpumem_run){at, p, count};
            if (best.n * best.count == n - at)
                break;
        }
        run[nrun++] = best;
        at += best.n * best.count;
    }
    return nrun;
}
