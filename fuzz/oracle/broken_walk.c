#include "fuzz/oracle/broken_walk.h"

#include "alloc/conformance/heap_look.h"
#include "fuzz/oracle/walk_guard.h"
#include "fuzz/play/record_mutator.h"

enum { STATE_WORDS = 512, BESIDE_WORDS = 8 };

// Chooses a word worth overwriting; returns its index from the memory's base.
static uint32_t choose_word(const oracle *o, uint64_t *random) {
    uint32_t first = o->memory->heap_start / 4;
    uint32_t words = lm_memory_pages(o->memory) * (LM_PAGE_BYTES / 4) - first;
    uint32_t kind = random_below(random, 4);
    if (kind == 0) return first + random_below(random, words);
    if (kind == 1 || o->count == 0)
        return first + random_below(random, words < STATE_WORDS ? words : STATE_WORDS);
    const oracle_extent *e = &o->extents[o->order[random_below(random, o->count)]];
    uint64_t edge = e->offset + (kind == 2 ? 0 : e->room);
    uint64_t word = edge / 4 + random_below(random, 2 * BESIDE_WORDS) - BESIDE_WORDS;
    return word >= first && word < first + words ? (uint32_t)word : first;
}

static uint32_t choose_value(const oracle *o, uint32_t word, uint64_t *random) {
    const uint32_t near[] = {1, 2, 4, 16};
    uint32_t step = near[random_below(random, 4)];
    switch (random_below(random, 8)) {
    case 0:
        return 0;
    case 1:
        return UINT32_MAX;
    case 2:
        return word ^ step;
    case 3:
        return word + step;
    case 4:
        return word - step;
    case 5:
        return (uint32_t)random_next(random);
    case 6: // an offset in the heap
        return 4 * choose_word(o, random);
    default: // the value of another word
        return ((uint32_t *)(void *)lm_memory_base(o->memory))[choose_word(o, random)];
    }
}

static bool can_be_broken(const oracle *o) {
    return oracle_walks_cheaply(o) &&
           lm_memory_pages(o->memory) * LM_PAGE_BYTES > o->memory->heap_start;
}

static bool walk(oracle *o, uint32_t word, uint32_t value) {
    char how[160];
    return walk_guarded(o->allocator, o->memory, (walk_damage){4 * word, value}, how) ||
           oracle_breaks(o, LAW_survives, "%s", how);
}

static uint32_t word_at(const oracle *o, uint32_t word) {
    return ((const uint32_t *)(void *)lm_memory_base(o->memory))[word];
}

// Walks, and checks that nothing but the overwritten words has changed.
static bool walk_looked_at(oracle *o, uint64_t *seed, bool (*walks)(oracle *, uint64_t *)) {
    heap_look before = heap_look_at(o);
    walk_guard_begin();
    bool holds = walks(o, seed);
    walk_guard_end();
    heap_look after = heap_look_at(o);
    return holds &&
           (heap_look_same(&before, &after) ||
            oracle_breaks(o, LAW_survives, "validate writes to a heap with a damaged word"));
}

static bool walk_some(oracle *o, uint64_t *seed) {
    bool holds = true;
    for (int i = 0; i < BROKEN_WALKS && holds; i++) {
        uint32_t at = choose_word(o, seed);
        holds = walk(o, at, choose_value(o, word_at(o, at), seed));
    }
    return holds;
}

bool broken_walks(oracle *o, uint64_t seed) {
    return !can_be_broken(o) || walk_looked_at(o, &seed, walk_some);
}

// ---- All ----------------------------------------------------------------------------------------

// Overwrites the words from `from` on; skips those outside the heap.
static bool walk_words(oracle *o, uint64_t word, uint32_t count, uint64_t *seed) {
    enum { CHOSEN = 12 };
    uint32_t first = o->memory->heap_start / 4;
    uint32_t end = lm_memory_pages(o->memory) * (LM_PAGE_BYTES / 4);
    bool holds = true;
    for (uint64_t at = word; at < word + count && holds; at++) {
        if (at < first || at >= end) continue;
        uint32_t is = word_at(o, (uint32_t)at);
        const uint32_t values[] = {0, UINT32_MAX, is ^ 1, is ^ 2, is + 16, is - 16};
        for (uint32_t v = 0; v < sizeof values / sizeof *values && holds; v++)
            holds = walk(o, (uint32_t)at, values[v]);
        for (int i = 0; i < CHOSEN && holds; i++)
            holds = walk(o, (uint32_t)at, choose_value(o, is, seed));
    }
    return holds;
}

static bool walk_all(oracle *o, uint64_t *seed) {
    bool holds = walk_words(o, o->memory->heap_start / 4, STATE_WORDS, seed);
    for (uint32_t i = 0; i < o->count && holds; i++) {
        const oracle_extent *e = &o->extents[o->order[i]];
        holds = walk_words(o, e->offset / 4 - BESIDE_WORDS, 2 * BESIDE_WORDS, seed) &&
                walk_words(o, (e->offset + e->room) / 4 - BESIDE_WORDS, 2 * BESIDE_WORDS, seed);
    }
    return holds;
}

bool broken_walks_all(oracle *o) {
    uint64_t seed = 1;
    return !can_be_broken(o) || walk_looked_at(o, &seed, walk_all);
}
