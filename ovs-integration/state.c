// SPDX-License-Identifier: Apache-2.0
// flowd's state file: JSON that a person can read, written atomically by lib/io/statefile.
#include "ovs-integration/state.h"

#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/io/statefile.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_VERSION = 1, STATE_MAX_BYTES = 64 << 20, PATH_SIZE = 160 };

struct state_opts {
    uint64_t version, term, generation, last_id;
    struct json_object *intents, *swaps;
};

static const struct offload_opt state_table[] = {
    {.key = "version",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct state_opts, version),
     .least = 1,
     .most = STATE_VERSION,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "term",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct state_opts, term),
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "generation",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct state_opts, generation),
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "last_id",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct state_opts, last_id),
     .least = 0,
     .most = UINT32_MAX,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "intents",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct state_opts, intents),
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "swaps",
     .type = OFFLOAD_OPT_ARRAY,
     .offset = offsetof(struct state_opts, swaps),
     .flags = OFFLOAD_OPT_REQUIRED},
    OFFLOAD_OPT_END,
};

// An item of "intents": the manager's part as it came, and ours.
struct kept_opts {
    uint64_t id;
    char bridge[BRIDGE_NAME_SIZE];
    char old_card_port[PORT_NAME_SIZE], old_card_port_out[PORT_NAME_SIZE];
    struct json_object *intent;
};

static const struct offload_opt kept_table[] = {
    {.key = "id",
     .type = OFFLOAD_OPT_U64,
     .offset = offsetof(struct kept_opts, id),
     .least = 1,
     .most = UINT32_MAX,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "bridge",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct kept_opts, bridge),
     .size = BRIDGE_NAME_SIZE,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "old_card_port",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct kept_opts, old_card_port),
     .size = PORT_NAME_SIZE},
    {.key = "old_card_port_out",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct kept_opts, old_card_port_out),
     .size = PORT_NAME_SIZE},
    {.key = "intent",
     .type = OFFLOAD_OPT_OBJECT,
     .offset = offsetof(struct kept_opts, intent),
     .flags = OFFLOAD_OPT_REQUIRED},
    OFFLOAD_OPT_END,
};

static const struct offload_opt swap_table[] = {
    {.key = "id",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct swap, id),
     .size = SWAP_ID_SIZE,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "app",
     .type = OFFLOAD_OPT_NAME,
     .offset = offsetof(struct swap, app),
     .size = OFFLOAD_NAME_MAX + 1,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "from_port",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct swap, from_port),
     .size = PORT_NAME_SIZE,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "to_port",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct swap, to_port),
     .size = PORT_NAME_SIZE,
     .flags = OFFLOAD_OPT_REQUIRED},
    {.key = "to_port_out",
     .type = OFFLOAD_OPT_STRING,
     .offset = offsetof(struct swap, to_port_out),
     .size = PORT_NAME_SIZE},
    {.key = "bundle_ns", .type = OFFLOAD_OPT_U64, .offset = offsetof(struct swap, bundle_ns)},
    {.key = "fence_ns", .type = OFFLOAD_OPT_U64, .offset = offsetof(struct swap, fence_ns)},
    {.key = "fenced", .type = OFFLOAD_OPT_BOOL, .offset = offsetof(struct swap, fenced)},
    OFFLOAD_OPT_END,
};

static int
need_object(struct json_object *item, const char *path, struct offload_err *err)
{
    return json_object_is_type(item, json_type_object)
               ? 0
               : offload_err_set(err, -EINVAL, path, "an object", "this is no object");
}

static int
read_kept(struct json_object *item, const char *path, struct intent_set *set,
          struct offload_err *err)
{
    struct kept_opts opts = {.intent = NULL};
    struct intent intent;
    char intent_path[PATH_SIZE];
    int rc = need_object(item, path, err);
    if (!rc)
        rc = offload_opt_read(kept_table, item, path, &opts, sizeof opts, err);
    if (rc)
        return rc;
    offload_json_path(intent_path, sizeof intent_path, path, "intent");
    rc = intent_read(opts.intent, intent_path, &intent, err);
    if (rc)
        return rc;
    intent.id = (uint32_t)opts.id;
    strcpy(intent.bridge, opts.bridge);
    strcpy(intent.old_card_port, opts.old_card_port);
    strcpy(intent.old_card_port_out, opts.old_card_port_out);
    rc = intent_set_put(set, &intent);
    return rc ? offload_err_set(err, rc, path, NULL, "out of memory") : 0;
}

static int
read_lists(const struct state_opts *opts, struct state *state, struct offload_err *err)
{
    char path[PATH_SIZE];
    size_t n = json_object_array_length(opts->intents);
    for (size_t i = 0; i < n; i++) {
        offload_json_path_index(path, sizeof path, "intents", i);
        int rc = read_kept(json_object_array_get_idx(opts->intents, i), path, &state->intents, err);
        if (rc)
            return rc;
    }
    n = json_object_array_length(opts->swaps);
    for (size_t i = 0; i < n; i++) {
        struct swap swap = {.fenced = false};
        struct json_object *item = json_object_array_get_idx(opts->swaps, i);
        offload_json_path_index(path, sizeof path, "swaps", i);
        int rc = need_object(item, path, err);
        if (!rc)
            rc = offload_opt_read(swap_table, item, path, &swap, sizeof swap, err);
        if (rc)
            return rc;
        state_add_swap(state, &swap);
    }
    return 0;
}

