// The recorder on real programs: those whose heap calls are known exactly (fixtures/heap_calls),
// and those that people use.
#include "corpus/record/record_command.h"

#include "alloc/cmocka.h"
#include "alloc/system/preload/recording.h"
#include "corpus/record/fixtures/heap_calls.h"
#include "corpus/trace/trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGUMENTS_MAX = 24, SAID_BYTES = 4000, SIGNAL_BASE = 128, NAPS_MAX = 2000 };

static char folder[] = "/tmp/linmem-record-test-XXXXXX"; // traces and what was said
static char temporary[sizeof folder + 16];               // TMPDIR: empty after each recording
static char output[sizeof folder + 16], said_path[sizeof folder + 16];
static char said[SAID_BYTES];
static trace made;                  // what read_output read last
static char calls_path[PATH_MAX];   // of the fixture heap_calls; the others lie beside it
static void (*before_record)(void); // what the next recording's process does first

static int command_end = -1, test_end; // of a pipe to the next recording's command

// Makes a pipe, of which the next recording's command has an end as its standard input: 0 to read
// from it, 1 to write to it. Returns the other end.
static int pipe_to_command(int end) {
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    command_end = ends[end];
    return test_end = ends[!end];
}

static void take_command_end(void) {
    if (command_end < 0) return;
    dup2(command_end, STDIN_FILENO);
    close(command_end);
    close(test_end);
}

static void leave_command_end(void) {
    if (command_end >= 0) close(command_end);
    command_end = -1;
}

static pid_t start_record(int argc, char **argv) {
    pid_t pid = fork();
    if (pid == 0) {
        take_command_end();
        if (freopen(said_path, "w", stderr) == NULL || freopen("/dev/null", "w", stdout) == NULL)
            _exit(99);
        if (before_record != NULL) before_record();
        exit((int)record_command(argc, argv));
    }
    before_record = NULL;
    leave_command_end();
    return pid;
}

static int finish_record(pid_t pid) {
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    int file = open(said_path, O_RDONLY);
    ssize_t count = read(file, said, sizeof said - 1);
    said[count > 0 ? count : 0] = '\0';
    close(file);
    assert_int_equal(rmdir(temporary), 0); // nothing is left behind
    assert_int_equal(mkdir(temporary, 0700), 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : SIGNAL_BASE + WTERMSIG(status);
}

// Starts `linmem record ARGUMENTS…` in a child. The list ends with NULL.
static pid_t start_list(const char *first, va_list rest) {
    char *argv[ARGUMENTS_MAX] = {(char *)"linmem record", (char *)first};
    int argc = 2;
    for (char *next; (next = va_arg(rest, char *)) != NULL;)
        argv[argc++] = next;
    return start_record(argc, argv);
}
static pid_t start(const char *first, ...) {
    va_list rest;
    va_start(rest, first);
    pid_t pid = start_list(first, rest);
    va_end(rest);
    return pid;
}

// Runs it and returns its status, as a shell would: 128 and more for a signal. `said` is its
// standard error.
static int record(const char *first, ...) {
    va_list rest;
    unlink(output);
    va_start(rest, first);
    pid_t pid = start_list(first, rest);
    va_end(rest);
    return finish_record(pid);
}

static void read_output(void) {
    trace_error error;
    trace_free(&made);
    if (!trace_read(output, &made, &error)) fail_msg("%s (said: %s)", error.text, said);
}

// What a program did: calls of a verb, of blocks that were this large when they began (all where
// `size` is −1), up to the exit.
static size_t count(trace_verb verb, long size) {
    size_t counted = 0;
    long *sizes = calloc(made.blocks + 1, sizeof *sizes);
    for (size_t i = 0; i < made.count && made.operations[i].verb != TRACE_EXIT; i++) {
        const trace_operation *operation = &made.operations[i];
        uint32_t block = operation->argument[0];
        if (operation->verb == TRACE_ALLOCATE || operation->verb == TRACE_ZEROED)
            sizes[block] = operation->argument[1];
        counted += operation->verb == verb && (size == -1 || sizes[block] == size);
    }
    free(sizes);
    return counted;
}

// No free of an unknown block, and no block without its free.
static void assert_all_seen(void) {
    assert_null(strstr(made.preamble, "unknown blocks"));
    assert_null(strstr(made.preamble, "no recorded free"));
}

static void record_scenario(const char *scenario, int expected_status) {
    int status = record("-o", output, "--", calls_path, scenario, NULL);
    if (status != expected_status) fail_msg("%s: status %d: %s", scenario, status, said);
    read_output();
}

static const char *beside(const char *name) {
    static char path[2 * PATH_MAX];
    int folder_length = (int)(strrchr(calls_path, '/') + 1 - calls_path);
    snprintf(path, sizeof path, "%.*s%s", folder_length, calls_path, name);
    return path;
}

// With a user's own preload, which is for what we start: we ourselves have long been loaded.
static void record_with_other_malloc(const char *scenario) {
    setenv("LD_PRELOAD", beside("other_malloc.so"), 1);
    int status = record("-o", output, "--", calls_path, scenario, NULL);
    unsetenv("LD_PRELOAD");
    if (status != EXIT_PASSED) fail_msg("%s: status %d: %s", scenario, status, said);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, PRELOAD_SIZE), 1);
}

