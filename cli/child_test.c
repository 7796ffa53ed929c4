// Tests of child processes. With the argument "report", the test program is such a child: it writes
// the limits that it was started with.
#include "cli/child.h"
#include "cli/interrupt.h"
#include "cli/test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static pid_t start_shell(const char *script, child_options options) {
    options.argv = (const char *const[]){"sh", "-c", script, NULL};
    pid_t pid = child_start(&options);
    assert_true(pid > 0);
    return pid;
}

static child_end run_shell(const char *script, child_options options) {
    child_end end;
    child_wait(start_shell(script, options), 60, &end);
    return end;
}

static const child_options plain = {.cpu = -1};

TEST(failures_of_exec_are_reported) {
    child_options options = {.cpu = -1, .argv = (const char *const[]){"no-such-command", NULL}};
    assert_int_equal(child_start(&options), -1);
    assert_int_equal(errno, ENOENT);
    options.argv = (const char *const[]){"/", NULL};
    assert_int_equal(child_start(&options), -1);
    assert_int_equal(errno, EACCES);
    options = (child_options){.cpu = 1023, .argv = (const char *const[]){"true", NULL}};
    assert_int_equal(child_start(&options), -1);
    assert_int_equal(errno, EINVAL);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); // nothing is left behind
    assert_int_equal(errno, ECHILD);
}

TEST(ends_are_explained) {
    static const struct {
        const char *script, *text;
        int exit_status, signal;
    } cases[] = {
        {"exit 0", "exit status 0", 0, 0},
        {"exit 3", "exit status 3", 3, 0},
        {"kill -SEGV $$", "killed by SIGSEGV", -1, SIGSEGV},
        {"kill -KILL $$", "killed by SIGKILL", -1, SIGKILL},
        {"kill -40 $$", "killed by signal 40", -1, 40},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        child_end end = run_shell(cases[i].script, plain);
        assert_string_equal(end.text, cases[i].text);
        assert_int_equal(end.exit_status, cases[i].exit_status);
        assert_int_equal(end.signal, cases[i].signal);
        assert_int_equal(end.ok, i == 0);
        assert_false(end.timed_out || end.interrupted);
    }
}

// Returns whether all processes that have the other end of a pipe end within 20 s.
static bool others_are_gone(int read_end) {
    struct pollfd watched = {.fd = read_end, .events = 0};
    return poll(&watched, 1, 20000) == 1 && watched.revents & POLLHUP;
}

TEST(what_a_child_started_ends_with_it) {
    static const struct {
        const char *script, *text;
        double seconds;
    } cases[] = {
        {"sleep 1000 & wait", "timed out after 0.2 s", 0.2},
        {"sleep 1000 & exit 0", "exit status 0", 0},
    };
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        child_options options = {.cpu = -1, .descriptors = &ends[1], .descriptor_count = 1};
        pid_t pid = start_shell(cases[i].script, options);
        close(ends[1]);
        child_end end;
        child_wait(pid, cases[i].seconds, &end);
        assert_string_equal(end.text, cases[i].text);
        assert_int_equal(end.timed_out, i == 0);
        assert_int_equal(end.ok, i == 1);
        assert_true(others_are_gone(ends[0]));
        close(ends[0]);
    }
}

static int file_with(const char *text) {
    int descriptor = memfd_create("text", 0);
    assert_int_equal(write(descriptor, text, strlen(text)), strlen(text));
    lseek(descriptor, 0, SEEK_SET);
    return descriptor;
}

TEST(descriptors_are_placed) {
    // The sources have the numbers of the targets, swapped; descriptors above are not passed on.
    int first = file_with("first\n"), second = file_with("second\n");
    int high_first = fcntl(first, F_DUPFD, 50), high_second = fcntl(second, F_DUPFD, 50);
    assert_int_equal(dup2(high_first, 4), 4);
    assert_int_equal(dup2(high_second, 3), 3);
    assert_int_equal(dup2(high_first, 5), 5);
    child_options options = {.cpu = -1, .descriptors = (const int[]){4, 3}, .descriptor_count = 2};
    const char *script = "read a <&3; read b <&4; [ $a$b = firstsecond ] || exit 1;"
                         "for d in 5 6 7 50 51; do [ ! -e /proc/self/fd/$d ] || exit 2; done";
    assert_string_equal(run_shell(script, options).text, "exit status 0");
    for (int descriptor = 3; descriptor <= 51; descriptor++)
        close(descriptor);
}

static int report(void) {
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    int last_cpu = -1;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((unsigned)i, &cpus)) last_cpu = i;
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    dprintf(3, "huge pages %s, %d cpus, last %d, core %d, group %s",
            prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) ? "off" : "on", CPU_COUNT(&cpus), last_cpu,
            core.rlim_cur != 0, getpgrp() == getpid() ? "own" : "ours");
    return 0;
}

static void assert_reported(child_options options, const char *expected) {
    int text = memfd_create("report", MFD_CLOEXEC);
    options.descriptors = &text;
    options.descriptor_count = 1;
    options.argv = (const char *const[]){"/proc/self/exe", "report", NULL};
    pid_t pid = child_start(&options);
    assert_true(pid > 0);
    child_end end;
    child_wait(pid, 60, &end);
    assert_string_equal(end.text, "exit status 0");
    char found[200] = "";
    assert_true(pread(text, found, sizeof found - 1, 0) > 0);
    assert_string_equal(found, expected);
    close(text);
}

