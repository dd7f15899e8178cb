// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/fuzz_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_feed(OFFLOAD_FEED_ICAL, data, size);
}
