// SPDX-License-Identifier: Apache-2.0
// offloadctl top: cards, applications and migrations, again and again.
// daemons -> [look] -> top_frame.c -> screen, or plain lines here

#include "tools/fields.h"
#include "tools/source.h"
#include "tools/top.h"
#include "tools/watch.h"

#include <json-c/json.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SERVERS_ASKED = 4 }; // for what is ahead; a fleet's forecasts are told where they are made

// Appends 'share' to the track of 'app' on 'card'.
static void
track_share(struct top *top, const char *app, const char *card, double share)
{
    char name[80];
    snprintf(name, sizeof name, "%s@%s", app, card);
    struct top_track *track = NULL;
    for (size_t i = 0; i < top->n_tracks && !track; i++)
        if (!strcmp(top->track[i].name, name))
            track = &top->track[i];
    if (!track && top->n_tracks == TOP_TRACKS_MAX)
        return;
    if (!track) {
        track = &top->track[top->n_tracks++];
        snprintf(track->name, sizeof track->name, "%s", name);
        for (size_t i = 0; i < TOP_TRACK_LENGTH; i++)
            track->share[i] = NAN;
    }
    memmove(track->share, track->share + 1, sizeof track->share - sizeof *track->share);
    track->share[TOP_TRACK_LENGTH - 1] = share;
}

static void
track_all(struct top *top)
{
    struct json_object *cards = field_array(top->status, "cards"),
                       *apps = field_array(top->status, "apps");
    for (size_t i = 0; i < field_count(cards); i++) {
        struct json_object *row = field_at(cards, i);
        double bps = field_number(field_object(row, "capacity"), "bandwidth_bps");
        track_share(top, "", field_text(row, "card"),
                    bps > 0 ? field_number(row, "offered_bps") / bps : NAN);
    }
    for (size_t i = 0; i < field_count(apps); i++) {
        struct json_object *row = field_at(apps, i);
        double bps = field_number(row, "allocated_bps");
        track_share(top, field_text(row, "app"), field_text(row, "card"),
                    bps > 0 ? field_number(row, "offered_bps") / bps : NAN);
    }
}

// What is ahead, of the servers that the forecaster here knows; none where there is no forecaster.
static void
look_ahead(struct top *top)
{
    struct json_object *scores = NULL, *fans = json_object_new_array();
    source_call(top->ctl, "forecast", "score.get", NULL, &scores, NULL);
    struct json_object *rows = field_array(scores, "scores");
    for (size_t i = 0; i < field_count(rows) && i < SERVERS_ASKED; i++) {
        struct json_object *params = json_object_new_object(), *answer = NULL;
        json_object_object_add(params, "server",
                               json_object_new_string(field_text(field_at(rows, i), "server")));
        source_call(top->ctl, "forecast", "fan.get", params, &answer, NULL);
        struct json_object *some = field_array(answer, "fans");
        for (size_t k = 0; k < field_count(some); k++)
            json_object_array_add(fans, json_object_get(field_at(some, k)));
        json_object_put(answer);
    }
    json_object_put(scores);
    json_object_put(top->fans);
    top->fans = fans;
}

bool
top_look(struct top *top)
{
    struct offload_err err = {0};
    struct json_object *now = NULL;
    if (source_status(top->ctl, top->status, &now, &err)) {
        offload_err_format(&err, top->error, sizeof top->error);
        return false;
    }
    top->error[0] = '\0';
    json_object_put(top->status);
    top->status = now;
    track_all(top);
    look_ahead(top);
    return true;
}

// The lines of a look; its parts are a blank line apart.
static void
print_frame(const struct top_frame *frame, FILE *to)
{
    for (int part = 0; part < TOP_PARTS; part++) {
        if (part > 0 && frame->begin[part] < frame->begin[part + 1])
            fputc('\n', to);
        for (int i = frame->begin[part]; i < frame->begin[part + 1]; i++)
            fprintf(to, "%s\n", frame->text[i]);
    }
}

static int
run_plain(struct top *top, const struct top_view *view, uint64_t looks)
{
    static struct top_frame frame; // large
    bool seen = false;
    for (uint64_t i = 0; looks == 0 || i < looks; i++) {
        if (i > 0)
            watch_pause(top->ctl);
        seen = top_look(top);
        top_frame_make(&frame, top, view);
        if (!seen)
            fputs("offloadctl: ", stderr);
        print_frame(&frame, seen ? stdout : stderr);
        if (looks != 1 && seen)
            putchar('\n');
        if (fflush(stdout) || ferror(stdout)) {
            seen = false;
            break; // nobody reads any more
        }
    }
    top_frame_clear(&frame);
    return seen ? CTL_DONE : CTL_FAILED;
}

// For programs the same looks are status'.
static int
run_json(const struct ctl *ctl)
{
    struct ctl looks = *ctl;
    looks.watch = !ctl->once;
    return cmd_status(&looks);
}

int
cmd_top(const struct ctl *ctl)
{
    if (ctl->json)
        return run_json(ctl);
    struct top *top = calloc(1, sizeof *top);
    if (!top) {
        fputs("offloadctl: out of memory\n", stderr);
        return CTL_FAILED;
    }
    top->ctl = ctl;
    struct top_view view = {.interval_ms = (unsigned)ctl->interval_ms};
    const char *term = getenv("TERM");
    bool screen =
        !ctl->once && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && term && strcmp(term, "dumb");
    int rc = screen ? top_screen_run(top, &view, ctl->count) : -1;
    if (rc < 0)
        rc = run_plain(top, &view, ctl->once ? 1 : ctl->count);
    json_object_put(top->status);
    json_object_put(top->fans);
    free(top);
    return rc;
}
