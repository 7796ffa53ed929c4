// A growing table of records of one size that never move: in parts, each twice as large as the one
// before. A record's number tells its part by its leading bit.
//
//     part 0  [ FIRST ]    part 1  [ 2 FIRST ]    part 2  [ 4 FIRST        ]
//
// Numbers are taken from 0 on; what is given back is the caller's to list. Any thread may look up
// any number, while another one, with the caller's lock, takes the next.
#pragma once

#include "alloc/buffers/memory_access.h"

#ifndef LM_RECORDS_FIRST // log2
#define LM_RECORDS_FIRST 6
#endif
enum { LM_RECORDS_PARTS = 25 }; // by leading bit; those below LM_RECORDS_FIRST are not used

// A number has LM_RECORDS_FIRST's power added before its leading bit is looked at.
typedef struct lm_records {
    uint32_t count;                   // taken so far
    uint32_t parts[LM_RECORDS_PARTS]; // where record 0 would lie, were it there, plus 1; 0: no part
} lm_records;

static inline uint32_t lm_record_bit(uint32_t n) {
    return 63 ^ (uint32_t)__builtin_clzll(n); // fewer instructions than of 32 bits
}

// Where it is noted which part has the record of a number up to 2^24 − 1; 0 there: none has.
// `records` lies at `offset` in home.
static inline const uint32_t *lm_record_part(const lm_memory *home, uint32_t offset,
                                             uint32_t number) {
    uint32_t bit = lm_record_bit(number + (1u << LM_RECORDS_FIRST));
    return lm_at(home, offset + (uint32_t)offsetof(lm_records, parts) + bit * 4);
}

// The record in its part, which is not 0. One that was not taken yet reads as zero.
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

// The bytes of the part that one more record, whose number is the count, lies in; 0: it is there.
static inline uint32_t lm_records_lack(const lm_records *records, uint32_t record_bytes) {
    uint32_t n = records->count + (1u << LM_RECORDS_FIRST);
    return records->parts[lm_record_bit(n)] ? 0 : n * record_bytes;
}

// Adds that part: a zeroed block of home. False: it is there by now, and the block is not needed.
static inline bool lm_records_add(lm_records *records, uint32_t record_bytes, uint32_t block,
                                  uint32_t bytes) {
    if (lm_records_lack(records, record_bytes) != bytes) return false;
    uint32_t n = records->count + (1u << LM_RECORDS_FIRST);
    __atomic_store_n(&records->parts[lm_record_bit(n)], block - bytes + 1, __ATOMIC_RELEASE);
    return true;
}

// How many there are; the lookup of any of them is then safe.
static inline uint32_t lm_records_count(const lm_records *records) {
    return __atomic_load_n(&records->count, __ATOMIC_ACQUIRE);
}
static inline uint32_t lm_records_take(lm_records *records) {
    uint32_t number = records->count;
    __atomic_store_n(&records->count, number + 1, __ATOMIC_RELEASE);
    return number;
}

// The block of a part, to be freed when nobody looks anything up any more; 0: there is no part.
static inline uint32_t lm_records_block(const lm_records *records, uint32_t bit,
                                        uint32_t record_bytes) {
    return records->parts[bit] ? records->parts[bit] - 1 + (record_bytes << bit) : 0;
}
