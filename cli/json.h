// Constructors of JSON values that never return NULL. jansson's own return NULL for text that is
// not UTF-8 and for infinite numbers and NaN, and json_pack drops the whole value for one NULL.
//
// If out of memory, they call options_fail.
#pragma once

#include <jansson.h>

// A string of any bytes; bytes that are not UTF-8 become \xNN (cli/text.h). NULL becomes null.
json_t *json_text(const char *text);
// A number; null if it is infinite or NaN.
json_t *json_number(double number);
// An object of alternating keys and new values, in this order, ended by NULL.
json_t *json_fields(const char *key, ...) __attribute__((sentinel));
// Adds a new value to an object, or to the end of an array. Takes the reference.
void json_set(json_t *object, const char *key, json_t *value);
void json_add(json_t *array, json_t *value);
