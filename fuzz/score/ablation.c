#include "fuzz/score/ablation.h"

#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/options.h"
#include "fuzz/oracle/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_seconds(const void *a, const void *b) {
    double one = score_median_seconds(*(score_entry *const *)a);
    double other = score_median_seconds(*(score_entry *const *)b);
    return (one > other) - (one < other);
}

// Whether no run of the mutant finds it where the law is not held.
static bool is_hidden(ablation_entry *law, const score_options *options, const mutant_list *list,
                      const mutant *mutant, char *error) {
    score score;
    score_options without = *options;
    char *chosen[] = {mutant->name, NULL};
    without.chosen = chosen;
    without.generated = 0;
    without.control = 0;
    without.without = law->law;
    if (!score_take(&score, &without, list, error)) return false;
    const score_entry *e = score.entries;
    bool hidden = score.count == 1 && e->state == SCORE_MEASURED && e->found == 0;
    law->runs = hidden ? e->run_count : 0;
    score_free(&score);
    return hidden;
}

static void find_own(ablation_entry *law, const score *all, const mutant_list *list, char *error) {
    const score_entry **candidates = calloc(all->count + 1, sizeof *candidates);
    if (!candidates) options_fail("out of memory");
    for (size_t i = 0; i < all->count; i++) {
        const score_entry *e = &all->entries[i];
        if (e->mutant && score_detected(e) && strcmp(score_oracle(e), law->law) == 0)
            candidates[law->found++] = e;
    }
    qsort(candidates, law->found, sizeof *candidates, by_seconds);
    while (!law->mutant && law->tried < law->found) {
        const score_entry *e = candidates[law->tried++];
        if (!is_hidden(law, &all->options, list, e->mutant, error)) continue;
        law->mutant = e->mutant;
        law->seconds = score_median_seconds(e);
    }
    free(candidates);
}

bool ablation_take(ablation *a, const score_options *options, const mutant_list *list,
                   char *error) {
    score all;
    *a = (ablation){.run_seconds = options->seconds};
    score_options held = *options;
    held.control = 0;
    if (!score_take(&all, &held, list, error)) return false;
    a->laws = calloc(LAWS, sizeof *a->laws);
    if (!a->laws) options_fail("out of memory");
    for (; a->count < LAWS && !interrupted(); a->count++) {
        a->laws[a->count] = (ablation_entry){.law = law_names[a->count]};
        find_own(&a->laws[a->count], &all, list, error);
    }
    a->interrupted = interrupted();
    score_free(&all);
    return true;
}

void ablation_free(ablation *a) {
    free(a->laws);
    *a = (ablation){0};
}

json_t *ablation_json(const ablation *a) {
    json_t *list = json_array();
    for (size_t i = 0; i < a->count; i++) {
        const ablation_entry *law = &a->laws[i];
        const mutant *m = law->mutant;
        json_add(list,
                 json_fields("law", json_text(law->law), "mutant", json_text(m ? m->name : NULL),
                             "seconds", json_number(m ? law->seconds : NAN), "runs_without",
                             json_integer(law->runs), "first_found",
                             json_integer((json_int_t)law->found), "tried",
                             json_integer((json_int_t)law->tried), NULL));
    }
    return list;
}

void ablation_print(const ablation *a, FILE *to) {
    fprintf(to, "%-13s %-39s %9s  %s\n", "law", "found by no other", "s", "without the law");
    for (size_t i = 0; i < a->count; i++) {
        const ablation_entry *law = &a->laws[i];
        if (law->mutant)
            fprintf(to, "%-13s %-39s %9.1f  not in %u runs of %.0f s\n", law->law,
                    law->mutant->name, law->seconds, law->runs, a->run_seconds);
        else
            fprintf(to, "%-13s %-39s %9s  of %zu that it found first, others find %zu\n", law->law,
                    "-", "", law->found, law->tried);
    }
    if (a->interrupted) fputs("Interrupted.\n", to);
}
