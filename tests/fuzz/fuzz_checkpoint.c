// SPDX-License-Identifier: Apache-2.0
// A checkpoint is taken whole or refused; what is taken is what was written.
#include "lib/io/statefile.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct offload_err err = {0};
    char path[64], *payload = NULL;
    uint32_t version = 3;
    size_t len = 0;
    int fd = memfd_create("checkpoint", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        close(fd);
        return 0;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int rc = checkpoint_read(path, 1, &version, 1 << 20, &payload, &len, &err);
    assert(rc == 0 || (payload == NULL && err.text[0]));
    if (rc == 0)
        assert(len < size && memcmp(payload, data + 24, len) == 0);
    free(payload);
    close(fd);
    return 0;
}
