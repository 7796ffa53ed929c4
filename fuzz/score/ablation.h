// The ablation: searches for each law a mutant that is found with all laws and not without this
// one, so that no other law replaces it.
#pragma once

#include "fuzz/score/score.h"

typedef struct ablation_entry {
    const char *law;
    const mutant *mutant; // found by this law only; NULL if none is known
    double seconds;       // the median with all laws
    unsigned runs;        // without the law, which found nothing
    size_t found, tried;  // mutants that the law found first; those tried without it
} ablation_entry;

typedef struct ablation {
    double run_seconds;
    ablation_entry *laws;
    size_t count;
    bool interrupted;
} ablation;

// A score of the mutants, and for each law scores without it of those that it was the first to
// find, the fastest first, until one stays hidden. False: `error` (of 300 bytes) says why not.
bool ablation_take(ablation *ablation, const score_options *options, const mutant_list *list,
                   char *error);
void ablation_free(ablation *ablation);

// An array of law, mutant, seconds, …
json_t *ablation_json(const ablation *ablation);
void ablation_print(const ablation *ablation, FILE *stream);
