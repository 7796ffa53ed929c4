#include "fuzz/explore/explored_run.h"

#include "cli/clock.h"
#include "cli/text.h"
#include "fuzz/explore/explorer_program.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum { ERROR_BYTES = 300 };

static void found(score_run *run, const char *oracle, const char *finding) {
    run->found = true;
    snprintf(run->oracle, sizeof run->oracle, "%s", oracle);
    snprintf(run->finding, sizeof run->finding, "%s", finding);
}

bool explored_run_read(score_run *run, const char *result, const char *log, const child_end *end) {
    int file = open(result, O_RDONLY | O_CLOEXEC);
    json_t *said = file < 0 ? NULL : explorer_program_read(file);
    json_t *violation = json_array_get(json_object_get(said, "violations"), 0);
    const char *law, *how;
    bool known = said && end->ok;
    run->inputs = (uint64_t)json_integer_value(json_object_get(said, "moves"));
    if (violation && json_unpack(violation, "{s:s, s:s}", "law", &law, "how", &how) == 0)
        found(run, law, how);
    json_decref(said);
    if (known || run->found) return true;
    score_read_log(run, log);
    if (!run->found && (end->timed_out || end->signal))
        found(run, end->timed_out ? "hang" : "crash", end->text);
    return run->found;
}

bool explored_run_do(const explored_run *wanted, score_run *run, char *error) {
    char *log = text_format("%s/explorer.log", wanted->folder),
         *result = text_format("%s/explored.json", wanted->folder),
         *depth = text_format("%u", wanted->depth),
         *counts = text_format("LINMEM_MUTANT_COUNTS=%s", wanted->counts ? wanted->counts : "");
    const char *const argv[] = {"sh",
                                "-c",
                                "mkdir -p \"$0\"; log=$1; result=$2; shift 2; "
                                "exec \"$@\" >\"$log\" 2>&1 3>\"$result\"",
                                wanted->folder,
                                log,
                                result,
                                wanted->program,
                                wanted->allocator,
                                "--refuse",
                                "--level",
                                "1",
                                "--depth",
                                depth,
                                NULL};
    const char *const environment[] = {"ASAN_OPTIONS=symbolize=0", wanted->counts ? counts : NULL,
                                       NULL};
    child_options options = {.argv = argv, .environment = environment, .cpu = wanted->cpu};
    double start = clock_seconds();
    pid_t pid = child_start(&options);
    child_end end = {.interrupted = pid < 0};
    if (pid > 0) child_wait(pid, wanted->seconds, &end);
    run->seconds = clock_seconds() - start;
    run->ran = !end.interrupted && explored_run_read(run, result, log, &end);
    *error = '\0';
    if (!run->ran && !end.interrupted)
        snprintf(error, ERROR_BYTES, "%s %s: %s, and no result: %s", wanted->program,
                 wanted->allocator, end.text, log);
    char *texts[] = {log, result, depth, counts};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return run->ran;
}
