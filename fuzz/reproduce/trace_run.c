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

static void fail(failure *failure, const char *law, const char *how) {
    snprintf(failure->law, sizeof failure->law, "%s", law);
    snprintf(failure->how, sizeof failure->how, "%s", how);
}

// With its calls recorded.
static void play_with(const heap_options *wanted, const trace *trace, failure *failure) {
    heap_options options = *wanted;
    options.allocator = calls_recorded(wanted->allocator, NULL);
    if (options.counted) options.counted = options.allocator;
    if (!heap_player_create(&player)) return;
    if (!heap_player_run(&player, &options, trace->operations, trace->count, &failure->at))
        fail(failure, law_names[player.heap.oracle.broken], player.heap.oracle.finding);
    heap_player_destroy(&player);
}

static void play_heap(const trace_run *run, const trace *trace, failure *failure) {
    heap_options options = {.allocator = run->allocator,
                            .counted = run->counted ? run->allocator : NULL,
                            .rounds = true,
                            .boards = run->counted ? (1u << LM_BOARDS) - 1 : 0,
                            .all_broken_walks = run->damaged,
                            .walk_every = trace->count <= WALKS_MAX};
    play_with(&options, trace, failure);
}

static void play_misuse(const trace_run *run, const trace *trace, failure *failure) {
    heap_options options = {
        .allocator = run->allocator, .walk_every = trace->count <= WALKS_MAX, .wrong_calls = true};
    play_with(&options, trace, failure);
}

static void is_of_others(int number) {
    (void)number;
    _exit(0);
}

// Alone first: what breaks then, or crashes, is its own.
static void play_differential(const trace_run *run, const trace *trace, failure *failure) {
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
        signal(signals[i], is_of_others);
    for (size_t i = 0; holds && i < lm_strategy_count(); i++) {
        const lm_allocator *other = lm_strategy_at(i, allocator->check_level);
        if (strcmp(other->name, allocator->name) != 0) all.allocators[all.count++] = other;
    }
    if (holds)
        holds = differential_run(&all, &player, &options, trace->operations, trace->count,
                                 &failure->at);
    if (!holds && all.place == 0) fail(failure, law_names[all.broken], all.finding);
    heap_player_destroy(&player);
}

// The memories of a buffer trace, and who serves them.
static buffers_world_choice world = {.count = 1};

static size_t decode_buffers(const uint8_t *bytes, size_t count, trace_operation *operations,
                             size_t max) {
    return buffers_input_decode(bytes, count, &world, operations, max);
}
static size_t encode_buffers(const trace_operation *operations, size_t count, uint8_t *bytes,
                             size_t max) {
    return buffers_input_encode(&world, operations, count, bytes, max);
}
static void print_buffers_world(char *line, size_t size) {
    int length = snprintf(line, size, BUFFERS_WORLD);
    buffers_world_print(&world, line + length, size - (size_t)length);
}
static bool read_buffers_world(const trace *trace) {
    return buffers_world_of(trace, &world);
}

static const trace_run_target targets[] = {
    {.name = "heap",
     .decode = heap_input_decode,
     .encode = heap_input_encode,
     .play = play_heap,
     .counts = true,
     .damages = true},
    {.name = "buffers",
     .decode = decode_buffers,
     .encode = encode_buffers,
     .print_world = print_buffers_world,
     .read_world = read_buffers_world},
    {.name = "misuse",
     .decode = heap_input_decode,
     .encode = heap_input_encode,
     .play = play_misuse},
    {.name = "differential",
     .decode = heap_input_decode,
     .encode = heap_input_encode,
     .play = play_differential,
     .together = true},
};

const trace_run_target *trace_run_target_named(const char *name) {
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++)
        if (strcmp(targets[i].name, name) == 0) return &targets[i];
    return NULL;
}

static void judge_end(const child_end *end, failure *failure) {
    if (end->interrupted)
        failure->law[0] = '\0';
    else if (end->timed_out)
        fail(failure, "hang", end->text);
    else if (end->signal == SIGILL || end->signal == SIGTRAP)
        fail(failure, law_names[LAW_returns], "a right call trapped");
    else if (end->signal)
        fail(failure, "crash", end->text);
}

// ---- In a copy of us ----------------------------------------------------------------------------

// What the copy leaves behind, in memory that is shared.
typedef struct remains {
    failure failure;
    recorded_call call;
    volatile bool took_memory;
} remains;

typedef struct play {
    const trace_run *run;
    const trace *trace;
    remains *remains;
} play;

static remains *own_remains;

enum { MEMORY_KIB_MAX = 2 << 20, LOOKS_US = 100000 };

