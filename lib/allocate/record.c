// SPDX-License-Identifier: Apache-2.0
// A decision as one line of JSON, and back: what was known, what was chosen, what came of it.
// Replayed, the same line gives
// the same plan to the bit.  state, plan -> [record] -> plan log -> [record] -> state, plan.  Pure.
//
// Numbers are written so that reading them gives the very same double: in at most six decimals
// where that does it (the manager rounds what it measures to such), else in 17 digits. What an
// agent learns changes with each step; so of agents that learn the chosen actions and moves are
// taken from the record, all others choose anew.
#include <offload/allocate.h>

#include <json-c/json.h>

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char card_columns[] =
    "[\"card\",\"server\",\"cycles_per_s\",\"bandwidth_bps\",\"memory_bytes\",\"held_cpu_pct\","
    "\"held_bandwidth_bps\",\"held_memory_bytes\",\"down\",\"draining\",\"hot_ticks\"]";
static const char app_columns[] =
    "[\"app\",\"card\",\"class\",\"weight\",\"min_bps\",\"max_bps\",\"max_delay_s\","
    "\"max_loss_frac\",\"cycles_per_byte\",\"burst_bytes\",\"state_bytes\",\"fixed_cpu_pct\","
    "\"fixed_bandwidth_bps\",\"fixed_memory_bytes\",\"now_cpu_pct\",\"now_bandwidth_bps\","
    "\"now_memory_bytes\",\"offered_bps\",\"before_bps\",\"p50_bps\",\"p90_bps\",\"p99_bps\","
    "\"ahead_p50_bps\",\"ahead_p90_bps\",\"ahead_p99_bps\",\"lent\",\"breached\",\"moving\","
    "\"moved_ns\",\"wanted\",\"level_bps\"]";

// ---- writing

struct text {
    char *buf;
    size_t len, size;
    bool failed;
};

static bool
reserve(struct text *t, size_t more)
{
    if (t->len + more + 1 <= t->size)
        return true;
    size_t size = t->size ? t->size : 4096;
    while (size < t->len + more + 1)
        size *= 2;
    char *grown = t->failed ? NULL : realloc(t->buf, size);
    if (!grown) {
        t->failed = true;
        return false;
    }
    t->buf = grown;
    t->size = size;
    return true;
}

static void
put(struct text *t, const char *bytes, size_t n)
{
    if (!reserve(t, n))
        return;
    memcpy(t->buf + t->len, bytes, n);
    t->len += n;
}

#define PUT(t, literal) put((t), (literal), sizeof(literal) - 1)

static void
put_count(struct text *t, uint64_t value)
{
    char digits[20];
    size_t n = sizeof digits;
    do
        digits[--n] = (char)('0' + value % 10);
    while (value /= 10);
    put(t, digits + n, sizeof digits - n);
}

// Six decimals without the zeros at their end.
static void
put_micros(struct text *t, uint64_t micros)
{
    char fraction[7] = ".000000";
    put_count(t, micros / 1000000);
    uint64_t rest = micros % 1000000;
    size_t n = 7;
    for (int i = 6; i > 0; i--, rest /= 10)
        fraction[i] = (char)('0' + rest % 10);
    while (n > 1 && fraction[n - 1] == '0')
        n--;
    put(t, fraction, n > 1 ? n : 0);
}

static void
put_double(struct text *t, double value)
{
    char digits[40];
    double size = fabs(value), micros = rint(size * 1e6);
    if (isnan(value)) {
        PUT(t, "null");
    } else if (micros < 9e15 && micros / 1e6 == size) {
        if (signbit(value))
            PUT(t, "-");
        put_micros(t, (uint64_t)micros);
        if (signbit(value) && micros == 0)
            PUT(t, ".0"); // a bare -0 would be read as the integer 0
    } else {
        int n = snprintf(digits, sizeof digits,
                         isinf(value) ? (value > 0 ? "1e999" : "-1e999") : "%.17g", value);
        put(t, digits, (size_t)n);
    }
}

