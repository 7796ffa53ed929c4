// Buffers: what alloc/buffer.h says of counts, owners and misuse, for both ways of counting.
#include "alloc/buffer.h"
#include "alloc/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { DART, SCRIPT, MODULE };

typedef struct world {
    lm_memory home, other;
    lm_realm realm;
    uint32_t imported; // the other memory's number
} world;

static world w;

static int start(const lm_counts *counts) {
    const lm_allocator *own = lm_strategy_named("paged", 1), *tlsf = lm_strategy_named("tlsf", 1);
    static lm_allocator other;
    other = (lm_allocator){.allocate = tlsf->allocate, .resize = tlsf->resize, .free = tlsf->free};
    const lm_memory_options options = {.pages = 1, .pages_max = 4096, .moving = true};
    assert_true(lm_memory_create(&w.home, &options) && lm_memory_create(&w.other, &options));
    assert_true(own->start(&w.home) && tlsf->start(&w.other));
    assert_true(lm_realm_start(&w.realm, counts, own, &w.home));
    w.imported = lm_realm_add(&w.realm, &other, &w.other);
    return 0;
}
static int start_plain(void **state) {
    (void)state;
    return start(&lm_counts_plain);
}
static int start_atomic(void **state) {
    (void)state;
    return start(&lm_counts_atomic);
}
static int end(void **state) {
    (void)state;
    lm_memory_destroy(&w.home);
    lm_memory_destroy(&w.other);
    return 0;
}

static uint64_t live(uint32_t memory) {
    lm_census census = {0};
    assert_null(lm_realm_validate(&w.realm, &census));
    return lm_realm_live_in(&w.realm, memory).buffers;
}

static void the_last_release_frees(void **state) {
    (void)state;
    lm_handle a, b;
    for (uint32_t memory = 0; memory < 2; memory++) {
        assert_int_equal(lm_buffer_create(&w.realm, DART, memory, 100, 16, true, &a), LM_OK);
        assert_int_equal(lm_buffer_retain(&w.realm, DART, a), LM_OK);
        assert_int_equal(lm_buffer_share(&w.realm, DART, a, SCRIPT, &b), LM_OK);
        assert_int_equal(live(memory), 1);
        assert_int_equal(lm_buffer_release(&w.realm, DART, a), LM_OK);
        assert_int_equal(lm_buffer_release(&w.realm, DART, a), LM_OK);
        assert_int_equal(live(memory), 1);
        assert_int_equal(lm_buffer_release(&w.realm, SCRIPT, b), LM_FREED);
        assert_int_equal(live(memory), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_last_release_frees, start_plain, end),
        cmocka_unit_test_setup_teardown(the_last_release_frees, start_atomic, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
