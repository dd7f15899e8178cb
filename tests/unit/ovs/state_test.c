// SPDX-License-Identifier: Apache-2.0
// The state file: what a restarted flowd must know comes back, and a damaged file is refused as a
// whole.
#include "tests/unit/unit.h"

#include "lib/io/statefile.h"
#include "ovs-integration/state.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "/tmp/flowd-state.XXXXXX";
static char path[64];

static int
set_up(UNUSED void **state)
{
    snprintf(path, sizeof path, "%s/flowd.state", mkdtemp(dir));
    return 0;
}

static int
tear_down(UNUSED void **state)
{
    unlink(path);
    return rmdir(dir);
}

static struct state
example(void)
{
    struct state state = {.term = UINT64_MAX, .generation = 12, .last_id = 9};
    struct intent intent;
    struct swap swap = {.id = "c0ffee00-0000-4000-8000-000000000001",
                        .app = "dns",
                        .from_port = "c0in",
                        .to_port = "c1in",
                        .to_port_out = "c1out",
                        .bundle_ns = 812345,
                        .fenced = true,
                        .fence_ns = 433000000};
    struct json_object *object =
        json_tokener_parse("{\"app\":\"dns\",\"match\":[{\"proto\":\"udp\",\"dport\":53}],\"in_"
                           "port\":\"w1\",\"out_port\":\"w2\",\"card_port\":\"c1in\","
                           "\"card_port_out\":\"c1out\",\"on_card_down\":\"move\"}");
    assert_int_equal(intent_read(object, "", &intent, NULL), 0);
    json_object_put(object);
    intent.id = 9;
    strcpy(intent.bridge, "br0");
    strcpy(intent.old_card_port, "c0in");
    strcpy(intent.old_card_port_out, "c0out");
    assert_int_equal(intent_set_put(&state.intents, &intent), 0);
    state_add_swap(&state, &swap);
    return state;
}

static void
what_was_saved_comes_back(UNUSED void **state)
{
    struct state saved = example(), loaded;
    assert_int_equal(state_save(path, &saved, NULL), 0);
    assert_int_equal(state_load(path, &loaded, NULL), 0);
    assert_true(loaded.term == UINT64_MAX);
    assert_int_equal(loaded.generation, 12);
    assert_int_equal(loaded.last_id, 9);
    assert_int_equal(loaded.intents.n, 1);
    assert_true(intent_same(loaded.intents.intents[0], saved.intents.intents[0]));
    assert_int_equal(loaded.intents.intents[0]->id, 9);
    assert_string_equal(loaded.intents.intents[0]->bridge, "br0");
    assert_string_equal(loaded.intents.intents[0]->old_card_port_out, "c0out");
    struct swap *swap = state_find_swap(&loaded, "c0ffee00-0000-4000-8000-000000000001");
    assert_non_null(swap);
    assert_string_equal(swap->to_port_out, "c1out");
    assert_int_equal(swap->bundle_ns, 812345);
    assert_true(swap->fenced);
    state_fini(&saved);
    state_fini(&loaded);
}

static void
no_file_is_an_empty_state(UNUSED void **state)
{
    struct state loaded;
    unlink(path);
    assert_int_equal(state_load(path, &loaded, NULL), 0);
    assert_int_equal(loaded.term, 0);
    assert_int_equal(loaded.intents.n, 0);
}

// Starting with half of the intents would take the other half's flows out of the switch.
static void
file_cut_anywhere_is_refused(UNUSED void **state)
{
    struct state saved = example(), loaded = {.term = 77};
    char *text;
    size_t len;
    assert_int_equal(state_save(path, &saved, NULL), 0);
    assert_int_equal(statefile_read(path, 1 << 20, &text, &len, NULL), 0);
    while (len && (text[len - 1] == '\n' || text[len - 1] == ' '))
        len--;
    for (size_t cut = 0; cut < len; cut++) {
        struct offload_err err;
        assert_int_equal(statefile_write(path, text, cut, NULL), 0);
        assert_int_not_equal(state_load(path, &loaded, &err), 0);
        assert_true(strstr(err.where, path) != NULL);
        assert_int_equal(loaded.term, 77);
    }
    free(text);
    state_fini(&saved);
}

static void
oldest_swap_is_forgotten_first(UNUSED void **state)
{
    struct state *s = calloc(1, sizeof *s);
    for (int i = 0; i < SWAPS_MAX + 3; i++) {
        struct swap swap = {.fenced = false};
        snprintf(swap.id, sizeof swap.id, "id-%d", i);
        state_add_swap(s, &swap);
    }
    assert_int_equal(s->n_swaps, SWAPS_MAX);
    assert_null(state_find_swap(s, "id-2"));
    assert_non_null(state_find_swap(s, "id-3"));
    free(s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_saved_comes_back),
        cmocka_unit_test(no_file_is_an_empty_state),
        cmocka_unit_test(file_cut_anywhere_is_refused),
        cmocka_unit_test(oldest_swap_is_forgotten_first),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
