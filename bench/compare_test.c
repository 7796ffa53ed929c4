// Tests of linmem compare: measurements, options, results. compare_test LINMEM all|ours: the
// command, and whether this build can run system mallocs.
#include "alloc/registry.h"
#include "alloc/system/system_malloc.h"
#include "bench/candidate.h"
#include "bench/cell.h"
#include "bench/compare_fixture.h"
#include "cli/child.h"

static char *measurable;    // allocators, separated by commas
static bool system_mallocs; // can be measured

static bool system_has_huge_pages(void) {
    char enabled[64] = "[never]";
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "r");
    bool known = file && fgets(enabled, sizeof enabled, file);
    if (file) fclose(file);
    return known && !strstr(enabled, "[never]");
}

// There are huge pages with "huge", if the system has them, and with nothing else. What is resident
// before the first pass, a step of 2 MiB or a huge page, is counted in the cold pass.
static void check_memory_option(const char *name) {
    size_t i;
    json_t *entry;
    assert_string_equal(text(get(results, "context"), "memory_options"), name);
    json_array_foreach(get(results, "comparisons"), i, entry)
        assert_string_equal(text(entry, "memory_options"), name);
    bool huge = strcmp(name, "huge") == 0 && system_has_huge_pages();
    bool steps = huge || strcmp(name, "2m") == 0;
    json_array_foreach(get(results, "cells"), i, entry) {
        assert_string_equal(text(entry, "memory_options"), name);
        if (!json_is_null(get(entry, "huge_bytes"))) // unknown
            assert_int_equal(whole(entry, "huge_bytes") > 0, huge);
        bool linear = !json_is_null(get(entry, "peak_heap_bytes"));
        if (linear && steps) assert_in_range(whole(entry, "peak_rss_bytes"), 2 << 20, 1 << 30);
    }
}

// No line of the output is wider than a terminal, except for the one that names the folder. Cuts
// the output into lines.
static void check_columns(void) {
    size_t lines = 0;
    for (char *line = strtok(test_output, "\n"); line; line = strtok(NULL, "\n")) {
        if (!strstr(line, "results.json") && text_columns(line) > 80) fail_msg("wide: %s", line);
        lines++;
    }
    assert_true(lines > lm_strategy_count()); // at least a row for each
}

COMPARE_TEST(the_smoke_profile_measures_all) {
    assert_int_equal(compare("--profile smoke --allocators '%s'", measurable), 0);
    read_results();
    size_t i, allocators = 1;
    for (const char *c = measurable; *c; c++)
        allocators += *c == ',';
    json_t *entry, *cells = get(results, "cells"), *rows = get(results, "comparisons");
    assert_int_equal(json_array_size(cells), allocators * 2 * 2); // 2 workloads, warm and cold
    assert_int_equal(json_array_size(rows), allocators * (allocators - 1) / 2 * 2 * (2 + 1));
    json_array_foreach(cells, i, entry) {
        assert_string_equal(text(entry, "status"), "ok");
        assert_true(json_real_value(median(entry)) > 0);
        assert_int_equal(json_array_size(get(get(entry, "ns_per_op"), "samples")), 2);
        assert_true(whole(entry, "peak_live_bytes") > 0);
    }
    check_memory_option("4k");
    // Two blocks give no verdict.
    assert_output("2 blocks: no verdicts (6 needed)");
    static const char *const verdicts[] = {"Losses", "95 %", "Control", "Memory: ", "+", "=", "?"};
    for (i = 0; i < ITEMS(verdicts); i++)
        if (strstr(test_output, verdicts[i])) fail_msg("'%s' in: %s", verdicts[i], test_output);
    assert_output(" range ");
    json_array_foreach(rows, i, entry) {
        assert_string_equal(text(entry, "verdict"), "unclear");
        assert_int_equal(whole(entry, "blocks"), 2);
    }
    check_columns();
}

COMPARE_TEST(a_memory_option_is_recorded) {
    static const struct {
        const char *name, *title, *environment;
    } rows[] = {{"2m", "in steps of 2 MiB", ""},
                {"huge", "Memory: huge pages", "MALLOC_CONF=thp:always"}};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(compare("--profile smoke --memory %s --allocators paged%s", rows[i].name,
                                 system_mallocs ? ",jemalloc" : ""),
                         0);
        read_results();
        check_memory_option(rows[i].name);
        assert_output(rows[i].title);
        assert_true(strstr(test_output, rows[i].title) < strstr(test_output, "Warm"));
        size_t index;
        json_t *entry;
        json_array_foreach(get(get(results, "context"), "allocators"), index, entry) {
            bool system_malloc = strcmp(text(entry, "kind"), "host") == 0;
            assert_string_equal(text(entry, "environment"),
                                system_malloc ? rows[i].environment : "");
        }
    }
}

