/* gpumem completion: scripts for shells, from the table of options; and the words that only the program knows. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

/* ---- words: a name and its description a line -------------------------------------------------------------------------- */

typedef struct words { gpumem_host *host; gpumem_text *out; } words;

static int put_catalogue(void *self, const char *name, const char *full)
{
    words *w = self;

    gpumem_text_printf(w->out, "%s\t%s\n", name, full ? full : "model");
    return 0;
}

static int put_candidate(void *self, const gpumem_candidate *c)
{
    words *w = self;

    if (!c->shadowed && c->error.status == GPUMEM_OK)
        gpumem_text_printf(w->out, "%s\t%s\n", c->id, c->title);
    return 0;
}

static void put_aliases(gpumem_text *t, const char *aliases, const char *description)
{
    while (aliases && *aliases) {
        size_t n = strcspn(aliases, ", ");
        if (n > 0)
            gpumem_text_printf(t, "%.*s\t%s\n", (int)n, aliases, description);
        aliases += n;
        aliases += strspn(aliases, ", ");
    }
}

static int put_gpu(void *self, const char *id)
{
    words *w = self;
    gpumem_gpu *gpu;
    gpumem_error ignored = {0};
    char description[160];
    const char *name;
    double gb;

    if (gpumem_gpu_open(w->host, id, &gpu, &ignored) != GPUMEM_OK)
        return 0;
    name = gpumem_gpu_text(gpu, "name");
    if (gpumem_gpu_number(gpu, "marketing_gb", &gb))
        snprintf(description, sizeof description, "%s, %g GB", name ? name : id, gb);
    else
        snprintf(description, sizeof description, "%s", name ? name : id);
    gpumem_text_printf(w->out, "%s\t%s\n", id, description);
    put_aliases(w->out, gpumem_gpu_text(gpu, "aliases"), description);
    gpumem_gpu_free(gpu);
    return 0;
}

static gpumem_status put_words(const options *o, const char *list, gpumem_text *out, gpumem_error *err)
{
    words w = {.out = out};
    gpumem_status s = open_host(o, &w.host, err);

    if (s != GPUMEM_OK)
        return s;
    if (strcmp(list, "model") == 0)
        s = gpumem_catalogue_each(w.host, put_catalogue, &w, err);
    else if (strcmp(list, "gpu") == 0)
        s = each_id(w.host, GPUMEM_KIND_GPU, put_gpu, &w, err);
    else if (strcmp(list, "plugin") == 0)
        s = gpumem_plugin_each(w.host, 0, put_candidate, &w, err);
    else if (gpumem_kind_from(list) != 0)
        s = gpumem_plugin_each(w.host, gpumem_kind_from(list), put_candidate, &w, err);
    else
        s = fail(err, GPUMEM_EINVAL, "no list of words '%s'", list);
    gpumem_host_free(w.host);
    return s;
}

/* ---- pieces of scripts ----------------------------------------------------------------------------------------------------- */

static void put_values(gpumem_text *t, const char *values)
{
    for (; *values; values++)
        gpumem_text_char(t, *values == '|' ? ' ' : *values);
}

static void put_verbs(gpumem_text *t)
{
    for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++)
        gpumem_text_printf(t, "%s%s", v > VERB_TRAIN ? " " : "", verbs[v].name);
}

/* Text in single quotes of a shell, with what is special for the script before a backslash. */
static void put_quoted(gpumem_text *t, const char *s, const char *special)
{
    for (; *s; s++) {
        if (*s == '\'')
            gpumem_text_puts(t, "'\\''");
        else if (strchr(special, *s))
            gpumem_text_printf(t, "\\%c", *s);
        else
            gpumem_text_char(t, *s);
    }
}

/* What the first word after a verb is. */
static const char *first_word(verb v)
{
    return v <= VERB_MODEL ? "model" : v == VERB_BATCH ? "file" : v == VERB_HELP ? "verb" : "";
}

static bool has(const option_info *option, unsigned v)
{
    return option->verbs & (1u << v);
}

/* ---- bash -------------------------------------------------------------------------------------------------------------------- */

