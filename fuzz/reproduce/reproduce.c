#include "fuzz/reproduce/reproduce.h"

#include "alloc/registry.h"
#include "cli/child.h"
#include "cli/clock.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "fuzz/oracle/counted.h"
#include "fuzz/play/buffers_world.h"
#include "fuzz/reproduce/reproduce_explored.h"
#include "fuzz/reproduce/reproducer.h"
#include "fuzz/reproduce/shrinker.h"
#include "fuzz/run/finding.h"
#include "fuzz/targets/allocators.h"
#include "fuzz/targets/target_program.h"
#include "fuzz/targets/targets.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define REGRESSIONS LINMEM_SOURCE_DIR "/corpus/regressions"

enum { TRIES_MAX = 20000, OPERATIONS_MAX = 1 << 16, SECONDS_MAX = 1 << 20 };

// Time limit of a trace; longer is a hang.
static const double seconds_min = 5, seconds_an_operation = 1.0 / 20000;

typedef struct request {
    const reproduction *wanted;
    const char *target_name;
    const trace_run_target *target; // NULL: its inputs are bytes, not operations
    const char *const *allocators;  // to run on; NULL: all
    const char *own[2];             // the allocator in the input's name
    trace trace;
} request;

// ---- Reading ------------------------------------------------------------------------------------

static bool reproduce_is_named_trace(const char *input) {
    const char *end = strstr(input, ".lmt");
    return end && (strcmp(end, ".lmt") == 0 || strcmp(end, ".lmt.zst") == 0);
}

// Returns the target that plays all operations of the trace.
static const char *reproduce_target_of(const trace *trace) {
    buffers_world_choice world;
    if (buffers_world_of(trace, &world)) return "buffers";
    for (size_t i = 0; i < trace->count; i++)
        if (trace->operations[i].verb == TRACE_WRONG) return "misuse";
    return "heap";
}

// Reads a trace from bytes, or from an input of `decoder`. Returns as trace_parse.
static bool reproduce_parse(const trace_run_target *decoder, const char *bytes, size_t count,
                            trace *trace, trace_error *error) {
    if (!decoder) return trace_parse(bytes, count, trace, error);
    trace_operation *operations = calloc(OPERATIONS_MAX, sizeof *operations);
    if (!operations) options_fail("out of memory");
    size_t decoded = decoder->decode((const uint8_t *)bytes, count, operations, OPERATIONS_MAX);
    bool made = trace_make(operations, decoded, NULL, trace, error);
    free(operations);
    return made;
}

// ---- Playing ------------------------------------------------------------------------------------

// The ways to play a trace on a strategy. The last ones are under sanitizers, if the target's
// program is built.
enum { SANITIZED = 4, WAYS = 6 };
static const struct way {
    int level;
    bool counted, damaged;
} ways[WAYS] = {{1, false, false}, {0, false, false}, {0, true, false},
                {1, false, true},  {1, false, false}, {0, false, false}};

static bool reproduce_is_played(const trace_run *run) {
    if (run->damaged) return run->target->damages;
    return !run->counted || run->target->counts;
}

// Sets *run to the way. Returns false if the trace cannot be played in it. `strategy` is NULL if
// only the target's one program can play.
static bool reproduce_is_way(const trace_run_target *target, const char *strategy, int way,
                             trace_run *run) {
    const struct way *w = &ways[way];
    *run = (struct trace_run){.target = target, .counted = w->counted, .damaged = w->damaged};
    if (!strategy && way != SANITIZED) return false;
    if (strategy)
        run->allocator =
            w->counted ? counted_strategy_named(strategy) : lm_strategy_named(strategy, w->level);
    if (!reproduce_is_played(run)) return false;
    if (way < SANITIZED) return true;
    char *program = target_program(target->name, strategy);
    run->program = program;
    if (access(program, X_OK) == 0) return true;
    free(program);
    return false;
}

static const char *reproduce_name_of(const trace_run *run) {
    return run->allocator ? run->allocator->name : run->target->name;
}

