// ---- What is held -------------------------------------------------------------------------------
//
// This part is the same in every reproducer of a heap: it makes the calls, and holds the answers
// against what an allocator's contract says (alloc/allocator.h).
#include "alloc/conformance/checkerboard.h"
#include "alloc/conformance/demand.h"
#include "alloc/conformance/room.h"
#include "alloc/conformance/rounds.h"
#include "alloc/strategies/strategy.h"
#include "fuzz/oracle/circulation.h"
#include "fuzz/reproduce/reproducer_common.h"

#ifdef STRATEGY // else whoever includes this has a heap
extern const lm_allocator LM_TABLE(STRATEGY);
static const lm_allocator *const heap = &LM_TABLE(STRATEGY);
#endif
static lm_memory memory;

typedef struct extent { // a block, by its number; behind the blocks, pages of somebody else
    uint64_t offset, usable, cost, counts; // to the demand
    uint32_t size, alignment, scope;
    bool live;
} extent;

enum { SCOPES_MAX = 64, FOREIGN_MAX = 64 };
static extent blocks[BLOCKS + FOREIGN_MAX];
static uint64_t cost_now, largest, scopes_opened;
static lm_demand_meter demand; // what was asked of the heap
static uint32_t foreign, depth, pages_before, refusals_before, pages_begun;
static uint64_t threads; // a bit for each that has called
static lm_census census;
static bool census_is_known;
static bool served; // what was asked for last

// With -fsanitize-coverage=trace-pc the strategy calls this at each of its steps.
static uint32_t steps;
static bool is_counted;
#ifdef __clang__
#define UNCOUNTED __attribute__((no_sanitize("coverage")))
#else
#define UNCOUNTED __attribute__((no_sanitize_coverage))
#endif
void __sanitizer_cov_trace_pc(void);
UNCOUNTED void __sanitizer_cov_trace_pc(void) {
    steps++;
}
static void holds_steps(bool resizes) {
    uint32_t most = lm_steps_max(heap, resizes, pages_before, lm_memory_pages(&memory));
    HOLDS(steps, steps <= most, "a call took %u steps, more than %u", steps, most);
    is_counted |= steps > 0;
}

static uint64_t memory_end(void) {
    return (uint64_t)lm_memory_pages(&memory) * LM_PAGE_BYTES;
}
static bool can(lm_capability capability) {
    return heap->capabilities & capability;
}
static bool sees_threads(void) { // other than 0
    return threads > 1;
}
static void before(void) { // each call
    call++;
    pages_before = lm_memory_pages(&memory);
    refusals_before = memory.refusals;
    threads |= UINT64_C(1) << memory.thread;
    steps = 0;
}

// What blocks hold: so much at both ends. Where wrong calls are made they are cleared between, so
// that nothing of another block's is left in them; nor is a memory that was used before, or are
// there threads.
#ifdef CLEARS
enum { EDGE_BYTES = 512, USED_BYTES = 0, THREADS_MAX = 0 };
#else
enum { EDGE_BYTES = 65536, USED_BYTES = 65536, THREADS_MAX = LM_THREADS_MAX };
#endif
static uint64_t next_place(uint64_t place, uint64_t bytes) {
    return place + 1 == EDGE_BYTES && bytes > 2 * EDGE_BYTES ? bytes - EDGE_BYTES : place + 1;
}
static unsigned char byte_at(uint32_t number, uint64_t place) {
    uint64_t seed = (number + UINT64_C(1)) * UINT64_C(0xBF58476D1CE4E5B9);
    uint64_t word = (seed ^ seed >> 31) + place / 8 * UINT64_C(0x9E3779B97F4A7C15);
    return (unsigned char)(word >> place % 8 * 8);
}
static void fill(uint64_t offset, uint32_t number, uint64_t bytes) {
    for (uint64_t at = 0; at < bytes; at = next_place(at, bytes))
        lm_memory_base(&memory)[offset + at] = byte_at(number, at);
}
static void holds_content(uint64_t offset, uint32_t number, uint64_t bytes, uint64_t filled) {
    for (uint64_t at = 0; at < bytes; at = next_place(at, filled))
        HOLDS(content, lm_memory_base(&memory)[offset + at] == byte_at(number, at),
              "block %u at %llu, %llu bytes: byte %llu has changed", number, (ull)offset,
              (ull)filled, (ull)at);
}
static uint32_t below(void) { // bytes before the heap, which are not its own
    return memory.heap_start > memory_end() ? 0 : memory.heap_start < 64 ? memory.heap_start : 64;
}
static void holds_contents(void) {
    for (uint32_t i = 0; i < BLOCKS + foreign; i++)
        if (blocks[i].live) holds_content(blocks[i].offset, i, blocks[i].usable, blocks[i].usable);
    holds_content(memory.heap_start - below(), UINT32_MAX, below(), below());
}

