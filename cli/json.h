// JSON values that are built without a way to lose them: jansson's own constructors return NULL
// for a text that is not UTF-8 and for a number that is none, and a NULL drops what it is put into.
//
// Out of memory: options_fail.
#pragma once

#include <jansson.h>

// A text of any bytes: those that are not UTF-8 are written as \xNN (cli/text.h). NULL: null.
json_t *json_text(const char *text);
// A number; null if it is infinite or NaN.
json_t *json_number(double number);
// An object of keys and their new values, in this order; NULL ends it.
json_t *json_fields(const char *key, ...) __attribute__((sentinel));
// Puts a new value into an object or at the end of an array.
void json_set(json_t *object, const char *key, json_t *value);
void json_add(json_t *array, json_t *value);