static void
put_text(struct text *t, const char *value)
{
    PUT(t, "\"");
    for (; *value; value++) {
        char escaped[8];
        if (*value == '"' || *value == '\\')
            PUT(t, "\\");
        if ((unsigned char)*value < 0x20)
            put(t, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", *value));
        else
            put(t, value, 1);
    }
    PUT(t, "\"");
}

static void
put_bool(struct text *t, bool value)
{
    put(t, value ? "1" : "0", 1);
}

static void
put_index(struct text *t, uint32_t index)
{
    if (index == ALLOC_NONE)
        PUT(t, "null");
    else
        put_count(t, index);
}

static void
put_share(struct text *t, const struct alloc_share *share)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++) {
        PUT(t, ",");
        put_double(t, share->amount[r]);
    }
}

static void
put_doubles(struct text *t, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        PUT(t, ",");
        put_double(t, values[i]);
    }
}

static void
put_policy(struct text *t, const struct alloc_policy *p)
{
    const double values[] = {p->headroom,       p->max_change_pct, p->deadband_pct,
                             p->move_above_pct, p->move_below_pct, p->cooldown_s};
    PUT(t, "[");
    put_count(t, p->move_after_ticks);
    PUT(t, ",");
    put_bool(t, p->lent);
    put_doubles(t, values, sizeof values / sizeof *values);
    PUT(t, ",");
    put_double(t, p->move_delay_s);
    PUT(t, ",");
    put_double(t, p->move_steps);
    PUT(t, "]");
}

static void
put_card(struct text *t, const struct alloc_card *card)
{
    PUT(t, "[");
    put_text(t, card->name);
    PUT(t, ",");
    put_text(t, card->server);
    PUT(t, ",");
    put_double(t, card->cycles_per_s);
    put_doubles(t, &card->capacity.amount[ALLOC_BANDWIDTH], 2);
    put_share(t, &card->held);
    PUT(t, ",");
    put_bool(t, card->down);
    PUT(t, ",");
    put_bool(t, card->draining);
    PUT(t, ",");
    put_count(t, card->hot_ticks);
    PUT(t, "]");
}

static void
put_app(struct text *t, const struct alloc_app *a)
{
    const double sla[] = {a->weight,        a->min_bps,         a->max_bps,     a->max_delay_s,
                          a->max_loss_frac, a->cycles_per_byte, a->burst_bytes, a->state_bytes};
    const double load[] = {a->offered_bps, a->before_bps, a->demand.p50, a->demand.p90,
                           a->demand.p99,  a->ahead.p50,  a->ahead.p90,  a->ahead.p99};
    PUT(t, "[");
    put_text(t, a->name);
    PUT(t, ",");
    put_count(t, a->card);
    PUT(t, ",");
    put_count(t, a->class);
    put_doubles(t, sla, sizeof sla / sizeof *sla);
    put_share(t, &a->fixed);
    put_share(t, &a->now);
    put_doubles(t, load, sizeof load / sizeof *load);
    PUT(t, ",");
    put_bool(t, a->lent);
    PUT(t, ",");
    put_bool(t, a->breached);
    PUT(t, ",");
    put_bool(t, a->moving);
    PUT(t, ",");
    put_count(t, a->moved_ns);
    PUT(t, ",");
    put_index(t, a->wanted);
    if (a->level[0] > 0) { // a NAN is none
        PUT(t, ",[");
        put_double(t, a->level[0]);
        put_doubles(t, a->level + 1, ALLOC_LEVELS - 1);
        PUT(t, "]");
    }
    PUT(t, "]");
}

