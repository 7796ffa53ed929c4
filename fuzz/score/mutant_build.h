// Builds mutants: compiles what depends on the changed files and reuses the other objects of preset
// `fuzz`.
//
// ninja knows the commands that build a program, and each object's dependencies. A mutant's folder
// has a copy of alloc/, and of what the mutant changes elsewhere, with the change. The commands
// that depend on the changed files are run again, with the copy as input and the folder as output.
#pragma once

#include "cli/child.h"
#include "fuzz/score/mutant_list.h"

typedef struct build_step {
    char *command, *output; // a shell command, and the file that it writes
} build_step;

typedef struct program_build {
    char *name;        // of the program
    char *explored;    // of the explorer: the strategy that it will run; NULL: any
    build_step *steps; // in order; the last one links the program
    size_t count;
    char *objects; // the output of `ninja -t deps`
} program_build;

typedef struct mutant_builder {
    const char *root; // the repository
    char *build;      // the preset's build folder
} mutant_builder;

// All functions with an `error` (of 300 bytes) return false with the reason in it on failure.

// Fails if the preset is not configured.
bool mutant_builder_open(mutant_builder *builder, const char *root, char *error);
void mutant_builder_close(mutant_builder *builder);

// Builds the original program if it is not up to date. The explorer contains all strategies; its
// mutants are built with the strategy `explored` alone, or with all if that is NULL. Fails if there
// is no such program. One thread at a time.
bool program_build_read(program_build *program, const mutant_builder *builder, const char *name,
                        const char *explored, char *error);
void program_build_free(program_build *program);

// Replaces `folder` by one with the mutant's sources.
bool mutant_prepare(const mutant_builder *builder, const mutant *mutant, const char *folder,
                    char *error);

// How a mutant is built.
typedef enum build_form {
    BUILD_SILENT,  // LM_MUTANT does nothing, so that it cannot guide the fuzzer
    BUILD_COUNTED, // counts reached and triggered (fuzz/score/mutants/counts.c)
} build_form;

// Builds FOLDER/PROGRAM of a prepared mutant. Fails if it does not compile, or if the program does
// not depend on the changed files.
bool mutant_build(const mutant_builder *builder, const program_build *program, const mutant *mutant,
                  const char *folder, build_form form, char *error);

// Sets `same` if the original and the mutant compile to the same optimised code without
// instrumentation, or if the program does not depend on the changed files: the mutant is equivalent
// (trivial compiler equivalence, Papadakis et al. 2015). Fails if the mutant does not compile.
bool mutant_is_same_code(const mutant_builder *builder, const program_build *program,
                         const mutant *mutant, const char *folder, bool *same, char *error);

// Runs a command with its output in a file. `seconds` as in child_wait. Returns false if it did not
// exit with 0 or could not be started.
bool run_logged(const char *const *argv, const char *log, double seconds, child_end *end);
