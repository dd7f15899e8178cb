// SPDX-License-Identifier: Apache-2.0
// STAMP packets octet by octet, as figures 2 and 4 of RFC 8762 draw them.

#include "lib/stamp/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define UNUSED __attribute__((unused))

// 2021-01-01T00:00:00.5Z: NTP second 3818448000 (0xe398e480), half a second.
static const uint64_t HALF_PAST_NS = 1609459200500000000;

// Sequence number 0x01020304, synchronized, scale 5, multiplier 0x7f.
static const uint8_t sender_octets[STAMP_PACKET_BYTES] = {0x01, 0x02, 0x03, 0x04, 0xe3, 0x98, 0xe4,
                                                          0x80, 0x80, 0x00, 0x00, 0x00, 0x85, 0x7f};

static void
sender_packet_is_the_rfcs(UNUSED void **state)
{
    uint8_t out[STAMP_AUTH_BYTES];
    memset(out, 0xff, sizeof out);
    struct stamp_sender_packet packet = {
        .seq = 0x01020304, .sent_ns = HALF_PAST_NS, .error = {true, false, 5, 0x7f}};
    assert_int_equal(stamp_format_sender(&packet, NULL, out), STAMP_PACKET_BYTES);
    assert_memory_equal(out, sender_octets, STAMP_PACKET_BYTES);
}

static void
reflected_packet_is_the_rfcs(UNUSED void **state)
{
    static const uint8_t expected[STAMP_PACKET_BYTES] = {
        0x01, 0x02, 0x03, 0x04, 0xe3, 0x98, 0xe4, 0x81, 0x80, 0x00, 0x00, 0x00, // seq, T3
        0x03, 0x09, 0xab, 0xcd,                         // error, session identifier
        0xe3, 0x98, 0xe4, 0x81, 0x40, 0x00, 0x00, 0x00, // T2
        0x01, 0x02, 0x03, 0x04, 0xe3, 0x98, 0xe4, 0x80, 0x80, 0x00, 0x00, 0x00, // sender's seq, T1
        0x85, 0x7f, 0x00, 0x00, 0xfe, 0x00, 0x00, 0x00}; // its error, TTL 254
    uint8_t in[STAMP_PACKET_BYTES], out[STAMP_PACKET_BYTES];
    memcpy(in, sender_octets, sizeof in);
    in[14] = 0xab, in[15] = 0xcd; // an RFC 8972 sender's
    size_t n = stamp_reflect(in, sizeof in, HALF_PAST_NS + 750000000, HALF_PAST_NS + 1000000000,
                             (struct stamp_error_estimate){false, false, 3, 9}, 254, NULL, out,
                             sizeof out);
    assert_int_equal(n, STAMP_PACKET_BYTES);
    assert_memory_equal(out, expected, sizeof expected);
}

static void
reflected_packet_reads_back(UNUSED void **state)
{
    uint8_t out[STAMP_PACKET_BYTES];
    struct stamp_reflector_packet packet;
    stamp_reflect(sender_octets, sizeof sender_octets, HALF_PAST_NS + 123, HALF_PAST_NS + 456789,
                  stamp_error_estimate(true, 1000), 63, NULL, out, sizeof out);
    assert_int_equal(stamp_parse_reflector(out, sizeof out, NULL, &packet), 0);
    assert_int_equal(packet.sender_seq, 0x01020304);
    assert_int_equal(packet.seq, 0x01020304);
    assert_int_equal(packet.sender_sent_ns, HALF_PAST_NS);
    assert_int_equal(packet.received_ns, HALF_PAST_NS + 123);
    assert_int_equal(packet.sent_ns, HALF_PAST_NS + 456789);
    assert_int_equal(packet.sender_ttl, 63);
    assert_true(packet.error.synchronized && packet.sender_error.synchronized);
    assert_int_equal(packet.sender_error.multiplier, 0x7f);
}

