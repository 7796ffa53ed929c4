#include "fuzz/explore/explore_command.h"

#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "fuzz/explore/explorer/heap_world.h"
#include "fuzz/explore/explorer_program.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// Buffer states have many operations and few duplicates: each further depth takes ten times as
// long.
enum { ARGUMENTS_MAX = 14, WORKERS_MAX = 64, JOBS_MAX = 64, BUFFERS_DEPTH_MAX = 6 };

// One allocator or buffer world, explored by one linmem-explorer process.
typedef struct job {
    const char *allocator;
    bool named;        // on the command line: explored to the full depth
    char *trace;       // file for a violation's trace
    json_t *result;    // or NULL
    char failure[100]; // why the result is partial or missing; else empty
    bool full;         // the memory limit was reached
} job;

typedef struct exploring {
    const char *sizes, *verbs, *level; // for linmem-explorer; NULL: its default
    bool refuse;
    const char *json, *traces;
    json_t *known;              // from linmem-explorer --list; NULL: not read yet
    uint32_t depth, memory_mib; // memory_mib 0: half of the machine's memory
    job jobs[JOBS_MAX];
    size_t count, worker_count;
    pthread_mutex_t lock; // protects the fields below
    size_t next, done;
    progress *progress;
} exploring;

enum {
    KEY_ALLOCATOR = 256,
    KEY_DEPTH,
    KEY_SIZES,
    KEY_VERBS,
    KEY_REFUSE,
    KEY_LEVEL,
    KEY_MEMORY,
    KEY_JSON
};

static const struct argp_option options[] = {
    {"allocator", KEY_ALLOCATOR, "A,…", 0,
     "Allocators, 'buffers' or 'buffers:WORLD' to explore (default: all)", 0},
    {"depth", KEY_DEPTH, "N", 0,
     "Length of the longest sequences (default: 5); at most 6 for buffers unless --allocator names "
     "them",
     0},
    {"sizes", KEY_SIZES, "S,…", 0, "Request sizes in bytes (default: 8,60,250,1000)", 0},
    {"verbs", KEY_VERBS, "LETTERS", 0,
     "Operations to explore, as in traces; A is an aligned allocation (default: " HEAP_WORLD_VERBS
     ")",
     0},
    {"refuse", KEY_REFUSE, NULL, 0,
     "Explore also every operation with one of its memory growths refused", 0},
    {"level", KEY_LEVEL, "0|1", 0, "Check level of the allocators (default: 1)", 0},
    {"memory", KEY_MEMORY, "MIB", 0,
     "Limit of the memory for states in MiB, divided among the allocators that are explored at a "
     "time (default: half of the machine's memory)",
     0},
    {"traces", 'o', "FOLDER", 0, "Folder for traces of violations (default: the current folder)",
     0},
    {"json", KEY_JSON, "FILE", 0, "Write the result to FILE as JSON", 0},
    {0},
};

static const char doc[] =
    "Checks every sequence of operations up to a length against the oracle: on each allocator in a "
    "small memory, and on buffers over one to three memories. Each distinct state is explored once."
    "\vThe allocators are compiled for this with small pages, slabs and tables. A violation is "
    "written as its shortest trace, ALLOCATOR-explored.lmt. Exit status: 0 no violation, 1 a "
    "violation was found or an allocator was not explored to the end, 2 bad usage or input, or the "
    "memory limit was reached: the result is that of the last depth before it.";

// ---- Options ------------------------------------------------------------------------------------

static bool is_world_of(const char *name, const char *of) {
    size_t length = strlen(of);
    return strncmp(name, of, length) == 0 && name[length] == ':';
}

static json_t *known_to(exploring *e) {
    char failure[100];
    if (!e->known) e->known = explorer_program_run((const char *[]){"--list", NULL}, failure);
    if (!e->known) options_fail("linmem-explorer: %s", failure);
    return e->known;
}

// Adds the allocators that match `wanted`, or all if it is NULL. Returns their number.
static size_t add_jobs(exploring *e, const char *wanted) {
    size_t at, added = 0;
    json_t *known;
    json_array_foreach(known_to(e), at, known) {
        const char *name = json_string_value(known);
        if (wanted && strcmp(name, wanted) != 0 && !is_world_of(name, wanted)) continue;
        if (e->count == JOBS_MAX) options_fail("too many allocators");
        e->jobs[e->count++] = (job){.allocator = name, .named = wanted};
        added++;
    }
    return added;
}

static void fail_unknown(const exploring *e, const char *wanted) {
    const char *names[JOBS_MAX] = {"buffers"};
    size_t count = 1, at;
    json_t *known;
    json_array_foreach(e->known, at, known) {
        if (count < JOBS_MAX) names[count++] = json_string_value(known);
    }
    options_unknown("allocator", wanted, names, count);
}