static void walk(void) {
    uint64_t live = 0, usable = 0, others = 0, begun = (uint64_t)pages_begun * LM_PAGE_BYTES;
    for (uint32_t i = 0; i < BLOCKS + foreign; i++) {
        if (i < BLOCKS) live += blocks[i].live;
        *(i < BLOCKS ? &usable : &others) += blocks[i].live ? blocks[i].usable : 0;
    }
    const char *law = heap->validate(&memory, &census);
    bool exact = can(LM_FREES_BLOCKS);
    uint64_t taken = memory_end() - memory.heap_start - others, heap_bytes = census.heap_bytes;
    census_is_known = true;
    HOLDS(walk, !law, "%s", law);
    HOLDS(census, exact ? census.live_blocks == live : census.live_blocks >= live,
          "%llu blocks live, the heap counts %llu", (ull)live, (ull)census.live_blocks);
    HOLDS(census, census.live_bytes >= usable, "%llu bytes live, the heap counts %llu", (ull)usable,
          (ull)census.live_bytes);
    HOLDS(waste, !exact || census.live_bytes <= cost_now,
          "blocks take %llu bytes, not %llu at most", (ull)census.live_bytes, (ull)cost_now);
    HOLDS(census,
          census.live_bytes + census.free_bytes <= heap_bytes && heap_bytes <= taken &&
              heap_bytes + (foreign + 1) * 64 >= taken,
          "the heap took %llu bytes, and counts %llu", (ull)taken, (ull)heap_bytes);
    if (heap->heap_bytes_max)
        HOLDS(waste, heap_bytes <= begun + heap->heap_bytes_max(&demand.most),
              "the heap takes %llu bytes, more than it states", (ull)heap_bytes);
}

// A word of the heap is damaged: a walk must come to its end over any heap, and write nothing.
static void walk_damaged(uint32_t offset, uint32_t value) {
    uint32_t *word = (uint32_t *)(void *)(lm_memory_base(&memory) + offset), was = *word;
    *word = value;
    damaged = true;
    heap->validate(&memory, NULL);
    damaged = false;
    HOLDS(walk, *word == value, "validate wrote to the damaged word at %u", offset);
    *word = was;
}

