// SPDX-License-Identifier: Apache-2.0
// flowd's verbs (doc/flowd-api.md).
#pragma once

#include "lib/rpc/message.h"

extern const struct rpc_method api_methods[]; // their 'ctx' is a struct flowd
