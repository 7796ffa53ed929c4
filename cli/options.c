#include "cli/options.h"

#include "cli/file.h"
#include "cli/text.h"
#include "cli/verb.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *options_program = "linmem"; // "linmem VERB" once a verb's options are parsed

static void options_print(const char *message, va_list arguments, bool plain) {
    char *text = NULL;
    if (plain || vasprintf(&text, message, arguments) < 0) text = NULL;
    char *shown = text ? text_printable(text) : NULL;
    fprintf(stderr, "%s: %s\n", options_program, shown ? shown : message);
    free(shown);
    free(text);
}

void options_warn(const char *message, ...) {
    va_list arguments;
    va_start(arguments, message);
    options_print(message, arguments, false);
    va_end(arguments);
}

void options_fail(const char *message, ...) {
    static bool failing; // the second call is for lack of memory
    bool again = failing;
    failing = true;
    whole_file_abandon_all();
    fflush(stdout);
    va_list arguments;
    va_start(arguments, message);
    options_print(message, arguments, again);
    va_end(arguments);
    fprintf(stderr, "Try '%s --help'.\n", options_program);
    exit(EXIT_USAGE);
}

static void *options_allocate(size_t count, size_t size) {
    void *block = calloc(count, size);
    if (!block) options_fail("out of memory");
    return block;
}

// Returns the optimal string alignment distance: insertions, deletions, replacements and
// transpositions of neighbours count one each. Case is ignored.
static size_t options_distance(const char *a, const char *b) {
    size_t rows = strlen(a) + 1, columns = strlen(b) + 1;
    size_t *cells = options_allocate(rows * columns, sizeof *cells);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            size_t *here = &cells[i * columns + j];
            if (i == 0 || j == 0) {
                *here = i + j;
                continue;
            }
            bool same = tolower(a[i - 1]) == tolower(b[j - 1]);
            size_t least = *(here - columns - 1) + !same;
            if (*(here - 1) + 1 < least) least = *(here - 1) + 1;
            if (*(here - columns) + 1 < least) least = *(here - columns) + 1;
            if (i > 1 && j > 1 && !same && tolower(a[i - 1]) == tolower(b[j - 2]) &&
                tolower(a[i - 2]) == tolower(b[j - 1]) && *(here - 2 * columns - 2) + 1 < least)
                least = *(here - 2 * columns - 2) + 1;
            *here = least;
        }
    }
    size_t result = cells[rows * columns - 1];
    free(cells);
    return result;
}

const char *options_nearest(const char *word, const char *const *names, size_t count) {
    const char *nearest = NULL;
    size_t least = SIZE_MAX, length = strlen(word);
    for (size_t i = 0; i < count && length < 100; i++) {
        size_t longer = strlen(names[i]) > length ? strlen(names[i]) : length;
        size_t found = options_distance(word, names[i]);
        // More than one error in four characters makes another word.
        if (found > (longer + 2) / 4 || found >= least) continue;
        least = found;
        nearest = names[i];
    }
    return nearest;
}

void options_unknown(const char *kind, const char *word, const char *const *names, size_t count) {
    const char *nearest = options_nearest(word, names, count);
    if (nearest) options_fail("unknown %s '%s'; did you mean '%s'?", kind, word, nearest);
    char *all = NULL;
    size_t size;
    FILE *list = open_memstream(&all, &size);
    if (!list) options_fail("unknown %s '%s'", kind, word);
    for (size_t i = 0; i < count; i++)
        fprintf(list, "%s%s", i ? ", " : "", names[i]);
    fclose(list);
    options_fail("unknown %s '%s'; there are: %s", kind, word, all);
}

// The options of an argp and its children, for getopt. Each argument is checked with getopt before
// argp parses it, because argp's own messages cannot be changed.
typedef struct option_table {
    struct option *options; // ends with an empty one
    size_t count;
    char letters[2 + 3 * UCHAR_MAX + 1]; // "+:a:b"
} option_table;

static void option_table_add(option_table *table, const char *name, int key, int takes) {
    if (name) {
        struct option *grown = reallocarray(table->options, table->count + 2, sizeof *grown);
        if (!grown) options_fail("out of memory");
        table->options = grown;
        grown[table->count++] = (struct option){name, takes, NULL, key};
        grown[table->count] = (struct option){0};
    }
    if (key <= 0 || key > UCHAR_MAX || !isprint(key)) return;
    size_t length = strlen(table->letters);
    snprintf(table->letters + length, sizeof table->letters - length, "%c%s", key,
             takes == required_argument   ? ":"
             : takes == optional_argument ? "::"
                                          : "");
}

static void option_table_add_argp(option_table *table, const struct argp *argp) {
    const struct argp_option *option = argp->options;
    int takes = no_argument; // an alias takes a value if the option before it does
    for (; option && (option->name || option->key || option->doc || option->group); option++) {
        if (option->flags & OPTION_DOC || (!option->name && !option->key)) continue;
        if (!(option->flags & OPTION_ALIAS))
            takes = !option->arg                                 ? no_argument
                    : (option->flags & OPTION_ARG_OPTIONAL) != 0 ? optional_argument
                                                                 : required_argument;
        option_table_add(table, option->name, option->key, takes);
    }
    for (const struct argp_child *child = argp->children; child && child->argp; child++)
        option_table_add_argp(table, child->argp);
}

