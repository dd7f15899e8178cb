// SPDX-License-Identifier: Apache-2.0
// Reads a scenario folder: cards, applications and the trace of what they offer.
// files -> [demand] -> foresee -> world.
#include "lib/base/conf.h"
#include "lib/base/json.h"
#include "lib/sim/demand.h"

#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STEPS_MAX = 1000000,
    ROWS_MAX = 100000, // cards or applications
    COLUMNS_MAX = 16,
};
static const size_t CELLS_MAX = 200000000; // steps x applications

struct meta {
    char name[64];
    uint64_t steps, train_steps;
    double step_s, migration_ms;
    uint64_t seed, season_steps, lead_steps, run_steps, horizon_steps;
};

static const struct offload_opt meta_options[] = {
    {"name", OFFLOAD_OPT_STRING, offsetof(struct meta, name), sizeof(((struct meta *)0)->name),
     .default_text = "\"\"", .help = "of the scenario"},
    {"steps", OFFLOAD_OPT_U64, offsetof(struct meta, steps), .least = 2, .most = STEPS_MAX,
     .flags = OFFLOAD_OPT_REQUIRED, .help = "of the trace"},
    {"train_steps", OFFLOAD_OPT_U64, offsetof(struct meta, train_steps), .least = 1,
     .most = STEPS_MAX, .flags = OFFLOAD_OPT_REQUIRED, .help = "history before the first decision"},
    {"step_s", OFFLOAD_OPT_F64, offsetof(struct meta, step_s), .least = 1e-3, .most = 1e7,
     .flags = OFFLOAD_OPT_REQUIRED, .unit = "s", .help = "of one step"},
    {"migration_ms", OFFLOAD_OPT_F64, offsetof(struct meta, migration_ms), .least = 0, .most = 1e6,
     .default_text = "0", .unit = "ms", .help = "delay that a move adds in its step"},
    {"season_steps", OFFLOAD_OPT_U64, offsetof(struct meta, season_steps), .least = 0,
     .most = STEPS_MAX, .default_text = "0",
     .help = "of a season where time is compressed; 0: a day's"},
    {"lead_steps", OFFLOAD_OPT_U64, offsetof(struct meta, lead_steps), .least = 0,
     .most = STEPS_MAX, .default_text = "0", .help = "that a live run plays before it counts"},
    {"run_steps", OFFLOAD_OPT_U64, offsetof(struct meta, run_steps), .least = 0, .most = STEPS_MAX,
     .default_text = "0", .help = "that a live run counts"},
    {"horizon_steps", OFFLOAD_OPT_U64, offsetof(struct meta, horizon_steps), .least = 0,
     .most = STEPS_MAX, .default_text = "0", .help = "that a live run's forecaster looks ahead"},
    {"seed", OFFLOAD_OPT_U64, offsetof(struct meta, seed), .least = 0, .most = 1e15,
     .default_text = "0", .help = "the trace was made from"},
    OFFLOAD_OPT_END,
};

// A CSV file: a header, then rows of as many fields. No quoting: names and numbers alone.
struct table {
    char path[512];
    FILE *file;
    char head[1024], row[1024];
    char *column[COLUMNS_MAX], *field[COLUMNS_MAX];
    int n_columns;
    unsigned line;
};

static int
split(char *text, char **field)
{
    int n = 0;
    text[strcspn(text, "\r\n")] = '\0';
    for (char *at = text; at && n < COLUMNS_MAX; n++)
        field[n] = strsep(&at, ",");
    return n;
}

static int
table_error(const struct table *t, struct offload_err *err, const char *expected, const char *text,
            const char *value)
{
    char where[sizeof t->path + 16];
    snprintf(where, sizeof where, "%s:%u", t->path, t->line);
    return offload_err_set(err, -EINVAL, where, expected, text, value);
}

static int
table_open(struct table *t, const char *folder, const char *name, struct offload_err *err)
{
    memset(t, 0, sizeof *t);
    snprintf(t->path, sizeof t->path, "%s/%s", folder, name);
    t->file = fopen(t->path, "re");
    if (!t->file)
        return offload_err_set(err, -errno, t->path, NULL, "could not be read: %s",
                               strerror(errno));
    t->line = 1;
    if (!fgets(t->head, sizeof t->head, t->file)) {
        fclose(t->file);
        return table_error(t, err, NULL, "the file is %s", "empty");
    }
    t->n_columns = split(t->head, t->column);
    return 0;
}

// 1: a row is there; 0: the end; else -EINVAL.
static int
table_next(struct table *t, struct offload_err *err)
{
    if (!fgets(t->row, sizeof t->row, t->file))
        return 0;
    t->line++;
    if (split(t->row, t->field) != t->n_columns)
        return table_error(t, err, "a field a column",
                           "row '%s' has another number of fields than the header", t->field[0]);
    return 1;
}

