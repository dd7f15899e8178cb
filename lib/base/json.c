// SPDX-License-Identifier: Apache-2.0
// Strict reading of JSON. A scan of our own goes first: it refuses what json-c would let pass (a
// key twice in one object, of which the last wins; numbers that end up as infinity or at a type's
// limit; single quotes; control characters) and knows the line. json-c then checks the grammar and
// builds the tree. Beyond our reach: a malloc() that fails within json-c 0.16's tokener may crash
// it. text -> [scan, parse] -> option tables, RPC.  RFC 8259.
#include "lib/base/json.h"

#include <offload/units.h>

#include <json-c/json.h>
#include <json-c/json_visit.h>
#include <json-c/printbuf.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DEPTH_MAX = 32,
    NUMBER_MAX = 63,      // characters; a double needs 24
    NEAREST_LEN_MAX = 64, // a longer name gets no suggestion
    SHOWN_MAX = 48,       // bytes of a bad token that a message repeats
};

static const char blanks[] = " \t\r\n";
static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
static const char digits[] = "0123456789";

struct key {
    size_t start, len; // between the quotes, as spelled
};

struct level {
    bool is_object;
    size_t first_key; // index into scan.keys
};

struct scan {
    const char *name, *text;
    size_t len, pos;
    struct level levels[DEPTH_MAX]; // the objects and lists that 'pos' is in
    size_t depth;
    struct key *keys; // of all open objects, the innermost last
    size_t n_keys, size_keys, total_keys;
    size_t longest; // string, as spelled
    struct offload_err *err;
};

