#include "fuzz/explorer/heap_world.h"

#include "fuzz/explorer/image.h"
#include "fuzz/heap_player.h"
#include "fuzz/pattern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEAP_START = 64,
    PAGES_BEGUN = 1,
    BLOCKS_MAX = 16,
    FOREIGN_MAX = 2,
    SCOPES_MAX = 3,
    PROBES_MAX = 2048,
    PROBE = ORACLE_BLOCKS_MAX / 2,
    LADDERED_MAX = 400,
    BROKEN_WALKS_MAX = 100,
    PROBED_BLOCKS_MAX = 2,
    BEYOND_BYTES = 64, // behind the memory's end, that nobody may write to
};

typedef struct block {
    uint32_t offset, size, alignment; // of foreign pages, alignment 0
    uint32_t scope;
} block;

// What a state is besides bytes.
typedef struct head {
    uint16_t pages;
    uint8_t count, foreign, depth, thread, scopes_opened, unused;
    block blocks[BLOCKS_MAX + FOREIGN_MAX]; // by offset
} head;

typedef struct heap_world {
    explorer_world world; // first
    heap_world_options options;
    const lm_allocator *allocator;
    heap_player player;                                // under the oracle
    lm_memory bare;                                    // with blocks of junk
    head head;                                         // of the state that was loaded
    head next;                                         // of where the last move led
    unsigned char image[LM_PAGE_BYTES * LM_PAGES_MAX]; // of the state that was loaded
    unsigned char below[HEAP_START];
    uint32_t played_pages, bare_pages; // how far the memories may be written to
    uint32_t growths;                  // that the last move asked for
    uint64_t lost;                     // bytes of an empty heap that are not free
    uint64_t cost_most;                // bound of what can ever live
    lm_census census;
    trace_operation probes[PROBES_MAX]; // that `end` played
    uint32_t probe_count;
    bool ended;
    uint32_t broken_walks; // states in which walks over broken heaps were tried
    uint32_t laddered;     // states in which the ladder was played
} heap_world;

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
static uint32_t refusals_of(uint32_t move) {
    return move / REFUSAL;
}

static heap_world *heap_world_of(explorer_world *world) {
    return (heap_world *)world;
}
static bool can(const heap_world *w, lm_capability capability) {
    return w->allocator->capabilities & capability;
}

static const uint32_t alignments[] = {64, LM_PAGE_BYTES};

static bool breaks(heap_world *w, oracle_law law, const char *how) {
    w->world.broken = law;
    snprintf(w->world.finding, sizeof w->world.finding, "%s", how);
    return false;
}
static bool told(heap_world *w) {
    return breaks(w, w->player.oracle.broken, w->player.oracle.finding);
}

// ---- Moves as operations ------------------------------------------------------------------------

// An allocation's operation, for which nothing is to be known but the options.
static trace_operation allocation(const heap_world *w, uint32_t move, uint32_t number) {
    bool aligned = kind_of(move) == MOVE_ALIGNED;
    uint32_t alignment = aligned ? alignments[second_of(move)] : LM_BLOCK_ALIGNMENT;
    return (trace_operation){.verb = kind_of(move) == MOVE_ZEROED ? TRACE_ZEROED : TRACE_ALLOCATE,
                             .argument = {number, w->options.sizes[first_of(move)], alignment}};
}

// A move's operation, where the block at place i has `numbers[i]`, and a new one gets `number`.
static trace_operation operation_of(const heap_world *w, uint32_t move, const uint32_t *numbers,
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
    bool nests = can(w, LM_NESTS_SCOPES);
    if (plays(w, '(') && nests && h->depth < SCOPES_MAX) moves[count++] = move_of(MOVE_OPEN, 0, 0);
    if (plays(w, ')') && h->depth) moves[count++] = move_of(MOVE_CLOSE, 0, 0);
    if (plays(w, 't') && can(w, LM_SHARES_THREADS))
        moves[count++] = move_of(MOVE_THREAD, !h->thread, 0);
    return count;
}

// ---- Under the oracle ---------------------------------------------------------------------------

