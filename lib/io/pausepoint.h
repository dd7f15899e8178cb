// SPDX-License-Identifier: Apache-2.0
// Pause points: where a test may hold a daemon, to kill it or others at that very step. Off unless
// OFFLOAD_PAUSE_DIR names a folder; then, at point P, a file P in there holds the calling thread: it is
// renamed P.reached, and the thread waits until that is gone.
#pragma once

// 'daemon' and 'step' make the name of the point, "manager.cutting-over". Costs a look at a pointer
// where it is off.
void pause_point(const char *daemon, const char *step);
