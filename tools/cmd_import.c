// SPDX-License-Identifier: Apache-2.0
// offloadctl import: what is provisioned today becomes the manager's configuration. Present shares
// are its guarantees, and
// its first run is dry.  cards and switch, or a file -> [import] -> a block for collectd.conf.

#include "tools/fields.h"
#include "tools/source.h"

#include "lib/base/json.h"

#include <offload/card_api.h>

#include <json-c/json.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MOST_BYTES = 16 << 20, DEPTH_MOST = 6 };

// All borrowed from 'whole'.
struct site {
    struct json_object *whole[4];
    struct json_object *cards, *apps, *allocations, *intents;
    const char *source;
};

static void
site_fini(struct site *site)
{
    for (size_t i = 0; i < sizeof site->whole / sizeof *site->whole; i++)
        json_object_put(site->whole[i]);
}

// A file is cardd.json, whose applications carry their allocation, or answers of the card API put
// into one object.
static int
read_file(const char *path, struct site *site, struct offload_err *err)
{
    struct json_object *o = site->whole[0] = offload_json_load(path, FILE_MOST_BYTES, err);
    if (!o)
        return err->code;
    site->source = path;
    site->cards = field_array(o, "cards");
    site->apps = field_array(o, "apps");
    site->allocations = field_array(o, "allocations");
    site->intents = field_array(o, "intents");
    if (field_count(site->cards) == 0)
        return offload_err_set(err, -EINVAL, path, "\"cards\": as in cardd.json or card.list",
                               "there are no cards");
    return 0;
}

static int
ask_daemons(const struct ctl *ctl, struct site *site, struct offload_err *err)
{
    static const char *const methods[] = {"card.list", "app.list", "allocation.get"};
    for (int i = 0; i < 3; i++) {
        int rc = source_call(ctl, "cardd", methods[i], NULL, &site->whole[i], err);
        if (rc)
            return rc;
    }
    int rc = source_call(ctl, "flowd", "intent.get", NULL, &site->whole[3], err);
    if (rc && !source_absent(rc))
        return rc;
    site->source = ctl->rundir;
    site->cards = field_array(site->whole[0], "cards");
    site->apps = field_array(site->whole[1], "apps");
    site->allocations = field_array(site->whole[2], "allocations");
    site->intents = field_array(site->whole[3], "intents");
    return 0;
}

static struct json_object *
row_of(struct json_object *rows, const char *key, const char *name)
{
    for (size_t i = 0; i < field_count(rows); i++)
        if (!strcmp(field_text(field_at(rows, i), key), name))
            return field_at(rows, i);
    return NULL;
}

static struct json_object *
allocation_of(const struct site *site, struct json_object *app)
{
    struct json_object *own = field_object(app, "allocation");
    return own ? own : row_of(site->allocations, "app", field_text(app, "app"));
}

static double
figure(struct json_object *object, const char *key)
{
    double value = field_number(object, key);
    return isnan(value) ? 0 : value;
}

static double
guarantee_of(const struct site *site, struct json_object *app)
{
    return fmax(figure(allocation_of(site, app), "bandwidth_bps"),
                figure(field_object(app, "sla"), "min_bps"));
}

// ---- checks: what contradicts itself is not written down

static int
check_card(const struct site *site, struct json_object *card, struct offload_err *err)
{
    const char *name = field_text(card, "card");
    struct json_object *capacity = field_object(card, "capacity");
    double sum = 0, cpu = 0, most = figure(capacity, "bandwidth_bps");
    for (size_t i = 0; i < field_count(site->apps); i++) {
        struct json_object *app = field_at(site->apps, i);
        if (strcmp(field_text(app, "card"), name))
            continue;
        sum += guarantee_of(site, app);
        cpu += figure(allocation_of(site, app), "cpu_pct");
    }
    if (cpu > 100.001)
        return offload_err_set(err, -ERANGE, name, "shares that add up to 100",
                               "its applications have %.4g %% of its cycles together", cpu);
    if (most > 0 && sum > most * 1.000001)
        return offload_err_set(err, -ERANGE, name, "lower min_bps, or smaller shares",
                               "the guarantees of its applications add up to %.0f bit/s, and it "
                               "has %.0f",
                               sum, most);
    return 0;
}

