// linmem record on programs: those whose heap calls are known exactly (fixtures/heap_calls), and
// common ones.
#include "corpus/record/record_command.h"

#include "alloc/system/preload/recording.h"
#include "cli/child.h"
#include "cli/test.h"
#include "cli/text.h"
#include "corpus/record/fixtures/heap_calls.h"
#include "corpus/trace/trace.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const char output[] = "out.lmt";      // in the current folder
static const char temporary[] = "temporary"; // TMPDIR: empty after each recording
static char *temporary_path;
static trace made;                  // what read_output read last
static char *calls_path;            // of the fixture heap_calls
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

static int run_record(void *argv) {
    int argc = 0;
    while (((char **)argv)[argc] != NULL)
        argc++;
    take_command_end();
    if (freopen("/dev/null", "w", stdout) == NULL) return 99;
    if (before_record != NULL) before_record();
    exit((int)record_command(argc, argv));
}

// Starts `linmem record ARGUMENTS…` in a child, or runs it and returns its status.
static pid_t start(const char **argv) {
    pid_t pid = test_start(run_record, argv);
    before_record = NULL;
    leave_command_end();
    return pid;
}
static int finish(pid_t pid) {
    int status = test_finish(pid);
    assert_int_equal(rmdir(temporary), 0); // nothing is left behind
    assert_int_equal(mkdir(temporary, 0700), 0);
    return status;
}
static int run(const char **argv) {
    unlink(output);
    return finish(start(argv));
}
#define RUN(...)    run((const char *[]){"linmem record", __VA_ARGS__, NULL})
#define RECORD(...) RUN("-o", output, __VA_ARGS__)

static void read_output(void) {
    trace_error error;
    trace_free(&made);
    if (!trace_read(output, &made, &error)) fail_msg("%s (%s)", error.text, test_output);
}

// Returns the number of operations of a verb up to the exit, on blocks allocated with this size, or
// with any size if it is −1.
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

// Asserts that no block lacks its allocation or its free.
static void assert_all_seen(void) {
    assert_null(strstr(made.preamble, "unknown blocks"));
    assert_null(strstr(made.preamble, "no recorded free"));
}

// Asserts a recording's status, and reads its trace.
static void expect_trace(int status, int expected) {
    if (status != expected) fail_msg("status %d: %s", status, test_output);
    read_output();
}

static void record_scenario(const char *scenario, int status) {
    expect_trace(RECORD("--", calls_path, scenario), status);
}

// Asserts how many blocks of this size were allocated, and freed.
static void assert_blocks(long size, size_t allocated, size_t freed) {
    assert_int_equal(count(TRACE_ALLOCATE, size), allocated);
    assert_int_equal(count(TRACE_FREE, size), freed);
}

// Records with a library that the user preloads; this process is loaded already.
static void record_with_other_malloc(const char *scenario) {
    setenv("LD_PRELOAD", test_beside("other_malloc.so"), 1);
    int status = RECORD("--", calls_path, scenario);
    unsetenv("LD_PRELOAD");
    expect_trace(status, EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, PRELOAD_SIZE), 1);
}

TEST(calls_before_main_and_after) {
    record_scenario("plain", EXIT_PASSED);
    assert_blocks(EARLY_SIZE, EARLY_COUNT, EARLY_COUNT);
    assert_blocks(-1, EARLY_COUNT + PLAIN_COUNT, EARLY_COUNT + PLAIN_COUNT);
    assert_int_equal(made.count, 2 * (EARLY_COUNT + PLAIN_COUNT) + 1); // and the exit
    assert_string_equal(made.preamble,
                        "# command: heap_calls plain\n# recorded by linmem record\n");
    assert_output("206 operations, 103 blocks, peak live 90003 bytes in 3 blocks");
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
    enum { EXPECTED = ITEMS(expected) };
    for (size_t i = 0; i < ITEMS(expected); i++) {
        trace_operation shifted = expected[i];
        shifted.argument[0] += first;
        assert_memory_equal(&made.operations[first + i], &shifted, sizeof shifted);
    }
    assert_int_equal(made.count, first + ITEMS(expected) + 1 + first);
}

TEST(the_whole_family) {
    record_scenario("family", EXIT_PASSED);
    assert_family(EARLY_COUNT);
}

// Calls that the underlying malloc makes itself are not the program's.
TEST(calls_within_calls_are_not_recorded) {
    record_with_other_malloc("family");
    assert_family(EARLY_COUNT + 1);
}

