#include "cli/text.h"
#include "cli/options.h"

#include <locale.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

char *text_format(const char *format, ...) {
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&made, format, arguments) < 0) options_fail("out of memory");
    va_end(arguments);
    return made;
}

void text_list_add(char **list, const char *item) {
    char *longer = text_format("%s%s%s", *list ? *list : "", *list ? ", " : "", item);
    free(*list);
    *list = longer;
}

// A text under construction.
typedef struct text_builder {
    FILE *stream;
    char *text;
    size_t bytes;
} text_builder;

static void text_builder_open(text_builder *builder) {
    builder->stream = open_memstream(&builder->text, &builder->bytes);
    if (!builder->stream) options_fail("out of memory");
}

static char *text_builder_close(text_builder *builder) {
    if (fclose(builder->stream) != 0) options_fail("out of memory");
    return builder->text;
}

// ---- Characters: the C library's, in UTF-8 whatever the user's locale is ------------------------

static locale_t text_utf8;
static pthread_once_t text_utf8_made = PTHREAD_ONCE_INIT;

static void text_make_utf8(void) {
    text_utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
}

// Sets the thread's locale to UTF-8 and returns the previous one. If the system has no C.UTF-8,
// only ASCII is printable.
static locale_t text_enter_utf8(void) {
    pthread_once(&text_utf8_made, text_make_utf8);
    return uselocale(text_utf8);
}

// Decodes the first character of a text that is not empty. Returns false if its first byte is not
// part of a character.
static bool text_decode(const char *text, wchar_t *code, size_t *bytes) {
    mbstate_t state = {0};
    *bytes = mbrtowc(code, text, strnlen(text, 4), &state);
    bool good = *bytes >= 1 && *bytes <= 4 && *code <= 0x10ffff && *code >> 11 != 0xd800 >> 11;
    if (!good) *bytes = 1;
    return good;
}

// Returns whether a character changes the direction of text or is invisible.
static bool text_is_invisible(wchar_t code) {
    static const struct {
        wchar_t first, last;
    } ranges[] = {{0x61c, 0x61c},   {0x200b, 0x200b}, {0x200e, 0x200f},  {0x202a, 0x202e},
                  {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xe0000, 0xe0fff}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (code >= ranges[i].first && code <= ranges[i].last) return true;
    return !iswprint((wint_t)code);
}

static void text_put_escaped(FILE *stream, wchar_t code) {
    if (code == '\n')
        fputs("\\n", stream);
    else if (code == '\t')
        fputs("\\t", stream);
    else
        fprintf(stream, code < 0x80 ? "\\x%02x" : "\\u{%04x}", (unsigned)code);
}

static char *text_escape(const char *bytes, bool printable) {
    text_builder made;
    text_builder_open(&made);
    locale_t before = text_enter_utf8();
    for (size_t length; *bytes; bytes += length) {
        wchar_t code;
        if (!text_decode(bytes, &code, &length))
            fprintf(made.stream, "\\x%02x", (unsigned char)*bytes);
        else if (printable && text_is_invisible(code))
            text_put_escaped(made.stream, code);
        else
            fwrite(bytes, 1, length, made.stream);
    }
    uselocale(before);
    return text_builder_close(&made);
}

char *text_valid(const char *bytes) {
    return text_escape(bytes, false);
}

char *text_printable(const char *bytes) {
    return text_escape(bytes, true);
}

// ---- Columns ------------------------------------------------------------------------------------

// Returns the columns of the first character, and its bytes.
static size_t text_width(const char *text, size_t *bytes) {
    wchar_t code;
    int width = text_decode(text, &code, bytes) ? wcwidth(code) : 1;
    return width > 0 ? (size_t)width : 0;
}

size_t text_columns(const char *text) {
    size_t columns = 0;
    locale_t before = text_enter_utf8();
    for (size_t length; *text; text += length)
        columns += text_width(text, &length);
    uselocale(before);
    return columns;
}

size_t text_within(const char *text, size_t columns) {
    size_t bytes = 0;
    locale_t before = text_enter_utf8();
    for (size_t length, width; text[bytes]; bytes += length, columns -= width)
        if ((width = text_width(text + bytes, &length)) > columns) break;
    uselocale(before);
    return bytes;
}

// Returns the longest end of the text that fits into the columns.
static const char *text_end_within(const char *text, size_t columns) {
    size_t all = text_columns(text);
    locale_t before = text_enter_utf8();
    for (size_t length; all > columns; text += length)
        all -= text_width(text, &length);
    for (size_t length; *text && text_width(text, &length) == 0; text += length)
        ; // combining marks of a character before the end
    uselocale(before);
    return text;
}

char *text_shorten(const char *text, size_t columns) {
    if (text_columns(text) <= columns) return text_format("%s", text);
    return text_format("%.*s…%s", (int)text_within(text, columns / 2), text,
                       text_end_within(text, columns - 1 - columns / 2));
}

// ---- The shell ----------------------------------------------------------------------------------

// Writes a word between $' and ', characters that are not printable as their bytes.
static void text_put_bytes(FILE *stream, const char *word) {
    fputs("$'", stream);
    for (size_t length; *word; word += length) {
        wchar_t code;
        bool shown = text_decode(word, &code, &length) && !text_is_invisible(code);
        for (size_t i = 0; i < length; i++)
            if (!shown) // three octal digits: a digit that follows is not part of them
                fprintf(stream, "\\%03o", (unsigned char)word[i]);
            else
                fprintf(stream, strchr("\\'", word[i]) ? "\\%c" : "%c", word[i]);
    }
    fputc('\'', stream);
}

static char *text_shell_word(const char *word) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "%+,-./:=@_";
    if (*word && !word[strspn(word, plain)]) return text_format("%s", word);
    char *printable = text_printable(word);
    bool same = strcmp(printable, word) == 0;
    free(printable);
    text_builder made;
    text_builder_open(&made);
    if (same) {
        fputc('\'', made.stream);
        for (; *word; word++)
            fprintf(made.stream, *word == '\'' ? "'\\%c'" : "%c", *word);
        fputc('\'', made.stream);
    } else {
        locale_t before = text_enter_utf8();
        text_put_bytes(made.stream, word);
        uselocale(before);
    }
    return text_builder_close(&made);
}

char *text_shell_command(int argc, char *const *argv) {
    text_builder made;
    text_builder_open(&made);
    for (int i = 0; i < argc; i++) {
        char *word = text_shell_word(argv[i]);
        fprintf(made.stream, i ? " %s" : "%s", word);
        free(word);
    }
    return text_builder_close(&made);
}
