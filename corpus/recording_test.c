// Raw streams made by hand, and the traces that must come of them.
#include "corpus/recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { RECORDS_MAX = 64, TEXT_BYTES = 1000 };

typedef struct stream_case {
    recording_header header;
    recording_record records[RECORDS_MAX];
    recording stream;
    recording_summary summary;
    trace_error error;
    trace made;
    char text[TEXT_BYTES];
} stream_case;

static stream_case now; // of the test that runs

static int set_up(void **state) {
    (void)state;
    memset(&now, 0, sizeof now);
    now.header = (recording_header){.magic = RECORDING_MAGIC, .pid = 1, .program = "p"};
    now.header.threads = 4;
    now.stream = (recording){.header = &now.header, .records = now.records};
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    trace_free(&now.made);
    return 0;
}

static void put(unsigned thread, recording_verb verb, uint64_t address, uint64_t size) {
    recording_record *record = &now.records[now.stream.count++];
    *record = (recording_record){address, size, thread, 4, (uint16_t)verb};
    now.header.claimed = now.stream.count;
}

// One word an operation: letter, number, size, alignment where it is not 16.
static const char *words_of(const trace *made) {
    FILE *text = fmemopen(now.text, sizeof now.text, "w");
    for (size_t i = 0; i < made->count; i++) {
        const trace_operation *operation = &made->operations[i];
        const trace_grammar_rule *rule = &trace_grammar[operation->verb];
        fprintf(text, "%s%c", i != 0 ? " " : "", rule->letter);
        for (int j = 0; j < TRACE_ARGUMENTS_MAX && rule->arguments[j] != TRACE_NONE; j++)
            if (rule->arguments[j] != TRACE_ALIGNMENT ||
                operation->argument[j] != TRACE_ALIGNMENT_DEFAULT)
                fprintf(text, "%s%u", j != 0 ? ":" : "", operation->argument[j]);
    }
    fclose(text);
    return now.text;
}

static void expect(const char *words) {
    if (!recording_to_trace(&now.stream, "title", &now.made, &now.summary, &now.error))
        fail_msg("%s", now.error.text);
    assert_string_equal(words_of(&now.made), words);
}

static void test_calls_become_operations(void **state) {
    (void)state;
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(0, RECORDING_ZEROED, 0x200, 20);
    put(0, RECORDING_ALLOCATE, 0x300, 0);
    now.records[2].alignment_log2 = 12;
    put(0, RECORDING_FREE, 0x100, 0);
    put(0, RECORDING_RESIZE_FROM, 0x200, 0);
    put(0, RECORDING_RESIZE_TO, 0x100, 40);
    put(0, RECORDING_FREE, 0x100, 0);
    expect("a0:10 z1:20 a2:0:4096 f0 r1:40 f1 e f2");
    assert_int_equal(now.summary.operations, 6);
    assert_int_equal(now.summary.blocks, 3);
    assert_int_equal(now.summary.peak_live_bytes, 40);
    assert_int_equal(now.summary.peak_live_blocks, 3);
    assert_string_equal(now.made.preamble, "# title\n");
}

// Thread 0 resizes 0x100 away; before that has come back, thread 1 is given 0x100.
static void test_an_address_passes_to_another_thread_amid_a_resize(void **state) {
    (void)state;
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    put(1, RECORDING_ALLOCATE, 0x100, 11);
    put(0, RECORDING_RESIZE_TO, 0x200, 100);
    put(1, RECORDING_FREE, 0x100, 0);
    put(0, RECORDING_FREE, 0x200, 0);
    expect("a0:10 t1 a1:11 t0 r0:100 t1 f1 t0 f0 e");
    assert_int_equal(now.summary.reused_addresses, 0);
    assert_int_equal(now.summary.unknown_frees, 0);
}

// Two threads resize at once, and each gets the other's old address.
static void test_resizes_pair_by_thread(void **state) {
    (void)state;
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(1, RECORDING_ALLOCATE, 0x200, 20);
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    put(1, RECORDING_RESIZE_FROM, 0x200, 0);
    put(1, RECORDING_RESIZE_TO, 0x100, 21);
    put(0, RECORDING_RESIZE_TO, 0x200, 12);
    put(0, RECORDING_FREE, 0x100, 0);
    expect("a0:10 t1 a1:20 r1:21 t0 r0:12 f1 e f0");
}

