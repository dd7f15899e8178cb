// SPDX-License-Identifier: Apache-2.0
// offloadctl train lstm.
#pragma once

#include "tools/ctl.h"

int train_lstm(const struct ctl *ctl);
