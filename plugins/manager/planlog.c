// SPDX-License-Identifier: Apache-2.0
// What was decided, kept: the last plans in memory for plan.get and plan.explain, all of them on
// disk as JSON lines (64 MiB, and four older files), and what the agent has learned.  The ticker's
// thread.
#include "plugins/manager/fields.h"
#include "plugins/manager/manager.h"

#include "lib/base/json.h"
#include "lib/io/statefile.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOG_FILES = 4,
    CHECKPOINT_BYTES_MAX = 64 << 20,
    KEPT_ENTRIES_MOST = 200000,
    GUARD_BYTES_MAX = 4096
};
static const off_t LOG_BYTES_MAX = 64 << 20;

static void
forget(struct manager *m, struct manager_plan *slot)
{
    if (slot->plan)
        m->kept_entries -= slot->plan->n_entries;
    alloc_state_destroy(slot->state);
    alloc_plan_destroy(slot->plan);
    *slot = (struct manager_plan){.number = 0};
}

void
planlog_keep(struct manager *m, struct alloc_state *state, struct alloc_plan *plan, bool applied,
             const char *error)
{
    struct manager_plan *slot = &m->plans[plan->number % MANAGER_PLANS_KEPT];
    forget(m, slot);
    m->kept_entries += plan->n_entries;
    // Large fleets keep fewer plans in memory, but always the last two: the older is what a reward
    // is for.
    for (unsigned i = 1; i < MANAGER_PLANS_KEPT - 1 && m->kept_entries > KEPT_ENTRIES_MOST; i++)
        forget(m, &m->plans[(plan->number + i) % MANAGER_PLANS_KEPT]);
    *slot = (struct manager_plan){
        .number = plan->number, .state = state, .plan = plan, .applied = applied};
    snprintf(slot->error, sizeof slot->error, "%s", error);
    m->last_state = state;
    m->last_plan = plan;
    m->last_applied = applied;
}

void
planlog_fini(struct manager *m)
{
    for (unsigned i = 0; i < MANAGER_PLANS_KEPT; i++)
        forget(m, &m->plans[i]);
    m->last_state = NULL;
    m->last_plan = NULL;
}

struct manager_plan *
planlog_find(struct manager *m, uint64_t number)
{
    if (number == 0)
        number = m->last_plan ? m->last_plan->number : 0;
    struct manager_plan *slot = &m->plans[number % MANAGER_PLANS_KEPT];
    return number && slot->number == number ? slot : NULL;
}

static void
rotate(const char *path)
{
    char from[300], to[300];
    struct stat st;
    if (stat(path, &st) || st.st_size < LOG_BYTES_MAX)
        return;
    for (int i = LOG_FILES - 1; i >= 0; i--) {
        snprintf(from, sizeof from, i ? "%s.%d" : "%s", path, i);
        snprintf(to, sizeof to, "%s.%d", path, i + 1);
        rename(from, to); // a file that is not there yet is no error
    }
}

int
planlog_write(const struct manager *m, const struct alloc_state *state,
              const struct alloc_plan *plan, bool applied, const char *error,
              struct offload_err *err)
{
    const char *path = m->options.plan_log;
    struct alloc_verdict verdict = {
        .applied = applied, .error = error, .checkpoint_sha256 = m->checkpoint_sha256};
    size_t len;
    char *line = alloc_record_format(state, plan, &verdict, &len);
    if (!line)
        return offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
    rotate(path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640), rc = 0;
    if (fd < 0)
        rc = offload_err_set(err, -errno, path, "a folder that collectd may write",
                             "could not be written: %s", strerror(errno));
    // In one call, so that a reader or a crash meets whole lines, short of a full disk.
    else if (write(fd, line, len) != (ssize_t)len)
        rc = offload_err_set(err, -EIO, path, "room on the disk", "could not be written whole");
    if (fd >= 0)
        close(fd);
    free(line);
    return rc;
}

