// SPDX-License-Identifier: Apache-2.0
// address -> [fetch] -> text -> feed.  HTTP by libcurl; conditional requests by RFC 9110 section 13.

#include "lib/io/fetch.h"

#include <curl/curl.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REDIRECTS_MAX = 5, CONNECT_SHARE = 2, TAG_MAX = 512, LONGEST_WAIT_S = 86400 };

// What tells whether a text has changed.
struct version {
    char etag[TAG_MAX], modified[64];
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

struct fetch {
    struct fetch_options options;
    char *url, *shown;
    const char *path; // of a file, within 'url'; NULL: by HTTP
    CURL *curl;
    struct version accepted, latest;
    bool any_accepted;
    char content_type[96];
    double retry_after_s;
    // Of the fetch that goes on.
    char *data;
    size_t len, size;
    bool too_big;
};

// ---- Addresses ----

static char *
without_secrets(const char *url)
{
    const char *host = strstr(url, "://");
    size_t before = host ? (size_t)(host - url) + 3 : 0;
    size_t authority = strcspn(url + before, "/?#");
    const char *at = memchr(url + before, '@', authority);
    // A password may hold an @: the last one counts.
    for (const char *more = at; more;
         more = memchr(at + 1, '@', (size_t)(url + before + authority - at - 1)))
        at = more;
    const char *rest = at ? at + 1 : url + before;
    char *text = NULL;
    if (asprintf(&text, "%.*s%.*s", (int)before, url, (int)strcspn(rest, "?#"), rest) < 0)
        return NULL;
    return text;
}

static size_t take_header(char *line, size_t size, size_t n, void *fetch);
static size_t take_data(char *data, size_t size, size_t n, void *fetch);
static int ask_stop(void *fetch, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d);

static int
set_up_curl(struct fetch *f)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *c = f->curl = curl_easy_init();
    if (!c)
        return -ENOMEM;
    long timeout_ms = lround(f->options.timeout_s * 1000);
    int rc = 0;
    rc |= curl_easy_setopt(c, CURLOPT_URL, f->url);
    rc |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    rc |= curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    rc |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    rc |= curl_easy_setopt(c, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    rc |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout_ms);
    rc |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms / CONNECT_SHARE + 1);
    rc |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L); // we are one thread of many
    rc |= curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING, "");
    // met.no and others turn away whom they cannot name.
    rc |= curl_easy_setopt(c, CURLOPT_USERAGENT, "adaptive-offload-suite/" OFFLOAD_VERSION);
    rc |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_data);
    rc |= curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
    rc |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, take_header);
    rc |= curl_easy_setopt(c, CURLOPT_HEADERDATA, f);
    rc |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, ask_stop);
    rc |= curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    rc |= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    return rc ? -ENOMEM : 0;
}

int
fetch_create(const struct fetch_options *options, struct fetch **fetch, struct offload_err *err)
{
    struct fetch *f = calloc(1, sizeof *f);
    if (f) {
        f->options = *options;
        f->url = strdup(options->url);
        f->shown = without_secrets(options->url);
    }
    if (!f || !f->url || !f->shown) {
        fetch_destroy(f);
        return offload_err_set(err, -ENOMEM, "URL", NULL, "no memory");
    }
    int rc = 0;
    if (f->url[0] == '/')
        f->path = f->url;
    else if (strncmp(f->url, "file:///", 8) == 0)
        f->path = f->url + 7;
    else if (strncasecmp(f->url, "http://", 7) == 0 || strncasecmp(f->url, "https://", 8) == 0)
        rc = set_up_curl(f);
    else
        rc = -EINVAL;
    if (rc == -EINVAL)
        offload_err_set(err, rc, "URL", "https://..., http://..., or a file's path from the root",
                        "'%s' is no address of ours", f->shown);
    else if (rc)
        offload_err_set(err, rc, "URL", NULL, "libcurl has no memory");
    if (rc)
        fetch_destroy(f);
    else
        *fetch = f;
    return rc;
}

void
fetch_destroy(struct fetch *f)
{
    if (!f)
        return;
    if (f->curl)
        curl_easy_cleanup(f->curl);
    free(f->data);
    free(f->url);
    free(f->shown);
    free(f);
}