// The fixture itself checks errno, and that a failed resize keeps the block.
TEST(failed_calls_are_not_recorded) {
    record_scenario("refused", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + 1 + REFUSED_COUNT);
    assert_int_equal(count(TRACE_RESIZE, REFUSED_SIZE), 1);
    assert_int_equal(count(TRACE_ZEROED, -1), 0);
    assert_int_equal(count(TRACE_FREE, -1), REFUSED_COUNT);
}

TEST(threads_are_lanes) {
    record_scenario("threads", EXIT_PASSED);
    assert_int_equal(made.lanes, THREADS + 1);
    assert_blocks(THREAD_SIZE, THREADS * THREAD_BLOCKS, THREADS * THREAD_BLOCKS);
    assert_blocks(HANDED_SIZE, THREADS * THREAD_HANDED, THREADS * THREAD_HANDED);
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

// The order of records must also hold if an address passes from thread to thread.
TEST(addresses_may_pass_between_threads) {
    record_with_other_malloc("threads");
    assert_int_equal(count(TRACE_FREE, THREAD_SIZE), THREADS * THREAD_BLOCKS);
    assert_all_seen();
}

TEST(the_trace_is_kept_however_the_program_ends) {
    static const struct {
        const char *scenario;
        int status;
        const char *note;
    } ends[] = {
        {"_exit", 0, ""},
        {"abort", -SIGABRT, "killed by SIGABRT"},
        {"kill", -SIGKILL, "killed by SIGKILL"},
        {"no such scenario", 2, "exit status 2"},
    };
    for (size_t i = 0; i < ITEMS(ends); i++) {
        record_scenario(ends[i].scenario, ends[i].status);
        size_t blocks = EARLY_COUNT + (i < 3 ? PLAIN_COUNT : 0);
        assert_blocks(-1, blocks, 0);
        assert_int_equal(made.count, 2 * blocks + 1);
        assert_output(ends[i].note);
    }
}

// The child's trace begins with the parent's calls before the fork; its own calls are in no other.
TEST(the_child_of_a_fork_is_recorded_apart) {
    record_scenario("fork", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), 0);
    assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), 2 * PLAIN_COUNT);
    assert_output("--process NAME): heap_calls 17 calls");
    expect_trace(RECORD("-p", "heap_calls:2", "--", calls_path, "fork"), EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), CHILD_COUNT);
    assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), PLAIN_COUNT);
    assert_int_equal(count(TRACE_ALLOCATE, EARLY_SIZE), EARLY_COUNT);
    assert_non_null(strstr(made.preamble, "# process: heap_calls, a forked child"));
}

TEST(a_daemon_is_recorded_instead_of_its_starter) {
    record_scenario("daemon", EXIT_PASSED);
    assert_int_equal(count(TRACE_FREE, CHILD_SIZE), MANY_COUNT);
    assert_int_equal(count(TRACE_FREE, EARLY_SIZE), EARLY_COUNT);
    assert_all_seen();
}

TEST(a_daemon_that_outlives_the_recording_is_named) {
    int daemon_input = pipe_to_command(0);
    record_scenario("outlives", EXIT_PASSED);
    const char *running =
        strstr(test_output, "still running when the recording ended: heap_calls (pid ");
    assert_non_null(running);
    assert_memory_equal(strchr(running, ')'), ")\n", 2); // a zombie is not running
    assert_non_null(strstr(made.preamble, "# still running when the recording ended: "));
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), CHILD_COUNT);
    assert_int_equal(write(daemon_input, "!", 1), 1); // it is alive
    close(daemon_input);
}

// The pid is 1 in the process's namespace; another process has it in this one.
TEST(pids_of_another_namespace_are_not_mistaken) {
    if (system("unshare --map-root-user --pid --fork true 2> /dev/null") != 0) {
        print_message("no pid namespace can be made here\n");
        skip();
    }
    assert_int_equal(RECORD("-p", "heap_calls", "--", "unshare", "--map-root-user", "--pid",
                            "--fork", calls_path, "plain"),
                     EXIT_PASSED);
    if (strstr(test_output, "still running") != NULL) fail_msg("%s", test_output);
}