static void
put_inputs(struct text *t, const struct alloc_state *state)
{
    PUT(t, "\"inputs\":{\"policy\":");
    put_policy(t, &state->policy);
    PUT(t, ",\"card_columns\":");
    put(t, card_columns, sizeof card_columns - 1);
    PUT(t, ",\"cards\":[");
    for (uint32_t c = 0; c < state->n_cards; c++) {
        if (c)
            PUT(t, ",");
        put_card(t, &state->cards[c]);
    }
    PUT(t, "],\"app_columns\":");
    put(t, app_columns, sizeof app_columns - 1);
    PUT(t, ",\"apps\":[");
    for (uint32_t a = 0; a < state->n_apps; a++) {
        if (a)
            PUT(t, ",");
        put_app(t, &state->apps[a]);
    }
    PUT(t, "]}");
}

static bool
changes(const struct alloc_state *state, const struct alloc_plan *plan, uint32_t a)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        if (plan->entries[a].share.amount[r] != state->apps[a].now.amount[r])
            return true;
    return false;
}

static void
put_changes(struct text *t, const struct alloc_state *state, const struct alloc_plan *plan)
{
    bool any = false;
    PUT(t, "\"changes\":[");
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        if (!changes(state, plan, a))
            continue;
        if (any)
            PUT(t, ",");
        any = true;
        PUT(t, "[");
        put_text(t, state->apps[a].name);
        PUT(t, ",");
        put_text(t, state->cards[plan->entries[a].card].name);
        put_share(t, &plan->entries[a].share);
        PUT(t, "]");
    }
    PUT(t, "]");
}

static void
put_moves(struct text *t, const struct alloc_state *state, const struct alloc_plan *plan)
{
    bool any = false;
    PUT(t, "\"moves\":[");
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        const struct alloc_entry *e = &plan->entries[a];
        if (e->chosen == ALLOC_NONE)
            continue;
        if (any)
            PUT(t, ",");
        any = true;
        PUT(t, "{\"app\":");
        put_text(t, state->apps[a].name);
        PUT(t, ",\"from\":");
        put_text(t, state->cards[e->card].name);
        PUT(t, ",\"to\":");
        put_index(t, e->chosen);
        PUT(t, ",\"refused\":");
        put(t, e->refused ? "true" : "false", e->refused ? 4 : 5);
        PUT(t, ",\"reason\":");
        put_text(t, e->reason);
        PUT(t, "}");
    }
    PUT(t, "]");
}

static uint64_t
mix(uint64_t hash, const void *bytes, size_t n)
{
    for (const unsigned char *b = bytes; n > 0; n--, b++)
        hash = (hash ^ *b) * 0x100000001b3; // FNV-1a
    return hash;
}

uint64_t
alloc_plan_digest(const struct alloc_plan *plan)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (uint32_t a = 0; a < plan->n_entries; a++) {
        const struct alloc_entry *e = &plan->entries[a];
        hash = mix(hash, &e->card, sizeof e->card);
        hash = mix(hash, &e->to, sizeof e->to);
        hash = mix(hash, &e->share, sizeof e->share);
        hash = mix(hash, &e->to_share, sizeof e->to_share);
        hash = mix(hash, e->limit, sizeof e->limit);
    }
    return hash;
}

static void
put_head(struct text *t, const struct alloc_plan *plan, const struct alloc_verdict *verdict)
{
    char digest[17];
    PUT(t, "{\"plan\":");
    put_count(t, plan->number);
    PUT(t, ",\"term\":");
    put_count(t, plan->term);
    PUT(t, ",\"time_ns\":");
    put_count(t, plan->time_ns);
    PUT(t, ",\"agent\":");
    put_text(t, plan->agent);
    PUT(t, ",\"seed\":");
    put_count(t, plan->seed);
    PUT(t, ",\"checkpoint_sha256\":");
    put_text(t, verdict->checkpoint_sha256);
    PUT(t, ",\"applied\":");
    put(t, verdict->applied ? "true" : "false", verdict->applied ? 4 : 5);
    PUT(t, ",\"error\":");
    put_text(t, verdict->error);
    PUT(t, ",\"digest\":");
    snprintf(digest, sizeof digest, "%016" PRIx64, alloc_plan_digest(plan));
    put_text(t, digest);
    PUT(t, ",");
}

