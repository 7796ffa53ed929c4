#include "cli/test.h"
#include "cli/text.h"

#include <locale.h>

static void is(char *made, const char *wanted) {
    assert_string_equal(made, wanted);
    free(made);
}

TEST(bytes_that_are_no_character_are_escaped) {
    static const struct {
        const char *bytes, *valid;
    } rows[] = {
        {"", ""},
        {"größe Ж 漢 😀\n\x1b", "größe Ж 漢 😀\n\x1b"},
        {"caf\xe9.lmt", "caf\\xe9.lmt"},
        {"cut \xd0", "cut \\xd0"},
        {"cut \xe6\xbc", "cut \\xe6\\xbc"},
        {"cut \xf0\x9f\x98", "cut \\xf0\\x9f\\x98"},
        {"\xd0\xd0\x96", "\\xd0Ж"},
        {"\x80", "\\x80"},
        {"\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf"}, // '/' in too many bytes
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},                   // a UTF-16 surrogate
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},          // above the last
        {"\xff\xfe", "\\xff\\xfe"},
    };
    for (size_t i = 0; i < ITEMS(rows); i++)
        is(text_valid(rows[i].bytes), rows[i].valid);
}

TEST(what_is_shown_stays_on_its_line) {
    static const struct {
        const char *bytes, *printable;
    } rows[] = {
        {"plain | `x` \\", "plain | `x` \\"},
        {"a\nb\tc\r", "a\\nb\\tc\\x0d"},
        {"\x1b[31mred\x07\x7f", "\\x1b[31mred\\x07\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\u{009b}31m"},
        {"\u202egnp.exe", "\\u{202e}gnp.exe"},
        {"\u2066\u200b\ufeff\u2028", "\\u{2066}\\u{200b}\\u{feff}\\u{2028}"},
        {"e\u0301 漢\u200d", "e\u0301 漢\u200d"},
        {"caf\xe9", "caf\\xe9"},
    };
    for (size_t i = 0; i < ITEMS(rows); i++) {
        char *printable = text_printable(rows[i].bytes);
        is(text_printable(printable), printable);
        is(printable, rows[i].printable);
    }
}

TEST(columns_are_a_terminals) {
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("größe"), 5);
    assert_int_equal(text_columns("漢字"), 4);
    assert_int_equal(text_columns("e\u0301"), 1);
    assert_int_equal(text_columns("😀"), 2);
    assert_int_equal(text_within("漢字", 3), 3);
    assert_int_equal(text_within("e\u0301x", 1), 3);
    assert_int_equal(text_within("abc", 9), 3);
}

TEST(what_is_too_wide_loses_its_middle) {
    is(text_shorten("abcdef", 6), "abcdef");
    is(text_shorten("abcdefg", 6), "abc…fg");
    is(text_shorten("漢字漢字", 6), "漢…字");
    is(text_shorten("abcde\u0301", 3), "a…e\u0301");
    is(text_shorten("abc", 1), "…");
    char *long_name = malloc(4097);
    memset(memset(long_name, 'x', 4096) + 4096, 0, 1);
    char *shortened = text_shorten(long_name, 20);
    assert_int_equal(text_columns(shortened), 20);
    free(shortened);
    free(long_name);
}

// Returns the words as a shell reads them, a NUL after each.
static char *read_by_a_shell(const char *words) {
    setenv("LINMEM_WORDS", words, 1);
    FILE *stream = popen("bash -c 'eval \"printf %s\\\\\\\\0 $LINMEM_WORDS\"'", "r");
    assert_non_null(stream);
    char *read = calloc(1, 10000);
    assert_true(fread(read, 1, 9999, stream) > 0);
    assert_int_equal(pclose(stream), 0);
    return read;
}

TEST(a_command_can_be_pasted) {
    static const char *const words[] = {
        "plain-1.lmt", "",      "two words",   "it's",  "$HOME `x` \"y\" \\ | & ; * ? ~ # !",
        "tab\tline\n", "\0331", "caf\xe9\xd0", "größe", "\u202e\u200bx'\\",
    };
    enum { COUNT = ITEMS(words) };
    char *argv[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        argv[i] = (char *)(uintptr_t)words[i];
    char *command = text_shell_command(COUNT, argv);
    is(text_printable(command), command); // is printed unchanged
    char *read = read_by_a_shell(command), *at = read;
    for (size_t i = 0; i < COUNT; i++, at += strlen(at) + 1)
        assert_string_equal(at, words[i]);
    free(read);
    free(command);
    char *simple[] = {(char[]){"--seed=3"}, (char[]){"a b"}};
    is(text_shell_command(2, simple), "--seed=3 'a b'");
}

TEST(the_users_locale_does_not_matter) {
    assert_non_null(setlocale(LC_ALL, "C"));
    is(text_printable("größe"), "größe");
    is(text_format("%.1f", 1.5), "1.5");
}

TEST_MAIN(NULL, NULL)