// Padding and TLVs come back as they were; a TWAMP Light sender's 14 octets are answered with the
// base packet.
static void
length_is_kept_and_at_least_44(UNUSED void **state)
{
    uint8_t in[100], out[100];
    memset(in, 0x5a, sizeof in);
    struct stamp_error_estimate error = {.multiplier = 1};
    assert_int_equal(stamp_reflect(in, sizeof in, 1, 2, error, 255, NULL, out, sizeof out), 100);
    assert_memory_equal(out + STAMP_PACKET_BYTES, in + STAMP_PACKET_BYTES,
                        100 - STAMP_PACKET_BYTES);
    assert_int_equal(stamp_reflect(in, 14, 1, 2, error, 255, NULL, out, sizeof out),
                     STAMP_PACKET_BYTES);
    assert_memory_equal(out + 24, in, 4);
    assert_memory_equal(out + 28, in + 4, 8);
    assert_int_equal(out[14] | out[15], 0);
    assert_int_equal(stamp_reflect(in, 13, 1, 2, error, 255, NULL, out, sizeof out), 0);
    assert_int_equal(stamp_reflect(in, sizeof in, 1, 2, error, 255, NULL, out, 99), 0);
}

// Figures 3 and 5; the HMACs were made by Python's hmac and hashlib.
static const struct stamp_key secret = {"a shared secret of 27 bytes", 27};
static const uint8_t signed_sender[STAMP_AUTH_BYTES] = {
    0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xe3, 0x98, 0xe4, 0x80, 0x80, 0x00, 0x00, 0x00, 0x85, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x5e, 0x13, 0x7b, 0x12, 0x16, 0xf0, 0x6c, 0x98, 0x86, 0x55, 0x0e, 0x1c, 0xfd, 0xe6, 0xfe, 0xa4};

static void
authenticated_sender_packet_is_the_rfcs(UNUSED void **state)
{
    uint8_t out[STAMP_AUTH_BYTES];
    struct stamp_sender_packet packet = {
        .seq = 0x01020304, .sent_ns = HALF_PAST_NS, .error = {true, false, 5, 0x7f}};
    assert_int_equal(stamp_format_sender(&packet, &secret, out), STAMP_AUTH_BYTES);
    assert_memory_equal(out, signed_sender, sizeof out);
}

static void
authenticated_answer_is_the_rfcs_and_reads_back(UNUSED void **state)
{
    static const uint8_t expected[STAMP_AUTH_BYTES] = {
        0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0xe3, 0x98, 0xe4, 0x81, 0x80, 0x00, 0x00, 0x00, 0x03, 0x09, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0xe3, 0x98, 0xe4, 0x81, 0x40, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x02, 0x03, 0x04, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xe3, 0x98, 0xe4, 0x80, 0x80, 0x00,
        0x00, 0x00, 0x85, 0x7f, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xfe, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x70, 0xde,
        0x72, 0xa1, 0x2b, 0x04, 0x72, 0x68, 0x86, 0x9b, 0x71, 0x47, 0xec, 0xf8, 0x3c, 0xb9};
    uint8_t out[STAMP_AUTH_BYTES];
    struct stamp_reflector_packet packet;
    size_t n = stamp_reflect(
        signed_sender, sizeof signed_sender, HALF_PAST_NS + 750000000, HALF_PAST_NS + 1000000000,
        (struct stamp_error_estimate){false, false, 3, 9}, 254, &secret, out, sizeof out);
    assert_int_equal(n, STAMP_AUTH_BYTES);
    assert_memory_equal(out, expected, sizeof expected);
    assert_int_equal(stamp_parse_reflector(out, sizeof out, &secret, &packet), 0);
    assert_int_equal(packet.sender_sent_ns, HALF_PAST_NS);
    assert_int_equal(packet.received_ns, HALF_PAST_NS + 750000000);
    assert_int_equal(packet.sender_ttl, 254);
}