static void bash_options(gpumem_text *t)
{
    gpumem_text_puts(t, "_gpumem_options()\n{\n    case $1 in\n");
    for (unsigned v = 0; v < VERB_END; v++) {
        gpumem_text_printf(t, "    %s) echo '", v == VERB_ESTIMATE ? "''" : v == VERB_CLASSIC ? "classic" : verbs[v].name);
        for (size_t i = 0; i < option_count; i++)
            if (has(&option_table[i], v))
                gpumem_text_printf(t, "--%s ", option_table[i].name);
        gpumem_text_puts(t, "' ;;\n");
    }
    gpumem_text_puts(t, "    esac\n}\n\n");
}

/* 1: an option with a value that is known; what it prints goes through compgen -W. */
static void bash_values(gpumem_text *t)
{
    gpumem_text_puts(t, "_gpumem_values()\n{\n    case $1 in\n");
    for (size_t i = 0; i < option_count; i++) {
        const option_info *option = &option_table[i];
        if (!option->values && !option->complete)
            continue;
        gpumem_text_printf(t, "    --%s) ", option->name);
        if (option->values) {
            gpumem_text_puts(t, "echo '");
            put_values(t, option->values);
            gpumem_text_puts(t, "' ;;\n");
        } else {
            gpumem_text_printf(t, "_gpumem_list %s ;;\n", option->complete);
        }
    }
    for (unsigned v = 0; v < VERB_CLASSIC; v++)
        if (verbs[v].first)
            gpumem_text_printf(t, "    %s) echo '", verbs[v].name), put_values(t, verbs[v].first), gpumem_text_puts(t, "' ;;\n");
    gpumem_text_puts(t, "    esac\n}\n\n");
}

static void bash_arguments(gpumem_text *t)
{
    gpumem_text_puts(t, "_gpumem_takes()\n{\n    case $1 in\n    ");
    bool first = true;
    for (size_t i = 0; i < option_count; i++)
        if (option_table[i].argument) {
            gpumem_text_printf(t, "%s--%s", first ? "" : "|", option_table[i].name);
            first = false;
        }
    gpumem_text_puts(t, ") return 0 ;;\n    esac\n    return 1\n}\n\n");
}

static void put_bash(gpumem_text *t)
{
    gpumem_text_puts(t, "# bash completion for gpumem and gpu_memory_calculator\n\n"
        "_gpumem_list()\n{\n"
        "    case $1 in\n"
        "    directory) compgen -d -- \"$cur\" ;;\n"
        "    *) \"$self\" completion words \"$1\" 2>/dev/null | cut -f1 ;;\n"
        "    esac\n}\n\n");
    bash_options(t);
    bash_values(t);
    bash_arguments(t);
    gpumem_text_puts(t, "_gpumem()\n{\n"
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} self=${1%gpu_memory_calculator}\n"
        "    local verb='' i word words=0 verbs='");
    put_verbs(t);
    gpumem_text_puts(t, "'\n"
        "    COMPREPLY=()\n"
        "    if [[ $self != \"$1\" ]]; then self+=gpumem verb=classic; fi\n"
        "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
        "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
        "        word=${COMP_WORDS[i]}\n"
        "        if [[ $word == -* ]]; then\n"
        "            if [[ ${COMP_WORDS[i+1]} == = ]]; then ((i += 2)); elif _gpumem_takes \"$word\"; then ((i++)); fi\n"
        "        elif [[ -z $verb && $words == 0 && \" $verbs \" == *\" $word \"* ]]; then verb=$word\n"
        "        else ((words++)); fi\n"
        "    done\n"
        "    if _gpumem_takes \"$prev\" || [[ ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then\n"
        "        COMPREPLY=($(compgen -W \"$(_gpumem_values \"$prev\")\" -- \"$cur\"))\n"
        "    elif [[ $cur == -* ]]; then\n"
        "        COMPREPLY=($(compgen -W \"$(_gpumem_options \"$verb\")\" -- \"$cur\"))\n"
        "    else\n"
        "        case $verb in\n"
        "        '') [[ $words == 0 ]] && COMPREPLY=($(compgen -W \"$verbs $(_gpumem_list model)\" -- \"$cur\") $(compgen -f -- \"$cur\")) ;;\n"
        "        train|infer|model) [[ $words == 0 ]] && COMPREPLY=($(compgen -W \"$(_gpumem_list model)\" -- \"$cur\") $(compgen -f -- \"$cur\")) ;;\n"
        "        batch) COMPREPLY=($(compgen -f -- \"$cur\")) ;;\n"
        "        help) COMPREPLY=($(compgen -W \"$verbs\" -- \"$cur\")) ;;\n"
        "        plugin) if [[ $words == 1 ]]; then COMPREPLY=($(compgen -W \"$(_gpumem_list plugin)\" -- \"$cur\"))\n"
        "            else COMPREPLY=($(compgen -W \"$(_gpumem_values plugin)\" -- \"$cur\")); fi ;;\n"
        "        *) COMPREPLY=($(compgen -W \"$(_gpumem_values \"$verb\")\" -- \"$cur\")) ;;\n"
        "        esac\n"
        "    fi\n"
        "}\n"
        "complete -o filenames -F _gpumem gpumem gpu_memory_calculator\n");
}

