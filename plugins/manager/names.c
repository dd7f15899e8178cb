// SPDX-License-Identifier: Apache-2.0
// An index of names; see names.h.  Linear probing; removal closes the gap, so that no search meets
// one.
#include "plugins/manager/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_SIZE = 64 };

// FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/
static uint32_t
hash_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash;
}

static const char *
name_at(const void *items, size_t stride, uint32_t index)
{
    return (const char *)items + index * stride;
}

uint32_t
names_find(const struct names *names, const void *items, size_t stride, const char *name)
{
    if (!names->size)
        return NAMES_NONE;
    for (uint32_t i = hash_of(name) & (names->size - 1); names->slots[i];
         i = (i + 1) & (names->size - 1))
        if (!strcmp(name_at(items, stride, names->slots[i] - 1), name))
            return names->slots[i] - 1;
    return NAMES_NONE;
}

static void
insert(struct names *names, const void *items, size_t stride, uint32_t index)
{
    uint32_t i = hash_of(name_at(items, stride, index)) & (names->size - 1);
    while (names->slots[i])
        i = (i + 1) & (names->size - 1);
    names->slots[i] = index + 1;
}

static int
grow(struct names *names, const void *items, size_t stride)
{
    struct names bigger = {.size = names->size ? 2 * names->size : LEAST_SIZE, .used = names->used};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < names->size; i++)
        if (names->slots[i])
            insert(&bigger, items, stride, names->slots[i] - 1);
    free(names->slots);
    *names = bigger;
    return 0;
}

int
names_add(struct names *names, const void *items, size_t stride, uint32_t index)
{
    int rc = 2 * (names->used + 1) > names->size ? grow(names, items, stride) : 0;
    if (rc)
        return rc;
    insert(names, items, stride, index);
    names->used++;
    return 0;
}

void
names_remove(struct names *names, const void *items, size_t stride, uint32_t index)
{
    if (!names->size)
        return;
    uint32_t mask = names->size - 1, gap = hash_of(name_at(items, stride, index)) & mask;
    while (names->slots[gap] && names->slots[gap] != index + 1)
        gap = (gap + 1) & mask;
    if (!names->slots[gap])
        return;
    // What stands behind the gap and would be searched for from before it moves into it.
    for (uint32_t i = (gap + 1) & mask; names->slots[i]; i = (i + 1) & mask) {
        uint32_t home = hash_of(name_at(items, stride, names->slots[i] - 1)) & mask;
        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        names->slots[gap] = names->slots[i];
        gap = i;
    }
    names->slots[gap] = 0;
    names->used--;
}

void
names_fini(struct names *names)
{
    free(names->slots);
    *names = (struct names){0};
}