static void test_calls_before_main_and_after(void **state) {
    record_scenario("plain", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, EARLY_SIZE), EARLY_COUNT);
    assert_int_equal(count(TRACE_FREE, EARLY_SIZE), EARLY_COUNT);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_int_equal(count(TRACE_FREE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_int_equal(made.count, 2 * (EARLY_COUNT + PLAIN_COUNT) + 1); // and the exit
    assert_string_equal(made.preamble,
                        "# command: heap_calls plain\n# recorded by linmem record\n");
    assert_non_null(strstr(said, "206 operations, 103 blocks, peak live 90003 bytes in 3 blocks"));
}

// `first` is the number of the first block.
static void assert_family(uint32_t first) {
    static const trace_operation expected[] = {
        {TRACE_ZEROED, {0, 2 * FAMILY_SIZE, 16}},
        {TRACE_FREE, {0}},
        {TRACE_ALLOCATE, {1, 3 * FAMILY_SIZE, 16}},
        {TRACE_RESIZE, {1, 4 * FAMILY_SIZE}},
        {TRACE_RESIZE, {1, 5 * FAMILY_SIZE}},
        {TRACE_FREE, {1}},
        {TRACE_ALLOCATE, {2, FAMILY_SIZE, 64}},
        {TRACE_FREE, {2}},
        {TRACE_ALLOCATE, {3, FAMILY_SIZE, 128}},
        {TRACE_FREE, {3}},
        {TRACE_ALLOCATE, {4, FAMILY_SIZE, 256}},
        {TRACE_FREE, {4}},
        {TRACE_ALLOCATE, {5, FAMILY_SIZE, 4096}},
        {TRACE_FREE, {5}},
        {TRACE_ALLOCATE, {6, 4096, 4096}},
        {TRACE_FREE, {6}},
        {TRACE_ALLOCATE, {7, 0, 16}},
        {TRACE_FREE, {7}},
    };
    enum { EXPECTED = sizeof expected / sizeof *expected };
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        trace_operation shifted = expected[i];
        shifted.argument[0] += first;
        assert_memory_equal(&made.operations[first + i], &shifted, sizeof shifted);
    }
    assert_int_equal(made.count, first + sizeof expected / sizeof *expected + 1 + first);
}

static void test_the_whole_family(void **state) {
    record_scenario("family", EXIT_PASSED);
    assert_family(EARLY_COUNT);
}

// What the malloc behind the recorder calls itself is no call of the program's.
static void test_calls_within_calls_are_not_recorded(void **state) {
    record_with_other_malloc("family");
    assert_family(EARLY_COUNT + 1);
}

// The fixture itself checks errno and that refused blocks stay.
static void test_refused_calls_leave_no_trace(void **state) {
    record_scenario("refused", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + 1 + REFUSED_COUNT);
    assert_int_equal(count(TRACE_RESIZE, REFUSED_SIZE), 1);
    assert_int_equal(count(TRACE_ZEROED, -1), 0);
    assert_int_equal(count(TRACE_FREE, -1), REFUSED_COUNT);
}

static void test_threads_are_lanes(void **state) {
    record_scenario("threads", EXIT_PASSED);
    assert_int_equal(made.lanes, THREADS + 1);
    assert_int_equal(count(TRACE_ALLOCATE, THREAD_SIZE), THREADS * THREAD_BLOCKS);
    assert_int_equal(count(TRACE_FREE, THREAD_SIZE), THREADS * THREAD_BLOCKS);
    assert_int_equal(count(TRACE_ALLOCATE, HANDED_SIZE), THREADS * THREAD_HANDED);
    assert_int_equal(count(TRACE_FREE, HANDED_SIZE), THREADS * THREAD_HANDED);
    uint32_t lane = 0, lane_of[THREADS + 1] = {0};
    for (size_t i = 0; made.operations[i].verb != TRACE_EXIT; i++) {
        const trace_operation *operation = &made.operations[i];
        if (operation->verb == TRACE_LANE) lane = operation->argument[0];
        if (operation->verb == TRACE_ALLOCATE && operation->argument[1] == THREAD_SIZE)
            lane_of[lane]++;
    }
    assert_int_equal(lane_of[0], 0);
    for (int i = 1; i <= THREADS; i++)
        assert_int_equal(lane_of[i], THREAD_BLOCKS);
    assert_all_seen();
}

// The order of records must hold where it is hard to keep.
static void test_addresses_that_pass_between_threads(void **state) {
    record_with_other_malloc("threads");
    assert_int_equal(count(TRACE_FREE, THREAD_SIZE), THREADS * THREAD_BLOCKS);
    assert_all_seen();
}

