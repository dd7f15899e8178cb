// SPDX-License-Identifier: Apache-2.0
// Mutual TLS 1.3 over OpenSSL, for server_libevent.c and client_blocking.c.
#include "lib/io/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES = 3 };

struct tls {
    SSL_CTX *context;
    char *file[FILES]; // cert, key, ca
    struct stat seen[FILES];
};

static const char *const kinds[FILES] = {"certificate", "key", "certificate of an authority"};

static void
look(struct tls *tls, struct stat *seen)
{
    for (unsigned i = 0; i < FILES; i++)
        if (stat(tls->file[i], &seen[i]) != 0)
            memset(&seen[i], 0, sizeof seen[i]);
}

static int
fail_file(const struct tls *tls, unsigned i, const char *expected, struct offload_err *err)
{
    char text[160] = "";
    unsigned long code = ERR_peek_error(); // the first one is the cause
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (code && ERR_SYSTEM_ERROR(code))
        reason = strerror(ERR_GET_REASON(code));
    snprintf(text, sizeof text, "%s", reason ? reason : "unknown error");
    ERR_clear_error();
    return offload_err_set(err, -EINVAL, tls->file[i], expected, "holds no %s that can be used: %s",
                           kinds[i], text);
}

static SSL_CTX *
read_files(const struct tls *tls, struct offload_err *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (!context) {
        offload_err_set(err, -ENOMEM, tls->file[0], NULL, "out of memory");
        return NULL;
    }
    ERR_clear_error();
    int rc = 0;
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0); // every connection shows its certificate
    if (SSL_CTX_use_certificate_chain_file(context, tls->file[0]) != 1)
        rc = fail_file(tls, 0, "name a PEM file", err);
    else if (SSL_CTX_use_PrivateKey_file(context, tls->file[1], SSL_FILETYPE_PEM) != 1)
        rc = fail_file(tls, 1, "name a PEM file without a passphrase, of the certificate's key",
                       err);
    else if (SSL_CTX_load_verify_locations(context, tls->file[2], NULL) != 1)
        rc = fail_file(tls, 2, "name a PEM file", err);
    if (rc == 0)
        return context;
    SSL_CTX_free(context);
    return NULL;
}

struct tls *
tls_create(const struct tls_files *files, struct offload_err *err)
{
    const char *const names[FILES] = {files->cert, files->key, files->ca};
    struct tls *tls = calloc(1, sizeof *tls);
    bool whole = tls != NULL;
    for (unsigned i = 0; i < FILES && whole; i++)
        whole = (tls->file[i] = strdup(names[i])) != NULL;
    if (!whole)
        offload_err_set(err, -ENOMEM, names[0], NULL, "out of memory");
    if (!whole || tls_reload(tls, err) != 0) {
        tls_destroy(tls);
        return NULL;
    }
    return tls;
}

void
tls_destroy(struct tls *tls)
{
    if (!tls)
        return;
    SSL_CTX_free(tls->context);
    for (unsigned i = 0; i < FILES; i++)
        free(tls->file[i]);
    free(tls);
}

int
tls_reload(struct tls *tls, struct offload_err *err)
{
    struct offload_err own;
    look(tls, tls->seen); // before they are read: what changes meanwhile is read again
    SSL_CTX *context = read_files(tls, err ? err : &own);
    if (!context)
        return err ? err->code : own.code;
    SSL_CTX_free(tls->context); // sessions hold it as long as they need it
    tls->context = context;
    return 0;
}

bool
tls_changed(struct tls *tls)
{
    struct stat now[FILES];
    look(tls, now);
    for (unsigned i = 0; i < FILES; i++)
        if (now[i].st_ino != tls->seen[i].st_ino || now[i].st_size != tls->seen[i].st_size ||
            now[i].st_mtim.tv_sec != tls->seen[i].st_mtim.tv_sec ||
            now[i].st_mtim.tv_nsec != tls->seen[i].st_mtim.tv_nsec)
            return true;
    return false;
}

static bool
is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

struct ssl_st *
tls_server_session(struct tls *tls)
{
    SSL *session = SSL_new(tls->context);
    if (session)
        SSL_set_accept_state(session);
    return session;
}

struct ssl_st *
tls_client_session(struct tls *tls, const char *host)
{
    SSL *session = SSL_new(tls->context);
    if (!session)
        return NULL;
    SSL_set_connect_state(session);
    SSL_set_hostflags(session,
                      X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    bool named = is_address(host)
                     ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session), host) == 1
                     : SSL_set1_host(session, host) == 1 &&
                           SSL_set_tlsext_host_name(session, host) == 1;
    if (named)
        return session;
    SSL_free(session);
    return NULL;
}

bool
tls_peer_is(struct ssl_st *session, const char *name)
{
    X509 *cert = SSL_get0_peer_certificate(session);
    if (!cert || SSL_get_verify_result(session) != X509_V_OK)
        return false;
    if (is_address(name))
        return X509_check_ip_asc(cert, name, 0) == 1;
    return X509_check_host(cert, name, 0,
                           X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                           NULL) == 1;
}

char *
tls_failure(struct ssl_st *session, unsigned long code, char *buf, size_t size)
{
    long verified = SSL_get_verify_result(session);
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    if (verified != X509_V_OK)
        snprintf(buf, size, "the peer's certificate is not taken: %s",
                 X509_verify_cert_error_string(verified));
    else if (reason)
        snprintf(buf, size, "TLS failed: %s", reason);
    else
        snprintf(buf, size, "the peer closed the connection during the TLS handshake");
    return buf;
}