static void test_a_resize_to_nothing_frees_and_a_refused_one_keeps(void **state) {
    (void)state;
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    put(0, RECORDING_RESIZE_TO, 0, 1000); // refused
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    put(0, RECORDING_RESIZE_TO, 0x100, 11);
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    put(0, RECORDING_RESIZE_TO, 0, 0);
    put(0, RECORDING_ALLOCATE, 0x100, 12);
    expect("a0:10 r0:11 f0 a1:12 e f1");
    assert_int_equal(now.summary.reused_addresses, 0);
}

static void test_blocks_of_unknown_origin(void **state) {
    (void)state;
    put(0, RECORDING_FREE, 0x900, 0);
    put(0, RECORDING_RESIZE_FROM, 0x910, 0);
    put(0, RECORDING_RESIZE_TO, 0x920, 30); // known from now on
    put(0, RECORDING_RESIZE_FROM, 0x930, 0);
    put(0, RECORDING_RESIZE_TO, 0, 0);
    put(0, RECORDING_RESIZE_FROM, 0x940, 0);
    put(0, RECORDING_RESIZE_TO, 0, 50);
    put(0, RECORDING_RESIZE_FROM, 0x920, 0);
    put(0, RECORDING_RESIZE_TO, 0x920, 31);
    put(0, RECORDING_RESIZE_TO, 0x960, 60); // its other half is lost
    put(0, RECORDING_FREE, 0x920, 0);
    expect("a0:30 r0:31 a1:60 f0 e f1");
    assert_int_equal(now.summary.unknown_frees, 4);
    assert_non_null(strstr(now.made.preamble, "# 4 frees of blocks that nobody saw allocated"));
}

static void test_an_address_that_comes_twice_ends_its_block(void **state) {
    (void)state;
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(0, RECORDING_ALLOCATE, 0x200, 20);
    put(0, RECORDING_ALLOCATE, 0x100, 11);
    put(0, RECORDING_RESIZE_FROM, 0x200, 0);
    put(0, RECORDING_RESIZE_TO, 0x100, 21);
    expect("a0:10 a1:20 f0 a2:11 f2 r1:21 e f1");
    assert_int_equal(now.summary.reused_addresses, 2);
}

static void test_large_blocks_and_alignments(void **state) {
    (void)state;
    put(0, RECORDING_ALLOCATE, 0x100, (uint64_t)UINT32_MAX + 1);
    put(0, RECORDING_FREE, 0x100, 0); // of a block that is known, but not in the trace
    put(0, RECORDING_ALLOCATE, 0x100, UINT32_MAX);
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    put(0, RECORDING_RESIZE_TO, 0x200, (uint64_t)UINT32_MAX + 1);
    put(0, RECORDING_RESIZE_FROM, 0x200, 0);
    put(0, RECORDING_RESIZE_TO, 0x200, 7);
    put(0, RECORDING_ALLOCATE, 0x300, 8);
    now.records[7].alignment_log2 = 20;
    expect("a0:4294967295 f0 a1:7 a2:8:65536 e f1 f2");
    assert_int_equal(now.summary.large_blocks, 2);
    assert_int_equal(now.summary.unknown_frees, 0);
    assert_int_equal(now.summary.lowered_alignments, 1);
}

// The process was killed: one place was taken and never filled, one resize never came back.
static void test_a_stream_that_ends_amid_calls(void **state) {
    (void)state;
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(1, RECORDING_UNFINISHED, 0, 0);
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    now.header.cut_off = 28;
    expect("a0:10 e f0");
    assert_int_equal(now.summary.unfinished, 1);
    assert_non_null(strstr(now.made.preamble, "# cut off before the program ended: No space left"));
}

static void test_live_blocks_are_freed_in_the_order_of_allocation(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 6; i++)
        put((unsigned)i % 2, RECORDING_ALLOCATE, 0x900 - 0x10 * i, i);
    put(1, RECORDING_FREE, 0x8e0, 0);
    expect("a0:0 t1 a1:1 t0 a2:2 t1 a3:3 t0 a4:4 t1 a5:5 f2 e f0 f1 f3 f4 f5");
}

