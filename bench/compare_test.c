// linmem compare as people use it: the built command, its messages, its files.
// compare_test LINMEM all|ours: the command, and whether this build can play the system's mallocs.
#include "alloc/registry.h"
#include "bench/cell.h"
#include "bench/compare_fixture.h"
#include "cli/child.h"
#include "cli/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char playable[1024]; // allocators, with commas

static bool system_gives_huge_pages(void) {
    char enabled[64] = "[never]";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    bool known = file && fgets(enabled, sizeof enabled, file);
    if (file) fclose(file);
    return known && !strstr(enabled, "[never]");
}

// Huge pages are there with "huge", where the system has them, and with nothing else. What a step
// or a huge page holds before the first pass is in the cold pass's memory.
static void check_memory_option(const json_t *json, const char *name) {
    size_t i;
    json_t *entry;
    assert_string_equal(text(json_object_get(json, "context"), "memory_options"), name);
    json_array_foreach(json_object_get(json, "comparisons"), i, entry)
        assert_string_equal(text(entry, "memory_options"), name);
    bool huge = strcmp(name, "huge") == 0 && system_gives_huge_pages();
    bool pieces = huge || strcmp(name, "2m") == 0;
    json_array_foreach(json_object_get(json, "cells"), i, entry) {
        assert_string_equal(text(entry, "memory_options"), name);
        const json_t *bytes = json_object_get(entry, "huge_bytes");
        if (!json_is_null(bytes)) // the system doesn't say
            assert_int_equal(json_integer_value(bytes) > 0, huge);
        bool linear = !json_is_null(json_object_get(entry, "peak_heap_bytes"));
        if (linear && pieces) assert_in_range(whole(entry, "peak_rss_bytes"), 2 << 20, 1 << 30);
    }
}

// No line of what was printed is wider than a terminal, but the one that names the folder. Takes
// `said` apart.
static void check_columns(void) {
    size_t lines = 0;
    for (char *line = strtok(said, "\n"); line; line = strtok(NULL, "\n")) {
        if (!strstr(line, "results.json") && text_columns(line) > 80) fail_msg("wide: %s", line);
        lines++;
    }
    assert_true(lines > lm_strategy_count()); // at least a row for each
}

static void the_smoke_profile_measures_all(void **state) {
    (void)state;
    assert_int_equal(compare("--profile", "smoke", "--allocators", playable, NULL), 0);
    json_t *json = results(), *cell;
    size_t i, allocators = 1;
    for (const char *c = playable; *c; c++)
        allocators += *c == ',';
    json_t *cells = json_object_get(json, "cells"), *rows = json_object_get(json, "comparisons");
    assert_int_equal(json_array_size(cells), allocators * 2 * 2); // 2 workloads, warm and cold
    assert_int_equal(json_array_size(rows), allocators * (allocators - 1) / 2 * 2 * (2 + 1));
    json_array_foreach(cells, i, cell) {
        assert_string_equal(text(cell, "status"), "ok");
        assert_true(json_real_value(median(cell)) > 0);
        json_t *samples = json_object_get(json_object_get(cell, "ns_per_op"), "samples");
        assert_int_equal(json_array_size(samples), 2);
        assert_true(json_integer_value(json_object_get(cell, "peak_live_bytes")) > 0);
    }
    check_memory_option(json, "4k");
    // Two blocks teach no verdict.
    assert_non_null(strstr(said, "2 blocks: no verdicts (6 needed)"));
    static const char *const verdicts[] = {"Losses", "95 %", "Control", "Memory: ", "+", "=", "?"};
    for (i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (strstr(said, verdicts[i])) fail_msg("'%s' in: %s", verdicts[i], said);
    assert_non_null(strstr(said, " range "));
    json_array_foreach(rows, i, cell) {
        assert_string_equal(text(cell, "verdict"), "unclear");
        assert_int_equal(whole(cell, "blocks"), 2);
    }
    json_decref(json);
    check_columns();
}

// The options hold for whole comparisons, system mallocs included, and are written wherever a
// figure is.
static void a_memory_option_is_recorded(void **state) {
    (void)state;
    static const struct {
        const char *name, *says, *environment;
    } rows[] = {{"2m", "in steps of 2 MiB", ""},
                {"huge", "Memory: huge pages", "MALLOC_CONF=thp:always"}};
    bool system_mallocs = strstr(playable, "jemalloc") != NULL;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(compare("--profile", "smoke", "--memory", rows[i].name, "--allocators",
                                 system_mallocs ? "paged,jemalloc" : "paged", NULL),
                         0);
        json_t *json = results(), *who;
        check_memory_option(json, rows[i].name);
        const char *title = strstr(said, rows[i].says);
        assert_true(title && title < strstr(said, "Warm"));
        size_t index;
        json_array_foreach(json_object_get(json_object_get(json, "context"), "allocators"), index,
                           who) {
            bool system_malloc = strcmp(text(who, "kind"), "host") == 0;
            assert_string_equal(text(who, "environment"), system_malloc ? rows[i].environment : "");
        }
        json_decref(json);
    }
}

