// SPDX-License-Identifier: Apache-2.0
// A model without season made one of several seasons: MSTL takes them out, 'ops' forecasts the
// rest.
//
// Each function is the one of the same name in offload_model_ops, with the inner model's table
// first. The inner model sees neither seasons nor regressors. stlf_fit() returns -EDOM where no
// season was seen twice.
#pragma once

#include <offload/forecast.h>

size_t stlf_state_bytes(const struct offload_model_ops *ops,
                        const struct offload_training *training);
int stlf_fit(const struct offload_model_ops *ops, void *state,
             const struct offload_training *training, double *innovation, struct offload_err *err);
double stlf_update(const struct offload_model_ops *ops, void *state, double value);
void stlf_path(const struct offload_model_ops *ops, const void *state, size_t horizon,
               const double *shock, double *out);
void stlf_describe(const struct offload_model_ops *ops, const void *state, char *buf, size_t size);
size_t stlf_components(const struct offload_model_ops *ops, const void *state, size_t horizon,
                       struct offload_component *component, size_t max);
