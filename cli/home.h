// Where the running program finds its data: in the checkout that it was built in or, once
// installed, in its own folder.
#pragma once

#include <stdbool.h>

// Whether the program was installed: its folder then contains `corpus`.
bool home_is_installed(void);

// Returns the path of a data file or folder, named as in the checkout ("corpus/traces"). The caller
// frees it.
char *home_path(const char *name);
