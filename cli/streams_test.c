// Runs programs whose standard streams are closed, full, or pipes without readers.
#include "cli/cmocka.h"
#include "cli/file.h"
#include "cli/streams.h"
#include "cli/verb.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char errors[1000]; // standard error of the last program

// Runs a program after streams_guard in a process whose standard output is `output`, or closed if
// −1. Returns its status from waitpid.
static int run(int (*program)(void), int output) {
    int talk[2], status;
    assert_int_equal(pipe2(talk, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(talk[1], STDERR_FILENO);
        if (output >= 0) dup2(output, STDOUT_FILENO);
        if (output < 0) close(STDOUT_FILENO);
        streams_guard();
        exit(program());
    }
    close(talk[1]);
    ssize_t count = read(talk[0], errors, sizeof errors - 1);
    errors[count > 0 ? count : 0] = '\0';
    close(talk[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
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
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_USAGE);
    assert_non_null(strstr(errors, "standard output: "));
    assert_non_null(strstr(errors, why));
    assert_ptr_equal(strchr(errors, '\n'), errors + strlen(errors) - 1); // one line
}

static void output_that_is_lost_is_told(void **state) {
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC),
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    assert_failed(run(say_little, full), strerror(ENOSPC));
    assert_failed(run(say_much, full), "");
    assert_failed(run(say_little, -1), strerror(EBADF));
    assert_failed(run(open_and_say, -1), strerror(EBADF));
    assert_int_equal(WEXITSTATUS(run(say_nothing, -1)), EXIT_FAILED); // nothing was lost
    assert_int_equal(WEXITSTATUS(run(say_nothing, full)), EXIT_FAILED);
    assert_int_equal(WEXITSTATUS(run(say_much, null)), EXIT_FAILED);
    assert_string_equal(errors, "");
    close(full);
    close(null);
}

static int say_much_and_go_on(void) {
    streams_outlive_reader();
    say_much();
    fputs("done", stderr);
    return EXIT_PASSED;
}

static void a_reader_that_leaves_ends_it_quietly(void **state) {
    static const struct {
        int (*program)(void);
        const char *errors;
    } rows[] = {{say_much, ""}, {say_much_and_go_on, "done"}};
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        close(ends[0]);
        int status = run(rows[i].program, ends[1]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
        assert_string_equal(errors, rows[i].errors);
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

static void a_signal_leaves_no_half_written_file(void **state) {
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    char folder[] = "/tmp/linmem-streams-test-XXXXXX", number[12];
    assert_true(mkdtemp(folder) && chdir(folder) == 0);
    for (size_t i = 0; i < 2 * sizeof signals / sizeof *signals; i++) {
        bool ignored = i % 2;
        snprintf(number, sizeof number, "%d", signals[i / 2]);
        setenv("LINMEM_SIGNAL", number, 1);
        signal(signals[i / 2], ignored ? SIG_IGN : SIG_DFL);
        int status = run(write_half_a_file, STDOUT_FILENO);
        signal(signals[i / 2], SIG_DFL);
        assert_true(ignored ? WIFEXITED(status) && WEXITSTATUS(status) == 0
                            : WIFSIGNALED(status) && WTERMSIG(status) == signals[i / 2]);
        assert_int_equal(rmdir(folder), 0); // nothing is in it
        assert_int_equal(mkdir(folder, 0700) | chdir(folder), 0);
    }
    assert_int_equal(chdir("/") | rmdir(folder), 0);
}

static int write_too_much(void) {
    struct rlimit small = {4, 4};
    setrlimit(RLIMIT_FSIZE, &small);
    whole_file file;
    if (!whole_file_open(&file, "/tmp/linmem-streams-test-file")) return 99;
    fputs("longer than four", file.stream);
    return !whole_file_commit(&file) && errno == EFBIG ? EXIT_PASSED : 98;
}

static void a_limit_on_files_is_an_error(void **state) {
    int status = run(write_too_much, STDOUT_FILENO);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_PASSED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_that_is_lost_is_told),
        cmocka_unit_test(a_reader_that_leaves_ends_it_quietly),
        cmocka_unit_test(a_signal_leaves_no_half_written_file),
        cmocka_unit_test(a_limit_on_files_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