// Up to exec it uses the parent's memory. The program that it executes can be selected.
TEST(the_child_of_a_vfork_is_recorded_until_exec) {
    record_scenario("vfork", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, CHILD_SIZE), CHILD_COUNT);
    assert_int_equal(count(TRACE_ALLOCATE, PLAIN_SIZE), PLAIN_COUNT);
    assert_output("--process NAME): exe 206 calls");
    expect_trace(RECORD("--process", "exe", "--", calls_path, "vfork"), EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
}

// The program executed last is recorded, as after env and wrappers.
TEST(exec_in_the_same_process) {
    record_scenario("exec", EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_output("--process NAME): heap_calls 20 calls (pid ");
    expect_trace(RECORD("-p", "exe", "-n", "a note", "--", calls_path, "exec"), 0);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_string_equal(made.preamble, "# a note\n# command: heap_calls exec\n# process: exe\n"
                                       "# recorded by linmem record\n");
    expect_trace(RECORD("-p", "heap_calls", "--", calls_path, "exec"), 0);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + CHILD_COUNT);
}

// The recorder works in programs that limit or give up descriptors, files, address space, system
// calls, their file system or user.
TEST(programs_that_confine_themselves) {
    static const char *const scenarios[] = {"closed", "limited", "confined", "sandbox",
                                            "drops root"};
    for (size_t i = 0; i < ITEMS(scenarios); i++) {
        if (strcmp(scenarios[i], "drops root") == 0 && geteuid() != 0) {
            print_message("not root: nothing to drop\n");
            continue;
        }
        record_scenario(scenarios[i], EXIT_PASSED);
        assert_blocks(PLAIN_SIZE, MANY_COUNT, MANY_COUNT);
        assert_null(strstr(test_output, "cut off"));
    }
}

TEST(more_threads_than_lanes) {
    record_scenario("short threads", EXIT_PASSED);
    assert_int_equal(made.lanes, TRACE_LANES_MAX);
    assert_int_equal(count(TRACE_FREE, THREAD_SIZE), SHORT_THREADS);
    assert_output("threads above 4096: they share lanes");
}

TEST(the_first_calls_are_kept) {
    expect_trace(RECORD("-l", "50", "--", calls_path, "_exit"), EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), 50);
    assert_int_equal(made.count, 101);
    assert_non_null(strstr(made.preamble, "# 53 later calls omitted (limit reached)"));
    assert_output("53 later calls omitted (limit reached)");
}

// ---- Lack of room -------------------------------------------------------------------------------

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

TEST(a_full_disk_keeps_the_earlier_calls) {
    before_record = limit_files;
    record_scenario("closed", EXIT_PASSED);
    size_t calls = count(TRACE_ALLOCATE, -1) + count(TRACE_FREE, -1);
    assert_in_range(calls, LITTLE_ROOM_BYTES / 24 - 300, LITTLE_ROOM_BYTES / 24);
    assert_non_null(strstr(made.preamble, "# cut off before the program ended: File too large"));
    assert_output("cut off before the program ended: File too large");
    before_record = limit_files_softly; // the command's limit, not the recorder's
    record_scenario("closed", EXIT_PASSED);
    assert_int_equal(count(TRACE_FREE, PLAIN_SIZE), MANY_COUNT);
}

static void limit_files_to_nothing(void) {
    struct rlimit nothing = {4000, 4000};
    setrlimit(RLIMIT_FSIZE, &nothing);
}

TEST(no_room_for_a_recording) {
    before_record = limit_files_to_nothing;
    assert_int_equal(RECORD("--", calls_path, "plain"), EXIT_USAGE);
    assert_output("no room for the recording");
    assert_false(test_exists(output));
    setenv("TMPDIR", "/no/such/folder", 1);
    assert_int_equal(RECORD("--", calls_path, "plain"), EXIT_USAGE);
    setenv("TMPDIR", temporary_path, 1);
    assert_output("no temporary file in /no/such/folder: No such file");
    assert_false(test_exists(output));
}

// Of the recorder's open files none is large after many small programs.
TEST(small_programs_take_little_disk) {
    static const char script[] =
        "i=0; while [ $i -lt 100 ]; do \"$0\" _exit; i=$((i + 1)); done; "
        "i=0; while [ $i -lt 1000 ]; do "
        "stat -L -c %s /proc/$PPID/fd/* 2> /dev/null | sort -n | tail -n 1 > \"$1\"; "
        "[ $(cat \"$1\") -lt $2 ] || break; sleep 0.01; i=$((i + 1)); done";
    // The log is read once all calls are in it: the ring is drained beside the command.
    enum { LEAST_BYTES = 100 * (EARLY_COUNT + PLAIN_COUNT) * sizeof(recording_record) };
    char least[16];
    snprintf(least, sizeof least, "%d", LEAST_BYTES);
    assert_int_equal(
        RECORD("-p", "heap_calls", "--", "sh", "-c", script, calls_path, "sizes", least),
        EXIT_PASSED);
    assert_in_range(atol(test_read("sizes")), LEAST_BYTES, 1 << 20);
}

