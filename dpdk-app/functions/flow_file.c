// SPDX-License-Identifier: Apache-2.0
// Entries in shared memory; flow_file.h has the idea and the rules.
#include "dpdk-app/functions/flow_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROW_BYTES = 256 << 10 };

static const uint64_t magic = 0x31574f4c4644464f; // "OFDFLOW1"

struct header {
    uint64_t magic;
    uint32_t version, entry_bytes;
    uint64_t boot;
    uint64_t whole;         // 1: nothing is missing that the instance before it had
    uint64_t served_cycles; // when it began to serve; 0: it never did
};

static struct header *
header_of(const struct flow_file *file)
{
    return (struct header *)file->map;
}

static size_t
round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

// A file system of large pages takes whole ones alone.
static size_t
step_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_blksize > GROW_BYTES ? (size_t)st.st_blksize : GROW_BYTES;
}

static void
path_of(const struct flow_folder *folder, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", folder->path, name);
}

static bool
map_file(struct flow_file *file, size_t bytes)
{
    file->map_bytes = round_up(bytes, step_of(file->fd));
    void *map = mmap(NULL, file->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                     file->fd, 0);
    file->map = map == MAP_FAILED ? NULL : map;
    if (file->map)
        madvise(map, file->map_bytes, MADV_HUGEPAGE); // refused: small pages do as well, more slowly
    return file->map && flow_file_grow(file, 1);
}

struct flow_file *
flow_file_create(const struct flow_folder *folder, const char *name, uint32_t entry_bytes,
                 uint64_t most, bool standby, uint64_t now_cycles)
{
    char path[512];
    struct flow_file *file = calloc(1, sizeof *file);
    if (!file)
        return NULL;
    file->folder = folder;
    snprintf(file->name, sizeof file->name, "%s.%llx", name, (unsigned long long)now_cycles);
    path_of(folder, file->name, path, sizeof path);
    file->fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file->fd < 0 || !map_file(file, FLOW_FILE_HEADER_BYTES + most * entry_bytes)) {
        int saved = errno;
        flow_file_destroy(file);
        errno = saved;
        return NULL;
    }
    *header_of(file) = (struct header){.magic = magic,
                                       .version = FLOW_FILE_VERSION,
                                       .entry_bytes = entry_bytes,
                                       .boot = folder->boot,
                                       .whole = !folder->loading,
                                       .served_cycles = standby ? 0 : now_cycles};
    return file;
}

void
flow_file_destroy(struct flow_file *file)
{
    if (!file)
        return;
    char path[512];
    path_of(file->folder, file->name, path, sizeof path);
    if (file->map)
        munmap(file->map, file->map_bytes);
    if (file->fd >= 0) {
        close(file->fd);
        if (!file->folder->keep)
            unlink(path);
    }
    free(file);
}

bool
flow_file_grow(struct flow_file *file, size_t entries_bytes)
{
    size_t wanted = FLOW_FILE_HEADER_BYTES + entries_bytes;
    if (wanted <= file->bytes)
        return true;
    size_t step = step_of(file->fd), to = round_up(wanted, step);
    if (to > file->map_bytes) {
        errno = ENOSPC;
        return false;
    }
    int rc;
    do
        rc = fallocate(file->fd, 0, (off_t)file->bytes, (off_t)(to - file->bytes));
    while (rc != 0 && errno == EINTR);
    if (rc != 0)
        return false;
    file->bytes = to;
    return true;
}

void
flow_file_serve(struct flow_file *file, uint64_t now_cycles)
{
    __atomic_store_n(&header_of(file)->served_cycles, now_cycles, __ATOMIC_RELEASE);
}

void
flow_file_whole(struct flow_file *file)
{
    __atomic_store_n(&header_of(file)->whole, 1, __ATOMIC_RELEASE);
}

// -- What is there --

// The birth, if 'name' is 'stem' (of 'length') and a birth after it; else 0.
static uint64_t
born_of(const char *name, const char *stem, size_t length)
{
    char *end;
    if (strncmp(name, stem, length) != 0 || name[length] != '.' || name[length + 1] == '\0')
        return 0;
    uint64_t born = strtoull(name + length + 1, &end, 16);
    return *end == '\0' ? born : 0;
}

static bool
read_header(const struct flow_folder *folder, const char *name, struct header *out)
{
    char path[512];
    path_of(folder, name, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    bool whole = false;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size >= FLOW_FILE_HEADER_BYTES) {
        void *map = mmap(NULL, step_of(fd), PROT_READ, MAP_SHARED, fd, 0);
        if (map != MAP_FAILED) {
            memcpy(out, map, sizeof *out);
            munmap(map, step_of(fd));
            whole = true;
        }
    }
    if (fd >= 0)
        close(fd);
    return whole;
}

static int
map_past(const struct flow_file *file, const char *name, struct flow_past *out)
{
    char path[512];
    path_of(file->folder, name, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0)
        return -errno;
    void *map = MAP_FAILED;
    if (fstat(fd, &st) == 0)
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    int rc = map == MAP_FAILED ? -errno : 0;
    close(fd);
    if (rc == 0)
        *out = (struct flow_past){.map = map,
                                  .map_bytes = (size_t)st.st_size,
                                  .n_entries = ((size_t)st.st_size - FLOW_FILE_HEADER_BYTES) /
                                               header_of(file)->entry_bytes};
    return rc;
}

int
flow_past_open(const struct flow_file *file, struct flow_past *out)
{
    const struct header *own = header_of(file);
    size_t stem = (size_t)(strrchr(file->name, '.') - file->name);
    char best[256] = "";
    uint64_t served = 0;
    bool foreign = false;
    *out = (struct flow_past){0};
    DIR *folder = opendir(file->folder->path);
    if (!folder)
        return -errno;
    for (const struct dirent *at; (at = readdir(folder)) != NULL;) {
        struct header h;
        if (strcmp(at->d_name, file->name) == 0 || born_of(at->d_name, file->name, stem) == 0)
            continue;
        if (!read_header(file->folder, at->d_name, &h) || h.magic != own->magic ||
            h.version != own->version || h.entry_bytes != own->entry_bytes || h.boot != own->boot) {
            foreign = true;
        } else if (h.whole == 1 && h.served_cycles > served) {
            served = h.served_cycles;
            snprintf(best, sizeof best, "%s", at->d_name);
        }
    }
    closedir(folder);
    return best[0] ? map_past(file, best, out) : foreign ? -EPROTO : -ENOENT;
}

void
flow_past_close(struct flow_past *past)
{
    if (past->map)
        munmap(past->map, past->map_bytes);
    past->map = NULL;
}

unsigned
flow_folder_sweep(const struct flow_folder *at, uint64_t born_cycles)
{
    char path[512];
    unsigned removed = 0;
    DIR *folder = opendir(at->path);
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *dot = strrchr(entry->d_name, '.');
        size_t stem = dot ? (size_t)(dot - entry->d_name) : 0;
        uint64_t born = stem > 0 ? born_of(entry->d_name, entry->d_name, stem) : 0;
        if (born == 0 || born >= born_cycles)
            continue;
        path_of(at, entry->d_name, path, sizeof path);
        removed += unlink(path) == 0;
    }
    closedir(folder);
    return removed;
}
