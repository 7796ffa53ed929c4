#include "alloc/cmocka.h"
#include "bench/wasm_module.h"

#include <stdlib.h>
#include <string.h>

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

#define CODE_BYTES(text) code_bytes(text, sizeof(text) - 1)

static void code_is_found(void **state) {
    assert_int_equal(CODE_BYTES(HEAD "\12\3abc"), 3);
    assert_int_equal(CODE_BYTES(HEAD "\12\0"), 0);
    assert_int_equal(CODE_BYTES(HEAD "\1\2\12\7\0\1x\12\3abc\13\0"), 3); // among others
    char large[8 + 3 + 300] = HEAD "\12\254\2";                          // 300 in two bytes
    assert_int_equal(code_bytes(large, sizeof large), 300);
}

static void what_is_no_module_has_no_size(void **state) {
    assert_int_equal(CODE_BYTES(""), -1);
    assert_int_equal(CODE_BYTES("\0asm\1\0\0"), -1);
    assert_int_equal(CODE_BYTES("\0ASM\1\0\0\0\12\3abc"), -1);
    assert_int_equal(CODE_BYTES("\0asm\2\0\0\0\12\3abc"), -1);
    assert_int_equal(CODE_BYTES(HEAD "\12\3abc\12\3abc"), -1);
}

static void no_code_no_size(void **state) {
    assert_int_equal(CODE_BYTES(HEAD), -1);
    assert_int_equal(CODE_BYTES(HEAD "\1\3abc"), -1);
}

static void every_cut_is_seen(void **state) {
    static const char module[] = HEAD "\1\2xy\12\203\0abc\13\1z";
    assert_int_equal(code_bytes(module, sizeof module - 1), 3);
    for (size_t bytes = 0; bytes < sizeof module - 1; bytes++) {
        bool whole = bytes == sizeof module - 1 - 3; // only the last section is gone
        assert_int_equal(code_bytes(module, bytes), whole ? 3 : -1);
    }
    assert_int_equal(CODE_BYTES(HEAD "\12\377\377\377\377\17abc"), -1);
}

static void sizes_have_32_bits(void **state) {
    assert_int_equal(CODE_BYTES(HEAD "\12\203\200\200\200\0abc"), 3); // padded, as linkers do
    assert_int_equal(CODE_BYTES(HEAD "\12\203\200\200\200\20abc"), -1);
    assert_int_equal(CODE_BYTES(HEAD "\12\203\200\200\200\200\0abc"), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_is_found),      cmocka_unit_test(what_is_no_module_has_no_size),
        cmocka_unit_test(no_code_no_size),    cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(sizes_have_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
