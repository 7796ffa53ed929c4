#include "bench/contestant.h"

#include "alloc/registry.h"
#include "alloc/system/system_malloc.h"
#include "alloc/system/yardsticks.h"
#include "bench/system_library.h"
#include "cli/options.h"
#include "cli/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const *contestant_names(size_t *count) {
    static const char **names;
    size_t n = 0, most = 2 + lm_strategy_count() + lm_system_malloc_count();
    if (!names) names = calloc(most + 1, sizeof *names);
    if (!names) options_fail("out of memory");
    names[n++] = lm_floor.name;
    names[n++] = lm_ideal.name;
    for (size_t i = 0; i < lm_strategy_count(); i++)
        names[n++] = lm_strategy_at(i, 0)->name;
    for (size_t i = 0; i < lm_system_malloc_count(); i++)
        names[n++] = lm_system_malloc_at(i)->name;
    if (count) *count = n;
    return names;
}

static bool shares_threads(const char *allocator) {
    const lm_allocator *strategy = lm_strategy_named(allocator, 0);
    return strategy ? strategy->capabilities & LM_SHARES_THREADS
                    : lm_system_malloc_named(allocator) != NULL;
}

static bool is_left_out(const char *allocator) {
    const lm_system_malloc *system_malloc = lm_system_malloc_named(allocator);
    return system_malloc && !system_library(system_malloc);
}

const char *contestant_left_out(void) {
    static char *list;
    if (list) return list;
    list = text_format("%s", "");
    for (size_t i = 0; i < lm_system_malloc_count(); i++) {
        const lm_system_malloc *system_malloc = lm_system_malloc_at(i);
        if (!is_left_out(system_malloc->name)) continue;
        char *longer = text_format("%s%s%s (%s)", list, *list ? ", " : "", system_malloc->name,
                                   system_malloc->libraries);
        free(list);
        list = longer;
    }
    return list;
}

const char *contestant_baseline(void) {
    return is_left_out("jemalloc") ? "glibc" : "jemalloc";
}

char *contestant_standard(bool threads) {
    char *list = text_format("%s#2", contestant_baseline()), *longer;
    size_t count;
    const char *const *names = contestant_names(&count);
    while (count--) {
        if ((threads && !shares_threads(names[count])) || is_left_out(names[count])) continue;
        longer = text_format("%s,%s", names[count], list);
        free(list);
        list = longer;
    }
    return list;
}

contestant contestant_parse(const char *text) {
    contestant c = {.library = "", .huge_pages = ""};
    size_t length = strcspn(text, "#+");
    if (length >= sizeof c.allocator || strlen(text) >= sizeof c.name)
        options_fail("the allocator '%.60s…' has too long a name", text);
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
            options_fail("'%s': a handicap is +P%%, with P above 0 and up to 1000", text);
        rest = end + 1;
    }
    if (*rest) options_fail("'%s': after the allocator comes #NUMBER or +PERCENT%%", text);
    size_t count;
    const char *const *names = contestant_names(&count);
    bool known = false;
    for (size_t i = 0; i < count; i++)
        known |= strcmp(names[i], c.allocator) == 0;
    if (!known) options_unknown("allocator", c.allocator, names, count);
    const lm_system_malloc *system_malloc = lm_system_malloc_named(c.allocator);
    if (system_malloc) {
        c.library = system_library(system_malloc);
        if (!c.library)
            options_fail("this system has no %s (%s)", c.allocator, system_malloc->libraries);
        c.huge_pages = system_malloc->huge_pages;
    }
    c.system_malloc = system_malloc != NULL;
    c.shares_threads = shares_threads(c.allocator);
    c.yardstick = !system_malloc && !lm_strategy_named(c.allocator, 0);
    c.holds_content = strcmp(c.allocator, lm_floor.name) != 0;
    return c;
}

bool contestant_frees(const contestant *contestant) {
    const lm_allocator *strategy = lm_strategy_named(contestant->allocator, 0);
    return !strategy || strategy->capabilities & LM_FREES_BLOCKS;
}
