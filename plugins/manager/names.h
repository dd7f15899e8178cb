// SPDX-License-Identifier: Apache-2.0
// Finds a thing in an array by its name, which is the first member of the thing's struct: a fleet
// has too many for a walk. Open addressing; the array stays the caller's and may be moved by
// realloc().
#pragma once

#include <stddef.h>
#include <stdint.h>

struct names {
    uint32_t *slots; // index + 1; 0: empty
    uint32_t size, used;
};

static const uint32_t NAMES_NONE = UINT32_MAX;

// The index of 'name' in 'items', whose elements are 'stride' bytes, or NAMES_NONE.
uint32_t names_find(const struct names *names, const void *items, size_t stride, const char *name);
// Notes items[index], whose name is set. 0 or -ENOMEM.
int names_add(struct names *names, const void *items, size_t stride, uint32_t index);
// Forgets items[index], whose name still stands.
void names_remove(struct names *names, const void *items, size_t stride, uint32_t index);
void names_fini(struct names *names);
