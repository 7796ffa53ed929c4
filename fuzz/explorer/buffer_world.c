#include "fuzz/explorer/buffer_world.h"

#include "corpus/buffer_player.h"
#include "fuzz/explorer/image.h"
#include "fuzz/explorer/strategies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORIES = 2, OPERATIONS_MAX = 2 * EXPLORER_DEPTH_MAX, NAMES_MAX = 64, TOKENS_MAX = 2 };

// What lives under a name.
typedef struct named {
    uint64_t handle; // or token
    uint32_t owner, kind, offset, length;
    uint32_t number;   // what follows tells no two states apart
    uint32_t attached; // of a token: its reference; of a reference: whether it has one
} named;

typedef struct buffer_world {
    explorer_world world; // first
    const explored_strategy *strategies[MEMORIES];
    lm_memory memories[MEMORIES];
    lm_served served[MEMORIES];
    buffer_player player;
    trace_operation
        path[OPERATIONS_MAX]; // to the state that was loaded, and the move that was played
    uint32_t path_count, loaded_count;
    named references[NAMES_MAX], tokens[NAMES_MAX];
    uint32_t reference_count, token_count;
    uint32_t references_begun, tokens_begun, acting, growths;
    unsigned char scratch[LM_PAGE_BYTES * LM_PAGES_MAX];
} buffer_world;

static const uint32_t sizes[] = {24, 600};

// A move: its verb, two numbers, and how many growths are refused.
enum { REFUSAL = 1 << 24 };

static uint32_t move_of(trace_verb verb, uint32_t a, uint32_t b) {
    return (uint32_t)verb | a << 8 | b << 16;
}

static buffer_world *buffer_world_of(explorer_world *world) {
    return (buffer_world *)world;
}

static bool told(buffer_world *w) {
    w->world.broken = law_named(w->player.law);
    snprintf(w->world.finding, sizeof w->world.finding, "%s", w->player.finding);
    return false;
}

// ---- Names --------------------------------------------------------------------------------------

static void forget(named *names, uint32_t *count, uint32_t number) {
    for (uint32_t i = 0; i < *count; i++) {
        if (names[i].number != number) continue;
        names[i] = names[--*count];
        return;
    }
}

static named *find(named *names, uint32_t count, uint32_t number) {
    for (uint32_t i = 0; i < count; i++)
        if (names[i].number == number) return &names[i];
    return NULL;
}

// What was collected has ended with its token, what was detached is as before.
static void end_token(buffer_world *w, const trace_operation *o) {
    uint32_t reference = find(w->tokens, w->token_count, o->argument[0])->attached;
    if (o->verb == TRACE_COLLECT)
        forget(w->references, &w->reference_count, reference);
    else
        find(w->references, w->reference_count, reference)->attached = false;
    forget(w->tokens, &w->token_count, o->argument[0]);
}

static int compare(const void *a, const void *b) {
    return memcmp(a, b, offsetof(named, number));
}

// What the operation that was played last begins and ends, by name.
static void note(buffer_world *w, const trace_operation *o) {
    switch (trace_grammar[o->verb].arguments[0]) {
    case TRACE_REFERENCE_BEGIN:
        w->references[w->reference_count++] = (named){.number = w->references_begun++};
        break;
    case TRACE_REFERENCE_END:
        forget(w->references, &w->reference_count, o->argument[0]);
        break;
    case TRACE_TOKEN_BEGIN:
        w->tokens[w->token_count++] =
            (named){.number = w->tokens_begun++, .attached = o->argument[1]};
        find(w->references, w->reference_count, o->argument[1])->attached = true;
        break;
    case TRACE_TOKEN_END:
        end_token(w, o);
        break;
    default:
        if (o->verb == TRACE_MEMORY) w->acting = o->argument[0];
    }
}

// In the order of handles and tokens.
static void sort_names(buffer_world *w) {
    for (uint32_t i = 0; i < w->reference_count; i++) {
        named *n = &w->references[i];
        const lm_view *view = &w->player.references[n->number];
        *n = (named){view->handle, view->owner, (uint32_t)view->kind, view->offset,
                     view->length, n->number,   n->attached};
    }
    for (uint32_t i = 0; i < w->token_count; i++)
        w->tokens[i].handle = w->player.tokens[w->tokens[i].number].token;
    qsort(w->references, w->reference_count, sizeof(named), compare);
    qsort(w->tokens, w->token_count, sizeof(named), compare);
}

// ---- Playing ------------------------------------------------------------------------------------

static bool step(buffer_world *w, const trace_operation *operation) {
    if (!buffer_player_step(&w->player, operation)) return told(w);
    note(w, operation);
    return true;
}

