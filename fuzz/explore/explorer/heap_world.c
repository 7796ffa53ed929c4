#include "fuzz/explore/explorer/heap_world_state.h"

#include "alloc/conformance/calls.h"
#include "alloc/conformance/pattern.h"
#include "fuzz/explore/explorer/image.h"
#include "fuzz/play/fuzz_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAGES_BEGUN = 1,
    SCOPES_MAX = 3,
    BEYOND_BYTES = 64, // checked for writes after the memory's end
};

typedef enum move_kind {
    MOVE_ALLOCATE = 1,
    MOVE_ZEROED,
    MOVE_ALIGNED,
    MOVE_FREE,
    MOVE_RESIZE,
    MOVE_FOREIGN,
    MOVE_RESET,
    MOVE_OPEN,
    MOVE_CLOSE,
    MOVE_THREAD,
} move_kind;

enum { REFUSAL = 1 << 24 };

static uint32_t move_of(move_kind kind, uint32_t a, uint32_t b) {
    return (uint32_t)kind | a << 8 | b << 16;
}
static move_kind kind_of(uint32_t move) {
    return (move_kind)(move & 0xff);
}
static uint32_t first_of(uint32_t move) {
    return move >> 8 & 0xff;
}
static uint32_t second_of(uint32_t move) {
    return move >> 16 & 0xff;
}
uint32_t heap_world_refusals(uint32_t move) {
    return move / REFUSAL;
}

static const uint32_t alignments[] = {64, LM_PAGE_BYTES};

bool heap_world_breaks(heap_world *w, law law, const char *how) {
    w->world.broken = law;
    snprintf(w->world.finding, sizeof w->world.finding, "%s", how);
    return false;
}
static bool told(heap_world *w) {
    return heap_world_breaks(w, w->player.heap.oracle.broken, w->player.heap.oracle.finding);
}

// ---- Moves as operations ------------------------------------------------------------------------

// An allocation's operation, which depends on the options only.
static trace_operation allocation(const heap_world *w, uint32_t move, uint32_t number) {
    bool aligned = kind_of(move) == MOVE_ALIGNED;
    uint32_t alignment = aligned ? alignments[second_of(move)] : LM_BLOCK_ALIGNMENT;
    return (trace_operation){.verb = kind_of(move) == MOVE_ZEROED ? TRACE_ZEROED : TRACE_ALLOCATE,
                             .argument = {number, w->options.sizes[first_of(move)], alignment}};
}

trace_operation heap_world_operation(const heap_world *w, uint32_t move, const uint32_t *numbers,
                                     uint32_t number) {
    switch (kind_of(move)) {
    case MOVE_FREE:
        return (trace_operation){.verb = TRACE_FREE, .argument = {numbers[first_of(move)]}};
    case MOVE_RESIZE:
        return (trace_operation){
            .verb = TRACE_RESIZE,
            .argument = {numbers[first_of(move)], w->options.sizes[second_of(move)]}};
    case MOVE_FOREIGN:
        return (trace_operation){.verb = TRACE_GROW, .argument = {1}};
    case MOVE_RESET:
        return (trace_operation){.verb = TRACE_RESET};
    case MOVE_OPEN:
        return (trace_operation){.verb = TRACE_OPEN};
    case MOVE_CLOSE:
        return (trace_operation){.verb = TRACE_CLOSE};
    case MOVE_THREAD:
        return (trace_operation){.verb = TRACE_LANE, .argument = {first_of(move)}};
    default:
        return allocation(w, move, number);
    }
}

static bool plays(const heap_world *w, char verb) {
    return strchr(w->options.verbs, verb) != NULL;
}

static uint32_t allocations(const heap_world *w, uint32_t *moves) {
    uint32_t count = 0, sizes = w->options.size_count;
    for (uint32_t s = 0; plays(w, 'a') && s < sizes; s++)
        moves[count++] = move_of(MOVE_ALLOCATE, s, 0);
    if (plays(w, 'z')) moves[count++] = move_of(MOVE_ZEROED, sizes > 2 ? 2 : sizes - 1, 0);
    for (uint32_t a = 0; plays(w, 'A') && a < sizeof alignments / sizeof *alignments; a++)
        moves[count++] = move_of(MOVE_ALIGNED, a < sizes ? a : 0, a);
    return count;
}

static uint32_t of_blocks(const heap_world *w, uint32_t *moves) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->head.count; i++) {
        if (w->head.blocks[i].alignment == 0) continue;
        if (plays(w, 'f')) moves[count++] = move_of(MOVE_FREE, i, 0);
        for (uint32_t s = 0; plays(w, 'r') && s < w->options.size_count; s++)
            moves[count++] = move_of(MOVE_RESIZE, i, s);
    }
    return count;
}

