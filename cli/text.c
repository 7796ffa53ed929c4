#include "cli/text.h"
#include "cli/options.h"

#include <stdarg.h>
#include <stdio.h>

char *text_format(const char *format, ...) {
    char *made = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&made, format, arguments) < 0) options_fail("out of memory");
    va_end(arguments);
    return made;
}
