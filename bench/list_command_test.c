// linmem list as people use it: list_command_test LINMEM modules|none: the command, and whether the
// wasm32 modules were built beside it.
#include "alloc/registry.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

static const char *linmem;
static bool modules;

static FILE *run(const char *arguments) {
    char command[4200];
    snprintf(command, sizeof command, "'%s' %s", linmem, arguments);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    return said;
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

// The size of the module's section 10, its code, by a reader that shares nothing with the command's
// own (bench/wasm_module.c); −1 where no modules were built.
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

// The size as printed behind the strategy's name.
static json_int_t printed_bytes(const char *line, const char *name) {
    long long thousands, rest;
    const char *size = line + 2 + strlen(name);
    if (sscanf(size, "%lld,%3lld B ", &thousands, &rest) == 2) return thousands * 1000 + rest;
    if (sscanf(size, "%lld B ", &rest) == 1) return rest;
    assert_int_equal(size[strspn(size, " ")], '-');
    return -1;
}

static void strategies_are_listed_with_their_code(void **state) {
    (void)state;
    char *line = NULL, name[100];
    size_t room = 0, found = 0;
    FILE *said = run("list allocators");
    while (getline(&line, &room, said) > 0) {
        assert_in_range(strlen(line), 1, 81); // with its newline
        if (sscanf(line, "  %99s", name) != 1 || !lm_strategy_named(name, 0)) continue;
        assert_int_equal(printed_bytes(line, name), expected_bytes(name));
        assert_non_null(strstr(line, lm_strategy_named(name, 0)->idea));
        found++;
    }
    free(line);
    assert_int_equal(pclose(said), 0);
    assert_int_equal(found, lm_strategy_count());
}

static void json_says_the_same(void **state) {
    (void)state;
    FILE *said = run("list allocators --json");
    json_t *list = json_loadf(said, 0, NULL), *entry;
    assert_int_equal(pclose(said), 0);
    size_t index, found = 0;
    json_array_foreach(list, index, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        const json_t *code = json_object_get(entry, "wasm32_code_bytes");
        json_int_t expected = lm_strategy_named(name, 0) ? expected_bytes(name) : -1;
        assert_true(expected < 0 ? json_is_null(code) : json_integer_value(code) == expected);
        found += lm_strategy_named(name, 0) != NULL;
    }
    assert_int_equal(found, lm_strategy_count());
    json_decref(list);
}

static json_t *capabilities_of(const char *allocator) {
    FILE *said = run("list allocators --json");
    json_t *list = json_loadf(said, 0, NULL), *entry, *found = NULL;
    assert_int_equal(pclose(said), 0);
    size_t index;
    json_array_foreach(list, index, entry) {
        if (strcmp(json_string_value(json_object_get(entry, "name")), allocator) == 0)
            found = json_deep_copy(json_object_get(entry, "capabilities"));
    }
    json_decref(list);
    assert_non_null(found);
    return found;
}

// By their names, which scripts read; and of each strategy as many as its table states.
static void every_capability_is_listed(void **state) {
    (void)state;
    static const struct {
        const char *allocator, *capabilities;
    } rows[] = {
        {"tlsf", "[\"frees-blocks\", \"resizes-in-place\", \"linear-memory\", \"holds-content\", "
                 "\"constant-time\", \"merges\"]"},
        {"glibc", "[\"frees-blocks\", \"resizes-in-place\", \"threads\", \"holds-content\"]"},
        {"floor", "[\"frees-blocks\", \"linear-memory\"]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        json_t *found = capabilities_of(rows[i].allocator);
        char *text = json_dumps(found, 0);
        assert_string_equal(text, rows[i].capabilities);
        free(text);
        json_decref(found);
    }
    for (size_t i = 0; i < lm_strategy_count(); i++) {
        json_t *found = capabilities_of(lm_strategy_at(i, 0)->name);
        int stated = __builtin_popcount(lm_strategy_at(i, 0)->capabilities);
        assert_int_equal(json_array_size(found), stated);
        json_decref(found);
    }
}

// What is not written is not held, whichever verb writes it.
static void a_lost_output_is_status_2(void **state) {
    (void)state;
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
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
            char arguments[200], line[200] = "";
            snprintf(arguments, sizeof arguments, "%s 2>&1 %s", verbs[i], rows[r].to);
            FILE *said_last = run(arguments);
            while (fgets(line, sizeof line, said_last))
                ;
            int status = pclose(said_last);
            if (WEXITSTATUS(status) != rows[r].status) fail_msg("%s: %d", arguments, status);
            if (rows[r].status) assert_non_null(strstr(line, "standard output: "));
        }
}

// A reader that leaves ends it quietly, and with the status that pipes have.
static void a_reader_may_leave(void **state) {
    (void)state;
    char command[4300], line[100];
    snprintf(command, sizeof command,
             "bash -c '\"%s\" list allocators --json 2>&1 | true; echo ${PIPESTATUS[0]}'", linmem);
    FILE *pipe = popen(command, "r");
    assert_true(pipe && fgets(line, sizeof line, pipe));
    assert_string_equal(line, "141\n");
    assert_int_equal(pclose(pipe), 0);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    linmem = argv[1];
    modules = strcmp(argv[2], "modules") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies_are_listed_with_their_code),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(every_capability_is_listed),
        cmocka_unit_test(a_lost_output_is_status_2),
        cmocka_unit_test(a_reader_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
