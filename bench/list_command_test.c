// linmem list as people use it: list_command_test LINMEM, beside which the wasm32 modules lie.
#include "alloc/registry.h"
#include "bench/wasm_module.h"

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
static unsigned char module[1 << 16];

static FILE *run(const char *arguments) {
    char command[4200];
    snprintf(command, sizeof command, "'%s' %s", linmem, arguments);
    FILE *said = popen(command, "r");
    assert_non_null(said);
    return said;
}

// The module's code size by a reading of our own; −1 where there is none.
static json_int_t expected_bytes(const char *strategy) {
    char path[4200];
    snprintf(path, sizeof path, "%s", linmem);
    snprintf(strrchr(path, '/'), 100, "/wasm32/%s.wasm", strategy);
    FILE *file = fopen(path, "r");
    if (!file) return -1;
    size_t bytes = fread(module, 1, sizeof module, file);
    fclose(file);
    uint32_t code_bytes;
    assert_true(wasm_code_bytes(module, bytes, &code_bytes));
    return code_bytes;
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
    if (argc != 2) return 2;
    linmem = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies_are_listed_with_their_code),
        cmocka_unit_test(json_says_the_same),
        cmocka_unit_test(a_lost_output_is_status_2),
        cmocka_unit_test(a_reader_may_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
