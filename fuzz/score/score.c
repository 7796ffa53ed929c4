#include "fuzz/score/score.h"

#include "cli/clock.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "fuzz/explore/explored_run.h"
#include "fuzz/score/mutant_build.h"
#include "fuzz/targets/targets.h"

#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES = 300, HANG_SECONDS = 5, PROGRAMS_MAX = 100 };

// What the workers share, under one lock.
typedef struct workshop {
    pthread_mutex_t lock;
    score *score;
    const mutant_list *list;
    mutant_builder builder;
    program_build *programs[PROGRAMS_MAX]; // as they were asked for
    char *allocators[PROGRAMS_MAX];        // for which
    size_t program_count;
    size_t next_named, next_generated, wanted; // wanted: generated ones that are still to be taken
    size_t next_control, done, total;
    progress *progress;
} workshop;

typedef struct worker {
    workshop *shop;
    pthread_t thread;
    int cpu;
} worker;

// ---- One run ------------------------------------------------------------------------------------

// "linmem-fuzz: broken LAW: HOW"
static bool read_broken_law(score_run *run, const char *line) {
    static const char start[] = "linmem-fuzz: broken ";
    if (strncmp(line, start, sizeof start - 1) != 0) return false;
    const char *law = line + sizeof start - 1;
    size_t length = strcspn(law, ":\n");
    snprintf(run->oracle, sizeof run->oracle, "%.*s", (int)length, law);
    snprintf(run->finding, sizeof run->finding, "%s", law + length + strspn(law + length, ": "));
    return true;
}

static bool read_reporter(score_run *run, const char *line) {
    static const struct {
        const char *said, *oracle;
    } reporters[] = {
        {"ERROR: AddressSanitizer: ", "asan"},
        {"ERROR: LeakSanitizer: ", "leak"},
        {"runtime error: ", "ubsan"},
        {"ERROR: libFuzzer: timeout", "hang"},
        {"ERROR: libFuzzer: out-of-memory", "memory"},
        {"ERROR: libFuzzer: ", "crash"},
    };
    for (size_t i = 0; i < sizeof reporters / sizeof *reporters; i++) {
        const char *found = strstr(line, reporters[i].said);
        if (!found) continue;
        snprintf(run->oracle, sizeof run->oracle, "%s", reporters[i].oracle);
        snprintf(run->finding, sizeof run->finding, "%s", found);
        return true;
    }
    return false;
}

void score_read_log(score_run *run, const char *log) {
    FILE *stream = fopen(log, "r");
    char *line = NULL;
    size_t room = 0;
    while (stream && getline(&line, &room, stream) > 0) {
        line[strcspn(line, "\n")] = '\0';
        unsigned long long inputs;
        if (sscanf(line, "stat::number_of_executed_units: %llu", &inputs) == 1)
            run->inputs = inputs;
        else if (!run->found)
            run->found = read_broken_law(run, line) || read_reporter(run, line);
    }
    free(line);
    if (stream) fclose(stream);
}

// What a program begins with besides its corpus; NULL: nothing. To be freed.
static char *seeds_of(const score_options *o, const char *program) {
    const fuzz_target *known = fuzz_target_named(program);
    return known && known->seeded ? text_format("%s/corpus/fuzz/%s", o->root, program) : NULL;
}

