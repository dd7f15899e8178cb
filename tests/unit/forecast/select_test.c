// SPDX-License-Identifier: Apache-2.0
// Which models are chosen, for what reason, and whether intervals hold what they say.

#include <offload/forecast.h>

#include "tests/unit/forecast/test.h"

#include <errno.h>
#include <string.h>

enum { DAY = 24, WEEK = 168, HORIZON = 24, PATHS = 500 };

struct made {
    uint64_t random;
    double level, deviation;
};

// The share of all weights that models other than 'name' have.
static double
share_of_others(const struct offload_choice *choice, const char *name)
{
    double share = 0;
    for (size_t m = 0; m < choice->n_members; m++)
        if (strcmp(offload_models[choice->member[m].model]->name, name))
            share += choice->member[m].weight;
    return share;
}

static struct offload_forecaster *
forecaster(size_t capacity, size_t n_x, const char *const *names)
{
    return offload_forecaster_create(&(struct offload_forecaster_options){.step_s = 3600,
                                                                          .horizon = HORIZON,
                                                                          .capacity = capacity,
                                                                          .model = -1,
                                                                          .n_regressors = n_x,
                                                                          .regressor = names,
                                                                          .seed = 1});
}

static double
weekly(size_t t, uint64_t *random)
{
    double day = 50 + 30 * sin(2 * M_PI * (double)(t % DAY) / DAY);
    return (t % WEEK >= 5 * DAY ? 0.4 : 1) * day + 2 * normal(random);
}