static void help_tells_the_options(void **state) {
    (void)state;
    assert_int_equal(compare("--help", NULL), 0);
    assert_non_null(strstr(said, "--memory=M"));
    assert_non_null(strstr(said, "--threads"));
}

// Two lanes that free each other's blocks.
static void write_lanes(const char *path) {
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fprintf(stream, "linmem-trace 1\n");
    for (int i = 0; i < 3000; i++)
        fprintf(stream, "t %d\na %d %d\nt %d\n%c %d%s\n", i & 1, i, 10 + i % 300, i >> 1 & 1,
                i % 3 ? 'f' : 'r', i, i % 3 ? "" : " 500");
    fprintf(stream, "e\n");
    for (int i = 0; i < 3000; i += 3)
        fprintf(stream, "f %d\n", i);
    assert_int_equal(fclose(stream), 0);
}

static void threads_play_lanes(void **state) {
    (void)state;
    bool system_mallocs = strstr(playable, "jemalloc") != NULL;
    char lanes[96];
    snprintf(lanes, sizeof lanes, "%s/lanes.lmt", folder);
    write_lanes(lanes);
    assert_int_equal(compare("--profile", "smoke", "--threads", "--workloads", lanes,
                             "--allocators",
                             system_mallocs ? "paged_shared,jemalloc" : "paged_shared", NULL),
                     0);
    assert_non_null(strstr(said, "Threads: one for each lane"));
    json_t *json = results(), *row;
    size_t index;
    assert_true(json_is_true(json_object_get(json_object_get(json, "context"), "threads")));
    assert_int_equal(json_array_size(json_object_get(json, "cells")), system_mallocs ? 4 : 2);
    json_array_foreach(json_object_get(json, "cells"), index, row) {
        assert_string_equal(text(row, "status"), "ok");
        assert_int_equal(json_integer_value(json_object_get(row, "threads")), 2);
    }
    json_array_foreach(json_object_get(json, "comparisons"), index, row)
        assert_int_equal(json_integer_value(json_object_get(row, "threads")), 2);
    json_decref(json);
    assert_int_equal(compare("--threads", "--workloads", lanes, "--allocators", "tlsf", NULL), 2);
    assert_non_null(strstr(said, "'tlsf' serves one thread at a time"));
    assert_int_equal(
        compare("--threads", "--workloads", "bc", "--allocators", "paged_shared", NULL), 2);
    assert_non_null(strstr(said, "'bc' has no lanes"));
}

