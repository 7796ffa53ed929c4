#include "fuzz/run/fuzz_command.h"

#include "alloc/registry.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/text.h"
#include "fuzz/reproduce/reproduce.h"
#include "fuzz/run/fuzz_run.h"
#include "fuzz/run/minimise.h"
#include "fuzz/targets/allocators.h"
#include "fuzz/targets/target_program.h"
#include "fuzz/targets/targets.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SECONDS_DEFAULT = 60, SECONDS_MAX = 1 << 20, JOBS_MAX = 64 };

typedef struct request {
    bool *targets;     // by index: named; none: all
    char **allocators; // ended by NULL, or NULL: all
    bool minimise, from_nothing, programs;
    unsigned shrink_seconds;
    fuzz_run run;
} request;

// ---- Units --------------------------------------------------------------------------------------

// Returns the path if there is such a file or folder, else frees it and returns NULL.
static char *if_there(char *path) {
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}

static void add_unit(request *request, const fuzz_target *target, const char *allocator) {
    fuzz_run *run = &request->run;
    run->units = realloc(run->units, (run->count + 1) * sizeof *run->units);
    if (!run->units) options_fail("out of memory");
    fuzz_unit *unit = &run->units[run->count++];
    *unit = (fuzz_unit){.target = target->name, .allocator = allocator};
    unit->program = target_program(target->name, allocator);
    unit->name = text_format("%s", strrchr(unit->program, '/') + 1);
}

// Sets the folders and files of a unit, whose program must have been built.
static void prepare_unit(const request *request, fuzz_unit *unit) {
    if (access(unit->program, X_OK) != 0)
        options_fail("%s: %s; ./linmem fuzz builds it", unit->program, strerror(errno));
    unit->corpus =
        text_format("%s/build/%s/%s", LINMEM_SOURCE_DIR,
                    request->from_nothing ? "fuzz-from-nothing" : "fuzz-corpus", unit->name);
    if (!request->from_nothing)
        unit->seeds = if_there(text_format("%s/corpus/fuzz/%s", LINMEM_SOURCE_DIR, unit->target));
    unit->dictionary =
        if_there(text_format("%s/fuzz/targets/%s.dict", LINMEM_SOURCE_DIR, unit->target));
    if ((request->from_nothing && !file_remove_tree(unit->corpus)) ||
        !file_make_writable_directory(unit->corpus))
        options_fail("%s: %s", unit->corpus, strerror(errno));
}

// An option that would have no effect is an error.
static void check(const request *request, bool all) {
    bool per_strategy = all;
    for (size_t i = 0; i < fuzz_target_count; i++)
        per_strategy |= request->targets[i] && fuzz_targets[i].per_strategy;
    if (request->allocators && !per_strategy)
        options_fail("--allocator: these targets play all allocators in one program");
    if (request->minimise && (request->allocators || request->from_nothing))
        options_fail("--minimise cannot be combined with --allocator or --from-nothing: it covers "
                     "all allocators, and needs the inputs kept");
}

static void add_units(request *request) {
    bool all = true;
    for (size_t i = 0; i < fuzz_target_count; i++)
        all &= !request->targets[i];
    check(request, all);
    for (size_t i = 0; i < fuzz_target_count; i++) {
        const fuzz_target *target = &fuzz_targets[i];
        if (!all && !request->targets[i]) continue;
        if (!target->per_strategy) {
            // --allocator without targets excludes the targets that play all allocators.
            if (!all || !request->allocators) add_unit(request, target, NULL);
            continue;
        }
        for (size_t s = 0; s < lm_strategy_count(); s++)
            if (allocators_have(request->allocators, lm_strategy_at(s, 0)->name))
                add_unit(request, target, lm_strategy_at(s, 0)->name);
    }
}

// For ./linmem, which builds the programs first.
static exit_status print_programs(const fuzz_run *run) {
    for (size_t i = 0; i < run->count; i++)
        printf("program %s\n", run->units[i].name);
    return EXIT_PASSED;
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

// ---- Results ------------------------------------------------------------------------------------

// Prints a count, or a dash if a program ended before it reported any.
static void print_count(uint64_t count, bool known, int width) {
    if (known)
        printf(" %*" PRIu64, width, count);
    else
        printf(" %*s", width, "-");
}

static void print_unit(const fuzz_unit *unit) {
    double seconds = unit->seconds > 0 ? unit->seconds : 1;
    bool counted = !unit->broken[0] || unit->operations, covers = unit->ready || unit->edges;
    printf("%-19s", unit->name);
    print_count(unit->inputs, !unit->broken[0] || unit->inputs, 9);
    printf(" %8.0f", (double)unit->inputs / seconds);
    print_count(unit->operations, counted, 11);
    printf(" %7.2f", (double)unit->operations / seconds * 1e-6);
    print_count(unit->edges, covers, 6);
    print_count(unit->kept, covers, 6);
    puts(unit->broken[0] ? " broken" : !unit->ready ? " seeds" : "");
}

static void print_units(const fuzz_run *run) {
    bool hasty = false;
    printf("%-19s %9s %8s %11s %7s %6s %6s\n", "", "inputs", "inputs/s", "operations", "M ops/s",
           "edges", "kept");
    for (size_t i = 0; i < run->count; i++) {
        const fuzz_unit *unit = &run->units[i];
        if (unit->runs == 0) continue;
        print_unit(unit);
        hasty |= !unit->ready && !unit->broken[0];
    }
    if (hasty) puts("seeds: the time limit was reached before all initial inputs were played");
}

// Returns the number of units with a finding.
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
    if (ran < run->count && !interrupted())
        printf("The time was too short to run all: use --seconds %.0f or more, or name targets\n",
               ceil(2.0 * (double)run->count / run->jobs));
    return findings;
}

