#include "fuzz/fuzz_command.h"

#include "alloc/registry.h"
#include "cli/child.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/text.h"
#include "fuzz/allocators.h"
#include "fuzz/fuzz_run.h"
#include "fuzz/reproduce.h"
#include "fuzz/target_program.h"
#include "fuzz/targets.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS_DEFAULT = 60, SECONDS_MAX = 1 << 20, JOBS_MAX = 64 };

typedef struct request {
    bool *targets;     // by number: wanted; all where none is
    char **allocators; // ends with NULL; NULL: all
    bool minimise, from_nothing;
    fuzz_run run;
} request;

// ---- Units --------------------------------------------------------------------------------------

// The path, where there is such a file or folder; else it is freed, and NULL.
static char *if_there(char *path) {
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

static void remove_all(const char *folder) {
    child_options options = {
        .argv = (const char *const[]){"rm", "-rf", folder, NULL}, .cpu = -1, .quiet = true};
    child_end end;
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 0, &end);
    if (access(folder, F_OK) == 0) options_fail("%s: cannot be removed", folder);
}

static void add_unit(request *request, const fuzz_target *target, const char *allocator) {
    fuzz_unit unit = {.target = target->name, .allocator = allocator};
    unit.program = target_program(target->name, allocator);
    unit.name =
        allocator ? text_format("%s-%s", target->name, allocator) : text_format("%s", target->name);
    unit.corpus =
        text_format("%s/build/%s/%s", LINMEM_SOURCE_DIR,
                    request->from_nothing ? "fuzz-from-nothing" : "fuzz-corpus", unit.name);
    if (!request->from_nothing)
        unit.seeds = if_there(text_format("%s/corpus/fuzz/%s", LINMEM_SOURCE_DIR, target->name));
    unit.dictionary = if_there(text_format("%s/fuzz/%s.dict", LINMEM_SOURCE_DIR, target->name));
    if (!unit.program || access(unit.program, X_OK) != 0)
        options_fail("%s: %s; cmake --preset fuzz && cmake --build --preset fuzz makes it",
                     unit.program ? unit.program : unit.name, strerror(errno));
    if (request->from_nothing) remove_all(unit.corpus);
    if (!file_make_directory(unit.corpus)) options_fail("%s: %s", unit.corpus, strerror(errno));
    fuzz_run *run = &request->run;
    run->units = realloc(run->units, (run->count + 1) * sizeof *run->units);
    if (!run->units) options_fail("out of memory");
    run->units[run->count++] = unit;
}

static void add_units(request *request) {
    bool all = true;
    for (size_t i = 0; i < fuzz_target_count; i++)
        all &= !request->targets[i];
    for (size_t i = 0; i < fuzz_target_count; i++) {
        const fuzz_target *target = &fuzz_targets[i];
        if (!all && !request->targets[i]) continue;
        if (!target->per_strategy) {
            // Who names allocators, and no target, wants those of one allocator.
            if (!all || !request->allocators) add_unit(request, target, NULL);
            continue;
        }
        for (size_t s = 0; s < lm_strategy_count(); s++)
            if (allocators_have(request->allocators, lm_strategy_at(s, 0)->name))
                add_unit(request, target, lm_strategy_at(s, 0)->name);
    }
}

static void free_units(fuzz_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        fuzz_unit *unit = &run->units[i];
        free(unit->name);
        free(unit->program);
        free(unit->corpus);
        free(unit->seeds);
        free(unit->dictionary);
        free(unit->finding);
    }
    free(run->units);
}

// ---- The verdict --------------------------------------------------------------------------------

static void print_units(const fuzz_run *run) {
    printf("%-22s %10s %9s %12s %8s %6s %6s\n", "", "inputs", "inputs/s", "operations", "M ops/s",
           "edges", "kept");
    for (size_t i = 0; i < run->count; i++) {
        const fuzz_unit *unit = &run->units[i];
        double seconds = unit->seconds > 0 ? unit->seconds : 1;
        if (unit->runs == 0) continue;
        printf("%-22s %10" PRIu64 " %9.0f %12" PRIu64 " %8.2f %6" PRIu64 " %6" PRIu64 "%s\n",
               unit->name, unit->inputs, (double)unit->inputs / seconds, unit->operations,
               (double)unit->operations / seconds * 1e-6, unit->edges, unit->kept,
               unit->broken[0] ? "  broken" : "");
    }
}

// Returns how many units broke something.
static size_t print_verdict(const fuzz_run *run) {
    uint64_t inputs = 0, operations = 0;
    size_t ran = 0, findings = 0;
    for (size_t i = 0; i < run->count; i++) {
        inputs += run->units[i].inputs;
        operations += run->units[i].operations;
        ran += run->units[i].runs > 0;
        findings += run->units[i].broken[0] != '\0';
    }
    print_units(run);
    printf("\n%s%zu of %zu programs in %.0f s on %u core%s: %" PRIu64 " inputs, %" PRIu64
           " operations, %zu finding%s\n",
           interrupted() ? "Interrupted: " : "", ran, run->count, run->ran, run->jobs,
           run->jobs == 1 ? "" : "s", inputs, operations, findings, findings == 1 ? "" : "s");
    return findings;
}

static void reproduce_findings(const fuzz_run *run) {
    for (size_t i = 0; i < run->count; i++) {
        const fuzz_unit *unit = &run->units[i];
        if (!unit->broken[0]) continue;
        printf("\n%s: %s\n", unit->name, unit->broken);
        if (!unit->finding) continue; // it did not even start
        printf("  %s\n", unit->finding);
        char *allocator[] = {(char *)unit->allocator, NULL};
        reproduction wanted = {.input = unit->finding,
                               .target = unit->target,
                               .allocators = unit->allocator ? allocator : NULL,
                               .directory = run->findings};
        if (!interrupted()) reproduce(&wanted);
    }
}

