// SPDX-License-Identifier: Apache-2.0
// Formats one line and hands it to the host's log. Sink and level are set before threads start;
// after that any thread may write.
#include "lib/io/log.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    LINE_MAX_BYTES = 2048, // longer lines are cut
};

static void
write_stderr(enum log_level level, const char *text)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};
    fprintf(stderr, "%s: %s\n", names[level], text); // one call: lines of threads do not mix
}

static log_sink_fn *current_sink = write_stderr;
static enum log_level current_level = LOG_LEVEL_INFO;

void
log_set_sink(log_sink_fn *sink)
{
    current_sink = sink ? sink : write_stderr;
}

void
log_set_level(enum log_level most)
{
    current_level = most;
}

void
log_write(enum log_level level, const char *fmt, ...)
{
    if (level > current_level)
        return;
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    current_sink(level, line);
}
