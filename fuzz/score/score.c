#include "fuzz/score/score.h"

#include "cli/child.h"
#include "cli/clock.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "fuzz/explore/explored_run.h"
#include "fuzz/run/finding.h"
#include "fuzz/score/mutant_build.h"
#include "fuzz/targets/targets.h"

#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES = 300, HANG_SECONDS = 5, PROGRAMS_MAX = 100 };

// The workers' shared state, under one lock.
typedef struct shared_state {
    pthread_mutex_t lock;
    score *score;
    const mutant_list *list;
    mutant_builder builder;
    struct program {
        program_build build;
        char *allocator;
    } programs[PROGRAMS_MAX]; // in the order of their first use
    size_t program_count;
    size_t next_named, next_generated, wanted; // wanted: generated ones still to take
    bool controls;                             // the original code is run, after the mutants
    size_t next_control, done;
    progress *progress;
} shared_state;

typedef struct worker {
    shared_state *shared;
    pthread_t thread;
    int cpu;
} worker;

// ---- One run ------------------------------------------------------------------------------------

void score_read_log(score_run *run, const char *log) {
    FILE *stream = fopen(log, "r");
    char *line = NULL;
    size_t room = 0;
    finding found = {0};
    while (stream && getline(&line, &room, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        unsigned long long inputs;
        if (sscanf(line, "stat::number_of_executed_units: %llu", &inputs) == 1)
            run->inputs = inputs;
        else
            finding_read(&found, line);
    }
    run->found = found.law[0] != '\0';
    snprintf(run->oracle, sizeof run->oracle, "%.*s", (int)strcspn(found.law, ":"), found.law);
    snprintf(run->finding, sizeof run->finding, "%s", found.how);
    free(line);
    if (stream) fclose(stream);
}

// Returns the folder of the target's seeds, or NULL; the caller frees it.
static char *seeds_of(const score_options *o, const char *program) {
    const fuzz_target *known = fuzz_target_named(program);
    return known && known->seeded ? text_format("%s/corpus/fuzz/%s", o->root, program) : NULL;
}

// Runs the program on an empty corpus, or on the target's seeds. Returns false if it was
// interrupted or failed without a finding.
static bool run_seed(const worker *w, score_entry *e, const char *program, const char *folder,
                     unsigned seed) {
    const score_options *o = &w->shared->score->options;
    char *corpus = text_format("%s/corpus-%u", folder, seed),
         *log = text_format("%s/seed-%u.log", folder, seed);
    char *artifacts = text_format("-artifact_prefix=%s/seed-%u-", folder, seed);
    char *seeded = text_format("-seed=%u", seed),
         *time = text_format("-max_total_time=%.0f", o->seconds);
    char *hang = text_format("-timeout=%d", HANG_SECONDS), *seeds = seeds_of(o, e->program);
    const char *const argv[] = {
        "sh",   "-c",      "mkdir -p \"$1\"; shift; exec \"$@\" >\"$0\" 2>&1",
        log,    corpus,    program,
        corpus, seeded,    time,
        hang,   artifacts, "-print_final_stats=1",
        seeds,  NULL};
    const char *const environment[] = {"ASAN_OPTIONS=symbolize=0", "UBSAN_OPTIONS=symbolize=0",
                                       NULL};
    child_options options = {.argv = argv, .environment = environment, .cpu = w->cpu};
    score_run *run = &e->runs[seed - 1];
    double start = clock_seconds();
    pid_t pid = child_start(&options);
    child_end end = {.interrupted = pid < 0};
    if (pid > 0) child_wait(pid, o->seconds + 60, &end);
    run->seconds = clock_seconds() - start;
    score_read_log(run, log);
    run->ran = !end.interrupted;
    if (run->ran && !run->found && !end.ok) {
        snprintf(e->error, sizeof e->error, "%s: %s, and no finding: %s", e->program, end.text,
                 log);
        e->state = SCORE_FAILED;
        run->ran = false;
    }
    if (run->ran) e->found += run->found, e->run_count++;
    char *texts[] = {corpus, log, artifacts, seeded, time, hang, seeds};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return run->ran;
}

// Runs the explorer, which is deterministic.
static bool run_explorer(const worker *w, score_entry *e, const char *program, const char *folder,
                         const char *counts) {
    const score_options *o = &w->shared->score->options;
    const explored_run wanted = {program,  e->allocator, folder, counts,
                                 o->depth, o->seconds,   w->cpu};
    score_run counted = {0}; // which is the same run again
    char error[ERROR_BYTES];
    if (explored_run_do(&wanted, counts ? &counted : e->runs, error)) {
        e->found += !counts && e->runs->found;
        e->run_count += !counts;
        return true;
    }
    if (*error) {
        memcpy(e->error, error, sizeof e->error);
        e->state = SCORE_FAILED;
    }
    return false;
}

static void run_seeds(const worker *w, score_entry *e, const char *program, const char *folder,
                      unsigned seeds) {
    bool explores = w->shared->score->options.depth > 0;
    for (unsigned seed = 1; seed <= seeds; seed++)
        if (interrupted() || !(explores ? run_explorer(w, e, program, folder, NULL)
                                        : run_seed(w, e, program, folder, seed)))
            break;
    if (e->state != SCORE_WAITING || e->run_count == 0) return; // nothing is known of it
    e->state = e->run_count == seeds ? SCORE_MEASURED : SCORE_PARTLY;
}

// ---- What was reached ---------------------------------------------------------------------------

static void add_counts(score_entry *e, const char *path) {
    enum { PAGE = 4096 }; // the layout of fuzz/score/mutants/counts.c
    unsigned long long reached = 0, triggered = 0;
    FILE *stream = fopen(path, "r");
    if (!stream) return;
    if (fread(&reached, sizeof reached, 1, stream) == 1 && fseek(stream, PAGE, SEEK_SET) == 0 &&
        fread(&triggered, sizeof triggered, 1, stream) == 1) {
        e->reached |= reached > 0;
        e->triggered |= triggered > 0;
    }
    fclose(stream);
}

// Replays the inputs that match a pattern in the folder on the counting build.
static void play_counted(const worker *w, score_entry *e, const char *folder, const char *pattern) {
    char *program = text_format("%s/%s", folder, e->program),
         *counts = text_format("%s/counts", folder);
    char *variable = text_format("LINMEM_MUTANT_COUNTS=%s", counts),
         *full = text_format("%s/%s", folder, pattern);
    char *artifacts = text_format("-artifact_prefix=%s/counted-", folder);
    glob_t inputs = {0};
    if (glob(full, 0, NULL, &inputs) == 0) {
        const char **argv = calloc(inputs.gl_pathc + 5, sizeof *argv);
        if (!argv) options_fail("out of memory");
        argv[0] = program, argv[1] = "-runs=0", argv[2] = "-timeout=10", argv[3] = artifacts;
        for (size_t i = 0; i < inputs.gl_pathc; i++)
            argv[i + 4] = inputs.gl_pathv[i];
        const char *const environment[] = {variable, "ASAN_OPTIONS=symbolize=0", NULL};
        child_options options = {
            .argv = argv, .environment = environment, .cpu = w->cpu, .quiet = true};
        child_end end;
        pid_t pid = child_start(&options);
        if (pid > 0) child_wait(pid, 120, &end);
        add_counts(e, counts);
        free(argv);
    }
    globfree(&inputs);
    char *texts[] = {program, counts, variable, full, artifacts};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
}

static void count_reached(const worker *w, const program_build *program, score_entry *e,
                          const char *folder) {
    if (interrupted()) return;
    if (!mutant_build(&w->shared->builder, program, e->mutant, folder, BUILD_COUNTED, e->error)) {
        e->state = SCORE_FAILED;
        return;
    }
    if (w->shared->score->options.depth > 0) {
        char *path = text_format("%s/%s", folder, e->program),
             *counts = text_format("%s/counts", folder);
        run_explorer(w, e, path, folder, counts);
        add_counts(e, counts);
        free(path);
        free(counts);
        return;
    }
    play_counted(w, e, folder, "corpus-*");
    for (unsigned seed = 1; seed <= w->shared->score->options.seeds && !e->triggered; seed++) {
        char *found = text_format("seed-%u-[a-z]*-*", seed); // crash-, leak-, timeout-, oom-
        if (e->runs[seed - 1].found) play_counted(w, e, folder, found);
        free(found);
    }
}

// ---- One mutant ---------------------------------------------------------------------------------

// Returns the name of the target's program for this allocator; the caller frees it.
static char *program_name(const char *target, const char *allocator) {
    const fuzz_target *known = fuzz_target_named(target);
    bool each = known && known->per_strategy && strcmp(allocator, "buffers") != 0;
    return each ? text_format("%s-%s", target, allocator) : text_format("%s", target);
}

// Returns the build of the program, which the explorer has for each allocator; NULL with the reason
// in `error` on failure. The lock is held.
static const program_build *find_program(shared_state *shared, const char *name,
                                         const char *allocator, char *error) {
    bool explores = shared->score->options.depth > 0;
    const char *dash = strchr(name, '-'); // in TARGET-ALLOCATOR
    if (!explores) allocator = dash ? dash + 1 : name;
    struct program *p = shared->programs, *end = p + shared->program_count;
    for (; p < end; p++)
        if (strcmp(p->build.name, name) == 0 && strcmp(p->allocator, allocator) == 0)
            return &p->build;
    if (shared->program_count == PROGRAMS_MAX) options_fail("too many programs");
    const char *explored = explores && strcmp(allocator, "buffers") != 0 ? allocator : NULL;
    if (!program_build_read(&p->build, &shared->builder, name, explored, error)) return NULL;
    p->allocator = text_format("%s", allocator);
    shared->program_count++;
    return &p->build;
}

static const program_build *program_for(shared_state *shared, score_entry *e,
                                        const char *allocator) {
    free(e->allocator);
    free(e->program);
    e->allocator = text_format("%s", allocator);
    e->program = shared->score->options.depth > 0 ? text_format("linmem-explorer")
                                                  : program_name(e->mutant->target, allocator);
    pthread_mutex_lock(&shared->lock);
    const program_build *program = find_program(shared, e->program, allocator, e->error);
    pthread_mutex_unlock(&shared->lock);
    return program;
}

// Returns the program of the mutant's first allocator; for a generated mutant, of the first one
// whose code differs from the original. NULL: the entry's state says why.
static const program_build *choose_program(shared_state *shared, score_entry *e,
                                           const char *folder) {
    const mutant *m = e->mutant;
    for (char **allocator = m->allocators; *allocator && !interrupted(); allocator++) {
        const program_build *program = program_for(shared, e, *allocator);
        bool same;
        if (!program) {
            e->state = SCORE_FAILED;
            return NULL;
        }
        if (m->patch) return program;
        if (!mutant_is_same_code(&shared->builder, program, m, folder, &same, e->error)) {
            e->state = interrupted() ? SCORE_WAITING : SCORE_NO_CODE;
            return NULL;
        }
        if (!same) return program;
    }
    e->state = interrupted() ? SCORE_WAITING : SCORE_SAME_CODE;
    return NULL;
}

// Removes large files. Keeps logs, findings, the overlay and build.ninja.
static void clean(const char *folder, const char *program) {
    const char *const argv[] = {"sh",
                                "-c",
                                "cd \"$0\" && rm -rf alloc corpus reports CMakeFiles right wrong "
                                "corpus-* lib*.a .ninja_* counts counted-* \"$1\"",
                                folder,
                                program,
                                NULL};
    child_options options = {.argv = argv, .cpu = -1, .quiet = true};
    child_end end;
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 60, &end);
}

