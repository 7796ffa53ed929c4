// Lowering: traces of buffers and scopes, and the heap traces that they become.
#include "corpus/trace/lowering.h"
#include "corpus/trace/trace_fixture.h"

static void assert_lowers(const char *text, const char *expected) {
    trace trace = parse(text), lowered;
    trace_error error;
    if (!lowering_run(&trace, &lowered, &error)) fail_msg("%s", error.text);
    assert_prints(&lowered, expected);
    assert_false(lowering_is_needed(&lowered));
    trace_free(&lowered);
    trace_free(&trace);
}

TEST(the_last_reference_frees) {
    assert_lowers(HEADER "b 0 100 64\n+ 1 0\n+ 2 1\n- 0\n- 2\nb 3 8\n- 1\n- 3\n",
                  HEADER "a 0 100 64\na 1 8\nf 0\nf 1\n");
    // A view holds one; a view of a view holds one of the buffer.
    assert_lowers(HEADER "b 0 8\nv 1 0 i32 4 1\nv 2 1 u8 0 8\n- 0\n- 1\nb 3 1\n- 2\n- 3\n",
                  HEADER "a 0 8\na 1 1\nf 0\nf 1\n");
    // Transfers and other owners change no count.
    assert_lowers(HEADER "b 0 8\n> 0 7\nm 3\n+ 1 0\n- 0\n> 1 3\nb 2 9\n- 1\n- 2\n",
                  HEADER "a 0 8\na 1 9\nf 0\nf 1\n");
}

TEST(a_drain_frees_what_was_collected) {
    // A drain frees, not the collection: COUNT tokens, in the order of collection.
    assert_lowers(HEADER
                  "b 0 1\nb 1 2\nb 2 3\n@ 0 0\n@ 1 1\n@ 2 2\nc 2\nc 0\nc 1\nd 0\nb 3 4\nd 2\n"
                  "- 3\nd\nd\n",
                  HEADER "a 0 1\na 1 2\na 2 3\na 3 4\nf 2\nf 0\nf 3\nf 1\n");
    // The token's reference counts until then; others keep the buffer alive beyond.
    assert_lowers(HEADER "b 0 1\n+ 1 0\n@ 0 0\nc 0\nb 2 2\n- 1\n- 2\nd\n",
                  HEADER "a 0 1\na 1 2\nf 1\nf 0\n");
    assert_lowers(HEADER "b 0 1\n+ 1 0\n@ 0 0\nc 0\nd 9\nb 2 2\n- 1\n- 2\n",
                  HEADER "a 0 1\na 1 2\nf 0\nf 1\n");
    // Detached, it is its owner's again; what was taken from it while it was attached counts too.
    assert_lowers(HEADER "b 0 1\n@ 0 0\nv 1 0 u8 0 1\n~ 0\n- 0\n@ 0 1\nc 0\nd 1\n",
                  HEADER "a 0 1\nf 0\n");
}

TEST(refused_operations_have_no_effect) {
    static const char *const views[] = {
        "u8 0 9", "u8 9 0", "i16 1 1", "f64 0 2", "i64 4 0", "u32 8 4294967295", "bytes 1 8",
    };
    for (size_t i = 0; i < ITEMS(views); i++) {
        char text[200];
        snprintf(text, sizeof text,
                 HEADER "b 0 8\nv 1 0 %s\n+ 2 1\nv 3 1 u8 0 1\n- 0\nb 0 1\n> 1 2\n@ 0 2\nc 0\n"
                        "y 3 1 0 0 9\n@ 0 3\nc 0\nd 2\n- 1\n- 0\n",
                 views[i]);
        assert_lowers(text, HEADER "a 0 8\nf 0\na 0 1\nf 0\n");
    }
    // Tokens of empty references count as drained.
    assert_lowers(HEADER "b 0 1\nv 1 0 u8 0 2\n@ 0 1\n@ 1 0\nc 0\nc 1\nd 1\nb 0 2\n- 0\nd 1\n",
                  HEADER "a 0 1\na 1 2\nf 1\nf 0\n");
}

TEST(memories_become_one_heap) {
    assert_lowers(HEADER
                  "# about\n#\n# more\na 0 5\nm 2\nz 1 6 32\nb 0 7\ng 3\nt 1\nr 1 9\nn *\nw\n"
                  "@ 0 0\nm 0\nf 0\ne\nf 1\nt 0\nc 0\nd\n",
                  HEADER "# about\n#\n# more\na 0 5\nz 1 6 32\na 2 7\ng 3\nt 1\nr 1 9\nn *\nw\n"
                         "f 0\ne\nf 1\nt 0\nf 2\n");
}

TEST(a_scope_frees_its_blocks) {
    assert_lowers(HEADER "h 16 1 9\na 0 5\n! double_free 0 0\na 1 6\n(\na 2 7\nr 0 8\nf 2\n(\na 2 "
                         "9\n)\na 3 1\n)\nf 1\n",
                  HEADER "a 0 5\na 1 6\na 2 7\nr 0 8\nf 2\na 2 9\nf 2\na 2 1\nf 2\nf 0\nf 1\n");
    assert_lowers(HEADER "a 0 5\n(\na 1 6\n(\na 2 7\nx\na 0 1\nf 0\n",
                  HEADER "a 0 5\na 1 6\na 2 7\nf 2\nf 1\nf 0\na 0 1\nf 0\n");
}

TEST(a_heap_trace_is_lowered_already) {
    const char *text = HEADER "a 0 1\nz 1 2 64\nt 2\nr 0 3\nf 1\ng 1\nn 2\nw\ne\nf 0\n";
    trace trace = parse(text);
    assert_false(lowering_is_needed(&trace));
    trace_free(&trace);
    assert_lowers(text, text);
}

TEST_MAIN(NULL, NULL)
