#include "fuzz/reproduce.h"

#include "alloc/registry.h"
#include "cli/child.h"
#include "cli/clock.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "fuzz/allocators.h"
#include "fuzz/buffers_world.h"
#include "fuzz/counted.h"
#include "fuzz/reproduce_explored.h"
#include "fuzz/reproducer.h"
#include "fuzz/shrinker.h"
#include "fuzz/target_program.h"
#include "fuzz/targets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REGRESSIONS LINMEM_SOURCE_DIR "/corpus/regressions"

enum { TRIES_MAX = 20000, SHRINK_SECONDS = 120, OPERATIONS_MAX = 1 << 16 };

// How long a trace may take before it hangs.
static const double seconds_min = 5, seconds_an_operation = 1.0 / 20000;

typedef struct request {
    const reproduction *wanted;
    const trial_target *target;
    trace trace;
} request;

// ---- Reading ------------------------------------------------------------------------------------

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

// A trace is known by its name; all else are bytes that a fuzz target was given.
static bool is_trace(const char *input) {
    return ends_with(input, ".lmt") || ends_with(input, ".lmt.zst");
}

static void read_trace(const char *input, trace *trace) {
    trace_error error;
    if (!trace_read(input, trace, &error)) options_fail("%s: %s", input, error.text);
}

// The target that plays all of the trace, where nobody says which it is.
static const char *target_of(const trace *trace) {
    buffers_world_choice world;
    if (buffers_world_of(trace, &world)) return "buffers";
    for (size_t i = 0; i < trace->count; i++)
        if (trace->operations[i].verb == TRACE_WRONG) return "misuse";
    return "heap";
}

static void read_bytes(request *request) {
    trace_error error;
    size_t count;
    uint8_t *bytes = (uint8_t *)file_read(request->wanted->input, &count);
    if (!bytes) options_fail("%s: %s", request->wanted->input, strerror(errno));
    trace_operation *operations = calloc(OPERATIONS_MAX, sizeof *operations);
    if (!operations) options_fail("out of memory");
    size_t decoded = request->target->decode(bytes, count, operations, OPERATIONS_MAX);
    if (!trace_make(operations, decoded, NULL, &request->trace, &error))
        options_fail("%s: %s", request->wanted->input, error.text);
    free(operations);
    free(bytes);
}

// ---- Playing ------------------------------------------------------------------------------------

// The ways in which a strategy plays; the last ones under sanitizers, where those are built.
enum { WAYS = 5 };

// `strategy`: NULL where the target has programs only, and one for all.
static bool is_way(const trial_target *target, const char *strategy, int way, trial *trial) {
    static const int levels[WAYS] = {1, 0, 0, 1, 0};
    *trial = (struct trial){.target = target, .counted = way == 2};
    if (trial->counted && !target->counts) return false;
    if (!strategy && way != 3) return false;
    if (strategy)
        trial->allocator = trial->counted ? counted_strategy_named(strategy)
                                          : lm_strategy_named(strategy, levels[way]);
    if (trial->counted && !(trial->allocator->capabilities & LM_CONSTANT_TIME)) return false;
    if (way < 3) return true;
    char *program = target_program(target->name, strategy);
    if (!program) options_fail("out of memory");
    trial->program = program;
    if (access(program, X_OK) == 0) return true;
    free(program);
    return false;
}

static const char *name_of(const trial *trial) {
    return trial->allocator ? trial->allocator->name : trial->target->name;
}

static const char *way_text(const trial *trial) {
    if (trial->program)
        return !trial->allocator || trial->allocator->check_level ? "level 1, sanitizers"
                                                                  : "level 0, sanitizers";
    if (trial->counted) return "level 0, counted";
    return trial->allocator->check_level ? "level 1" : "level 0";
}

// ---- Shrinking ----------------------------------------------------------------------------------

typedef struct shrinking {
    trial trial;
    failure failure; // of the smallest trace so far
    progress *progress;
    double began;
} shrinking;

static bool fails_the_same(void *context, const trace *trace) {
    shrinking *s = context;
    failure failure;
    if (!trial_run(&s->trial, trace, &failure) || strcmp(failure.law, s->failure.law) != 0)
        return false;
    s->failure = failure;
    return true;
}

static bool goes_on(void *context, size_t tries, size_t operations) {
    shrinking *s = context;
    char text[60];
    size_t seconds = (size_t)(clock_seconds() - s->began);
    snprintf(text, sizeof text, "%zu operations, %zu tries", operations, tries);
    progress_show(s->progress, seconds, text);
    return !interrupted() && seconds < SHRINK_SECONDS;
}