static const char *reproduce_way_text(const trace_run *run) {
    if (run->program)
        return !run->allocator || run->allocator->check_level ? "level 1, sanitizers"
                                                              : "level 0, sanitizers";
    if (run->counted) return "level 0, counted";
    if (run->damaged) return "level 1, damaged";
    return run->allocator->check_level ? "level 1" : "level 0";
}

// ---- Shrinking ----------------------------------------------------------------------------------

typedef struct shrinking {
    trace_run run;
    failure failure; // of the smallest trace so far
    progress *progress;
    double began;
    unsigned seconds; // time limit; 0: none
    bool timed_out;
} shrinking;

static bool reproduce_fails_alike(void *context, const trace *trace) {
    shrinking *s = context;
    failure failure;
    if (!trace_run_play(&s->run, trace, &failure) || strcmp(failure.law, s->failure.law) != 0)
        return false;
    s->failure = failure;
    return true;
}

static bool reproduce_continues(void *context, size_t tries, size_t operations) {
    shrinking *s = context;
    char text[60];
    double seconds = clock_seconds() - s->began;
    snprintf(text, sizeof text, "%zu operations, %zu tries; Ctrl-C keeps that", operations, tries);
    progress_show(s->progress, (size_t)seconds, text);
    s->timed_out = s->seconds && seconds >= s->seconds;
    return !interrupted() && !s->timed_out;
}

// Removes the operations after the failure if the trace fails without them, then shrinks it. A hang
// then has a shorter time limit, since the trace is smaller. Returns the number of tries.
static size_t reproduce_shrink(shrinking *s, trace *trace) {
    struct trace cut;
    trace_error error;
    size_t needed = s->failure.at < trace->count ? s->failure.at + 1 : trace->count;
    if (trace_make(trace->operations, needed, trace->preamble, &cut, &error)) {
        bool fails = reproduce_fails_alike(s, &cut);
        if (fails) {
            struct trace whole = *trace;
            *trace = cut;
            cut = whole;
        }
        trace_free(&cut);
    }
    if (strcmp(s->failure.law, "hang") == 0) s->run.seconds = 1;
    s->began = clock_seconds();
    s->progress = progress_start("shrinking, seconds", s->seconds ? s->seconds : SECONDS_MAX);
    size_t tries = shrinker_run(trace, &(shrinker_options){.fails = reproduce_fails_alike,
                                                           .context = s,
                                                           .tries_max = TRIES_MAX,
                                                           .goes_on = reproduce_continues});
    progress_end(s->progress);
    return tries;
}

// ---- Writing ------------------------------------------------------------------------------------

static void reproduce_write_trace(const trace *shrunk, const char *comment, const char *path) {
    trace commented;
    trace_error error;
    if (!trace_make(shrunk->operations, shrunk->count, comment, &commented, &error) ||
        !trace_write(&commented, path, &error))
        options_fail("%s: %s", path, error.text);
    trace_free(&commented);
    printf("  %s\n", path);
}

// Compiles and runs a reproducer, through a link whose path needs no quotes. Returns its exit
// status, or −1 if it could not be compiled.
static int reproduce_try_reproducer(const trace_run *run, const char *path) {
    char folder[] = "/tmp/linmem-reproducer-XXXXXX", *real = realpath(path, NULL);
    if (!real || !mkdtemp(folder)) options_fail("%s: %s", path, strerror(errno));
    char *source = text_format("%s/bug.c", folder), *program = text_format("%s/bug", folder);
    char *command = reproducer_command(run, source, program);
    if (!command || symlink(real, source) != 0) options_fail("%s: %s", source, strerror(errno));
    char *script = text_format("cd \"$0\" && %s && exec %s", command, program);
    child_options options = {.argv =
                                 (const char *const[]){"sh", "-c", script, LINMEM_SOURCE_DIR, NULL},
                             .cpu = -1,
                             .quiet = true};
    child_end end = {.exit_status = -1};
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 120, &end);
    file_remove_tree(folder);
    char *texts[] = {script, command, program, source, real};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return end.exit_status;
}

