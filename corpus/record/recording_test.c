// Logs, and the traces that they are converted to.
#include "cli/test.h"
#include "corpus/record/recording.h"

#include <errno.h>
#include <fcntl.h>

enum { RECORDS_MAX = 64, TEXT_BYTES = 1000 };

typedef struct log_case {
    recording_record records[RECORDS_MAX];
    recording log;
    recording_summary summary;
    trace_error error;
    trace made;
    char text[TEXT_BYTES];
} log_case;

static log_case now; // of the test that runs

enum { FIRST_PROCESS = 1, FIRST_THREADS = 4, FIRST_RECORDS = 1 + FIRST_THREADS };

// A record of a thread, which RECORDING_NUMBERS has room for.
static recording_record record_of(uint32_t thread, uint32_t verb, uint64_t address, uint64_t size) {
    return (recording_record){address, size, thread & (RECORDING_NUMBERS - 1), 4, verb};
}

static recording_record *put(unsigned thread, recording_verb verb, uint64_t address,
                             uint64_t size) {
    recording_record *record = &now.records[now.log.count++];
    *record = record_of(thread, recording_state(now.log.count, verb), address, size);
    return record;
}

// Starts a log with a program and its threads 0 … 3.
static int set_up(void **state) {
    memset(&now, 0, sizeof now);
    now.log.records = now.records;
    put(FIRST_PROCESS, RECORDING_IMAGE, 100, 0);
    for (unsigned thread = 0; thread < FIRST_THREADS; thread++)
        put(thread, RECORDING_THREAD, FIRST_PROCESS, 0);
    return 0;
}

static int tear_down(void **state) {
    trace_free(&now.made);
    now.log.bytes = 0; // not mapped
    recording_close(&now.log);
    return 0;
}

#define RECORDING_TEST(test) TEST(test, .setup_func = set_up, .teardown_func = tear_down)