// Writes a trace of two lanes that free each other's blocks.
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

COMPARE_TEST(threads_run_lanes) {
    write_lanes("lanes.lmt");
    assert_int_equal(compare("--profile smoke --threads --workloads lanes.lmt "
                             "--allocators paged_shared%s",
                             system_mallocs ? ",jemalloc" : ""),
                     0);
    assert_output("Threads: one for each lane");
    read_results();
    size_t index;
    json_t *row;
    assert_true(json_is_true(get(get(results, "context"), "threads")));
    assert_int_equal(json_array_size(get(results, "cells")), system_mallocs ? 4 : 2);
    json_array_foreach(get(results, "cells"), index, row) {
        assert_string_equal(text(row, "status"), "ok");
        assert_int_equal(whole(row, "threads"), 2);
    }
    json_array_foreach(get(results, "comparisons"), index, row)
        assert_int_equal(whole(row, "threads"), 2);
    assert_int_equal(compare("--threads --workloads lanes.lmt --allocators tlsf"), 2);
    assert_output("'tlsf' serves one thread at a time");
    assert_int_equal(compare("--threads --workloads bc --allocators paged_shared"), 2);
    assert_output("'bc' has no lanes");
}

COMPARE_TEST(bad_usage_names_what_was_meant) {
    static const struct {
        const char *option, *value, *message;
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
    for (size_t i = 0; i < ITEMS(rows); i++) {
        assert_int_equal(compare("%s '%s'", rows[i].option, rows[i].value), 2);
        assert_output(rows[i].message);
        assert_string_equal(strchr(test_output, '\n'),
                            "\nTry 'linmem compare --help'.\n"); // one line
        assert_int_equal(access("out", F_OK), -1);               // nothing was made
    }
}

COMPARE_TEST(a_bad_trace_is_one_line) {
    test_write("bad.lmt", "linmem-trace 1\na 0 8\nf 0\nf 0\n");
    assert_int_equal(compare("--workloads bad.lmt"), 2);
    assert_output("bad.lmt: line 4: ");
}

// Eleven times as long: more than other load on the machine can hide, since each block must agree.
COMPARE_TEST(a_slowdown_is_found) {
    assert_int_equal(compare("--workloads small.lmt --allocators paged,paged+1000%% --blocks 8 "
                             "--baseline paged"),
                     0);
    read_results();
    size_t i, found = 0;
    json_t *row;
    json_array_foreach(get(results, "comparisons"), i, row) {
        if (strcmp(text(row, "a"), "paged") != 0 || strcmp(text(row, "b"), "paged+1000%") != 0)
            continue;
        assert_string_equal(text(row, "verdict"), "faster");
        found++;
    }
    assert_int_equal(found, 4); // warm and cold, the workload and the mean
}

// Resident memory is one to two times the live bytes, as of any good allocator.
COMPARE_TEST(memory_is_metered) {
    assert_int_equal(compare("--workloads small.lmt --allocators paged --blocks 1"), 0);
    read_results();
    const json_t *cell = find_cell("paged", "cold");
    json_int_t live = whole(cell, "peak_live_bytes");
    assert_int_equal(live, 30000 / 300 * (299 * 300 / 2));
    assert_in_range(whole(cell, "peak_rss_bytes"), live, 2 * live);
    assert_in_range(whole(cell, "peak_heap_bytes"), live, 2 * live);
    assert_int_equal(whole(cell, "peak_heap_bytes") % 65536, 0);
    assert_in_range(whole(cell, "page_faults"), live / 4096, 2 * live / 4096);
    assert_in_range(whole(find_cell("floor", "cold"), "peak_rss_bytes"), 0, live / 4);
}

// Two calls take less time than the clock resolves. The warm pass repeats them until it is long
// enough; it cannot if blocks are left to free after a replay, and the cold pass never does.
COMPARE_TEST(a_pass_too_short_for_the_clock_has_no_verdict) {
    static const struct {
        const char *text;
        bool warm;
    } rows[] = {
        {"linmem-trace 1\na 0 100\nf 0\n", true},
        {"linmem-trace 1\na 0 100\ne\nf 0\n", false},
        {"linmem-trace 1\nn 0\na 0 100\nf 0\n", false},
    };
    for (size_t i = 0; i < ITEMS(rows); i++) {
        test_write("tiny.lmt", rows[i].text);
        assert_int_equal(compare("--workloads tiny.lmt --allocators tlsf --blocks 6"), 0);
        read_results();
        // The floor's two calls take some nanoseconds on any machine.
        const json_t *cold = find_cell("floor", "cold");
        assert_int_equal(json_is_true(get(find_cell("floor", "warm"), "too_short")), !rows[i].warm);
        assert_true(json_is_true(get(cold, "too_short")));
        assert_string_equal(text(cold, "status"), "ok");
        assert_true(json_real_value(median(cold)) > 0); // kept
        if (rows[i].warm) assert_false(json_is_true(get(find_cell("tlsf", "warm"), "too_short")));
        size_t index;
        json_t *row;
        json_array_foreach(get(results, "comparisons"), index, row) {
            if (json_is_true(get(row, "too_short")))
                assert_string_equal(text(row, "verdict"), "unclear");
        }
        assert_output("Too short to time");
        const char *listed = strstr(test_output, "  cold, tiny: ");
        assert_true(listed && strstr(listed, "floor\n") < strchr(listed, '\n'));
        clear_out(state);
    }
}

// bump never frees: 70 times 64 MiB are more than a linear memory has.
COMPARE_TEST(a_failed_cell_has_no_time_and_the_rest_is_measured) {
    assert_int_equal(shell("{ echo linmem-trace 1; for i in $(seq 70); do echo a 0 67108864; "
                           "echo f 0; done; } >large.lmt"),
                     0);
    assert_int_equal(compare("--workloads large.lmt --allocators bump,tlsf --blocks 1"), 1);
    read_results();
    assert_non_null(strstr(status_of("bump"), "out of memory"));
    assert_true(json_is_null(median(find_cell("bump", "warm"))));
    assert_string_equal(status_of("tlsf"), "ok");
    assert_output("bump on large: ");
}

COMPARE_TEST(a_killed_cell_is_reported) {
    pid_t pid = begin("--workloads small.lmt --allocators floor,ideal --blocks 40");
    kill(await_child(pid, 0), SIGKILL);
    assert_int_equal(test_finish(pid), 1);
    read_results();
    size_t failed = 0;
    static const char *const names[] = {"floor", "ideal"};
    for (size_t i = 0; i < 2; i++) {
        const json_t *cell = find_cell(names[i], "cold");
        if (strcmp(text(cell, "status"), "ok") == 0) continue;
        assert_non_null(strstr(text(cell, "status"), "SIGKILL"));
        assert_true(json_is_null(median(cell)));
        failed++;
    }
    assert_int_equal(failed, 1);
}

COMPARE_TEST(an_interrupt_keeps_what_was_measured) {
    pid_t pid = begin("--workloads small.lmt --allocators floor,ideal --blocks 1000"), last = 0;
    for (int runners = 0; runners < 8; runners++) // until every cell was measured
        last = await_child(pid, last);
    kill(pid, SIGINT);
    assert_int_equal(test_finish(pid), 1);
    read_results();
    const json_t *context = get(results, "context");
    assert_true(json_is_true(get(context, "interrupted")));
    assert_in_range(whole(context, "blocks"), 1, 999);
    assert_true(json_real_value(median(find_cell("floor", "warm"))) > 0);
    assert_output("Interrupted");
    char heading[60];
    snprintf(heading, sizeof heading, "\n## Interrupted in block %d of 1000\n",
             (int)whole(context, "blocks"));
    assert_non_null(strstr(test_read("out/report.md"), heading));
    assert_int_equal(other_child_of(pid, 0), 0);
}

// Nothing is timed with another malloc than the one requested.
COMPARE_TEST(another_malloc_is_not_measured) {
    char path[512];
    snprintf(path, sizeof path, "%s-runner", linmem);
    int shared = memfd_create("cell", 0), replay = memfd_create("replay", 0);
    assert_int_equal(ftruncate(shared, sizeof(cell)), 0);
    assert_int_equal(ftruncate(replay, 4096), 0);
    cell *c = mmap(NULL, sizeof *c, PROT_READ | PROT_WRITE, MAP_SHARED, shared, 0);
    strcpy(c->request.allocator, "jemalloc");
    const char *argv[] = {path, NULL};
    int descriptors[] = {shared, replay};
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
    close(replay);
}

int main(int argc, char **argv) {
    if (argc == 3) linmem = realpath(argv[1], NULL);
    system_mallocs = argc == 3 && strcmp(argv[2], "all") == 0;
    if (!linmem) {
        fprintf(stderr, "usage: compare_test LINMEM all|ours\n");
        return 2;
    }
    for (const char *const *name = candidate_names(NULL); *name; name++)
        if (!peer_named(*name) && (system_mallocs || !lm_system_malloc_named(*name)))
            text_list_add(&measurable, *name);
    int failed = cmocka_run_group_tests(test_list, make_folder, remove_folder);
    free(measurable);
    free(linmem);
    return failed;
}
