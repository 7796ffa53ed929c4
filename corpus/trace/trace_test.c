#include "corpus/trace/trace_fixture.h"
#include "corpus/trace/trace_form.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zstd.h>

// Every verb except those of one heap, every view kind, and reused IDs.
static const char everything[] = HEADER
    "# recorded somewhere\n#\n# twice\n"
    "a 0 100\nz 1 20 64\na 2 4294967295 65536\na 3 0 1\nr 0 0\nf 2\nt 4095\nt 0\nm 254\nm 0\n"
    "g 65536\ng 0\nn *\nn 0\nn 7\nw\n"
    "b 0 100 8\nb 1 50\n+ 2 0\nv 3 2 i8 0 4\nv 4 0 u8 0 4\nv 5 0 c8 1 1\nv 6 0 i16 2 2\n"
    "v 7 0 u16 0 0\nv 8 0 i32 0 1\nv 9 0 u32 0 1\nv 10 0 f32 0 1\nv 11 0 f64 0 1\n"
    "v 12 0 i64 0 1\nv 13 0 u64 0 1\nv 14 0 bytes 0 4294967295\ny 3 4 0 1 2\ny 3 3 0 0 0\n"
    "> 3 254\n@ 0 3\n@ 1 4\n~ 1\nc 0\nd\nd 3\nd 0\n+ 3 0\n- 3\n- 4\n- 5\n- 6\n- 7\n- 8\n- 9\n"
    "- 10\n- 11\n- 12\n- 13\n- 14\n- 2\n@ 0 0\n@ 1 1\na 2 8\nf 2\n"
    "e\nf 0\nt 1\nm 1\nf 1\nf 3\nc 0\nc 1\nd\n";

// The verbs of one heap. A resize moves block 0 into the scope, with which it ends.
static const char one_heap[] =
    HEADER "h 1040 2 65536\na 0 1\n(\na 1 2\n(\nr 0 3\na 2 9\n)\n"
           "a 0 4\na 2 1\n! interior 1 4294967295\nf 2\n! late_enqueue 4294967295 0\n)\na 1 1\na 0 "
           "8\n(\na 2 1\nx\na 1 1\n(\na 0 1\ne\n)\nx\n";

static void assert_same(const trace *a, const trace *b) {
    assert_string_equal(a->preamble, b->preamble);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->blocks, b->blocks);
    assert_int_equal(a->references, b->references);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->lanes, b->lanes);
    assert_int_equal(a->memories, b->memories);
    if (a->count)
        assert_memory_equal(a->operations, b->operations, a->count * sizeof *a->operations);
}

static void assert_reprints(const char *text, const char *expected) {
    trace trace = parse(text), again = parse(expected);
    assert_prints(&trace, expected);
    assert_same(&trace, &again);
    trace_free(&trace);
    trace_free(&again);
}

TEST(print_is_a_fixpoint) {
    assert_reprints(everything, everything);
    assert_reprints(one_heap, one_heap);
    assert_reprints(HEADER, HEADER);
    assert_reprints("linmem-trace 1", HEADER);
    assert_reprints("linmem-trace 1\r\n#x \r\n\r\na\t9  8 16 # y\r\n # z\r\nf 09\r\n",
                    HEADER "# x\na 0 8\nf 0\n");
    // IDs need not be dense; the one that ended last is reused first.
    assert_reprints(HEADER "a 16777215 1\na 9 2\na 8 3\nf 9\nf 16777215\na 9 1#\nf 9\nf 8",
                    HEADER "a 0 1\na 1 2\na 2 3\nf 1\nf 0\na 0 1\nf 0\nf 2\n");
    assert_reprints(HEADER "a 0 1 16\nf 0\nn 4294967295\nd 4294967295\n",
                    HEADER "a 0 1\nf 0\nn *\nd\n");
    // A reference's ID is reused after its token was collected.
    assert_reprints(HEADER "b 5 1\n@ 5 5\nc 5\nb 6 1\n- 6\nd 1\n",
                    HEADER "b 0 1\n@ 0 0\nc 0\nb 0 1\n- 0\nd 1\n");
}

