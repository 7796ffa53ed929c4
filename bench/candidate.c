#include "bench/candidate.h"

#include "alloc/registry.h"
#include "alloc/system/system_malloc.h"
#include "alloc/system/yardsticks.h"
#include "bench/system_library.h"
#include "cli/options.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const *candidate_names(size_t *count) {
    static const char **names;
    size_t n = 0, most = 2 + lm_strategy_count() + lm_system_malloc_count() + peer_count;
    if (!names) names = calloc(most + 1, sizeof *names);
    if (!names) options_fail("out of memory");
    names[n++] = lm_floor.name;
    names[n++] = lm_ideal.name;
    for (size_t i = 0; i < lm_strategy_count(); i++)
        names[n++] = lm_strategy_at(i, 0)->name;
    for (size_t i = 0; i < lm_system_malloc_count(); i++)
        names[n++] = lm_system_malloc_at(i)->name;
    for (size_t i = 0; i < peer_count; i++)
        names[n++] = peers[i].name;
    if (count) *count = n;
    return names;
}

static bool candidate_shares_threads(const char *allocator) {
    const lm_allocator *strategy = lm_strategy_named(allocator, 0);
    return strategy ? strategy->capabilities & LM_SHARES_THREADS
                    : lm_system_malloc_named(allocator) != NULL;
}

static bool candidate_is_left_out(const char *allocator) {
    const lm_system_malloc *system_malloc = lm_system_malloc_named(allocator);
    return system_malloc && !system_library(system_malloc);
}

const char *candidate_left_out(void) {
    static char *list;
    if (list) return list;
    for (size_t i = 0; i < lm_system_malloc_count(); i++) {
        const lm_system_malloc *system_malloc = lm_system_malloc_at(i);
        if (!candidate_is_left_out(system_malloc->name)) continue;
        char *item = text_format("%s (%s)", system_malloc->name, system_malloc->libraries);
        text_list_add(&list, item);
        free(item);
    }
    return list ? list : "";
}

// The peers have the same form in all engines, so that one of them tells what was built.
static bool candidate_has_module(const char *allocator) {
    char *module = engine_module(engine_named("v8"), allocator);
    free(module);
    return module != NULL;
}

const char *candidate_baseline(bool native) {
    if (!native) return candidate_has_module("dlmalloc") ? "dlmalloc" : "tlsf";
    return candidate_is_left_out("jemalloc") ? "glibc" : "jemalloc";
}

bool candidate_runs_in(const candidate *c, const engine *engine) {
    if (engine_is_native(engine)) return !c->peer;
    char *module = c->system_malloc ? NULL : engine_module(engine, c->allocator);
    free(module);
    return module != NULL;
}

char *candidate_standard(bool threads, bool native) {
    char *list = NULL, control[40];
    size_t count;
    const char *const *names = candidate_names(&count);
    for (size_t i = 0; i < count; i++)
        if ((!threads || candidate_shares_threads(names[i])) && !candidate_is_left_out(names[i]) &&
            (native ? !peer_named(names[i]) : !lm_system_malloc_named(names[i])))
            text_list_add(&list, names[i]);
    snprintf(control, sizeof control, "%s#2", candidate_baseline(native));
    text_list_add(&list, control);
    return list;
}

candidate candidate_parse(const char *text, lm_memory_commit commit) {
    candidate c = {.library = "", .setting = ""};
    size_t length = strcspn(text, "#+");
    if (length >= sizeof c.allocator || strlen(text) >= sizeof c.name)
        options_fail("the name of the allocator '%.60s…' is too long", text);
    memcpy(c.allocator, text, length);
    memcpy(c.name, text, strlen(text));
    const char *rest = text + length;
    if (*rest == '#') {
        size_t digits = strspn(rest + 1, "0123456789");
        rest += digits ? 1 + digits : 0;
    }
    if (*rest == '+') {
        char *end;
        c.handicap = strtod(rest + 1, &end) / 100;
        if (end == rest + 1 || *end != '%' || !(c.handicap > 0 && c.handicap <= 10))
            options_fail("'%s': a slowdown is +P%%, with P above 0 and at most 1000", text);
        rest = end + 1;
    }
    if (*rest) options_fail("'%s': only #NUMBER or +PERCENT%% may follow the allocator", text);
    const lm_system_malloc *system_malloc = lm_system_malloc_named(c.allocator);
    const lm_allocator *strategy = lm_strategy_named(c.allocator, 0);
    c.holds_content = strcmp(c.allocator, lm_floor.name) != 0;
    c.yardstick = !c.holds_content || strcmp(c.allocator, lm_ideal.name) == 0;
    c.peer = peer_named(c.allocator);
    if (!system_malloc && !strategy && !c.yardstick && !c.peer) {
        size_t count;
        const char *const *names = candidate_names(&count);
        options_unknown("allocator", c.allocator, names, count);
    }
    if (system_malloc) {
        c.library = system_library(system_malloc);
        if (!c.library)
            options_fail("%s is not installed (%s)", c.allocator, system_malloc->libraries);
        if (commit == LM_COMMIT_HUGE) c.setting = system_malloc->huge_pages;
    }
    c.system_malloc = system_malloc != NULL;
    c.shares_threads = candidate_shares_threads(c.allocator);
    c.frees_blocks = !strategy || strategy->capabilities & LM_FREES_BLOCKS;
    return c;
}
