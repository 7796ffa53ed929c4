// Runs of a trace in a child process report broken laws, hangs and crashes; the C programs written
// for them show the bug of a strategy that has one, and nothing for the right code.
#include "alloc/registry.h"
#include "cli/test.h"
#include "fuzz/oracle/steps.h"
#include "fuzz/reproduce/reproducer_program.h"

#include <string.h>
#include <unistd.h>

static void assert_breaks_counted(const lm_allocator *allocator, bool counted, const trace *trace,
                                  const char *law) {
    trace_run run = {.target = trace_run_target_named("heap"),
                     .allocator = allocator,
                     .counted = counted,
                     .seconds = 60};
    failure failure;
    trace_run_play(&run, trace, &failure);
    if (strcmp(failure.law, law) != 0)
        fail_msg("%s: '%s' is expected, found '%s' (%s)", allocator->name, law, failure.law,
                 failure.how);
}

static void assert_breaks(const lm_allocator *allocator, const trace *trace, const char *law) {
    assert_breaks_counted(allocator, false, trace, law);
}

// ---- Broken laws --------------------------------------------------------------------------------

static const lm_allocator *right; // which the broken ones call

static void *allocate_slowly(size_t size, lm_memory *m) {
    steps_taken += 10000;
    return right->allocate(size, m);
}
static uint32_t frees; // so far
static void *search_block_by_block(size_t size, lm_memory *m) {
    steps_taken += frees;
    return right->allocate(size, m);
}
static void count_free(void *block, size_t size, lm_memory *m) {
    frees++;
    right->free(block, size, m);
}
static void *allocate_forever(size_t size, lm_memory *m) {
    (void)size, (void)m;
    for (;;)
        pause();
    return NULL;
}
static void *allocate_from_new_pages(size_t size, lm_memory *m) {
    if (size > 3000000) lm_memory_refuse(m, LM_REFUSE_ALL); // though a free end would be joined
    void *block = right->allocate(size, m);
    lm_memory_refuse(m, 0);
    return block;
}
static void free_by_its_thread(void *block, size_t size, lm_memory *m) {
    if (m->thread == 0 || size) right->free(block, size, m);
}
static trace parse(const char *text) {
    trace trace;
    trace_error error;
    if (!trace_parse(text, strlen(text), &trace, &error)) fail_msg("%s", error.text);
    return trace;
}

// A search among few blocks takes few steps.
TEST(checkerboards_are_counted) {
    trace t = parse("linmem-trace 1\na 0 100\na 1 100\nf 1\nr 0 200\nf 0\na 2 8\nf 2\n");
    right = lm_strategy_named("tlsf", 0);
    lm_allocator broken = *right;
    broken.free = count_free;
    assert_breaks_counted(&broken, true, &t, "");
    broken.allocate = search_block_by_block;
    assert_breaks_counted(&broken, true, &t, "steps");
    trace_free(&t);
}

// Freed blocks that no thread can allocate again, and a request that fails though the free end of
// the heap could serve it.
TEST(unused_free_memory_is_reported) {
    trace lanes = parse("linmem-trace 1\na 0 100\na 1 100\nf 0\nt 1\nf 1\n");
    trace end = parse("linmem-trace 1\nh 16 90 160\na 1 4000000\nf 1\n");
    trace behind = parse("linmem-trace 1\nh 16 62 135\na 0 2097153\nf 0\n"); // the end, and a table
    right = lm_strategy_named("paged_shared", 0);
    lm_allocator broken = *right;
    broken.free = free_by_its_thread;
    assert_breaks(right, &lanes, "");
    assert_breaks(&broken, &lanes, "threads");
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        assert_breaks(lm_strategy_at(i, 1), &end, "");
        assert_breaks(lm_strategy_at(i, 1), &behind, "");
    }
    right = lm_strategy_named("buddy", 0);
    broken = *right;
    broken.allocate = allocate_from_new_pages;
    assert_breaks(&broken, &end, "served");
    trace_free(&lanes);
    trace_free(&end);
    trace_free(&behind);
}

TEST(a_run_survives_a_hang) {
    trace t = parse("linmem-trace 1\na 0 100\nf 0\n");
    right = lm_strategy_named("tlsf", 0);
    lm_allocator broken = *right;
    trace_run run = {
        .target = trace_run_target_named("heap"), .allocator = &broken, .seconds = 0.2};
    failure failure;
    broken.allocate = allocate_forever;
    assert_true(trace_run_play(&run, &t, &failure));
    assert_string_equal(failure.law, "hang");
    assert_int_equal(failure.at, 0);
    broken.allocate = allocate_slowly;
    run.counted = true;
    run.seconds = 60;
    assert_true(trace_run_play(&run, &t, &failure));
    assert_string_equal(failure.law, "steps");
    trace_free(&t);
}