TEST(numbers_are_assigned_once) {
    const char *text = HEADER "a 5 1\nf 5\na 5 2 32\nt 3\nr 5 9\nf 5\n> 0 0";
    trace trace = parse_bytes(text, strlen(text) - strlen("\n> 0 0"));
    const trace_operation expected[] = {
        {TRACE_ALLOCATE, {0, 1, 16}}, {TRACE_FREE, {0}},
        {TRACE_ALLOCATE, {1, 2, 32}}, {TRACE_LANE, {3}},
        {TRACE_RESIZE, {1, 9}},       {TRACE_FREE, {1}},
    };
    assert_int_equal(trace.count, 6);
    assert_memory_equal(trace.operations, expected, sizeof expected);
    assert_int_equal(trace.blocks, 2);
    assert_int_equal(trace.lanes, 4);
    assert_int_equal(trace.memories, 1);
    assert_string_equal(trace.preamble, "");
    trace_free(&trace);
}

// The version is the lowest that has all verbs.
static void assert_survives_binary(const char *text, unsigned version) {
    trace trace = parse(text);
    size_t count;
    unsigned char *binary = trace_binary_form(&trace, &count);
    assert_int_equal(binary[7], version);
    struct trace again = parse_bytes(binary, count);
    assert_same(&trace, &again);
    trace_free(&again);
    free(binary);
    trace_free(&trace);
}

TEST(binary_is_lossless) {
    assert_survives_binary(everything, 1);
    assert_survives_binary(one_heap, 2);
    assert_survives_binary(HEADER "a 0 127\na 1 128\na 2 16384\nf 0\nf 1\nf 2\n", 1);
}

