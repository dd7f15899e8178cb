// SPDX-License-Identifier: Apache-2.0
// offloadctl top: cards, applications and migrations, again and again. A look makes a frame of
// lines; curses or plain output shows it. source -> frame -> screen

#include "tools/chart.h"
#include "tools/fields.h"
#include "tools/format.h"
#include "tools/source.h"
#include "tools/table.h"
#include "tools/watch.h"

#include <json-c/json.h>

#ifdef HAVE_CURSES
#include <curses.h>
#endif
#include <langinfo.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LINES_MAX = 256,
    TRACKS_MAX = 256,
    TRACK_LENGTH = 64, // looks that a sparkline can go back
    SPARK_WIDTH = 12,  // so that a line fits 80 columns
    SPARK_BYTES = 3 * SPARK_WIDTH + 1,
};

enum look { PLAIN, HEADING, ALERT };

struct frame {
    char *text[LINES_MAX];
    enum look look[LINES_MAX];
    int n;
    // Of the table that is coming in: its rows that want to be seen, and the next one (-1:
    // headings).
    const bool *alert;
    int row;
};

// What a card or an application was offered, as a share of what it may use, look by look.
struct track {
    char name[80];              // "app@card" or "@card"
    double share[TRACK_LENGTH]; // the newest last
};

struct tracks {
    struct track track[TRACKS_MAX];
    size_t n;
};

static void __attribute__((format(printf, 3, 4)))
add_line(struct frame *frame, enum look look, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    if (frame->n < LINES_MAX && vasprintf(&frame->text[frame->n], fmt, args) >= 0)
        frame->look[frame->n++] = look;
    va_end(args);
}

static void
add_table_line(void *ctx, const char *line)
{
    struct frame *frame = ctx;
    enum look look = frame->row < 0 ? HEADING : frame->alert[frame->row] ? ALERT : PLAIN;
    frame->row++;
    add_line(frame, look, "%s", line);
}

// Adds 'table' and frees it. 'alert' holds for each row whether it wants to be seen.
static void
add_table(struct frame *frame, struct table *table, const bool *alert)
{
    frame->row = -1;
    frame->alert = alert;
    table_lines(table, add_table_line, frame);
    table_destroy(table);
}

static void
clear_frame(struct frame *frame)
{
    for (int i = 0; i < frame->n; i++)
        free(frame->text[i]);
    frame->n = 0;
}

// Appends 'share' to the track of 'name' and writes its sparkline.
static void
track_share(struct tracks *tracks, const char *app, const char *card, double share,
            char spark[SPARK_BYTES])
{
    char name[80];
    snprintf(name, sizeof name, "%s@%s", app, card);
    struct track *track = NULL;
    for (size_t i = 0; i < tracks->n && !track; i++)
        if (!strcmp(tracks->track[i].name, name))
            track = &tracks->track[i];
    *spark = '\0';
    if (!track && tracks->n == TRACKS_MAX)
        return;
    if (!track) {
        track = &tracks->track[tracks->n++];
        snprintf(track->name, sizeof track->name, "%s", name);
        for (size_t i = 0; i < TRACK_LENGTH; i++)
            track->share[i] = NAN;
    }
    memmove(track->share, track->share + 1, sizeof track->share - sizeof *track->share);
    track->share[TRACK_LENGTH - 1] = share;
    bool ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
    chart_sparkline(spark, SPARK_WIDTH, track->share, TRACK_LENGTH, 1, ascii);
}

static void
add_cards(struct frame *frame, struct tracks *tracks, struct json_object *rows)
{
    static const char *const headings[] = {
        "CARD",   "STATE",   ">SCORE", ">OFFERED",         ">USED",
        ">CAPAC", ">ALLOC%", ">CPU%",  "OFFERED/CAPACITY", NULL};
    bool alert[LINES_MAX] = {false};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < field_count(rows) && i < LINES_MAX; i++) {
        struct json_object *row = field_at(rows, i), *allocated = field_object(row, "allocated");
        double bps = field_number(field_object(row, "capacity"), "bandwidth_bps");
        double offered_bps = field_number(row, "offered_bps");
        char buf[FORMAT_BYTES], spark[SPARK_BYTES];
        track_share(tracks, "", field_text(row, "card"), bps > 0 ? offered_bps / bps : NAN, spark);
        alert[i] = strcmp(field_text(row, "state"), "up") != 0 || offered_bps > bps;
        table_cell(table, "%s", field_text(row, "card"));
        table_cell(table, "%s", field_text(row, "state"));
        table_cell(table, "%s", format_pct(buf, field_number(row, "score")));
        table_cell(table, "%s", format_si(buf, offered_bps));
        table_cell(table, "%s", format_si(buf, field_number(row, "used_bps")));
        table_cell(table, "%s", format_si(buf, bps));
        table_cell(
            table, "%s",
            format_pct(buf, bps > 0 ? 100 * field_number(allocated, "bandwidth_bps") / bps : NAN));
        table_cell(table, "%s", format_pct(buf, field_number(allocated, "cpu_pct")));
        table_cell(table, "%s", spark);
    }
    add_table(frame, table, alert);
}