static void bad_usage_names_what_was_meant(void **state) {
    (void)state;
    static const struct {
        const char *option, *value, *says;
    } rows[] = {
        {"--allocators", "tlfs", "tlsf"},
        {"--workloads", "sqlite", "sqlite3"},
        {"--allocater", "tlsf", "--allocators"},
        {"--profile", "standart", "standard"},
        {"--baseline", "tslf", "tlsf"},
        {"--allocators", "tlsf,tlsf", "tlsf#2"},
        {"--allocators", "tlsf+x%", "tlsf+x%"},
        {"--allocators", ",", "empty"},
        {"--workloads", "/nowhere.lmt", "/nowhere.lmt"},
        {"--allocators", " , ", "empty"},
        {"--allocators", "tlsf#", "tlsf#"},
        {"--allocators", "tl\xe9\x1b[1m", "'tl\\xe9\\x1b[1m'"},
        {"--blocks", "0", "--blocks"},
        {"--blocks", "-1", "--blocks"},
        {"--blocks", "18446744073709551617", "--blocks"},
        {"--seed", "-1", "--seed"},
        {"--cell-seconds", "0", "--cell-seconds"},
        {"--cell-seconds", "1e9", "--cell-seconds"},
        {"--workloads", "", "empty"},
        {"--memory", "hugh", "did you mean 'huge'"},
        {"--memory", "hugepages", "4k, 2m, huge"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int status = compare(rows[i].option, rows[i].value, NULL);
        if (status != 2 || !strstr(said, rows[i].says)) fail_msg("%s: '%s'", rows[i].value, said);
        assert_string_equal(strchr(said, '\n'), "\nTry 'linmem compare --help'.\n"); // one line
        assert_int_equal(access(out, F_OK), -1); // nothing was made
    }
}

static void a_bad_trace_is_one_line(void **state) {
    (void)state;
    char bad[96];
    snprintf(bad, sizeof bad, "%s/bad.lmt", folder);
    FILE *file = fopen(bad, "w");
    fputs("linmem-trace 1\na 0 8\nf 0\nf 0\n", file);
    fclose(file);
    assert_int_equal(compare("--workloads", bad, NULL), 2);
    assert_non_null(strstr(said, "bad.lmt: line 4: "));
    unlink(bad);
}

// Eleven times as long: more than other load on the machine can hide, since each block must agree.
static void a_slowdown_is_seen(void **state) {
    (void)state;
    assert_int_equal(compare("--workloads", trace, "--allocators", "paged,paged+1000%", "--blocks",
                             "8", "--baseline", "paged", NULL),
                     0);
    json_t *json = results(), *row;
    size_t i;
    size_t seen = 0;
    json_array_foreach(json_object_get(json, "comparisons"), i, row) {
        if (strcmp(text(row, "a"), "paged") != 0 || strcmp(text(row, "b"), "paged+1000%") != 0)
            continue;
        assert_string_equal(text(row, "verdict"), "faster");
        seen++;
    }
    assert_int_equal(seen, 4); // warm and cold, the workload and the mean
    json_decref(json);
}

// What is resident is what is live, in the order of magnitude that a good allocator keeps to.
static void memory_is_metered(void **state) {
    (void)state;
    assert_int_equal(compare("--workloads", trace, "--allocators", "paged", "--blocks", "1", NULL),
                     0);
    json_t *json = results();
    const json_t *cell = find_cell(json, "paged", "cold");
    json_int_t live = whole(cell, "peak_live_bytes"), rss = whole(cell, "peak_rss_bytes");
    assert_int_equal(live, 30000 / 300 * (299 * 300 / 2));
    assert_in_range(rss, live, 2 * live);
    assert_in_range(whole(cell, "peak_heap_bytes"), live, 2 * live);
    assert_int_equal(whole(cell, "peak_heap_bytes") % 65536, 0);
    assert_in_range(whole(cell, "page_faults"), live / 4096, 2 * live / 4096);
    assert_in_range(whole(find_cell(json, "floor", "cold"), "peak_rss_bytes"), 0, live / 4);
    json_decref(json);
}

// Two calls are less than the clock can tell. Played often enough at once the warm pass can be
// told; the cold one cannot, nor a pass after which something is to be closed.
static void a_pass_too_short_to_tell_has_no_verdict(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool warm;
    } rows[] = {
        {"linmem-trace 1\na 0 100\nf 0\n", true},
        {"linmem-trace 1\na 0 100\ne\nf 0\n", false},
        {"linmem-trace 1\nn 0\na 0 100\nf 0\n", false},
    };
    char tiny[96];
    snprintf(tiny, sizeof tiny, "%s/tiny.lmt", folder);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        FILE *file = fopen(tiny, "w");
        fputs(rows[i].text, file);
        fclose(file);
        assert_int_equal(
            compare("--workloads", tiny, "--allocators", "tlsf", "--blocks", "6", NULL), 0);
        json_t *json = results(), *row;
        // The floor's two calls take some nanoseconds, on any machine.
        const json_t *warm = find_cell(json, "floor", "warm"), *cold;
        assert_int_equal(json_is_true(json_object_get(warm, "too_short")), !rows[i].warm);
        cold = find_cell(json, "floor", "cold");
        assert_true(json_is_true(json_object_get(cold, "too_short")));
        assert_string_equal(text(cold, "status"), "ok");
        assert_true(json_real_value(median(cold)) > 0); // kept
        warm = find_cell(json, "tlsf", "warm");
        if (rows[i].warm) assert_false(json_is_true(json_object_get(warm, "too_short")));
        size_t index;
        json_array_foreach(json_object_get(json, "comparisons"), index, row) {
            if (!json_is_true(json_object_get(row, "too_short"))) continue;
            assert_string_equal(text(row, "verdict"), "unclear");
        }
        json_decref(json);
        assert_non_null(strstr(said, "Too short to tell"));
        const char *listed = strstr(said, "  cold, tiny: ");
        assert_true(listed && strstr(listed, "floor\n") < strchr(listed, '\n'));
        clear_out(state);
    }
    unlink(tiny);
}