// Cuts off what comes after the failure, if it fails without; then shrinks. What hangs is not
// waited for as long as at first: the smaller, the less may it take.
static size_t shrink(shrinking *s, trace *trace) {
    struct trace cut;
    trace_error error;
    size_t needed = s->failure.at < trace->count ? s->failure.at + 1 : trace->count;
    if (trace_make(trace->operations, needed, trace->preamble, &cut, &error)) {
        bool fails = fails_the_same(s, &cut);
        if (fails) {
            struct trace whole = *trace;
            *trace = cut;
            cut = whole;
        }
        trace_free(&cut);
    }
    if (strcmp(s->failure.law, "hang") == 0) s->trial.seconds = 1;
    s->began = clock_seconds();
    s->progress = progress_start("shrinking, seconds", SHRINK_SECONDS);
    size_t tries = shrinker_run(trace, &(shrinker_options){.fails = fails_the_same,
                                                           .context = s,
                                                           .tries_max = TRIES_MAX,
                                                           .goes_on = goes_on});
    progress_end(s->progress);
    return tries;
}

// ---- Writing ------------------------------------------------------------------------------------

static void write_trace(const trace *shrunk, const char *comment, const char *path) {
    trace commented;
    trace_error error;
    if (!trace_make(shrunk->operations, shrunk->count, comment, &commented, &error) ||
        !trace_write(&commented, path, &error))
        options_fail("%s: %s", path, error.text);
    trace_free(&commented);
    printf("  %s\n", path);
}

// Compiles and runs a reproducer. Returns its exit status, or −1 where it could not be compiled.
static int try_reproducer(const trial *trial, const char *path) {
    char program[] = "/tmp/linmem-reproducer-XXXXXX", *real = realpath(path, NULL);
    int file = mkstemp(program);
    if (file < 0 || !real) options_fail("%s: %s", path, strerror(errno));
    close(file);
    char *command = reproducer_command(trial, real, program), *script;
    if (!command || asprintf(&script, "cd '%s' && %s && '%s'; status=$?; rm -f '%s'; exit $status",
                             LINMEM_SOURCE_DIR, command, program, program) < 0)
        options_fail("out of memory");
    child_options options = {
        .argv = (const char *const[]){"sh", "-c", script, NULL}, .cpu = -1, .quiet = true};
    child_end end = {.exit_status = -1};
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 120, &end);
    free(script);
    free(command);
    free(real);
    return end.exit_status;
}

static void write_reproducer(const trial *trial, const trace *trace, const failure *failure,
                             const char *path) {
    if (!reproducer_is_known(trial)) return;
    FILE *calls = reproducer_takes_calls(trial) ? tmpfile() : NULL;
    if (reproducer_takes_calls(trial) && (!calls || !trial_record(trial, trace, calls)))
        options_fail("%s: its calls could not be recorded", trial->program);
    if (!reproducer_write(trial, trace, failure, calls, path))
        options_fail("%s: %s", path, strerror(errno));
    if (calls) fclose(calls);
    bool shows = try_reproducer(trial, path) == 1;
    printf("  %s: %s\n", path, shows ? "shows it" : "does not show it where it was tried");
}

static void write_all(const request *request, const trial *trial, const trace *trace,
                      const failure *failure) {
    char *comment, *start, *path;
    if (!file_make_directory(request->wanted->directory))
        options_fail("%s: %s", request->wanted->directory, strerror(errno));
    char world[100] = "";
    if (trial->target->print_world) {
        world[0] = '\n';
        trial->target->print_world(world + 1, sizeof world - 1);
    }
    if (asprintf(&start, "%s/%s-%s", request->wanted->directory, failure->law, name_of(trial)) <
            0 ||
        asprintf(&comment, "%s, %s: broken %s: %s%s", name_of(trial), way_text(trial), failure->law,
                 failure->how, world) < 0 ||
        asprintf(&path, "%s.lmt", start) < 0)
        options_fail("out of memory");
    write_trace(trace, comment, path);
    memcpy(strrchr(path, '.'), ".c", 3);
    write_reproducer(trial, trace, failure, path);
    free(path);
    if (request->wanted->keep) {
        if (asprintf(&path, "%s/%s.lmt", REGRESSIONS, request->wanted->keep) < 0)
            options_fail("out of memory");
        write_trace(trace, comment, path);
        free(path);
    }
    free(start);
    free(comment);
}

// ---- The command --------------------------------------------------------------------------------

// Plays the trace in one way. True: it breaks something, of which all is written.
static bool reproduce_with(const request *request, const trial *trial, const trace *whole) {
    shrinking s = {.trial = *trial};
    trace trace;
    trace_error error;
    if (!trial_run(trial, whole, &s.failure)) return false;
    printf("%s, %s: broken %s: %s\n", name_of(trial), way_text(trial), s.failure.law,
           s.failure.how);
    if (!trace_make(whole->operations, whole->count, NULL, &trace, &error))
        options_fail("%s", error.text);
    size_t tries = shrink(&s, &trace);
    printf("  shrunk from %zu operations to %zu, in %zu tries\n", whole->count, trace.count, tries);
    write_all(request, trial, &trace, &s.failure);
    trace_free(&trace);
    return true;
}