static const char *crash_on_damage(lm_memory *m, lm_census *counted) {
    const char *law = right->validate(m, counted);
    if (law) *(volatile char *)NULL = 0;
    return law;
}
static void *crash_for_100(size_t size, lm_memory *m) {
    if (size == 100) *(volatile char *)NULL = 0;
    return right->allocate(size, m);
}
static void *take_all_memory(size_t size, lm_memory *m) {
    if (size != 100) return right->allocate(size, m);
    if (lm_memory_grow(m, LM_PAGES_MAX - 1) == LM_GROW_REFUSED) return NULL;
    for (uint64_t at = 1 << 20;; at += 4096)
        lm_memory_base(m)[at % ((uint64_t)LM_PAGES_MAX * LM_PAGE_BYTES)] = 1;
}

// A run that ends in a call names it.
TEST(a_run_names_the_call_that_ends_it) {
    trace t = parse("linmem-trace 1\nh 16 1 65536\na 0 30\na 1 100\nf 0\nf 1\n");
    right = lm_strategy_named("tlsf", 0);
    lm_allocator broken = *right;
    trace_run run = {.target = trace_run_target_named("heap"), .allocator = &broken, .seconds = 60};
    failure failure;
    broken.allocate = crash_for_100;
    assert_true(trace_run_play(&run, &t, &failure));
    assert_string_equal(failure.law, "crash");
    assert_string_equal(failure.how, "allocate(100) is killed by SIGSEGV");
    broken.allocate = take_all_memory;
    assert_true(trace_run_play(&run, &t, &failure));
    assert_string_equal(failure.law, "memory");
    assert_string_equal(failure.how, "allocate(100) takes more than 2 GiB");
    broken.allocate = allocate_forever;
    run.seconds = 0.2;
    assert_true(trace_run_play(&run, &t, &failure));
    assert_string_equal(failure.law, "hang");
    assert_non_null(strstr(failure.how, "allocate(30) does not return: timed out after "));
    trace_free(&t);
}

// Only if the run damages the heap.
TEST(a_walk_over_a_damaged_heap_is_named) {
    trace t = parse("linmem-trace 1\na 0 100\nf 0\n");
    right = lm_strategy_named("tlsf", 1);
    lm_allocator broken = *right;
    broken.validate = crash_on_damage;
    trace_run run = {.target = trace_run_target_named("heap"), .allocator = &broken, .seconds = 60};
    failure failure;
    assert_false(trace_run_play(&run, &t, &failure));
    run.damaged = true;
    assert_true(trace_run_play(&run, &t, &failure));
    assert_string_equal(failure.law, "survives");
    assert_non_null(strstr(failure.how, "validate crashes (Segmentation fault), over a heap whose "
                                        "word at "));
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        run.allocator = lm_strategy_at(i, 1);
        if (trace_run_play(&run, &t, &failure))
            fail_msg("%s: %s", run.allocator->name, failure.how);
    }
    trace_free(&t);
}

// ---- Programs -----------------------------------------------------------------------------------

static char law_said[48];

static int run_changed(const trace_run *run, const trace *trace, const char *change) {
    const failure failure = {.law = "disjoint", .how = "so it was"};
    return run_reproducer(run, trace, &failure, change, law_said);
}

TEST(a_program_shows_the_bug) {
    trace t = parse("linmem-trace 1\nh 16 1 64\na 0 100\ng 1\na 1 70000\nn 1\nr 0 65000\nn *\n(\n"
                    "a 2 70000 4096\n)\nx\nw\nz 3 9\ne\nf 3\n");
    trace_run run = {.target = trace_run_target_named("heap"),
                     .allocator = lm_strategy_named("bump", 1)};
    assert_int_equal(run_changed(&run, &t, "true"), 0);
    // A foreign growth is ignored.
    assert_int_equal(run_changed(&run, &t,
                                 "sed -i 's/if (at != r->is.end)/if (at == 1)/' "
                                 "alloc/strategies/bump.c"),
                     1);
    run.allocator = lm_strategy_named("paged_shared", 1);
    trace lanes = parse("linmem-trace 1\na 0 0\na 1 0\na 2 0\na 3 0\nt 1\ne\nf 0\nf 1\nf 2\nf 3\n");
    assert_int_equal(run_changed(&run, &lanes, "true"), 0);
    assert_int_equal(run_changed(&run, &lanes, "patch -p1 <$mutants/paged_shared-mail-lost.patch"),
                     1);
    trace_free(&lanes);
    run.counted = true;
    run.allocator = lm_strategy_named("tlsf", 0);
    assert_int_equal(run_changed(&run, &t, "true"), 0);
    assert_int_equal(
        run_changed(&run, &t,
                    "sed -i 's/^static bool start.*/&\\n"
                    "for (volatile int i = 0; i < 9; i++);/' alloc/strategies/fit/tlsf.c"),
        0);
    assert_int_equal(run_changed(&run, &t, "patch -p1 <$mutants/tlsf-walks-its-bin.patch"), 1);
    trace_free(&t);
}