// Puts the records of a log, a word each: thread, a allocate, z zeroed, f free, < resize from or
// > resize to; address in hexadecimal; `:size` and `@alignment_log2` if not 0 and 4.
static void play(const char *log) {
    static const char letters[] = "azf<>";
    static const recording_verb verbs[] = {RECORDING_ALLOCATE, RECORDING_ZEROED, RECORDING_FREE,
                                           RECORDING_RESIZE_FROM, RECORDING_RESIZE_TO};
    for (unsigned thread; *log != '\0'; log += strspn(log, " ")) {
        char letter, *end = NULL;
        assert_int_equal(sscanf(log, "%u%c", &thread, &letter), 2);
        assert_non_null(strchr(letters, letter));
        uint64_t address = strtoull(strchr(log, letter) + 1, &end, 16);
        uint64_t size = *end == ':' ? strtoull(end + 1, &end, 10) : 0;
        recording_record *record =
            put(thread, verbs[strchr(letters, letter) - letters], address, size);
        if (*end == '@') record->alignment_log2 = strtoull(end + 1, &end, 10) & 63;
        log = end;
    }
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

static const recording_limits all = {UINT64_MAX, TRACE_OPERATIONS_MAX};

static void convert(uint32_t process, const recording_limits *limits) {
    bool surveyed = now.log.processes != NULL || recording_survey(&now.log, &now.error);
    if (!surveyed || !recording_to_trace(&now.log, process, "title", limits, &now.made,
                                         &now.summary, &now.error))
        fail_msg("%s", now.error.text);
}

static void expect_of(uint32_t process, const char *words) {
    trace_free(&now.made);
    convert(process, &all);
    assert_string_equal(words_of(&now.made), words);
}

static void expect(const char *words) {
    expect_of(FIRST_PROCESS, words);
}

RECORDING_TEST(calls_become_operations) {
    play("0a100:10 0z200:20 0a300:0@12 0f100 0<200 0>100:40 0f100");
    expect("a0:10 z1:20 a2:0:4096 f0 r1:40 f1 e f2");
    assert_int_equal(now.summary.operations, 6);
    assert_int_equal(now.summary.blocks, 3);
    assert_int_equal(now.summary.peak_live_bytes, 40);
    assert_int_equal(now.summary.peak_live_blocks, 3);
    assert_string_equal(now.made.preamble, "# title\n");
}

// Thread 0 resizes the block at 0x100; before that returns, thread 1 allocates 0x100.
RECORDING_TEST(a_resize_frees_its_address_for_another_thread) {
    play("0a100:10 0<100 1a100:11 0>200:100 1f100 0f200");
    expect("a0:10 t1 a1:11 t0 r0:100 t1 f1 t0 f0 e");
    assert_int_equal(now.summary.reused_addresses, 0);
    assert_int_equal(now.summary.unknown_frees, 0);
}

// Two threads resize at once, and each block gets the other's old address.
RECORDING_TEST(resizes_pair_by_thread) {
    play("0a100:10 1a200:20 0<100 1<200 1>100:21 0>200:12 0f100");
    expect("a0:10 t1 a1:20 r1:21 t0 r0:12 f1 e f0");
}

RECORDING_TEST(a_resize_to_0_frees_and_a_failed_one_keeps) {
    // The first resize fails.
    play("0a100:10 0<100 0>0:1000 0<100 0>100:11 0<100 0>0:0 0a100:12");
    expect("a0:10 r0:11 f0 a1:12 e f1");
    assert_int_equal(now.summary.reused_addresses, 0);
}

RECORDING_TEST(blocks_of_unknown_origin) {
    // Block 920 is known from its resize on; the first half of the resize to 960 is lost.
    play("0f900 0<910 0>920:30 0<930 0>0:0 0<940 0>0:50 0<920 0>920:31 0>960:60 0f920");
    expect("a0:30 r0:31 a1:60 f0 e f1");
    assert_int_equal(now.summary.unknown_frees, 4);
    assert_non_null(strstr(now.made.preamble, "# 4 frees of unknown blocks skipped"));
}

RECORDING_TEST(a_reused_address_ends_its_block) {
    play("0a100:10 0a200:20 0a100:11 0<200 0>100:21");
    expect("a0:10 a1:20 f0 a2:11 f2 r1:21 e f1");
    assert_int_equal(now.summary.reused_addresses, 2);
}

RECORDING_TEST(large_blocks_and_alignments) {
    // The first free is of a block that is known, but not in the trace.
    play("0a100:4294967296 0f100 0a100:4294967295 0<100 0>200:4294967296 0<200 0>200:7 "
         "0a300:8@21 0a400:8@32");
    expect("a0:4294967295 f0 a1:7 a2:8:2097152 a3:8:2147483648 e f1 f2 f3");
    assert_int_equal(now.summary.large_blocks, 2);
    assert_int_equal(now.summary.unknown_frees, 0);
    assert_int_equal(now.summary.lowered_alignments, 1);
}

// The process was killed: one position was claimed only, one resize did not return.
RECORDING_TEST(a_log_may_end_within_calls) {
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(0, RECORDING_UNFINISHED, 0, 0);
    put(0, RECORDING_RESIZE_FROM, 0x100, 0);
    now.log.cut_off = 28;
    expect("a0:10 e f0");
    assert_int_equal(now.summary.lost, 1);
    assert_non_null(strstr(now.made.preamble, "# cut off before the program ended: No space left"));
}

// Stopped processes wrote two of the three records at later positions.
RECORDING_TEST(records_that_moved_are_not_lost) {
    for (int i = 0; i < 3; i++)
        put(0, RECORDING_UNFINISHED, 0, 0);
    play("0a100:10 0f100");
    now.log.moved = 2;
    expect("a0:10 f0 e");
    assert_int_equal(now.summary.lost, 1);
    now.log.moved = UINT32_MAX; // a program wrote over the ring
    expect("a0:10 f0 e");
    assert_int_equal(now.summary.lost, 0);
}

// Errors of the recording itself have messages of their own.
RECORDING_TEST(reasons_for_the_end) {
    recording_summary summary = {.cut_off = EBADMSG};
    char text[200];
    FILE *stream = fmemopen(text, sizeof text, "w");
    recording_describe_losses(&summary, stream);
    summary.cut_off = ETIMEDOUT;
    recording_describe_losses(&summary, stream);
    fclose(stream);
    assert_string_equal(text, "cut off before the program ended: a program overwrote the "
                              "recording\ncut off before the program ended: linmem record did not "
                              "make room in time\n");
}

RECORDING_TEST(live_blocks_are_freed_in_the_order_of_allocation) {
    for (uint64_t i = 0; i < 6; i++)
        put((unsigned)i % 2, RECORDING_ALLOCATE, 0x900 - 0x10 * i, i);
    put(1, RECORDING_FREE, 0x8e0, 0);
    expect("a0:0 t1 a1:1 t0 a2:2 t1 a3:3 t0 a4:4 t1 a5:5 f2 e f0 f1 f3 f4 f5");
}

// A program may overwrite the shared memory: records before and after are kept.
RECORDING_TEST(invalid_records_are_skipped) {
    put(0, RECORDING_ALLOCATE, 0x200, 1);
    put(0, RECORDING_VERBS, 0x100, 1);             // no such verb
    put(0, RECORDING_ALLOCATE, 0, 1);              // no address
    put(UINT32_MAX, RECORDING_ALLOCATE, 0x100, 1); // no such thread
    put(UINT32_MAX, RECORDING_THREAD, FIRST_PROCESS, 0);
    put(5, RECORDING_THREAD, UINT64_MAX, 0);
    put(UINT32_MAX, RECORDING_IMAGE, 1, 0);
    put(2, RECORDING_FORKED, 1 | (uint64_t)7 << 32, 1000000); // of a later process
    put(3, RECORDING_TEXT, UINT64_MAX, UINT64_MAX);
    put(0, RECORDING_FREE, 0x200, 0);
    expect("a0:1 f0 e");
    assert_int_equal(now.summary.damaged, 3);
    assert_non_null(strstr(now.made.preamble, "# 3 invalid records"));
}

// ---- Processes ----------------------------------------------------------------------------------

static void put_name(uint32_t process, const char *name, size_t count) {
    for (size_t at = 0; at < count; at += RECORDING_TEXT_BYTES) {
        uint64_t words[2] = {0};
        memcpy(words, name + at, count - at < sizeof words ? count - at : sizeof words);
        put(process, RECORDING_TEXT, words[0], words[1]);
    }
}

RECORDING_TEST(each_process_has_its_own_trace) {
    static const char name[] = "a program of a long name\0/usr/bin/program";
    put_name(FIRST_PROCESS, name, sizeof name);
    put(0, RECORDING_ALLOCATE, 0x100, 10);
    put(2, RECORDING_IMAGE, 100, RECORDING_OWN_MALLOC); // the same pid: it executed another program
    put(4, RECORDING_THREAD, 2, 0);
    // another memory, the same address
    play("4a100:20 0f100");
    expect("a0:10 f0 e");
    const recording_process *processes = now.log.processes;
    assert_string_equal(processes[1].name, "a program of a long name");
    assert_string_equal(processes[1].file, "/usr/bin/program");
    assert_int_equal(processes[1].calls, 2);
    assert_int_equal(processes[2].calls, 1);
    assert_true(processes[2].own_malloc && !processes[1].own_malloc);
    expect_of(2, "a0:20 e f0");
}

// A child's heap is a copy of its parent's at the fork.
RECORDING_TEST(a_forked_childs_trace_begins_with_its_parents) {
    static const char name[] = "p\0/p";
    put_name(FIRST_PROCESS, name, sizeof name);
    play("0a100:10 0a200:20");
    uint64_t before_fork = now.log.count;
    // the parent's, not the child's
    play("0f200 0a300:30");
    put(2, RECORDING_FORKED, 101 | (uint64_t)FIRST_PROCESS << 32, before_fork);
    put(4, RECORDING_THREAD, 2, 0);
    play("4f200 4a300:31");
    put(3, RECORDING_FORKED, 102 | (uint64_t)2 << 32, now.log.count - 1); // the child's child
    put(5, RECORDING_THREAD, 3, 0);
    put(5, RECORDING_FREE, 0x100, 0);
    expect_of(3, "a0:10 a1:20 t1 f1 t2 f0 e");
    expect_of(2, "a0:10 a1:20 t1 f1 a2:31 e f0 f2");
    expect_of(1, "a0:10 a1:20 f1 a2:30 e f0 f2");
    assert_string_equal(now.log.processes[3].name, "p");
    assert_int_equal(now.log.processes[3].calls, 1);
    assert_int_equal(now.log.processes[3].pid, 102);
}

// ---- Limits -------------------------------------------------------------------------------------

RECORDING_TEST(calls_before_a_limit_are_kept) {
    play("0a100:10 0<100 0>200:11 0f200 0a100:12");
    convert(FIRST_PROCESS, &(recording_limits){2, TRACE_OPERATIONS_MAX});
    assert_string_equal(words_of(&now.made), "a0:10 r0:11 e f0");
    assert_int_equal(now.summary.calls, 2);
    assert_int_equal(now.summary.left_out, 2);
    assert_non_null(strstr(now.made.preamble, "# 2 later calls omitted (limit reached)"));
}

// Most of the room is used by live blocks and their frees at the end.
RECORDING_TEST(a_trace_is_filled_and_closed) {
    enum { LIVE = 20, SPARE = 8 };
    for (uint64_t i = 0; i < LIVE; i++)
        put(0, RECORDING_ALLOCATE, 16 * (i + 1), 1);
    for (uint64_t i = 0; i < LIVE / 2; i++)
        put(0, i % 2 == 0 ? RECORDING_FREE : RECORDING_ALLOCATE, 16, 1);
    for (uint64_t room = SPARE; room < 3 * LIVE; room++) {
        trace_free(&now.made);
        convert(FIRST_PROCESS, &(recording_limits){UINT64_MAX, room});
        bool whole = now.summary.left_out == 0;
        assert_int_equal(whole, now.made.count == 2 * LIVE + LIVE / 2 + 1);
        assert_in_range(now.made.count, whole ? 0 : room - SPARE, room);
        assert_int_equal(now.summary.calls + now.summary.left_out, LIVE + LIVE / 2);
        assert_int_equal(now.made.operations[now.summary.calls].verb, TRACE_EXIT);
    }
    assert_int_equal(now.summary.left_out, 0);
}

// More short threads than lanes.
RECORDING_TEST(many_threads_share_lanes) {
    enum { THREADS = (1 << 20) + 100 };
    recording_record *records = calloc(1 + 3 * (size_t)THREADS, sizeof *records);
    records[0] = now.records[0];
    uint64_t count = 1;
    for (uint32_t i = 0; i < THREADS; i++) {
        records[count++] = record_of(i, RECORDING_THREAD, 1, 0);
        records[count++] = record_of(i, RECORDING_ALLOCATE, 0x100, 1);
        records[count++] = record_of(i, RECORDING_FREE, 0x100, 0);
    }
    now.log.records = records;
    now.log.count = count;
    convert(FIRST_PROCESS, &all);
    assert_int_equal(now.summary.operations, 2 * THREADS);
    assert_int_equal(now.summary.folded_threads, THREADS - TRACE_LANES_MAX);
    assert_int_equal(now.made.lanes, TRACE_LANES_MAX);
    free(records);
}

// The table of addresses grows and closes gaps: each free must find its own block.
RECORDING_TEST(many_live_addresses) {
    enum { LIVE = 5000, ROUNDS = 20 };
    recording_record *records = calloc(FIRST_RECORDS + LIVE * ROUNDS * 2, sizeof *records);
    static uint64_t address_of[LIVE];
    uint64_t count = FIRST_RECORDS, random = 1;
    memcpy(records, now.records, FIRST_RECORDS * sizeof *records);
    for (uint64_t i = 0; i < LIVE * ROUNDS; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t slot = (size_t)(random >> 33) % LIVE;
        if (address_of[slot] != 0)
            records[count++] = (recording_record){address_of[slot], 0, 0, 0, RECORDING_FREE};
        address_of[slot] = 0x1000 + 16 * i;
        records[count++] = (recording_record){address_of[slot], slot, 0, 4, RECORDING_ALLOCATE};
    }
    now.log.records = records;
    now.log.count = count;
    convert(FIRST_PROCESS, &all);
    assert_int_equal(now.summary.unknown_frees + now.summary.reused_addresses, 0);
    assert_int_equal(now.summary.blocks, LIVE * ROUNDS);
    assert_int_equal(now.summary.operations, count - FIRST_RECORDS);
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

// A full disk cuts off the last record. A log may be empty.
RECORDING_TEST(log_files) {
    recording_close(&now.log);
    for (int whole = 0; whole < 2; whole++) {
        int file = memfd_create("log", 0);
        assert_true(recording_open(dup(file), &now.log, &now.error));
        assert_int_equal(now.log.count, 0);
        recording_close(&now.log);
        ssize_t bytes = (ssize_t)((FIRST_RECORDS + 1) * sizeof *now.records) - (whole ? 0 : 10);
        now.records[FIRST_RECORDS] = (recording_record){0x100, 1, 0, 4, RECORDING_ALLOCATE};
        assert_int_equal(write(file, now.records, (size_t)bytes), bytes);
        assert_true(recording_open(file, &now.log, &now.error));
        assert_true(recording_to_trace(&now.log, FIRST_PROCESS, "", &all, &now.made, &now.summary,
                                       &now.error));
        assert_string_equal(words_of(&now.made), whole ? "a0:1 e f0" : "e");
        trace_free(&now.made);
        recording_close(&now.log);
    }
    assert_false(recording_open(open("/dev", O_RDONLY), &now.log, &now.error) &&
                 now.log.count != 0);
}

TEST_MAIN(NULL, NULL)