// Whether a walk costs little more than a call; then there is one after each.
static bool is_small(void) {
    return lm_memory_pages(&memory) <= 256;
}
static void walk_if_small(void) {
    if (is_small()) walk();
}
// The widest stretch of what the memory was before the call in which nothing lives.
static uint64_t widest_stretch(void) {
    uint64_t widest = 0;
    for (uint32_t i = 0; i <= BLOCKS + foreign; i++) { // behind each, and behind the heap's start
        const extent *e = i < BLOCKS + foreign ? &blocks[i] : NULL;
        uint64_t from = e ? e->offset + (e->usable ? e->usable : 1) : memory.heap_start;
        uint64_t to = (uint64_t)pages_before * LM_PAGE_BYTES;
        for (uint32_t j = 0; j < BLOCKS + foreign; j++)
            if (blocks[j].live && blocks[j].offset >= from && blocks[j].offset < to)
                to = blocks[j].offset;
        if ((!e || e->live) && to > from && to - from > widest) widest = to - from;
    }
    return widest;
}
static void holds_reuse(uint64_t block, uint32_t alignment, const char *what) {
    uint64_t end = (uint64_t)pages_before * LM_PAGE_BYTES, widest = widest_stretch();
    uint64_t due = 4 * block + 2 * (uint64_t)alignment + end / 16 + 4 * LM_PAGE_BYTES;
    HOLDS(reuse, !can(LM_MERGES) || sees_threads() || widest < due,
          "%llu bytes %s beside %llu where nothing lives", (ull)block, what, (ull)widest);
}
// Of who rounds to powers of two: how much there is from the last place on at which the block may
// begin, if nothing lives there, before the heap has grown.
static uint64_t free_end(uint64_t block, uint64_t step, uint64_t own) {
    uint64_t end = (uint64_t)pages_before * LM_PAGE_BYTES, place = end - end % step;
    bool joins = can(LM_MERGES) && !sees_threads() && pages_before == pages_begun;
    if (!joins || step != block || !lm_room_rounds(heap, block)) return 0;
    for (uint32_t i = 0; i < BLOCKS + foreign; i++) {
        uint64_t to = blocks[i].offset + (blocks[i].usable ? blocks[i].usable : 1);
        if (blocks[i].live && to > place) return 0;
    }
    return memory.heap_start + own <= place ? end - place : 0;
}
static void holds_refusal(uint64_t cost, uint32_t size, uint32_t alignment) {
    uint64_t left = (uint64_t)(memory.pages_max - pages_before) * LM_PAGE_BYTES;
    uint64_t block = cost > size ? cost : size, step = lm_room_step(heap, block, alignment);
    uint64_t due = lm_room_due(heap, (uint64_t)pages_before * LM_PAGE_BYTES, block, step);
    uint64_t joined = due == UINT64_MAX ? 0 : free_end(block, step, due - block - step);
    bool room = due <= left || (joined && due - step <= left + joined);
    bool refused = refusals_before == LM_REFUSE_ALL || memory.refusals != refusals_before;
    lm_census had = census;
    bool comparable = census_is_known;
    HOLDS(refusal, refused || !room, "%u bytes aligned to %u are refused with %llu left", size,
          alignment, (ull)left);
    holds_reuse(block, alignment, "are refused");
    HOLDS(refusal, lm_memory_pages(&memory) == pages_before, "a refused call has grown the memory");
    if (!is_small()) return;
    walk();
    HOLDS(refusal,
          !comparable ||
              (had.live_blocks == census.live_blocks && had.live_bytes == census.live_bytes &&
               had.heap_bytes == census.heap_bytes),
          "a refused call has changed what the heap counts");
}
static void holds_growth(uint64_t cost, uint32_t alignment) {
    uint64_t grown = memory_end() - (uint64_t)pages_before * LM_PAGE_BYTES;
    HOLDS(waste, grown <= 2 * cost + alignment + 4 * LM_PAGE_BYTES + memory_end() / 16,
          "the memory grew by %llu bytes for a block that takes %llu", (ull)grown, (ull)cost);
}
static void holds_apart(uint32_t number) {
    const extent *e = &blocks[number];
    for (uint32_t i = 0; i < BLOCKS + foreign; i++) {
        const extent *other = &blocks[i];
        uint64_t room = e->usable ? e->usable : 1, others = other->usable ? other->usable : 1;
        bool behind = e->offset >= other->offset;
        uint64_t distance = behind ? e->offset - other->offset : other->offset - e->offset;
        HOLDS(overlap, i == number || !other->live || distance >= (behind ? others : room),
              "block %u at %llu, %llu bytes, and %s %u at %llu", number, (ull)e->offset,
              (ull)e->usable, i < BLOCKS ? "block" : "foreign pages", i, (ull)other->offset);
    }
}

