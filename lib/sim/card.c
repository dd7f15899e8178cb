// SPDX-License-Identifier: Apache-2.0
// The card model; its formulas stand in card.h.
// plan + offered load -> [card] -> outcome -> reward.  Pure.
#include "lib/sim/card.h"

#include <math.h>

// Fractions that a limit may be exceeded by without being broken: rounding, not tolerance.
static const double DELAY_ROUNDING = 1e-9;
static const double LOSS_ROUNDING = 1e-12;

static double
rate_of(const struct alloc_app *app, const struct alloc_card *card, const struct alloc_share *share)
{
    double s = share->amount[ALLOC_BANDWIDTH];
    if (app->cycles_per_byte > 0)
        s = fmin(s, share->amount[ALLOC_CPU] / 100 * card->cycles_per_s / app->cycles_per_byte * 8);
    return s;
}

static void
serve(const struct alloc_app *app, double o, double s, double memory, double move_delay_s,
      struct sim_outcome *out)
{
    *out = (struct sim_outcome){.service_bps = s};
    if (o > 0 && s <= o) {
        out->loss_frac = (o - s) / o;
        out->delay_s = INFINITY;
    } else if (o > 0) {
        double queue = app->burst_bytes * (o / s) / (1 - o / s);
        double need = app->state_bytes + 3 * queue;
        out->delay_s = 8 * queue / s;
        out->loss_frac = need > 0 ? fmax(0, 1 - memory / need) : 0;
    }
    out->delay_s += move_delay_s;
    bool late = app->max_delay_s > 0 && out->delay_s > app->max_delay_s * (1 + DELAY_ROUNDING);
    out->breached = late || out->loss_frac > app->max_loss_frac + LOSS_ROUNDING;
}

// What the card's applications use of a resource beside what they have; lent where unused.
static void
lend(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t c,
     const double *offered_bps, int r, double *spare, double *lack)
{
    const struct alloc_card *card = &state->cards[c];
    *spare = card->capacity.amount[r];
    *lack = 0;
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        struct alloc_share need;
        alloc_need(app, card, offered_bps[a], 1, &need);
        *spare -= fmin(need.amount[r], plan->entries[a].share.amount[r]);
        *lack += fmax(need.amount[r] - plan->entries[a].share.amount[r], 0);
    }
    *spare = fmax(*spare, 0);
}

// Lent bandwidth goes to those who wait in the order of classes, whatever their shares: the better
// class's packets go first. A class that cannot have all is cut alike.
static void
lend_by_class(const struct alloc_state *state, uint32_t c, const double *offered_bps,
              double *part)
{
    const struct alloc_card *card = &state->cards[c];
    double need_of[ALLOC_N_CLASSES] = {0}, left = card->capacity.amount[ALLOC_BANDWIDTH];
    ALLOC_EACH (state, c, a) {
        struct alloc_share need;
        alloc_need(&state->apps[a], card, offered_bps[a], 1, &need);
        need_of[state->apps[a].class] += need.amount[ALLOC_BANDWIDTH];
    }
    for (int class = 0; class < ALLOC_N_CLASSES; class++) {
        part[class] = need_of[class] > left ? left / need_of[class] : 1;
        left = fmax(left - need_of[class], 0);
    }
}

void
sim_card_step_one(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t c,
                  const double *offered_bps, double move_delay_s, struct sim_outcome *outcome)
{
    const struct alloc_card *card = &state->cards[c];
    double spare = 0, lack = 0, part[ALLOC_N_CLASSES];
    if (state->policy.lent) {
        lend(state, plan, c, offered_bps, ALLOC_CPU, &spare, &lack);
        lend_by_class(state, c, offered_bps, part);
    }
    ALLOC_EACH (state, c, a) {
        const struct alloc_app *app = &state->apps[a];
        struct alloc_share share = plan->entries[a].share, need;
        alloc_need(app, card, offered_bps[a], 1, &need);
        double missing = fmax(need.amount[ALLOC_CPU] - share.amount[ALLOC_CPU], 0);
        if (missing > 0 && lack > 0)
            share.amount[ALLOC_CPU] += missing * fmin(spare / lack, 1);
        if (state->policy.lent && part[app->class] < 1)
            share.amount[ALLOC_BANDWIDTH] = need.amount[ALLOC_BANDWIDTH] * part[app->class];
        else if (state->policy.lent)
            share.amount[ALLOC_BANDWIDTH] =
                fmax(share.amount[ALLOC_BANDWIDTH], need.amount[ALLOC_BANDWIDTH]);
        if (state->policy.lent && app->max_bps > 0)
            share.amount[ALLOC_BANDWIDTH] = fmin(share.amount[ALLOC_BANDWIDTH], app->max_bps);
        double delay = plan->entries[a].to != ALLOC_NONE ? move_delay_s : 0;
        serve(app, offered_bps[a], rate_of(app, card, &share), share.amount[ALLOC_MEMORY], delay,
              &outcome[a]);
    }
}

void
sim_card_step(const struct alloc_state *state, const struct alloc_plan *plan,
              const double *offered_bps, double move_delay_s, struct sim_outcome *outcome)
{
    for (uint32_t c = 0; c < state->n_cards; c++)
        sim_card_step_one(state, plan, c, offered_bps, move_delay_s, outcome);
}

double
sim_card_burst(double offered_bps, double service_bps, double delay_s)
{
    double r = offered_bps / service_bps;
    if (!(offered_bps > 0) || !(r < 0.98) || !(delay_s > 0))
        return NAN;
    return delay_s * service_bps / 8 * (1 - r) / r;
}
