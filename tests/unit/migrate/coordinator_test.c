// SPDX-License-Identifier: Apache-2.0
// The coordinator against cards and a switch that are played here: every request fails once, every
// answer gets lost, the manager dies after every step; in the end one side serves, and cards and
// switch agree which.
#include "lib/migrate/coordinator.h"

#include <errno.h>
#include <json-c/json.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static const char id[] = "0b6d0a4e-5b9e-4c2b-9d0f-0123456789ab";

// The peers. The cards run the same machine; the switch remembers which swaps it has made.
struct peers {
    struct migrate_machine cards;
    bool known;  // to the cards
    bool opened; // the destination's way out of the switch
    char swaps[4][MIGRATE_ID_LEN + 1];
    unsigned n_swaps;
    int polls;          // until 'ready', 'fenced', 'committed'
    unsigned asked;     // requests so far
    unsigned fail_at;   // the n-th request is lost; 0: none
    unsigned refuse_at; // the n-th request is refused
    unsigned abort_at;  // someone aborts while the n-th is under way
    int abort_rc;
    bool answer_lost; // the lost request was carried out: only its answer did not come
};

static const char *
text_in(struct json_object *o, const char *key)
{
    struct json_object *value;
    return json_object_object_get_ex(o, key, &value) ? json_object_get_string(value) : "";
}

static struct json_object *
status_of(struct peers *p)
{
    struct json_object *result = json_object_new_object(), *rows = json_object_new_array();
    if (p->known) {
        enum migrate_step step = p->cards.record.step;
        if (step == MIGRATE_SWAPPED && ++p->polls > 2)
            migrate_machine_run(&p->cards, MIGRATE_EV_DRAINED, NULL);
        struct json_object *row = migrate_record_to_json(&p->cards.record);
        bool ready = (step == MIGRATE_COPYING || step == MIGRATE_CUTTING) && ++p->polls % 3 == 0;
        json_object_object_add(row, "ready", json_object_new_boolean(ready));
        json_object_object_add(row, "pause_ns", json_object_new_int64(1234));
        json_object_array_add(rows, row);
    }
    json_object_object_add(result, "migrations", rows);
    return result;
}

static bool
has_swapped(const struct peers *p, const char *swap)
{
    for (unsigned i = 0; i < p->n_swaps; i++)
        if (!strcmp(p->swaps[i], swap))
            return true;
    return false;
}

static int
serve_switch(struct peers *p, const char *method, struct json_object *params,
             struct json_object **result)
{
    const char *swap = text_in(params, "id");
    *result = json_object_new_object();
    if (!strcmp(method, "reroute.prepare")) {
        assert_string_equal(text_in(params, "to_port_out"), "c1out");
        p->opened = true;
        return 0;
    }
    if (!strcmp(method, "reroute.swap")) {
        if (!has_swapped(p, swap))
            snprintf(p->swaps[p->n_swaps++], sizeof p->swaps[0], "%s", swap);
        json_object_object_add(*result, "bundle_ns", json_object_new_int64(77));
        return 0;
    }
    if (!has_swapped(p, swap))
        return -ENOENT;
    json_object_object_add(*result, "fenced", json_object_new_boolean(++p->polls % 2 == 0));
    return 0;
}

static int
serve_cards(struct peers *p, const char *method, struct json_object *params,
            struct json_object **result)
{
    static const struct {
        const char *method;
        enum migrate_event event;
    } verbs[] = {
        {"migration.start", MIGRATE_EV_START},
        {"migration.cutover", MIGRATE_EV_CUTOVER},
        {"migration.commit", MIGRATE_EV_COMMIT},
        {"migration.abort", MIGRATE_EV_ABORT},
    };
    *result = NULL;
    if (!strcmp(method, "migration.status")) {
        *result = status_of(p);
        return 0;
    }
    if (!strcmp(method, "migration.cutover"))
        assert_true(p->opened); // else what the destination sends before the swap is lost
    if (!strcmp(method, "migration.prepare")) {
        if (!p->known)
            assert_int_equal(migrate_machine_init(&p->cards, text_in(params, "id"), 1,
                                                  text_in(params, "app"), text_in(params, "from"),
                                                  text_in(params, "to"), NULL, NULL, NULL),
                             0);
        p->known = true;
        return migrate_machine_run(&p->cards, MIGRATE_EV_PREPARE, NULL);
    }
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(method, verbs[i].method))
            return p->known ? migrate_machine_run(&p->cards, verbs[i].event, NULL) : -ENOENT;
    fail_msg("no such verb: %s", method);
    return -ENOSYS;
}

