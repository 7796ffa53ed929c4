// Reference-counted buffers and finalizers: buffers [STRATEGY]. README.md shows the lines between
// the marks.
#include <linmem/buffers/finalizer.h>
#include <linmem/registry.h>

#include <stdio.h>
#include <stdlib.h>

enum { DART, SCRIPT }; // owners

static void check(bool succeeded, const char *what) {
    if (succeeded) return;
    fprintf(stderr, "buffers: %s\n", what);
    exit(1);
}

static void ok(lm_status status) {
    check(!lm_failed(status), lm_status_name(status));
}

static void share_a_buffer(const lm_allocator *allocator, lm_memory *memory) {
    lm_buffer_table table;
    lm_handle handle, shared;
    lm_token token;
    check(lm_buffer_table_start(&table, &lm_counts_plain, allocator, memory), "out of memory");
    check(lm_finalizers_start(&table), "no finalizers");
    // README {
    ok(lm_buffer_create(&table, DART, LM_HOME, 4096, 16, true, &handle));
    ok(lm_buffer_share(&table, DART, handle, SCRIPT, &shared));
    ok(lm_finalizer_attach(&table, SCRIPT, shared, 0, &token)); // for an object of SCRIPT's
    ok(lm_finalizer_enqueue(&table, token));                    // its collector found it dead
    lm_finalizers_drain(&table, 100);                           // at a safe point: this releases
    ok(lm_buffer_release(&table, DART, handle));                // the last reference: this frees
    // README }
    check(lm_buffer_table_live_in(&table, LM_HOME).buffers == 0, "the buffer is not freed");
    ok(lm_buffer_table_end(&table)); // ends the finalizers too
}

int main(int count, char **arguments) {
    const lm_allocator *allocator = lm_strategy_named(count > 1 ? arguments[1] : "tlsf", 1);
    lm_memory memory;
    lm_census census;
    check(allocator, "no such strategy");
    check(lm_memory_create(&memory, &(lm_memory_options){.pages = 1, .pages_max = LM_PAGES_MAX}),
          "no address space");
    check(allocator->start(&memory), "out of memory");
    share_a_buffer(allocator, &memory);
    check(!allocator->validate(&memory, &census), "the heap is broken");
    if (allocator->capabilities & LM_FREES_BLOCKS)
        check(census.live_blocks == 0, "a block is left");
    lm_memory_destroy(&memory);
    puts("buffers: shared, and freed with the last reference");
}
