#include "fuzz/explore/explorer/explorer.h"

#include "alloc/conformance/calls.h"
#include "cli/clock.h"
#include "fuzz/oracle/walk_guard.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

typedef struct hash {
    uint64_t low, high;
} hash;

typedef struct node {
    uint32_t parent, move;
    uint32_t edges_end; // of an explored node: the end of its edges
} node;

// A growable array of bytes or edges.
typedef struct row {
    void *items;
    size_t count, capacity;
} row;

static struct explorer {
    explorer_world *world;
    hash *hashes; // open addressing; all zero: vacant
    uint32_t *ids;
    size_t slots;
    row nodes, edges;
    row layer, next; // bytes of the states of this depth, and of the next
    uint32_t layer_first[EXPLORER_DEPTH_MAX + 2]; // the first state of each depth
    uint32_t at, move; // the current state and move, for a violation; move 0: none
    uint32_t depth;
    bool refuse;
    const trace *trace; // or the trace to replay
    double begun;
    volatile sig_atomic_t ticks;
    sigjmp_buf trapped;
} explorer;

// ---- Rows ---------------------------------------------------------------------------------------

static void *row_add(row *r, size_t count, size_t size) {
    if (r->count + count > r->capacity) {
        size_t capacity = 2 * (r->count + count) + 1024;
        void *items = realloc(r->items, capacity * size);
        if (!items) return NULL;
        r->items = items;
        r->capacity = capacity;
    }
    r->count += count;
    return (unsigned char *)r->items + (r->count - count) * size;
}

static void row_free(row *r) {
    free(r->items);
    *r = (row){0};
}

static node *node_at(uint32_t id) {
    return (node *)explorer.nodes.items + id;
}

// ---- Seen states --------------------------------------------------------------------------------

static uint64_t fold(uint64_t a, uint64_t b) {
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

// Two lanes of multiply and fold, each of which sees every word.
static hash hash_of(const unsigned char *bytes, size_t count) {
    const uint64_t k1 = UINT64_C(0x9E3779B97F4A7C15), k2 = UINT64_C(0xD6E8FEB86659FD93);
    uint64_t a = k1 ^ count, b = k2 + count, word = 0;
    for (size_t at = 0; at < count; at += sizeof word, word = 0) {
        memcpy(&word, bytes + at, count - at < sizeof word ? count - at : sizeof word);
        a = fold(a ^ word, k2) + (b >> 32);
        b = (b ^ word) * k1;
        b ^= b >> 29;
    }
    hash h = {fold(a ^ b, k1), fold(b + k2, a | 1) ^ b};
    h.high |= (h.low | h.high) == 0;
    return h;
}

static size_t slot_of(hash h) {
    size_t slot = h.low & (explorer.slots - 1);
    while ((explorer.hashes[slot].low | explorer.hashes[slot].high) &&
           (explorer.hashes[slot].low != h.low || explorer.hashes[slot].high != h.high))
        slot = (slot + 1) & (explorer.slots - 1);
    return slot;
}

// Whether the memory limit leaves `more` bytes, beside the states and the counters of sequences.
static bool has_room(size_t more) {
    size_t bytes = explorer.slots * (sizeof(hash) + sizeof(uint32_t)) +
                   explorer.nodes.count * (sizeof(node) + 2 * sizeof(uint64_t)) +
                   explorer.edges.count * sizeof(uint32_t) + explorer.layer.count +
                   explorer.next.count;
    uint64_t most = explorer.world->memory_bytes;
    return most == 0 || (bytes <= most && more <= most - bytes);
}

static bool grow_slots(void) {
    hash *old = explorer.hashes;
    uint32_t *ids = explorer.ids;
    size_t count = explorer.slots, more = count ? 2 * count : 1 << 16;
    if (!has_room(more * (sizeof(hash) + sizeof(uint32_t)))) return false;
    explorer.slots = more;
    explorer.hashes = calloc(explorer.slots, sizeof(hash));
    explorer.ids = calloc(explorer.slots, sizeof(uint32_t));
    if (!explorer.hashes || !explorer.ids) return false;
    for (size_t i = 0; i < count; i++) {
        if (!(old[i].low | old[i].high)) continue;
        size_t slot = slot_of(old[i]);
        explorer.hashes[slot] = old[i];
        explorer.ids[slot] = ids[i];
    }
    free(old);
    free(ids);
    return true;
}

typedef enum seen { SEEN, NEW, NO_MEMORY } seen;

// Adds a state unless it was seen, and its bytes if it is to be explored. Sets its id.
static seen enter(const unsigned char *state, size_t bytes, bool keep, uint32_t *id) {
    if (2 * explorer.nodes.count >= explorer.slots && !grow_slots()) return NO_MEMORY;
    size_t key_bytes = explorer.world->key_bytes;
    hash h = hash_of(state, key_bytes ? key_bytes : bytes);
    size_t slot = slot_of(h);
    if (explorer.hashes[slot].low | explorer.hashes[slot].high) {
        *id = explorer.ids[slot];
        return SEEN;
    }
    *id = (uint32_t)explorer.nodes.count;
    explorer.hashes[slot] = h;
    explorer.ids[slot] = *id;
    node *n = row_add(&explorer.nodes, 1, sizeof(node));
    if (!n) return NO_MEMORY;
    *n = (node){explorer.at, explorer.move, 0};
    if (!keep) return NEW;
    uint32_t length = (uint32_t)bytes;
    unsigned char *to = row_add(&explorer.next, sizeof length + bytes, 1);
    if (!to) return NO_MEMORY;
    memcpy(to, &length, sizeof length);
    memcpy(to + sizeof length, state, bytes);
    return NEW;
}

// ---- Exploring ----------------------------------------------------------------------------------

typedef enum outcome { ALL_HOLDS, VIOLATION, OUT_OF_MEMORY } outcome;

// Plays a move in the loaded state.
static outcome try_move(bool keep, exploration *result) {
    static unsigned char state[EXPLORER_STATE_BYTES_MAX];
    explorer_world *w = explorer.world;
    size_t bytes;
    uint32_t id;
    explorer.ticks = 0;
    result->moves++;
    if (!w->play(w, explorer.move, state, &bytes)) return VIOLATION;
    seen s = enter(state, bytes, keep, &id);
    uint32_t *edge = s == NO_MEMORY ? NULL : row_add(&explorer.edges, 1, sizeof(uint32_t));
    if (!edge) return OUT_OF_MEMORY;
    *edge = id;
    if (s == SEEN) return ALL_HOLDS;
    return w->end(w) ? ALL_HOLDS : VIOLATION;
}

// Plays all moves of a state and, with `refuse`, each again with each of its growths failing.
static outcome explore_state(const unsigned char *state, size_t bytes, bool keep, bool refuse,
                             exploration *result) {
    explorer_world *w = explorer.world;
    uint32_t moves[EXPLORER_MOVES_MAX];
    explorer.ticks = 0;
    explorer.move = 0;
    w->load(w, state, bytes);
    uint32_t count = w->moves(w, moves);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t move = moves[i]; move; move = refuse ? w->refused(w, move) : 0) {
            explorer.move = move;
            outcome o = try_move(keep, result);
            if (o != ALL_HOLDS) return o;
        }
    }
    node_at(explorer.at)->edges_end = (uint32_t)explorer.edges.count;
    return ALL_HOLDS;
}