static void measure(const worker *w, score_entry *e) {
    shared_state *shared = w->shared;
    unsigned seeds = shared->score->options.seeds;
    char *folder = text_format("%s/mutants/%s", shared->builder.build, e->mutant->name);
    const program_build *program = NULL;
    if (mutant_prepare(&shared->builder, e->mutant, folder, e->error))
        program = choose_program(shared, e, folder);
    else
        e->state = SCORE_FAILED;
    if (program &&
        !mutant_build(&shared->builder, program, e->mutant, folder, BUILD_SILENT, e->error)) {
        e->state = SCORE_FAILED;
        program = NULL;
    }
    if (program) {
        char *path = text_format("%s/%s", folder, e->program);
        run_seeds(w, e, path, folder, seeds);
        free(path);
        if (e->run_count > 0) count_reached(w, program, e, folder);
    }
    // An interrupted build says nothing about the mutant.
    if (interrupted() && e->state == SCORE_FAILED)
        e->state = e->run_count == seeds ? SCORE_MEASURED
                   : e->run_count        ? SCORE_PARTLY
                                         : SCORE_WAITING;
    clean(folder, e->program ? e->program : "");
    free(folder);
}

static void measure_control(const worker *w, score_entry *e) {
    shared_state *shared = w->shared;
    char *folder =
        text_format("%s/mutants/none-%s-%s", shared->builder.build, e->program, e->allocator);
    char *path = text_format("%s/%s", shared->builder.build, e->program);
    run_seeds(w, e, path, folder, shared->score->options.control);
    clean(folder, "");
    free(folder);
    free(path);
}

