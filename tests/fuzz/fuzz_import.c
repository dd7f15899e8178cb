// SPDX-License-Identifier: Apache-2.0
// What a card takes from another as the state of a function: whatever is refused, and whatever is
// taken can be exported, taken by another instance, worked with and expired. One program a function:
// FUZZ_FN is its name, FUZZ_PARAMS its parameters.
#include "dpdk-app/functions/fn.h"
#include "lib/base/json.h"
#include "lib/schedule/quota.h"

#include <json-c/json.h>
#include <rte_eal.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME2(x) fn_##x
#define NAME(x) NAME2(x)
extern const struct fn_ops NAME(FUZZ_FN);
static const struct fn_ops *const ops = &NAME(FUZZ_FN);

static const uint64_t tsc_hz = 1000000000, now = UINT64_C(1) << 50;

static void *
make(struct quota *quota)
{
    static uint64_t filled[128];
    struct offload_err err = {0};
    struct fn_env env = {.app = "a", .card = "c", .quota = quota, .tsc_hz = tsc_hz};
    struct json_object *object =
        offload_json_parse("params", FUZZ_PARAMS, strlen(FUZZ_PARAMS), &err);
    memset(filled, 0, sizeof filled);
    int rc = offload_opt_read(ops->params, object, "", filled, ops->params_bytes, &err);
    void *state = rc == 0 ? ops->create(filled, &env, &err) : NULL;
    if (!state) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        abort();
    }
    json_object_put(object);
    return state;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
#ifdef FUZZ_EAL
    char prefix[32];
    snprintf(prefix, sizeof prefix, "--file-prefix=fuzz%d", getpid());
    char *eal[] = {"fuzz",   "--no-huge",      "-m", "64", "--no-pci",       "--no-shconf",
                   "--no-telemetry", "-l", "0",  "--iova-mode=va", "--log-level=3",
                   prefix};
    if (rte_eal_init(sizeof eal / sizeof eal[0], eal) < 0)
        exit(1);
    FILE *key = fopen("/tmp/fuzz_import.key", "w");
    fputs("000102030405060708090a0b0c0d0e0f00000000", key);
    fclose(key);
    chmod("/tmp/fuzz_import.key", 0600);
#endif
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t buf[1 << 16];
    static void *a, *b;
    static struct quota quota_a = {.limit = 1 << 16}, quota_b = {.limit = 1 << 17};
    struct offload_err err;
    if (!a || ops->tick) { // one that forgets begins anew each time
        a = make(&quota_a);
        b = make(&quota_b);
    }
    int rc = ops->import(a, data, size, now, &err);
    assert(rc == 0 || rc == -EBADMSG || rc == -ENOSPC);
    assert(quota_a.used <= quota_a.limit);
    assert(!ops->tick || quota_a.used == ops->state_bytes(a));
    uint64_t cursor = 0;
    for (size_t n; (n = ops->export(a, &cursor, buf, sizeof buf, 0, now)) > 0;)
        assert(ops->import(b, buf, n, now, &err) == 0);
    assert(ops->entries(a) == ops->entries(b));
    ops->export(a, &cursor, buf, sizeof buf, FN_EXPORT_STOP, now);
    if (!ops->tick)
        return 0;
    ops->tick(a, now + 700000 * tsc_hz, 1 << 16);
    ops->tick(b, now + 700000 * tsc_hz, 1 << 16);
    assert(ops->entries(a) == 0);
    ops->destroy(a);
    ops->destroy(b);
    quota_a.used = quota_b.used = 0;
    return 0;
}