static void add_named(exploring *e, char *text) {
    char **wanted = options_split(text);
    for (size_t i = 0; wanted[i]; i++)
        if (add_jobs(e, wanted[i]) == 0) fail_unknown(e, wanted[i]);
    free(wanted);
}

// linmem-explorer checks its options too, but would report an error once for each allocator.
static const char *checked_sizes(const char *text) {
    char *copy = strdup(text);
    if (!copy) options_fail("out of memory");
    char **sizes = options_split(copy);
    size_t count = 0;
    for (; sizes[count]; count++)
        options_number("each of --sizes", sizes[count], 0, HEAP_WORLD_SIZE_MAX);
    if (count == 0 || count > HEAP_WORLD_SIZES_MAX)
        options_fail("--sizes needs 1 to %d sizes, not %zu", HEAP_WORLD_SIZES_MAX, count);
    free(sizes);
    free(copy);
    return text;
}

static const char *checked_verbs(const char *text) {
    size_t known = strspn(text, HEAP_WORLD_VERBS);
    if (!*text || text[known])
        options_fail("--verbs needs letters of " HEAP_WORLD_VERBS ", not '%s'", text);
    return text;
}

static error_t parse(int key, char *text, struct argp_state *state) {
    exploring *e = state->input;
    switch (key) {
    case KEY_ALLOCATOR:
        add_named(e, text);
        return 0;
    case KEY_DEPTH:
        e->depth = (uint32_t)options_number("--depth", text, 1, EXPLORER_DEPTH_MAX);
        return 0;
    case KEY_SIZES:
        e->sizes = checked_sizes(text);
        return 0;
    case KEY_VERBS:
        e->verbs = checked_verbs(text);
        return 0;
    case KEY_REFUSE:
        e->refuse = true;
        return 0;
    case KEY_LEVEL:
        options_number("--level", text, 0, 1);
        e->level = text;
        return 0;
    case KEY_MEMORY:
        e->memory_mib =
            (uint32_t)options_number("--memory", text, JOBS_MAX, EXPLORER_MEMORY_MIB_MAX);
        return 0;
    case 'o':
        e->traces = text;
        return 0;
    case KEY_JSON:
        e->json = text;
        return 0;
    case ARGP_KEY_ARG:
        options_fail("unexpected argument '%s'; --allocator names allocators", text);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

// ---- Running ------------------------------------------------------------------------------------

static uint32_t depth_of(const exploring *e, const job *j) {
    bool bounded = !j->named && is_world_of(j->allocator, "buffers");
    return bounded && e->depth > BUFFERS_DEPTH_MAX ? BUFFERS_DEPTH_MAX : e->depth;
}

static json_t *violation_of(const job *j) {
    return json_array_get(json_object_get(j->result, "violations"), 0);
}

// Records whether the violation's trace breaks the same law when it is replayed, as linmem
// reproduce does.
static void play_again(const job *j) {
    char failure[100];
    json_t *violation = violation_of(j);
    if (access(j->trace, R_OK) != 0) return; // linmem-explorer has reported why
    const char *const arguments[] = {j->allocator, "--play", j->trace, NULL};
    json_t *played = explorer_program_run(arguments, failure);
    const json_t *again = json_array_get(json_object_get(played, "violations"), 0);
    bool same =
        again && json_equal(json_object_get(again, "law"), json_object_get(violation, "law"));
    json_set(violation, "reproduces", json_boolean(same));
    json_decref(played);
}

static void run_job(const exploring *e, job *j) {
    char depth[12], memory[12];
    const struct {
        const char *option, *value;
    } settings[] = {{"--sizes", e->sizes}, {"--verbs", e->verbs}, {"--level", e->level}};
    const char *arguments[ARGUMENTS_MAX + 1] = {j->allocator, "--trace",  j->trace, "--depth",
                                                depth,        "--memory", memory};
    size_t count = 7;
    snprintf(depth, sizeof depth, "%u", depth_of(e, j));
    snprintf(memory, sizeof memory, "%zu", e->memory_mib / e->worker_count);
    if (e->refuse) arguments[count++] = "--refuse";
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        if (!settings[i].value) continue;
        arguments[count++] = settings[i].option;
        arguments[count++] = settings[i].value;
    }
    j->result = explorer_program_run(arguments, j->failure);
    const json_t *ended_by = json_object_get(j->result, "ended_by");
    j->full = ended_by && !*j->failure;
    if (j->full) snprintf(j->failure, sizeof j->failure, "%s", json_string_value(ended_by));
    if (j->result && *j->failure) json_set(j->result, "ended_by", json_text(j->failure));
    if (violation_of(j)) play_again(j);
}

static void *work(void *exploring_) {
    exploring *e = exploring_;
    pthread_mutex_lock(&e->lock);
    while (e->next < e->count && !interrupted()) {
        job *j = &e->jobs[e->next++];
        progress_show(e->progress, e->done, j->allocator);
        pthread_mutex_unlock(&e->lock);
        run_job(e, j);
        pthread_mutex_lock(&e->lock);
        progress_show(e->progress, ++e->done, j->allocator);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

// One worker for each processor, with equal shares of the memory.
static void divide(exploring *e) {
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = e->count < WORKERS_MAX ? e->count : WORKERS_MAX;
    e->worker_count = processors < 1 ? 1 : (size_t)processors;
    if (e->worker_count > most) e->worker_count = most;
    if (e->memory_mib) return;
    uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    e->memory_mib = (uint32_t)(bytes >> 21);
}

static void run_jobs(exploring *e) {
    pthread_t workers[WORKERS_MAX];
    size_t started = 0;
    pthread_mutex_init(&e->lock, NULL);
    e->progress = progress_start("explore", e->count);
    while (started < e->worker_count && pthread_create(&workers[started], NULL, work, e) == 0)
        started++;
    if (started == 0) work(e);
    for (size_t i = 0; i < started; i++)
        pthread_join(workers[i], NULL);
    progress_end(e->progress);
}

// ---- The result ---------------------------------------------------------------------------------

static json_int_t number(const json_t *result, const char *key) {
    return json_integer_value(json_object_get(result, key));
}

static void print_violation(const job *j, const json_t *violation) {
    const json_t *reproduces = json_object_get(violation, "reproduces");
    printf("  broken %s: %s\n%-17s after %lld operations: %s%s\n",
           json_string_value(json_object_get(violation, "law")),
           json_string_value(json_object_get(violation, "how")), "",
           (long long)number(violation, "operations"),
           reproduces ? j->trace : "its trace could not be written",
           json_is_false(reproduces) ? ", which breaks no law when it is replayed" : "");
}

static exit_status print_result(const job *j) {
    if (!j->result) {
        printf("%-17s %s\n", j->allocator, *j->failure ? j->failure : "not explored");
        return EXIT_FAILED;
    }
    printf("%-17s %5lld %12lld %18lld %9.1f", j->allocator, (long long)number(j->result, "depth"),
           (long long)number(j->result, "states"), (long long)number(j->result, "sequences"),
           json_real_value(json_object_get(j->result, "seconds")));
    const json_t *violation = violation_of(j);
    if (violation)
        print_violation(j, violation);
    else
        printf("  no violation%s%s\n", *j->failure ? "; " : "", j->failure);
    if (violation) return EXIT_FAILED;
    return j->full ? EXIT_USAGE : *j->failure ? EXIT_FAILED : EXIT_PASSED;
}

static void write_json(const exploring *e) {
    json_t *all = json_array();
    for (size_t i = 0; i < e->count; i++)
        if (e->jobs[i].result) json_array_append(all, e->jobs[i].result);
    if (!file_write_json(e->json, all)) options_fail("%s: %s", e->json, strerror(errno));
    json_decref(all);
}

exit_status explore_command(int argc, char **argv) {
    static const struct argp argp = {.options = options, .parser = parse, .doc = doc};
    static exploring e = {.traces = ".", .depth = 5};
    options_parse(&argp, argc, argv, &e);
    if (e.count == 0) add_jobs(&e, NULL);
    if (!file_make_writable_directory(e.traces)) options_fail("%s: %s", e.traces, strerror(errno));
    if (e.json && !file_is_writable(e.json)) options_fail("%s: %s", e.json, strerror(errno));
    for (size_t i = 0; i < e.count; i++)
        if (asprintf(&e.jobs[i].trace, "%s/%s-explored.lmt", e.traces, e.jobs[i].allocator) < 0)
            options_fail("%s", strerror(errno));
    interrupt_catch();
    divide(&e);
    run_jobs(&e);
    exit_status worst = EXIT_PASSED;
    puts("allocator         depth       states          sequences   seconds");
    for (size_t i = 0; i < e.count; i++) {
        exit_status status = print_result(&e.jobs[i]);
        if (worst != EXIT_FAILED && status != EXIT_PASSED) worst = status;
    }
    if (e.json) write_json(&e);
    for (size_t i = 0; i < e.count; i++) {
        free(e.jobs[i].trace);
        json_decref(e.jobs[i].result);
    }
    json_decref(e.known);
    return worst;
}
