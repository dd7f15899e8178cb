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

// What a share would come to, by the card model, at the demand that is exceeded once in ten times.
struct prospect {
    double late_s, loss_frac;
    bool breached;
    double cost; // class weight x (breached + loss), as in the reward
};

static struct prospect
prospect_of(const struct alloc_state *state, uint32_t a, const struct alloc_share *share)
{
    const struct alloc_app *app = &state->apps[a];
    const struct alloc_card *card = &state->cards[app->card];
    double o = alloc_demand_at(app, ALLOC_Z_P90), s = share->amount[ALLOC_BANDWIDTH];
    struct prospect p = {0};
    if (app->cycles_per_byte > 0)
        s = fmin(s, share->amount[ALLOC_CPU] / 100 * card->cycles_per_s / app->cycles_per_byte * 8);
    if (o > 0 && s <= o) {
        p.loss_frac = (o - s) / o;
        p.late_s = INFINITY;
    } else if (o > 0) {
        p.late_s = 8 * app->burst_bytes / s * (o / s) / (1 - o / s);
    }
    p.breached =
        (app->max_delay_s > 0 && p.late_s > app->max_delay_s) || p.loss_frac > app->max_loss_frac;
    p.cost = (app->weight > 0 ? app->weight : 1) * (p.breached + p.loss_frac);
    return p;
}

static void
format_prospect(char *buf, size_t size, const struct prospect *p)
{
    if (p->loss_frac > 0)
        snprintf(buf, size, "loses %.1f %% at P90%s", 100 * p->loss_frac,
                 p->breached ? ", which breaks its SLA" : "");
    else if (p->late_s > 0)
        snprintf(buf, size, "%.3g ms of delay at P90%s", 1e3 * p->late_s,
                 p->breached ? ", which breaks its SLA" : "");
    else
        snprintf(buf, size, "carries its P90");
}

// What would have been instead: proportional's plan, or, where that decided, all as it is.
static void
add_alternative(struct json_object *o, const struct alloc_state *state,
                const struct alloc_plan *plan, uint32_t a, int r)
{
    const struct alloc_entry *e = &plan->entries[a];
    bool other = e->baseline.amount[r] > 0;
    const struct alloc_share *share = other ? &e->baseline : &state->apps[a].now;
    struct prospect ours = prospect_of(state, a, &e->share), theirs = prospect_of(state, a, share);
    char amount[64], it[96], we[96], text[400];
    format_amount(amount, sizeof amount, r, share->amount[r]);
    format_prospect(it, sizeof it, &theirs);
    format_prospect(we, sizeof we, &ours);
    snprintf(text, sizeof text, "%s %s: %s (this plan: %s)",
             other ? "proportional would give" : "keeping", amount, it, we);
    json_object_object_add(o, "alternative", json_object_new_string(text));
    json_object_object_add(o, "cost", json_object_new_double(ours.cost));
    json_object_object_add(o, "alternative_cost", json_object_new_double(theirs.cost));
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
    add_alternative(o, state, plan, a, r);
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
    enum alloc_resource full;
    double load = alloc_card_load(state, e->card, ALLOC_AHEAD, ALLOC_Z_P90, &full);
    double lost = load > 1 ? 1 - 1 / load : 0;
    char text[200];
    snprintf(text, sizeof text, "staying: %s at %.0f%% of its %s (P90 ahead)%s",
             state->cards[e->card].name, 100 * load, alloc_resource_names[full],
             lost > 0 ? ", more than it can carry" : "");
    json_object_object_add(o, "alternative", json_object_new_string(text));
    json_object_object_add(o, "alternative_cost", json_object_new_double(lost));
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
