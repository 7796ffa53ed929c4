#include "corpus/replay/verifier.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

enum { FILLED_WHOLE_BYTES = 65536, EDGE_BYTES = 4096, STRIDE_BYTES = 4096, WORD_BYTES = 8 };

typedef struct held {
    uint64_t seed;
    uint32_t size, live;
} held;

struct verifier {
    player_observer observer;
    const lm_allocator *allocator;
    lm_memory *memory;
    const replay *replay;
    uint64_t walk_every, calls, next_walk, seed;
    char *failure;
    size_t failure_bytes;
    size_t mapped_bytes;
    held slots[];
};

static void verifier_fail(verifier *v, uint64_t step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void verifier_fail(verifier *v, uint64_t step, const char *format, ...) {
    if (*v->failure) return; // only the first is kept
    char text[120];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    snprintf(v->failure, v->failure_bytes, "step %llu: %s", (unsigned long long)step, text);
}

static uint64_t verifier_word_at(uint64_t seed, uint64_t offset) {
    return (seed + offset) * UINT64_C(0x9E3779B97F4A7C15);
}

// Writes or compares the pattern in bytes from … end − 1. Returns whether they are equal.
static bool verifier_pattern(unsigned char *block, uint64_t seed, uint64_t from, uint64_t end,
                             bool write) {
    bool same = true;
    for (uint64_t at = from; at < end; at += WORD_BYTES) {
        uint64_t word = verifier_word_at(seed, at), found;
        size_t count = end - at < WORD_BYTES ? (size_t)(end - at) : WORD_BYTES;
        if (write) {
            memcpy(block + at, &word, count);
        } else {
            found = word;
            memcpy(&found, block + at, count);
            same &= found == word;
        }
    }
    return same;
}

// The same for all filled bytes of a block of `size` bytes, up to `end`.
static bool verifier_content(unsigned char *block, uint64_t seed, uint64_t size, uint64_t end,
                             bool write) {
    if (size <= FILLED_WHOLE_BYTES) return verifier_pattern(block, seed, 0, end, write);
    bool same = verifier_pattern(block, seed, 0, end < EDGE_BYTES ? end : EDGE_BYTES, write);
    uint64_t tail = (size - EDGE_BYTES) & ~(uint64_t)(WORD_BYTES - 1);
    for (uint64_t at = STRIDE_BYTES; at + WORD_BYTES <= tail && at + WORD_BYTES <= end;
         at += STRIDE_BYTES)
        same &= verifier_pattern(block, seed, at, at + WORD_BYTES, write);
    return verifier_pattern(block, seed, tail, end, write) && same;
}

static bool verifier_is_zero(const unsigned char *block, size_t size) {
    return size == 0 || (block[0] == 0 && memcmp(block, block + 1, size - 1) == 0);
}

// Returns the alignment that a block must have. A system malloc may align a block of less than 16
// bytes for objects of its size only, as C allows.
static size_t verifier_promised_alignment(const verifier *v, const player_event *event) {
    size_t alignment = event->alignment;
    if (v->allocator->capabilities & LM_IN_LINEAR_MEMORY) return alignment;
    while (alignment <= LM_BLOCK_ALIGNMENT && alignment > event->size && alignment > 1)
        alignment /= 2;
    return alignment;
}

// Returns false if the block is outside of the memory: its content must then not be accessed.
static bool verifier_check_place(verifier *v, const player_event *event) {
    uintptr_t address = (uintptr_t)event->block;
    size_t alignment = verifier_promised_alignment(v, event);
    bool inside = v->memory && v->allocator->capabilities &
                                   LM_IN_LINEAR_MEMORY; // alignment is relative to the base
    if ((address - (inside ? (uintptr_t)lm_memory_base(v->memory) : 0)) & (alignment - 1))
        verifier_fail(v, event->step, "a block is not aligned to %zu", alignment);
    if (v->memory && v->allocator->capabilities & LM_IN_LINEAR_MEMORY) {
        uint64_t end = (uint64_t)lm_memory_pages(v->memory) * LM_PAGE_BYTES;
        uint64_t offset = address - (uintptr_t)lm_memory_base(v->memory);
        if (offset < v->memory->heap_start || offset > end || event->size > end - offset) {
            verifier_fail(v, event->step, "a block of %zu bytes is outside of the memory",
                          event->size);
            return false;
        }
    }
    size_t usable = v->allocator->usable_size(event->block, v->memory);
    if (usable < event->size && v->allocator->validate) // floor and ideal store no sizes
        verifier_fail(v, event->step, "a block of %zu bytes has only %zu", event->size, usable);
    return true;
}

static void verifier_before(void *context, const player_event *event) {
    verifier *v = context;
    const held *slot = &v->slots[event->slot];
    if (slot->live && !verifier_content(event->block, slot->seed, slot->size, slot->size, false))
        verifier_fail(v, event->step, "the content of a block of %u bytes has changed", slot->size);
}

// Walks the heap. The next walk is after as many calls as this one found blocks, at least
// `walk_every`, so walks cost O(1) a call, amortised.
static void verifier_walk(verifier *v, uint64_t step, bool at_end) {
    v->next_walk = v->calls + v->walk_every;
    if (!v->allocator->validate) return;
    lm_census census;
    const char *broken = v->allocator->validate(v->memory, &census);
    uint64_t blocks = broken ? 0 : census.live_blocks + census.free_blocks;
    if (blocks > v->walk_every) v->next_walk = v->calls + blocks;
    if (broken)
        verifier_fail(v, step, "the heap breaks its law '%s'", broken);
    else if (at_end && v->allocator->capabilities & LM_FREES_BLOCKS && census.live_blocks)
        verifier_fail(v, step, "%llu blocks are live at the end",
                      (unsigned long long)census.live_blocks);
}

static void verifier_after(void *context, const player_event *event) {
    verifier *v = context;
    held *slot = &v->slots[event->slot];
    if (event->block && !verifier_check_place(v, event)) {
        slot->live = 0;
    } else if (event->block) {
        bool zeroed = event->verb == REPLAY_ZEROED || event->verb == REPLAY_ALIGNED_ZEROED;
        if (zeroed && !verifier_is_zero(event->block, event->size))
            verifier_fail(v, event->step, "a zeroed block of %zu bytes is not zero", event->size);
        uint64_t kept = slot->size < event->size ? slot->size : event->size;
        if (slot->live && !verifier_content(event->block, slot->seed, slot->size, kept, false))
            verifier_fail(v, event->step, "a resize from %u to %zu bytes lost content", slot->size,
                          event->size);
        *slot = (held){v->seed += event->size + 1, (uint32_t)event->size, 1};
        verifier_content(event->block, slot->seed, slot->size, slot->size, true);
    } else if (event->verb == REPLAY_FREE) {
        slot->live = 0;
    }
    if (v->walk_every && ++v->calls >= v->next_walk) verifier_walk(v, event->step, false);
}

verifier *verifier_new(const lm_allocator *allocator, lm_memory *memory, const replay *replay,
                       uint64_t walk_every, char *failure, size_t failure_bytes) {
    size_t bytes = sizeof(verifier) + replay->slots * sizeof(held);
    verifier *v = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (v == MAP_FAILED) return NULL;
    *v = (verifier){.allocator = allocator,
                    .memory = memory,
                    .replay = replay,
                    .walk_every = walk_every,
                    .next_walk = walk_every,
                    .failure = failure,
                    .failure_bytes = failure_bytes,
                    .mapped_bytes = bytes};
    v->observer = (player_observer){v, verifier_before, verifier_after};
    *failure = '\0';
    return v;
}

const player_observer *verifier_observer(verifier *v) {
    return &v->observer;
}

void verifier_end(verifier *v) {
    verifier_walk(v, v->replay->steps, true);
    munmap(v, v->mapped_bytes);
}
