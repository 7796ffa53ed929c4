#include "bench/contestant.h"

#include "alloc/host_malloc.h"
#include "alloc/registry.h"
#include "alloc/yardsticks.h"
#include "bench/host_library.h"
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 64 };

const char *const *contestant_names(size_t *count) {
    static const char *names[NAMES_MAX];
    size_t n = 0;
    names[n++] = lm_floor.name;
    names[n++] = lm_ideal.name;
    for (size_t i = 0; i < lm_strategy_count(); i++)
        names[n++] = lm_strategy_at(i, 0)->name;
    for (size_t i = 0; i < lm_host_count(); i++)
        names[n++] = lm_host_at(i)->name;
    if (count) *count = n;
    return names;
}

static bool shares_threads(const char *allocator) {
    const lm_allocator *strategy = lm_strategy_named(allocator, 0);
    return strategy ? strategy->capabilities & LM_SHARES_THREADS : lm_host_named(allocator) != NULL;
}

static bool is_left_out(const char *allocator) {
    const lm_host *host = lm_host_named(allocator);
    return host && !host_library(host);
}

const char *contestant_left_out(void) {
    static char list[NAMES_MAX * 32];
    size_t length = 0;
    *list = '\0';
    for (size_t i = 0; i < lm_host_count() && length < sizeof list; i++)
        if (is_left_out(lm_host_at(i)->name))
            length +=
                (size_t)snprintf(list + length, sizeof list - length, "%s%s (%s)",
                                 length ? ", " : "", lm_host_at(i)->name, lm_host_at(i)->libraries);
    return list;
}

const char *contestant_baseline(void) {
    return is_left_out("jemalloc") ? "glibc" : "jemalloc";
}

const char *contestant_standard(bool threads) {
    static char list[NAMES_MAX * 32];
    *list = '\0';
    for (const char *const *name = contestant_names(NULL); *name; name++) {
        if ((threads && !shares_threads(*name)) || is_left_out(*name)) continue;
        strcat(list, *name);
        strcat(list, ",");
    }
    return strcat(strcat(list, contestant_baseline()), "#2");
}

contestant contestant_parse(const char *text) {
    contestant c = {.library = "", .huge_pages = ""};
    size_t length = strcspn(text, "#+");
    if (length >= sizeof c.allocator || strlen(text) >= sizeof c.name)
        options_fail("the allocator '%.60s…' has too long a name", text);
    memcpy(c.allocator, text, length);
    memcpy(c.name, text, strlen(text));
    const char *rest = text + length;
    if (*rest == '#') rest += 1 + strspn(rest + 1, "0123456789");
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
    const lm_host *host = lm_host_named(c.allocator);
    if (host) {
        c.library = host_library(host);
        if (!c.library) options_fail("this system has no %s (%s)", c.allocator, host->libraries);
        c.huge_pages = host->huge_pages;
    }
    c.host = host != NULL;
    c.shares_threads = shares_threads(c.allocator);
    c.yardstick = !host && !lm_strategy_named(c.allocator, 0);
    c.holds_content = strcmp(c.allocator, lm_floor.name) != 0;
    return c;
}

bool contestant_frees(const contestant *contestant) {
    const lm_allocator *strategy = lm_strategy_named(contestant->allocator, 0);
    return !strategy || strategy->capabilities & LM_FREES_BLOCKS;
}