static const char *
text_of(const struct table *t, const char *column)
{
    for (int i = 0; i < t->n_columns; i++)
        if (!strcmp(t->column[i], column))
            return t->field[i];
    return NULL;
}

static int
number_of(const struct table *t, const char *column, double least, double *value,
          struct offload_err *err)
{
    const char *text = text_of(t, column);
    char *end;
    if (!text)
        return table_error(t, err, NULL, "there is no column '%s'", column);
    double x = strtod(text, &end);
    if (end == text || *end || !isfinite(x) || x < least)
        return table_error(t, err, "a number that is finite and not too small",
                           "'%s' is no such figure", text);
    *value = x;
    return 0;
}

static int
name_of(const struct table *t, const char *column, char *to, size_t size, struct offload_err *err)
{
    const char *text = text_of(t, column);
    if (!text)
        return table_error(t, err, NULL, "there is no column '%s'", column);
    if (!offload_name_valid(text) || strlen(text) >= size)
        return table_error(t, err, "1 to 32 letters, digits, - and _", "'%s' is no name", text);
    strcpy(to, text);
    return 0;
}

static int
read_card(const struct table *t, struct alloc_card *card, struct offload_err *err)
{
    int rc = name_of(t, "card", card->name, sizeof card->name, err);
    if (!rc)
        rc = name_of(t, "server", card->server, sizeof card->server, err);
    if (!rc)
        rc = number_of(t, "bandwidth_bps", 1, &card->capacity.amount[ALLOC_BANDWIDTH], err);
    if (!rc)
        rc = number_of(t, "cycles_per_s", 1, &card->cycles_per_s, err);
    if (!rc)
        rc = number_of(t, "memory_bytes", 1, &card->capacity.amount[ALLOC_MEMORY], err);
    card->capacity.amount[ALLOC_CPU] = 100;
    return rc;
}

static int
read_cards(struct sim_scenario *s, const char *folder, struct offload_err *err)
{
    struct table t;
    int rc = table_open(&t, folder, "cards.csv", err);
    if (rc)
        return rc;
    while ((rc = table_next(&t, err)) > 0 && s->n_cards < ROWS_MAX) {
        struct alloc_card *grown = realloc(s->cards, (s->n_cards + 1u) * sizeof *grown);
        if (!grown) {
            rc = -ENOMEM;
            break;
        }
        s->cards = grown;
        s->cards[s->n_cards] = (struct alloc_card){.name = ""};
        rc = read_card(&t, &s->cards[s->n_cards], err);
        if (rc)
            break;
        s->n_cards++;
    }
    fclose(t.file);
    return rc < 0 ? rc : 0;
}

static int
read_class(const struct table *t, struct alloc_app *app, struct offload_err *err)
{
    const char *text = text_of(t, "class");
    for (int i = 0; text && alloc_class_names[i]; i++)
        if (!strcmp(text, alloc_class_names[i])) {
            app->class = i;
            return 0;
        }
    return table_error(t, err, "gold, silver or bronze", "'%s' is no class", text ? text : "");
}

static int
read_app(const struct sim_scenario *s, const struct table *t, struct alloc_app *app,
         struct offload_err *err)
{
    char card[OFFLOAD_NAME_MAX + 1];
    double max_delay_ms = 0;
    struct {
        const char *column;
        double least, *value;
    } figures[] = {
        {"weight", 1e-9, &app->weight},        {"cycles_per_byte", 1e-9, &app->cycles_per_byte},
        {"burst_bytes", 1, &app->burst_bytes}, {"state_bytes", 0, &app->state_bytes},
        {"max_delay_ms", 1e-9, &max_delay_ms}, {"max_loss", 0, &app->max_loss_frac},
    };
    int rc = name_of(t, "app", app->name, sizeof app->name, err);
    if (!rc)
        rc = name_of(t, "card", card, sizeof card, err);
    if (!rc)
        rc = read_class(t, app, err);
    for (size_t i = 0; !rc && i < sizeof figures / sizeof *figures; i++)
        rc = number_of(t, figures[i].column, figures[i].least, figures[i].value, err);
    if (rc)
        return rc;
    app->max_delay_s = max_delay_ms / 1e3;
    for (app->card = 0; app->card < s->n_cards; app->card++)
        if (!strcmp(s->cards[app->card].name, card))
            return 0;
    return table_error(t, err, "one of cards.csv", "there is no card '%s'", card);
}

static int
read_apps(struct sim_scenario *s, const char *folder, struct offload_err *err)
{
    struct table t;
    int rc = table_open(&t, folder, "apps.csv", err);
    if (rc)
        return rc;
    while ((rc = table_next(&t, err)) > 0 && s->n_apps < ROWS_MAX) {
        struct alloc_app *grown = realloc(s->apps, (s->n_apps + 1u) * sizeof *grown);
        if (!grown) {
            rc = -ENOMEM;
            break;
        }
        s->apps = grown;
        s->apps[s->n_apps] = (struct alloc_app){
            .offered_bps = NAN, .before_bps = NAN, .wanted = ALLOC_NONE, .ahead = {NAN, NAN, NAN}};
        rc = read_app(s, &t, &s->apps[s->n_apps], err);
        if (rc)
            break;
        s->n_apps++;
    }
    fclose(t.file);
    return rc < 0 ? rc : 0;
}

