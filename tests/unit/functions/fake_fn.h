// SPDX-License-Identifier: Apache-2.0
// An instance of a function as cardd would make it, without cardd: for tests of what it does with
// packets. A cycle is a nanosecond.
#pragma once

#include "dpdk-app/functions/fn.h"
#include "lib/base/json.h"
#include "lib/schedule/quota.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const uint64_t fake_hz = 1000000000;
static struct quota fake_quota;
static struct offload_err fake_err; // of the last refusal

// Of 'ops' with the JSON text 'params', renewed from 'old' if that is not NULL. NULL: refused.
static inline void *
fake_fn(const struct fn_ops *ops, const void *old, const char *params)
{
    static uint64_t filled[64];
    struct json_object *object = offload_json_parse("t", params, strlen(params), &fake_err);
    assert_non_null(object);
    if (!old)
        fake_quota = (struct quota){.limit = 64 << 20};
    struct fn_env env = {.app = "a", .card = "c", .quota = &fake_quota, .tsc_hz = fake_hz};
    assert_true(ops->params_bytes <= sizeof filled);
    memset(filled, 0, sizeof filled);
    memset(&fake_err, 0, sizeof fake_err);
    void *state = NULL;
    if (offload_opt_read(ops->params, object, "params", filled, ops->params_bytes, &fake_err) == 0)
        state = old ? ops->renew(old, filled, &env, &fake_err)
                    : ops->create(filled, &env, &fake_err);
    json_object_put(object);
    return state;
}

// Runs one packet through; false: dropped.
static inline bool
fake_run(const struct fn_ops *ops, void *state, struct rte_mbuf *pkt, uint64_t now)
{
    return ops->process(state, &pkt, 1, (enum pkt_dir)pkt_meta(pkt)->dir, now) == 1;
}

static inline uint64_t
fake_dropped(const struct fn_ops *ops, const void *state, const char *cause)
{
    struct fn_counter counters[16];
    unsigned n = ops->counters(state, counters, 16);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(counters[i].cause, cause) == 0)
            return counters[i].pkts;
    fail_msg("no counter '%s'", cause);
    return 0;
}

// All that 'from' remembers, or what changed, goes to 'to'. Returns bytes.
static inline size_t
fake_move(const struct fn_ops *ops, void *from, void *to, unsigned flags, uint64_t now)
{
    static uint8_t buf[1 << 20];
    uint64_t cursor = 0;
    size_t n = ops->export(from, &cursor, buf, sizeof buf, flags, now);
    assert_int_equal(ops->import(to, buf, n, now, &fake_err), 0);
    return n;
}
