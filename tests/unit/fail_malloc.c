// SPDX-License-Identifier: Apache-2.0
// malloc() and its kin for tests of what happens when memory runs out. One thread only.
#include "tests/unit/fail_malloc.h"

#include <json-c/json.h>

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *(*next_malloc)(size_t);
static void *(*next_calloc)(size_t, size_t);
static void *(*next_realloc)(void *, size_t);
static void (*next_free)(void *);
static long live;
static unsigned countdown; // 0: not armed, or passed
static bool sticky, refused, spared;
bool fail_malloc_spares_tokener = true;

// What dlsym() itself allocates before the next malloc() is known; never given back.
static char early[8192] __attribute__((aligned(16)));
static size_t early_used;

static void *
take_early(size_t size)
{
    void *block = early + early_used;
    early_used += (size + 15) & ~(size_t)15;
    return early_used <= sizeof early ? block : NULL;
}

static bool
is_early(const void *block)
{
    return (const char *)block >= early && (const char *)block < early + sizeof early;
}

static bool
find_next(void)
{
    static bool searching;
    if (!next_free && !searching) {
        searching = true;
        *(void **)&next_malloc = dlsym(RTLD_NEXT, "malloc");
        *(void **)&next_calloc = dlsym(RTLD_NEXT, "calloc");
        *(void **)&next_realloc = dlsym(RTLD_NEXT, "realloc");
        *(void **)&next_free = dlsym(RTLD_NEXT, "free");
    }
    return next_free;
}

static bool
refuse(void)
{
    if (spared)
        return false;
    bool now = countdown > 0 && --countdown == 0;
    if (!now && !(refused && sticky))
        return false;
    refused = true;
    errno = ENOMEM;
    return true;
}

void *
malloc(size_t size)
{
    if (!find_next())
        return take_early(size);
    void *block = refuse() ? NULL : next_malloc(size);
    live += block != NULL;
    return block;
}

void *
calloc(size_t n, size_t size)
{
    if (!find_next())
        return take_early(n * size);
    void *block = refuse() ? NULL : next_calloc(n, size);
    live += block != NULL;
    return block;
}

void *
realloc(void *old, size_t size)
{
    if (!find_next())
        return NULL;
    void *block = refuse() ? NULL : next_realloc(old, size);
    live += block && !old;
    return block;
}

void
free(void *block)
{
    if (!block || is_early(block) || !find_next())
        return;
    live--;
    next_free(block);
}

// A sanitizer's own strdup() would allocate past us, and its block come back to our free().
char *
strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = malloc(size);
    return copy ? memcpy(copy, text, size) : NULL;
}

struct json_object *__real_json_tokener_parse_ex(struct json_tokener *tok, const char *text,
                                                 int len);
struct json_object *__wrap_json_tokener_parse_ex(struct json_tokener *tok, const char *text,
                                                 int len);

struct json_object *
__wrap_json_tokener_parse_ex(struct json_tokener *tok, const char *text, int len)
{
    spared = fail_malloc_spares_tokener;
    struct json_object *value = __real_json_tokener_parse_ex(tok, text, len);
    spared = false;
    return value;
}

void
fail_malloc_arm(unsigned nth, bool all_after)
{
    countdown = nth;
    sticky = all_after;
    refused = false;
}

bool
fail_malloc_disarm(void)
{
    bool was_refused = refused;
    countdown = 0;
    sticky = refused = false;
    return was_refused;
}

long
fail_malloc_live(void)
{
    return live;
}