// The program makes wrong calls of all kinds; each traps.
TEST(a_program_makes_wrong_calls) {
    trace t = parse(
        "linmem-trace 1\na 0 64\na 1 64\nf 0\n! interior 1 8\n! interior 1 16\n! foreign 0 64\n"
        "! far 1 1\n! null 0 8\n! wrong_size 1 0\n! measure_freed 0 0\n"
        "! resize_freed 0 32\n! double_free 0 0\n! close_unopened 0 0\nf 1\n");
    trace_run run = {.target = trace_run_target_named("misuse"), .seconds = 60};
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        run.allocator = lm_strategy_at(i, 1);
        assert_int_equal(run_changed(&run, &t, "true"), 0);
    }
    run.allocator = lm_strategy_named("segregated", 1);
    assert_int_equal(
        run_changed(&run, &t, "patch -p1 <$mutants/segregated-double-free-accepted.patch"), 1);
    run.allocator = lm_strategy_named("paged", 1);
    assert_int_equal(run_changed(&run, &t, "patch -p1 <$mutants/paged-interior-pointer.patch"), 1);
    trace_free(&t);
}

// The program damages the word that the finding names.
TEST(a_program_walks_a_damaged_heap) {
    trace t = parse("linmem-trace 1\na 0 100\nf 0\n");
    trace_run run = {.target = trace_run_target_named("heap"),
                     .allocator = lm_strategy_named("tlsf", 1),
                     .damaged = true};
    failure failure = {.law = "survives",
                       .how =
                           "validate crashes, over a heap whose word at 16 is 0xffffffff instead "
                           "of 0x1"};
    assert_int_equal(run_reproducer(&run, &t, &failure, "true", law_said), 0);
    assert_int_equal(
        run_reproducer(&run, &t, &failure,
                       "sed -i 's/^static const char \\*boundary_validate(.*{$/&\\n"
                       "if (*(uint32_t *)lm_at(memory, 16) == 0xffffffff) "
                       "*(volatile char *)0 = 0;/' alloc/strategies/fit/boundary_tags.inc.h",
                       law_said),
        1);
    trace_free(&t);
}

// It exits with 1 after a stack overflow too, with and without sanitizers.
TEST(a_program_shows_a_stack_overflow) {
    trace t = parse("linmem-trace 1\na 0 13\nf 0\n");
    trace_run run = {.target = trace_run_target_named("heap"),
                     .allocator = lm_strategy_named("tlsf", 1)};
    static const char change[] =
        "sed -i 's/^static void \\*boundary_allocate(size_t.*{$/"
        "static int deep(volatile int d) { volatile char f[4096]; f[0] = (char)d; "
        "return d < 0 ? 0 : deep(d + 1) + f[0]; }\\n&\\nif (size == 13) deep(0);/' "
        "alloc/strategies/fit/boundary_tags.inc.h";
    assert_int_equal(run_changed(&run, &t, change), 1);
    run.program = "sanitized";
    assert_int_equal(run_changed(&run, &t, change), 1);
    trace_free(&t);
}

static lm_allocator small;
static void *allocate_small_ones(size_t size, lm_memory *m) {
    return size > 1000 ? NULL : right->allocate(size, m);
}

// One strategy refuses a request that the others serve: it alone is reported.
TEST(a_program_shows_a_disagreement) {
    trace t = parse("linmem-trace 1\na 0 100\na 1 2147483648\nf 0\nf 1\n");
    trace_run run = {.target = trace_run_target_named("differential"), .seconds = 60};
    failure failure;
    right = lm_strategy_named("bitmap", 1);
    run.allocator = right;
    assert_false(trace_run_play(&run, &t, &failure));
    small = *right;
    small.allocate = allocate_small_ones;
    run.allocator = &small;
    assert_true(trace_run_play(&run, &t, &failure));
    failure = (struct failure){"agreement", "bitmap refuses", 1};
    run.allocator = right;
    assert_int_equal(run_reproducer(&run, &t, &failure, "true", law_said), 0);
    assert_int_equal(run_reproducer(&run, &t, &failure,
                                    "patch -p1 <$mutants/bitmap-large-sizes-are-negative.patch",
                                    law_said),
                     1);
    trace_free(&t);
}

TEST_MAIN(NULL, NULL)