// The same, with each growth refused.
static bool reproduce_refused(const request *request, const trial *trial) {
    trace refused;
    if (trial->program || trial->counted || !trial_refuse(trial, &request->trace, &refused))
        return false;
    bool broken = reproduce_with(request, trial, &refused);
    trace_free(&refused);
    return broken;
}

// Plays the trace on a strategy in one way after the other until something breaks.
static bool reproduce_on(const request *request, const char *strategy) {
    bool broken = false;
    for (int way = 0; way < WAYS && !broken && !interrupted(); way++) {
        trial trial;
        if (!is_way(request->target, strategy, way, &trial)) continue;
        trial.seconds = seconds_min + (double)request->trace.count * seconds_an_operation;
        broken = reproduce_with(request, &trial, &request->trace) ||
                 (request->wanted->refuse && reproduce_refused(request, &trial));
        free((char *)trial.program);
    }
    return broken;
}

// On the one program there is.
static exit_status reproduce_on_program(const request *request) {
    char *program = target_program(request->target->name, NULL);
    if (!program || access(program, X_OK) != 0)
        options_fail("%s: %s", program ? program : request->target->name, strerror(errno));
    free(program);
    bool broken = reproduce_on(request, NULL);
    if (!broken) printf("nothing is broken: %zu operations\n", request->trace.count);
    return broken || interrupted() ? EXIT_BROKEN : EXIT_HELD;
}

static exit_status reproduce_trace(const request *request) {
    size_t played = 0, broken = 0;
    if (!request->target->play) return reproduce_on_program(request);
    for (size_t i = 0; i < lm_strategy_count() && !interrupted(); i++) {
        const char *name = lm_strategy_at(i, 0)->name;
        if (!allocators_have(request->wanted->allocators, name)) continue;
        played++;
        broken += reproduce_on(request, name);
    }
    if (broken == 0)
        printf("nothing is broken: %zu operations, %zu allocator%s\n", request->trace.count, played,
               played == 1 ? "" : "s");
    return broken || interrupted() ? EXIT_BROKEN : EXIT_HELD;
}

// ---- Inputs that are no operations --------------------------------------------------------------

static void minimise(const char *program, const char *input, const char *path) {
    char artifact[4096];
    snprintf(artifact, sizeof artifact, "-exact_artifact_path=%s", path);
    const char *argv[] = {program, "-minimize_crash=1", "-max_total_time=20", artifact, input,
                          NULL};
    child_options options = {.argv = argv, .cpu = -1, .quiet = true};
    child_end end;
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 60, &end);
    if (access(path, R_OK) == 0) printf("  %s\n", path);
}

static exit_status reproduce_bytes(const reproduction *wanted) {
    failure failure;
    char *program = target_program(wanted->target, NULL), *path;
    if (!program || access(program, X_OK) != 0)
        options_fail("%s: %s", program ? program : wanted->target, strerror(errno));
    if (access(wanted->input, R_OK) != 0) options_fail("%s: %s", wanted->input, strerror(errno));
    bool broken = trial_bytes(program, wanted->input, seconds_min, &failure);
    if (broken) {
        printf("%s: broken %s: %s\n", wanted->target, failure.law, failure.how);
        if (!file_make_directory(wanted->directory) ||
            asprintf(&path, "%s/%s-%s.input", wanted->directory, failure.law, wanted->target) < 0)
            options_fail("%s: %s", wanted->directory, strerror(errno));
        minimise(program, wanted->input, path);
        free(path);
    } else {
        puts("nothing is broken");
    }
    free(program);
    return broken ? EXIT_BROKEN : EXIT_HELD;
}

static void hold_target(const char *name) {
    const char *names[fuzz_target_count];
    if (fuzz_target_named(name)) return;
    for (size_t i = 0; i < fuzz_target_count; i++)
        names[i] = fuzz_targets[i].name;
    options_unknown("target", name, names, fuzz_target_count);
}

exit_status reproduce(const reproduction *wanted) {
    exit_status explored;
    if (reproduce_explored(wanted, &explored)) return explored;
    request request = {.wanted = wanted};
    const char *name = wanted->target ? wanted->target : "heap";
    hold_target(name);
    bool trace = is_trace(wanted->input) && trial_target_named(name);
    if (trace) read_trace(wanted->input, &request.trace);
    if (trace && !wanted->target) name = target_of(&request.trace);
    request.target = trial_target_named(name);
    if (wanted->refuse && strcmp(name, "heap") != 0) options_fail("--refuse-growth is for heaps");
    if (wanted->keep && !request.target)
        options_fail("--keep is for targets whose inputs are operations");
    if (!request.target) return reproduce_bytes(wanted);
    if (!trace) read_bytes(&request);
    if (trace && request.target->read_world && !request.target->read_world(&request.trace))
        options_fail("%s: no comment '" BUFFERS_WORLD "…' says which memories there are",
                     wanted->input);
    exit_status status = reproduce_trace(&request);
    trace_free(&request.trace);
    return status;
}