// The program of FOLDER on an empty corpus, or its seeds. False: it was interrupted, or did not
// work.
static bool run_seed(const worker *w, score_entry *e, const char *program, const char *folder,
                     unsigned seed) {
    const score_options *o = &w->shop->score->options;
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

// The explorer's program, which needs no seed.
static bool run_explorer(const worker *w, score_entry *e, const char *program, const char *folder,
                         const char *counts) {
    const score_options *o = &w->shop->score->options;
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
    bool explores = w->shop->score->options.depth > 0;
    for (unsigned seed = 1; seed <= seeds; seed++)
        if (interrupted() || !(explores ? run_explorer(w, e, program, folder, NULL)
                                        : run_seed(w, e, program, folder, seed)))
            break;
    if (e->state != SCORE_WAITING || e->run_count == 0) return; // nothing is known of it
    e->state = e->run_count == seeds ? SCORE_MEASURED : SCORE_PARTLY;
}

// ---- What was reached ---------------------------------------------------------------------------

static void add_counts(score_entry *e, const char *path) {
    enum { PAGE = 4096 }; // as fuzz/score/mutants/counts.c lays them out
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

// Plays inputs, which a pattern in the folder names, on the program that counts.
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

static void explore_counted(const worker *w, score_entry *e, const char *folder) {
    char *program = text_format("%s/%s", folder, e->program),
         *counts = text_format("%s/counts", folder);
    run_explorer(w, e, program, folder, counts);
    add_counts(e, counts);
    free(program);
    free(counts);
}

static void count_reached(const worker *w, const program_build *program, score_entry *e,
                          const char *folder) {
    if (interrupted()) return;
    if (!mutant_build(&w->shop->builder, program, e->mutant, folder, BUILD_COUNTED, e->error)) {
        e->state = SCORE_FAILED;
        return;
    }
    if (w->shop->score->options.depth > 0) {
        explore_counted(w, e, folder);
        return;
    }
    play_counted(w, e, folder, "corpus-*");
    for (unsigned seed = 1; seed <= w->shop->score->options.seeds && !e->triggered; seed++) {
        char *found = text_format("seed-%u-[a-z]*-*", seed); // crash-, leak-, timeout-, oom-
        if (e->runs[seed - 1].found) play_counted(w, e, folder, found);
        free(found);
    }
}

// ---- One mutant ---------------------------------------------------------------------------------

// What a target is built as where it fuzzes this allocator; to be freed.
static char *program_name(const char *target, const char *allocator) {
    const fuzz_target *known = fuzz_target_named(target);
    bool each = known && known->per_strategy && strcmp(allocator, "buffers") != 0;
    return each ? text_format("%s-%s", target, allocator) : text_format("%s", target);
}

// The allocator for which a program is run: the target's name tells it, but for the explorer's.
static const char *allocator_of(const workshop *shop, const char *name, const char *allocator) {
    const char *dash = strchr(name, '-');
    if (shop->score->options.depth > 0) return allocator;
    return dash ? dash + 1 : name;
}

// NULL: `error` says why. The lock is held.
static const program_build *find_program(workshop *shop, const char *name, const char *allocator,
                                         char *error) {
    bool explores = shop->score->options.depth > 0;
    allocator = allocator_of(shop, name, allocator);
    for (size_t i = 0; i < shop->program_count; i++)
        if (strcmp(shop->programs[i]->name, name) == 0 &&
            strcmp(shop->allocators[i], allocator) == 0)
            return shop->programs[i];
    program_build *made = calloc(1, sizeof *made);
    if (!made || shop->program_count == PROGRAMS_MAX) options_fail("too many programs");
    const char *explored = explores && strcmp(allocator, "buffers") != 0 ? allocator : NULL;
    if (program_build_read(made, &shop->builder, name, explored, error)) {
        shop->allocators[shop->program_count] = text_format("%s", allocator);
        return shop->programs[shop->program_count++] = made;
    }
    free(made);
    return NULL;
}

static const program_build *program_for(workshop *shop, score_entry *e, const char *allocator) {
    free(e->allocator);
    free(e->program);
    e->allocator = text_format("%s", allocator);
    e->program = shop->score->options.depth > 0 ? text_format("linmem-explorer")
                                                : program_name(e->mutant->target, allocator);
    pthread_mutex_lock(&shop->lock);
    const program_build *program = find_program(shop, e->program, allocator, e->error);
    pthread_mutex_unlock(&shop->lock);
    return program;
}

// The first allocator whose program differs from the right one; only generated ones are compared.
// NULL: the entry's state says why.
static const program_build *choose_program(workshop *shop, score_entry *e, const char *folder) {
    const mutant *m = e->mutant;
    for (char **allocator = m->allocators; *allocator && !interrupted(); allocator++) {
        const program_build *program = program_for(shop, e, *allocator);
        bool same;
        if (!program) {
            e->state = SCORE_FAILED;
            return NULL;
        }
        if (m->patch) return program;
        if (!mutant_is_same_code(&shop->builder, program, m, folder, &same, e->error)) {
            e->state = interrupted() ? SCORE_WAITING : SCORE_NO_CODE;
            return NULL;
        }
        if (!same) return program;
    }
    e->state = interrupted() ? SCORE_WAITING : SCORE_SAME_CODE;
    return NULL;
}

// Removes what is large. Keeps logs, findings and the shell script of the build.
static void clean(const char *folder, const char *program) {
    const char *const argv[] = {"sh",
                                "-c",
                                "cd \"$0\" && rm -rf alloc corpus reports CMakeFiles right wrong "
                                "corpus-* lib*.a counts counted-* \"$1\"",
                                folder,
                                program,
                                NULL};
    child_options options = {.argv = argv, .cpu = -1, .quiet = true};
    child_end end;
    pid_t pid = child_start(&options);
    if (pid > 0) child_wait(pid, 60, &end);
}

static void measure(const worker *w, score_entry *e) {
    workshop *shop = w->shop;
    unsigned seeds = shop->score->options.seeds;
    char *folder = text_format("%s/mutants/%s", shop->builder.build, e->mutant->name);
    const program_build *program = NULL;
    if (mutant_prepare(&shop->builder, shop->list, e->mutant, folder, e->error))
        program = choose_program(shop, e, folder);
    else
        e->state = SCORE_FAILED;
    if (program &&
        !mutant_build(&shop->builder, program, e->mutant, folder, BUILD_SILENT, e->error)) {
        e->state = SCORE_FAILED;
        program = NULL;
    }
    if (program) {
        char *path = text_format("%s/%s", folder, e->program);
        run_seeds(w, e, path, folder, seeds);
        free(path);
        if (e->run_count > 0) count_reached(w, program, e, folder);
    }
    // What was interrupted says nothing of the mutant.
    if (interrupted() && e->state == SCORE_FAILED)
        e->state = e->run_count == seeds ? SCORE_MEASURED
                   : e->run_count        ? SCORE_PARTLY
                                         : SCORE_WAITING;
    clean(folder, e->program ? e->program : "");
    free(folder);
}

static void measure_control(const worker *w, score_entry *e) {
    workshop *shop = w->shop;
    char *folder =
        text_format("%s/mutants/none-%s-%s", shop->builder.build, e->program, e->allocator);
    char *path = text_format("%s/%s", shop->builder.build, e->program);
    run_seeds(w, e, path, folder, shop->score->options.control);
    clean(folder, "");
    free(folder);
    free(path);
}

// ---- The workers --------------------------------------------------------------------------------

static score_entry *new_entry(workshop *shop, const mutant *m, unsigned runs) {
    score *s = shop->score;
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

// The next one to be measured, named before generated; or NULL. The lock is held.
static score_entry *take(workshop *shop) {
    const score_options *o = &shop->score->options;
    const mutant_list *list = shop->list;
    size_t end = o->chosen ? list->count : list->named;
    while (shop->next_named < end) {
        const mutant *m = &list->at[shop->next_named++];
        if (is_chosen(o, m)) return new_entry(shop, m, o->seeds);
    }
    while (shop->wanted > 0 && shop->next_generated < list->count) {
        const mutant *m = &list->at[shop->next_generated++];
        if (o->chosen && is_chosen(o, m)) continue; // it was taken
        shop->wanted--;
        return new_entry(shop, m, o->seeds);
    }
    return NULL;
}

// A generated one that does not compile, or is no change, gives its place to the next.
static void note(workshop *shop, const score_entry *e) {
    bool sampled = !e->mutant->patch && !is_chosen(&shop->score->options, e->mutant);
    bool dropped = e->state == SCORE_SAME_CODE || e->state == SCORE_NO_CODE;
    if (sampled && dropped)
        shop->wanted++;
    else
        shop->done++;
}

static bool is_measured(const score_entry *e) {
    return e->state != SCORE_WAITING && e->state != SCORE_NO_CODE;
}

// What is measured is told, so that it is kept however all ends. The lock is held.
static void tell(const workshop *shop, score_entry *measured) {
    score so_far = *shop->score;
    measured->done = true;
    if (!so_far.options.told) return;
    so_far.entries = calloc(so_far.count + 1, sizeof *so_far.entries);
    if (!so_far.entries) options_fail("out of memory");
    so_far.count = 0;
    for (size_t i = 0; i < shop->score->count; i++) {
        const score_entry *e = &shop->score->entries[i];
        if (e->done && is_measured(e)) so_far.entries[so_far.count++] = *e;
    }
    so_far.options.told(&so_far, so_far.options.context);
    free(so_far.entries);
}

static void *work(void *context) {
    worker *w = context;
    workshop *shop = w->shop;
    pthread_mutex_lock(&shop->lock);
    for (score_entry *e; !interrupted() && (e = take(shop));) {
        progress_show(shop->progress, shop->done, e->mutant->name);
        pthread_mutex_unlock(&shop->lock);
        measure(w, e);
        pthread_mutex_lock(&shop->lock);
        note(shop, e);
        tell(shop, e);
    }
    pthread_mutex_unlock(&shop->lock);
    return NULL;
}

static void *work_on_control(void *context) {
    worker *w = context;
    workshop *shop = w->shop;
    pthread_mutex_lock(&shop->lock);
    while (!interrupted() && shop->next_control < shop->program_count) {
        const char *allocator = shop->allocators[shop->next_control];
        const char *program = shop->programs[shop->next_control++]->name;
        score_entry *e = new_entry(shop, NULL, shop->score->options.control);
        e->program = text_format("%s", program);
        e->allocator = text_format("%s", allocator);
        progress_show(shop->progress, shop->done, program);
        pthread_mutex_unlock(&shop->lock);
        measure_control(w, e);
        pthread_mutex_lock(&shop->lock);
        shop->done++;
        tell(shop, e);
    }
    pthread_mutex_unlock(&shop->lock);
    return NULL;
}

// The n-th of the processors that we may run on; −1: where they are fewer than jobs.
static int own_cpu(unsigned n, unsigned jobs) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < (int)jobs)
        return -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET((unsigned)cpu, &allowed) && n-- == 0) return cpu;
    return -1;
}