// A block came: of one that was resized `kept` bytes are what they were.
static void enter(uint32_t number, unsigned char *block, uint64_t cost, uint64_t kept) {
    extent *e = &blocks[number];
    uint64_t end = memory_end();
    e->offset = (uint64_t)((uintptr_t)block - (uintptr_t)lm_memory_base(&memory));
    HOLDS(bounds, e->offset >= memory.heap_start && e->offset < end && e->size <= end - e->offset,
          "block %u of %u bytes is at %lld in a memory of %llu", number, e->size,
          (long long)e->offset, (ull)end);
    HOLDS(alignment, e->offset % LM_BLOCK_ALIGNMENT == 0 && e->offset % e->alignment == 0,
          "block %u at %llu is not aligned to %u", number, (ull)e->offset, e->alignment);
    e->usable = e->size;
    holds_apart(number);
    e->usable = heap->usable_size(block, &memory);
    HOLDS(usable, e->usable >= e->size && e->usable <= end - e->offset,
          "block %u of %u bytes has %llu usable", number, e->size, (ull)e->usable);
    HOLDS(waste, e->usable <= e->cost, "block %u of %u bytes has %llu, more than %llu", number,
          e->size, (ull)e->usable, (ull)e->cost);
    holds_apart(number);
    holds_growth(cost, e->alignment);
    e->live = true;
    e->scope = depth;
    census_is_known = false;
#ifdef CLEARS
    memset(block + kept, 0, e->usable - kept);
#endif
    (void)kept;
    fill(e->offset, number, e->usable);
    cost_now += e->cost;
}

// ---- Calls --------------------------------------------------------------------------------------

// For rounds of the same calls in the end.
static lm_round_call round_calls[LM_ROUND_CALLS_MAX];
static size_t round_count;
static void note(lm_round_verb verb, uint32_t number, uint32_t size, uint32_t alignment) {
    if (round_count < LM_ROUND_CALLS_MAX)
        round_calls[round_count++] = (lm_round_call){verb, number, size, alignment};
}

enum { ZERO_BYTES = 1 << 22 }; // of a zeroed block that are looked at
static void allocate(uint32_t number, uint32_t size, uint32_t alignment, bool zeroed) {
    uint64_t cost = heap->block_bytes_max(size, alignment);
    note(LM_ROUND_ALLOCATE, number, size, alignment);
    before();
    unsigned char *block = alignment != LM_BLOCK_ALIGNMENT
                               ? heap->allocate_aligned(alignment, size, &memory)
                           : zeroed ? heap->allocate_zeroed(size, &memory)
                                    : heap->allocate(size, &memory);
    holds_steps(false);
    served = block;
    if (!block) {
        holds_refusal(cost, size, alignment);
        return;
    }
    if (lm_memory_pages(&memory) != pages_before) holds_reuse(cost, alignment, "grow the memory");
    bool inside = lm_holds(&memory, block) && size <= memory_end() - lm_offset(&memory, block);
    for (uint64_t at = 0; zeroed && inside && at < size && at < ZERO_BYTES; at++)
        HOLDS(zero, block[at] == 0, "block %u of %u bytes is not zero", number, size);
    blocks[number] = (extent){.cost = cost, .size = size, .alignment = alignment};
    enter(number, block, cost, 0);
    blocks[number].counts = lm_demand_allocated(&demand, heap, size, alignment);
    if (alignment <= LM_BLOCK_ALIGNMENT && size > largest) largest = size;
    walk_if_small();
}

static void resize(uint32_t number, uint32_t size) {
    extent *e = &blocks[number];
    uint64_t cost = heap->block_bytes_max(size, e->alignment);
    uint64_t kept = size < e->size ? size : e->size, filled = e->usable;
    note(LM_ROUND_RESIZE, number, size, 0);
    if (!e->live) return; // it could not be allocated
    e->scope = depth;
    holds_content(e->offset, number, e->usable, e->usable);
    before();
    unsigned char *old = lm_memory_base(&memory) + e->offset;
    unsigned char *block = e->alignment == LM_BLOCK_ALIGNMENT
                               ? heap->resize(old, size, &memory)
                               : heap->resize_aligned(old, size, e->alignment, &memory);
    holds_steps(true);
    served = block;
    if (!block) {
        old = lm_memory_base(&memory) + e->offset;
        HOLDS(refusal, heap->usable_size(old, &memory) == e->usable,
              "a failed resize has changed how much of block %u is usable", number);
        holds_content(e->offset, number, e->usable, e->usable);
        holds_refusal(cost, size, e->alignment);
        return;
    }
    if (lm_holds(&memory, block) && kept <= memory_end() - lm_offset(&memory, block))
        holds_content(lm_offset(&memory, block), number, kept, filled);
    bool moved = (uint64_t)(block - lm_memory_base(&memory)) != e->offset;
    e->counts = lm_demand_resized(&demand, heap, e->counts, size, e->alignment, moved);
    cost_now -= e->cost;
    e->live = false;
    e->size = size;
    e->cost = 2 * cost;
    enter(number, block, cost, kept);
    walk_if_small();
}

