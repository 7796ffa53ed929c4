// Options, by argp, with two things added: bad usage ends with status 2, and an unknown option
// names the nearest valid one.
#pragma once

#include <argp.h>
#include <stddef.h>

// Parses argv as argp_parse does, in order, --help included; does not return on bad usage. A parser
// that takes the rest as somebody's command sets state->next = state->argc at its first argument.
void options_parse(const struct argp *argp, int argc, char **argv, void *input);

// Says "linmem VERB: MESSAGE" and "Try … --help" on standard error and exits with status 2. For use
// inside a parser and by verbs whose input is bad. What the message quotes is shown printable, and
// so on one line.
_Noreturn void options_fail(const char *message, ...) __attribute__((format(printf, 1, 2)));

// The name that is nearest to `word` by edit distance (transpositions count once), or NULL where
// none is near enough to be meant. O(count × length²).
const char *options_nearest(const char *word, const char *const *names, size_t count);

// options_fail with "unknown KIND 'WORD'", and the nearest name or else all of them.
_Noreturn void options_unknown(const char *kind, const char *word, const char *const *names,
                               size_t count);

// Reads a whole number in minimum … maximum; options_fail names `what` where it is none.
unsigned long long options_number(const char *what, const char *text, unsigned long long minimum,
                                  unsigned long long maximum);

// Splits "a, b,c" in place, without spaces around the parts and without empty parts; "\," is a
// comma within a part. Returns an array that ends with NULL, to be freed.
char **options_split(char *text);