static void test_every_end_keeps_what_was_recorded(void **state) {
    static const struct {
        const char *scenario;
        int status;
        const char *note;
    } ends[] = {
        {"_exit", 0, ""},
        {"abort", SIGNAL_BASE + SIGABRT, "killed by SIGABRT"},
        {"kill", SIGNAL_BASE + SIGKILL, "killed by SIGKILL"},
        {"no such scenario", 2, "exit status 2"},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        record_scenario(ends[i].scenario, ends[i].status);
        size_t blocks = EARLY_COUNT + (i < 3 ? PLAIN_COUNT : 0);
        assert_int_equal(count(TRACE_ALLOCATE, -1), blocks);
        assert_int_equal(count(TRACE_FREE, -1), 0);
        assert_int_equal(made.count, 2 * blocks + 1);
        assert_non_null(strstr(said, ends[i].note));
    }
}

// The child's trace begins with the parent's calls before the fork; its calls are no other's.
static void test_the_child_of_a_fork_is_recorded_apart(void **state) {
    record_scenario("fork", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), 0);
    assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), 2 * PLAIN_COUNT);
    assert_non_null(strstr(said, "--process NAME): heap_calls 17 calls"));
    assert_int_equal(record("-o", output, "-p", "heap_calls:2", "--", calls_path, "fork", NULL),
                     EXIT_PASSED);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), CHILD_COUNT);
    assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), PLAIN_COUNT);
    assert_int_equal(count(TRACE_ALLOCATE, EARLY_SIZE), EARLY_COUNT);
    assert_non_null(strstr(made.preamble, "# process: heap_calls, a forked child"));
}

static void test_a_daemon_is_recorded_not_what_started_it(void **state) {
    record_scenario("daemon", EXIT_PASSED);
    assert_int_equal(count(TRACE_FREE, CHILD_SIZE), MANY_COUNT);
    assert_int_equal(count(TRACE_FREE, EARLY_SIZE), EARLY_COUNT);
    assert_all_seen();
}

static void test_a_daemon_that_outlives_the_recording_is_named(void **state) {
    int daemon_input = pipe_to_command(0);
    record_scenario("outlives", EXIT_PASSED);
    const char *running = strstr(said, "still running when the recording ended: heap_calls (pid ");
    assert_non_null(running);
    assert_memory_equal(strchr(running, ')'), ")\n", 2); // the zombie is none
    assert_non_null(strstr(made.preamble, "# still running when the recording ended: "));
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), CHILD_COUNT);
    assert_int_equal(write(daemon_input, "!", 1), 1); // it lived
    close(daemon_input);
}

// A process's pid is its namespace's: here 1, which is alive in ours too.
static void test_pids_of_another_namespace_are_not_taken_for_ours(void **state) {
    if (system("unshare --map-root-user --pid --fork true 2> /dev/null") != 0) {
        print_message("no pid namespace can be made here\n");
        skip();
    }
    assert_int_equal(record("-o", output, "-p", "heap_calls", "--", "unshare", "--map-root-user",
                            "--pid", "--fork", calls_path, "plain", NULL),
                     EXIT_PASSED);
    if (strstr(said, "still running") != NULL) fail_msg("%s", said);
}

// Up to exec it is the parent's memory; what exec starts has a stream of its own, to be chosen.
static void test_the_child_of_a_vfork_is_recorded_until_exec(void **state) {
    record_scenario("vfork", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), CHILD_COUNT);
    assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), PLAIN_COUNT);
    assert_non_null(strstr(said, "--process NAME): exe 206 calls"));
    assert_int_equal(record("-o", output, "--process", "exe", "--", calls_path, "vfork", NULL),
                     EXIT_PASSED);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
}

// The program that the command became in the end is recorded: behind env, wrappers and shims.
static void test_exec_in_the_same_process(void **state) {
    record_scenario("exec", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_non_null(strstr(said, "--process NAME): heap_calls 20 calls (pid "));
    assert_int_equal(
        record("-o", output, "-p", "exe", "-n", "a note", "--", calls_path, "exec", NULL), 0);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_string_equal(made.preamble, "# a note\n# command: heap_calls exec\n# process: exe\n"
                                       "# recorded by linmem record\n");
    assert_int_equal(record("-o", output, "-p", "heap_calls", "--", calls_path, "exec", NULL), 0);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + CHILD_COUNT);
}

// What a program forbids itself, or cannot do any more, it does not notice that we would need it:
// descriptors, files, address space, any system call, its file system and user.
static void test_programs_that_confine_themselves(void **state) {
    static const char *const scenarios[] = {"closed", "limited", "confined", "sandbox",
                                            "drops root"};
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        if (strcmp(scenarios[i], "drops root") == 0 && geteuid() != 0) {
            print_message("we are not root, so that nothing can be dropped\n");
            continue;
        }
        record_scenario(scenarios[i], EXIT_PASSED);
        assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), MANY_COUNT);
        assert_int_equal(count(TRACE_FREE, PLAIN_SIZE), MANY_COUNT);
        assert_null(strstr(said, "cut off"));
    }
}

static void test_more_threads_than_lanes(void **state) {
    record_scenario("short threads", EXIT_PASSED);
    assert_int_equal(made.lanes, TRACE_LANES_MAX);
    assert_int_equal(count(TRACE_FREE, THREAD_SIZE), SHORT_THREADS);
    assert_non_null(strstr(said, "threads above 4096: they share lanes"));
}

