// SPDX-License-Identifier: Apache-2.0
// CoDel: packet by packet the same decisions as the pseudo-code of RFC 8289, section 5, written
// down here as it stands there, over a simulated bottleneck; and what it is for: a standing queue
// shrinks to the target, a burst passes.
#include "tests/unit/unit.h"

#include "lib/schedule/codel.h"

#include <math.h>
#include <stdlib.h>

enum { QUEUE = 1 << 16, US = 1000, MS = 1000 * US, TARGET = 5 * MS, INTERVAL = 100 * MS };

struct packet {
    uint64_t id, arrival;
};

struct fifo {
    struct packet packet[QUEUE];
    uint32_t head, tail;
};

static uint32_t
fifo_length(const struct fifo *f)
{
    return f->tail - f->head;
}

static void
fifo_put(struct fifo *f, uint64_t id, uint64_t now)
{
    assert_in_range(fifo_length(f), 0, QUEUE - 1);
    f->packet[f->tail++ % QUEUE] = (struct packet){id, now};
}

// -- RFC 8289, section 5 --

struct rfc {
    struct fifo queue;
    double first_above_time, drop_next;
    uint32_t count, lastcount;
    bool dropping;
    uint64_t dropped[QUEUE], n_dropped;
};

static double
rfc_control_law(double t, uint32_t count)
{
    return t + floor(INTERVAL / sqrt(count)); // in whole nanoseconds
}

static bool
rfc_dodequeue(struct rfc *q, uint64_t now, struct packet *p, bool *ok_to_drop)
{
    *ok_to_drop = false;
    if (fifo_length(&q->queue) == 0) {
        q->first_above_time = 0;
        return false;
    }
    *p = q->queue.packet[q->queue.head++ % QUEUE];
    if (now - p->arrival < TARGET || fifo_length(&q->queue) == 0) {
        q->first_above_time = 0;
    } else if (q->first_above_time == 0) {
        q->first_above_time = (double)now + INTERVAL;
    } else if ((double)now >= q->first_above_time) {
        *ok_to_drop = true;
    }
    return true;
}

static void
rfc_drop(struct rfc *q, const struct packet *p)
{
    q->dropped[q->n_dropped++ % QUEUE] = p->id;
}

static bool
rfc_dequeue(struct rfc *q, uint64_t now, struct packet *p)
{
    bool ok, there = rfc_dodequeue(q, now, p, &ok);
    if (q->dropping) {
        if (!ok)
            q->dropping = false;
        while ((double)now >= q->drop_next && q->dropping) {
            rfc_drop(q, p);
            ++q->count;
            there = rfc_dodequeue(q, now, p, &ok);
            if (!ok)
                q->dropping = false;
            else
                q->drop_next = rfc_control_law(q->drop_next, q->count);
        }
    } else if (ok) {
        rfc_drop(q, p);
        there = rfc_dodequeue(q, now, p, &ok);
        q->dropping = true;
        uint32_t delta = q->count - q->lastcount;
        q->count = 1;
        if (delta > 1 && (double)now - q->drop_next < 16.0 * INTERVAL)
            q->count = delta;
        q->drop_next = rfc_control_law((double)now, q->count);
        q->lastcount = q->count;
    }
    return there;
}

// -- Ours --

struct ours {
    struct fifo queue;
    struct codel codel;
    uint64_t dropped[QUEUE], n_dropped;
};

static bool
our_dequeue(struct ours *q, uint64_t now, struct packet *p)
{
    while (fifo_length(&q->queue) > 0) {
        *p = q->queue.packet[q->queue.head++ % QUEUE];
        if (!codel_drops(&q->codel, now - p->arrival, now, fifo_length(&q->queue) == 0))
            return true;
        q->dropped[q->n_dropped++ % QUEUE] = p->id;
    }
    codel_empty(&q->codel);
    return false;
}

struct bottleneck {
    struct ours ours;
    struct rfc rfc;
    uint64_t now, next_id, delay_sum, served, worst;
};