static const struct bad {
    const char *text, *message;
} bads[] = {
    {"", "byte 0: the input is empty"},
    {"linmem-trac", "line 1: the header is not 'linmem-trace 1' but"},
    {"hello", "byte 0: neither a trace in text (linmem-trace 1) nor a binary one"},
    {"linmem-trace 2\n", "line 1: the header is not 'linmem-trace 1' but 'linmem-trace 2'"},
    {"linmem-trace 1 \n", "line 1: the header is not 'linmem-trace 1' but 'linmem-trace 1 '"},
    {"linmem-trace\n", "line 1: the header is not 'linmem-trace 1' but 'linmem-trace'"},
    {HEADER "q 1\n", "line 2: unknown operation 'q'"},
    {HEADER "\n\n aa 1\n", "line 4: unknown operation 'aa'"},
    {HEADER "\x01\x7f"
            "z\n",
     "line 2: unknown operation '?"
     "?z'"},
    {HEADER "1234567890123456789012345678901234567890\n",
     "line 2: unknown operation '1234567890123456789012345678...'"},
    {HEADER "a\n", "line 2: 'a' lacks its block"},
    {HEADER "a 1\n", "line 2: 'a' lacks its size"},
    {HEADER "a 1 # 2\n", "line 2: 'a' lacks its size"},
    {HEADER "v 1 2\n", "line 2: 'v' lacks its view kind"},
    {HEADER "n\n", "line 2: 'n' lacks its count"},
    {HEADER "a 1 2 16 3\n", "line 2: unexpected '3' after 'a'"},
    {HEADER "w 1\n", "line 2: unexpected '1' after 'w'"},
    {HEADER "a x 2\n", "line 2: 'x' is not a block"},
    {HEADER "a 1 -2\n", "line 2: '-2' is not a size"},
    {HEADER "a 1 0x2\n", "line 2: '0x2' is not a size"},
    {HEADER "d *\n", "line 2: '*' is not a count"},
    {HEADER "a 1 4294967296\n", "line 2: size 4294967296 is more than 4294967295"},
    // 2^64 + 1, 2^64 and 2^128 + 1, which wrap to 1, 0 and 1
    {HEADER "a 1 18446744073709551617\n", "line 2: size 18446744073709551617 is more than 429496"},
    {HEADER "a 18446744073709551616 8\n", "line 2: block 18446744073709551616 is more than 42949"},
    {HEADER "a 1 340282366920938463463374607431768211457\n",
     "line 2: size 3402823669209384634633746074... is more than 4294967295"},
    {HEADER "a 1 99999999999999999999999999\n", "line 2: size 99999999999999999999999999 is more"},
    {HEADER "a 16777216 8\n", "line 2: block 16777216: IDs must be below 16777216"},
    {HEADER "a 4294967295 8\n", "line 2: block 4294967295: IDs must be below 16777216"},
    {HEADER "a 4294967296 8\n", "line 2: block 4294967296 is more than 4294967295"},
    {HEADER "f 4294967295\n", "line 2: block 4294967295 was never allocated"},
    {HEADER "a 1 8 24\n", "line 2: alignment 24 is not a power of two"},
    {HEADER "a 1 8 0\n", "line 2: alignment 0 is not a power of two"},
    {HEADER "a 1 8 4294967295\n", "line 2: alignment 4294967295 is more than 2147483648"},
    {HEADER "b 1 8 131072\n", "line 2: alignment 131072 is more than 65536"},
    {HEADER "t 4096\n", "line 2: lane 4096 is more than 4095"},
    {HEADER "m 255\n", "line 2: memory 255 is more than 254"},
    {HEADER "g 65537\n", "line 2: number of pages 65537 is more than 65536"},
    {HEADER "a 1 8\na 1 8\n", "line 3: block 1 is allocated again before it is freed"},
    {HEADER "z 1 8\na 1 8\n", "line 3: block 1 is allocated again before it is freed"},
    {HEADER "f 7\n", "line 2: block 7 was never allocated"},
    {HEADER "r 7 1\n", "line 2: block 7 was never allocated"},
    {HEADER "a 7 1\nf 7\nf 7\n", "line 4: block 7 is freed twice"},
    {HEADER "a 7 1\nf 7\nr 7 2\n", "line 4: block 7 is used after it was freed"},
    {HEADER "a 7 1\n", "at the end: block 7 is never freed"},
    {HEADER "a 7 1\na 5000 1\nf 7", "at the end: block 5000 is never freed"},
    {HEADER "a 7 1\na 9 1\n", "at the end: block 7 is never freed, and it is not the only one"},
    {HEADER "+ 1 1\n", "line 2: reference 1 was never created"},
    {HEADER "b 1 1\n+ 1 1\n", "line 3: reference 1 is created again before it is released"},
    {HEADER "b 1 1\n- 1\n- 1\n", "line 4: reference 1 is released twice"},
    {HEADER "b 1 1\n- 1\n+ 2 1\n", "line 4: reference 1 is used after it was released"},
    {HEADER "b 1 1\ny 1 2 0 0 0\n", "line 3: reference 2 was never created"},
    {HEADER "b 1 1\nv 2 1 i9 0 0\n", "line 3: 'i9' is not a view kind"},
    {HEADER "b 1 1\n> 1 255\n", "line 3: memory 255 is more than 254"},
    {HEADER "b 1 1\n", "at the end: reference 1 is never released"},
    {HEADER "b 1 1\n@ 1 1\n- 1\n", "line 4: reference 1 is attached: only its token ends it"},
    {HEADER "b 1 1\n@ 1 1\n@ 2 1\n", "line 4: reference 1 is attached twice"},
    {HEADER "b 1 1\n@ 1 1\nb 1 1\n", "line 4: reference 1 is created again before it is released"},
    {HEADER "b 1 1\nb 2 1\n@ 1 1\n@ 1 2\n",
     "line 5: token 1 is attached again before it is detached or collected"},
    {HEADER "b 1 1\n@ 1 1\nc 1\n- 1\n", "line 5: reference 1 is released twice"},
    {HEADER "b 1 1\n@ 1 1\nc 1\nc 1\n", "line 5: token 1 is detached or collected twice"},
    {HEADER "b 1 1\n@ 1 1\n~ 1\nc 1\n", "line 5: token 1 is detached or collected twice"},
    {HEADER "b 1 1\n@ 1 1\n~ 1\n", "at the end: reference 1 is never released"},
    {HEADER "b 1 1\n@ 1 1\n", "at the end: token 1 is never detached or collected"},
    {HEADER "c 1\n", "line 2: token 1 was never attached"},
    {HEADER "b 1 1\n@ 1 1\n> 1 0\n", "line 4: reference 1 is attached: its owner cannot change"},
    {HEADER "b 1 1\n@ 1 1\nc 1\n", "at the end: 1 collected token is never drained"},
    {HEADER "b 1 1\nb 2 1\n@ 1 1\n@ 2 2\nb 3 1\n@ 3 3\nc 1\nc 2\nd 0\nc 3\nd 1\n",
     "at the end: 2 collected tokens are never drained"},
    {HEADER "e\ne\n", "line 3: 'e' after the exit: only what closes the trace may follow"},
    {HEADER "e\na 1 1\nf 1\n", "line 3: 'a' after the exit"},
    {HEADER "a 1 1\ne\nr 1 1\nf 1\n", "line 4: 'r' after the exit"},
    {HEADER "e\nw\n", "line 3: 'w' after the exit"},
    {HEADER "a 1 1\nf 1\r\r\n", "line 3: '1?' is not a block"},
    {HEADER ")\n", "line 2: no scope is open"},
    {HEADER "(\nx\n)\n", "line 4: no scope is open"},
    {HEADER "(\na 1 1\n)\nf 1\n", "line 5: block 1 is freed twice"},
    {HEADER "a 1 1\n(\nr 1 2\n)\nr 1 1\n", "line 6: block 1 is used after it was freed"},
    {HEADER "a 1 1\nx\nf 1\n", "line 4: block 1 is freed twice"},
    {HEADER "(\n", "at the end: a scope is never closed"},
    {HEADER "a 1 1\n(\na 2 1\n)\n", "at the end: block 1 is never freed"},
    {HEADER "x\nb 1 1\n", "line 3: scopes and resets need a single heap"},
    {HEADER "(\n)\nm 1\n", "line 4: scopes and resets need a single heap"},
    {HEADER "b 1 1\n(\n", "line 3: scopes and resets need a single heap"},
    {HEADER "m 1\nx\n", "line 3: scopes and resets need a single heap"},
    {HEADER "e\n(\n", "line 3: '(' after the exit"},
    {HEADER "h 8 1 1\n", "line 2: start 8 must be a multiple of 16 above 0"},
    {HEADER "h 0 1 1\n", "line 2: start 0 must be a multiple of 16 above 0"},
    {HEADER "h 16 2 1\n", "line 2: a heap of 2 pages cannot have a maximum of 1"},
    {HEADER "h 16 0 0\n", "line 2: a heap of 0 pages cannot have a maximum of 0"},
    {HEADER "! interior 0\n", "line 2: '!' lacks its number"},
    {HEADER "! interiors 0 0\n", "line 2: 'interiors' is not a wrong call"},
    {HEADER "! 3 0 0\n", "line 2: '3' is not a wrong call"},
    {HEADER "e\n! interior 0 0\n", "line 3: '!' after the exit"},
    {HEADER "w\nh 16 0 1\n", "line 3: only 'm' and 'h' may precede 'h'"},
};

