// Builds mutants: compiles the objects that depend on the changed files again, and links the
// program with the other objects of preset `fuzz`.
//
// A mutant's folder has copies of the changed files, an overlay by which clang reads them in place
// of the original ones (-ivfsoverlay), the preset's objects as hard links, and a build.ninja: the
// statements of the preset's build.ninja for the objects that depend on the changed files, with the
// mutant's flags, for the archives and for the program.
#pragma once

#include "fuzz/score/mutant_list.h"

// A statement of build.ninja: "build OUTPUT: RULE INPUTS", then lines "  VARIABLE = VALUE".
typedef struct build_statement {
    char *text, *output;
    char *dependencies; // a path a line, if the output is an object; or NULL
} build_statement;

typedef struct program_build {
    char *name;     // of the program
    char *explored; // of the explorer: the definition of the strategy that it will run; NULL: any
    build_statement *statements; // for all that the program is made of, and for itself
    size_t count;
    char *ninja, *objects; // build.ninja and the output of `ninja -t deps`, cut into pieces
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
