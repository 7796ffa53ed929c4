#include "fuzz/run/fuzz_run.h"

#include "cli/child.h"
#include "cli/clock.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/text.h"
#include "fuzz/run/finding.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JOBS_MAX = 64, LINE_BYTES = 8192, TICK_MS = 200 }; // room for a path in a line

// Seconds after its time limit, which a program measures in whole seconds, until it is told to end,
// and then until it is killed. A program without progress for still_seconds may hang.
static const double late_seconds = 1, grace_seconds = 2, still_seconds = 1.5;

typedef struct job {
    fuzz_unit *unit; // NULL: idle
    pid_t pid;
    int words;                 // the pipe of its output
    double began, ends, moved; // moved: the last progress in inputs or operations
    uint64_t inputs, operations;
    char line[LINE_BYTES];
    size_t length;
    bool told; // told to stop
    finding found;
} job;

typedef struct runner {
    fuzz_run *run;
    job jobs[JOBS_MAX];
    size_t next, plays; // of all plays
    double began, ends;
    progress *progress;
} runner;

// ---- What a program says ------------------------------------------------------------------------

static void count(job *j, uint64_t *counter, uint64_t now) {
    if (now != *counter) j->moved = clock_seconds();
    *counter = now;
}

static void read_status(job *j, const char *line) {
    uint64_t inputs, edges, kept;
    if (sscanf(line, "#%" SCNu64, &inputs) != 1) return;
    count(j, &j->inputs, inputs);
    j->unit->ready |= strstr(line, "INITED") != NULL;
    const char *cov = strstr(line, "cov: "), *corpus = strstr(line, "corp: ");
    if (cov && sscanf(cov, "cov: %" SCNu64, &edges) == 1 && edges > j->unit->edges)
        j->unit->edges = edges;
    if (corpus && sscanf(corpus, "corp: %" SCNu64, &kept) == 1) j->unit->kept = kept;
}

static void read_words_on_finding(job *j, const char *line) {
    static const char written[] = "Test unit written to ";
    const char *at = strstr(line, written);
    if (at && !j->unit->finding) j->unit->finding = strdup(at + sizeof written - 1);
    finding_read(&j->found, line);
}

// "linmem-fuzz: NUMBER WHAT"
static bool says_count(const char *line, const char *what, uint64_t *number) {
    char word[20];
    return sscanf(line, "linmem-fuzz: %" SCNu64 " %19s", number, word) == 2 &&
           strcmp(word, what) == 0;
}

static void read_line(job *j, const char *line) {
    if (line[0] == '#') {
        read_status(j, line);
        return;
    }
    uint64_t number;
    if (sscanf(line, "stat::number_of_executed_units: %" SCNu64, &number) == 1)
        count(j, &j->inputs, number);
    else if (says_count(line, "inputs", &number))
        count(j, &j->inputs, number > j->inputs ? number : j->inputs);
    else if (says_count(line, "operations", &number))
        count(j, &j->operations, number);
    else
        read_words_on_finding(j, line);
}

// Reads the available output. Returns false at its end.
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

// The number of plays of each unit that keeps all jobs busy to the end.
static size_t plays_of_each(const fuzz_run *run) {
    return run->jobs > run->count ? (run->jobs + run->count - 1) / run->count : 1;
}

// The time for the next play: its share of the time left.
static double share(const runner *r) {
    double left = r->ends - clock_seconds();
    double each = left * r->run->jobs / (double)(r->plays - r->next);
    return each > left ? left : each;
}

// Starts the program with its standard error as descriptor 3. Returns −1 and sets errno on failure.
static pid_t start_program(const runner *r, const fuzz_unit *unit, double each, int words) {
    char *seconds = text_format("-max_total_time=%.0f", each < 2 ? 1 : each - 0.5),
         *seed = text_format("-seed=%zu", r->run->seed + r->next / r->run->count + 1),
         *prefix = text_format("-artifact_prefix=%s/%s-", r->run->findings, unit->name),
         *hang = text_format("-timeout=%d", FUZZ_HANG_SECONDS),
         *dictionary = text_format("-dict=%s", unit->dictionary ? unit->dictionary : "");
    const char *argv[16] = {"sh",
                            "-c",
                            FINDING_SYMBOLIZE "exec \"$@\" >/dev/null 2>&3",
                            "sh",
                            unit->program,
                            "--tell",
                            seconds,
                            seed,
                            prefix,
                            hang,
                            "-print_final_stats=1",
                            "-reload=1"};
    size_t count = 12;
    if (unit->dictionary) argv[count++] = dictionary;
    argv[count++] = unit->corpus;
    if (unit->seeds) argv[count++] = unit->seeds;
    pid_t pid = child_start(
        &(child_options){.argv = argv, .descriptors = &words, .descriptor_count = 1, .cpu = -1});
    int reason = errno;
    char *texts[] = {seconds, seed, prefix, hang, dictionary};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    errno = reason;
    return pid;
}