static void
what_is_not_signed_by_the_key_is_discarded(UNUSED void **state)
{
    static const struct stamp_key other = {"another one", 11};
    uint8_t in[STAMP_AUTH_BYTES], out[STAMP_AUTH_BYTES];
    struct stamp_error_estimate error = {.multiplier = 1};
    struct stamp_reflector_packet packet = {.seq = 7};
    assert_int_equal(stamp_reflect(signed_sender, sizeof signed_sender, 1, 2, error, 255, &other,
                                   out, sizeof out),
                     0);
    // Any bit of what the HMAC covers, and of the HMAC.
    for (size_t bit = 0; bit < 8 * sizeof in; bit++) {
        memcpy(in, signed_sender, sizeof in);
        in[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(stamp_reflect(in, sizeof in, 1, 2, error, 255, &secret, out, sizeof out),
                         0);
    }
    // An unauthenticated packet where a key is asked for, and an answer that somebody else made.
    assert_int_equal(stamp_reflect(sender_octets, sizeof sender_octets, 1, 2, error, 255, &secret,
                                   out, sizeof out),
                     0);
    assert_int_equal(stamp_reflect(signed_sender, sizeof signed_sender, 1, 2, error, 255, &secret,
                                   out, sizeof out),
                     STAMP_AUTH_BYTES);
    assert_int_equal(stamp_parse_reflector(out, sizeof out, &other, &packet), -EBADMSG);
    assert_int_equal(packet.seq, 7);
}

static void
short_and_ptp_answers_are_refused(UNUSED void **state)
{
    struct stamp_reflector_packet packet = {.seq = 7};
    uint8_t in[STAMP_PACKET_BYTES] = {0};
    assert_int_equal(stamp_parse_reflector(in, sizeof in - 1, NULL, &packet), -EMSGSIZE);
    in[12] = 0x40;
    assert_int_equal(stamp_parse_reflector(in, sizeof in, NULL, &packet), -EPROTO);
    assert_int_equal(packet.seq, 7);
}

static void
ntp_time_keeps_each_nanosecond(UNUSED void **state)
{
    const uint64_t times[] = {
        0, 1, 999999999, HALF_PAST_NS + 1, 1700000000999999999, 1700000000000000333};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        assert_int_equal(stamp_ns_of_ntp(stamp_ntp_of_ns(times[i])), times[i]);
    // 2036-02-07T06:28:16Z: the seconds start again at 0.
    assert_int_equal(stamp_ntp_of_ns(2085978496000000000), 0);
    assert_int_equal(stamp_ns_of_ntp(0), 2085978496000000000);
}

static void
error_estimate_is_never_too_good(UNUSED void **state)
{
    const uint64_t errors_ns[] = {1, 59, 60, 1000, 1000000, 250000000, 16000000000};
    for (size_t i = 0; i < sizeof errors_ns / sizeof *errors_ns; i++) {
        struct stamp_error_estimate e = stamp_error_estimate(true, errors_ns[i]);
        assert_true(stamp_error_ns(e) >= errors_ns[i]);
        assert_true(stamp_error_ns(e) <= errors_ns[i] + errors_ns[i] / 100 + 1);
        assert_true(e.multiplier > 0 && e.scale < 64);
    }
    assert_int_equal(stamp_error_estimate(false, 0).multiplier, 1); // RFC 4656: must not be 0
    assert_true(stamp_error_estimate(false, UINT64_MAX).scale < 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sender_packet_is_the_rfcs),
        cmocka_unit_test(reflected_packet_is_the_rfcs),
        cmocka_unit_test(reflected_packet_reads_back),
        cmocka_unit_test(length_is_kept_and_at_least_44),
        cmocka_unit_test(authenticated_sender_packet_is_the_rfcs),
        cmocka_unit_test(authenticated_answer_is_the_rfcs_and_reads_back),
        cmocka_unit_test(what_is_not_signed_by_the_key_is_discarded),
        cmocka_unit_test(short_and_ptp_answers_are_refused),
        cmocka_unit_test(ntp_time_keeps_each_nanosecond),
        cmocka_unit_test(error_estimate_is_never_too_good),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
