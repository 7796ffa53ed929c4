// Failures of the suite: each prints one line with the strategy, the law
// (alloc/conformance/laws.def), the last call with its values, and the found and expected values.
//
//     conformance: mine, level 1: law zero: allocate_zeroed(100) returned offset 4112: byte 17 is
//     0xa5, expected 0 (test zeroed_on_dirty_ground, seed 3, operation 412)
#pragma once

#include "alloc/allocator.h"
#include "alloc/conformance/law.h"
#include "alloc/conformance/pattern.h"

#include <stdio.h>

// The strategy under test: a table that records its calls (alloc/conformance/calls.h), so that a
// failure can print the thread's last call.
extern const lm_allocator *tested;
void tested_set(const lm_allocator *allocator);

// Sets whether each block returned to this thread is checked: inside, aligned, large enough. Off in
// threads other than the test's own; turn it off for invalid calls.
void check_blocks(bool on);

// Sets the test's position for failure lines; the runner clears it before each test.
void at_operation(uint64_t seed, unsigned operation);

// Counts that the law was checked. Returns `held`.
bool law_checked(law checked, bool held);

// Prints the line of a broken law.
__attribute__((format(printf, 2, 3))) void law_print(law broken, const char *found, ...);

// The same, and fails the test. Only in the thread that runs the test.
__attribute__((format(printf, 4, 5), noreturn)) void law_fail(law broken, const char *file,
                                                              int line, const char *found, ...);

// The same for two numbers, with the text of both.
_Noreturn void law_fail_that(law broken, const char *file, int line, const char *found_text,
                             uint64_t found, const char *op, const char *expected_text,
                             uint64_t expected);

// Fails if a condition does not hold. The format describes the found and expected values.
#define require_as(name, held, ...)                                                                \
    do {                                                                                           \
        if (!law_checked(LAW_##name, held)) law_fail(LAW_##name, __FILE__, __LINE__, __VA_ARGS__); \
    } while (0)
#define require(name, held) require_as(name, held, "not so: %s", #held)

// Fails if one number is not `op` another.
#define require_that(name, found, op, expected)                                                    \
    do {                                                                                           \
        uint64_t found_ = (uint64_t)(found), expected_ = (uint64_t)(expected);                     \
        if (!law_checked(LAW_##name, found_ op expected_))                                         \
            law_fail_that(LAW_##name, __FILE__, __LINE__, #found, found_, #op, #expected,          \
                          expected_);                                                              \
    } while (0)

// Fail if the last call returned NULL or false but must succeed, or the reverse.
#define require_served(pointer)                                                                    \
    require_as(served, (pointer), "expected success: the memory can grow")
#define require_refused(pointer) require_as(refused, !(pointer), "expected NULL")

// Fail at the first byte that is not zero, or that pattern_fill with this number has not written
// (pattern.h).
#define require_zero(block, bytes) require_zero_at(block, bytes, __FILE__, __LINE__)
#define require_filled(block, bytes, filled_bytes, number)                                         \
    require_filled_at(block, bytes, filled_bytes, number, __FILE__, __LINE__)
void require_zero_at(const unsigned char *block, size_t bytes, const char *file, int line);
void require_filled_at(const unsigned char *block, size_t bytes, size_t filled_bytes,
                       uint32_t number, const char *file, int line);

// A test of the suite. A signal or a timeout breaks the law `returns`.
typedef struct law_test {
    const char *name;
    void (*run)(void **state);
    void *state;
} law_test;
#define LAW_TEST(function)                                                                         \
    { #function, function, NULL }

// Runs the tests and returns the number that failed.
int run_law_tests(const char *group, const law_test *tests, size_t count);

// Called after the tests: prints the lines of all failures once more or, if there are none, the
// claimed laws that no test has checked. Returns the number of these laws.
int print_failures(void);

// The law that a signal breaks: `returns`, unless a test sets another one for a call.
extern law signal_breaks;

// Exit with status 1 after the first line, for tests of the suite itself.
extern bool stop_at_first;
