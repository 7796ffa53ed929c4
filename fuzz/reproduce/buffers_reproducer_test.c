// What is written of buffers is a program that compiles, alone with alloc/, and shows the bug: of
// mutants of each kind, from traces that fuzzing found them by, and nothing of the right code. What
// was recorded while a bug was there says nothing any more when it is gone.
#include "fuzz/play/buffers_input.h"
#include "fuzz/reproduce/recorder/recorder.h"
#include "fuzz/reproduce/reproducer_program.h"

#include <string.h>

enum { SEEDS = 12 };

// ---- Recording ----------------------------------------------------------------------------------

typedef struct play {
    const trace *trace;
    const lm_counts *counts; // NULL: as the world says
    FILE *calls;
} play;

static int record_here(void *context) {
    static buffer_player player;
    static buffers_world world;
    const play *p = context;
    const trace *t = p->trace;
    const buffer_limits limits = buffer_limits_of(t);
    buffers_world_choice choice;
    if (!buffers_world_of(t, &choice) || !buffers_world_create(&world) ||
        !buffer_player_create(&player, &limits, BUFFERS_CONTENT_BYTES))
        return 1;
    if (!buffers_world_start(&world, &choice, 1, t->operations, t->count))
        return 0; // a heap has no room, here nor there
    const lm_counts *counts = choice.atomic ? &lm_counts_atomic : &lm_counts_plain;
    buffer_player_options options = {.counts = p->counts ? p->counts : counts,
                                     .memories = world.served,
                                     .count = choice.count,
                                     .skipped = choice.skipped,
                                     .budget = buffers_budgets[choice.budget]};
    recorder_start(p->calls, &player, &options);
    recorder_play(&player, &options, t->operations, t->count);
    fflush(p->calls);
    return 0;
}

// The calls that a trace comes to.
static FILE *record(const trace *trace, const lm_counts *counts) {
    play p = {trace, counts, tmpfile()};
    child_end end;
    assert_non_null(p.calls);
    child_wait(child_call(record_here, &p, false), 60, &end);
    rewind(p.calls);
    if (!end.ok && end.signal == 0) fail_msg("recording: %s", end.text); // else the bug ended it
    return p.calls;
}

// ---- Programs -----------------------------------------------------------------------------------

static trace parse(const char *text) {
    trace trace;
    trace_error error;
    if (!trace_parse(text, strlen(text), &trace, &error)) fail_msg("%s", error.text);
    return trace;
}

// Returns how the program ends, with the sources as a command changes them.
static int run_program(const trace *trace, FILE *calls, const char *change) {
    const trial trial = {.target = trial_target_named("buffers")};
    const failure failure = {.law = "count", .how = "so it was"};
    assert_true(trial.target->read_world(trace));
    return run_reproducer(&trial, trace, &failure, calls, change);
}

// ---- Mutants ------------------------------------------------------------------------------------

// A mutant of fuzz/mutants, and a trace that shows it.
typedef struct shown {
    const char *mutant, *trace;
} shown;

static const shown cases[] = {
    // status
    {"retain-overflows", "# world: atomic still 0: next_fit\nb 0 0\n+ 1 0\n+ 2 0\n+ 3 0\n+ 4 0\n"
                         "+ 5 0\n+ 6 0\n+ 7 0\ne\n- 0\n- 1\n- 2\n- 3\n- 4\n- 5\n- 6\n- 7\n"},
    {"slot-keeps-generation", "# world: plain moving 0: paged\nb 0 8\n- 0\nb 0 8\n- 0\n"},
    {"slot-retired-too-early",
     "# world: plain still 0: tlsf\nb 0 8\n- 0\nb 0 8\n- 0\nb 0 8\n- 0\nb 0 8\n- 0\n"},
    {"sibling-of-another-owner", "# world: plain still 0: tlsf\nb 0 8\n@ 0 0\nm 1\nb 1 8\n"
                                 "@ 1 1\n~ 0\n~ 1\n- 0\n- 1\n"},
    {"pointer-outlives-its-view", "# world: plain still 0: tlsf\nb 0 8\nv 1 0 u8 0 8\n- 1\n- 0\n"},
    {"memory-number-with-a-sign",
     "# world: plain still 0 127: tlsf imported_aligned\nb 0 8\nm 1\nb 1 8 64\n- 0\n- 1\n"},
    // count
    {"peak-misses-resizes",
     "# world: plain still 0: tlsf\nb 0 0\nb 1 0\nb 2 0\nb 3 0\nb 4 0\nb 5 0\nb 6 1000\n"
     "- 0\n- 1\n- 2\n- 3\n- 4\n- 5\n- 6\n"},
    {"wrong-held-value",
     "# world: plain still 0: tlsf\nb 0 8\nb 1 8\n@ 0 0\n~ 0\n@ 0 1\nc 0\nd\n- 0\n"},
    // death
    {"released-twice", "# world: atomic still 0: next_fit\nb 0 0\nv 1 0 u8 0 0\n- 0\n- 1\n"},
    // safepoint
    {"enqueue-makes-room",
     "# world: plain still 0: tlsf\nb 0 8\nb 1 8\nb 2 8\nb 3 8\n@ 0 0\n@ 1 1\n@ 2 2\n- 3\n"
     "c 0\nd\n~ 1\n~ 2\n- 1\n- 2\n"},
    {"enqueue-frees",
     "# world: plain still 0: imported_calloc\nb 0 0\n@ 0 0\nb 1 0\n@ 1 1\nc 0\nc 1\nd\n"},
    // content
    {"clamped-copy-keeps-bits",
     "# world: atomic still 1: paged scope imported_calloc\nb 0 0\nb 1 0\nb 2 2\n"
     "v 3 2 c8 0 2\nv 4 2 i8 0 2\ny 3 4 0 0 2\n- 0\n- 1\n- 2\n- 3\n- 4\n"},
    {"nan-kept", "# world: plain still 0: tlsf\nb 0 8\nb 1 4\nv 2 0 f64 0 1\nv 3 1 f32 0 1\n"
                 "y 3 2 0 0 1\n- 0\n- 1\n- 2\n- 3\n"},
    // zero
    {"aligned-buffer-not-zeroed",
     "# world: atomic still 0: paged half_fit\nb 0 0\nb 1 1 32\n- 0\n- 1\n"},
    // misuse
    {"adopted-end-wraps",
     "# world: atomic still 0: first_fit first_fit bump\n! bad_block 0 4294967288\n"},
    // quiescence
    {"table-end-leaks", "# world: plain still 0: segregated\nb 0 10\n- 0\n"},
};

