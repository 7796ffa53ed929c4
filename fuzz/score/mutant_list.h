// The mutants: the named ones, patches in fuzz/score/mutants/, and those that fuzz/score/mutate.py
// generates from the strategies and the buffers.
//
// Some generated mutants are no bugs; fuzz/score/mutants/survivors.txt says which and why. It
// identifies them by the changed line's text, since line numbers change.
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct mutant {
    char *name;
    char *class;       // of the bug, as its patch says; the operator of a generated one
    char *target;      // a fuzz target that should find it, or a test if no target can
    char *source;      // the project and bug that it is modelled on; "generated"
    char *what;        // in one line
    char *reason;      // why a generated one need not be found (survivors.txt); or NULL
    char **allocators; // that it changes, or "buffers" alone. Ends with NULL
    char **files;      // that it changes, from the root. Ends with NULL
    char *patch;       // its path; NULL: it is generated, and replaces bytes of files[0]:
    size_t from, to;
    char *text;
} mutant;

typedef struct mutant_list {
    mutant *at;
    size_t count, named; // the named ones first, by name; then the generated ones
} mutant_list;

// Reads the named mutants of the repository at `root`. Returns false with the reason in `error` (of
// 300 bytes) if a file cannot be read or lacks a header line; the list must be freed either way.
bool mutant_list_read(mutant_list *list, const char *root, char *error);
// Adds the generated mutants, in an order drawn by `seed`: the first N are a sample of N. Returns
// false as above, also if python3 or libclang's Python binding is missing. Takes seconds.
bool mutant_list_generate(mutant_list *list, const char *root, uint64_t seed, char *error);
void mutant_list_free(mutant_list *list);

// Shuffles generated mutants, which are ordered by file, so that the files' mutants are spread
// evenly over the whole: any number of first ones has from each file its share.
void mutants_shuffle(mutant *mutants, size_t count, uint64_t seed);

// Returns the mutant of that name, or NULL.
const mutant *mutant_named(const mutant_list *list, const char *name);

// Returns the text of a generated mutant's file with the mutation; the caller frees it.
char *mutant_apply(const mutant *mutant, const char *text);

// name, class, allocators, target, source, what, generated, reason. A new reference.
json_t *mutant_json(const mutant *mutant);
