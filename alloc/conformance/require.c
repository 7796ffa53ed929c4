#include "alloc/conformance/tested.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINES_KEPT = 40, LINE_BYTES = 500, TEST_SECONDS_MAX = 600 };

// Shared with the children of a test, so that the parent can print their lines once more.
static struct {
    unsigned count;
    char lines[LINES_KEPT][LINE_BYTES];
} * failures;

bool stop_at_first;
law signal_breaks;
static bool checked[LAWS];
static const char *test_name = "none";
static bool has_operation;
static uint64_t at_seed;
static unsigned at_number;

void at_operation(uint64_t seed, unsigned operation) {
    has_operation = true;
    at_seed = seed;
    at_number = operation;
}

bool law_checked(law which, bool held) {
    checked[which] = true;
    return held;
}

static void print_line(law broken, const char *found, va_list arguments) {
    char call[160], what[LINE_BYTES], where[80] = "", line[LINE_BYTES];
    call_print(calls_last(), call, sizeof call);
    vsnprintf(what, sizeof what, found, arguments);
    if (has_operation)
        snprintf(where, sizeof where, ", seed %llu, operation %u", (unsigned long long)at_seed,
                 at_number);
    snprintf(line, sizeof line, "conformance: %s, level %d: law %s: %s: %s (test %s%s)",
             tested->name, tested->check_level, law_names[broken], call, what, test_name, where);
    fprintf(stderr, "%s\n    law %s: %s\n", line, law_names[broken], law_texts[broken]);
    if (failures && failures->count < LINES_KEPT)
        memcpy(failures->lines[failures->count++], line, sizeof line);
    if (stop_at_first) _exit(1);
}

void law_print(law broken, const char *found, ...) {
    va_list arguments;
    va_start(arguments, found);
    print_line(broken, found, arguments);
    va_end(arguments);
}

void law_fail(law broken, const char *file, int line, const char *found, ...) {
    va_list arguments;
    va_start(arguments, found);
    print_line(broken, found, arguments);
    va_end(arguments);
    _fail(file, line);
    abort(); // cmocka's function does not return, and does not say so
}

void law_fail_that(law broken, const char *file, int line, const char *found_text, uint64_t found,
                   const char *op, const char *expected_text, uint64_t expected) {
    char number[32], text[160] = "";
    snprintf(number, sizeof number, "%llu", (unsigned long long)expected);
    if (strcmp(expected_text, number) != 0) snprintf(text, sizeof text, " (%s)", expected_text);
    bool equal = strcmp(op, "==") == 0;
    law_fail(broken, file, line, "%s is %llu, expected %s%s%s%s", found_text,
             (unsigned long long)found, equal ? "" : op, equal ? "" : " ", number, text);
}

void require_zero_at(const unsigned char *block, size_t bytes, const char *file, int line) {
    size_t at = 0;
    if (law_checked(LAW_zero, pattern_reads_as_zero(block, bytes))) return;
    while (block[at] == 0)
        at++;
    law_fail(LAW_zero, file, line, "byte %zu is %#x, expected 0", at, block[at]);
}

void require_filled_at(const unsigned char *block, size_t bytes, size_t filled_bytes,
                       uint32_t number, const char *file, int line) {
    uint64_t wrong = pattern_check(block, number, filled_bytes, bytes);
    if (law_checked(LAW_content, wrong == PATTERN_HOLDS)) return;
    law_fail(LAW_content, file, line, "byte %llu of %zu of a live block has changed, to %#x",
             (unsigned long long)wrong, bytes, block[wrong]);
}

// ---- Tests --------------------------------------------------------------------------------------

static void broke(int number) {
    if (number == SIGALRM)
        law_fail(LAW_returns, __FILE__, __LINE__, "did not return within %d s", TEST_SECONDS_MAX);
    law_fail(signal_breaks, __FILE__, __LINE__, "%s", strsignal(number));
}

// As a test of cmocka. Its own handlers were installed before: they name no call.
static void run_law_test(void **state) {
    const law_test *test = *state;
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE, SIGALRM};
    struct sigaction action = {.sa_handler = broke, .sa_flags = SA_NODEFER};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        sigaction(signals[i], &action, NULL);
    test_name = test->name;
    has_operation = false;
    signal_breaks = LAW_returns;
    alarm(TEST_SECONDS_MAX);
    void *initial = test->state;
    test->run(&initial);
    alarm(0);
    law_checked(LAW_returns, true);
}

int run_law_tests(const char *group, const law_test *tests, size_t count) {
    struct CMUnitTest units[40];
    assert_true(count <= sizeof units / sizeof *units);
    if (!failures) {
        failures =
            mmap(NULL, sizeof *failures, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (failures == MAP_FAILED) failures = NULL;
    }
    for (size_t i = 0; i < count; i++)
        units[i] = (struct CMUnitTest){.name = tests[i].name,
                                       .test_func = run_law_test,
                                       .initial_state = (void *)(uintptr_t)&tests[i]};
    return _cmocka_run_group_tests(group, units, count, NULL, NULL);
}

int print_failures(void) {
    const lm_allocator *a = tested;
    const bool claimed[] = {
#define LAW(name, claimed, statement) claimed,
#include "alloc/conformance/laws.def"
#undef LAW
    };
    int unchecked = 0;
    unsigned count = failures ? failures->count : 0;
    for (int i = 0; i < LAWS && count == 0; i++) { // a test that failed has checked less
        if (!claimed[i] || checked[i]) continue;
        fprintf(stderr, "conformance: %s, level %d: law %s: no test has checked it\n", a->name,
                a->check_level, law_names[i]);
        unchecked++;
    }
    if (count) fprintf(stderr, "\n%u failures:\n", count);
    for (unsigned i = 0; i < count; i++)
        fprintf(stderr, "%s\n", failures->lines[i]);
    return unchecked;
}