TEST(new_and_delete_are_recorded) {
    expect_trace(RECORD("--", test_beside("heap_calls_cpp")), EXIT_PASSED);
    static const long sizes[] = {NEW_SIZE, NEW_ARRAY_SIZE, NEW_ALIGNED_SIZE};
    for (int i = 0; i < 3; i++)
        assert_blocks(sizes[i], NEW_COUNT, NEW_COUNT);
    for (size_t i = 0; i < made.count; i++)
        if (made.operations[i].verb == TRACE_ALLOCATE &&
            made.operations[i].argument[1] == NEW_ALIGNED_SIZE)
            assert_int_equal(made.operations[i].argument[2], 64);
}

TEST(a_program_at_fixed_addresses) {
    expect_trace(RECORD("--", test_beside("fixed_address")), EXIT_PASSED);
    assert_blocks(PLAIN_SIZE, PLAIN_COUNT, PLAIN_COUNT);
}

// ---- Nothing to record --------------------------------------------------------------------------

TEST(commands_that_cannot_be_run) {
    static const struct {
        const char *command, *says;
        int status;
    } none[] = {{"/no/such/program", "/no/such/program: No such file", 127},
                {"no-such-program", "no-such-program: No such file", 127},
                {"/dev/null", "/dev/null: Permission denied", 126},
                {"/", "/: Permission denied", 126}};
    for (size_t i = 0; i < ITEMS(none); i++) {
        assert_int_equal(RECORD("--", none[i].command), none[i].status);
        assert_output(none[i].says);
        assert_one_line();
        assert_false(test_exists(output));
    }
}

// The trace is written, and the command's own failure is not hidden.
TEST(an_unknown_process) {
    assert_int_equal(RECORD("-p", "heap_call", "--", calls_path, "plain"), EXIT_USAGE);
    assert_output("unknown process 'heap_call'; did you mean 'heap_calls'? The "
                  "trace is of heap_calls\n");
    read_output();
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    assert_int_equal(RECORD("-p", "heap_calls:2", "--", calls_path, "plain"), EXIT_USAGE);
    assert_true(test_exists(output));
    assert_int_equal(RECORD("-p", "fork", "--", "sh", "-c", "exit 7"), 7);
    assert_true(test_exists(output));
    assert_int_equal(RECORD("-p", "fork", "--", test_beside("no_calls")), EXIT_USAGE);
    assert_output("unknown process 'fork'");
    assert_false(test_exists(output));
}

TEST(programs_without_a_recorded_call) {
    static const struct {
        const char *program, *says;
    } none[] = {
        {"no_calls", "no_calls made no heap call"},
        {"no_calls_static", "no_calls_static was not recorded: it is statically linked"},
        {"own_malloc", "own_malloc was not recorded: its executable has a malloc of its own"},
    };
    for (size_t i = 0; i < ITEMS(none); i++) {
        assert_int_equal(RECORD("--", test_beside(none[i].program)), 0);
        if (strstr(test_output, none[i].says) == NULL)
            fail_msg("%s: %s", none[i].program, test_output);
        assert_output("no trace");
        assert_false(test_exists(output));
    }
}

// A program that is started without LD_PRELOAD in its environment is not recorded.
TEST(a_program_that_loses_the_recorder) {
    assert_int_equal(RECORD("--", "env", "-i", calls_path, "plain"), EXIT_PASSED);
    assert_output("env was replaced by 'heap_calls' (exec)");
    read_output();
    assert_non_null(strstr(made.preamble, "# env was replaced by 'heap_calls' (exec)"));
    assert_int_equal(
        RECORD("-p", "heap_calls", "--", "env", "-u", "LD_PRELOAD", calls_path, "plain"),
        EXIT_USAGE);
    assert_output("unknown process 'heap_calls'");
}

