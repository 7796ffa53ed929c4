// Builds of mutants: compiles the files that they change and reuses the other objects of preset
// `fuzz`.
//
// ninja knows the commands that build a program, and which files each object is made of. A mutant
// is a copy of alloc/, and of what it changes elsewhere, with the change; the commands that its
// files reach are run once more, on the copy and into the mutant's folder.
#pragma once

#include "cli/child.h"
#include "fuzz/score/mutant_list.h"

typedef struct build_step {
    char *command, *output; // a line for the shell, and what it makes
} build_step;

typedef struct program_build {
    char *name;        // of the program
    char *explored;    // of the explorer's: the strategy that it is to play; NULL: any
    build_step *steps; // what it is made by, in order; the last one links it
    size_t count;
    char *objects; // what `ninja -t deps` tells
} program_build;

typedef struct mutant_builder {
    const char *root; // the repository
    char *build;      // its build folder of the preset
} mutant_builder;

// Returns false with the reason in `error` (of 300 bytes), usually that the preset is not built.
bool mutant_builder_open(mutant_builder *builder, const char *root, char *error);
void mutant_builder_close(mutant_builder *builder);

// Builds the right program where it is not up to date. Of the explorer's program, which has all
// strategies, mutants are then built of the one that is `explored` alone; NULL: of all. False: it
// is none, or does not build. One thread at a time.
bool program_build_read(program_build *program, const mutant_builder *builder, const char *name,
                        const char *explored, char *error);
void program_build_free(program_build *program);

// Makes `folder` anew, with the mutant's copy of alloc/ and of what it changes elsewhere.
bool mutant_prepare(const mutant_builder *builder, const mutant_list *list, const mutant *mutant,
                    const char *folder, char *error);

// How a mutant is built.
typedef enum build_form {
    BUILD_SILENT,  // as a program with the bug would be: nothing counts, nothing hints at it
    BUILD_COUNTED, // counts where it is reached and triggered (fuzz/score/mutants/counts.c)
} build_form;

// Builds FOLDER/PROGRAM of a prepared mutant. False: it does not compile, or the program has none
// of its files.
bool mutant_build(const mutant_builder *builder, const program_build *program, const mutant *mutant,
                  const char *folder, build_form form, char *error);

// Whether the compiler makes the same code of the right sources and of the mutant's, optimised and
// without instrumentation: then nobody can tell them apart (Papadakis et al. 2015). So it does
// where the program has none of its files. False: it does not compile.
bool mutant_is_same_code(const mutant_builder *builder, const program_build *program,
                         const mutant *mutant, const char *folder, bool *same, char *error);

// Runs a command with its output in a file. `seconds` as in child_wait. Returns false if it did not
// exit with 0 or could not be started.
bool run_logged(const char *const *argv, const char *log, double seconds, child_end *end);