static void test_the_first_calls_are_kept(void **state) {
    assert_int_equal(record("-o", output, "-l", "50", "--", calls_path, "_exit", NULL),
                     EXIT_PASSED);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), 50);
    assert_int_equal(made.count, 101);
    assert_non_null(strstr(made.preamble, "# 53 later calls omitted (limit reached)"));
    assert_non_null(strstr(said, "53 later calls omitted (limit reached)"));
}

// ---- where there is no room ----

enum { LITTLE_ROOM_BYTES = 8 << 20 };

static void limit_files(void) {
    struct rlimit little = {LITTLE_ROOM_BYTES, LITTLE_ROOM_BYTES};
    setrlimit(RLIMIT_FSIZE, &little);
}

static void limit_files_softly(void) {
    struct rlimit little;
    getrlimit(RLIMIT_FSIZE, &little);
    little.rlim_cur = LITTLE_ROOM_BYTES / 2;
    setrlimit(RLIMIT_FSIZE, &little);
}

static void test_what_came_before_the_disk_was_full_is_kept(void **state) {
    before_record = limit_files;
    record_scenario("closed", EXIT_PASSED);
    size_t calls = count(TRACE_ALLOCATE, -1) + count(TRACE_FREE, -1);
    assert_in_range(calls, LITTLE_ROOM_BYTES / 24 - 300, LITTLE_ROOM_BYTES / 24);
    assert_non_null(strstr(made.preamble, "# cut off before the program ended: File too large"));
    assert_non_null(strstr(said, "cut off before the program ended: File too large"));
    before_record = limit_files_softly; // the command's limit, not ours
    record_scenario("closed", EXIT_PASSED);
    assert_int_equal(count(TRACE_FREE, PLAIN_SIZE), MANY_COUNT);
}

static void limit_files_to_nothing(void) {
    struct rlimit nothing = {SAID_BYTES, SAID_BYTES};
    setrlimit(RLIMIT_FSIZE, &nothing);
}

static void test_no_room_for_a_recording(void **state) {
    before_record = limit_files_to_nothing;
    assert_int_equal(record("-o", output, "--", calls_path, "plain", NULL), EXIT_USAGE);
    assert_non_null(strstr(said, "no room for the recording"));
    assert_int_not_equal(access(output, F_OK), 0);
    setenv("TMPDIR", "/no/such/folder", 1);
    assert_int_equal(record("-o", output, "--", calls_path, "plain", NULL), EXIT_USAGE);
    setenv("TMPDIR", temporary, 1);
    assert_non_null(strstr(said, "no temporary file in /no/such/folder: No such file"));
    assert_int_not_equal(access(output, F_OK), 0);
}

// Bytes of the largest file that the recorder has open after many small programs.
static void test_small_programs_take_little_disk(void **state) {
    static const char script[] =
        "i=0; while [ $i -lt 100 ]; do \"$0\" _exit; i=$((i + 1)); done; "
        "i=0; while [ $i -lt 1000 ]; do "
        "stat -L -c %s /proc/$PPID/fd/* 2> /dev/null | sort -n | tail -n 1 > \"$1\"; "
        "[ $(cat \"$1\") -lt $2 ] || break; sleep 0.01; i=$((i + 1)); done";
    // The log is read once all calls are in it: the ring is drained beside the command.
    enum { LEAST_BYTES = 100 * (EARLY_COUNT + PLAIN_COUNT) * sizeof(recording_record) };
    char least[16];
    snprintf(least, sizeof least, "%d", LEAST_BYTES);
    char sizes[sizeof folder + 16];
    snprintf(sizes, sizeof sizes, "%s/sizes", folder);
    assert_int_equal(record("-o", output, "-p", "heap_calls", "--", "sh", "-c", script, calls_path,
                            sizes, least, NULL),
                     EXIT_PASSED);
    FILE *file = fopen(sizes, "r");
    long bytes = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld", &bytes), 1);
    assert_in_range(bytes, LEAST_BYTES, 1 << 20);
    fclose(file);
    unlink(sizes);
}

static void test_new_and_delete_reach_it(void **state) {
    assert_int_equal(record("-o", output, "--", beside("heap_calls_cpp"), NULL), EXIT_PASSED);
    read_output();
    static const long sizes[] = {NEW_SIZE, NEW_ARRAY_SIZE, NEW_ALIGNED_SIZE};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(count(TRACE_ALLOCATE, sizes[i]), NEW_COUNT);
        assert_int_equal(count(TRACE_FREE, sizes[i]), NEW_COUNT);
    }
    for (size_t i = 0; i < made.count; i++)
        if (made.operations[i].verb == TRACE_ALLOCATE &&
            made.operations[i].argument[1] == NEW_ALIGNED_SIZE)
            assert_int_equal(made.operations[i].argument[2], 64);
}

static void test_a_program_at_fixed_addresses(void **state) {
    assert_int_equal(record("-o", output, "--", beside("fixed_address"), NULL), EXIT_PASSED);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), PLAIN_COUNT);
    assert_int_equal(count(TRACE_FREE, PLAIN_SIZE), PLAIN_COUNT);
}

