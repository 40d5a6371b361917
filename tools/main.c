/* gpumem, and gpu_memory_calculator: the same program under its classic name. */
#include "tool.h"
#include <signal.h>
#include <string.h>

static bool is_classic(const char *program)
{
    const char *slash = strrchr(program, '/');

    return strcmp(slash ? slash + 1 : program, "gpu_memory_calculator") == 0;
}

static int run(const options *o)
{
    static int (*const run_verb[VERB_END])(const options *) = {
        [VERB_ESTIMATE] = verb_estimate, [VERB_TRAIN] = verb_estimate, [VERB_INFER] = verb_estimate,
        [VERB_MODEL] = verb_model, [VERB_BATCH] = verb_batch, [VERB_PLUGIN] = verb_plugin, [VERB_GPUS] = verb_gpus,
        [VERB_PULL] = verb_pull, [VERB_CACHE] = verb_cache,
        [VERB_COMPLETION] = verb_completion, [VERB_HELP] = verb_help, [VERB_CLASSIC] = verb_classic};

    if (o->help)
        return verb_help(o);
    if (o->version)
        return verb_version(o);
    return run_verb[o->verb](o);
}

int main(int argc, char **argv)
{
    options o;
    progress fetching = {0};
    gpumem_error err = {0};
    int code;

    signal(SIGPIPE, SIG_DFL); /* a reader that goes away ends the program, also where a parent ignored it */
    if (options_parse(argc, argv, argc > 0 && is_classic(argv[0]), &o, &err) == GPUMEM_OK) {
        o.progress = &fetching;
        code = run(&o);
    } else {
        code = report(&o, &err);
    }
    options_free(&o);
    return code;
}
