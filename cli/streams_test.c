// Runs programs whose standard streams are closed, full, or pipes without readers.
#include "cli/streams.h"
#include "cli/test.h"
#include "cli/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

typedef struct guarded {
    int (*program)(void);
    int output; // −1: closed
} guarded;

static int run_guarded(void *context) {
    const guarded *g = context;
    if (g->output >= 0) dup2(g->output, STDOUT_FILENO);
    if (g->output < 0) close(STDOUT_FILENO);
    streams_guard();
    exit(g->program());
}

// Runs a program after streams_guard in a process whose standard output is `output`. Returns its
// status; test_output is its standard error.
static int run(int (*program)(void), int output) {
    return test_run(run_guarded, &(guarded){program, output});
}

static int say_nothing(void) {
    return EXIT_FAILED;
}

static int say_little(void) {
    printf("a line\n");
    return EXIT_FAILED;
}

static int say_much(void) {
    for (int i = 0; i < 100000; i++)
        printf("a line\n");
    return EXIT_FAILED;
}

// Opens a file, which must not become standard output.
static int open_and_say(void) {
    int file = open("/dev/null", O_RDWR);
    if (file < 3) _exit(99);
    return say_little();
}

static void assert_failed(int status, const char *why) {
    assert_int_equal(status, EXIT_USAGE);
    assert_output("standard output: ");
    assert_output(why);
    assert_one_line();
}

TEST(output_that_is_lost_is_told) {
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC),
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_failed(run(say_little, full), strerror(ENOSPC));
    assert_failed(run(say_much, full), "");
    assert_failed(run(say_little, -1), strerror(EBADF));
    assert_failed(run(open_and_say, -1), strerror(EBADF));
    assert_int_equal(run(say_nothing, -1), EXIT_FAILED); // nothing was lost
    assert_int_equal(run(say_nothing, full), EXIT_FAILED);
    assert_int_equal(run(say_much, null), EXIT_FAILED);
    assert_string_equal(test_output, "");
    close(full);
    close(null);
}

static int say_much_and_go_on(void) {
    streams_outlive_reader();
    say_much();
    fputs("done", stderr);
    return EXIT_PASSED;
}

TEST(a_reader_that_leaves_ends_it_quietly) {
    static const struct {
        int (*program)(void);
        const char *errors;
    } rows[] = {{say_much, ""}, {say_much_and_go_on, "done"}};
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        close(ends[0]);
        assert_int_equal(run(rows[i].program, ends[1]), -SIGPIPE);
        assert_string_equal(test_output, rows[i].errors);
        close(ends[1]);
    }
}

static int write_half_a_file(void) {
    whole_file file;
    if (!whole_file_open(&file, "file")) return 99;
    fputs("half", file.stream);
    fflush(file.stream);
    raise(atoi(getenv("LINMEM_SIGNAL")));
    whole_file_abandon(&file); // the signal was ignored
    return EXIT_PASSED;
}

FOLDER_TEST(a_signal_leaves_no_half_written_file) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    char number[12];
    for (size_t i = 0; i < 2 * ITEMS(signals); i++) {
        bool ignored = i % 2;
        snprintf(number, sizeof number, "%d", signals[i / 2]);
        setenv("LINMEM_SIGNAL", number, 1);
        signal(signals[i / 2], ignored ? SIG_IGN : SIG_DFL);
        int status = run(write_half_a_file, STDOUT_FILENO);
        signal(signals[i / 2], SIG_DFL);
        assert_int_equal(status, ignored ? 0 : -signals[i / 2]);
        assert_int_equal(rmdir(test_folder), 0); // nothing is in it
        assert_int_equal(mkdir(test_folder, 0700) | chdir(test_folder), 0);
    }
}

static int write_too_much(void) {
    struct rlimit small = {4, 4};
    setrlimit(RLIMIT_FSIZE, &small);
    whole_file file;
    if (!whole_file_open(&file, "file")) return 99;
    fputs("longer than four", file.stream);
    return !whole_file_commit(&file) && errno == EFBIG ? EXIT_PASSED : 98;
}

FOLDER_TEST(a_limit_on_files_is_an_error) {
    assert_int_equal(run(write_too_much, STDOUT_FILENO), EXIT_PASSED);
}

TEST_MAIN(NULL, NULL)
