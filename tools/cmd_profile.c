// SPDX-License-Identifier: Apache-2.0
// offloadctl profile: what an application costs, measured by its card.

#include "tools/fields.h"
#include "tools/format.h"
#include "tools/progress.h"
#include "tools/source.h"
#include "tools/table.h"
#include "tools/watch.h"

#include <json-c/json.h>

#include <stdio.h>

static struct json_object *
app_params(const struct ctl *ctl)
{
    struct json_object *params = json_object_new_object();
    json_object_object_add(params, "app", json_object_new_string(ctl->argv[0]));
    return params;
}

static void
print_sweep(struct json_object *answer)
{
    static const char *const headings[] = {">CPU%", ">THROUGHPUT", NULL};
    struct table *table = table_create(headings);
    struct json_object *points = field_array(answer, "points");
    char buf[FORMAT_BYTES];
    for (size_t i = 0; i < field_count(points); i++) {
        table_cell(table, "%s", format_pct(buf, field_number(field_at(points, i), "cpu_pct")));
        table_cell(table, "%s",
                   format_si(buf, field_number(field_at(points, i), "throughput_bps")));
    }
    table_print(table, stdout);
    table_destroy(table);
}

static void
print_profile(struct json_object *answer)
{
    static const char *const headings[] = {"FUNCTION", ">CYCLES/PKT", ">P50", ">P99", NULL};
    struct json_object *functions = field_array(answer, "functions"),
                       *drops = field_object(answer, "drops");
    struct json_object *queue = field_object(answer, "queue_delay_ns"),
                       *service = field_object(answer, "service_ns");
    char a[FORMAT_BYTES], b[FORMAT_BYTES], c[FORMAT_BYTES], d[FORMAT_BYTES];
    struct table *table = table_create(headings);
    for (size_t i = 0; i < field_count(functions); i++) {
        struct json_object *row = field_at(functions, i),
                           *cycles = field_object(row, "cycles_per_pkt");
        table_cell(table, "%s", field_text(row, "fn"));
        table_cell(table, "%s", format_si(a, field_number(cycles, "mean")));
        table_cell(table, "%s", format_si(a, field_number(cycles, "p50")));
        table_cell(table, "%s", format_si(a, field_number(cycles, "p99")));
    }
    table_print(table, stdout);
    table_destroy(table);
    printf("\n%s packets in %.1f s, %sbit/s, memory at most %sB\n",
           format_si(a, field_number(answer, "packets")), field_number(answer, "seconds"),
           format_si(b, field_number(answer, "throughput_bps")),
           format_si(c, field_number(answer, "memory_high_bytes")));
    printf("queue delay p50 %s, p99 %s; service p50 %s, p99 %s\n",
           format_ns(a, field_number(queue, "p50")), format_ns(b, field_number(queue, "p99")),
           format_ns(c, field_number(service, "p50")), format_ns(d, field_number(service, "p99")));
    if (!drops)
        return;
    json_object_object_foreach (drops, cause, value)
        if (json_object_get_int64(value) > 0)
            printf("dropped (%s): %s\n", cause, format_count(a, json_object_get_double(value)));
}

// Lets it be measured, second by second.
static void
measure(const struct ctl *ctl)
{
    struct ctl second = *ctl;
    struct progress progress;
    second.interval_ms = 1000;
    progress_start(&progress, "seconds", ctl->seconds);
    for (uint64_t i = 0; i < ctl->seconds; i++) {
        watch_pause(&second);
        progress_step(&progress);
    }
    progress_end(&progress);
}

int
cmd_profile(const struct ctl *ctl)
{
    struct offload_err err = {0};
    struct json_object *answer = NULL;
    if (ctl->sweep) {
        if (source_call(ctl, "cardd", "profile.sweep", app_params(ctl), &answer, &err))
            return ctl_fail(&err);
    } else {
        if (source_call(ctl, "cardd", "profile.start", app_params(ctl), NULL, &err))
            return ctl_fail(&err);
        measure(ctl);
        if (source_call(ctl, "cardd", "profile.stop", app_params(ctl), &answer, &err))
            return ctl_fail(&err);
    }
    if (ctl->json)
        return ctl_print_json(answer);
    if (ctl->sweep)
        print_sweep(answer);
    else
        print_profile(answer);
    json_object_put(answer);
    return CTL_DONE;
}