static outcome explore_layer(bool keep, bool refuse, exploration *result) {
    const unsigned char *at = explorer.layer.items, *end = at + explorer.layer.count;
    for (uint32_t bytes; at < end; at += bytes, explorer.at++) {
        if (!has_room(0)) return OUT_OF_MEMORY;
        memcpy(&bytes, at, sizeof bytes);
        at += sizeof bytes;
        outcome o = explore_state(at, bytes, keep, refuse, result);
        if (o != ALL_HOLDS) return o;
    }
    return ALL_HOLDS;
}

// Counts the sequences to each state, one depth after the other.
static bool count_sequences(exploration *result) {
    size_t states = explorer.nodes.count;
    uint64_t *now = calloc(states, sizeof *now), *then = calloc(states, sizeof *then);
    const uint32_t *edges = explorer.edges.items;
    bool counted = now && then;
    if (counted) now[0] = 1;
    result->sequences = 0;
    for (uint32_t d = 0; counted && d < result->depth; d++) {
        memset(then, 0, states * sizeof *then);
        for (uint32_t id = 0, at = 0; id < explorer.layer_first[d + 1]; id++) {
            result->sequences += now[id] * (node_at(id)->edges_end - at);
            for (; at < node_at(id)->edges_end; at++)
                then[edges[at]] += now[id];
        }
        uint64_t *swapped = now;
        now = then;
        then = swapped;
    }
    free(now);
    free(then);
    return counted;
}

static bool tell_so_far(exploration *result) {
    explorer_world *w = explorer.world;
    result->states = explorer.nodes.count;
    result->seconds = clock_seconds() - explorer.begun;
    if (!w->told) return true;
    bool counted = count_sequences(result);
    if (counted) w->told(w, result);
    return counted;
}

