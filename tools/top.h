// SPDX-License-Identifier: Apache-2.0
// offloadctl top in parts: cmd_top.c asks the daemons, top_frame.c makes lines of a look,
// top_screen.c shows them on a terminal and reads keys.
#pragma once

#include "tools/ctl.h"

struct json_object;

enum {
    TOP_LINES_MAX = 2048,
    TOP_TRACKS_MAX = 1024,
    TOP_TRACK_LENGTH = 64, // looks that a sparkline can go back
};

enum top_style { TOP_PLAIN, TOP_HEADING, TOP_ALERT, TOP_BUSY };
// Where a line goes on a screen: applications scroll, the others stay.
enum top_part { TOP_HEAD, TOP_CARDS, TOP_APPS, TOP_MOVES, TOP_PARTS };

struct top_frame {
    char *text[TOP_LINES_MAX];
    enum top_style style[TOP_LINES_MAX];
    int begin[TOP_PARTS + 1]; // of each part; the last is the number of lines
};

// What a person has chosen to see.
struct top_view {
    int columns;     // of the screen; 0: as many as it takes
    char order;      // 'N' name, 'O' offered, 'P' CPU, 'M' memory, 'D' delay, 'S' SLA; 0: as told
    bool reverse;    // of that order
    bool hide_idle;  // leave out applications that are offered nothing
    char filter[32]; // a part of the names of applications or cards; "": all
    unsigned interval_ms;
};

// What a card or an application was offered, as a share of what it may use, look by look.
struct top_track {
    char name[80];                  // "app@card" or "@card"
    double share[TOP_TRACK_LENGTH]; // the newest last
};

struct top {
    const struct ctl *ctl;
    struct json_object *status; // of the last look that was answered
    struct json_object *fans;   // array of the forecaster's fan.get, or NULL
    char error[800];            // of a look that was not; else ""
    struct top_track track[TOP_TRACKS_MAX];
    size_t n_tracks;
};

// Looks at the daemons; false: nobody answered, as 'error' says.
bool top_look(struct top *top);

// Makes lines of the last look. 'frame' is zero or holds an earlier one, which is freed.
void top_frame_make(struct top_frame *frame, const struct top *top, const struct top_view *view);
void top_frame_clear(struct top_frame *frame);

// Runs on the terminal until 'q'. CTL_DONE, or -1 if it cannot be used as a screen.
int top_screen_run(struct top *top, struct top_view *view, uint64_t looks);
