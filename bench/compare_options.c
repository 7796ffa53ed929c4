#include "bench/compare_options.h"

#include "alloc/system/yardsticks.h"
#include "cli/options.h"
#include "cli/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PROFILE "standard"

enum { YARDSTICKS = 2 };

enum {
    ALLOCATORS,
    WORKLOADS,
    BASELINE,
    PROFILE_NAME,
    ENGINE_NAMES,
    MEMORY,
    THREADS,
    BLOCKS,
    CELL_SECONDS,
    SEED,
    OUT,
    TARGETS,
    OPTIONS,
    FIRST_KEY = 256 // no option has a letter
};

#define OPTION(name, index, value, text)                                                           \
    { name, FIRST_KEY + index, value, 0, text, 0 }

static const struct argp_option compare_arguments[] = {
    OPTION("allocators", ALLOCATORS, "A,…",
           "Allocators to benchmark (default: all, and the baseline a second time as a control). "
           "NAME#2: NAME a second time; NAME+3%: NAME slowed down by 3 %"),
    OPTION("workloads", WORKLOADS, "W,…",
           "Workloads: names of shipped traces, trace files, or - for a trace on standard input "
           "(default: all shipped traces). Write \\, for a comma in a name"),
    OPTION("baseline", BASELINE, "A",
           "Baseline allocator (default: jemalloc, or glibc if jemalloc is not installed; in "
           "engines for WebAssembly dlmalloc, or tlsf; or else the first allocator)"),
    OPTION("profile", PROFILE_NAME, "P",
           "Number of workloads and blocks: smoke, standard, full, or engines for --engine "
           "(default: " PROFILE ")"),
    OPTION("engine", ENGINE_NAMES, "E,…",
           "Engines to run the allocators in, one after another: native (default), or engines for "
           "WebAssembly, such as v8; 'linmem list engines' lists them. ./linmem installs their "
           "packages. Verdicts are within an engine"),
    OPTION("memory", MEMORY, "M",
           "Page size and commit policy: 4k, 4 KiB pages as they are touched (default); 2m, 2 MiB "
           "at a time (system mallocs have no such setting and stay at 4k); huge, huge pages, for "
           "system mallocs too"),
    OPTION("threads", THREADS, NULL,
           "Run each lane of a workload in a thread of its own, concurrently (default: one thread "
           "runs all lanes in recorded order)"),
    OPTION("blocks", BLOCKS, "N", "Number of blocks (runs per cell); overrides the profile"),
    OPTION("cell-seconds", CELL_SECONDS, "N",
           "Time limit per process; a process over it is killed and its cell reported as failed "
           "(default: 60 s, 50 µs for each operation of each replay, and the profile's limit on "
           "the warm passes)"),
    OPTION("seed", SEED, "N", "Seed of the random order (default: the time)"),
    OPTION("out", OUT, "DIR",
           "Folder for results.json and report.md (default: a new folder in linmem-results). '-': "
           "write results.json to standard output and the table to standard error"),
    {"targets", FIRST_KEY + TARGETS, NULL, OPTION_HIDDEN,
     "Instead, print the targets to build for the engines", 0},
    {0},
};

// Stores each option's value by its index.
static error_t compare_parse(int key, char *value, struct argp_state *state) {
    char **values = state->input;
    if (key == ARGP_KEY_ARG) options_fail("unexpected argument '%s'", value);
    if (key < FIRST_KEY || key >= FIRST_KEY + OPTIONS) return ARGP_ERR_UNKNOWN;
    static char set[] = ""; // an option without a value
    values[key - FIRST_KEY] = value ? value : set;
    return 0;
}

static const struct argp compare_argp = {
    .options = compare_arguments,
    .parser = compare_parse,
    .doc = "Measures allocators on recorded workloads and compares them. A block runs every cell "
           "(allocator, workload) once, in random order, each in a fresh process. Prints a table, "
           "and writes results.json and report.md.\v"
           "Exit status: 0 all cells were measured, 1 a cell failed or the run was interrupted "
           "(finished measurements are kept), 2 bad usage or input.",
};

static lm_memory_commit compare_memory_option(const char *name) {
    for (size_t i = 0; i < MEMORY_OPTIONS; i++)
        if (!name || strcmp(name, memory_option_names[i]) == 0) return (lm_memory_commit)i;
    options_unknown("memory option", name, memory_option_names, MEMORY_OPTIONS);
}

