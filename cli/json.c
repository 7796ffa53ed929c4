#include "cli/json.h"

#include "cli/options.h"
#include "cli/text.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

static json_t *json_needed(json_t *value) {
    if (!value) options_fail("out of memory");
    return value;
}

json_t *json_text(const char *text) {
    if (!text) return json_null();
    char *valid = text_valid(text);
    json_t *value = json_needed(json_string(valid));
    free(valid);
    return value;
}

json_t *json_number(double number) {
    return isfinite(number) ? json_needed(json_real(number)) : json_null();
}

void json_set(json_t *object, const char *key, json_t *value) {
    if (json_object_set_new(object, key, json_needed(value)) != 0) options_fail("out of memory");
}

void json_add(json_t *array, json_t *value) {
    if (json_array_append_new(array, json_needed(value)) != 0) options_fail("out of memory");
}

json_t *json_fields(const char *key, ...) {
    json_t *object = json_needed(json_object());
    va_list rest;
    va_start(rest, key);
    for (; key; key = va_arg(rest, const char *))
        json_set(object, key, va_arg(rest, json_t *));
    va_end(rest);
    return object;
}
