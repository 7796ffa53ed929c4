#include "fuzz/reproduce/reproduce_explored.h"

#include "cli/options.h"
#include "fuzz/explore/explored_trace.h"
#include "fuzz/explore/explorer_program.h"

#include <stdio.h>

bool reproduce_explored_is(const reproduction *wanted, explored_by *by) {
    trace trace;
    trace_error error;
    if (wanted->target || !trace_read(wanted->input, &trace, &error)) return false;
    bool explored = explored_trace_read(&trace, by);
    trace_free(&trace);
    return explored;
}

// Returns whether a law is broken.
static bool reproduce_explored_play(const char *path, const char *name, int level) {
    const char *const arguments[] = {name, "--play", path, NULL};
    char failure[100];
    json_t *result = explorer_program_run(arguments, failure);
    if (!result || *failure) options_fail("linmem-explorer: %s", failure);
    const json_t *violation = json_array_get(json_object_get(result, "violations"), 0);
    const char *law, *how;
    bool broken =
        violation && json_unpack((json_t *)violation, "{s:s, s:s}", "law", &law, "how", &how) == 0;
    if (broken)
        printf("%s, explored, level %d: broken %s: %s\n", name, level, law, how);
    else
        printf("nothing is broken: %lld operations, explored, on %s\n",
               (long long)json_integer_value(json_object_get(result, "moves")), name);
    json_decref(result);
    return broken;
}

bool reproduce_explored(const reproduction *wanted, exit_status *status) {
    explored_by by;
    if (!reproduce_explored_is(wanted, &by)) return false;
    if (wanted->keep || wanted->refuse)
        options_fail("%s: is the explorer's: --keep and --refuse-growth do not apply",
                     wanted->input);
    const char *const own[] = {by.name, NULL};
    bool broken = false;
    for (const char *const *name = wanted->allocators ? (const char *const *)wanted->allocators
                                                      : own;
         *name; name++)
        broken |= reproduce_explored_play(wanted->input, *name, by.level);
    *status = broken ? EXIT_FAILED : EXIT_PASSED;
    return true;
}