// Traces mostly go through the applications in order: the next one is tried first.
static int
find_app(const struct sim_scenario *s, const char *name, uint32_t *hint)
{
    for (uint32_t i = 0; i < s->n_apps; i++) {
        uint32_t a = (*hint + i) % s->n_apps;
        if (!strcmp(s->apps[a].name, name)) {
            *hint = (a + 1) % s->n_apps;
            return (int)a;
        }
    }
    return -ENOENT;
}

static int
read_trace_row(struct sim_scenario *s, const struct table *t, uint32_t *hint,
               struct offload_err *err)
{
    double step, offered;
    const char *name = text_of(t, "app");
    int rc = number_of(t, "step", 0, &step, err);
    if (!rc)
        rc = number_of(t, "offered_bps", 0, &offered, err);
    if (rc)
        return rc;
    int app = name ? find_app(s, name, hint) : -ENOENT;
    if (app < 0)
        return table_error(t, err, "one of apps.csv", "there is no application '%s'",
                           name ? name : "");
    if (step >= s->steps || step != floor(step))
        return table_error(t, err, "a whole number below scenario.json's steps",
                           "step '%s' is not one", text_of(t, "step"));
    double *cell = &s->offered[(size_t)step * s->n_apps + (uint32_t)app];
    if (!isnan(*cell))
        return table_error(t, err, "one row a step and application", "'%s' has this step twice",
                           name);
    *cell = offered;
    return 0;
}

static int
read_trace(struct sim_scenario *s, const char *folder, struct offload_err *err)
{
    struct table t;
    size_t n = (size_t)s->steps * s->n_apps;
    uint32_t hint = 0;
    s->offered = n <= CELLS_MAX ? malloc(n * sizeof *s->offered) : NULL;
    if (!s->offered)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        s->offered[i] = NAN;
    int rc = table_open(&t, folder, "demand.csv", err);
    if (rc)
        return rc;
    while ((rc = table_next(&t, err)) > 0 && !(rc = read_trace_row(s, &t, &hint, err)))
        ;
    fclose(t.file);
    for (size_t i = 0; !rc && i < n; i++)
        if (isnan(s->offered[i]))
            return offload_err_set(err, -EINVAL, t.path, "a row for every step and application",
                                   "step %zu of '%s' is missing", i / s->n_apps,
                                   s->apps[i % s->n_apps].name);
    return rc;
}

static int
read_meta(struct sim_scenario *s, const char *folder, struct offload_err *err)
{
    char path[512];
    struct meta meta;
    snprintf(path, sizeof path, "%s/scenario.json", folder);
    struct json_object *o = offload_json_load(path, 1 << 16, err);
    if (!o)
        return err && err->code ? err->code : -EINVAL;
    int rc = offload_opt_read(meta_options, o, "", &meta, sizeof meta, err);
    json_object_put(o);
    if (rc) {
        offload_err_prefix(err, path);
        return rc;
    }
    if (meta.train_steps >= meta.steps)
        return offload_err_set(err, -EINVAL, path, "fewer than steps",
                               "train_steps %lu leaves no step to decide",
                               (unsigned long)meta.train_steps);
    memcpy(s->name, meta.name, sizeof s->name);
    s->steps = (uint32_t)meta.steps;
    s->train_steps = (uint32_t)meta.train_steps;
    s->step_s = meta.step_s;
    s->season_steps = meta.season_steps ? (uint32_t)meta.season_steps
                                        : (uint32_t)fmax(lround(86400 / meta.step_s), 2);
    s->migration_s = meta.migration_ms / 1e3;
    return 0;
}

int
sim_scenario_load(const char *folder, struct sim_scenario **scenario, struct offload_err *err)
{
    struct sim_scenario *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    int rc = read_meta(s, folder, err);
    if (!rc)
        rc = read_cards(s, folder, err);
    if (!rc)
        rc = read_apps(s, folder, err);
    if (!rc && (!s->n_cards || !s->n_apps))
        rc = offload_err_set(err, -EINVAL, folder, NULL, "has no cards or no applications");
    if (!rc)
        rc = read_trace(s, folder, err);
    if (rc) {
        sim_scenario_destroy(s);
        return rc;
    }
    *scenario = s;
    return 0;
}

void
sim_scenario_destroy(struct sim_scenario *s)
{
    if (!s)
        return;
    free(s->cards);
    free(s->apps);
    free(s->offered);
    free(s->forecast);
    free(s->level);
    free(s);
}
