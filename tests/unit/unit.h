// SPDX-License-Identifier: Apache-2.0
// What cmocka.h wants before it, and what our tests share.
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define UNUSED __attribute__((unused))
