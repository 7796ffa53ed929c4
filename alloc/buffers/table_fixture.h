// For tests: a buffer table on up to three memories, its buffers, its validators, and snapshots of
// all its bytes. A test that uses TEST_BOTH defines start().
#pragma once

#include "alloc/buffers/buffer_table_state.h"
#include "alloc/buffers/finalizer.h"
#include "alloc/registry.h"
#include "cli/test.h"

#include <stdlib.h>
#include <string.h>

enum { DART, SCRIPT, MODULE };                  // owners
enum { HOME, OTHER, FIXTURE_MEMORIES_MAX = 3 }; // memories

#define OK(call)         assert_string_equal(lm_status_name(call), "LM_OK")
#define FREES(call)      assert_string_equal(lm_status_name(call), "LM_FREED")
#define IS(call, status) assert_string_equal(lm_status_name(call), lm_status_name(status))

static uint32_t memory_count;
static lm_memory memories[FIXTURE_MEMORIES_MAX];
static const lm_allocator *served_by[FIXTURE_MEMORIES_MAX]; // what the table calls
static lm_buffer_table table, *const r = &table;

static inline void start_table(const lm_counts *counts) {
    assert_true(lm_buffer_table_start(r, counts, served_by[HOME], &memories[HOME]));
    for (uint32_t i = 1; i < memory_count; i++)
        assert_int_equal(lm_buffer_table_add(r, served_by[i], &memories[i]), i);
}

// Memories of 256 MiB at most, which move if counts are plain. `heaps` start them.
static inline int start_on(const lm_counts *counts, uint32_t count,
                           const lm_allocator *const *heaps, const lm_allocator *const *served) {
    const lm_memory_options options = {.pages = 1, .pages_max = 4096, .moving = !counts->threads};
    memory_count = count;
    for (uint32_t i = 0; i < count; i++) {
        assert_true(lm_memory_create(&memories[i], &options) && heaps[i]->start(&memories[i]));
        served_by[i] = served[i];
    }
    start_table(counts);
    return 0;
}
static inline int end(void **state) {
    assert_null(lm_buffer_table_validate(r, NULL));
    for (uint32_t i = 0; i < memory_count; i++)
        lm_memory_destroy(&memories[i]);
    return 0;
}

static int start(const lm_counts *counts);
static inline int start_plain(void **state) {
    return start(&lm_counts_plain);
}
static inline int start_atomic(void **state) {
    return start(&lm_counts_atomic);
}

// Buffers.

static inline lm_handle create_of(uint32_t owner, uint32_t memory, uint32_t size) {
    lm_handle handle = 0;
    OK(lm_buffer_create(r, owner, memory, size, 8, false, &handle));
    return handle;
}
static inline lm_handle share(lm_handle handle, uint32_t with) {
    lm_handle shared = 0;
    OK(lm_buffer_share(r, lm_handle_owner(handle), handle, with, &shared));
    return shared;
}
static inline lm_buffer_info info_of(lm_handle handle) {
    lm_buffer_info info = {0};
    OK(lm_buffer_describe(r, lm_handle_owner(handle), handle, &info));
    return info;
}
static inline unsigned char *bytes_of(lm_handle handle) {
    return lm_at(&memories[lm_handle_memory(handle)], info_of(handle).start);
}

// Check all laws. Return the census of the buffers, and the number of armed tokens.
static inline lm_census walk(void) {
    lm_census census;
    const char *broken = lm_buffer_table_validate(r, &census);
    if (broken) fail_msg("law broken: %s", broken);
    return census;
}
static inline uint32_t walk_tokens(void) {
    uint32_t armed;
    const char *broken = lm_finalizers_validate(r, &armed);
    if (broken) fail_msg("law broken: %s", broken);
    return armed;
}

// A test that runs with plain and with atomic counts.
#define TEST_BOTH(test)                                                                            \
    TEST_CASES(test, cmocka_unit_test_setup_teardown(test, start_plain, end),                      \
               cmocka_unit_test_setup_teardown(test, start_atomic, end))

// The buffer table's own record, and each byte of its memories.
typedef struct picture {
    lm_buffer_table table;
    uint64_t ends[FIXTURE_MEMORIES_MAX];
    unsigned char *bytes[FIXTURE_MEMORIES_MAX];
} picture;

static inline picture take_picture(void) {
    picture p = {.table = table};
    for (uint32_t i = 0; i < memory_count; i++) {
        p.ends[i] = lm_memory_end(&memories[i]);
        assert_non_null(p.bytes[i] = malloc(p.ends[i]));
        memcpy(p.bytes[i], lm_memory_base(&memories[i]), p.ends[i]);
    }
    return p;
}

// Ends the picture: each is compared once.
static inline bool is_as_in(picture *p) {
    bool same = memcmp(&p->table, &table, sizeof table) == 0;
    for (uint32_t i = 0; i < memory_count; i++) {
        same = same && p->ends[i] == lm_memory_end(&memories[i]) &&
               memcmp(p->bytes[i], lm_memory_base(&memories[i]), p->ends[i]) == 0;
        free(p->bytes[i]);
    }
    return same;
}
#define assert_as_in(before) assert_true(is_as_in(before))