// Refuses the byte at 'at', whose place is counted from line 1, column 1.
static int __attribute__((format(printf, 4, 5)))
refuse(struct scan *scan, size_t at, const char *expected, const char *fmt, ...)
{
    unsigned line = 1;
    size_t line_start = 0;
    for (size_t i = 0; i < at; i++) {
        if (scan->text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    char what[256], where[160];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    snprintf(where, sizeof where, "%.120s:%u:%zu", scan->name, line, at - line_start + 1);
    return offload_err_set(scan->err, -EINVAL, where, expected, "%s", what);
}

static int
out_of_memory(struct scan *scan)
{
    return offload_err_set(scan->err, -ENOMEM, scan->name, NULL, "out of memory");
}

static bool
is_one_of(struct scan *scan, size_t at, const char *set)
{
    return at < scan->len && scan->text[at] != '\0' && strchr(set, scan->text[at]);
}

// Returns the first place from 'at' on whose byte is not in 'set'.
static size_t
skip(struct scan *scan, size_t at, const char *set)
{
    while (is_one_of(scan, at, set))
        at++;
    return at;
}

static int
compare_keys(const void *a, const void *b, void *text)
{
    const struct key *x = a, *y = b;
    if (x->len != y->len)
        return x->len < y->len ? -1 : 1;
    int order = memcmp((const char *)text + x->start, (const char *)text + y->start, x->len);
    return order ? order : (x->start > y->start) - (x->start < y->start);
}

// The object that ends here has each key once?
static int
check_keys(struct scan *scan, size_t first_key)
{
    size_t n = scan->n_keys - first_key;
    if (n < 2)
        return 0;
    struct key *keys = scan->keys + first_key;
    qsort_r(keys, n, sizeof *keys, compare_keys, (void *)scan->text);
    for (size_t i = 1; i < n; i++) {
        const char *key = scan->text + keys[i].start;
        if (keys[i].len == keys[i - 1].len &&
            !memcmp(key, scan->text + keys[i - 1].start, keys[i].len))
            return refuse(scan, keys[i].start - 1, "give each key once", "key '%.*s' occurs twice",
                          (int)(keys[i].len < SHOWN_MAX ? keys[i].len : SHOWN_MAX), key);
    }
    return 0;
}

static int
add_key(struct scan *scan, struct key key)
{
    if (scan->n_keys == scan->size_keys) {
        size_t size = scan->size_keys ? 2 * scan->size_keys : 32;
        struct key *keys = realloc(scan->keys, size * sizeof *keys);
        if (!keys)
            return out_of_memory(scan);
        scan->keys = keys;
        scan->size_keys = size;
    }
    scan->keys[scan->n_keys++] = key;
    scan->total_keys++;
    return 0;
}

static int
scan_string(struct scan *scan)
{
    size_t open = scan->pos, at = open + 1;
    while (at < scan->len && scan->text[at] != '"') {
        if ((unsigned char)scan->text[at] < 0x20)
            return refuse(scan, at, "write it as \\n, \\t or \\u00..",
                          "control character 0x%02x in a string", (unsigned char)scan->text[at]);
        at += scan->text[at] == '\\' ? 2 : 1;
    }
    if (at >= scan->len)
        return refuse(scan, open, "end it with '\"'", "the string does not end");
    scan->pos = at + 1;
    scan->longest = at - open > scan->longest ? at - open : scan->longest;

    size_t next = skip(scan, scan->pos, blanks);
    bool is_key = scan->depth > 0 && scan->levels[scan->depth - 1].is_object && next < scan->len &&
                  scan->text[next] == ':';
    return is_key ? add_key(scan, (struct key){open + 1, at - open - 1}) : 0;
}

// RFC 8259 section 6, and held to what a uint64_t, int64_t or double can say.
static int
scan_number(struct scan *scan)
{
    static const char expected[] = "write a JSON number such as 12 or -1.5e3";
    size_t start = scan->pos, at = start + (scan->text[start] == '-');
    size_t whole = at;
    at = skip(scan, at, digits);
    bool valid = at > whole && !(scan->text[whole] == '0' && at > whole + 1);
    bool is_integer = true;
    if (at < scan->len && scan->text[at] == '.') {
        size_t fraction = at + 1;
        at = skip(scan, fraction, digits);
        valid = valid && at > fraction;
        is_integer = false;
    }
    if (is_one_of(scan, at, "eE")) {
        size_t exponent = at + 1;
        exponent += is_one_of(scan, exponent, "+-");
        at = skip(scan, exponent, digits);
        valid = valid && at > exponent;
        is_integer = false;
    }
    size_t len = at - start;
    if (!valid && is_one_of(scan, at, letters))
        return refuse(scan, start, "write a finite number", "not a JSON number");
    if (!valid)
        return refuse(scan, start, expected, "bad number");
    if (len > NUMBER_MAX)
        return refuse(scan, start, "write at most 63", "a number of %zu characters", len);

    char number[NUMBER_MAX + 1];
    memcpy(number, scan->text + start, len);
    number[len] = '\0';
    errno = 0;
    if (is_integer && *number == '-')
        (void)strtoll(number, NULL, 10);
    else if (is_integer)
        (void)strtoull(number, NULL, 10);
    bool fits = errno != ERANGE && (is_integer || isfinite(strtod(number, NULL)));
    if (!fits)
        return refuse(scan, start,
                      is_integer ? "keep integers in 64 bits" : "write a finite number",
                      "%s is too large", number);
    scan->pos = at;
    return 0;
}

static int
scan_word(struct scan *scan)
{
    const char *word = scan->text + scan->pos;
    size_t len = skip(scan, scan->pos, letters) - scan->pos;
    bool known = (len == 4 && (!memcmp(word, "true", 4) || !memcmp(word, "null", 4))) ||
                 (len == 5 && !memcmp(word, "false", 5));
    bool not_finite =
        (len == 3 && !memcmp(word, "NaN", 3)) || (len == 8 && !memcmp(word, "Infinity", 8));
    if (!known)
        return refuse(scan, scan->pos,
                      not_finite ? "write a finite number" : "write true, false, null or quotes",
                      not_finite ? "%.*s is no JSON number" : "unknown word %.*s",
                      (int)(len < SHOWN_MAX ? len : SHOWN_MAX), word);
    scan->pos += len;
    return 0;
}

static int
scan_bracket(struct scan *scan)
{
    char c = scan->text[scan->pos];
    if (c == '{' || c == '[') {
        if (scan->depth == DEPTH_MAX)
            return refuse(scan, scan->pos, "nest at most 32 deep", "nested too deep");
        scan->levels[scan->depth++] = (struct level){c == '{', scan->n_keys};
    } else if (scan->depth == 0) {
        return refuse(scan, scan->pos, NULL, "'%c' closes nothing", c);
    } else {
        struct level *level = &scan->levels[scan->depth - 1];
        int rc = level->is_object ? check_keys(scan, level->first_key) : 0;
        if (rc)
            return rc;
        scan->n_keys = level->first_key;
        scan->depth--;
    }
    scan->pos++;
    return 0;
}

static int
scan_token(struct scan *scan)
{
    unsigned char c = (unsigned char)scan->text[scan->pos];
    if (c == '"')
        return scan_string(scan);
    if (is_one_of(scan, scan->pos, "{}[]"))
        return scan_bracket(scan);
    if (is_one_of(scan, scan->pos, "-0123456789"))
        return scan_number(scan);
    if (is_one_of(scan, scan->pos, letters))
        return scan_word(scan);
    if (c == '\'')
        return refuse(scan, scan->pos, "use double quotes", "single quote");
    if (!is_one_of(scan, scan->pos, ",:"))
        return refuse(scan, scan->pos, "write one JSON value",
                      c > 0x20 && c < 0x7f ? "unexpected '%c'" : "unexpected byte 0x%02x", c);
    scan->pos++;
    return 0;
}

static int
scan_text(struct scan *scan)
{
    int rc = 0;
    scan->pos = skip(scan, 0, blanks);
    if (scan->pos == scan->len)
        return refuse(scan, scan->pos, "write one JSON value", "there is no JSON value");
    while (!rc && scan->pos < scan->len) {
        rc = scan_token(scan);
        scan->pos = skip(scan, scan->pos, blanks);
    }
    if (!rc && scan->depth > 0)
        return refuse(scan, scan->len, NULL, "the text ends inside %s",
                      scan->levels[scan->depth - 1].is_object ? "an object" : "a list");
    return rc;
}

// What json-c's error means after the scan has passed, in our words.
static const char *
describe_error(enum json_tokener_error error, const char **expected)
{
    switch (error) {
    case json_tokener_error_parse_array:
        *expected = "write ',' or ']'";
        return "bad list";
    case json_tokener_error_parse_object_key_name:
        *expected = "write a key in double quotes";
        return "bad key";
    case json_tokener_error_parse_object_key_sep:
        *expected = "write ':'";
        return "no ':' after a key";
    case json_tokener_error_parse_object_value_sep:
        *expected = "write ',' or '}'";
        return "bad object";
    case json_tokener_error_parse_string:
        *expected = "escape by \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\uXXXX";
        return "bad escape in a string";
    case json_tokener_error_parse_utf8_string:
        *expected = "write UTF-8";
        return "invalid UTF-8";
    default:
        *expected = "write exactly one JSON value";
        return "bad JSON";
    }
}

static int
count_keys(struct json_object *object, int flags, struct json_object *parent, const char *key,
           size_t *index, void *total)
{
    (void)object, (void)parent, (void)index;
    *(size_t *)total += key && !(flags & JSON_C_VISIT_SECOND);
    return JSON_C_VISIT_RETURN_CONTINUE;
}

// Two spellings of one key ("a" and "\u0061") are only seen as one by json-c, which drops the
// first.
static int
check_spellings(struct scan *scan, struct json_object *value)
{
    size_t total = 0;
    json_c_visit(value, 0, count_keys, &total);
    return total == scan->total_keys ? 0
                                     : offload_err_set(scan->err, -EINVAL, scan->name,
                                                       "give each key once, without \\u0000",
                                                       "a key occurs twice, spelled with escapes");
}

// Returns a tokener that holds the longest string already: json-c 0.16 does not look whether its
// buffer could grow, and would hand out a string with a hole.
static struct json_tokener *
new_tokener(const struct scan *scan)
{
    // json-c counts the value itself as a level.
    struct json_tokener *tok = json_tokener_new_ex(DEPTH_MAX + 1);
    if (tok && printbuf_memset(tok->pb, (int)scan->longest, 0, NUMBER_MAX + 1)) {
        json_tokener_free(tok);
        tok = NULL;
    }
    return tok;
}

static int
parse_scanned(struct scan *scan, struct json_object **value)
{
    struct json_tokener *tok = new_tokener(scan);
    if (!tok)
        return out_of_memory(scan);
    json_tokener_set_flags(tok, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *parsed = json_tokener_parse_ex(tok, scan->text, (int)scan->len);
    enum json_tokener_error error = json_tokener_get_error(tok);
    size_t end = json_tokener_get_parse_end(tok);
    bool ended = error != json_tokener_continue || end == scan->len;
    if (error == json_tokener_continue && ended) {
        // A number or word at the very end is whole only once something follows it.
        parsed = json_tokener_parse_ex(tok, "", 1);
        error = json_tokener_get_error(tok);
        end = scan->len;
    }
    json_tokener_free(tok);

    int rc = 0;
    bool is_null = scan->text[skip(scan, 0, blanks)] == 'n';
    if (!ended || (error == json_tokener_success && !parsed && !is_null)) {
        rc = out_of_memory(scan); // which json-c does not say
    } else if (error != json_tokener_success) {
        const char *expected, *what = describe_error(error, &expected);
        rc = refuse(scan, end < scan->len ? end : scan->len, expected, "%s", what);
    } else if (!parsed) {
        rc = refuse(scan, 0, "write an object, list, string, number or Boolean", "is null");
    } else {
        rc = check_spellings(scan, parsed);
    }
    if (rc)
        json_object_put(parsed);
    else
        *value = parsed;
    return rc;
}

struct json_object *
offload_json_parse(const char *name, const char *text, size_t len, struct offload_err *err)
{
    struct json_object *value = NULL;
    struct scan scan = {.name = name, .text = text, .len = len, .err = err};
    if (len >= INT_MAX)
        offload_err_set(err, -EFBIG, name, "keep it below 2 GiB", "%zu bytes are too many", len);
    else if (scan_text(&scan) == 0)
        parse_scanned(&scan, &value);
    free(scan.keys);
    return value;
}

static int
load_error(const char *path, int code, struct offload_err *err)
{
    return offload_err_set(err, code, path, NULL, "could not be read: %s", strerror(-code));
}

static int
read_all(int fd, const char *path, char *text, size_t *len, struct offload_err *err)
{
    size_t used = 0;
    while (used < *len) {
        ssize_t n = read(fd, text + used, *len - used);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return load_error(path, -errno, err);
        if (n == 0)
            break;
        used += (size_t)n;
    }
    *len = used;
    return 0;
}

struct json_object *
offload_json_load(const char *path, size_t max_bytes, struct offload_err *err)
{
    struct json_object *value = NULL;
    char *text = NULL;
    // O_NONBLOCK: a pipe without a writer must not hold a daemon's start.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st)) {
        load_error(path, -errno, err);
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        offload_err_set(err, -EINVAL, path, "name a regular file", "is no file");
        goto out;
    }
    if ((uintmax_t)st.st_size > max_bytes) {
        offload_err_set(err, -EFBIG, path, NULL, "%jd bytes are above the limit of %zu",
                        (intmax_t)st.st_size, max_bytes);
        goto out;
    }
    size_t len = (size_t)st.st_size;
    text = malloc(len + 1);
    if (!text) {
        offload_err_set(err, -ENOMEM, path, NULL, "out of memory");
        goto out;
    }
    if (read_all(fd, path, text, &len, err) == 0)
        value = offload_json_parse(path, text, len, err);
out:
    free(text);
    if (fd >= 0)
        close(fd);
    return value;
}

char *
offload_json_path(char *buf, size_t size, const char *path, const char *key)
{
    snprintf(buf, size, "%s%s%s", path, *path ? "." : "", key);
    return buf;
}

char *
offload_json_path_index(char *buf, size_t size, const char *path, size_t index)
{
    snprintf(buf, size, "%s[%zu]", path, index);
    return buf;
}

bool
offload_name_valid(const char *name)
{
    size_t len = 0;
    for (; name[len]; len++) {
        bool alnum = strchr(letters, name[len]) || strchr(digits, name[len]);
        if (!alnum && (len == 0 || (name[len] != '-' && name[len] != '_')))
            return false;
        if (len == OFFLOAD_NAME_MAX)
            return false;
    }
    return len > 0;
}

// Levenshtein's distance, two rows. 'b' is at most NEAREST_LEN_MAX long.
static size_t
edit_distance(const char *a, const char *b)
{
    size_t row[NEAREST_LEN_MAX + 1], len_b = strlen(b);
    for (size_t j = 0; j <= len_b; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            size_t other = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < other ? change : other;
        }
    }
    return row[len_b];
}

const char *
offload_nearest(const char *name, const char *const *known)
{
    size_t len = strlen(name);
    if (len > NEAREST_LEN_MAX)
        return NULL;
    size_t best = (len / 3 > 2 ? len / 3 : 2) + 1;
    const char *nearest = NULL;
    for (; *known; known++) {
        if (strlen(*known) > NEAREST_LEN_MAX)
            continue;
        size_t distance = edit_distance(name, *known);
        // A name as far away as it is long shares nothing with it.
        if (distance < best && distance < strlen(*known)) {
            best = distance;
            nearest = *known;
        }
    }
    return nearest;
}