int
state_load(const char *path, struct state *out, struct offload_err *err)
{
    char *text;
    size_t len;
    int rc = statefile_read(path, STATE_MAX_BYTES, &text, &len, err);
    if (rc == -ENOENT) {
        *out = (struct state){.term = 0};
        return 0;
    }
    if (rc)
        return rc;
    struct state_opts opts = {.intents = NULL};
    struct state *state = calloc(1, sizeof *state);
    struct json_object *object = offload_json_parse(path, text, len, err);
    free(text);
    if (!state || !object) {
        rc = object ? offload_err_set(err, -ENOMEM, path, NULL, "out of memory")
             : err  ? err->code
                    : -EINVAL;
        json_object_put(object);
        free(state);
        return rc;
    }
    rc = need_object(object, "", err);
    if (!rc)
        rc = offload_opt_read(state_table, object, "", &opts, sizeof opts, err);
    if (!rc)
        rc = read_lists(&opts, state, err);
    json_object_put(object);
    if (rc) {
        state_fini(state);
        offload_err_prefix(err, path);
    } else {
        state->term = opts.term;
        state->generation = opts.generation;
        state->last_id = (uint32_t)opts.last_id;
        *out = *state;
    }
    free(state);
    return rc;
}

static struct json_object *
kept_to_json(const struct intent *intent)
{
    struct json_object *kept = json_object_new_object();
    json_object_object_add(kept, "id", json_object_new_int64(intent->id));
    json_object_object_add(kept, "bridge", json_object_new_string(intent->bridge));
    json_object_object_add(kept, "old_card_port", json_object_new_string(intent->old_card_port));
    json_object_object_add(kept, "old_card_port_out",
                           json_object_new_string(intent->old_card_port_out));
    json_object_object_add(kept, "intent", intent_to_json(intent));
    return kept;
}

static struct json_object *
swap_to_json(const struct swap *swap)
{
    struct json_object *object = json_object_new_object();
    json_object_object_add(object, "id", json_object_new_string(swap->id));
    json_object_object_add(object, "app", json_object_new_string(swap->app));
    json_object_object_add(object, "from_port", json_object_new_string(swap->from_port));
    json_object_object_add(object, "to_port", json_object_new_string(swap->to_port));
    json_object_object_add(object, "to_port_out", json_object_new_string(swap->to_port_out));
    json_object_object_add(object, "bundle_ns", json_object_new_uint64(swap->bundle_ns));
    json_object_object_add(object, "fenced", json_object_new_boolean(swap->fenced));
    json_object_object_add(object, "fence_ns", json_object_new_uint64(swap->fence_ns));
    return object;
}

int
state_save(const char *path, const struct state *state, struct offload_err *err)
{
    struct json_object *object = json_object_new_object(), *intents = json_object_new_array(),
                       *swaps = json_object_new_array();
    json_object_object_add(object, "version", json_object_new_int(STATE_VERSION));
    json_object_object_add(object, "term", json_object_new_uint64(state->term));
    json_object_object_add(object, "generation", json_object_new_uint64(state->generation));
    json_object_object_add(object, "last_id", json_object_new_int64(state->last_id));
    for (size_t i = 0; i < state->intents.n; i++)
        json_object_array_add(intents, kept_to_json(state->intents.intents[i]));
    json_object_object_add(object, "intents", intents);
    for (size_t i = 0; i < state->n_swaps; i++)
        json_object_array_add(swaps, swap_to_json(&state->swaps[i]));
    json_object_object_add(object, "swaps", swaps);

    size_t len;
    const char *text = json_object_to_json_string_length(object, JSON_C_TO_STRING_PLAIN, &len);
    int rc = text ? statefile_write(path, text, len, err)
                  : offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    json_object_put(object);
    return rc;
}

int
state_copy(struct state *to, const struct state *from)
{
    struct intent_set intents;
    int rc = intent_set_copy(&intents, &from->intents);
    if (rc)
        return rc;
    *to = *from;
    to->intents = intents;
    return 0;
}

void
state_fini(struct state *state)
{
    intent_set_fini(&state->intents);
}

struct swap *
state_find_swap(struct state *state, const char *id)
{
    for (size_t i = 0; i < state->n_swaps; i++)
        if (!strcmp(state->swaps[i].id, id))
            return &state->swaps[i];
    return NULL;
}

void
state_add_swap(struct state *state, const struct swap *swap)
{
    if (state->n_swaps == SWAPS_MAX) {
        memmove(&state->swaps[0], &state->swaps[1], (SWAPS_MAX - 1) * sizeof state->swaps[0]);
        state->n_swaps--;
    }
    state->swaps[state->n_swaps++] = *swap;
}