static uint32_t heap_moves(explorer_world *world, uint32_t moves[EXPLORER_MOVES_MAX]) {
    heap_world *w = heap_world_of(world);
    const head *h = &w->head;
    uint32_t count = h->count - h->foreign < BLOCKS_MAX ? allocations(w, moves) : 0;
    count += of_blocks(w, moves + count);
    if (plays(w, 'g') && h->foreign < FOREIGN_MAX) moves[count++] = move_of(MOVE_FOREIGN, 0, 0);
    if (plays(w, 'x')) moves[count++] = move_of(MOVE_RESET, 0, 0);
    bool nests = heap_world_can(w, LM_NESTS_SCOPES);
    if (plays(w, '(') && nests && h->depth < SCOPES_MAX) moves[count++] = move_of(MOVE_OPEN, 0, 0);
    if (plays(w, ')') && h->depth) moves[count++] = move_of(MOVE_CLOSE, 0, 0);
    if (plays(w, 't') && heap_world_can(w, LM_SHARES_THREADS))
        moves[count++] = move_of(MOVE_THREAD, !h->thread, 0);
    return count;
}

// ---- Under the oracle ---------------------------------------------------------------------------

// Restores a memory to the loaded state.
static void restore(const heap_world *w, lm_memory *memory, uint32_t *pages_written) {
    size_t bytes = (size_t)w->head.pages * LM_PAGE_BYTES;
    size_t written = (size_t)*pages_written * LM_PAGE_BYTES;
    memcpy(memory->base, w->image, bytes);
    if (written > bytes) memset(memory->base + bytes, 0, written - bytes);
    *pages_written = memory->pages = w->head.pages;
    memory->refusals = memory->moves = 0;
    memory->thread = w->head.thread;
    memory->moving = !heap_world_can(w, LM_SHARES_THREADS); // a shared memory never moves
}

static void restore_extent(heap_world *w, const block *b, uint32_t place) {
    oracle *o = &w->player.heap.oracle;
    bool foreign = b->alignment == 0;
    uint32_t index = foreign ? ORACLE_BLOCKS_MAX + o->foreign++ : place;
    oracle_extent *e = &o->extents[index];
    *e = (oracle_extent){.offset = b->offset,
                         .size = b->size,
                         .alignment = b->alignment,
                         .scope = b->scope,
                         .live = true,
                         .foreign = foreign,
                         .number = foreign ? o->foreign : place};
    e->usable = foreign ? b->size : w->allocator->usable_size(oracle_address(o, e), o->memory);
    e->room = e->usable ? e->usable : 1;
    if (!foreign) e->counts = lm_demand_allocated(&o->demand, w->allocator, e->size, e->alignment);
    o->order[o->count++] = (uint16_t)index;
    pattern_fill(oracle_address(o, e), e->number, e->usable, 0);
    if (foreign) {
        o->foreign_bytes += e->usable;
        return;
    }
    uint64_t cost = w->allocator->block_bytes_max(b->size, b->alignment);
    // A resize may leave more usable bytes; those of an aligned block say nothing about its cost.
    bool fits = b->alignment == LM_BLOCK_ALIGNMENT && e->usable + LM_BLOCK_ALIGNMENT <= cost;
    e->cost_max = fits ? cost : 2 * cost;
    o->usable += e->usable;
    o->cost += e->cost_max;
    // Another thread may be unable to use what one thread caches.
    if (heap_world_can(w, LM_SHARES_THREADS) || b->alignment != LM_BLOCK_ALIGNMENT) return;
    if (b->size > o->largest) o->largest = b->size;
}

// Restores the player and its oracle as if they had played the path to the state.
static void restore_player(heap_world *w) {
    heap_player *p = &w->player;
    oracle *o = &p->heap.oracle;
    restore(w, &p->memory, &w->played_pages);
    memcpy(p->memory.base, w->below, HEAP_START);
    oracle_begin(o, w->allocator, &p->memory);
    for (uint32_t i = 0; i < w->head.count; i++)
        restore_extent(w, &w->head.blocks[i], i);
    o->demand.most = w->demand_most;
    o->pages_begun = PAGES_BEGUN;
    o->census = w->census;
    o->census_is_current = true;
    p->heap.opened = w->head.scopes_opened;
    p->heap.depth = w->head.depth;
    p->unwalked = 0;
    p->options.walk_every = 1;
}

static bool nothing_beyond(heap_world *w) {
    const lm_memory *m = &w->player.memory;
    if (m->pages > w->played_pages) w->played_pages = m->pages;
    if (m->pages == LM_PAGES_MAX) return true;
    return pattern_is_zero(m->base + (size_t)m->pages * LM_PAGE_BYTES, BEYOND_BYTES) ||
           heap_world_breaks(w, LAW_inside, "bytes behind the memory's end were written to");
}

