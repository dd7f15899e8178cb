// SPDX-License-Identifier: Apache-2.0
// Writes the state file from a thread of its own: a disk may take as long as it likes to sync, the
// API answers meanwhile. What is given later replaces what has not been begun. The main thread
// gives, and waits only where a change must not take effect before it is stored.
#include "dpdk-app/cardd.h"

#include "lib/io/log.h"
#include "lib/io/statefile.h"

#include <event2/event.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// At most so long after the answer a change of allocations is given to the disk; changes in between
// go together.
enum { STORE_AFTER_MS = 50 };

// Owner: whoever holds the lock; 'timer' and 'running' the main thread.
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    struct event *timer;
    bool running, stop;
    char path[PLAN_PATH_MAX];
    char *text;           // to be written next; NULL: nothing
    uint64_t given, done; // numbers of what was given, and of what has been tried
    uint64_t waited_for;  // its giver tells of a failure
    int rc;               // of what was tried last
    struct offload_err err;
} file = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static void
tell(const struct offload_err *err)
{
    char line[800];
    log_error("could not store the plan, which is in force but would not survive a restart: %s",
              offload_err_format(err, line, sizeof line));
}

// With the lock, which it gives up while it writes.
static void
write_next(void)
{
    char *text = file.text;
    uint64_t number = file.given;
    struct offload_err err;
    file.text = NULL;
    pthread_mutex_unlock(&file.lock);
    int rc = statefile_write(file.path, text, strlen(text), &err);
    free(text);
    pthread_mutex_lock(&file.lock);
    if (rc != 0 && file.waited_for < number)
        tell(&err);
    file.done = number;
    file.rc = rc;
    if (rc != 0)
        file.err = err;
    pthread_cond_broadcast(&file.changed);
}

static void *
writer_main(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&file.lock);
    while (file.text || !file.stop) {
        if (file.text)
            write_next();
        else
            pthread_cond_wait(&file.changed, &file.lock);
    }
    pthread_mutex_unlock(&file.lock);
    return NULL;
}

// Takes 'text' over. With the lock.
static void
give(char *text)
{
    free(file.text);
    file.text = text;
    file.given++;
    pthread_cond_broadcast(&file.changed);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    pthread_mutex_lock(&file.lock);
    bool busy = file.done != file.given;
    pthread_mutex_unlock(&file.lock);
    if (busy) { // a slow disk is not fed faster than it eats
        plan_file_later();
        return;
    }
    char *text = plan_format(arg);
    if (!text) {
        plan_file_later();
        return;
    }
    pthread_mutex_lock(&file.lock);
    give(text);
    pthread_mutex_unlock(&file.lock);
}

bool
plan_file_later(void)
{
    static const struct timeval after = {.tv_usec = STORE_AFTER_MS * 1000};
    if (!file.running)
        return false;
    return event_pending(file.timer, EV_TIMEOUT, NULL) || event_add(file.timer, &after) == 0;
}

int
plan_file_store(const char *path, char *text, struct offload_err *err)
{
    int rc;
    if (!file.running) {
        rc = statefile_write(path, text, strlen(text), err);
        free(text);
        return rc;
    }
    event_del(file.timer); // what it would write is in 'text'
    pthread_mutex_lock(&file.lock);
    give(text);
    uint64_t number = file.waited_for = file.given;
    while (file.done < number)
        pthread_cond_wait(&file.changed, &file.lock);
    rc = file.rc;
    if (rc != 0 && err)
        *err = file.err;
    pthread_mutex_unlock(&file.lock);
    return rc;
}

int
plan_file_start(struct cardd *d, const char *path, struct offload_err *err)
{
    snprintf(file.path, sizeof file.path, "%s", path);
    file.stop = false;
    file.timer = evtimer_new(d->base, on_timer, d);
    int rc = file.timer ? pthread_create(&file.thread, NULL, writer_main, NULL) : ENOMEM;
    if (rc != 0)
        return offload_err_set(err, -rc, path, NULL,
                               "could not start the thread that writes it: %s", strerror(rc));
    pthread_setname_np(file.thread, "plan");
    file.running = true;
    return 0;
}

void
plan_file_stop(struct cardd *d)
{
    struct offload_err err;
    if (file.running) {
        if (event_pending(file.timer, EV_TIMEOUT, NULL) && plan_store(d, &err) != 0)
            tell(&err);
        pthread_mutex_lock(&file.lock);
        file.stop = true;
        pthread_cond_broadcast(&file.changed);
        pthread_mutex_unlock(&file.lock);
        pthread_join(file.thread, NULL);
        file.running = false;
    }
    if (file.timer)
        event_free(file.timer);
    file.timer = NULL;
}
