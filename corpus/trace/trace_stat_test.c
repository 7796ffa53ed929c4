// Statistics of traces, above all of buffers.
#include "corpus/trace/trace_fixture.h"
#include "corpus/trace/trace_stat.h"

static trace_stat take(const char *text) {
    trace trace = parse(text);
    trace_stat stat;
    assert_true(trace_stat_take(&trace, &stat));
    trace_free(&trace);
    return stat;
}

static const char text[] =
    "linmem-trace 1\n"
    "a 0 1000\nb 0 100 64\nv 1 0 u8 0 100\nv 2 0 i16 1 1\nb 3 7\nm 1\nb 4 1\n"
    "@ 0 0\n@ 1 3\n@ 2 4\nc 1\n- 1\nc 0\nd 1\nr 0 1001\n- 2\nd\n"
    "b 5 2\ne\nm 0\nf 0\n- 5\nc 2\nd\n";

TEST(buffers_are_blocks) {
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

TEST(references_and_lag_are_counted) {
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

// Of 24 operations and 5 blocks.
static const char sheet[] =
    "operations                        24\n"
    "  a allocate                       1   4.2 %\n"
    "  r resize                         1   4.2 %\n"
    "  f free                           1   4.2 %\n"
    "  m memory                         2   8.3 %\n"
    "  e exit                           1   4.2 %\n"
    "  b buffer                         4  16.7 %\n"
    "  - release                        3  12.5 %\n"
    "  v view                           2   8.3 %\n"
    "  @ attach                         3  12.5 %\n"
    "  c collect                        3  12.5 %\n"
    "  d drain                          3  12.5 %\n"
    "lanes                              1\n"
    "memories                           2\n"
    "peak live bytes                 1108\n"
    "peak live blocks                   4\n"
    "total bytes                     1111\n"
    "live to the end                    3  60.0 % of all blocks\n"
    "lifetime                           9 operations, the median of the others\n"
    "                                   9 operations, their 90th percentile\n"
    "buffers                            4 of the blocks; at most 3 at once\n"
    "references                         6 at most 5 at once\n"
    "  views                            2\n"
    "  refused                          1 views and copies\n"
    "finalizers                         3 attached\n"
    "  collected                        2 before the exit, at most 2 waiting\n"
    "  lag                              3 operations from c to d, the median\n"
    "                                   3 operations, the 90th percentile\n"
    "sizes (bytes)\n"
    "           1 .. 1                     1  20.0 % #####\n"
    "           2 .. 3                     1  20.0 % #####\n"
    "           4 .. 7                     1  20.0 % #####\n"
    "          64 .. 127                   1  20.0 % #####\n"
    "         512 .. 1023                  1  20.0 % #####\n"
    "alignments (bytes)\n"
    "                        16            4  80.0 %\n"
    "                        64            1  20.0 %\n";

static char *print_stat(const trace_stat *stat) {
    char *printed;
    size_t count;
    FILE *stream = open_memstream(&printed, &count);
    trace_stat_print(stat, stream);
    fclose(stream);
    return printed;
}

TEST(each_figure_is_printed) {
    trace_stat stat = take(text);
    char *printed = print_stat(&stat);
    assert_string_equal(printed, sheet);
    for (char *line = strtok(printed, "\n"); line; line = strtok(NULL, "\n"))
        assert_in_range(strlen(line), 0, 80);
    free(printed);
}

TEST(buffers_are_printed_if_there_are_any) {
    trace_stat stat = take("linmem-trace 1\na 0 1\nf 0\n");
    char *printed = print_stat(&stat);
    assert_null(strstr(printed, "finalizers"));
    free(printed);
    json_t *json = trace_stat_json(&stat);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json, "buffers"), "count")),
                     0);
    json_decref(json);
}

TEST_MAIN(NULL, NULL)
