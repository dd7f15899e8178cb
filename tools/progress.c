// SPDX-License-Identifier: Apache-2.0
// A progress bar on stderr.

#include "tools/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 1000, WIDTH = 40 };

static uint64_t
now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void
progress_start(struct progress *progress, const char *what, size_t total)
{
    *progress = (struct progress){.what = what, .total = total, .started_ms = now_ms()};
}

void
progress_step(struct progress *progress)
{
    progress_add(progress, 1);
}

void
progress_add(struct progress *progress, size_t n)
{
    progress->done += n;
    if (progress->done > progress->total)
        progress->total = progress->done; // there was more than was thought
    uint64_t spent_ms = now_ms() - progress->started_ms;
    if (spent_ms < PATIENCE_MS || !isatty(STDERR_FILENO))
        return;
    size_t filled = progress->done * WIDTH / progress->total;
    double left_s = (double)spent_ms / 1000 * (double)(progress->total - progress->done) /
                    (double)progress->done;
    fprintf(stderr, "\r[%-*.*s] %zu of %zu %s, %.0f s left ", WIDTH, (int)filled,
            "########################################", progress->done, progress->total,
            progress->what, left_s);
    progress->shown = 1;
}

void
progress_end(struct progress *progress)
{
    if (progress->shown)
        fprintf(stderr, "\r%*s\r", WIDTH + 48, "");
    progress->shown = 0;
}
