#include "fuzz/run/minimise.h"

#include "cli/child.h"
#include "cli/file.h"
#include "cli/interrupt.h"
#include "cli/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ERROR_BYTES = 300 };

static bool fail(char *error, const char *path, const char *why) {
    snprintf(error, ERROR_BYTES, "%.200s: %s", path, why);
    return false;
}

// Adds to `kept` the inputs of the unit's corpus and seeds that increase its coverage.
static bool keep_cover(const fuzz_unit *unit, const char *kept, char *error) {
    const char *argv[] = {unit->program, "-set_cover_merge=1", kept,
                          unit->corpus,  unit->seeds,          NULL};
    child_options options = {.argv = argv, .cpu = -1, .quiet = true};
    child_end end = {.exit_status = -1};
    pid_t pid = child_start(&options);
    if (pid < 0) return fail(error, unit->program, strerror(errno));
    child_wait(pid, 0, &end);
    if (end.ok) printf("%s\n", unit->name);
    return end.ok || (!interrupted() && fail(error, unit->name, end.text));
}

// Replaces the seeds by `kept`, and moves them to `old`.
static bool replace(const char *seeds, const char *kept, const char *old, char *error) {
    bool had = access(seeds, F_OK) == 0;
    if (!file_remove_tree(old)) return fail(error, old, strerror(errno));
    if (had && rename(seeds, old) != 0) return fail(error, seeds, strerror(errno));
    if (rename(kept, seeds) != 0) {
        int reason = errno;
        if (had) rename(old, seeds);
        return fail(error, seeds, strerror(reason));
    }
    printf("%s%s%s\n", seeds, had ? ", old seeds: " : "", had ? old : "");
    return true;
}

// Minimises one target, whose units are the first `count`.
static bool minimise_target(const fuzz_unit *units, size_t count, const char *folder, char *error) {
    char *seeds = text_format("%s/%s", folder, units->target);
    char *kept = text_format("%s.minimised", seeds), *old = text_format("%s.old", seeds);
    bool done =
        (file_remove_tree(kept) && file_make_directory(kept)) || fail(error, kept, strerror(errno));
    for (size_t i = 0; done && i < count; i++)
        done = !interrupted() && keep_cover(&units[i], kept, error);
    done = done && !interrupted() && replace(seeds, kept, old, error);
    if (!done) file_remove_tree(kept);
    free(seeds);
    free(kept);
    free(old);
    return done;
}

bool minimise(const fuzz_run *run, const char *folder, char *error) {
    *error = '\0';
    for (size_t i = 0, count; i < run->count; i += count) {
        const fuzz_unit *first = &run->units[i];
        for (count = 1; i + count < run->count; count++)
            if (strcmp(first[count].target, first->target) != 0) break;
        if (!minimise_target(first, count, folder, error)) return false;
    }
    return true;
}
