// SPDX-License-Identifier: Apache-2.0
// A list: a host has a few cards, and a card some dozens of applications.

#include "plugins/card/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct row *
find_or_add(struct rows *rows, const char *card, const char *app)
{
    for (struct row *row = rows->first; row; row = row->next)
        if (!strcmp(row->card, card) && !strcmp(row->app, app))
            return row;
    struct row *row = rows->n < ROWS_MAX ? calloc(1, sizeof *row) : NULL;
    if (!row)
        return NULL;
    snprintf(row->card, sizeof row->card, "%s", card);
    snprintf(row->app, sizeof row->app, "%s", app);
    row->cycles_per_pkt = NAN;
    row->next = rows->first;
    rows->first = row;
    rows->n++;
    return row;
}

void
rows_advance(struct rows *rows, const char *card, const char *app, const struct stats *now,
             struct stats_rates *rates)
{
    struct row *row = find_or_add(rows, card, app);
    if (!row) {
        stats_rates_between(NULL, now, NAN, rates);
        return;
    }
    stats_rates_between(row->counted ? &row->last : NULL, now, row->cycles_per_pkt, rates);
    row->last = *now;
    row->counted = true;
    row->cycles_per_pkt = rates->cycles_per_pkt;
    row->seen = true;
}

void
rows_forget_unseen(struct rows *rows)
{
    for (struct row **link = &rows->first; *link;) {
        struct row *row = *link;
        if (row->seen) {
            row->seen = false;
            link = &row->next;
        } else {
            *link = row->next;
            free(row);
            rows->n--;
        }
    }
}

void
rows_fini(struct rows *rows)
{
    for (struct row *row = rows->first, *next; row; row = next) {
        next = row->next;
        free(row);
    }
    *rows = (struct rows){0};
}
