// Buffer traces are played against the model, and the player detects errors.
#include "alloc/registry.h"
#include "cli/test.h"
#include "fuzz/play/buffer_player.h"

#include <stdlib.h>
#include <string.h>

#define HEADER "linmem-trace 1\n"

enum { MEMORIES = 4 };

typedef struct world {
    lm_memory memories[MEMORIES];
    lm_served served[MEMORIES];
    buffer_player_options options;
    buffer_played played;
    trace_error error;
} world;

static world w;

static void start(const lm_counts *counts, bool moving, uint32_t pages_max) {
    static const char *const strategies[MEMORIES] = {"tlsf", "paged", "segregated", "buddy"};
    w = (world){.options = {.counts = counts, .memories = w.served, .count = MEMORIES}};
    for (size_t i = 0; i < MEMORIES; i++) {
        const lm_memory_options options = {.pages = 2, .pages_max = pages_max, .moving = moving};
        assert_true(lm_memory_create(&w.memories[i], &options));
        w.served[i] = (lm_served){lm_strategy_named(strategies[i], 1), &w.memories[i]};
        assert_non_null(w.served[i].allocator);
        assert_true(w.served[i].allocator->start(&w.memories[i]));
    }
}

static void end(void) {
    for (size_t i = 0; i < MEMORIES; i++)
        lm_memory_destroy(&w.memories[i]);
}

static bool play(const trace *trace) {
    return buffer_player_play(trace, &w.options, &w.played, &w.error);
}

static bool play_text(const char *text) {
    trace trace;
    if (!trace_parse(text, strlen(text), &trace, &w.error)) fail_msg("%s", w.error.text);
    bool held = play(&trace);
    trace_free(&trace);
    return held;
}

// Every verb; invalid operations; views and copies across owners and memories.
static const char everything[] = HEADER
    "b 0 100 64\nm 1\nb 1 64\n+ 2 0\n+ 3 1\nm 2\nv 4 1 f64 0 8\nv 5 4 i32 8 4\nm 1\n"
    "v 6 1 u8 0 64\nv 7 6 c8 1 8\nv 8 6 u8 64 0\nv 9 6 i16 1 1\nv 10 6 u8 0 65\nv 11 0 f32 0 9\n"
    "v 12 0 i64 8 4\nv 13 1 u64 8 4\nv 14 0 bytes 0 100\nv 15 1 bytes 0 64\nv 16 9 u8 0 1\n"
    "y 4 11 0 1 8\ny 11 4 1 0 8\ny 7 4 0 0 8\ny 6 5 60 0 4\ny 6 5 61 0 4\ny 12 13 0 0 4\n"
    "y 12 11 0 0 1\ny 14 15 36 0 64\ny 14 6 0 0 1\ny 4 9 0 0 1\ny 2 4 0 0 1\n"
    "> 4 0\n> 2 3\n> 3 1\n@ 0 4\n@ 1 5\n@ 2 9\n@ 3 0\nv 17 4 i8 0 1\nc 2\nc 1\n~ 0\n- 4\nd 1\n"
    "a 0 1000 4096\nz 1 50\nr 0 2000\nf 1\ng 1\nw\nd 1\n- 1\n- 3\n- 6\n- 7\n- 8\n- 13\n- 15\n"
    "- 17\n- 10\n- 16\n@ 0 2\n@ 1 12\nc 0\n- 11\n- 14\nm 254\nb 1 0\nb 3 1 65536\n- 3\n- 1\n"
    "e\nf 0\nc 3\nc 1\nd\n";

TEST(every_verb_is_played) {
    static const lm_counts *const counts[] = {&lm_counts_plain, &lm_counts_atomic};
    for (int i = 0; i < 3; i++) {
        start(counts[i / 2], i == 1, 4096); // with atomic counts, memories do not move
        w.options.walk_every = 1;
        if (!play_text(everything)) fail_msg("%s", w.error.text);
        assert_int_equal(w.played.buffers, 4);
        assert_int_equal(w.played.refused, 6); // two views; copies: range, kinds, kinds, no view
        assert_int_equal(w.played.failures, 0);
        end();
    }
}

// A random trace of operations that the builder accepts.

static uint64_t state_;

static uint32_t below(uint32_t bound) {
    state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
    return (uint32_t)((state_ >> 32) * bound >> 32);
}

static trace_operation random_operation(void) {
    static const char letters[] = "bbbbb+++----vvvvvvyyyyyy>>@@@@~ccddmmgwnaaarff";
    enum { IDS = 60 };
    trace_operation o = {.verb = 0};
    char letter = letters[below(sizeof letters - 1)];
    while (trace_grammar[o.verb].letter != letter)
        o.verb++;
    o.argument[0] = letter == 'm' ? below(6) : letter == 'd' ? below(9) : below(IDS);
    o.argument[1] = letter == '>' ? below(6) : below(IDS);
    o.argument[2] = 1U << below(9);
    if (letter == 'b') o.argument[1] = below(20) ? below(600) : below(100000);
    if (letter == 'v') {
        o.argument[2] = below(TRACE_VIEW_KINDS);
        o.argument[3] = below(16) * 8 + !below(9);
        o.argument[4] = below(8) ? below(24) : below(1000);
    }
    if (letter == 'y') {
        o.argument[2] = below(8), o.argument[3] = below(8);
        o.argument[4] = below(16);
    }
    if (strchr("ar", letter)) o.argument[1] = below(3000);
    if (letter == 'g') o.argument[0] = below(2);
    if (letter == 'n') o.argument[0] = below(3);
    return o;
}

