// The model's conversions at their limits, as ECMAScript defines them.
#include "alloc/buffers/element_copy.h"
#include "cli/test.h"

static const double values[] = {0.5, 1.5,        2.5,    -1,          -0.9,     255.5,
                                300, 0x1p32 + 5, 0x1p40, -0x1p31 - 1, INFINITY, NAN};
enum { VALUES = sizeof values / sizeof *values };

static void copy(uint32_t to_kind, void *to, uint32_t from_kind, const void *from,
                 uint32_t length) {
    unsigned char old[VALUES * sizeof(double)];
    element_copy(to_kind, to, from_kind, from, length, old);
}

TEST(numbers_become_integers) {
    static const uint8_t clamped[VALUES] = {0, 2, 2, 0, 0, 255, 255, 255, 255, 0, 255, 0};
    static const uint8_t bytes[VALUES] = {0, 1, 2, 255, 0, 255, 44, 5, 0, 255, 0, 0};
    static const int32_t words[VALUES] = {0, 1, 2, -1, 0, 255, 300, 5, 0, INT32_MAX, 0, 0};
    uint8_t to[VALUES];
    int32_t to_words[VALUES];
    copy(LM_C8, to, LM_F64, values, VALUES);
    assert_memory_equal(to, clamped, sizeof to);
    copy(LM_U8, to, LM_F64, values, VALUES);
    assert_memory_equal(to, bytes, sizeof to);
    copy(LM_I32, to_words, LM_F64, values, VALUES);
    assert_memory_equal(to_words, words, sizeof words);
}

TEST(integers_become_numbers) {
    static const uint32_t from[] = {0, 0x80000000, 0xffffffff};
    static const double as_signed[] = {0, -0x1p31, -1}, as_unsigned[] = {0, 0x1p31, 0x1p32 - 1};
    static const float narrow[] = {0, 0x1p31F, 0x1p32F};
    double to[3];
    float to_narrow[3];
    copy(LM_F64, to, LM_I32, from, 3);
    assert_memory_equal(to, as_signed, sizeof to);
    copy(LM_F64, to, LM_U32, from, 3);
    assert_memory_equal(to, as_unsigned, sizeof to);
    copy(LM_F32, to_narrow, LM_U32, from, 3);
    assert_memory_equal(to_narrow, narrow, sizeof narrow);
}

TEST(not_a_number_is_one) {
    uint32_t strange = 0xffa00001, same = 0;
    uint64_t wide = 0;
    copy(LM_F64, &wide, LM_F32, &strange, 1);
    assert_true(wide == UINT64_C(0x7ff8000000000000));
    copy(LM_F32, &same, LM_F32, &strange, 1); // a copy within one kind keeps all bits
    assert_int_equal(same, strange);
    uint64_t signals = UINT64_C(0x7ff4000000000123); // a signalling NaN
    uint8_t byte = 7;
    copy(LM_C8, &byte, LM_F64, &signals, 1);
    assert_int_equal(byte, 0);
    copy(LM_F32, &same, LM_F64, &signals, 1);
    assert_int_equal(same, 0x7fc00000);
}

TEST(all_is_read_before) {
    uint8_t bytes[16] = {1, 2, 3, 4};
    uint16_t widened[4];
    copy(LM_U16, bytes, LM_U8, bytes, 4);
    memcpy(widened, bytes, sizeof widened);
    for (uint16_t i = 0; i < 4; i++)
        assert_int_equal(widened[i], i + 1);
}

TEST_MAIN(NULL, NULL)
