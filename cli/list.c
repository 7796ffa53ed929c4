#include "cli/list.h"

#include "cli/options.h"

#include <stdbool.h>
#include <string.h>

typedef struct list_request {
    const list_kind *kinds;
    size_t count;
    bool json;
    unsigned wanted; // a bit for each kind
} list_request;

static void list_add_kind(list_request *request, const char *name) {
    const char *names[request->count];
    for (size_t i = 0; i < request->count; i++) {
        names[i] = request->kinds[i].name;
        if (strcmp(name, names[i]) != 0) continue;
        request->wanted |= 1u << i;
        return;
    }
    options_unknown("kind", name, names, request->count);
}

static error_t list_parse(int key, char *value, struct argp_state *state) {
    list_request *request = state->input;
    if (key == 'j')
        request->json = true;
    else if (key == ARGP_KEY_ARG)
        list_add_kind(request, value);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp_option list_options[] = {
    {"json", 'j', NULL, 0, "Print a JSON array of objects, each with a name", 0}, {0}};

exit_status list_command(const list_kind *kinds, size_t count, int argc, char **argv) {
    char usage[200] = "";
    for (size_t i = 0; i < count; i++)
        snprintf(usage + strlen(usage), sizeof usage - strlen(usage), "%s[%s]", i ? " " : "",
                 kinds[i].name);
    const struct argp argp = {
        list_options, list_parse,
        usage,        "Lists everything of the kinds named (default: all kinds).",
        NULL,         NULL,
        NULL};
    list_request request = {.kinds = kinds, .count = count};
    options_parse(&argp, argc, argv, &request);
    json_t *found = json_array();
    for (size_t i = 0; i < count; i++) {
        if (request.wanted && !(request.wanted & 1u << i)) continue;
        json_t *list = kinds[i].list();
        if (!request.json) kinds[i].print(list);
        json_array_extend(found, list);
        json_decref(list);
    }
    if (request.json) {
        json_dumpf(found, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(found);
    return EXIT_PASSED;
}
