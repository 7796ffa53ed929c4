// Parses --allocator A,… of the verbs fuzz and reproduce.
#pragma once

#include <stdbool.h>

// Splits "a,b,c" in place. Returns the names, ended by NULL, which the caller frees. An unknown
// name is bad usage.
char **allocators_read(char *text);

// Whether `name` is among the names; always if `names` is NULL.
bool allocators_have(char *const *names, const char *name);
