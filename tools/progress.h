// SPDX-License-Identifier: Apache-2.0
// A progress bar on stderr for what takes longer than a second; nothing where stderr is no
// terminal.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct progress {
    const char *what; // "cases"
    size_t total, done;
    uint64_t started_ms;
    int shown; // 1: there is a bar to be wiped
};

void progress_start(struct progress *progress, const char *what, size_t total);
void progress_step(struct progress *progress); // one more is done
void progress_add(struct progress *progress, size_t n);
void progress_end(struct progress *progress);
