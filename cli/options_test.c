#include "cli/options.h"
#include "cli/test.h"
#include "cli/verb.h"

static const char *const names[] = {"tlsf", "bump", "first_fit", "jemalloc", "ab", "paged"};
enum { NAMES = ITEMS(names) };

// A transposition counts once, else "ba" would be too far from "ab".
TEST(nearest_is_found) {
    static const struct {
        const char *word, *nearest;
    } cases[] = {
        {"tlsf", "tlsf"},
        {"tlfs", "tlsf"},
        {"TLSF", "tlsf"},
        {"tls", "tlsf"},
        {"tlsff", "tlsf"},
        {"blsf", "tlsf"},
        {"first-fit", "first_fit"},
        {"jemaloc", "jemalloc"},
        {"jemall", "jemalloc"},
        {"bunp", "bump"},
        {"pagde", "paged"},
        {"ba", "ab"},
        {"", NULL},
        {"x", NULL},
        {"flst", NULL},
        {"mimalloc2", NULL},
        {"fit", NULL},
        {"dmup", NULL},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        const char *nearest = options_nearest(cases[i].word, names, NAMES);
        const char *expected = cases[i].nearest ? cases[i].nearest : "none";
        if (strcmp(nearest ? nearest : "none", expected) != 0)
            fail_msg("'%s': %s", cases[i].word, nearest);
    }
    const char *const twins[] = {"cat", "car"};
    assert_ptr_equal(options_nearest("cax", twins, 2), twins[0]);
    assert_null(options_nearest("cat", NULL, 0));
}

static error_t parse_json(int key, char *argument, struct argp_state *state) {
    (void)argument, (void)state;
    if (key != 'j') return ARGP_ERR_UNKNOWN;
    printf("json ");
    return 0;
}

static error_t parse_all(int key, char *argument, struct argp_state *state) {
    if (key == 'a' || key == 'o' || key == 'A' || key == ARGP_KEY_ARG)
        printf("%s=%s ", key == ARGP_KEY_ARG ? "word" : (char[]){(char)key, 0},
               argument ? argument : "");
    else if (key == ARGP_KEY_INIT)
        printf("%s ", (char *)state->input); // the verb's own input reaches its parser
    else
        return ARGP_ERR_UNKNOWN;
    if (key == ARGP_KEY_ARG && strcmp(argument, "run") == 0) state->next = state->argc;
    return 0;
}

static int parse_words(void *context) {
    static const struct argp_option json[] = {{"json", 'j', 0, 0, "JSON", 0}, {0}};
    static const struct argp child = {.options = json, .parser = parse_json};
    static const struct argp_child children[] = {{&child, 0, 0, 0}, {0}};
    static const struct argp_option options[] = {
        {0, 0, 0, 0, "A group:", 1},
        {"allocators", 'a', "A,…", 0, "Allocators", 0},
        {"peers", 0, 0, OPTION_ALIAS, 0, 0},
        {"all", 'A', 0, 0, "All", 0},
        {"optional", 'o', "X", OPTION_ARG_OPTIONAL, "Perhaps", 0},
        {0}};
    static const struct argp argp = {.options = options, .parser = parse_all, .children = children};
    char *argv[20] = {(char[]){"linmem compare"}}, *words = strdup(context);
    int argc = 1;
    for (char *word; (word = strsep(&words, " "));)
        if (*word) argv[argc++] = word;
    options_parse(&argp, argc, argv, (char[]){"in:"});
    return 0;
}

TEST(good_usage_is_parsed) {
    static const struct {
        const char *words, *text;
    } cases[] = {
        {"", "in: "},
        {"-jAa 3 -o4 f -o", "in: json A= a=3 o=4 word=f o= "},
        {"--allo=x --js --peers y", "in: a=x json a=y "},
        {"--optional=z - -- --zork", "in: o=z word=- word=--zork "},
        {"-a --zork", "in: a=--zork "},
        {"-- one --zork", "in: word=one word=--zork "},
        {"one run --zork -x", "in: word=one word=run "},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        assert_int_equal(test_run(parse_words, (char *)cases[i].words), 0);
        assert_string_equal(test_output, cases[i].text);
    }
    static const char *const helps[] = {"--help", "-?", "-j?", "f --help", "--usage"};
    for (size_t i = 0; i < ITEMS(helps); i++) {
        assert_int_equal(test_run(parse_words, (char *)helps[i]), 0);
        assert_output("Usage: linmem compare");
    }
}

