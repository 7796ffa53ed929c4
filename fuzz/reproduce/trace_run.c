#include "fuzz/reproduce/trace_run.h"

#include "alloc/conformance/calls.h"
#include "alloc/conformance/checkerboard.h"
#include "alloc/registry.h"
#include "cli/child.h"
#include "fuzz/oracle/differential.h"
#include "fuzz/oracle/wrong_call.h"
#include "fuzz/play/buffers_input.h"
#include "fuzz/play/heap_input.h"
#include "fuzz/run/finding.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

// ---- Targets ------------------------------------------------------------------------------------

enum { WALKS_MAX = 4096 };

static heap_player player;

static void trace_run_fail(failure *failure, const char *law, const char *how) {
    snprintf(failure->law, sizeof failure->law, "%s", law);
    snprintf(failure->how, sizeof failure->how, "%s", how);
}

// Records the allocator's calls.
static void trace_run_play_with(const heap_options *wanted, const trace *trace, failure *failure) {
    heap_options options = *wanted;
    options.allocator = calls_recorded(wanted->allocator, NULL);
    if (options.counted) options.counted = options.allocator;
    if (!heap_player_create(&player)) return;
    if (!heap_player_run(&player, &options, trace->operations, trace->count, &failure->at))
        trace_run_fail(failure, law_names[player.heap.oracle.broken], player.heap.oracle.finding);
    heap_player_destroy(&player);
}

static void trace_run_play_heap(const trace_run *run, const trace *trace, failure *failure) {
    heap_options options = {.allocator = run->allocator,
                            .counted = run->counted ? run->allocator : NULL,
                            .rounds = true,
                            .boards = run->counted ? (1u << LM_BOARDS) - 1 : 0,
                            .all_broken_walks = run->damaged,
                            .walk_every = trace->count <= WALKS_MAX};
    trace_run_play_with(&options, trace, failure);
}

static void trace_run_play_misuse(const trace_run *run, const trace *trace, failure *failure) {
    heap_options options = {
        .allocator = run->allocator, .walk_every = trace->count <= WALKS_MAX, .wrong_calls = true};
    trace_run_play_with(&options, trace, failure);
}

static void trace_run_ignore_signal(int number) {
    (void)number;
    _exit(0);
}

// Plays on the allocator alone first; a law broken or a crash then is its own. Afterwards on all
// strategies, where signals of the others are ignored.
static void trace_run_play_differential(const trace_run *run, const trace *trace,
                                        failure *failure) {
    static const int signals[] = {SIGILL, SIGTRAP, SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
    static differential all;
    const lm_allocator *allocator = run->allocator;
    heap_options options = {.walk_every = trace->count <= WALKS_MAX};
    if (!heap_player_create(&player)) return;
    all.count = 1;
    all.allocators[0] = allocator;
    bool holds =
        differential_run(&all, &player, &options, trace->operations, trace->count, &failure->at);
    for (size_t i = 0; holds && i < sizeof signals / sizeof *signals; i++)
        signal(signals[i], trace_run_ignore_signal);
    for (size_t i = 0; holds && i < lm_strategy_count(); i++) {
        const lm_allocator *other = lm_strategy_at(i, allocator->check_level);
        if (strcmp(other->name, allocator->name) != 0) all.allocators[all.count++] = other;
    }
    if (holds)
        holds = differential_run(&all, &player, &options, trace->operations, trace->count,
                                 &failure->at);
    if (!holds && all.place == 0) trace_run_fail(failure, law_names[all.broken], all.finding);
    heap_player_destroy(&player);
}

// The memories of a buffer trace and their allocators.
static buffers_world_choice world = {.count = 1};

static size_t trace_run_decode_buffers(const uint8_t *bytes, size_t count,
                                       trace_operation *operations, size_t max) {
    return buffers_input_decode(bytes, count, &world, operations, max);
}
static size_t trace_run_encode_buffers(const trace_operation *operations, size_t count,
                                       uint8_t *bytes, size_t max) {
    return buffers_input_encode(&world, operations, count, bytes, max);
}
static void trace_run_print_buffers_world(char *line, size_t size) {
    int length = snprintf(line, size, BUFFERS_WORLD);
    buffers_world_print(&world, line + length, size - (size_t)length);
}
static bool trace_run_read_buffers_world(const trace *trace) {
    return buffers_world_of(trace, &world);
}

static const trace_run_target targets[] = {
    {.name = "heap",
     .decode = heap_input_decode,
     .encode = heap_input_encode,
     .play = trace_run_play_heap,
     .counts = true,
     .damages = true},
    {.name = "buffers",
     .decode = trace_run_decode_buffers,
     .encode = trace_run_encode_buffers,
     .print_world = trace_run_print_buffers_world,
     .read_world = trace_run_read_buffers_world},
    {.name = "misuse",
     .decode = heap_input_decode,
     .encode = heap_input_encode,
     .play = trace_run_play_misuse},
    {.name = "differential",
     .decode = heap_input_decode,
     .encode = heap_input_encode,
     .play = trace_run_play_differential,
     .together = true},
};

const trace_run_target *trace_run_target_named(const char *name) {
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0) return &targets[i];
    return NULL;
}

