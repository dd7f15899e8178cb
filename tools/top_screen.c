// SPDX-License-Identifier: Apache-2.0
// The frame on a terminal, and the keys of top and htop. frame -> [screen] -> curses
//
// Cards keep at most a third of the lines and migrations three, at the bottom; the rest is the
// applications', and scrolls.

#include "tools/table.h"
#include "tools/top.h"

#ifdef HAVE_CURSES
#include <curses.h>
#include <stdlib.h>
#include <string.h>

enum { MOVES_MOST = 3, STEP_MOST_MS = 86400 * 1000 };

static const char *const help[] = {
    "Keys, as in top and htop",
    "",
    "  q F10            quit",
    "  space Enter      look at once",
    "  d s              seconds between two looks",
    "  up down j k      scroll; PgUp PgDn, Home End too",
    "  P M N            order applications by CPU, memory, name",
    "  O D S            by offered load, delay, SLA (breached first)",
    "  R                the other way round",
    "  i                leave out, or show, those that are offered nothing",
    "  / F4 \\           show only names that contain a text; empty: all",
    "  h ? F1           this page",
    "",
    "USED-ALLOC: # used, - allocated besides, . free. PAST: offered load against allocation",
    "(cards: capacity). P50 > P90: what is ahead over the horizon, the median, then the",
    "level that nine of ten stay below; a full bar is the whole allocation, or more.",
    "",
    "Any key goes back.",
    NULL,
};

struct screen {
    struct top *top;
    struct top_view *view;
    struct top_frame frame;
    int scroll; // first application shown
};

static attr_t
look_of(enum top_style style)
{
    switch (style) {
    case TOP_HEADING:
        return A_REVERSE;
    case TOP_ALERT:
        return A_BOLD | (attr_t)COLOR_PAIR(1);
    case TOP_BUSY:
        return A_BOLD | (attr_t)COLOR_PAIR(2);
    case TOP_PLAIN:
        break;
    }
    return A_NORMAL;
}

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
draw_line(int y, const char *text, enum top_style style)
{
    attrset((int)look_of(style));
    mvaddnstr(y, 0, text, bytes_in(text, COLS));
    if (style == TOP_HEADING)
        for (int column = table_text_width(text); column < COLS; column++)
            addch(' ');
    attrset(A_NORMAL);
}

// Lines 'from' to 'until' of the frame at 'y', at most 'most'; returns the line behind them.
static int
draw_lines(const struct top_frame *frame, int y, int from, int until, int most)
{
    for (int i = from; i < until && i < from + most; i++)
        draw_line(y++, frame->text[i], frame->style[i]);
    return y;
}

static int
part_lines(const struct top_frame *frame, enum top_part part)
{
    return frame->begin[part + 1] - frame->begin[part];
}

static void
draw_status(const struct screen *s, int hidden)
{
    const struct top_view *view = s->view;
    char text[160];
    int n = snprintf(text, sizeof text, "q quits, h helps, every %g s", view->interval_ms / 1000.0);
    if (hidden > 0)
        n += snprintf(text + n, sizeof text - (size_t)n, ", %d more", hidden);
    if (view->order)
        n += snprintf(text + n, sizeof text - (size_t)n, ", order %s%c", view->reverse ? "-" : "",
                      view->order);
    if (view->hide_idle)
        n += snprintf(text + n, sizeof text - (size_t)n, ", no idle ones");
    if (*view->filter)
        snprintf(text + n, sizeof text - (size_t)n, ", only *%s*", view->filter);
    mvaddnstr(LINES - 1, 0, text, COLS);
}

static void
draw(struct screen *s)
{
    const struct top_frame *frame = &s->frame;
    int moves = part_lines(frame, TOP_MOVES), apps = part_lines(frame, TOP_APPS);
    moves = moves > MOVES_MOST ? MOVES_MOST : moves;
    erase();
    int y = draw_lines(frame, 0, frame->begin[TOP_HEAD], frame->begin[TOP_CARDS], LINES - 1);
    if (part_lines(frame, TOP_CARDS) > 0)
        y = draw_lines(frame, y + 1, frame->begin[TOP_CARDS], frame->begin[TOP_APPS],
                       1 + LINES / 3);
    int room = LINES - 1 - (moves ? moves + 1 : 0) - (y + 1), rows = apps - 1, first, shown = 0;
    if (apps > 0 && room > 1) {
        shown = rows < room - 1 ? rows : room - 1;
        s->scroll = s->scroll > rows - shown ? rows - shown : s->scroll < 0 ? 0 : s->scroll;
        first = frame->begin[TOP_APPS];
        draw_line(++y, frame->text[first], frame->style[first]);
        draw_lines(frame, y + 1, first + 1 + s->scroll, frame->begin[TOP_MOVES], shown);
    }
    draw_lines(frame, LINES - 1 - moves, frame->begin[TOP_MOVES], frame->begin[TOP_PARTS], moves);
    draw_status(s, apps > 0 ? rows - shown : 0);
    refresh();
}