// ---- where there is nothing to record ----

static void assert_one_line(void) {
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
}

static void test_commands_that_cannot_be_run(void **state) {
    static const struct {
        const char *command, *said;
        int status;
    } none[] = {{"/no/such/program", "/no/such/program: No such file", 127},
                {"no-such-program", "no-such-program: No such file", 127},
                {"/dev/null", "/dev/null: Permission denied", 126},
                {"/", "/: Permission denied", 126}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(record("-o", output, "--", none[i].command, NULL), none[i].status);
        assert_non_null(strstr(said, none[i].said));
        assert_one_line();
        assert_int_not_equal(access(output, F_OK), 0);
    }
}

// What was recorded is kept, and the command's own failure is not hidden.
static void test_an_unknown_process(void **state) {
    assert_int_equal(record("-o", output, "-p", "heap_call", "--", calls_path, "plain", NULL),
                     EXIT_USAGE);
    assert_non_null(strstr(said, "unknown process 'heap_call'; did you mean 'heap_calls'? The "
                                 "trace is of heap_calls\n"));
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_int_equal(record("-o", output, "-p", "heap_calls:2", "--", calls_path, "plain", NULL),
                     EXIT_USAGE);
    assert_int_equal(access(output, F_OK), 0);
    assert_int_equal(record("-o", output, "-p", "fork", "--", "sh", "-c", "exit 7", NULL), 7);
    assert_int_equal(access(output, F_OK), 0);
    assert_int_equal(record("-o", output, "-p", "fork", "--", beside("no_calls"), NULL),
                     EXIT_USAGE);
    assert_non_null(strstr(said, "unknown process 'fork'"));
    assert_int_not_equal(access(output, F_OK), 0);
}

static void test_programs_without_a_recorded_call(void **state) {
    static const struct {
        const char *program, *said;
    } none[] = {
        {"no_calls", "no_calls made no heap call"},
        {"no_calls_static", "no_calls_static was not recorded: it is statically linked"},
        {"own_malloc", "own_malloc was not recorded: its executable has a malloc of its own"},
    };
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(record("-o", output, "--", beside(none[i].program), NULL), 0);
        if (strstr(said, none[i].said) == NULL) fail_msg("%s: %s", none[i].program, said);
        assert_non_null(strstr(said, "no trace"));
        assert_int_not_equal(access(output, F_OK), 0);
    }
}

// The loader takes no preloads where an environment without them starts a program.
static void test_a_program_that_loses_the_recorder(void **state) {
    assert_int_equal(record("-o", output, "--", "env", "-i", calls_path, "plain", NULL),
                     EXIT_PASSED);
    assert_non_null(strstr(said, "env was replaced by 'heap_calls' (exec)"));
    read_output();
    assert_non_null(strstr(made.preamble, "# env was replaced by 'heap_calls' (exec)"));
    assert_int_equal(record("-o", output, "-p", "heap_calls", "--", "env", "-u", "LD_PRELOAD",
                            calls_path, "plain", NULL),
                     EXIT_USAGE);
    assert_non_null(strstr(said, "unknown process 'heap_calls'"));
}

// A runtime is known by its name.
static void test_a_runtime_with_a_heap_of_its_own(void **state) {
    char python[sizeof folder + 32];
    snprintf(python, sizeof python, "%s/python3.99", folder);
    if (link(calls_path, python) != 0) assert_int_equal(symlink(calls_path, python), 0);
    bool linked = access(python, X_OK) == 0;
    assert_true(linked);
    static const char *const settings[] = {NULL, "malloc", "malloc_debug", "pymalloc"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        unsetenv("PYTHONMALLOC");
        if (settings[i] != NULL) setenv("PYTHONMALLOC", settings[i], 1);
        assert_int_equal(record("-o", output, "--", python, "plain", NULL), EXIT_PASSED);
        bool sees_all = i == 1 || i == 2;
        read_output();
        assert_int_equal(
            strstr(said, "python3.99's own heap is not recorded: blocks up to 512 bytes") == NULL,
            sees_all);
        assert_int_equal(strstr(made.preamble, "PYTHONMALLOC=malloc") == NULL, sees_all);
    }
    unsetenv("PYTHONMALLOC");
    unlink(python);
}

static void test_the_largest_of_a_name_is_chosen(void **state) {
    static const char script[] = "$0 _exit; $0 plain; $0 threads; $0 plain; $0 _exit";
    assert_int_equal(
        record("-o", output, "-p", "heap_calls", "--", "sh", "-c", script, calls_path, NULL),
        EXIT_PASSED);
    read_output();
    assert_int_equal(made.lanes, THREADS + 1);
    assert_non_null(strstr(said, "heap_calls (4 processes, at most "));
}

// What is sent to us alone is passed on; we live to keep what was recorded, and end the same way.
static void test_signals_are_for_the_command(void **state) {
    static const int signals[] = {SIGTERM, SIGINT,  SIGHUP, SIGUSR1, SIGALRM,
                                  SIGXCPU, SIGXFSZ, SIGIO,  SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        char script[64], end[64];
        snprintf(script, sizeof script, "ulimit -c 0; kill -%d $PPID; sleep 10", signals[i]);
        snprintf(end, sizeof end, "killed by SIG%s", sigabbrev_np(signals[i]));
        assert_int_equal(record("-o", output, "-p", "sh", "--", "sh", "-c", script, NULL),
                         SIGNAL_BASE + signals[i]);
        assert_non_null(strstr(said, end));
        read_output();
    }
}

