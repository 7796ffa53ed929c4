#include "fuzz/explore/explorer/buffer_world_state.h"

#include "alloc/buffers/imported_allocator.h"
#include "fuzz/explore/explorer/image.h"
#include "fuzz/play/fuzz_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAP_START = 64, TOKENS_MAX = 2 };

const char *const buffer_world_names[] = {"plain",  "atomic", "resized", "shrunk",  "imported",
                                          "queued", "full",   "counted", "aligned", NULL};

// In the order of the names. The player chooses by number: buffer 4 is adopted, 6 resized, 14
// shrunk; token 2 is passed over, 3 replaced.
static const buffer_world_choice choices[] = {
    {.servers = {"tlsf", "paged"}},
    {{"paged", "tlsf", "buddy"}, .atomic = true, .buffers = 3, .tokens = 1},
    {{"tlsf", "imported"}, .buffers = 5, .tokens = 2, .budget = 256},
    {{"first_fit"}, .atomic = true, .buffers = 13, .tokens = 3},
    {{"imported", "imported_calloc"}, .budget = 64},
    {{"tlsf", "paged"}, .verbs = "-+@~cd", .alive = 3},
    {{"best_fit", "tlsf"}, .held = 6},
    {{"bins", "tlsf"}, .atomic = true, .retained = 6},
    {.servers = {"imported_aligned", "paged"}},
};

static const uint32_t sizes[] = {24, 600, 0};

// A move packs its verb, two numbers and the number of failing growths.
enum { REFUSAL = 1 << 24 };

static uint32_t move_of(trace_verb verb, uint32_t a, uint32_t b) {
    return (uint32_t)verb | a << 8 | b << 16;
}

static trace_verb verb_of(uint32_t move) {
    return (trace_verb)(move & 0xff);
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

// A collected reference ends with its token; a detached one is as before the attach.
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

// Updates the names by what the last operation began and ended.
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

// Sorts by handle and token.
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

// A planned failure of a growth does not outlast the next operation.
bool buffer_world_step(buffer_world *w, const trace_operation *operation) {
    lm_memory *memory = &w->memories[w->acting % w->memory_count];
    if (!buffer_player_step(&w->player, operation)) return told(w);
    note(w, operation);
    if (operation->verb != TRACE_REFUSE) lm_memory_refuse(memory, 0);
    return true;
}

static bool start_heaps(buffer_world *w) {
    imported_turn = 0;
    for (uint32_t i = 0; i < w->memory_count; i++) {
        lm_memory_options options = {
            .heap_start = HEAP_START, .pages = 1, .pages_max = LM_PAGES_MAX};
        if (!fuzz_memory_reset(&w->memories[i], &options)) return false;
        w->memories[i].moving = !w->choice->atomic; // memories with atomic counts must not move
        if (!w->served[i].allocator->start(&w->memories[i])) return false;
    }
    return true;
}

// Replays the path. It was checked when it was first played, so only what follows is walked.
static bool replay(buffer_world *w) {
    bool started;
    w->reference_count = w->token_count = w->references_begun = w->tokens_begun = w->acting = 0;
    buffer_player_options options = {.counts =
                                         w->choice->atomic ? &lm_counts_atomic : &lm_counts_plain,
                                     .memories = w->served,
                                     .count = w->memory_count,
                                     .budget = w->choice->budget};
    if (!start_heaps(w) || !buffer_player_start(&w->player, &options, &started) || !started)
        return told(w);
    for (uint32_t i = 0; i < w->path_count; i++)
        if (!buffer_world_step(w, &w->path[i])) return false;
    w->player.options.walk_every = 1;
    sort_names(w);
    return true;
}

// Writes a memory with the content of its buffers replaced by IMAGE_JUNK.
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
    if (w->canonicalize[memory]) w->canonicalize[memory](&copy);
    *to++ = (unsigned char)m->pages;
    return image_write(to, w->scratch, bytes);
}

