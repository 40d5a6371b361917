/* What the benchmarks share: time, the least and the middle of many times, and how they end when something is wrong. */
#ifndef BENCH_H
#define BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double bench_now(void) /* seconds */
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline int bench_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

typedef struct bench_times { double least, middle; } bench_times;

static inline bench_times bench_sum_up(double *time, size_t n) /* sorts */
{
    qsort(time, n, sizeof *time, bench_compare);
    return (bench_times){time[0], n % 2 ? time[n / 2] : (time[n / 2 - 1] + time[n / 2]) / 2};
}

_Noreturn static inline void bench_stop(const char *what, const char *which)
{
    fprintf(stderr, "%s: %s\n", which, what);
    exit(1);
}

static inline long bench_number(const char *text, long least)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*end || n < least)
        bench_stop("expected a larger integer", text);
    return n;
}
#endif
