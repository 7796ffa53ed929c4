// What a fuzz target's program says of what it found: by the oracle's word, a sanitizer's or
// libFuzzer's, read line by line.
#pragma once

#include <stdbool.h>

// For the shell, before it becomes the program: stacks are printed with functions, files and lines.
// The sanitizers' own symbolizer comes with another package than they do; binutils are there.
#define FINDING_SYMBOLIZE                                                                          \
    "addr2line=$(command -v addr2line) && "                                                        \
    "export ASAN_OPTIONS=\"${ASAN_OPTIONS:+$ASAN_OPTIONS:}external_symbolizer_path=$addr2line\"; "

typedef struct finding {
    // A law's name; `asan:KIND`, `leak` or `ubsan`: what a sanitizer alone saw; `crash`, `hang`,
    // `memory`. "": nothing was found.
    char law[48];
    char how[200];
    // "FUNCTION, FILE:LINE" of the innermost call of alloc/ in the stack that was printed, else of
    // our innermost call; "": no stack was.
    char where[120];
    bool in_alloc; // `where` is
} finding;

// The first line that says what is broken counts, and the first stack behind it.
void finding_read(finding *finding, const char *line);

// `how`, and where, if that adds anything: one line.
void finding_print(const finding *finding, char *line, int size);

// Whether a sanitizer alone sees what broke the law: where no sanitizer is, something else breaks,
// or nothing.
bool finding_is_sanitizers(const char *law);
