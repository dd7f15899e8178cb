// SPDX-License-Identifier: Apache-2.0
// Looks for data files of the suite.

#include "lib/io/datafile.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FOLDERS_UP = 4 }; // from tools/.libs/offloadctl to the tree around a build folder in it

char *
datafile(char *buf, size_t size, const char *installed, const char *name)
{
    const char *told = getenv("OFFLOAD_DATADIR");
    if (told && *told) {
        snprintf(buf, size, "%s/%s", told, name);
        return buf;
    }
    char folder[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", folder, sizeof folder - 1);
    folder[n > 0 ? n : 0] = 0;
    for (int i = 0; i < FOLDERS_UP; i++) {
        char *end = strrchr(folder, '/');
        if (!end || end == folder)
            break;
        *end = 0;
        snprintf(buf, size, "%s/conf/%s", folder, name);
        if (access(buf, R_OK) == 0)
            return buf;
    }
    snprintf(buf, size, "%s/%s", installed, name);
    return buf;
}
