// SPDX-License-Identifier: Apache-2.0
// The table of models: a new one is one file and one row.

#include "lib/forecast/models.h"

#include <assert.h>
#include <string.h>

const struct offload_model_ops *const offload_models[] = {
    &model_snaive_ops,
    &model_profile_ops,
    &model_theta_ops,
    &model_ridge_ops,
    &model_stlf_ops,
    &model_prophet_ops,
    &model_ets_ops,
    &model_tbats_ops,
    &model_sarimax_ops,
    &model_lstm_ops,
    NULL,
};

static_assert(sizeof offload_models / sizeof *offload_models - 1 <= OFFLOAD_MODELS_MAX,
              "a choice holds a weight for each model");

size_t
offload_models_count(void)
{
    return sizeof offload_models / sizeof *offload_models - 1;
}

int
offload_models_find(const char *name)
{
    for (int i = 0; offload_models[i]; i++)
        if (strcmp(offload_models[i]->name, name) == 0)
            return i;
    return -1;
}
