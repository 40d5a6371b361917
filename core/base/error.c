#include "base/error.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void gpumem_error_clear(gpumem_error *err)
{
    if (!err)
        return;
    err->status = GPUMEM_OK;
    err->line = err->column = err->ntip = 0;
    err->file[0] = err->message[0] = '\0';
}

/* One line of whole characters, whatever was quoted in it. */
static void tidy(char *s, size_t size)
{
    size_t n = strlen(s);
    char *p;
    if (n + 1 == size)
        s[gm_utf8_cut(s, n)] = '\0';
    for (p = s; *p; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = ' ';
}

gpumem_status gm_fail(gpumem_error *err, gpumem_status status, const char *file, unsigned line, unsigned column,
                      const char *format, ...)
{
    va_list args;
    if (!err)
        return status;
    if (err->status != GPUMEM_OK)
        return err->status;
    gpumem_error_clear(err);
    err->status = status;
    err->line = line;
    err->column = column;
    snprintf(err->file, sizeof err->file, "%s", file ? file : "");
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    tidy(err->message, sizeof err->message);
    return status;
}

gpumem_status gm_no_memory(gpumem_error *err)
{
    return gm_fail(err, GPUMEM_ENOMEM, NULL, 0, 0, "out of memory");
}

void gm_tip(gpumem_error *err, const char *format, ...)
{
    va_list args;
    char *tip;
    if (!err || err->status == GPUMEM_OK || err->ntip >= sizeof err->tip / sizeof *err->tip)
        return;
    tip = err->tip[err->ntip++];
    va_start(args, format);
    vsnprintf(tip, sizeof *err->tip, format, args);
    va_end(args);
    tidy(tip, sizeof *err->tip);
}

const char *gpumem_error_text(const gpumem_error *err, char *buf, size_t n)
{
    if (n == 0)
        return "";
    if (!err->file[0])
        snprintf(buf, n, "%s", err->message);
    else if (!err->line)
        snprintf(buf, n, "%s: %s", err->file, err->message);
    else if (!err->column)
        snprintf(buf, n, "%s:%u: %s", err->file, err->line, err->message);
    else
        snprintf(buf, n, "%s:%u:%u: %s", err->file, err->line, err->column, err->message);
    return buf;
}

int gpumem_exit_code(gpumem_status status)
{
    switch (status) {
    case GPUMEM_OK:
        return 0;
    case GPUMEM_EUNKNOWN:
    case GPUMEM_EINVAL:
    case GPUMEM_EUNSUP:
    case GPUMEM_ERANGE:
        return 2;
    case GPUMEM_EIO:
    case GPUMEM_ESYNTAX:
    case GPUMEM_ECONFIG:
    case GPUMEM_EMODEL:
        return 3;
    case GPUMEM_EPLUGIN:
        return 4;
    case GPUMEM_EHUB:
    case GPUMEM_ENOCONFIG:
        return 6;
    case GPUMEM_ENOMEM:
    case GPUMEM_EINTERNAL:
    case GPUMEM_ESPACE:
        break;
    }
    return 5;
}
