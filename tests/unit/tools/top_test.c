// SPDX-License-Identifier: Apache-2.0
// What top shows of a look: what fits into 80 columns, what is ahead, what wants to be seen, and in
// which order.

#include "tools/top.h"

#include "tools/table.h"

#include <json-c/json.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

static const char look[] =
    "{\"source\":\"manager\",\"agent\":\"newsvendor\",\"plan\":12345,"
    "\"servers\":[{\"server\":\"h1\",\"score\":61.5,\"stale\":false}],"
    "\"cards\":[{\"card\":\"card0\",\"state\":\"up\",\"score\":61.5,\"offered_bps\":25e6,\"used_"
    "bps\":20e6,"
    "\"capacity\":{\"bandwidth_bps\":40e6},\"allocated\":{\"bandwidth_bps\":30e6,\"cpu_pct\":75}},"
    "{\"card\":\"card1\",\"state\":\"down\",\"score\":null,\"offered_bps\":null,\"used_bps\":null,"
    "\"capacity\":{\"bandwidth_bps\":40e6},\"allocated\":{\"bandwidth_bps\":0,\"cpu_pct\":0}}],"
    "\"apps\":[{\"app\":\"web\",\"card\":\"card0\",\"class\":\"gold\",\"state\":\"active\","
    "\"offered_bps\":12.3e6,"
    "\"allocated_bps\":16e6,\"need_p90_bps\":15e6,\"used_cpu_pct\":10.5,\"cpu_pct\":40,\"delay_"
    "mean_ns\":183000,"
    "\"loss_frac\":0,\"breached\":false,\"memory_bytes\":4e6},"
    "{\"app\":\"an-application-of-a-long-name\",\"card\":\"card0\",\"class\":\"bronze\",\"state\":"
    "\"active\","
    "\"offered_bps\":999e6,\"allocated_bps\":101e6,\"used_cpu_pct\":90.5,\"cpu_pct\":100,\"delay_"
    "mean_ns\":9.99e6,"
    "\"loss_frac\":1,\"breached\":true,\"memory_bytes\":1e6},"
    "{\"app\":\"idle\",\"card\":\"card1\",\"class\":\"silver\",\"state\":\"migrating\",\"offered_"
    "bps\":0,"
    "\"allocated_bps\":1e6,\"used_cpu_pct\":0,\"cpu_pct\":10,\"loss_frac\":0,\"breached\":false,"
    "\"memory_bytes\":9e6}],"
    "\"migrations\":[{\"id\":\"0123456789\",\"app\":\"idle\",\"from\":\"card0\",\"to\":\"card1\","
    "\"step\":\"copying\"}]}";
static const char fans[] = "[{\"app\":\"web\",\"resource\":\"bandwidth\",\"p50\":[4e6,8e6,8e6,8e6,"
                           "8e6,4e6],\"p90\":[16e6,16e6,16e6,16e6,16e6,16e6]},"
                           "{\"app\":\"idle\",\"resource\":\"cpu\",\"p50\":[1],\"p90\":[2]}]";

static struct top top;
static struct top_frame frame;

static int
set_up(UNUSED void **state)
{
    top.status = json_tokener_parse(look);
    top.fans = json_tokener_parse(fans);
    return top.status && top.fans ? 0 : -1;
}

static int
tear_down(UNUSED void **state)
{
    json_object_put(top.status);
    json_object_put(top.fans);
    memset(&top, 0, sizeof top);
    top_frame_clear(&frame);
    return 0;
}

// The line that begins with 'word', or NULL.
static const char *
line_of(const char *word, enum top_style *style)
{
    for (int i = 0; i < frame.begin[TOP_PARTS]; i++)
        if (!strncmp(frame.text[i], word, strlen(word))) {
            if (style)
                *style = frame.style[i];
            return frame.text[i];
        }
    return NULL;
}

static void
every_line_fits_into_80_columns(UNUSED void **state)
{
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80});
    for (int i = 0; i < frame.begin[TOP_PARTS]; i++)
        if (table_text_width(frame.text[i]) > 80)
            fail_msg("%d columns: '%s'", table_text_width(frame.text[i]), frame.text[i]);
    assert_true(frame.begin[TOP_PARTS] > 8);
}

