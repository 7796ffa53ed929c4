// Tests of linmem list. list_command_test LINMEM modules|none: the command, and whether the wasm32
// modules were built in its folder.
#include "alloc/registry.h"
#include "bench/engines/peer.h"
#include "cli/test.h"

#include <jansson.h>

static const char *linmem;
static bool modules;

static int run_command(void *arguments) {
    char command[4200];
    snprintf(command, sizeof command, "'%s' %s", linmem, (const char *)arguments);
    execlp("bash", "bash", "-c", command, NULL);
    return 99;
}

// Runs the command and returns its exit status.
static int run(const char *arguments) {
    return test_run(run_command, (void *)(uintptr_t)arguments);
}

static size_t read_number(FILE *file) {
    size_t number = 0;
    for (int byte = 0x80, shift = 0; byte & 0x80; shift += 7) {
        byte = getc(file);
        assert_true(byte != EOF && shift < 35);
        number |= (size_t)(byte & 0x7f) << shift;
    }
    return number;
}

// Returns the size of section 10 of a module, its code, read without bench/wasm_module.c; −1 if no
// modules were built.
static json_int_t expected_bytes(const char *strategy) {
    if (!modules) return -1;
    char path[4200];
    snprintf(path, sizeof path, "%s", linmem);
    snprintf(strrchr(path, '/'), 100, "/wasm32/%s.wasm", strategy);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("there is no %s", path);
    assert_int_equal(fseek(file, 8, SEEK_SET), 0); // the magic and the version
    for (int section; (section = getc(file)) != EOF;) {
        size_t size = read_number(file);
        if (section == 10) {
            fclose(file);
            assert_in_range(size, 100, 20000); // of machine code for some hundred lines
            return (json_int_t)size;
        }
        assert_int_equal(fseek(file, (long)size, SEEK_CUR), 0);
    }
    fail_msg("%s has no code", path);
    return -1;
}

// Returns the size that is printed after the strategy's name.
static json_int_t printed_bytes(const char *line, const char *name) {
    long long thousands, rest;
    const char *size = line + 2 + strlen(name);
    if (sscanf(size, "%lld,%3lld B ", &thousands, &rest) == 2) return thousands * 1000 + rest;
    if (sscanf(size, "%lld B ", &rest) == 1) return rest;
    assert_int_equal(size[strspn(size, " ")], '-');
    return -1;
}

TEST(strategies_are_listed_with_their_code) {
    char name[100];
    size_t found = 0;
    assert_int_equal(run("list allocators"), 0);
    for (char *line = strtok(test_output, "\n"); line; line = strtok(NULL, "\n")) {
        assert_in_range(strlen(line), 1, 80);
        if (sscanf(line, "  %99s", name) != 1 || !lm_strategy_named(name, 0)) continue;
        assert_int_equal(printed_bytes(line, name), expected_bytes(name));
        assert_non_null(strstr(line, lm_strategy_named(name, 0)->idea));
        found++;
    }
    assert_int_equal(found, lm_strategy_count());
}

// Capabilities are listed by name, as scripts read them; for each strategy as many as its table
// states.
TEST(json_has_code_sizes_and_capabilities) {
    static const struct {
        const char *allocator, *capabilities;
    } rows[] = {
        {"tlsf", "[\"frees-blocks\", \"resizes-in-place\", \"linear-memory\", \"holds-content\", "
                 "\"constant-time\", \"bounded-search\", \"merges\"]"},
        {"glibc", "[\"frees-blocks\", \"resizes-in-place\", \"threads\", \"holds-content\"]"},
        {"floor", "[\"frees-blocks\", \"linear-memory\"]"},
    };
    assert_int_equal(run("list allocators --json"), 0);
    json_t *list = json_loads(test_output, 0, NULL), *entry;
    size_t index, compared = 0, strategies = 0;
    json_array_foreach(list, index, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        const json_t *code = json_object_get(entry, "wasm32_code_bytes");
        const json_t *capabilities = json_object_get(entry, "capabilities");
        const lm_allocator *strategy = lm_strategy_named(name, 0);
        json_int_t expected = strategy ? expected_bytes(name) : -1;
        if (!peer_named(name)) // whose size is known if its package is installed
            assert_true(expected < 0 ? json_is_null(code) : json_integer_value(code) == expected);
        for (size_t i = 0; i < ITEMS(rows); i++) {
            if (strcmp(rows[i].allocator, name) != 0) continue;
            char *text = json_dumps(capabilities, 0);
            assert_string_equal(text, rows[i].capabilities);
            free(text);
            compared++;
        }
        if (!strategy) continue;
        assert_int_equal(json_array_size(capabilities), __builtin_popcount(strategy->capabilities));
        strategies++;
    }
    assert_int_equal(compared, ITEMS(rows));
    assert_int_equal(strategies, lm_strategy_count());
    json_decref(list);
}

// For every verb.
TEST(a_lost_output_is_status_2) {
    static const char *const verbs[] = {"--help",           "help",
                                        "list targets",     "list allocators --json",
                                        "compare --help",   "explore --help",
                                        "fuzz --help",      "trace --help",
                                        "record --help",    "record --usage",
                                        "reproduce --help", "trace check corpus/traces/bc.lmt.zst"};
    static const struct {
        const char *to;
        int status;
    } rows[] = {{">/dev/full", 2}, {">&-", 2}, {">/dev/null", 0}};
    for (size_t i = 0; i < ITEMS(verbs); i++)
        for (size_t r = 0; r < ITEMS(rows); r++) {
            char arguments[200];
            snprintf(arguments, sizeof arguments, "%s 2>&1 %s", verbs[i], rows[r].to);
            int status = run(arguments);
            if (status != rows[r].status) fail_msg("%s: %d", arguments, status);
            if (rows[r].status) assert_output("standard output: ");
        }
}

// The command ends without a message, with the status of SIGPIPE.
TEST(a_closed_pipe_ends_it_quietly) {
    assert_int_equal(run("list allocators --json 2>&1 | true; exit ${PIPESTATUS[0]}"), 141);
    assert_string_equal(test_output, "");
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    linmem = argv[1];
    modules = strcmp(argv[2], "modules") == 0;
    return cmocka_run_group_tests(test_list, NULL, NULL);
}