static void trace_run_judge_end(const child_end *end, failure *failure) {
    if (end->interrupted)
        failure->law[0] = '\0';
    else if (end->timed_out)
        trace_run_fail(failure, "hang", end->text);
    else if (end->signal == SIGILL || end->signal == SIGTRAP)
        trace_run_fail(failure, law_names[LAW_returns], "a right call trapped");
    else if (end->signal)
        trace_run_fail(failure, "crash", end->text);
}

// ---- In a child process -------------------------------------------------------------------------

enum { MEMORY_KIB_MAX = 2 << 20, MEMORY_CHECK_US = 100000 };

// What is played in the child, and its results, in shared memory.
typedef struct shared_run {
    const trace_run *run;
    const trace *trace;
    failure failure;
    recorded_call call;
    volatile bool took_memory;
    out_of_memory refused;
    size_t wrong_count;
    trace_run_wrong_call wrong[TRACE_RUN_WRONG_CALLS_MAX];
} shared_run;

static shared_run *shared; // in the child

// Calls `play` in a child process, which ends after `seconds`. Returns the results, which the
// caller unmaps, or NULL if out of memory. `end` is unchanged if no child could be started.
static shared_run *trace_run_child(int (*play)(void *shared), const trace_run *run,
                                   const trace *trace, double seconds, child_end *end) {
    shared_run *s =
        mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (s == MAP_FAILED) return NULL;
    s->run = run;
    s->trace = trace;
    pid_t pid = child_call(play, s, true);
    if (pid > 0) child_wait(pid, seconds, end);
    return s;
}

// A strategy may touch all of a memory, which no limit of the process prevents.
static void trace_run_check_memory(int number) {
    struct rusage used;
    (void)number;
    getrusage(RUSAGE_SELF, &used);
    if (used.ru_maxrss < MEMORY_KIB_MAX) return;
    shared->took_memory = true;
    _exit(0);
}

static int trace_run_play_shared(void *context) {
    shared = context;
    calls_kept = &shared->call;
    sigaction(SIGALRM,
              &(struct sigaction){.sa_handler = trace_run_check_memory, .sa_flags = SA_RESTART},
              NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, MEMORY_CHECK_US}, {0, MEMORY_CHECK_US}}, NULL);
    shared->run->target->play(shared->run, shared->trace, &shared->failure);
    return 0;
}

// Says how the child ended and, if it is known, in which call.
static void trace_run_judge_child(const child_end *end, const shared_run *s, failure *failure) {
    char how[100] = "does not return: ";
    trace_run_judge_end(end, failure);
    if (s->took_memory) trace_run_fail(failure, "memory", "takes more than 2 GiB");
    bool ended = s->took_memory || end->timed_out || end->signal;
    if (!ended || !failure->law[0] || !call_runs(&s->call)) return;
    if (end->timed_out)
        strcat(how, end->text);
    else if (strcmp(failure->law, law_names[LAW_returns]) == 0)
        snprintf(how, sizeof how, "traps");
    else
        snprintf(how, sizeof how, "%s%s", end->signal ? "is " : "", failure->how);
    call_print_running(&s->call, how, failure->how, sizeof failure->how);
}

static bool trace_run_here(const trace_run *run, const trace *trace, failure *failure) {
    child_end end = {0};
    shared_run *s = trace_run_child(trace_run_play_shared, run, trace, run->seconds, &end);
    if (!s) return false;
    *failure = s->failure;
    trace_run_judge_child(&end, s, failure);
    munmap(s, sizeof *s);
    return failure->law[0];
}