static void test_nonsense_is_refused(void **state) {
    (void)state;
    static const recording_record nonsense[] = {
        {0x100, 1, 0, 4, RECORDING_VERBS},             // no such verb
        {0, 1, 0, 4, RECORDING_ALLOCATE},              // no address
        {0x100, 1, UINT32_MAX, 4, RECORDING_ALLOCATE}, // no such thread
    };
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        set_up(NULL);
        put(0, RECORDING_ALLOCATE, 0x200, 1);
        put(0, RECORDING_ALLOCATE, 0x300, 1);
        now.records[1] = nonsense[i];
        assert_false(recording_to_trace(&now.stream, "", &now.made, &now.summary, &now.error));
        assert_ptr_equal(strstr(now.error.text, "record 1: "), now.error.text);
    }
}

// Enough live addresses, and enough churn among them, that the table grows and closes its gaps:
// each free must find its own block.
static void test_many_live_addresses(void **state) {
    (void)state;
    enum { LIVE = 5000, ROUNDS = 20 };
    recording_record *records = calloc(LIVE * ROUNDS * 2, sizeof *records);
    static uint64_t address_of[LIVE];
    uint64_t count = 0, random = 1;
    for (uint64_t i = 0; i < LIVE * ROUNDS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t slot = (size_t)(random >> 33) % LIVE;
        if (address_of[slot] != 0)
            records[count++] = (recording_record){address_of[slot], 0, 0, 0, RECORDING_FREE};
        address_of[slot] = 0x1000 + 16 * i;
        records[count++] = (recording_record){address_of[slot], slot, 0, 4, RECORDING_ALLOCATE};
    }
    now.stream = (recording){.header = &now.header, .records = records, .count = count};
    assert_true(recording_to_trace(&now.stream, "", &now.made, &now.summary, &now.error));
    assert_int_equal(now.summary.unknown_frees + now.summary.reused_addresses, 0);
    assert_int_equal(now.summary.blocks, LIVE * ROUNDS);
    assert_int_equal(now.summary.operations, count);
    // Each slot's block has the slot as its size: a free ends a block of the size that comes next.
    uint32_t *sizes = calloc(LIVE * ROUNDS, sizeof *sizes);
    for (size_t i = 0; now.made.operations[i].verb != TRACE_EXIT; i++) {
        const uint32_t *argument = now.made.operations[i].argument;
        if (now.made.operations[i].verb == TRACE_ALLOCATE) sizes[argument[0]] = argument[1];
        if (now.made.operations[i].verb == TRACE_FREE)
            assert_int_equal(sizes[argument[0]], now.made.operations[i + 1].argument[1]);
    }
    free(sizes);
    free(records);
}

static void test_files_that_are_no_streams(void **state) {
    (void)state;
    char path[] = "/tmp/linmem-stream-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_false(recording_open(path, &now.stream, &now.error));
    assert_int_equal(ftruncate(file, RECORDING_HEADER_BYTES + 100), 0);
    assert_false(recording_open(path, &now.stream, &now.error));
    // More claimed than there is: the disk was full.
    now.header.claimed = 1000000;
    assert_int_equal(pwrite(file, &now.header, sizeof now.header, 0), sizeof now.header);
    assert_true(recording_open(path, &now.stream, &now.error));
    assert_int_equal(now.stream.count, 4); // 100 bytes hold four
    expect("e");
    assert_int_equal(now.summary.unfinished, 4);
    recording_close(&now.stream);
    close(file);
    unlink(path);
    assert_false(recording_open(path, &now.stream, &now.error));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_calls_become_operations),
        TEST(test_an_address_passes_to_another_thread_amid_a_resize),
        TEST(test_resizes_pair_by_thread),
        TEST(test_a_resize_to_nothing_frees_and_a_refused_one_keeps),
        TEST(test_blocks_of_unknown_origin),
        TEST(test_an_address_that_comes_twice_ends_its_block),
        TEST(test_large_blocks_and_alignments),
        TEST(test_a_stream_that_ends_amid_calls),
        TEST(test_live_blocks_are_freed_in_the_order_of_allocation),
        TEST(test_nonsense_is_refused),
        TEST(test_many_live_addresses),
        TEST(test_files_that_are_no_streams),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
