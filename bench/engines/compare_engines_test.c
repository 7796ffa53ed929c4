// compare_engines_test LINMEM: `linmem compare --engine native,v8` measures, and writes and prints
// what only engines have. Exits with 77, which counts as skipped, if v8 has no program or modules.
#include "bench/compare_fixture.h"
#include "bench/engines/engine.h"

COMPARE_TEST(engines_are_measured) {
    assert_int_equal(compare("--engine native,v8 --profile smoke --allocators tlsf,paged "
                             "--workloads small.lmt"),
                     0);
    read_results();
    const json_t *context = get(results, "context"), *entries = get(context, "engines");
    assert_int_equal(json_array_size(entries), 2);
    assert_string_equal(text(json_array_get(entries, 0), "engine"), "native");
    assert_string_equal(text(json_array_get(entries, 1), "engine"), "v8");
    assert_null(get(find_cell_with("tlsf", "engine", "native"), "tier"));
    static const char *const names[] = {"tlsf", "paged", "floor", "ideal"};
    for (size_t i = 0; i < 4; i++) {
        const json_t *cell = find_cell_with(names[i], "engine", "v8");
        assert_string_equal(text(cell, "status"), "ok");
        assert_true(json_number_value(median(cell)) > 0);
        assert_string_equal(text(cell, "reached"), "linked");
        assert_true(json_number_value(get(cell, "clock_step_ns")) > 0);
    }
    const json_t *cell = find_cell_with("tlsf", "engine", "v8");
    assert_true(whole(cell, "pages") > 0);
    assert_true(whole(cell, "memory_grows") > 0);
    assert_true(whole(cell, "pages_end") >= whole(cell, "pages"));
    assert_output("Engine v8: V8 ");
    assert_output("All engines, warm: speed relative to the same allocator in `native`");
}

COMPARE_TEST(engines_and_allocators_are_checked) {
    assert_int_equal(compare("--engine v9"), 2);
    assert_output("unknown engine 'v9'");
    assert_int_equal(compare("--engine v8,v8"), 2);
    assert_output("the engine 'v8' is named twice");
    assert_int_equal(compare("--engine v8 --threads"), 2);
    assert_output("--threads and --memory: the engine 'native' only");
    assert_int_equal(compare("--engine v8 --allocators glibc"), 2);
    assert_output("none of the allocators runs in the engine 'v8'");
}

int main(int argc, char **argv) {
    enum { SKIPPED = 77 };
    if (argc != 2) return 2;
    linmem = realpath(argv[1], NULL);
    char *module = engine_module(engine_named("v8"), "tlsf");
    bool runs = module && engine_program(engine_named("v8"));
    int failed = runs ? cmocka_run_group_tests(test_list, make_folder, remove_folder) : SKIPPED;
    free(module);
    free(linmem);
    return failed;
}