bool heap_world_play(heap_world *w, const trace_operation *operation, uint32_t refusals) {
    heap_player *p = &w->player;
    p->memory.moves = 0;
    lm_memory_refuse(&p->memory, refusals);
    if (operation->verb == TRACE_LANE) p->memory.thread = operation->argument[0];
    if (!heap_player_play(p, operation)) return told(w);
    lm_memory_refuse(&p->memory, 0);
    if (!oracle_contents(&p->heap.oracle)) return told(w);
    return nothing_beyond(w);
}

// ---- States -------------------------------------------------------------------------------------

static size_t save(heap_world *w, unsigned char *state) {
    size_t head_bytes = offsetof(head, blocks) + w->next.count * sizeof(block);
    if (w->options.canonicalize && w->options.strategy->canonicalize)
        w->options.strategy->canonicalize(&w->bare);
    memcpy(state, &w->next, head_bytes);
    size_t bytes = (size_t)w->next.pages * LM_PAGE_BYTES;
    return (size_t)(image_write(state + head_bytes, w->bare.base, bytes) - state);
}

uint64_t heap_world_layout(const unsigned char *state) {
    head h;
    memcpy(&h, state, offsetof(head, blocks));
    size_t bytes = offsetof(head, blocks) + h.count * sizeof(block);
    uint64_t sum = bytes;
    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ state[i]) * UINT64_C(0x100000001B3);
    return sum;
}

// No move to the loaded state breaks a law, so `ended` is set.
static void heap_load(explorer_world *world, const unsigned char *state, size_t bytes) {
    heap_world *w = heap_world_of(world);
    (void)bytes;
    w->probe_count = 0;
    w->ended = true;
    w->damages = false;
    w->head = (head){0};
    memcpy(&w->head, state, offsetof(head, blocks));
    size_t blocks = w->head.count * sizeof(block);
    memcpy(w->head.blocks, state + offsetof(head, blocks), blocks);
    image_read(w->image, state + offsetof(head, blocks) + blocks,
               (size_t)w->head.pages * LM_PAGE_BYTES);
    restore_player(w);
    w->allocator->validate(&w->player.memory, &w->census);
}

static bool heap_play(explorer_world *world, uint32_t move, unsigned char *state, size_t *bytes) {
    heap_world *w = heap_world_of(world);
    uint32_t numbers[LIVE_MAX], refusals = heap_world_refusals(move);
    for (uint32_t i = 0; i < LIVE_MAX; i++)
        numbers[i] = i;
    restore_player(w);
    w->probe_count = 0;
    w->ended = w->damages = false;
    trace_operation operation = heap_world_operation(w, move, numbers, w->head.count);
    if (!heap_world_play(w, &operation, refusals)) return false;
    w->growths = w->player.memory.moves;
    restore(w, &w->bare, &w->bare_pages);
    w->next = w->head;
    if (!heap_world_play_bare(w, &operation, refusals)) return false;
    *bytes = save(w, state);
    return true;
}

static uint32_t heap_refused(explorer_world *world, uint32_t move) {
    bool more = heap_world_of(world)->growths > heap_world_refusals(move);
    return more ? move + REFUSAL : 0;
}

// ---- The beginning and the end ------------------------------------------------------------------

trace_operation heap_world_heap(void) {
    return (trace_operation){.verb = TRACE_HEAP,
                             .argument = {HEAP_START, PAGES_BEGUN, LM_PAGES_MAX}};
}

// Starts both heaps, empty.
bool heap_world_start(heap_world *w, const trace_operation *heap) {
    heap_options options = {.allocator = w->allocator, .walk_every = 1};
    if (!heap_player_start(&w->player, &options, heap) || !oracle_walk(&w->player.heap.oracle))
        return told(w);
    const lm_census *census = &w->player.heap.oracle.census;
    w->lost = census->heap_bytes - census->free_bytes;
    fuzz_memory_reset(&w->bare, &(lm_memory_options){.heap_start = heap->argument[0],
                                                     .pages = heap->argument[1],
                                                     .pages_max = heap->argument[2]});
    w->allocator->start(&w->bare);
    w->played_pages = w->player.memory.pages;
    w->bare_pages = w->bare.pages;
    w->next = (head){.pages = (uint16_t)w->bare.pages};
    w->refusals = w->probe_count = 0;
    w->crowded = w->ended = w->damages = false;
    return true;
}

static bool heap_begin(explorer_world *world, unsigned char *state, size_t *bytes) {
    heap_world *w = heap_world_of(world);
    trace_operation heap = heap_world_heap();
    if (!heap_world_start(w, &heap)) return false;
    memcpy(w->below, w->player.memory.base, HEAP_START);
    *bytes = save(w, state);
    return true;
}

