// SPDX-License-Identifier: Apache-2.0
// The one error type: filled where something goes wrong, prefixed on the way up, printed once.
// Pure: no clock, no lock, no I/O.
#include <offload/err.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

// Copies what fits; 'from' may lie inside 'to'.
static void
copy_text(char *to, size_t size, const char *from)
{
    size_t len = from ? strnlen(from, size - 1) : 0;
    if (len > 0)
        memmove(to, from, len);
    to[len] = '\0';
}

int
offload_err_set(struct offload_err *err, int code, const char *where, const char *expected,
                const char *fmt, ...)
{
    if (!err)
        return code;

    // The arguments may point into *err, so nothing is overwritten before all is read.
    struct offload_err next = {.code = code};
    va_list args;
    va_start(args, fmt);
    vsnprintf(next.text, sizeof next.text, fmt, args);
    va_end(args);
    copy_text(next.where, sizeof next.where, where);
    copy_text(next.expected, sizeof next.expected, expected);
    *err = next;
    return code;
}

void
offload_err_prefix(struct offload_err *err, const char *prefix)
{
    if (!err || !prefix || !*prefix)
        return;
    char where[sizeof err->where];
    copy_text(where, sizeof where, prefix);
    if (*err->where) {
        strncat(where, ": ", sizeof where - strlen(where) - 1);
        strncat(where, err->where, sizeof where - strlen(where) - 1);
    }
    copy_text(err->where, sizeof err->where, where);
}

char *
offload_err_format(const struct offload_err *err, char *buf, size_t size)
{
    snprintf(buf, size, "%s%s%s%s%s", err->where, *err->where ? ": " : "", err->text,
             *err->expected ? "; " : "", err->expected);
    return buf;
}