// A memory becomes what was loaded.
static void restore(const heap_world *w, lm_memory *memory, uint32_t *pages_written) {
    size_t bytes = (size_t)w->head.pages * LM_PAGE_BYTES;
    size_t written = (size_t)*pages_written * LM_PAGE_BYTES;
    memcpy(memory->base, w->image, bytes);
    if (written > bytes) memset(memory->base + bytes, 0, written - bytes);
    *pages_written = memory->pages = w->head.pages;
    memory->refusals = memory->moves = 0;
    memory->thread = w->head.thread;
    memory->moving = !can(w, LM_SHARES_THREADS); // as a shared one never does
}

static void restore_extent(heap_world *w, const block *b, uint32_t place) {
    oracle *o = &w->player.oracle;
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
    o->order[o->count++] = (uint16_t)index;
    pattern_fill(oracle_address(o, e), e->number, e->usable, 0);
    if (foreign) {
        o->foreign_bytes += e->usable;
        return;
    }
    uint64_t cost = w->allocator->block_bytes_max(b->size, b->alignment);
    // It may be a resize's, of which an aligned block's usable bytes tell nothing.
    bool fits = b->alignment == LM_BLOCK_ALIGNMENT && e->usable + LM_BLOCK_ALIGNMENT <= cost;
    e->cost_max = fits ? cost : 2 * cost;
    o->usable += e->usable;
    o->cost += e->cost_max;
    // What a thread keeps, another one may lack.
    if (can(w, LM_SHARES_THREADS) || b->alignment != LM_BLOCK_ALIGNMENT) return;
    if (b->size > o->largest) o->largest = b->size;
}

// The player and its oracle are what they would be had they come here from the beginning.
static void restore_player(heap_world *w) {
    heap_player *p = &w->player;
    oracle *o = &p->oracle;
    restore(w, &p->memory, &w->played_pages);
    memcpy(p->memory.base, w->below, HEAP_START);
    oracle_begin(o, w->allocator, &p->memory, 0);
    for (uint32_t i = 0; i < w->head.count; i++)
        restore_extent(w, &w->head.blocks[i], i);
    o->cost_most = o->block_cost_most = w->cost_most;
    o->pages_begun = PAGES_BEGUN;
    o->alignment_most = plays(w, 'A') ? LM_PAGE_BYTES : LM_BLOCK_ALIGNMENT;
    o->census = w->census;
    o->census_is_current = true;
    p->opened = w->head.scopes_opened;
    p->depth = w->head.depth;
    p->unwalked = 0;
    p->options.walk_every = 1;
}

static bool nothing_beyond(heap_world *w) {
    const lm_memory *m = &w->player.memory;
    if (m->pages > w->played_pages) w->played_pages = m->pages;
    if (m->pages == LM_PAGES_MAX) return true;
    return pattern_is_zero(m->base + (size_t)m->pages * LM_PAGE_BYTES, BEYOND_BYTES) ||
           breaks(w, LAW_bounds, "bytes behind the memory's end were written to");
}

// Plays one operation where the player is.
static bool play_operation(heap_world *w, const trace_operation *operation, uint32_t refusals) {
    heap_player *p = &w->player;
    p->memory.moves = 0;
    lm_memory_refuse(&p->memory, refusals);
    if (operation->verb == TRACE_LANE) p->memory.thread = operation->argument[0];
    if (!heap_player_play(p, operation)) return told(w);
    lm_memory_refuse(&p->memory, 0);
    if (!oracle_contents(&p->oracle)) return told(w);
    return nothing_beyond(w);
}

// ---- On junk ----------------------------------------------------------------------------------

static void insert_block(head *h, block b) {
    uint32_t i = h->count++;
    for (; i > 0 && h->blocks[i - 1].offset > b.offset; i--)
        h->blocks[i] = h->blocks[i - 1];
    h->blocks[i] = b;
}
static void remove_block(head *h, uint32_t i) {
    for (h->count--; i < h->count; i++)
        h->blocks[i] = h->blocks[i + 1];
    h->blocks[h->count] = (block){0};
}

// Enters a block that was allocated or resized, and fills it.
static void enter_block(heap_world *w, void *address, block b) {
    b.offset = (uint32_t)((unsigned char *)address - w->bare.base);
    memset(address, IMAGE_JUNK, w->allocator->usable_size(address, &w->bare));
    insert_block(&w->next, b);
}