TEST(bad_usage_is_named) {
    static const struct {
        const char *words, *text;
    } cases[] = {
        {"--allocater x", "in: unknown option '--allocater'; did you mean '--allocators'?"},
        {"--allocater=x", "in: unknown option '--allocater'; did you mean '--allocators'?"},
        {"f --jsno", "in: word=f unknown option '--jsno'; did you mean '--json'?"},
        {"--hlep", "in: unknown option '--hlep'; did you mean '--help'?"},
        {"--zzzzzz", "in: unknown option '--zzzzzz'"},
        {"--al", "in: option '--al' is ambiguous"},
        {"--json=3", "in: option '--json' takes no value"},
        {"--js=3", "in: option '--js' takes no value"},
        {"--all=3", "in: option '--all' takes no value"},
        {"--peers", "in: option '--peers' needs a value"},
        {"-ja", "in: option '-a' needs a value"},
        {"--json -xj", "in: unknown option '-x'"},
        {"-jx", "in: unknown option '-x'"},
        {"f -x", "in: word=f unknown option '-x'"},
        {"-\xC3\xA9", "in: unknown option '-\xC3\xA9'"},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        assert_int_equal(test_run(parse_words, (char *)cases[i].words), EXIT_USAGE);
        // The cases begin with what was parsed before, which is on standard output.
        char expected[200], *message = strstr(cases[i].text, "unknown option");
        if (!message) message = strstr(cases[i].text, "option '");
        snprintf(expected, sizeof expected, "linmem compare: %s\nTry 'linmem compare --help'.\n",
                 message);
        assert_output("linmem compare");
        assert_string_equal(strstr(test_output, "linmem compare"), expected);
    }
}

static int call_unknown(void *word) {
    options_unknown("allocator", word, names, NAMES);
}

TEST(unknown_names_are_explained) {
    assert_int_equal(test_run(call_unknown, "tlfs"), EXIT_USAGE);
    assert_output("unknown allocator 'tlfs'; did you mean 'tlsf'?\n");
    assert_int_equal(test_run(call_unknown, "zork"), EXIT_USAGE);
    assert_output(
        "unknown allocator 'zork'; there are: tlsf, bump, first_fit, jemalloc, ab, paged\n");
}

static int read_number(void *text) {
    return (int)options_number("--n", text, 2, 1000);
}

static int read_too_large(void *text) {
    return (int)options_number("n", text, 0, UINT64_MAX);
}

TEST(numbers_are_whole_and_in_range) {
    static const char *const bad[] = {
        "", "1", "1001", "-2", "+2", " 2", "2 ", "2x", "0x2", "2.5", "18446744073709551618", "x"};
    for (size_t i = 0; i < ITEMS(bad); i++) {
        assert_int_equal(test_run(read_number, (char *)bad[i]), EXIT_USAGE);
        assert_output("--n must be a whole number from 2 to 1000, not '");
    }
    assert_int_equal(test_run(read_too_large, "18446744073709551616"), EXIT_USAGE);
    assert_int_equal(options_number("n", "2", 2, 1000), 2);
    assert_int_equal(options_number("n", "1000", 2, 1000), 1000);
    assert_int_equal(options_number("n", "010", 2, 1000), 10);
    assert_true(options_number("n", "18446744073709551615", 0, UINT64_MAX) == UINT64_MAX);
}

TEST(lists_are_split) {
    static const struct {
        const char *text, *parts[4];
    } cases[] = {
        {"a,bc,d", {"a", "bc", "d"}},
        {"a", {"a"}},
        {"", {0}},
        {",,a,", {"a"}},
        {" a, b c ,d", {"a", "b c", "d"}},
        {" , ,", {0}},
        {"a\\,b,c\\d,\\,", {"a,b", "c\\d", ","}},
        {"a\\", {"a\\"}},
    };
    for (size_t i = 0; i < ITEMS(cases); i++) {
        char *text = strdup(cases[i].text), **parts = options_split(text);
        size_t count = 0;
        for (; cases[i].parts[count]; count++) {
            assert_non_null(parts[count]);
            assert_string_equal(parts[count], cases[i].parts[count]);
        }
        assert_null(parts[count]);
        free(parts);
        free(text);
    }
}

TEST_MAIN(NULL, NULL)
