// SPDX-License-Identifier: Apache-2.0
// What was decided, kept: the last plans in memory for plan.get and plan.explain, all of them on
// disk as JSON lines (64 MiB, and four older files), and what the agent has learned.  The ticker's
// thread.
#include "plugins/manager/manager.h"

#include "lib/io/statefile.h"

#include <json-c/json.h>
#include <openssl/evp.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { LOG_FILES = 4, CHECKPOINT_BYTES_MAX = 64 << 20 };
static const off_t LOG_BYTES_MAX = 64 << 20;

void
planlog_keep(struct manager *m, const struct alloc_state *state, const struct alloc_plan *plan,
             bool applied, const char *error)
{
    struct manager_plan *slot = &m->plans[plan->number % MANAGER_PLANS_KEPT];
    json_object_put(slot->plan);
    json_object_put(slot->explained);
    *slot = (struct manager_plan){.number = plan->number,
                                  .plan = alloc_plan_to_json(plan, state),
                                  .explained = alloc_plan_explain(plan, state)};
    json_object_object_add(slot->plan, "applied", json_object_new_boolean(applied));
    json_object_object_add(slot->plan, "error", json_object_new_string(error));
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

static struct json_object *
actions_of(const struct alloc_plan *plan)
{
    struct json_object *array = json_object_new_array();
    for (uint32_t c = 0; c < plan->n_cards; c++)
        json_object_array_add(
            array, plan->action[c] == ALLOC_NONE ? NULL : json_object_new_int64(plan->action[c]));
    return array;
}

static struct json_object *
shares_of(const struct alloc_plan *plan, const struct alloc_state *state, bool baseline)
{
    struct json_object *o = json_object_new_object();
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        const struct alloc_share *s =
            baseline ? &plan->entries[a].baseline : &plan->entries[a].wish;
        struct json_object *array = json_object_new_array();
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            json_object_array_add(array, json_object_new_double(s->amount[r]));
        json_object_object_add(o, state->apps[a].name, array);
    }
    return o;
}

static struct json_object *
limits_of(const struct alloc_plan *plan, const struct alloc_state *state)
{
    struct json_object *o = json_object_new_object();
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        struct json_object *array = json_object_new_array();
        for (int r = 0; r < ALLOC_N_RESOURCES; r++)
            json_object_array_add(
                array, json_object_new_string(alloc_limit_texts[plan->entries[a].limit[r]]));
        json_object_object_add(o, state->apps[a].name, array);
    }
    return o;
}

int
planlog_write(const struct manager *m, const struct alloc_state *state,
              const struct alloc_plan *plan, struct offload_err *err)
{
    const char *path = m->options.plan_log;
    struct json_object *o = alloc_plan_to_json(plan, state),
                       *alternatives = json_object_new_object();
    json_object_object_add(o, "checkpoint_sha256", json_object_new_string(m->checkpoint_sha256));
    json_object_object_add(o, "inputs", alloc_state_to_json(state));
    json_object_object_add(o, "action", actions_of(plan));
    json_object_object_add(o, "wished", shares_of(plan, state, false));
    json_object_object_add(o, "limits", limits_of(plan, state));
    json_object_object_add(alternatives, "proportional", shares_of(plan, state, true));
    json_object_object_add(o, "alternatives", alternatives);
    rotate(path);
    FILE *file = fopen(path, "ae");
    int rc = 0;
    if (!file)
        rc = offload_err_set(err, -errno, path, "a folder that collectd may write",
                             "could not be written: %s", strerror(errno));
    else if (fprintf(file, "%s\n", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN)) < 0)
        rc = offload_err_set(err, -EIO, path, NULL, "could not be written");
    if (file && fclose(file) && !rc)
        rc = offload_err_set(err, -errno, path, NULL, "could not be written: %s", strerror(errno));
    json_object_put(o);
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
        if (!rc)
            return;
        if (rc != -ENOENT)
            manager_notify(MANAGER_WARNING, "%s; the agent does without it",
                           offload_err_format(&err, text, sizeof text));
    }
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
    rc = checkpoint_write(m->options.checkpoint, agent->ops->checkpoint_kind,
                          agent->ops->checkpoint_version, payload, len, &err);
    if (rc)
        manager_notify(MANAGER_WARNING, "what the agent learned was not kept: %s",
                       offload_err_format(&err, text, sizeof text));
    else
        note_checksum(m, payload, len);
    free(payload);
}