static void trace_run_note_wrong_call(const char *name, const void *pointer, size_t size) {
    if (shared->wrong_count == TRACE_RUN_WRONG_CALLS_MAX) return;
    uint64_t offset = (uintptr_t)pointer - (uintptr_t)lm_memory_base(&player.memory);
    shared->wrong[shared->wrong_count++] =
        (trace_run_wrong_call){shared->failure.at, name, !pointer, offset, size};
}

static int trace_run_play_wrong_calls(void *context) {
    shared = context;
    wrong_call_watched = trace_run_note_wrong_call;
    trace_run_play_misuse(shared->run, shared->trace, &shared->failure);
    return 0;
}

size_t trace_run_wrong_calls(const trace_run *run, const trace *trace,
                             trace_run_wrong_call made[TRACE_RUN_WRONG_CALLS_MAX]) {
    child_end end;
    shared_run *s = trace_run_child(trace_run_play_wrong_calls, run, trace, run->seconds, &end);
    if (!s) return 0;
    size_t count = s->wrong_count;
    memcpy(made, s->wrong, count * sizeof *made);
    munmap(s, sizeof *s);
    return count;
}

static int trace_run_play_refusals(void *context) {
    shared = context;
    heap_options options = {.allocator = shared->run->allocator};
    if (!heap_player_create(&player)) return 0;
    return !out_of_memory_run(&player, &options, shared->trace->operations, shared->trace->count,
                              &shared->refused);
}

bool trace_run_refuse_growth(const trace_run *run, const trace *trace, struct trace *refused,
                             out_of_memory *tried) {
    trace_error error;
    child_end end = {.ok = true};
    double seconds = run->seconds * (double)(trace->count + 1);
    shared_run *s = trace_run_child(trace_run_play_refusals, run, trace, seconds, &end);
    trace_operation *operations = calloc(trace->count + 1, sizeof *operations);
    bool broken = s && operations && !end.ok && !end.interrupted;
    *tried = s ? s->refused : (out_of_memory){0};
    if (broken) {
        size_t count = out_of_memory_operations(trace->operations, trace->count, tried, operations);
        broken = trace_make(operations, count, trace->preamble, refused, &error);
    }
    if (s) munmap(s, sizeof *s);
    free(operations);
    return broken;
}

// ---- In a fuzz target's program -----------------------------------------------------------------

enum { INPUT_BYTES_MAX = 1 << 20 };

// Returns the number of operations before the exit.
static size_t trace_run_played_operations(const trace *trace) {
    size_t count = 0;
    while (count < trace->count && trace->operations[count].verb != TRACE_EXIT)
        count++;
    return count;
}

// Returns a file in memory with the trace as an input of the target, or −1 if it cannot be encoded.
static int trace_run_input_file(const trace_run *run, const trace *trace) {
    size_t count = trace_run_played_operations(trace);
    uint8_t *bytes = malloc(INPUT_BYTES_MAX);
    size_t size = bytes ? run->target->encode(trace->operations, count, bytes, INPUT_BYTES_MAX) : 0;
    int file = size ? memfd_create("input", 0) : -1;
    if (file >= 0 && write(file, bytes, size) != (ssize_t)size) {
        close(file);
        file = -1;
    }
    free(bytes);
    return file;
}

// Sets the failure from the program's output, and the operation if the output has it.
static void trace_run_judge_words(char *said, failure *failure) {
    finding found = {0};
    for (char *rest = said, *line; (line = strsep(&rest, "\n"));)
        finding_read(&found, line);
    snprintf(failure->law, sizeof failure->law, "%s", found.law);
    finding_print(&found, failure->how, sizeof failure->how);
    if (law_named(found.law) != LAW_NONE &&
        sscanf(found.how, "operation %zu of ", &failure->at) != 1)
        failure->at = 0;
}

// Whether the finding of a program that plays all strategies is this strategy's: the message names
// it, or the sanitizer's stack has its source.
static bool trace_run_is_blamed(const char *said, const failure *failure, const char *strategy) {
    char named[2][100], file[100];
    snprintf(named[0], sizeof named[0], ": %s: ", strategy);
    snprintf(named[1], sizeof named[1], ": %s refuses ", strategy);
    snprintf(file, sizeof file, "/%s.c:", strategy);
    if (strstr(said, "linmem-fuzz: broken "))
        return strstr(failure->how, named[0]) || strstr(failure->how, named[1]);
    return strstr(said, file) || !strstr(said, "strategies/");
}

