// SPDX-License-Identifier: Apache-2.0
// The network's gradient against finite differences, and what it learns against a small decision
// process that value iteration solves exactly.
#include "lib/allocate/network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct network
random_network(uint64_t seed)
{
    struct network net;
    network_init(&net, seed);
    for (unsigned i = 0; i < NETWORK_WEIGHTS; i++) // the last layer too
        net.w[i] += 0.2f * sinf((float)(i * 7 + seed));
    return net;
}

static double
half_square(const struct network *net, const float *in, unsigned action, float target)
{
    float q[NETWORK_ACTIONS];
    network_q(net, in, q);
    return 0.5 * ((double)q[action] - target) * ((double)q[action] - target);
}

static void
gradient_is_that_of_finite_differences(void **unused)
{
    (void)unused;
    struct network net = random_network(3);
    float in[NETWORK_IN], gradient[NETWORK_WEIGHTS] = {0};
    for (unsigned i = 0; i < NETWORK_IN; i++)
        in[i] = cosf((float)i);
    network_gradient(&net, in, 2, 0.7f, 1, gradient);
    double off = 0, size = 0;
    for (unsigned i = 0; i < NETWORK_WEIGHTS; i++) {
        struct network up = net, down = net;
        up.w[i] += 2e-3f;
        down.w[i] -= 2e-3f;
        double slope = (half_square(&up, in, 2, 0.7f) - half_square(&down, in, 2, 0.7f)) /
                       (up.w[i] - down.w[i]);
        off += (slope - gradient[i]) * (slope - gradient[i]);
        size += slope * slope;
    }
    // A rectifier may switch within the difference, and floats have seven digits.
    assert_true(size > 0);
    assert_true(sqrt(off / size) < 0.01);
}

// All actions at once is the sum of one at a time; an unknown target adds nothing.
static void
gradient_of_all_actions_is_the_sum(void **unused)
{
    (void)unused;
    struct network net = random_network(4);
    float in[NETWORK_IN], sum[NETWORK_WEIGHTS] = {0}, all[NETWORK_WEIGHTS] = {0};
    float target[NETWORK_ACTIONS];
    for (unsigned i = 0; i < NETWORK_IN; i++)
        in[i] = sinf((float)i);
    for (unsigned a = 0; a < NETWORK_ACTIONS; a++) {
        target[a] = a == 3 ? NAN : 0.1f * (float)a;
        if (a != 3)
            network_gradient(&net, in, a, target[a], 0.5f, sum);
    }
    network_gradient_all(&net, in, target, 0.5f, all);
    for (unsigned i = 0; i < NETWORK_WEIGHTS; i++)
        assert_true(fabsf(sum[i] - all[i]) <= 1e-4f * (1 + fabsf(sum[i])));
}

// A ring of four states. Action 0 stays and pays what the state pays, action 1 goes on and pays
// nothing; the other actions cost 1 and stay.
enum { STATES = 4 };
static const float pays[STATES] = {0.1f, 0, 0.2f, 1};
static const float DISCOUNT = 0.8f;

static float
reward_of(unsigned s, unsigned a)
{
    return a == 0 ? pays[s] : a == 1 ? 0 : -1;
}

static unsigned
next_of(unsigned s, unsigned a)
{
    return a == 1 ? (s + 1) % STATES : s;
}

static void
see(unsigned s, float *in)
{
    memset(in, 0, NETWORK_IN * sizeof *in);
    in[s] = 1;
}

static void
learning_finds_the_values_of_value_iteration(void **unused)
{
    (void)unused;
    float value[STATES] = {0}, exact[STATES][NETWORK_ACTIONS];
    for (int round = 0; round < 200; round++)
        for (unsigned s = 0; s < STATES; s++) {
            float best = -1e9f;
            for (unsigned a = 0; a < NETWORK_ACTIONS; a++) {
                exact[s][a] = reward_of(s, a) + DISCOUNT * value[next_of(s, a)];
                best = fmaxf(best, exact[s][a]);
            }
            value[s] = best;
        }
    struct network net, target;
    struct network_adam adam = {.steps = 0};
    network_init(&net, 1);
    target = net;
    for (unsigned update = 0; update < 12000; update++) {
        float gradient[NETWORK_WEIGHTS] = {0};
        for (unsigned s = 0; s < STATES; s++)
            for (unsigned a = 0; a < NETWORK_ACTIONS; a++) {
                float in[NETWORK_IN], next[NETWORK_IN], q[NETWORK_ACTIONS], later[NETWORK_ACTIONS];
                unsigned best = 0;
                see(s, in);
                see(next_of(s, a), next);
                network_q(&net, next, q);
                network_q(&target, next, later);
                for (unsigned i = 1; i < NETWORK_ACTIONS; i++)
                    best = q[i] > q[best] ? i : best;
                network_gradient(&net, in, a, reward_of(s, a) + DISCOUNT * later[best],
                                 1.0f / (STATES * NETWORK_ACTIONS), gradient);
            }
        network_step(&net, &adam, gradient, 2e-3f);
        if (update % 100 == 99)
            target = net;
    }
    for (unsigned s = 0; s < STATES; s++) {
        float in[NETWORK_IN], q[NETWORK_ACTIONS];
        see(s, in);
        network_q(&net, in, q);
        for (unsigned a = 0; a < NETWORK_ACTIONS; a++)
            assert_true(fabsf(q[a] - exact[s][a]) < 0.1f);
    }
}

static void
same_seed_same_network_to_the_bit(void **unused)
{
    (void)unused;
    struct network first, second, other;
    network_init(&first, 5);
    network_init(&second, 5);
    network_init(&other, 6);
    assert_memory_equal(&first, &second, sizeof first);
    assert_memory_not_equal(&first, &other, sizeof first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradient_is_that_of_finite_differences),
        cmocka_unit_test(gradient_of_all_actions_is_the_sum),
        cmocka_unit_test(learning_finds_the_values_of_value_iteration),
        cmocka_unit_test(same_seed_same_network_to_the_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