// ---- The workers --------------------------------------------------------------------------------

static score_entry *new_entry(shared_state *shared, const mutant *m, unsigned runs) {
    score *s = shared->score;
    score_entry *e = &s->entries[s->count++];
    *e = (score_entry){.mutant = m, .runs = calloc(runs + 1, sizeof *e->runs)};
    if (!e->runs) options_fail("out of memory");
    return e;
}

bool score_plays(const score_options *o, const mutant *m) {
    if (o->depth == 0) return fuzz_target_named(m->target);
    return strcmp(m->target, "heap") == 0 || strcmp(m->target, "buffers") == 0;
}

static bool is_chosen(const score_options *o, const mutant *m) {
    if (!o->chosen) return m->patch && score_plays(o, m);
    for (char **name = o->chosen; *name; name++)
        if (strcmp(*name, m->name) == 0) return true;
    return false;
}

// Returns the next mutant to measure, named before generated; or NULL. The lock is held.
static score_entry *take_mutant(shared_state *shared) {
    const score_options *o = &shared->score->options;
    const mutant_list *list = shared->list;
    size_t end = o->chosen ? list->count : list->named;
    while (shared->next_named < end) {
        const mutant *m = &list->at[shared->next_named++];
        if (is_chosen(o, m)) return new_entry(shared, m, o->seeds);
    }
    while (shared->wanted > 0 && shared->next_generated < list->count) {
        const mutant *m = &list->at[shared->next_generated++];
        if (o->chosen && is_chosen(o, m)) continue; // it was taken
        shared->wanted--;
        return new_entry(shared, m, o->seeds);
    }
    return NULL;
}

