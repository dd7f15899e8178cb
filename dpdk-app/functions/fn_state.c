// SPDX-License-Identifier: Apache-2.0
// The walk of an export over a flow table: everything once, or what changed.
#include "dpdk-app/functions/fn_state.h"

#include "dpdk-app/functions/fn.h"

size_t
fn_export(struct flow_table *table, const void *ctx, size_t entry_bytes,
          fn_export_entry_fn *export_entry, uint64_t *cursor, void *buf, size_t size,
          unsigned flags, uint64_t now_cycles)
{
    if (flags & FN_EXPORT_STOP) {
        flow_table_stop(table);
        return 0;
    }
    if ((flags & FN_EXPORT_TRACK) || (!(flags & FN_EXPORT_DIRTY) && *cursor == 0))
        flow_table_track(table);
    if (flags & FN_EXPORT_TRACK)
        return 0;
    size_t used = 0;
    while (used + entry_bytes <= size) {
        uint32_t at =
            flags & FN_EXPORT_DIRTY ? flow_table_next_dirty(table) : flow_table_next(table, cursor);
        if (at == FLOW_NONE)
            break;
        export_entry(ctx, flow_table_at(table, at), (uint8_t *)buf + used, now_cycles);
        used += entry_bytes;
    }
    return used;
}