static void
add_apps(struct frame *frame, struct tracks *tracks, struct json_object *rows)
{
    static const char *const headings[] = {"APP",    "CARD",          "CLASS",  ">OFFERED",
                                           ">ALLOC", ">NEED90",       ">DELAY", ">LOSS%",
                                           "SLA",    "OFFERED/ALLOC", NULL};
    bool alert[LINES_MAX] = {false};
    struct table *table = table_create(headings);
    for (size_t i = 0; i < field_count(rows) && i < LINES_MAX; i++) {
        struct json_object *row = field_at(rows, i);
        const char *app = field_text(row, "app"), *card = field_text(row, "card"),
                   *state = field_text(row, "state");
        double offered_bps = field_number(row, "offered_bps"),
               allocated_bps = field_number(row, "allocated_bps");
        char buf[FORMAT_BYTES], spark[SPARK_BYTES];
        track_share(tracks, app, card, allocated_bps > 0 ? offered_bps / allocated_bps : NAN,
                    spark);
        alert[i] = field_true(row, "breached");
        table_cell(table, "%.14s", app);
        table_cell(table, "%.8s", card);
        table_cell(table, "%s", field_text(row, "class"));
        table_cell(table, "%s", format_si(buf, offered_bps));
        table_cell(table, "%s", format_si(buf, allocated_bps));
        table_cell(table, "%s", format_si(buf, field_number(row, "need_p90_bps")));
        table_cell(table, "%s", format_ns(buf, field_number(row, "delay_mean_ns")));
        table_cell(table, "%s", format_pct(buf, 100 * field_number(row, "loss_frac")));
        // Of an application on the move one wants to see that, unless it suffers.
        table_cell(table, "%.9s", alert[i] ? "BREACH" : !strcmp(state, "active") ? "ok" : state);
        table_cell(table, "%s", spark);
    }
    add_table(frame, table, alert);
}

// Migrations that have not ended, and the last one that has.
static void
add_migrations(struct frame *frame, struct json_object *rows)
{
    bool ended_shown = false;
    for (size_t i = 0; i < field_count(rows); i++) {
        struct json_object *row = field_at(rows, i);
        const char *step = field_text(row, "step"), *error = field_text(row, "error");
        bool ended = !strcmp(step, "committed") || !strcmp(step, "aborted");
        char pause[FORMAT_BYTES];
        if (ended && ended_shown)
            continue;
        ended_shown = ended_shown || ended;
        add_line(frame, *error ? ALERT : PLAIN, "migration %.8s  %s  %s -> %s  %s, pause %s%s%s",
                 field_text(row, "id"), field_text(row, "app"), field_text(row, "from"),
                 field_text(row, "to"), step, format_ns(pause, field_number(row, "pause_ns")),
                 *error ? ": " : "", error);
    }
}

static void
add_head(struct frame *frame, struct json_object *status)
{
    char plan[FORMAT_BYTES], score[FORMAT_BYTES], servers[160] = "";
    struct json_object *rows = field_array(status, "servers");
    for (size_t i = 0, len = 0; i < field_count(rows) && len < sizeof servers; i++)
        len += (size_t)snprintf(servers + len, sizeof servers - len, "  %s score %s%s",
                                field_text(field_at(rows, i), "server"),
                                format_pct(score, field_number(field_at(rows, i), "score")),
                                field_true(field_at(rows, i), "stale") ? " (stale)" : "");
    bool manager = !strcmp(field_text(status, "source"), "manager");
    add_line(frame, PLAIN, "offloadctl top   %s%s, plan %s%s", manager ? "agent " : "no manager",
             manager ? field_text(status, "agent") : "",
             format_count(plan, field_number(status, "plan")), servers);
}

