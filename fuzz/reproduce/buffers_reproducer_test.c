// The C programs written for buffers compile by the command in their first lines and show the bug,
// in each kind of world, and nothing for the right code.
#include "cli/test.h"
#include "fuzz/reproduce/reproducer_program.h"

#include <string.h>

// Returns the exit status of the program, compiled with sources that a shell command has changed.
static int run_text(const char *text, const char *law, bool sanitized, const char *change,
                    char said[48]) {
    const trace_run run = {.target = trace_run_target_named("buffers"),
                           .program = sanitized ? "sanitized" : NULL};
    failure failure = {.how = "so it was"};
    trace trace;
    trace_error error;
    if (!trace_parse(text, strlen(text), &trace, &error)) fail_msg("%s", error.text);
    snprintf(failure.law, sizeof failure.law, "%s", law);
    assert_true(run.target->read_world(&trace));
    int status = run_reproducer(&run, &trace, &failure, change, said);
    trace_free(&trace);
    return status;
}

static void assert_shows(const char *trace, const char *law, bool sanitized, const char *change) {
    char text[1000], said[48];
    snprintf(text, sizeof text, "linmem-trace 1\n# world: %s", trace);
    int right = run_text(text, law, sanitized, "true", said);
    if (right != 0) fail_msg("%s: of the right code it exits with %d (%s)", change, right, said);
    int mutated = run_text(text, law, sanitized, change, said);
    if (mutated != 1 || strcmp(said, law) != 0)
        fail_msg("%s: it exits with %d and says that '%s' is broken, not '%s'", change, mutated,
                 said, law);
}

TEST(a_program_shows_each_bug) {
    static const struct {
        const char *law, *mutant, *trace;
    } cases[] = {
        {"status", "slot-keeps-generation", "plain moving 0: paged\nb 0 8\n- 0\nb 0 8\n- 0\n"},
        {"status", "memory-number-with-a-sign",
         "plain still 0 127: tlsf imported_aligned\nb 0 8\nm 1\nb 1 8 64\n- 0\n- 1\n"},
        {"status", "budget-of-the-peak", "plain still 1: bump\nb 0 200\n- 0\nb 0 100\n- 0\n"},
        {"count", "transfer-loses-what-was-retained", // by another thread
         "atomic still 0: tlsf tlsf\nb 0 8\nb 1 8\nb 2 8\n> 0 1\n> 1 1\n> 2 1\n- 0\n- 1\n- 2\n"},
        {"death", "freed-by-the-buffers-size",
         "atomic still 0: paged_shared imported\nb 0 8\nm 1\nb 1 8 64\nt 1\n- 0\n- 1\n"},
        {"safepoint", "enqueue-frees",
         "plain still 0: imported_calloc\nb 0 0\n@ 0 0\nb 1 0\n@ 1 1\nc 0\nc 1\nd\n"},
        {"content", "clamped-copy-keeps-bits",
         "atomic still 1: paged scope imported\nb 0 0\nb 1 0\nb 2 2\nv 3 2 c8 0 2\nv 4 2 i8 0 2\n"
         "y 3 4 0 0 2\n- 0\n- 1\n- 2\n- 3\n- 4\n"},
        {"quiescence", "table-end-leaks", "plain still 0: segregated\nb 0 10\n- 0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char change[200];
        snprintf(change, sizeof change, "patch -p1 <$mutants/%s.patch", cases[i].mutant);
        assert_shows(cases[i].trace, cases[i].law, false, change);
    }
}

#define IN_CREATE(statement)                                                                       \
    "sed -i 's/return table->counts->create(/" statement " &/' alloc/buffers/buffer.h"

TEST(a_program_shows_traps_and_sanitizers) {
    static const char trace[] = "plain still 0: tlsf\nb 0 8\n- 0\n";
    assert_shows(trace, "returns", false, IN_CREATE("__builtin_trap();"));
    assert_shows(trace, "ubsan", true, IN_CREATE("volatile int bits = 33; bits = 1 << bits;"));
}

TEST_MAIN(NULL, NULL)
