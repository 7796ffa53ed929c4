#include "alloc/registry.h"
#include "cli/test.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

TEST(tables_are_complete) {
    assert_true(lm_strategy_count() > 0);
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        for (int level = 0; level < LM_CHECK_LEVELS; level++) {
            const lm_allocator *a = lm_strategy_at(i, level);
            assert_int_equal(a->check_level, level);
            assert_true(strlen(a->name) > 0 && strlen(a->idea) > 0);
            assert_null(strchr(a->idea, '\n'));
            assert_in_range(strlen(a->idea), 10, 56); // beside its name and size in 80 columns
            assert_null(strchr(a->bound, '\n'));
            assert_in_range(strlen(a->bound), 10, 64); // beside its name in 80 columns
            assert_int_equal(strncmp(a->bound, "none: ", 6) == 0, !a->heap_bytes_max);
            assert_int_equal(a->capabilities & LM_IN_LINEAR_MEMORY, LM_IN_LINEAR_MEMORY);
            assert_true(a->start && a->allocate && a->allocate_zeroed && a->allocate_aligned);
            assert_true(a->resize && a->resize_aligned && a->free && a->usable_size);
            assert_true(a->reset && a->validate);
        }
    }
}

TEST(levels_differ_in_nothing_else) {
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        const lm_allocator *first = lm_strategy_at(i, 0);
        for (int level = 1; level < LM_CHECK_LEVELS; level++) {
            const lm_allocator *a = lm_strategy_at(i, level);
            assert_ptr_not_equal(a, first);
            assert_string_equal(a->name, first->name);
            assert_string_equal(a->idea, first->idea);
            assert_int_equal(a->capabilities, first->capabilities);
        }
    }
}

TEST(names_find_their_strategy) {
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        const lm_allocator *a = lm_strategy_at(i, 1);
        assert_ptr_equal(lm_strategy_named(a->name, 1), a); // so names are unique
    }
    assert_null(lm_strategy_named("", 0));
    assert_null(lm_strategy_named("tls", 0));
}

static lm_allocator broken;

static void break_nothing(void) {}
static void break_name(void) {
    broken.name = "other";
}
static void break_no_name(void) {
    broken.name = NULL;
}
static void break_idea(void) {
    broken.idea = NULL;
}
static void break_level(void) {
    broken.check_level = 0;
}
static void break_resize(void) {
    broken.resize = NULL;
}
static void break_reset(void) {
    broken.reset = NULL;
}
static void break_validate(void) {
    broken.validate = NULL;
}
static void break_block_bytes_max(void) {
    broken.block_bytes_max = NULL;
}
static void break_scopes(void) {
    broken.capabilities |= LM_NESTS_SCOPES;
}
static bool open_scope(lm_memory *memory) {
    return memory;
}
static void break_hidden_scopes(void) {
    broken.open_scope = open_scope;
}
static void break_merges(void) {
    broken.capabilities &= ~(unsigned)LM_FREES_BLOCKS;
}
static void break_unknown(void) {
    broken.capabilities |= 1u << 20;
}
static void break_content(void) {
    broken.capabilities &= ~(unsigned)LM_HOLDS_CONTENT;
}

// Each fault of a table is told, and a table without one has none.
TEST(a_broken_table_is_told) {
    static const struct {
        void (*break_table)(void);
        const char *says;
    } rows[] = {
        {break_nothing, NULL},
        {break_name, "strategy tlsf: its table is named 'other'"},
        {break_no_name, "strategy tlsf: its table is named ''"},
        {break_idea, "strategy tlsf: its idea is no line of text"},
        {break_level, "strategy tlsf: its check_level is not LM_CHECK_LEVEL"},
        {break_resize, "strategy tlsf: its table has no resize"},
        {break_reset, "strategy tlsf: its table has no reset"},
        {break_validate, "strategy tlsf: its table has no validate"},
        {break_block_bytes_max, "strategy tlsf: its table has no block_bytes_max"},
        {break_scopes,
         "strategy tlsf: it states LM_NESTS_SCOPES without open_scope and close_scope"},
        {break_hidden_scopes,
         "strategy tlsf: it has open_scope or close_scope and does not state LM_NESTS_SCOPES"},
        {break_merges, "strategy tlsf: it states LM_MERGES without LM_FREES_BLOCKS"},
        {break_unknown, "strategy tlsf: it states an unknown capability"},
        {break_content, "strategy tlsf: it does not state LM_HOLDS_CONTENT"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char fault[LM_FAULT_BYTES];
        broken = *lm_strategy_named("tlsf", 1);
        rows[i].break_table();
        const char *told = lm_table_fault(&broken, "tlsf", 1, fault);
        assert_int_equal(told != NULL, rows[i].says != NULL);
        if (told) assert_string_equal(told, rows[i].says);
    }
    char fault[LM_FAULT_BYTES];
    assert_null(lm_registry_fault(fault));
}

TEST_MAIN(NULL, NULL)