static void
note_checksum(struct manager *m, const char *payload, size_t len)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (!EVP_Digest(payload, len, sum, &n, EVP_sha256(), NULL))
        return;
    for (unsigned i = 0; i < n && i < 32; i++)
        snprintf(m->checkpoint_sha256 + 2 * i, 3, "%02x", sum[i]);
}

static int
load_from(struct manager *m, const char *path, struct offload_err *err)
{
    struct alloc_agent *agent = sim_duel_agent(m->duel);
    uint32_t version = agent->ops->checkpoint_version;
    char *payload;
    size_t len;
    int rc = checkpoint_read(path, agent->ops->checkpoint_kind, &version, CHECKPOINT_BYTES_MAX,
                             &payload, &len, err);
    if (rc)
        return rc;
    rc = agent->ops->import(agent->self, payload, len, err);
    if (rc)
        offload_err_prefix(err, path);
    else
        note_checksum(m, payload, len);
    free(payload);
    return rc;
}

// Whether the agent had fallen back: a restart is no way to decide again.
static void
guard_load(struct manager *m)
{
    char path[320];
    snprintf(path, sizeof path, "%.300s.guard", m->options.checkpoint);
    struct json_object *o = offload_json_load(path, GUARD_BYTES_MAX, NULL);
    struct alloc_guard *guard = sim_duel_guard(m->duel);
    if (json_object_get_boolean(member(o, "fallen_back"))) {
        alloc_guard_fall_back(guard);
        guard->attempts = (unsigned)count_in(o, "attempts");
        manager_notify(MANAGER_WARNING,
                       "agent %s had fallen back before the restart: proportional decides",
                       m->options.agent);
    }
    json_object_put(o);
}

static void
guard_save(const struct manager *m)
{
    char path[320], text[80];
    const struct alloc_guard *guard = sim_duel_guard(m->duel);
    snprintf(path, sizeof path, "%.300s.guard", m->options.checkpoint);
    int n = snprintf(text, sizeof text, "{\"fallen_back\":%s,\"attempts\":%u}\n",
                     guard->fallen_back ? "true" : "false", guard->attempts);
    statefile_write(path, text, (size_t)n, NULL); // the checkpoint beside it tells of a full disk
}

void
agent_load(struct manager *m)
{
    const char *const paths[] = {m->options.checkpoint, m->options.weights};
    char text[700];
    if (!sim_duel_agent(m->duel)->ops->import)
        return;
    for (int i = 0; i < 2; i++) {
        struct offload_err err = {0};
        int rc = load_from(m, paths[i], &err);
        if (!rc) {
            guard_load(m);
            return;
        }
        if (rc != -ENOENT)
            manager_notify(MANAGER_WARNING, "%s; the agent does without it",
                           offload_err_format(&err, text, sizeof text));
    }
    alloc_guard_fall_back(sim_duel_guard(m->duel));
    manager_notify(
        MANAGER_WARNING,
        "agent %s has learned nothing yet: proportional decides until it has proven itself",
        m->options.agent);
}

void
agent_save(struct manager *m)
{
    struct alloc_agent *agent = sim_duel_agent(m->duel);
    struct offload_err err = {0};
    char *payload, text[700];
    size_t len;
    if (!agent->ops->export || m->options.dry_run)
        return;
    pthread_mutex_lock(&m->lock);
    int rc = agent->ops->export(agent->self, &payload, &len);
    pthread_mutex_unlock(&m->lock);
    if (rc)
        return;
    guard_save(m);
    rc = checkpoint_write(m->options.checkpoint, agent->ops->checkpoint_kind,
                          agent->ops->checkpoint_version, payload, len, &err);
    if (rc)
        manager_notify(MANAGER_WARNING, "what the agent learned was not kept: %s",
                       offload_err_format(&err, text, sizeof text));
    else
        note_checksum(m, payload, len);
    free(payload);
}
