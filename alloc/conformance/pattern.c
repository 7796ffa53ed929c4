#include "alloc/conformance/pattern.h"

enum { STRIDE_BYTES = 1024, PAIR_BYTES = 16 };

#define STEP UINT64_C(0x9E3779B97F4A7C15)

typedef uint64_t word __attribute__((may_alias));

static uint64_t seed_of(uint32_t number) {
    uint64_t seed = (number + UINT64_C(1)) * UINT64_C(0xBF58476D1CE4E5B9);
    return seed ^ seed >> 31;
}
static uint64_t word_at(uint64_t seed, uint64_t place) {
    uint64_t ones = -(place / sizeof(word) % 2) << 32;
    return (seed + place / sizeof(word) * STEP) | ones;
}
static unsigned char byte_at(uint64_t seed, uint64_t place) {
    return (unsigned char)(word_at(seed, place) >> place % sizeof(word) * 8);
}

// Two words, from a place that is a multiple of 16; added to it, the next two. The ones come last.
typedef uint64_t pair __attribute__((vector_size(PAIR_BYTES), may_alias));

static pair pair_at(uint64_t seed, uint64_t place) {
    uint64_t first = seed + place / sizeof(word) * STEP;
    return (pair){first, first + STEP};
}
static const pair pair_step = {2 * STEP, 2 * STEP};
static const pair pair_ones = {0, UINT64_C(0xffffffff) << 32};

// Bytes from … end − 1: single ones up to 16, pairs, a word, single ones again.
static void fill(unsigned char *block, uint64_t seed, uint64_t from, uint64_t end) {
    for (; from < end && from % PAIR_BYTES; from++)
        block[from] = byte_at(seed, from);
    pair next = pair_at(seed, from);
    for (; from + PAIR_BYTES <= end; from += PAIR_BYTES, next += pair_step)
        *(pair *)(void *)(block + from) = next | pair_ones;
    if (from + sizeof(word) <= end) {
        *(word *)(void *)(block + from) = word_at(seed, from);
        from += sizeof(word);
    }
    for (; from < end; from++)
        block[from] = byte_at(seed, from);
}

static uint64_t first_difference(const unsigned char *block, uint64_t seed, uint64_t from,
                                 uint64_t end) {
    while (from < end && block[from] == byte_at(seed, from))
        from++;
    return from < end ? from : PATTERN_HOLDS;
}

static uint64_t check(const unsigned char *block, uint64_t seed, uint64_t from, uint64_t end) {
    uint64_t at = from; // which is a multiple of 16
    pair next = pair_at(seed, from), differs = {0};
    for (; at + PAIR_BYTES <= end; at += PAIR_BYTES, next += pair_step)
        differs |= *(const pair *)(const void *)(block + at) ^ (next | pair_ones);
    uint64_t differ = differs[0] | differs[1];
    if (at + sizeof(word) <= end) {
        differ |= *(const word *)(const void *)(block + at) ^ word_at(seed, at);
        at += sizeof(word);
    }
    for (; at < end; at++)
        differ |= block[at] ^ byte_at(seed, at);
    return differ ? first_difference(block, seed, from, end) : PATTERN_HOLDS;
}

static uint64_t last_edge(uint64_t usable) {
    return (usable - PATTERN_EDGE_BYTES) & ~(uint64_t)(PAIR_BYTES - 1);
}
static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}
static uint64_t most(uint64_t a, uint64_t b) {
    return a > b ? a : b;
}

void pattern_fill(unsigned char *block, uint32_t number, uint64_t usable, uint64_t from) {
    uint64_t seed = seed_of(number);
    if (usable <= PATTERN_WHOLE_BYTES) {
        fill(block, seed, from, usable);
        return;
    }
    uint64_t last = last_edge(usable);
    fill(block, seed, from, PATTERN_EDGE_BYTES);
    for (uint64_t at = STRIDE_BYTES; at < last && at < PATTERN_STRIDES_BYTES; at += STRIDE_BYTES)
        fill(block, seed, most(at, from), least(at + sizeof(word), last));
    fill(block, seed, most(from, last), usable);
}

uint64_t pattern_check(const unsigned char *block, uint32_t number, uint64_t usable,
                       uint64_t bytes) {
    uint64_t seed = seed_of(number);
    if (usable <= PATTERN_WHOLE_BYTES) return check(block, seed, 0, bytes);
    uint64_t last = last_edge(usable), end = least(last, bytes);
    uint64_t wrong = check(block, seed, 0, least(PATTERN_EDGE_BYTES, bytes));
    for (uint64_t at = STRIDE_BYTES; at < end && at < PATTERN_STRIDES_BYTES; at += STRIDE_BYTES)
        wrong = least(wrong, check(block, seed, at, least(at + sizeof(word), end)));
    return bytes > last ? least(wrong, check(block, seed, last, bytes)) : wrong;
}

bool pattern_reads_as_zero(const unsigned char *bytes, uint64_t count) {
    uint64_t found = 0, i = 0;
    for (; count && (uintptr_t)bytes % sizeof(word); count--)
        found |= *bytes++;
    const word *words = (const word *)(const void *)bytes;
    for (; i + sizeof(word) <= count; i += sizeof(word))
        found |= words[i / sizeof(word)];
    for (; i < count; i++)
        found |= bytes[i];
    return found == 0;
}

bool pattern_is_zero(const unsigned char *block, uint64_t bytes) {
    if (bytes <= 2 * PATTERN_ZERO_BYTES) return pattern_reads_as_zero(block, bytes);
    uint64_t last = (bytes - PATTERN_ZERO_BYTES) & ~(uint64_t)(sizeof(word) - 1);
    return pattern_reads_as_zero(block, PATTERN_ZERO_BYTES) &&
           pattern_reads_as_zero(block + last, bytes - last);
}