static unsigned char *write_names(const named *names, uint32_t count, unsigned char *to) {
    *to++ = (unsigned char)count;
    for (uint32_t i = 0; i < count; i++, to += offsetof(named, number))
        memcpy(to, &names[i], offsetof(named, number));
    return to;
}

// Writes what else later operations depend on: the acting owner, and the numbers' remainders.
static unsigned char *write_turns(const buffer_world *w, unsigned char *to) {
    *to++ = (unsigned char)w->acting;
    *to++ = (unsigned char)(imported_turn % 2);
    *to++ = (unsigned char)(w->player.model.begun % 16);
    *to++ = (unsigned char)(w->references_begun % 8);
    *to++ = (unsigned char)(w->tokens_begun % 4);
    return to;
}

static void save(buffer_world *w, unsigned char *state, size_t *bytes) {
    unsigned char *to = state;
    for (uint32_t i = 0; i < w->memory_count; i++)
        to = write_memory(w, i, to);
    to = write_names(w->references, w->reference_count, to);
    to = write_names(w->tokens, w->token_count, to);
    to = write_turns(w, to);
    w->world.key_bytes = (size_t)(to - state);
    size_t path = (w->path_count - w->past_count) * sizeof *w->path;
    memcpy(to, w->path + w->past_count, path);
    *bytes = w->world.key_bytes + path;
    memcpy(state + *bytes, &w->path_count, sizeof w->path_count);
    *bytes += sizeof w->path_count;
}

// ---- Setup operations ---------------------------------------------------------------------------

static void add_past(buffer_world *w, trace_operation operation) {
    w->path[w->path_count++] = operation;
}

static uint32_t add_past_buffer(buffer_world *w) {
    add_past(w,
             (trace_operation){TRACE_BUFFER, {w->references_past, sizes[0], LM_BLOCK_ALIGNMENT}});
    return w->references_past++;
}

static void write_past(buffer_world *w) {
    const buffer_world_choice *c = w->choice;
    w->path_count = w->references_past = w->tokens_past = 0;
    for (uint32_t i = 0; i < c->buffers; i++)
        add_past(w, (trace_operation){TRACE_RELEASE, {add_past_buffer(w)}});
    uint32_t attached = c->tokens ? add_past_buffer(w) : 0;
    for (uint32_t i = 0; i < c->tokens; i++) {
        add_past(w, (trace_operation){TRACE_ATTACH, {w->tokens_past, attached}});
        add_past(w, (trace_operation){TRACE_DETACH, {w->tokens_past++}});
    }
    if (c->tokens) add_past(w, (trace_operation){TRACE_RELEASE, {attached}});
    for (uint32_t i = 0; i < c->held + c->alive; i++) {
        uint32_t held = add_past_buffer(w);
        add_past(w, (trace_operation){TRACE_ATTACH, {w->tokens_past++, held}});
    }
    uint32_t counted = c->retained ? add_past_buffer(w) : 0;
    for (uint32_t i = 0; i < c->retained; i++)
        add_past(w, (trace_operation){TRACE_RETAIN, {w->references_past++, counted}});
    w->references_past -= c->alive + (c->retained > 0);
    w->tokens_past -= c->alive;
    w->past_count = w->loaded_count = w->path_count;
}

// ---- The explorer's interface -------------------------------------------------------------------

// A replayed trace contains the setup operations.
static bool buffer_begin(explorer_world *world, unsigned char *state, size_t *bytes) {
    buffer_world *w = buffer_world_of(world);
    w->past_count = w->path_count = w->loaded_count = w->references_past = w->tokens_past = 0;
    if (w->options.probe) write_past(w);
    w->probe_count = 0;
    if (!replay(w)) return false;
    save(w, state, bytes);
    return true;
}

static void buffer_load(explorer_world *world, const unsigned char *state, size_t bytes) {
    buffer_world *w = buffer_world_of(world);
    w->probe_count = 0;
    bytes -= sizeof w->path_count;
    memcpy(&w->path_count, state + bytes, sizeof w->path_count);
    w->loaded_count = w->path_count;
    size_t path = (w->path_count - w->past_count) * sizeof *w->path;
    memcpy(w->path + w->past_count, state + bytes - path, path);
}

