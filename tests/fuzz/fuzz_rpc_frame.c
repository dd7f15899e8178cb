// SPDX-License-Identifier: Apache-2.0
// Any bytes, cut anywhere, are answered by lines of JSON or not at all. The first byte says how
// they are cut.
#include "lib/base/json.h"
#include "lib/rpc/frame.h"
#include "lib/rpc/message.h"

#include <json-c/json.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
echo(void *ctx, struct rpc_peer *peer, struct json_object *params, struct json_object **result,
     struct offload_err *err)
{
    (void)ctx, (void)peer, (void)err;
    *result = json_object_get(params);
    return 0;
}

static const struct rpc_method methods[] = {{"echo", echo, ""}, {NULL, NULL, NULL}};

static bool
answer(void *ctx, const char *line, size_t len)
{
    (void)ctx;
    char *text = rpc_answer(methods, NULL, NULL, line, len);
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
    size_t step = size > 0 ? data[0] + 1u : 1;
    rpc_frame_init(&frame);
    for (size_t at = 1; at < size; at += step)
        rpc_frame_feed(&frame, (const char *)data + at, size - at < step ? size - at : step, answer,
                       NULL);
    rpc_frame_feed(&frame, "\n", 1, answer, NULL);
    rpc_frame_fini(&frame);
    return 0;
}