static void a_program_shows_each_bug(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[1000], change[200];
        snprintf(text, sizeof text, "linmem-trace 1\n%s", cases[i].trace);
        snprintf(change, sizeof change, "patch -p1 < $mutants/%s.patch", cases[i].mutant);
        trace t = parse(text);
        FILE *calls = record(&t, NULL);
        int right = run_program(&t, calls, "true");
        int mutated = run_program(&t, calls, change);
        if (right != 0 || mutated != 1)
            fail_msg("%s: exits with %d, and of the right code with %d", cases[i].mutant, mutated,
                     right);
        fclose(calls);
        trace_free(&t);
    }
}

// ---- No bug -------------------------------------------------------------------------------------

// An input that is as fuzzing makes them, as a trace.
static trace make_trace(unsigned seed) {
    enum { MUTATIONS = 80, BYTES_MAX = 2048 };
    static uint8_t bytes[BYTES_MAX];
    static trace_operation operations[BUFFERS_INPUT_OPERATIONS_MAX];
    buffers_world_choice choice;
    char line[100] = BUFFERS_WORLD;
    size_t used = 0;
    trace trace;
    trace_error error;
    for (unsigned i = 0; i < MUTATIONS; i++)
        used = buffers_input_mutate(bytes, used, BYTES_MAX, seed * MUTATIONS + i);
    size_t count =
        buffers_input_decode(bytes, used, &choice, operations, BUFFERS_INPUT_OPERATIONS_MAX);
    buffers_world_print(&choice, line + strlen(line), sizeof line - strlen(line));
    assert_true(trace_make(operations, count, line, &trace, &error));
    return trace;
}

static void a_program_is_silent_of_right_code(void **state) {
    (void)state;
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        trace t = make_trace(seed);
        FILE *calls = record(&t, NULL);
        if (run_program(&t, calls, "true") != 0) fail_msg("seed %u: it is not silent", seed);
        fclose(calls);
        trace_free(&t);
    }
}

// ---- Bugs that are there ------------------------------------------------------------------------

static lm_status release_nothing(lm_buffer_table *table, uint32_t owner, lm_handle handle) {
    (void)table, (void)owner, (void)handle;
    return LM_OK;
}
static lm_status share_itself(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                              uint32_t with, lm_handle *shared) {
    (void)with;
    *shared = handle;
    return lm_counts_plain.retain(table, owner, handle);
}
static lm_status describe_one_more(lm_buffer_table *table, uint32_t owner, lm_handle handle,
                                   lm_buffer_info *info) {
    lm_status status = lm_counts_plain.describe(table, owner, handle, info);
    info->references++;
    return status;
}
static lm_status create_trapping(lm_buffer_table *table, uint32_t owner, uint32_t memory,
                                 uint32_t size, uint32_t alignment, bool zeroed,
                                 lm_handle *handle) {
    (void)table, (void)owner, (void)memory, (void)size, (void)alignment, (void)zeroed, (void)handle;
    __builtin_trap();
}

#define BROKEN(member, function, is)                                                               \
    {                                                                                              \
        offsetof(lm_counts, member), (void (*)(void))function,                                     \
            "sed -i 's/return table->counts->" #member "(.*/" is "/' alloc/buffers/buffer.h"       \
    }

static void a_program_is_silent_when_the_bug_is_gone(void **state) {
    (void)state;
    static const struct {
        size_t member;
        void (*function)(void);
        const char *change;
    } bugs[] = {
        BROKEN(release, release_nothing, "return LM_OK;"),
        BROKEN(share, share_itself,
               "return *shared = handle, lm_counts_plain.retain(table, owner, handle);"),
        BROKEN(describe, describe_one_more,
               "lm_status s = lm_counts_plain.describe(table, owner, handle, info); "
               "info->references++; return s;"),
        BROKEN(create, create_trapping, "__builtin_trap();"),
    };
    trace t =
        parse("linmem-trace 1\n# world: plain still 0: tlsf bump\nb 0 10\nm 1\n+ 1 0\nb 2 20\n"
              "m 0\nb 3 30\n- 0\n- 1\n- 2\n- 3\n");
    for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++) {
        lm_counts broken = lm_counts_plain;
        memcpy((char *)&broken + bugs[i].member, &bugs[i].function, sizeof bugs[i].function);
        FILE *calls = record(&t, &broken);
        int right = run_program(&t, calls, "true");
        int changed = run_program(&t, calls, bugs[i].change);
        if (right != 0 || changed != 1)
            fail_msg("%s: exits with %d, and of the right code with %d", bugs[i].change, changed,
                     right);
        fclose(calls);
    }
    trace_free(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_shows_each_bug),
        cmocka_unit_test(a_program_is_silent_of_right_code),
        cmocka_unit_test(a_program_is_silent_when_the_bug_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
