// Every strategy catches each wrong call at level 1 and goes on; one that does not is named.
#include "alloc/registry.h"
#include "cli/test.h"
#include "fuzz/play/heap_player.h"

#include <stdio.h>
#include <string.h>

static heap_player player;

static law play(const lm_allocator *allocator, const char *text) {
    char whole[2000] = "linmem-trace 1\n";
    strcat(whole, text);
    trace trace;
    trace_error error;
    if (!trace_parse(whole, strlen(whole), &trace, &error)) fail_msg("%s", error.text);
    heap_options options = {.allocator = allocator, .walk_every = 1, .wrong_calls = true};
    size_t at;
    heap_player_run(&player, &options, trace.operations, trace.count, &at);
    trace_free(&trace);
    return player.heap.oracle.broken;
}

// Each kind of wrong call, with live, ended and unknown numbers.
TEST(each_is_caught_by_all) {
    char text[2000] = "a 0 100\na 1 5000\nz 2 300000\na 3 64 256\nf 1\n",
         *end = text + strlen(text);
    for (uint32_t word = 0; word < WRONG_CALLS; word++)
        for (uint32_t number = 0; trace_wrong_call_is_of_heap[word] && number < 5; number++)
            end += sprintf(end, "! %s %u %u\n", trace_wrong_calls[word], number, 8 + number);
    sprintf(end, "r 0 9000\nf 0\nf 2\nf 3\n");
    for (size_t i = 0; i < lm_strategy_count(); i++)
        for (int level = 1; level < LM_CHECK_LEVELS; level++)
            if (play(lm_strategy_at(i, level), text) != LAW_NONE)
                fail_msg("%s at level %d: %s", player.heap.oracle.allocator->name, level,
                         player.heap.oracle.finding);
}

// ---- Erring strategies --------------------------------------------------------------------------

static const lm_allocator *right;
static void *last;

// Ignores a second free of the block that was freed last.
static void forgiving_free(void *block, size_t size, lm_memory *memory) {
    if (block == last) return;
    right->free(block, size, memory);
    last = block;
}

static size_t forgiving_usable_size(const void *block, lm_memory *memory) {
    return block ? right->usable_size(block, memory) : 0;
}

// Traps too late.
static void *late_resize(void *block, size_t size, lm_memory *memory) {
    if (!block) lm_memory_base(memory)[5000] ^= 1;
    return right->resize(block, size, memory);
}

static void *growing_resize(void *block, size_t size, lm_memory *memory) {
    if (!block) lm_memory_grow_foreign(memory, 1);
    return right->resize(block, size, memory);
}

static lm_allocator erring(void) {
    right = lm_strategy_named("tlsf", 1);
    last = NULL;
    return *right;
}

static void assert_misuse(const lm_allocator *allocator, const char *text, const char *how) {
    assert_int_equal(play(allocator, text), LAW_traps);
    if (!strstr(player.heap.oracle.finding, how)) fail_msg("%s", player.heap.oracle.finding);
    last = NULL;
}

TEST(what_is_not_caught_is_named) {
    lm_allocator table = erring();
    table.free = forgiving_free;
    assert_misuse(&table, "a 0 100\na 1 100\nf 0\n! double_free 0 0\nf 1\n",
                  "double_free: free at");
    table = erring();
    table.usable_size = forgiving_usable_size;
    assert_misuse(&table, "a 0 100\n! null 0 0\nf 0\n", "null: usable_size");
}

TEST(what_is_caught_too_late_is_named) {
    static const char text[] = "a 0 100\n! null 0 8\nf 0\n";
    lm_allocator table = erring();
    table.resize = late_resize;
    assert_misuse(&table, text, "null: it is caught too late");
    table.resize = growing_resize;
    assert_misuse(&table, text, "null: it is caught too late");
}

// At check level 0 no wrong call is made.
TEST(nothing_is_tried_at_level_0) {
    assert_int_equal(play(lm_strategy_named("tlsf", 0), "a 0 9\nf 0\n! double_free 0 0\n"),
                     LAW_NONE);
}

int main(void) {
    if (!heap_player_create(&player)) return 1;
    int failed = cmocka_run_group_tests(test_list, NULL, NULL);
    heap_player_destroy(&player);
    return failed;
}