// A runtime is known by its name.
TEST(a_runtime_with_a_heap_of_its_own) {
    static const char python[] = "./python3.99";
    if (link(calls_path, python) != 0) assert_int_equal(symlink(calls_path, python), 0);
    assert_int_equal(access(python, X_OK), 0);
    static const char *const settings[] = {NULL, "malloc", "malloc_debug", "pymalloc"};
    for (size_t i = 0; i < ITEMS(settings); i++) {
        unsetenv("PYTHONMALLOC");
        if (settings[i] != NULL) setenv("PYTHONMALLOC", settings[i], 1);
        assert_int_equal(RECORD("--", python, "plain"), EXIT_PASSED);
        bool sees_all = i == 1 || i == 2;
        read_output();
        assert_int_equal(
            strstr(test_output, "python3.99's own heap is not recorded: blocks up to 512 bytes") ==
                NULL,
            sees_all);
        assert_int_equal(strstr(made.preamble, "PYTHONMALLOC=malloc") == NULL, sees_all);
    }
    unsetenv("PYTHONMALLOC");
}

TEST(the_largest_of_a_name_is_chosen) {
    static const char script[] = "$0 _exit; $0 plain; $0 threads; $0 plain; $0 _exit";
    expect_trace(RECORD("-p", "heap_calls", "--", "sh", "-c", script, calls_path), EXIT_PASSED);
    assert_int_equal(made.lanes, THREADS + 1);
    assert_output("heap_calls (4 processes, at most ");
}

// A signal to the recorder alone is passed on. The recorder writes the trace and ends the same way.
TEST(signals_are_passed_on) {
    static const int signals[] = {SIGTERM, SIGINT,  SIGHUP, SIGUSR1, SIGALRM,
                                  SIGXCPU, SIGXFSZ, SIGIO,  SIGPIPE};
    for (size_t i = 0; i < ITEMS(signals); i++) {
        char script[64], end[64];
        snprintf(script, sizeof script, "ulimit -c 0; kill -%d $PPID; sleep 10", signals[i]);
        snprintf(end, sizeof end, "killed by SIG%s", sigabbrev_np(signals[i]));
        assert_int_equal(RECORD("-p", "sh", "--", "sh", "-c", script), -signals[i]);
        assert_output(end);
        read_output();
    }
}

// Signals that are ignored by default, and those by which a terminal stops a program.
TEST(other_signals_are_passed_on_too) {
    static const int signals[] = {SIGTSTP, SIGTTIN, SIGTTOU, SIGCONT, SIGWINCH, SIGURG};
    for (size_t i = 0; i < ITEMS(signals); i++) {
        char script[200];
        snprintf(script, sizeof script,
                 "trap 'exit 7' %d; kill -%d $PPID; i=0; while [ $i -lt 200 ]; do sleep 0.05; "
                 "i=$((i + 1)); done",
                 signals[i], signals[i]);
        int status = RECORD("--", "sh", "-c", script);
        if (status != 7) fail_msg("signal %d: status %d", signals[i], status);
    }
}

// Waits up to 20 s.
#define WAIT_UNTIL(condition)                                                                      \
    for (int naps = 0; !(condition); naps++) {                                                     \
        if (naps == 2000) fail_msg("not reached: %s", #condition);                                 \
        usleep(10 * 1000);                                                                         \
    }

static char *read_proc(pid_t pid, const char *name) {
    char path[80];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    return test_read(path);
}

// Returns the path of the ring that the recorder has mapped, until the next call.
static const char *find_ring(pid_t recorder) {
    static char path[PATH_MAX];
    char *maps = read_proc(recorder, "maps"), *at = strstr(maps, "/linmem-record-");
    assert_non_null(at);
    while (at > maps && at[-1] != ' ')
        at--;
    snprintf(path, sizeof path, "%.*s", (int)strcspn(at, "\n"), at);
    return path;
}

static bool is_zombie(pid_t pid) {
    siginfo_t ended = {0};
    assert_int_equal(waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT), 0);
    return ended.si_pid != 0;
}

static int count_children(pid_t pid) {
    char name[40], *children, *end;
    snprintf(name, sizeof name, "task/%ld/children", (long)pid);
    int count = 0;
    for (children = read_proc(pid, name); strtol(children, &end, 10) > 0; children = end)
        count++;
    return count;
}