static void
play(struct peers *p, struct coordinator *c, struct coordinator_request *request, uint64_t now)
{
    struct json_object *result = NULL;
    struct offload_err err = {.text = "it went wrong"};
    p->asked++;
    bool lost = p->asked == p->fail_at, refused = p->asked == p->refuse_at;
    int rc = lost ? -ETIMEDOUT : refused ? -ENOSPC : 0;
    if ((!lost && !refused) || (lost && p->answer_lost)) {
        int served = request->to == COORDINATOR_SWITCH
                         ? serve_switch(p, request->method, request->params, &result)
                         : serve_cards(p, request->method, request->params, &result);
        rc = lost ? rc : served;
    }
    if (p->asked == p->abort_at)
        p->abort_rc = coordinator_abort(c, now, "unwanted", NULL);
    coordinator_answer(c, now, rc, rc ? NULL : result, &err);
    json_object_put(result);
    json_object_put(request->params);
}

// Runs to the end, or until 'requests' were asked. Returns false if it did not end.
static bool
run(struct peers *p, struct coordinator *c, uint64_t *now, unsigned requests)
{
    struct coordinator_request request;
    for (unsigned i = 0; i < 2000 && !coordinator_over(c); i++) {
        if (p->asked >= requests)
            return false;
        if (coordinator_next(c, *now, &request))
            play(p, c, &request, *now);
        else
            *now = c->due_ns;
    }
    return coordinator_over(c);
}

static void
begin(struct coordinator *c)
{
    assert_int_equal(
        coordinator_begin(c, id, 5, "nat1", "card0", "card1", json_object_new_object(), 1000, NULL),
        0);
    c->from_ports = (struct coordinator_ports){"c0in", "c0out"};
    c->to_ports = (struct coordinator_ports){"c1in", "c1out"};
}

// Cards and switch agree: swapped once and committed, or aborted and swapped not at all or forth
// and back.
static void
assert_agreed(const struct peers *p, const struct coordinator *c, const char *what, unsigned n)
{
    bool at_destination = p->n_swaps % 2 == 1;
    bool committed = p->known && p->cards.record.step == MIGRATE_COMMITTED;
    bool over = !p->known || migrate_step_final(p->cards.record.step);
    if (!coordinator_over(c) || !over || committed != at_destination ||
        (c->phase == COORDINATOR_DONE) != committed)
        fail_msg("%s at request %u: phase '%s', cards %s, swaps %u", what, n,
                 coordinator_phase_name(c->phase),
                 p->known ? migrate_step_name(p->cards.record.step) : "know nothing", p->n_swaps);
}

static void
good_migration_commits(void **unused)
{
    (void)unused;
    struct peers p = {.known = false};
    struct coordinator c;
    uint64_t now = 1000;
    begin(&c);
    assert_true(run(&p, &c, &now, 1000));
    assert_int_equal(c.phase, COORDINATOR_DONE);
    assert_int_equal(p.n_swaps, 1);
    assert_int_equal(c.pause_ns, 1234);
    assert_int_equal(c.swap_ns, 77);
    assert_agreed(&p, &c, "good", 0);
    coordinator_fini(&c);
}

static unsigned
requests_of_a_good_one(void)
{
    struct peers p = {.known = false};
    struct coordinator c;
    uint64_t now = 1000;
    begin(&c);
    run(&p, &c, &now, 1000);
    coordinator_fini(&c);
    return p.asked;
}

// Whichever request or answer is lost, the two sides end in agreement.
static void
any_lost_message_ends_in_agreement(void **unused)
{
    (void)unused;
    for (unsigned n = 1; n <= requests_of_a_good_one(); n++)
        for (int lost = 0; lost < 2; lost++) {
            struct peers p = {.fail_at = n, .answer_lost = lost};
            struct coordinator c;
            uint64_t now = 1000;
            begin(&c);
            assert_true(run(&p, &c, &now, 1000));
            assert_agreed(&p, &c, lost ? "answer lost" : "request lost", n);
            coordinator_fini(&c);
        }
}