TEST(limits_are_set) {
    struct rlimit core, unlimited;
    getrlimit(RLIMIT_CORE, &core);
    unlimited = (struct rlimit){core.rlim_max, core.rlim_max};
    setrlimit(RLIMIT_CORE, &unlimited);
    cpu_set_t cpus;
    sched_getaffinity(0, sizeof cpus, &cpus);
    int count = CPU_COUNT(&cpus), last = CPU_SETSIZE - 1;
    while (!CPU_ISSET((unsigned)last, &cpus))
        last--;
    char expected[200];
    const char *line = "huge pages %s, %d cpus, last %d, core %d, group %s";
    snprintf(expected, sizeof expected, line, "on", count, last, 0, "own");
    assert_reported(plain, expected);
    snprintf(expected, sizeof expected, line, "off", 1, last, 0, "own");
    assert_reported((child_options){.cpu = last, .no_huge_pages = true}, expected);
    snprintf(expected, sizeof expected, line, "on", count, last, core.rlim_max != 0, "ours");
    assert_reported((child_options){.cpu = -1, .foreground = true}, expected);
    setrlimit(RLIMIT_CORE, &core);

    child_options small = {.cpu = -1, .address_space_bytes = UINT64_C(1) << 30};
    assert_string_equal(run_shell("[ $(ulimit -v) = 1048576 ]", small).text, "exit status 0");
    assert_string_equal(run_shell("[ $(ulimit -v) = 1048576 ]", plain).text, "exit status 1");
}

TEST(environment_is_set_on_top) {
    setenv("LINMEM_KEPT", "kept", 1);
    setenv("LINMEM_SET", "old", 1);
    setenv("LINMEM_SET_NOT", "other", 1);
    child_options options = {
        .cpu = -1, .environment = (const char *const[]){"LINMEM_SET=new", "LINMEM_NEW=x=y", NULL}};
    const char *script =
        "[ $LINMEM_KEPT/$LINMEM_SET/$LINMEM_SET_NOT/$LINMEM_NEW = kept/new/other/x=y ] &&"
        "[ $(env | grep -c ^LINMEM_SET=) = 1 ]";
    assert_string_equal(run_shell(script, options).text, "exit status 0");
}

TEST(standard_streams_are_set) {
    child_options quiet = {.cpu = -1, .quiet = true};
    const char *both = "[ /dev/null -ef /proc/self/fd/1 ] && [ /dev/null -ef /proc/self/fd/2 ]";
    assert_string_equal(run_shell(both, quiet).text, "exit status 0");
    int kept[] = {dup(0), dup(1), dup(2)}, text = memfd_create("text", MFD_CLOEXEC);
    for (int i = 0; i < 3; i++)
        dup2(text, i);
    child_end loud = run_shell(both, plain);
    child_end reads = run_shell("[ /dev/null -ef /proc/self/fd/0 ]", plain);
    child_end foreground = run_shell("[ /dev/null -ef /proc/self/fd/0 ]",
                                     (child_options){.cpu = -1, .foreground = true});
    for (int i = 0; i < 3; i++) {
        dup2(kept[i], i);
        close(kept[i]);
    }
    close(text);
    assert_int_equal(loud.exit_status, 1);
    assert_int_equal(reads.exit_status, 0);
    assert_int_equal(foreground.exit_status, 1);
}

// Starts a process that waits for a shell, and exits with 0 if it ends as expected.
static pid_t start_waiter(const char *script, child_options options, const char *expected) {
    pid_t pid = fork();
    if (pid > 0) return pid;
    interrupt_catch();
    options.argv = (const char *const[]){"sh", "-c", script, NULL};
    pid_t child = child_start(&options);
    child_end end = {0};
    if (child > 0) child_wait(child, 60, &end);
    close(options.descriptors[0]);
    _exit(strcmp(end.text, expected) == 0 ? 0 : 1);
}

// A child also ends if the process that waits for it is killed.
TEST(interrupts_end_a_child) {
    static const struct {
        bool foreground;
        int signal;
        const char *script, *text;
        int status;
    } cases[] = {
        {false, SIGINT, "echo >&3; sleep 1000", "interrupted", 0},
        {false, SIGTERM, "echo >&3; sleep 1000", "interrupted", 0},
        {true, SIGINT, "echo >&3; sleep 0.3; exit 5", "exit status 5", 0},
        {false, SIGKILL, "echo >&3; exec sleep 1000", "", SIGKILL},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        int ends[2], status;
        assert_int_equal(pipe(ends), 0);
        pid_t waiter = start_waiter(cases[i].script,
                                    (child_options){.cpu = -1,
                                                    .foreground = cases[i].foreground,
                                                    .descriptors = &ends[1],
                                                    .descriptor_count = 1},
                                    cases[i].text);
        close(ends[1]);
        char byte;
        assert_int_equal(read(ends[0], &byte, 1), 1); // the child runs
        kill(waiter, cases[i].signal);
        assert_int_equal(waitpid(waiter, &status, 0), waiter);
        assert_int_equal(status, cases[i].status);
        assert_true(others_are_gone(ends[0]));
        close(ends[0]);
    }
}

static int called(void *context) {
    int *shared = context;
    if (*shared == 1) raise(SIGSEGV);
    if (*shared == 2) pause();
    *shared += 10;
    return 7;
}

// A function runs in a copy of this process: shared memory and the exit status are returned.
TEST(functions_are_children_too) {
    int *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    static const struct {
        double seconds;
        int value;
        const char *text;
    } cases[] = {
        {60, 10, "exit status 7"}, {60, 1, "killed by SIGSEGV"}, {0.1, 2, "timed out after 0.1 s"}};
    for (int i = 0; i < 3; i++) {
        child_end end;
        *shared = i;
        pid_t pid = child_call(called, shared, true);
        assert_true(pid > 0);
        child_wait(pid, cases[i].seconds, &end);
        assert_string_equal(end.text, cases[i].text);
        assert_int_equal(*shared, cases[i].value);
    }
    munmap(shared, sizeof *shared);
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "report") == 0) return report();
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