// A week of days is one season in another: who knows the day alone misses each weekend.
static void
nested_seasons_are_found(UNUSED void **state)
{
    struct offload_forecaster *f = forecaster(1000, 0, NULL);
    uint64_t random = 3;
    size_t period[OFFLOAD_PERIODS_MAX];
    for (size_t t = 0; t < 1000; t++)
        offload_forecaster_push(f, weekly(t, &random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_int_equal(offload_forecaster_periods(f, period), 2);
    assert_int_equal(period[0], DAY);
    assert_int_equal(period[1], WEEK);
    offload_forecaster_destroy(f);
}

// A cycle of a batch job keeps no day.
static void
cycle_of_any_length_is_found_and_noise_has_none(UNUSED void **state)
{
    double value[900];
    uint64_t random = 4;
    size_t period[OFFLOAD_PERIODS_MAX];
    struct offload_series series = {.value = value, .n = 900, .step_s = 60};
    for (size_t t = 0; t < 900; t++)
        value[t] = (t % 37 < 9 ? 80 : 20) + 4 * normal(&random);
    assert_int_equal(offload_periods_detect(&series, OFFLOAD_PERIOD_MAX, period, 4), 1);
    assert_int_equal(period[0], 37);
    for (size_t t = 0; t < 900; t++)
        value[t] = normal(&random);
    assert_int_equal(offload_periods_detect(&series, OFFLOAD_PERIOD_MAX, period, 4), 0);
}

// What repeats itself exactly is best repeated.
static void
weekly_series_is_not_forecast_from_the_day_before(UNUSED void **state)
{
    struct offload_forecaster *f = forecaster(1000, 0, NULL);
    uint64_t random = 5;
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    for (size_t t = 0; t < 957; t++) // a Friday's end: the weekend comes
        offload_forecaster_push(f, weekly(t, &random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
    double error = 0;
    for (size_t h = 0; h < HORIZON; h++)
        error += fabs(fan.mean[h] - weekly(957 + h, &random)) / HORIZON;
    assert_true(error < 4); // twice the noise; a day ago errs by 20 and more
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

static void
random_walk_is_not_forecast_by_a_season(UNUSED void **state)
{
    struct offload_forecaster *f = offload_forecaster_create(&(struct offload_forecaster_options){
        .step_s = 1, .period = DAY, .horizon = 8, .capacity = 512, .model = -1});
    uint64_t random = 41;
    double level = 100;
    for (int t = 0; t < 500; t++)
        offload_forecaster_push(f, level += normal(&random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    const struct offload_choice *choice = offload_forecaster_choice(f);
    assert_true(share_of_others(choice, "snaive") > 0.7);
    for (size_t i = 0; i < choice->n_tried; i++)
        if (!strcmp(offload_models[choice->tried[i].model]->name, "snaive"))
            assert_true(choice->tried[i].error > 1.3 * choice->error);
    offload_forecaster_destroy(f);
}

// The explanation says how the choice compares with each that was not taken.
static void
explanation_names_the_chosen_and_all_that_were_tried(UNUSED void **state)
{
    struct offload_forecaster *f = forecaster(400, 0, NULL);
    uint64_t random = 6;
    char text[2000];
    for (size_t t = 0; t < 400; t++)
        offload_forecaster_push(f, weekly(t, &random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    offload_forecaster_explain(f, text, sizeof text);
    const struct offload_choice *choice = offload_forecaster_choice(f);
    assert_non_null(strstr(text, "origins"));
    const char *alone = strstr(text, "alone: ");
    assert_non_null(alone);
    assert_true(choice->n_tried >= 3);
    for (size_t i = 0; i < 3; i++)
        assert_non_null(strstr(alone, offload_models[choice->tried[i].model]->name));
    double sum = 0;
    for (size_t m = 0; m < choice->n_members; m++)
        sum += choice->member[m].weight;
    assert_float_equal(sum, 1, 1e-9);
    offload_forecaster_destroy(f);
}

static void
same_series_and_seed_give_the_same_choice(UNUSED void **state)
{
    struct offload_forecaster *f[2];
    for (int i = 0; i < 2; i++) {
        uint64_t random = 8;
        f[i] = forecaster(600, 0, NULL);
        for (size_t t = 0; t < 600; t++)
            offload_forecaster_push(f[i], weekly(t, &random), false, NULL);
        assert_int_equal(offload_forecaster_fit(f[i], NULL), 0);
    }
    const struct offload_choice *a = offload_forecaster_choice(f[0]),
                                *b = offload_forecaster_choice(f[1]);
    assert_string_equal(a->why, b->why);
    for (size_t m = 0; m < a->n_members; m++)
        assert_true(a->member[m].weight == b->member[m].weight);
    offload_forecaster_destroy(f[0]);
    offload_forecaster_destroy(f[1]);
}

static double
moving(struct made *m, size_t t)
{
    m->level += 0.1 * normal(&m->random);
    m->deviation = 0.7 * m->deviation + 2 * normal(&m->random);
    return m->level + 20 * sin(2 * M_PI * (double)(t % DAY) / DAY) + m->deviation;
}

// 60 series, whole horizons: an 80 % interval that holds 60 or 95 is a lie either way.
static void
intervals_of_simulated_series_hold_what_they_say(UNUSED void **state)
{
    struct offload_fan fan;
    double in80 = 0, in95 = 0, n = 0;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    for (uint64_t s = 1; s <= 60; s++) {
        struct made m = {.random = s * 977, .level = 100};
        struct offload_forecaster *f = forecaster(480, 0, NULL);
        size_t t = 0;
        for (; t < 480; t++)
            offload_forecaster_push(f, moving(&m, t), false, NULL);
        assert_int_equal(offload_forecaster_fit(f, NULL), 0);
        assert_int_equal(offload_forecaster_run(f, NULL, s, &fan), 0);
        for (size_t h = 0; h < HORIZON; h++, t++) {
            double y = moving(&m, t);
            in80 += y >= offload_fan_step(&fan, h, 0.1) && y <= offload_fan_step(&fan, h, 0.9);
            in95 += y >= offload_fan_step(&fan, h, 0.025) && y <= offload_fan_step(&fan, h, 0.975);
            n++;
        }
        offload_forecaster_destroy(f);
    }
    offload_fan_fini(&fan);
    assert_in_range(1000 * in80 / n, 740, 880);
    assert_in_range(1000 * in95 / n, 910, 990);
}

// 400 hours of a load that follows the temperature by 'gain', and the next day's.
static struct offload_forecaster *
weather_load(double gain, double *ahead, double *truth)
{
    static const char *const names[] = {"temp"};
    struct offload_forecaster *f = forecaster(400, 1, names);
    uint64_t random = 12;
    double temp = 20;
    for (size_t t = 0; t < 400 + HORIZON; t++) {
        temp = 20 + 0.9 * (temp - 20) + 2 * normal(&random);
        double value =
            100 + 10 * sin(2 * M_PI * (double)(t % DAY) / DAY) + gain * temp + normal(&random);
        if (t < 400)
            offload_forecaster_push(f, value, false, &temp);
        else {
            ahead[t - 400] = temp;
            truth[t - 400] = value;
        }
    }
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    return f;
}

static double
share_with_x(const struct offload_choice *choice)
{
    double share = 0;
    for (size_t m = 0; m < choice->n_members; m++)
        share += choice->member[m].x ? choice->member[m].weight : 0;
    return share;
}

static void
regressor_that_helps_is_used_and_said_to_be(UNUSED void **state)
{
    double ahead[HORIZON], truth[HORIZON], with = 0, without = 0;
    char text[2000];
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = weather_load(5, ahead, truth);
    assert_true(share_with_x(offload_forecaster_choice(f)) > 0.5);
    offload_forecaster_explain(f, text, sizeof text);
    assert_non_null(strstr(text, "regressors used"));
    assert_int_equal(offload_forecaster_run(f, ahead, 1, &fan), 0);
    for (size_t h = 0; h < HORIZON; h++)
        with += fabs(fan.mean[h] - truth[h]) / HORIZON;
    // What is not known of the future is guessed from the past: worse, but a forecast.
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &fan), 0);
    for (size_t h = 0; h < HORIZON; h++)
        without += fabs(fan.mean[h] - truth[h]) / HORIZON;
    assert_true(with < 6 && with < 0.6 * without && without < 200);
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

static void
regressor_that_does_not_help_is_of_no_account(UNUSED void **state)
{
    double ahead[HORIZON], truth[HORIZON], off = 0;
    struct offload_fan fan;
    assert_int_equal(offload_fan_init(&fan, HORIZON, PATHS), 0);
    struct offload_forecaster *f = weather_load(0, ahead, truth);
    for (size_t h = 0; h < HORIZON; h++)
        ahead[h] += 20; // a wrong weather forecast
    assert_int_equal(offload_forecaster_run(f, ahead, 1, &fan), 0);
    for (size_t h = 0; h < HORIZON; h++)
        off += fabs(fan.mean[h] - truth[h]) / HORIZON;
    assert_true(off < 2.5); // the noise's own mean size is 0.8
    offload_forecaster_destroy(f);
    offload_fan_fini(&fan);
}

// One reading far beyond all that came before is an accident, two are a change.
static void
unseen_value_is_believed_when_confirmed(UNUSED void **state)
{
    struct offload_fan before, after;
    assert_int_equal(offload_fan_init(&before, HORIZON, PATHS), 0);
    assert_int_equal(offload_fan_init(&after, HORIZON, PATHS), 0);
    struct offload_forecaster *f = forecaster(400, 0, NULL);
    struct made m = {.random = 31, .level = 100};
    for (size_t t = 0; t < 400; t++)
        offload_forecaster_push(f, moving(&m, t), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &before), 0);
    offload_forecaster_push(f, 1000, false, NULL);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &after), 0);
    assert_true(fabs(after.mean[0] - before.mean[1]) < 5);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0); // nor does a fit believe it
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &after), 0);
    assert_true(fabs(after.mean[0] - before.mean[1]) < 10);
    offload_forecaster_push(f, 1000, false, NULL);
    offload_forecaster_push(f, 1000, false, NULL);
    assert_int_equal(offload_forecaster_run(f, NULL, 1, &after), 0);
    assert_true(after.mean[0] > before.mean[3] + 50);
    offload_forecaster_destroy(f);
    offload_fan_fini(&before);
    offload_fan_fini(&after);
}

// 64 KiB a series of 1,000 points, whatever was chosen.
static void
series_of_1000_points_fits_into_64_kib(UNUSED void **state)
{
    struct offload_forecaster *f = forecaster(1000, 0, NULL);
    uint64_t random = 9;
    for (size_t t = 0; t < 1000; t++)
        offload_forecaster_push(f, weekly(t, &random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_in_range(offload_forecaster_bytes(f), 8000, 65536);
    offload_forecaster_destroy(f);
}

// A refit keeps what was chosen, and is told to choose again by forget_choice.
static void
refit_keeps_the_choice(UNUSED void **state)
{
    struct offload_forecaster *f = forecaster(600, 0, NULL);
    uint64_t random = 10;
    for (size_t t = 0; t < 600; t++)
        offload_forecaster_push(f, weekly(t, &random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    struct offload_choice first = *offload_forecaster_choice(f);
    for (size_t t = 600; t < 624; t++)
        offload_forecaster_push(f, weekly(t, &random), false, NULL);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_string_equal(offload_forecaster_choice(f)->why, first.why);
    offload_forecaster_forget_choice(f);
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    assert_string_not_equal(offload_forecaster_choice(f)->why, first.why);
    offload_forecaster_destroy(f);
}

// What repeats itself is forecast without error: there is nothing to compare a regressor's gain with.
static void
nothing_to_gain_is_told_in_words(UNUSED void **state)
{
    static const char *const names[] = {"noise"};
    struct offload_forecaster *f = forecaster(500, 1, names);
    uint64_t random = 5;
    char text[1200];
    for (size_t t = 0; t < 500; t++) {
        double x = normal(&random);
        offload_forecaster_push(f, t % DAY < 12 ? 10 : 20, false, &x);
    }
    assert_int_equal(offload_forecaster_fit(f, NULL), 0);
    offload_forecaster_explain(f, text, sizeof text);
    assert_non_null(strstr(text, "there is no error without them"));
    assert_null(strstr(text, "nan"));
    offload_forecaster_destroy(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_seasons_are_found),
        cmocka_unit_test(cycle_of_any_length_is_found_and_noise_has_none),
        cmocka_unit_test(weekly_series_is_not_forecast_from_the_day_before),
        cmocka_unit_test(random_walk_is_not_forecast_by_a_season),
        cmocka_unit_test(explanation_names_the_chosen_and_all_that_were_tried),
        cmocka_unit_test(same_series_and_seed_give_the_same_choice),
        cmocka_unit_test(intervals_of_simulated_series_hold_what_they_say),
        cmocka_unit_test(regressor_that_helps_is_used_and_said_to_be),
        cmocka_unit_test(regressor_that_does_not_help_is_of_no_account),
        cmocka_unit_test(nothing_to_gain_is_told_in_words),
        cmocka_unit_test(unseen_value_is_believed_when_confirmed),
        cmocka_unit_test(series_of_1000_points_fits_into_64_kib),
        cmocka_unit_test(refit_keeps_the_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
