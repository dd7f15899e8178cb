// SPDX-License-Identifier: Apache-2.0
// The LSTM forecaster's network: its gradients against finite differences, its training against
// itself.

#include "lib/forecast/lstm_train.h"

#include "tests/unit/forecast/test.h"

#include <errno.h>
#include <string.h>

enum { ORIGINS = 3, LEADS = 4, ROWS = ORIGINS * LEADS };

static void
random_batch(struct lstm_batch *batch, uint64_t *random)
{
    assert_int_equal(lstm_batch_init(batch, ORIGINS, LEADS), 0);
    for (size_t i = 0; i < LSTM_STEPS * ORIGINS * LSTM_INPUTS; i++)
        batch->steps[i] = (float)normal(random);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t k = 0; k < LSTM_FEATURES; k++)
            batch->feature[r * (LSTM_FEATURES + 1) + k] = (float)normal(random);
        batch->feature[r * (LSTM_FEATURES + 1) + LSTM_FEATURES] = 1;
        for (size_t k = 0; k < LSTM_CANDIDATES; k++)
            batch->candidate[r * LSTM_CANDIDATES + k] = k % 5 == 4 ? NAN : (float)normal(random);
        batch->target[r] = 3 * (float)normal(random);
        batch->weight[r] = (float)uniform(random);
    }
}

static double
loss_at(const float *weights, struct lstm_batch *batch)
{
    lstm_net_forward(weights, batch);
    return lstm_net_loss(batch);
}

// A wrong gradient still learns something, only worse: nobody would notice.
static void
gradients_equal_finite_differences(UNUSED void **state)
{
    static float weights[LSTM_WEIGHTS], gradient[LSTM_WEIGHTS];
    static const float step = 2e-3f;
    static const size_t from[] = {LSTM_CELL_AT,  LSTM_FEATURE_AT, LSTM_STATE_AT,
                                  LSTM_DENSE_AT, LSTM_OUTPUT_AT,  LSTM_WEIGHTS};
    struct lstm_batch batch;
    uint64_t random = 7;
    random_batch(&batch, &random);
    lstm_net_start(weights, &random);
    lstm_net_forward(weights, &batch);
    lstm_net_backward(weights, &batch, gradient);
    for (size_t part = 0; part < 5; part++) {
        double differs = 0, size = 0;
        for (int i = 0; i < 150; i++) {
            size_t at = from[part] + (size_t)(uniform(&random) * (from[part + 1] - from[part]));
            float kept = weights[at];
            weights[at] = kept + step;
            double above = loss_at(weights, &batch);
            weights[at] = kept - step;
            double below = loss_at(weights, &batch);
            weights[at] = kept;
            double expected = (above - below) / (2 * (double)step);
            differs += (gradient[at] - expected) * (gradient[at] - expected);
            size += expected * expected;
        }
        // The loss has kinks, and floats seven digits: a few parts in a hundred, over all 150.
        assert_true(size > 0);
        assert_true(sqrt(differs / size) < 0.04);
    }
    lstm_batch_fini(&batch);
}

// A candidate that a series does not have must not be taken for 0.
static void
missing_candidate_has_no_share(UNUSED void **state)
{
    static float weights[LSTM_WEIGHTS];
    struct lstm_batch batch;
    uint64_t random = 3;
    random_batch(&batch, &random);
    lstm_net_start(weights, &random);
    lstm_net_forward(weights, &batch);
    for (size_t r = 0; r < ROWS; r++) {
        float sum = 0;
        for (size_t k = 0; k < LSTM_CANDIDATES; k++) {
            float share = batch.share[r * LSTM_CANDIDATES + k];
            if (isnan(batch.candidate[r * LSTM_CANDIDATES + k]))
                assert_true(share == 0);
            sum += share;
        }
        assert_float_equal(sum, 1, 1e-5);
        for (size_t i = 1; i < LSTM_QUANTILES; i++)
            assert_true(batch.quantile[r * LSTM_QUANTILES + i] >
                        batch.quantile[r * LSTM_QUANTILES + i - 1]);
    }
    lstm_batch_fini(&batch);
}

static struct lstm_train *
begun(uint64_t steps, uint64_t seed)
{
    struct lstm_train *train;
    struct lstm_train_options options = {.steps = steps};
    assert_int_equal(lstm_train_create(&options, seed, &train), 0);
    return train;
}

static void
run(struct lstm_train *train, int steps)
{
    bool more = true;
    for (int i = 0; i < steps && more; i++)
        assert_true(isfinite(lstm_train_step(train, &more)));
}

// Shipped weights can be made again only if nothing but the seed matters.
static void
same_seed_gives_the_same_weights(UNUSED void **state)
{
    struct lstm_train *a = begun(6, 5), *b = begun(6, 5), *c = begun(6, 6);
    run(a, 6);
    run(b, 6);
    run(c, 6);
    size_t bytes = LSTM_WEIGHTS * sizeof(float);
    assert_memory_equal(lstm_train_weights(a), lstm_train_weights(b), bytes);
    assert_true(memcmp(lstm_train_weights(a), lstm_train_weights(c), bytes) != 0);
    lstm_train_destroy(a);
    lstm_train_destroy(b);
    lstm_train_destroy(c);
}

static void
training_that_was_cut_goes_on_as_if_it_had_not(UNUSED void **state)
{
    static char bytes[LSTM_TRAIN_BYTES];
    struct lstm_train *whole = begun(6, 5), *first = begun(6, 5), *second = begun(6, 5);
    run(whole, 6);
    run(first, 3);
    lstm_train_save(first, bytes);
    assert_int_equal(lstm_train_resume(second, bytes, sizeof bytes, NULL), 0);
    run(second, 6);
    assert_int_equal(lstm_train_steps_done(second), 6);
    assert_memory_equal(lstm_train_weights(whole), lstm_train_weights(second),
                        LSTM_WEIGHTS * sizeof(float));
    struct lstm_train *other = begun(6, 8);
    assert_int_equal(lstm_train_resume(other, bytes, sizeof bytes, NULL), -EBADMSG);
    assert_int_equal(lstm_train_resume(other, bytes, sizeof bytes - 1, NULL), -EBADMSG);
    lstm_train_destroy(whole);
    lstm_train_destroy(first);
    lstm_train_destroy(second);
    lstm_train_destroy(other);
}

static void
training_lowers_the_loss(UNUSED void **state)
{
    struct lstm_train *train = begun(250, 2);
    double first = 0, last = 0;
    bool more;
    for (int i = 0; i < 250; i++) {
        double loss = lstm_train_step(train, &more);
        if (i < 10)
            first += loss;
        if (i >= 220)
            last += loss / 3;
    }
    assert_false(more);
    assert_true(last < 0.93 * first);
    lstm_train_destroy(train);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_equal_finite_differences),
        cmocka_unit_test(missing_candidate_has_no_share),
        cmocka_unit_test(same_seed_gives_the_same_weights),
        cmocka_unit_test(training_that_was_cut_goes_on_as_if_it_had_not),
        cmocka_unit_test(training_lowers_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
