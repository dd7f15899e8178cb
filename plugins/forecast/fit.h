// SPDX-License-Identifier: Apache-2.0
// Fits models on a thread of its own, at a lower priority: neither a write callback nor the read
// callback waits for one that takes long. The read callback owns all series but the one that is
// being fitted.
#pragma once

#include "plugins/forecast/table.h"

struct fitter;

// NULL: no memory or no thread.
struct fitter *fitter_start(void);
void fitter_stop(struct fitter *fitter); // waits for the fit that goes on

// Gives 'n' series (taken over) to be fitted, the first one first; what of the last ones was not
// begun is forgotten.
void fitter_give(struct fitter *fitter, struct series **series, size_t n);
// Waits until all that was given is fitted, at most until 'end' (cdtime). What was not begun by then
// is taken back. Returns the series that is being fitted all the same, or NULL.
struct series *fitter_wait(struct fitter *fitter, uint64_t end);
// The one that is being fitted.
struct series *fitter_busy(struct fitter *fitter);
// How long fits took since the last call, in s.
double fitter_spent_s(struct fitter *fitter);
