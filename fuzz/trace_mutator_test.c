// The mutator of traces comes to its end with every seed, keeps to its room, and what it makes of
// operations is a trace.
#include "fuzz/trace_mutator.h"

#include "corpus/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { SEEDS = 3000, ROOM = 2000 };

static const char text[] = "linmem-trace 1\nh 16 1 9\na 0 100\n(\na 1 7 64\n)\nr 0 9\nf 0\n";

static void operations_make_a_trace(void **state) {
    (void)state;
    unsigned larger = 0;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        uint8_t bytes[ROOM] = {0};
        memcpy(bytes, text, sizeof text - 1);
        size_t count = trace_operations_mutate(bytes, seed % 2 ? sizeof text - 1 : 0, ROOM, seed);
        assert_true(count <= ROOM);
        if (count == 0) continue; // it had no room, or something was left open
        trace made;
        trace_error error;
        if (!trace_parse(bytes, count, &made, &error)) fail_msg("seed %u: %s", seed, error.text);
        larger += made.count > 6;
        trace_free(&made);
    }
    assert_true(larger > SEEDS / 10);
}

static void lines_and_columns_keep_to_their_room(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        uint8_t bytes[ROOM];
        memset(bytes, 0xee, ROOM);
        memcpy(bytes, text, sizeof text - 1);
        size_t max = sizeof text - 1 + seed % 100, count = sizeof text - 1;
        count = seed % 2 ? trace_lines_mutate(bytes, count, max, seed)
                         : trace_columns_mutate(bytes, count, max, seed);
        assert_true(count <= max);
        for (size_t i = max; i < ROOM; i++)
            assert_int_equal(bytes[i], 0xee);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_make_a_trace),
        cmocka_unit_test(lines_and_columns_keep_to_their_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