// There is room for what was asked for last, and most strategies serve it
// (fuzz/oracle/agreement.h).
static void agrees(const char *finding) {
    ull left = (ull)(memory.pages_max - pages_before) * LM_PAGE_BYTES;
    HOLDS(agreement, served, "%llu bytes are left, and %s", left, finding);
}

static void forget(uint32_t number) {
    extent *e = &blocks[number];
    holds_content(e->offset, number, e->usable, e->usable);
    e->live = census_is_known = false;
    cost_now -= e->cost;
    lm_demand_freed(&demand, e->counts);
}

// Every second block is freed with its size.
static void free_block(uint32_t number) {
    forget(number);
    before();
    heap->free(lm_memory_base(&memory) + blocks[number].offset,
               number % 2 ? blocks[number].size : 0, &memory);
    HOLDS(waste, lm_memory_pages(&memory) == pages_before || can(LM_SHARES_THREADS),
          "a free has grown the memory"); // a thread may begin with it
    holds_steps(false);
}

static void release(uint32_t number) {
    note(LM_ROUND_FREE, number, 0, 0);
    if (blocks[number].live)
        free_block(number);
    else // it could not be allocated
        heap->free(NULL, 0, &memory);
    walk_if_small();
}

// What lives at the place of that number in the order of offsets, or BLOCKS + FOREIGN_MAX.
static uint32_t at_place(uint32_t place) {
    for (uint32_t i = 0; i < BLOCKS + foreign; i++) {
        uint32_t below = 0;
        for (uint32_t j = 0; j < BLOCKS + foreign; j++)
            below += blocks[j].live && blocks[j].offset < blocks[i].offset;
        if (blocks[i].live && below == place) return i;
    }
    return BLOCKS + FOREIGN_MAX;
}

// Ends the blocks of the scopes from `scope` on, the highest first; `freed`: by a call for each.
static void end_blocks(uint32_t scope, bool freed) {
    uint32_t place = 0, i;
    while (at_place(place) < BLOCKS + FOREIGN_MAX)
        place++;
    while (place-- > 0)
        if ((i = at_place(place)) < BLOCKS && blocks[i].scope >= scope)
            freed ? free_block(i) : forget(i);
}

static void open_scope(void) {
    uint32_t scope = depth++;
    note(LM_ROUND_OPEN, 0, 0, 0);
    if (!can(LM_NESTS_SCOPES) || scope >= SCOPES_MAX) return;
    before();
    bool opened = heap->open_scope(&memory);
    scopes_opened |= (uint64_t)opened << scope;
    census_is_known &= !opened;
    if (opened) lm_demand_opened(&demand, heap);
    opened ? holds_growth(0, LM_BLOCK_ALIGNMENT) : holds_refusal(0, 0, LM_BLOCK_ALIGNMENT);
    walk_if_small();
}

static void close_scope(void) {
    uint32_t scope = --depth;
    note(LM_ROUND_CLOSE, 0, 0, 0);
    bool opened = scope < SCOPES_MAX && scopes_opened >> scope & 1;
    end_blocks(scope + 1, !opened);
    if (!opened) return;
    scopes_opened &= ~((uint64_t)1 << scope);
    before();
    heap->close_scope(&memory);
    lm_demand_closed(&demand);
    census_is_known = false;
    holds_contents();
    walk_if_small();
}

