/* --help and --version, from the table of options. */
#include "tool.h"
#include <stdio.h>
#include <string.h>

enum { WIDTH = 80, HELP_AT = 30 };

static const char *const groups[][2] = {
    {"model", "Model"}, {"load", "Load"}, {"method", "Method"}, {"hardware", "Hardware"}, {"choice", "Choice"}, {"output", "Output"}};

/* What stands on the left, then its help in a column of its own. */
static void put_entry(gpumem_text *t, const char *left, const char *help)
{
    size_t n = strlen(left);

    gpumem_text_puts(t, left);
    if (n + 2 > HELP_AT)
        gpumem_text_char(t, '\n');
    put_repeat(t, " ", n + 2 > HELP_AT ? HELP_AT : HELP_AT - n);
    put_wrapped(t, help, HELP_AT, HELP_AT, WIDTH);
    gpumem_text_char(t, '\n');
}

static void put_option(gpumem_text *t, const option_info *option)
{
    char left[160], help[320];
    size_t n = (size_t)snprintf(help, sizeof help, "%s", option->help);

    snprintf(left, sizeof left, "  --%s%s%s", option->name, option->argument ? " " : "", option->argument ? option->argument : "");
    if (option->values && option->argument && strcmp(option->values, option->argument) != 0) {
        n += (size_t)snprintf(help + n, sizeof help - n, ": ");
        for (const char *s = option->values; *s && n + 3 < sizeof help; s++)
            n += (size_t)snprintf(help + n, sizeof help - n, *s == '|' ? ", " : "%c", *s);
    }
    put_entry(t, left, help);
}

static void put_options(gpumem_text *t, const terminal *term, unsigned verbs_wanted)
{
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        bool any = false;
        for (size_t i = 0; i < option_count; i++) {
            const option_info *option = &option_table[i];
            if (!(option->verbs & verbs_wanted) || strcmp(option->group, groups[g][0]) != 0)
                continue;
            if (!any) {
                gpumem_text_char(t, '\n');
                put_styled(t, term, STYLE_BOLD, groups[g][1]);
                gpumem_text_char(t, '\n');
            }
            any = true;
            put_option(t, option);
        }
    }
}

static void put_commands(gpumem_text *t, const terminal *term)
{
    gpumem_text_char(t, '\n');
    put_styled(t, term, STYLE_BOLD, "Commands");
    gpumem_text_char(t, '\n');
    for (unsigned v = 0; v < VERB_CLASSIC; v++) {
        char left[64];
        snprintf(left, sizeof left, "  gpumem %s%s%s", verbs[v].name, *verbs[v].name && *verbs[v].arguments ? " " : "",
                 verbs[v].arguments);
        put_entry(t, left, verbs[v].help);
    }
}

static void put_all(gpumem_text *t, const terminal *term)
{
    gpumem_text_puts(t,
        "usage: gpumem [COMMAND] [MODEL] [OPTION...]\n"
        "\n"
        "  gpumem microsoft/phi-2                                       training step\n"
        "  gpumem train config.json --set classic --gpu h100            does it fit?\n"
        "  gpumem infer llama-3.1-8b --context 8k --sequences 4 --json  for a script\n"
        "  gpumem model qwen3-8b                                        what is in it\n"
        "\n"
        "MODEL is a config.json, a folder with one, or a name of the bundled catalogue.\n");
    put_commands(t, term);
    put_options(t, term, ((1u << VERB_CLASSIC) - 1));
}

static void put_verb(gpumem_text *t, const terminal *term, verb v)
{
    gpumem_text_printf(t, "usage: %s%s%s [OPTION...]\n", verb_name(v), *verbs[v].arguments ? " " : "", verbs[v].arguments);
    if (v == VERB_CLASSIC)
        gpumem_text_puts(t, "\nThe classic form of gpumem: closed formulas, the set 'classic'.\n");
    else
        gpumem_text_printf(t, "\n%s\n", verbs[v].help);
    put_options(t, term, 1u << v);
}

int verb_help(const options *o)
{
    terminal term = {term_color(o, 1), WIDTH, NULL};
    gpumem_error err = {0};
    gpumem_text out = {0};
    verb v = o->verb;

    if (v == VERB_HELP && o->nword > 0) {
        v = find_verb(o->word[0]);
        if (v == VERB_END)
            fail(&err, GPUMEM_EINVAL, "no command '%s'; gpumem --help lists them", o->word[0]);
    }
    if (v == VERB_ESTIMATE || v == VERB_HELP)
        put_all(&out, &term);
    else if (v != VERB_END)
        put_verb(&out, &term, v);
    return finish(o, &out, &err);
}

int verb_version(const options *o)
{
    gpumem_error err = {0};
    gpumem_text out = {0};

    gpumem_text_printf(&out, "%s %s\n", o->verb == VERB_CLASSIC ? "gpu_memory_calculator" : "gpumem", gpumem_version());
    return finish(o, &out, &err);
}
