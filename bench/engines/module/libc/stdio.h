// <stdio.h> for the module: snprintf with %s, %u, %llu and %zu. There are no streams.
#pragma once

#include <stdarg.h>
#include <stddef.h>

typedef struct FILE FILE;

int snprintf(char *text, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *text, size_t bytes, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