static void holds_nothing(void) {
    walk();
    HOLDS(conservation, census.live_blocks == 0 && census.live_bytes == 0,
          "all is freed, and %llu blocks of %llu bytes live", (ull)census.live_blocks,
          (ull)census.live_bytes);
}

static void reset(void) {
    note(LM_ROUND_RESET, 0, 0, 0);
    end_blocks(0, false);
    depth = 0;
    scopes_opened = 0;
    before();
    heap->reset(&memory);
    lm_demand_reset(&demand);
    largest = 0; // the memory may serve other sizes from here on
    holds_nothing();
    holds_contents();
}

static void grow(uint32_t pages) { // somebody else does
    if (foreign == FOREIGN_MAX) return;
    before();
    lm_memory_grow_foreign(&memory, pages);
    if (lm_memory_pages(&memory) == pages_before) return;
    lm_demand_foreign(&demand, lm_memory_pages(&memory) - pages_before);
    extent *e = &blocks[BLOCKS + foreign];
    e->offset = (uint64_t)pages_before * LM_PAGE_BYTES;
    e->usable = memory_end() - e->offset;
    e->live = true;
    holds_apart(BLOCKS + foreign);
    fill(e->offset, BLOCKS + foreign++, e->usable);
    walk_if_small();
}

static void refuse(uint32_t count) {
    lm_memory_refuse(&memory, count);
}

static void lane(uint32_t number) { // is a thread, of a memory that does not move
    bool shared = can(LM_SHARES_THREADS) && !memory.moving;
    if (shared && number < THREADS_MAX) memory.thread = number;
}

static void move(void) { // and from here on with every growth
    if (memory.thread || sees_threads()) return;
    memory.moving = true;
    lm_memory_move(&memory);
}

// Behind a module's data the memory was used before, and is not zero.
static void leave_used(uint32_t heap_start) {
    uint64_t bytes = heap_start < memory_end() ? memory_end() - heap_start : 0;
    if (heap_start >= 1024) fill(heap_start, heap_start, bytes < USED_BYTES ? bytes : USED_BYTES);
}

static void start(uint32_t heap_start, uint32_t pages, uint32_t pages_max) {
    catch_signals();
    lm_memory_options options = {.heap_start = heap_start, .pages = pages, .pages_max = pages_max};
    if (!lm_memory_create(&memory, &options)) perror("no memory"), exit(2);
    leave_used(heap_start);
    before();
    bool started = heap->start(&memory);
    HOLDS(refusal, started || !lm_room_to_start(&memory), "the heap does not start");
    HOLDS(refusal, started || lm_memory_pages(&memory) == pages, "no heap, but the memory grew");
    if (!started) puts("nothing is broken: the heap has no room"), exit(0);
    pages_begun = lm_memory_pages(&memory);
    fill(heap_start - below(), UINT32_MAX, below());
}

static void circulates(void) {
    uint32_t settled = circulate(heap, &memory), pages = lm_memory_pages(&memory);
    HOLDS(conservation, pages <= settled + CIRCULATION_PAGES_LATE,
          "one thread frees what another allocates, and the memory grows from %u to %u pages",
          settled, pages);
}

// What a thread keeps it gives back where it gets no memory; in the second round it gets what the
// others kept of it.
static void threads_conserve(void) {
    uint32_t acting = memory.thread;
    if (!sees_threads()) return;
    if (threads == 3) circulates();
    refuse(LM_REFUSE_ALL);
    for (uint32_t turn = 0; turn < 2 * LM_THREADS_MAX; turn++) {
        memory.thread = turn % LM_THREADS_MAX;
        if (threads >> memory.thread & 1) heap->allocate(UINT32_MAX, &memory);
    }
    memory.thread = acting;
    refuse(0);
    largest = 0; // where it lay a thread's heap may lie
    holds_nothing();
}

