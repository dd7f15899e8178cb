// SPDX-License-Identifier: Apache-2.0
// Quantities as people read them, in at most 7 columns. NaN is "-".
#pragma once

#include <stddef.h>

enum { FORMAT_BYTES = 16 }; // of a buffer that holds any of these

// Three digits and a prefix of thousands: 0, 12, 1.23k, 45.6M, 789G.
char *format_si(char buf[FORMAT_BYTES], double value);
// A share: 0.0, 12.3, 100.
char *format_pct(char buf[FORMAT_BYTES], double pct);
// A span given in ns: 850ns, 12.3us, 4.56ms, 1.20s.
char *format_ns(char buf[FORMAT_BYTES], double ns);
// A count without a fraction.
char *format_count(char buf[FORMAT_BYTES], double value);
