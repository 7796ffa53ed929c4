// Mutations: small wrong changes of C sources, found in their tokens.
//
// What is changed is the code in functions' bodies. Left alone are comments, strings and
// directives with all that macros stand for, static assertions, LM_CHECK and what is compiled or
// run for a check level only, and the walk: functions that return text (a broken law's name) or
// take a census, and those that only these, or checks, call. Calls are found by name, over all
// sources given together.
//
// A mutation counts itself (LM_MUTANT of fuzz/score/mutants/mutant.h): reached where it is run,
// triggered if its value differs from the right one. If computing both would call or assign twice,
// it counts as triggered whenever it is reached.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mutation_kind {
    MUTATE_COMPARISON, // < <=, > >=, == !=
    MUTATE_LOGIC,      // && ||
    MUTATE_CONDITION,  // if (!…), ?: with its arms swapped
    MUTATE_ARITHMETIC, // + -, & |, << >>, += -=, |= &=, ++ --
    MUTATE_OPERANDS,   // a - b: b - a; and of / % << >>
    MUTATE_CONSTANT,   // one more, one less
    MUTATE_STATEMENT,  // dropped
    MUTATION_KINDS,
} mutation_kind;

extern const char *const mutation_kinds[MUTATION_KINDS];

typedef struct mutation {
    char *name; // "FILE.c:83:comparison"; the second there of its kind, "…comparison-2"
    int source; // its number
    unsigned line;
    mutation_kind kind;
    size_t from, to; // the bytes that are replaced
    char *plain;     // by what
    char *counted;   // the same, counting itself
} mutation;

// Sources that are looked at together.
typedef struct mutate_source {
    const char *path; // from the root
    const char *text;
} mutate_source;

typedef struct mutations {
    mutation *at;
    size_t count;
} mutations;

// All mutations, by source and in the order of their places. `error` (of 200 bytes): why not.
// Deterministic. O(bytes) but for the calls, which take O(functions × names) a step.
bool mutate_find(mutations *found, const mutate_source *sources, size_t count, char *error);
void mutations_free(mutations *found);

// Brings them into the order in which a sample of any size is taken: drawn without repetition by
// the seed, evenly over the sources, as many of each as it has.
void mutate_shuffle(mutations *found, uint64_t seed);

// Returns the source's text with the mutation; the caller frees it.
char *mutate_apply(const mutation *mutation, const char *text, bool counted);

// The line before and after, without white space around; to be freed.
void mutate_show(const mutation *mutation, const char *text, char **before, char **after);
