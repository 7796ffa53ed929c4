// What an author reads when a strategy is wrong: the example of conformance/minimal.c with one
// fault each. The first line that the suite prints names the law, the call and the values.
#include "alloc/conformance/tested.h"
#include "cli/test.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static const lm_allocator *good;
static lm_allocator bad;

static void *allocate_without_header(size_t size, lm_memory *memory) {
    return good->allocate(size < 4 ? size : size - 4, memory);
}
static void header_is_not_counted(void) {
    bad.allocate = allocate_without_header;
}

static void zeroed_is_not_cleared(void) {
    bad.allocate_zeroed = good->allocate;
}

static void *allocate_as_clean(size_t size, size_t *dirty, lm_memory *memory) {
    *dirty = 0;
    return good->allocate(size, memory);
}
static void dirty_bytes_are_denied(void) {
    bad.allocate_dirty = allocate_as_clean;
}

static void *allocate_as_dirty(size_t size, size_t *dirty, lm_memory *memory) {
    *dirty = size;
    return good->allocate(size, memory);
}
static void all_is_called_dirty(void) {
    bad.allocate_dirty = allocate_as_dirty;
}

static void *resize_short(void *block, size_t size, lm_memory *memory) {
    size_t kept = good->usable_size(block, memory);
    size_t offset = (size_t)((unsigned char *)block - lm_memory_base(memory));
    unsigned char *to = good->allocate(size, memory);
    if (!to) return NULL;
    memcpy(to, lm_memory_base(memory) + offset, (kept < size ? kept : size) / 2);
    good->free(lm_memory_base(memory) + offset, 0, memory);
    return to;
}
static void resize_copies_half(void) {
    bad.resize = resize_short;
}

static void *resize_losing(void *block, size_t size, lm_memory *memory) {
    void *to = good->resize(block, size, memory);
    if (!to) good->free(block, 0, memory);
    return to;
}
static void failed_resize_frees(void) {
    bad.resize = resize_losing;
}

static void free_nothing(void *block, size_t size, lm_memory *memory) {
    (void)block, (void)size, (void)memory;
}
static void free_loses_the_block(void) {
    bad.free = free_nothing;
}

static const char *validate_blindly(lm_memory *memory, lm_census *census) {
    (void)memory;
    if (census) *census = (lm_census){0};
    return NULL;
}
static void validate_counts_nothing(void) {
    bad.validate = validate_blindly;
}

static const char *validate_kindly(lm_memory *memory, lm_census *census) {
    good->validate(memory, census);
    return NULL;
}
static void validate_finds_nothing(void) {
    bad.validate = validate_kindly;
}

static void *allocate_unaligned(size_t alignment, size_t size, lm_memory *memory) {
    (void)alignment;
    return good->allocate(size, memory);
}
static void alignment_is_ignored(void) {
    bad.allocate_aligned = allocate_unaligned;
}

static void *resize_crashing(void *block, size_t size, lm_memory *memory) {
    if (size == 0) raise(SIGSEGV);
    return good->resize(block, size, memory);
}
static void resize_to_nothing_crashes(void) {
    bad.resize = resize_crashing;
}

static uint64_t no_bytes(const lm_demand *demand) {
    return demand->live_blocks;
}
static void bound_is_too_low(void) {
    bad.heap_bytes_max = no_bytes;
}

static void misuse_is_not_checked(void) {
    bad = *tested_named("minimal", 0);
    bad.check_level = 1;
}

// Runs a part of the suite on the bad strategy in a child, up to the first failure. Returns its
// line, to be freed; an empty one if nothing failed.
static char *first_line(int (*run)(void)) {
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        if (!freopen("/dev/null", "w", stdout)) _exit(3);
        stop_at_first = true;
        tested_set(&bad);
        run();
        _exit(0);
    }
    close(ends[1]);
    FILE *stream = fdopen(ends[0], "r");
    char *line = NULL, *found = NULL;
    size_t size = 0;
    while (getline(&line, &size, stream) >= 0)
        if (!found && strncmp(line, "conformance: ", 13) == 0) found = strdup(line);
    free(line);
    fclose(stream);
    if (!found) found = strdup("");
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    found[strcspn(found, "\n")] = '\0';
    return found;
}

