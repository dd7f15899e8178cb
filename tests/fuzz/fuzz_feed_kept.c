// SPDX-License-Identifier: Apache-2.0
// What an earlier daemon kept of a feed is taken whole or refused; what is taken can be joined,
// resampled, and kept again as it was.
#include <offload/feed.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct offload_feed_table table = {0}, old = {0};
    struct offload_err err = {0};
    double out[7 * OFFLOAD_FEED_COLUMNS_MAX];
    char *again;
    size_t len;
    if (offload_feed_import((const char *)data, size, "fuzz", &table, &err)) {
        assert(err.text[0]);
        return 0;
    }
    assert(offload_feed_export(&table, &again, &len) == 0 && len == size);
    assert(offload_feed_import(again, len, "fuzz", &old, NULL) == 0);
    offload_feed_resample(&table, 1.7672e9, 3600, 7, OFFLOAD_FEED_COLUMNS_MAX, out);
    offload_feed_join(&table, &old, 1.7672e9);
    offload_feed_table_fini(&table);
    offload_feed_table_fini(&old);
    free(again);
    return 0;
}
