// Logs of runs, and the results of a score.
#include "cli/interrupt.h"
#include "fuzz/explore/explored_run.h"
#include "fuzz/score/score.h"

#define TEST_FOLDER "/tmp/linmem-score-test-XXXXXX"
#include "fuzz/run/test_folder.h"

#include <math.h>

static score_run read_log(const char *text) {
    score_run run = {0};
    put("log", text);
    score_read_log(&run, "log");
    return run;
}

FOLDER_TEST(findings_are_known_by_who_reports_them) {
    static const struct {
        const char *log, *oracle, *finding;
        uint64_t inputs;
    } cases[] = {
        {"#2 INITED\nlinmem-fuzz: broken disjoint: blocks 1 and 2\n==7== ERROR: libFuzzer: deadly "
         "signal\nstat::number_of_executed_units: 1234\n",
         "disjoint", "blocks 1 and 2", 1234},
        {"==7==ERROR: AddressSanitizer: use-after-poison on address "
         "1\nstat::number_of_executed_units:"
         " 5\n",
         "asan", "use-after-poison on address 1", 5},
        {"x.c:1:2: runtime error: shift exponent 32\n", "ubsan", "shift exponent 32", 0},
        {"==7== ERROR: libFuzzer: timeout after 3 seconds\n", "hang", "timeout after 3 seconds", 0},
        {"==7== ERROR: libFuzzer: out-of-memory (used: 3Mb)\n", "memory",
         "out-of-memory (used: 3Mb)", 0},
        {"==7==ERROR: LeakSanitizer: detected memory leaks\n", "leak", "detected memory leaks", 0},
        {"==7== ERROR: libFuzzer: deadly signal\n", "crash", "deadly signal", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        score_run run = read_log(cases[i].log);
        assert_true(run.found);
        assert_string_equal(run.oracle, cases[i].oracle);
        assert_string_equal(run.finding, cases[i].finding);
        assert_int_equal(run.inputs, cases[i].inputs);
    }
    score_run none = read_log("#9 DONE\nstat::number_of_executed_units: 9\n");
    assert_false(none.found);
    assert_int_equal(none.inputs, 9);
}

// By the explorer's result, its log and its exit status.
FOLDER_TEST(explored_runs_tell_what_was_found) {
    static const char held[] = "{\"moves\":12,\"violations\":[]}";
    static const struct {
        const char *result, *log;
        child_end end;
        const char *oracle; // NULL: none
        bool known;
    } cases[] = {
        {held, "", {.ok = true}, NULL, true},
        {"{\"moves\":12,\"violations\":[{\"law\":\"sound\",\"how\":\"x\",\"operations\":2}]}",
         "",
         {.exit_status = 1},
         "sound",
         true},
        {"",
         "==1==ERROR: AddressSanitizer: memcpy-param-overlap: memory\n",
         {.exit_status = 1},
         "asan",
         true},
        {"", "", {.signal = 9, .timed_out = true, .text = "timed out"}, "hang", true},
        {"", "", {.signal = 11, .text = "killed"}, "crash", true},
        {"", "linmem-explorer: out of memory\n", {.exit_status = 2}, NULL, false},
        {held, "", {.exit_status = 2}, NULL, false},
        {"", "", {.ok = true}, NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        score_run run = {0};
        put("result", cases[i].result);
        put("log", cases[i].log);
        assert_int_equal(explored_run_read(&run, "result", "log", &cases[i].end), cases[i].known);
        assert_int_equal(run.found, cases[i].oracle != NULL);
        if (cases[i].oracle) assert_string_equal(run.oracle, cases[i].oracle);
        assert_int_equal(run.inputs, *cases[i].result ? 12 : 0);
    }
}

static score_run found(double seconds, uint64_t inputs, const char *oracle) {
    score_run run = {.ran = true, .found = true, .seconds = seconds, .inputs = inputs};
    strcpy(run.oracle, oracle);
    return run;
}
static const score_run in_vain = {.ran = true, .seconds = 60, .inputs = 100000};

static score_entry entry_of(const mutant *mutant, score_run *runs, unsigned count) {
    score_entry e = {.mutant = mutant,
                     .allocator = "bump",
                     .program = "heap-bump",
                     .state = SCORE_MEASURED,
                     .runs = runs,
                     .run_count = count};
    for (unsigned i = 0; i < count; i++)
        e.found += runs[i].found;
    return e;
}

TEST(censored_runs_are_longer_than_any) {
    score_run runs[] = {found(4, 40, "sound"), in_vain, found(2, 20, "zero"), in_vain,
                        found(1, 10, "sound")};
    score_entry e = entry_of(NULL, runs, 5);
    assert_true(score_median_seconds(&e) == 4);
    assert_true(score_median_inputs(&e) == 40);
    assert_true(score_detected(&e));
    assert_string_equal(score_oracle(&e), "sound");
    e = entry_of(NULL, runs, 4); // two of four: the upper of the two in the middle
    assert_true(isinf(score_median_seconds(&e)));
    assert_false(score_detected(&e));
    e = entry_of(NULL, runs + 1, 1);
    assert_false(score_detected(&e));
    assert_string_equal(score_oracle(&e), "none");
    e = entry_of(NULL, runs, 0);
    assert_false(score_detected(&e));
}

static mutant named(char *name) {
    return (mutant){.name = name,
                    .class = "arithmetic",
                    .source = "ours",
                    .what = "wrong",
                    .patch = "fuzz/score/mutants/x.patch"};
}

static char *printed(const score *s) {
    char *text = NULL;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    score_print(s, stream);
    fclose(stream);
    return text;
}

TEST(trouble_comes_first) {
    mutant slow = named("slow"), fast = named("fast"), hidden = named("hidden");
    score_run quick_run = found(0.5, 3, "zero"), slow_run = found(9, 900, "sound"), none = in_vain;
    score_entry entries[] = {entry_of(&fast, &quick_run, 1), entry_of(NULL, &none, 1),
                             entry_of(&slow, &slow_run, 1), entry_of(&hidden, &none, 1)};
    score s = {.options = {.seconds = 60}, .entries = entries, .count = 4, .seconds = 70};
    char *text = printed(&s);
    const char *order[] = {"\nhidden ",
                           "\nslow ",
                           "\nfast ",
                           "\nheap-bump ",
                           "\nnamed: 2 of 3 detected (66.6 %), in 2 of 3 runs, median 9.0 s\n",
                           "\noriginal code: 1 programs, 1 runs of 60 s: no finding\n"};
    const char *at = text;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        if (!at) print_error("no '%s' in its place in\n%s", order[i], text);
        assert_non_null(at);
    }
    free(text);
    assert_false(score_holds(&s)); // one is undetected
    s.count = 3;
    assert_true(score_holds(&s));
    entries[1] = entry_of(NULL, &quick_run, 1); // a finding in the original code
    assert_false(score_holds(&s));
    s.count = 1;
    entries[0].state = SCORE_FAILED;
    assert_false(score_holds(&s));
}

// Heaps and buffers are counted separately, and an undetected mutant is no failure.
TEST(explored_scores_are_of_two_worlds) {
    mutant heap = named("near"), deep = named("deep"), buffers = named("buffers");
    heap.target = deep.target = "heap";
    buffers.target = "buffers";
    score_run quick_run = found(0.5, 3, "sound"), none = in_vain;
    score_entry entries[] = {entry_of(&heap, &quick_run, 1), entry_of(&deep, &none, 1),
                             entry_of(&buffers, &quick_run, 1), entry_of(NULL, &none, 1)};
    score s = {.options = {.seconds = 60, .depth = 4}, .entries = entries, .count = 4};
    char *text = printed(&s);
    assert_non_null(strstr(text, "\nnamed, of heaps: 1 of 2 detected (50.0 %)"));
    assert_non_null(strstr(text, "\nnamed, of buffers: 1 of 1 detected (100.0 %)"));
    assert_non_null(strstr(text, "\noriginal code: 1 allocators to depth 4: no finding\n"));
    assert_null(strstr(text, "\nnamed: "));
    free(text);
    assert_true(score_holds(&s));
    entries[3] = entry_of(NULL, &quick_run, 1);
    assert_false(score_holds(&s));
    mutant misuse = named("misuse");
    misuse.target = "misuse";
    assert_true(score_plays(&s.options, &deep) && score_plays(&s.options, &buffers));
    assert_false(score_plays(&s.options, &misuse));
    assert_true(score_plays(&(score_options){.seconds = 60}, &misuse));
    mutant of_a_test = named("of-a-test");
    of_a_test.target = "bench.statistics_test";
    assert_false(score_plays(&s.options, &of_a_test));
    assert_false(score_plays(&(score_options){.seconds = 60}, &of_a_test));
}

TEST(all_that_was_measured_is_in_the_json) {
    mutant one = named("one");
    score_run runs[] = {found(2, 20, "zero"), in_vain, in_vain};
    score_entry entries[] = {entry_of(&one, runs, 1), entry_of(&one, runs, 3)};
    score s = {.entries = entries, .count = 2};
    json_t *list = score_json(&s), *first = json_array_get(list, 0),
           *second = json_array_get(list, 1);
    assert_int_equal(json_array_size(list), 2);
    const char *name, *allocator, *class, *oracle;
    int detected;
    double inputs, seconds;
    assert_int_equal(json_unpack(first, "{s:s, s:s, s:s, s:b, s:s, s:F, s:F}", "name", &name,
                                 "allocator", &allocator, "class", &class, "detected", &detected,
                                 "oracle", &oracle, "inputs", &inputs, "seconds", &seconds),
                     0);
    assert_string_equal(name, "one");
    assert_string_equal(allocator, "bump");
    assert_string_equal(class, "arithmetic");
    assert_string_equal(oracle, "zero");
    assert_true(detected && inputs == 20 && seconds == 2);
    assert_true(json_is_false(json_object_get(second, "detected")));
    assert_true(json_is_null(json_object_get(second, "seconds")));
    assert_int_equal(json_array_size(json_object_get(second, "each_run")), 3);
    json_decref(list);
}

static void count_told(const score *so_far, void *told) {
    json_t *json = score_json(so_far);
    assert_int_equal(json_array_size(json), 0); // nothing is known of it
    json_decref(json);
    ++*(size_t *)told;
}

// The program's build interrupts the process, as Ctrl-C does. The last test, because the process
// stays interrupted.
FOLDER_TEST(what_was_interrupted_is_not_called_failed) {
    char error[300], *ninja = text_format("rule stop\n  command = kill -INT %d; sleep 60\n"
                                          "build heap-one: stop\n"
                                          "build mutant_counts: phony heap-one\n",
                                          (int)getpid());
    put("build/fuzz/build.ninja", ninja);
    interrupt_catch();
    mutant one = {.name = (char[]){"one"},
                  .target = (char[]){"heap"},
                  .allocators = (char *[]){(char[]){"one"}, NULL},
                  .files = (char *[]){NULL},
                  .patch = (char[]){"../../dev/null"}};
    const mutant_list list = {.at = &one, .count = 1, .named = 1};
    score s;
    size_t told = 0;
    const score_options options = {.root = test_folder,
                                   .seconds = 1,
                                   .seeds = 1,
                                   .jobs = 1,
                                   .told = count_told,
                                   .context = &told};
    assert_true(score_take(&s, &options, &list, error));
    assert_true(s.interrupted);
    assert_int_equal(s.count, 0);
    assert_int_equal(told, 1); // so that what was measured before it is written
    score_free(&s);
    free(ninja);
}

TEST_MAIN(NULL, NULL)