static int
check(const struct site *site, struct offload_err *err)
{
    int rc = 0;
    for (size_t i = 0; !rc && i < field_count(site->cards); i++)
        rc = check_card(site, field_at(site->cards, i), err);
    for (size_t i = 0; !rc && i < field_count(site->apps); i++) {
        struct json_object *app = field_at(site->apps, i), *sla = field_object(app, "sla");
        double most = figure(sla, "max_bps");
        const char *card = field_text(app, "card");
        if (!row_of(site->cards, "card", card))
            rc = offload_err_set(err, -ENOENT, field_text(app, "app"), "one of \"cards\"",
                                 "there is no card '%s'", card);
        else if (most > 0 && most < guarantee_of(site, app))
            rc = offload_err_set(err, -EINVAL, field_text(app, "app"), "a higher limit, or none",
                                 "its limit of %.0f bit/s is below what it has, %.0f", most,
                                 guarantee_of(site, app));
    }
    return rc;
}

// ---- writing

// "udp_timeout_s" -> "UdpTimeoutS"; of a list of blocks without its "s": "rules" -> "Rule".
static void
camel(const char *snake, bool block, char *to, size_t size)
{
    size_t n = 0, len = strlen(snake);
    bool up = true;
    if (block && len > 1 && snake[len - 1] == 's')
        len--;
    for (size_t i = 0; i < len && n + 1 < size; i++) {
        if (snake[i] == '_') {
            up = true;
            continue;
        }
        to[n++] = up ? (char)toupper((unsigned char)snake[i]) : snake[i];
        up = false;
    }
    to[n] = '\0';
}