// One look. '*status' is the last look's answer and becomes this one's; a look that fails makes a
// frame that says so.
static int
make_frame(const struct ctl *ctl, struct json_object **status, struct tracks *tracks,
           struct frame *frame)
{
    struct offload_err err = {0};
    struct json_object *now = NULL;
    clear_frame(frame);
    if (source_status(ctl, *status, &now, &err)) {
        char text[800];
        add_line(frame, ALERT, "%s", offload_err_format(&err, text, sizeof text));
        return CTL_FAILED;
    }
    json_object_put(*status);
    *status = now;
    add_head(frame, now);
    add_line(frame, PLAIN, "%s", "");
    add_cards(frame, tracks, field_array(now, "cards"));
    add_line(frame, PLAIN, "%s", "");
    add_apps(frame, tracks, field_array(now, "apps"));
    if (field_count(field_array(now, "migrations")) > 0)
        add_line(frame, PLAIN, "%s", "");
    add_migrations(frame, field_array(now, "migrations"));
    return CTL_DONE;
}

static int
run_plain(const struct ctl *ctl, struct tracks *tracks, struct frame *frame)
{
    struct json_object *status = NULL;
    uint64_t looks = ctl->once ? 1 : ctl->count;
    int rc = CTL_DONE;
    for (uint64_t i = 0; looks == 0 || i < looks; i++) {
        if (i > 0)
            watch_pause(ctl);
        rc = make_frame(ctl, &status, tracks, frame);
        for (int line = 0; line < frame->n; line++)
            fprintf(rc == CTL_DONE ? stdout : stderr, "%s\n", frame->text[line]);
        if (looks != 1 && puts("") < 0)
            break;
        if (fflush(stdout))
            rc = CTL_FAILED;
        if (rc == CTL_FAILED && ferror(stdout))
            break; // nobody reads any more
    }
    json_object_put(status);
    return rc;
}

#ifdef HAVE_CURSES
// Bytes of 'text' (UTF-8) that fit into 'columns'.
static int
bytes_in(const char *text, int columns)
{
    const char *at = text;
    for (; *at; at++)
        if ((*at & 0xc0) != 0x80 && columns-- == 0)
            break;
    return (int)(at - text);
}

static void
draw_frame(const struct frame *frame)
{
    erase();
    for (int i = 0; i < frame->n && i < LINES - 1; i++) {
        attr_t attr = frame->look[i] == HEADING ? A_REVERSE
                      : frame->look[i] == ALERT ? A_BOLD | COLOR_PAIR(1)
                                                : A_NORMAL;
        attrset(attr);
        mvaddnstr(i, 0, frame->text[i], bytes_in(frame->text[i], COLS));
        if (frame->look[i] == HEADING)
            for (int column = table_text_width(frame->text[i]); column < COLS; column++)
                addch(' ');
    }
    attrset(A_NORMAL);
    mvaddstr(LINES - 1, 0, frame->n > LINES - 1 ? "q quits; more rows than lines" : "q quits");
    refresh();
}

// Waits for the next look. False: the user has had enough.
static bool
wait_key(const struct ctl *ctl, const struct frame *frame)
{
    timeout((int)ctl->interval_ms);
    for (;;) {
        int key = getch();
        if (key == 'q' || key == 'Q')
            return false;
        if (key == ERR || key == ' ')
            return true;
        if (key == KEY_RESIZE)
            draw_frame(frame);
    }
}

static int
run_curses(const struct ctl *ctl, struct tracks *tracks, struct frame *frame)
{
    struct json_object *status = NULL;
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_RED, -1);
    }
    for (uint64_t i = 0; ctl->count == 0 || i < ctl->count; i++) {
        make_frame(ctl, &status, tracks, frame);
        draw_frame(frame);
        if (!wait_key(ctl, frame))
            break;
    }
    endwin();
    json_object_put(status);
    return CTL_DONE;
}
#endif

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
    struct tracks *tracks = calloc(1, sizeof *tracks);
    struct frame *frame = calloc(1, sizeof *frame);
    const char *term = getenv("TERM");
    bool screen =
        !ctl->once && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) && term && strcmp(term, "dumb");
    int rc;
    if (!tracks || !frame) {
        fputs("offloadctl: out of memory\n", stderr);
        rc = CTL_FAILED;
#ifdef HAVE_CURSES
    } else if (screen && newterm(NULL, stdout, stdin)) {
        rc = run_curses(ctl, tracks, frame);
#endif
    } else {
        (void)screen;
        rc = run_plain(ctl, tracks, frame);
    }
    if (frame)
        clear_frame(frame);
    free(frame);
    free(tracks);
    return rc;
}