static void
wider_screens_show_more_columns(UNUSED void **state)
{
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80});
    assert_null(strstr(line_of("APP", NULL), "NEED90"));
    top_frame_make(&frame, &top, &(struct top_view){.columns = 132});
    assert_non_null(strstr(line_of("APP", NULL), "NEED90"));
    assert_non_null(strstr(line_of("web", NULL), "10.5/40.0"));
}

// Half of the allocation is half a bar, the whole of it a full one; the locale here is C: ASCII.
static void
what_is_ahead_stands_beside_each_application(UNUSED void **state)
{
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80});
    const char *web = line_of("web", NULL), *fan = strchr(web, '>');
    assert_non_null(fan);
    assert_int_equal(strlen(fan + 1), 5);
    for (int i = 2; i <= 5; i++)
        assert_int_equal(fan[i], fan[1]); // P90 is level
    assert_true(fan[-5] != fan[-4]);      // P50 rises
    assert_true(fan[-4] != fan[1]);       // and stays below
    assert_null(strchr(line_of("idle", NULL), '>'));
}

static void
use_is_drawn_against_allocation(UNUSED void **state)
{
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80});
    assert_non_null(strstr(line_of("card0", NULL), "[######---...]"));
}

static void
breaches_dead_cards_and_moves_stand_out(UNUSED void **state)
{
    enum top_style style = TOP_PLAIN;
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80});
    assert_non_null(strstr(line_of("an-applicat", &style), "BREACH"));
    assert_int_equal(style, TOP_ALERT);
    line_of("card1", &style);
    assert_int_equal(style, TOP_ALERT);
    line_of("idle", &style);
    assert_int_equal(style, TOP_BUSY);
    assert_non_null(strstr(line_of("migration", &style), "idle  card0 -> card1  copying"));
    assert_int_equal(style, TOP_BUSY);
    assert_non_null(strstr(line_of("2 cards", &style), "3 applications, 1 in breach"));
    assert_int_equal(style, TOP_ALERT);
}

static void
first_is(const char *name, struct top_view view)
{
    view.columns = 80;
    top_frame_make(&frame, &top, &view);
    const char *first = frame.text[frame.begin[TOP_APPS] + 1];
    if (strncmp(first, name, strlen(name)))
        fail_msg("order %c: '%s' stands first, not '%s'", view.order, first, name);
}

static void
applications_stand_in_the_order_asked_for(UNUSED void **state)
{
    first_is("web", (struct top_view){.order = 0});
    first_is("an-app", (struct top_view){.order = 'N'});
    first_is("web", (struct top_view){.order = 'N', .reverse = true});
    first_is("an-app", (struct top_view){.order = 'P'});
    first_is("an-app", (struct top_view){.order = 'O'});
    first_is("idle", (struct top_view){.order = 'M'});
    first_is("an-app", (struct top_view){.order = 'D'});
    first_is("an-app", (struct top_view){.order = 'S'});
}

static void
what_is_not_asked_for_is_left_out(UNUSED void **state)
{
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80, .hide_idle = true});
    assert_null(line_of("idle", NULL));
    assert_non_null(line_of("web", NULL));
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80, .filter = "card1"});
    assert_non_null(line_of("idle", NULL));
    assert_null(line_of("web", NULL));
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80, .filter = "nothing like it"});
    assert_non_null(line_of("(no application of 3 is shown", NULL));
}

static void
a_look_without_an_answer_says_why(UNUSED void **state)
{
    snprintf(top.error, sizeof top.error, "x.sock: nobody is there");
    enum top_style style = TOP_PLAIN;
    top_frame_make(&frame, &top, &(struct top_view){.columns = 80});
    assert_int_equal(frame.begin[TOP_PARTS], 1);
    assert_non_null(line_of("x.sock: nobody", &style));
    assert_int_equal(style, TOP_ALERT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_line_fits_into_80_columns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wider_screens_show_more_columns, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_ahead_stands_beside_each_application, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(use_is_drawn_against_allocation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(breaches_dead_cards_and_moves_stand_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(applications_stand_in_the_order_asked_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_asked_for_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_look_without_an_answer_says_why, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