static outcome explore(exploration *result) {
    static unsigned char state[EXPLORER_STATE_BYTES_MAX];
    explorer_world *w = explorer.world;
    size_t bytes;
    uint32_t id;
    if (!w->begin(w, state, &bytes)) return VIOLATION;
    if (enter(state, bytes, true, &id) == NO_MEMORY) return OUT_OF_MEMORY;
    if (!w->end(w)) return VIOLATION;
    uint32_t depth = explorer.depth;
    for (uint32_t d = 0; d < depth; d++) {
        row_free(&explorer.layer);
        explorer.layer = explorer.next;
        explorer.next = (row){0};
        explorer.layer_first[d] = explorer.at;
        explorer.layer_first[d + 1] = (uint32_t)explorer.nodes.count;
        outcome o = explore_layer(d + 1 < depth, explorer.refuse, result);
        if (o != ALL_HOLDS) return o;
        result->depth = d + 1;
        if (!tell_so_far(result)) return OUT_OF_MEMORY;
    }
    return ALL_HOLDS;
}

static outcome play_trace(exploration *result) {
    static unsigned char state[EXPLORER_STATE_BYTES_MAX];
    explorer_world *w = explorer.world;
    size_t bytes;
    if (!w->begin(w, state, &bytes)) return VIOLATION;
    for (; result->moves < explorer.trace->count; result->moves++) {
        const trace_operation *operation = &explorer.trace->operations[result->moves];
        if (operation->verb == TRACE_EXIT) break;
        explorer.ticks = 0;
        if (!w->perform(w, operation)) return VIOLATION;
    }
    explorer.ticks = 0;
    return w->end(w) ? ALL_HOLDS : VIOLATION;
}

// ---- Traps --------------------------------------------------------------------------------------

// Jumps out of the failed call; its stack and the world's state are not used afterwards.
static void on_trap(int signal) {
    if (signal == SIGVTALRM && ++explorer.ticks < 2) return;
    siglongjmp(explorer.trapped, signal);
}

static void watch(bool on) {
    static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT, SIGVTALRM};
    struct sigaction action = {.sa_handler = on ? on_trap : SIG_DFL,
                               .sa_flags = SA_NODEFER | SA_ONSTACK};
    if (on) walk_guard_use_stack();
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    struct itimerval second = {{on, 0}, {on, 0}};
    setitimer(ITIMER_VIRTUAL, &second, NULL);
}

static void tell_trap(explorer_world *w, int signal) {
    char how[60] = "does not return";
    bool hangs = signal == SIGVTALRM, traps = signal == SIGILL || signal == SIGTRAP;
    if (!hangs) snprintf(how, sizeof how, traps ? "traps" : "crashes (%s)", strsignal(signal));
    w->broken = hangs ? LAW_steps : LAW_returns;
    if (w->notes)
        call_print_running(calls_last(), how, w->finding, sizeof w->finding);
    else
        snprintf(w->finding, sizeof w->finding, "a right call %s", how);
}

static void start(explorer_world *world, exploration *result) {
    memset(&explorer, 0, sizeof explorer);
    *result = (exploration){.broken = LAW_NONE};
    world->broken = LAW_NONE;
    explorer.world = world;
    explorer.begun = clock_seconds();
    *calls_last() = (recorded_call){0};
}

static outcome run_watched(outcome (*run)(exploration *), exploration *result) {
    volatile outcome o = VIOLATION;
    int signal = sigsetjmp(explorer.trapped, 1);
    if (signal == 0) {
        watch(true);
        o = run(result);
    } else {
        tell_trap(explorer.world, signal);
    }
    watch(false);
    return o;
}

// ---- The result ---------------------------------------------------------------------------------

static void tell_violation(const explorer_world *w, exploration *result) {
    result->broken = w->broken;
    memcpy(result->finding, w->finding, sizeof result->finding);
    uint32_t count = 0, at = explorer.at;
    uint32_t reversed[EXPLORER_DEPTH_MAX + 1];
    if (explorer.nodes.count && explorer.move) reversed[count++] = explorer.move;
    for (; explorer.nodes.count && at; at = node_at(at)->parent)
        reversed[count++] = node_at(at)->move;
    result->move_count = count;
    for (uint32_t i = 0; i < count; i++)
        result->moves_to[i] = reversed[count - 1 - i];
}

bool explorer_run(explorer_world *world, uint32_t depth, bool refuse, exploration *result) {
    start(world, result);
    explorer.depth = depth;
    explorer.refuse = refuse;
    outcome o = run_watched(explore, result);
    result->states = explorer.nodes.count;
    if (o == VIOLATION) tell_violation(world, result);
    result->full = o == OUT_OF_MEMORY;
    bool counted = count_sequences(result);
    result->seconds = clock_seconds() - explorer.begun;
    row_free(&explorer.nodes);
    row_free(&explorer.edges);
    row_free(&explorer.layer);
    row_free(&explorer.next);
    free(explorer.hashes);
    free(explorer.ids);
    return counted;
}

void explorer_play(explorer_world *world, const trace *trace, exploration *result) {
    start(world, result);
    explorer.trace = trace;
    if (run_watched(play_trace, result) != VIOLATION) return;
    result->broken = world->broken;
    memcpy(result->finding, world->finding, sizeof result->finding);
}
