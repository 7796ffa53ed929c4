// Text: made while a verb runs, or chosen by users (names, paths, comments: any bytes).
//
// What users choose is shown through text_printable, so that it stays on its line, cannot command a
// terminal, and is valid UTF-8 wherever it is written.
#pragma once

#include <stddef.h>

// As sprintf, into a string of its own, to be freed. Out of memory: options_fail.
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// A copy that is valid UTF-8: each byte that belongs to no character becomes \xNN. To be freed.
char *text_valid(const char *bytes);

// The same; control characters become \n, \t or \xNN, and characters that show nothing or turn the
// direction of text become \u{NNNN}. A text that is printable already is not changed.
char *text_printable(const char *bytes);

// How many columns a terminal needs for a printable text.
size_t text_columns(const char *text);

// How many bytes of the text need no more than so many columns; no character is cut.
size_t text_within(const char *text, size_t columns);

// A copy of at most `columns` columns (1 or more): what is longer loses its middle to an ellipsis.
// To be freed.
char *text_shorten(const char *text, size_t columns);

// The word as it can be typed into a shell (bash, ksh, zsh), printable. To be freed.
char *text_shell_word(const char *word);

// The words of a command, as they can be typed. To be freed.
char *text_shell_command(int argc, char *const *argv);