// What was served is served again without growth; or half of it, by who merges.
static void serves_again(void) {
    size_t size = largest;
    refuse(LM_REFUSE_ALL);
    before();
    void *block = heap->allocate(size, &memory);
    if (!block && can(LM_MERGES)) block = heap->allocate(size /= 2, &memory);
    HOLDS(conservation, block || largest == 0, "all is freed, %llu bytes were served, %zu are not",
          (ull)largest, size);
    if (block) heap->free(block, size, &memory);
    refuse(0);
}

// The heap as it is when all is freed, against the one that a reset makes of it.
static void holds_reset(void) {
    lm_census freed = census;
    heap->reset(&memory);
    if (!is_small()) return;
    holds_nothing();
    HOLDS(conservation, freed.heap_bytes == census.heap_bytes,
          "a reset changed the heap's bytes from %llu to %llu", (ull)freed.heap_bytes,
          (ull)census.heap_bytes);
    uint64_t lost = freed.heap_bytes / 8 + 16384 + foreign * LM_PAGE_BYTES / 2 +
                    ((uint64_t)__builtin_popcountll(threads) - 1) * LM_PAGE_BYTES / 16;
    HOLDS(conservation, !can(LM_MERGES) || freed.free_bytes + lost >= census.free_bytes,
          "all is freed, and %llu bytes are free, after a reset %llu", (ull)freed.free_bytes,
          (ull)census.free_bytes);
}

// The same calls again and again, `count` of them.
static void play_rounds(size_t count) {
    static lm_round round;
    round = (lm_round){.allocator = heap, .memory = &memory};
    memory.thread = 0;
    lm_rounds_pages pages = lm_rounds(&round, round_calls, count);
    HOLDS(steady, pages.last <= lm_rounds_pages_max(heap, pages.learnt),
          "%u pages after %u rounds of the same calls, and %u after %u", pages.learnt,
          (unsigned)LM_ROUNDS_LEARNT, pages.last, (unsigned)LM_ROUNDS);
}

// Each in a heap of its own, where steps are counted.
static void play_checkerboards(void) {
    for (uint32_t board = 0; is_counted && board < LM_BOARDS; board++) {
        lm_memory other;
        if (!lm_memory_create(&other, &(lm_memory_options){.pages = 1, .pages_max = LM_PAGES_MAX}))
            perror("no memory"), exit(2);
        HOLDS(refusal, heap->start(&other), "the heap does not start");
        lm_board_finding found = lm_checkerboard(heap, &other, board, &steps);
        HOLDS(steps, !found.most,
              "%zu bytes, while every second of %u blocks of %zu is free, took %u steps, more "
              "than %u",
              found.size, (unsigned)LM_BOARD_BLOCKS, lm_board_bytes(board), found.steps,
              found.most);
        lm_memory_destroy(&other);
    }
}

// All is freed, from the highest down, or first every second block.
static void free_all(void) {
    uint32_t live = 0;
    for (uint32_t i = 0; i < BLOCKS + foreign; i++)
        live += blocks[i].live;
    for (uint32_t place = live; live % 2 && place >= 2; place -= 2)
        if (at_place(place - 1) < BLOCKS) free_block(at_place(place - 1));
    end_blocks(0, true);
}

static int end(void) {
    bool frees = can(LM_FREES_BLOCKS), merges = can(LM_MERGES);
    size_t calls = round_count; // what follows only ends them
    refuse(0);
    while (depth)
        close_scope();
    if (frees && !merges) largest = 0; // others may have been split
    for (uint32_t i = 0; frees && !merges && i < BLOCKS; i++) {
        const extent *e = &blocks[i];
        if (e->live && e->alignment <= LM_BLOCK_ALIGNMENT && e->usable > largest)
            largest = e->usable;
    }
    holds_contents();
    free_all();
    if (!frees) heap->reset(&memory);
    holds_nothing();
    threads_conserve();
    if (frees || foreign == 0) serves_again();
    if (frees && is_small()) holds_nothing();
    if (frees) holds_reset();
    holds_contents();
    play_rounds(calls);
    play_checkerboards();
    puts("nothing is broken");
    return 0;
}