static void assert_bad(const void *bytes, size_t count, const char *message) {
    trace trace;
    trace_error error;
    assert_false(trace_parse(bytes, count, &trace, &error));
    if (strncmp(error.text, message, strlen(message)) != 0)
        fail_msg("'%s' instead of '%s'", error.text, message);
    if (strchr(error.text, '\n')) fail_msg("two lines: %s", error.text);
}

TEST(errors_name_the_line) {
    for (size_t i = 0; i < ITEMS(bads); i++)
        assert_bad(bads[i].text, strlen(bads[i].text), bads[i].message);
    assert_bad(HEADER "# a\0b\n", sizeof HEADER "# a\0b\n" - 1, "line 2: a NUL in a comment");
    assert_bad(HEADER "a 1\0 2\n", sizeof HEADER "a 1\0 2\n" - 1, "line 2: '1?' is not a block");
}

// Only the closing verbs may follow the exit.
TEST(the_exit_closes) {
    for (uint32_t verb = 0; verb < TRACE_VERBS; verb++) {
        trace_builder *builder = trace_builder_new();
        trace_error error;
        const trace_operation before[] = {{TRACE_ALLOCATE, {1, 1, 16}},
                                          {TRACE_BUFFER, {1, 1, 16}},
                                          {TRACE_BUFFER, {2, 1, 16}},
                                          {TRACE_ATTACH, {1, 2}},
                                          {TRACE_EXIT, {0}}};
        for (size_t i = 0; i < 5; i++)
            assert_true(trace_builder_append(builder, &before[i], &error));
        trace_operation operation = {verb, {1, 1, 16}};
        bool closes = strchr("ftm-cd", trace_grammar[verb].letter) != NULL;
        assert_int_equal(trace_builder_append(builder, &operation, &error), closes);
        trace_builder_abandon(builder);
    }
}