/* ---- zsh ---------------------------------------------------------------------------------------------------------------------- */

static void zsh_option(gpumem_text *t, const option_info *option)
{
    bool again = option->type == OPTION_DIRECTORY || option->type == OPTION_SETTING;

    gpumem_text_printf(t, " \\\n            '%s--%s%s[", again ? "*" : "", option->name, option->argument ? "=" : "");
    put_quoted(t, option->help, "[]:\\");
    gpumem_text_char(t, ']');
    if (option->argument) {
        gpumem_text_char(t, ':');
        put_quoted(t, option->argument, ":\\");
        gpumem_text_char(t, ':');
        if (option->values) {
            gpumem_text_char(t, '(');
            put_values(t, option->values);
            gpumem_text_char(t, ')');
        } else if (option->complete && strcmp(option->complete, "directory") == 0) {
            gpumem_text_puts(t, "_files -/");
        } else if (option->complete) {
            gpumem_text_printf(t, "{_gpumem_list %s}", option->complete);
        }
    }
    gpumem_text_char(t, '\'');
}

static void zsh_words(gpumem_text *t, verb v)
{
    const char *first = first_word(v);

    if (v == VERB_ESTIMATE)
        gpumem_text_puts(t, " \\\n            '1:command or model:{_gpumem_first}'");
    else if (strcmp(first, "model") == 0)
        gpumem_text_puts(t, " \\\n            '1:model:{_gpumem_model}'");
    else if (strcmp(first, "file") == 0)
        gpumem_text_puts(t, " \\\n            '1:file:_files'");
    else if (strcmp(first, "verb") == 0)
        gpumem_text_puts(t, " \\\n            '1:command:{_gpumem_first}'");
    else if (verbs[v].first) {
        gpumem_text_puts(t, " \\\n            '1:word:(");
        put_values(t, verbs[v].first);
        gpumem_text_puts(t, ")'");
        if (v == VERB_PLUGIN)
            gpumem_text_puts(t, " '2:plugin:{_gpumem_list plugin}'");
    }
}

static void put_zsh(gpumem_text *t)
{
    gpumem_text_puts(t, "#compdef gpumem gpu_memory_calculator\n\n"
        "_gpumem_list() {\n"
        "    local -a list\n"
        "    list=(${(f)\"$(gpumem completion words $1 2>/dev/null)\"})\n"
        "    list=(\"${(@)list//:/\\\\:}\")\n"
        "    list=(\"${(@)list//$'\\t'/:}\")\n"
        "    _describe $1 list\n}\n\n"
        "_gpumem_model() { _alternative 'models:model:{_gpumem_list model}' 'files:file:_files' }\n\n"
        "_gpumem_first() { _alternative 'commands:command:(");
    put_verbs(t);
    gpumem_text_puts(t, ")' 'models:model:{_gpumem_list model}' 'files:file:_files' }\n\n_gpumem() {\n    local verb=\n"
        "    case $words[2] in\n    ");
    for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++)
        gpumem_text_printf(t, "%s%s", v > VERB_TRAIN ? "|" : "", verbs[v].name);
    gpumem_text_puts(t, ") (( CURRENT > 2 )) && { verb=$words[2]; shift words; (( CURRENT-- )) } ;;\n    esac\n"
        "    [[ ${service:-} == gpu_memory_calculator ]] && verb=classic\n"
        "    case $verb in\n");
    for (unsigned v = 0; v < VERB_END; v++) {
        gpumem_text_printf(t, "    %s)\n        _arguments", v == VERB_ESTIMATE ? "''" : v == VERB_CLASSIC ? "classic" : verbs[v].name);
        for (size_t i = 0; i < option_count; i++)
            if (has(&option_table[i], v))
                zsh_option(t, &option_table[i]);
        zsh_words(t, (verb)v);
        gpumem_text_puts(t, " ;;\n");
    }
    gpumem_text_puts(t, "    esac\n}\n\n_gpumem \"$@\"\n");
}