// Fails with what is wrong with a word that starts with "--", as typed.
_Noreturn static void options_fail_long(const option_table *table, const char *word) {
    int length = (int)strcspn(word, "=");
    const char **names = options_allocate(table->count + 1, sizeof *names);
    size_t starting = 0;
    for (size_t i = 0; i < table->count; i++) {
        char *name = options_allocate(strlen(table->options[i].name) + 3, 1);
        sprintf(name, "--%s", table->options[i].name);
        names[i] = name;
        starting += strncmp(name, word, (size_t)length) == 0;
        if (strncmp(name, word, (size_t)length) == 0 && !name[length] && word[length])
            options_fail("option '%s' takes no value", name);
    }
    if (starting == 1) options_fail("option '%.*s' takes no value", length, word);
    if (starting > 1) options_fail("option '%.*s' is ambiguous", length, word);
    char *typed = strndup(word, (size_t)length);
    const char *nearest = options_nearest(typed ? typed : word, names, table->count);
    if (nearest) options_fail("unknown option '%s'; did you mean '%s'?", typed, nearest);
    options_fail("unknown option '%.*s'", length, word);
}

// Checks the options from argv[from] to the first argument that is not an option.
static void options_check(const option_table *table, int argc, char **argv, int from) {
    if (from >= argc) return;
    char **words = argv + from - 1; // getopt skips the first word
    optind = 0;                     // restarts getopt
    opterr = optopt = 0;
    for (int found = 0; found != -1;) {
        const char *word = words[optind > 0 ? optind : 1];
        found = getopt_long(argc - from + 1, words, table->letters, table->options, NULL);
        bool is_long = found != -1 && strncmp(word, "--", 2) == 0;
        if (found == ':' && is_long) options_fail("option '%s' needs a value", word);
        if (found == ':') options_fail("option '-%c' needs a value", optopt);
        if (found == '?' && is_long) options_fail_long(table, word);
        if (found != '?' || !optopt) continue; // without optopt it is the option -?
        if (isprint(optopt)) options_fail("unknown option '-%c'", optopt);
        options_fail("unknown option '%s'", word);
    }
}

typedef struct checked_parse {
    const struct argp *argp;
    void *input;
    option_table table;
} checked_parse;

// Calls the verb's own parser, and checks options before argp parses them.
static error_t options_check_and_parse(int key, char *argument, struct argp_state *state) {
    checked_parse *parse = state->input;
    if (key == ARGP_KEY_INIT) options_check(&parse->table, state->argc, state->argv, 1);
    state->input = parse->input;
    error_t error =
        parse->argp->parser ? parse->argp->parser(key, argument, state) : ARGP_ERR_UNKNOWN;
    state->input = parse;
    if (key == ARGP_KEY_ARG && !error && !state->quoted)
        options_check(&parse->table, state->argc, state->argv, state->next);
    return error;
}

static void options_print_text(const char *kind, const char *text) {
    printf("%s\t", kind);
    for (; text && *text; text++)
        if (*text == '\n')
            fputs("\\n", stdout);
        else
            putchar(*text);
    putchar('\n');
}

_Noreturn static void options_print_table(const struct argp *argp) {
    char *doc = text_format("%s", argp->doc ? argp->doc : ""), *after = strchr(doc, '\v');
    if (after) *after++ = '\0';
    options_print_text("arguments", argp->args_doc);
    options_print_text("before", doc);
    char *filtered =
        argp->help_filter ? argp->help_filter(ARGP_KEY_HELP_POST_DOC, after, NULL) : after;
    options_print_text("after", filtered);
    if (filtered != after) free(filtered);
    free(doc);
    for (const struct argp_option *o = argp->options; o && (o->name || o->key); o++) {
        if (o->flags & OPTION_HIDDEN) continue;
        printf("option\t%.*s\t%s\t%s\t%s\n", isprint(o->key) != 0, (char[]){(char)o->key},
               o->name ? o->name : "", o->arg ? o->arg : "", o->doc ? o->doc : "");
    }
    exit(EXIT_PASSED);
}

void options_parse(const struct argp *argp, int argc, char **argv, void *input) {
    options_program = argv[0];
    argp_err_exit_status = EXIT_USAGE;
    if (argc == 2 && strcmp(argv[1], "--options") == 0) options_print_table(argp);
    checked_parse parse = {.argp = argp, .input = input, .table = {.letters = "+:?"}};
    option_table_add(&parse.table, "help", 0, no_argument);
    option_table_add(&parse.table, "usage", 0, no_argument);
    if (argp_program_version || argp_program_version_hook)
        option_table_add(&parse.table, "version", 'V', no_argument);
    option_table_add_argp(&parse.table, argp);
    struct argp checked = *argp;
    checked.parser = options_check_and_parse;
    error_t error = argp_parse(&checked, argc, argv, ARGP_IN_ORDER, NULL, &parse);
    free(parse.table.options);
    if (error) options_fail("%s", strerror(error));
}

unsigned long long options_number(const char *what, const char *text, unsigned long long minimum,
                                  unsigned long long maximum) {
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)*text) || *end || errno || number < minimum || number > maximum)
        options_fail("%s must be a whole number from %llu to %llu, not '%s'", what, minimum,
                     maximum, text);
    return number;
}

// Ends a part, without "\\" before commas. Returns the next part, or NULL after the last.
static char *options_split_next(char *text) {
    char *to = text;
    for (; *text && *text != ','; text++) {
        if (text[0] == '\\' && text[1] == ',') text++;
        *to++ = *text;
    }
    char *next = *text ? text + 1 : NULL;
    *to = '\0';
    return next;
}

static char *options_trim(char *text) {
    text += strspn(text, " ");
    for (size_t length = strlen(text); length && text[length - 1] == ' '; length--)
        text[length - 1] = '\0';
    return text;
}

char **options_split(char *text) {
    size_t count = 0;
    char **parts = options_allocate(strlen(text) / 2 + 2, sizeof *parts);
    for (char *next; text; text = next) {
        next = options_split_next(text);
        text = options_trim(text);
        if (*text) parts[count++] = text;
    }
    return parts;
}
