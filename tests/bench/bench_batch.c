/* `gpumem batch` over many lines, beside Python's json module that only reads and writes the same lines.  The lines are those of a
 * table of cases, repeated; what a table has of results, from "class" on, is left out.  Without python3, json-c takes its part.
 *
 *     bench_batch [CASES.jsonl [LINES [GPUMEM]]]                                                                                  */
#include "bench.h"
#include <fcntl.h>
#include <json-c/json.h>
#include <sched.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOAL 20000.0
#define ROUNDS 7

extern char **environ;

static const char python[] = "import json, sys\nfor line in sys.stdin:\n    sys.stdout.write(json.dumps(json.loads(line)) + '\\n')\n";

/* ---- the lines ------------------------------------------------------------------------------------------------------------------ */

static FILE *temporary(char path[32])
{
    FILE *f;
    int fd;
    strcpy(path, "/tmp/gpumem-bench-XXXXXX");
    fd = mkstemp(path);
    f = fd < 0 ? NULL : fdopen(fd, "w+");
    if (f == NULL)
        bench_stop("cannot be made", path);
    return f;
}

static void put_case(FILE *to, const char *line)
{
    const char *result = strstr(line, ", \"class\": ");
    size_t n = strcspn(line, "\n");
    if (result)
        fprintf(to, "%.*s}\n", (int)(result - line), line);
    else
        fprintf(to, "%.*s\n", (int)n, line);
}

static void make_lines(const char *table, long lines, char path[32])
{
    FILE *from = fopen(table, "r"), *to = temporary(path);
    char *line = NULL;
    size_t size = 0;
    long n = 0;
    if (from == NULL)
        bench_stop("cannot be read", table);
    while (n < lines) {
        if (getline(&line, &size, from) > 0) {
            put_case(to, line);
            n++;
        } else if (n == 0) {
            bench_stop("has no lines", table);
        } else {
            rewind(from);
        }
    }
    free(line);
    fclose(from);
    if (fclose(to) != 0)
        bench_stop("cannot be written", path);
}

static long count_errors(const char *path)
{
    FILE *f = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    long n = 0;
    while (f && getline(&line, &size, f) > 0)
        n += strstr(line, "\"error\": {") != NULL;
    free(line);
    if (f)
        fclose(f);
    return n;
}

/* ---- the contenders ------------------------------------------------------------------------------------------------------------- */

/* Seconds; a negative number if the program is not there. */
static double run(const char *const *argv, const char *input, const char *output)
{
    posix_spawn_file_actions_t files;
    pid_t child;
    int status;
    double start;
    if (posix_spawn_file_actions_init(&files) || posix_spawn_file_actions_addopen(&files, STDIN_FILENO, input, O_RDONLY, 0) ||
        posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, output, O_WRONLY | O_TRUNC, 0))
        bench_stop("out of memory", argv[0]);
    start = bench_now();
    status = posix_spawnp(&child, argv[0], &files, NULL, (char *const *)argv, environ) == 0 && waitpid(child, &status, 0) == child ? status : -1;
    start = bench_now() - start;
    posix_spawn_file_actions_destroy(&files);
    return status == 0 ? start : -1;
}

static double run_json_c(const char *input, const char *output)
{
    FILE *from = fopen(input, "r"), *to = fopen(output, "w");
    char *line = NULL;
    size_t size = 0;
    double start = bench_now();
    while (from && to && getline(&line, &size, from) > 0) {
        struct json_object *o = json_tokener_parse(line);
        fprintf(to, "%s\n", json_object_to_json_string(o));
        json_object_put(o);
    }
    start = bench_now() - start;
    free(line);
    if (from)
        fclose(from);
    if (to)
        fclose(to);
    return start;
}

/* The children inherit it. */
static void stay_on_one_core(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    CPU_ZERO(&set);
    CPU_SET(cpu < 0 ? 0 : cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        fprintf(stderr, "the benchmark could not be bound to one core\n");
}

int main(int argc, char **argv)
{
    const char *table = argc > 1 ? argv[1] : BENCH_CASES;
    long lines = argc > 2 ? bench_number(argv[2], 1) : 20000;
    char *program = realpath(argc > 3 ? argv[3] : BENCH_PROGRAM, NULL), *folder = realpath(table, NULL), input[32], output[32];
    const char *const batch[] = {program, "batch", "-", NULL}, *const reader[] = {"python3", "-c", python, NULL};
    double own[ROUNDS], other[ROUNDS];
    bench_times a, b;
    bool has_python;
    if (folder == NULL || program == NULL)
        bench_stop("there is no such file", folder ? "gpumem" : table);
    make_lines(folder, lines, input);
    fclose(temporary(output));
    *strrchr(folder, '/') = '\0';
    if (chdir(*folder ? folder : "/") != 0) /* where the configs' paths start */
        bench_stop("cannot be entered", folder);
    stay_on_one_core();
    if (run(batch, input, output) < 0)
        bench_stop("it failed", program);
    printf("%ld lines of %s, %ld of them errors\n", lines, table, count_errors(output));
    has_python = run(reader, input, "/dev/null") >= 0;
    for (int i = 0; i < ROUNDS; i++) {
        own[i] = run(batch, input, "/dev/null");
        other[i] = has_python ? run(reader, input, "/dev/null") : run_json_c(input, "/dev/null");
    }
    unlink(input);
    unlink(output);
    a = bench_sum_up(own, ROUNDS);
    b = bench_sum_up(other, ROUNDS);
    printf("%-28s %10.0f lines a second (median of %d; best %.0f)\n", "gpumem batch", (double)lines / a.middle, ROUNDS, (double)lines / a.least);
    printf("%-28s %10.0f lines a second (median of %d; best %.0f)\n", has_python ? "python3, json in and out" : "json-c, in and out",
           (double)lines / b.middle, ROUNDS, (double)lines / b.least);
    printf("gpumem batch is %.2f times as fast as that, and %.1f times the goal of %.0f lines a second\n", b.middle / a.middle,
           (double)lines / a.middle / GOAL, GOAL);
    free(folder);
    free(program);
    return 0;
}
