#include "fuzz/fuzz_run.h"

#include "cli/child.h"
#include "cli/clock.h"
#include "cli/interrupt.h"
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JOBS_MAX = 64, LINE_BYTES = 1024, TICK_MS = 200 };

static const double grace_seconds = 20; // beyond its time that a program may take to end

// A program that runs.
typedef struct job {
    fuzz_unit *unit; // NULL: none
    pid_t pid;
    int words; // what it says
    double began;
    uint64_t inputs, operations; // so far
    char line[LINE_BYTES];
    size_t length;
    bool told; // to stop
} job;

typedef struct runner {
    fuzz_run *run;
    job jobs[JOBS_MAX];
    size_t next, plays; // of all plays that there will be
    double began;
    progress *progress;
} runner;

// ---- What a program says ------------------------------------------------------------------------

static void read_status(job *j, const char *line) {
    uint64_t inputs, edges, kept;
    if (sscanf(line, "#%" SCNu64, &inputs) != 1) return;
    j->inputs = inputs;
    const char *cov = strstr(line, "cov: "), *corpus = strstr(line, "corp: ");
    if (cov && sscanf(cov, "cov: %" SCNu64, &edges) == 1 && edges > j->unit->edges)
        j->unit->edges = edges;
    if (corpus && sscanf(corpus, "corp: %" SCNu64, &kept) == 1) j->unit->kept = kept;
}

// Says that something is broken; the first that does is the best.
static void read_finding(job *j, const char *line) {
    static const char written[] = "Test unit written to ";
    const char *at = strstr(line, written);
    if (at && !j->unit->finding) j->unit->finding = strdup(at + sizeof written - 1);
    static const char *const marks[] = {"linmem-fuzz: broken ", "ERROR: AddressSanitizer: ",
                                        "runtime error: ", "ERROR: libFuzzer: "};
    for (size_t i = 0; i < sizeof marks / sizeof *marks && !j->unit->broken[0]; i++)
        if ((at = strstr(line, marks[i])))
            snprintf(j->unit->broken, sizeof j->unit->broken, "%s%s", i ? "" : "broken ",
                     at + strlen(marks[i]));
}

static void read_line(job *j, const char *line) {
    if (line[0] == '#') {
        read_status(j, line);
        return;
    }
    sscanf(line, "stat::number_of_executed_units: %" SCNu64, &j->inputs);
    uint64_t operations;
    if (sscanf(line, "linmem-fuzz: %" SCNu64 " operations", &operations) == 1)
        j->operations = operations;
    else
        read_finding(j, line);
}

// Reads what there is. False: that was all.
static bool read_words(job *j) {
    char bytes[4096];
    ssize_t count = read(j->words, bytes, sizeof bytes);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] != '\n') {
            if (j->length < LINE_BYTES - 1) j->line[j->length++] = bytes[i];
            continue;
        }
        j->line[j->length] = '\0';
        j->length = 0;
        read_line(j, j->line);
    }
    return count > 0;
}

// ---- Starting and ending ------------------------------------------------------------------------

// Each unit is played as often as it needs so that all jobs have something to do to the end.
static size_t plays_of_each(const fuzz_run *run) {
    return run->jobs > run->count ? (run->jobs + run->count - 1) / run->count : 1;
}

static bool start(runner *r, job *j) {
    fuzz_unit *unit = &r->run->units[r->next % r->run->count];
    char seconds[40], seed[40], prefix[4096], dictionary[4096];
    double each = r->run->seconds * r->run->jobs / (double)r->plays;
    int ends[2];
    snprintf(seconds, sizeof seconds, "-max_total_time=%.0f", each < 1 ? 1 : each);
    snprintf(seed, sizeof seed, "-seed=%zu", r->run->seed + r->next / r->run->count + 1);
    snprintf(prefix, sizeof prefix, "-artifact_prefix=%s/%s-", r->run->findings, unit->name);
    snprintf(dictionary, sizeof dictionary, "-dict=%s", unit->dictionary ? unit->dictionary : "");
    const char *argv[16] = {"sh",
                            "-c",
                            "exec \"$@\" >/dev/null 2>&3",
                            "sh",
                            unit->program,
                            "--tell",
                            seconds,
                            seed,
                            prefix,
                            "-print_final_stats=1",
                            "-timeout=10",
                            "-reload=1"};
    size_t count = 12;
    if (unit->dictionary) argv[count++] = dictionary;
    argv[count++] = unit->corpus;
    if (unit->seeds) argv[count++] = unit->seeds;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    child_options options = {
        .argv = argv, .descriptors = &ends[1], .descriptor_count = 1, .cpu = -1};
    *j = (job){.unit = unit, .words = ends[0], .began = clock_seconds()};
    j->pid = child_start(&options);
    int reason = errno;
    close(ends[1]);
    r->next++;
    unit->runs++;
    if (j->pid > 0) return true;
    close(ends[0]);
    j->unit = NULL;
    errno = reason;
    return false;
}

