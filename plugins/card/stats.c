// SPDX-License-Identifier: Apache-2.0
// Counters into rates, and the guards that keep a restart of cardd from looking like a storm.
// cardd -> [stats] -> offload_card -> bus.  Pure.

#include "plugins/card/stats.h"

#include "lib/base/json.h"

#include <offload/units.h>

#include <json-c/json.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static int
read_u64(struct json_object *object, const char *path, const char *key, uint64_t *out,
         struct offload_err *err)
{
    char where[160];
    struct json_object *value;
    bool found = json_object_object_get_ex(object, key, &value);
    if (!found || !json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
        return offload_err_set(err, -EINVAL, offload_json_path(where, sizeof where, path, key),
                               "a counter is an integer of at least 0", "%s is no counter",
                               found ? json_object_to_json_string(value) : "nothing");
    *out = json_object_get_uint64(value);
    return 0;
}

static double
delay_or_nan(struct json_object *delay, const char *key)
{
    struct json_object *value;
    if (!delay || !json_object_object_get_ex(delay, key, &value))
        return NAN;
    bool number =
        json_object_is_type(value, json_type_int) || json_object_is_type(value, json_type_double);
    return number ? json_object_get_double(value) : NAN;
}

static int
read_drops(struct json_object *drops, const char *path, struct stats *out, struct offload_err *err)
{
    json_object_object_foreach (drops, cause, unused) {
        (void)unused;
        struct stats_drops *slot = &out->drops[out->n_drops];
        if (out->n_drops == STATS_CAUSES_MAX || strlen(cause) >= sizeof slot->cause)
            continue;
        snprintf(slot->cause, sizeof slot->cause, "%s", cause);
        int rc = read_u64(drops, path, cause, &slot->pkts, err);
        if (rc)
            return rc;
        out->n_drops++;
    }
    return 0;
}

int
stats_read(struct json_object *object, const char *path, struct stats *out, struct offload_err *err)
{
    if (!json_object_is_type(object, json_type_object))
        return offload_err_set(err, -EINVAL, path, "an object as doc/card-api.md has it",
                               "no statistics");
    struct stats stats = {0};
    const struct {
        const char *key;
        uint64_t *field;
    } counters[] = {
        {"time_ns", &stats.time_ns},
        {"offered_pkts", &stats.offered_pkts},
        {"offered_bytes", &stats.offered_bytes},
        {"delivered_pkts", &stats.delivered_pkts},
        {"delivered_bytes", &stats.delivered_bytes},
        {"cycles", &stats.cycles},
        {"queue_delay_ns_sum", &stats.queue_delay_ns_sum},
        {"queue_delay_pkts", &stats.queue_delay_pkts},
        {"memory_bytes", &stats.memory_bytes},
    };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        int rc = read_u64(object, path, counters[i].key, counters[i].field, err);
        if (rc)
            return rc;
    }
    struct json_object *delay = NULL, *drops = NULL;
    json_object_object_get_ex(object, "delay_ns", &delay);
    if (!json_object_is_type(delay, json_type_object))
        delay = NULL;
    stats.delay_p50_ns = delay_or_nan(delay, "p50");
    stats.delay_p99_ns = delay_or_nan(delay, "p99");
    json_object_object_get_ex(object, "drops", &drops);
    if (json_object_is_type(drops, json_type_object)) {
        char where[160];
        int rc =
            read_drops(drops, offload_json_path(where, sizeof where, path, "drops"), &stats, err);
        if (rc)
            return rc;
    }
    *out = stats;
    return 0;
}

static uint64_t
drops_of(const struct stats *stats, const char *cause)
{
    for (size_t i = 0; i < stats->n_drops; i++)
        if (!strcmp(stats->drops[i].cause, cause))
            return stats->drops[i].pkts;
    return 0;
}

// Packets that the functions have worked on: they cost cycles, whatever became of them.
static uint64_t
served_pkts(const struct stats *stats)
{
    return stats->delivered_pkts + drops_of(stats, "function") + drops_of(stats, "transmit");
}

static bool
went_back(const struct stats *before, const struct stats *now)
{
    return now->time_ns <= before->time_ns || now->offered_pkts < before->offered_pkts ||
           now->offered_bytes < before->offered_bytes ||
           now->delivered_pkts < before->delivered_pkts ||
           now->delivered_bytes < before->delivered_bytes || now->cycles < before->cycles ||
           now->queue_delay_ns_sum < before->queue_delay_ns_sum ||
           now->queue_delay_pkts < before->queue_delay_pkts ||
           served_pkts(now) < served_pkts(before);
}

bool
stats_rates_between(const struct stats *before, const struct stats *now, double cycles_per_pkt,
                    struct stats_rates *out)
{
    *out = (struct stats_rates){NAN, NAN, NAN, NAN, cycles_per_pkt, NAN, NAN, NAN};
    if (!before || went_back(before, now))
        return false;
    double seconds = offload_ns_to_s(now->time_ns - before->time_ns);
    uint64_t served = served_pkts(now) - served_pkts(before);
    uint64_t cycles = now->cycles - before->cycles;
    uint64_t offered = now->offered_pkts - before->offered_pkts;
    if (served > 0 && cycles > 0)
        out->cycles_per_pkt = (double)cycles / (double)served;

    out->offered_bps =
        offload_bytes_to_bits((double)(now->offered_bytes - before->offered_bytes)) / seconds;
    out->delivered_bps =
        offload_bytes_to_bits((double)(now->delivered_bytes - before->delivered_bytes)) / seconds;
    out->used_cycles_per_s = (double)cycles / seconds;
    // No packet offers no load, even while nobody knows yet what one would cost.
    out->offered_cycles_per_s = offered == 0 ? 0 : (double)offered * out->cycles_per_pkt / seconds;

    uint64_t queued = now->queue_delay_pkts - before->queue_delay_pkts;
    if (queued > 0) {
        uint64_t delay_ns = now->queue_delay_ns_sum - before->queue_delay_ns_sum;
        out->delay_mean_s = (double)delay_ns / (double)queued / 1e9;
        out->delay_p50_s = now->delay_p50_ns / 1e9;
        out->delay_p99_s = now->delay_p99_ns / 1e9;
    }
    return true;
}