// A rejected operation does not change the builder.
TEST(an_error_does_not_change_the_builder) {
    trace_builder *builder = trace_builder_new();
    trace_error error;
    trace_builder_comment(builder, "one\n\ntwo  \n");
    const struct {
        trace_operation operation;
        bool good;
    } steps[] = {{{TRACE_ALLOCATE, {3, 1, 16}}, true},
                 {{TRACE_ALLOCATE, {3, 1, 16}}, false},
                 {{TRACE_ALLOCATE, {4, 1, 3}}, false},
                 {{TRACE_VERBS, {4, 1, 16}}, false},
                 {{TRACE_FREE, {4}}, false},
                 {{UINT32_MAX, {4, 1, 16}}, false},
                 {{TRACE_VIEW, {1, 1, 0, 0, 0}}, false},
                 {{TRACE_BUFFER, {1, 1, 1}}, true},
                 {{TRACE_VIEW, {2, 1, 12, 0, 0}}, false},
                 {{TRACE_RELEASE, {2}}, false},
                 {{TRACE_RELEASE, {1}}, true},
                 {{TRACE_FREE, {3}}, true}};
    for (size_t i = 0; i < ITEMS(steps); i++)
        assert_int_equal(trace_builder_append(builder, &steps[i].operation, &error), steps[i].good);
    trace trace;
    assert_true(trace_builder_finish(builder, &trace, &error));
    assert_int_equal(trace.count, 4);
    assert_int_equal(trace.references, 1);
    assert_string_equal(trace.preamble, "# one\n#\n# two\n");
    trace_free(&trace);
}

// Dense IDs have no limit.
TEST(dense_ids_have_no_limit) {
    trace_builder *builder = trace_builder_new();
    trace_error error;
    enum { IDS = (1 << 24) + 3 };
    for (uint32_t id = 0; id < IDS; id++) {
        trace_operation begin = {TRACE_ALLOCATE, {id, 1, 16}};
        if (!trace_builder_append(builder, &begin, &error)) fail_msg("%s", error.text);
    }
    trace_operation absurd = {TRACE_ALLOCATE, {IDS + 1, 1, 16}};
    assert_false(trace_builder_append(builder, &absurd, &error));
    trace_builder_abandon(builder);
}

// A trace can be made of every prefix of a trace's operations, and of all but one; it reads back
// unchanged.
static void check_made(const trace_operation *operations, size_t count, size_t kept) {
    trace made;
    trace_error error;
    assert_true(trace_make(operations, count, "made", &made, &error));
    assert_string_equal(made.preamble, "# made\n");
    assert_true(made.count >= kept);
    if (kept) assert_memory_equal(made.operations, operations, kept * sizeof *operations);
    char *text = print(&made);
    trace again = parse(text);
    assert_same(&made, &again);
    trace_free(&again);
    trace_free(&made);
    free(text);
}