const char *
fetch_shown(const struct fetch *f)
{
    return f->shown;
}

const char *
fetch_content_type(const struct fetch *f)
{
    return f->content_type;
}

void
fetch_accept(struct fetch *f)
{
    f->accepted = f->latest;
    f->any_accepted = true;
}

double
fetch_wait_s(const struct fetch *f, unsigned n_failed)
{
    if (n_failed == 0)
        return f->options.refresh_s;
    double most_s = fmax(f->options.refresh_s, 3600);
    double wait_s = fmax(f->options.refresh_s / 10, 5) * ldexp(1, (int)(n_failed < 30 ? n_failed : 30) - 1);
    return fmax(fmin(wait_s, most_s), fmin(f->retry_after_s, LONGEST_WAIT_S));
}

// ---- Taking in ----

static int
append(struct fetch *f, const char *data, size_t n)
{
    if (n > f->options.max_bytes - f->len) {
        f->too_big = true;
        return -EFBIG;
    }
    if (f->len + n + 1 > f->size) {
        size_t size = 2 * f->size > f->len + n + 1 ? 2 * f->size : f->len + n + 1;
        char *grown = realloc(f->data, size);
        if (!grown)
            return -ENOMEM;
        f->data = grown;
        f->size = size;
    }
    memcpy(f->data + f->len, data, n);
    f->len += n;
    f->data[f->len] = '\0';
    return 0;
}

static size_t
take_data(char *data, size_t size, size_t n, void *fetch)
{
    return append(fetch, data, size * n) ? CURL_WRITEFUNC_ERROR : size * n;
}

// Copies the value of header 'name' if 'line' is that.
static bool
take(const char *line, size_t len, const char *name, char *to, size_t size)
{
    size_t n = strlen(name);
    if (len <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return false;
    const char *value = line + n + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    // One that does not fit, or that would break our own request, is none.
    to[0] = '\0';
    if ((size_t)(end - value) < size) {
        memcpy(to, value, (size_t)(end - value));
        to[end - value] = '\0';
    }
    for (const char *c = to; *c; c++)
        if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
            to[0] = '\0';
    return true;
}

static size_t
take_header(char *line, size_t size, size_t n, void *fetch)
{
    struct fetch *f = fetch;
    char retry[32];
    size_t len = size * n;
    if (len > 5 && strncasecmp(line, "HTTP/", 5) == 0) { // the next answer of a chain of redirects
        f->latest = (struct version){.etag = ""};
        f->content_type[0] = '\0';
    }
    take(line, len, "ETag", f->latest.etag, sizeof f->latest.etag);
    take(line, len, "Last-Modified", f->latest.modified, sizeof f->latest.modified);
    take(line, len, "Content-Type", f->content_type, sizeof f->content_type);
    if (take(line, len, "Retry-After", retry, sizeof retry))
        f->retry_after_s = fmax(0, strtod(retry, NULL));
    return len;
}

static int
ask_stop(void *fetch, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    (void)a, (void)b, (void)c, (void)d;
    const struct fetch *f = fetch;
    return f->options.stop && f->options.stop(f->options.ctx);
}

// ---- HTTP ----

static struct curl_slist *
conditions(const struct fetch *f)
{
    char line[TAG_MAX + 32];
    struct curl_slist *list = NULL;
    if (!f->any_accepted)
        return NULL;
    if (f->accepted.etag[0]) {
        snprintf(line, sizeof line, "If-None-Match: %s", f->accepted.etag);
        list = curl_slist_append(list, line);
    }
    if (f->accepted.modified[0]) {
        snprintf(line, sizeof line, "If-Modified-Since: %s", f->accepted.modified);
        struct curl_slist *longer = curl_slist_append(list, line);
        list = longer ? longer : list;
    }
    return list;
}

static int
explain(const struct fetch *f, CURLcode code, const char *detail, struct offload_err *err)
{
    const char *text = *detail ? detail : curl_easy_strerror(code);
    if (f->too_big)
        return offload_err_set(err, -EFBIG, f->shown, "ask for less",
                               "more than %zu bytes", f->options.max_bytes);
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return offload_err_set(err, -ETIMEDOUT, f->shown, "a longer TimeoutS, or a faster server",
                               "not there after %g s", f->options.timeout_s);
    case CURLE_ABORTED_BY_CALLBACK:
        return offload_err_set(err, -ECANCELED, f->shown, NULL, "given up, since we are to end");
    case CURLE_PARTIAL_FILE:
        return offload_err_set(err, -EIO, f->shown, NULL, "the text was cut after %zu bytes", f->len);
    case CURLE_TOO_MANY_REDIRECTS:
        return offload_err_set(err, -ELOOP, f->shown, "the address it leads to",
                               "more than %d redirects", REDIRECTS_MAX);
    case CURLE_OUT_OF_MEMORY:
        return offload_err_set(err, -ENOMEM, f->shown, NULL, "no memory");
    default:
        return offload_err_set(err, -EIO, f->shown, NULL, "%s", text);
    }
}