// Returns the next program of the original code; or NULL. The lock is held.
static score_entry *take_control(shared_state *shared) {
    if (shared->next_control == shared->program_count) return NULL;
    const struct program *program = &shared->programs[shared->next_control++];
    score_entry *e = new_entry(shared, NULL, shared->score->options.control);
    e->program = text_format("%s", program->build.name);
    e->allocator = text_format("%s", program->allocator);
    return e;
}

// A sampled mutant that does not compile, or compiles to the same code, is replaced by the next.
static void note(shared_state *shared, const score_entry *e) {
    const mutant *m = e->mutant;
    bool sampled = m && !m->patch && !is_chosen(&shared->score->options, m);
    bool dropped = e->state == SCORE_SAME_CODE || e->state == SCORE_NO_CODE;
    if (sampled && dropped)
        shared->wanted++;
    else
        shared->done++;
}

static bool is_measured(const score_entry *e) {
    return e->state != SCORE_WAITING && e->state != SCORE_NO_CODE;
}

// Reports the results so far, so that they are kept if the process dies. The lock is held.
static void tell(const shared_state *shared, score_entry *measured) {
    score so_far = *shared->score;
    measured->done = true;
    if (!so_far.options.told) return;
    so_far.entries = calloc(so_far.count + 1, sizeof *so_far.entries);
    if (!so_far.entries) options_fail("out of memory");
    so_far.count = 0;
    for (size_t i = 0; i < shared->score->count; i++) {
        const score_entry *e = &shared->score->entries[i];
        if (e->done && is_measured(e)) so_far.entries[so_far.count++] = *e;
    }
    so_far.options.told(&so_far, so_far.options.context);
    free(so_far.entries);
}