// After the command has ended, a signal ends the recorder, which here waits for a reader.
TEST(signals_after_the_command_end_the_recorder) {
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    static const char script[] = "read line; exec \"$0\" plain";
    for (size_t i = 0; i < ITEMS(signals); i++) {
        unlink(output);
        assert_int_equal(mkfifo(output, 0600), 0);
        int command_input = pipe_to_command(0);
        pid_t pid = start((const char *[]){"linmem record", "-o", output, "--", "sh", "-c", script,
                                           calls_path, NULL});
        WAIT_UNTIL(count_children(pid) == 2); // the command and a helper
        const char *ring = find_ring(pid);
        close(command_input);
        WAIT_UNTIL(count_children(pid) == 0);
        WAIT_UNTIL(kill(pid, signals[i]) != 0 || is_zombie(pid));
        assert_int_equal(finish(pid), -signals[i]);
        assert_false(test_exists(ring));
    }
    unlink(output);
}

// If the command stops, the recorder stops too. SIGCONT to the recorder continues both; SIGCONT to
// the command continues the recorder as well.
TEST(the_recorder_stops_with_the_command) {
    unlink(output);
    pid_t pid = start((const char *[]){"linmem record", "-o", output, "--", "sh", "-c",
                                       "kill -STOP $$; exit 7", NULL});
    siginfo_t stopped = {0};
    WAIT_UNTIL(waitid(P_PID, (id_t)pid, &stopped, WSTOPPED | WNOHANG) == 0 && stopped.si_pid != 0);
    assert_int_equal(stopped.si_status, SIGSTOP);
    kill(pid, SIGCONT);
    assert_int_equal(finish(pid), 7);
    assert_int_equal(RECORD("--", "sh", "-c", "(sleep 0.2; kill -CONT $$) & kill -STOP $$; exit 7"),
                     7);
}

// The program runs on if its recorder is killed.
TEST(a_program_outlives_its_recorder) {
    int orphan_output = pipe_to_command(1);
    assert_int_equal(RECORD("--", calls_path, "orphaned"), -SIGKILL);
    char byte = 0;
    assert_int_equal(read(orphan_output, &byte, 1), 1);
    assert_int_equal(byte, '!');
    close(orphan_output);
    assert_false(test_exists(output));
}

TEST(a_killed_recorder_leaves_no_ring) {
    unlink(output);
    int command_input = pipe_to_command(0);
    pid_t pid = start((const char *[]){"linmem record", "-o", output, "--", "cat", NULL});
    WAIT_UNTIL(count_children(pid) == 2); // the command and a helper
    const char *ring = find_ring(pid);
    assert_true(test_exists(ring));
    kill(pid, SIGKILL);
    assert_int_equal(finish(pid), -SIGKILL);
    WAIT_UNTIL(!test_exists(ring));
    close(command_input);
}

// Bytes that are not UTF-8, line ends, control characters, and a command that is too long.
TEST(any_bytes_in_arguments_are_printable) {
    static char long_argument[3000];
    memset(long_argument, 'x', sizeof long_argument - 1);
    expect_trace(RECORD("-n", "a \xff note\nof two lines", "--", calls_path, "\xd0\xbf\xd0",
                        "two\nlines", "it's", "\xd0\xbf \xe2\x82\xac", long_argument, "last"),
                 2);
    static const char expected[] =
        "# a \\xff note\n# of two lines\n# command: heap_calls $'\xd0\xbf\\320' "
        "$'two\\012lines' 'it'\\''s' '\xd0\xbf \xe2\x82\xac' xxx";
    assert_memory_equal(made.preamble, expected, sizeof expected - 1);
    assert_non_null(strstr(made.preamble, "x…x"));
    assert_non_null(strstr(made.preamble, "x last\n# recorded by linmem record\n"));
}

static void write_to_output(void) {
    if (freopen(output, "w", stdout) == NULL) _exit(99);
}