static void run_workers(workshop *shop, void *(*run)(void *)) {
    unsigned jobs = shop->score->options.jobs, started = 0;
    worker *workers = calloc(jobs, sizeof *workers);
    if (!workers) options_fail("out of memory");
    for (; started < jobs; started++) {
        workers[started] = (worker){.shop = shop, .cpu = own_cpu(started, jobs)};
        if (pthread_create(&workers[started].thread, NULL, run, &workers[started]) != 0) break;
    }
    if (started == 0) options_fail("no thread can be started");
    for (unsigned i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    free(workers);
}

static size_t count_chosen(const score_options *o, const mutant_list *list) {
    size_t count = 0;
    for (size_t i = 0; i < (o->chosen ? list->count : list->named); i++)
        count += is_chosen(o, &list->at[i]);
    return count;
}

static void drop_unmeasured(score *s) {
    size_t kept = 0;
    for (size_t i = 0; i < s->count; i++) {
        score_entry *e = &s->entries[i];
        if (is_measured(e)) {
            s->entries[kept++] = *e;
            continue;
        }
        free(e->runs);
        free(e->allocator);
        free(e->program);
    }
    s->count = kept;
}

bool score_take(score *s, const score_options *options, const mutant_list *list, char *error) {
    *s = (score){.options = *options};
    workshop shop = {.lock = PTHREAD_MUTEX_INITIALIZER,
                     .score = s,
                     .list = list,
                     .next_generated = list->named,
                     .wanted = options->generated};
    if (!mutant_builder_open(&shop.builder, options->root, error)) return false;
    s->entries = calloc(list->count + PROGRAMS_MAX, sizeof *s->entries);
    if (!s->entries) options_fail("out of memory");
    shop.total = count_chosen(options, list) + options->generated;
    double start = clock_seconds();
    shop.progress = progress_start("mutants", shop.total);
    run_workers(&shop, work);
    progress_end(shop.progress);
    if (options->control > 0) {
        shop.done = 0;
        shop.progress = progress_start("the right code", shop.program_count);
        run_workers(&shop, work_on_control);
        progress_end(shop.progress);
    }
    s->seconds = clock_seconds() - start;
    s->interrupted = interrupted();
    drop_unmeasured(s);
    for (size_t i = 0; i < shop.program_count; i++) {
        program_build_free(shop.programs[i]);
        free(shop.allocators[i]);
        free(shop.programs[i]);
    }
    mutant_builder_close(&shop.builder);
    return true;
}

void score_free(score *s) {
    for (size_t i = 0; i < s->count; i++) {
        free(s->entries[i].runs);
        free(s->entries[i].allocator);
        free(s->entries[i].program);
    }
    free(s->entries);
    *s = (score){0};
}