static const struct {
    void (*plant)(void);
    int (*run)(void);
    const char *line; // after the strategy and the level
} faults[] = {
    {header_is_not_counted, run_laws,
     "law usable: allocate(70000) returned offset 144: usable_bytes is 69996, expected >= 70000 "
     "(size) (test a_freed_block_is_gone)"},
    {zeroed_is_not_cleared, run_laws,
     "law zero: allocate_zeroed(7) returned offset 32: byte 0 is 0xee, expected 0 "
     "(test zeroed_on_dirty_ground)"},
    {dirty_bytes_are_denied, run_laws,
     "law zero: allocate_dirty(7) returned offset 32: byte 0 is 0xee, expected 0 "
     "(test dirty_bytes_are_known)"},
    {all_is_called_dirty, run_laws,
     "law clean: allocate_dirty(33554432) returned offset 32: dirty is 33554432, expected <= "
     "4194304 (size / 8) (test clean_memory_is_known)"},
    {resize_copies_half, run_model,
     "law content: resize(block at 1088, size 2079) returned offset 1296: block 4 at 1296, 76 "
     "bytes: byte 38 has changed (test random_small, seed 1, operation 7)"},
    {failed_resize_frees, run_laws,
     "law refused: resize(block at 64, size 18446744073709551615) returned NULL, then "
     "usable_size(block at 64): Illegal instruction (test absurd_sizes_are_refused)"},
    {free_loses_the_block, run_laws,
     "law frees: free(block at 32, size 0): after.live_blocks is 2, expected 1 (1 - i) "
     "(test a_freed_block_is_gone)"},
    {validate_counts_nothing, run_laws,
     "law census: allocate(1000) returned offset 32: walk(&memory).live_blocks is 0, expected 1 "
     "(test starts_anywhere)"},
    {validate_finds_nothing, run_corruption,
     "law survives: allocate(31) returned offset 560: validate returned NULL for every overwritten "
     "word (test each_word_may_be_broken)"},
    {alignment_is_ignored, run_laws,
     "law aligned: allocate_aligned(alignment 64, size 100) returned offset 32: offset % alignment "
     "is "
     "32, expected 0 (test absurd_sizes_are_refused)"},
    {resize_to_nothing_crashes, run_laws,
     "law returns: resize(block at 1632, size 0): Segmentation fault (test "
     "empty_blocks_are_unique)"},
    {bound_is_too_low, run_model,
     "law bound: allocate(44477) returned offset 105632: the heap takes 195584 bytes, by "
     "heap_bytes_max 37 at most (test random_small, seed 1, operation 102)"},
    {misuse_is_not_checked, run_misuse,
     "law traps: allocate(90000) returned offset 430464, then usable_size(block at 0): "
     "Segmentation "
     "fault (test everywhere_in_a_fresh_heap)"},
};

TEST(each_fault_is_named) {
    good = tested_named("minimal", 1);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        bad = *good;
        faults[i].plant();
        char *line = first_line(faults[i].run);
        char expected[400];
        snprintf(expected, sizeof expected, "conformance: minimal, level 1: %s", faults[i].line);
        assert_string_equal(line, expected);
        free(line);
    }
}

TEST(the_example_itself_has_none) {
    good = tested_named("minimal", 1);
    bad = *good;
    char *line = first_line(run_model);
    assert_string_equal(line, "");
    free(line);
}

// A law that no test has checked is a failure of the suite.
TEST(each_law_is_checked) {
    bad = *tested_named("minimal", 1);
    char *line = first_line(print_failures);
    assert_string_equal(line, "conformance: minimal, level 1: law returns: no test has checked it");
    free(line);
}

TEST_MAIN(NULL, NULL)