TEST(any_operations_make_a_trace) {
    const char *texts[] = {everything, one_heap};
    for (int i = 0; i < 2; i++) {
        trace whole = parse(texts[i]);
        for (size_t count = 0; count <= whole.count; count++)
            check_made(whole.operations, count, count);
        trace_operation *fewer = calloc(whole.count, sizeof *fewer);
        assert_non_null(fewer);
        for (size_t gone = 0; gone < whole.count; gone++) {
            size_t behind = whole.count - gone - 1;
            if (gone) memcpy(fewer, whole.operations, gone * sizeof *fewer);
            if (behind) memcpy(fewer + gone, whole.operations + gone + 1, behind * sizeof *fewer);
            check_made(fewer, whole.count - 1, gone);
        }
        free(fewer);
        trace_free(&whole);
    }
}

TEST(bad_binaries_name_the_byte) {
    trace trace = parse(everything);
    size_t count;
    unsigned char *good = trace_binary_form(&trace, &count);
    trace_free(&trace);
    for (size_t i = 0; i < count; i++) { // every prefix, in a block of its own for the sanitizer
        unsigned char *prefix = malloc(i + 1);
        memcpy(prefix, good, i);
        prefix = realloc(prefix, i ? i : 1);
        assert_bad(prefix, i, "byte ");
        free(prefix);
    }
    unsigned char *bytes = malloc(count + 1);
    memcpy(bytes, good, count);
    bytes[count] = 0;
    assert_bad(bytes, count + 1, "byte ");
    bytes[7] = 3; // the version
    assert_bad(bytes, count, "byte 7: version 3 of the binary form; 1 to 2 are known");
    free(bytes);
    free(good);
}

// Numbers above 32 bits, and an age above the number of blocks.
TEST(binary_numbers_do_not_wrap) {
    const char *text = HEADER "a 0 1\nf 0\n";
    trace trace = parse(text);
    size_t count;
    unsigned char *good = trace_binary_form(&trace, &count), wrapped[128] = {0};
    trace_free(&trace);
    good[count - 1] = 1; // the age of what f frees: one block has begun, so only 0 can be
    char message[80];
    snprintf(message, sizeof message, "byte %zu: a use of an object that has not begun", count);
    assert_bad(good, count, message);
    good[count - 1] = 0;
    memcpy(wrapped, good, 8);
    memcpy(wrapped + 8, "\x80\x80\x80\x80\x10", 5); // 2^32 instead of 0, the preamble's length
    memcpy(wrapped + 13, good + 9, count - 9);
    assert_bad(wrapped, count + 4, "byte 13: a number above 4294967295");
    free(good);
}

static unsigned char *compress(const void *bytes, size_t count, size_t *packed_count) {
    size_t room = ZSTD_compressBound(count);
    unsigned char *packed = malloc(room);
    *packed_count = ZSTD_compress(packed, room, bytes, count, 3);
    return packed;
}

TEST(compressed_forms) {
    size_t half = strlen(everything) / 2, counts[2], count;
    unsigned char *parts[2] = {compress(everything, half, &counts[0]),
                               compress(everything + half, strlen(everything) - half, &counts[1])};
    unsigned char *both = malloc(counts[0] + counts[1]);
    memcpy(both, parts[0], counts[0]);
    memcpy(both + counts[0], parts[1], counts[1]);
    trace whole = parse(everything);
    trace frames = parse_bytes(both, counts[0] + counts[1]); // text inside, in two frames
    assert_same(&whole, &frames);
    for (size_t i = 0; i < counts[0] + counts[1]; i++)
        assert_bad(both, i,
                   i == 0           ? "byte 0: the input is empty"
                   : i < 4          ? "byte 0: neither"
                   : i == counts[0] ? "line "
                                    : "byte ");
    unsigned char *nested = compress(both, counts[0] + counts[1], &count);
    assert_bad(nested, count, "byte 0: the compressed data is not a trace");
    free(nested);
    nested = compress("", 0, &count);
    assert_bad(nested, count, "byte 0: the input is empty");
    free(nested);
    trace_free(&whole);
    trace_free(&frames);
    free(both);
    free(parts[0]);
    free(parts[1]);
}

