// SPDX-License-Identifier: Apache-2.0
// Why a plan gives what it gives: for each change what was expected, what limited it, and the
// alternative. plan -> [explain] -> a person.  Pure.
#include <offload/allocate.h>

#include <json-c/json.h>

#include <math.h>
#include <stdio.h>

// A value as people read it, in the resource's unit.
static void
format_amount(char *buf, size_t size, int r, double value)
{
    static const struct {
        double scale;
        const char *unit;
    } units[ALLOC_N_RESOURCES] = {{1, "% of the card's cycles"}, {1e6, "Mbit/s"}, {1 << 20, "MiB"}};
    snprintf(buf, size, "%.4g %s", value / units[r].scale, units[r].unit);
}

static void
expected(char *buf, size_t size, const struct alloc_state *state, uint32_t a, int r)
{
    const struct alloc_app *app = &state->apps[a];
    struct alloc_share p50, p90;
    char low[64], high[64];
    alloc_need(app, &state->cards[app->card], alloc_demand_at(app, ALLOC_Z_P50),
               state->policy.headroom, &p50);
    alloc_need(app, &state->cards[app->card], alloc_demand_at(app, ALLOC_Z_P90),
               state->policy.headroom, &p90);
    format_amount(low, sizeof low, r, p50.amount[r]);
    format_amount(high, sizeof high, r, p90.amount[r]);
    snprintf(buf, size, "a need of %s (P50) to %s (P90)", low, high);
}

static void
alternative(char *buf, size_t size, const struct alloc_entry *e, int r)
{
    char amount[64];
    if (e->baseline.amount[r] <= 0) {
        snprintf(buf, size, "not computed: the plan is proportional's own");
        return;
    }
    format_amount(amount, sizeof amount, r, e->baseline.amount[r]);
    snprintf(buf, size, "proportional would give %s", amount);
}

static struct json_object *
change_to_json(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a, int r)
{
    const struct alloc_entry *e = &plan->entries[a];
    struct json_object *o = json_object_new_object();
    char text[256];
    json_object_object_add(o, "app", json_object_new_string(state->apps[a].name));
    json_object_object_add(o, "card", json_object_new_string(state->cards[e->card].name));
    json_object_object_add(o, "resource", json_object_new_string(alloc_resource_names[r]));
    json_object_object_add(o, "from", json_object_new_double(state->apps[a].now.amount[r]));
    json_object_object_add(o, "to", json_object_new_double(e->share.amount[r]));
    expected(text, sizeof text, state, a, r);
    json_object_object_add(o, "expected", json_object_new_string(text));
    json_object_object_add(o, "limited_by", json_object_new_string(alloc_limit_texts[e->limit[r]]));
    alternative(text, sizeof text, e, r);
    json_object_object_add(o, "alternative", json_object_new_string(text));
    return o;
}

static struct json_object *
move_to_json(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a)
{
    const struct alloc_entry *e = &plan->entries[a];
    struct json_object *o = json_object_new_object();
    json_object_object_add(o, "app", json_object_new_string(state->apps[a].name));
    json_object_object_add(o, "card", json_object_new_string(state->cards[e->card].name));
    json_object_object_add(o, "resource", json_object_new_string("card"));
    json_object_object_add(o, "from", json_object_new_string(state->cards[e->card].name));
    json_object_object_add(
        o, "to", e->to == ALLOC_NONE ? NULL : json_object_new_string(state->cards[e->to].name));
    json_object_object_add(o, "expected", json_object_new_string(e->reason));
    json_object_object_add(o, "limited_by",
                           json_object_new_string(e->refused ? e->reason : alloc_limit_texts[0]));
    json_object_object_add(o, "alternative", json_object_new_string("it stays where it is"));
    return o;
}

struct json_object *
alloc_plan_explain(const struct alloc_plan *plan, const struct alloc_state *state)
{
    struct json_object *o = json_object_new_object(), *changes = json_object_new_array();
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        const struct alloc_entry *e = &plan->entries[a];
        if (e->to != ALLOC_NONE || e->refused)
            json_object_array_add(changes, move_to_json(state, plan, a));
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            if (e->share.amount[r] != state->apps[a].now.amount[r])
                json_object_array_add(changes, change_to_json(state, plan, a, r));
    }
    json_object_object_add(o, "plan", json_object_new_uint64(plan->number));
    json_object_object_add(o, "changes", changes);
    return o;
}