char *
alloc_record_format(const struct alloc_state *state, const struct alloc_plan *plan,
                    const struct alloc_verdict *verdict, size_t *len)
{
    struct text t = {.buf = NULL};
    put_head(&t, plan, verdict);
    put_changes(&t, state, plan);
    PUT(&t, ",");
    put_moves(&t, state, plan);
    PUT(&t, ",\"action\":[");
    for (uint32_t c = 0; c < plan->n_cards; c++) {
        if (c)
            PUT(&t, ",");
        put_index(&t, plan->action[c]);
    }
    PUT(&t, "],");
    put_inputs(&t, state);
    PUT(&t, "}\n");
    if (t.failed) {
        free(t.buf);
        return NULL;
    }
    t.buf[t.len] = '\0';
    *len = t.len;
    return t.buf;
}

// ---- reading

// Walks a row's values in the order in which they were written; 'bad' once one is missing or no
// number.
struct row {
    struct json_object *array;
    size_t at;
    bool bad;
};

static struct json_object *
next(struct row *row)
{
    row->bad |= !json_object_is_type(row->array, json_type_array) ||
                row->at >= json_object_array_length(row->array);
    return row->bad ? NULL : json_object_array_get_idx(row->array, row->at++);
}

static bool
more(const struct row *row)
{
    return !row->bad && row->at < json_object_array_length(row->array);
}

static double
next_double(struct row *row)
{
    struct json_object *value = next(row);
    if (!value)
        return NAN;
    row->bad |=
        !json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double);
    return json_object_get_double(value);
}

static uint64_t
next_count(struct row *row, uint64_t most)
{
    struct json_object *value = next(row);
    row->bad |= !json_object_is_type(value, json_type_int);
    uint64_t count = row->bad ? 0 : json_object_get_uint64(value);
    row->bad |= count > most;
    return row->bad ? 0 : count;
}

static uint32_t
next_index(struct row *row, uint32_t n)
{
    struct json_object *value = next(row);
    if (!value)
        return ALLOC_NONE;
    row->at--;
    return n ? (uint32_t)next_count(row, n - 1) : ALLOC_NONE;
}

static void
next_name(struct row *row, char *to, size_t size)
{
    struct json_object *value = next(row);
    row->bad |= !json_object_is_type(value, json_type_string) ||
                (size_t)json_object_get_string_len(value) >= size;
    if (!row->bad)
        strcpy(to, json_object_get_string(value));
}

static void
next_share(struct row *row, struct alloc_share *share)
{
    for (int r = 0; r < ALLOC_N_RESOURCES; r++)
        share->amount[r] = next_double(row);
}

static struct json_object *
member(struct json_object *object, const char *key)
{
    struct json_object *value = NULL;
    return json_object_is_type(object, json_type_object) &&
                   json_object_object_get_ex(object, key, &value)
               ? value
               : NULL;
}

static bool
read_policy(struct json_object *array, struct alloc_policy *p)
{
    struct row row = {.array = array};
    *p = alloc_policy_default;
    p->move_after_ticks = (unsigned)next_count(&row, 1000000);
    p->lent = next_count(&row, 1);
    p->headroom = next_double(&row);
    p->max_change_pct = next_double(&row);
    p->deadband_pct = next_double(&row);
    p->move_above_pct = next_double(&row);
    p->move_below_pct = next_double(&row);
    p->cooldown_s = next_double(&row);
    p->move_delay_s = more(&row) ? next_double(&row) : 0; // older lines end here, or one later
    p->move_steps = more(&row) ? next_double(&row) : 0;
    return !row.bad;
}

