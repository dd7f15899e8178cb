// SPDX-License-Identifier: Apache-2.0
// The window of packets under way. Sequence numbers wrap: they are compared by their difference.
// clock, socket -> [session] -> stats.  Pure.

#include "lib/stamp/session.h"

#include <string.h>

static struct stamp_flight *
flight_of(struct stamp_session *session, uint32_t seq)
{
    return &session->flight[seq % STAMP_WINDOW];
}

void
stamp_session_init(struct stamp_session *session, uint64_t timeout_ns, const struct stamp_key *key)
{
    memset(session, 0, sizeof *session);
    session->timeout_ns = timeout_ns;
    if (key)
        session->key = *key;
    stamp_stats_init(&session->stats);
}

static void
give_up_oldest(struct stamp_session *session)
{
    if (!flight_of(session, session->oldest_seq)->answered)
        stamp_stats_loss(&session->stats, 1);
    session->oldest_seq++;
}

size_t
stamp_session_send(struct stamp_session *session, uint64_t wall_ns, uint64_t mono_ns,
                   struct stamp_error_estimate error, uint8_t out[STAMP_AUTH_BYTES])
{
    uint32_t seq = session->next_seq++;
    if (seq - session->oldest_seq >= STAMP_WINDOW)
        give_up_oldest(session);
    *flight_of(session, seq) =
        (struct stamp_flight){.sent_ns = wall_ns, .left_ns = wall_ns, .sent_mono_ns = mono_ns};
    struct stamp_sender_packet packet = {.seq = seq, .sent_ns = wall_ns, .error = error};
    session->stats.sent++;
    return stamp_format_sender(&packet, &session->key, out);
}

void
stamp_session_left(struct stamp_session *session, uint32_t seq, uint64_t left_ns)
{
    struct stamp_flight *flight = flight_of(session, seq);
    uint32_t age = session->next_seq - seq;
    if (age > 0 && age <= STAMP_WINDOW && left_ns >= flight->sent_ns)
        flight->left_ns = left_ns;
}

enum stamp_verdict
stamp_session_receive(struct stamp_session *session, const uint8_t *in, size_t len,
                      uint64_t received_ns)
{
    struct stamp_reflector_packet packet;
    if (stamp_parse_reflector(in, len, &session->key, &packet))
        return STAMP_BOGUS;
    uint32_t seq = packet.sender_seq;
    uint32_t age = session->next_seq - seq; // 1: the newest
    if (age == 0 || age > STAMP_WINDOW || age > session->stats.sent)
        return STAMP_BOGUS;
    struct stamp_flight *flight = flight_of(session, seq);
    // The time stamp must be the one that we wrote: who guesses a number only does not move our
    // figures.
    if (flight->sent_ns != packet.sender_sent_ns)
        return STAMP_BOGUS;
    if (flight->answered) {
        session->stats.duplicates++;
        return STAMP_DUPLICATE;
    }
    if (age > session->next_seq - session->oldest_seq)
        return STAMP_LATE;
    flight->answered = true;
    if (session->any_answer && (int32_t)(seq - session->highest_seq) < 0)
        session->stats.reordered++;
    else
        session->highest_seq = seq;
    session->any_answer = true;
    int64_t forward_ns = (int64_t)(packet.received_ns - flight->left_ns);
    int64_t back_ns = (int64_t)(received_ns - packet.sent_ns);
    stamp_stats_answer(&session->stats, forward_ns + back_ns, forward_ns, back_ns);
    return STAMP_ANSWER;
}

void
stamp_session_expire(struct stamp_session *session, uint64_t mono_ns)
{
    while (session->oldest_seq != session->next_seq) {
        struct stamp_flight *flight = flight_of(session, session->oldest_seq);
        if (!flight->answered && mono_ns - flight->sent_mono_ns < session->timeout_ns)
            return;
        give_up_oldest(session);
    }
}
