/* What the Hub is asked for, while it takes long: a line on a terminal, which goes away again; and notes. */
#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 500, REDRAW = 100 }; /* milliseconds */

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool on_terminal(void)
{
    const char *term = getenv("TERM");

    return isatty(STDERR_FILENO) && term && *term && strcmp(term, "dumb") != 0;
}

static void wipe(progress *p)
{
    if (p->shown)
        (void)write_all(STDERR_FILENO, "\r\033[K", 4);
    p->shown = false;
}

static void draw(progress *p, const gpumem_progress *of)
{
    char size[NUMBER_SIZE], all[NUMBER_SIZE], line[200];
    unsigned width = 79;
    long now = now_ms();

    if (!p->since)
        p->since = now;
    if (!p->terminal || now - p->since < PATIENCE || (p->shown && now - p->drawn < REDRAW))
        return;
    amount_unit(size, of->done);
    if (of->total > of->done)
        snprintf(line, sizeof line, "fetching %.80s  %s of %s", of->what, size, amount_unit(all, of->total));
    else
        snprintf(line, sizeof line, "fetching %.80s  %s", of->what, size);
    for (char *s = line; *s; s++) /* names come from servers */
        if ((unsigned char)*s < ' ' || *s == 0x7f)
            *s = '?';
    line[strlen(line) < width ? strlen(line) : width] = '\0';
    (void)write_all(STDERR_FILENO, "\r", 1);
    (void)write_all(STDERR_FILENO, line, strlen(line));
    (void)write_all(STDERR_FILENO, "\033[K", 3);
    p->shown = true;
    p->drawn = now;
}

void show_progress(void *self, const gpumem_progress *of)
{
    progress *p = self;
    char text[300];

    switch (of->kind) {
    case GPUMEM_PROGRESS_FETCH:
        draw(p, of);
        break;
    case GPUMEM_PROGRESS_WAIT:
        wipe(p);
        snprintf(text, sizeof text, "the Hub's rate limit is reached: waiting for %u seconds, as it asks (%.100s)", of->seconds, of->what);
        note(p->o, text);
        break;
    case GPUMEM_PROGRESS_NOTE:
        wipe(p);
        note(p->o, of->what);
        break;
    case GPUMEM_PROGRESS_DONE:
        wipe(p);
        break;
    }
}

gpumem_status use_hub(gpumem_host *host, const options *o, gpumem_error *err)
{
    gpumem_hub_options hub = {.offline = o->offline, .open = "microsoft/phi-2, mistralai/Mistral-7B-v0.1", .progress = o->progress ? show_progress : NULL, .self = o->progress};

    if (o->progress) {
        o->progress->o = o;
        o->progress->terminal = on_terminal();
    }
    return gpumem_hub_use(host, &hub, err);
}
