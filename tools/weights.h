// SPDX-License-Identifier: Apache-2.0
// Trained weights, as installed or as told.
#pragma once

#include <offload/err.h>

// Loads the network of the model "lstm" from 'path', or from where it is installed if that is NULL;
// there it may be missing. 0 or -errno.
int weights_load(const char *path, struct offload_err *err);