// Returns false if the finding is another strategy's.
static bool trace_run_read_words(int file, const trace_run *run, failure *failure) {
    static char said[1 << 16], lines[sizeof said];
    ssize_t count = pread(file, said, sizeof said - 1, 0);
    said[count > 0 ? count : 0] = '\0';
    memcpy(lines, said, (size_t)(count > 0 ? count : 0) + 1);
    trace_run_judge_words(lines, failure);
    bool together = run->target && run->target->together;
    if (!together || !failure->law[0]) return true;
    bool blamed = trace_run_is_blamed(said, failure, run->allocator->name);
    if (!blamed) failure->law[0] = '\0';
    return blamed;
}

// How a program is run: on descriptor `input`, or on the file at `path`.
typedef struct program_input {
    const char *path;
    int input;
    bool located; // print stacks, which is slow
} program_input;

static bool trace_run_input(const trace_run *run, const program_input *how, failure *failure) {
    int words = memfd_create("words", 0);
    char level[16];
    snprintf(level, sizeof level, "--level=%d", run->allocator ? run->allocator->check_level : 1);
    const char *argv[] = {"sh",
                          "-c",
                          how->located ? FINDING_SYMBOLIZE "exec \"$@\" >&3 2>&3"
                                       : "exec \"$@\" >&3 2>&3",
                          "sh",
                          run->program,
                          level,
                          how->located ? "-timeout=2" : "-timeout=1200",
                          how->path ? how->path : "/proc/self/fd/4",
                          NULL};
    static const char *const environment[] = {"ASAN_OPTIONS=symbolize=0",
                                              "UBSAN_OPTIONS=symbolize=0", NULL};
    child_options options = {.argv = argv,
                             .environment = how->located ? NULL : environment,
                             .descriptors = (int[]){words, how->input},
                             .descriptor_count = how->path ? 1 : 2,
                             .cpu = -1};
    child_end end = {0};
    pid_t pid = words >= 0 ? child_start(&options) : -1;
    if (pid > 0) {
        child_wait(pid, run->seconds, &end);
        bool ours = trace_run_read_words(words, run, failure);
        if (ours && !failure->law[0]) trace_run_judge_end(&end, failure);
    }
    close(words);
    return failure->law[0];
}

static bool trace_run_program(const trace_run *run, const trace *trace, failure *failure) {
    *failure = (struct failure){.at = trace->count};
    int input = trace_run_input_file(run, trace);
    bool broken = input >= 0 && trace_run_input(run, &(program_input){.input = input}, failure);
    close(input);
    // The input begins with the heap's start, which a trace may lack.
    size_t at, count, own = trace_run_played_operations(trace);
    if (broken && sscanf(failure->how, "operation %zu of %zu", &at, &count) == 2 && count > own)
        failure->at = at < count - own ? 0 : at - (count - own);
    return broken;
}

bool trace_run_bytes(const char *program, const char *path, double seconds, failure *failure) {
    trace_run run = {.program = program, .seconds = seconds};
    *failure = (struct failure){0};
    return trace_run_input(&run, &(program_input){.path = path, .input = -1}, failure);
}

void trace_run_locate(const trace_run *run, const char *program, const trace *trace,
                      failure *failure) {
    enum { SECONDS = 60 }; // printing stacks is slow on a busy machine
    struct trace_run located = *run;
    struct failure found = {0};
    int input = trace_run_input_file(run, trace);
    located.program = program;
    located.seconds = SECONDS;
    if (input >= 0 &&
        trace_run_input(&located, &(program_input){.input = input, .located = true}, &found) &&
        strcmp(found.law, failure->law) == 0) {
        const char *where = strstr(found.how, ", in ");
        size_t length = strlen(failure->how);
        if (where) snprintf(failure->how + length, sizeof failure->how - length, "%s", where);
    }
    close(input);
}

bool trace_run_play(const trace_run *run, const trace *trace, failure *failure) {
    return run->program ? trace_run_program(run, trace, failure)
                        : trace_run_here(run, trace, failure);
}