static bool start(runner *r, job *j) {
    fuzz_unit *unit = &r->run->units[r->next % r->run->count];
    double each = share(r), now = clock_seconds();
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return false;
    *j = (job){.unit = unit, .words = ends[0], .began = now, .moved = now, .ends = now + each};
    j->pid = start_program(r, unit, each, ends[1]);
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
    child_wait(j->pid, grace_seconds, &end);
    close(j->words);
    fuzz_unit *unit = j->unit;
    unit->seconds += clock_seconds() - j->began;
    unit->inputs += j->inputs;
    unit->operations += j->operations;
    if (!unit->broken[0] && j->found.law[0]) {
        char how[sizeof unit->broken];
        finding_print(&j->found, how, sizeof how);
        snprintf(unit->broken, sizeof unit->broken, "broken %s: %s", j->found.law, how);
    }
    if (!end.ok && !j->told && !unit->broken[0])
        snprintf(unit->broken, sizeof unit->broken, "%s", end.text);
    j->unit = NULL;
}

// libFuzzer exits regularly on SIGINT; a program that does not, or hangs, is killed by `end`.
static void tell_to_end(job *j) {
    kill(j->pid, SIGINT);
    j->told = true;
    j->ends = clock_seconds();
}

// Returns whether a program must be killed. One without progress may hang and is given the time to
// report that itself; so is one that has begun to report a finding.
static bool is_late(job *j) {
    double now = clock_seconds();
    bool still = now - j->moved > still_seconds || j->found.law[0];
    double over = now - j->ends, grace = late_seconds + (still ? (double)FUZZ_HANG_SECONDS : 0);
    if (j->told) return over > grace_seconds;
    if (interrupted() || over > grace) tell_to_end(j);
    return false;
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

// No play starts in the last half second.
static bool has_next(const runner *r) {
    return r->next < r->plays && !interrupted() && r->ends - clock_seconds() > 0.5;
}

static bool start_idle(runner *r) {
    for (unsigned i = 0; i < r->run->jobs; i++) {
        if (r->jobs[i].unit || !has_next(r)) continue;
        if (!start(r, &r->jobs[i])) return false;
    }
    return true;
}

// Waits for output and reads it. Returns the number of running programs.
static unsigned listen(runner *r) {
    struct pollfd watched[JOBS_MAX];
    unsigned running = 0;
    for (unsigned i = 0; i < r->run->jobs; i++)
        watched[i] =
            (struct pollfd){.fd = r->jobs[i].unit ? r->jobs[i].words : -1, .events = POLLIN};
    poll(watched, r->run->jobs, TICK_MS);
    for (unsigned i = 0; i < r->run->jobs; i++) {
        job *j = &r->jobs[i];
        if (j->unit && ((watched[i].revents && !read_words(j)) || is_late(j))) end(j);
        running += j->unit != NULL;
    }
    return running;
}

bool fuzz_run_all(fuzz_run *run) {
    static runner r;
    r = (runner){.run = run, .began = clock_seconds()};
    r.ends = r.began + (run->seconds < 1 ? 1 : run->seconds);
    if (run->jobs > JOBS_MAX) run->jobs = JOBS_MAX;
    r.plays = run->count * plays_of_each(run);
    r.progress = progress_start("fuzzing, seconds", (size_t)run->seconds);
    bool started = true;
    do {
        started = start_idle(&r);
        show(&r);
    } while (listen(&r) > 0 || (started && has_next(&r)));
    progress_end(r.progress);
    run->ran = clock_seconds() - r.began;
    return started;
}