static int
judge_status(const struct fetch *f, long status, struct offload_err *err)
{
    if (status == 200 || (status == 304 && f->any_accepted))
        return 0;
    const char *expected = status == 401 || status == 403 ? "an address that we may read"
                           : status == 404 || status == 410 ? "an address that is there"
                                                            : NULL;
    return offload_err_set(err, status == 404 || status == 410 ? -ENOENT : -EIO, f->shown, expected,
                           "the server answers %ld%s", status, status >= 500 ? ", a fault of its own" : "");
}

static int
run_http(struct fetch *f, bool *same, struct offload_err *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = conditions(f);
    curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(f->curl, CURLOPT_ERRORBUFFER, detail);
    f->latest = (struct version){.etag = ""};
    CURLcode code = curl_easy_perform(f->curl);
    long status = 0;
    curl_easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_setopt(f->curl, CURLOPT_HTTPHEADER, NULL);
    curl_easy_setopt(f->curl, CURLOPT_ERRORBUFFER, NULL);
    curl_slist_free_all(headers);
    if (code != CURLE_OK && !(status >= 400 && f->too_big))
        return explain(f, code, detail, err);
    *same = status == 304;
    return judge_status(f, status, err);
}

// ---- Files ----

static bool
is_same(const struct version *a, const struct version *b)
{
    return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

static int
read_all(struct fetch *f, int fd)
{
    char piece[65536];
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : 0;
        int rc = append(f, piece, (size_t)n);
        if (rc)
            return rc;
    }
}

static int
run_file(struct fetch *f, bool *same, struct offload_err *err)
{
    struct stat st;
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
    if (fd < 0 || fstat(fd, &st))
        rc = -errno;
    else if (!S_ISREG(st.st_mode))
        rc = -ENOTSUP;
    if (rc == 0) {
        f->latest = (struct version){.mtime = st.st_mtim, .size = st.st_size, .inode = st.st_ino};
        *same = f->any_accepted && is_same(&f->latest, &f->accepted);
        rc = *same ? 0 : read_all(f, fd);
    }
    if (fd >= 0)
        close(fd);
    if (rc == 0)
        return 0;
    if (rc == -EFBIG)
        return offload_err_set(err, rc, f->shown, "a smaller file", "more than %zu bytes",
                               f->options.max_bytes);
    return offload_err_set(err, rc, f->shown, "a file that collectd's user can read", "%s",
                           rc == -ENOTSUP ? "not a regular file" : strerror(-rc));
}

int
fetch_run(struct fetch *f, char **data, size_t *len, struct offload_err *err)
{
    bool same = false;
    free(f->data);
    f->data = NULL;
    f->len = f->size = 0;
    f->too_big = false;
    f->retry_after_s = 0;
    f->content_type[0] = '\0';
    int rc = append(f, "", 0); // so that an empty text is one
    if (rc == 0)
        rc = f->path ? run_file(f, &same, err) : run_http(f, &same, err);
    else
        offload_err_set(err, rc, f->shown, NULL, "no memory");
    if (rc)
        return rc;
    *data = same ? NULL : f->data;
    *len = same ? 0 : f->len;
    if (!same)
        f->data = NULL;
    return 0;
}
