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

int main(int argc, char **argv) {
    if (argc != 2) return 2;
    linmem = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strategies_are_listed_with_their_code),
        cmocka_unit_test(json_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
