// SPDX-License-Identifier: Apache-2.0
// kernel -> [links] -> offload_path -> bus.  Reads two small files of sysfs, which never block.

#include "plugins/path/links.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
read_number(const char *interface, const char *file, long long *out)
{
    char path[128], line[32];
    if (strchr(interface, '/'))
        return -EINVAL;
    snprintf(path, sizeof path, "/sys/class/net/%s/%s", interface, file);
    FILE *f = fopen(path, "re");
    if (!f)
        return -errno;
    errno = 0;
    int rc = fgets(line, sizeof line, f) ? 0 : (errno ? -errno : -EIO);
    fclose(f);
    if (!rc)
        *out = strtoll(line, NULL, 10);
    return rc;
}

int
link_read(const char *interface, struct link_counts *out)
{
    long long tx_bytes, mbit;
    int rc = read_number(interface, "statistics/tx_bytes", &tx_bytes);
    if (rc)
        return rc;
    out->tx_bytes = (uint64_t)tx_bytes;
    // Reading the speed fails with EINVAL while the link is down, and says -1 where there is none.
    out->speed_bps =
        read_number(interface, "speed", &mbit) == 0 && mbit > 0 ? (double)mbit * 1e6 : NAN;
    return 0;
}
