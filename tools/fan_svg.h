// SPDX-License-Identifier: Apache-2.0
// A picture of a forecast: what came before, the fan, and what came.
#pragma once

#include <offload/err.h>

#include <stddef.h>

struct fan_svg {
    const char *title;
    const double *before; // [n_before], NAN: a gap
    size_t n_before, horizon;
    const double (*quantile)[5]; // [horizon] mean, lo80, hi80, lo95, hi95
    const double *actual;        // [horizon]; NULL: not known
};

int fan_svg_write(const char *path, const struct fan_svg *fan, struct offload_err *err);