// libFuzzer names a finding by its hash, and corpora name inputs by the same hash.
static bool is_held_by(const char *folder, const char *finding) {
    const char *hash = strrchr(finding, '-');
    if (!folder || !hash) return false;
    char *path = text_format("%s/%s", folder, hash + 1);
    bool held = access(path, F_OK) == 0;
    if (held) printf("  same input: %s\n", path);
    free(path);
    return held;
}

static void reproduce_findings(const request *request) {
    const fuzz_run *run = &request->run;
    for (size_t i = 0; i < run->count; i++) {
        const fuzz_unit *unit = &run->units[i];
        if (!unit->broken[0]) continue;
        printf("\n%s: %s\n", unit->name, unit->broken);
        if (!unit->finding) continue; // it did not start
        printf("  %s%s\n", unit->finding, unit->ready ? "" : ", one of the initial inputs");
        if (!is_held_by(unit->seeds, unit->finding)) is_held_by(unit->corpus, unit->finding);
        char *allocator[] = {(char *)unit->allocator, NULL};
        reproduction wanted = {.input = unit->finding,
                               .target = unit->target,
                               .allocators = unit->allocator ? allocator : NULL,
                               .directory = run->findings,
                               .shrink_seconds = request->shrink_seconds};
        fflush(stdout); // shrinking takes long
        if (!interrupted()) reproduce(&wanted);
    }
}

// ---- Minimising ---------------------------------------------------------------------------------

static exit_status minimise_seeds(request *request) {
    char error[300];
    for (size_t i = 0; i < request->run.count; i++)
        prepare_unit(request, &request->run.units[i]);
    if (minimise(&request->run, LINMEM_SOURCE_DIR "/corpus/fuzz", error)) return EXIT_PASSED;
    if (*error) options_fail("%s", error);
    puts("Interrupted: the seeds of targets not named above are unchanged");
    return EXIT_FAILED;
}

// ---- The command --------------------------------------------------------------------------------

enum { OPTION_SEED = 256, OPTION_MINIMISE, OPTION_FROM_NOTHING, OPTION_PROGRAMS, OPTION_SHRINK };
static const struct argp_option options[] = {
    {"allocator", 'a', "A,…", 0, "Allocators to fuzz (default: all)", 0},
    {"seconds", 's', "N", 0,
     "Total fuzzing time in seconds, for all programs together (default: 60), without building and "
     "shrinking",
     0},
    {"shrink-seconds", OPTION_SHRINK, "N", 0,
     "Time limit for shrinking a finding (default: 120); 0: no limit", 0},
    {"jobs", 'j', "N", 0, "Programs to run in parallel (default: one per core)", 0},
    {"seed", OPTION_SEED, "N", 0, "Seed of the random numbers (default: different in each run)", 0},
    {"out", 'o', "DIR", 0, "Folder for findings (default: findings)", 0},
    {"from-nothing", OPTION_FROM_NOTHING, NULL, 0,
     "Start from an empty corpus: use neither seeds nor inputs that earlier runs kept", 0},
    {"minimise", OPTION_MINIMISE, NULL, 0,
     "Instead of fuzzing, reduce corpus/fuzz/TARGET to the fewest inputs with the same coverage",
     0},
    {"programs", OPTION_PROGRAMS, NULL, OPTION_HIDDEN,
     "Instead, print the programs that would be run", 0},
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
    case OPTION_SHRINK:
        request->shrink_seconds = reproduce_shrink_seconds(argument);
        return 0;
    case OPTION_PROGRAMS:
        request->programs = true;
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
    if (!file_make_writable_directory(run->findings))
        options_fail("%s: %s", run->findings, strerror(errno));
    for (size_t i = 0; i < run->count; i++)
        prepare_unit(request, &run->units[i]);
    if (!fuzz_run_all(run)) options_fail("a program could not be started: %s", strerror(errno));
    size_t findings = print_verdict(run);
    reproduce_findings(request);
    return findings || interrupted() ? EXIT_FAILED : EXIT_PASSED;
}

exit_status fuzz_command(int argc, char **argv) {
    static const struct argp argp = {
        options,
        parse,
        "[TARGET...]",
        "Runs the fuzz targets on generated inputs (default: all targets; linmem list targets "
        "names them). A failing input is shrunk and written as by linmem reproduce.",
        NULL,
        NULL,
        NULL};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    request request = {.run = {.seconds = SECONDS_DEFAULT,
                               .jobs = cores > 0 && cores < JOBS_MAX ? (unsigned)cores : 1,
                               .seed = (unsigned)getpid(),
                               .findings = "findings"},
                       .shrink_seconds = REPRODUCE_SHRINK_SECONDS};
    request.targets = calloc(fuzz_target_count, sizeof *request.targets);
    if (!request.targets) options_fail("out of memory");
    options_parse(&argp, argc, argv, &request);
    interrupt_catch();
    add_units(&request);
    exit_status status = request.programs   ? print_programs(&request.run)
                         : request.minimise ? minimise_seeds(&request)
                                            : fuzz(&request);
    free_units(&request.run);
    free(request.allocators);
    free(request.targets);
    return status;
}