// A bomb is stopped after 512 MiB, or at once if it is no trace.
TEST(bombs_are_stopped) {
    for (int is_trace = 0; is_trace < 2; is_trace++) {
        size_t room = 1 << 20, piece_bytes = 1 << 20;
        char *packed = malloc(room), *piece = malloc(piece_bytes);
        memset(piece, '\n', piece_bytes);
        ZSTD_CCtx *context = ZSTD_createCCtx();
        ZSTD_outBuffer output = {packed, room, 0};
        ZSTD_inBuffer start = {HEADER, is_trace ? strlen(HEADER) : 0, 0};
        ZSTD_compressStream2(context, &output, &start, ZSTD_e_flush);
        for (int i = 0; i < (is_trace ? 513 : 16); i++) {
            ZSTD_inBuffer input = {piece, piece_bytes, 0};
            ZSTD_compressStream2(context, &output, &input, ZSTD_e_continue);
        }
        ZSTD_inBuffer nothing = {NULL, 0, 0};
        assert_int_equal(ZSTD_compressStream2(context, &output, &nothing, ZSTD_e_end), 0);
        trace trace;
        trace_error error;
        assert_false(trace_parse(packed, output.pos, &trace, &error));
        assert_non_null(strstr(error.text, is_trace ? "more than 536870912 bytes" : "not a trace"));
        ZSTD_freeCCtx(context);
        free(packed);
        free(piece);
    }
}

static int leave(void **state) {
    return rmdir(test_folder); // fails if a test left a file
}

TEST(files_read_back, .setup_func = test_enter_folder, .teardown_func = leave) {
    trace trace = parse(everything);
    trace_error error;
    const char *paths[] = {"a.lmt", "a.lmt.zst"};
    for (int i = 0; i < 2; i++) {
        if (!trace_write(&trace, paths[i], &error)) fail_msg("%s", error.text);
        struct trace again;
        assert_int_equal(rename(paths[i], "no.extension"), 0); // the content determines the form
        if (!trace_read("no.extension", &again, &error)) fail_msg("%s", error.text);
        assert_same(&trace, &again);
        trace_free(&again);
        unlink("no.extension");
    }
    const char *bad[] = {"x", ".lmt", "x.zst", "x.lmt.gz", "missing/x.lmt"};
    for (int i = 0; i < 5; i++) {
        assert_false(trace_write(&trace, bad[i], &error));
        assert_int_not_equal(access(bad[i], F_OK), 0);
    }
    trace_free(&trace);
}

static void assert_unreadable(const char *path, const char *message) {
    trace trace;
    trace_error error;
    assert_false(trace_read(path, &trace, &error));
    assert_string_equal(error.text, message);
}

TEST(odd_files_are_rejected, .setup_func = test_enter_folder, .teardown_func = leave) {
    assert_unreadable("missing", "No such file or directory");
    assert_unreadable(test_folder, "Is a directory");
    assert_unreadable("/dev/zero", "not a regular file");
    assert_int_equal(mkfifo("fifo", 0600), 0);
    assert_unreadable("fifo", "not a regular file");
    unlink("fifo");
    int descriptor = open("empty", O_CREAT | O_RDWR, 0600);
    assert_unreadable("empty", "byte 0: the input is empty");
    assert_int_equal(ftruncate(descriptor, (off_t)1 << 31), 0);
    assert_unreadable("empty", "larger than 536870912 bytes");
    close(descriptor);
    unlink("empty");
}

TEST_MAIN(NULL, NULL)
