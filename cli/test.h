// For tests: cmocka, tests that list themselves, and fixtures.
#pragma once

#include "cli/child.h"
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ITEMS(array) (sizeof(array) / sizeof *(array))

// In order of definition; empty ones are skipped.
__attribute__((unused)) static struct CMUnitTest test_list[128];
__attribute__((unused)) static size_t test_count;

// Begins the definition of a test, and lists it. Fields of struct CMUnitTest may follow the name.
#define TEST(test, ...) TEST_CASES(test, {.name = #test, .test_func = test, __VA_ARGS__})

// The same for a test that runs several times: the initialisers of each struct CMUnitTest.
#define TEST_CASES(test, ...)                                                                      \
    static void test(void **state __attribute__((unused)));                                        \
    __attribute__((constructor)) static void test##_listed(void) {                                 \
        const struct CMUnitTest cases[] = {__VA_ARGS__};                                           \
        memcpy(test_list + test_count, cases, sizeof cases);                                       \
        test_count += ITEMS(cases);                                                                \
    }                                                                                              \
    static void test(void **state __attribute__((unused)))

// Defines a main that runs the tests, with the setup and teardown of their group, or NULL.
#define TEST_MAIN(set_up, tear_down)                                                               \
    int main(void) {                                                                               \
        return cmocka_run_group_tests(test_list, set_up, tear_down);                               \
    }

// ---- Files --------------------------------------------------------------------------------------

// Writes a file in place of an old one.
static inline void test_write(const char *path, const char *text) {
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    assert_int_equal(fclose(stream), 0);
}

// Returns the content of a file, until the next call.
static inline char *test_read(const char *path) {
    static char text[1 << 18];
    FILE *stream = fopen(path, "r");
    if (!stream) fail_msg("there is no %s", path);
    text[fread(text, 1, sizeof text - 1, stream)] = '\0';
    fclose(stream);
    return text;
}

static inline void assert_file(const char *path, const char *text) {
    assert_string_equal(test_read(path), text);
}

static inline bool test_exists(const char *path) {
    return access(path, F_OK) == 0;
}

// Returns the path of a file in the running program's folder, until the next call.
static inline const char *test_beside(const char *name) {
    static char *path;
    free(path);
    return path = child_beside(name);
}

// Begins a test that runs in an empty folder of its own.
#define FOLDER_TEST(test)                                                                          \
    TEST(test, .setup_func = test_enter_folder, .teardown_func = test_leave_folder)

#ifndef TEST_FOLDER
#define TEST_FOLDER "/tmp/linmem's test-XXXXXX" // with characters that need quoting
#endif
__attribute__((unused)) static char test_folder[] = TEST_FOLDER;
__attribute__((unused)) static int test_folder_before = -1;

// Setup and teardown of a test or a group: makes an empty folder the current one; returns to the
// folder before and removes the other with its content.
static inline int test_enter_folder(void **state __attribute__((unused))) {
    memset(test_folder + sizeof test_folder - 7, 'X', 6); // mkdtemp needs them
    test_folder_before = open(".", O_PATH | O_CLOEXEC);
    return mkdtemp(test_folder) && chdir(test_folder) == 0 ? 0 : -1;
}
static inline int test_leave_folder(void **state __attribute__((unused))) {
    bool left = fchdir(test_folder_before) == 0 && file_remove_tree(test_folder);
    close(test_folder_before);
    return left ? 0 : -1;
}

// ---- Memory -------------------------------------------------------------------------------------

// Whether the byte can be read: write(2) fails with EFAULT if a load would fault.
static inline bool test_readable(const volatile unsigned char *address) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    ssize_t written = write(ends[1], (const void *)address, 1);
    assert_true(written == 1 || errno == EFAULT);
    close(ends[0]);
    close(ends[1]);
    return written == 1;
}

// ---- Processes ----------------------------------------------------------------------------------

static char test_output[1 << 16]; // of the last process: standard output and error
static int test_output_file = -1;

// Starts a process that calls `run` and exits with its result, without calling atexit handlers.
static inline pid_t test_start(int (*run)(void *context), void *context) {
    fflush(NULL);
    if (test_output_file < 0) test_output_file = memfd_create("output", MFD_CLOEXEC);
    assert_int_equal(ftruncate(test_output_file, 0), 0);
    lseek(test_output_file, 0, SEEK_SET);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0) return pid;
    dup2(test_output_file, STDOUT_FILENO);
    dup2(test_output_file, STDERR_FILENO);
    int status = run(context);
    fflush(NULL);
    _exit(status);
}

// Waits for the process and reads its output. Returns its exit status, or minus the signal that
// ended it.
static inline int test_finish(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t count = pread(test_output_file, test_output, sizeof test_output - 1, 0);
    test_output[count > 0 ? count : 0] = '\0';
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static inline int test_run(int (*run)(void *context), void *context) {
    return test_finish(test_start(run, context));
}

static inline void assert_output(const char *part) {
    if (!strstr(test_output, part)) fail_msg("no '%s' in: %s", part, test_output);
}
static inline void assert_one_line(void) {
    assert_ptr_equal(strchr(test_output, '\n'), test_output + strlen(test_output) - 1);
}