// Signals that end nobody by themselves, and those by which a terminal stops a program.
static void test_other_signals_are_for_the_command_too(void **state) {
    static const int signals[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGURG};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        char script[200];
        snprintf(script, sizeof script,
                 "trap 'exit 7' %d; kill -%d $PPID; i=0; while [ $i -lt 200 ]; do sleep 0.05; "
                 "i=$((i + 1)); done",
                 signals[i], signals[i]);
        int status = record("-o", output, "--", "sh", "-c", script, NULL);
        if (status != 7) fail_msg("signal %d: status %d", signals[i], status);
    }
}

// The file of a process's ring. False: it has none mapped.
static bool find_ring(pid_t pid, char ring[PATH_MAX]) {
    char path[64], line[PATH_MAX + 100];
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *maps = fopen(path, "re");
    bool found = false;
    while (maps != NULL && !found && fgets(line, sizeof line, maps) != NULL) {
        char *at = strstr(line, "/linmem-record-");
        while (at != NULL && at > line && at[-1] != ' ')
            at--;
        found = at != NULL;
        if (found) snprintf(ring, PATH_MAX, "%.*s", (int)strcspn(at, "\n"), at);
    }
    if (maps != NULL) fclose(maps);
    return found;
}

static void nap(void) {
    usleep(10 * 1000);
}

// Sends the signal until the process has ended, to be waited for.
static void assert_ends_by(pid_t pid, int number) {
    siginfo_t ended = {0};
    for (int naps = 0; naps < NAPS_MAX; naps++) {
        kill(pid, number);
        nap();
        assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
        if (ended.si_pid != 0) return;
    }
    kill(pid, SIGKILL);
    fail_msg("signal %d did not end it", number);
}

static int count_children(pid_t pid) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/task/%ld/children", (long)pid, (long)pid);
    FILE *children = fopen(path, "re");
    assert_non_null(children);
    int count = 0;
    for (long child; fscanf(children, "%ld", &child) == 1;)
        count++;
    fclose(children);
    return count;
}

// The recorder has two, the command and a helper, and none once the command has ended.
static void wait_for_children(pid_t pid, int wanted) {
    for (int naps = 0; count_children(pid) != wanted; naps++) {
        if (naps == NAPS_MAX) fail_msg("%d children", count_children(pid));
        nap();
    }
}

// Once the command has ended, a signal is the recorder's own: here nobody reads the trace.
static void test_signals_after_the_command_end_the_recorder(void **state) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    static const char script[] = "read line; exec \"$0\" plain";
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        unlink(output);
        assert_int_equal(mkfifo(output, 0600), 0);
        int command_input = pipe_to_command(0);
        pid_t pid = start("-o", output, "--", "sh", "-c", script, calls_path, NULL);
        wait_for_children(pid, 2);
        char ring[PATH_MAX];
        assert_true(find_ring(pid, ring));
        close(command_input);
        wait_for_children(pid, 0);
        assert_ends_by(pid, signals[i]);
        assert_int_equal(finish_record(pid), SIGNAL_BASE + signals[i]);
        assert_int_not_equal(access(ring, F_OK), 0);
    }
    unlink(output);
}

// A command that stops itself stops us, and SIGCONT to us continues both. Where somebody continues
// the command alone, nobody has to continue us.
static void test_we_stop_as_the_command_does(void **state) {
    unlink(output);
    pid_t pid = start("-o", output, "--", "sh", "-c", "kill -STOP $$; exit 7", NULL);
    siginfo_t stopped = {0};
    for (int naps = 0; stopped.si_pid == 0; naps++) {
        assert_int_equal(waitid(P_PID, (id_t)pid, &stopped, WSTOPPED | WNOHANG), 0);
        if (naps == NAPS_MAX) fail_msg("we did not stop");
        nap();
    }
    assert_int_equal(stopped.si_status, SIGSTOP);
    kill(pid, SIGCONT);
    assert_int_equal(finish_record(pid), 7);
    assert_int_equal(record("-o", output, "--", "sh", "-c",
                            "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 7", NULL),
                     7);
}

// However the recorder ends, the program goes on.
static void test_a_program_outlives_its_recorder(void **state) {
    int orphan_output = pipe_to_command(1);
    assert_int_equal(record("-o", output, "--", calls_path, "orphaned", NULL),
                     SIGNAL_BASE + SIGKILL);
    char byte = 0;
    assert_int_equal(read(orphan_output, &byte, 1), 1);
    assert_int_equal(byte, '!');
    close(orphan_output);
    assert_int_not_equal(access(output, F_OK), 0);
}

