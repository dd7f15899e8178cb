// SPDX-License-Identifier: Apache-2.0
// What the model files offer to the table in models.c.
#pragma once

#include <offload/forecast.h>

extern const struct offload_model_ops model_snaive_ops;
extern const struct offload_model_ops model_lstm_ops;
extern const struct offload_model_ops model_profile_ops;
extern const struct offload_model_ops model_ridge_ops;
extern const struct offload_model_ops model_ets_ops;
extern const struct offload_model_ops model_theta_ops;
extern const struct offload_model_ops model_prophet_ops;
extern const struct offload_model_ops model_stlf_ops;
extern const struct offload_model_ops model_sarimax_ops;
extern const struct offload_model_ops model_tbats_ops;