static trace random_trace(uint64_t seed, uint32_t operations) {
    static const trace_verb closing[] = {TRACE_FREE, TRACE_DETACH, TRACE_RELEASE};
    trace_builder *builder = trace_builder_new();
    trace_error error;
    trace trace;
    state_ = seed * 0x9e3779b97f4a7c15U + 1;
    for (uint32_t i = 0; i < operations; i++) {
        trace_operation o = random_operation();
        trace_builder_append(builder, &o, &error);
    }
    for (size_t i = 0; i < 3; i++)
        for (uint32_t id = 0; id < 64; id++)
            trace_builder_append(builder, &(trace_operation){closing[i], {id}}, &error);
    trace_builder_append(builder, &(trace_operation){TRACE_DRAIN, {TRACE_COUNT_ALL}}, &error);
    if (!trace_builder_finish(builder, &trace, &error)) fail_msg("%s", error.text);
    return trace;
}

TEST(random_traces_hold) {
    uint64_t buffers = 0, refused = 0, failures = 0;
    for (uint64_t seed = 0; seed < 40; seed++) {
        trace trace = random_trace(seed, 4000);
        bool scarce = seed % 4 == 3; // so that allocations fail
        bool atomic = seed % 2, moving = !atomic && seed % 8 < 4;
        start(atomic ? &lm_counts_atomic : &lm_counts_plain, moving, scarce ? 3 : 4096);
        w.options.walk_every = 50;
        if (!play(&trace)) fail_msg("seed %d: %s", (int)seed, w.error.text);
        buffers += w.played.buffers;
        refused += w.played.refused;
        failures += w.played.failures;
        trace_free(&trace);
        end();
    }
    assert_true(buffers > 1000 && refused > 1000 && failures > 100);
}

// Traces recorded by corpus/record/record_buffers.sh.
TEST(recorded_traces_hold) {
    static const char *const names[] = {"geometry", "messages", "pictures"};
    static const uint64_t buffers[] = {30584, 45827, 40219};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[100];
        trace trace;
        snprintf(path, sizeof path, "corpus/traces/%s.lmt.zst", names[i]);
        start(&lm_counts_plain, false, 4096);
        if (!trace_read(path, &trace, &w.error)) fail_msg("%s: %s", path, w.error.text);
        if (!play(&trace)) fail_msg("%s: %s", path, w.error.text);
        assert_int_equal(w.played.buffers, buffers[i]);
        assert_int_equal(w.played.refused + w.played.failures, 0);
        trace_free(&trace);
        end();
    }
}

// Errors are detected, at the right operation.

static lm_status no_retain(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    (void)table, (void)owner, (void)handle;
    return LM_OK;
}
static lm_status no_release(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    (void)table, (void)owner, (void)handle;
    return LM_OK;
}
static lm_status no_release_kept(lm_buffer_table *table, lm_handle handle) {
    (void)table, (void)handle;
    return LM_OK;
}
static lm_status no_transfer(lm_buffer_table *table, uint32_t owner, lm_handle handle, uint32_t to,
                             lm_handle *transferred) {
    (void)table, (void)owner, (void)to;
    *transferred = handle;
    return LM_OK;
}

// Places blocks at a fixed distance.
static int32_t apart;
static uint32_t next_block;

static void *place_block(size_t size, lm_memory *memory) {
    (void)size;
    uint32_t block = next_block;
    next_block += (uint32_t)apart;
    return lm_at(memory, block);
}
static void scribble(void *block, size_t size, lm_memory *memory) {
    (void)memory, (void)size;
    memset((unsigned char *)block + 64, 1, 64);
}
static void free_none(void *block, size_t size, lm_memory *memory) {
    (void)memory, (void)size, (void)block;
}

static void assert_breaks(const char *text, const char *where) {
    assert_false(play_text(text));
    if (strncmp(w.error.text, where, strlen(where)) != 0) fail_msg("%s", w.error.text);
    end();
}

TEST(wrong_counts_are_seen) {
    lm_counts counts = lm_counts_plain;
    counts.retain = no_retain;
    start(&counts, false, 16);
    assert_breaks(HEADER "b 0 8\n+ 1 0\n- 0\n- 1\n", "operation 1 (+): count: ");
    counts = lm_counts_plain;
    counts.release = no_release;
    start(&counts, false, 16);
    assert_breaks(HEADER "b 0 8\n- 0\n", "operation 1 (-): status: ");
    counts = lm_counts_plain;
    counts.release_kept = no_release_kept;
    start(&counts, false, 16);
    assert_breaks(HEADER "b 0 8\nb 1 8\n@ 0 0\n@ 1 1\nc 1\nc 0\nd 1\nd\n",
                  "operation 6 (d): death: ");
    counts = lm_counts_plain;
    counts.transfer = no_transfer;
    start(&counts, false, 16);
    assert_breaks(HEADER "b 0 8\n> 0 1\n- 0\n", "operation 1 (>): status: ");
}