static const profile *compare_profile(const char *name, const char *blocks) {
    static profile found;
    const char *names[8];
    for (size_t i = 0; i < profile_count; i++) {
        names[i] = profiles[i].name;
        if (strcmp(names[i], name) != 0) continue;
        found = profiles[i];
        if (blocks) found.blocks = options_number("--blocks", blocks, 1, 1000);
        return &found;
    }
    options_unknown("profile", name, names, profile_count);
}

// Returns an array of `size` bytes for each name and each of `more` further entries.
static void *compare_array(const char *const *names, size_t more, size_t size) {
    size_t count = 0;
    while (names[count])
        count++;
    if (!count) options_fail("an empty list of names");
    void *array = calloc(count + more, size);
    if (!array) options_fail("%s", strerror(errno));
    return array;
}

// Returns the index of the candidate of that name, or the number of candidates.
static size_t compare_find(const comparison *c, const char *name) {
    size_t i = 0;
    while (i < c->candidate_count && strcmp(c->candidates[i].name, name) != 0)
        i++;
    return i;
}

static void compare_add(comparison *c, const candidate *added) {
    if (compare_find(c, added->name) == c->candidate_count)
        c->candidates[c->candidate_count++] = *added;
}

static void compare_add_named(comparison *c, const char *name) {
    candidate added = candidate_parse(name, c->commit);
    if (candidate_runs_in(&added, c->engine)) compare_add(c, &added);
}

// Takes an allocator that is named, unless this engine does not run it; says so if `told`.
static void compare_take_candidate(comparison *c, const char *name, bool told) {
    candidate added = candidate_parse(name, c->commit);
    if (compare_find(c, added.name) < c->candidate_count)
        options_fail("'%s' is named twice; write '%s#2' to measure it again", name, name);
    if (c->threads && !added.shares_threads)
        options_fail("--threads: '%s' serves one thread at a time", added.name);
    if (candidate_runs_in(&added, c->engine))
        compare_add(c, &added);
    else if (told)
        fprintf(stderr, "linmem compare: %s has no %s: left out there\n", c->engine->name,
                added.name);
}

// Takes the allocators of the list, or the standard ones if NULL, and the yardsticks: every table
// has them, except of threads. `native_alone`: no other engines are compared with.
static void compare_take_candidates(comparison *c, const char *given, const char *baseline,
                                    bool native_alone) {
    char *list = given ? text_format("%s", given) : candidate_standard(c->threads, native_alone);
    char **names = options_split(list);
    bool told = given || !engine_is_native(c->engine);
    c->candidates = compare_array((const char *const *)names, YARDSTICKS, sizeof *c->candidates);
    for (size_t i = 0; names[i]; i++)
        compare_take_candidate(c, names[i], told);
    if (!c->candidate_count)
        options_fail("none of the allocators runs in the engine '%s'", c->engine->name);
    if (!c->threads) {
        compare_add_named(c, lm_ideal.name);
        compare_add_named(c, lm_floor.name);
    }
    if (baseline) candidate_parse(baseline, c->commit); // fails if there is no such allocator
    c->baseline = compare_find(c, baseline ? baseline : candidate_baseline(native_alone));
    if (c->baseline == c->candidate_count && baseline)
        options_fail("the baseline '%s' is not among the allocators", baseline);
    if (c->baseline == c->candidate_count && !native_alone) c->baseline = compare_find(c, "tlsf");
    if (c->baseline == c->candidate_count) c->baseline = 0;
    free(names);
    free(list);
}

// Returns whether another workload or the row over all workloads has this workload's name.
static bool compare_is_name_taken(const comparison *c, size_t workload) {
    const char *name = c->workloads[workload].name;
    bool taken = strcmp(name, WORKLOADS_MEAN) == 0;
    for (size_t i = 0; i < c->workload_count; i++)
        taken |= i != workload && strcmp(c->workloads[i].name, name) == 0;
    return taken;
}

// Names workloads by their paths where files in several folders have the same name.
static void compare_tell_workloads_apart(comparison *c) {
    bool taken[c->workload_count];
    for (size_t i = 0; i < c->workload_count; i++)
        taken[i] = compare_is_name_taken(c, i);
    for (size_t i = 0; i < c->workload_count; i++)
        if (taken[i]) workload_name_by_path(&c->workloads[i]);
    for (size_t i = 0; i < c->workload_count; i++)
        if (compare_is_name_taken(c, i))
            options_fail("the workload '%s' is named twice", c->workloads[i].name);
}

