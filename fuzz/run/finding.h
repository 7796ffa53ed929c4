// Parses the finding in the output of a fuzz target's program, line by line: the oracle's message,
// a sanitizer's or libFuzzer's.
#pragma once

#include <stdbool.h>

// Shell commands to run before the program, so that stacks are printed with functions, files and
// lines. They use addr2line, because the sanitizers' own symbolizer is in a separate package.
#define FINDING_SYMBOLIZE                                                                          \
    "addr2line=$(command -v addr2line) && "                                                        \
    "export ASAN_OPTIONS=\"${ASAN_OPTIONS:+$ASAN_OPTIONS:}external_symbolizer_path=$addr2line\"; "

typedef struct finding {
    // A law's name; `asan:KIND`, `leak` or `ubsan` for a sanitizer's finding; `crash`, `hang` or
    // `memory`. "" if nothing was found.
    char law[48];
    char how[200];
    // "FUNCTION, FILE:LINE" of the innermost frame in alloc/ of the printed stack, else of the
    // innermost frame in the repository; "" if no stack was printed.
    char where[120];
    bool in_alloc; // `where` is in alloc/
} finding;

// Reads one line. The first message counts, and the first stack after it.
void finding_read(finding *finding, const char *line);

// Prints `how` in one line, followed by `where` if that adds information.
void finding_print(const finding *finding, char *line, int size);

// Whether the finding can only be seen with a sanitizer: without one, another law breaks or none.
bool finding_is_sanitizers(const char *law);