// Wrong calls of all kinds return their errors, and no right call does.
TEST(wrong_calls_are_caught) {
    char text[40000], *at = text;
    at += sprintf(at, HEADER "b 0 64\nm 1\nb 1 64\n+ 2 0\nv 3 1 i16 0 8\nb 4 8\n- 4\nb 5 8\n"
                             "@ 0 5\n~ 0\n@ 1 5\nc 1\nd\n@ 2 3\n");
    for (uint32_t wrong = 0; wrong < WRONG_CALLS; wrong++)
        for (uint32_t i = 0; i < 40; i++)
            at += sprintf(at, "! %s %u %u\n", trace_wrong_calls[wrong], i % 5, i * 7);
    sprintf(at, "~ 2\n- 0\n- 1\n- 2\n- 3\n");
    for (int i = 0; i < 2; i++) {
        start(i ? &lm_counts_atomic : &lm_counts_plain, false, 16);
        w.options.walk_every = 1;
        if (!play_text(text)) fail_msg("%s", w.error.text);
        assert_in_range(w.played.wrong, 200, WRONG_CALLS * 40);
        end();
    }
}

static lm_status any_owner_shares(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                  uint32_t with, lm_handle *shared) {
    (void)owner;
    return lm_counts_plain.share(table, lm_handle_owner(handle), handle, with, shared);
}
// Returns the right status but counts the wrong call.
static lm_status retain_anyway(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    if (owner != lm_handle_owner(handle))
        lm_counts_plain.retain(table, lm_handle_owner(handle), handle);
    return lm_counts_plain.retain(table, owner, handle);
}

TEST(wrong_calls_that_pass_are_seen) {
    lm_counts counts = lm_counts_plain;
    counts.share = any_owner_shares;
    start(&counts, false, 16);
    assert_breaks(HEADER "b 0 8\n! wrong_owner 0 2\n- 0\n",
                  "operation 1 (!): status: wrong_owner returns LM_OK, not LM_WRONG_OWNER");
    counts = lm_counts_plain;
    counts.retain = retain_anyway;
    start(&counts, false, 16);
    assert_breaks(HEADER "b 0 8\n! wrong_owner 0 1\n- 0\n",
                  "operation 1 (!): status: wrong_owner changes the buffer table's records");
}

// Releases that free the block of another buffer, or none.
static lm_status leaks(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    lm_allocator silent = *table->memories.at[0].allocator;
    const lm_allocator *right = table->memories.at[0].allocator;
    silent.free = free_none;
    table->memories.at[0].allocator = &silent;
    lm_status status = lm_counts_plain.release(table, owner, handle);
    table->memories.at[0].allocator = right;
    return status;
}
static lm_status frees_twice(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    lm_buffer_info info;
    lm_buffer_describe(table, owner, handle, &info);
    lm_status status = lm_counts_plain.release(table, owner, handle);
    const lm_served *served = &table->memories.at[info.memory];
    served->allocator->free(lm_at(served->memory, info.start), 0, served->memory);
    return status;
}

TEST(deaths_are_seen) {
    lm_counts counts = lm_counts_plain;
    counts.release = leaks;
    start(&counts, false, 16);
    assert_breaks(HEADER "b 0 8\n- 0\n", "operation 1 (-): death: ");
    counts.release = frees_twice;
    start(&counts, false, 16);
    assert_breaks(HEADER "m 1\nb 0 8\n- 0\n",
                  "operation 2 (-): death: a free or resize of a block");
}

static void start_placing(const lm_allocator *wrong, int32_t distance) {
    start(&lm_counts_plain, false, 16);
    w.served[1].allocator = wrong;
    apart = distance;
    next_block = LM_PAGE_BYTES;
}

TEST(spoilt_bytes_are_seen) {
    const lm_allocator wrong = {.allocate = place_block, .free = scribble};
    start_placing(&wrong, 32);
    assert_breaks(HEADER "m 1\nb 0 64\nb 1 64\n- 0\n- 1\n",
                  "operation 3 (-): content: the bytes of buffer 0");
    // The free overwrites the neighbour's bytes; the next walk detects it.
    start_placing(&wrong, -64);
    w.options.walk_every = 1;
    assert_breaks(HEADER "m 1\nb 0 64\nb 1 64\n- 1\n- 0\n",
                  "operation 3 (-): content: the bytes of buffer 0");
    const lm_allocator same = {.allocate = place_block, .free = free_none};
    start_placing(&same, 0);
    assert_breaks(HEADER "m 1\nb 0 8\nb 1 8\n- 0\n- 1\n",
                  "operation 2 (b): death: a live block is allocated again");
    start_placing(&same, 8);
    assert_breaks(HEADER "m 1\nb 0 8 8\nb 1 8 8\nb 2 65536 8\n- 0\n- 1\n- 2\n",
                  "operation 3 (b): death: a block outside the memory");
}

TEST_MAIN(NULL, NULL)