static void test_a_killed_recorder_leaves_no_ring(void **state) {
    unlink(output);
    int command_input = pipe_to_command(0);
    pid_t pid = start("-o", output, "--", "cat", NULL);
    wait_for_children(pid, 2);
    char ring[PATH_MAX];
    assert_true(find_ring(pid, ring));
    assert_int_equal(access(ring, F_OK), 0);
    kill(pid, SIGKILL);
    assert_int_equal(finish_record(pid), SIGNAL_BASE + SIGKILL);
    for (int naps = 0; access(ring, F_OK) == 0; naps++) {
        if (naps == NAPS_MAX) fail_msg("%s is left", ring);
        nap();
    }
    close(command_input);
}

// Bytes that are no text, lines, control characters, and more than a preamble takes.
static void test_arguments_that_are_no_text(void **state) {
    static char long_argument[3000];
    memset(long_argument, 'x', sizeof long_argument - 1);
    record("-o", output, "-n", "a \xff note\nof two lines", "--", calls_path, "\xd0\xbf\xd0",
           "two\nlines", "it's", "\xd0\xbf \xe2\x82\xac", long_argument, "last", NULL);
    read_output();
    static const char expected[] = "# a \uFFFD note\n# of two lines\n# command: heap_calls "
                                   "$'\xd0\xbf\\xd0' $'two\\x0alines' $'it\\'s' "
                                   "'\xd0\xbf \xe2\x82\xac' xxx";
    assert_memory_equal(made.preamble, expected, sizeof expected - 1);
    assert_non_null(strstr(made.preamble, "x… …\n# recorded by linmem record\n"));
}

static void write_to_output(void) {
    if (freopen(output, "w", stdout) == NULL) _exit(99);
}

static void test_standard_output(void **state) {
    before_record = write_to_output;
    assert_int_equal(record("-o", "-", "--", calls_path, "plain", NULL), EXIT_PASSED);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    before_record = write_to_output;
    assert_int_equal(
        record("-o", "-", "--", "sh", "-c", "echo written; exec \"$0\" plain", calls_path, NULL),
        EXIT_PASSED);
    read_output(); // it has nothing of what the command wrote
    assert_non_null(strstr(said, "written\n"));
}

static void make_output_unwritable(void) {
    if (freopen("/dev/full", "w", stdout) == NULL) _exit(99);
}

static void close_output(void) {
    close(STDOUT_FILENO);
}

static void make_output_readable_only(void) {
    if (dup2(open("/dev/null", O_RDONLY), STDOUT_FILENO) < 0) _exit(99);
}

// That is found out before the command runs.
static void test_standard_output_that_is_none(void **state) {
    static void (*const before[])(void) = {close_output, make_output_readable_only};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        before_record = before[i];
        assert_int_equal(record("-o", "-", "--", "touch", output, NULL), EXIT_USAGE);
        assert_non_null(strstr(said, "standard output: Bad file descriptor\n"));
        assert_int_not_equal(access(output, F_OK), 0);
    }
}

// The command succeeded; there is a trace that nobody has.
static void test_a_trace_that_cannot_be_written(void **state) {
    before_record = make_output_unwritable;
    assert_int_equal(record("-o", "-", "--", calls_path, "plain", NULL), EXIT_FAILED);
    assert_non_null(strstr(said, "standard output: No space left"));
    assert_int_equal(record("-o", "/dev/full/x.lmt", "--", calls_path, "plain", NULL), EXIT_USAGE);
    assert_non_null(strstr(said, "/dev/full/x.lmt: Not a directory"));
}

static void close_standard_streams(void) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
}

// Closed streams stay closed, and none of ours takes their place.
static void test_closed_standard_streams(void **state) {
    before_record = close_standard_streams;
    static const char script[] = "[ ! -e /proc/$$/fd/0 ] && [ ! -e /proc/$$/fd/1 ] || exit 9; "
                                 "exec \"$0\" plain";
    assert_int_equal(record("-o", output, "--", "sh", "-c", script, calls_path, NULL), EXIT_PASSED);
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
}

static void test_bad_usage(void **state) {
    assert_int_equal(record("-o", output, NULL), EXIT_USAGE);
    assert_non_null(strstr(said, "which command"));
    assert_int_equal(record("--", "true", NULL), EXIT_USAGE);
    assert_int_equal(record("-o", "/tmp/x.txt", "--", "true", NULL), EXIT_USAGE);
    assert_non_null(strstr(said, "ends with .lmt or .lmt.zst"));
    assert_int_equal(record("-o", "/no/such/folder/x.lmt", "--", "true", NULL), EXIT_USAGE);
    assert_non_null(strstr(said, "No such file"));
    char directory[sizeof folder + 16];
    snprintf(directory, sizeof directory, "%s/out.lmt", folder);
    assert_int_equal(mkdir(directory, 0700), 0);
    assert_int_equal(record("-o", directory, "--", "true", NULL), EXIT_USAGE);
    assert_non_null(strstr(said, "Is a directory"));
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(record("-o", output, "-l", "0", "--", "true", NULL), EXIT_USAGE);
}

