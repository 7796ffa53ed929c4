// The shipped traces: valid, of a limited size, and with their sources in the preamble.
#include "cli/test.h"
#include "corpus/trace/trace.h"

#include <glob.h>
#include <sys/stat.h>

enum { TRACES_MIN = 11, OPERATIONS_MIN = 100000, OPERATIONS_MAX = 3000000, BYTES_MAX = 10 << 20 };

// Calls of the program's own: neither changes of lane nor what closes the trace.
static size_t count_operations(const trace *trace) {
    size_t count = 0;
    for (size_t i = 0; i < trace->count && trace->operations[i].verb != TRACE_EXIT; i++)
        count += trace->operations[i].verb != TRACE_LANE;
    return count;
}

static bool holds_exit(const trace *trace) {
    for (size_t i = trace->count; i > 0; i--)
        if (trace->operations[i - 1].verb == TRACE_EXIT) return true;
    return false;
}

static void check_trace(const char *path) {
    static const char *const told[] = {"# program: ", "# input: ", "# command: "};
    trace trace;
    trace_error error;
    if (!trace_read(path, &trace, &error)) fail_msg("%s: %s", path, error.text);
    size_t operations = count_operations(&trace);
    if (operations < OPERATIONS_MIN || operations > OPERATIONS_MAX)
        fail_msg("%s: %zu operations", path, operations);
    if (!holds_exit(&trace)) fail_msg("%s: the program's exit is missing", path);
    for (size_t i = 0; i < ITEMS(told); i++)
        if (!strstr(trace.preamble, told[i])) fail_msg("%s: no line '%s'", path, told[i]);
    trace_free(&trace);
}

TEST(test_shipped_traces) {
    glob_t found;
    assert_int_equal(glob("corpus/traces/*", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= TRACES_MIN);
    off_t bytes = 0;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct stat status;
        assert_int_equal(stat(found.gl_pathv[i], &status), 0);
        bytes += status.st_size;
        check_trace(found.gl_pathv[i]);
    }
    globfree(&found);
    assert_true(bytes <= BYTES_MAX);
}

TEST_MAIN(NULL, NULL)