// Plays the path anew.
static bool replay(buffer_world *w) {
    bool started;
    w->reference_count = w->token_count = w->references_begun = w->tokens_begun = w->acting = 0;
    for (uint32_t i = 0; i < MEMORIES; i++) {
        lm_memory_renew(
            &w->memories[i],
            &(lm_memory_options){.heap_start = 64, .pages = 1, .pages_max = LM_PAGES_MAX}, false);
        w->served[i].allocator->start(&w->memories[i]);
    }
    buffer_player_options options = {
        .counts = &lm_counts_plain, .memories = w->served, .count = MEMORIES, .walk_every = 1};
    if (!buffer_player_start(&w->player, &options, &started) || !started) return told(w);
    for (uint32_t i = 0; i < w->path_count; i++)
        if (!step(w, &w->path[i])) return false;
    sort_names(w);
    return true;
}

// A memory's bytes, with junk for its buffers.
static unsigned char *write_memory(buffer_world *w, uint32_t memory, unsigned char *to) {
    lm_memory *m = &w->memories[memory];
    size_t bytes = (size_t)m->pages * LM_PAGE_BYTES;
    memcpy(w->scratch, m->base, bytes);
    for (uint32_t i = 0; i < w->player.model.begun; i++) {
        const real_buffer *b = &w->player.buffers[i];
        if (b->lives && b->memory == memory)
            memset(w->scratch + b->start, IMAGE_JUNK, w->player.model.buffers[i].size);
    }
    lm_memory copy = *m;
    copy.base = w->scratch;
    if (w->strategies[memory]->canonicalize) w->strategies[memory]->canonicalize(&copy);
    *to++ = (unsigned char)m->pages;
    return image_write(to, w->scratch, bytes);
}

static unsigned char *write_names(const named *names, uint32_t count, unsigned char *to) {
    *to++ = (unsigned char)count;
    for (uint32_t i = 0; i < count; i++, to += offsetof(named, number))
        memcpy(to, &names[i], offsetof(named, number));
    return to;
}

static void save(buffer_world *w, unsigned char *state, size_t *bytes) {
    unsigned char *to = state;
    for (uint32_t i = 0; i < MEMORIES; i++)
        to = write_memory(w, i, to);
    to = write_names(w->references, w->reference_count, to);
    to = write_names(w->tokens, w->token_count, to);
    *to++ = (unsigned char)w->acting;
    w->world.key_bytes = (size_t)(to - state);
    memcpy(to, w->path, w->path_count * sizeof *w->path);
    *bytes = w->world.key_bytes + w->path_count * sizeof *w->path;
    memcpy(state + *bytes, &w->path_count, sizeof w->path_count);
    *bytes += sizeof w->path_count;
}

static bool buffer_begin(explorer_world *world, unsigned char *state, size_t *bytes) {
    buffer_world *w = buffer_world_of(world);
    w->path_count = w->loaded_count = 0;
    if (!replay(w)) return false;
    save(w, state, bytes);
    return true;
}

static void buffer_load(explorer_world *world, const unsigned char *state, size_t bytes) {
    buffer_world *w = buffer_world_of(world);
    bytes -= sizeof w->path_count;
    memcpy(&w->path_count, state + bytes, sizeof w->path_count);
    w->loaded_count = w->path_count;
    size_t path = w->path_count * sizeof *w->path;
    memcpy(w->path, state + bytes - path, path);
}

