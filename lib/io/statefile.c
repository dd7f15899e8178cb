// SPDX-License-Identifier: Apache-2.0
// State that must survive a crash whole: written beside, synced, renamed over the old, and the
// folder synced, so that after a power cut either the old or the new is there.
#include "lib/io/statefile.h"

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAGIC_BYTES = 8,
    HEADER_BYTES = MAGIC_BYTES + 4 + 4 + 8, // magic, kind, version, length
    DIGEST_BYTES = 32,                      // SHA-256
    FRAME_BYTES = HEADER_BYTES + DIGEST_BYTES,
};

static const char magic[MAGIC_BYTES] = {'O', 'F', 'F', 'L', 'O', 'A', 'D', '1'};

static int
fail(const char *path, int code, const char *what, struct offload_err *err)
{
    return offload_err_set(err, code, path, NULL, "%s: %s", what, strerror(-code));
}

static int
write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

// Makes a rename in the folder of 'path' durable.
static int
sync_folder(const char *path)
{
    char copy[PATH_MAX];
    snprintf(copy, sizeof copy, "%s", path);
    int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int rc = fsync(fd) ? -errno : 0;
    close(fd);
    return rc;
}

// Writes and syncs the new file beside the old one. On failure it is gone.
static int
write_beside(const char *beside, const void *data, size_t len)
{
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        return -errno;
    int rc = write_all(fd, data, len);
    if (!rc && fsync(fd))
        rc = -errno;
    if (close(fd) && !rc)
        rc = -errno;
    if (rc)
        unlink(beside);
    return rc;
}

int
statefile_write(const char *path, const void *data, size_t len, struct offload_err *err)
{
    char beside[PATH_MAX];
    int n = snprintf(beside, sizeof beside, "%s.new.%d", path, (int)getpid());
    if (n >= (int)sizeof beside)
        return fail(path, -ENAMETOOLONG, "could not be written", err);
    unlink(beside); // of a dead process that had our pid
    int rc = write_beside(beside, data, len);
    if (rc)
        return fail(path, rc, "could not be written", err);
    if (rename(beside, path)) {
        rc = -errno;
        unlink(beside);
        return fail(path, rc, "could not be replaced", err);
    }
    rc = sync_folder(path);
    return rc ? fail(path, rc, "is written, but its folder could not be synced", err) : 0;
}

static int
read_all(int fd, char *data, size_t *len)
{
    size_t used = 0;
    while (used < *len) {
        ssize_t n = read(fd, data + used, *len - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        used += (size_t)n;
    }
    *len = used;
    return 0;
}

static int
read_open_file(int fd, const char *path, size_t max_bytes, char **data, size_t *len,
               struct offload_err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return fail(path, -errno, "could not be read", err);
    if (!S_ISREG(st.st_mode))
        return offload_err_set(err, -EINVAL, path, "name a regular file", "is no file");
    if ((uintmax_t)st.st_size > max_bytes)
        return offload_err_set(err, -EFBIG, path, NULL, "%jd bytes are above the limit of %zu",
                               (intmax_t)st.st_size, max_bytes);
    size_t size = (size_t)st.st_size;
    char *buf = malloc(size + 1);
    if (!buf)
        return fail(path, -ENOMEM, "could not be read", err);
    int rc = read_all(fd, buf, &size);
    if (rc) {
        free(buf);
        return fail(path, rc, "could not be read", err);
    }
    buf[size] = '\0';
    *data = buf;
    *len = size;
    return 0;
}

int
statefile_read(const char *path, size_t max_bytes, char **data, size_t *len,
               struct offload_err *err)
{
    // O_NONBLOCK: a pipe without a writer must not hold a daemon's start.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return fail(path, -errno, "could not be opened", err);
    int rc = read_open_file(fd, path, max_bytes, data, len, err);
    close(fd);
    return rc;
}

static void
put_le(char *to, uint64_t value, unsigned n_bytes)
{
    for (unsigned i = 0; i < n_bytes; i++)
        to[i] = (char)(value >> (8 * i));
}

static uint64_t
get_le(const char *from, unsigned n_bytes)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < n_bytes; i++)
        value |= (uint64_t)(unsigned char)from[i] << (8 * i);
    return value;
}