// Writes no program after an interrupt, because compiling it takes seconds.
static void reproduce_write_reproducer(const trace_run *run, const trace *trace,
                                       const failure *failure, const char *path) {
    if (!reproducer_is_known(run)) return;
    if (interrupted()) {
        puts("  interrupted: no C program was written; reproduce the trace for one");
        return;
    }
    if (!reproducer_write(run, trace, failure, path)) options_fail("%s: %s", path, strerror(errno));
    bool shows = reproduce_try_reproducer(run, path) == 1;
    printf("  %s: %s\n", path,
           interrupted() ? "interrupted: not tried"
           : shows       ? "shows it"
                         : "does not show it where it was tried");
}

// Whether there is no such file, or a trace with the same operations.
static bool reproduce_is_free(const char *path, const trace *trace) {
    struct trace there;
    trace_error error;
    if (access(path, F_OK) != 0) return true;
    if (!trace_read(path, &there, &error)) return false;
    size_t bytes = trace->count * sizeof *trace->operations;
    bool same = there.count == trace->count &&
                (bytes == 0 || memcmp(there.operations, trace->operations, bytes) == 0);
    trace_free(&there);
    return same;
}

// Returns a path without extension for a finding's files; another finding of the same law is not
// overwritten. The caller frees it.
static char *reproduce_name_finding(const request *request, const trace_run *run,
                                    const trace *trace, const char *law) {
    char *kind = text_format("%s-%s", law, reproduce_name_of(run)), *name = NULL;
    for (char *at; (at = strchr(kind, ':'));)
        *at = '-'; // as in asan:heap-buffer-overflow
    for (unsigned number = 1;; number++) {
        char more[16] = "";
        if (number > 1) snprintf(more, sizeof more, "-%u", number);
        name = text_format("%s/%s%s", request->wanted->directory, kind, more);
        char *path = text_format("%s.lmt", name);
        bool found = reproduce_is_free(path, trace);
        free(path);
        if (found) break;
        free(name);
    }
    free(kind);
    return name;
}

static void reproduce_write_all(const request *request, const trace_run *run, const trace *trace,
                                const failure *failure) {
    char world[100] = "";
    if (run->target->print_world) {
        world[0] = '\n';
        run->target->print_world(world + 1, sizeof world - 1);
    }
    char *name = reproduce_name_finding(request, run, trace, failure->law),
         *comment = text_format("%s, %s: broken %s: %s%s", reproduce_name_of(run),
                                reproduce_way_text(run), failure->law, failure->how, world);
    char *path = text_format("%s.lmt", name), *program = text_format("%s.c", name);
    reproduce_write_trace(trace, comment, path);
    if (request->wanted->keep) {
        char *kept = text_format("%s/%s.lmt", REGRESSIONS, request->wanted->keep);
        reproduce_write_trace(trace, comment, kept);
        free(kept);
    }
    reproduce_write_reproducer(run, trace, failure, program);
    char *texts[] = {program, path, comment, name};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
}

// ---- The command --------------------------------------------------------------------------------

// Adds the source line to a failure that only a stack locates: of a sanitizer, a crash, a hang.
static void reproduce_locate(const trace_run *run, const trace *trace, failure *failure) {
    static const char *const located[] = {"crash", "hang", "memory", "returns"};
    bool wanted = finding_is_sanitizers(failure->law) && strcmp(failure->law, "ubsan") != 0;
    for (size_t i = 0; i < sizeof located / sizeof *located; i++)
        wanted |= strcmp(failure->law, located[i]) == 0;
    if (!wanted || interrupted()) return;
    const char *strategy = run->allocator ? run->allocator->name : NULL;
    char *program = target_program(run->target->name, strategy);
    if (access(program, X_OK) == 0) trace_run_locate(run, program, trace, failure);
    free(program);
}

static void reproduce_print_shrunk(const shrinking *s, size_t from, size_t to, size_t tries) {
    printf("  shrunk from %zu operations to %zu, in %zu tries", from, to, tries);
    if (interrupted())
        printf("; interrupted, so perhaps not the smallest");
    else if (s->timed_out)
        printf("; stopped after %u s, so perhaps not the smallest (--shrink-seconds)", s->seconds);
    else if (tries >= TRIES_MAX)
        printf("; no more are made, so perhaps not the smallest");
    putchar('\n');
    fflush(stdout); // compiling takes long
}