// bump never frees: 70 times 64 MiB are more than a linear memory has.
static void a_failed_cell_has_no_time_and_the_rest_goes_on(void **state) {
    (void)state;
    char large[96];
    snprintf(large, sizeof large, "%s/large.lmt", folder);
    FILE *file = fopen(large, "w");
    fputs("linmem-trace 1\n", file);
    for (int i = 0; i < 70; i++)
        fputs("a 0 67108864\nf 0\n", file);
    fclose(file);
    assert_int_equal(
        compare("--workloads", large, "--allocators", "bump,tlsf", "--blocks", "1", NULL), 1);
    json_t *json = results(), *bump = find_cell(json, "bump", "warm");
    assert_non_null(strstr(text(bump, "status"), "out of memory"));
    assert_true(json_is_null(median(bump)));
    assert_string_equal(text(find_cell(json, "tlsf", "warm"), "status"), "ok");
    assert_non_null(strstr(said, "bump on large: "));
    json_decref(json);
    unlink(large);
}

static void a_killed_cell_is_reported(void **state) {
    (void)state;
    pid_t pid = begin("--workloads", trace, "--allocators", "floor,ideal", "--blocks", "40", NULL);
    pid_t runner = await_child(pid, 0);
    kill(runner, SIGKILL);
    assert_int_equal(finish(pid), 1);
    json_t *json = results();
    size_t failed = 0;
    static const char *const names[] = {"floor", "ideal"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *cell = find_cell(json, names[i], "cold");
        if (strcmp(text(cell, "status"), "ok") == 0) continue;
        assert_non_null(strstr(text(cell, "status"), "SIGKILL"));
        assert_true(json_is_null(median(cell)));
        failed++;
    }
    assert_int_equal(failed, 1);
    json_decref(json);
}