// Without live blocks, all of the heap is free except for the tables, which grow with it. At this
// geometry paged's are the largest: 24 bytes for each page of 256, with room for twice the pages.
static bool all_is_free(heap_world *w) {
    const lm_census *c = &w->player.heap.oracle.census;
    uint64_t lost = c->heap_bytes - c->free_bytes;
    if (!heap_world_can(w, LM_MERGES) || heap_world_can(w, LM_SHARES_THREADS)) return true;
    if (lost <= w->lost + c->heap_bytes / 16 * 3 + LM_PAGE_BYTES) return true;
    char how[120];
    snprintf(how, sizeof how, "all blocks are freed, and %llu bytes of %llu are not free",
             (unsigned long long)lost, (unsigned long long)c->heap_bytes);
    return heap_world_breaks(w, LAW_merges, how);
}

static bool heap_damages(const explorer_world *world) {
    return ((const heap_world *)world)->damages;
}

static bool heap_end(explorer_world *world) {
    heap_world *w = heap_world_of(world);
    w->ended = true;
    w->allocator->free(NULL, 0, &w->player.memory);
    if (!heap_world_probe(w)) return false;
    if (!heap_player_end(&w->player)) return told(w);
    return nothing_beyond(w) && all_is_free(w);
}

// ---- Replaying traces ---------------------------------------------------------------------------

// Replaces the block's number by its index. Returns false if the block is not live.
static bool place_block(const heap_world *w, trace_operation *operation) {
    const oracle *o = &w->player.heap.oracle;
    trace_argument kind = trace_grammar[operation->verb].arguments[0];
    if (kind != TRACE_BLOCK_USE && kind != TRACE_BLOCK_END) return true;
    uint32_t place = 0;
    while (place < o->count && (o->extents[o->order[place]].foreign ||
                                o->extents[o->order[place]].number != operation->argument[0]))
        place++;
    operation->argument[0] = place;
    return place < o->count;
}

static bool heap_perform(explorer_world *world, const trace_operation *operation) {
    heap_world *w = heap_world_of(world);
    trace_operation placed = *operation;
    uint32_t refusals = w->refusals;
    if (operation->verb == TRACE_HEAP) return heap_world_start(w, operation);
    w->refusals = operation->verb == TRACE_REFUSE ? operation->argument[0] : 0;
    if (operation->verb == TRACE_REFUSE) return true;
    w->player.memory.moving = w->bare.moving = !heap_world_can(w, LM_SHARES_THREADS);
    bool lives = place_block(w, &placed);
    if (!heap_world_play(w, operation, refusals)) return false;
    w->crowded |= w->next.count == LIVE_MAX;
    if (!lives || w->crowded) return true;
    return heap_world_play_bare(w, &placed, refusals);
}

// ---- The interface ------------------------------------------------------------------------------

explorer_world *heap_world_new(const heap_world_options *options) {
    heap_world *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->world = (explorer_world){.begin = heap_begin,
                                .load = heap_load,
                                .moves = heap_moves,
                                .play = heap_play,
                                .refused = heap_refused,
                                .end = heap_end,
                                .trace = heap_world_trace,
                                .perform = heap_perform,
                                .damages = heap_damages,
                                .notes = true,
                                .broken = LAW_NONE};
    w->options = *options;
    w->allocator = calls_recorded(options->strategy->allocator, NULL);
    uint64_t most = 0;
    for (uint32_t i = 0; i < options->size_count; i++)
        if (most < options->sizes[i]) most = options->sizes[i];
    uint64_t cost_most = 2 * w->allocator->block_bytes_max(most, LM_PAGE_BYTES);
    w->demand_most = (lm_demand){
        .live_bytes = options->depth * cost_most,
        .live_blocks = options->depth + 1,
        .block_bytes = cost_most,
        .alignment = plays(w, 'A') ? LM_PAGE_BYTES : LM_BLOCK_ALIGNMENT,
        .spent_bytes = 2 * options->depth * (cost_most + LM_PAGE_BYTES),
        .foreign_growths = plays(w, 'g') ? options->depth : 0,
        .foreign_bytes = plays(w, 'g') ? (uint64_t)options->depth * LM_PAGE_BYTES : 0,
    };
    lm_memory_options memory = {
        .heap_start = HEAP_START, .pages = PAGES_BEGUN, .pages_max = LM_PAGES_MAX};
    if (heap_player_create(&w->player) && fuzz_memory_create(&w->bare, &memory)) return &w->world;
    free(w);
    return NULL;
}

void heap_world_free(explorer_world *world) {
    heap_world *w = heap_world_of(world);
    heap_player_destroy(&w->player);
    fuzz_memory_destroy(&w->bare);
    free(w);
}
