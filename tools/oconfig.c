// SPDX-License-Identifier: Apache-2.0
// collectd.conf -> [oconfig] -> JSON. The syntax is that of collectd.conf(5): one option a line,
// words in quotes or bare, <Kind "name"> to </Kind>, # begins a comment.

#include "tools/oconfig.h"

#include "lib/base/json.h"

#include <json-c/json.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { DEPTH_MAX = 8, WORDS_MAX = 64, LINE_MAX_BYTES = 4096 };

struct reader {
    const char *path;
    unsigned line;
    FILE *file;
    struct json_object *block[DEPTH_MAX + 1]; // the open ones, outermost first; borrowed but [0]
    char kind[DEPTH_MAX + 1][64];
    unsigned depth;
    char *word[WORDS_MAX];
    bool quoted[WORDS_MAX];
    int n_words;
};

static int
complain(const struct reader *r, struct offload_err *err, const char *expected, const char *format,
         const char *what)
{
    char where[600];
    snprintf(where, sizeof where, "%s:%u", r->path, r->line);
    return offload_err_set(err, -EINVAL, where, expected, format, what);
}

// Cuts 'text' into words in place; quotes hold blanks together, a backslash in them the next byte.
static int
split(struct reader *r, char *text, struct offload_err *err)
{
    r->n_words = 0;
    for (char *at = text;;) {
        at += strspn(at, " \t\r\n");
        if (!*at || *at == '#')
            return 0;
        if (r->n_words == WORDS_MAX)
            return complain(r, err, "at most 64", "%s", "too many words in a line");
        bool quoted = r->quoted[r->n_words] = *at == '"';
        char *to = at += quoted;
        r->word[r->n_words++] = to;
        while (*at && (quoted ? *at != '"' : !isspace((unsigned char)*at))) {
            if (quoted && *at == '\\' && at[1])
                at++;
            *to++ = *at++;
        }
        if (quoted && !*at)
            return complain(r, err, "\" at its end", "'%s' is not closed", r->word[r->n_words - 1]);
        bool end = !*at;
        *to = '\0';
        at += !end;
    }
}

static struct json_object *
word_to_json(const char *word, bool quoted)
{
    char *end;
    double number = strtod(word, &end);
    // Beyond 2^53 a double names no single integer any more.
    if (!quoted && end != word && !*end)
        return number == trunc(number) && fabs(number) <= 9007199254740992.0
                   ? json_object_new_int64((int64_t)number)
                   : json_object_new_double(number);
    if (!quoted && (!strcmp(word, "true") || !strcmp(word, "false")))
        return json_object_new_boolean(*word == 't');
    return json_object_new_string(word);
}

static void
add_option(struct reader *r)
{
    struct json_object *value = word_to_json(r->word[1], r->quoted[1]);
    if (r->n_words > 2) {
        struct json_object *first = value;
        value = json_object_new_array();
        json_object_array_add(value, first);
        for (int i = 2; i < r->n_words; i++)
            json_object_array_add(value, word_to_json(r->word[i], r->quoted[i]));
    }
    json_object_object_add(r->block[r->depth], r->word[0], value);
}

static int
open_block(struct reader *r, struct offload_err *err)
{
    struct json_object *array, *child, *parent = r->block[r->depth];
    if (r->depth == DEPTH_MAX)
        return complain(r, err, NULL, "%s", "blocks are nested too deep");
    if (!json_object_object_get_ex(parent, r->word[0], &array) ||
        !json_object_is_type(array, json_type_array)) {
        array = json_object_new_array();
        json_object_object_add(parent, r->word[0], array);
    }
    child = json_object_new_object();
    if (r->n_words > 1)
        json_object_object_add(child, "Name", json_object_new_string(r->word[1]));
    json_object_array_add(array, child);
    r->block[++r->depth] = child;
    snprintf(r->kind[r->depth], sizeof r->kind[0], "%s", r->word[0]);
    return 0;
}

static int
close_block(struct reader *r, const char *kind, struct offload_err *err)
{
    if (r->depth == 0 || strcasecmp(r->kind[r->depth], kind))
        return complain(r, err, r->depth ? r->kind[r->depth] : "no block is open",
                        "'</%s>' closes what is not open", kind);
    r->depth--;
    return 0;
}

static int
read_line(struct reader *r, char *text, struct offload_err *err)
{
    char *start = text + strspn(text, " \t");
    size_t len = strcspn(start, "\r\n");
    start[len] = '\0';
    if (*start != '<') {
        int rc = split(r, start, err);
        if (rc || r->n_words == 0)
            return rc;
        if (r->n_words == 1)
            return complain(r, err, "a value behind the key", "'%s' has no value", r->word[0]);
        add_option(r);
        return 0;
    }
    char *end = strrchr(start, '>');
    if (!end)
        return complain(r, err, "'>' at its end", "'%s' is not closed", start);
    *end = '\0';
    int rc = split(r, start + (start[1] == '/' ? 2 : 1), err);
    if (!rc && r->n_words == 0)
        rc = complain(r, err, NULL, "%s", "a block without a kind");
    if (rc)
        return rc;
    return start[1] == '/' ? close_block(r, r->word[0], err) : open_block(r, err);
}

struct json_object *
oconfig_read(const char *path, struct offload_err *err)
{
    struct reader r = {.path = path, .file = fopen(path, "re")};
    char text[LINE_MAX_BYTES];
    int rc = 0;
    if (!r.file) {
        offload_err_set(err, -errno, path, NULL, "could not be read: %s", strerror(errno));
        return NULL;
    }
    r.block[0] = json_object_new_object();
    while (!rc && fgets(text, sizeof text, r.file)) {
        r.line++;
        rc = strlen(text) + 1 == sizeof text
                 ? complain(&r, err, "at most 4094 bytes", "%s", "the line is too long")
                 : read_line(&r, text, err);
    }
    if (!rc && r.depth > 0)
        rc = complain(&r, err, NULL, "'<%s>' is not closed", r.kind[r.depth]);
    fclose(r.file);
    if (rc) {
        json_object_put(r.block[0]);
        return NULL;
    }
    return r.block[0];
}
