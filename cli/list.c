#include "cli/list.h"

#include "cli/options.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct asked {
    const list_kind *kinds;
    size_t count;
    bool json, any, *wanted; // by kind
} asked;

static void want(asked *asked, const char *name) {
    const char *names[asked->count];
    for (size_t i = 0; i < asked->count; i++) {
        names[i] = asked->kinds[i].name;
        if (strcmp(name, names[i]) != 0) continue;
        asked->any = asked->wanted[i] = true;
        return;
    }
    options_unknown("kind", name, names, asked->count);
}

static error_t parse(int key, char *value, struct argp_state *state) {
    asked *asked = state->input;
    if (key == 'j')
        asked->json = true;
    else if (key == ARGP_KEY_ARG)
        want(asked, value);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp_option arguments[] = {
    {"json", 'j', NULL, 0, "Print a JSON array of objects, each with a name", 0}, {0}};

exit_status list_command(const list_kind *kinds, size_t count, int argc, char **argv) {
    char usage[200] = "";
    for (size_t i = 0; i < count; i++)
        snprintf(usage + strlen(usage), sizeof usage - strlen(usage), "%s[%s]", i ? " " : "",
                 kinds[i].name);
    const struct argp argp = {
        arguments, parse, usage, "Lists everything of the kinds named (default: all kinds).",
        NULL,      NULL,  NULL};
    asked asked = {.kinds = kinds, .count = count, .wanted = calloc(count, sizeof(bool))};
    if (!asked.wanted) options_fail("out of memory");
    options_parse(&argp, argc, argv, &asked);
    json_t *found = json_array();
    for (size_t i = 0; i < count; i++) {
        if (asked.any && !asked.wanted[i]) continue;
        json_t *list = kinds[i].list();
        if (!asked.json) kinds[i].print(list);
        json_array_extend(found, list);
        json_decref(list);
    }
    if (asked.json) {
        json_dumpf(found, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(found);
    free(asked.wanted);
    return EXIT_HELD;
}