static void *work(void *context) {
    worker *w = context;
    shared_state *shared = w->shared;
    score_entry *(*take)(shared_state *) = shared->controls ? take_control : take_mutant;
    pthread_mutex_lock(&shared->lock);
    for (score_entry *e; !interrupted() && (e = take(shared));) {
        progress_show(shared->progress, shared->done, e->mutant ? e->mutant->name : e->program);
        pthread_mutex_unlock(&shared->lock);
        (e->mutant ? measure : measure_control)(w, e);
        pthread_mutex_lock(&shared->lock);
        note(shared, e);
        tell(shared, e);
    }
    pthread_mutex_unlock(&shared->lock);
    return NULL;
}

// Returns the n-th processor that the process may run on, or −1 if they are fewer than jobs.
static int own_cpu(unsigned n, unsigned jobs) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < (int)jobs)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((unsigned)cpu, &allowed) && n-- == 0) return cpu;
    return -1;
}

static void run_workers(shared_state *shared, const char *what, size_t total) {
    unsigned jobs = shared->score->options.jobs, started = 0;
    worker *workers = calloc(jobs, sizeof *workers);
    if (!workers) options_fail("out of memory");
    shared->done = 0;
    shared->progress = progress_start(what, total);
    for (; started < jobs; started++) {
        workers[started] = (worker){.shared = shared, .cpu = own_cpu(started, jobs)};
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0) break;
    }
    if (started == 0) options_fail("cannot start a thread");
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    progress_end(shared->progress);
    free(workers);
}

static size_t count_chosen(const score_options *o, const mutant_list *list) {
    size_t count = 0;
    for (size_t i = 0; i < (o->chosen ? list->count : list->named); i++)
        count += is_chosen(o, &list->at[i]);
    return count;
}

static void free_entry(score_entry *e) {
    free(e->runs);
    free(e->allocator);
    free(e->program);
}

static void drop_unmeasured(score *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++)
        if (is_measured(&s->entries[i]))
            s->entries[kept++] = s->entries[i];
        else
            free_entry(&s->entries[i]);
    s->count = kept;
}

bool score_take(score *s, const score_options *options, const mutant_list *list, char *error) {
    *s = (score){.options = *options};
    shared_state shared = {.lock = PTHREAD_MUTEX_INITIALIZER,
                           .score = s,
                           .list = list,
                           .next_generated = list->named,
                           .wanted = options->generated};
    if (!mutant_builder_open(&shared.builder, options->root, error)) return false;
    s->entries = calloc(list->count + PROGRAMS_MAX, sizeof *s->entries);
    if (!s->entries) options_fail("out of memory");
    double start = clock_seconds();
    run_workers(&shared, "mutants", count_chosen(options, list) + options->generated);
    shared.controls = true;
    if (options->control > 0) run_workers(&shared, "original code", shared.program_count);
    s->seconds = clock_seconds() - start;
    s->interrupted = interrupted();
    drop_unmeasured(s);
    for (size_t i = 0; i < shared.program_count; i++) {
        program_build_free(&shared.programs[i].build);
        free(shared.programs[i].allocator);
    }
    mutant_builder_close(&shared.builder);
    return true;
}

void score_free(score *s) {
    for (size_t i = 0; i < s->count; i++)
        free_entry(&s->entries[i]);
    free(s->entries);
    *s = (score){0};
}
