// SPDX-License-Identifier: Apache-2.0
// A whole text file in memory, for both programs.
#include "tests/traffic/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_BYTES_MAX = 64 << 20 };

char *
traffic_read_file(const char *path, struct offload_err *err)
{
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        offload_err_set(err, -errno, path, NULL, "cannot be opened: %s", strerror(errno));
        return NULL;
    }
    char *text = NULL;
    size_t used = 0, size = 0;
    do {
        if (size - used < 2) {
            size = size == 0 ? 65536 : size * 2;
            char *grown = size <= FILE_BYTES_MAX ? realloc(text, size) : NULL;
            if (grown == NULL) {
                offload_err_set(err, -EFBIG, path, "use a file below 64 MiB",
                                "does not fit into memory");
                goto give_up;
            }
            text = grown;
        }
        used += fread(text + used, 1, size - used - 1, f);
    } while (!feof(f) && !ferror(f));
    if (ferror(f)) {
        offload_err_set(err, -EIO, path, NULL, "cannot be read");
        goto give_up;
    }
    text[used] = '\0';
    if (strlen(text) != used) {
        offload_err_set(err, -EINVAL, path, "give a text file", "holds a zero byte");
        goto give_up;
    }
    fclose(f);
    return text;

give_up:
    free(text);
    fclose(f);
    return NULL;
}

void
traffic_complain(const struct offload_err *err)
{
    char line[sizeof *err];
    fprintf(stderr, "%s\n", offload_err_format(err, line, sizeof line));
}