static bool
read_card(struct json_object *array, struct alloc_card *card)
{
    struct row row = {.array = array};
    next_name(&row, card->name, sizeof card->name);
    next_name(&row, card->server, sizeof card->server);
    card->cycles_per_s = next_double(&row);
    card->capacity.amount[ALLOC_CPU] = 100;
    card->capacity.amount[ALLOC_BANDWIDTH] = next_double(&row);
    card->capacity.amount[ALLOC_MEMORY] = next_double(&row);
    next_share(&row, &card->held);
    card->down = next_count(&row, 1);
    card->draining = next_count(&row, 1);
    card->hot_ticks = (unsigned)next_count(&row, UINT32_MAX);
    // Deciding counted it up, or to 0.
    card->hot_ticks -= card->hot_ticks > 0;
    return !row.bad && card->cycles_per_s > 0 && card->capacity.amount[ALLOC_BANDWIDTH] > 0 &&
           card->capacity.amount[ALLOC_MEMORY] > 0;
}

static bool
read_levels(struct row *from, struct alloc_app *a)
{
    struct row row = {.array = next(from)};
    for (unsigned i = 0; i < ALLOC_LEVELS; i++)
        a->level[i] = next_double(&row);
    return !row.bad;
}

static bool
read_app(struct json_object *array, uint32_t n_cards, struct alloc_app *a)
{
    struct row row = {.array = array};
    next_name(&row, a->name, sizeof a->name);
    a->card = n_cards ? (uint32_t)next_count(&row, n_cards - 1) : 0;
    a->class = (enum alloc_class)next_count(&row, ALLOC_N_CLASSES - 1);
    double *const sla[] = {&a->weight,      &a->min_bps,       &a->max_bps,
                           &a->max_delay_s, &a->max_loss_frac, &a->cycles_per_byte,
                           &a->burst_bytes, &a->state_bytes};
    for (size_t i = 0; i < sizeof sla / sizeof *sla; i++)
        *sla[i] = next_double(&row);
    next_share(&row, &a->fixed);
    next_share(&row, &a->now);
    double *const load[] = {&a->offered_bps, &a->before_bps, &a->demand.p50, &a->demand.p90,
                            &a->demand.p99,  &a->ahead.p50,  &a->ahead.p90,  &a->ahead.p99};
    for (size_t i = 0; i < sizeof load / sizeof *load; i++)
        *load[i] = next_double(&row);
    a->lent = next_count(&row, 1);
    a->breached = next_count(&row, 1);
    a->moving = next_count(&row, 1);
    a->moved_ns = next_count(&row, UINT64_MAX);
    a->wanted = next_index(&row, n_cards);
    if (more(&row)) // else there were none
        row.bad |= !read_levels(&row, a);
    return !row.bad && n_cards > 0;
}

static struct alloc_state *
read_state(struct json_object *record)
{
    struct json_object *inputs = member(record, "inputs");
    struct json_object *cards = member(inputs, "cards"), *apps = member(inputs, "apps");
    if (!json_object_is_type(cards, json_type_array) || !json_object_is_type(apps, json_type_array))
        return NULL;
    struct alloc_state *state = alloc_state_create((uint32_t)json_object_array_length(cards),
                                                   (uint32_t)json_object_array_length(apps));
    if (!state)
        return NULL;
    bool good = read_policy(member(inputs, "policy"), &state->policy);
    for (uint32_t c = 0; good && c < state->n_cards; c++)
        good = read_card(json_object_array_get_idx(cards, c), &state->cards[c]);
    for (uint32_t a = 0; good && a < state->n_apps; a++)
        good = read_app(json_object_array_get_idx(apps, a), state->n_cards, &state->apps[a]);
    if (!good) {
        alloc_state_destroy(state);
        return NULL;
    }
    state->time_ns = json_object_get_uint64(member(record, "time_ns"));
    alloc_state_index(state);
    return state;
}

static uint32_t
find_app(const struct alloc_state *state, const char *name)
{
    for (uint32_t a = 0; name && a < state->n_apps; a++)
        if (!strcmp(state->apps[a].name, name))
            return a;
    return ALLOC_NONE;
}