static int
digest(const char *data, size_t len, unsigned char out[DIGEST_BYTES])
{
    return EVP_Digest(data, len, out, NULL, EVP_sha256(), NULL) == 1 ? 0 : -ENOMEM;
}

int
checkpoint_write(const char *path, uint32_t kind, uint32_t version, const void *payload, size_t len,
                 struct offload_err *err)
{
    char *file = len <= SIZE_MAX - FRAME_BYTES ? malloc(len + FRAME_BYTES) : NULL;
    if (!file)
        return fail(path, -ENOMEM, "could not be written", err);
    memcpy(file, magic, MAGIC_BYTES);
    put_le(file + MAGIC_BYTES, kind, 4);
    put_le(file + MAGIC_BYTES + 4, version, 4);
    put_le(file + MAGIC_BYTES + 8, len, 8);
    if (len > 0)
        memcpy(file + HEADER_BYTES, payload, len);
    int rc = digest(file, HEADER_BYTES + len, (unsigned char *)file + HEADER_BYTES + len);
    if (rc)
        fail(path, rc, "could not be written", err);
    else
        rc = statefile_write(path, file, len + FRAME_BYTES, err);
    free(file);
    return rc;
}

static int __attribute__((format(printf, 4, 5)))
refuse(const char *path, struct offload_err *err, const char *expected, const char *fmt, ...)
{
    char what[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return offload_err_set(err, -EBADMSG, path, expected, "%s", what);
}

// Looks at all that stands around the payload. '*version' is the highest known, and becomes the
// file's.
static int
check_frame(const char *path, const char *file, size_t size, uint32_t kind, uint32_t *version,
            struct offload_err *err)
{
    if (size < FRAME_BYTES)
        return refuse(path, err, NULL, "%zu bytes are too few for a checkpoint", size);
    if (memcmp(file, magic, MAGIC_BYTES))
        return refuse(path, err, "a checkpoint begins with \"OFFLOAD1\"", "is no checkpoint");
    uint32_t file_kind = (uint32_t)get_le(file + MAGIC_BYTES, 4);
    uint32_t file_version = (uint32_t)get_le(file + MAGIC_BYTES + 4, 4);
    uint64_t len = get_le(file + MAGIC_BYTES + 8, 8);
    if (len != size - FRAME_BYTES)
        return refuse(path, err, NULL, "says %ju bytes of payload and has %zu", (uintmax_t)len,
                      size - FRAME_BYTES);
    unsigned char sum[DIGEST_BYTES];
    if (digest(file, size - DIGEST_BYTES, sum))
        return fail(path, -ENOMEM, "could not be checked", err);
    if (memcmp(sum, file + size - DIGEST_BYTES, DIGEST_BYTES))
        return refuse(path, err, NULL, "the checksum does not match");
    // Only now are kind and version worth a word: they are what was written.
    if (file_kind != kind)
        return refuse(path, err, NULL, "holds kind %u, not kind %u", file_kind, kind);
    if (file_version == 0 || file_version > *version)
        return refuse(path, err, NULL, "has version %u, and versions 1 to %u are known",
                      file_version, *version);
    *version = file_version;
    return 0;
}

int
checkpoint_read(const char *path, uint32_t kind, uint32_t *version, size_t max_bytes,
                char **payload, size_t *len, struct offload_err *err)
{
    char *file;
    size_t size, max_size = max_bytes < SIZE_MAX - FRAME_BYTES ? max_bytes + FRAME_BYTES : SIZE_MAX;
    int rc = statefile_read(path, max_size, &file, &size, err);
    if (rc)
        return rc;
    rc = check_frame(path, file, size, kind, version, err);
    if (rc) {
        free(file);
        return rc;
    }
    *len = size - FRAME_BYTES;
    memmove(file, file + HEADER_BYTES, *len);
    file[*len] = '\0';
    *payload = file;
    return 0;
}

int
checkpoint_load(const char *path, uint32_t kind, uint32_t version, size_t max_bytes,
                int (*take)(const void *payload, size_t len, struct offload_err *err),
                struct offload_err *err)
{
    uint32_t found = version;
    char *payload;
    size_t len;
    int rc = checkpoint_read(path, kind, &found, max_bytes, &payload, &len, err);
    if (rc)
        return rc;
    rc = found == version ? take(payload, len, err)
                          : refuse(path, err, NULL, "has version %u, and version %u is needed", found, version);
    free(payload);
    return rc;
}
