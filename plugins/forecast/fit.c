// SPDX-License-Identifier: Apache-2.0
// read callback -> [fit] -> read callback.

#include "plugins/forecast/fit.h"

#include "plugin.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { NICENESS = 10 };

struct fitter {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    // Under 'lock'.
    struct series **queue;
    size_t n, next;
    struct series *busy;
    double spent_s;
    bool stop;
};

static double
thread_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void
fit(struct series *s)
{
    char text[400];
    if (offload_forecaster_fit(s->forecaster, NULL) || s->told)
        return; // too few values, or no memory: later
    s->told = true;
    offload_forecaster_explain(s->forecaster, text, sizeof text);
    INFO("offload_forecast: host '%s' %s of '%s': %s", s->host,
         offload_resource_names[s->signal->resource], s->app, text);
}

static void *
thread_main(void *ctx)
{
    struct fitter *f = ctx;
    // Linux knows a niceness for each thread; the daemon's own work comes first.
    setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
    pthread_mutex_lock(&f->lock);
    while (!f->stop) {
        if (f->next == f->n) {
            pthread_cond_broadcast(&f->idle);
            pthread_cond_wait(&f->wake, &f->lock);
            continue;
        }
        f->busy = f->queue[f->next++];
        pthread_mutex_unlock(&f->lock);
        double begun_s = thread_s();
        fit(f->busy);
        double took_s = thread_s() - begun_s;
        pthread_mutex_lock(&f->lock);
        f->busy = NULL;
        f->spent_s += took_s;
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

struct fitter *
fitter_start(void)
{
    struct fitter *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->wake, NULL);
    pthread_cond_init(&f->idle, NULL);
    if (plugin_thread_create(&f->thread, thread_main, f, "offload fits")) {
        free(f);
        return NULL;
    }
    return f;
}

void
fitter_stop(struct fitter *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_cond_broadcast(&f->wake);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    free(f->queue);
    free(f);
}

void
fitter_give(struct fitter *f, struct series **series, size_t n)
{
    pthread_mutex_lock(&f->lock);
    free(f->queue);
    f->queue = series;
    f->n = n;
    f->next = 0;
    pthread_cond_signal(&f->wake);
    pthread_mutex_unlock(&f->lock);
}

struct series *
fitter_wait(struct fitter *f, uint64_t end)
{
    struct timespec until = CDTIME_T_TO_TIMESPEC((cdtime_t)end);
    pthread_mutex_lock(&f->lock);
    while (f->next < f->n || f->busy)
        if (pthread_cond_timedwait(&f->idle, &f->lock, &until))
            break;
    f->n = f->next;
    struct series *busy = f->busy;
    pthread_mutex_unlock(&f->lock);
    return busy;
}

struct series *
fitter_busy(struct fitter *f)
{
    pthread_mutex_lock(&f->lock);
    struct series *busy = f->busy;
    pthread_mutex_unlock(&f->lock);
    return busy;
}

double
fitter_spent_s(struct fitter *f)
{
    pthread_mutex_lock(&f->lock);
    double spent_s = f->spent_s;
    f->spent_s = 0;
    pthread_mutex_unlock(&f->lock);
    return spent_s;
}
