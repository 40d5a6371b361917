/* Errors, tips and notes go to stderr, the result to stdout. */
#include "tool.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 80 };

gpumem_status fail(gpumem_error *err, gpumem_status status, const char *format, ...)
{
    va_list args;

    gpumem_error_clear(err);
    err->status = status;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

gpumem_status add_tip(gpumem_error *err, const char *format, ...)
{
    va_list args;

    if (err->ntip < sizeof err->tip / sizeof *err->tip) {
        va_start(args, format);
        vsnprintf(err->tip[err->ntip], sizeof *err->tip, format, args);
        va_end(args);
        err->ntip++;
    }
    return err->status;
}

bool write_all(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, s, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return false;
        s += done;
        n -= (size_t)done;
    }
    return true;
}

/* Names in messages come from files and arguments: no control characters reach the terminal. */
static void harmless(char *s)
{
    for (; *s; s++)
        if ((unsigned char)*s < 0x20 || *s == 0x7f)
            *s = '?';
}

static void put_line(gpumem_text *t, const terminal *term, style how, const char *label, const char *text)
{
    unsigned at = (unsigned)strlen(label) + 1;
    const char *word = label + strspn(label, " ");

    gpumem_text_put(t, label, (size_t)(word - label));
    put_styled(t, term, how, word);
    gpumem_text_char(t, ' ');
    put_wrapped(t, text, at, at, WIDTH);
    gpumem_text_char(t, '\n');
}

/* There is nobody left to tell if stderr cannot be written. */
static void say(const gpumem_text *t)
{
    static const char none[] = "error: out of memory\n";

    if (t->failed)
        (void)write_all(STDERR_FILENO, none, sizeof none - 1);
    else
        (void)write_all(STDERR_FILENO, t->s, t->n);
}

int report(const options *o, const gpumem_error *err)
{
    terminal term = {term_color(o, STDERR_FILENO), WIDTH, NULL};
    gpumem_text t = {0};
    char text[sizeof err->file + sizeof err->message + 32];

    gpumem_error_text(err, text, sizeof text);
    harmless(text);
    put_line(&t, &term, STYLE_BAD, "error:", text);
    for (unsigned i = 0; i < err->ntip; i++) {
        char tip[sizeof *err->tip];
        memcpy(tip, err->tip[i], sizeof tip);
        tip[sizeof tip - 1] = '\0';
        harmless(tip);
        put_line(&t, &term, STYLE_GOOD, "  tip:", tip);
    }
    say(&t);
    gpumem_text_free(&t);
    return gpumem_exit_code(err->status);
}

void note(const options *o, const char *text)
{
    terminal term = {term_color(o, STDERR_FILENO), WIDTH, NULL};
    gpumem_text t = {0};
    char copy[1024];

    snprintf(copy, sizeof copy, "%s", text);
    harmless(copy);
    put_line(&t, &term, STYLE_WARN, "note:", copy);
    say(&t);
    gpumem_text_free(&t);
}

/* Some file systems tell only at the end that they could not keep it. */
static bool write_stdout(const gpumem_text *out)
{
    return write_all(STDOUT_FILENO, out->s, out->n) && close(STDOUT_FILENO) == 0;
}

int finish(const options *o, gpumem_text *out, gpumem_error *err)
{
    int code = CODE_OK;

    if (err->status == GPUMEM_OK && out->failed)
        fail(err, GPUMEM_ENOMEM, "out of memory");
    if (err->status == GPUMEM_OK && !write_stdout(out))
        fail(err, GPUMEM_EINTERNAL, "cannot write the result: %s", strerror(errno));
    if (err->status != GPUMEM_OK)
        code = report(o, err);
    gpumem_text_free(out);
    return code;
}