static void bare_allocate(heap_world *w, uint32_t move) {
    trace_operation o = allocation(w, move, 0);
    size_t size = o.argument[1], alignment = o.argument[2];
    void *address = o.verb == TRACE_ZEROED ? w->allocator->allocate_zeroed(size, &w->bare)
                    : kind_of(move) == MOVE_ALIGNED
                        ? w->allocator->allocate_aligned(alignment, size, &w->bare)
                        : w->allocator->allocate(size, &w->bare);
    if (!address) return;
    enter_block(
        w, address,
        (block){.size = (uint32_t)size, .alignment = (uint32_t)alignment, .scope = w->next.depth});
}

static void bare_free(heap_world *w, uint32_t i) {
    block b = w->next.blocks[i];
    w->allocator->free(w->bare.base + b.offset, i % 2 ? b.size : 0, &w->bare);
    remove_block(&w->next, i);
}

static void bare_resize(heap_world *w, uint32_t i, uint32_t size) {
    block b = w->next.blocks[i];
    void *old = w->bare.base + b.offset;
    void *address = b.alignment == LM_BLOCK_ALIGNMENT
                        ? w->allocator->resize(old, size, &w->bare)
                        : w->allocator->resize_aligned(old, size, b.alignment, &w->bare);
    b.scope = w->next.depth;
    w->next.blocks[i].scope = b.scope;
    if (!address) return;
    remove_block(&w->next, i);
    b.size = size;
    enter_block(w, address, b);
}

static void bare_foreign(heap_world *w) {
    uint32_t offset = w->bare.pages * LM_PAGE_BYTES;
    if (!lm_memory_grow_foreign(&w->bare, 1)) return;
    insert_block(&w->next, (block){.offset = offset, .size = LM_PAGE_BYTES});
    w->next.foreign++;
}

// Forgets the blocks of the scopes from `scope` on.
static void end_blocks(heap_world *w, uint32_t scope) {
    for (uint32_t i = w->next.count; i-- > 0;)
        if (w->next.blocks[i].alignment && w->next.blocks[i].scope >= scope)
            remove_block(&w->next, i);
}

static void bare_reset(heap_world *w) {
    end_blocks(w, 0);
    w->next.depth = w->next.scopes_opened = 0;
    w->allocator->reset(&w->bare);
}

static void bare_open(heap_world *w) {
    uint32_t opened = w->allocator->open_scope(&w->bare);
    w->next.scopes_opened |= (uint8_t)(opened << w->next.depth++);
}

static void bare_close(heap_world *w) {
    uint32_t depth = w->next.depth--, bit = 1u << w->next.depth;
    if (w->next.scopes_opened & bit) {
        end_blocks(w, depth);
        w->allocator->close_scope(&w->bare);
        w->next.scopes_opened &= (uint8_t)~bit;
        return;
    }
    for (uint32_t i = w->next.count; i-- > 0;)
        if (w->next.blocks[i].alignment && w->next.blocks[i].scope >= depth) bare_free(w, i);
}

static void play_bare(heap_world *w, uint32_t move) {
    restore(w, &w->bare, &w->bare_pages);
    w->next = w->head;
    lm_memory_refuse(&w->bare, refusals_of(move));
    switch (kind_of(move)) {
    case MOVE_FREE:
        bare_free(w, first_of(move));
        break;
    case MOVE_RESIZE:
        bare_resize(w, first_of(move), w->options.sizes[second_of(move)]);
        break;
    case MOVE_FOREIGN:
        bare_foreign(w);
        break;
    case MOVE_RESET:
        bare_reset(w);
        break;
    case MOVE_OPEN:
        bare_open(w);
        break;
    case MOVE_CLOSE:
        bare_close(w);
        break;
    case MOVE_THREAD:
        w->bare.thread = w->next.thread = (uint8_t)first_of(move);
        break;
    default:
        bare_allocate(w, move);
    }
    lm_memory_refuse(&w->bare, 0);
    if (w->bare.pages > w->bare_pages) w->bare_pages = w->bare.pages;
    w->next.pages = (uint16_t)w->bare.pages;
}

