// SPDX-License-Identifier: Apache-2.0
// What stateful functions share in export and import: the walk over their flow table.
#pragma once

#include "dpdk-app/functions/flow_table.h"

#include <stddef.h>
#include <stdint.h>

// Writes one entry, live or tombstone, at 'to'.
typedef void fn_export_entry_fn(const void *ctx, const struct flow_head *entry, uint8_t *to,
                                uint64_t now_cycles);

// fn_ops.export over 'table', with entries of 'entry_bytes'.
size_t fn_export(struct flow_table *table, const void *ctx, size_t entry_bytes,
                 fn_export_entry_fn *export_entry, uint64_t *cursor, void *buf, size_t size,
                 unsigned flags, uint64_t now_cycles);

// Integers of the stream: little-endian.
static inline void
fn_put64(uint8_t *to, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = value >> 8 * i;
}

static inline uint64_t
fn_get64(const uint8_t *from)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}
