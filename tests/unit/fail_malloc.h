// SPDX-License-Identifier: Apache-2.0
// Lets the n-th allocation of the process fail, also those inside shared libraries: the test
// program brings its own malloc() and hands on to the next one (libc's or a sanitizer's). Spared is
// what json-c's tokener allocates while it parses: json-c 0.16 writes through NULL when it cannot
// copy a key, and drops the rest of a list that cannot grow. Link with
// -Wl,--wrap=json_tokener_parse_ex.
#pragma once

#include <stdbool.h>
#include <stddef.h>

// From now on the 'nth' allocation fails, counted from 1, and, if 'all_after', every later one too.
void fail_malloc_arm(unsigned nth, bool all_after);

// Whether json-c's tokener is spared (true).
extern bool fail_malloc_spares_tokener;

// Ends that. Returns whether an allocation was refused; false means that 'nth' was beyond the last.
bool fail_malloc_disarm(void);

// Blocks given out and not yet freed since the program began.
long fail_malloc_live(void);