static void an_interrupt_keeps_what_was_measured(void **state) {
    (void)state;
    pid_t pid =
        begin("--workloads", trace, "--allocators", "floor,ideal", "--blocks", "1000", NULL);
    pid_t last = 0;
    for (int runners = 0; runners < 8; runners++) // so that every cell was played
        last = await_child(pid, last);
    kill(pid, SIGINT);
    assert_int_equal(finish(pid), 1);
    json_t *json = results(), *context = json_object_get(json, "context");
    assert_true(json_is_true(json_object_get(context, "interrupted")));
    json_int_t blocks = json_integer_value(json_object_get(context, "blocks"));
    assert_in_range(blocks, 1, 999);
    assert_true(json_real_value(median(find_cell(json, "floor", "warm"))) > 0);
    assert_non_null(strstr(said, "Interrupted"));
    char report[96], line[100] = "", wanted[60];
    snprintf(report, sizeof report, "%s/report.md", out);
    snprintf(wanted, sizeof wanted, "## Interrupted in block %d of 1000\n", (int)blocks);
    FILE *file = fopen(report, "r");
    assert_non_null(file);
    while (strcmp(line, wanted) != 0)
        assert_non_null(fgets(line, sizeof line, file));
    fclose(file);
    assert_int_equal(child_of(pid), 0);
    json_decref(json);
}

// Without the library that was asked for, nothing is timed.
static void another_malloc_is_not_measured(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s-runner", linmem);
    int shared = memfd_create("cell", 0), program = memfd_create("program", 0);
    assert_int_equal(ftruncate(shared, sizeof(cell)), 0);
    assert_int_equal(ftruncate(program, 4096), 0);
    cell *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    strcpy(c->order.allocator, "jemalloc");
    const char *argv[] = {path, NULL};
    int descriptors[] = {shared, program};
    child_options options = {
        .argv = argv, .descriptors = descriptors, .descriptor_count = 2, .cpu = -1, .quiet = true};
    child_end end;
    child_wait(child_start(&options), 60, &end);
    assert_int_equal(end.exit_status, 1);
    assert_non_null(strstr(c->outcome.failure, "malloc is answered by "));
    assert_int_equal(c->outcome.done, 0);
    assert_true(c->outcome.cold_ns == 0);
    munmap(c, sizeof *c);
    close(shared);
    close(program);
}

// Asks the command for its allocators.
static bool list_playable(bool system_mallocs) {
    char command[1024];
    snprintf(command, sizeof command, "'%s' list allocators --json", linmem);
    FILE *stream = popen(command, "r");
    json_t *list = stream ? json_loadf(stream, 0, NULL) : NULL, *entry;
    size_t i;
    json_array_foreach(list, i, entry) {
        if (!system_mallocs && strcmp(text(entry, "kind"), "host") == 0) continue;
        if (*playable) strcat(playable, ",");
        strcat(playable, text(entry, "name"));
    }
    json_decref(list);
    return stream && pclose(stream) == 0 && *playable;
}

int main(int argc, char **argv) {
    if (argc == 3) linmem = argv[1];
    if (!linmem || !list_playable(strcmp(argv[2], "all") == 0)) {
        fprintf(stderr, "usage: compare_test LINMEM all|ours\n");
        return 2;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(bad_usage_names_what_was_meant, clear_out),
        cmocka_unit_test_teardown(the_smoke_profile_measures_all, clear_out),
        cmocka_unit_test_teardown(a_memory_option_is_recorded, clear_out),
        cmocka_unit_test(help_tells_the_options),
        cmocka_unit_test_teardown(threads_play_lanes, clear_out),
        cmocka_unit_test_teardown(a_bad_trace_is_one_line, clear_out),
        cmocka_unit_test_teardown(a_slowdown_is_seen, clear_out),
        cmocka_unit_test_teardown(memory_is_metered, clear_out),
        cmocka_unit_test_teardown(a_pass_too_short_to_tell_has_no_verdict, clear_out),
        cmocka_unit_test_teardown(a_failed_cell_has_no_time_and_the_rest_goes_on, clear_out),
        cmocka_unit_test_teardown(a_killed_cell_is_reported, clear_out),
        cmocka_unit_test_teardown(an_interrupt_keeps_what_was_measured, clear_out),
        cmocka_unit_test_teardown(another_malloc_is_not_measured, clear_out),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