// Before the swap a refusal ends it where it began; after it, it is carried through.
static void
any_refusal_ends_in_agreement(void **unused)
{
    (void)unused;
    for (unsigned n = 1; n <= requests_of_a_good_one(); n++) {
        struct peers p = {.refuse_at = n};
        struct coordinator c;
        uint64_t now = 1000;
        begin(&c);
        assert_true(run(&p, &c, &now, 1000));
        assert_agreed(&p, &c, "refused", n);
        coordinator_fini(&c);
    }
}

// The manager dies after any request; the next one knows nothing but what cards and switch say.
static void
any_crash_is_taken_over(void **unused)
{
    (void)unused;
    for (unsigned n = 1; n <= requests_of_a_good_one(); n++) {
        struct peers p = {.known = false};
        struct coordinator c;
        uint64_t now = 1000;
        begin(&c);
        run(&p, &c, &now, n);
        coordinator_fini(&c);
        if (!p.known || migrate_step_final(p.cards.record.step))
            continue;
        coordinator_adopt(&c, &p.cards.record, has_swapped(&p, id), 6, now);
        c.from_ports = (struct coordinator_ports){"c0in", "c0out"};
        c.to_ports = (struct coordinator_ports){"c1in", "c1out"};
        assert_true(run(&p, &c, &now, 1000));
        assert_agreed(&p, &c, "crash", n);
        coordinator_fini(&c);
    }
}

// The cards restart and forget after any request: they roll back, so the switch must not stay
// swapped.
static void
cards_that_roll_back_are_followed(void **unused)
{
    (void)unused;
    for (unsigned n = 1; n <= requests_of_a_good_one(); n++) {
        struct peers p = {.known = false};
        struct coordinator c;
        uint64_t now = 1000;
        begin(&c);
        run(&p, &c, &now, n);
        if (migrate_step_final(p.cards.record.step) || p.cards.record.step == MIGRATE_SWAPPED) {
            coordinator_fini(&c);
            continue; // committed cards go forwards on their own
        }
        migrate_machine_abort(&p.cards, "restarted", NULL);
        assert_true(run(&p, &c, &now, 1000));
        assert_agreed(&p, &c, "rolled back", n);
        coordinator_fini(&c);
    }
}

static void
abort_is_refused_after_the_swap(void **unused)
{
    (void)unused;
    struct peers p = {.known = false};
    struct coordinator c;
    struct offload_err err = {0};
    uint64_t now = 1000;
    begin(&c);
    for (unsigned n = 1; c.phase < COORDINATOR_FENCING; n++)
        run(&p, &c, &now, n);
    assert_int_equal(coordinator_abort(&c, now, "no", &err), -EBUSY);
    assert_true(run(&p, &c, &now, 1000));
    assert_int_equal(c.phase, COORDINATOR_DONE);
    coordinator_fini(&c);
}

// The answer to the request that was under way is not the cards' word that they have rolled back.
static void
abort_under_way_reaches_the_cards(void **unused)
{
    (void)unused;
    for (unsigned n = 1; n <= requests_of_a_good_one(); n++)
        for (int lost = 0; lost < 2; lost++) {
            struct peers p = {.abort_at = n, .fail_at = lost ? n : 0, .answer_lost = true};
            struct coordinator c;
            uint64_t now = 1000;
            begin(&c);
            assert_true(run(&p, &c, &now, 1000));
            assert_agreed(&p, &c, "aborted", n);
            assert_int_equal(c.phase, p.abort_rc ? COORDINATOR_DONE : COORDINATOR_ABORTED);
            if (!p.abort_rc)
                assert_string_equal(c.machine.record.error, "unwanted");
            coordinator_fini(&c);
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_migration_commits),
        cmocka_unit_test(any_lost_message_ends_in_agreement),
        cmocka_unit_test(any_refusal_ends_in_agreement),
        cmocka_unit_test(any_crash_is_taken_over),
        cmocka_unit_test(cards_that_roll_back_are_followed),
        cmocka_unit_test(abort_is_refused_after_the_swap),
        cmocka_unit_test(abort_under_way_reaches_the_cards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