// Shrinks a failing trace and writes the finding.
static void reproduce_failure(const request *request, const trace_run *run, const trace *whole,
                              const failure *failure) {
    shrinking s = {.run = *run, .failure = *failure, .seconds = request->wanted->shrink_seconds};
    trace trace;
    trace_error error;
    printf("%s, %s: broken %s: %s\n", reproduce_name_of(run), reproduce_way_text(run), failure->law,
           failure->how);
    fflush(stdout); // shrinking takes long
    if (!trace_make(whole->operations, whole->count, NULL, &trace, &error))
        options_fail("%s", error.text);
    size_t tries = reproduce_shrink(&s, &trace);
    reproduce_print_shrunk(&s, whole->count, trace.count, tries);
    reproduce_locate(run, &trace, &s.failure);
    printf("  %s\n", s.failure.how);
    reproduce_write_all(request, run, &trace, &s.failure);
    trace_free(&trace);
}

// Plays the trace in one way and, if it fails, writes the finding and returns true. With
// `sanitizers`, only a finding of a sanitizer counts.
static bool reproduce_with(const request *request, const trace_run *run, const trace *whole,
                           bool sanitizers) {
    failure failure;
    if (!trace_run_play(run, whole, &failure)) return false;
    if (sanitizers && !finding_is_sanitizers(failure.law)) return false;
    reproduce_failure(request, run, whole, &failure);
    return true;
}

// The same with each growth failing.
static bool reproduce_refused(const request *request, const trace_run *run) {
    trace refused;
    out_of_memory tried;
    if (run->program || run->counted || run->damaged) return false;
    if (!trace_run_refuse_growth(run, &request->trace, &refused, &tried)) {
        if (tried.tried < tried.growths)
            printf("%s, %s: %zu of %zu growths were refused, as all would take too long\n",
                   reproduce_name_of(run), reproduce_way_text(run), tried.tried, tried.growths);
        return false;
    }
    bool broken = reproduce_with(request, run, &refused, false);
    trace_free(&refused);
    return broken;
}

// Plays the trace on a strategy in each way from `way` on, until one fails.
static bool reproduce_from(const request *request, const char *strategy, int way, bool sanitizers) {
    bool broken = false;
    for (; way < WAYS && !broken && !interrupted(); way++) {
        trace_run run;
        if (!reproduce_is_way(request->target, strategy, way, &run)) continue;
        run.seconds = ceil(seconds_min + (double)request->trace.count * seconds_an_operation);
        broken = reproduce_with(request, &run, &request->trace, sanitizers) ||
                 (!sanitizers && request->wanted->refuse && reproduce_refused(request, &run));
        free((char *)run.program);
    }
    return broken;
}

// A sanitizer's finding takes precedence over the law that breaks later without sanitizers. Other
// failures shrink faster without sanitizers.
static bool reproduce_on(const request *request, const char *strategy) {
    return reproduce_from(request, strategy, SANITIZED, true) ||
           reproduce_from(request, strategy, 0, false);
}

// Returns the path of the target's one program; the caller frees it.
static char *reproduce_program_or_fail(const request *request) {
    char *program = target_program(request->target_name, NULL);
    if (access(program, X_OK) != 0)
        options_fail("%s: %s; ./linmem reproduce builds it", program, strerror(errno));
    return program;
}

static exit_status reproduce_trace(const request *request) {
    size_t played = 0, broken = 0;
    bool here = request->target->play;
    if (!here) {
        free(reproduce_program_or_fail(request));
        broken += reproduce_on(request, NULL);
    }
    for (size_t i = 0; here && i < lm_strategy_count() && !interrupted(); i++) {
        const char *name = lm_strategy_at(i, 0)->name;
        if (!allocators_have((char *const *)request->allocators, name)) continue;
        played++;
        broken += reproduce_on(request, name);
    }
    if (interrupted())
        puts("interrupted before all was played");
    else if (broken == 0 && here)
        printf("nothing is broken: %zu operations, %zu allocator%s\n", request->trace.count, played,
               played == 1 ? "" : "s");
    else if (broken == 0)
        printf("nothing is broken: %zu operations\n", request->trace.count);
    return broken || interrupted() ? EXIT_FAILED : EXIT_PASSED;
}

