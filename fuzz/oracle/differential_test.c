// The differential test: correct strategies agree, and one that fails requests which the others
// serve is named.
#include "cli/test.h"
#include "fuzz/oracle/differential.h"

#include "alloc/registry.h"

#include <string.h>

enum { ERRING = 3 }; // the index of the erring strategy

static heap_player player;
static differential all;

// ---- A strategy that takes and states four times the size ---------------------------------------

static const lm_allocator *right;

static void *err_allocate(size_t size, lm_memory *memory) {
    return size > UINT32_MAX / 4 ? NULL : right->allocate(4 * size, memory);
}

static void *err_resize(void *block, size_t size, lm_memory *memory) {
    return size > UINT32_MAX / 4 ? NULL : right->resize(block, 4 * size, memory);
}

static uint64_t err_block_bytes_max(size_t size, size_t alignment) {
    return 4 * right->block_bytes_max(size, alignment);
}

static const lm_allocator *erring(void) {
    static lm_allocator table;
    right = lm_strategy_named("tlsf", 0);
    table = *right;
    table.name = "erring";
    table.allocate = err_allocate;
    table.resize = err_resize;
    table.block_bytes_max = err_block_bytes_max;
    return &table;
}

// ---- Playing ------------------------------------------------------------------------------------

static void take_all(const lm_allocator *also) {
    all.count = lm_strategy_count();
    assert_in_range(all.count, ERRING + 1, DIFFERENTIAL_STRATEGIES_MAX);
    for (size_t i = 0; i < all.count; i++)
        all.allocators[i] = lm_strategy_at(i, 0);
    if (also) all.allocators[ERRING] = also;
}

// Returns the index of the operation that broke a law, or the number of operations.
static size_t play(const char *text) {
    char whole[500] = "linmem-trace 1\n";
    strcat(whole, text);
    trace trace;
    trace_error error;
    if (!trace_parse(whole, strlen(whole), &trace, &error)) fail_msg("%s", error.text);
    heap_options options = {0};
    size_t at, count = trace.count;
    bool holds = differential_run(&all, &player, &options, trace.operations, trace.count, &at);
    trace_free(&trace);
    assert_int_equal(holds, all.broken == LAW_NONE);
    return holds ? count : at;
}

static const char allocated[] = "h 16 1 300\na 0 100\na 1 5000000\nf 0\nf 1\n";
static const char resized[] = "h 16 1 300\na 0 100\nz 1 5\nr 0 5000000\nf 0\nf 1\n";

TEST(the_right_ones_agree) {
    take_all(NULL);
    // Requests that some strategies cannot serve, that most fail, or that fail after a failed
    // growth.
    static const char *const texts[] = {
        allocated,
        resized,
        "h 16 1 65536\na 0 4000000000\na 1 4000000000\nf 0\nf 1\n",
        "h 16 1 65536\na 0 1500000000\na 1 1500000000\na 2 1500000000\nf 0\nf 1\nf 2\n",
        "h 16 1 9\na 0 300000\na 1 300000\nf 0\nf 1\n",
        "n 1\na 0 2200000000\nn *\na 1 100000\nn 0\nf 0\nf 1\n",
        "h 4294901760 65536 65536\na 0 100\nr 0 100000\nf 0\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        play(texts[i]);
        if (all.broken != LAW_NONE) fail_msg("%s: %s", texts[i], all.finding);
    }
}

TEST(who_refuses_alone_is_named) {
    take_all(erring());
    assert_int_equal(play(allocated), 2);
    assert_int_equal(all.broken, LAW_agreement);
    assert_int_equal(all.place, ERRING);
    assert_non_null(strstr(all.finding, "erring refuses a block of 5000000 bytes"));
    assert_int_equal(play(resized), 3);
    assert_int_equal(all.broken, LAW_agreement);
    assert_non_null(strstr(all.finding, "erring refuses a resize to 5000000 bytes"));
}

// A strategy that may fail, or that is one of several that do, is not named.
TEST(the_policy_allows) {
    take_all(erring());
    play("h 16 1 300\nn 999\na 0 5000000\nn 0\nf 0\n");
    assert_int_equal(all.broken, LAW_NONE);
    play("h 16 1 250\na 0 5000000\nf 0\n"); // with less than twice 8 MiB left
    assert_int_equal(all.broken, LAW_NONE);
    for (size_t i = 0; i <= all.count / 2; i++)
        all.allocators[i] = all.allocators[ERRING];
    play(allocated);
    assert_int_equal(all.broken, LAW_NONE);
}

static size_t less_usable(const void *block, lm_memory *memory) {
    return right->usable_size(block, memory) / 8;
}

TEST(another_law_is_named_with_its_strategy) {
    static lm_allocator table;
    table = *erring();
    table.usable_size = less_usable;
    take_all(&table);
    assert_int_equal(play("a 0 100\nf 0\n"), 0);
    assert_int_equal(all.broken, LAW_usable);
    assert_int_equal(all.place, ERRING);
    assert_ptr_equal(strstr(all.finding, "erring: block 0"), all.finding);
}

int main(void) {
    if (!heap_player_create(&player)) return 1;
    int failed = cmocka_run_group_tests(test_list, NULL, NULL);
    heap_player_destroy(&player);
    return failed;
}
