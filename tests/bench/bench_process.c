/* One estimate from a local config as a whole process, beside `true`: by turns, so that what else the machine does hits all alike.
 *
 *     bench_process [RUNS [GPUMEM CONFIG]]                                                                                        */
#include "bench.h"
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOAL 3.0
#define COUNT(a) (sizeof(a) / sizeof *(a))

extern char **environ;

typedef struct contender { const char *name, *argv[5]; double *time; } contender;

static double run_once(const contender *c)
{
    posix_spawn_file_actions_t to_null;
    pid_t child;
    int status;
    double start;
    if (posix_spawn_file_actions_init(&to_null) || posix_spawn_file_actions_addopen(&to_null, STDOUT_FILENO, "/dev/null", O_WRONLY, 0))
        bench_stop("out of memory", c->name);
    start = bench_now();
    if (posix_spawn(&child, c->argv[0], &to_null, NULL, (char *const *)c->argv, environ) || waitpid(child, &status, 0) != child)
        bench_stop("cannot be run", c->argv[0]);
    start = bench_now() - start;
    posix_spawn_file_actions_destroy(&to_null);
    if (status != 0)
        bench_stop("it failed", c->argv[0]);
    return start;
}

int main(int argc, char **argv)
{
    size_t runs = argc > 1 ? (size_t)bench_number(argv[1], 1) : 400;
    const char *program = argc > 3 ? argv[2] : BENCH_PROGRAM, *config = argc > 3 ? argv[3] : BENCH_MODELS "/microsoft--phi-2.json";
    contender all[] = {
        {.name = "true", .argv = {access("/usr/bin/true", X_OK) == 0 ? "/usr/bin/true" : "/bin/true"}},
        {.name = "gpumem --version", .argv = {program, "--version"}},
        {.name = "gpumem CONFIG --json", .argv = {program, config, "--json"}},
    };
    bench_times base = {0}, ratio = {0};
    for (size_t k = 0; k < COUNT(all); k++) {
        all[k].time = calloc(runs, sizeof *all[k].time);
        if (all[k].time == NULL)
            bench_stop("out of memory", all[k].name);
        run_once(&all[k]); /* the files are in memory from now on */
    }
    for (size_t i = 0; i < runs; i++)
        for (size_t k = 0; k < COUNT(all); k++)
            all[k].time[i] = run_once(&all[k]);
    printf("%-22s %10s %10s %8s %8s   (%zu runs each)\n", "whole process", "least us", "median us", "x true", "x true", runs);
    for (size_t k = 0; k < COUNT(all); k++) {
        bench_times t = bench_sum_up(all[k].time, runs);
        if (k == 0)
            base = t;
        ratio = (bench_times){t.least / base.least, t.middle / base.middle};
        printf("%-22s %10.0f %10.0f %8.2f %8.2f\n", all[k].name, t.least * 1e6, t.middle * 1e6, ratio.least, ratio.middle);
        free(all[k].time);
    }
    printf("an estimate takes %.2f times as long as `true` by the least, %.2f by the median; the goal is at most %.0f\n", ratio.least, ratio.middle, GOAL);
    return 0;
}
