// Which strategies a command is for: --allocator A,… of the verbs fuzz and reproduce.
#pragma once

#include <stdbool.h>

// The names in "a,b,c", in place; ends with NULL, to be freed. An unknown one is bad usage.
char **allocators_read(char *text);

// Whether a name is among them. NULL: all are.
bool allocators_have(char *const *names, const char *name);
