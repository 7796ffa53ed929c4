// Reads findings from output as the programs write it.
#include "cli/test.h"
#include "fuzz/run/finding.h"

#include <stdlib.h>
#include <string.h>

static finding read_lines(const char *text) {
    finding f = {0};
    char *copy = strdup(text), *rest = copy;
    for (char *line; (line = strsep(&rest, "\n"));)
        finding_read(&f, line);
    free(copy);
    return f;
}

static void assert_says(const char *text, const char *law, const char *how) {
    char line[400];
    finding f = read_lines(text);
    finding_print(&f, line, sizeof line);
    assert_string_equal(f.law, law);
    assert_string_equal(line, how);
}

#define FRAMES                                                                                     \
    "    #0 0x55d0c1 in __asan_memset (/b/fuzz/heap-tlsf+0xf1)\n"                                  \
    "    #1 0x55d0c2 in lay_out "                                                                  \
    "/src/fuzz/linmem/build/fuzz/../../alloc/strategies/fit/tlsf.c:310:5\n"                        \
    "    #2 0x55d0c3 in tlsf_free /src/fuzz/linmem/alloc/strategies/fit/tlsf.c:402:9\n"            \
    "    #3 0x55d0c4 in play /src/fuzz/linmem/fuzz/play/heap_player.c:90:5\n"

TEST(a_sanitizer_is_named_with_file_and_line) {
    assert_says(
        "=================================================================\n"
        "==7==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x602000000014 at pc "
        "0x55 bp 0x7f sp 0x7f\nWRITE of size 4 at 0x602000000014 thread T0\n" FRAMES,
        "asan:heap-buffer-overflow",
        "heap-buffer-overflow on address 0x602000000014, in lay_out, "
        "alloc/strategies/fit/tlsf.c:310");
    assert_says(
        "AddressSanitizer:DEADLYSIGNAL\n==7==ERROR: AddressSanitizer: SEGV on unknown "
        "address 0x000000000000 (pc 0x55 bp 0x7f sp 0x7f T0)\n" FRAMES,
        "crash",
        "SEGV on unknown address 0x000000000000, in lay_out, alloc/strategies/fit/tlsf.c:310");
    assert_says("==7==ERROR: AddressSanitizer: stack-overflow on address 0x7f (pc 0x55 bp 0x7f)\n",
                "asan:stack-overflow", "stack-overflow on address 0x7f");
    assert_says(
        "/src/linmem/alloc/strategies/fit/tlsf.c:99:7: runtime error: shift exponent 32 is too "
        "large for 32-bit type 'uint32_t' (aka 'unsigned int')\n"
        "==7== ERROR: libFuzzer: deadly signal\n",
        "ubsan",
        "alloc/strategies/fit/tlsf.c:99:7: shift exponent 32 is too large for 32-bit type "
        "'uint32_t' (aka 'unsigned int')");
    assert_says("==7==ERROR: LeakSanitizer: detected memory leaks\n", "leak",
                "detected memory leaks");
}

TEST(a_law_is_the_oracles_word) {
    assert_says("linmem-fuzz: broken disjoint: operation 3 of 9: block 1 at 96 lies in block 0\n"
                "==7== ERROR: libFuzzer: deadly signal\n"
                "    #9 0x55 in target_fail /src/linmem/fuzz/targets/target.c:24:5\n",
                "disjoint", "operation 3 of 9: block 1 at 96 lies in block 0");
    assert_says("linmem-fuzz: broken returns: a right call trapped\n"
                "    #8 0x55 in trapped /src/linmem/fuzz/targets/target.c:80:5\n" FRAMES,
                "returns", "a right call trapped, in lay_out, alloc/strategies/fit/tlsf.c:310");
}

TEST(libfuzzer_ends_what_hangs_or_eats_all_memory) {
    assert_says("==7== ERROR: libFuzzer: timeout after 5 seconds\n" FRAMES, "hang",
                "timeout after 5 seconds, in lay_out, alloc/strategies/fit/tlsf.c:310");
    assert_says("==7== ERROR: libFuzzer: out-of-memory (used: 2050Mb; limit: 2048Mb)\n", "memory",
                "out-of-memory (used: 2050Mb; limit: 2048Mb)");
    assert_says("==7== ERROR: libFuzzer: fuzz target exited\n"
                "    #1 0x55 in heap_player_play /src/linmem/fuzz/play/heap_player.c:9:1\n",
                "crash", "fuzz target exited, in heap_player_play, fuzz/play/heap_player.c:9");
    assert_says("#100\tNEW    cov: 50 ft: 60\n", "", "");
}

TEST(what_only_a_sanitizer_sees_is_known) {
    assert_true(finding_is_sanitizers("asan:heap-buffer-overflow"));
    assert_true(finding_is_sanitizers("ubsan"));
    assert_false(finding_is_sanitizers("crash"));
    assert_false(finding_is_sanitizers("disjoint"));
}

TEST_MAIN(NULL, NULL)
