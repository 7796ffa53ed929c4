// Text that is made while a verb runs.
#pragma once

// As sprintf, into a string of its own, to be freed. Out of memory: options_fail.
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
