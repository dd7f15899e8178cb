// SPDX-License-Identifier: Apache-2.0
// What passes our look at the header, librrd must be able to open and read without harm.
#include "plugins/forecast/rrdhead.h"

#include <rrd.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct offload_err err = {0};
    char path[64];
    if (rrd_head_check(data, size, size, &err))
        return 0;
    int fd = memfd_create("rrd", 0);
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        rrd_info_free(rrd_info_r(path));
        rrd_clear_error();
    }
    close(fd);
    return 0;
}
