// SPDX-License-Identifier: Apache-2.0
// A request that the schema lets through can be read by its table without an error that the schema
// should have told; any other is refused, and nothing is called. Lines of requests, one after the
// other; the first byte is the caller's role.
#include "lib/base/json.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/message.h"

#include <offload/card_api.h>

#include <json-c/json.h>

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct given {
    uint64_t term;
    double share;
    char app[OFFLOAD_NAME_MAX + 1], text[16];
    struct json_object *match, *allocations, *sla, *port;
};
#define AT(f) .key = #f, .offset = offsetof(struct given, f)
static const struct offload_opt name_item = {
    .key = "", .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1};
static const struct offload_opt opts[] = {
    {AT(term), .type = OFFLOAD_OPT_U64, .most = 9e15, .flags = OFFLOAD_OPT_REQUIRED},
    {AT(share), .type = OFFLOAD_OPT_F64, .least = -1, .most = 1},
    {AT(app), .type = OFFLOAD_OPT_NAME, .size = OFFLOAD_NAME_MAX + 1},
    {AT(text), .type = OFFLOAD_OPT_STRING, .size = 16, .default_text = "\"x\""},
    {AT(match), .type = OFFLOAD_OPT_ARRAY, .fields = offload_match_opts},
    {AT(allocations), .type = OFFLOAD_OPT_ARRAY, .fields = offload_allocation_opts, .most = 8},
    {AT(sla), .type = OFFLOAD_OPT_OBJECT, .fields = offload_sla_opts},
    {AT(port), .type = OFFLOAD_OPT_U64_OR_TEXT, .most = 65535},
    {.key = "names", .type = OFFLOAD_OPT_ARRAY, .offset = offsetof(struct given, match),
     .item = &name_item},
    OFFLOAD_OPT_END,
};
static const struct rpc_schema schemas[] = {
    {"set", RPC_OPERATE, opts, NULL, ""}, {"get", RPC_READ, NULL, NULL, ""}, {.name = NULL}};

static enum rpc_role role;

static int
set(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
    struct offload_err *err)
{
    struct given given = {.term = 0};
    struct offload_sla sla;
    (void)ctx, (void)peer;
    assert(role >= RPC_OPERATE);
    assert(offload_opt_read(opts, params, "", &given, sizeof given, err) == 0);
    if (given.sla)
        assert(offload_sla_read(given.sla, "sla", &sla, err) == 0);
    for (size_t i = 0; given.allocations && i < json_object_array_length(given.allocations); i++) {
        struct offload_allocation allocation;
        int rc = offload_allocation_read(json_object_array_get_idx(given.allocations, i), "",
                                         &allocation, err);
        assert(rc == 0 || strstr(err->where, "ceiling_bps")); // what a table cannot tell
        if (rc != 0)
            return rc;
    }
    *result = json_object_get(params);
    return 0;
}

static int
get(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
    struct offload_err *err)
{
    (void)ctx, (void)peer, (void)result, (void)err;
    assert(json_object_object_length(params) == 0);
    return 0;
}

static const struct rpc_method methods[] = {
    {"set", set, ""}, {"get", get, ""}, {NULL, NULL, NULL}};

static bool
answer(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    char *text = rpc_answer_checked(methods, schemas, role, NULL, NULL, line, len);
    if (text) {
        struct json_object *message = offload_json_parse("answer", text, strlen(text), NULL);
        assert(message);
        json_object_put(message);
    }
    free(text);
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rpc_frame frame;
    if (size == 0)
        return 0;
    role = data[0] % 3;
    rpc_frame_init(&frame);
    rpc_frame_feed(&frame, (const char *)data + 1, size - 1, answer, NULL);
    rpc_frame_feed(&frame, "\n", 1, answer, NULL);
    rpc_frame_fini(&frame);
    return 0;
}