// ---- Inputs that are bytes ----------------------------------------------------------------------

enum { MINIMISE_SECONDS = 20 };

// Lets libFuzzer minimise the input. Paths must not begin with '-'.
static void reproduce_minimise(const char *program, const char *input, const char *path) {
    char *artifact = text_format("-exact_artifact_path=%s", path),
         *seconds = text_format("-max_total_time=%d", MINIMISE_SECONDS);
    const char *argv[] = {program, "-minimize_crash=1", seconds, artifact, input, NULL};
    child_options options = {.argv = argv, .cpu = -1, .quiet = true};
    child_end end;
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 3 * MINIMISE_SECONDS, &end);
    if (access(path, R_OK) == 0)
        printf("  %s: the smallest that was found in %d s\n", path, MINIMISE_SECONDS);
    else
        printf("  %s\n", interrupted() ? "interrupted before it became smaller"
                                       : "no smaller input shows it");
    free(artifact);
    free(seconds);
}

static exit_status reproduce_bytes(const request *request) {
    const reproduction *wanted = request->wanted;
    failure failure;
    char *program = reproduce_program_or_fail(request), *real = realpath(wanted->input, NULL);
    if (!real) options_fail("%s: %s", wanted->input, strerror(errno));
    bool broken = trace_run_bytes(program, real, seconds_min, &failure);
    if (broken) {
        printf("%s: broken %s: %s\n", request->target_name, failure.law, failure.how);
        fflush(stdout);
        char *path =
            text_format("%s/%s-%s.input", wanted->directory, failure.law, request->target_name);
        reproduce_minimise(program, real, path);
        free(path);
    } else {
        puts("nothing is broken");
    }
    free(program);
    free(real);
    return broken ? EXIT_FAILED : EXIT_PASSED;
}

// ---- Inputs -------------------------------------------------------------------------------------

static void reproduce_check_target(const char *name) {
    const char *names[fuzz_target_count];
    if (fuzz_target_named(name)) return;
    for (size_t i = 0; i < fuzz_target_count; i++)
        names[i] = fuzz_targets[i].name;
    options_unknown("target", name, names, fuzz_target_count);
}

// Whether the input is named as `linmem fuzz` names findings: PROGRAM-crash-HASH and so on.
static bool reproduce_is_finding_of(const char *input, const char *target, const char *allocator) {
    static const char *const kinds[] = {"crash", "timeout", "oom", "leak", "slow-unit"};
    const char *slash = strrchr(input, '/');
    bool is = false;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !is; i++) {
        char *start = text_format("%s%s%s-%s-", target, allocator ? "-" : "",
                                  allocator ? allocator : "", kinds[i]);
        is = strncmp(slash ? slash + 1 : input, start, strlen(start)) == 0;
        free(start);
    }
    return is;
}

// Sets the target, unless the command names it, and the allocator from the name of a finding.
static void reproduce_read_name(request *request) {
    const reproduction *wanted = request->wanted;
    for (size_t t = 0; t < fuzz_target_count && !request->target_name; t++) {
        const fuzz_target *target = &fuzz_targets[t];
        if (!target->per_strategy && reproduce_is_finding_of(wanted->input, target->name, NULL))
            request->target_name = target->name;
        for (size_t i = 0; target->per_strategy && i < lm_strategy_count(); i++) {
            const char *name = lm_strategy_at(i, 0)->name;
            if (!reproduce_is_finding_of(wanted->input, target->name, name)) continue;
            request->target_name = target->name;
            request->own[0] = name;
        }
    }
    if (request->own[0] && !request->allocators) request->allocators = request->own;
}