static void
put_text(FILE *to, const char *text)
{
    fputs(" \"", to);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

static void
put_value(FILE *to, struct json_object *value)
{
    if (json_object_is_type(value, json_type_string))
        put_text(to, json_object_get_string(value));
    else
        fprintf(to, " %s", json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
}

static void
put_pairs(FILE *to, struct json_object *object, int depth)
{
    json_object_object_foreach (object, key, value) {
        char name[64];
        bool list = json_object_is_type(value, json_type_array);
        bool blocks = list && field_count(value) > 0 &&
                      json_object_is_type(field_at(value, 0), json_type_object);
        camel(key, blocks, name, sizeof name);
        if (!value || depth > DEPTH_MOST)
            continue;
        for (size_t i = 0; blocks && i < field_count(value); i++) {
            fprintf(to, "%*s<%s>\n", 2 * depth, "", name);
            put_pairs(to, field_at(value, i), depth + 1);
            fprintf(to, "%*s</%s>\n", 2 * depth, "", name);
        }
        if (blocks)
            continue;
        fprintf(to, "%*s%s", 2 * depth, "", name);
        for (size_t i = 0; list && i < field_count(value); i++)
            put_value(to, field_at(value, i));
        if (!list)
            put_value(to, value);
        fputc('\n', to);
    }
}

static void
put_option(FILE *to, const char *key, const char *text)
{
    if (!*text)
        return;
    fprintf(to, "    %s", key);
    put_text(to, text);
    fputc('\n', to);
}

static void
put_number(FILE *to, const char *key, double value, const char *format)
{
    if (!(value > 0))
        return;
    fprintf(to, "    %s ", key);
    fprintf(to, format, value);
    fputc('\n', to);
}

// The switch's ports of a card, as some application's intent has them.
static void
put_card(FILE *to, const struct site *site, const char *rundir, struct json_object *card)
{
    const char *name = field_text(card, "card"), *inside = "", *outside = "";
    for (size_t i = 0; i < field_count(site->apps) && !*inside; i++) {
        struct json_object *app = field_at(site->apps, i);
        struct json_object *intent = row_of(site->intents, "app", field_text(app, "app"));
        if (!intent || strcmp(field_text(app, "card"), name))
            continue;
        inside = field_text(intent, "card_port");
        outside = field_text(intent, "card_port_out");
    }
    fprintf(to, "  <Card \"%s\">\n    Socket \"%s/cardd.sock\"\n", name, rundir);
    put_option(to, "InsidePort", inside);
    put_option(to, "OutsidePort", outside);
    if (!*inside)
        fputs("    # No intent names its ports at the switch: without them nothing is moved from "
              "or to it under\n"
              "    # traffic.\n    #InsidePort \"\"\n    #OutsidePort \"\"\n",
              to);
    fputs("  </Card>\n", to);
}

static void
put_chain(FILE *to, struct json_object *chain)
{
    for (size_t i = 0; i < field_count(chain); i++) {
        struct json_object *fn = field_at(chain, i), *params = field_object(fn, "params");
        if (!params || json_object_object_length(params) == 0) {
            put_option(to, "Function", field_text(fn, "fn"));
            continue;
        }
        fprintf(to, "    <Function \"%s\">\n", field_text(fn, "fn"));
        put_pairs(to, params, 3);
        fputs("    </Function>\n", to);
    }
}

static void
put_app(FILE *to, const struct site *site, struct json_object *app)
{
    struct json_object *sla = field_object(app, "sla"), *share = allocation_of(site, app);
    struct json_object *intent = row_of(site->intents, "app", field_text(app, "app"));
    struct json_object *match = field_array(app, "match"), *return_dst;
    fprintf(to, "  <Application \"%s\">\n", field_text(app, "app"));
    put_option(to, "Card", field_text(app, "card"));
    put_option(to, "Class", field_text(sla, "class"));
    put_number(to, "MinBps", guarantee_of(site, app), "%.0f");
    put_number(to, "MaxBps", figure(sla, "max_bps"), "%.0f");
    put_number(to, "MaxDelayMs", figure(sla, "max_delay_ns") / 1e6, "%.9g");
    // An SLA that says nothing of loss allows any; the manager's own default is none.
    double loss = field_number(sla, "max_loss_frac");
    put_number(to, "MaxLoss", isnan(loss) ? 1 : loss, "%.9g");
    // The switch's word counts: it is what happens.
    put_option(to, "OnCardDown", field_text(intent ? intent : sla, "on_card_down"));
    put_option(to, "Sharing", field_text(share, "sharing"));
    put_number(to, "CpuPct", figure(share, "cpu_pct"), "%.9g");
    put_number(to, "BandwidthBps", figure(share, "bandwidth_bps"), "%.0f");
    put_number(to, "MemoryBytes", figure(share, "memory_bytes"), "%.0f");
    put_option(to, "InPort", field_text(intent, "in_port"));
    put_option(to, "OutPort", field_text(intent, "out_port"));
    return_dst = field_array(intent, "return_dst");
    for (size_t i = 0; i < field_count(return_dst); i++)
        put_option(to, "ReturnDst", json_object_get_string(field_at(return_dst, i)));
    for (size_t i = 0; i < field_count(match); i++) {
        fputs("    <Match>\n", to);
        put_pairs(to, field_at(match, i), 3);
        fputs("    </Match>\n", to);
    }
    put_chain(to, field_array(app, "chain"));
    fputs("  </Application>\n", to);
}

static void
put_site(FILE *to, const struct site *site, const char *rundir)
{
    fprintf(to,
            "# What was provisioned at %s, as offloadctl import found it. MinBps is what each "
            "application\n"
            "# has today: the manager may give more, never less. It plans and explains (offloadctl "
            "plan, offloadctl\n"
            "# explain plan) and touches nothing until DryRun is false.\n\n"
            "<LoadPlugin offload_manager>\n  Interval 1\n</LoadPlugin>\n\n"
            "<Plugin offload_manager>\n  DryRun true\n  Socket \"%s/manager.sock\"\n",
            site->source, rundir);
    if (site->intents)
        fprintf(to, "  FlowdSocket \"%s/flowd.sock\"\n", rundir);
    for (size_t i = 0; i < field_count(site->cards); i++)
        put_card(to, site, rundir, field_at(site->cards, i));
    for (size_t i = 0; i < field_count(site->apps); i++)
        put_app(to, site, field_at(site->apps, i));
    fputs("</Plugin>\n", to);
}

static int
write_out(const struct ctl *ctl, const struct site *site, struct offload_err *err)
{
    // A configuration that is there already is somebody's: it is not written over.
    FILE *to = ctl->out ? fopen(ctl->out, "wxe") : stdout;
    if (!to)
        return offload_err_set(err, -errno, ctl->out, "a file that is not there yet",
                               "could not be written: %s", strerror(errno));
    put_site(to, site, ctl->rundir);
    bool bad = ferror(to) || (ctl->out ? fclose(to) : fflush(to));
    if (bad)
        return offload_err_set(err, -EIO, ctl->out ? ctl->out : "stdout", NULL,
                               "could not be written");
    return 0;
}

int
cmd_import(const struct ctl *ctl)
{
    struct offload_err err = {0};
    struct site site = {.source = ""};
    int rc = ctl->argc > 0 ? read_file(ctl->argv[0], &site, &err) : ask_daemons(ctl, &site, &err);
    if (!rc)
        rc = check(&site, &err);
    if (!rc)
        rc = write_out(ctl, &site, &err);
    if (!rc && ctl->out)
        fprintf(stderr, "%zu applications on %zu cards written to %s\n", field_count(site.apps),
                field_count(site.cards), ctl->out);
    site_fini(&site);
    return rc ? ctl_fail(&err) : CTL_DONE;
}
