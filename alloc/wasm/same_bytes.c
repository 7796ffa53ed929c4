#include "alloc/wasm/same_bytes.h"

#include "alloc/strategies/strategy.h"

enum { RESET_EVERY = 1500, FOREIGN_EVERY = 150, ABSURD_EVERY = 300, LARGE_EVERY = 200 };

static const uint64_t fnv_start = 0xcbf29ce484222325, fnv_prime = 0x100000001b3;

static uint32_t random_below(same_bytes *p, uint32_t bound) { // splitmix64
    uint64_t z = p->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint32_t)((z ^ z >> 31) % bound);
}

static uint32_t random_size(same_bytes *p) {
    if (random_below(p, ABSURD_EVERY) == 0) return UINT32_MAX - random_below(p, 64);
    uint32_t magnitude = random_below(p, LARGE_EVERY) == 0 ? 21 : random_below(p, 17);
    return random_below(p, 2u << magnitude);
}

static bool filled(const unsigned char *bytes, size_t count, unsigned char with) {
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != with) return false;
    return true;
}

static void hear(same_bytes *p, uint32_t answer) {
    p->answers = (p->answers ^ answer) * fnv_prime;
}

// Fills a block that was returned, and keeps it. NULL counts as an answer too.
static void keep(same_bytes *p, void *block, uint32_t size, uint32_t alignment) {
    hear(p, block ? lm_offset(p->memory, block) : 0);
    if (!block) return;
    hear(p, (uint32_t)p->allocator->usable_size(block, p->memory));
    unsigned char mark = (unsigned char)random_below(p, 256);
    memset(block, mark, size);
    p->live[p->count++] = (same_bytes_block){lm_offset(p->memory, block), size, alignment, mark};
}

static bool step_allocate(same_bytes *p) {
    uint32_t size = random_size(p), alignment = LM_BLOCK_ALIGNMENT, kind = random_below(p, 8);
    void *block;
    bool right = true;
    if (kind == 0) {
        alignment = 1u << random_below(p, 17);
        block = p->allocator->allocate_aligned(alignment, size, p->memory);
    } else if (kind < 3) {
        block = p->allocator->allocate_zeroed(size, p->memory);
        right = !block || filled(block, size, 0);
    } else {
        block = p->allocator->allocate(size, p->memory);
    }
    keep(p, block, size, alignment);
    return right;
}

static bool step_resize(same_bytes *p, uint32_t i) {
    same_bytes_block had = p->live[i];
    uint32_t size = random_below(p, 3) ? random_size(p) : had.size + random_below(p, 40);
    void *old = lm_at(p->memory, had.offset);
    void *block = had.alignment > LM_BLOCK_ALIGNMENT
                      ? p->allocator->resize_aligned(old, size, had.alignment, p->memory)
                      : p->allocator->resize(old, size, p->memory);
    if (block) p->live[i] = p->live[--p->count];
    keep(p, block, size, had.alignment);
    if (block) return true;
    return filled(lm_at(p->memory, had.offset), had.size, had.mark);
}

static bool step_free(same_bytes *p, uint32_t i) {
    same_bytes_block had = p->live[i];
    p->live[i] = p->live[--p->count];
    void *block = lm_at(p->memory, had.offset);
    bool right = filled(block, had.size, had.mark);
    p->allocator->free(block, random_below(p, 2) ? had.size : 0, p->memory);
    return right;
}

// Other code grows the memory by a page and writes to it.
static void step_foreign(same_bytes *p) {
    uint32_t before = lm_memory_grow(p->memory, 1);
    hear(p, before);
    if (before != LM_GROW_REFUSED)
        memset(lm_at(p->memory, before * LM_PAGE_BYTES), (int)random_below(p, 256), LM_PAGE_BYTES);
}

static bool step(same_bytes *p) {
    if (random_below(p, FOREIGN_EVERY) == 0) step_foreign(p);
    if (random_below(p, RESET_EVERY) == 0) {
        p->allocator->reset(p->memory);
        p->count = 0;
    }
    uint32_t kind = random_below(p, 10);
    if (p->count == 0 || (kind < 5 && p->count < SAME_BYTES_BLOCKS)) return step_allocate(p);
    uint32_t i = random_below(p, p->count);
    return kind < 7 ? step_resize(p, i) : step_free(p, i);
}

bool same_bytes_start(same_bytes *player, const lm_allocator *allocator, lm_memory *memory) {
    player->allocator = allocator;
    player->memory = memory;
    player->random = 1;
    player->answers = fnv_start;
    player->count = 0;
    return allocator->start(memory);
}

bool same_bytes_play(same_bytes *player, uint32_t steps) {
    bool right = true;
    while (right && steps-- > 0)
        right = step(player);
    return right;
}

uint64_t same_bytes_hash(const lm_memory *memory) {
    typedef uint64_t __attribute__((may_alias)) word;
    const word *at = lm_at(memory, memory->heap_start);
    uint64_t hash = fnv_start, words = (lm_memory_end(memory) - memory->heap_start) / sizeof *at;
    for (; words > 0; words--)
        hash = (hash ^ *at++) * fnv_prime;
    return hash;
}
