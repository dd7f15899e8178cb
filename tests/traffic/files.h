// SPDX-License-Identifier: Apache-2.0
// A whole text file in memory, for both programs.
#pragma once

#include <offload/err.h>

// At most 64 MiB. Returns the text, 0-terminated (caller frees), or NULL and 'err'.
char *traffic_read_file(const char *path, struct offload_err *err);

// Prints 'err' as one line to stderr.
void traffic_complain(const struct offload_err *err);