TEST(standard_output) {
    before_record = write_to_output;
    expect_trace(RUN("-o", "-", "--", calls_path, "plain"), EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
    before_record = write_to_output;
    assert_int_equal(
        RUN("-o", "-", "--", "sh", "-c", "echo written; exec \"$0\" plain", calls_path),
        EXIT_PASSED);
    read_output(); // without the command's output
    assert_output("written\n");
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

// Before the command runs.
TEST(an_unwritable_standard_output_fails_first) {
    static void (*const before[])(void) = {close_output, make_output_readable_only};
    for (size_t i = 0; i < ITEMS(before); i++) {
        before_record = before[i];
        assert_int_equal(RUN("-o", "-", "--", "touch", output), EXIT_USAGE);
        assert_output("standard output: Bad file descriptor\n");
        assert_false(test_exists(output));
    }
}

// The command succeeded, but the trace is lost.
TEST(a_trace_that_cannot_be_written) {
    before_record = make_output_unwritable;
    assert_int_equal(RUN("-o", "-", "--", calls_path, "plain"), EXIT_FAILED);
    assert_output("standard output: No space left");
    assert_int_equal(RUN("-o", "/dev/full/x.lmt", "--", calls_path, "plain"), EXIT_USAGE);
    assert_output("/dev/full/x.lmt: Not a directory");
}

static void close_standard_streams(void) {
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
}

// Closed streams are closed in the command: no file of the recorder's takes their numbers.
TEST(closed_standard_streams) {
    before_record = close_standard_streams;
    static const char script[] = "[ ! -e /proc/$$/fd/0 ] && [ ! -e /proc/$$/fd/1 ] || exit 9; "
                                 "exec \"$0\" plain";
    expect_trace(RECORD("--", "sh", "-c", script, calls_path), EXIT_PASSED);
    assert_int_equal(count(TRACE_ALLOCATE, -1), EARLY_COUNT + PLAIN_COUNT);
}

TEST(bad_usage) {
    assert_int_equal(RUN("-o", output), EXIT_USAGE);
    assert_output("missing COMMAND");
    assert_int_equal(RUN("--", "true"), EXIT_USAGE);
    assert_int_equal(RUN("-o", "/tmp/x.txt", "--", "true"), EXIT_USAGE);
    assert_output("ends with .lmt or .lmt.zst");
    assert_int_equal(RUN("-o", "/no/such/folder/x.lmt", "--", "true"), EXIT_USAGE);
    assert_output("No such file");
    assert_int_equal(mkdir("directory.lmt", 0700), 0);
    assert_int_equal(RUN("-o", "directory.lmt", "--", "true"), EXIT_USAGE);
    assert_output("Is a directory");
    assert_int_equal(RECORD("-l", "0", "--", "true"), EXIT_USAGE);
}

// Records a program twice. Asserts that the operations are the same.
static void assert_recorded_twice_alike(const char *program, const char *first,
                                        const char *second) {
    char found[PATH_MAX];
    snprintf(found, sizeof found, "/usr/bin/%s", program);
    if (!test_exists(found)) {
        print_message("%s is not installed here\n", program);
        skip();
    }
    trace once = {0};
    for (int i = 0; i < 2; i++) {
        trace_free(&once);
        once = made;
        made = (trace){0};
        assert_int_equal(RECORD("--", program, first, second), 0);
        read_output();
        assert_all_seen();
    }
    assert_int_equal(once.count, made.count);
    assert_memory_equal(once.operations, made.operations, made.count * sizeof *made.operations);
    assert_true(made.count > 20);
    trace_free(&once);
}

TEST(sqlite3_is_recorded_twice_alike) {
    assert_recorded_twice_alike(
        "sqlite3", ":memory:",
        "CREATE TABLE t(a, b); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
        "WHERE i < 2000) INSERT INTO t SELECT i, hex(i * i) FROM n; CREATE INDEX x ON t(b); "
        "SELECT count(*), max(b) FROM t GROUP BY a % 10");
}

TEST(perl_is_recorded_twice_alike) {
    assert_recorded_twice_alike("perl", "-e",
                                "for (1..5000) { $h{$_ % 77} .= \"x$_\" } print sort values %h");
}

TEST(sort_is_recorded_twice_alike) {
    assert_recorded_twice_alike("sort", "--parallel=1", "/usr/share/common-licenses/GPL-3");
}

static int set_up(void **state) {
    calls_path = child_beside("heap_calls");
    if (test_enter_folder(state) != 0 || mkdir(temporary, 0700) != 0) return -1;
    temporary_path = text_format("%s/%s", test_folder, temporary);
    setenv("TMPDIR", temporary_path, 1);
    setenv("PERL_HASH_SEED", "0", 1);
    setenv("PERL_PERTURB_KEYS", "0", 1);
    return 0;
}

static int tear_down(void **state) {
    trace_free(&made);
    free(temporary_path);
    free(calls_path);
    return test_leave_folder(state);
}

TEST_MAIN(set_up, tear_down)
