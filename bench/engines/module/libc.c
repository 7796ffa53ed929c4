// The functions of the C library that corpus/replay/ calls, for the module. alloc/wasm/memory.c has
// memcpy, memmove and memset.
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int memcmp(const void *a, const void *b, size_t count) {
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < count; i++)
        if (x[i] != y[i]) return x[i] - y[i];
    return 0;
}

typedef struct output {
    char *text;
    size_t bytes, length;
} output;

static void put(output *to, const char *text) {
    for (; *text; text++, to->length++)
        if (to->length + 1 < to->bytes) to->text[to->length] = *text;
}

static void put_number(output *to, uint64_t number) {
    char digits[21], *at = digits + sizeof digits - 1;
    *at = '\0';
    do
        *--at = (char)('0' + number % 10);
    while (number /= 10);
    put(to, at);
}

int vsnprintf(char *text, size_t bytes, const char *format, va_list arguments) {
    output to = {text, bytes, 0};
    for (const char *at = format; *at; at++) {
        if (*at != '%') {
            put(&to, (const char[]){*at, '\0'});
            continue;
        }
        unsigned longs = 0;
        while (*++at == 'l' || *at == 'z')
            longs += *at == 'l';
        if (*at == 's')
            put(&to, va_arg(arguments, const char *));
        else if (*at == 'u')
            put_number(&to, longs == 2 ? va_arg(arguments, unsigned long long)
                                       : va_arg(arguments, unsigned));
    }
    if (bytes) text[to.length < bytes ? to.length : bytes - 1] = '\0';
    return (int)to.length;
}

int snprintf(char *text, size_t bytes, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, bytes, format, arguments);
    va_end(arguments);
    return length;
}
