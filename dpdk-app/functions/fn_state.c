// SPDX-License-Identifier: Apache-2.0
// The hooks of fn.h that are alike in all functions with a flow table; fn_state.h has the idea.
#include "dpdk-app/functions/fn_state.h"

#include "dpdk-app/functions/flow_file.h"

#include <assert.h>
#include <errno.h>
#include <rte_cycles.h>
#include <rte_random.h>
#include <stdio.h>
#include <stdlib.h>

static struct flow_table *
make_table(const struct fn_kind *kind, const struct flow_layout *layout, uint64_t most,
           const struct fn_env *env, struct offload_err *err)
{
    char name[200];
    struct flow_file *file = NULL;
    snprintf(name, sizeof name, "%s.%s.%u", env->app, kind->name, env->occurrence);
    if (env->folder) {
        file = flow_file_create(env->folder, name, layout->entry_bytes, most, env->standby,
                                rte_rdtsc());
        if (!file) {
            offload_err_set(err, -errno, env->folder->path, "free memory there, or name another folder",
                            "cannot make a file for the state of %s: %s", kind->name,
                            strerror(errno));
            return NULL;
        }
    }
    struct flow_table *table =
        flow_table_create_in(file, layout, (uint32_t)most, rte_rand(), env->quota);
    if (!table)
        offload_err_set(err, -ENOMEM, kind->name, "lower max_entries",
                        "no memory for a table of %llu entries", (unsigned long long)most);
    return table;
}

int
fn_state_init(struct fn_state *s, const struct fn_kind *kind, const struct flow_layout *layout,
              uint64_t most, const struct fn_env *env, struct offload_err *err)
{
    assert(kind->n_drops <= FN_DROPS_MAX);
    struct fn_core *core = calloc(1, sizeof *core);
    if (!core)
        return offload_err_set(err, -ENOMEM, kind->name, NULL, "no memory");
    core->refs = 1;
    if (layout) {
        struct offload_err local;
        err = err ? err : &local;
        core->table = make_table(kind, layout, most, env, err);
        if (!core->table) {
            free(core);
            return err->code;
        }
    }
    *s = (struct fn_state){
        .kind = kind, .core = core, .table = core->table, .tsc_hz = env->tsc_hz};
    return 0;
}

void
fn_state_share(struct fn_state *s, const struct fn_state *old)
{
    *s = *old;
    s->core->refs++;
}

void
fn_state_fini(struct fn_state *s)
{
    if (!s->core || --s->core->refs > 0)
        return;
    flow_table_destroy(s->core->table);
    free(s->core);
}

void
fn_state_tick(void *state, uint64_t now_cycles, unsigned budget)
{
    struct fn_state *s = state;
    if (s->table)
        flow_table_expire(s->table, now_cycles, budget);
}

uint64_t
fn_state_entries(const void *state)
{
    const struct fn_state *s = state;
    return s->table ? flow_table_live(s->table) : 0;
}

uint64_t
fn_state_bytes(const void *state)
{
    const struct fn_state *s = state;
    return s->table ? flow_table_bytes(s->table) : 0;
}

uint64_t
fn_state_dirty(const void *state)
{
    const struct fn_state *s = state;
    return s->table ? flow_table_dirty(s->table) : 0;
}

size_t
fn_state_export(void *state, uint64_t *cursor, void *buf, size_t size, unsigned flags,
                uint64_t now_cycles)
{
    struct fn_state *s = state;
    if (!s->table)
        return 0;
    if (flags & FN_EXPORT_STOP) {
        flow_table_stop(s->table);
        return 0;
    }
    if ((flags & FN_EXPORT_TRACK) || (!(flags & FN_EXPORT_DIRTY) && *cursor == 0))
        flow_table_track(s->table);
    if (flags & FN_EXPORT_TRACK)
        return 0;
    size_t used = 0;
    while (used + s->kind->entry_bytes <= size) {
        uint32_t at = flags & FN_EXPORT_DIRTY ? flow_table_next_dirty(s->table)
                                              : flow_table_next(s->table, cursor);
        if (at == FLOW_NONE)
            break;
        s->kind->export_entry(s, flow_table_at(s->table, at), (uint8_t *)buf + used, now_cycles);
        used += s->kind->entry_bytes;
    }
    return used;
}

int
fn_state_import(void *state, const void *buf, size_t len, uint64_t now_cycles,
                struct offload_err *err)
{
    struct fn_state *s = state;
    const uint8_t *from = buf;
    if (!s->table)
        return len == 0 ? 0
                        : offload_err_set(err, -EBADMSG, s->kind->name,
                                          "use equal parameters at both ends",
                                          "there is state for a function that keeps none");
    if (len % s->kind->entry_bytes)
        return offload_err_set(err, -EBADMSG, s->kind->name, NULL,
                               "%zu bytes are no whole entries", len);
    for (size_t i = 0; i < len; i += s->kind->entry_bytes) {
        int rc = s->kind->import_entry(s, from + i, now_cycles, err);
        if (rc < 0)
            return rc;
    }
    return 0;
}

// By way of export and import: whatever hangs on an entry is made anew, and what does not fit the
// present parameters is refused.
static void
take_over(struct fn_state *s, const struct flow_past *past, uint64_t now_cycles,
          struct fn_recovered *out)
{
    uint8_t bytes[512];
    assert(s->kind->entry_bytes <= sizeof bytes);
    for (uint64_t i = 0; i < past->n_entries; i++) {
        const struct flow_head *entry =
            (const void *)(past->map + FLOW_FILE_HEADER_BYTES + i * s->table->layout.entry_bytes);
        if (entry->state != FLOW_LIVE)
            continue;
        if (!flow_is_whole(entry)) {
            out->torn++;
            continue;
        }
        s->kind->export_entry(s, entry, bytes, now_cycles);
        if (s->kind->import_entry(s, bytes, now_cycles, NULL) == 0)
            out->entries++;
        else
            out->refused++;
    }
}

int
fn_state_recover(void *state, uint64_t now_cycles, struct fn_recovered *out)
{
    struct fn_state *s = state;
    struct flow_past past;
    *out = (struct fn_recovered){0};
    if (!s->table || !s->table->file)
        return 0;
    int rc = flow_past_open(s->table->file, &past);
    if (rc == 0) {
        take_over(s, &past, now_cycles, out);
        flow_past_close(&past);
    }
    flow_file_whole(s->table->file);
    return rc == -ENOENT ? 0 : rc;
}

void
fn_state_serve(void *state, uint64_t now_cycles)
{
    struct fn_state *s = state;
    if (s->table && s->table->file)
        flow_file_serve(s->table->file, now_cycles);
}

unsigned
fn_state_counters(const void *state, struct fn_counter *out, unsigned max)
{
    const struct fn_state *s = state;
    unsigned n = 0;
    for (; n < s->kind->n_drops && n < max; n++)
        out[n] = (struct fn_counter){s->kind->drop_names[n],
                                     __atomic_load_n(&s->core->drops[n], __ATOMIC_RELAXED)};
    return n;
}