static void end(job *j) {
    child_end end;
    child_wait(j->pid, 10, &end);
    close(j->words);
    fuzz_unit *unit = j->unit;
    unit->seconds += clock_seconds() - j->began;
    unit->inputs += j->inputs;
    unit->operations += j->operations;
    if (!end.ok && !j->told && !unit->broken[0])
        snprintf(unit->broken, sizeof unit->broken, "%s", end.text);
    j->unit = NULL;
}

// libFuzzer ends in order when it is interrupted; who does not, or hangs, is killed by `end`.
static bool is_late(runner *r, job *j) {
    double each = r->run->seconds * r->run->jobs / (double)r->plays;
    if (interrupted() && !j->told) {
        kill(j->pid, SIGINT);
        j->told = true;
        j->began = clock_seconds() - each - grace_seconds + 2; // two seconds are left
    }
    return clock_seconds() - j->began > each + grace_seconds;
}

// ---- Progress -----------------------------------------------------------------------------------

static void show(runner *r) {
    uint64_t inputs = 0, operations = 0, edges = 0, kept = 0;
    double elapsed = clock_seconds() - r->began;
    char now[300], names[120] = "";
    for (size_t i = 0; i < r->run->count; i++) {
        const fuzz_unit *unit = &r->run->units[i];
        inputs += unit->inputs;
        operations += unit->operations;
        edges += unit->edges;
        kept += unit->kept;
    }
    for (unsigned i = 0; i < r->run->jobs; i++) {
        const job *j = &r->jobs[i];
        if (!j->unit) continue;
        inputs += j->inputs;
        operations += j->operations;
        size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s%s", length ? ", " : "", j->unit->name);
    }
    snprintf(now, sizeof now,
             "%.0f inputs/s, %.2f M operations/s, %" PRIu64 " edges, %" PRIu64 " in the corpus: %s",
             (double)inputs / elapsed, (double)operations / elapsed * 1e-6, edges, kept, names);
    progress_show(r->progress, (size_t)elapsed, now);
}

// ---- The run ------------------------------------------------------------------------------------

static bool start_idle(runner *r) {
    for (unsigned i = 0; i < r->run->jobs; i++) {
        if (r->jobs[i].unit || r->next == r->plays || interrupted()) continue;
        if (!start(r, &r->jobs[i])) return false;
    }
    return true;
}

// Waits for words of any, and reads them. Returns how many still run.
static unsigned listen(runner *r) {
    struct pollfd watched[JOBS_MAX];
    unsigned running = 0;
    for (unsigned i = 0; i < r->run->jobs; i++)
        watched[i] =
            (struct pollfd){.fd = r->jobs[i].unit ? r->jobs[i].words : -1, .events = POLLIN};
    poll(watched, r->run->jobs, TICK_MS);
    for (unsigned i = 0; i < r->run->jobs; i++) {
        job *j = &r->jobs[i];
        if (j->unit && ((watched[i].revents && !read_words(j)) || is_late(r, j))) end(j);
        running += j->unit != NULL;
    }
    return running;
}

bool fuzz_run_all(fuzz_run *run) {
    static runner r;
    r = (runner){.run = run, .began = clock_seconds()};
    if (run->jobs > JOBS_MAX) run->jobs = JOBS_MAX;
    r.plays = run->count * plays_of_each(run);
    r.progress = progress_start("fuzzing, seconds", (size_t)run->seconds);
    bool started = true;
    do {
        started = start_idle(&r);
        show(&r);
    } while (listen(&r) > 0 || (started && r.next < r.plays && !interrupted()));
    progress_end(r.progress);
    run->ran = clock_seconds() - r.began;
    return started;
}