// Whether the blocks lie where they lie under the oracle: no strategy may care for their content.
static bool same_places(heap_world *w) {
    const oracle *o = &w->player.oracle;
    bool same = o->count == w->next.count && w->player.memory.pages == w->bare.pages;
    for (uint32_t i = 0; same && i < o->count; i++)
        same = o->extents[o->order[i]].offset == w->next.blocks[i].offset;
    return same || breaks(w, LAW_content, "where blocks lie depends on what was written to them");
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

static void heap_load(explorer_world *world, const unsigned char *state, size_t bytes) {
    heap_world *w = heap_world_of(world);
    (void)bytes;
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
    uint32_t numbers[BLOCKS_MAX + FOREIGN_MAX];
    for (uint32_t i = 0; i < BLOCKS_MAX + FOREIGN_MAX; i++)
        numbers[i] = i;
    restore_player(w);
    w->probe_count = 0;
    w->ended = false;
    trace_operation operation = operation_of(w, move, numbers, w->head.count);
    if (!play_operation(w, &operation, refusals_of(move))) return false;
    w->growths = w->player.memory.moves;
    play_bare(w, move);
    if (!same_places(w)) return false;
    *bytes = save(w, state);
    return true;
}

static uint32_t heap_refused(explorer_world *world, uint32_t move) {
    bool more = heap_world_of(world)->growths > refusals_of(move);
    return more ? move + REFUSAL : 0;
}

// ---- The beginning and the end ------------------------------------------------------------------

static bool heap_begin(explorer_world *world, unsigned char *state, size_t *bytes) {
    heap_world *w = heap_world_of(world);
    heap_options options = {.allocator = w->allocator, .walk_every = 1};
    trace_operation heap = {.verb = TRACE_HEAP,
                            .argument = {HEAP_START, PAGES_BEGUN, LM_PAGES_MAX}};
    if (!heap_player_start(&w->player, &options, &heap) || !oracle_walk(&w->player.oracle))
        return told(w);
    memcpy(w->below, w->player.memory.base, HEAP_START);
    const lm_census *census = &w->player.oracle.census;
    w->lost = census->heap_bytes - census->free_bytes;
    lm_memory_renew(&w->bare,
                    &(lm_memory_options){
                        .heap_start = HEAP_START, .pages = PAGES_BEGUN, .pages_max = LM_PAGES_MAX},
                    false);
    w->allocator->start(&w->bare);
    w->played_pages = w->player.memory.pages;
    w->bare_pages = w->bare.pages;
    w->next = (head){.pages = (uint16_t)w->bare.pages};
    *bytes = save(w, state);
    return true;
}

// Plays something more where the last move led. Blocks of its own have a number from PROBE on.
static bool probe(heap_world *w, trace_verb verb, uint32_t number, uint32_t size,
                  uint32_t alignment) {
    trace_operation operation = {.verb = verb, .argument = {number, size, alignment}};
    w->probes[w->probe_count++] = operation;
    w->player.options.walk_every = 0; // refusals walk anyway
    return play_operation(w, &operation, 0);
}

// The largest sizes, of which none can be served.
static bool probe_largest(heap_world *w) {
    static const uint32_t sizes[] = {UINT32_MAX, UINT32_MAX - 12, UINT32_MAX - 20,
                                     UINT32_C(1) << 31};
    const oracle *o = &w->player.oracle;
    for (uint32_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        if (!probe(w, TRACE_ALLOCATE, PROBE, sizes[i], LM_BLOCK_ALIGNMENT) ||
            !probe(w, TRACE_ZEROED, PROBE, sizes[i], LM_BLOCK_ALIGNMENT) ||
            !probe(w, TRACE_ALLOCATE, PROBE, sizes[i], LM_PAGE_BYTES))
            return false;
        if (o->count == o->foreign) continue;
        const oracle_extent *e = &o->extents[o->order[o->extents[o->order[0]].foreign]];
        if (!e->foreign && !probe(w, TRACE_RESIZE, e->number, sizes[i], 0)) return false;
    }
    return true;
}

// One size, alone and with each alignment: served, resized to another one and to nothing, freed.
static bool probe_size(heap_world *w, uint32_t size, uint32_t other) {
    for (uint32_t alignment = LM_BLOCK_ALIGNMENT; alignment <= LM_PAGE_BYTES; alignment *= 2)
        if (!probe(w, TRACE_ALLOCATE, PROBE, size, alignment) ||
            !probe(w, TRACE_RESIZE, PROBE, other, 0) || !probe(w, TRACE_RESIZE, PROBE, size, 0) ||
            !probe(w, TRACE_FREE, PROBE, 0, 0))
            return false;
    return probe(w, TRACE_ZEROED, PROBE, size, LM_BLOCK_ALIGNMENT) &&
           probe(w, TRACE_RESIZE, PROBE, 0, 0) &&
           probe(w, TRACE_ALLOCATE, PROBE + 1, size, LM_BLOCK_ALIGNMENT) &&
           probe(w, TRACE_FREE, PROBE, 0, 0) && probe(w, TRACE_FREE, PROBE + 1, 0, 0);
}

// Sizes around those of blocks, with their word and without it.
static bool probe_ladder(heap_world *w) {
    static const uint32_t sizes[] = {0,   1,   12,  13,  16,   17,   28,   29,   44,   61,
                                     64,  65,  124, 125, 128,  129,  252,  253,  256,  257,
                                     508, 509, 512, 513, 1020, 1021, 1024, 1025, 4092, 4097};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    for (uint32_t i = 0; i < SIZES; i++)
        if (!probe_size(w, sizes[i], sizes[(i + 7) % SIZES])) return false;
    return true;
}

// One word of the heap after the other is broken: a walk must come to its end over any heap, and
// what it says of this one does not matter. The heap is then as it was.
static void walk_broken(heap_world *w) {
    lm_memory *m = &w->player.memory;
    uint32_t *words = (uint32_t *)(void *)m->base;
    for (uint32_t i = m->heap_start / 4; i < m->pages * LM_PAGE_BYTES / 4; i++) {
        const uint32_t word = words[i];
        const uint32_t broken[] = {0, UINT32_MAX, word + LM_BLOCK_ALIGNMENT, word ^ 1, word ^ 2};
        for (uint32_t b = 0; b < sizeof broken / sizeof *broken; b++) {
            words[i] = broken[b];
            w->allocator->validate(m, NULL);
        }
        words[i] = word;
    }
}

// What is free when all is freed: but for the tables that have grown with it, all of the heap.
static bool all_is_free(heap_world *w) {
    const lm_census *c = &w->player.oracle.census;
    uint64_t lost = c->heap_bytes - c->free_bytes;
    if (!can(w, LM_MERGES) || can(w, LM_SHARES_THREADS)) return true;
    if (lost <= w->lost + c->heap_bytes / 8 + LM_PAGE_BYTES) return true;
    char how[120];
    snprintf(how, sizeof how, "all is freed, and %llu bytes of %llu are not free",
             (unsigned long long)lost, (unsigned long long)c->heap_bytes);
    return breaks(w, LAW_conservation, how);
}

static bool heap_end(explorer_world *world) {
    heap_world *w = heap_world_of(world);
    w->ended = true;
    w->allocator->free(NULL, 0, &w->player.memory);
    if (w->options.probe && w->broken_walks++ < BROKEN_WALKS_MAX) walk_broken(w);
    bool probes = w->options.probe && w->next.count <= PROBED_BLOCKS_MAX;
    if (probes && !probe_largest(w)) return false;
    if (probes && w->laddered++ < LADDERED_MAX && !probe_ladder(w)) return false;
    if (!heap_player_end(&w->player)) return told(w);
    return nothing_beyond(w) && all_is_free(w);
}

// ---- Traces -------------------------------------------------------------------------------------

static bool append(trace_builder *builder, trace_operation operation, trace_error *error) {
    return trace_builder_append(builder, &operation, error);
}

// What each block is called, by its place.
static void name_blocks(const heap_world *w, uint32_t *numbers) {
    const oracle *o = &w->player.oracle;
    for (uint32_t i = 0; i < o->count && i < BLOCKS_MAX + FOREIGN_MAX; i++)
        numbers[i] = o->extents[o->order[i]].number;
}

// The blocks that live in a trace that is being written, by number; what was refused is among them.
typedef struct telling {
    heap_world *world;
    trace_builder *builder;
    trace_error *error;
    uint32_t begun, depth;
    struct {
        bool live;
        uint32_t scope;
    } blocks[2 * EXPLORER_DEPTH_MAX + PROBES_MAX];
} telling;

static bool tell(telling *t, trace_operation operation) {
    uint32_t number = operation.argument[0];
    switch ((trace_verb)operation.verb) {
    case TRACE_ALLOCATE:
    case TRACE_ZEROED:
        t->begun++;
        t->blocks[number].live = true; // and is where a resize puts it
        // fall through
    case TRACE_RESIZE:
        t->blocks[number].scope = t->depth;
        break;
    case TRACE_FREE:
        t->blocks[number].live = false;
        break;
    case TRACE_OPEN:
        t->depth++;
        break;
    case TRACE_CLOSE:
    case TRACE_RESET:
        t->depth = operation.verb == TRACE_RESET ? 0 : t->depth - 1;
        for (uint32_t i = 0; i < t->begun; i++)
            if (operation.verb == TRACE_RESET || t->blocks[i].scope > t->depth)
                t->blocks[i].live = false;
        break;
    default:
        break;
    }
    return append(t->builder, operation, t->error);
}

static bool tell_end(telling *t) {
    while (t->depth)
        if (!tell(t, (trace_operation){.verb = TRACE_CLOSE})) return false;
    for (uint32_t i = 0; i < t->begun; i++)
        if (t->blocks[i].live && !tell(t, (trace_operation){.verb = TRACE_FREE, .argument = {i}}))
            return false;
    return true;
}

// A move, which is then played where it broke nothing.
static bool tell_move(telling *t, uint32_t move, bool play) {
    heap_world *w = t->world;
    uint32_t numbers[BLOCKS_MAX + FOREIGN_MAX], refusals = refusals_of(move);
    name_blocks(w, numbers);
    trace_operation operation = operation_of(w, move, numbers, t->begun);
    if (refusals && !tell(t, (trace_operation){.verb = TRACE_REFUSE, .argument = {refusals}}))
        return false;
    if (!tell(t, operation)) return false;
    if (play) play_operation(w, &operation, refusals);
    return true;
}

static bool tell_probes(telling *t, const trace_operation *probes, uint32_t count) {
    uint32_t numbers[BLOCKS_MAX + FOREIGN_MAX], probed[2] = {0};
    name_blocks(t->world, numbers);
    for (uint32_t i = 0; i < count; i++) {
        trace_operation operation = probes[i];
        uint32_t own = operation.argument[0] - PROBE, *number = &operation.argument[0];
        if (own > 1)
            *number = numbers[*number];
        else if (operation.verb == TRACE_RESIZE || operation.verb == TRACE_FREE)
            *number = probed[own];
        else
            *number = probed[own] = t->begun;
        if (operation.verb == TRACE_FREE) operation.argument[1] = operation.argument[2] = 0;
        if (!tell(t, operation)) return false;
    }
    return true;
}

static bool heap_trace(explorer_world *world, const uint32_t *moves, size_t count,
                       trace_builder *builder, trace_error *error) {
    heap_world *w = heap_world_of(world);
    telling t = {.world = w, .builder = builder, .error = error};
    static trace_operation probes[PROBES_MAX];
    uint32_t probe_count = w->probe_count;
    memcpy(probes, w->probes, sizeof probes);
    trace_operation heap = {.verb = TRACE_HEAP,
                            .argument = {HEAP_START, PAGES_BEGUN, LM_PAGES_MAX}};
    heap_options options = {.allocator = w->allocator, .walk_every = 1};
    if (!tell(&t, heap)) return false;
    heap_player_start(&w->player, &options, &heap);
    w->played_pages = LM_PAGES_MAX;
    for (size_t i = 0; i < count; i++)
        if (!tell_move(&t, moves[i], i + 1 < count || w->ended)) return false;
    return tell_probes(&t, probes, probe_count) && tell_end(&t);
}

// ---- The world ----------------------------------------------------------------------------------

explorer_world *heap_world_new(const heap_world_options *options) {
    heap_world *w = calloc(1, sizeof *w);
    if (!w) return NULL;
    w->world = (explorer_world){.begin = heap_begin,
                                .load = heap_load,
                                .moves = heap_moves,
                                .play = heap_play,
                                .refused = heap_refused,
                                .end = heap_end,
                                .trace = heap_trace,
                                .broken = LAW_NONE};
    w->options = *options;
    w->allocator = options->strategy->allocator;
    uint64_t most = 0;
    for (uint32_t i = 0; i < options->size_count; i++)
        if (most < options->sizes[i]) most = options->sizes[i];
    w->cost_most = 2 * options->depth * w->allocator->block_bytes_max(most, LM_PAGE_BYTES);
    lm_memory_options memory = {
        .heap_start = HEAP_START, .pages = PAGES_BEGUN, .pages_max = LM_PAGES_MAX};
    if (heap_player_create(&w->player) && lm_memory_create(&w->bare, &memory)) return &w->world;
    free(w);
    return NULL;
}

void heap_world_free(explorer_world *world) {
    heap_world *w = heap_world_of(world);
    heap_player_destroy(&w->player);
    lm_memory_destroy(&w->bare);
    free(w);
}
