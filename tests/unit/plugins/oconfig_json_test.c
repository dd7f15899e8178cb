// SPDX-License-Identifier: Apache-2.0
// collectd's blocks become JSON that the option tables can judge.

#include "plugins/oconfig_json.h"

#include "lib/base/conf.h"

#include <json-c/json.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused))

#define TEXT(s)                                                                                    \
    {                                                                                              \
        .value.string = (s), .type = OCONFIG_TYPE_STRING                                           \
    }
#define NUMBER(x)                                                                                  \
    {                                                                                              \
        .value.number = (x), .type = OCONFIG_TYPE_NUMBER                                           \
    }
#define OPTION(k, ...)                                                                             \
    {                                                                                              \
        .key = (k), .values = (oconfig_value_t[]){__VA_ARGS__},                                    \
        .values_num = sizeof((oconfig_value_t[]){__VA_ARGS__}) / sizeof(oconfig_value_t)           \
    }

static char *
text_of(oconfig_item_t *items, int n, const char *const *lists, char *buf, size_t size)
{
    oconfig_item_t root = {.key = "Plugin", .children = items, .children_num = n};
    struct offload_err err = {0};
    struct json_object *object = oconfig_json(&root, "", lists, &err);
    if (!object)
        return offload_err_format(&err, buf, size);
    snprintf(buf, size, "%s", json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
    json_object_put(object);
    return buf;
}

// U64 rows accept JSON integers only, so 8 must not arrive as 8.0.
static void
whole_numbers_are_integers(UNUSED void **state)
{
    char buf[500];
    oconfig_item_t items[] = {OPTION("HorizonS", NUMBER(8)), OPTION("Share", NUMBER(0.5)),
                              OPTION("Capacity", NUMBER(4e10))};
    assert_string_equal(text_of(items, 3, NULL, buf, sizeof buf),
                        "{\"HorizonS\":8,\"Share\":0.5,\"Capacity\":40000000000}");
}

static void
blocks_become_arrays_with_names(UNUSED void **state)
{
    char buf[500];
    oconfig_item_t one[] = {OPTION("Unit", TEXT("bit/s"))};
    oconfig_item_t items[] = {
        {.key = "Signal",
         .values = (oconfig_value_t[]){TEXT("a")},
         .values_num = 1,
         .children = one,
         .children_num = 1},
        {.key = "Signal",
         .values = (oconfig_value_t[]){TEXT("b")},
         .values_num = 1,
         .children = one,
         .children_num = 1},
    };
    assert_string_equal(text_of(items, 2, NULL, buf, sizeof buf),
                        "{\"Signal\":[{\"Name\":\"a\",\"Unit\":\"bit\\/"
                        "s\"},{\"Name\":\"b\",\"Unit\":\"bit\\/s\"}]}");
}

static void
lists_gather_every_line(UNUSED void **state)
{
    char buf[500];
    const char *const lists[] = {"Match", NULL};
    oconfig_item_t items[] = {OPTION("Match", TEXT("a")), OPTION("Match", TEXT("b"), TEXT("c"))};
    assert_string_equal(text_of(items, 2, lists, buf, sizeof buf),
                        "{\"Match\":[\"a\",\"b\",\"c\"]}");
}

// Taking the last of two lines silently would hide an operator's slip.
static void
repeated_option_is_an_error_with_its_path(UNUSED void **state)
{
    char buf[500];
    oconfig_item_t twice[] = {OPTION("StepS", NUMBER(1)), OPTION("StepS", NUMBER(2))};
    assert_string_equal(text_of(twice, 2, NULL, buf, sizeof buf),
                        "StepS: given twice; keep one of the lines");
    oconfig_item_t items[] = {{.key = "Signal",
                               .values = (oconfig_value_t[]){TEXT("a")},
                               .values_num = 1,
                               .children = twice,
                               .children_num = 2}};
    assert_string_equal(text_of(items, 1, NULL, buf, sizeof buf),
                        "Signal[0].StepS: given twice; keep one of the lines");
}

static void
unknown_key_is_named_by_the_option_table(UNUSED void **state)
{
    struct settings {
        uint64_t horizon_s;
    } settings = {0};
    const struct offload_opt table[] = {{.key = "HorizonS",
                                         .type = OFFLOAD_OPT_U64,
                                         .offset = offsetof(struct settings, horizon_s)},
                                        OFFLOAD_OPT_END};
    oconfig_item_t items[] = {OPTION("HorizontS", NUMBER(8))};
    oconfig_item_t root = {.key = "Plugin", .children = items, .children_num = 1};
    struct offload_err err = {0};
    struct json_object *object = oconfig_json(&root, "", NULL, &err);
    assert_non_null(object);
    assert_int_equal(offload_opt_read(table, object, "", &settings, sizeof settings, &err),
                     -EINVAL);
    char line[500];
    assert_non_null(strstr(offload_err_format(&err, line, sizeof line), "HorizonS"));
    json_object_put(object);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_integers),
        cmocka_unit_test(blocks_become_arrays_with_names),
        cmocka_unit_test(lists_gather_every_line),
        cmocka_unit_test(repeated_option_is_an_error_with_its_path),
        cmocka_unit_test(unknown_key_is_named_by_the_option_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
