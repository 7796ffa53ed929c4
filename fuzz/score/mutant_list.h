// The mutants there are: the named ones, patches in fuzz/score/mutants/, and those that can be
// generated from what is fuzzed (fuzz/score/mutate.h). Of those some are no bugs:
// fuzz/score/mutants/survivors.txt says which and why, by what they change, for lines' numbers do
// not last.
#pragma once

#include "fuzz/score/mutate.h"

#include <jansson.h>

typedef struct mutant {
    char *name;
    char *class;  // of a bug, as its patch says; of a generated one, its kind
    char *target; // which should find it: a fuzz target, or a test where none plays what is changed
    char *source; // after which bug; "generated"
    char *what;   // in one line
    char *
        reason; // why a generated one need not be found (fuzz/score/mutants/survivors.txt); or NULL
    char **allocators; // where it shows; or "buffers" alone. Ends with NULL
    char **files;      // that it changes, from the root. Ends with NULL
    char *patch;       // its path; NULL: it is generated
    const mutation *mutation;
} mutant;

typedef struct mutant_list {
    mutant *at;
    size_t count, named; // the named ones first, by name; then all generated ones, sampled
    mutate_source *sources;
    size_t source_count;
    mutations mutations;
} mutant_list;

// Reads all of them, from the repository at `root`; the sample is drawn by `seed`. False: `error`
// (of 300 bytes) says which file is wrong. A file, a patch or not, that cannot be read is an error.
bool mutant_list_read(mutant_list *list, const char *root, uint64_t seed, char *error);
void mutant_list_free(mutant_list *list);

// Returns the mutant of that name, or NULL.
const mutant *mutant_named(const mutant_list *list, const char *name);

// Returns a generated mutant's source text; the caller frees it.
char *mutant_text(const mutant_list *list, const mutant *mutant);

// name, class, allocators, target, source, what, generated, reason. A new reference.
json_t *mutant_json(const mutant *mutant);
