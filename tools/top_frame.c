// SPDX-License-Identifier: Apache-2.0
// A look at the daemons as lines. JSON rows, fans, tracks -> [frame] -> screen or plain output

#include "tools/chart.h"
#include "tools/fields.h"
#include "tools/format.h"
#include "tools/table.h"
#include "tools/top.h"

#include <json-c/json.h>

#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CELL_BYTES = 96,
    FAN_WIDTH = 5,   // of each of a fan's two sparklines
    PAST_WIDTH = 12, // of what was
    METER_WIDTH = 12,
    COLUMNS_MAX = 16,
};

struct row {
    const struct top *top;
    struct json_object *json;
};

// A column of a table: what it shows, and how wide a screen must be to have it.
struct column {
    const char *heading;
    int least_columns;
    void (*cell)(const struct row *row, char cell[CELL_BYTES]);
};

static bool
ascii(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

static void __attribute__((format(printf, 3, 4)))
add_line(struct top_frame *frame, enum top_style style, const char *fmt, ...)
{
    int n = frame->begin[TOP_PARTS];
    va_list args;
    va_start(args, fmt);
    if (n < TOP_LINES_MAX && vasprintf(&frame->text[n], fmt, args) >= 0) {
        frame->style[n] = style;
        frame->begin[TOP_PARTS]++;
    }
    va_end(args);
}

static void
begin_part(struct top_frame *frame, enum top_part part)
{
    frame->begin[part] = frame->begin[TOP_PARTS];
}

void
top_frame_clear(struct top_frame *frame)
{
    for (int i = 0; i < frame->begin[TOP_PARTS]; i++)
        free(frame->text[i]);
    memset(frame->begin, 0, sizeof frame->begin);
}

// ---- Cells ----

static double
bits(const struct row *row, const char *key)
{
    return field_number(row->json, key);
}

static void
cell_si(char cell[CELL_BYTES], double value)
{
    format_si(cell, value);
}

static void
cell_pct(char cell[CELL_BYTES], double pct)
{
    format_pct(cell, pct);
}

#define TEXT_CELL(name, key, width)                                                                \
    static void name(const struct row *row, char cell[CELL_BYTES])                                 \
    {                                                                                              \
        snprintf(cell, CELL_BYTES, "%." #width "s", field_text(row->json, key));                   \
    }
#define SI_CELL(name, key)                                                                         \
    static void name(const struct row *row, char cell[CELL_BYTES])                                 \
    {                                                                                              \
        cell_si(cell, bits(row, key));                                                             \
    }

TEXT_CELL(cell_card, "card", 8)
TEXT_CELL(cell_app, "app", 12)
TEXT_CELL(cell_class, "class", 6)
TEXT_CELL(cell_state, "state", 8)
SI_CELL(cell_offered, "offered_bps")
SI_CELL(cell_used, "used_bps")
SI_CELL(cell_allocated, "allocated_bps")
SI_CELL(cell_need, "need_p90_bps")

static void
cell_score(const struct row *row, char cell[CELL_BYTES])
{
    cell_pct(cell, field_number(row->json, "score"));
}

static double
capacity_bps(const struct row *row)
{
    return field_number(field_object(row->json, "capacity"), "bandwidth_bps");
}

static double
card_allocated(const struct row *row, const char *key)
{
    return field_number(field_object(row->json, "allocated"), key);
}

static void
cell_capacity(const struct row *row, char cell[CELL_BYTES])
{
    cell_si(cell, capacity_bps(row));
}

static void
cell_card_cpu(const struct row *row, char cell[CELL_BYTES])
{
    cell_pct(cell, card_allocated(row, "cpu_pct"));
}

static void
cell_alloc_pct(const struct row *row, char cell[CELL_BYTES])
{
    double bps = capacity_bps(row);
    cell_pct(cell, bps > 0 ? 100 * card_allocated(row, "bandwidth_bps") / bps : NAN);
}

// Allocation against use: '#' is used, '-' allocated besides, '.' free.
static void
cell_meter(const struct row *row, char cell[CELL_BYTES])
{
    double bps = capacity_bps(row), used = bits(row, "used_bps") / bps,
           allocated = card_allocated(row, "bandwidth_bps") / bps;
    cell[0] = '[';
    for (int i = 0; i < METER_WIDTH; i++) {
        double here = (i + 0.5) / METER_WIDTH;
        cell[1 + i] = here < used ? '#' : here < allocated ? '-' : '.';
    }
    snprintf(cell + 1 + METER_WIDTH, CELL_BYTES - 1 - METER_WIDTH, "]");
}

static void
cell_delay(const struct row *row, char cell[CELL_BYTES])
{
    format_ns(cell, field_number(row->json, "delay_mean_ns"));
}

static void
cell_loss(const struct row *row, char cell[CELL_BYTES])
{
    cell_pct(cell, 100 * field_number(row->json, "loss_frac"));
}

// Of an application on the move one wants to see that, unless it suffers.
static void
cell_sla(const struct row *row, char cell[CELL_BYTES])
{
    const char *state = field_text(row->json, "state");
    snprintf(cell, CELL_BYTES, "%.6s",
             field_true(row->json, "breached") ? "BREACH"
             : !strcmp(state, "active")        ? "ok"
                                               : state);
}

// Cycles used of those allocated.
static void
cell_cpu(const struct row *row, char cell[CELL_BYTES])
{
    char used[FORMAT_BYTES], allocated[FORMAT_BYTES];
    snprintf(cell, CELL_BYTES, "%s/%s", format_pct(used, field_number(row->json, "used_cpu_pct")),
             format_pct(allocated, field_number(row->json, "cpu_pct")));
}

// What the application, or the card, may have; a full bar of its sparklines.
static double
full_bps(const struct row *row)
{
    double bps = field_number(row->json, "allocated_bps");
    return isnan(bps) ? capacity_bps(row) : bps;
}

static void
cell_past(const struct row *row, char cell[CELL_BYTES])
{
    char name[80];
    *cell = '\0';
    snprintf(name, sizeof name, "%s@%s", field_text(row->json, "app"),
             field_text(row->json, "card"));
    for (size_t i = 0; i < row->top->n_tracks; i++)
        if (!strcmp(row->top->track[i].name, name))
            chart_sparkline(cell, PAST_WIDTH, row->top->track[i].share, TOP_TRACK_LENGTH, 1,
                            ascii());
}

static struct json_object *
fan_of(const struct row *row)
{
    const char *app = field_text(row->json, "app"),
               *name = *app ? app : field_text(row->json, "card");
    for (size_t i = 0; i < field_count(row->top->fans); i++) {
        struct json_object *fan = field_at(row->top->fans, i);
        if (!strcmp(field_text(fan, "app"), name) &&
            !strcmp(field_text(fan, "resource"), "bandwidth"))
            return fan;
    }
    return NULL;
}

// FAN_WIDTH points of a quantile, each the greatest of those that it stands for.
static void
fan_points(struct json_object *values, double points[FAN_WIDTH])
{
    size_t n = field_count(values);
    for (size_t i = 0; i < FAN_WIDTH; i++) {
        size_t from = i * n / FAN_WIDTH, to = (i + 1) * n / FAN_WIDTH;
        points[i] = NAN;
        for (size_t k = from; k < n && (k < to || k == from); k++)
            points[i] = fmax(points[i], json_object_get_double(field_at(values, k)));
    }
}

// P50 and P90 over the horizon.
static void
cell_fan(const struct row *row, char cell[CELL_BYTES])
{
    static const char *const keys[] = {"p50", "p90"};
    struct json_object *fan = fan_of(row);
    double points[FAN_WIDTH];
    *cell = '\0';
    for (size_t q = 0; fan && q < 2; q++) {
        char spark[3 * FAN_WIDTH + 1];
        fan_points(field_array(fan, keys[q]), points);
        chart_sparkline(spark, FAN_WIDTH, points, FAN_WIDTH, full_bps(row), ascii());
        size_t len = strlen(cell);
        snprintf(cell + len, CELL_BYTES - len, "%s%s", q ? ">" : "", spark);
    }
}

static const struct column card_columns[] = {
    {"CARD", 0, cell_card},         {"STATE", 0, cell_state},     {">SCORE", 0, cell_score},
    {">OFFERED", 0, cell_offered},  {">USED", 0, cell_used},      {">CAPAC", 0, cell_capacity},
    {">ALLOC%", 0, cell_alloc_pct}, {">CPU%", 0, cell_card_cpu},  {"USED-ALLOC", 0, cell_meter},
    {"PAST", 100, cell_past},       {"P50 > P90", 114, cell_fan},
};

static const struct column app_columns[] = {
    {"APP", 0, cell_app},          {"CARD", 0, cell_card},        {"CLASS", 0, cell_class},
    {">OFFERED", 0, cell_offered}, {">ALLOC", 0, cell_allocated}, {">NEED90", 92, cell_need},
    {">CPU%/OF", 104, cell_cpu},   {">DELAY", 0, cell_delay},     {">LOSS%", 0, cell_loss},
    {"SLA", 0, cell_sla},          {"PAST", 118, cell_past},      {"P50 > P90", 0, cell_fan},
};

// ---- Tables ----

struct lines {
    struct top_frame *frame;
    const enum top_style *style; // of each row
    size_t row;                  // 0: headings
};

static void
add_table_line(void *ctx, const char *text)
{
    struct lines *lines = ctx;
    enum top_style style = lines->row == 0 ? TOP_HEADING : lines->style[lines->row - 1];
    lines->row++;
    add_line(lines->frame, style, "%s", text);
}

static void
add_rows(struct top_frame *frame, const struct top *top, const struct top_view *view,
         const struct column *columns, size_t n_columns, struct json_object **rows, size_t n,
         const enum top_style *style)
{
    const char *headings[COLUMNS_MAX + 1] = {NULL};
    const struct column *shown[COLUMNS_MAX];
    size_t n_shown = 0;
    for (size_t i = 0; i < n_columns; i++)
        if (!view->columns || view->columns >= columns[i].least_columns) {
            headings[n_shown] = columns[i].heading;
            shown[n_shown++] = &columns[i];
        }
    struct table *table = table_create(headings);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n_shown; k++) {
            char cell[CELL_BYTES];
            shown[k]->cell(&(struct row){top, rows[i]}, cell);
            table_cell(table, "%s", cell);
        }
    table_lines(table, add_table_line, &(struct lines){frame, style, 0});
    table_destroy(table);
}

static void
add_cards(struct top_frame *frame, const struct top *top, const struct top_view *view)
{
    struct json_object *array = field_array(top->status, "cards"), *rows[TOP_LINES_MAX];
    enum top_style style[TOP_LINES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < field_count(array) && n < TOP_LINES_MAX; i++) {
        const struct row row = {top, field_at(array, i)};
        bool bad = strcmp(field_text(row.json, "state"), "up") != 0 ||
                   bits(&row, "offered_bps") > capacity_bps(&row);
        style[n] = bad ? TOP_ALERT : TOP_PLAIN;
        rows[n++] = row.json;
    }
    add_rows(frame, top, view, card_columns, sizeof card_columns / sizeof *card_columns, rows, n,
             style);
}

// What an application is ordered by: the greatest first, names from A on.
static int
compare(struct json_object *a, struct json_object *b, char order)
{
    const char *key = order == 'O'   ? "offered_bps"
                      : order == 'P' ? "used_cpu_pct"
                      : order == 'M' ? "memory_bytes"
                      : order == 'D' ? "delay_mean_ns"
                                     : "loss_frac";
    int names = strcmp(field_text(a, "app"), field_text(b, "app"));
    if (order == 'N')
        return names;
    int breached = field_true(b, "breached") - field_true(a, "breached");
    if (order == 'S' && breached)
        return breached;
    double x = field_number(a, key), y = field_number(b, key);
    x = isnan(x) ? -1 : x;
    y = isnan(y) ? -1 : y;
    return x > y ? -1 : x < y ? 1 : names;
}

static int
compare_rows(const void *a, const void *b, void *ctx)
{
    const struct top_view *view = ctx;
    int order =
        compare(*(struct json_object *const *)a, *(struct json_object *const *)b, view->order);
    return view->reverse ? -order : order;
}

static bool
wanted(struct json_object *row, const struct top_view *view)
{
    if (view->hide_idle && !(field_number(row, "offered_bps") > 0))
        return false;
    return !*view->filter || strstr(field_text(row, "app"), view->filter) ||
           strstr(field_text(row, "card"), view->filter);
}

static void
add_apps(struct top_frame *frame, const struct top *top, const struct top_view *view)
{
    struct json_object *array = field_array(top->status, "apps"), *rows[TOP_LINES_MAX];
    enum top_style style[TOP_LINES_MAX];
    size_t n = 0;
    for (size_t i = 0; i < field_count(array) && n < TOP_LINES_MAX; i++)
        if (wanted(field_at(array, i), view))
            rows[n++] = field_at(array, i);
    if (view->order)
        qsort_r(rows, n, sizeof *rows, compare_rows, (void *)view);
    for (size_t i = 0; i < n; i++)
        style[i] = field_true(rows[i], "breached")                      ? TOP_ALERT
                   : !strcmp(field_text(rows[i], "state"), "migrating") ? TOP_BUSY
                                                                        : TOP_PLAIN;
    add_rows(frame, top, view, app_columns, sizeof app_columns / sizeof *app_columns, rows, n,
             style);
    if (n == 0 && field_count(array) > 0)
        add_line(frame, TOP_PLAIN, "(no application of %zu is shown; see keys i and /)",
                 field_count(array));
}

// Migrations that have not ended, and the last one that has.
static void
add_moves(struct top_frame *frame, const struct top *top)
{
    struct json_object *rows = field_array(top->status, "migrations");
    bool ended_shown = false;
    for (size_t i = 0; i < field_count(rows); i++) {
        struct json_object *row = field_at(rows, i);
        const char *step = field_text(row, "step"), *error = field_text(row, "error");
        bool ended = !strcmp(step, "committed") || !strcmp(step, "aborted");
        char pause[FORMAT_BYTES];
        if (ended && ended_shown)
            continue;
        ended_shown = ended_shown || ended;
        add_line(frame,
                 *error  ? TOP_ALERT
                 : ended ? TOP_PLAIN
                         : TOP_BUSY,
                 "migration %.8s  %s  %s -> %s  %s, pause %s%s%s", field_text(row, "id"),
                 field_text(row, "app"), field_text(row, "from"), field_text(row, "to"), step,
                 format_ns(pause, field_number(row, "pause_ns")), *error ? ": " : "", error);
    }
}

static void
add_head(struct top_frame *frame, const struct top *top)
{
    char plan[FORMAT_BYTES], score[FORMAT_BYTES], servers[160] = "";
    struct json_object *status = top->status, *rows = field_array(status, "servers"),
                       *apps = field_array(status, "apps");
    size_t breached = 0;
    for (size_t i = 0; i < field_count(apps); i++)
        breached += field_true(field_at(apps, i), "breached");
    for (size_t i = 0, len = 0; i < field_count(rows) && len < sizeof servers; i++)
        len += (size_t)snprintf(servers + len, sizeof servers - len, "  %s score %s%s",
                                field_text(field_at(rows, i), "server"),
                                format_pct(score, field_number(field_at(rows, i), "score")),
                                field_true(field_at(rows, i), "stale") ? " (stale)" : "");
    bool manager = !strcmp(field_text(status, "source"), "manager");
    add_line(frame, TOP_PLAIN, "offloadctl top   %s%s, plan %s%s",
             manager ? "agent " : "no manager", manager ? field_text(status, "agent") : "",
             format_count(plan, field_number(status, "plan")), servers);
    add_line(frame, breached ? TOP_ALERT : TOP_PLAIN, "%zu cards, %zu applications, %zu in breach",
             field_count(field_array(status, "cards")), field_count(apps), breached);
}

void
top_frame_make(struct top_frame *frame, const struct top *top, const struct top_view *view)
{
    top_frame_clear(frame);
    begin_part(frame, TOP_HEAD);
    if (*top->error)
        add_line(frame, TOP_ALERT, "%s", top->error);
    else
        add_head(frame, top);
    begin_part(frame, TOP_CARDS);
    if (!*top->error)
        add_cards(frame, top, view);
    begin_part(frame, TOP_APPS);
    if (!*top->error)
        add_apps(frame, top, view);
    begin_part(frame, TOP_MOVES);
    if (!*top->error)
        add_moves(frame, top);
}
