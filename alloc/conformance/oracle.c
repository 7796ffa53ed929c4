#include "alloc/conformance/oracle.h"

#include "alloc/conformance/checkerboard.h"
#include "alloc/conformance/circulation.h"
#include "alloc/conformance/pattern.h"
#include "alloc/conformance/room.h"

#include <stdarg.h>
#include <stdio.h>

bool oracle_breaks(oracle *o, law law, const char *how, ...) {
    va_list arguments;
    va_start(arguments, how);
    vsnprintf(o->finding, sizeof o->finding, how, arguments);
    va_end(arguments);
    o->broken = law;
    return false;
}

#define HOLDS(law, holds, ...)                                                                     \
    do {                                                                                           \
        o->checked |= 1ull << LAW_##law;                                                           \
        if (__builtin_expect(!(holds), 0)) return oracle_breaks(o, LAW_##law, __VA_ARGS__);        \
    } while (0)

typedef unsigned long long ull; // as printf takes it

static bool can(const oracle *o, lm_capability capability) {
    return o->allocator->capabilities & capability;
}
static uint64_t memory_end(const oracle *o) {
    return (uint64_t)lm_memory_pages(o->memory) * LM_PAGE_BYTES;
}

// ---- The record ---------------------------------------------------------------------------------

static oracle_extent *at(oracle *o, uint32_t place) {
    return &o->extents[o->order[place]];
}

// How many extents begin before the offset.
static uint32_t place_of(oracle *o, uint64_t offset) {
    uint32_t low = 0, high = o->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (at(o, middle)->offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

// Checks that no other extent overlaps `bytes` from the extent's offset on. `place`: its place in
// the order.
static bool holds_alone(oracle *o, const oracle_extent *e, uint32_t place, uint64_t bytes) {
    const oracle_extent *before = place ? at(o, place - 1) : NULL;
    const oracle_extent *behind = place < o->count ? at(o, place) : NULL;
    HOLDS(disjoint, !before || before->room <= e->offset - before->offset,
          "block %u at %llu lies in %s %u", e->number, (ull)e->offset,
          before->foreign ? "foreign pages" : "block", before->number);
    HOLDS(disjoint, !behind || bytes <= behind->offset - e->offset,
          "block %u at %llu reaches into %s %u", e->number, (ull)e->offset,
          behind->foreign ? "foreign pages" : "block", behind->number);
    return true;
}

static void insert(oracle *o, oracle_extent *e, uint32_t place) {
    for (uint32_t i = o->count++; i > place; i--)
        o->order[i] = o->order[i - 1];
    o->order[place] = (uint16_t)(e - o->extents);
    e->live = true;
}

static void forget(oracle *o, oracle_extent *e) {
    uint32_t place = place_of(o, e->offset);
    o->count--;
    for (uint32_t i = place; i < o->count; i++)
        o->order[i] = o->order[i + 1];
    e->live = false;
    o->reused = true;
    o->usable -= e->usable;
    o->cost -= e->cost_max;
}

// A block's record is at its number, or at the next free place if that was taken.
oracle_extent *oracle_find(oracle *o, uint32_t number) {
    for (uint32_t i = 0; i <= o->reach; i++) {
        oracle_extent *e = &o->extents[(number + i) % ORACLE_BLOCKS_MAX];
        if (e->live && e->number == number) return e;
    }
    return NULL;
}

oracle_extent *oracle_block_at(oracle *o, uint64_t offset) {
    for (uint32_t place = place_of(o, offset); place < o->count; place++) {
        oracle_extent *e = at(o, place);
        if (e->offset != offset) return NULL;
        if (!e->foreign) return e;
    }
    return NULL;
}

const oracle_extent *oracle_extent_around(oracle *o, uint64_t offset) {
    uint32_t place = place_of(o, offset + 1);
    const oracle_extent *e = place ? at(o, place - 1) : NULL;
    return e && offset - e->offset < e->room ? e : NULL;
}

const oracle_extent *oracle_ended(const oracle *o, uint32_t number) {
    const oracle_extent *e = &o->extents[number % ORACLE_BLOCKS_MAX];
    bool known = e->play == o->play && e->number == number;
    return known && !e->live ? e : NULL;
}

static oracle_extent *vacant(oracle *o, uint32_t number) {
    uint32_t i = 0;
    while (o->extents[(number + i) % ORACLE_BLOCKS_MAX].live)
        i++;
    if (i > o->reach) o->reach = i;
    return &o->extents[(number + i) % ORACLE_BLOCKS_MAX];
}

static void fill(const oracle *o, unsigned char *block, uint32_t number, uint64_t usable,
                 uint64_t from) {
    uint64_t edge = usable - PATTERN_EDGE_BYTES;
    pattern_fill(block, number, usable, from);
    if (!o->tracker) return;
    if (usable <= PATTERN_STRIDES_BYTES) {
        o->tracker->wrote(block, usable);
    } else {
        o->tracker->wrote(block, PATTERN_STRIDES_BYTES);
        o->tracker->wrote(block + edge - sizeof edge, PATTERN_EDGE_BYTES + sizeof edge);
    }
}

static bool holds_content(oracle *o, const oracle_extent *e, uint64_t bytes) {
    uint64_t wrong = pattern_check(oracle_address(o, e), e->number, e->usable, bytes);
    HOLDS(content, wrong == PATTERN_HOLDS, "%s %u at %llu, %llu bytes: byte %llu has changed",
          e->foreign ? "foreign pages" : "block", e->number, (ull)e->offset, (ull)e->usable,
          (ull)wrong);
    return true;
}

// ---- Start --------------------------------------------------------------------------------------

enum { BELOW_BYTES = 64, BELOW_NUMBER = UINT32_MAX };

// The bytes before the heap, which it must not write to.
static uint64_t below(const oracle *o, unsigned char **from) {
    uint64_t start = o->memory->heap_start, end = memory_end(o);
    uint64_t bytes = start < BELOW_BYTES ? start : BELOW_BYTES;
    *from = lm_memory_base(o->memory) + start - bytes;
    return start <= end ? bytes : 0;
}

void oracle_begin(oracle *o, const lm_allocator *allocator, lm_memory *memory) {
    for (uint32_t i = 0; i < o->count; i++)
        at(o, i)->live = false;
    o->allocator = allocator;
    o->memory = memory;
    o->tracker = NULL;
    o->steps = NULL;
    o->clears = o->reused = o->haunted = o->gave_back = false;
    o->broken = LAW_NONE;
    o->finding[0] = '\0';
    o->count = o->foreign = o->reach = 0;
    o->play++;
    o->usable = o->cost = o->foreign_bytes = 0;
    o->demand = (lm_demand_meter){0};
    o->largest = o->ended = 0;
    o->census_is_current = false;
    o->threads = 0;
    oracle_before(o);
}

bool oracle_started(oracle *o, bool started) {
    bool due = lm_room_to_start(o->memory) && o->refusals == 0;
    HOLDS(start, started || !due, "a heap at %u in %u pages does not start", o->memory->heap_start,
          o->memory->pages_max);
    HOLDS(start, started || lm_memory_pages(o->memory) == o->pages,
          "the memory has grown, but the heap did not start");
    o->pages_begun = lm_memory_pages(o->memory);
    unsigned char *from;
    uint64_t bytes = below(o, &from);
    fill(o, from, BELOW_NUMBER, bytes, 0);
    return true;
}

// ---- Calls --------------------------------------------------------------------------------------

void oracle_before(oracle *o) {
    o->pages = lm_memory_pages(o->memory);
    o->refusals = o->memory->refusals;
    o->threads |= UINT64_C(1) << o->memory->thread;
    if (o->steps) o->steps_before = *o->steps;
}

static bool holds_steps(oracle *o, bool resizes) {
    if (!o->steps) return true;
    uint32_t taken = *o->steps - o->steps_before;
    uint32_t most = lm_steps_max(o->allocator, resizes, o->pages, lm_memory_pages(o->memory));
    HOLDS(steps, taken <= most, "a call took %u steps, more than %u", taken, most);
    return true;
}

// A call may grow the memory by the block's bytes, rounded up twice, and by the heap's own records.
static bool holds_growth(oracle *o, uint64_t cost, uint32_t alignment) {
    uint64_t grown = memory_end(o) - (uint64_t)o->pages * LM_PAGE_BYTES;
    uint64_t most = 2 * cost + alignment + 4 * LM_PAGE_BYTES + memory_end(o) / 16;
    HOLDS(need, grown <= most, "the memory grew by %llu bytes for a block that takes %llu",
          (ull)grown, (ull)cost);
    return true;
}

// Whether a growth may have failed in the call.
static bool growth_was_refused(const oracle *o) {
    return o->refusals == LM_REFUSE_ALL || o->memory->refusals != o->refusals;
}

uint64_t oracle_left(const oracle *o) {
    return (uint64_t)(o->memory->pages_max - o->pages) * LM_PAGE_BYTES;
}

// Every fourth failed call or reset is followed by a walk; a failed call that follows a walk
// always.
enum { ENDS_A_WALK = 4 };

// For strategies that round to powers of two: the bytes from the last multiple of the block's size
// to the memory's end, if they are free; growth adds to them. Only before the heap has grown,
// because its records are then at its start.
static uint64_t free_end(const oracle *o, uint64_t block, uint64_t step, uint64_t own) {
    bool joins = can(o, LM_MERGES) && !oracle_sees_threads(o) && o->pages == o->pages_begun;
    if (!joins || step != block || !lm_room_rounds(o->allocator, block)) return 0;
    const oracle_extent *last = o->count ? &o->extents[o->order[o->count - 1]] : NULL;
    uint64_t end = (uint64_t)o->pages * LM_PAGE_BYTES, place = end - end % step;
    bool is_free = !last || last->offset + last->room <= place;
    return is_free && o->memory->heap_start + own <= place ? end - place : 0;
}

bool oracle_had_room(const oracle *o, uint64_t block, uint64_t step) {
    if (growth_was_refused(o)) return false;
    uint64_t end = (uint64_t)o->pages * LM_PAGE_BYTES, left = oracle_left(o);
    uint64_t due = lm_room_due(o->allocator, end, block, step);
    uint64_t joined = due == UINT64_MAX ? 0 : free_end(o, block, step, due - block - step);
    return due <= left || (joined && due - step <= left + joined);
}

// The largest gap between live extents in the memory as it was before the call.
static uint64_t largest_gap(oracle *o) {
    uint64_t widest = 0, from = o->memory->heap_start, end = (uint64_t)o->pages * LM_PAGE_BYTES;
    for (uint32_t i = 0; i < o->count && at(o, i)->offset < end; i++) {
        const oracle_extent *e = at(o, i);
        if (e->offset > from && e->offset - from > widest) widest = e->offset - from;
        from = e->offset + e->room;
    }
    return end > from && end - from > widest ? end - from : widest;
}

// If free blocks merge, a gap of four times the block's size has room for it, wherever in it the
// heap's own table is, and although a search may try only larger blocks. With several threads the
// gap may be blocks that another thread caches.
static bool holds_reuse(oracle *o, uint64_t block, uint32_t alignment, const char *what) {
    uint64_t end = (uint64_t)o->pages * LM_PAGE_BYTES;
    uint64_t due = 4 * block + 2 * (uint64_t)alignment + end / 16 + 4 * LM_PAGE_BYTES;
    if (!can(o, LM_MERGES) || oracle_sees_threads(o) || end < due) return true;
    uint64_t widest = largest_gap(o);
    HOLDS(gap, widest < due, "%llu bytes %s beside a free gap of %llu", (ull)block, what,
          (ull)widest);
    return true;
}

// A call failed: a growth has failed, or there is no room for a block of the stated size. Nothing
// may have changed.
static bool holds_refusal(oracle *o, uint64_t cost, uint32_t size, uint32_t alignment) {
    uint64_t block = cost > size ? cost : size;
    HOLDS(served, !oracle_had_room(o, block, lm_room_step(o->allocator, block, alignment)),
          "%u bytes aligned to %u fail with %llu left", size, alignment, (ull)oracle_left(o));
    if (!holds_reuse(o, block, alignment, "fail")) return false;
    HOLDS(refused, lm_memory_pages(o->memory) == o->pages,
          "a failed call has grown the memory to %u pages", lm_memory_pages(o->memory));
    lm_census before = o->census;
    bool comparable = o->census_is_current;
    bool walks = comparable || o->ended++ % ENDS_A_WALK == 0;
    if (!walks || !oracle_walks_cheaply(o)) return true;
    if (!oracle_walk(o)) return false;
    HOLDS(refused,
          !comparable || (before.live_blocks == o->census.live_blocks &&
                          before.live_bytes == o->census.live_bytes &&
                          before.heap_bytes == o->census.heap_bytes),
          "a failed call has changed the census from %llu blocks, %llu bytes of %llu to "
          "%llu, %llu of %llu",
          (ull)before.live_blocks, (ull)before.live_bytes, (ull)before.heap_bytes,
          (ull)o->census.live_blocks, (ull)o->census.live_bytes, (ull)o->census.heap_bytes);
    return true;
}

// Checks the block's usable size, and enters it.
static bool holds_usable(oracle *o, oracle_extent *e, const void *block, uint64_t left) {
    e->usable = o->allocator->usable_size(block, o->memory);
    HOLDS(usable, e->usable >= e->size && e->usable <= left,
          "block %u of %u bytes at %llu has %llu usable", e->number, e->size, (ull)e->offset,
          (ull)e->usable);
    HOLDS(cost, e->usable <= e->cost_max, "block %u of %u bytes has %llu, more than %llu",
          e->number, e->size, (ull)e->usable, (ull)e->cost_max);
    e->room = e->usable ? e->usable : 1;
    return true;
}

// Zeroes a served block behind its first `kept` bytes, so that no record of an ended block is left.
static void clear_ground(oracle *o, const oracle_extent *e, uint64_t kept) {
    uint64_t first = (kept + 7) & ~UINT64_C(7), end = e->usable & ~UINT64_C(7);
    unsigned char *block = oracle_address(o, e);
    if (first >= end || (o->tracker && o->tracker->zero(block + first, end - first))) return;
    if (e->usable > ORACLE_CLEARED_MAX) {
        o->haunted |= o->reused;
        return;
    }
    for (uint64_t i = first / 8; i < end / 8; i++)
        ((uint64_t *)(void *)block)[i] = 0;
}

// Enters a returned block, which keeps `kept` bytes; the first `filled` of them have its pattern.
static bool enter(oracle *o, oracle_extent *e, const void *block, uint64_t kept, uint64_t filled) {
    uint64_t end = memory_end(o);
    e->offset = (uint64_t)((uintptr_t)block - (uintptr_t)lm_memory_base(o->memory));
    HOLDS(inside,
          e->offset >= o->memory->heap_start && e->offset < end && e->size <= end - e->offset,
          "block %u, %u bytes, is at %lld in a memory of %llu", e->number, e->size,
          (long long)e->offset, (ull)end);
    HOLDS(aligned, e->offset % LM_BLOCK_ALIGNMENT == 0 && e->offset % e->alignment == 0,
          "block %u at %llu is not aligned to %u", e->number, (ull)e->offset, e->alignment);
    uint32_t place = place_of(o, e->offset);
    if (!holds_alone(o, e, place, e->size ? e->size : 1)) return false;
    if (!holds_usable(o, e, block, end - e->offset)) return false;
    if (!holds_alone(o, e, place, e->room)) return false;
    insert(o, e, place);
    o->usable += e->usable;
    o->cost += e->cost_max;
    if (o->clears) clear_ground(o, e, kept);
    fill(o, oracle_address(o, e), e->number, e->usable, filled);
    return true;
}

static bool holds_zeroes(const oracle *o, const unsigned char *block, uint64_t size) {
    uint64_t ends = 2 * PATTERN_ZERO_BYTES;
    if (!pattern_is_zero(block, size)) return false;
    if (size <= ends) return true;
    const unsigned char *middle = block + PATTERN_ZERO_BYTES;
    uint64_t bytes = size - ends < ORACLE_ZERO_BYTES_MAX ? size - ends : ORACLE_ZERO_BYTES_MAX;
    return o->tracker ? o->tracker->is_zero(middle, bytes) : pattern_reads_as_zero(middle, bytes);
}

bool oracle_allocated(oracle *o, const oracle_request *request, void *block) {
    uint64_t cost = o->allocator->block_bytes_max(request->size, request->alignment);
    if (!holds_steps(o, false)) return false;
    if (!block) return holds_refusal(o, cost, request->size, request->alignment);
    bool grew = lm_memory_pages(o->memory) != o->pages;
    if (grew && !holds_reuse(o, cost, request->alignment, "grow the memory")) return false;
    o->census_is_current = false;
    oracle_extent *e = vacant(o, request->number);
    e->number = request->number;
    e->size = request->size;
    e->alignment = request->alignment;
    e->scope = request->scope;
    e->play = o->play;
    e->cost_max = cost;
    e->foreign = false;
    uint64_t end = memory_end(o), offset = (uintptr_t)block - (uintptr_t)lm_memory_base(o->memory);
    if (request->zeroed && offset < end && request->size <= end - offset)
        HOLDS(zero, holds_zeroes(o, block, request->size), "block %u of %u bytes is not zero",
              request->number, request->size);
    if (!enter(o, e, block, 0, 0) || !holds_growth(o, cost, request->alignment)) return false;
    e->counts = lm_demand_allocated(&o->demand, o->allocator, e->size, e->alignment);
    if (e->alignment <= LM_BLOCK_ALIGNMENT && e->size > o->largest) o->largest = e->size;
    return true;
}

bool oracle_resizing(oracle *o, oracle_extent *e) {
    return holds_content(o, e, e->usable);
}

bool oracle_resized(oracle *o, oracle_extent *e, uint32_t size, uint32_t scope, void *block) {
    uint64_t cost = o->allocator->block_bytes_max(size, e->alignment);
    uint32_t kept = size < e->size ? size : e->size;
    e->scope = scope;
    if (!holds_steps(o, true)) return false;
    if (!block) {
        uint64_t usable = o->allocator->usable_size(oracle_address(o, e), o->memory);
        HOLDS(refused, usable == e->usable, "block %u had %llu usable, after a failed resize %llu",
              e->number, (ull)e->usable, (ull)usable);
        return holds_content(o, e, e->usable) && holds_refusal(o, cost, size, e->alignment);
    }
    o->census_is_current = false;
    uint64_t offset = (uintptr_t)block - (uintptr_t)lm_memory_base(o->memory);
    e->counts = lm_demand_resized(&o->demand, o->allocator, e->counts, size, e->alignment,
                                  offset != e->offset);
    forget(o, e);
    e->size = size;
    uint64_t end = memory_end(o), usable = e->usable;
    bool inside = offset >= o->memory->heap_start && offset < end && size <= end - offset;
    if (inside) {
        e->offset = offset;
        if (!holds_content(o, e, kept)) return false;
    }
    e->cost_max = 2 * cost;
    if (!enter(o, e, block, kept, usable <= PATTERN_WHOLE_BYTES ? kept : 0)) return false;
    if (!holds_growth(o, cost, e->alignment)) return false;
    return true;
}

bool oracle_freeing(oracle *o, oracle_extent *e) {
    if (!holds_content(o, e, e->usable)) return false;
    forget(o, e);
    lm_demand_freed(&o->demand, e->counts);
    o->census_is_current = false;
    return true;
}

bool oracle_freed(oracle *o) {
    // A thread's first call may be a free.
    HOLDS(need, lm_memory_pages(o->memory) == o->pages || can(o, LM_SHARES_THREADS),
          "a free has grown the memory");
    return holds_steps(o, false);
}

bool oracle_opened(oracle *o, bool opened) {
    if (!opened) return holds_refusal(o, 0, 0, LM_BLOCK_ALIGNMENT);
    o->census_is_current = false;
    lm_demand_opened(&o->demand, o->allocator);
    return holds_growth(o, 0, LM_BLOCK_ALIGNMENT);
}

bool oracle_foreign(oracle *o) {
    uint32_t pages = lm_memory_pages(o->memory) - o->pages;
    if (pages == 0) return true;
    lm_demand_foreign(&o->demand, pages);
    oracle_extent *e = &o->extents[ORACLE_BLOCKS_MAX + o->foreign++];
    uint64_t bytes = (uint64_t)pages * LM_PAGE_BYTES;
    *e = (oracle_extent){.offset = (uint64_t)o->pages * LM_PAGE_BYTES,
                         .room = bytes,
                         .usable = bytes,
                         .number = o->foreign,
                         .foreign = true};
    uint32_t place = place_of(o, e->offset);
    if (!holds_alone(o, e, place, bytes)) return false;
    insert(o, e, place);
    o->foreign_bytes += bytes;
    fill(o, oracle_address(o, e), e->number, bytes, 0);
    return true;
}

// ---- Walks --------------------------------------------------------------------------------------

// The census against the record.
static bool holds_census(oracle *o) {
    const lm_census *census = &o->census;
    uint64_t blocks = o->count - o->foreign;
    HOLDS(census,
          census->live_blocks >= blocks &&
              (!can(o, LM_FREES_BLOCKS) || census->live_blocks == blocks),
          "%llu blocks live, the heap counts %llu", (ull)blocks, (ull)census->live_blocks);
    HOLDS(census, census->live_bytes >= o->usable, "%llu bytes live, the heap counts %llu",
          (ull)o->usable, (ull)census->live_bytes);
    HOLDS(cost, !can(o, LM_FREES_BLOCKS) || census->live_bytes <= o->cost,
          "blocks take %llu bytes, by block_bytes_max %llu at most", (ull)census->live_bytes,
          (ull)o->cost);
    HOLDS(census, census->live_bytes + census->free_bytes <= census->heap_bytes,
          "%llu live and %llu free are more than the heap's %llu bytes", (ull)census->live_bytes,
          (ull)census->free_bytes, (ull)census->heap_bytes);
    uint64_t taken = memory_end(o) - o->memory->heap_start - o->foreign_bytes;
    HOLDS(census,
          census->heap_bytes <= taken && census->heap_bytes + (o->foreign + 1) * 64 >= taken,
          "the heap took %llu bytes and counts %llu", (ull)taken, (ull)census->heap_bytes);
    return true;
}

static bool holds_heap_bound(oracle *o) {
    if (!o->allocator->heap_bytes_max) return true;
    uint64_t most = o->allocator->heap_bytes_max(&o->demand.most);
    uint64_t begun = (uint64_t)o->pages_begun * LM_PAGE_BYTES;
    HOLDS(bound, o->census.heap_bytes <= begun + most,
          "the heap takes %llu bytes, by heap_bytes_max %llu at most", (ull)o->census.heap_bytes,
          (ull)most);
    return true;
}

static bool validates(oracle *o) {
    const char *broken = o->allocator->validate(o->memory, &o->census);
    HOLDS(sound, !broken, "validate returns \"%s\"", broken);
    o->census_is_current = true;
    return true;
}

bool oracle_walk(oracle *o) {
    return validates(o) && holds_census(o) && holds_heap_bound(o);
}

bool oracle_contents(oracle *o) {
    for (uint32_t i = 0; i < o->count; i++)
        if (!holds_content(o, at(o, i), at(o, i)->usable)) return false;
    unsigned char *from;
    uint64_t bytes = below(o, &from);
    HOLDS(content, pattern_check(from, BELOW_NUMBER, bytes, bytes) == PATTERN_HOLDS,
          "the bytes before the heap's start have changed");
    return true;
}

// Walks a heap in which `freed`, a free of each block or a reset, has left no block live.
static bool holds_nothing(oracle *o, law freed) {
    if (!validates(o)) return false;
    if (o->census.live_blocks == 0 && o->census.live_bytes == 0)
        return holds_census(o) && holds_heap_bound(o);
    return oracle_breaks(o, freed, "all blocks are freed, and %llu of %llu bytes are live",
                         (ull)o->census.live_blocks, (ull)o->census.live_bytes);
}

bool oracle_closed(oracle *o) {
    lm_demand_closed(&o->demand);
    o->gave_back = true;
    o->census_is_current = false;
    return oracle_contents(o);
}

bool oracle_reset(oracle *o) {
    o->gave_back = true;
    lm_demand_reset(&o->demand);
    o->largest = 0; // the memory may serve other sizes from here on
    bool walks = oracle_walks_cheaply(o) || o->ended++ % ENDS_A_WALK == 0;
    o->census_is_current = false;
    return (!walks || holds_nothing(o, LAW_reset)) && oracle_contents(o);
}

// ---- The end ------------------------------------------------------------------------------------

// If free blocks do not merge, the largest block that is live last: others may have been split.
bool oracle_ending(oracle *o) {
    if (!can(o, LM_FREES_BLOCKS) || can(o, LM_MERGES)) return oracle_contents(o);
    o->largest = 0;
    for (uint32_t i = 0; i < o->count; i++) {
        const oracle_extent *e = at(o, i);
        if (!e->foreign && e->alignment <= LM_BLOCK_ALIGNMENT && e->usable > o->largest)
            o->largest = e->usable;
    }
    return oracle_contents(o);
}

// The largest request is served again without growth; or half of it, because a strategy that merges
// may search among larger blocks only.
static bool serves_again(oracle *o) {
    size_t size = o->largest;
    lm_memory_refuse(o->memory, LM_REFUSE_ALL);
    void *block = o->allocator->allocate(size, o->memory);
    if (!block && can(o, LM_MERGES)) block = o->allocator->allocate(size /= 2, o->memory);
    lm_memory_refuse(o->memory, 0);
    if (block) o->allocator->free(block, size, o->memory);
    if (block || o->largest == 0) return true;
    return oracle_breaks(o, can(o, LM_MERGES) ? LAW_merges : LAW_reuse,
                         "all blocks are freed; %llu bytes were served before, %zu are not",
                         (ull)o->largest, size);
}

// A failed request makes a thread give back its cached blocks; the second round collects the blocks
// that others cached for it.
static void threads_give_back(oracle *o) {
    uint32_t acting = o->memory->thread;
    lm_memory_refuse(o->memory, LM_REFUSE_ALL);
    for (int round = 0; round < 2; round++) {
        for (uint64_t left = o->threads; left; left &= left - 1) {
            o->memory->thread = (uint32_t)__builtin_ctzll(left);
            o->allocator->allocate(UINT32_MAX, o->memory);
        }
    }
    o->memory->thread = acting;
    lm_memory_refuse(o->memory, 0);
}

static bool circulates(oracle *o) {
    if (o->threads != 3) return true;
    uint32_t settled = circulate(o->allocator, o->memory), pages = lm_memory_pages(o->memory);
    HOLDS(threads, pages <= settled + CIRCULATION_PAGES_LATE,
          "one thread frees what another allocates, and the memory grows from %u to %u pages",
          settled, pages);
    return true;
}

// With several threads, cached blocks must become free again. A thread's heap may now be at the
// largest block's place.
static bool threads_conserve(oracle *o) {
    if (!oracle_sees_threads(o)) return true;
    if (!circulates(o)) return false;
    threads_give_back(o);
    o->largest = 0;
    return holds_nothing(o, LAW_threads);
}

bool oracle_rounds(oracle *o, const lm_round_call *calls, size_t count) {
    static lm_round round;
    round = (lm_round){.allocator = o->allocator, .memory = o->memory};
    o->memory->thread = 0;
    lm_rounds_pages pages = lm_rounds(&round, calls, count);
    HOLDS(steady, pages.last <= lm_rounds_pages_max(o->allocator, pages.learnt),
          "%u pages after %u rounds of the same calls, and %u after %u", pages.learnt,
          (unsigned)LM_ROUNDS_LEARNT, pages.last, (unsigned)LM_ROUNDS);
    return true;
}

bool oracle_checkerboard(oracle *o, uint32_t board) {
    lm_board_finding found = lm_checkerboard(o->allocator, o->memory, board, o->steps);
    HOLDS(steps, !found.most,
          "%zu bytes, while every second of %u blocks of %zu is free, took %u steps, more than %u",
          found.size, (unsigned)LM_BOARD_BLOCKS, lm_board_bytes(board), found.steps, found.most);
    return true;
}

// The heap after all blocks were freed, against the heap after a reset.
static bool holds_reset(oracle *o) {
    lm_census freed = o->census;
    if (!oracle_walks_cheaply(o)) return true;
    o->allocator->reset(o->memory);
    if (!holds_nothing(o, LAW_reset)) return false;
    HOLDS(reset, freed.heap_bytes == o->census.heap_bytes,
          "a reset changed the heap's bytes from %llu to %llu", (ull)freed.heap_bytes,
          (ull)o->census.heap_bytes);
    // The heap's own records, each thread's, and remains between foreign pages.
    uint64_t threads = (uint64_t)__builtin_popcountll(o->threads);
    uint64_t lost = freed.heap_bytes / 8 + 16384 + o->foreign * LM_PAGE_BYTES / 2 +
                    (threads - 1) * LM_PAGE_BYTES / 16;
    HOLDS(merges, !can(o, LM_MERGES) || freed.free_bytes + lost >= o->census.free_bytes,
          "all blocks are freed, and %llu bytes are free, after a reset %llu",
          (ull)freed.free_bytes, (ull)o->census.free_bytes);
    return true;
}

bool oracle_conserves(oracle *o) {
    bool freed = can(o, LM_FREES_BLOCKS);
    oracle_before(o);
    if (!freed) o->allocator->reset(o->memory);
    if (!holds_nothing(o, freed ? LAW_frees : LAW_reset) || !threads_conserve(o)) return false;
    if ((freed || o->foreign == 0) && !serves_again(o)) return false;
    return (!freed || holds_reset(o)) && oracle_contents(o); // foreign, and before the heap
}