static void compare_take_workloads(comparison *c, char *list) {
    size_t count, most = c->profile->workloads_max;
    char *own = NULL;
    if (!list && *c->profile->workloads) list = own = text_format("%s", c->profile->workloads);
    char **split = list ? options_split(list) : NULL;
    const char *const *names = split ? (const char *const *)split : workload_names(&count);
    c->workloads = compare_array(names, 0, sizeof *c->workloads);
    for (size_t i = 0; names[i] && (list || !most || i < most); i++) {
        workload_load(&c->workloads[i], names[i]);
        c->workload_count++;
        if (c->threads && !c->workloads[i].summary.turns_at)
            options_fail("--threads: '%s' has no lanes (corpus/synthetic/exchange.json describes a "
                         "workload that has)",
                         c->workloads[i].name);
    }
    free(split);
    free(own);
    compare_tell_workloads_apart(c);
}

static const engine *compare_engine(const char *name) {
    const engine *found = engine_named(name);
    const char *names[engine_count];
    for (size_t i = 0; i < engine_count; i++)
        names[i] = engines[i].name;
    if (!found) options_unknown("engine", name, names, engine_count);
    return found;
}

// For ./linmem, which installs the engines' packages and builds these targets first.
_Noreturn static void compare_print_targets(char *list) {
    char **names = options_split(list);
    for (size_t i = 0; names[i]; i++) {
        if (engine_is_native(compare_engine(names[i]))) continue;
        char *colon = strchr(names[i], ':');
        if (colon) *colon = '-';
        printf("engine-%s\n", names[i]);
    }
    exit(EXIT_SUCCESS);
}

// Makes a comparison for each engine that is installed.
static void compare_take_engines(compare_options *options, char *list, comparison *common) {
    char *left_out = NULL;
    char **names = options_split(list);
    options->comparisons =
        compare_array((const char *const *)names, 0, sizeof *options->comparisons);
    for (size_t i = 0; names[i]; i++) {
        common->engine = compare_engine(names[i]);
        for (size_t j = 0; j < options->count; j++)
            if (options->comparisons[j].engine == common->engine)
                options_fail("the engine '%s' is named twice", names[i]);
        if (!engine_is_native(common->engine) && (common->threads || common->commit))
            options_fail("--threads and --memory: the engine 'native' only");
        if (engine_program(common->engine)) {
            options->comparisons[options->count++] = *common;
            continue;
        }
        char *item = text_format("%s (%s)", names[i], common->engine->package);
        text_list_add(&left_out, item);
        free(item);
    }
    if (!options->count) options_fail("not installed: %s", left_out);
    if (left_out) fprintf(stderr, "linmem compare: left out because not installed: %s\n", left_out);
    free(left_out);
    free(names);
}

void compare_options_read(compare_options *options, int argc, char **argv) {
    char *values[OPTIONS] = {[PROFILE_NAME] = (char[]){PROFILE}};
    options_parse(&compare_argp, argc, argv, values);
    if (values[TARGETS])
        compare_print_targets(values[ENGINE_NAMES] ? values[ENGINE_NAMES] : (char[]){""});
    *options = (compare_options){.directory = values[OUT], .engines = values[ENGINE_NAMES]};
    comparison common = {.minimum_effect = 0.01, .threads = values[THREADS]}, *c = &common;
    c->profile = compare_profile(values[PROFILE_NAME], values[BLOCKS]);
    c->commit = compare_memory_option(values[MEMORY]);
    c->seed =
        values[SEED] ? options_number("--seed", values[SEED], 0, UINT64_MAX) : (uint64_t)time(NULL);
    if (values[CELL_SECONDS])
        c->cell_seconds =
            (double)options_number("--cell-seconds", values[CELL_SECONDS], 1, 1000000);
    if (!values[ALLOCATORS] && !options->engines) c->left_out = candidate_left_out();
    if (c->left_out && *c->left_out)
        fprintf(stderr, "%s: left out because not installed: %s\n", argv[0], c->left_out);
    compare_take_engines(options, options->engines ? values[ENGINE_NAMES] : (char[]){"native"}, c);
    for (size_t i = 0; i < options->count; i++)
        compare_take_candidates(&options->comparisons[i], values[ALLOCATORS], values[BASELINE],
                                !options->engines);
    compare_take_workloads(c, values[WORKLOADS]);
    for (size_t i = 0; i < options->count; i++) {
        options->comparisons[i].workloads = c->workloads;
        options->comparisons[i].workload_count = c->workload_count;
    }
}

void compare_options_free(compare_options *options) {
    const comparison *first = &options->comparisons[0];
    for (size_t i = 0; i < first->workload_count; i++)
        workload_unload(&first->workloads[i]);
    free(first->workloads);
    for (size_t i = 0; i < options->count; i++)
        comparison_free(&options->comparisons[i]);
    free(options->comparisons);
}
