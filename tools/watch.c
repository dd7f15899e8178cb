// SPDX-License-Identifier: Apache-2.0
// The loop of --watch. On a terminal each look replaces the last one; elsewhere a blank line parts
// them.

#include "tools/watch.h"

#include <json-c/json.h>

#include <stdio.h>
#include <time.h>
#include <unistd.h>

void
watch_pause(const struct ctl *ctl)
{
    struct timespec span = {.tv_sec = (time_t)(ctl->interval_ms / 1000),
                            .tv_nsec = (long)(ctl->interval_ms % 1000) * 1000000};
    nanosleep(&span, NULL);
}

int
watch_run(const struct ctl *ctl, watch_look_fn *look)
{
    bool again = ctl->watch || ctl->count > 1, terminal = isatty(STDOUT_FILENO) && !ctl->json;
    struct json_object *before = NULL, *now = NULL;
    int rc = CTL_DONE;
    for (uint64_t i = 0; i == 0 || (again && (ctl->count == 0 || i < ctl->count)); i++) {
        if (i > 0) {
            watch_pause(ctl);
            fputs(terminal || ctl->json ? "" : "\n", stdout);
        }
        if (again && terminal)
            fputs("\033[H\033[J", stdout);
        rc = look(ctl, before, &now);
        if (rc == CTL_MISUSED)
            again = false;
        if (fflush(stdout) != 0 || ferror(stdout))
            rc = CTL_FAILED;
        json_object_put(before);
        before = now;
        now = NULL;
    }
    json_object_put(before);
    return rc;
}