static uint32_t buffer_moves(explorer_world *world, uint32_t moves[EXPLORER_MOVES_MAX]) {
    buffer_world *w = buffer_world_of(world);
    uint32_t count = 0;
    replay(w);
    for (uint32_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        moves[count++] = move_of(TRACE_BUFFER, w->references_begun, s);
    for (uint32_t i = 0; i < w->reference_count; i++) {
        uint32_t number = w->references[i].number;
        bool attached = w->references[i].attached; // then only its token ends it
        if (!attached) moves[count++] = move_of(TRACE_RELEASE, number, 0);
        if (!w->references[i].handle) continue;
        moves[count++] = move_of(TRACE_RETAIN, w->references_begun, number);
        moves[count++] = move_of(TRACE_VIEW, w->references_begun, number);
        if (attached) continue;
        moves[count++] = move_of(TRACE_TRANSFER, number, !w->acting);
        if (w->token_count < TOKENS_MAX)
            moves[count++] = move_of(TRACE_ATTACH, w->tokens_begun, number);
    }
    for (uint32_t i = 0; i < w->token_count; i++) {
        moves[count++] = move_of(TRACE_DETACH, w->tokens[i].number, 0);
        moves[count++] = move_of(TRACE_COLLECT, w->tokens[i].number, 0);
    }
    moves[count++] = move_of(TRACE_DRAIN, 1, 0);
    moves[count++] = move_of(TRACE_MEMORY, !w->acting, 0);
    return count;
}

// A move's operations, of which the last is the move's own.
static uint32_t operations_of(uint32_t move, trace_operation operations[2]) {
    trace_verb verb = (trace_verb)(move & 0xff);
    uint32_t a = move >> 8 & 0xff, b = move >> 16 & 0xff, refusals = move / REFUSAL, count = 0;
    if (refusals)
        operations[count++] = (trace_operation){.verb = TRACE_REFUSE, .argument = {refusals}};
    trace_operation o = {.verb = verb, .argument = {a, b}};
    if (verb == TRACE_BUFFER) {
        o.argument[1] = sizes[b];
        o.argument[2] = b ? 64 : LM_BLOCK_ALIGNMENT;
    } else if (verb == TRACE_VIEW) {
        o.argument[4] = 8; // the first bytes
    }
    operations[count++] = o;
    return count;
}

static bool buffer_play(explorer_world *world, uint32_t move, unsigned char *state, size_t *bytes) {
    buffer_world *w = buffer_world_of(world);
    trace_operation operations[2];
    uint32_t count = operations_of(move, operations);
    w->path_count = w->loaded_count;
    if (!replay(w)) return false;
    uint32_t acting = w->acting;
    uint32_t before = w->memories[acting].moves;
    for (uint32_t i = 0; i < count; i++) {
        w->path[w->path_count] = operations[i];
        if (!step(w, &w->path[w->path_count++])) return false;
    }
    w->growths = w->memories[acting].moves - before;
    lm_memory_refuse(&w->memories[acting], 0);
    sort_names(w);
    save(w, state, bytes);
    return true;
}

static uint32_t buffer_refused(explorer_world *world, uint32_t move) {
    return buffer_world_of(world)->growths > move / REFUSAL ? move + REFUSAL : 0;
}

static bool buffer_end(explorer_world *world) {
    buffer_world *w = buffer_world_of(world);
    return buffer_player_end(&w->player) || told(w);
}

// ---- Traces -------------------------------------------------------------------------------------

static bool buffer_trace(explorer_world *world, const uint32_t *moves, size_t count,
                         trace_builder *builder, trace_error *error) {
    buffer_world *w = buffer_world_of(world);
    w->reference_count = w->token_count = w->references_begun = w->tokens_begun = 0;
    trace_operation operations[2];
    for (size_t i = 0; i < count; i++) {
        uint32_t of_move = operations_of(moves[i], operations);
        for (uint32_t j = 0; j < of_move; j++) {
            if (!trace_builder_append(builder, &operations[j], error)) return false;
            note(w, &operations[j]);
        }
    }
    for (uint32_t i = 0; i < w->token_count; i++)
        if (!trace_builder_append(builder, &(trace_operation){TRACE_DETACH, {w->tokens[i].number}},
                                  error))
            return false;
    for (uint32_t i = 0; i < w->reference_count; i++)
        if (!trace_builder_append(
                builder, &(trace_operation){TRACE_RELEASE, {w->references[i].number}}, error))
            return false;
    return true;
}

// ---- The world ----------------------------------------------------------------------------------

explorer_world *buffer_world_new(int check_level) {
    static const char *const names[MEMORIES] = {"tlsf", "paged"};
    const buffer_limits limits = {NAMES_MAX, NAMES_MAX, NAMES_MAX, NAMES_MAX};
    buffer_world *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->world = (explorer_world){.begin = buffer_begin,
                                .load = buffer_load,
                                .moves = buffer_moves,
                                .play = buffer_play,
                                .refused = buffer_refused,
                                .end = buffer_end,
                                .trace = buffer_trace,
                                .broken = LAW_NONE};
    bool made = buffer_player_create(&w->player, &limits, 1 << 16);
    for (uint32_t i = 0; made && i < MEMORIES; i++) {
        lm_memory_options options = {.heap_start = 64, .pages = 1, .pages_max = LM_PAGES_MAX};
        w->strategies[i] = explored_strategy_named(names[i], check_level);
        w->served[i] = (lm_served){w->strategies[i]->allocator, &w->memories[i]};
        made = lm_memory_create(&w->memories[i], &options);
    }
    if (made) return &w->world;
    free(w);
    return NULL;
}

void buffer_world_free(explorer_world *world) {
    buffer_world *w = buffer_world_of(world);
    buffer_player_destroy(&w->player);
    for (uint32_t i = 0; i < MEMORIES; i++)
        lm_memory_destroy(&w->memories[i]);
    free(w);
}
