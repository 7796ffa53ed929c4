// The linear memory's contract: what grows, what is refused, what faults, what moves.
#include "alloc/linear_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static lm_memory make(uint32_t pages, uint32_t pages_max, bool moving) {
    lm_memory memory;
    assert_true(lm_memory_create(
        &memory, &(lm_memory_options){.pages = pages, .pages_max = pages_max, .moving = moving}));
    assert_int_equal(lm_memory_pages(&memory), pages);
    assert_int_equal((uintptr_t)lm_memory_base(&memory) % LM_PAGE_BYTES, 0);
    return memory;
}

// Whether the kernel finds a readable byte there: write(2) answers EFAULT where a load would fault.
static bool readable(const volatile unsigned char *address) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    ssize_t written = write(ends[1], (const void *)address, 1);
    assert_true(written == 1 || errno == EFAULT);
    close(ends[0]);
    close(ends[1]);
    return written == 1;
}

static void grows_at_its_end(void **state) {
    (void)state;
    lm_memory memory = make(1, 10, false);
    unsigned char *base = lm_memory_base(&memory);
    base[LM_PAGE_BYTES - 1] = 7;
    assert_false(readable(base + LM_PAGE_BYTES));
    assert_int_equal(lm_memory_grow(&memory, 2), 1);
    assert_int_equal(lm_memory_pages(&memory), 3);
    assert_ptr_equal(lm_memory_base(&memory), base);
    assert_int_equal(base[LM_PAGE_BYTES - 1], 7);
    for (uint32_t i = LM_PAGE_BYTES; i < 3 * LM_PAGE_BYTES; i++)
        assert_int_equal(base[i], 0);
    base[3 * LM_PAGE_BYTES - 1] = 9;
    assert_false(readable(base + 3 * LM_PAGE_BYTES));
    assert_int_equal(lm_memory_grow(&memory, 0), 3);
    assert_int_equal(lm_memory_grow(&memory, 8), LM_GROW_REFUSED);
    assert_int_equal(lm_memory_grow(&memory, UINT32_MAX), LM_GROW_REFUSED);
    assert_int_equal(lm_memory_pages(&memory), 3);
    assert_int_equal(lm_memory_grow(&memory, 7), 3);
    assert_int_equal(lm_memory_grow(&memory, 0), 10);
    assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    assert_false(readable(base + 10 * LM_PAGE_BYTES));
    lm_memory_destroy(&memory);
    assert_false(readable(base));
}

static void refuses_on_demand(void **state) {
    (void)state;
    lm_memory memory = make(0, 100, false);
    lm_memory_refuse(&memory, 2);
    assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    assert_true(lm_memory_grow_foreign(&memory, 3));
    assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    assert_int_equal(lm_memory_grow(&memory, 1), 3);
    lm_memory_refuse(&memory, LM_REFUSE_ALL);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(lm_memory_grow(&memory, 1), LM_GROW_REFUSED);
    lm_memory_refuse(&memory, 0);
    assert_int_equal(lm_memory_grow(&memory, 1), 4);
    assert_false(lm_memory_grow_foreign(&memory, 96));
    assert_int_equal(lm_memory_pages(&memory), 5);
    lm_memory_destroy(&memory);
}

static void moves_with_its_content(void **state) {
    (void)state;
    lm_memory memory = make(3, 20, false);
    unsigned char *old = lm_memory_base(&memory);
    memset(old, 0xa5, 4096);
    old[3 * LM_PAGE_BYTES - 1] = 1; // the last byte of a page that is zero else
    assert_true(lm_memory_move(&memory));
    unsigned char *base = lm_memory_base(&memory);
    assert_ptr_not_equal(base, old);
    assert_int_equal((uintptr_t)base % LM_PAGE_BYTES, 0);
    assert_false(readable(old));
    assert_int_equal(lm_memory_pages(&memory), 3);
    for (int i = 0; i < 4096; i++)
        assert_int_equal(base[i], 0xa5);
    for (int i = 4096; i < 3 * LM_PAGE_BYTES - 1; i++)
        assert_int_equal(base[i], 0);
    assert_int_equal(base[3 * LM_PAGE_BYTES - 1], 1);
    assert_false(readable(base + 3 * LM_PAGE_BYTES));
    lm_memory_destroy(&memory);
}

// Every address that the memory ever had faults, not just the last one.
static void every_growth_moves_in_the_moving_mode(void **state) {
    (void)state;
    lm_memory memory = make(1, 40, true);
    unsigned char *had[30];
    for (int i = 0; i < 30; i++) {
        had[i] = lm_memory_base(&memory);
        had[i][i] = (unsigned char)(i + 1);
        assert_int_equal(lm_memory_grow(&memory, 0), i + 1);
        assert_ptr_equal(lm_memory_base(&memory), had[i]);
        if (i % 2)
            assert_int_equal(lm_memory_grow(&memory, 1), i + 1);
        else
            assert_true(lm_memory_grow_foreign(&memory, 1));
        for (int j = 0; j <= i; j++)
            assert_false(readable(had[j]));
        for (int j = 0; j <= i; j++)
            assert_int_equal(lm_memory_base(&memory)[j], j + 1);
    }
    unsigned char *base = lm_memory_base(&memory);
    assert_int_equal(lm_memory_grow(&memory, 10), LM_GROW_REFUSED);
    assert_ptr_equal(lm_memory_base(&memory), base);
    lm_memory_destroy(&memory);
}

static void ends_at_two_to_the_32(void **state) {
    (void)state;
    for (int moving = 0; moving < 2; moving++) {
        lm_memory memory = make(1, LM_PAGES_MAX, moving);
        assert_int_equal(lm_memory_grow(&memory, LM_PAGES_MAX - 2), 1);
        assert_int_equal(lm_memory_grow(&memory, 2), LM_GROW_REFUSED);
        if (!moving) assert_int_equal(lm_memory_grow(&memory, 1), LM_PAGES_MAX - 1);
        uint64_t end = (uint64_t)lm_memory_pages(&memory) * LM_PAGE_BYTES;
        if (!moving) assert_true(end == (uint64_t)1 << 32);
        lm_memory_base(&memory)[end - 1] = 1;
        assert_false(readable(lm_memory_base(&memory) + end));
        lm_memory_destroy(&memory);
    }
}

static void options_that_contradict(void **state) {
    (void)state;
    const lm_memory_options wrong[] = {
        {.pages = 0, .pages_max = 0},
        {.pages = 2, .pages_max = 1},
        {.pages = 0, .pages_max = LM_PAGES_MAX + 1},
        {.pages = 1, .pages_max = 1, .heap_start = 8},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        lm_memory memory;
        errno = 0;
        assert_false(lm_memory_create(&memory, &wrong[i]));
        assert_int_equal(errno, EINVAL);
    }
    lm_memory memory;
    assert_true(lm_memory_create(&memory, &(lm_memory_options){.pages_max = 1}));
    assert_int_equal(memory.heap_start, LM_BLOCK_ALIGNMENT);
    assert_false(readable(lm_memory_base(&memory)));
    lm_memory_destroy(&memory);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_at_its_end),
        cmocka_unit_test(refuses_on_demand),
        cmocka_unit_test(moves_with_its_content),
        cmocka_unit_test(every_growth_moves_in_the_moving_mode),
        cmocka_unit_test(ends_at_two_to_the_32),
        cmocka_unit_test(options_that_contradict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
