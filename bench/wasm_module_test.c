#include "bench/wasm_module.h"
#include "cli/test.h"

#define HEAD "\0asm\1\0\0\0"

// Reads a copy in a block of its own, so that a sanitizer detects reads after its end.
static int64_t code_bytes(const char *text, size_t bytes) {
    unsigned char *module = malloc(bytes);
    assert_true(module || bytes == 0);
    if (bytes) memcpy(module, text, bytes);
    uint32_t code;
    int64_t got = wasm_code_bytes(module, bytes, &code) ? (int64_t)code : -1;
    free(module);
    return got;
}

TEST(code_is_found_in_modules_only) {
#define ROW(text, code_bytes)                                                                      \
    { text, sizeof(text) - 1, code_bytes }
    static const struct {
        const char *text;
        size_t bytes;
        int64_t code_bytes; // −1: none
    } rows[] = {
        ROW(HEAD "\12\3abc", 3),
        ROW(HEAD "\12\0", 0),
        ROW(HEAD "\1\2\12\7\0\1x\12\3abc\13\0", 3), // among other sections
        ROW(HEAD "\12\203\200\200\200\0abc", 3),    // a padded size, as linkers write it
        ROW(HEAD, -1),
        ROW(HEAD "\1\3abc", -1),
        ROW("", -1),
        ROW("\0asm\1\0\0", -1),
        ROW("\0ASM\1\0\0\0\12\3abc", -1),
        ROW("\0asm\2\0\0\0\12\3abc", -1),
        ROW(HEAD "\12\3abc\12\3abc", -1),
        ROW(HEAD "\12\377\377\377\377\17abc", -1),
        ROW(HEAD "\12\203\200\200\200\20abc", -1), // sizes have 32 bits
        ROW(HEAD "\12\203\200\200\200\200\0abc", -1),
    };
    for (size_t i = 0; i < ITEMS(rows); i++)
        assert_int_equal(code_bytes(rows[i].text, rows[i].bytes), rows[i].code_bytes);
    static const char large[8 + 3 + 300] = HEAD "\12\254\2"; // 300 in two bytes
    assert_int_equal(code_bytes(large, sizeof large), 300);
}

TEST(every_cut_is_detected) {
    static const char module[] = HEAD "\1\2xy\12\203\0abc\13\1z";
    assert_int_equal(code_bytes(module, sizeof module - 1), 3);
    for (size_t bytes = 0; bytes < sizeof module - 1; bytes++) {
        bool whole = bytes == sizeof module - 1 - 3; // only the last section is missing
        assert_int_equal(code_bytes(module, bytes), whole ? 3 : -1);
    }
}

TEST_MAIN(NULL, NULL)
