// SPDX-License-Identifier: Apache-2.0
// Rows of JSON into rows of text.

#include "tools/rows.h"

#include "tools/fields.h"
#include "tools/format.h"

#include <math.h>

static void
cell_si(struct table *table, double value)
{
    char buf[FORMAT_BYTES];
    table_cell(table, "%s", format_si(buf, value));
}

static void
cell_pct(struct table *table, double pct)
{
    char buf[FORMAT_BYTES];
    table_cell(table, "%s", format_pct(buf, pct));
}

static void
cell_ns(struct table *table, double ns)
{
    char buf[FORMAT_BYTES];
    table_cell(table, "%s", format_ns(buf, ns));
}

static void
cell_count(struct table *table, double value)
{
    char buf[FORMAT_BYTES];
    table_cell(table, "%s", format_count(buf, value));
}

struct table *
rows_of_cards(struct json_object *rows)
{
    static const char *const headings[] = {"CARD",     "SERVER",   "STATE",     ">SCORE",
                                           ">OFFERED", ">USED",    ">CAPACITY", ">ALLOC%",
                                           ">CPU%",    ">MEMORY%", NULL};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < field_count(rows); i++) {
        struct json_object *row = field_at(rows, i);
        struct json_object *capacity = field_object(row, "capacity"),
                           *allocated = field_object(row, "allocated");
        double bps = field_number(capacity, "bandwidth_bps"),
               bytes = field_number(capacity, "memory_bytes");
        table_cell(table, "%s", field_text(row, "card"));
        table_cell(table, "%s", field_text(row, "server"));
        table_cell(table, "%s", field_text(row, "state"));
        cell_pct(table, field_number(row, "score"));
        cell_si(table, field_number(row, "offered_bps"));
        cell_si(table, field_number(row, "used_bps"));
        cell_si(table, bps);
        cell_pct(table, bps > 0 ? 100 * field_number(allocated, "bandwidth_bps") / bps : NAN);
        cell_pct(table, field_number(allocated, "cpu_pct"));
        cell_pct(table, bytes > 0 ? 100 * field_number(allocated, "memory_bytes") / bytes : NAN);
    }
    return table;
}

struct table *
rows_of_apps(struct json_object *rows)
{
    static const char *const headings[] = {
        "APP",   "CARD",   "CLASS",   "STATE",  ">OFFERED", ">DELIVERED", ">NEED90", ">ALLOC",
        ">CPU%", ">USED%", ">MEMORY", ">DELAY", ">P99",     ">LOSS%",     "SLA",     NULL};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < field_count(rows); i++) {
        struct json_object *row = field_at(rows, i);
        table_cell(table, "%s", field_text(row, "app"));
        table_cell(table, "%s", field_text(row, "card"));
        table_cell(table, "%s", field_text(row, "class"));
        table_cell(table, "%s", field_text(row, "state"));
        cell_si(table, field_number(row, "offered_bps"));
        cell_si(table, field_number(row, "delivered_bps"));
        cell_si(table, field_number(row, "need_p90_bps"));
        cell_si(table, field_number(row, "allocated_bps"));
        cell_pct(table, field_number(row, "cpu_pct"));
        cell_pct(table, field_number(row, "used_cpu_pct"));
        cell_si(table, field_number(row, "memory_bytes"));
        cell_ns(table, field_number(row, "delay_mean_ns"));
        cell_ns(table, field_number(row, "delay_p99_ns"));
        cell_pct(table, 100 * field_number(row, "loss_frac"));
        table_cell(table, "%s", field_true(row, "breached") ? "BREACHED" : "ok");
    }
    return table;
}

struct table *
rows_of_migrations(struct json_object *rows)
{
    static const char *const headings[] = {"ID",     "APP",   "FROM",  "TO",     "STEP",
                                           ">PAUSE", ">HELD", ">LOST", "REASON", NULL};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < field_count(rows); i++) {
        struct json_object *row = field_at(rows, i);
        const char *error = field_text(row, "error");
        table_cell(table, "%s", field_text(row, "id"));
        table_cell(table, "%s", field_text(row, "app"));
        table_cell(table, "%s", field_text(row, "from"));
        table_cell(table, "%s", field_text(row, "to"));
        table_cell(table, "%s", field_text(row, "step"));
        cell_ns(table, field_number(row, "pause_ns"));
        cell_count(table, field_number(row, "held_pkts"));
        cell_count(table, field_number(row, "lost_pkts"));
        table_cell(table, "%s", *error ? error : field_text(row, "reason"));
    }
    return table;
}

struct table *
rows_of_allocations(struct json_object *rows)
{
    static const char *const headings[] = {"CARD",     "APP",     ">CPU%",   ">BANDWIDTH",
                                           ">CEILING", ">MEMORY", "SHARING", NULL};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < field_count(rows); i++) {
        struct json_object *row = field_at(rows, i);
        table_cell(table, "%s", field_text(row, "card"));
        table_cell(table, "%s", field_text(row, "app"));
        cell_pct(table, field_number(row, "cpu_pct"));
        cell_si(table, field_number(row, "bandwidth_bps"));
        cell_si(table, field_number(row, "ceiling_bps"));
        cell_si(table, field_number(row, "memory_bytes"));
        table_cell(table, "%s", field_text(row, "sharing"));
    }
    return table;
}