// Nobody else bounds what is touched of a memory.
static void look_at_memory(int number) {
    struct rusage used;
    (void)number;
    getrusage(RUSAGE_SELF, &used);
    if (used.ru_maxrss < MEMORY_KIB_MAX) return;
    own_remains->took_memory = true;
    _exit(0);
}

static int play_here(void *context) {
    play *p = context;
    own_remains = p->remains;
    calls_kept = &p->remains->call;
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = look_at_memory, .sa_flags = SA_RESTART},
              NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, LOOKS_US}, {0, LOOKS_US}}, NULL);
    p->run->target->play(p->run, p->trace, &p->remains->failure);
    return 0;
}

// How it ended, by the call that was being made, if calls were recorded.
static void judge_remains(const child_end *end, const remains *left, failure *failure) {
    char how[100] = "does not return: ";
    judge_end(end, failure);
    if (left->took_memory) fail(failure, "memory", "takes more than 2 GiB");
    bool ended = left->took_memory || end->timed_out || end->signal;
    if (!ended || !failure->law[0] || !call_runs(&left->call)) return;
    if (end->timed_out)
        strcat(how, end->text);
    else if (strcmp(failure->law, law_names[LAW_returns]) == 0)
        snprintf(how, sizeof how, "traps");
    else
        snprintf(how, sizeof how, "%s%s", end->signal ? "is " : "", failure->how);
    call_print_running(&left->call, how, failure->how, sizeof failure->how);
}

static bool run_here(const trace_run *run, const trace *trace, failure *failure) {
    remains *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return false;
    play p = {run, trace, shared};
    child_end end = {0};
    pid_t pid = child_call(play_here, &p, true);
    if (pid > 0) child_wait(pid, run->seconds, &end);
    *failure = shared->failure;
    judge_remains(&end, shared, failure);
    munmap(shared, sizeof *shared);
    return failure->law[0];
}

// Wrong calls, in memory that is shared.
typedef struct wrong_calls {
    const trace_run *run;
    const trace *trace;
    failure failure;
    trace_run_wrong_call *made;
    size_t max, count;
} wrong_calls;

static wrong_calls *watching;

static void note_wrong_call(const char *name, const void *pointer, size_t size) {
    if (watching->count == watching->max) return;
    uint64_t offset = (uintptr_t)pointer - (uintptr_t)lm_memory_base(&player.memory);
    watching->made[watching->count++] =
        (trace_run_wrong_call){watching->failure.at, name, !pointer, offset, size};
}

static int play_wrong_calls(void *context) {
    watching = context;
    wrong_call_watched = note_wrong_call;
    play_misuse(watching->run, watching->trace, &watching->failure);
    return 0;
}

size_t trace_run_wrong_calls(const trace_run *run, const trace *trace, trace_run_wrong_call *made,
                             size_t max) {
    size_t bytes = sizeof(wrong_calls) + max * sizeof *made, count = 0;
    wrong_calls *shared =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 0;
    *shared = (wrong_calls){
        .run = run, .trace = trace, .made = (trace_run_wrong_call *)(shared + 1), .max = max};
    child_end end;
    pid_t pid = child_call(play_wrong_calls, shared, true);
    if (pid > 0) {
        child_wait(pid, run->seconds, &end);
        count = shared->count;
        memcpy(made, shared->made, count * sizeof *made);
    }
    munmap(shared, bytes);
    return count;
}

typedef struct refusals {
    const trace_run *run;
    const trace *trace;
    out_of_memory *played; // in memory that is shared
} refusals;

static int refuse_here(void *context) {
    refusals *r = context;
    heap_options options = {.allocator = r->run->allocator};
    if (!heap_player_create(&player)) return 0;
    return !out_of_memory_run(&player, &options, r->trace->operations, r->trace->count, r->played);
}