static void
show_help(void)
{
    erase();
    for (int i = 0; help[i] && i < LINES; i++)
        mvaddnstr(i, 0, help[i], COLS);
    refresh();
    timeout(-1);
    getch();
}

// Asks for a text on the last line.
static void
ask(const char *what, char *text, int size)
{
    move(LINES - 1, 0);
    clrtoeol();
    addstr(what);
    echo();
    timeout(-1);
    if (getnstr(text, size - 1) == ERR)
        text[0] = '\0';
    noecho();
}

static void
ask_interval(struct top_view *view)
{
    char text[16] = "";
    ask("seconds: ", text, sizeof text);
    double ms = 1000 * atof(text);
    if (ms >= 100 && ms <= STEP_MOST_MS)
        view->interval_ms = (unsigned)ms;
}

static void
set_order(struct top_view *view, char order)
{
    view->reverse = view->order == order && !view->reverse;
    view->order = order;
}

// True: the key has changed what is shown of the same look.
static bool
take_key(struct screen *s, int key)
{
    struct top_view *view = s->view;
    int page = LINES / 2;
    switch (key) {
    case KEY_UP:
    case 'k':
        s->scroll--;
        break;
    case KEY_DOWN:
    case 'j':
        s->scroll++;
        break;
    case KEY_PPAGE:
        s->scroll -= page;
        break;
    case KEY_NPAGE:
        s->scroll += page;
        break;
    case KEY_HOME:
        s->scroll = 0;
        break;
    case KEY_END:
        s->scroll = TOP_LINES_MAX;
        break;
    case 'P':
    case 'M':
    case 'N':
    case 'O':
    case 'D':
    case 'S':
        set_order(view, (char)key);
        break;
    case 'R':
        view->reverse = !view->reverse;
        break;
    case 'i':
        view->hide_idle = !view->hide_idle;
        break;
    case 'd':
    case 's':
        ask_interval(view);
        break;
    case '/':
    case '\\':
    case KEY_F(4):
        ask("only: ", view->filter, sizeof view->filter);
        break;
    case 'h':
    case '?':
    case KEY_F(1):
        show_help();
        break;
    case KEY_RESIZE:
        view->columns = COLS;
        break;
    default:
        return false;
    }
    return true;
}

static void
show(struct screen *s)
{
    s->view->columns = COLS;
    top_frame_make(&s->frame, s->top, s->view);
    draw(s);
}

// Until the next look. False: the user has had enough.
static bool
wait_key(struct screen *s)
{
    for (;;) {
        timeout((int)s->view->interval_ms);
        int key = getch();
        if (key == 'q' || key == 'Q' || key == KEY_F(10))
            return false;
        if (key == ERR || key == ' ' || key == '\n')
            return true;
        if (take_key(s, key))
            show(s);
    }
}

int
top_screen_run(struct top *top, struct top_view *view, uint64_t looks)
{
    if (!newterm(NULL, stdout, stdin))
        return -1;
    struct screen *s = calloc(1, sizeof *s);
    cbreak();
    noecho();
    curs_set(0);
    keypad(stdscr, TRUE);
    if (has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_RED, -1);
        init_pair(2, COLOR_YELLOW, -1);
    }
    for (uint64_t i = 0; s && (looks == 0 || i < looks); i++) {
        s->top = top;
        s->view = view;
        top_look(top);
        show(s);
        if (!wait_key(s))
            break;
    }
    endwin();
    if (s)
        top_frame_clear(&s->frame);
    free(s);
    return CTL_DONE;
}
#else
int
top_screen_run(struct top *top, struct top_view *view, uint64_t looks)
{
    (void)top, (void)view, (void)looks;
    return -1;
}
#endif