static struct bottleneck *
bottleneck_create(void)
{
    struct bottleneck *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->now = 1000 * MS;
    b->ours.codel.target = TARGET;
    b->ours.codel.interval = INTERVAL;
    return b;
}

static void
arrive(struct bottleneck *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++, b->next_id++) {
        fifo_put(&b->ours.queue, b->next_id, b->now);
        fifo_put(&b->rfc.queue, b->next_id, b->now);
    }
}

// One packet leaves on each side: the same one, after the same drops.
static void
leave(struct bottleneck *b)
{
    struct packet of_ours = {0}, of_rfc = {0};
    bool there = our_dequeue(&b->ours, b->now, &of_ours);
    assert_int_equal(there, rfc_dequeue(&b->rfc, b->now, &of_rfc));
    assert_int_equal(b->ours.n_dropped, b->rfc.n_dropped);
    if (!there)
        return;
    assert_int_equal(of_ours.id, of_rfc.id);
    uint64_t delay = b->now - of_ours.arrival;
    b->delay_sum += delay;
    b->served++;
    if (delay > b->worst)
        b->worst = delay;
}

static void
decides_as_the_rfc_says(UNUSED void **state)
{
    struct bottleneck *b = bottleneck_create();
    uint64_t seed = 11;
    // 1 packet a millisecond leaves; load wanders between a third and twice that, with idle times.
    for (unsigned step = 0; step < 60000; step++) {
        b->now += MS;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        unsigned load = step / 3000 % 6; // 0: idle
        if (load > 0 && fifo_length(&b->ours.queue) < QUEUE / 2)
            arrive(b, (unsigned)((seed >> 33) % (load + 1)));
        leave(b);
    }
    assert_true(b->ours.n_dropped > 100);
    for (uint64_t i = 0; i < b->ours.n_dropped && i < QUEUE; i++)
        assert_int_equal(b->ours.dropped[i], b->rfc.dropped[i]);
    free(b);
}

// A sender that halves its window when it loses, as the queue's delay feeds back on it.
static void
a_standing_queue_shrinks_to_the_target(UNUSED void **state)
{
    struct bottleneck *b = bottleneck_create();
    double window = 200, credit = 0; // 200 packets in flight where 40 fill the pipe
    uint64_t lost = 0, in_flight_for = 40 * MS;
    for (unsigned step = 0; step < 20000; step++) {
        b->now += MS;
        double queued = fifo_length(&b->ours.queue);
        credit += window / ((double)in_flight_for / MS + queued);
        if (credit >= 1) {
            arrive(b, (unsigned)credit);
            credit -= floor(credit);
        }
        leave(b);
        if (b->ours.n_dropped > lost)
            window = fmax(window / 2, 2);
        else
            window += 1 / window;
        lost = b->ours.n_dropped;
        if (step == 10000)
            b->delay_sum = b->served = b->worst = 0;
    }
    assert_true(b->served > 7500);                      // the bottleneck is busy
    assert_true(b->delay_sum / b->served < 3 * TARGET); // and its queue short
    free(b);
}

static void
a_burst_that_empties_within_an_interval_passes(UNUSED void **state)
{
    struct bottleneck *b = bottleneck_create();
    for (unsigned burst = 0; burst < 20; burst++) {
        arrive(b, 90);
        for (unsigned i = 0; i < 100; i++) {
            b->now += MS;
            leave(b);
        }
    }
    assert_int_equal(b->ours.n_dropped, 0);
    assert_int_equal(b->served, 20 * 90);
    free(b);
}

static void
the_root_is_exact_to_a_unit(UNUSED void **state)
{
    for (uint64_t n = 1; n < UINT64_MAX / 3; n = n * 3 + 1) {
        uint64_t root = codel_root(n);
        assert_true(root * root <= n && (root + 1) * (root + 1) > n);
    }
    assert_int_equal(codel_root(UINT64_MAX), UINT32_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decides_as_the_rfc_says),
        cmocka_unit_test(a_standing_queue_shrinks_to_the_target),
        cmocka_unit_test(a_burst_that_empties_within_an_interval_passes),
        cmocka_unit_test(the_root_is_exact_to_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
