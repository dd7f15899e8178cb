// SPDX-License-Identifier: Apache-2.0
// Whom the reflector answers: a wrong answer here opens it to the world, or shuts it to its users.

#include "plugins/path/allow.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

static bool
holds(const char *prefix, const char *address)
{
    struct allow_prefix parsed;
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    assert_int_equal(allow_parse(prefix, "Allow", &parsed, NULL), 0);
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return allow_holds(&parsed, 1, (struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return allow_holds(&parsed, 1, (struct sockaddr *)&v6);
}

static void
prefix_holds_its_addresses_only(UNUSED void **state)
{
    assert_true(holds("10.0.0.0/8", "10.255.1.2"));
    assert_false(holds("10.0.0.0/8", "11.0.0.0"));
    assert_true(holds("192.168.4.0/22", "192.168.7.255"));
    assert_false(holds("192.168.4.0/22", "192.168.8.0"));
    assert_true(holds("10.1.2.3", "10.1.2.3"));
    assert_false(holds("10.1.2.3", "10.1.2.4"));
    assert_true(holds("0.0.0.0/0", "203.0.113.9"));
    assert_true(holds("fd00::/8", "fdff::1"));
    assert_false(holds("fd00::/8", "fe80::1"));
    assert_false(holds("0.0.0.0/0", "::1")); // everybody in IPv4 is nobody in IPv6
    assert_false(holds("::/0", "10.0.0.1"));
}

static void
no_prefix_holds_nobody(UNUSED void **state)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    assert_false(allow_holds(NULL, 0, (struct sockaddr *)&v4));
}

static void
what_is_no_prefix_is_refused_by_name(UNUSED void **state)
{
    const char *const bad[] = {
        "",           "example.net", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0/8",
        "10.0.0.1/8", "fd00::/129",  "10.0.0.0/8x", "/8",        "fd00::1/64"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct offload_err err = {0};
        struct allow_prefix out = {.bits = 77};
        assert_int_equal(allow_parse(bad[i], "Reflector[0].Allow[0]", &out, &err), -EINVAL);
        assert_string_equal(err.where, "Reflector[0].Allow[0]");
        assert_int_equal(out.bits, 77);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prefix_holds_its_addresses_only),
        cmocka_unit_test(no_prefix_holds_nobody),
        cmocka_unit_test(what_is_no_prefix_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
