// Text: formatted, or chosen by users (names, paths, comments: any bytes).
//
// All text chosen by users is passed through text_printable before it is shown: it then stays on
// its line, has no terminal escape sequences and is valid UTF-8. The caller frees returned strings.
// If out of memory, the functions call options_fail.
#pragma once

#include <stddef.h>

// sprintf into a new string.
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

// Appends an item to a list, after a comma and a space. *list is NULL or a string to be freed.
void text_list_add(char **list, const char *item);

// Returns a copy in valid UTF-8: each byte that is not part of a character becomes \xNN.
char *text_valid(const char *bytes);

// The same; ASCII control characters become \n, \t or \xNN, and all others that are invisible or
// change the direction of text become \u{NNNN}. Printable text is copied unchanged.
char *text_printable(const char *bytes);

// Returns the number of terminal columns of a printable text.
size_t text_columns(const char *text);

// Returns the number of first bytes that fit into `columns`, without cutting a character.
size_t text_within(const char *text, size_t columns);

// Returns a copy of at most `columns` columns (1 or more), with an ellipsis in place of the middle
// if the text is longer.
char *text_shorten(const char *text, size_t columns);

// Returns the words of a command, quoted for a shell (bash, ksh, zsh) and separated
// by spaces; printable.
char *text_shell_command(int argc, char *const *argv);