// Programs that people use: two recordings agree in every operation's verb and size.
static void assert_recorded_twice_alike(const char *const *command) {
    trace first = {0};
    for (int i = 0; i < 2; i++) {
        trace_free(&first);
        first = made;
        made = (trace){0};
        assert_int_equal(record("-o", output, "--", command[0], command[1], command[2], NULL), 0);
        read_output();
        assert_all_seen();
    }
    assert_int_equal(first.count, made.count);
    assert_memory_equal(first.operations, made.operations, made.count * sizeof *made.operations);
    assert_true(made.count > 20);
    trace_free(&first);
}

static void test_program(void **state) {
    const char *const *command = *state;
    char found[PATH_MAX];
    snprintf(found, sizeof found, "/usr/bin/%s", command[0]);
    if (access(found, X_OK) != 0) {
        print_message("%s is not installed here\n", command[0]);
        skip();
    }
    assert_recorded_twice_alike(command);
}

static int set_up(void **state) {
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(temporary, sizeof temporary, "%s/temporary", folder);
    snprintf(output, sizeof output, "%s/out.lmt", folder);
    snprintf(said_path, sizeof said_path, "%s/said", folder);
    ssize_t length = readlink("/proc/self/exe", calls_path, sizeof calls_path - 32);
    if (length < 0 || mkdir(temporary, 0700) != 0) return -1;
    strcpy(strrchr(calls_path, '/'), "/heap_calls");
    setenv("TMPDIR", temporary, 1);
    setenv("PERL_HASH_SEED", "0", 1);
    setenv("PERL_PERTURB_KEYS", "0", 1);
    return 0;
}

static int tear_down(void **state) {
    trace_free(&made);
    unlink(output);
    unlink(said_path);
    rmdir(temporary);
    return rmdir(folder);
}

int main(void) {
    static const char *sqlite[] = {
        "sqlite3", ":memory:",
        "CREATE TABLE t(a, b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE "
        "i < 2000) INSERT INTO t SELECT i, hex(i * i) FROM n; CREATE INDEX x ON t(b); SELECT "
        "count(*), max(b) FROM t GROUP BY a % 10"};
    static const char *perl[] = {"perl", "-e",
                                 "for (1..5000) { $h{$_ % 77} .= \"x$_\" } print sort values %h"};
    static const char *sort[] = {"sort", "--parallel=1", "/usr/share/common-licenses/GPL-3"};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_before_main_and_after),
        cmocka_unit_test(test_the_whole_family),
        cmocka_unit_test(test_calls_within_calls_are_not_recorded),
        cmocka_unit_test(test_refused_calls_leave_no_trace),
        cmocka_unit_test(test_threads_are_lanes),
        cmocka_unit_test(test_addresses_that_pass_between_threads),
        cmocka_unit_test(test_every_end_keeps_what_was_recorded),
        cmocka_unit_test(test_the_child_of_a_fork_is_recorded_apart),
        cmocka_unit_test(test_a_daemon_is_recorded_not_what_started_it),
        cmocka_unit_test(test_a_daemon_that_outlives_the_recording_is_named),
        cmocka_unit_test(test_pids_of_another_namespace_are_not_taken_for_ours),
        cmocka_unit_test(test_the_child_of_a_vfork_is_recorded_until_exec),
        cmocka_unit_test(test_exec_in_the_same_process),
        cmocka_unit_test(test_programs_that_confine_themselves),
        cmocka_unit_test(test_more_threads_than_lanes),
        cmocka_unit_test(test_the_first_calls_are_kept),
        cmocka_unit_test(test_what_came_before_the_disk_was_full_is_kept),
        cmocka_unit_test(test_no_room_for_a_recording),
        cmocka_unit_test(test_small_programs_take_little_disk),
        cmocka_unit_test(test_new_and_delete_reach_it),
        cmocka_unit_test(test_a_program_at_fixed_addresses),
        cmocka_unit_test(test_commands_that_cannot_be_run),
        cmocka_unit_test(test_an_unknown_process),
        cmocka_unit_test(test_programs_without_a_recorded_call),
        cmocka_unit_test(test_a_program_that_loses_the_recorder),
        cmocka_unit_test(test_a_runtime_with_a_heap_of_its_own),
        cmocka_unit_test(test_the_largest_of_a_name_is_chosen),
        cmocka_unit_test(test_signals_are_for_the_command),
        cmocka_unit_test(test_other_signals_are_for_the_command_too),
        cmocka_unit_test(test_we_stop_as_the_command_does),
        cmocka_unit_test(test_signals_after_the_command_end_the_recorder),
        cmocka_unit_test(test_a_program_outlives_its_recorder),
        cmocka_unit_test(test_a_killed_recorder_leaves_no_ring),
        cmocka_unit_test(test_arguments_that_are_no_text),
        cmocka_unit_test(test_standard_output),
        cmocka_unit_test(test_standard_output_that_is_none),
        cmocka_unit_test(test_a_trace_that_cannot_be_written),
        cmocka_unit_test(test_closed_standard_streams),
        cmocka_unit_test(test_bad_usage),
        {"test_twice_alike_sqlite", test_program, NULL, NULL, sqlite},
        {"test_twice_alike_perl", test_program, NULL, NULL, perl},
        {"test_twice_alike_sort", test_program, NULL, NULL, sort},
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
