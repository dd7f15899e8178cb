// SPDX-License-Identifier: Apache-2.0
// Pause points; pausepoint.h has the idea.
#include "lib/io/pausepoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

void
pause_point(const char *daemon, const char *step)
{
    const char *folder = getenv("OFFLOAD_PAUSE_DIR");
    char path[256], reached[272];
    if (!folder)
        return;
    int length = snprintf(path, sizeof path, "%s/%s.%s", folder, daemon, step);
    if (length < 0 || (size_t)length >= sizeof path)
        return;
    for (char *at = path + length; *at != '/'; at--)
        if (*at == ' ')
            *at = '-';
    snprintf(reached, sizeof reached, "%s.reached", path);
    if (rename(path, reached) != 0)
        return; // nobody waits for us here
    while (access(reached, F_OK) == 0)
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}
