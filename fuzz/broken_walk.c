#include "fuzz/broken_walk.h"

#include "fuzz/record_mutator.h"

enum { STATE_WORDS = 512, BESIDE_WORDS = 8 };

// Where a word is that is worth breaking, counted from the memory's base.
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
    default: // what stands elsewhere
        return ((uint32_t *)(void *)lm_memory_base(o->memory))[choose_word(o, random)];
    }
}

bool broken_walks(oracle *o, uint64_t seed) {
    bool small = oracle_walks_cheaply(o);
    if (!small || lm_memory_pages(o->memory) * LM_PAGE_BYTES <= o->memory->heap_start) return true;
    volatile uint32_t *words = (uint32_t *)(void *)lm_memory_base(o->memory);
    for (int i = 0; i < BROKEN_WALKS; i++) {
        uint32_t at = choose_word(o, &seed), was = words[at];
        uint32_t broken = choose_value(o, was, &seed);
        words[at] = broken;
        o->allocator->validate(o->memory, NULL);
        bool written = words[at] != broken;
        words[at] = was;
        if (written && !oracle_breaks(o, LAW_walk, "a walk over a broken heap wrote to it"))
            return false;
    }
    return true;
}