/* ---- fish ---------------------------------------------------------------------------------------------------------------------- */

static void fish_condition(gpumem_text *t, unsigned wanted)
{
    bool main_form = wanted & (1u << VERB_ESTIMATE), any = false;
    gpumem_text names = {0};

    for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++)
        if (!(wanted & (1u << v)) == main_form) {
            gpumem_text_printf(&names, " %s", verbs[v].name);
            any = true;
        }
    if (any)
        gpumem_text_printf(t, " -n '%s__fish_seen_subcommand_from%s'", main_form ? "not " : "", names.s ? names.s : "");
    t->failed |= names.failed;
    gpumem_text_free(&names);
}

static void fish_argument(gpumem_text *t, const option_info *option)
{
    if (option->values && option->argument) {
        gpumem_text_puts(t, " -x -a '");
        put_values(t, option->values);
        gpumem_text_char(t, '\'');
    } else if (option->complete && strcmp(option->complete, "directory") == 0) {
        gpumem_text_puts(t, " -x -a '(__fish_complete_directories)'");
    } else if (option->complete) {
        gpumem_text_printf(t, " -x -a '(gpumem completion words %s 2>/dev/null)'", option->complete);
    } else if (option->argument) {
        gpumem_text_puts(t, " -x");
    }
}

static void fish_option(gpumem_text *t, const option_info *option, const char *program, bool condition)
{
    gpumem_text_printf(t, "complete -c %s", program);
    if (condition)
        fish_condition(t, option->verbs);
    gpumem_text_printf(t, " -l %s", option->name);
    fish_argument(t, option);
    gpumem_text_puts(t, " -d '");
    put_quoted(t, option->help, "");
    gpumem_text_puts(t, "'\n");
}

static void put_fish(gpumem_text *t)
{
    unsigned models = (1u << VERB_ESTIMATE) | (1u << VERB_TRAIN) | (1u << VERB_INFER) | (1u << VERB_MODEL);

    gpumem_text_puts(t, "# fish completion for gpumem and gpu_memory_calculator\n");
    for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++) {
        gpumem_text_printf(t, "complete -c gpumem -n __fish_use_subcommand -a %s -d '", verbs[v].name);
        put_quoted(t, verbs[v].help, "");
        gpumem_text_puts(t, "'\n");
    }
    gpumem_text_puts(t, "complete -c gpumem");
    fish_condition(t, models);
    gpumem_text_puts(t, " -a '(gpumem completion words model 2>/dev/null)'\n");
    for (unsigned v = VERB_TRAIN; v < VERB_CLASSIC; v++)
        if (verbs[v].first) {
            gpumem_text_printf(t, "complete -c gpumem -n '__fish_seen_subcommand_from %s' -a '", verbs[v].name);
            put_values(t, verbs[v].first);
            gpumem_text_puts(t, "'\n");
        }
    for (size_t i = 0; i < option_count; i++) {
        if (option_table[i].verbs & ((1u << VERB_CLASSIC) - 1))
            fish_option(t, &option_table[i], "gpumem", true);
        if (has(&option_table[i], VERB_CLASSIC))
            fish_option(t, &option_table[i], "gpu_memory_calculator", false);
    }
}

int verb_completion(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};
    const char *what = o->word[0];

    if (strcmp(what, "words") == 0 && o->nword == 2)
        put_words(o, o->word[1], &out, &err);
    else if (o->nword > 1 || strcmp(what, "words") == 0)
        fail(&err, GPUMEM_EINVAL, "usage: gpumem completion %s", verbs[VERB_COMPLETION].arguments);
    else if (strcmp(what, "bash") == 0)
        put_bash(&out);
    else if (strcmp(what, "zsh") == 0)
        put_zsh(&out);
    else
        put_fish(&out);
    return finish(o, &out, &err);
}