// Reads the input. Returns false if it is bytes, not operations.
static bool reproduce_read_input(request *request) {
    const reproduction *wanted = request->wanted;
    size_t count;
    trace_error error;
    request->allocators = (const char *const *)wanted->allocators;
    request->target_name = wanted->target;
    if (wanted->target) reproduce_check_target(wanted->target);
    reproduce_read_name(request);
    bool named = request->target_name;
    if (!named) request->target_name = "heap";
    char *bytes = file_read(wanted->input, &count);
    if (!bytes) options_fail("%s: %s", wanted->input, strerror(errno));
    // An input of a target may be empty: then the heap only starts and ends.
    if (count == 0 && !named) options_fail("%s: is empty", wanted->input);
    request->target = trace_run_target_named(request->target_name);
    bool is_trace =
        request->target && (reproduce_is_named_trace(wanted->input) || trace_is_form(bytes, count));
    if (request->target &&
        !reproduce_parse(is_trace ? NULL : request->target, bytes, count, &request->trace, &error))
        options_fail("%s: %s", wanted->input, error.text);
    if (is_trace && !wanted->target) request->target_name = reproduce_target_of(&request->trace);
    request->target = trace_run_target_named(request->target_name);
    free(bytes);
    if (is_trace && request->target->read_world && !request->target->read_world(&request->trace))
        options_fail("%s: no comment '" BUFFERS_WORLD "…' says which memories there are",
                     wanted->input);
    return request->target;
}

// Copies standard input to a file in memory, because it is read several times and by other
// processes. Returns its path.
static const char *reproduce_keep_standard_input(void) {
    static char path[60];
    size_t count;
    char *bytes = file_read("/dev/stdin", &count);
    int file = bytes ? memfd_create("input", MFD_CLOEXEC) : -1;
    if (file < 0 || write(file, bytes, count) != (ssize_t)count)
        options_fail("standard input: %s", strerror(errno));
    free(bytes);
    snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), file);
    return path;
}

exit_status reproduce(const reproduction *asked) {
    exit_status explored;
    reproduction kept = *asked, *wanted = &kept;
    request request = {.wanted = wanted};
    if (strcmp(wanted->input, "-") == 0) wanted->input = reproduce_keep_standard_input();
    if (reproduce_explored(wanted, &explored)) return explored;
    bool operations = reproduce_read_input(&request);
    if (wanted->refuse && strcmp(request.target_name, "heap") != 0)
        options_fail("--refuse-growth is for heaps");
    if (wanted->keep && !operations)
        options_fail("--keep is for targets whose inputs are operations");
    if (!file_make_writable_directory(wanted->directory))
        options_fail("%s: %s", wanted->directory, strerror(errno));
    exit_status status = operations ? reproduce_trace(&request) : reproduce_bytes(&request);
    trace_free(&request.trace);
    return status;
}

unsigned reproduce_shrink_seconds(const char *text) {
    return (unsigned)options_number("shrink-seconds", text, 0, SECONDS_MAX);
}

// ---- For the build ------------------------------------------------------------------------------

static void reproduce_print_program(const char *target, const char *strategy, bool needed) {
    char *program = target_program(target, strategy);
    if (needed || access(program, X_OK) == 0) printf("program %s\n", strrchr(program, '/') + 1);
    free(program);
}

exit_status reproduce_programs(const reproduction *wanted) {
    request request = {.wanted = wanted};
    explored_by by;
    if (strcmp(wanted->input, "-") == 0 || reproduce_explored_is(wanted, &by)) return EXIT_PASSED;
    reproduce_read_input(&request);
    const fuzz_target *target = fuzz_target_named(request.target_name);
    bool needed = !request.target || !request.target->play;
    if (!target->per_strategy) reproduce_print_program(target->name, NULL, needed);
    for (size_t i = 0; target->per_strategy && i < lm_strategy_count(); i++) {
        const char *name = lm_strategy_at(i, 0)->name;
        if (allocators_have((char *const *)request.allocators, name))
            reproduce_print_program(target->name, name, needed);
    }
    trace_free(&request.trace);
    return EXIT_PASSED;
}
