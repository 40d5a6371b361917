/* The command line: one table of options feeds the parser, --help, completion and the test of the man page. */
#ifndef TOOL_OPTIONS_H
#define TOOL_OPTIONS_H

#include <gpumem/gpumem.h>

typedef enum verb {
    VERB_ESTIMATE, VERB_TRAIN, VERB_INFER, VERB_MODEL, VERB_BATCH, VERB_PLUGIN, VERB_GPUS, VERB_PULL, VERB_CACHE, VERB_COMPLETION, VERB_HELP,
    VERB_CLASSIC, VERB_END
} verb;
typedef struct verb_info {
    const char *name;      /* "" for an estimate, which has no word */
    const char *arguments; /* as --help shows them */
    const char *help;
    unsigned most;         /* words after it */
    const char *first;     /* the values of its first word, "a|b"; or NULL */
} verb_info;
extern const verb_info verbs[VERB_END];

typedef enum option_type {
    OPTION_SWITCH, OPTION_TEXT, OPTION_COUNT, OPTION_TOKENS, OPTION_DIRECTORY, OPTION_SETTING, OPTION_SIZE, OPTION_WORD,
    OPTION_BOOL
} option_type;
typedef struct option_info {
    const char *name;     /* without the dashes */
    const char *argument; /* NULL: a switch */
    const char *values;   /* "a|b|c": nothing else is allowed; or NULL */
    const char *complete; /* what completes its argument: file, directory, or a list of `completion words` */
    const char *group;
    const char *help;
    unsigned verbs;       /* 1 << VERB_... */
    option_type type;
    size_t at;            /* where its value goes in struct options */
} option_info;
extern const option_info option_table[];
extern const size_t option_count;

typedef struct setting { const char *option; char *key; const char *value; } setting; /* of a config key */

typedef struct options {
    verb verb;
    const char *model, *mode, *precision, *quantize, *optimizer, *implementation, *attention, *engine, *cache_format, *set, *activation, *freeze, *class_name, *like;
    const char *gpu, *memory, *kind, *search, *color, *weights;
    uint64_t batch, tokens, accumulation, gpu_layers, static_cache; /* 0: not given */
    bool checkpointing, no_cache, all_logits, json, explain, timeline, svg, quiet, check, ascii, sources, keys, tensors, checkpoint, compare, full, offline, help, version;
    struct progress *progress; /* of what is fetched; main() has it */
    const char *word[2]; /* of verbs that take words instead of a model */
    unsigned nword;
    const char **plugin_dir;
    size_t nplugin_dir;
    setting *setting;
    size_t nsetting;
} options;

/* o is filled as far as possible even on error, so that the error can be shown in the right colour. */
gpumem_status options_parse(int argc, char **argv, bool classic, options *o, gpumem_error *err);
void options_free(options *o);

verb find_verb(const char *word); /* VERB_END: there is none of that name */
const char *verb_name(verb v); /* for messages: "gpumem infer" */
/* Is `word` one of "a|b|c"? */
bool one_of(const char *values, const char *word);
/* A size in bytes: 80GB, 80GiB, 80G, 81559MiB.  False if it is none. */
bool parse_memory(const char *s, uint64_t *bytes);
#endif
