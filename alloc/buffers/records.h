// A growing table of records of one size that never move: parts, each twice as large as the one
// before. The leading bit of a record's number selects the part.
//
//     part 0  [ FIRST ]    part 1  [ 2 FIRST ]    part 2  [ 4 FIRST        ]
//
// Numbers are taken from 0 on; the caller keeps its own list of free records. Any thread may look
// up any number while another thread takes the next under the caller's lock.
#pragma once

#include "alloc/buffers/memory_access.h"

#ifndef LM_RECORDS_FIRST // log2
#define LM_RECORDS_FIRST 6
#endif
enum { LM_RECORDS_PARTS = 25 }; // by leading bit; those below LM_RECORDS_FIRST are not used

// 2^LM_RECORDS_FIRST is added to a number before its leading bit is taken.
typedef struct lm_records {
    uint32_t count;                   // taken so far
    uint32_t parts[LM_RECORDS_PARTS]; // offset of record 0 if the part held it, plus 1; 0: no part
} lm_records;

static inline uint32_t lm_record_bit(uint32_t n) {
    return 63 ^ (uint32_t)__builtin_clzll(n); // fewer instructions than with 32 bits
}

// The entry of `parts` for a number up to 2^24 − 1, of the lm_records at `offset` in home. The
// entry is 0 if there is no such part.
static inline const uint32_t *lm_record_part(const lm_memory *home, uint32_t offset,
                                             uint32_t number) {
    uint32_t bit = lm_record_bit(number + (1u << LM_RECORDS_FIRST));
    return lm_at(home, offset + (uint32_t)offsetof(lm_records, parts) + bit * 4);
}

// The record in its part, which must not be 0. A record not taken yet reads as zero.
static inline void *lm_record_in(const lm_memory *home, uint32_t part, uint32_t record_bytes,
                                 uint32_t number) {
    return lm_at(home, part - 1 + (number + (1u << LM_RECORDS_FIRST)) * record_bytes);
}

// The record of a number that was taken.
static inline void *lm_record_at(const lm_memory *home, const lm_records *records,
                                 uint32_t record_bytes, uint32_t number) {
    uint32_t part = records->parts[lm_record_bit(number + (1u << LM_RECORDS_FIRST))];
    return lm_record_in(home, part, record_bytes, number);
}

// Returns the size in bytes of the part that must be added for one more record, or 0 if there is
// room for it.
static inline uint32_t lm_records_lack(const lm_records *records, uint32_t record_bytes) {
    uint32_t n = records->count + (1u << LM_RECORDS_FIRST);
    return records->parts[lm_record_bit(n)] ? 0 : n * record_bytes;
}

// Adds that part, a zeroed block of home. Returns false if the part has been added meanwhile; the
// block is then not used.
static inline bool lm_records_add(lm_records *records, uint32_t record_bytes, uint32_t block,
                                  uint32_t bytes) {
    if (lm_records_lack(records, record_bytes) != bytes) return false;
    uint32_t n = records->count + (1u << LM_RECORDS_FIRST);
    __atomic_store_n(&records->parts[lm_record_bit(n)], block - bytes + 1, __ATOMIC_RELEASE);
    return true;
}

// The number of records taken. The caller may then look up any of them.
static inline uint32_t lm_records_count(const lm_records *records) {
    return __atomic_load_n(&records->count, __ATOMIC_ACQUIRE);
}
static inline uint32_t lm_records_take(lm_records *records) {
    uint32_t number = records->count;
    __atomic_store_n(&records->count, number + 1, __ATOMIC_RELEASE);
    return number;
}

// The block of a part, or 0 if there is no such part; to be freed when no thread looks up records.
static inline uint32_t lm_records_block(const lm_records *records, uint32_t bit,
                                        uint32_t record_bytes) {
    return records->parts[bit] ? records->parts[bit] - 1 + (record_bytes << bit) : 0;
}
