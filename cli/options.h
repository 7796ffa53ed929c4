// Options, parsed by argp with two additions: bad usage exits with status 2, and the message about
// an unknown option names the nearest valid one.
#pragma once

#include <argp.h>
#include <stddef.h>

// Parses argv as argp_parse does, in order, including --help. Exits on bad usage. A parser that
// takes the rest of argv as another program's command sets state->next = state->argc at its first
// argument.
//
// If the only argument is --options, prints the verb's options and texts for the manual page and
// the completion, and exits: a line each, of fields separated by tabs: "arguments ARGS_DOC",
// "before TEXT", "after TEXT", "option KEY NAME ARG DOC" (KEY and ARG may be empty); a new line is
// written as \n.
void options_parse(const struct argp *argp, int argc, char **argv, void *input);

// Prints "linmem VERB: MESSAGE" on standard error. The message is made printable (cli/text.h), and
// so stays on one line.
void options_warn(const char *message, ...) __attribute__((format(printf, 1, 2)));

// The same, then prints "Try … --help" and exits with status 2. For parsers, and for verbs whose
// input is bad.
_Noreturn void options_fail(const char *message, ...) __attribute__((format(printf, 1, 2)));

// Returns the name nearest to `word` by edit distance (a transposition counts once), or NULL if
// none is near enough to be a misspelling. O(count × length²).
const char *options_nearest(const char *word, const char *const *names, size_t count);

// Calls options_fail with "unknown KIND 'WORD'" and the nearest name, or all names if none is near.
_Noreturn void options_unknown(const char *kind, const char *word, const char *const *names,
                               size_t count);

// Parses a whole number in minimum … maximum. If it is not one, calls options_fail, naming `what`.
unsigned long long options_number(const char *what, const char *text, unsigned long long minimum,
                                  unsigned long long maximum);

// Splits "a, b,c" in place; drops spaces around the parts and empty parts; "\," is a comma within a
// part. Returns an array that ends with NULL. The caller frees it.
char **options_split(char *text);