// The moves on one reference.
static uint32_t moves_of(const buffer_world *w, const named *reference, uint32_t *moves) {
    uint32_t count = 0, number = reference->number;
    bool attached = reference->attached; // its token must end it
    if (number < w->references_past) return 0;
    if (!attached) moves[count++] = move_of(TRACE_RELEASE, number, 0);
    if (!reference->handle) return count;
    moves[count++] = move_of(TRACE_RETAIN, w->references_begun, number);
    moves[count++] = move_of(TRACE_VIEW, w->references_begun, number);
    if (attached) return count;
    moves[count++] = move_of(TRACE_TRANSFER, number, 0);
    moves[count++] = move_of(TRACE_TRANSFER, number, 1);
    if (w->token_count < w->choice->held + w->choice->alive + TOKENS_MAX)
        moves[count++] = move_of(TRACE_ATTACH, w->tokens_begun, number);
    return count;
}

// Keeps the moves whose verbs the choice explores.
static uint32_t keep_verbs(const buffer_world *w, uint32_t *moves, uint32_t count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!w->choice->verbs || strchr(w->choice->verbs, trace_grammar[verb_of(moves[i])].letter))
            moves[kept++] = moves[i];
    return kept;
}

static uint32_t buffer_moves(explorer_world *world, uint32_t moves[EXPLORER_MOVES_MAX]) {
    buffer_world *w = buffer_world_of(world);
    uint32_t count = 0;
    replay(w);
    for (uint32_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        moves[count++] = move_of(TRACE_BUFFER, w->references_begun, s);
    for (uint32_t i = 0; i < w->reference_count; i++)
        count += moves_of(w, &w->references[i], moves + count);
    for (uint32_t i = 0; i < w->token_count; i++) {
        if (w->tokens[i].number < w->tokens_past) continue;
        moves[count++] = move_of(TRACE_DETACH, w->tokens[i].number, 0);
        moves[count++] = move_of(TRACE_COLLECT, w->tokens[i].number, 0);
    }
    moves[count++] = move_of(TRACE_DRAIN, 1, 0);
    moves[count++] = move_of(TRACE_MEMORY, !w->acting, 0);
    return keep_verbs(w, moves, count);
}

// Converts a move to operations; the last is the move's own.
static uint32_t operations_of(uint32_t move, trace_operation operations[2]) {
    trace_verb verb = verb_of(move);
    uint32_t a = move >> 8 & 0xff, b = move >> 16 & 0xff, refusals = move / REFUSAL, count = 0;
    if (refusals)
        operations[count++] = (trace_operation){.verb = TRACE_REFUSE, .argument = {refusals}};
    trace_operation o = {.verb = verb, .argument = {a, b}};
    if (verb == TRACE_BUFFER) {
        o.argument[1] = sizes[b];
        o.argument[2] = b == 1 ? 64 : LM_BLOCK_ALIGNMENT;
    } else if (verb == TRACE_VIEW) {
        o.argument[4] = 8;
    }
    operations[count++] = o;
    return count;
}

static bool buffer_play(explorer_world *world, uint32_t move, unsigned char *state, size_t *bytes) {
    buffer_world *w = buffer_world_of(world);
    trace_operation operations[2];
    uint32_t count = operations_of(move, operations);
    w->path_count = w->loaded_count;
    w->probe_count = 0;
    if (!replay(w)) return false;
    const lm_memory *memory = &w->memories[w->acting % w->memory_count];
    uint32_t before = memory->moves;
    for (uint32_t i = 0; i < count; i++) {
        w->path[w->path_count] = operations[i];
        if (!buffer_world_step(w, &w->path[w->path_count++])) return false;
    }
    w->growths = memory->moves - before;
    sort_names(w);
    save(w, state, bytes);
    return true;
}

static uint32_t buffer_refused(explorer_world *world, uint32_t move) {
    return buffer_world_of(world)->growths > move / REFUSAL ? move + REFUSAL : 0;
}

static bool buffer_end(explorer_world *world) {
    buffer_world *w = buffer_world_of(world);
    if (w->options.probe && !buffer_world_probe(w)) return false;
    return buffer_player_end(&w->player) || told(w);
}

static bool buffer_perform(explorer_world *world, const trace_operation *operation) {
    return buffer_world_step(buffer_world_of(world), operation);
}

// ---- Traces -------------------------------------------------------------------------------------

static bool tell(buffer_world *w, const trace_operation *operations, uint32_t count,
                 trace_builder *builder, trace_error *error) {
    for (uint32_t i = 0; i < count; i++) {
        if (!trace_builder_append(builder, &operations[i], error)) return false;
        note(w, &operations[i]);
    }
    return true;
}

static bool buffer_trace(explorer_world *world, const uint32_t *moves, size_t count,
                         trace_builder *builder, trace_error *error) {
    buffer_world *w = buffer_world_of(world);
    w->reference_count = w->token_count = w->references_begun = w->tokens_begun = 0;
    trace_operation operations[2];
    if (!tell(w, w->path, w->past_count, builder, error)) return false;
    for (size_t i = 0; i < count; i++)
        if (!tell(w, operations, operations_of(moves[i], operations), builder, error)) return false;
    return tell(w, w->probes, w->probe_count, builder, error) &&
           trace_builder_close(builder, error);
}

// ---- The world ----------------------------------------------------------------------------------

static const lm_allocator *serve(buffer_world *w, uint32_t memory) {
    static lm_allocator imported[MEMORIES];
    const char *name = w->choice->servers[memory];
    const explored_strategy *s = explored_strategy_named(name, w->options.check_level);
    if (!s) {
        imported[memory] = imported_allocator(name);
        s = explored_strategy_named(imported_base()->name, w->options.check_level);
        w->canonicalize[memory] = s->canonicalize;
        return &imported[memory];
    }
    w->canonicalize[memory] = s->canonicalize;
    return s->allocator;
}

static const buffer_world_choice *choice_named(const char *name) {
    for (size_t i = 0; buffer_world_names[i]; i++)
        if (strcmp(buffer_world_names[i], name) == 0) return &choices[i];
    return NULL;
}

explorer_world *buffer_world_new(const buffer_world_options *options) {
    const buffer_limits limits = {NAMES_MAX, NAMES_MAX, NAMES_MAX, 0};
    const buffer_world_choice *choice = choice_named(options->name);
    buffer_world *w = choice ? calloc(1, sizeof *w) : NULL;
    if (!w) return NULL;
    w->world = (explorer_world){.begin = buffer_begin,
                                .load = buffer_load,
                                .moves = buffer_moves,
                                .play = buffer_play,
                                .refused = buffer_refused,
                                .end = buffer_end,
                                .perform = buffer_perform,
                                .trace = buffer_trace,
                                .broken = LAW_NONE};
    w->options = *options;
    w->choice = choice;
    bool made = buffer_player_create(&w->player, &limits, 1 << 16);
    for (uint32_t i = 0; made && i < MEMORIES && choice->servers[i]; i++) {
        lm_memory_options memory = {
            .heap_start = HEAP_START, .pages = 1, .pages_max = LM_PAGES_MAX};
        made = fuzz_memory_create(&w->memories[i], &memory);
        w->served[i] = (lm_served){serve(w, i), &w->memories[i]};
        w->memory_count++;
    }
    if (made) return &w->world;
    free(w);
    return NULL;
}

void buffer_world_free(explorer_world *world) {
    buffer_world *w = buffer_world_of(world);
    buffer_player_destroy(&w->player);
    for (uint32_t i = 0; i < w->memory_count; i++)
        fuzz_memory_destroy(&w->memories[i]);
    free(w);
}