// What an agent that learns chose then.
static void
read_choice(struct json_object *record, const struct alloc_state *state, struct alloc_plan *plan)
{
    struct json_object *moves = member(record, "moves");
    struct row actions = {.array = member(record, "action")};
    for (uint32_t c = 0; c < plan->n_cards; c++)
        plan->action[c] = next_index(&actions, UINT32_MAX);
    size_t n = json_object_is_type(moves, json_type_array) ? json_object_array_length(moves) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *move = json_object_array_get_idx(moves, i);
        uint32_t a = find_app(state, json_object_get_string(member(move, "app")));
        if (a == ALLOC_NONE)
            continue;
        plan->entries[a].to = (uint32_t)json_object_get_int64(member(move, "to"));
        snprintf(plan->entries[a].reason, ALLOC_REASON_MAX, "%.150s",
                 json_object_get_string(member(move, "reason")));
    }
}

static int
decide_again(struct json_object *record, struct alloc_state *state, struct alloc_plan *plan,
             struct offload_err *err)
{
    struct alloc_agent agent;
    struct alloc_agent_params params = {.seed = plan->seed, .n_cards = state->n_cards};
    int rc = alloc_agent_create(plan->agent, &params, &agent, err);
    if (rc)
        return rc;
    if (agent.ops->learn) {
        read_choice(record, state, plan);
        alloc_decide_as(&agent, state, plan);
    } else {
        alloc_decide(&agent, state, plan);
    }
    alloc_agent_destroy(&agent);
    return 0;
}

// Who decides otherwise: for the explanation.
static void
note_baseline(const struct alloc_state *state, struct alloc_plan *plan)
{
    struct alloc_agent_params params = {.seed = plan->seed, .n_cards = state->n_cards};
    struct alloc_agent agent;
    struct alloc_state *copy = alloc_state_clone(state);
    struct alloc_plan *other =
        copy ? alloc_plan_create(copy, plan->number, plan->term, plan->seed) : NULL;
    if (other && !alloc_agent_create("proportional", &params, &agent, NULL)) {
        alloc_decide(&agent, copy, other);
        for (uint32_t a = 0; a < plan->n_entries; a++)
            plan->entries[a].baseline = other->entries[a].share;
        alloc_agent_destroy(&agent);
    }
    alloc_plan_destroy(other);
    alloc_state_destroy(copy);
}

int
alloc_record_replay(struct json_object *record, struct alloc_replay *out, struct offload_err *err)
{
    *out = (struct alloc_replay){.state = read_state(record)};
    if (!out->state)
        return offload_err_set(err, -EINVAL, NULL, "a line as offload_manager writes it",
                               "the record has no inputs that can be read");
    out->plan = alloc_plan_create(out->state, json_object_get_uint64(member(record, "plan")),
                                  json_object_get_uint64(member(record, "term")),
                                  json_object_get_uint64(member(record, "seed")));
    struct alloc_state *before = alloc_state_clone(out->state);
    int rc = out->plan && before ? 0 : -ENOMEM;
    if (!rc) {
        const char *agent = json_object_get_string(member(record, "agent"));
        snprintf(out->plan->agent, sizeof out->plan->agent, "%s", agent ? agent : "");
        rc = decide_again(record, out->state, out->plan, err);
    }
    if (!rc) {
        const char *digest = json_object_get_string(member(record, "digest"));
        out->same = digest && strtoull(digest, NULL, 16) == alloc_plan_digest(out->plan);
        if (strcmp(out->plan->agent, "proportional"))
            note_baseline(before, out->plan);
    }
    alloc_state_destroy(before);
    if (rc)
        alloc_replay_fini(out);
    return rc;
}

void
alloc_replay_fini(struct alloc_replay *replay)
{
    alloc_plan_destroy(replay->plan);
    alloc_state_destroy(replay->state);
    *replay = (struct alloc_replay){0};
}
