// SPDX-License-Identifier: Apache-2.0
// The few messages of OVSDB (RFC 7047) that choose one manager among several: a lock, and a term
// that only grows.
// bytes -> [ovsdb] -> messages, and back.  Pure: no socket, no clock.
//
// The term is taken in one transaction {assert the lock, wait until the term is still t, make it t
// + 1}: who was paused since it read t, or has lost the lock meanwhile, changes nothing.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_object;
struct json_tokener;

extern const char ovsdb_database[]; // of conf/offload.ovsschema
extern const char ovsdb_lock_name[];

// JSON values one behind the other, without any mark between them.
struct ovsdb_stream {
    struct json_tokener *tokener;
    size_t held; // bytes of the value that is not whole yet
};

int ovsdb_stream_init(struct ovsdb_stream *stream); // -ENOMEM
void ovsdb_stream_fini(struct ovsdb_stream *stream);

// Called for each whole message, which is borrowed until the call returns.
typedef void ovsdb_message_fn(void *ctx, struct json_object *message);
// Takes 'n' bytes. -EPROTO: that is no JSON, or one value is above 1 MiB.
int ovsdb_stream_feed(struct ovsdb_stream *stream, const char *bytes, size_t n,
                      ovsdb_message_fn *fn, void *ctx);

// A request as text (caller frees); 'params' is taken over, NULL: []. NULL when memory runs out.
char *ovsdb_format_request(unsigned id, const char *method, struct json_object *params);

enum ovsdb_kind {
    OVSDB_ANSWER, // to the request whose id was given
    OVSDB_ECHO,   // to be answered with ovsdb_format_echo()
    OVSDB_LOCKED, // the lock came to us
    OVSDB_STOLEN, // and went
    OVSDB_OTHER,
};
enum ovsdb_kind ovsdb_kind_of(struct json_object *message, unsigned id);
char *ovsdb_format_echo(struct json_object *message);

// What the table holds.
struct ovsdb_row {
    bool exists;
    uint64_t term, beat;
    char holder[64];
};

// Parameters of requests; new references.
struct json_object *ovsdb_lock_params(void);  // of "lock", "steal", "unlock"
struct json_object *ovsdb_leads_params(void); // "transact": is this server the cluster's leader?
struct json_object *ovsdb_read_params(void);  // "transact": the row
// "transact": the term from 'row' to 'term', if the lock is ours and nothing has changed.
struct json_object *ovsdb_take_params(const struct ovsdb_row *row, uint64_t term,
                                      const char *holder);
// "transact": a sign of life, if the lock is ours and the term is 'term'.
struct json_object *ovsdb_beat_params(uint64_t term, uint64_t beat);

// Reads answers. 0, or -EPROTO with the server's text; -EAGAIN: the transaction's assert or wait
// did not hold.
int ovsdb_read_locked(struct json_object *answer, bool *locked, struct offload_err *err);
int ovsdb_read_leads(struct json_object *answer, bool *leads, struct offload_err *err);
int ovsdb_read_row(struct json_object *answer, struct ovsdb_row *row, struct offload_err *err);
int ovsdb_read_done(struct json_object *answer, struct offload_err *err);
