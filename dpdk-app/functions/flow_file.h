// SPDX-License-Identifier: Apache-2.0
// The entries of a flow table in a file of shared memory (tmpfs or hugetlbfs): they outlive the
// process, so that one that was killed comes back with every connection.
//
// A folder has one file for each instance of a function, APP.FUNCTION.OCCURRENCE.BIRTH: the
// occurrence counts equal functions within a chain, the birth is the cycle counter in hex. After a
// restart an instance takes over from the file of its name that served last and had come to be
// whole; all others are removed once every application has been read. Files are of one boot, since
// timers are in cycles: those of another, or of another format, are refused as a whole.
//
// Control thread, except flow_file_grow() and flow_file_serve().
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FLOW_FILE_VERSION = 1,
    FLOW_FILE_HEADER_BYTES = 4096, // entries follow
};

// Where files are, shared by all of a process.
struct flow_folder {
    char path[192];
    uint64_t boot; // tells this boot from others
    bool loading;  // what is made now takes over from files that are there
    bool keep;     // the process ends: files stay
};

struct flow_file {
    const struct flow_folder *folder;
    char name[256];
    int fd;
    uint8_t *map;
    size_t map_bytes; // of address space
    size_t bytes;     // that have memory
};

// An instance's file: 'name' without its birth. Whole at once unless the folder is loading; 'standby':
// another instance serves, until flow_file_serve(). NULL, errno says why.
struct flow_file *flow_file_create(const struct flow_folder *folder, const char *name,
                                   uint32_t entry_bytes, uint64_t most, bool standby,
                                   uint64_t now_cycles);
// Removes the file too, unless the folder keeps.
void flow_file_destroy(struct flow_file *file);

static inline uint8_t *
flow_file_entries(const struct flow_file *file)
{
    return file->map + FLOW_FILE_HEADER_BYTES;
}

// Gives memory to 'entries_bytes' and some more: an access beyond what has any would kill the
// process. False: there is none; nothing has changed.
bool flow_file_grow(struct flow_file *file, size_t entries_bytes);
// From now on it is this instance that serves, and that a restart goes on from.
void flow_file_serve(struct flow_file *file, uint64_t now_cycles);

// What a former process left to instances of the name of 'file'.
struct flow_past {
    uint8_t *map; // NULL: nothing
    size_t map_bytes;
    uint64_t n_entries; // that had memory, live or not
};
// -ENOENT: there is nothing. -EPROTO: there is, of another version, layout or boot; nothing of it can be
// used.
int flow_past_open(const struct flow_file *file, struct flow_past *out);
void flow_past_close(struct flow_past *past);
// 'file' has taken over what it could: whole from now on.
void flow_file_whole(struct flow_file *file);

// Removes the files of this folder that were made before 'born_cycles'. Returns how many.
unsigned flow_folder_sweep(const struct flow_folder *folder, uint64_t born_cycles);
