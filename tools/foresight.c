// SPDX-License-Identifier: Apache-2.0
// Forecasts of a trace, kept by hash; agents' checkpoints.
#include "tools/foresight.h"

#include "tools/progress.h"

#include "lib/base/json.h"
#include "lib/io/datafile.h"
#include "lib/io/statefile.h"

#include <offload/forecast.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    CACHE_KIND = 0x46435354, // "FCST"
    CACHE_VERSION = 1,       // another one for each change of what a forecast comes to
    AGENT_BYTES_MAX = 64 << 20,
};
static const size_t CACHE_BYTES_MAX = (size_t)4 << 30;

// FNV-1a over words; the checkpoint's own SHA-256 guards what is in the file.
static uint64_t
mix(uint64_t hash, const void *data, size_t len)
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ byte[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t
trace_hash(const struct sim_scenario *s, int model)
{
    uint64_t hash = 0xcbf29ce484222325u;
    const char *name = model < 0 ? "auto" : offload_models[model]->name;
    hash = mix(hash, OFFLOAD_VERSION, sizeof OFFLOAD_VERSION);
    hash = mix(hash, name, strlen(name));
    hash = mix(hash, &s->steps, sizeof s->steps);
    hash = mix(hash, &s->n_apps, sizeof s->n_apps);
    hash = mix(hash, &s->step_s, sizeof s->step_s);
    return mix(hash, s->offered, (size_t)s->steps * s->n_apps * sizeof *s->offered);
}

// False: there is no place to keep it.
static bool
cache_path(uint64_t hash, char *path, size_t size)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char folder[PATH_MAX - 64];
    if (base && *base == '/')
        snprintf(folder, sizeof folder, "%s", base);
    else if (home && *home == '/')
        snprintf(folder, sizeof folder, "%s/.cache", home);
    else
        return false;
    mkdir(folder, 0700);
    int n = snprintf(path, size, "%s/offload", folder);
    mkdir(path, 0700);
    return snprintf(path + n, size - n, "/forecast-%016llx", (unsigned long long)hash) > 0;
}

static bool
read_cache(struct sim_scenario *s, const char *path)
{
    size_t n = (size_t)s->steps * s->n_apps, len;
    size_t head = n * sizeof *s->forecast, tail = n * ALLOC_LEVELS * sizeof *s->level;
    uint32_t version = CACHE_VERSION;
    char *payload;
    if (checkpoint_read(path, CACHE_KIND, &version, CACHE_BYTES_MAX, &payload, &len, NULL))
        return false;
    if (len == head + tail && version == CACHE_VERSION) {
        s->forecast = malloc(head + 1);
        s->level = malloc(tail + 1);
    }
    if (s->forecast && s->level) {
        memcpy(s->forecast, payload, head);
        memcpy(s->level, payload + head, tail);
    }
    free(payload);
    return s->forecast && s->level;
}

static void
write_cache(const struct sim_scenario *s, const char *path)
{
    size_t n = (size_t)s->steps * s->n_apps;
    size_t head = n * sizeof *s->forecast, tail = n * ALLOC_LEVELS * sizeof *s->level;
    char *payload = malloc(head + tail + 1);
    if (!payload)
        return;
    memcpy(payload, s->forecast, head);
    memcpy(payload + head, s->level, tail);
    checkpoint_write(path, CACHE_KIND, CACHE_VERSION, payload, head + tail, NULL);
    free(payload);
}

static int
find_model(const char *name, int *model, struct offload_err *err)
{
    *model = -1;
    if (name && !strcmp(name, "auto"))
        return 0;
    *model = offload_models_find(name ? name : "ridge");
    if (*model < 0)
        return offload_err_set(err, -ENOENT, "--model", "use auto or a model of backtest",
                               "'%s' is no model", name);
    return 0;
}

static void
forecast_one(void *ctx)
{
    progress_step(ctx);
}

int
foresight_fill(struct sim_scenario *s, const char *name, struct foresight *foresight,
               struct offload_err *err)
{
    int model;
    char path[PATH_MAX];
    *foresight = (struct foresight){0};
    int rc = find_model(name, &model, err);
    if (rc)
        return rc;
    bool keep = cache_path(trace_hash(s, model), path, sizeof path);
    if (keep && (foresight->kept = read_cache(s, path)))
        return 0;
    struct timespec start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    struct progress progress;
    progress_start(&progress, "applications forecast", s->n_apps);
    rc = sim_foresee(s, model, forecast_one, &progress);
    progress_end(&progress);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (rc)
        return offload_err_set(err, rc, s->name, NULL, "no memory for its forecasts");
    foresight->seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    if (keep)
        write_cache(s, path);
    return 0;
}

int
agent_load(struct alloc_agent *agent, const char *path, struct offload_err *err)
{
    uint32_t version = agent->ops->checkpoint_version;
    char *payload;
    size_t len;
    if (!agent->ops->import)
        return offload_err_set(err, -EINVAL, "--checkpoint", "leave it out",
                               "agent '%s' learns nothing that could be read from '%s'",
                               agent->ops->name, path);
    int rc = checkpoint_read(path, agent->ops->checkpoint_kind, &version, AGENT_BYTES_MAX, &payload,
                             &len, err);
    if (rc)
        return rc;
    if (version != agent->ops->checkpoint_version)
        rc = offload_err_set(err, -EBADMSG, path, "train one with this version",
                             "version %u is not %u", version, agent->ops->checkpoint_version);
    else if ((rc = agent->ops->import(agent->self, payload, len, err)))
        offload_err_prefix(err, path);
    free(payload);
    return rc;
}

int
agent_prepare(struct alloc_agent *agent, const char *told, char *used, size_t size,
              struct offload_err *err)
{
    char name[64 + OFFLOAD_NAME_MAX], found[PATH_MAX];
    *used = '\0';
    if (!told && !agent->ops->import)
        return 0;
    if (!told) {
        snprintf(name, sizeof name, "weights/%s.checkpoint", agent->ops->name);
        told = datafile(found, sizeof found, OFFLOAD_DATADIR, name);
        if (access(told, F_OK))
            return 0;
    }
    int rc = agent_load(agent, told, err);
    if (!rc)
        snprintf(used, size, "%s", told);
    return rc;
}

int
agent_save(const struct alloc_agent *agent, const char *path, struct offload_err *err)
{
    char *payload;
    size_t len;
    int rc = agent->ops->export(agent->self, &payload, &len);
    if (rc)
        return offload_err_set(err, rc, path, NULL, "no memory for the checkpoint");
    rc = checkpoint_write(path, agent->ops->checkpoint_kind, agent->ops->checkpoint_version,
                          payload, len, err);
    free(payload);
    return rc;
}
