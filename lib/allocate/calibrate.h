// SPDX-License-Identifier: Apache-2.0
// How far an application's forecasts were off, and what may therefore come: levels around the
// forecast's median from its own past errors, relative to what was expected (split conformal
// prediction on a moving window: Vovk et al., Algorithmic Learning in a Random World, 2005).
// forecast, measured load -> [calibrate] -> state.  Pure. The manager and the simulator share it.
#pragma once

#include <offload/allocate.h>

enum {
    CALIBRATE_ERRORS = 256,     // of the past that the levels come from
    CALIBRATE_ERRORS_LEAST = 24 // with fewer it does not tell
};

// All zero: nothing is known yet. 1.3 KiB, since a fleet has many.
struct alloc_calibration {
    float error[CALIBRATE_ERRORS];   // a ring
    uint8_t order[CALIBRATE_ERRORS]; // their places in it, the smallest error first
    uint32_t n_errors, n_loads;      // so far
    double mean;                     // of the load so far
    double recent_error, usual_error; // mean of |relative error|, moving fast and slowly
};

// The load of a step that is over, bit/s, and the median that was expected of it; NAN: there was
// none.
void alloc_calibration_note(struct alloc_calibration *c, double median, double actual);

// Quantiles and levels around 'median', bit/s. False, and nothing is written, while too few errors
// were seen.
bool alloc_calibration_tell(const struct alloc_calibration *c, double median,
                            struct alloc_demand *demand, double *level);
