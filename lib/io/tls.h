// SPDX-License-Identifier: Apache-2.0
// Mutual TLS 1.3 over OpenSSL: both sides show a certificate of one authority, and each looks whether
// the other's names are the ones expected. Certificates are read again when their files change.
#pragma once

#include <offload/err.h>

#include <stdbool.h>
#include <stddef.h>

struct ssl_st;
struct tls;

struct tls_files {
    const char *cert; // PEM, ours with what leads to the authority
    const char *key;  // PEM, of 'cert'
    const char *ca;   // PEM, the authorities whose certificates we take
};

// Reads the files, whose names are copied. NULL and 'err', naming the file.
struct tls *tls_create(const struct tls_files *files, struct offload_err *err);
void tls_destroy(struct tls *tls);

// Reads the files again, for connections to come. On failure what was read before stays in use.
int tls_reload(struct tls *tls, struct offload_err *err);
// Whether a file is another one, or newer, than when it was last read or failed to be.
bool tls_changed(struct tls *tls);

// A session, NULL without memory. Caller: SSL_free(). That of a client takes only a server whose
// certificate names 'host', a DNS name or an address.
struct ssl_st *tls_server_session(struct tls *tls);
struct ssl_st *tls_client_session(struct tls *tls, const char *host);

// After the handshake: whether the peer's certificate has 'name' among its subjectAltNames.
bool tls_peer_is(struct ssl_st *session, const char *name);

// Why a handshake, or what came after it, failed: a sentence in 'buf', which is returned. 'code' is
// OpenSSL's (ERR_get_error()), 0: none.
char *tls_failure(struct ssl_st *session, unsigned long code, char *buf, size_t size);