bool trace_run_refuse_growth(const trace_run *run, const trace *trace, struct trace *refused,
                             out_of_memory *tried) {
    trace_error error;
    child_end end = {.ok = true};
    out_of_memory *played =
        mmap(NULL, sizeof *played, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    trace_operation *operations = calloc(trace->count + 1, sizeof *operations);
    if (played != MAP_FAILED && operations) {
        refusals r = {run, trace, played};
        pid_t pid = child_call(refuse_here, &r, true);
        if (pid > 0) child_wait(pid, run->seconds * (double)(trace->count + 1), &end);
    }
    bool broken = !end.ok && !end.interrupted;
    if (broken) {
        size_t count =
            out_of_memory_operations(trace->operations, trace->count, played, operations);
        broken = trace_make(operations, count, trace->preamble, refused, &error);
    }
    *tried = played != MAP_FAILED ? *played : (out_of_memory){0};
    if (played != MAP_FAILED) munmap(played, sizeof *played);
    free(operations);
    return broken;
}

// ---- In a fuzz target's program -----------------------------------------------------------------

enum { INPUT_BYTES_MAX = 1 << 20 };

// Up to an exit.
static size_t played_operations(const trace *trace) {
    size_t count = 0;
    while (count < trace->count && trace->operations[count].verb != TRACE_EXIT)
        count++;
    return count;
}

// The input as a file without a name. −1: the operations are no input of the target, or no room.
static int input_file(const trace_run *run, const trace *trace) {
    size_t count = played_operations(trace);
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

// What the program says of its finding; of the operation, too, where it says that.
static void judge_words(char *said, failure *failure) {
    finding found = {0};
    for (char *rest = said, *line; (line = strsep(&rest, "\n"));)
        finding_read(&found, line);
    snprintf(failure->law, sizeof failure->law, "%s", found.law);
    finding_print(&found, failure->how, sizeof failure->how);
    if (law_named(found.law) != LAW_NONE &&
        sscanf(found.how, "operation %zu of ", &failure->at) != 1)
        failure->at = 0;
}

// Of strategies that play together: the one that the finding names, or that the sanitizer met.
static bool is_blamed(const char *said, const failure *failure, const char *strategy) {
    char named[2][100], file[100];
    snprintf(named[0], sizeof named[0], ": %s: ", strategy);
    snprintf(named[1], sizeof named[1], ": %s refuses ", strategy);
    snprintf(file, sizeof file, "/%s.c:", strategy);
    if (strstr(said, "linmem-fuzz: broken "))
        return strstr(failure->how, named[0]) || strstr(failure->how, named[1]);
    return strstr(said, file) || !strstr(said, "strategies/");
}

// False: what is broken is another strategy's.
static bool read_words(int file, const trace_run *run, failure *failure) {
    static char said[1 << 16], lines[sizeof said];
    ssize_t count = pread(file, said, sizeof said - 1, 0);
    said[count > 0 ? count : 0] = '\0';
    memcpy(lines, said, (size_t)(count > 0 ? count : 0) + 1);
    judge_words(lines, failure);
    bool together = run->target && run->target->together;
    if (!together || !failure->law[0]) return true;
    bool blamed = is_blamed(said, failure, run->allocator->name);
    if (!blamed) failure->law[0] = '\0';
    return blamed;
}

// How a program is run: on what is descriptor `input`, or the file at `path`.
typedef struct program_input {
    const char *path;
    int input;
    bool located; // stacks are printed, which takes longer than all else
} program_input;

static bool run_with_input(const trace_run *run, const program_input *how, failure *failure) {
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
        bool ours = read_words(words, run, failure);
        if (ours && !failure->law[0]) judge_end(&end, failure);
    }
    close(words);
    return failure->law[0];
}

static bool run_program(const trace_run *run, const trace *trace, failure *failure) {
    *failure = (struct failure){.at = trace->count};
    int input = input_file(run, trace);
    bool broken = input >= 0 && run_with_input(run, &(program_input){.input = input}, failure);
    close(input);
    // An input begins with where heaps start, which a trace need not say.
    size_t at, count, own = played_operations(trace);
    if (broken && sscanf(failure->how, "operation %zu of %zu", &at, &count) == 2 && count > own)
        failure->at = at < count - own ? 0 : at - (count - own);
    return broken;
}

bool trace_run_bytes(const char *program, const char *path, double seconds, failure *failure) {
    trace_run run = {.program = program, .seconds = seconds};
    *failure = (struct failure){0};
    return run_with_input(&run, &(program_input){.path = path, .input = -1}, failure);
}

void trace_run_locate(const trace_run *run, const char *program, const trace *trace,
                      failure *failure) {
    enum { SECONDS = 60 }; // stacks are slow where the machine is busy
    struct trace_run located = *run;
    struct failure found = {0};
    int input = input_file(run, trace);
    located.program = program;
    located.seconds = SECONDS;
    if (input >= 0 &&
        run_with_input(&located, &(program_input){.input = input, .located = true}, &found) &&
        strcmp(found.law, failure->law) == 0) {
        const char *where = strstr(found.how, ", in ");
        size_t length = strlen(failure->how);
        if (where) snprintf(failure->how + length, sizeof failure->how - length, "%s", where);
    }
    close(input);
}

bool trace_run_play(const trace_run *run, const trace *trace, failure *failure) {
    return run->program ? run_program(run, trace, failure) : run_here(run, trace, failure);
}
