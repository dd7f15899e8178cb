// SPDX-License-Identifier: Apache-2.0
// Where the suite's data files (trained weights) are.
#pragma once

#include <stddef.h>

// Fills 'buf' with the path of data file 'name' ("weights/lstm.checkpoint") and returns it: below
// $OFFLOAD_DATADIR if that is set; else, for a program that runs in the tree that it was built in,
// below that tree's conf/; else below 'installed'. The file need not be there. A path that is too
// long for 'buf' is cut, and so not found.
char *datafile(char *buf, size_t size, const char *installed, const char *name);
