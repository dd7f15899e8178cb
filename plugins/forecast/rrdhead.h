// SPDX-License-Identifier: Apache-2.0
// Whether a file is an RRD as rrdtool writes it here, before librrd maps it: librrd believes what
// the header says, and a file shorter than that would end the daemon.
#pragma once

#include <offload/err.h>

#include <stddef.h>
#include <stdint.h>

enum { RRD_HEAD_BYTES_MAX = 1 << 20 };

// Looks at the first 'len' bytes (at most RRD_HEAD_BYTES_MAX are needed) of a file of 'file_bytes'.
// -EINVAL: it is cut, of another machine, or no RRD; 'err' says which.
int rrd_head_check(const unsigned char *head, size_t len, uint64_t file_bytes,
                   struct offload_err *err);
