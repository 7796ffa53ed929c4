// The results of a score: medians, JSON, the table.
#include "fuzz/score/score.h"

#include "cli/json.h"
#include "cli/options.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b) {
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

// Returns the upper median, and sorts the values.
static double median(double *values, size_t count) {
    if (count == 0) return INFINITY;
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static double median_of_runs(const score_entry *e, bool seconds) {
    double *values = calloc(e->run_count + 1, sizeof *values);
    if (!values) options_fail("out of memory");
    for (unsigned i = 0; i < e->run_count; i++) {
        const score_run *run = &e->runs[i];
        values[i] = !run->found ? INFINITY : seconds ? run->seconds : (double)run->inputs;
    }
    double found = median(values, e->run_count);
    free(values);
    return found;
}

double score_median_seconds(const score_entry *e) {
    return median_of_runs(e, true);
}
double score_median_inputs(const score_entry *e) {
    return median_of_runs(e, false);
}
bool score_detected(const score_entry *e) {
    return isfinite(score_median_seconds(e));
}

const char *score_oracle(const score_entry *e) {
    const char *most = "none";
    unsigned most_runs = 0;
    for (unsigned i = 0; i < e->run_count; i++) {
        unsigned runs = 0;
        for (unsigned j = 0; j < e->run_count; j++)
            runs += e->runs[j].found && strcmp(e->runs[i].oracle, e->runs[j].oracle) == 0;
        if (runs <= most_runs || !e->runs[i].found) continue;
        most = e->runs[i].oracle;
        most_runs = runs;
    }
    return most;
}

// ---- JSON ---------------------------------------------------------------------------------------

static json_t *runs_json(const score_entry *e) {
    json_t *runs = json_array();
    for (unsigned i = 0; i < e->run_count; i++) {
        const score_run *run = &e->runs[i];
        json_add(runs,
                 json_fields("seed", json_integer(i + 1LL), "found", json_boolean(run->found),
                             "oracle", json_text(run->found ? run->oracle : "none"), "inputs",
                             json_integer((json_int_t)run->inputs), "seconds",
                             json_number(run->seconds), "finding", json_text(run->finding), NULL));
    }
    return runs;
}

static const char *const states[] = {"waiting",   "measured", "partly measured",
                                     "same code", "no code",  "failed"};

static json_t *entry_json(const score_entry *e) {
    const mutant *m = e->mutant;
    json_t *entry = json_fields(
        "name", json_text(m ? m->name : "none"), "allocator", json_text(e->allocator),     //
        "program", json_text(e->program), "class", json_text(m ? m->class : "control"),    //
        "reached", json_boolean(e->reached), "triggered", json_boolean(e->triggered),      //
        "detected", json_boolean(score_detected(e)), "oracle", json_text(score_oracle(e)), //
        "inputs", json_number(score_median_inputs(e)),                                     //
        "seconds", json_number(score_median_seconds(e)),                                   //
        "runs_found", json_integer(e->found), "runs", json_integer(e->run_count),          //
        "state", json_text(states[e->state]), "each_run", runs_json(e), NULL);
    if (m) {
        json_set(entry, "source", json_text(m->source));
        json_set(entry, "what", json_text(m->what));
        json_set(entry, "reason", json_text(m->reason));
    }
    if (e->state == SCORE_FAILED) json_set(entry, "error", json_text(e->error));
    return entry;
}

json_t *score_json(const score *s) {
    json_t *list = json_array();
    for (size_t i = 0; i < s->count; i++)
        json_add(list, entry_json(&s->entries[i]));
    return list;
}

// ---- The table ----------------------------------------------------------------------------------

// Mutants before the original code; undetected, then slow, then fast ones.
static int by_trouble(const void *a, const void *b) {
    const score_entry *one = *(score_entry *const *)a, *other = *(score_entry *const *)b;
    if (!one->mutant != !other->mutant) return !one->mutant - !other->mutant;
    double mine = score_median_seconds(one), theirs = score_median_seconds(other);
    if (mine != theirs) return mine < theirs ? 1 : -1;
    return one->mutant ? strcmp(one->mutant->name, other->mutant->name)
                       : strcmp(one->program, other->program);
}

static void print_entry(FILE *to, const score *s, const score_entry *e) {
    char runs[24];
    snprintf(runs, sizeof runs, "%u/%u", e->found, e->run_count);
    const mutant *m = e->mutant;
    fprintf(to, "%-39s %-12s %-17s %s%s %5s %-12s", m ? m->name : e->program,
            e->allocator ? e->allocator : "", m ? m->class : "control", e->reached ? "r" : "-",
            e->triggered ? "t" : "-", runs, score_oracle(e));
    if (e->state == SCORE_FAILED || e->state == SCORE_SAME_CODE) {
        fprintf(to, " %s\n", e->state == SCORE_SAME_CODE ? "same code" : e->error);
        return;
    }
    double inputs = score_median_inputs(e), seconds = score_median_seconds(e);
    if (isfinite(seconds))
        fprintf(to, " %9.0f %6.1f\n", inputs, seconds);
    else if (s->options.depth == 0)
        fprintf(to, " %9s >%5.0f\n", "", s->options.seconds);
    else // the explorer: all moves up to its depth
        fprintf(to, " %9llu %6.1f\n", e->run_count ? (unsigned long long)e->runs->inputs : 0,
                e->run_count ? e->runs->seconds : 0);
    if (m && !m->patch && !isfinite(seconds))
        fprintf(to, "    %s\n    %s\n", m->what, m->reason ? m->reason : "no reason is known");
}

typedef struct summary {
    size_t mutants, detected, explained, same, failed; // explained: not detected, with a reason
    unsigned runs, found;
    double median_seconds;
} summary;

// Counts the named or the generated mutants; `target`: only those for this target, or NULL.
static summary summarise(const score *s, bool generated, const char *target) {
    summary sum = {0};
    double *seconds = calloc(s->count + 1, sizeof *seconds);
    if (!seconds) options_fail("out of memory");
    for (size_t i = 0; i < s->count; i++) {
        const score_entry *e = &s->entries[i];
        if (!e->mutant || (e->mutant->patch == NULL) != generated) continue;
        if (target && strcmp(e->mutant->target, target) != 0) continue;
        sum.same += e->state == SCORE_SAME_CODE;
        sum.failed += e->state == SCORE_FAILED;
        if (e->run_count == 0) continue;
        seconds[sum.mutants++] = score_median_seconds(e);
        sum.detected += score_detected(e);
        sum.explained += !score_detected(e) && e->mutant->reason;
        sum.runs += e->run_count;
        sum.found += e->found;
    }
    sum.median_seconds = median(seconds, sum.mutants);
    free(seconds);
    return sum;
}

// Percentages are rounded down, so that 100 % means all.
static void print_summary(FILE *to, const char *what, const summary *sum) {
    if (sum->mutants + sum->same + sum->failed == 0) return;
    fprintf(to, "%s: %zu of %zu detected", what, sum->detected, sum->mutants);
    if (sum->mutants > 0)
        fprintf(to, " (%.1f %%), in %u of %u runs",
                floor(1000.0 * (double)sum->detected / (double)sum->mutants) / 10, sum->found,
                sum->runs);
    if (isfinite(sum->median_seconds)) fprintf(to, ", median %.1f s", sum->median_seconds);
    if (sum->explained) fprintf(to, "; %zu of the others are not bugs", sum->explained);
    if (sum->same) fprintf(to, "; %zu more compile to the same code", sum->same);
    if (sum->failed) fprintf(to, "; %zu failed", sum->failed);
    fputc('\n', to);
}

// The explorer's scores of heaps and of buffers differ much, so that they are counted separately.
static void print_summaries(FILE *to, const score *s) {
    static const struct {
        const char *what, *target;
        bool generated, explored;
    } lines[] = {
        {"named", NULL, false, false},
        {"generated", NULL, true, false},
        {"named, of heaps", "heap", false, true},
        {"named, of buffers", "buffers", false, true},
        {"generated, of heaps", "heap", true, true},
        {"generated, of buffers", "buffers", true, true},
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (lines[i].explored != (s->options.depth > 0)) continue;
        summary sum = summarise(s, lines[i].generated, lines[i].target);
        print_summary(to, lines[i].what, &sum);
    }
}

static void print_control(FILE *to, const score *s) {
    size_t programs = 0;
    unsigned runs = 0, found = 0;
    for (size_t i = 0; i < s->count; i++) {
        const score_entry *e = &s->entries[i];
        if (e->mutant) continue;
        programs++;
        runs += e->run_count;
        found += e->found;
    }
    if (programs == 0) return;
    if (s->options.depth > 0)
        fprintf(to, "original code: %zu allocators to depth %u: ", programs, s->options.depth);
    else
        fprintf(to, "original code: %zu programs, %u runs of %.0f s: ", programs, runs,
                s->options.seconds);
    fprintf(to, found ? "%u HAVE A FINDING\n" : "no finding\n", found);
}

void score_print(const score *s, FILE *to) {
    const score_entry **sorted = calloc(s->count + 1, sizeof *sorted);
    if (!sorted) options_fail("out of memory");
    for (size_t i = 0; i < s->count; i++)
        sorted[i] = &s->entries[i];
    qsort(sorted, s->count, sizeof *sorted, by_trouble);
    fprintf(to, "%-39s %-12s %-17s    %5s %-12s %9s %6s\n", "mutant", "allocator", "class", "found",
            "oracle", "inputs", "s");
    for (size_t i = 0; i < s->count; i++)
        print_entry(to, s, sorted[i]);
    free(sorted);
    fputs(s->options.depth > 0
              ? "\nr reached, t triggered; one run of the explorer, whose moves are the inputs.\n"
              : "\nr reached, t triggered; found: runs with a finding, of all; inputs and s: "
                "medians, "
                "in which a run\nwithout a finding counts as infinite.\n",
          to);
    print_summaries(to, s);
    print_control(to, s);
    fprintf(to, "%s%.0f s\n", s->interrupted ? "Interrupted after " : "All in ", s->seconds);
}

bool score_holds(const score *s) {
    bool holds = true;
    for (size_t i = 0; i < s->count; i++) {
        const score_entry *e = &s->entries[i];
        bool named = e->mutant && e->mutant->patch;
        holds &= e->state != SCORE_FAILED && (e->mutant || e->found == 0) &&
                 (!named || s->options.depth > 0 || score_detected(e));
    }
    return holds;
}