// ---- Minimising ---------------------------------------------------------------------------------

// Adds to `kept` what of the corpus and the seeds covers more than is covered.
static void keep_cover(const fuzz_unit *unit, const char *kept) {
    const char *argv[] = {unit->program, "-set_cover_merge=1", kept,
                          unit->corpus,  unit->seeds,          NULL};
    child_options options = {.argv = argv, .cpu = -1, .quiet = true};
    child_end end = {.exit_status = -1};
    pid_t pid = child_start(&options);
    if (pid < 0) options_fail("%s: %s", unit->program, strerror(errno));
    child_wait(pid, 0, &end);
    if (!end.ok && !interrupted()) options_fail("%s: %s", unit->name, end.text);
    printf("%s\n", unit->name);
}

// Each target's seeds become the least that cover, on all its strategies, what seeds and corpora
// do.
static exit_status minimise(const fuzz_run *run) {
    for (size_t i = 0; i < run->count && !interrupted();) {
        const char *target = run->units[i].target;
        char *seeds = text_format("%s/corpus/fuzz/%s", LINMEM_SOURCE_DIR, target);
        char *kept = text_format("%s.minimised", seeds), *old = text_format("%s.old", seeds);
        if (!file_make_directory(kept)) options_fail("%s: %s", kept, strerror(errno));
        for (; i < run->count && strcmp(run->units[i].target, target) == 0; i++)
            if (!interrupted()) keep_cover(&run->units[i], kept);
        bool had = rename(seeds, old) == 0;
        if (interrupted() || rename(kept, seeds) != 0)
            options_fail("%s: not finished, what was kept is in %s", seeds, kept);
        printf("%s%s%s\n", seeds, had ? ", as they were: " : "", had ? old : "");
        free(seeds);
        free(kept);
        free(old);
    }
    return EXIT_HELD;
}

// ---- The command --------------------------------------------------------------------------------

enum { OPTION_SEED = 256, OPTION_MINIMISE, OPTION_FROM_NOTHING };
static const struct argp_option options[] = {
    {"allocator", 'a', "A,…", 0, "Whose programs to run (default: all)", 0},
    {"seconds", 's', "N", 0, "How long, all together (default: 60)", 0},
    {"jobs", 'j', "N", 0, "How many at a time (default: a job for each core)", 0},
    {"seed", OPTION_SEED, "N", 0, "Begin the random numbers with N (default: another each time)",
     0},
    {"out", 'o', "DIR", 0, "Where findings go (default: findings)", 0},
    {"from-nothing", OPTION_FROM_NOTHING, NULL, 0,
     "Begin with no inputs: neither seeds nor what earlier runs kept", 0},
    {"minimise", OPTION_MINIMISE, NULL, 0,
     "Instead, make corpus/fuzz/TARGET the least inputs that cover what is covered", 0},
    {0},
};

static void want_target(request *request, const char *name) {
    const char *names[100];
    for (size_t i = 0; i < fuzz_target_count; i++) {
        names[i] = fuzz_targets[i].name;
        if (strcmp(names[i], name) != 0) continue;
        request->targets[i] = true;
        return;
    }
    options_unknown("target", name, names, fuzz_target_count);
}

static error_t parse(int key, char *argument, struct argp_state *state) {
    request *request = state->input;
    switch (key) {
    case 'a':
        request->allocators = allocators_read(argument);
        return 0;
    case 's':
        request->run.seconds = (double)options_number("seconds", argument, 1, SECONDS_MAX);
        return 0;
    case 'j':
        request->run.jobs = (unsigned)options_number("jobs", argument, 1, JOBS_MAX);
        return 0;
    case OPTION_SEED:
        request->run.seed = (unsigned)options_number("seed", argument, 0, UINT32_MAX / 2);
        return 0;
    case 'o':
        request->run.findings = argument;
        return 0;
    case OPTION_FROM_NOTHING:
        request->from_nothing = true;
        return 0;
    case OPTION_MINIMISE:
        request->minimise = true;
        return 0;
    case ARGP_KEY_ARG:
        want_target(request, argument);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static exit_status fuzz(request *request) {
    fuzz_run *run = &request->run;
    if (!file_make_directory(run->findings)) options_fail("%s: %s", run->findings, strerror(errno));
    if (!fuzz_run_all(run)) options_fail("a program could not be started: %s", strerror(errno));
    size_t findings = print_verdict(run);
    reproduce_findings(run);
    return findings || interrupted() ? EXIT_BROKEN : EXIT_HELD;
}

exit_status fuzz_command(int argc, char **argv) {
    static const struct argp argp = {options,
                                     parse,
                                     "[TARGET...]",
                                     "Runs the fuzz targets (all, or those that are named: linmem "
                                     "list targets) on inputs that they make up. What breaks a law "
                                     "is reproduced, as linmem reproduce does it.",
                                     NULL,
                                     NULL,
                                     NULL};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    request request = {.run = {.seconds = SECONDS_DEFAULT,
                               .jobs = cores > 0 && cores < JOBS_MAX ? (unsigned)cores : 1,
                               .seed = (unsigned)getpid(),
                               .findings = "findings"}};
    request.targets = calloc(fuzz_target_count, sizeof *request.targets);
    if (!request.targets) options_fail("out of memory");
    options_parse(&argp, argc, argv, &request);
    interrupt_catch();
    add_units(&request);
    exit_status status = request.minimise ? minimise(&request.run) : fuzz(&request);
    free_units(&request.run);
    free(request.allocators);
    free(request.targets);
    return status;
}
