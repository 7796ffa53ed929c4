// What `linmem trace stat` tells of buffers, beside what it tells of blocks.
#include "corpus/trace/trace_stat.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static trace_stat take(const char *text) {
    trace trace;
    trace_stat stat;
    trace_error error;
    if (!trace_parse(text, strlen(text), &trace, &error)) fail_msg("%s", error.text);
    assert_true(trace_stat_take(&trace, &stat));
    trace_free(&trace);
    return stat;
}

static const char text[] =
    "linmem-trace 1\n"
    "a 0 1000\nb 0 100 64\nv 1 0 u8 0 100\nv 2 0 i16 1 1\nb 3 7\nm 1\nb 4 1\n"
    "@ 0 0\n@ 1 3\n@ 2 4\nc 1\n- 1\nc 0\nd 1\nr 0 1001\n- 2\nd\n"
    "b 5 2\ne\nm 0\nf 0\n- 5\nc 2\nd\n";

static void buffers_are_blocks(void **state) {
    (void)state;
    trace_stat stat = take(text);
    assert_int_equal(stat.blocks, 5);
    assert_int_equal(stat.total_bytes, 1000 + 100 + 7 + 1 + 1 + 2);
    assert_int_equal(stat.peak_live_bytes, 1000 + 100 + 7 + 1);
    assert_int_equal(stat.peak_live_blocks, 4);
    assert_int_equal(stat.blocks_to_end, 3);
    assert_int_equal(stat.lifetime_median_operations, 9); // of 9 (buffer 1) and 15 (buffer 0)
    assert_int_equal(stat.sizes[1], 1);
    assert_int_equal(stat.sizes[3], 1);
    assert_int_equal(stat.sizes[7], 1);
    assert_int_equal(stat.alignments[6], 1);
    assert_int_equal(stat.memories, 2);
}

static void references_and_lag_are_told(void **state) {
    (void)state;
    trace_stat stat = take(text);
    assert_int_equal(stat.buffers, 4);
    assert_int_equal(stat.peak_live_buffers, 3);
    assert_int_equal(stat.references, 6);
    assert_int_equal(stat.peak_references, 5);
    assert_int_equal(stat.views, 2);
    assert_int_equal(stat.refused, 1);
    assert_int_equal(stat.tokens, 3);
    assert_int_equal(stat.collected, 2);
    assert_int_equal(stat.peak_waiting_tokens, 2);
    assert_int_equal(stat.lag_median_operations, 3); // of 3 (token 1) and 4 (token 0)
    assert_int_equal(stat.lag_90th_operations, 3);
    stat = take("linmem-trace 1\nb 0 1\n- 0\n");
    assert_int_equal(stat.lag_median_operations, 0);
    assert_int_equal(stat.peak_references, 1);
}

static void it_is_printed_where_there_are_buffers(void **state) {
    (void)state;
    char *printed;
    size_t count;
    trace_stat stat = take(text);
    FILE *stream = open_memstream(&printed, &count);
    trace_stat_print(&stat, stream);
    fclose(stream);
    assert_non_null(strstr(printed, "3 operations from c to d, the median\n"));
    for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 0, 80);
    free(printed);
    stat = take("linmem-trace 1\na 0 1\nf 0\n");
    stream = open_memstream(&printed, &count);
    trace_stat_print(&stat, stream);
    fclose(stream);
    assert_null(strstr(printed, "finalizers"));
    free(printed);
    json_t *json = trace_stat_json(&stat);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "buffers"), "count")),
                     0);
    json_decref(json);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buffers_are_blocks),
        cmocka_unit_test(references_and_lag_are_told),
        cmocka_unit_test(it_is_printed_where_there_are_buffers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
