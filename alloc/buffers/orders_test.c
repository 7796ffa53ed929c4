// Memory orders: at each compare-and-swap of one thread's call, another thread writes to the buffer
// and releases its reference. Only the call orders the two threads: all flags of this test are
// relaxed. Compiled twice: as every test, and under ThreadSanitizer, which reports the write if the
// free of the buffer, or a write by its only owner, is not ordered after it.
#include "alloc/buffers/buffer_table_state.h"
#include "alloc/buffers/finalizer.h"

static void before_swap(void);
static void take_lock(uint32_t *lock);

#undef LM_ATOMIC_COUNTS
#define LM_ATOMIC_COUNTS
#define lm_counts_atomic                 lm_counts_ordered
#define lm_lock(lock)                    take_lock(lock)
#define __atomic_compare_exchange_n(...) (before_swap(), __atomic_compare_exchange_n(__VA_ARGS__))
#include "alloc/buffers/counts.c"
#undef lm_counts_atomic
#undef lm_lock
#undef __atomic_compare_exchange_n

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

extern const lm_allocator lm_tlsf_level1;

enum { OWNER, OTHER, SIZE = 100, LARGE = 5000 };

#define MUST(law) ((law) ? (void)0 : failed(#law))

static lm_memory home;
static lm_buffer_table table, *const r = &table;
static lm_handle known;
static lm_token token;
static unsigned char *bytes;

static const char *playing;
static uint32_t swaps, swap_met; // of the call so far; the one at which the other thread runs
static uint32_t go, done, waits; // of the other thread: it may run, has run, waits for the lock
static _Thread_local bool is_caller, is_other;

_Noreturn static void failed(const char *law) {
    fprintf(stderr, "orders_test: %s, at swap %u: %s\n", playing, swap_met, law);
    exit(1);
}

static uint32_t get(const uint32_t *flag) {
    return __atomic_load_n(flag, __ATOMIC_RELAXED);
}
static void set(uint32_t *flag) {
    __atomic_store_n(flag, 1, __ATOMIC_RELAXED);
}

// The other thread runs up to its end, or to the lock if the caller has it.
static void let_the_other_run(void) {
    set(&go);
    while (!get(&done) && !get(&waits))
        sched_yield();
}
static void before_swap(void) {
    if (is_caller && swaps++ == swap_met) let_the_other_run();
}
static void take_lock(uint32_t *lock) {
    if (is_other) set(&waits);
    lm_lock(lock);
}

static void *write_and_release(void *nothing) {
    is_other = true;
    while (!get(&go))
        sched_yield();
    bytes[SIZE / 2] = 7;
    MUST(!lm_failed(lm_buffer_release(r, OWNER, known)));
    set(&done);
    return nothing;
}

// The block's next user writes to it.
static void free_and_write(void *block, size_t size, lm_memory *memory) {
    memset(block, 1, SIZE);
    lm_tlsf_level1.free(block, size, memory);
}

// ---- The calls ---------------------------------------------------------------------------------

static void write_if_alone(uint32_t owner, lm_handle handle) {
    lm_buffer_info info;
    MUST(lm_buffer_describe(r, owner, handle, &info) == LM_OK);
    if (info.unique) memset(lm_at(&home, info.start), 2, info.size);
}

static void by_release(void) {
    MUST(!lm_failed(lm_buffer_release(r, OWNER, known)));
}
static void by_release_twice_retained(void) {
    MUST(lm_buffer_retain(r, OWNER, known) == LM_OK);
    by_release();
    by_release();
}
static void by_transfer(void) {
    lm_handle moved;
    MUST(lm_buffer_transfer(r, OWNER, known, OTHER, &moved) == LM_OK);
    write_if_alone(OTHER, moved);
    MUST(!lm_failed(lm_buffer_release(r, OTHER, moved)));
}
static void by_share(void) {
    lm_handle shared;
    MUST(lm_buffer_share(r, OWNER, known, OTHER, &shared) == LM_OK);
    by_release();
    write_if_alone(OTHER, shared);
    MUST(!lm_failed(lm_buffer_release(r, OTHER, shared)));
}
static void by_describe(void) {
    let_the_other_run();
    write_if_alone(OWNER, known);
    by_release();
}
static void by_resize(void) {
    let_the_other_run();
    lm_status status = lm_buffer_resize(r, OWNER, known, LARGE);
    MUST(status == LM_OK || status == LM_SHARED);
    by_release();
}
static void by_close(void) {
    MUST(!lm_failed(lm_finalizer_close(r, token)));
}
static void by_release_beside_a_token(void) {
    MUST(lm_buffer_retain(r, OWNER, known) == LM_OK);
    by_release();
    by_close();
}

static const struct call {
    const char *name;
    void (*by)(void);
    bool by_token; // the caller's reference is a token's
} calls[] = {
    {"release", by_release, false},   {"retain and two releases", by_release_twice_retained, false},
    {"transfer", by_transfer, false}, {"share", by_share, false},
    {"describe", by_describe, false}, {"resize", by_resize, false},
    {"close", by_close, true},        {"release beside a token", by_release_beside_a_token, true},
};

// ---- Runs --------------------------------------------------------------------------------------

static void begin(const struct call *call, uint32_t met) {
    lm_buffer_info info;
    playing = call->name;
    swap_met = met;
    go = done = waits = 0;
    MUST(lm_buffer_create(r, OWNER, LM_HOME, SIZE, 16, false, &known) == LM_OK);
    MUST(lm_buffer_retain(r, OWNER, known) == LM_OK);
    MUST(lm_buffer_describe(r, OWNER, known, &info) == LM_OK);
    bytes = lm_at(&home, info.start);
    if (call->by_token) MUST(lm_finalizer_attach(r, OWNER, known, 0, &token) == LM_OK);
}

// Returns whether the call has so many swaps.
static bool play(const struct call *call, uint32_t met) {
    pthread_t other;
    lm_census census;
    begin(call, met);
    MUST(pthread_create(&other, NULL, write_and_release, NULL) == 0);
    swaps = 0;
    is_caller = true;
    call->by();
    is_caller = false;
    set(&go); // if it has not run
    pthread_join(other, NULL);
    MUST(lm_buffer_table_validate(r, &census) == NULL && census.live_blocks == 0);
    return swaps > met;
}

int main(void) {
    alarm(600); // threads that wait for each other may wait for ever
    lm_allocator heap = lm_tlsf_level1;
    heap.free = free_and_write;
    MUST(lm_memory_create(&home, &(lm_memory_options){.pages = 1, .pages_max = 16}));
    MUST(heap.start(&home) && lm_buffer_table_start(r, &lm_counts_ordered, &heap, &home));
    MUST(lm_finalizers_start(r));
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (uint32_t met = 0; play(&calls[i], met); met++)
            ;
    MUST(lm_buffer_table_end(r) == LM_OK);
    lm_memory_destroy(&home);
    return 0;
}
